"""How a pyramid is cut into passes, which mags are computed together in which tiles, and `PyramidRun`, which runs them.

A pass reads one mag once and computes one or more coarser ones from it. Tiles are whole blocks of all these mags;
what they give is gathered in cells of whole shards, so that every shard is written once. A pass ends where a step
reduces an axis more than twofold, where tiles would get too large, and where the cells of all its mags don't fit into
memory: then the next pass reads the coarsest mag of this one, which is small. If not even one mag's shards fit, cells
are smaller than shards, and shards are written in parts. Where a mag is fed to its pyramid box by box, while it is
being written, the boxes are given, and tiles divide them. All that is pure arithmetic on shapes.

Where calls stay in this process (threads, the default, and the sequential executor) a task is one tile, and all tasks
gather whole shards together, so that also a layer of a single shard keeps several workers busy. Everywhere else a
task is a region of whole shards, which one worker computes by itself. Regions of the source in which nothing is
stored are left out. The arrays of the new mags are neither made nor listed here.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import attrs

from wkplug.abc import ArraySpec, Box, Interpolation
from wkplug.builtin.executors import available_workers
from wkplug.errors import TooLargeError
from wkplug.execution import Runner, results_in_order, shares_memory
from wkplug.geometry import Mag, grids
from wkplug.model.regions import Frame, Region
from wkplug.model.states import LayerState
from wkplug.ops.pyramids.shards import (
    ShardBuffer,
    ShardReduction,
    Step,
    StoredShards,
    stored_shards,
    tiles_of,
)
from wkplug.progress import Progress
from wkplug.storage import ArrayHandle
from wkplug.storage.budget import resident

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

__all__ = [
    "Pass",
    "PyramidRun",
    "Sizes",
    "bounds_of",
    "plan_pass",
    "sizes_of",
    "steps_of",
    "streaming_passes",
    "taken_by_workers",
    "too_little",
]


Ints = tuple[int, ...]

_TILE_BYTES = 1 << 24
"""How many bytes of the source a tile has, about: enough that Python's part doesn't count, few enough for caches."""

_STREAMED_TILE_BYTES = 1 << 21
"""The same where tiles are cut out of memory, so that they may be small: the memory is needed for other things."""

_LEAST_TILE_BYTES = 1 << 17
_WIDEST_TILE = 4
"""How many times that a tile may have so that one pass computes more mags."""

_KERNEL_COPIES = 3
_KERNEL_BYTES = 8
"""What computing a tile takes: copies of it, and bytes per voxel of it (smoothing counts in float64)."""

_WRITE_COPIES = 2.25
"""What writing a cell takes beside it: engines copy what they are to encode, and hold what they have encoded."""


@attrs.frozen(kw_only=True)
class Sizes:
    """What there is to compute, finest first. All shapes over all axes, in voxels of their own mag.

    chunk, extent: of the source; extent is the shape of the layer's box. factors: voxels of the mag before per voxel.
    bounds, shards, chunks: of the mags to compute. itemsize: bytes per voxel.
    """

    chunk: Ints
    extent: Ints
    itemsize: int
    spatial: tuple[int, ...]
    factors: tuple[Ints, ...]
    bounds: tuple[Box, ...]
    shards: tuple[Ints, ...]
    chunks: tuple[Ints, ...]

    def rest(self, count: int) -> Sizes:
        """What is left after a pass that has computed `count` mags."""
        return attrs.evolve(
            self,
            chunk=self.chunks[count - 1],
            extent=self.bounds[count - 1][1],
            factors=self.factors[count:],
            bounds=self.bounds[count:],
            shards=self.shards[count:],
            chunks=self.chunks[count:],
        )


@attrs.frozen(kw_only=True)
class Pass:
    """One pass: how many mags it computes, in which tiles (voxels of its first mag), gathered in which cells.

    grids: the cells of each mag, in its own voxels. nested: the same in voxels of the first mag, widest first.
    at_once: how many tasks may be in the making. need: bytes of memory for all of it.
    """

    count: int
    tile: Ints
    grids: tuple[Ints, ...]
    nested: tuple[Ints, ...]
    at_once: int
    need: int


def plan_pass(
    sizes: Sizes, *, workers: int, shared: bool, memory: int, buffer: Ints | None = None
) -> tuple[Pass | None, int]:
    """Plan the next pass: the best one that fits into `memory` bytes, None if none does; and the least that one takes.

    shared: tasks are tiles of one process that gather cells together; otherwise they are whole regions, each worker
    gathers for itself, and there should be enough regions for all. buffer: the tile that the user asked for, in
    voxels of the first mag.
    """
    least = 0
    # Regions of one mag are the smallest there are: if these are few, nothing is gained by more passes.
    enough = 1 if shared else 2 * workers
    if not shared:
        single = next(_tiles(sizes, 1, workers, buffer))
        enough = min(enough, _regions(sizes, _pass(sizes, 1, single, 1, shared=shared, whole_shards=True)))
    for whole_shards in (True, False):
        for at_once in _calls_to_try(workers, shared=shared):
            for count in range(_most_mags(sizes) if whole_shards else 1, 0, -1):
                for tile in _tiles(sizes, count, workers, buffer):
                    found = _pass(sizes, count, tile, at_once, shared=shared, whole_shards=whole_shards)
                    least = min(least or found.need, found.need)
                    if found.need <= memory and (count == 1 or _regions(sizes, found) >= enough):
                        return found, least
    return None, least


def _calls_to_try(workers: int, *, shared: bool) -> list[int]:
    """How many tasks may be in the making: one per worker; of workers that only wait for stores fewer; one."""
    extra = 1 if shared else 0
    return [workers + extra, *([available_workers() + extra] if workers > available_workers() else []), 1]


def streaming_passes(sizes: Sizes, box: Ints, *, workers: int, in_flight: int) -> Iterator[Pass]:
    """Give passes whose source comes in boxes of the grid with the edges `box`, those of the most mags first.

    Boxes come once each, the last axis slowest, `in_flight` at once; no tile may need voxels of two of them. Their
    `need` doesn't count the boxes themselves. There is none where the first step reduces an axis more than twofold:
    what lies beyond the border would then be mirrored from more than one voxel.
    """
    if max(sizes.factors[0]) > 2:
        return
    for count in range(_most_mags(sizes), 0, -1):
        block = _product(sizes.factors[:count])
        if any(edge % length for edge, length in zip(box, block, strict=True)):
            continue
        tile = tuple(
            length // factor
            for length, factor in zip(_tile_in(box, block, sizes, workers), sizes.factors[0], strict=True)
        )
        yield _pass(sizes, count, tile, workers, shared=True, whole_shards=True, box=(box, in_flight))


def _tile_in(box: Ints, block: Ints, sizes: Sizes, workers: int) -> Ints:
    """Halve a box until tiles are small enough, and enough for all workers; in voxels of the source."""
    tile = list(box)
    most = max(_LEAST_TILE_BYTES, min(_STREAMED_TILE_BYTES, _bytes(box, sizes) // (4 * workers)))
    while _bytes(tuple(tile), sizes) > most:
        axes = [axis for axis in sizes.spatial if tile[axis] % (2 * block[axis]) == 0]
        if not axes:
            break
        axis = max(axes, key=lambda index: (min(tile[index], sizes.extent[index]), index))
        tile[axis] //= 2
    return tuple(tile)


def _most_mags(sizes: Sizes) -> int:
    """How many mags one pass may compute: axes are at most halved after the first step, and tiles stay small."""
    most = _WIDEST_TILE * _TILE_BYTES
    count = 1
    while count < len(sizes.factors) and max(sizes.factors[count]) <= 2:
        if _bytes(_least_tile(sizes, count + 1), sizes) > most:
            break
        count += 1
    return count


def _product(factors: Sequence[Ints]) -> Ints:
    return tuple(math.prod(along) for along in zip(*factors, strict=True))


def _least_tile(sizes: Sizes, count: int) -> Ints:
    """The smallest tile, in voxels of the source: whole blocks of all mags, whole chunks of the source."""
    return tuple(map(math.lcm, _product(sizes.factors[:count]), sizes.chunk))


def _bytes(tile: Ints, sizes: Sizes) -> int:
    return math.prod(map(min, tile, sizes.extent)) * sizes.itemsize


def _tiles(sizes: Sizes, count: int, workers: int, buffer: Ints | None) -> Iterator[Ints]:
    """Give tiles to try, in voxels of the first mag, the best first, then smaller ones."""
    first = sizes.factors[0]
    least = _least_tile(sizes, count)
    if buffer is not None:
        step = _product(sizes.factors[:count])
        wanted = tuple(
            -(-length * factor // whole) * whole
            for length, factor, whole in zip(buffer, first, step, strict=True)
        )
        yield tuple(length // factor for length, factor in zip(wanted, first, strict=True))
        return
    # Enough tiles for all workers, also where the layer is small.
    wanted_bytes = math.prod(sizes.extent) * sizes.itemsize // max(8, 4 * workers)
    target = max(_LEAST_TILE_BYTES, min(_TILE_BYTES, wanted_bytes))
    grown = [least]
    while True:
        tile = list(grown[-1])
        # Channels and time stay as they are until space is done with.
        open_axes = [axis for axis in sizes.spatial if tile[axis] < sizes.extent[axis]] or [
            axis for axis in range(len(tile)) if tile[axis] < sizes.extent[axis]
        ]
        if not open_axes:
            break
        axis = min(open_axes, key=lambda index: (tile[index], -index))
        tile[axis] *= 2
        if _bytes(tuple(tile), sizes) > target:
            break
        grown.append(tuple(tile))
    for tile_in_source in reversed(grown):
        yield tuple(length // factor for length, factor in zip(tile_in_source, first, strict=True))


def _pass(
    sizes: Sizes,
    count: int,
    tile: Ints,
    at_once: int,
    *,
    shared: bool,
    whole_shards: bool,
    box: tuple[Ints, int] | None = None,
) -> Pass:
    """Work out a pass. box: the edges of the boxes that the source comes in, and how many at once, if it does."""
    cells: list[Ints] = []
    in_first: list[Ints] = []
    for level in range(count):
        coarser = _product(sizes.factors[1 : level + 1]) if level else (1,) * len(tile)
        part = tuple(max(1, length // factor) for length, factor in zip(tile, coarser, strict=True))
        unit = sizes.shards[level] if whole_shards else sizes.chunks[level]
        cell = tuple(map(math.lcm, unit, part))
        wide = tuple(length * factor for length, factor in zip(cell, coarser, strict=True))
        if in_first:
            wide = tuple(map(math.lcm, wide, in_first[-1]))
            cell = tuple(length // factor for length, factor in zip(wide, coarser, strict=True))
        cells.append(cell)
        in_first.append(wide)
    nested = tuple(dict.fromkeys(reversed(in_first)))
    planned = Pass(count=count, tile=tile, grids=tuple(cells), nested=nested, at_once=at_once, need=0)
    return attrs.evolve(planned, need=_need(sizes, planned, in_first, shared=shared, box=box))


def _need(
    sizes: Sizes, planned: Pass, in_first: Sequence[Ints], *, shared: bool, box: tuple[Ints, int] | None
) -> int:
    """Bytes for the tiles in the making, the cells that are begun, and what engines hold while they write."""
    source_tile = tuple(a * b for a, b in zip(planned.tile, sizes.factors[0], strict=True))
    tile_bytes = _bytes(source_tile, sizes)
    one_tile = _KERNEL_COPIES * tile_bytes + _KERNEL_BYTES * (tile_bytes // sizes.itemsize)
    gathered, writing = 0, 0.0
    for level, ((_, shape), cell, wide) in enumerate(
        zip(sizes.bounds, planned.grids, in_first, strict=False)
    ):
        cell_bytes = math.prod(map(min, cell, shape)) * sizes.itemsize
        tiles = math.prod(
            -(-min(length, most) // step)
            for length, most, step in zip(wide, sizes.bounds[0][1], planned.tile, strict=True)
        )
        open_cells = 1
        if box is not None:
            open_cells = _count_open_cells(sizes, level, cell, *box)
        elif shared:
            open_cells = min(_count(shape, cell), 1 + -(-planned.at_once // tiles))
        if tiles > 1:
            gathered += open_cells * cell_bytes
        writers = min(open_cells, planned.at_once) if shared else 1
        writing = max(writing, writers * _WRITE_COPIES * cell_bytes)
    if shared:
        return int(planned.at_once * one_tile + gathered + writing)
    return int(planned.at_once * (one_tile + gathered + writing))


def _count_open_cells(sizes: Sizes, level: int, cell: Ints, box: Ints, in_flight: int) -> int:
    """How many cells of a mag are begun at once where boxes (of the source) come one after the other, z slowest.

    Where boxes cover whole cells along an axis, these go with them. Along the slowest axis where they don't, the cells
    of a box stay begun until all boxes along the faster axes have come.
    """
    shape = sizes.bounds[level][1]
    in_mag = [edge // factor for edge, factor in zip(box, _product(sizes.factors[: level + 1]), strict=True)]
    cells = [-(-length // step) for length, step in zip(shape, cell, strict=True)]
    in_box = [
        min(most, max(1, -(-edge // step))) for most, edge, step in zip(cells, in_mag, cell, strict=True)
    ]
    others = [axis for axis in range(len(shape)) if axis not in sizes.spatial]
    order = [*others, *reversed(sizes.spatial)]  # the slowest first
    cut = next(
        (number for number, axis in enumerate(order) if in_mag[axis] < min(cell[axis], shape[axis])),
        len(order),
    )
    open_cells = math.prod(in_box[axis] for axis in order[: cut + 1])
    open_cells *= math.prod(cells[axis] for axis in order[cut + 1 :])
    return min(_count(shape, cell), open_cells * min(in_flight, 2))


def _count(shape: Ints, cell: Ints) -> int:
    """The most cells that a box of that shape may touch along all axes."""
    return math.prod(-(-length // step) + (length > 1) for length, step in zip(shape, cell, strict=True))


def _regions(sizes: Sizes, planned: Pass) -> int:
    return grids.count_cells(*sizes.bounds[0], planned.nested[0])


# --- running them -----------------------------------------------------------------------------------------


_WORKER_BYTES = 160 * 2**20
"""What a worker process takes before it has read a voxel: Python, numpy, an engine."""

_SPARE_BYTES = 48 * 2**20
"""What engines and allocators keep beside what they were asked for: caches, threads, fragments."""


def bounds_of(layer: LayerState, mag: Mag) -> Box:
    """Give the layer's box in voxels of a mag, all axes, enlarged to whole voxels."""
    return grids.coarsened(layer.region, layer.frame.factors(mag.to_tuple()))


