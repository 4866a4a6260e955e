"""Views are equal if their voxels are, whatever they are stored in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wkplug as wk
from tests.dataset.samples import AXES, Sample, dataset_of, samples
from wkplug.model import voxels
from wkplug.ops import equality
from wkplug.testing.profiles import examples

if TYPE_CHECKING:
    from pathlib import Path


@examples(15)
@given(
    sample=samples(),
    topleft=st.tuples(*(st.integers(0, 20),) * 3),
    shard=st.sampled_from((4, 16)),
    where=st.floats(0, 1, exclude_max=True),
    block=st.sampled_from((None, (8, 8, 8))),
)
def test_one_voxel_makes_the_difference(
    sample: Sample,
    topleft: tuple[int, int, int],
    shard: int,
    where: float,
    block: tuple[int, int, int] | None,
) -> None:
    expected = sample.voxels()
    other = attrs.evolve(
        sample, data_format="zarr3", engine=None, topleft=topleft, chunk=4, shard=shard, dtype="int32"
    )
    changed = expected.astype("int32")
    changed.flat[int(where * changed.size)] += 1
    with dataset_of((sample, expected), (other, expected.astype("int32")), (other, changed)) as (
        one,
        same,
        different,
    ):
        assert one.content_is_equal(same, chunk_shape=block)
        assert same.content_is_equal(one, executor="sequential")
        assert not one.content_is_equal(different, chunk_shape=block)
        assert not different.content_is_equal(one)


def test_the_order_of_axes_and_axes_of_one_position_dont_count() -> None:
    one = Sample("zarr3", ("c", "x", "y", "z"))
    expected = one.voxels()
    turned = attrs.evolve(one, axes=("c", "z", "y", "x"))
    without = attrs.evolve(one, axes=("x", "y", "z"))
    with dataset_of(
        (one, expected), (turned, expected.transpose(0, 3, 2, 1)), (without, expected[0])
    ) as mags:
        assert all(a.content_is_equal(b) for a in mags for b in mags)
        three = attrs.evolve(one, channels=3).add_to(mags[0].layer.dataset, "three")
        assert not mags[0].content_is_equal(three)
        assert AXES["zarr3"]


def test_other_sizes_and_mags_are_other_contents(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    one = Sample("wkw").add_to(dataset, "one")
    assert not one.content_is_equal(Sample("wkw", size=(32, 32, 31)).add_to(dataset, "smaller"))
    assert not one.content_is_equal(
        Sample("wkw", mag=(2, 2, 2), size=(16, 16, 16)).add_to(dataset, "coarser")
    )
    empty = dataset.add_layer("empty", "color", dtype="uint16").add_mag(1)
    assert empty.content_is_equal(empty)
    assert not one.content_is_equal(empty)
    with pytest.raises(ValueError, match="must be a positive multiple of the mag"):
        one.content_is_equal(one, chunk_shape=(0, 8, 8))


def test_not_a_number_equals_itself() -> None:
    sample = Sample("zarr3", dtype="float32")
    expected = sample.voxels()
    expected[0, 3, 3, 3] = np.nan
    other = np.where(np.isnan(expected), 0, expected)
    with dataset_of((sample, expected), (sample, expected), (sample, other)) as (one, same, different):
        assert one.content_is_equal(same)
        assert not one.content_is_equal(different)


def test_large_integers_are_compared_exactly(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    high = np.full((32, 32, 32), 2**60 + 1, "uint64")
    mags = []
    for name, data in (("one", high), ("other", high - 1)):
        layer = dataset.add_layer(
            name,
            "segmentation",
            dtype="uint64",
            data_format="wkw",
            bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32)),
        )
        mags.append(layer.add_mag(1, chunk_shape=32, shard_shape=32))
        mags[-1].write(data)
    assert not mags[0].content_is_equal(mags[1])


def test_what_neither_has_stored_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    huge = Sample("zarr3", size=(40000, 40000, 4000), chunk=32, shard=256, dtype="uint8")
    one, other = huge.add_to(dataset, "one"), huge.add_to(dataset, "other")
    assert one.content_is_equal(other)
    data = np.ones((1, 256, 256, 256), "u1")
    one.write(data, absolute_offset=(20480, 256, 512))
    read: list[Any] = []
    original = voxels.read

    def watched(handle: Any, box: Any) -> Any:
        read.append(box)
        return original(handle, box)

    monkeypatch.setattr(voxels, "read", watched)
    assert not one.content_is_equal(other, executor="sequential")
    other.write(data, absolute_offset=(20480, 256, 512))
    read.clear()
    assert one.content_is_equal(other)
    assert 0 < len(read) <= 16
    assert sum(np.prod(shape) for _, shape in read) <= 16 * equality.BLOCK_BYTES


def test_any_executor_compares(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    sample = Sample("wkw", size=(32, 32, 32))
    one, other = (sample.add_to(dataset, name, sample.voxels()) for name in ("one", "other"))
    with ThreadPoolExecutor(2) as pool:
        assert one.content_is_equal(other, executor=pool, chunk_shape=(8, 8, 8), progress_desc="comparing")
    other.write(np.zeros((1, 8, 8, 8), "uint16"), absolute_offset=(24, 24, 24))
    assert not one.content_is_equal(other, executor="threads", chunk_shape=(8, 8, 8))
