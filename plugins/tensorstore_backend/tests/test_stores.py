"""Every format on stores: the engine's own files, read through places, against numpy; requests are counted."""

from __future__ import annotations

import gzip
import itertools
import json
import shutil
import urllib.request
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import attrs
import google_crc32c
import numpy as np
import pytest
import tensorstore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wkplug_tensorstore import n5_blocks, objects, remote
from wkplug_tensorstore.backends import N5Backend, PrecomputedBackend, Zarr2Backend, Zarr3Backend
from wkplug_tensorstore.objects import objects_of

import wkplug as wk
from tests.servers.counting import CountingServer
from wkplug.abc import ArraySpec, ranges
from wkplug.errors import (
    ConflictError,
    CorruptDataError,
    MissingError,
    OutOfBoundsError,
    UnalignedError,
    UnsupportedOperationError,
)
from wkplug.storage import locate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.emulators import Nginx
    from tests.servers.fixtures import Bucket
    from wkplug.abc import Location

SHAPE = (1, 70, 50, 40)
AXES = ("c", "x", "y", "z")


@pytest.fixture(scope="module")
def server() -> Iterator[CountingServer]:
    with CountingServer() as found:
        yield found


@pytest.fixture(params=["memory", "s3", "http"])
def store(request: pytest.FixtureRequest, server: CountingServer) -> str:
    """The URL of an empty folder."""
    return url_of(request.param, server)


def url_of(kind: str, server: CountingServer) -> str:
    name = uuid4().hex
    host = server.url.removeprefix("http://")
    return {
        "memory": f"memory://{name}",
        "s3": f"s3://{host}/bucket/{name}",
        "http": f"{server.url}/bucket/{name}",
    }[kind]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def sharding(**fields: Any) -> dict[str, Any]:
    return {
        "@type": "neuroglancer_uint64_sharded_v1",
        "preshift_bits": 1,
        "minishard_bits": 2,
        "shard_bits": 1,
        "hash": "murmurhash3_x86_128",
        "minishard_index_encoding": "gzip",
        "data_encoding": "gzip",
        **fields,
    }


def shards(**fields: Any) -> list[dict[str, Any]]:
    inside = {
        "chunk_shape": [1, 16, 16, 16],
        "codecs": [
            {"name": "transpose", "configuration": {"order": [3, 2, 1, 0]}},
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": 3, "checksum": True}},
        ],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        **fields,
    }
    return [{"name": "sharding_indexed", "configuration": inside}]


def zarr3(codecs: list[dict[str, Any]], chunk: list[int]) -> dict[str, Any]:
    grid = {"name": "regular", "configuration": {"chunk_shape": chunk}}
    return {"driver": "zarr3", "metadata": {"chunk_grid": grid, "codecs": codecs}}


def n5(kind: str) -> dict[str, Any]:
    return {"driver": "n5", "metadata": {"blockSize": [1, 16, 16, 16], "compression": {"type": kind}}}


def precomputed(encoding: str, dtype: str, channels: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "driver": "neuroglancer_precomputed",
        "multiscale_metadata": {"type": "image", "data_type": dtype, "num_channels": channels},
        "scale_metadata": {
            "key": "4_4_40",
            "resolution": [4, 4, 40],
            "encoding": encoding,
            "chunk_size": [16, 16, 16],
            **fields,
        },
    }


