"""Layers whose box is declared far larger than anything that is stored: work and memory go by what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import wkplug as wk

if TYPE_CHECKING:
    from pathlib import Path

EDGE = 10**9


@pytest.mark.parametrize("data_format", ["wkw", "zarr3", "zarr"])
def test_pyramids_of_nearly_empty_layers_take_no_longer(tmp_path: Path, data_format: str) -> None:
    dataset = wk.Dataset(tmp_path / "d", (1, 1, 1))
    layer = dataset.add_layer(
        "em",
        "color",
        dtype="uint8",
        data_format=data_format,
        bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64)),
    )
    shards = 32 if data_format == "zarr" else 64
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=shards)
    layer.bounding_box = wk.BoundingBox((0, 0, 0), (EDGE, EDGE, EDGE))
    layer.downsample(coarsest_mag=wk.Mag(4), interpolation_mode="bilinear", shard_shape=shards)
    voxels = np.random.default_rng(4).integers(0, 255, (64, 64, 64), dtype="uint8")
    places = [(0, 0, 0), (10**6, 64, 2**20), (64, 2**26, 0)]
    for place in places:
        mag.write(voxels, absolute_offset=place, allow_unaligned=True)
    for coarse in (2, 4):
        layer.delete_mag(coarse)
    layer.downsample(coarsest_mag=wk.Mag(4), interpolation_mode="bilinear", shard_shape=shards)
    expected = voxels.reshape(32, 2, 32, 2, 32, 2).mean((1, 3, 5))
    for place in places:
        found = layer.get_mag(2).read(absolute_offset=place, size=(64, 64, 64))[0]
        assert np.abs(found - expected).max() <= 0.5
        assert layer.get_mag(4).read(absolute_offset=place, size=(64, 64, 64)).any()
    copied = dataset.copy_dataset(tmp_path / "copy", data_format="zarr3", chunk_shape=32, shard_shape=64)
    assert copied.get_layer("em").get_mag(1).content_is_equal(mag)
