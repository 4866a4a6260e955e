"""The voxels of a served layer, in levels: its mags, and coarser ones that are computed where it has none.

Positions are voxels of the level, counted from the origin of the dataset, along x, y and z. Time and other axes have
one place per reading. Not here: how voxels are encoded, which each stream does its own way.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from wkplug.errors import MagError, MagNotFoundError
from wkplug.geometry import BoundingBox, Mag, NDBoundingBox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wkplug.dataset import Layer, MagView

__all__ = ["Level", "Levels"]

Triple = tuple[int, int, int]

_SMALL = 512
"""No coarser level is computed once the coarsest has at most this many voxels along every axis."""
_MOST_HALVINGS = 3
"""How many levels are computed at most: each asks for eight times as many stored voxels."""
_CACHE_BYTES = 256 << 20


@attrs.frozen
class Level:
    """One resolution. begin, end: what it covers, in its own voxels; halvings: 0 for a mag that is stored."""

    mag: Mag
    begin: Triple
    end: Triple
    halvings: int = 0

    @property
    def name(self) -> str:
        """The mag as in the paths of streams: "1", "2-2-1"."""
        return self.mag.to_layer_name()

    @property
    def size(self) -> Triple:
        """Voxels along x, y, z."""
        return _triple(high - low for low, high in zip(self.begin, self.end, strict=True))


def _triple(values: Any) -> Triple:
    x, y, z = values
    return (int(x), int(y), int(z))


class Levels:
    """All levels of a layer, finest first."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        box = layer.bounding_box
        self.axes: tuple[str, ...] = tuple(axis for axis in box.axes if axis not in "cxyz")
        """The axes beside channels and space, in the order of the layer's own."""
        self.bounds: Mapping[str, tuple[int, int]] = {
            axis: (low, low + length)
            for axis, low, length in zip(box.axes, box.topleft, box.size, strict=True)
            if axis in self.axes
        }
        self._box = BoundingBox(box.topleft_xyz, box.size_xyz)
        self._views: dict[Mag, MagView] = dict(layer.mags)
        self.stored = tuple(self._level(mag) for mag in self._views)
        self.all = (*self.stored, *self._computed())
        self._cache = _Cache(_CACHE_BYTES)

    def _level(self, mag: Mag, halvings: int = 0) -> Level:
        low, high = self._box.topleft, self._box.bottomright
        factors = mag.to_tuple()
        return Level(
            mag,
            _triple(a // f for a, f in zip(low, factors, strict=True)),
            _triple(-(-a // f) for a, f in zip(high, factors, strict=True)),
            halvings,
        )

    def _computed(self) -> Sequence[Level]:
        found: list[Level] = []
        if not self.stored:
            return found
        level = self.stored[-1]
        lengths = self.layer.dataset.voxel_size
        while max(level.size) > _SMALL and len(found) < _MOST_HALVINGS:
            # Along axes whose voxels are short, so that they become as long as those of the others.
            extents = [f * length for f, length in zip(level.mag.to_tuple(), lengths, strict=True)]
            halved = [extent <= 1.5 * min(extents) for extent in extents]
            mag = Mag([f * (2 if h else 1) for f, h in zip(level.mag.to_tuple(), halved, strict=True)])
            level = self._level(mag, level.halvings + 1)
            found.append(level)
        return found

    @property
    def num_channels(self) -> int:
        """How many channels each voxel has."""
        return self.layer.num_channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of each channel."""
        return np.dtype(self.layer.dtype)

    @property
    def is_segmentation(self) -> bool:
        """Whether the voxels are ids."""
        return self.layer.category == "segmentation"

    def get(self, mag: Any) -> Level:
        """The level of a mag, "2", "2-2-2" or "2-2-1"; MagNotFoundError (an IndexError)."""
        with suppress(MagError):
            wanted = Mag(mag)
            for level in self.all:
                if level.mag == wanted:
                    return level
        raise MagNotFoundError(
            f"The layer {self.layer.name!r} has no mag {mag} here; it has "
            f"{', '.join(level.name for level in self.all) or 'none'}.",
            hint="Take one of those.",
        )

    def read(
        self, level: Level, begin: Triple, size: Triple, others: Sequence[int] | None = None
    ) -> NDArray[Any]:
        """Read a box as (c, x, y, z); zeros outside of what is stored. others: places along the further axes."""
        places = tuple(self.bounds[axis][0] for axis in self.axes) if others is None else tuple(others)
        if not level.halvings:
            return self._stored(self._views[level.mag], begin, size, places)
        key = (level.mag, begin, size, places)
        found = self._cache.get(key)
        if found is None:
            found = self._computed_box(level, begin, size, places)
            self._cache.put(key, found)
        return found

    def _stored(self, view: MagView, begin: Triple, size: Triple, places: tuple[int, ...]) -> NDArray[Any]:
        factors = view.mag.to_tuple()
        topleft = [b * f for b, f in zip(begin, factors, strict=True)]
        extent = [n * f for n, f in zip(size, factors, strict=True)]
        if not self.axes:
            return view.read(absolute_bounding_box=BoundingBox(topleft, extent))
        axes = self.layer.bounding_box.axes
        fixed = dict(zip(self.axes, places, strict=True))
        corner = {**fixed, **dict(zip("xyz", topleft, strict=True)), "c": 0}
        lengths = {
            **dict.fromkeys(self.axes, 1),
            **dict(zip("xyz", extent, strict=True)),
            "c": self.num_channels,
        }
        box = NDBoundingBox(
            [corner[axis] for axis in axes],
            [lengths[axis] for axis in axes],
            axes,
            range(len(axes)),
        )
        data = view.read(absolute_bounding_box=box)
        order = axes if "c" in axes else ("c", *axes)
        index = tuple(0 if axis in self.axes else slice(None) for axis in order)
        return data[index]

    def _computed_box(
        self, level: Level, begin: Triple, size: Triple, places: tuple[int, ...]
    ) -> NDArray[Any]:
        """Sample the coarsest mag: means of images, for labels the first voxel of each block."""
        source = self.stored[-1]
        factors = _triple(a // b for a, b in zip(level.mag.to_tuple(), source.mag.to_tuple(), strict=True))
        corner = _triple(b * f for b, f in zip(begin, factors, strict=True))
        extent = _triple(n * f for n, f in zip(size, factors, strict=True))
        # Beyond the end there is nothing but zeros, which would darken the means at the border.
        inside = _triple(
            max(min(c + n, end) - c, 0) for c, n, end in zip(corner, extent, source.end, strict=True)
        )
        out = np.zeros((self.num_channels, *size), self.dtype, order="F")
        if 0 in inside:
            return out
        data = self._stored(self._views[source.mag], corner, inside, places)
        small = data[:, :: factors[0], :: factors[1], :: factors[2]]
        if not self.is_segmentation:
            small = _means(data, factors)
        out[tuple(slice(n) for n in small.shape)] = small
        return out


def _means(data: NDArray[Any], factors: Triple) -> NDArray[Any]:
    """The means of whole blocks and of what is left of blocks at the far borders, in the dtype of the data."""
    total = data.astype(np.float32 if data.dtype.itemsize <= 2 else np.float64)
    for axis, factor in enumerate(factors, start=1):
        if factor > 1:
            edges = np.arange(0, total.shape[axis], factor)
            counts = np.diff(np.append(edges, total.shape[axis]))
            shape = [1] * total.ndim
            shape[axis] = len(edges)
            total = np.add.reduceat(total, edges, axis=axis) / counts.reshape(shape)
    if data.dtype.kind in "iu":
        total = np.rint(total)
    return total.astype(data.dtype)


class _Cache:
    """Arrays that were computed, the least used go first."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._arrays: OrderedDict[Any, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any) -> NDArray[Any] | None:
        with self._lock:
            found = self._arrays.get(key)
            if found is not None:
                self._arrays.move_to_end(key)
            return found

    def put(self, key: Any, array: NDArray[Any]) -> None:
        with self._lock:
            if key in self._arrays or array.nbytes > self._most:
                return
            self._arrays[key] = array
            self._bytes += array.nbytes
            while self._bytes > self._most:
                self._bytes -= self._arrays.popitem(last=False)[1].nbytes
