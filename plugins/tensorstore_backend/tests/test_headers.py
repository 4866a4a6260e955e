"""Metadata from anywhere: odd, damaged, malicious. Typed errors, no memory taken, the process goes on."""

from __future__ import annotations

import copy
import json
import resource
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wkplug_tensorstore.backends import (
    N5Backend,
    PrecomputedBackend,
    TensorstoreBackend,
    Zarr2Backend,
    Zarr3Backend,
)

from wkplug.errors import CorruptDataError, TooLargeError, WkplugError
from wkplug.filesystems.local import LocalLocation

if TYPE_CHECKING:
    from pathlib import Path

INNER = [
    {"name": "transpose", "configuration": {"order": [2, 1, 0]}},
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "zstd", "configuration": {"level": 5, "checksum": True}},
]
INDEX = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
SHARDS = {"chunk_shape": [8, 8, 8], "codecs": INNER, "index_codecs": INDEX, "index_location": "end"}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "zarr.json": {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [32, 32, 32],
        "data_type": "uint16",
        "fill_value": 0,
        "dimension_names": ["x", "y", "z"],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [16, 16, 16]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [{"name": "sharding_indexed", "configuration": SHARDS}],
    },
    ".zarray": {
        "zarr_format": 2,
        "shape": [32, 32, 32],
        "chunks": [16, 16, 16],
        "dtype": "<u2",
        "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
        "filters": None,
        "fill_value": 0,
        "order": "F",
        "dimension_separator": ".",
    },
    "attributes.json": {
        "dimensions": [32, 32, 32],
        "blockSize": [16, 16, 16],
        "dataType": "uint16",
        "compression": {"type": "gzip", "level": 5},
    },
    "info": {
        "@type": "neuroglancer_multiscale_volume",
        "type": "image",
        "data_type": "uint16",
        "num_channels": 1,
        "scales": [
            {
                "key": "a",
                "size": [32, 32, 32],
                "voxel_offset": [0, 0, 0],
                "chunk_sizes": [[16, 16, 16]],
                "resolution": [1, 1, 1],
                "encoding": "raw",
                "sharding": {
                    "@type": "neuroglancer_uint64_sharded_v1",
                    "preshift_bits": 1,
                    "hash": "identity",
                    "minishard_bits": 2,
                    "shard_bits": 2,
                    "minishard_index_encoding": "gzip",
                    "data_encoding": "gzip",
                },
            }
        ],
    },
}
BACKENDS: dict[str, TensorstoreBackend] = {
    "zarr.json": Zarr3Backend(),
    ".zarray": Zarr2Backend(),
    "attributes.json": N5Backend(),
    "info": PrecomputedBackend(),
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 2, 7, 2**31, 2**45, 2**62, 2**63, 2**64, 10**30, 0.5, 1e300]),
    st.sampled_from(
        ["", "gzip", "zstd", "crc32c", "bytes", "transpose", "uint8", "NaN", "0x00", "F", "|", "\0"]
    ),
    st.sampled_from(
        [[], {}, [[]], [0], [1, 2], [1, 1, 1], [16, 16, 2**40], {"name": "gzip"}, {"id": "zlib"}]
    ),
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in ((*path, key), *paths(item, (*path, key)))]


def use(folder: Path, name: str, text: str) -> None:
    """Open it and read one voxel, if that goes; anything but a WkplugError fails."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    backend = BACKENDS[name]
    location = LocalLocation(folder / "a" if name == "info" else folder)
    try:
        backend.probe(location)
        backend.problems(None, location, "r")
        array = backend.open(location, "r+")
        shape = array.spec.shape
        box = ((0,) * len(shape), (1,) * len(shape))
        voxel = array.read(box)
        array.write(box, voxel)
    except WkplugError as error:
        assert str(error).strip()  # noqa: PT017 - any of them will do, as long as it says something


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_header_does_more_than_raise_a_typed_error(tmp_path: Path, name: str, data: st.DataObject) -> None:
    document = copy.deepcopy(DOCUMENTS[name])
    for _ in range(data.draw(st.integers(1, 2))):
        *parents, last = data.draw(st.sampled_from(paths(document)))
        holder: Any = document
        for key in parents:
            holder = holder[key]
        if isinstance(holder, dict) and data.draw(st.integers(0, 4)) == 0:
            del holder[last]
        else:
            holder[last] = copy.deepcopy(data.draw(VALUES))
    use(tmp_path, name, json.dumps(document))


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_unchanged_headers_open(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps(DOCUMENTS[name]))
    location = LocalLocation(tmp_path / "a" if name == "info" else tmp_path)
    array = BACKENDS[name].open(location)
    length = len(array.spec.axes)
    assert not array.read(((0,) * length, (1,) * length)).any()


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"shape": NaN}', "\ufeff{}", "{}"])
def test_text_that_is_no_metadata_is_a_damaged_header(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    location = LocalLocation(tmp_path / "a" if name == "info" else tmp_path)
    with pytest.raises(WkplugError) as caught:
        BACKENDS[name].open(location)
    assert isinstance(caught.value, CorruptDataError)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("zarr.json", ("codecs", 0, "configuration", "chunk_shape"), [2**15] * 3),
        (".zarray", ("chunks",), [2**15] * 3),
        ("attributes.json", ("blockSize",), [2**15] * 3),
        ("info", ("scales", 0, "chunk_sizes", 0), [2**15] * 3),
        ("zarr.json", ("chunk_grid", "configuration", "chunk_shape"), [2**15] * 3),
    ],
)
def test_chunks_and_indexes_beyond_reason_take_no_memory(
    tmp_path: Path, name: str, path: tuple[Any, ...], value: list[int]
) -> None:
    document = copy.deepcopy(DOCUMENTS[name])
    holder: Any = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    if name == "zarr.json" and path[0] == "codecs":
        document["chunk_grid"]["configuration"]["chunk_shape"] = value
    (tmp_path / name).write_text(json.dumps(document))
    location = LocalLocation(tmp_path / "a" if name == "info" else tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TooLargeError, match="claims"):
        BACKENDS[name].open(location)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize(
    ("fill", "expected"),
    [("NaN", np.nan), ("-Infinity", -np.inf), ("0x3fc00000", 1.5), (2, 2.0), (0.25, 0.25)],
)
def test_fill_values_are_read_in_all_their_spellings(tmp_path: Path, fill: Any, expected: float) -> None:
    document = DOCUMENTS["zarr.json"] | {"data_type": "float32", "fill_value": fill}
    (tmp_path / "zarr.json").write_text(json.dumps(document))
    array = Zarr3Backend().open(LocalLocation(tmp_path))
    np.testing.assert_equal(array.spec.fill_value, expected)
    np.testing.assert_equal(array.read(((0, 0, 0), (1, 1, 1))), np.full((1, 1, 1), expected, np.float32))
