"""`Mags`: the mags of a layer, looked up by anything that means a mag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wkplug.errors import MagError
from wkplug.geometry import Mag

if TYPE_CHECKING:
    from wkplug.dataset.mag_view import MagView

__all__ = ["Mags"]


class Mags(Mapping[Mag, "MagView"]):
    """A read-only mapping from Mag to MagView, finest first: `"1" in layer.mags`, `layer.mags[2, 2, 1]`."""

    __slots__ = ("_views",)

    def __init__(self, views: Mapping[Mag, MagView]) -> None:
        self._views = dict(sorted(views.items()))

    def __getitem__(self, key: Any) -> MagView:
        try:
            return self._views[key if isinstance(key, Mag) else Mag(key)]
        except MagError:
            raise KeyError(key) from None

    def __contains__(self, key: object) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[Mag]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __repr__(self) -> str:
        return repr(self._views)
