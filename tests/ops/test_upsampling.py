"""Upsampling against numpy: every voxel becomes a block of itself."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wkplug as wk
from wkplug import errors
from wkplug.testing.profiles import examples

from .test_pyramids import make


def repeated(data: np.ndarray, factors: tuple[int, ...]) -> np.ndarray:
    for axis, factor in enumerate(factors, 1):
        data = np.repeat(data, factor, axis=axis)
    return data


@pytest.mark.parametrize("data_format", ["wkw", "zarr", "zarr3"])
def test_every_voxel_becomes_a_block_of_itself(data_format: str) -> None:
    @examples(8)
    @given(
        st.tuples(*(st.integers(1, 12),) * 3),
        st.tuples(*(st.integers(0, 9),) * 3),
        st.sampled_from(("4", "2-2-1", "4-4-2", "2-4-8")),
        st.sampled_from((1, 3)),
        st.sampled_from((None, 16)),
    )
    def check(size: Any, corner: Any, mag: str, channels: int, buffer: int | None) -> None:
        factors = wk.Mag(mag).to_tuple()
        data = np.random.default_rng(1).integers(0, 255, (channels, *size)).astype("u1")
        topleft = tuple(a * f for a, f in zip(corner, factors, strict=True))
        with tempfile.TemporaryDirectory() as folder:
            layer = make(Path(folder) / "d", data, topleft, mag=mag, data_format=data_format)
            layer.upsample(mag, buffer_shape=buffer, shard_shape=32, chunk_shape=32)
            np.testing.assert_array_equal(layer.get_mag(1).read(), repeated(data, factors))
            assert layer.get_mag(1).read().mean() == data.mean()

    check()


def test_the_mags_are_those_of_downsampling_backwards(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(0, 255, (1, 8, 8, 8)).astype("u1")
    layer = make(tmp_path / "a", data, mag=8)
    layer.upsample(8)
    assert list(layer.mags) == [wk.Mag(1), wk.Mag(2), wk.Mag(4), wk.Mag(8)]
    np.testing.assert_array_equal(layer.get_mag(2).read(), repeated(data, (4, 4, 4)))
    layer = make(tmp_path / "b", data, mag="4-4-2", voxel_size=(1, 1, 2))
    layer.upsample("4-4-2")
    assert list(layer.mags) == [wk.Mag(1), wk.Mag("2-2-1"), wk.Mag("4-4-2")]
    layer = make(tmp_path / "c", data, mag="4-4-2")
    layer.upsample("4-4-2", finest_mag="1-1-2", sampling_mode="constant_z")
    assert list(layer.mags) == [wk.Mag("1-1-2"), wk.Mag("4-4-2")]


def test_the_layers_box_stays_and_cuts_the_finer_mags(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.full((1, 4, 4, 4), 7, "u1"), mag=4)
    layer.bounding_box = wk.BoundingBox((1, 2, 3), (10, 11, 12))
    layer.upsample(4, finest_mag=2)
    assert layer.bounding_box == wk.BoundingBox((1, 2, 3), (10, 11, 12))
    found = layer.get_mag(2).read()
    assert found.shape == (1, 6, 6, 7)
    assert (found == 7).all()


def test_time_points_and_other_layers_mags(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1))
    box = wk.NDBoundingBox((0, 0, 0, 0), (3, 8, 8, 8), ("t", "x", "y", "z"))
    layer = dataset.add_layer("a", "color", bounding_box=box)
    data = np.random.default_rng(1).integers(0, 255, (3, 4, 4, 4)).astype("u1")
    layer.add_mag(2).write(data)
    layer.upsample(2)
    np.testing.assert_array_equal(layer.get_mag(1).read(), repeated(data, (2, 2, 2)))
    other = dataset.add_layer("b", "color", bounding_box=box)
    other.upsample(2, from_mag_view=layer.get_mag(2), executor="processes")
    np.testing.assert_array_equal(other.get_mag(1).read(), layer.get_mag(1).read())


def test_spellings_of_old_work(tmp_path: Path) -> None:
    from argparse import Namespace

    layer = make(tmp_path / "d", np.full((1, 8, 8, 8), 7, "u1"), mag=4)
    with pytest.warns(DeprecationWarning, match=r"Layer.upsample\((min_mag|buffer_edge_len|args)=") as told:
        layer.upsample(
            wk.Mag(4),
            min_mag=wk.Mag(2),
            buffer_edge_len=16,
            args=Namespace(distribution_strategy="sequential"),
        )
    assert len(told) == 3
    assert wk.Mag(1) not in layer.mags
    with pytest.warns(DeprecationWarning, match="without the names of its arguments"):
        layer.upsample(wk.Mag(2), wk.Mag(1), False)
    assert layer.get_mag(1).info.compression_mode is False
    assert (layer.get_mag(1).read() == 7).all()


def test_what_can_not_be_upsampled(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.full((1, 8, 8, 8), 7, "u1"), mag=4)
    with pytest.raises(KeyError, match="has no mag 8 to upsample from; it has 4"):
        layer.upsample(8)
    with pytest.raises(ValueError, match="The mag 4 can't be upsampled to 8, which is coarser along an axis"):
        layer.upsample(4, finest_mag=8)
    layer.add_mag(2)
    with pytest.raises(AssertionError, match="already has the mag 2"):
        layer.upsample(4)
    assert list(layer.mags) == [wk.Mag(2), wk.Mag(4)]
    layer.delete_mag(2)
    with pytest.raises(
        errors.TooLargeError, match=r"Upsampling 'a' to the mag 2 takes at least \d+ MB of memory"
    ):
        layer.upsample(4, memory="1MB")
    dataset = wk.Dataset.open(layer.dataset.path, read_only=True)
    with pytest.raises(errors.ReadOnlyError, match="can't be upsampled"):
        dataset.get_layer("a").upsample(4)
