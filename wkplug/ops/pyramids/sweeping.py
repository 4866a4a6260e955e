"""Runs the passes of a pyramid: from one mag to all coarser ones, in threads, in processes, on clusters.

Where calls stay in this process (threads, the default, and the sequential executor) a task is one tile, and all tasks
gather whole shards together, so that also a layer of a single shard keeps several workers busy. Everywhere
else a task is a region of whole shards, which one worker computes by itself. Regions of the source in which nothing
is stored are left out.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import attrs

from wkplug.errors import TooLargeError
from wkplug.geometry import grids
from wkplug.ops import memory, plan
from wkplug.ops.pools import shares_memory
from wkplug.ops.pyramids.blocks import ShardReduction, tiles_of
from wkplug.ops.pyramids.cells import Cells, Step
from wkplug.ops.pyramids.passes import Pass, Sizes, plan_pass
from wkplug.ops.pyramids.stored import stored_shards

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from wkplug.abc import ArraySpec, Box, Interpolation
    from wkplug.execution import Runner
    from wkplug.geometry import Mag
    from wkplug.model.regions import Frame, Region
    from wkplug.model.states import LayerState
    from wkplug.ops.pyramids.stored import StoredShards
    from wkplug.storage import ArrayHandle

__all__ = [
    "Sweep",
    "bounds_of",
    "sizes_of",
    "steps_of",
    "taken_by_workers",
    "too_little",
]

_WORKER_BYTES = 160 * 2**20
"""What a worker process takes before it has read a voxel: Python, numpy, an engine."""
_SPARE_BYTES = 48 * 2**20
"""What engines and allocators keep beside what they were asked for: caches, threads, fragments."""


def bounds_of(layer: LayerState, mag: Mag) -> Box:
    """Give the layer's box in voxels of a mag, all axes, enlarged to whole voxels."""
    return _bounds(layer.frame, layer.region, mag)


def _bounds(frame: Frame, region: Region, mag: Mag) -> Box:
    start, shape = region
    factors = frame.factors(mag.to_tuple())
    first = tuple(low // factor for low, factor in zip(start, factors, strict=True))
    stop = (-(-(low + n) // factor) for low, n, factor in zip(start, shape, factors, strict=True))
    return first, tuple(b - a for a, b in zip(first, stop, strict=True))


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
        extent=_bounds(frame, region, source[0])[1],
        itemsize=numpy.dtype(source[1].dtype).itemsize,
        spatial=tuple(position for position in frame.xyz if position is not None),
        factors=tuple(_ratio(*pair) for pair in itertools.pairwise(scales)),
        bounds=tuple(_bounds(frame, region, mag) for mag in mags[1:]),
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
    return memory.resident() + _SPARE_BYTES + others


def too_little(what: str, taken: int, need: int, budget: int) -> TooLargeError:
    """Make the error that a budget is too small; it names the least that there must be."""
    least, by_itself, allowed = (f"{-(-count // 10**6)} MB" for count in (taken + need, taken, budget))
    return TooLargeError(
        f"{what} takes at least {least} of memory, {by_itself} of which Python and its workers take by themselves; "
        f"allowed are {allowed}.",
        hint=f'Pass memory="{least.replace(" ", "")}" or more.',
    )


@attrs.frozen(kw_only=True)
class Sweep:
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

    def run(self, passes: Sequence[Pass], runner: Runner, progress: plan.Progress | None = None) -> None:
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

            def tell(finished: int, _: int, before: int = done + most - count) -> None:
                if progress is not None:
                    progress(before + finished, total)

            for _ in plan.run(
                tasks, work, executor=runner, progress=tell, total=count, at_once=planned.at_once
            ):
                pass
            done += most
            if not count:  # nothing is stored, and that is done
                tell(0, 0)

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
            cells=Cells(steps) if shared else None,
        )

    @staticmethod
    def _count(work: ShardReduction, planned: Pass) -> int:
        return grids.count_cells(
            *work.steps[0].bounds, planned.nested[0] if work.cells is None else planned.tile
        )

    def _tasks(self, work: ShardReduction, planned: Pass) -> tuple[Iterator[plan.Task], int]:
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
        return (plan.Task(index, box) for index, box in enumerate(boxes)), count


def _touched(stored: StoredShards, work: ShardReduction, grid: tuple[int, ...]) -> list[Box]:
    """The cells of the first target's grid that a stored shard of the source has a part in, in order."""
    step = work.steps[0]

    def reaches() -> Iterator[Box]:
        for start, shape in stored.boxes():
            # At the border, voxels of the neighbours may be mirrored, fewer than a block has.
            first = tuple(low // factor - 1 for low, factor in zip(start, step.factors, strict=True))
            stop = (-(-(low + n) // f) + 1 for low, n, f in zip(start, shape, step.factors, strict=True))
            yield first, tuple(b - a for a, b in zip(first, stop, strict=True))

    return grids.touched(reaches(), step.bounds, grid)
