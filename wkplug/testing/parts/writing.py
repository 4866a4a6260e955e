"""Writing: every dtype and kind of memory, neighbours that stay, and storage that stays sparse."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from wkplug.errors import UnsupportedOperationError
from wkplug.testing.bench import BackendFixtures, Bench, noise, whole
from wkplug.testing.checks import holds, inside, promised, refuses, same_voxels
from wkplug.testing.parts.reading import memory_kinds
from wkplug.testing.profiles import examples
from wkplug.testing.strategies import boxes

if TYPE_CHECKING:
    from wkplug.abc import Array

__all__ = ["WritingPart"]


def covered(array: Array) -> set[tuple[int, ...]]:
    """The starts of all stored shards; fails if one of them is no whole shard."""
    starts = set()
    for start, shape in array.stored_boxes():
        shard = array.spec.shard_shape
        aligned = all(s % length == 0 for s, length in zip(start, shard, strict=True))
        fits = aligned and tuple(shape) == tuple(shard)
        holds(fits, "stored_boxes gives whole shards on the grid", box=(start, shape), array=array.spec)
        starts.add(tuple(start))
    return starts


class WritingPart(BackendFixtures):
    """Write."""

    def test_every_dtype_keeps_every_byte(self, bench: Bench, dtypes: tuple[str, ...]) -> None:
        for dtype in dtypes:
            spec = bench.spec((17, 9, 12), dtype=dtype)
            data = noise(bench.shape(17, 9, 12), dtype)
            kind = np.dtype(dtype)
            flat = data.reshape(-1, order="F")
            limits = np.finfo(kind) if kind.kind == "f" else np.iinfo(kind) if kind.kind in "iu" else None
            if limits is not None:
                flat[:2] = (limits.min, limits.max)
            if kind.kind == "f":
                flat[2:6] = (np.nan, np.inf, -np.inf, -0.0)
            data = flat.reshape(data.shape, order="F")
            location = bench.place()
            with promised("every dtype that is declared works", array=spec):
                bench.create(spec, location).write(whole(data), data)
                got = bench.backend.open(location).read(whole(data))
            same_voxels(got, data, "every dtype keeps its voxels", spec=spec)
            exact = np.asfortranarray(got).tobytes("F") == data.tobytes("F")
            holds(exact, "every byte is kept, signs of zero and NaNs too", array=spec)

    def test_input_of_the_other_byte_order_keeps_its_values(
        self, bench: Bench, dtypes: tuple[str, ...]
    ) -> None:
        for dtype in dtypes:
            spec = bench.spec((17, 9, 12), dtype=dtype)
            data = noise(bench.shape(17, 9, 12), dtype)
            swapped = data.astype(data.dtype.newbyteorder("S"))
            array = bench.create(spec)
            promise = "input in the other byte order keeps its values"
            with promised(promise, array=spec, input=swapped.dtype.str):
                array.write(whole(data), swapped)
            same_voxels(array.read(whole(data)), data, promise, spec=spec, input=swapped.dtype.str)

    def test_input_takes_any_memory(self, bench: Bench) -> None:
        for box in (bench.box((0, 0, 0), (16, 16, 16)), bench.box((1, 7, 3), (17, 9, 14))):
            for kind, memory in memory_kinds(box[1], bench.dtype).items():
                data = noise(box[1], bench.dtype)
                memory[...] = data
                array = bench.create()
                promise = "input may lie in memory in any way"
                with promised(promise, array=array.spec, memory=kind, box=box):
                    array.write(box, memory)
                same_voxels(array.read(box), data, promise, spec=array.spec, memory=kind, box=box)
                same_voxels(memory, data, "write leaves its input alone", spec=array.spec, memory=kind)

    def test_read_only_input_is_taken(self, bench: Bench) -> None:
        array = bench.create()
        data = noise(bench.shape(16, 16, 16), bench.dtype)
        data.setflags(write=False)
        array.write(whole(data), data)
        same_voxels(array.read(whole(data)), data, "input may be read-only", spec=array.spec)

    def test_changing_the_input_after_a_write_changes_nothing(self, bench: Bench) -> None:
        for layout in bench.layouts:
            array = bench.create(bench.spec((16, 16, 16), layout=layout))
            data = noise(bench.shape(16, 16, 16), bench.dtype)
            memory = data.copy(order="F")
            array.write(whole(data), memory)
            memory[...] = 0
            promise = "the array keeps no reference to its input"
            same_voxels(array.read(whole(data)), data, promise, spec=array.spec)

    @examples(30)
    @given(data=st.data())
    def test_partial_writes_keep_their_neighbours(self, bench: Bench, data: st.DataObject) -> None:
        layout = data.draw(st.sampled_from(bench.layouts))
        full = bench.full(bench.spec((19, 33, 18), layout=layout))
        expected = full.data.copy(order="F")
        for number in range(3):
            box = data.draw(boxes(expected.shape, grids=(layout.chunk_shape, layout.shard_shape)))
            voxels = noise(box[1], full.spec.dtype, seed=number + 2)
            full.array.write(box, voxels)
            expected[inside(box)] = voxels
            promise = "a write changes its own box and nothing else"
            same_voxels(full.array.read(whole(expected)), expected, promise, spec=full.spec, box=box)
        got = bench.backend.open(full.location).read(whole(expected))
        same_voxels(got, expected, "another handle sees the same voxels", spec=full.spec)

    def test_writes_at_the_arrays_end_keep_what_is_before(self, bench: Bench) -> None:
        for layout in bench.layouts:
            array = bench.create(bench.spec((21, 19, 13), layout=layout))
            expected = np.zeros(bench.shape(21, 19, 13), array.dtype, order="F")
            for number, start in enumerate(((20, 18, 12), (16, 16, 8), (7, 9, 1))):
                box = bench.box(start, (21 - start[0], 19 - start[1], 13 - start[2]))
                voxels = noise(box[1], array.spec.dtype, seed=number)
                array.write(box, voxels)
                expected[inside(box)] = voxels
                promise = "writes up to the array's end change their own box only"
                same_voxels(array.read(whole(expected)), expected, promise, spec=array.spec, box=box)

    def test_overwriting_with_the_fill_value_erases(self, bench: Bench) -> None:
        for layout in bench.layouts:
            full = bench.full(bench.spec(layout=layout))
            expected = full.data.copy(order="F")
            for box in (bench.box((3, 3, 3), (2, 2, 2)), bench.box((0, 0, 0), (16, 16, 16)), whole(expected)):
                full.array.write(box, np.zeros(box[1], full.spec.dtype))
                expected[inside(box)] = 0
                promise = "overwriting with the fill value erases what was there"
                same_voxels(full.array.read(whole(expected)), expected, promise, spec=full.spec, box=box)

    def test_only_shards_that_were_written_are_stored(self, bench: Bench) -> None:
        for layout in bench.layouts:
            location = bench.place()
            array = bench.create(bench.spec((40, 40, 40), layout=layout), location)
            if not bench.can.lists_stored:
                promise = "stored_boxes without lists_stored is refused"
                with refuses(UnsupportedOperationError, promise=promise):
                    list(array.stored_boxes())
                return
            holds(not covered(array), "a new array stores no shard", array=array.spec, stored=covered(array))
            expected: set[tuple[int, ...]] = set()
            for place in ((0, 0, 0), (39, 39, 39), (17, 9, 33)):
                box = bench.box(place, (1, 1, 1))
                array.write(box, noise(box[1], array.spec.dtype))
                shards = [
                    range(s // h, (s + n - 1) // h + 1)
                    for s, n, h in zip(*box, layout.shard_shape, strict=False)
                ]
                grid = np.stack(np.meshgrid(*shards, indexing="ij"), axis=-1).reshape(-1, len(shards))
                expected |= {
                    tuple(int(i) * h for i, h in zip(cell, layout.shard_shape, strict=False)) for cell in grid
                }
                for handle in (array, bench.backend.open(location)):
                    got = covered(handle)
                    promise = "exactly the shards that were written to are stored"
                    holds(got == expected, promise, got=got, expected=expected, box=box, array=array.spec)

    def test_wrong_shapes_never_become_voxels(self, bench: Bench) -> None:
        full = bench.full()
        box = bench.box((0, 0, 0), (4, 4, 4))
        wrong = np.zeros(bench.shape(4, 4, 5), full.spec.dtype)
        try:
            full.array.write(box, wrong)
        except Exception:  # noqa: BLE001 - the core checks shapes; a backend may fail in any way, but not write
            written = False
        else:
            written = True
        holds(not written, "data of another shape than the box is not taken", box=box, data=wrong.shape)
        same_voxels(
            full.array.read(whole(full.data)), full.data, "a refused write changes nothing", spec=full.spec
        )
