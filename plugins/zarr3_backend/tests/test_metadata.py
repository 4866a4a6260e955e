"""The documents on disk, word for word, and what opening makes of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import attrs
import pytest

from wkplug.abc import ArraySpec
from wkplug.builtin.local import LocalLocation
from wkplug.errors import (
    ConflictError,
    InvalidArgumentError,
    LayoutError,
    UnsupportedDtypeError,
    UnsupportedOperationError,
)
from wkplug_zarr.backend import Zarr2Backend, Zarr3Backend

AXES = ("c", "x", "y", "z")
ZSTD = {"name": "zstd", "configuration": {"level": 5, "checksum": True}}
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
TRANSPOSE = {"name": "transpose", "configuration": {"order": [3, 2, 1, 0]}}


def make_spec(**changes):
    spec = ArraySpec(
        axes=AXES,
        shape=(1, 64, 64, 64),
        dtype="uint8",
        chunk_shape=(1, 32, 32, 32),
        shard_shape=(1, 64, 64, 64),
    )
    return attrs.evolve(spec, **changes)


def created(tmp_path, backend, spec):
    place = LocalLocation(tmp_path / "array")
    backend.create(place, spec)
    name = "zarr.json" if backend.format == "zarr3" else ".zarray"
    assert backend.open(place).spec == spec
    return json.loads(Path(place.child(name).local_path()).read_text())


def test_a_sharded_v3_array_is_described_as_webknossos_describes_it(tmp_path):
    assert created(tmp_path, Zarr3Backend(), make_spec()) == {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [1, 64, 64, 64],
        "data_type": "uint8",
        "fill_value": 0,
        "dimension_names": ["c", "x", "y", "z"],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 64, 64, 64]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [
            {
                "name": "sharding_indexed",
                "configuration": {
                    "chunk_shape": [1, 32, 32, 32],
                    "codecs": [TRANSPOSE, BYTES, ZSTD],
                    "index_codecs": [BYTES, {"name": "crc32c"}],
                    "index_location": "end",
                },
            }
        ],
        "attributes": {},
    }


def test_where_shard_and_chunk_are_equal_there_is_no_sharding_codec(tmp_path):
    document = created(tmp_path, Zarr3Backend(), make_spec(shard_shape=(1, 32, 32, 32)))
    assert document["codecs"] == [TRANSPOSE, BYTES, ZSTD]
    assert document["chunk_grid"]["configuration"] == {"chunk_shape": [1, 32, 32, 32]}


def test_uncompressed_v3_chunks_have_a_checksum_of_their_own(tmp_path):
    document = created(tmp_path, Zarr3Backend(), make_spec(compressed=False, dtype="float32"))
    assert document["codecs"][0]["configuration"]["codecs"] == [TRANSPOSE, BYTES, {"name": "crc32c"}]


def test_a_v2_array_is_described_as_webknossos_describes_it(tmp_path):
    spec = make_spec(dtype="uint16", shard_shape=(1, 32, 32, 32))
    assert created(tmp_path, Zarr2Backend(), spec) == {
        "zarr_format": 2,
        "shape": [1, 64, 64, 64],
        "chunks": [1, 32, 32, 32],
        "dtype": "<u2",
        "order": "F",
        "compressor": {"id": "zstd", "level": 5},
        "filters": None,
        "fill_value": 0,
        "dimension_separator": "/",
    }


def test_an_uncompressed_v2_array_has_no_compressor(tmp_path):
    spec = make_spec(shard_shape=(1, 32, 32, 32), compressed=False)
    assert created(tmp_path, Zarr2Backend(), spec)["compressor"] is None


@pytest.mark.parametrize(
    "options",
    [
        {"level": 1},
        {"codecs": [BYTES, {"name": "gzip", "configuration": {"level": 3}}]},
        {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "."}}},
        {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}}, "level": 2},
        {"codecs": [{"name": "sharding_indexed", "configuration": {
            "chunk_shape": [1, 32, 32, 32], "codecs": [BYTES, {"name": "gzip", "configuration": {"level": 3}}],
            "index_codecs": [BYTES], "index_location": "start"}}]},
    ],
)  # fmt: skip
def test_options_of_a_v3_array_come_back_when_it_is_opened(tmp_path, options):
    created(tmp_path, Zarr3Backend(), make_spec(options=options))


@pytest.mark.parametrize(
    "options",
    [
        {"level": 1},
        {"compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}},
        {"filters": [{"id": "delta", "dtype": "|u1"}], "order": "C", "dimension_separator": "."},
    ],
)
def test_options_of_a_v2_array_come_back_when_it_is_opened(tmp_path, options):
    created(tmp_path, Zarr2Backend(), make_spec(shard_shape=(1, 32, 32, 32), options=options))


@pytest.mark.parametrize("fill", [1.5, math.inf, -math.inf, math.nan])
def test_fill_values_of_floats_survive(tmp_path, backend, fill):
    spec = make_spec(dtype="float32", shard_shape=(1, 32, 32, 32), fill_value=fill)
    place = LocalLocation(tmp_path / "array")
    backend.create(place, spec)
    array = backend.open(place)
    assert array.spec.fill_value == fill or math.isnan(fill)
    voxel = array.read(((0, 0, 0, 0), (1, 1, 1, 1)))[0, 0, 0, 0]
    assert voxel == fill or (math.isnan(fill) and math.isnan(voxel))


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"dtype": "complex64"}, UnsupportedDtypeError, "not complex64"),
        ({"shape": (1, None, 4, 4)}, LayoutError, "one length per axis"),
        ({"chunk_shape": (1, 24, 32, 32)}, LayoutError, "must be a power of two"),
        ({"shard_shape": (1, 16, 64, 64)}, LayoutError, "must be a multiple"),
        ({"chunk_shape": (1, 0, 32, 32)}, LayoutError, "must be positive"),
        ({"chunk_shape": (1, 32, 32)}, LayoutError, "one number per axis"),
        ({"options": {"colour": 1}}, InvalidArgumentError, "no option 'colour'"),
        ({"options": {"level": 99}}, InvalidArgumentError, "level 99"),
        ({"options": {"codecs": ["zstd"]}}, InvalidArgumentError, "objects with a name"),
        ({"options": {"codecs": [{"name": "sharding_indexed", "configuration": {"chunk_shape": [1, 2, 2, 2]}}]}},
         InvalidArgumentError, "not the spec's"),
        ({"fill_value": 0.5}, InvalidArgumentError, "not a whole number"),
        ({"options": {"codecs": [{"name": "transpose", "configuration": {"order": [0]}}, BYTES]}},
         UnsupportedOperationError, "zarr-python can't open"),
        ({"options": {"codecs": [BYTES, {"name": "no_such_codec"}]}}, UnsupportedOperationError, "no_such_codec"),
    ],
)  # fmt: skip
def test_specs_that_cannot_be_are_refused_before_anything_is_written(tmp_path, changes, error, text):
    place = LocalLocation(tmp_path / "array")
    with pytest.raises(error, match=text):
        Zarr3Backend().create(place, make_spec(**changes))
    assert list(place.list()) == []


def test_v2_has_no_shards_and_says_so(tmp_path):
    place = LocalLocation(tmp_path / "array")
    with pytest.raises(LayoutError, match="Zarr v2 has no shards"):
        Zarr2Backend().create(place, make_spec())
    (problem,) = Zarr2Backend().problems(make_spec(), place, "create")
    assert (problem.error_type, problem.severity) == (LayoutError, "error")
    assert "no shards" in problem.text
    assert "zarr3" in problem.remedy


def test_a_second_array_at_the_same_place_is_a_conflict(backend, place, spec):
    backend.create(place, spec)
    for other in (Zarr3Backend(), Zarr2Backend()):
        with pytest.raises(ConflictError, match="an array at .* already"):
            other.create(place, attrs.evolve(spec, shard_shape=spec.chunk_shape))


def test_chunks_that_an_earlier_array_left_are_a_conflict(backend, place, spec):
    import numpy as np

    array = backend.create(place, spec)
    array.write(((0, 0, 0, 0), (1, 1, 1, 1)), np.ones((1, 1, 1, 1), "uint16"))
    place.child("zarr.json" if backend.format == "zarr3" else ".zarray").delete()
    with pytest.raises(ConflictError, match="Chunks of an earlier array"):
        backend.create(place, spec)


def test_good_specs_and_arrays_have_no_problems(backend, place, spec):
    assert backend.problems(spec, place, "create") == []
    assert backend.problems(None, place, "r") == []
    backend.create(place, spec)
    assert backend.problems(None, place, "r+") == []


def test_an_unknown_codec_is_a_problem_before_opening(tmp_path):
    place = LocalLocation(tmp_path / "array")
    Zarr3Backend().create(place, make_spec())
    path = Path(place.child("zarr.json").local_path())
    document = json.loads(path.read_text())
    document["codecs"][0]["configuration"]["codecs"][2] = {"name": "fancy"}
    path.write_text(json.dumps(document))
    (problem,) = Zarr3Backend().problems(None, place, "r")
    assert "no codec 'fancy'" in problem.text
    with pytest.raises(UnsupportedOperationError, match="fancy"):
        Zarr3Backend().open(place).read(((0, 0, 0, 0), (1, 1, 1, 1)))
