"""Voxels: reading and writing every box, dtype and kind of memory, resizing, and any history of these against numpy."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import given
from hypothesis.stateful import run_state_machine_as_test

from wkplug.errors import MissingError, UnsupportedOperationError
from wkplug.testing.bench import BackendFixtures, Bench, noise, whole
from wkplug.testing.checks import holds, inside, promised, refuses, same_voxels
from wkplug.testing.profiles import examples, steps
from wkplug.testing.stateful import ArrayStateMachine
from wkplug.testing.strategies import SPATIAL, boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Array, ArraySpec

__all__ = ["VoxelTests"]


def memory_kinds(shape: tuple[int, ...], dtype: str) -> dict[str, NDArray[Any]]:
    """Arrays of one shape and dtype that lie in memory in every way that numpy knows; all voxels are 1."""
    big = tuple(length * 2 + 3 for length in shape)
    inner = tuple(slice(1, 1 + length) for length in shape)
    backwards = (slice(None, None, -1),) * len(shape)
    order = list(range(len(shape)))
    mixed = order[1:] + order[:1]
    return {
        "C order": np.ones(shape, dtype, order="C"),
        "F order": np.ones(shape, dtype, order="F"),
        "every second voxel": np.ones(big, dtype)[tuple(slice(0, 2 * length, 2) for length in shape)],
        "part of something larger": np.ones(big, dtype, order="F")[inner],
        "backwards": np.ones(shape, dtype, order="F")[backwards],
        "axes in a mixed order": np.ones([shape[axis] for axis in mixed], dtype).transpose(np.argsort(mixed)),
    }


def first_axis_fastest(result: NDArray[Any], spec: ArraySpec) -> bool:
    """Whether the spatial axes' strides grow in storage order (axes of length 1 have no say)."""
    strides = [
        stride
        for axis, stride, length in zip(spec.axes, result.strides, result.shape, strict=True)
        if axis in SPATIAL and length > 1
    ]
    return strides == sorted(strides) and all(stride > 0 for stride in strides)


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


