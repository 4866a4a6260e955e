"""The resolutions that an exporter reads: stored mags where they fit, computed ones elsewhere.

Computed ones are kept in scratch files while an export runs, so that each is computed once. Every one is a folder of
tiles, a file for each, made from the resolution before; a tile that is all zero, or for which nothing is stored, has
none, so that boxes of any size can be declared. The folders are filled when the exporter hands over its first work,
so that what it refuses costs nothing; what is read before (or from a folder that isn't whole) is computed on the way.
Files are written, not mapped, because a full disk must be an error; they are mapped to be read. Whoever owns the
outer folder deletes it. All readers pickle.

An `IdMapping` replaces segment ids by those of their agglomerates while voxels are read.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from wkplug import registry, storage
from wkplug.abc import Box, ExportLevel
from wkplug.errors import ExportError, OutOfBoundsError, TooLargeError
from wkplug.execution import results_in_order
from wkplug.geometry import Mag, NDBoundingBox, Vec3Int, grids
from wkplug.model import voxels
from wkplug.model.regions import Region, from_bounding_box
from wkplug.model.states import LayerState, MagState
from wkplug.ops.pyramids.sampling import SamplingModes, pyramid_mags
from wkplug.ops.pyramids.shards import stored_shards
from wkplug.progress import Progress
from wkplug.storage import ArrayHandle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Computed",
    "IdMapping",
    "Scratch",
    "Stored",
    "all_cells",
    "keeps_zero",
    "mapped",
    "region_to_export",
    "resolutions",
]


_SMALLEST = 16  # pixels: planes that are no longer than this get no coarser version
_MOST = 5  # coarser versions of a plane
_PIECE_BYTES = 1 << 25  # of a resolution, from which the next one is computed
_STEP = 32  # voxels: pieces are cut at multiples, so that few chunks are decoded twice


def region_to_export(layer: LayerState, view: MagState, bounding_box: NDBoundingBox | None) -> Region:
    """Cut a box with the layer's and shrink it to whole voxels of the mag; Mag(1) voxels, all axes.

    At the layer's own borders it is enlarged to them instead, so that nothing is lost. OutOfBoundsError if nothing is
    left.
    """
    whole = layer.region
    wanted = whole if bounding_box is None else from_bounding_box(layer.frame, bounding_box, whole)
    start, stop = [], []
    for low, length, first, extent, factor in zip(*whole, *wanted, view.factors, strict=True):
        high = low + length
        begin, end = max(low, first), min(high, first + extent)
        start.append((begin if begin == low else begin + factor - 1) // factor * factor)
        stop.append((end + factor - 1 if end == high else end) // factor * factor)
    if any(b <= a for a, b in zip(start, stop, strict=True)):
        raise OutOfBoundsError(
            f"There is nothing to export: {bounding_box or layer.bounding_box} and the layer {layer.name!r}, "
            f"{layer.bounding_box}, share no whole voxel of mag {view.mag}.",
            hint="Give a box inside the layer, in voxels of Mag(1).",
        )
    return tuple(start), tuple(b - a for a, b in zip(start, stop, strict=True))


def resolutions(layer: LayerState, view: MagState, region: Region, pyramid: str) -> tuple[ExportLevel, ...]:
    """Give the mag of `view` and, as `pyramid` says ("xyz", "xy" or ""), coarser ones."""
    levels = [_stored(view, region)]
    mags = (
        _coarser_xyz(layer, view, region)
        if pyramid == "xyz"
        else _coarser_xy(view, region)
        if pyramid
        else []
    )
    for mag in mags:
        there = layer.mags.get(mag)
        if there is not None and _fits(layer, there, region) and _serves(there, view):
            levels.append(_stored(there, region))
        else:
            levels.append(_computed(layer, levels[-1], mag, view.dtype.name))
    return tuple(levels)


def _size(layer: LayerState, region: Region) -> Vec3Int:
    return Vec3Int(*(1 if position is None else region[1][position] for position in layer.frame.xyz))


def _coarser_xyz(layer: LayerState, view: MagState, region: Region) -> list[Mag]:
    """The scheme of `layer.downsample`; the layer's own mags lead."""
    size = _size(layer, region)
    others = [] if size.z == 1 else [_chain(view.mag, layer.mags)]
    return pyramid_mags(size, view.mag, None, SamplingModes.ANISOTROPIC, others, layer.dataset.voxel_size)


def _chain(finest: Mag, mags: Iterable[Mag]) -> list[Mag]:
    """Give those of the mags that follow from one another, one for each size: a layer may have several."""
    result = [finest]
    for mag in sorted(mags, key=lambda each: (each.max_dim, each.to_tuple())):
        larger = mag.max_dim > result[-1].max_dim
        if larger and not any(a % b for a, b in zip(mag, result[-1], strict=True)):
            result.append(mag)
    return result


