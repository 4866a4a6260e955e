"""How a dataset was opened: what its layers, mags and pickles inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OpenOptions"]


@attrs.frozen(kw_only=True)
class OpenOptions:
    """read_only refuses changes; allow_incomplete reads marked mags; backends maps formats to implementations."""

    read_only: bool = False
    allow_incomplete: bool = False
    backends: Mapping[str, str] = attrs.field(factory=dict, hash=False)