LABELS = {"compressed_segmentation_block_size": [8, 8, 8]}
NESTED = shards(chunk_shape=[1, 32, 32, 32], codecs=shards())
FORMATS: dict[str, dict[str, Any]] = {
    "zarr3": zarr3([{"name": "bytes", "configuration": {"endian": "big"}}], [1, 16, 16, 16]),
    "zarr3 in shards": zarr3(shards(), [1, 32, 32, 32]),
    "zarr3, index first": zarr3(shards(index_location="start"), [1, 32, 32, 32]),
    "zarr3, index unchecked": zarr3(
        shards(index_codecs=[{"name": "bytes", "configuration": {"endian": "little"}}]), [1, 32, 32, 32]
    ),
    "zarr3, shards in shards": zarr3(NESTED, [1, 64, 64, 64]),
    "zarr": {"driver": "zarr", "metadata": {"chunks": [1, 16, 16, 16], "order": "F"}},
    "zarr, dots": {
        "driver": "zarr",
        "metadata": {"chunks": [1, 32, 16, 8], "dimension_separator": ".", "compressor": None},
    },
    "n5": n5("gzip"),
    "n5, raw": n5("raw"),
    "n5, lz4": n5("raw"),
    "n5, gzipped": n5("gzip"),
    "precomputed": precomputed("raw", "uint16"),
    "precomputed, moved": precomputed("raw", "uint16", voxel_offset=[7, 20, 3]),
    "precomputed, gzipped": precomputed("raw", "uint16"),
    "precomputed, .gz": precomputed("raw", "uint16"),
    "precomputed, png": precomputed("png", "uint16"),
    "precomputed, jpeg": precomputed("jpeg", "uint8", 3),
    "precomputed, labels": precomputed("compressed_segmentation", "uint32", **LABELS),
    "precomputed in shards": precomputed("raw", "uint16", sharding=sharding()),
    "precomputed in shards, identity": precomputed(
        "raw",
        "uint16",
        voxel_offset=[7, 20, 3],
        sharding=sharding(hash="identity", data_encoding="raw", minishard_index_encoding="raw"),
    ),
    "precomputed, labels in shards": precomputed(
        "compressed_segmentation", "uint64", sharding=sharding(shard_bits=3, minishard_bits=0), **LABELS
    ),
}


