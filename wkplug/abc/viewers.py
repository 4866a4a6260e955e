"""A look at volumes: a `Viewer` shows layers of a dataset to whoever sits before the screen.

Not here: how it does that, which is the plugin's own, and pictures in files, which are an exporter's work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Viewer"]


class Viewer(ABC):
    """One way to show datasets."""

    @abstractmethod
    def show(self, dataset: Any, *, layers: Sequence[str] = (), browser: bool | None = None) -> Any:
        """Show a `wkplug.Dataset`, and give an object that says how to see it (and is seen in a notebook).

        layers: the names of those that are shown, all by default. browser: whether a browser is opened; None for where
        there is one and nobody sees the returned object.
        """
