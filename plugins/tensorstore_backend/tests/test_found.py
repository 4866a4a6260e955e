"""Arrays that other software wrote: real files, foreign layouts, and what this engine lacks."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorstore
import zarr
from wkplug_tensorstore.backends import (
    N5Backend,
    PrecomputedBackend,
    TensorstoreBackend,
    Zarr2Backend,
    Zarr3Backend,
)
from wkplug_tensorstore.codecs import walk_codecs
from zarr.codecs import BloscCodec, BytesCodec

from wkplug.abc import ProbeScore
from wkplug.errors import (
    CorruptDataError,
    MissingError,
    UnsupportedDtypeError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug.filesystems.local import LocalLocation

if TYPE_CHECKING:
    from pathlib import Path

DATA = np.random.default_rng(2).integers(1, 99, (2, 20, 18, 9)).astype(np.uint16)
ALL = ((0, 0, 0, 0), DATA.shape)


def open_raw(driver: str, path: Path, **fields: Any) -> Any:
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(path)}, **fields}
    return tensorstore.open(spec, create=True, open=True).result()


@pytest.mark.parametrize(
    ("folder", "backend"),
    [
        ("simple_zarr_dataset/color/1-1-1", Zarr2Backend),
        ("simple_n5_dataset/color/1", N5Backend),
        ("simple_ng_dataset/color/1", PrecomputedBackend),
    ],
)
def test_real_files_of_all_formats_hold_the_same_picture(
    real_data: Path, folder: str, backend: type[TensorstoreBackend]
) -> None:
    location = LocalLocation(real_data / folder)
    engine = backend()
    assert engine.probe(location) is ProbeScore.CERTAIN
    assert engine.problems(None, location, "r") == []
    array = engine.open(location)
    assert array.spec.axes == ("c", "x", "y", "z")
    assert array.spec.shape == (3, 24, 24, 24)
    picture = array.read(((0, 0, 0, 0), (3, 24, 24, 24)))
    known = Zarr2Backend().open(LocalLocation(real_data / "simple_zarr_dataset/color/1-1-1"))
    np.testing.assert_array_equal(picture, known.read(((0, 0, 0, 0), (3, 24, 24, 24))))
    assert picture.sum() == 5287680
    part = array.read(((1, 3, 5, 7), (2, 4, 9, 3)))
    np.testing.assert_array_equal(part, picture[1:3, 3:7, 5:14, 7:10])


@pytest.mark.parametrize("compressor", ["gzip", "blosc", "zstd", None])
@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("dtype", [">u2", "<u2"])
def test_foreign_version_2_arrays_read_in_native_order(
    tmp_path: Path, compressor: str | None, separator: str, dtype: str
) -> None:
    numcodecs = pytest.importorskip("numcodecs")  # comes with zarr

    codec = {"gzip": numcodecs.GZip(), "blosc": numcodecs.Blosc(), "zstd": numcodecs.Zstd(), None: None}
    other = zarr.create_array(
        str(tmp_path / "a"),
        shape=DATA.shape,
        chunks=(1, 8, 8, 8),
        dtype=dtype,
        zarr_format=2,
        compressors=codec[compressor],
        chunk_key_encoding={"name": "v2", "separator": separator},
        order="C",
    )
    other[...] = DATA
    array = Zarr2Backend().open(LocalLocation(tmp_path / "a"), "r+")
    got = array.read(ALL)
    assert got.dtype == np.dtype("uint16")
    assert got.dtype.isnative
    assert got.flags.f_contiguous
    np.testing.assert_array_equal(got, DATA)
    assert array.spec.compressed is (compressor is not None)
    assert len(list(array.stored_boxes())) == 2 * 3 * 3 * 2
    array.write(((0, 1, 1, 1), (1, 2, 2, 2)), DATA[:1, :2, :2, :2])
    np.testing.assert_array_equal(other[:1, 1:3, 1:3, 1:3], DATA[:1, :2, :2, :2])


@pytest.mark.parametrize("shards", [None, (1, 16, 16, 8)])
def test_foreign_version_3_arrays_read_whatever_their_order(
    tmp_path: Path, shards: tuple[int, ...] | None
) -> None:
    other = zarr.create_array(
        str(tmp_path / "a"),
        shape=DATA.shape,
        chunks=(1, 8, 8, 8),
        shards=shards,
        dtype="uint16",
        dimension_names=["channel", "z", "y", "x"],
        compressors=BloscCodec(),
        serializer=BytesCodec(endian="big"),
        attributes={"anything": [1, 2]},
    )
    other[...] = DATA
    array = Zarr3Backend().open(LocalLocation(tmp_path / "a"))
    assert array.spec.axes == ("c", "z", "y", "x")
    assert array.spec.chunk_shape == (1, 8, 8, 8)
    assert array.spec.shard_shape == (shards or (1, 8, 8, 8))
    assert array.spec.compressed
    np.testing.assert_array_equal(array.read(ALL), DATA)
    assert Zarr3Backend().open(LocalLocation(tmp_path / "a"), axes=tuple("cxyz")).spec.axes == tuple("cxyz")


def test_chunks_inside_a_transposition_are_told_in_the_arrays_own_axes(tmp_path: Path) -> None:
    inner = {"chunk_shape": [4, 8, 16], "codecs": ["bytes"], "index_codecs": ["bytes", "crc32c"]}
    codecs = [
        {"name": "transpose", "configuration": {"order": [2, 0, 1]}},
        {"name": "sharding_indexed", "configuration": inner},
    ]
    raw = open_raw(
        "zarr3",
        tmp_path / "a",
        metadata={
            "shape": [64, 64, 64],
            "data_type": "uint8",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [32, 32, 32]}},
            "codecs": codecs,
        },
    )
    found = walk_codecs(codecs, (32, 32, 32), 1, "here").chunk_shape
    assert found == tuple(raw.chunk_layout.read_chunk.shape)


def test_n5_reads_big_endian_blocks_and_lists_them(tmp_path: Path) -> None:
    raw = open_raw(
        "n5",
        tmp_path / "a",
        metadata={
            "dimensions": [20, 18, 9],
            "blockSize": [8, 8, 8],
            "dataType": "uint16",
            "compression": {"type": "gzip"},
        },
    )
    raw[:8, :, :] = DATA[0, :8]
    location = LocalLocation(tmp_path / "a")
    array = N5Backend().open(location)
    assert array.spec.axes == ("x", "y", "z")
    expected = np.zeros(DATA.shape[1:], np.uint16)
    expected[:8] = DATA[0, :8]
    np.testing.assert_array_equal(array.read(((0, 0, 0), (20, 18, 9))), expected)
    assert len(list(array.stored_boxes())) == 3 * 2
    with pytest.raises(MissingError):
        array.read(((8, 0, 0), (3, 3, 3)), missing="error")


def test_blocks_that_others_cut_short_are_changed_and_grow(tmp_path: Path) -> None:
    data = np.arange(12 * 8 * 8, dtype="uint16").reshape(12, 8, 8)
    header = {
        "dimensions": [12, 8, 8],
        "blockSize": [8, 8, 8],
        "dataType": "uint16",
        "compression": {"type": "raw"},
    }
    (tmp_path / "attributes.json").write_text(json.dumps(header))
    for number, part in enumerate((data[:8], data[8:])):
        file = tmp_path / str(number) / "0" / "0"
        file.parent.mkdir(parents=True)
        head = struct.pack(">HHIII", 0, 3, *part.shape)
        file.write_bytes(head + part.astype(">u2").tobytes(order="F"))
    array = N5Backend().open(LocalLocation(tmp_path), "r+", axes=("x", "y", "z"))
    array.resize((16, 8, 8))
    expected = np.pad(data, [(0, 4), (0, 0), (0, 0)])
    everything = ((0, 0, 0), expected.shape)
    np.testing.assert_array_equal(array.read(everything), expected)
    expected[11:15, 2:5, :3] = 9
    array.write(((11, 2, 0), (4, 3, 3)), np.full((4, 3, 3), 9, "uint16"))
    np.testing.assert_array_equal(N5Backend().open(LocalLocation(tmp_path)).read(everything), expected)


@pytest.mark.parametrize(
    ("options", "fields", "text"),
    [
        ({"level": 3}, {}, "n5 has no option 'level'"),
        ({"compression": {"type": "brotli"}}, {}, "The option 'compression' is"),
        ({}, {"shard_shape": (1, 32, 32, 32)}, "N5 has no shards"),
        ({}, {"fill_value": 3}, "N5 arrays are 0 where nothing was written"),
    ],
)
def test_what_n5_cannot_hold_is_refused(
    place: LocalLocation, make_spec: Any, options: dict[str, Any], fields: dict[str, Any], text: str
) -> None:
    spec = make_spec(**({"shard_shape": (1, 16, 16, 16), "options": options} | fields))
    assert N5Backend().problems(spec, place, "create")
    with pytest.raises(WkplugError, match=text):
        N5Backend().create(place, spec)
    assert not place.exists()


@pytest.mark.parametrize(
    ("options", "fields", "text"),
    [
        (
            {},
            {"chunk_shape": (1, 2, 2, 2), "shape": (1, 2**40, 2**40, 2**40)},
            "number their chunks with 64 bits",
        ),
        ({"sharding": 3}, {}, "The option 'sharding' must be an object"),
        ({}, {"fill_value": 3}, "Precomputed volumes are 0 where nothing was written"),
        ({}, {"axes": tuple("xyzc")}, "Precomputed volumes have the axes c, x, y, z"),
        ({}, {"shape": (2, 64, 64, 64)}, "holds all its channels, which are 2"),
    ],
)
def test_what_precomputed_cannot_hold_is_refused(
    place: LocalLocation, make_spec: Any, options: dict[str, Any], fields: dict[str, Any], text: str
) -> None:
    spec = make_spec(**({"options": options} | fields))
    assert PrecomputedBackend().problems(spec, place, "create")
    with pytest.raises(WkplugError, match=text):
        PrecomputedBackend().create(place, spec)
    assert not place.exists()


def test_volumes_that_are_no_whole_chunks_keep_their_size(tmp_path: Path) -> None:
    precomputed(tmp_path, "1", [0, 0, 0])[...] = DATA.transpose(1, 2, 3, 0)
    array = PrecomputedBackend().open(LocalLocation(tmp_path / "1"), "r+")
    with pytest.raises(UnsupportedOperationError, match="which are no whole chunks; those at its end"):
        array.resize((2, 24, 24, 16))
    np.testing.assert_array_equal(array.read(ALL), DATA)
    array.resize((2, 9, 18, 9))
    assert PrecomputedBackend().open(LocalLocation(tmp_path / "1")).spec.shape == (2, 9, 18, 9)
    array.resize(DATA.shape)
    np.testing.assert_array_equal(array.read(ALL), DATA)


def precomputed(folder: Path, key: str, offset: list[int], **more: Any) -> Any:
    return open_raw(
        "neuroglancer_precomputed",
        folder,
        multiscale_metadata={"type": "image", "data_type": "uint16", "num_channels": 2},
        scale_metadata={
            "key": key,
            "size": [20, 18, 9],
            "voxel_offset": offset,
            "chunk_size": [8, 8, 8],
            "resolution": [1, 1, 1],
            "encoding": "raw",
            **more,
        },
    )


@pytest.mark.parametrize("key", ["4_4_40", "scales/4_4_40", "a/b/c"])
def test_precomputed_scales_are_found_below_their_info_file(tmp_path: Path, key: str) -> None:
    precomputed(tmp_path, key, [0, 0, 0])[...] = DATA.transpose(1, 2, 3, 0)
    location = LocalLocation(tmp_path / key)
    array = PrecomputedBackend().open(location)
    np.testing.assert_array_equal(array.read(ALL), DATA)
    if key.count("/") < 2:
        assert PrecomputedBackend().probe(location) is ProbeScore.CERTAIN
    assert len(list(array.stored_boxes())) == 3 * 3 * 2
    with pytest.raises(MissingError, match="no scale"):
        PrecomputedBackend().open(LocalLocation(tmp_path / "other"))


def test_precomputed_voxels_stay_where_their_offset_says(tmp_path: Path) -> None:
    precomputed(tmp_path, "1", [5, 3, 0])[...] = DATA.transpose(1, 2, 3, 0)
    array = PrecomputedBackend().open(LocalLocation(tmp_path / "1"))
    assert array.spec.shape == (2, 25, 21, 9)
    expected = np.zeros((2, 25, 21, 9), np.uint16)
    expected[:, 5:, 3:] = DATA
    np.testing.assert_array_equal(array.read(((0, 0, 0, 0), expected.shape)), expected)
    np.testing.assert_array_equal(array.read(((0, 6, 4, 1), (2, 3, 3, 3))), expected[:, 6:9, 4:7, 1:4])
    assert not array.read(((0, 0, 0, 0), (2, 4, 3, 3))).any()
    out = np.ones((2, 9, 9, 9), np.uint16)
    assert array.read(((0, 1, 1, 0), (2, 9, 9, 9)), out=out) is out
    np.testing.assert_array_equal(out, expected[:, 1:10, 1:10, :9])


def test_precomputed_before_voxel_0_is_refused_with_its_reason(tmp_path: Path) -> None:
    precomputed(tmp_path, "1", [-5, 3, 0])
    location = LocalLocation(tmp_path / "1")
    with pytest.raises(UnsupportedOperationError, match="before voxel 0"):
        PrecomputedBackend().open(location)
    assert PrecomputedBackend().problems(None, location, "r")[0].severity == "error"


def zarray(folder: Path, **changes: Any) -> LocalLocation:
    document = {
        "zarr_format": 2,
        "shape": [8, 8, 8],
        "chunks": [8, 8, 8],
        "dtype": "<u2",
        "compressor": None,
        "filters": None,
        "fill_value": 0,
        "order": "C",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".zarray").write_text(json.dumps(document | changes))
    return LocalLocation(folder)


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"compressor": {"id": "lz4"}}, UnsupportedOperationError, "compressor 'lz4'"),
        ({"filters": [{"id": "delta"}]}, UnsupportedOperationError, "filters"),
        ({"dtype": "<c8"}, UnsupportedDtypeError, "'<c8'"),
        ({"dtype": [["a", "<u2"]]}, UnsupportedDtypeError, "can't hold"),
        ({"dtype": "<f2"}, UnsupportedDtypeError, "'<f2'"),
    ],
)
def test_what_another_engine_may_read_is_a_problem(
    tmp_path: Path, changes: dict[str, Any], kind: type[Exception], text: str
) -> None:
    location = zarray(tmp_path, **changes)
    (problem,) = Zarr2Backend().problems(None, location, "r")
    assert problem.severity == "error"
    assert problem.error_type is kind
    with pytest.raises(kind, match=text):
        Zarr2Backend().open(location)


def test_an_unknown_version_3_codec_is_a_problem(place: LocalLocation, make_spec: Any) -> None:
    Zarr3Backend().create(place, make_spec())
    document = json.loads(place.child("zarr.json").read())
    document["codecs"][0]["configuration"]["codecs"].append({"name": "pcodec"})
    place.child("zarr.json").write(json.dumps(document).encode())
    (problem,) = Zarr3Backend().problems(None, place, "r")
    assert "'pcodec'" in problem.text
    assert "wkplug-zarr" in problem.remedy


def test_axes_that_nothing_tells_are_asked_for(tmp_path: Path) -> None:
    location = zarray(tmp_path, shape=[2] * 6, chunks=[2] * 6)
    with pytest.raises(CorruptDataError, match="doesn't name its 6 axes") as caught:
        Zarr2Backend().open(location)
    assert "axes=" in (caught.value.hint or "")
    assert Zarr2Backend().open(location, axes=tuple("abcxyz")).spec.axes == tuple("abcxyz")


def test_groups_and_other_folders_are_not_taken_for_arrays(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    (tmp_path / "attributes.json").write_text('{"n5": "2.5.0"}')
    location = LocalLocation(tmp_path)
    assert Zarr3Backend().probe(location) is ProbeScore.NO
    assert N5Backend().probe(location) is ProbeScore.NO
    with pytest.raises(CorruptDataError, match="no array but 'group'"):
        Zarr3Backend().open(location)
    (tmp_path / "zarr.json").write_text("{")
    assert Zarr3Backend().probe(location) is ProbeScore.MARKER
    with pytest.raises(CorruptDataError, match="no JSON"):
        Zarr3Backend().open(location)


def test_precomputed_scales_tell_what_is_stored(tmp_path: Path) -> None:
    whole = precomputed(tmp_path, "1", [5, 3, 0])
    start = whole.domain.inclusive_min
    whole[start[0], start[1], start[2], :] = 1
    array = PrecomputedBackend().open(LocalLocation(tmp_path / "1"))
    boxes = list(array.stored_boxes())
    assert len(boxes) == 1
    assert boxes[0][0] == (0, 5, 3, 0)
    assert array.read(boxes[0]).any()
    whole[...] = DATA.transpose(1, 2, 3, 0)
    covered = np.zeros(array.spec.shape, bool)
    for first, shape in array.stored_boxes():
        covered[tuple(slice(low, low + length) for low, length in zip(first, shape, strict=True))] = True
    assert covered[:, 5:, 3:].all()
    assert not covered[:, :5].any()


def test_shards_that_are_boxes_tell_what_is_stored(tmp_path: Path) -> None:
    sharding = {
        "@type": "neuroglancer_uint64_sharded_v1",
        "preshift_bits": 1,
        "minishard_bits": 2,
        "shard_bits": 3,
        "hash": "identity",
    }
    whole = precomputed(tmp_path, "1", [0, 0, 0], sharding=sharding)
    whole[17, 0, 8, :] = np.uint16(1)
    array = PrecomputedBackend().open(LocalLocation(tmp_path / "1"))
    assert array.spec.shard_shape == (2, 16, 16, 16)
    assert list(array.stored_boxes()) == [((0, 16, 0, 0), (2, 16, 16, 16))]


def test_sharded_precomputed_scales_are_read_but_do_not_tell_what_is_stored(tmp_path: Path) -> None:
    sharding = {
        "@type": "neuroglancer_uint64_sharded_v1",
        "preshift_bits": 1,
        "minishard_bits": 1,
        "shard_bits": 1,
        "hash": "identity",
    }
    precomputed(tmp_path, "1", [0, 0, 0], sharding=sharding)[...] = DATA.transpose(1, 2, 3, 0)
    array = PrecomputedBackend().open(LocalLocation(tmp_path / "1"))
    np.testing.assert_array_equal(array.read(ALL), DATA)
    with pytest.raises(UnsupportedOperationError, match="can't list"):
        list(array.stored_boxes())