class Made:
    """An array on a local disk, written by the engine; `voxels` are those it reads there, from 0 on, (c, x, y, z)."""

    def __init__(self, name: str, folder: Path) -> None:
        spec = dict(FORMATS[name])
        self.folder = folder
        self.name = name
        is_volume = name.startswith("precomputed")
        create: dict[str, Any] = {}
        if not is_volume:
            create = {"dtype": tensorstore.uint16, "shape": list(SHAPE)}
        else:
            spec["scale_metadata"] = {"size": list(SHAPE[1:]), **spec["scale_metadata"]}
        array = tensorstore.open(
            {**spec, "kvstore": {"driver": "file", "path": f"{folder}/"}}, create=True, **create
        ).result()
        values = np.random.default_rng(3).integers(1, 250, array.shape).astype(array.dtype.numpy_dtype)
        # One corner stays unwritten: what is missing is read as fill value.
        view = array[...] if is_volume else array[:, 32:]
        view.write(values if is_volume else values[:, 32:]).result()
        found = array.read().result()
        if is_volume:
            found = np.moveaxis(found, -1, 0)
            offset = spec["scale_metadata"].get("voxel_offset", [0, 0, 0])
            found = np.pad(found, [(0, 0), *((low, 0) for low in offset)])
        self.voxels = found
        self._pack()

    def _pack(self) -> None:
        for path in [path for path in self.folder.rglob("*") if path.is_file()]:
            if self.name == "n5, lz4" and path.name != "attributes.json":
                data = path.read_bytes()
                path.write_bytes(data[:20] + n5_blocks.compress(data[20:]))
            if "gz" in self.name and path.name != "info":
                path.write_bytes(gzip.compress(path.read_bytes()))
                if ".gz" in self.name:
                    path.rename(path.with_name(path.name + ".gz"))
        if self.name == "n5, lz4":
            file = self.folder / "attributes.json"
            document = json.loads(file.read_text())
            document["compression"] = {"type": "lz4", "blockSize": 65536}
            file.write_text(json.dumps(document))

    def put(self, place: Location) -> Location:
        """Put all files there, and give the array's place."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                place.child(path.relative_to(self.folder).as_posix()).write(path.read_bytes())
        return place.child("4_4_40") if self.name.startswith("precomputed") else place

    @property
    def backend(self) -> Any:
        kinds = {"zarr3": Zarr3Backend, "zarr": Zarr2Backend, "n5": N5Backend}
        return kinds.get(FORMATS[self.name]["driver"], PrecomputedBackend)()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    found: dict[str, Made] = {}

    def make(name: str) -> Made:
        if name not in found:
            found[name] = Made(name, tmp_path_factory.mktemp("array"))
        return found[name]

    return make


@st.composite
def boxes(draw: Any, shape: tuple[int, ...]) -> Any:
    start = tuple(draw(st.integers(0, length - 1)) for length in shape)
    extent = tuple(draw(st.integers(1, length - low)) for low, length in zip(start, shape, strict=True))
    return start, extent


def put(array: Made, url: str) -> Location:
    """Write where that can be, and give the place to be read, which may be on a web server."""
    url = url.rstrip("/")
    if url.startswith("http"):
        host, _, path = url.removeprefix("http://").partition("/")
        place = array.put(locate(f"s3://{host}/{path}"))
        return locate(f"http://{place.url.removeprefix('s3://')}")
    return array.put(locate(url))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read_on_every_store(name: str, store: str, made: Any) -> None:
    array = made(name)
    place = put(array, store)
    opened = array.backend.open(place, axes=AXES)
    oracle = array.voxels
    assert opened.spec.shape == oracle.shape

    @settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(boxes(oracle.shape))
    def check(box: Any) -> None:
        expected = oracle[tuple(slice(low, low + n) for low, n in zip(*box, strict=True))]
        np.testing.assert_array_equal(opened.read(box), expected)
        out = np.zeros(box[1], opened.dtype)
        np.testing.assert_array_equal(opened.read(box, out=out), expected)

    check()
    np.testing.assert_array_equal(opened.read(((0,) * 4, oracle.shape)), oracle)
    if not name.startswith("precomputed"):
        with pytest.raises(MissingError, match="nothing is stored there"):
            opened.read(((0, 0, 0, 0), (1, 40, 9, 9)), missing="error")
    if not store.startswith("http") and "precomputed" not in name:
        assert len(list(opened.stored_boxes())) > 1


CHANGED = [name for name in FORMATS if "jpeg" not in name and ".gz" not in name]
"""What can be changed in any box."""


@pytest.mark.parametrize("kind", ["disk", "memory", "s3"])
@pytest.mark.parametrize("name", CHANGED)
def test_what_others_wrote_is_changed_on_every_store(
    name: str, kind: str, server: CountingServer, made: Any, tmp_path: Path
) -> None:
    if (name, kind) == ("n5, gzipped", "disk"):
        return  # the engine's own files: it says that they are gzipped
    array = made(name)
    place = array.put(locate(tmp_path / "a")) if kind == "disk" else put(array, url_of(kind, server))
    opened = array.backend.open(place, "r+", axes=AXES)
    oracle = array.voxels.copy()
    origin = opened.origin
    shape = tuple(length - low for length, low in zip(oracle.shape, origin, strict=True))
    numbers = itertools.cycle([5, 0, 9, 0, 0, 250])

    @settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(boxes(shape))
    def check(box: Any) -> None:
        start, value = tuple(a + b for a, b in zip(box[0], origin, strict=True)), next(numbers)
        oracle[tuple(slice(low, low + n) for low, n in zip(start, box[1], strict=True))] = value
        opened.write((start, box[1]), np.full(box[1], value, oracle.dtype))
        np.testing.assert_array_equal(opened.read(((0,) * 4, oracle.shape)), oracle)

    check()
    opened.write((origin, shape), np.zeros(shape, oracle.dtype))
    again = array.backend.open(place, axes=AXES)
    assert not again.read(((0,) * 4, oracle.shape)).any()
    if any(origin):
        with pytest.raises(OutOfBoundsError, match=r"begins at the voxel \(7, 20, 3\), its voxel_offset"):
            opened.write(((0, 0, 0, 0), (1, 9, 30, 9)), np.ones((1, 9, 30, 9), oracle.dtype))


@pytest.mark.parametrize("kind", ["disk", "s3"])
def test_parts_of_jpeg_chunks_are_not_changed(
    kind: str, server: CountingServer, made: Any, tmp_path: Path
) -> None:
    array = made("precomputed, jpeg")
    place = array.put(locate(tmp_path / "a")) if kind == "disk" else put(array, url_of(kind, server))
    opened = array.backend.open(place, "r+", axes=AXES)
    everything = ((0,) * 4, array.voxels.shape)
    with pytest.raises(
        UnalignedError, match=r"the chunk \(\(0, 3\), \(0, 16\), \(0, 16\), \(0, 16\)\) would change"
    ):
        opened.write(((0, 0, 0, 0), (3, 15, 16, 16)), np.ones((3, 15, 16, 16), "uint8"))
    np.testing.assert_array_equal(opened.read(everything), array.voxels)
    opened.write(((0, 0, 0, 0), (3, 16, 16, 16)), np.full((3, 16, 16, 16), 77, "uint8"))
    assert (np.abs(opened.read(((0, 0, 0, 0), (3, 16, 16, 16))).astype(int) - 77) < 3).all()
    np.testing.assert_array_equal(opened.read(everything)[:, 16:], array.voxels[:, 16:])


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read_from_web_servers_as_they_are(name: str, nginx: Nginx, made: Any) -> None:
    array = made(name)
    folder = nginx.folder / uuid4().hex
    shutil.copytree(array.folder, folder)
    for place in ("plain", "norange", "gzip"):
        url = f"{nginx.url}/{place}/{folder.name}"
        opened = array.backend.open(locate(url + "/4_4_40" * name.startswith("precomputed")), axes=AXES)
        np.testing.assert_array_equal(opened.read(((0,) * 4, array.voxels.shape)), array.voxels)
        box = ((0, 33, 20, 10), (1, 10, 9, 8))
        np.testing.assert_array_equal(opened.read(box), array.voxels[:1, 33:43, 20:29, 10:18])


def test_objects_that_a_bucket_decompresses_are_read(
    gs_bucket: Bucket, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in gs_bucket.environment.items():
        monkeypatch.setenv(name, value)
    root = locate(gs_bucket.url, options=gs_bucket.options)
    for name in ("n5", "n5, lz4", "precomputed", "precomputed, labels", "zarr"):
        array = made(name)
        place = array.put(root.child(uuid4().hex))
        folder = place.parent if name.startswith("precomputed") else place
        for path in array.folder.rglob("*"):
            if path.is_file() and not path.name.endswith((".json", "info", ".zarray")):
                key = folder.child(path.relative_to(array.folder).as_posix()).url.partition(gs_bucket.name)[2]
                put_gzipped(gs_bucket, key.strip("/"), path.read_bytes())
        opened = array.backend.open(place, axes=AXES)
        np.testing.assert_array_equal(opened.read(((0,) * 4, array.voxels.shape)), array.voxels, err_msg=name)


def put_gzipped(bucket: Bucket, key: str, data: bytes) -> None:
    """Put an object as `gsutil cp -Z` does: gzipped, and marked so that Google decompresses it for who wants that."""
    about = json.dumps({"name": key, "contentEncoding": "gzip"}).encode()
    parts = (b"Content-Type: application/json", about), (b"Content-Type: a/b", gzip.compress(data))
    body = b"".join(b"--x\r\n" + head + b"\r\n\r\n" + part + b"\r\n" for head, part in parts) + b"--x--"
    url = f"{bucket.server}/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart"
    headers = {"Content-Type": "multipart/related; boundary=x"}
    urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10).close()


def test_lz4_blocks_are_read_on_a_disk_too(made: Any) -> None:
    array = made("n5, lz4")
    opened = array.backend.open(locate(array.folder), axes=AXES)
    np.testing.assert_array_equal(opened.read(((0,) * 4, SHAPE)), array.voxels)


def test_lz4_frames_come_back_and_have_the_documented_form() -> None:
    # Made here, after the description of lz4-java's frames; no file that Java has written is at hand.
    plain = b"wkplug" * 40
    frame = n5_blocks.compress(plain)
    assert frame[:8] == b"LZ4Block"
    assert frame[8] == 0x26
    assert frame[-21:] == b"LZ4Block" + bytes([0x16]) + bytes(12)
    assert n5_blocks.decompress(frame, "here", most=1000) == plain
    noise = np.random.default_rng(0).bytes(150_000)
    assert n5_blocks.decompress(n5_blocks.compress(noise), "here", most=150_000) == noise


@pytest.mark.parametrize("cut", [5, 30, -1, -22])
def test_damaged_lz4_frames_are_told(cut: int) -> None:
    frame = n5_blocks.compress(b"wkplug" * 400)
    with pytest.raises(CorruptDataError, match="here is damaged"):
        n5_blocks.decompress(frame[:cut], "here", most=10_000)
    with pytest.raises(CorruptDataError, match="too long for its block"):
        n5_blocks.decompress(frame, "here", most=10)
    wrong = bytearray(frame)
    wrong[17] ^= 1
    with pytest.raises(CorruptDataError, match="checksum"):
        n5_blocks.decompress(bytes(wrong), "here", most=10_000)


# --- requests -----------------------------------------------------------------------------------------------


@pytest.fixture
def sharded(server: CountingServer) -> Location:
    """A Zarr v3 array of 2 x 2 x 2 shards of 128 x 128 x 128 voxels on S3."""
    place = locate(url_of("s3", server))
    if place.concurrency < 8:
        pytest.skip("requests are made one after the other there")
    array = Zarr3Backend().create(
        place,
        ArraySpec(
            axes=AXES,
            shape=(1, 256, 256, 256),
            dtype="uint8",
            chunk_shape=(1, 32, 32, 32),
            shard_shape=(1, 128, 128, 128),
        ),
    )
    server.clear()
    server.uploads_together = 8
    array.write(((0,) * 4, VALUES.shape), VALUES)
    assert [request.method for request in server.requests] == ["PUT"] * 8
    assert server.figures.in_flight == 8
    server.clear()
    return place


VALUES = np.random.default_rng(1).integers(1, 9, (1, 256, 256, 256)).astype("uint8")


def test_shards_are_put_side_by_side(sharded: Location, server: CountingServer) -> None:
    opened = Zarr3Backend().open(sharded, "r+")
    server.clear()
    server.latency = 0.5  # longer than several shards take to be compressed
    try:
        opened.write(((0,) * 4, VALUES.shape), VALUES)
    finally:
        server.latency = 0.0
    assert len(server.requests) == 8
    assert server.figures.in_flight > 1


def test_a_box_over_eight_shards_takes_sixteen_requests(sharded: Location, server: CountingServer) -> None:
    opened = Zarr3Backend().open(sharded)
    server.clear()
    server.latency = 0.2
    try:
        opened.read(((0, 64, 64, 64), (1, 128, 128, 128)))
    finally:
        server.latency = 0.0
    # 8 indexes, one of them with what is wanted of its shard, and a range of each of the others.
    assert len(server.requests) == 15
    assert server.figures.in_flight >= 8
    # All of a shard is one request: no index is needed.
    server.clear()
    opened.read(((0,) * 4, (1, 256, 256, 256)))
    assert len(server.requests) == 8


def test_the_index_of_a_shard_is_read_once(sharded: Location, server: CountingServer) -> None:
    opened = Zarr3Backend().open(sharded)
    server.clear()
    opened.read(((0, 0, 0, 0), (1, 32, 32, 32)))
    assert len(server.requests) == 2
    server.clear()
    opened.read(((0, 32, 0, 0), (1, 32, 32, 32)))
    assert len(server.requests) == 1


def test_small_shards_come_with_their_index(server: CountingServer, make_spec: Any) -> None:
    place = locate(url_of("s3", server))
    array = Zarr3Backend().create(place, make_spec(shape=(1, 64, 64, 64), shard_shape=(1, 64, 64, 64)))
    values = np.random.default_rng(2).integers(1, 2**16, (1, 64, 64, 64)).astype("uint16")
    array.write(((0,) * 4, values.shape), values)
    opened = Zarr3Backend().open(place)
    for chunk in ((0, 0, 0), (48, 16, 0)):
        server.clear()
        box = ((0, *chunk), (1, 16, 16, 16))
        expected = values[tuple(slice(low, low + n) for low, n in zip(*box, strict=True))]
        np.testing.assert_array_equal(opened.read(box), expected)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "name",
    ["zarr3 in shards", "zarr3, index first", "zarr3, index unchecked", "zarr3, shards in shards"],
)
@pytest.mark.parametrize("is_rewritten", [False, True])
def test_parts_of_shards_are_read_as_numpy_would(name: str, is_rewritten: bool, made: Any) -> None:
    array = made(name)
    place = put(array, f"memory://{uuid4().hex}")
    oracle = array.voxels
    if is_rewritten:  # in the order of our own
        array.backend.open(place, "r+", axes=AXES).write(((0,) * 4, oracle.shape), oracle)

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.lists(boxes(oracle.shape), min_size=1, max_size=3),
        st.sampled_from((0, 2**13, 2**15, 2**18)),
        st.sampled_from((0, 2**15, 2**20)),
        st.sampled_from((0, 2**13, 2**16)),
        st.sampled_from((0, 2**23)),
    )
    def check(wanted: list[Any], request: int, trip: int, gap: int, together: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(objects, "REQUEST_BYTES", request)
            patch.setattr(objects, "ROUND_TRIP_BYTES", trip)
            patch.setattr(ranges, "REQUEST_BYTES", request)
            patch.setattr(ranges, "_ALWAYS_BYTES", gap)
            patch.setattr(remote, "_TOGETHER_BYTES", together)
            opened = array.backend.open(place, axes=AXES)
            for box in wanted:
                expected = oracle[tuple(slice(low, low + n) for low, n in zip(*box, strict=True))]
                np.testing.assert_array_equal(opened.read(box), expected)

    check()


@pytest.mark.parametrize("name", ["zarr3 in shards", "zarr3, index first", "zarr3, index unchecked"])
def test_shards_that_are_put_are_in_morton_order(name: str, made: Any) -> None:
    array = made(name)
    index = objects_of(array.backend.describe(put(array, f"memory://{uuid4().hex}"))).index
    grid = (1, 3, 5, 4)
    index = attrs.evolve(index, grid=grid)

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.binary(min_size=1, max_size=9) | st.none(), min_size=60, max_size=60))
    def check(chunks: list[bytes | None]) -> None:
        whole = index.arranged(shard_of(index, chunks), "here")
        entries = index.entries(whole, "here").reshape(-1, 2).tolist()
        for (offset, length), chunk in zip(entries, chunks, strict=True):
            assert (None if length == EMPTY else whole[offset : offset + length]) == chunk
        stored = [number for number, chunk in enumerate(chunks) if chunk is not None]
        by_place = sorted(stored, key=lambda number: entries[number][0])
        cells = list(np.ndindex(*grid))
        assert by_place == sorted(stored, key=lambda number: interleaved(cells[number]))
        assert len(whole) == index.nbytes + sum(map(len, filter(None, chunks)))
        assert index.arranged(whole, "here") == whole

    check()


EMPTY = 2**64 - 1


def interleaved(cell: tuple[int, ...]) -> list[int]:
    """A key whose order is Morton's: highest bits first, the last axis before the others."""
    return [(number >> bit) & 1 for bit in (3, 2, 1, 0) for number in reversed(cell)]


