"""What this plugin writes: the metadata, letter by letter, and what other software makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from wkplug_tensorstore.backends import Zarr2Backend, Zarr3Backend

from wkplug.abc import ArraySpec
from wkplug.errors import InvalidArgumentError, LayoutError, UnsupportedDtypeError

if TYPE_CHECKING:
    from wkplug.filesystems.local import LocalLocation

Make = Callable[..., ArraySpec]


def inner(*last: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": "transpose", "configuration": {"order": [3, 2, 1, 0]}},
        {"name": "bytes", "configuration": {"endian": "little"}},
        *last,
    ]


ZSTD = {"name": "zstd", "configuration": {"level": 5, "checksum": True}}
CRC = {"name": "crc32c"}


def noise(*shape: int, dtype: str = "uint16") -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(1, 200, shape).astype(dtype, order="F")


def document(place: LocalLocation, name: str = "zarr.json") -> Any:
    return json.loads(place.child(name).read())


def test_zarr3_metadata_of_a_sharded_array_are_exactly_these(place: LocalLocation, make_spec: Make) -> None:
    Zarr3Backend().create(place, make_spec(shape=(1, 100, 64, 64)))
    assert document(place) == {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [1, 100, 64, 64],
        "data_type": "uint16",
        "fill_value": 0,
        "dimension_names": ["c", "x", "y", "z"],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 32, 32, 32]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [
            {
                "name": "sharding_indexed",
                "configuration": {
                    "chunk_shape": [1, 16, 16, 16],
                    "codecs": inner(ZSTD),
                    "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, CRC],
                },
            }
        ],
    }


def test_zarr3_without_shards_has_no_sharding_codec(place: LocalLocation, make_spec: Make) -> None:
    Zarr3Backend().create(place, make_spec(shard_shape=(1, 16, 16, 16)))
    assert document(place)["codecs"] == inner(ZSTD)
    assert document(place)["chunk_grid"]["configuration"]["chunk_shape"] == [1, 16, 16, 16]


def test_zarr3_uncompressed_chunks_carry_a_checksum(place: LocalLocation, make_spec: Make) -> None:
    Zarr3Backend().create(place, make_spec(compressed=False))
    assert document(place)["codecs"][0]["configuration"]["codecs"] == inner(CRC)
    assert Zarr3Backend().open(place).spec.compressed is False


def test_zarr2_metadata_are_exactly_these(place: LocalLocation, make_spec: Make) -> None:
    Zarr2Backend().create(place, make_spec(shard_shape=(1, 16, 16, 16)))
    assert document(place, ".zarray") == {
        "zarr_format": 2,
        "shape": [1, 64, 64, 64],
        "chunks": [1, 16, 16, 16],
        "dtype": "<u2",
        "compressor": {"id": "zstd", "level": 5},
        "fill_value": 0,
        "order": "F",
        "filters": None,
        "dimension_separator": "/",
    }
    assert not place.child(".zattrs").exists()


def test_zarr2_keeps_unusual_axes_where_xarray_looks_for_them(place: LocalLocation) -> None:
    axes = ("t", "x", "y", "z")
    shape = (2, 16, 16, 16)
    chunk = (1, 16, 16, 16)
    spec = ArraySpec(axes=axes, shape=shape, dtype="uint8", chunk_shape=chunk, shard_shape=chunk)
    Zarr2Backend().create(place, spec)
    assert document(place, ".zattrs") == {"_ARRAY_DIMENSIONS": list(axes)}
    assert Zarr2Backend().open(place).spec.axes == axes
    assert Zarr2Backend().open(place, axes=("c", "x", "y", "z")).spec.axes == ("c", "x", "y", "z")


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("sharded", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float32"])
def test_zarr_python_reads_what_is_written_and_the_other_way_round(
    place: LocalLocation, make_spec: Make, compressed: bool, sharded: bool, dtype: str
) -> None:
    shard = (1, 32, 32, 32) if sharded else (1, 16, 16, 16)
    spec = make_spec(shape=(3, 50, 40, 33), compressed=compressed, shard_shape=shard, dtype=dtype)
    array = Zarr3Backend().create(place, spec)
    data = noise(3, 33, 30, 25, dtype=dtype)
    array.write(((0, 5, 6, 7), data.shape), data)
    other = zarr.open_array(place.local_path(), mode="r+")
    assert document(place)["dimension_names"] == ["c", "x", "y", "z"]
    np.testing.assert_array_equal(other[:, 5:38, 6:36, 7:32], data)
    assert not np.any(other[:, :5])
    other[:, 40:50, 0:9, 1:8] = data[:, :10, :9, :7]
    np.testing.assert_array_equal(array.read(((0, 40, 0, 1), (3, 10, 9, 7))), data[:, :10, :9, :7])


@pytest.mark.parametrize("compressed", [True, False])
def test_zarr_python_reads_version_2_and_the_other_way_round(
    place: LocalLocation, make_spec: Make, compressed: bool
) -> None:
    spec = make_spec(shape=(3, 50, 40, 33), compressed=compressed, shard_shape=(1, 16, 16, 16))
    array = Zarr2Backend().create(place, spec)
    data = noise(3, 33, 30, 25)
    array.write(((0, 5, 6, 7), data.shape), data)
    other = zarr.open_array(place.local_path(), mode="r+", zarr_format=2)
    np.testing.assert_array_equal(other[:, 5:38, 6:36, 7:32], data)
    other[:, 40:50, 0:9, 1:8] = data[:, :10, :9, :7]
    np.testing.assert_array_equal(array.read(((0, 40, 0, 1), (3, 10, 9, 7))), data[:, :10, :9, :7])


def test_options_choose_codecs_keys_and_level(place: LocalLocation, make_spec: Make) -> None:
    backend = Zarr3Backend()
    codecs = inner({"name": "gzip", "configuration": {"level": 3}})
    keys = {"name": "default", "configuration": {"separator": "."}}
    array = backend.create(place, make_spec(options={"codecs": codecs, "chunk_key_encoding": keys}))
    data = noise(1, 32, 32, 32)
    array.write(((0, 32, 0, 0), data.shape), data)
    assert document(place)["codecs"][0]["configuration"]["codecs"] == codecs
    assert place.child("c.0.1.0.0").exists()
    assert list(array.stored_boxes()) == [((0, 32, 0, 0), (1, 32, 32, 32))]
    np.testing.assert_array_equal(zarr.open_array(place.local_path())[:, 32:, :32, :32], data)
    fast = place.parent.child("fast")
    backend.create(fast, make_spec(options={"level": 1}))
    assert document(fast)["codecs"][0]["configuration"]["codecs"][2]["configuration"]["level"] == 1


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"options": {"kodecs": []}}, InvalidArgumentError, "no option 'kodecs'"),
        ({"options": {"level": 99}}, InvalidArgumentError, "levels -22 to 22"),
        ({"options": {"codecs": "zstd"}}, InvalidArgumentError, "must be a list"),
        ({"options": {"codecs": [CRC]}}, InvalidArgumentError, "before any bytes"),
        ({"shard_shape": (1, 24, 32, 32)}, LayoutError, "must be a multiple"),
        ({"chunk_shape": (1, 0, 16, 16)}, LayoutError, "chunk shape"),
        ({"shape": (1, None, 64, 64)}, LayoutError, "bounds along all axes"),
        ({"dtype": "complex64"}, UnsupportedDtypeError, "can't hold complex64"),
        ({"fill_value": 70000}, LayoutError, "fill value of uint16"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    place: LocalLocation, make_spec: Make, fields: dict[str, Any], kind: type[Exception], text: str
) -> None:
    spec = make_spec(**fields)
    with pytest.raises(kind, match=text):
        Zarr3Backend().create(place, spec)
    assert not place.exists()


def test_zarr2_refuses_shards(place: LocalLocation, make_spec: Make) -> None:
    with pytest.raises(LayoutError, match="no shards"):
        Zarr2Backend().create(place, make_spec())
    assert [problem.code for problem in Zarr2Backend().problems(make_spec(), place, "create")] == ["spec"]


def test_fill_value_is_kept_and_makes_sparse(place: LocalLocation, make_spec: Make) -> None:
    spec = make_spec(dtype="float32", fill_value=float("nan"))
    array = Zarr3Backend().create(place, spec)
    assert np.isnan(array.read(((0, 0, 0, 0), (1, 2, 2, 2)))).all()
    array.write(((0, 0, 0, 0), (1, 32, 32, 32)), np.full((1, 32, 32, 32), np.nan, np.float32))
    assert list(array.stored_boxes()) == []
    assert document(place)["fill_value"] == "NaN"