def _coarser_xy(view: MagState, region: Region) -> list[Mag]:
    start_mag = view.mag
    mags: list[Mag] = []
    x, y, _ = view.frame.xyz
    longest = max(region[1][axis] // view.factors[axis] for axis in (x, y) if axis is not None)
    while longest > _SMALLEST and len(mags) < _MOST:
        longest = -(-longest // 2)
        factor = 2 ** (len(mags) + 1)
        mags.append(Mag([start_mag.x * factor, start_mag.y * factor, start_mag.z]))
    return mags


def _fits(layer: LayerState, view: MagState, region: Region) -> bool:
    ends = (low + length for low, length in zip(*layer.region, strict=True))
    return all(
        first % factor == 0 and ((first + extent) % factor == 0 or first + extent >= end)
        for first, extent, factor, end in zip(*region, view.factors, ends, strict=True)
    )


def _serves(view: MagState, finest: MagState) -> bool:
    """Whether the mag is complete and of the dtype of the finest: arrays may differ from what the layer says."""
    return storage.is_complete(view.location) and view.dtype == finest.dtype


def _stored(view: MagState, region: Region) -> ExportLevel:
    start, shape = grids.coarsened(region, view.factors)
    handle = view.source.handle
    return ExportLevel(
        mag=view.mag.to_tuple(),
        start=start,
        shape=shape,
        chunk_shape=handle.spec.chunk_shape,
        read=Stored(handle, start),
    )


def _computed(layer: LayerState, finer: ExportLevel, mag: Mag, dtype: str) -> ExportLevel:
    relative = Mag([coarse // fine for coarse, fine in zip(mag, finer.mag, strict=True)])
    factors = layer.frame.factors(relative.to_tuple())
    name = "mode" if layer.category == "segmentation" else "median"
    return ExportLevel(
        mag=mag.to_tuple(),
        start=tuple(first // factor for first, factor in zip(finer.start, factors, strict=True)),
        shape=tuple(-(-length // factor) for length, factor in zip(finer.shape, factors, strict=True)),
        chunk_shape=finer.chunk_shape,
        read=Computed(finer, factors, name, layer.category, dtype),
    )


@attrs.frozen
class Stored:
    """Reads an array from `start` on, in voxels of its mag."""

    handle: ArrayHandle
    start: tuple[int, ...]

    def __call__(self, box: Box) -> NDArray[Any]:
        """See `ExportLevel.read`."""
        start, shape = box
        return voxels.read(self.handle, (tuple(a + b for a, b in zip(self.start, start, strict=True)), shape))


@attrs.frozen
class Computed:
    """Computes a resolution from the one before while it is read.

    Each piece of it takes no more than `_PIECE_BYTES` of the one before, which may be computed itself: what is held at
    once doesn't grow with the number of resolutions.
    """

    finer: ExportLevel
    factors: tuple[int, ...]
    interpolation: str
    category: str
    dtype: str

    def __call__(self, box: Box) -> NDArray[Any]:
        """See `ExportLevel.read`."""
        import numpy

        start, shape = box
        result = numpy.empty(shape, self.dtype, order="F")
        for first, length in grids.cells((0,) * len(shape), shape, self._piece(shape)):
            here = tuple(slice(low, low + n) for low, n in zip(first, length, strict=True))
            result[here] = self._reduced(
                tuple(low + more for low, more in zip(start, first, strict=True)), length
            )
        return result

    def _piece(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        import numpy

        piece = list(shape)
        voxels = _PIECE_BYTES // (numpy.dtype(self.dtype).itemsize * math.prod(self.factors))
        while math.prod(piece) > voxels and max(piece) > _STEP:
            axis = piece.index(max(piece))
            piece[axis] = -(-piece[axis] // (2 * _STEP)) * _STEP
        return tuple(piece)

    def _reduced(self, start: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[Any]:
        extent = self.finer.shape
        low = tuple(first * factor for first, factor in zip(start, self.factors, strict=True))
        wanted = tuple(length * factor for length, factor in zip(shape, self.factors, strict=True))
        there = tuple(min(n, end - first) for n, end, first in zip(wanted, extent, low, strict=True))
        data = self.finer.read((low, there))
        if there != wanted:
            import numpy

            # Factors are 1 or 2, so that no more than one voxel is missing: the last one counts twice.
            missing = [(0, n - length) for n, length in zip(wanted, there, strict=True)]
            data = numpy.asfortranarray(numpy.pad(data, missing, mode="symmetric"))
        return registry.interpolation(self.interpolation, category=self.category, dtype=self.dtype).reduce(
            data, self.factors
        )


# --- scratch files ----------------------------------------------------------------------------------------


_TILE_BYTES = 1 << 24  # of the resolution before, about: enough that Python's part doesn't count
_MOST_CELLS = (
    10**7
)  # that a box is cut into where nobody knows what is stored of it; all of them are looked at


class Scratch:
    """The computed ones of `levels` in files of `folder`, a path; `levels` are those to read instead."""

    def __init__(self, levels: tuple[ExportLevel, ...], folder: str, axes: tuple[str, ...]) -> None:
        self._folder = folder
        self._waiting: list[_ScratchReader] = []
        self._stored: list[Sequence[Box] | None] = []
        kept: list[ExportLevel] = []
        for number, level in enumerate(levels):
            if isinstance(level.read, Computed):
                path = os.path.join(folder, str(number))  # noqa: PTH118 - the place is text
                reader = _scratch_reader(level, attrs.evolve(level.read, finer=kept[-1]), path, axes)
                self._waiting.append(reader)
                level = attrs.evolve(level, read=reader)
            kept.append(level)
        self.levels = tuple(kept)

    def fill(self, executor: Any, progress: Progress | None = None, more: int = 0) -> int:
        """Compute what isn't yet, finest first; give the number of tasks that took.

        more: how many tasks will follow, for the `progress`. OSError where the disk is full.
        """
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return 0
        os.makedirs(self._folder, exist_ok=True)  # noqa: PTH103 - the place is text
        cells = [
            self._tiles(number)
            for number, level in enumerate(self.levels)
            if isinstance(level.read, _ScratchReader)
        ]
        total = sum(map(len, cells))
        before = 0

        def report(done: int, _: int) -> None:
            if progress is not None:
                progress(before + done, total + more)

        for reader, boxes in zip(waiting, cells, strict=True):
            reader.create()
            for _ in results_in_order(reader.fill, boxes, executor=executor, progress=report):
                pass
            reader.finish()
            before += len(boxes)
        return total

    def pieces(self, number: int, shape: tuple[int, ...]) -> list[Box]:
        """See `ExportVolume.pieces`."""
        level = self.levels[number]
        stored = self.stored(number)
        if stored is None:
            return all_cells((0,) * len(shape), level.shape, shape)
        back = tuple(-low for low in level.start)
        whole = (0,) * len(shape), level.shape
        return grids.touched((grids.shifted(box, back) for box in stored), whole, shape)

    def stored(self, number: int) -> Sequence[Box] | None:
        """Give boxes of a resolution, counted as in its array, beside which it is zero; None where nobody knows."""
        for position in range(len(self._stored), number + 1):
            read = self.levels[position].read
            if isinstance(read, _ScratchReader):
                finer = self._stored[-1]
                bounds = read.start, read.shape
                self._stored.append(
                    None if finer is None else grids.touched(map(read.made_from, finer), bounds, read.tile)
                )
            elif isinstance(read, Stored):
                shards = stored_shards(read.handle)
                self._stored.append(None if shards is None else tuple(shards.boxes()))
            else:
                self._stored.append(None)
        return self._stored[number]

    def _tiles(self, number: int) -> Sequence[Box]:
        """Give the tiles of a computed resolution that something may be stored for."""
        stored = self.stored(number)
        if stored is not None:
            return stored
        reader: _ScratchReader = self.levels[number].read  # type: ignore[assignment]
        return all_cells(reader.start, reader.shape, reader.tile)


def all_cells(start: tuple[int, ...], shape: tuple[int, ...], grid: tuple[int, ...]) -> list[Box]:
    """Give all cells of a grid; TooLargeError if nobody could go through them."""
    count = grids.count_cells(start, shape, grid)
    if count > _MOST_CELLS:
        raise TooLargeError(
            f"The export would go through {count:,} pieces, because it isn't known which of them are stored.",
            hint="Export a smaller box (bounding_box=...), or copy the layer to a place that can be listed first.",
        )
    return list(grids.cells(start, shape, grid))


def _scratch_reader(level: ExportLevel, source: Computed, path: str, axes: tuple[str, ...]) -> _ScratchReader:
    """Choose tiles: whole chunks of the resolution before, doubled along the shortest of x, y, z."""
    import numpy

    tile = [
        min(max(1, chunk // factor), length)
        for chunk, factor, length in zip(level.chunk_shape, source.factors, level.shape, strict=True)
    ]
    voxels = _TILE_BYTES // (numpy.dtype(source.dtype).itemsize * math.prod(source.factors))
    while 2 * math.prod(tile) <= voxels:
        growing = [axis for axis, name in enumerate(axes) if name in "xyz" and tile[axis] < level.shape[axis]]
        if not growing:
            break
        tile[min(growing, key=tile.__getitem__)] *= 2
    return _ScratchReader(path=path, source=source, start=level.start, shape=level.shape, tile=tuple(tile))


@attrs.frozen(kw_only=True)
class _ScratchReader:
    """Reads a computed resolution from its files.

    path: the folder. start, shape: of the resolution. tile: voxels; the tiles' grid counts from the dataset's first
    voxel, as chunks do. Each tile, cut with the resolution, is a file named by its first voxel, in Fortran order.
    """

    path: str
    source: Computed
    start: tuple[int, ...]
    shape: tuple[int, ...]
    tile: tuple[int, ...]

    def __call__(self, box: Box) -> NDArray[Any]:
        import numpy

        if not os.path.exists(self.path):  # noqa: PTH110 - the place is text
            return self.source(box)
        low = grids.shifted(box, self.start)[0]
        result = numpy.zeros(box[1], self.source.dtype, order="F")
        for part in grids.cells(low, box[1], self.tile):
            room, extent = self._room(part[0])
            try:
                tile = numpy.memmap(
                    self._file(self.path, room), self.source.dtype, mode="r", shape=extent, order="F"
                )
            except FileNotFoundError:
                continue
            result[grids.slices(part, low)] = tile[grids.slices(part, room)]
        return result

    def made_from(self, box: Box) -> Box:
        """Give the voxels that a box of the resolution before, counted as in its array, has a part in."""
        factors, finer = self.source.factors, self.source.finer
        start = tuple(
            first + (low - base) // factor
            for first, low, base, factor in zip(self.start, box[0], finer.start, factors, strict=True)
        )
        stop = (
            first - (base - low - n) // factor
            for first, low, n, base, factor in zip(self.start, *box, finer.start, factors, strict=True)
        )
        return start, tuple(b - a for a, b in zip(start, stop, strict=True))

    def create(self) -> None:
        """Make the folder."""
        os.makedirs(self._unfinished)  # noqa: PTH103 - the place is text

    def fill(self, box: Box) -> None:
        """Compute one tile and write it, unless it is all zero."""
        first, length = box
        data = self.source((tuple(a - b for a, b in zip(first, self.start, strict=True)), length))
        if data.any():
            room, _ = self._room(first)
            with open(self._file(self._unfinished, room), "wb", buffering=0) as file:  # noqa: PTH123 - the same
                rest = data.T.data.cast("B")
                while rest:
                    rest = rest[file.write(rest) :]

    def finish(self) -> None:
        """Let everybody read the tiles from now on."""
        os.replace(self._unfinished, self.path)  # noqa: PTH105 - the place is text

    @property
    def _unfinished(self) -> str:
        return f"{self.path}.part"

    @staticmethod
    def _file(folder: str, start: tuple[int, ...]) -> str:
        return os.path.join(folder, "_".join(map(str, start)))  # noqa: PTH118 - the place is text

    def _room(self, voxel: tuple[int, ...]) -> Box:
        """The tile around a voxel, cut with the resolution."""
        corner = tuple(place // size * size for place, size in zip(voxel, self.tile, strict=True))
        room = grids.intersect((corner, self.tile), (self.start, self.shape))
        return room if room is not None else (corner, self.tile)


# --- mapped ids -------------------------------------------------------------------------------------------


class IdMapping(NamedTuple):
    """New ids of segments: `table` has the new one at the place of the old one."""

    name: str
    table: NDArray[Any]


def mapped(
    levels: tuple[ExportLevel, ...], mapping: IdMapping, dtype: np.dtype[Any]
) -> tuple[ExportLevel, ...]:
    """Give the levels, of `dtype`, with new ids; ids beyond the table become 0.

    ExportError if a new id is too large for the dtype.
    """
    import numpy

    name, table = mapping
    if table.size and int(table.max()) > numpy.iinfo(dtype).max:
        raise ExportError(
            f"The mapping {name!r} has ids up to {table.max()}, more than {dtype} can hold.",
            hint="Copy the layer to uint64 first.",
        )
    table = table.astype(dtype)
    return tuple(attrs.evolve(level, read=_Mapped(level.read, table)) for level in levels)


def keeps_zero(levels: tuple[ExportLevel, ...]) -> bool:
    """Whether voxels that were never written are zero after the mapping, too."""
    return not any(isinstance(level.read, _Mapped) and level.read.table[:1].any() for level in levels)


@attrs.frozen(eq=False)
class _Mapped:
    read: Any
    table: NDArray[Any]

    def __call__(self, box: Box) -> NDArray[Any]:
        import numpy

        ids = self.read(box)
        known = ids < self.table.size
        result: NDArray[Any] = numpy.zeros_like(ids)
        result[known] = self.table[ids[known]]
        return result
