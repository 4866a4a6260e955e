"""The documents on disk, word for word, and what opening makes of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import attrs
import pytest
from wkplug_zarr.backend import Zarr2Backend, Zarr3Backend

from wkplug.abc import ArraySpec
from wkplug.errors import (
    ConflictError,
    InvalidArgumentError,
    LayoutError,
    UnsupportedDtypeError,
    UnsupportedOperationError,
)
from wkplug.filesystems.local import LocalLocation

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
    name = "zarr.json" if backend.format == "zarr3" else ".zarray"
    backend.create(place, spec)
    found = backend.open(place).spec
    # Options come back completed: they name every codec.
    assert attrs.evolve(found, options={}) == attrs.evolve(spec, options={})
    again = LocalLocation(tmp_path / "again")
    assert backend.create(again, found).spec == found
    assert again.child(name).read() == place.child(name).read()
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


GZIP = {"name": "gzip", "configuration": {"level": 3}}
SHARDS = {
    "name": "sharding_indexed",
    "configuration": {
        "chunk_shape": [1, 32, 32, 32],
        "codecs": [BYTES, GZIP],
        "index_codecs": [BYTES],
        "index_location": "start",
    },
}


@pytest.mark.parametrize(
    ("options", "codecs"),
    [
        ({"level": 1}, [TRANSPOSE, BYTES, {"name": "zstd", "configuration": {"level": 1, "checksum": True}}]),
        ({"level": None, "codecs": None}, [TRANSPOSE, BYTES, ZSTD]),
        ({"codecs": [BYTES, GZIP]}, [BYTES, GZIP]),
        ({"codecs": [BYTES, GZIP], "level": 3}, [BYTES, GZIP]),
    ],
)
def test_codecs_and_levels_may_be_chosen_in_v3(tmp_path, options, codecs):
    document = created(tmp_path, Zarr3Backend(), make_spec(options=options))
    assert document["codecs"][0]["configuration"]["codecs"] == codecs
    assert Zarr3Backend().open(LocalLocation(tmp_path / "array")).spec.options["codecs"] == codecs


@pytest.mark.parametrize("name", ["default", "v2"])
@pytest.mark.parametrize("separator", ["/", "."])
def test_key_encodings_may_be_chosen_in_v3(tmp_path, name, separator):
    keys = {"name": name, "configuration": {"separator": separator}}
    assert (
        created(tmp_path, Zarr3Backend(), make_spec(options={"chunk_key_encoding": keys}))[
            "chunk_key_encoding"
        ]
        == keys
    )


def test_a_sharding_codec_that_is_given_is_taken_as_it_is(tmp_path):
    place = LocalLocation(tmp_path / "array")
    Zarr3Backend().create(place, make_spec(options={"codecs": [SHARDS]}))
    assert json.loads(place.child("zarr.json").read())["codecs"] == [SHARDS]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"level": 1}, {"compressor": {"id": "zstd", "level": 1}}),
        ({"compressor": {"id": "bz2", "level": 1}}, {"compressor": {"id": "bz2", "level": 1}}),
        ({"compressor": None}, {"compressor": None}),
        (
            {"filters": [{"id": "delta", "dtype": "|u1"}], "order": "C", "dimension_separator": "."},
            {"filters": [{"id": "delta", "dtype": "|u1"}], "order": "C", "dimension_separator": "."},
        ),
    ],
)
def test_options_of_v2_arrays_are_kept(tmp_path, options, found):
    spec = make_spec(
        shard_shape=(1, 32, 32, 32), options=options, compressed=options.get("compressor", 1) is not None
    )
    document = created(tmp_path, Zarr2Backend(), spec)
    assert {key: document[key] for key in found} == found


def test_unusual_axes_of_v2_arrays_are_kept_as_xarray_keeps_them(tmp_path):
    place = LocalLocation(tmp_path / "array")
    axes = ("t", "c", "z", "y", "x")
    spec = ArraySpec(axes=axes, shape=(1,) * 5, dtype="uint8", chunk_shape=(1,) * 5, shard_shape=(1,) * 5)
    Zarr2Backend().create(place, spec)
    assert json.loads(place.child(".zattrs").read()) == {"_ARRAY_DIMENSIONS": list(axes)}
    assert Zarr2Backend().open(place).spec.axes == axes
    assert Zarr2Backend().open(place, axes=axes[::-1]).spec.axes == axes[::-1]
    for other in (["a", "b", "c", "d", "e"], ["x", "y"], "xyz", [1, 2, 3, 4, 5], ["x", "X", "y", "z", "t"]):
        place.child(".zattrs").write(json.dumps({"_ARRAY_DIMENSIONS": other}).encode())
        assert Zarr2Backend().open(place).spec.axes == ("t", "c", "x", "y", "z")


def test_usual_axes_of_v2_arrays_need_no_file(tmp_path):
    created(tmp_path, Zarr2Backend(), make_spec(shard_shape=(1, 32, 32, 32)))
    assert not (tmp_path / "array" / ".zattrs").exists()


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
        ({"options": {"codecs": [SHARDS]}, "chunk_shape": (1, 16, 16, 16)}, InvalidArgumentError, "not the spec's"),
        ({"fill_value": 0.5}, InvalidArgumentError, "not a whole number"),
        ({"options": {"codecs": [{"name": "transpose", "configuration": {"order": [0]}}, BYTES]}},
         UnsupportedOperationError, "zarr-python can't open"),
        ({"options": {"codecs": [BYTES, {"name": "no_such"}]}}, UnsupportedOperationError, "no_such"),
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
        with pytest.raises(ConflictError, match=r"an array at .* already"):
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
