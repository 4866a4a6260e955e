"""How an import is cut: into boxes that are read from the files, and written, one at a time.

Three grids meet. Files decode whole blocks (a section, a strip, a tile), arrays store whole shards made of chunks,
and a box must fit the memory. What cuts a block is decoded again for the next box; what cuts a shard is written again
with it; what cuts a chunk would be encoded again, and is never done. `choose` weighs these costs against each other
over all boxes whose edges are chunks times powers of two, and takes the cheapest that fits.

Pure arithmetic over (x, y, z).
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import attrs

from wkplug.errors import TooLargeError
from wkplug.geometry import grids

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ChunkingPlan",
    "Extent",
    "choose",
    "cost",
    "size_text",
    "with_box",
]

_Vector = tuple[int, int, int]

_DECODE = 1.0  # the cost of decoding everything once; others are measured against it
_REWRITE = 0.04  # copying what a shard holds already, each further time that it is written
_BOX = 0.02 * 2**23  # what each box costs beside its voxels, as a share of a box of 8 MiB
_ENCODING = 2  # bytes in the codecs per byte that is encoded: a copy in chunks, and noise that doesn't shrink
_COUNTED_LAYERS = 1 << 16
_NO_OVERLAP = 0.1  # a single box at a time: decoding waits for writing


@attrs.frozen(kw_only=True)
class Extent:
    """What is imported, along x, y and z: the first voxel of the array, the size, and the three grids.

    voxel_bytes: one voxel of all channels in the array; source_bytes: the same in the files.
    """

    start: _Vector
    size: _Vector
    chunk: _Vector
    shard: _Vector
    block: _Vector
    voxel_bytes: int
    source_bytes: int


@attrs.frozen(kw_only=True)
class ChunkingPlan:
    """The boxes: cells of the array's grid with these edges; how many are held at once; what that takes.

    rewritten: what is read and written again with a part of a shard, at most: all that the shard holds already.
    decodes: how often an average voxel is decoded, 1 at best. step: how many sections one call decodes.
    readers, writers: how many calls decode, and write, at once. in_order: boxes share shards, so they are written one
    after the other.
    """

    box: _Vector
    in_flight: int
    readers: int
    writers: int
    step: int
    bytes: int
    rewritten: int
    decodes: float
    in_order: bool

    def boxes(self, extent: Extent) -> Iterator[grids.Box]:
        """All boxes in order, z slowest, clipped to the extent."""
        # `cells` goes through the last axis first.
        for start, shape in grids.cells(extent.start[::-1], extent.size[::-1], self.box[::-1]):
            yield start[::-1], shape[::-1]

    def num_steps(self, extent: Extent) -> int:
        """How many calls decode all boxes; without going through them, of which a header may claim any number."""
        across = 1
        for first, length, edge in zip(extent.start[:2], extent.size[:2], self.box[:2], strict=True):
            across *= -(-(first + length) // edge) - first // edge
        first, length, edge = extent.start[2], extent.size[2], self.box[2]
        layers = -(-(first + length) // edge) - first // edge
        if layers > _COUNTED_LAYERS:
            return across * max(layers, -(-length // self.step))
        cells = grids.cells((first,), (length,), (edge,))
        return across * sum(len(self.steps(start[0] - first, shape[0])) for start, shape in cells)

    def steps(self, first: int, depth: int) -> list[tuple[int, int]]:
        """Cut sections of the volume into what one call decodes, at the border of the files' blocks."""
        stop = first + depth
        cuts = [first, *range(first - first % self.step + self.step, stop, self.step), stop]
        return list(itertools.pairwise(cuts))


def choose(extent: Extent, budget: int, workers: int, *, depth: int | None = None) -> ChunkingPlan:
    """Give the cheapest cutting that takes at most `budget` bytes; depth: sections of a box, if that is fixed.

    TooLargeError if nothing fits.
    """
    candidates = [
        _edges(extent.start[axis], extent.size[axis], extent.chunk[axis])
        if axis < 2 or depth is None
        else [depth]
        for axis in range(3)
    ]
    best: tuple[bool, float, int, ChunkingPlan] | None = None
    least: int | None = None
    for x, y, z in itertools.product(*candidates):
        found = with_box(extent, (x, y, z), budget, workers)
        least = found.bytes if least is None else min(least, found.bytes)
        if found.bytes > budget:
            continue
        # What a shard holds already is bounded by the layout alone; no import is refused for it.
        rank = found.bytes + found.rewritten > budget, cost(extent, found), found.bytes
        if best is None or rank < best[:3]:
            best = *rank, found
    if best is None:
        raise TooLargeError(
            f"The import takes at least {size_text(least or 0)} for the voxels alone; "
            f"{size_text(budget)} are left for them.",
            hint=f'Allow more: memory="{size_text((least or 0) * 5 // 4 + 2**28)}", or choose smaller chunks.',
        )
    return best[3]


