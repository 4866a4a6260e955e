"""Reading: every box, into every kind of memory, and what was never written."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from wkplug.errors import MissingError
from wkplug.testing.bench import BackendFixtures, Bench, noise, whole
from wkplug.testing.checks import holds, promised, refuses, same_voxels
from wkplug.testing.profiles import examples
from wkplug.testing.strategies import SPATIAL, boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import ArraySpec

__all__ = ["ReadingPart", "memory_kinds"]


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


class ReadingPart(BackendFixtures):
    """Read."""

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