def shard_of(index: Any, chunks: list[bytes | None]) -> bytes:
    """Chunks one after the other, with their index."""
    numbers, place = [], 0 if index.at_end else index.nbytes
    for chunk in chunks:
        numbers += [EMPTY, EMPTY] if chunk is None else [place, len(chunk)]
        place += len(chunk or b"")
    table = np.array(numbers, "<u8").tobytes()
    if index.checksum:
        table += google_crc32c.value(table).to_bytes(4, "little")
    data = b"".join(filter(None, chunks))
    return data + table if index.at_end else table + data


def test_other_software_reads_the_shards_that_are_put(
    sharded: Location, server: CountingServer, tmp_path: Path
) -> None:
    zarr = pytest.importorskip("zarr")
    opened = Zarr3Backend().open(sharded, "r+")
    values = np.random.default_rng(4).integers(0, 255, (1, 40, 128, 70)).astype("uint8")
    opened.write(((0, 30, 60, 5), values.shape), values)
    for key, _ in sharded.list_files():
        locate(tmp_path).child(key).write(sharded.child(key).read())
    whole = opened.read(((0,) * 4, (1, 256, 256, 256)))
    np.testing.assert_array_equal(whole[:, 30:70, 60:188, 5:75], values)
    np.testing.assert_array_equal(zarr.open_array(tmp_path, mode="r")[...], whole)
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{tmp_path}/"}}
    np.testing.assert_array_equal(tensorstore.open(spec).result().read().result(), whole)