def size_text(count: int) -> str:
    """Write a number of bytes so that it can be given as an amount of memory."""
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if count >= size:
            return f"{math.ceil(count * 10 / size) / 10:g}{unit}"
    return f"{max(1, math.ceil(count / 1000))}kB"


def _edges(start: int, size: int, chunk: int) -> list[int]:
    """Chunks times powers of two, up to the first that covers the axis from the grid's line on."""
    edges = [chunk]
    while start // edges[-1] != (start + size - 1) // edges[-1]:
        edges.append(edges[-1] * 2)
    return edges


def with_box(extent: Extent, box: _Vector, budget: int, workers: int) -> ChunkingPlan:
    """Say how boxes of these edges are worked on; more memory than the budget may be needed."""
    clipped = [min(edge, length) for edge, length in zip(box, extent.size, strict=True)]
    voxels = math.prod(clipped)
    held = voxels * extent.voxel_bytes
    # Codecs hold what they encode and what comes of it: one shard (or the part in the box) for each that writes.
    part = (
        math.prod(min(edge, cell) for edge, cell in zip(clipped, extent.shard, strict=True))
        * extent.voxel_bytes
    )
    step = extent.block[2]
    # One call decodes whole blocks, and gives an array of the part that was asked for.
    reach = [
        min(length, -(-edge // block) * block + (block if edge % block else 0))
        for edge, block, length in zip(clipped[:2], extent.block[:2], extent.size[:2], strict=True)
    ]
    scratch = math.prod(reach) * min(step, extent.size[2]) * extent.source_bytes
    jobs = -(-clipped[2] // step)
    counts = [
        grids.count_cells((first,), (length,), (edge,))
        for first, length, edge in zip(extent.start, extent.size, box, strict=True)
    ]
    count = math.prod(counts)
    in_order = any(
        number > 1 and edge % cell for number, edge, cell in zip(counts, box, extent.shard, strict=True)
    )
    most = min(count, 2 if jobs >= 2 * workers or in_order else workers + 1)

    def shared(limit: int, writers: int) -> tuple[int, int, int]:
        encoding = _ENCODING * min(held, part * writers)
        readers, in_flight = workers, most
        while True:
            taken = in_flight * held + min(readers, jobs * in_flight) * scratch + encoding
            if taken <= limit or (readers == 1 and in_flight == 1):
                return readers, in_flight, taken
            if in_flight > 1 and (held >= scratch or readers == 1):
                in_flight -= 1
            else:
                readers -= 1

    # Fewer write at once where shards that are written in parts would take too much.
    writers = workers
    while True:
        rewritten = _rewritten(extent, clipped, writers)
        readers, in_flight, taken = shared(budget - rewritten, writers)
        if rewritten == 0 or taken + rewritten <= budget or writers == 1:
            break
        writers //= 2
    if taken + rewritten > budget:
        readers, in_flight, taken = shared(budget, writers)
    return ChunkingPlan(
        box=box,
        in_flight=in_flight,
        readers=readers,
        writers=writers,
        step=step,
        bytes=taken,
        rewritten=rewritten,
        decodes=_decodes(extent, box),
        in_order=in_order,
    )


def _rewritten(extent: Extent, clipped: list[int], writers: int) -> int:
    """The most that shards hold beside the parts of them that are written at once, in bytes."""
    part = [min(edge, cell) for edge, cell in zip(clipped, extent.shard, strict=True)]
    whole = [min(length, cell) for length, cell in zip(extent.size, extent.shard, strict=True)]
    side_by_side = math.prod(-(-edge // cell) for edge, cell in zip(clipped, extent.shard, strict=True))
    beside = math.prod(whole) - math.prod(part)
    return min(writers, side_by_side) * beside * extent.voxel_bytes


def _decodes(extent: Extent, box: _Vector) -> float:
    """How often a voxel is decoded on average: blocks that lie in several boxes count for each."""
    times = 1.0
    for start, length, edge, block in zip(extent.start, extent.size, box, extent.block, strict=True):
        cells = grids.count_cells((start,), (length,), (edge,))
        if cells > 1 and not (start % block == 0 and edge % block == 0):
            times *= min(float(cells), (edge + block - math.gcd(edge, block)) / edge)
    return times


def cost(extent: Extent, chunking: ChunkingPlan) -> float:
    """What an import that is cut like that costs, as a share of decoding everything once."""
    writes = 1
    for edge, cell, length in zip(chunking.box, extent.shard, extent.size, strict=True):
        if edge < cell:
            writes *= -(-min(cell, length) // edge)
    voxels = math.prod(min(edge, length) for edge, length in zip(chunking.box, extent.size, strict=True))
    return (
        _DECODE * chunking.decodes
        + _REWRITE * (writes - 1)
        + _BOX / max(1, voxels * extent.voxel_bytes)
        + (_NO_OVERLAP if chunking.in_flight == 1 else 0.0)
    )
