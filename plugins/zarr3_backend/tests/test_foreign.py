"""Arrays of other writers: zarr-python with its defaults, tensorstore both ways, real data."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import zarr
from wkplug_zarr.backend import Zarr2Backend, Zarr3Backend

from wkplug.abc import ArraySpec, ProbeScore
from wkplug.errors import ArrayException
from wkplug.filesystems.local import LocalLocation

DATA = np.random.default_rng(0).integers(0, 200, (3, 20, 30, 40))
COMPRESSORS = [
    None,
    {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
    {"id": "lzma", "format": 1, "check": -1, "preset": None, "filters": None},
]
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]


def whole(shape):
    return (0,) * len(shape), tuple(shape)


def backend_of(data_format):
    return Zarr3Backend() if data_format == "zarr3" else Zarr2Backend()


def tensorstore_of(place, data_format, **more):
    spec = {"driver": data_format, "kvstore": {"driver": "file", "path": place.url + "/"}, **more}
    return tensorstore.open(spec).result()


@pytest.mark.parametrize("data_format", ["zarr3", "zarr"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compressed", [True, False])
def test_tensorstore_reads_what_is_written_here_and_the_other_way_round(
    tmp_path, data_format, dtype, compressed
):
    place = LocalLocation(tmp_path / "array")
    shard = (3, 32, 32, 32) if data_format == "zarr3" else (3, 16, 16, 16)
    spec = ArraySpec(axes=("c", "x", "y", "z"), shape=DATA.shape, dtype=dtype, chunk_shape=(3, 16, 16, 16),
                     shard_shape=shard, compressed=compressed)  # fmt: skip
    array = backend_of(data_format).create(place, spec)
    data = DATA.astype(dtype)
    array.write(((0, 5, 5, 5), (3, 10, 20, 30)), data[:, 5:15, 5:25, 5:35])
    expected = np.zeros_like(data)
    expected[:, 5:15, 5:25, 5:35] = data[:, 5:15, 5:25, 5:35]
    other = tensorstore_of(place, data_format)
    np.testing.assert_array_equal(other.read().result(), expected)
    other[:, 10:20, :, 3:9].write(data[:, 10:20, :, 3:9]).result()
    expected[:, 10:20, :, 3:9] = data[:, 10:20, :, 3:9]
    np.testing.assert_array_equal(array.read(whole(data.shape)), expected)
    if data_format == "zarr3":
        assert other.domain.labels == ("c", "x", "y", "z")


def test_an_array_that_tensorstore_made_is_opened(tmp_path):
    place = LocalLocation(tmp_path / "array")
    inner = [
        {"name": "bytes", "configuration": {"endian": "big"}},
        {"name": "blosc", "configuration": {"cname": "zstd"}},
    ]
    sharding = {"chunk_shape": [3, 8, 8, 8], "codecs": inner, "index_location": "start"}
    metadata = {
        "shape": list(DATA.shape), "data_type": "uint16", "dimension_names": ["channel", "x", "y", "z"],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [3, 16, 16, 16]}},
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
    }  # fmt: skip
    other = tensorstore_of(place, "zarr3", metadata=metadata, create=True)
    other.write(DATA.astype("uint16")).result()
    array = Zarr3Backend().open(place, "r+")
    assert array.spec.axes == ("c", "x", "y", "z")
    assert array.spec.chunk_shape == (3, 8, 8, 8)
    assert array.spec.compressed
    np.testing.assert_array_equal(array.read(whole(DATA.shape)), DATA)
    assert array.read(((0, 1, 1, 1), (1, 3, 3, 3)), missing="error").shape == (1, 3, 3, 3)
    array.write(((0, 1, 1, 1), (1, 1, 1, 1)), np.full((1, 1, 1, 1), 999, "uint16"))
    assert other[0, 1, 1, 1].read().result() == 999


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("dtype", [">u2", "<f4", "|i1", ">f8"])
@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_foreign_v2_arrays_are_read_and_written(tmp_path, order, separator, dtype, compressor):
    import numcodecs

    place = LocalLocation(tmp_path / "array")
    foreign = zarr.create_array(
        place.url, shape=DATA.shape, chunks=(2, 7, 30, 9), dtype=dtype, order=order, zarr_format=2,
        chunk_key_encoding={"name": "v2", "separator": separator}, filters=None,
        compressors=None if compressor is None else numcodecs.get_codec(compressor),
    )  # fmt: skip
    data = DATA.astype(dtype) if "i1" not in dtype else (DATA - 100).astype(dtype)
    foreign[...] = data
    array = Zarr2Backend().open(place, "r+")
    assert array.spec.dtype == np.dtype(dtype).name
    found = array.read(whole(DATA.shape))
    assert found.dtype.isnative
    assert found.flags.f_contiguous
    np.testing.assert_array_equal(found, data)
    assert {box[0] for box in array.stored_boxes()} == {
        (c, x, 0, z) for c in (0, 2) for x in range(0, 20, 7) for z in range(0, 40, 9)
    }
    array.write(((1, 2, 3, 4), (1, 1, 1, 1)), np.full((1, 1, 1, 1), 42, np.dtype(dtype).newbyteorder("=")))
    assert zarr.open_array(place.url, mode="r")[1, 2, 3, 4] == 42


def test_filters_of_v2_arrays_are_applied(tmp_path):
    import numcodecs

    place = LocalLocation(tmp_path / "array")
    foreign = zarr.create_array(
        place.url, shape=DATA.shape, chunks=(3, 8, 8, 8), dtype="<i4", zarr_format=2,
        filters=[numcodecs.Delta(dtype="<i4")], compressors=numcodecs.GZip(),
    )  # fmt: skip
    foreign[...] = DATA
    assert Zarr2Backend().problems(None, place, "r") == []
    np.testing.assert_array_equal(Zarr2Backend().open(place).read(whole(DATA.shape)), DATA)


def test_codecs_of_numcodecs_work_in_v3_without_a_warning(tmp_path):
    place = LocalLocation(tmp_path / "array")
    codecs = [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "numcodecs.bz2", "configuration": {"level": 1}},
    ]
    spec = ArraySpec(axes=("c", "x", "y", "z"), shape=DATA.shape, dtype="uint8", chunk_shape=(3, 16, 16, 16),
                     shard_shape=(3, 16, 16, 16), options={"codecs": codecs})  # fmt: skip
    assert Zarr3Backend().problems(spec, place, "create") == []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        array = Zarr3Backend().create(place, spec)
        array.write(whole(DATA.shape), DATA.astype("uint8"))
        np.testing.assert_array_equal(Zarr3Backend().open(place).read(whole(DATA.shape)), DATA)
    assert [str(warning.message) for warning in caught] == []


def test_a_codec_around_shards_works_without_a_warning(tmp_path):
    place = LocalLocation(tmp_path / "array")
    document = {
        "zarr_format": 3, "node_type": "array", "shape": list(DATA.shape), "data_type": "uint8",
        "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [3, 16, 16, 16]}},
        "chunk_key_encoding": {"name": "default"}, "attributes": {},
        "codecs": [{"name": "sharding_indexed", "configuration": {
            "chunk_shape": [3, 8, 8, 8], "codecs": [{"name": "bytes"}], "index_codecs":
            [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]}},
            {"name": "gzip", "configuration": {"level": 1}}],
    }  # fmt: skip
    place.child("zarr.json").write(json.dumps(document).encode())
    array = Zarr3Backend().open(place, "r+")
    assert array.spec.chunk_shape == (3, 16, 16, 16)
    array.write(whole(DATA.shape), DATA.astype("uint8"))
    np.testing.assert_array_equal(
        Zarr3Backend().open(place).read(((1, 2, 2, 2), (1, 9, 9, 9))), DATA[1:2, 2:11, 2:11, 2:11]
    )


@pytest.mark.parametrize(
    ("rank", "names", "axes", "expected"),
    [
        (2, None, None, ("x", "y")),
        (3, None, None, ("x", "y", "z")),
        (4, None, None, ("c", "x", "y", "z")),
        (5, None, None, ("t", "c", "x", "y", "z")),
        (3, ("z", "y", "x"), None, ("z", "y", "x")),
        (4, ("channel", "z", "y", "x"), None, ("c", "z", "y", "x")),
        (3, ("z", None, "x"), None, ("x", "y", "z")),
        (3, ("z", "y", "x"), ("x", "y", "q"), ("x", "y", "q")),
        (3, ("z", "y", "x"), ("x", "y"), ("z", "y", "x")),
        (1, None, None, None),
        (6, None, None, None),
        (3, ("Z", "Y", "X"), None, ("z", "y", "x")),
        (3, ("x", "x", "y"), None, ("x", "y", "z")),
        (3, ("a", "b", "d"), None, None),
    ],
)
def test_axes_come_from_the_argument_then_the_metadata_then_the_rank(tmp_path, rank, names, axes, expected):
    place = LocalLocation(tmp_path / "array")
    zarr.create_array(place.url, shape=(4,) * rank, chunks=(2,) * rank, dtype="uint8", dimension_names=names)
    if expected is not None:
        assert Zarr3Backend().open(place, axes=axes).spec.axes == expected
        return
    with pytest.raises(ArrayException, match="axes") as caught:
        Zarr3Backend().open(place, axes=axes)
    assert "storage order" in caught.value.hint


def test_unusual_but_sound_metadata_are_opened(tmp_path):
    place = LocalLocation(tmp_path / "array")
    document = {
        "zarr_format": "2", "shape": [4, 4, 4], "chunks": [2, 2, 2], "dtype": "|u1", "compressor": None,
        "fill_value": None, "order": "C", "filters": None,
    }  # fmt: skip
    place.child(".zarray").write(json.dumps(document).encode())
    place.child("0.0.1").write(bytes(range(8)))
    array = Zarr2Backend().open(place)
    assert array.spec.options == {"compressor": None, "order": "C", "dimension_separator": "."}
    assert array.read(((0, 0, 2), (2, 2, 2)))[1, 0, 1] == 5
    assert list(array.stored_boxes()) == [((0, 0, 2), (2, 2, 2))]


@pytest.mark.parametrize(
    ("fill", "value"),
    [("0x7fc00000", float("nan")), ("NaN", float("nan")), ("-Infinity", float("-inf")), (1, 1.0)],
)
def test_fill_values_in_all_spellings_are_understood(tmp_path, fill, value):
    place = LocalLocation(tmp_path / "array")
    zarr.create_array(place.url, shape=(4, 4), chunks=(2, 2), dtype="float32")
    path = Path(place.child("zarr.json").local_path())
    path.write_text(json.dumps({**json.loads(path.read_text()), "fill_value": fill}))
    array = Zarr3Backend().open(place)
    np.testing.assert_array_equal(array.spec.fill_value, value)
    np.testing.assert_array_equal(array.read(((0, 0), (1, 1)))[0, 0], np.float32(value))


@pytest.mark.parametrize("encoding", ["default", "v2"])
@pytest.mark.parametrize("separator", [".", "/"])
def test_stored_boxes_are_found_under_every_key_encoding(tmp_path, encoding, separator):
    place = LocalLocation(tmp_path / "array")
    spec = ArraySpec(
        axes=("t", "z", "x", "y"), shape=(2, 9, 9, 9), dtype="uint8",
        chunk_shape=(1, 4, 2, 8), shard_shape=(1, 4, 2, 8),
        options={"chunk_key_encoding": {"name": encoding, "configuration": {"separator": separator}}},
    )  # fmt: skip
    array = Zarr3Backend().create(place, spec)
    array.write(((1, 3, 8, 7), (1, 2, 1, 2)), np.ones((1, 2, 1, 2), "uint8"))
    place.child(".wkplug-incomplete.json").write(b"{}")
    place.child("c.notes").write(b"x")
    for box in array.stored_boxes():
        place.child(spec_key(box, spec, encoding, separator) + ".abc.partial").write(b"x")
    assert sorted(box[0] for box in array.stored_boxes()) == [
        (1, 0, 8, 0),
        (1, 0, 8, 8),
        (1, 4, 8, 0),
        (1, 4, 8, 8),
    ]


def spec_key(box, spec, encoding, separator):
    cell = [str(start // size) for start, size in zip(box[0], spec.shard_shape, strict=True)]
    return separator.join(["c", *cell] if encoding == "default" else cell)


@pytest.mark.skipif("WKPLUG_TEST_DATA" not in os.environ, reason="WKPLUG_TEST_DATA is not set")
def test_real_data_of_an_older_writer_are_read():
    place = LocalLocation(Path(os.environ["WKPLUG_TEST_DATA"]) / "simple_zarr_dataset" / "color" / "1-1-1")
    backend = Zarr2Backend()
    assert backend.probe(place) is ProbeScore.CERTAIN
    array = backend.open(place)
    assert array.spec.axes == ("c", "x", "y", "z")
    assert array.spec.shape == (3, 24, 24, 24)
    assert not array.spec.compressed
    raw = np.frombuffer(place.child("0.0.0.0").read(), "uint8").reshape(3, 32, 32, 32)
    np.testing.assert_array_equal(array.read(whole((3, 24, 24, 24))), raw[:, :24, :24, :24])
    assert list(array.stored_boxes()) == [((0, 0, 0, 0), (3, 32, 32, 32))]