class VoxelTests(BackendFixtures):
    """What is in an array."""

    # --- reading ---

    @examples(40)
    @given(data=st.data())
    def test_any_box_reads_as_numpy_would(self, bench: Bench, data: st.DataObject) -> None:
        layout = data.draw(st.sampled_from(bench.layouts))
        full = bench.full(bench.spec((19, 33, 18), layout=layout))
        for _ in range(4):
            box = data.draw(boxes(full.data.shape, grids=(layout.chunk_shape, layout.shard_shape)))
            got = full.array.read(box)
            same_voxels(got, full.part(box), "a box reads as what was written to it", spec=full.spec, box=box)

    def test_boxes_at_chunk_and_shard_borders_read_as_numpy_would(self, bench: Bench) -> None:
        for layout in bench.layouts:
            full = bench.full(bench.spec((40, 28, 36), layout=layout))
            for axis, extent in enumerate(full.data.shape):
                for grid in {layout.chunk_shape[axis], layout.shard_shape[axis]}:
                    for border in range(0, extent + 1, grid):
                        low, high = max(0, border - 1), min(extent, border + 1)
                        start = tuple(low if a == axis else 0 for a in range(full.data.ndim))
                        lengths = list(full.data.shape)
                        lengths[axis] = high - low
                        box = (start, tuple(lengths))
                        same_voxels(
                            full.array.read(box),
                            full.part(box),
                            "a box across a chunk or shard border reads as what was written",
                            spec=full.spec,
                            box=box,
                        )

    def test_results_have_the_first_spatial_axis_fastest(self, bench: Bench) -> None:
        for layout in bench.layouts:
            full = bench.full(bench.spec(layout=layout))
            aligned = bench.box((0, 0, 0), (8, 8, 8))
            for box in (aligned, bench.box((1, 2, 3), (9, 13, 6)), whole(full.data)):
                holds(
                    first_axis_fastest(full.array.read(box), full.spec),
                    "results have the first spatial axis fastest in memory",
                    array=full.spec,
                    box=box,
                    strides=full.array.read(box).strides,
                )

    def test_results_belong_to_the_caller(self, bench: Bench) -> None:
        for layout in bench.layouts:
            full = bench.full(bench.spec(layout=layout))
            chunk = tuple(min(pair) for pair in zip(layout.chunk_shape, full.data.shape, strict=True))
            shard = tuple(min(pair) for pair in zip(layout.shard_shape, full.data.shape, strict=True))
            inner = bench.box((1, 1, 1), (2, 3, 4))
            for box in (((0,) * len(chunk), chunk), ((0,) * len(shard), shard), inner, whole(full.data)):
                got = full.array.read(box)
                holds(got.flags.writeable, "a result is writable", array=full.spec, box=box)
                got[...] = 0
                promise = "changing a result doesn't change the array"
                same_voxels(full.array.read(box), full.part(box), promise, spec=full.spec, box=box)

    def test_never_written_voxels_are_writable_fill_value(self, bench: Bench) -> None:
        array = bench.create()
        box = bench.box((3, 2, 1), (9, 9, 9))
        empty = np.zeros(box[1], array.dtype, order="F")
        got = array.read(box)
        same_voxels(got, empty, "never written voxels read as the fill value", spec=array.spec, box=box)
        holds(first_axis_fastest(got, array.spec), "also empty results have the first spatial axis fastest")
        holds(got.flags.writeable, "also empty results are writable", array=array.spec, box=box)
        got[...] = 1
        same_voxels(array.read(box), empty, "changing an empty result doesn't show", spec=array.spec, box=box)

    def test_out_takes_any_memory(self, bench: Bench) -> None:
        full = bench.full()
        for box in (bench.box((0, 0, 0), (16, 16, 16)), bench.box((1, 7, 3), (17, 9, 14))):
            for kind, out in memory_kinds(box[1], full.spec.dtype).items():
                promise = "`out` may lie in memory in any way"
                with promised(promise, array=full.spec, memory=kind, box=box):
                    got = full.array.read(box, out=out)
                holds(got is out, "read returns the `out` it was given", memory=kind, box=box)
                same_voxels(out, full.part(box), promise, spec=full.spec, memory=kind, box=box)

    def test_out_is_overwritten_where_nothing_was_written(self, bench: Bench) -> None:
        array = bench.create(bench.spec((40, 28, 20)))
        box = bench.box((0, 0, 0), (4, 4, 4))
        data = noise(box[1], array.spec.dtype)
        array.write(box, data)
        wider = bench.box((0, 0, 0), (39, 27, 19))
        expected = np.zeros(wider[1], array.dtype)
        expected[tuple(slice(0, length) for length in data.shape)] = data
        for kind, out in memory_kinds(wider[1], array.spec.dtype).items():
            array.read(wider, out=out)
            promise = "`out` gets the fill value where nothing was written"
            same_voxels(out, expected, promise, spec=array.spec, memory=kind, box=wider)

    def test_out_leaves_its_surroundings_alone(self, bench: Bench) -> None:
        full = bench.full()
        box = bench.box((1, 2, 3), (9, 10, 11))
        frame = np.ones(tuple(length + 2 for length in box[1]), full.spec.dtype)
        inner = tuple(slice(1, -1) for _ in box[1])
        full.array.read(box, out=frame[inner])
        expected = np.ones_like(frame)
        expected[inner] = full.part(box)
        same_voxels(frame, expected, "read writes only to `out`", spec=full.spec, box=box)

    def test_missing_error_names_what_was_never_written(self, bench: Bench) -> None:
        for layout in bench.layouts:
            array = bench.create(bench.spec((40, 40, 40), layout=layout))
            shard = dict(zip(array.spec.axes, layout.shard_shape, strict=True))
            edge = (shard["x"], shard["y"], shard["z"])
            here = bench.box((0, 0, 0), edge)
            array.write(here, noise(here[1], array.spec.dtype))
            got = array.read(here, missing="error")
            promise = "missing='error' reads what was written"
            same_voxels(got, noise(here[1], array.spec.dtype), promise, spec=array.spec, box=here)
            never = bench.box(edge, (3, 3, 3))
            partly = bench.box((edge[0] - 1, 0, 0), (3, 3, 3))
            for box in (never, partly):
                promise = "missing='error' refuses a box with a shard that was never written"
                with refuses(MissingError, promise=promise, box=box, array=array.spec):
                    array.read(box, missing="error")

    def test_another_fill_value_is_kept_or_refused(self, bench: Bench) -> None:
        spec = bench.spec(fill_value=7)
        if bench.errors(spec):
            return
        location = bench.place()
        array = bench.create(spec, location)
        box = bench.box((0, 0, 0), (3, 3, 3))
        data = noise(box[1], spec.dtype)
        array.write(box, data)
        wider = bench.box((0, 0, 0), (39, 27, 19))
        expected = np.full(wider[1], 7, array.dtype)
        expected[tuple(slice(0, length) for length in data.shape)] = data
        for handle in (array, bench.backend.open(location)):
            promise = "never written voxels read as the spec's fill value"
            same_voxels(handle.read(wider), expected, promise, spec=spec, box=wider)

    # --- writing ---

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

    # --- resizing ---

    def test_a_closed_resizable_capability_refuses(self, bench: Bench) -> None:
        if bench.can.resizable:
            return
        full = bench.full()
        with refuses(
            UnsupportedOperationError, promise="resize without the capability `resizable` is refused"
        ):
            full.array.resize(bench.shape(64, 64, 64))
        promise = "a refused resize changes nothing"
        same_voxels(full.array.read(whole(full.data)), full.data, promise, spec=full.spec)

    def test_growing_adds_empty_voxels_and_keeps_the_old(self, bench: Bench) -> None:
        self.need(bench.can.resizable and bench.can.bounded, "resizable")
        for layout in bench.layouts:
            full = bench.full(bench.spec((20, 13, 9), layout=layout))
            larger = bench.shape(45, 29, 18)
            full.array.resize(larger)
            expected = np.zeros(larger, full.array.dtype, order="F")
            expected[inside(whole(full.data))] = full.data
            for handle in (full.array, bench.backend.open(full.location, "r+")):
                shape = handle.spec.shape
                holds(shape == larger, "spec.shape is that of the last resize", got=shape, expected=larger)
                promise = "growing adds empty voxels and keeps the old ones"
                same_voxels(handle.read(whole(expected)), expected, promise, spec=handle.spec)
            for number, start in enumerate(((19, 12, 8), (40, 0, 0), (32, 16, 16))):
                box = bench.box(start, (5, 5, 2))
                voxels = noise(box[1], full.spec.dtype, seed=number)
                full.array.write(box, voxels)
                expected[inside(box)] = voxels
                for handle in (full.array, bench.backend.open(full.location)):
                    promise = "what was added by growing can be written"
                    same_voxels(handle.read(whole(expected)), expected, promise, spec=handle.spec, box=box)

    def test_shrinking_deletes_nothing(self, bench: Bench) -> None:
        self.need(bench.can.resizable and bench.can.bounded, "resizable")
        for layout in bench.layouts:
            full = bench.full(bench.spec((40, 28, 20), layout=layout))
            smaller = bench.shape(19, 13, 9)
            full.array.resize(smaller)
            box = ((0,) * len(smaller), smaller)
            for handle in (full.array, bench.backend.open(full.location, "r+")):
                shape = handle.spec.shape
                holds(shape == smaller, "spec.shape is that of the last resize", got=shape, expected=smaller)
                promise = "shrinking keeps the voxels inside"
                same_voxels(handle.read(box), full.part(box), promise, spec=handle.spec, box=box)
            full.array.resize(full.data.shape)
            promise = "shrinking deletes no voxels: they are there when the array grows again"
            for handle in (full.array, bench.backend.open(full.location)):
                same_voxels(handle.read(whole(full.data)), full.data, promise, spec=handle.spec)

    def test_older_handles_go_on_working_inside_their_shape(self, bench: Bench) -> None:
        self.need(bench.can.resizable and bench.can.bounded, "resizable")
        full = bench.full()
        older = bench.backend.open(full.location, "r+")
        older.read(whole(full.data))
        full.array.resize(bench.shape(64, 64, 64))
        box = bench.box((38, 26, 18), (2, 2, 2))
        voxels = noise(box[1], full.spec.dtype, seed=9)
        older.write(box, voxels)
        full.data[inside(box)] = voxels
        promise = "a handle opened before a resize goes on working inside the shape that it knows"
        for handle in (older, full.array, bench.backend.open(full.location)):
            same_voxels(handle.read(whole(full.data)), full.data, promise, spec=full.spec, box=box)
        shape = bench.backend.open(full.location).spec.shape
        holds(shape == bench.shape(64, 64, 64), "writing doesn't undo another handle's resize", got=shape)

    def test_writing_the_same_place_after_shrinking_and_growing(self, bench: Bench) -> None:
        self.need(bench.can.resizable and bench.can.bounded, "resizable")
        full = bench.full()
        for shape in (bench.shape(9, 9, 9), bench.shape(64, 40, 33), full.data.shape):
            full.array.resize(shape)
        voxels = noise(full.data.shape, full.spec.dtype, seed=5)
        full.array.write(whole(voxels), voxels)
        promise = "an array is writable after shrinking and growing"
        same_voxels(bench.backend.open(full.location).read(whole(voxels)), voxels, promise, spec=full.spec)

    # --- histories ---

    def test_any_history_ends_as_in_numpy(self, bench: Bench) -> None:
        for number, a_layout in enumerate(bench.layouts):
            body = {"bench": bench, "layout": a_layout}
            machine = type("ArrayStateMachine", (ArrayStateMachine,), body)
            run_state_machine_as_test(machine, settings=steps(12 if number == 0 else 5))