LAYOUTS = {
    "n5": (N5Backend, (1, 32, 32, 32), (1, 32, 32, 32), 8),
    "precomputed": (PrecomputedBackend, (1, 32, 32, 32), (1, 32, 32, 32), 8),
    "precomputed in shards": (PrecomputedBackend, (1, 16, 16, 16), (1, 64, 64, 64), 1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whole_chunks_and_shards_are_put_without_being_read(layout: str, server: CountingServer) -> None:
    backend, chunk, shard, files = LAYOUTS[layout]
    place = locate(url_of("s3", server)).child("1")
    spec = ArraySpec(axes=AXES, shape=(1, 64, 64, 64), dtype="uint16", chunk_shape=chunk, shard_shape=shard)
    server.clear()
    array = backend().create(place, spec)
    assert [request.method for request in server.requests] == ["PUT"]
    server.clear()
    values = np.arange(64**3, dtype="uint32").astype("uint16").reshape(1, 64, 64, 64)
    array.write(((0,) * 4, values.shape), values)
    assert [request.method for request in server.requests] == ["PUT"] * files
    server.clear()
    array.write(((0, 0, 0, 0), (1, 9, 9, 9)), values[:, :9, :9, :9])
    assert [request.method for request in server.requests] == ["GET", "PUT"]
    server.clear()
    opened = backend().open(place)
    np.testing.assert_array_equal(opened.read(((0, 0, 0, 0), (1, 9, 9, 9))), values[:, :9, :9, :9])
    # The metadata, then the chunk; of a shard, first where that is.
    assert [request.method for request in server.requests] == ["GET"] * (2 if files > 1 else 4)


def test_what_others_write_is_seen_at_once(sharded: Location) -> None:
    opened, other = Zarr3Backend().open(sharded), Zarr3Backend().open(sharded, "r+")
    box = ((0, 0, 0, 0), (1, 32, 32, 32))
    opened.read(box)
    for value in (17, 0, 18):
        other.write(box, np.full(box[1], value, "uint8"))
        assert (opened.read(box) == value).all()


@pytest.mark.parametrize("kind", ["memory", "s3"])
@pytest.mark.parametrize("shard", [(1, 32, 32, 32), (1, 16, 16, 16)])
def test_boxes_are_written_as_numpy_would(
    kind: str, shard: tuple[int, ...], server: CountingServer, make_spec: Any
) -> None:
    array = Zarr3Backend().create(
        locate(url_of(kind, server)), make_spec(shape=SHAPE, shard_shape=shard, dtype="uint16")
    )
    oracle = np.zeros(SHAPE, "uint16")
    numbers = itertools.cycle([5, 0, 9, 11])

    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(boxes(SHAPE))
    def check(box: Any) -> None:
        value = next(numbers)
        oracle[tuple(slice(low, low + n) for low, n in zip(*box, strict=True))] = value
        array.write(box, np.full(box[1], value, "uint16"))
        np.testing.assert_array_equal(array.read(((0,) * 4, SHAPE)), oracle)

    check()


def test_many_writers_of_one_shard_lose_nothing(server: CountingServer, make_spec: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    place = locate(url_of("s3", server))
    Zarr3Backend().create(place, make_spec(shape=(1, 64, 64, 64), shard_shape=(1, 64, 64, 64)))

    def write(number: int) -> None:
        # Backends of their own, as in other processes; nothing is shared but the store.
        array = Zarr3Backend().open(place, "r+")
        start = (0, 16 * (number % 4), 16 * (number // 4), 0)
        array.write((start, (1, 16, 16, 64)), np.full((1, 16, 16, 64), number + 1, "uint16"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))
    found = Zarr3Backend().open(place).read(((0,) * 4, (1, 64, 64, 64)))
    assert {int(v) for v in np.unique(found)} == set(range(1, 17))


def test_a_damaged_index_is_told(sharded: Location) -> None:
    shard = sharded.child("c/0/0/0/0")
    data = bytearray(shard.read())
    data[-20] ^= 1
    shard.write(bytes(data))
    with pytest.raises(CorruptDataError, match=r"c/0/0/0/0 is damaged: the checksum of its index is wrong"):
        Zarr3Backend().open(sharded).read(((0, 0, 0, 0), (1, 32, 32, 32)))
    shard.write(bytes(data[:100]))
    with pytest.raises(CorruptDataError, match=r"it is shorter than its index"):
        Zarr3Backend().open(sharded).read(((0, 0, 0, 0), (1, 32, 32, 32)))


def test_a_damaged_chunk_names_its_object(sharded: Location) -> None:
    shard = sharded.child("c/0/0/0/0")
    data = bytearray(shard.read())
    data[100:200] = bytes(100)
    shard.write(bytes(data))
    with pytest.raises(CorruptDataError, match=r"c/0/0/0/0 could not be read"):
        Zarr3Backend().open(sharded).read(((0, 0, 0, 0), (1, 128, 128, 128)))


def test_an_object_that_never_stays_the_same_is_told(
    sharded: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Zarr3Backend().open(sharded)

    def changing(self: Any, ranges: Any, *, version: str | None = None) -> Any:
        if version is not None:
            raise ConflictError("It was changed by someone else.")
        return whole(self, ranges)

    whole = type(sharded).read_consistent
    monkeypatch.setattr(type(sharded), "read_consistent", changing)
    with pytest.raises(ConflictError, match=r"changed 8 times while it was read"):
        opened.read(((0, 0, 0, 0), (1, 32, 32, 32)))


def test_volumes_with_suffixes_are_not_written_to(store: str, made: Any) -> None:
    array = made("precomputed, .gz")
    place = put(array, store)
    found = objects_of(array.backend.describe(place))
    assert found is not None
    if store.startswith("http"):
        return
    with pytest.raises(UnsupportedOperationError, match=r"compressed as \.gz files, which are only read"):
        found.check_writable(place.parent)


# --- exports, and servers of other people -------------------------------------------------------------------


@pytest.mark.parametrize("exporter", ["n5", "precomputed"])
@pytest.mark.parametrize("kind", ["memory", "s3"])
def test_layers_are_exported_to_stores(
    exporter: str, kind: str, server: CountingServer, tmp_path: Path
) -> None:
    layer = wk.Dataset(tmp_path / "d", (4, 4, 40)).add_layer(
        "seg", "segmentation", dtype="uint32", bounding_box=wk.BoundingBox((32, 0, 16), SHAPE[1:])
    )
    values = np.random.default_rng(5).integers(0, 99, SHAPE[1:]).astype("uint32")
    layer.add_mag(1).write(values, absolute_offset=(32, 0, 16), allow_unaligned=True)
    layer.downsample(coarsest_mag=2)
    url = url_of(kind, server)
    url += f".{exporter}"
    layer.export(url)
    if exporter == "n5":
        found = N5Backend().open(locate(url).child("s0"), axes=("x", "y", "z"))
        np.testing.assert_array_equal(found.read(((0, 0, 0), SHAPE[1:])), values)
        return
    keys = [scale["key"] for scale in json.loads(locate(url).child("info").read())["scales"]]
    assert len(keys) > 1
    found = PrecomputedBackend().open(locate(url).child(keys[0]))
    np.testing.assert_array_equal(found.read(((0, 32, 0, 16), SHAPE))[0], values)


@pytest.mark.parametrize("bucket", ["s3_bucket", "gs_bucket", "az_bucket"])
def test_buckets_of_three_providers_hold_every_format(
    bucket: str, request: pytest.FixtureRequest, made: Any, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = request.getfixturevalue(bucket)
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    root = locate(found.url, options=found.options)
    for name in ("zarr3 in shards", "zarr", "n5, lz4", "precomputed in shards", "precomputed, labels"):
        array = made(name)
        place = array.put(root.child(uuid4().hex))
        opened = array.backend.open(place, axes=AXES)
        box = ((0, 5, 6, 7), (1, 40, 30, 20))
        expected = array.voxels[:, 5:45, 6:36, 7:27]
        np.testing.assert_array_equal(opened.read(box), expected, err_msg=name)
    oracle = np.zeros((1, 64, 64, 64), "uint16")
    oracle[:, 3:43, 4:34, 5:25] = 7
    for kind, shard in (
        (Zarr3Backend, (1, 32, 32, 32)),
        (N5Backend, (1, 16, 16, 16)),
        (PrecomputedBackend, (1, 16, 16, 16)),
        (PrecomputedBackend, (1, 32, 32, 32)),
    ):
        place = root.child(uuid4().hex, "1")
        written = kind().create(place, make_spec(shard_shape=shard))
        written.write(((0, 3, 4, 5), (1, 40, 30, 20)), np.full((1, 40, 30, 20), 7, "uint16"))
        np.testing.assert_array_equal(kind().open(place).read(((0,) * 4, oracle.shape)), oracle)
