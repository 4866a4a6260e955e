"""What views and mags do, against numpy: on every engine, with any axes, in every mag, on disk and in memory."""

from __future__ import annotations

import warnings
from itertools import product
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wkplug as wk
from wkplug.testing.profiles import examples

from .samples import ENGINES, UNSHARDED, dataset_of, samples

if TYPE_CHECKING:
    from pathlib import Path

    from .samples import Sample

CASES = [(data_format, engine) for data_format, engines in ENGINES.items() for engine in engines]
LONG = {"zarr+tensorstore", "zarr3+zarr"}
IN_SHARDS = "neuroglancerPrecomputed"
"""The format that compresses these voxels in shards only, with which arrays can't grow."""
"""Left out of the default run where every format and every engine has another representative."""


def on_engines(*, left_out: set[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("data_format", "engine"),
        [
            pytest.param(*case, id=case[1], marks=[pytest.mark.long] if case[1] in left_out else [])
            for case in CASES
        ],
    )


on_all_engines = on_engines(left_out=set())
on_some_engines = on_engines(left_out=LONG)


def cut(
    voxels: np.ndarray, origin: tuple[int, ...], start: tuple[int, ...], shape: tuple[int, ...]
) -> np.ndarray:
    """A box of an array whose first voxel lies at `origin`; zeros where it has none."""
    result = np.zeros(shape, voxels.dtype)
    into, out_of = [], []
    for first, low, length, bound in zip(origin, start, shape, voxels.shape, strict=True):
        a, b = max(low, first), max(max(low, first), min(low + length, first + bound))
        into.append(slice(a - low, b - low))
        out_of.append(slice(a - first, b - first))
    result[tuple(into)] = voxels[tuple(out_of)]
    return result


@st.composite
def boxes(draw: st.DrawFn, sample: Sample) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A box within the layer's, all channels, in voxels of the mag, per axis of the array."""
    start, shape = [], []
    for axis, first, bound in zip(sample.axes, sample.starts, sample.shape, strict=True):
        low = 0 if axis == "c" else draw(st.integers(0, bound - 1))
        start.append(first + low)
        shape.append(bound if axis == "c" else draw(st.integers(1, bound - low)))
    return tuple(start), tuple(shape)


def within(start: tuple[int, ...], origin: tuple[int, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(a - b, a - b + n) for a, b, n in zip(start, origin, shape, strict=True))


def shard_boxes(
    sample: Sample, start: tuple[int, ...], shape: tuple[int, ...]
) -> set[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The shards that a box touches, in voxels of the mag."""
    ranges = [range(a // n * n, a + m, n) for a, m, n in zip(start, shape, sample.shards, strict=True)]
    return {(first, sample.shards) for first in product(*ranges)}


def in_mag(sample: Sample, box: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A Mag(1) box as voxels of the mag, over all axes of the array."""
    box = box.normalize_axes(sample.channels)
    assert box.axes == sample.axes
    return (
        tuple(a // m for a, m in zip(box.topleft, sample.factors, strict=True)),
        tuple(n // m for n, m in zip(box.size, sample.factors, strict=True)),
    )


@on_all_engines
def test_boxes_are_written_and_read_along_all_axes(data_format: str, engine: str) -> None:
    @examples(6)
    @given(data=st.data(), sample=samples(data_format=data_format, engine=engine))
    def check(data: st.DataObject, sample: Sample) -> None:
        expected = sample.voxels()
        with dataset_of((sample, expected)) as (mag,):
            assert mag.info.backend == engine
            for number in range(3):
                start, shape = data.draw(boxes(sample), label="box")
                values = np.random.default_rng(number).integers(0, 250, shape).astype(sample.dtype)
                box = sample.box_of(start, shape)
                mag.write(values, absolute_bounding_box=box, allow_unaligned=True)
                expected[within(start, sample.starts, shape)] = values
                start, shape = data.draw(boxes(sample), label="read")
                box = sample.box_of(start, shape)
                wanted = expected[within(start, sample.starts, shape)]
                np.testing.assert_array_equal(mag.read(absolute_bounding_box=box), wanted)
                own = mag.bounding_box.topleft
                relative = box.with_topleft([a - b for a, b in zip(box.topleft, own, strict=True)])
                np.testing.assert_array_equal(mag.read(relative_bounding_box=relative), wanted)
                outer = tuple(n + 5 * (a != "c") for n, a in zip(shape, sample.axes, strict=True))
                np.testing.assert_array_equal(
                    mag.read(absolute_bounding_box=sample.box_of(start, outer)),
                    cut(expected, sample.starts, start, outer),
                )
            np.testing.assert_array_equal(mag.read(), expected)

    check()


@on_some_engines
def test_cxyz_is_the_same_voxels_in_another_order(data_format: str, engine: str) -> None:
    @examples(6)
    @given(data=st.data(), sample=samples(data_format=data_format, engine=engine, times=1))
    def check(data: st.DataObject, sample: Sample) -> None:
        expected = sample.voxels()
        with dataset_of((sample, expected)) as (mag,):
            start, shape = data.draw(boxes(sample), label="box")
            box = sample.box_of(start, shape)
            wanted = expected[within(start, sample.starts, shape)]
            order = [axis for axis in sample.axes if axis in "cxyz"]
            cxyz = wanted.squeeze(tuple(i for i, axis in enumerate(sample.axes) if axis == "t"))
            cxyz = cxyz.transpose([order.index(axis) for axis in "cxyz" if axis in order])
            cxyz = np.expand_dims(cxyz, [i for i, axis in enumerate("cxyz") if axis not in order])
            np.testing.assert_array_equal(mag.read_cxyz(absolute_bounding_box=box), cxyz)
            mag.write_cxyz(cxyz + 1, absolute_bounding_box=box, allow_unaligned=True)
            expected[within(start, sample.starts, shape)] += 1
            np.testing.assert_array_equal(mag.read(), expected)

    check()


@on_some_engines
def test_views_of_views_see_what_lies_in_them(data_format: str, engine: str) -> None:
    @examples(6)
    @given(data=st.data(), sample=samples(data_format=data_format, engine=engine))
    def check(data: st.DataObject, sample: Sample) -> None:
        expected = sample.voxels()
        with dataset_of((sample, expected)) as (mag,), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of views that are not aligned with the shards
            view: wk.View = mag
            inner = attrs.evolve(sample)
            for _ in range(3):
                start, shape = data.draw(boxes(inner), label="box")
                box = sample.box_of(start, shape)
                own = view.bounding_box.topleft
                relative = box.with_topleft([a - b for a, b in zip(box.topleft, own, strict=True)])
                part = view.get_view(relative_bounding_box=relative)
                assert in_mag(sample, part.bounding_box) == (start, shape)
                assert in_mag(sample, part.get_view().bounding_box) == (start, shape)
                assert part.shape == shape
                np.testing.assert_array_equal(part.read(), expected[within(start, sample.starts, shape)])
                part.write(part.read() + 1)
                expected[within(start, sample.starts, shape)] += 1
                np.testing.assert_array_equal(mag.read(), expected)
                lengths = dict(zip(sample.axes, zip(start, shape, strict=True), strict=True))
                inner = attrs.evolve(
                    inner,
                    topleft=tuple(lengths.get(axis, (0, 1))[0] for axis in "xyz"),
                    size=tuple(lengths.get(axis, (0, 1))[1] for axis in "xyz"),
                    first_time=lengths.get("t", (0, 1))[0],
                    times=lengths.get("t", (0, 1))[1],
                )
                view = part

    check()


@on_some_engines
def test_single_channels_and_positions_are_read_alone(data_format: str, engine: str) -> None:
    @examples(6)
    @given(sample=samples(data_format=data_format, engine=engine))
    def check(sample: Sample) -> None:
        expected = sample.voxels()
        with dataset_of((sample, expected)) as (mag,):
            for axis in range(len(sample.axes)):
                key = (slice(None),) * axis + (mag.shape[axis] - 1,)
                np.testing.assert_array_equal(mag[key].read(), expected[key])
                assert mag[key].axes == sample.axes[:axis] + sample.axes[axis + 1 :]
            np.testing.assert_array_equal(np.asarray(mag), expected)
            lazy = mag.to_dask()
            np.testing.assert_array_equal(lazy[..., -1].compute(), expected[..., -1])
            named = mag.to_xarray()
            assert named.dims == sample.axes
            np.testing.assert_array_equal(named.isel(x=0).values, expected.take(0, sample.axes.index("x")))

    check()


@on_some_engines
def test_what_is_stored_is_listed_by_whole_shards(data_format: str, engine: str) -> None:
    @examples(6)
    @given(data=st.data(), sample=samples(data_format=data_format, engine=engine))
    def check(data: st.DataObject, sample: Sample) -> None:
        with dataset_of((sample, None)) as (mag,):
            assert list(mag.get_bounding_boxes_on_disk()) == []
            touched = set()
            for _ in range(2):
                start, shape = data.draw(boxes(sample), label="box")
                values = np.ones(shape, sample.dtype)
                mag.write(values, absolute_bounding_box=sample.box_of(start, shape), allow_unaligned=True)
                touched |= shard_boxes(sample, start, shape)
            found = [in_mag(sample, box) for box in mag.get_bounding_boxes_on_disk()]
            assert len(found) == len(set(found))
            assert set(found) == touched
            for view, (start, shape) in zip(mag.get_views_on_disk(read_only=True), found, strict=True):
                np.testing.assert_array_equal(view.read(), cut(mag.read(), sample.starts, start, shape))

    check()


@on_some_engines
def test_a_mag_laid_over_another_replaces_what_it_has_stored(data_format: str, engine: str) -> None:
    @examples(6)
    @given(data=st.data(), sample=samples(data_format=data_format, engine=engine))
    def check(data: st.DataObject, sample: Sample) -> None:
        expected = sample.voxels()
        over = attrs.evolve(sample, chunk=8, shard=8)
        start, shape = data.draw(boxes(sample), label="changed")
        values = np.full(shape, 251, sample.dtype)
        by_one_step = data.draw(st.booleans(), label="merge_chunk")
        with dataset_of((sample, expected), (over, None)) as (mag, changes):
            changes.write(values, absolute_bounding_box=over.box_of(start, shape), allow_unaligned=True)
            stored = changes.read()
            if by_one_step:
                for box in changes.get_bounding_boxes_on_disk():
                    with pytest.warns(DeprecationWarning, match="merge_with_view"):
                        mag.merge_chunk((changes, box, [box]))
            else:
                mag.merge_with_view(changes)
            for first, extent in shard_boxes(over, start, shape):
                low = tuple(max(a, b) for a, b in zip(first, sample.starts, strict=True))
                high = tuple(
                    min(a + n, b + m)
                    for a, n, b, m in zip(first, extent, sample.starts, sample.shape, strict=True)
                )
                part = within(low, sample.starts, tuple(b - a for a, b in zip(low, high, strict=True)))
                expected[part] = stored[part]
            np.testing.assert_array_equal(mag.read(), expected)
            assert in_mag(sample, mag.layer.bounding_box) == (sample.starts, sample.shape)

    check()


@on_some_engines
def test_other_chunks_and_shards_hold_the_same_voxels(data_format: str, engine: str, tmp_path: Path) -> None:
    number = 0

    @examples(5)
    @given(
        sample=samples(data_format=data_format, engine=engine, place="local"),
        shard=st.sampled_from((4, 8, 16)),
        compress=st.booleans(),
        elsewhere=st.booleans(),
    )
    def check(sample: Sample, shard: int, compress: bool, elsewhere: bool) -> None:
        nonlocal number
        number += 1
        expected = sample.voxels()
        chunk = shard if data_format in UNSHARDED else 4
        shard = max(shard, 8) if data_format == IN_SHARDS else shard
        target = tmp_path / f"{number}" if elsewhere else None
        with dataset_of((sample, expected)) as (mag,), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of the unusual chunks
            mag.rechunk(chunk_shape=chunk, shard_shape=shard, compress=compress, target_path=target)
            made = mag
            if target is not None:
                assert mag.info.shard_shape.to_tuple() == tuple(
                    n for n, axis in zip(sample.shards, sample.axes, strict=True) if axis != "c"
                )
                made = wk.Dataset.open(target).get_layer("layer").get_mag(sample.mag)
            assert made.info.compression_mode is compress
            spatial = dict(zip([a for a in sample.axes if a != "c"], made.info.shard_shape, strict=True))
            assert all(length == shard for axis, length in spatial.items() if axis in "xyz")
            np.testing.assert_array_equal(made.read(), expected)
            np.testing.assert_array_equal(mag.read(), expected)
            assert made.content_is_equal(mag)
            mag.compress()
            assert mag.info.compression_mode is True
            np.testing.assert_array_equal(mag.read(), expected)

    check()


@on_some_engines
def test_a_box_that_changes_hides_voxels_and_shows_them_again(data_format: str, engine: str) -> None:
    fixed = {"shard": 4} if data_format == IN_SHARDS else {}

    @examples(6)
    @given(data=st.data(), sample=samples(data_format=data_format, engine=engine, **fixed))
    def check(data: st.DataObject, sample: Sample) -> None:
        expected = sample.voxels()
        with dataset_of((sample, expected)) as (mag,):
            layer, whole = mag.layer, mag.layer.bounding_box
            start, shape = data.draw(boxes(sample), label="smaller")
            layer.bounding_box = sample.box_of(start, shape)
            np.testing.assert_array_equal(mag.read(), expected[within(start, sample.starts, shape)])
            grown = tuple(n + 9 * (axis in "xyz") for n, axis in zip(shape, sample.axes, strict=True))
            layer.bounding_box = sample.box_of(start, grown)
            assert mag.shape == grown
            layer.bounding_box = whole
            np.testing.assert_array_equal(mag.read(), expected)
            again = wk.Dataset.open(layer.dataset.path).get_layer("layer")
            assert again.bounding_box == whole
            np.testing.assert_array_equal(again.get_finest_mag().read(), expected)

    check()