def sizes_of(
    frame: Frame, region: Region, source: tuple[Mag, ArraySpec], targets: Sequence[tuple[Mag, ArraySpec]]
) -> Sizes:
    """Say what there is to compute; region: the layer's box; targets: the mags to compute, finest first."""
    import numpy

    mags = [source[0], *(mag for mag, _ in targets)]
    scales = [frame.factors(mag.to_tuple()) for mag in mags]
    specs = [spec for _, spec in targets]
    return Sizes(
        chunk=source[1].chunk_shape,
        extent=grids.coarsened(region, scales[0])[1],
        itemsize=numpy.dtype(source[1].dtype).itemsize,
        spatial=tuple(position for position in frame.xyz if position is not None),
        factors=tuple(_ratio(*pair) for pair in itertools.pairwise(scales)),
        bounds=tuple(grids.coarsened(region, scale) for scale in scales[1:]),
        shards=tuple(one.shard_shape for one in specs),
        chunks=tuple(one.chunk_shape for one in specs),
    )


def steps_of(
    layer: LayerState,
    source: Mag,
    targets: Sequence[tuple[Mag, ArrayHandle]],
    cells: Sequence[tuple[int, ...]],
    existing: Container[Mag] = (),
) -> tuple[Step, ...]:
    """Make the steps of a pass; cells: the grid of each target. existing: the targets that may hold voxels already."""
    scales = [layer.frame.factors(mag.to_tuple()) for mag in (source, *(mag for mag, _ in targets))]
    return tuple(
        Step(
            factors=_ratio(*pair),
            bounds=bounds_of(layer, mag),
            grid=grid,
            target=handle,
            erase=mag in existing,
        )
        for pair, (mag, handle), grid in zip(itertools.pairwise(scales), targets, cells, strict=True)
    )


