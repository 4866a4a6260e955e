"""How a dataset was opened: what its layers, mags and pickles inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OpenOptions"]


class OpenOptions(NamedTuple):
    """read_only refuses changes; allow_incomplete reads marked mags; backends maps formats to implementations."""

    backends: Mapping[str, str]
    read_only: bool = False
    allow_incomplete: bool = False
