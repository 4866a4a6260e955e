"""Chunks and shards of copies and of grown pyramids: what isn't asked for stays as it is, as far as it can."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wkplug as wk

if TYPE_CHECKING:
    from pathlib import Path

VOXELS = np.random.default_rng(2).integers(1, 250, (40, 40, 40), dtype="uint8")

pytestmark = pytest.mark.filterwarnings("ignore:.*is unusual", "ignore:.*chunks_per_shard")


def _source(path: Path, data_format: str, chunk: int, shard: int) -> wk.Layer:
    layer = wk.Dataset(path, (1, 1, 1)).add_layer(
        "em", "color", data_format=data_format, bounding_box=wk.BoundingBox((0, 0, 0), (40, 40, 40))
    )
    layer.add_mag(1, chunk_shape=chunk, shard_shape=shard).write(VOXELS, allow_unaligned=True)
    return layer


def _layout(layer: wk.Layer) -> tuple[int, int]:
    info = layer.get_mag(1).info
    assert np.array_equal(layer.get_mag(1).read()[0], VOXELS)
    return info.chunk_shape.x, info.shard_shape.x


@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
@pytest.mark.parametrize("what", ["chunk_shape", "shard_shape", "chunks_per_shard"])
def test_edges_of_no_voxel_are_refused(tmp_path: Path, data_format: str, what: str) -> None:
    layer = _source(tmp_path / "d", data_format, 32, 64)
    for wrong in (0, (32, -32, 32)):
        numbers = (wrong,) * 3 if isinstance(wrong, int) else wrong
        with pytest.raises(wk.errors.LayoutError) as caught:
            layer.dataset.copy_dataset(tmp_path / "copy", **{what: wrong})
        assert str(caught.value) == f"{what} is {numbers}: every number must be at least 1."
        assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
def test_a_layout_that_cannot_be_is_not_in_the_way(tmp_path: Path, data_format: str) -> None:
    layer = _source(tmp_path / "d", data_format, 32, 64)
    with pytest.raises(wk.errors.LayoutError, match="power of two"):
        layer.dataset.copy_dataset(tmp_path / "copy", chunk_shape=24)
    copy = layer.dataset.copy_dataset(tmp_path / "copy", chunk_shape=16)
    assert _layout(copy.get_layer("em"))[0] == 16
    with pytest.raises(wk.errors.LayoutError, match="power of two"):
        copy.add_layer_as_copy(layer, "again", chunk_shape=24)
    assert list(copy.layers) == ["em"]
    assert _layout(copy.add_layer_as_copy(layer, "again", chunk_shape=16))[0] == 16


@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
def test_what_is_not_asked_of_a_copy_stays_the_sources(tmp_path: Path, data_format: str) -> None:
    layer = _source(tmp_path / "d", data_format, 64, 256)
    dataset = layer.dataset
    assert _layout(dataset.add_layer_as_copy(layer, "a", shard_shape=128)) == (64, 128)
    assert _layout(dataset.add_layer_as_copy(layer, "b", chunk_shape=32)) == (32, 256)
    assert _layout(dataset.add_layer_as_copy(layer, "c", shard_shape=32)) == (32, 32)
    assert _layout(dataset.add_layer_as_copy(layer, "d", chunk_shape=512)) == (512, 512)
    assert _layout(dataset.add_layer_as_copy(layer, "e", chunk_shape=(16, 16, 16), chunks_per_shard=2)) == (
        16,
        32,
    )


def test_formats_without_shards_take_the_chunks(tmp_path: Path) -> None:
    dataset = _source(tmp_path / "d", "wkw", 8, 32).dataset
    for index, (shard, wanted) in enumerate([(8, (8, 8)), (32, (32, 32)), (None, (8, 8))]):
        copied = dataset.copy_dataset(tmp_path / str(index), data_format="zarr", shard_shape=shard)
        assert _layout(copied.get_layer("em")) == wanted
    copied = dataset.copy_dataset(tmp_path / "sharded", data_format="zarr3", shard_shape=64)
    assert _layout(copied.get_layer("em")) == (8, 64)


@pytest.mark.parametrize(("source", "target"), [("wkw", "zarr3"), ("zarr3", "wkw")])
def test_shards_stay_the_sources_in_another_format(tmp_path: Path, source: str, target: str) -> None:
    dataset = _source(tmp_path / "d", source, 8, 32).dataset
    for index, (chunk, wanted) in enumerate([(None, (8, 32)), (16, (16, 32)), (64, (64, 64))]):
        copied = dataset.copy_dataset(tmp_path / str(index), data_format=target, chunk_shape=chunk)
        assert _layout(copied.get_layer("em")) == wanted


@given(edges=st.lists(st.integers(2, 7).map(lambda log2: 1 << log2), min_size=4, max_size=4))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_copies_of_any_layout_hold_the_same_voxels(
    tmp_path_factory: pytest.TempPathFactory, edges: list[int]
) -> None:
    chunk, shard = sorted(edges[:2])
    layer = _source(tmp_path_factory.mktemp("s") / "d", "zarr3", chunk, shard)
    dataset = layer.dataset
    assert _layout(dataset.add_layer_as_copy(layer, "a", shard_shape=edges[2])) == (
        min(chunk, edges[2]),
        edges[2],
    )
    wanted = (edges[3], math.lcm(edges[3], shard))
    assert _layout(dataset.add_layer_as_copy(layer, "b", chunk_shape=edges[3])) == wanted


@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
def test_a_pyramid_of_a_grown_layer_has_few_files(tmp_path: Path, data_format: str) -> None:
    layer = wk.Dataset(tmp_path / "d", (1, 1, 1)).add_layer(
        "em", "color", data_format=data_format, bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64))
    )
    layer.add_mag(1).write(np.full((64, 64, 64), 7, "uint8"), allow_unaligned=True)
    layer.downsample()
    assert layer.get_mag(2).info.shard_shape == wk.Vec3Int(32, 32, 32)
    layer.bounding_box = wk.BoundingBox((0, 0, 0), (256, 256, 512))
    voxels = np.random.default_rng(0).integers(0, 250, (256, 256, 64), dtype="uint8")
    layer.get_mag(1).write(voxels, absolute_offset=(0, 0, 256), allow_unaligned=True)
    layer.redownsample()
    assert sum(path.is_file() for path in layer.get_mag(2).path.rglob("*")) < 10
    assert layer.get_mag(2).info.chunk_shape == wk.Vec3Int(32, 32, 32)
    made = wk.Dataset(tmp_path / "fresh", (1, 1, 1)).add_layer_as_copy(layer, "em")
    for mag in (2, 4):
        fresh = made.get_mag(mag).read()
        made.delete_mag(mag)
        made.downsample_mag(mag // 2, mag)
        assert np.array_equal(fresh, made.get_mag(mag).read())