def _ratio(finer: tuple[int, ...], coarser: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(b // a for a, b in zip(finer, coarser, strict=True))


def taken_by_workers(runner: Runner) -> int:
    """Give the bytes that this process and its workers take by themselves."""
    others = 0 if shares_memory(runner) else runner.workers * _WORKER_BYTES
    return resident() + _SPARE_BYTES + others


def too_little(what: str, taken: int, need: int, budget: int) -> TooLargeError:
    """Make the error that a budget is too small; it names the least that there must be."""
    least, by_itself, allowed = (f"{-(-count // 10**6)} MB" for count in (taken + need, taken, budget))
    return TooLargeError(
        f"{what} takes at least {least} of memory, {by_itself} of which Python and its workers take by themselves; "
        f"allowed are {allowed}.",
        hint=f'Pass memory="{least.replace(" ", "")}" or more.',
    )


@attrs.frozen(kw_only=True)
class PyramidRun:
    """All that a pyramid of one layer needs: the source's mag and array, the mags to compute and theirs, finest first.

    budget: bytes that the process and its workers may take. buffer: the tile in voxels of each target, or None.
    existing: the targets that may hold voxels already.
    """

    layer: LayerState
    source: tuple[Mag, ArrayHandle]
    targets: tuple[tuple[Mag, ArrayHandle], ...]
    interpolation: Interpolation
    existing: frozenset[Mag]
    budget: int
    buffer: tuple[int, ...] | None = None

    def planned(self, runner: Runner) -> list[Pass]:
        """Cut the work into passes. TooLargeError if the budget is too small; nothing is read or written here."""
        if grids.is_empty(bounds_of(self.layer, self.targets[0][0])):
            return []
        return list(self._passes(runner))

    def run(self, passes: Sequence[Pass], runner: Runner, progress: Progress | None = None) -> None:
        """Compute all mags, in the passes that were planned for this runner."""
        works: list[tuple[ShardReduction, Pass, int]] = []
        source, rest = self.source, self.targets
        for planned in passes:
            steps, rest = rest[: planned.count], rest[planned.count :]
            work = self._work(source, steps, planned, shared=shares_memory(runner))
            works.append((work, planned, self._count(work, planned)))
            source = steps[-1]
        done, total = 0, sum(count for _, _, count in works)
        for work, planned, most in works:
            tasks, count = self._tasks(work, planned)
            size = grids.volume(work.source_bounds) * work.source.array.dtype.itemsize * count // most
            work.coming = size // (1 if work.cells is not None else runner.workers)

            def report(finished: int, _: int, before: int = done + most - count) -> None:
                if progress is not None:
                    progress(before + finished, total)

            for _ in results_in_order(
                work, tasks, executor=runner, progress=report, total=count, at_once=planned.at_once
            ):
                pass
            done += most
            if not count:  # nothing is stored, and that is done
                report(0, 0)

    def _passes(self, runner: Runner) -> Iterator[Pass]:
        shared = shares_memory(runner)
        taken = taken_by_workers(runner)
        targets = [(mag, handle.spec) for mag, handle in self.targets]
        source, handle = self.source
        sizes = sizes_of(self.layer.frame, self.layer.region, (source, handle.spec), targets)
        first = 0
        while first < len(self.targets):
            planned, least = plan_pass(
                sizes, workers=runner.workers, shared=shared, memory=self.budget - taken, buffer=self.buffer
            )
            if planned is None:
                what = f"Downsampling {self.layer.name!r} to the mag {self.targets[first][0]}"
                raise too_little(what, taken, least, self.budget)
            yield planned
            first += planned.count
            if first < len(self.targets):
                sizes = sizes.rest(planned.count)

    def _work(
        self,
        source: tuple[Mag, ArrayHandle],
        targets: Sequence[tuple[Mag, ArrayHandle]],
        planned: Pass,
        *,
        shared: bool,
    ) -> ShardReduction:
        steps = steps_of(self.layer, source[0], targets, planned.grids, self.existing)
        return ShardReduction(
            source=source[1],
            source_bounds=bounds_of(self.layer, source[0]),
            steps=steps,
            interpolation=self.interpolation,
            tile=planned.tile,
            nested=() if shared else planned.nested,
            cells=ShardBuffer(steps) if shared else None,
        )

    @staticmethod
    def _count(work: ShardReduction, planned: Pass) -> int:
        return grids.count_cells(
            *work.steps[0].bounds, planned.nested[0] if work.cells is None else planned.tile
        )

    def _tasks(self, work: ShardReduction, planned: Pass) -> tuple[Iterable[Box], int]:
        """Give the tasks, one after the other, and how many there are: without those that nothing is stored for."""
        bounds, grid = work.steps[0].bounds, planned.nested[0]
        stored = stored_shards(work.source)
        if stored is not None and not any(step.erase for step in work.steps):
            found = _touched(stored, work, grid)
            count = len(found)
        else:
            # A box may be declared far larger than any list of its regions could be.
            found, count = None, grids.count_cells(*bounds, grid)

        def regions() -> Iterable[Box]:
            return grids.cells(*bounds, grid) if found is None else found

        # Other processes had to be sent the list; they find missing shards as fast as they would find them in it.
        work.stored = stored if work.cells is not None else None
        boxes = regions()
        if work.cells is not None:
            count = sum(grids.count_cells(*region, planned.tile) for region in regions())
            boxes = (
                tile for region in regions() for tile in tiles_of(region, planned.tile, planned.nested[1:])
            )
        return boxes, count


def _touched(stored: StoredShards, work: ShardReduction, grid: tuple[int, ...]) -> list[Box]:
    """The cells of the first target's grid that a stored shard of the source has a part in, in order."""
    step = work.steps[0]

    def reaches() -> Iterator[Box]:
        for box in stored.boxes():
            start, shape = grids.coarsened(box, step.factors)
            # At the border, voxels of the neighbours may be mirrored, fewer than a block has.
            yield tuple(low - 1 for low in start), tuple(length + 2 for length in shape)

    return grids.touched(reaches(), step.bounds, grid)
