"""What shards in a bucket cost: requests, bytes, and how many at the same time, as a real server counts them."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wkplug as wk
from tests.servers.counting import CountingServer, figures_of
from tests.servers.proxies import FaultProxy, Refuse, Reset, Sever
from wkplug import storage
from wkplug.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.usefixtures("no_credentials"),
    pytest.mark.filterwarnings("ignore:.*not recommended"),
]
LATENCY = 0.05


@pytest.fixture
def bucket(counting_server: CountingServer, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    counting_server.latency = LATENCY
    return f"s3://{counting_server.host}/bucket"


def noise(edge: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(1, 255, (1, edge, edge, edge), "uint8")


def mag_of(place: object, edge: int, shard: int) -> wk.MagView:
    dataset = wk.Dataset(str(place), voxel_size=(1, 1, 1))
    box = wk.BoundingBox((0, 0, 0), (edge, edge, edge))
    layer = dataset.add_layer("em", "color", dtype="uint8", data_format="wkw", bounding_box=box)
    return layer.add_mag(1, chunk_shape=32, shard_shape=shard, compress=False)


def test_eight_shards_are_written_and_read_side_by_side(bucket: str, counting_server: CountingServer) -> None:
    mag, data = mag_of(f"{bucket}/ds", 256, 128), noise(256)
    counting_server.clear()
    counting_server.uploads_together = 8
    mag.write(data)
    figures = counting_server.figures
    assert (figures.count, figures.in_flight) == (8, 8)
    again = wk.Dataset.open(f"{bucket}/ds").get_layer("em").get_mag(1)
    counting_server.clear()
    found = again.read(absolute_offset=(64, 64, 64), size=(128, 128, 128))
    np.testing.assert_array_equal(found, data[:, 64:192, 64:192, 64:192])
    figures = counting_server.figures
    assert figures.count <= 17
    assert figures.in_flight >= 4
    assert figures.sent < 3_500_000
    counting_server.clear()
    part = noise(8)
    again.write(part, absolute_offset=(124, 124, 124), allow_unaligned=True)
    requests = counting_server.requests
    assert {request.method for request in requests} == {"GET", "PUT"}
    assert not [request for request in requests if "lock" in request.path]  # conditional puts need none
    around = noise(256)[:, 100:150, 100:150, 100:150]
    around[:, 24:32, 24:32, 24:32] = part
    np.testing.assert_array_equal(again.read(absolute_offset=(100,) * 3, size=(50,) * 3), around)


@pytest.mark.parametrize(
    "backend",
    [
        "zarr3+tensorstore",
        "zarr3+zarr",
        "zarr+tensorstore",
        "zarr+zarr",
        "n5+tensorstore",
        "neuroglancerPrecomputed+tensorstore",
    ],
)
def test_every_engine_has_eight_uploads_under_way(
    bucket: str, counting_server: CountingServer, backend: str
) -> None:
    data_format, shard = (name := backend.partition("+")[0]), 64 if name == "zarr3" else 32
    with wk.settings(backends={data_format: backend}):
        dataset = wk.Dataset(f"{bucket}/ds", voxel_size=(1, 1, 1))
        box = wk.BoundingBox((0, 0, 0), (2 * shard,) * 3)
        layer = dataset.add_layer("em", "color", dtype="uint8", data_format=data_format, bounding_box=box)
        mag, data = layer.add_mag(1, chunk_shape=32, shard_shape=shard), noise(2 * shard)
        counting_server.clear()
        counting_server.uploads_together = 8
        mag.write(data)
        figures = counting_server.figures
        assert (figures.count, figures.in_flight) == (8, 8)
        np.testing.assert_array_equal(mag.read(), data)
        counting_server.clear()
        part = noise(2 * shard - 2)
        mag.write(part, absolute_offset=(1, 1, 1), allow_unaligned=True)
        requests = counting_server.requests  # conditional puts need no lock
        assert sorted(each.method for each in requests) == ["GET"] * 8 + ["PUT"] * 8
        data[:, 1:-1, 1:-1, 1:-1] = part
        np.testing.assert_array_equal(mag.read(), data)


def write_noise(view_and_index: tuple[wk.View, int]) -> None:
    view_and_index[0].write(noise(32))


def test_threads_wait_for_stores_together(bucket: str, counting_server: CountingServer) -> None:
    mag = mag_of(f"{bucket}/ds", 64, 32)
    counting_server.clear()
    counting_server.uploads_together = 8
    mag.for_each_chunk(write_noise, executor="threads")
    figures = counting_server.figures
    assert (figures.count, figures.in_flight) == (8, 8)
    counting_server.clear()
    with ThreadPoolExecutor(1) as one:
        mag.for_each_chunk(write_noise, executor=one)
    assert counting_server.figures.in_flight == 1


@pytest.mark.filterwarnings("ignore:.*all voxels travel twice")
@pytest.mark.parametrize("work", ["downsample", "upsample", "rechunk", "convert"])
def test_long_work_has_eight_uploads_under_way(
    bucket: str, counting_server: CountingServer, tmp_path: Path, work: str
) -> None:
    mag, shape = (
        mag_of(tmp_path / "ds" if work == "convert" else f"{bucket}/ds", 128, 64),
        {"shard_shape": 32},
    )
    mag.write(noise(128))
    layer = mag.layer
    if work == "upsample":
        layer.add_mag(2).write(noise(64))
        layer.delete_mag(1)
    calls: dict[str, Any] = {
        "downsample": lambda: layer.downsample(coarsest_mag=2, **shape),
        "upsample": lambda: layer.upsample(from_mag=2, finest_mag=1, compress=False, **shape),
        "rechunk": lambda: mag.rechunk(**shape, target_path=f"{bucket}/other"),
        "convert": lambda: wk.Dataset.open(tmp_path / "ds").copy_dataset(f"{bucket}/other", **shape),
    }
    counting_server.clear()
    counting_server.uploads_together = 8
    calls[work]()
    assert counting_server.uploads_together == 0
    puts = [each for each in counting_server.requests if each.received > 10_000]
    assert len(puts) == (8 if work == "downsample" else 64)
    assert figures_of(puts).in_flight >= 8


def test_copies_have_eight_requests_under_way(
    bucket: str, counting_server: CountingServer, tmp_path: Path
) -> None:
    data = noise(128)
    mag_of(tmp_path / "ds", 128, 32).write(data)
    counting_server.clear()
    wk.Dataset.open(tmp_path / "ds").copy_dataset(f"{bucket}/first")
    assert counting_server.figures.in_flight >= 8
    for kind, request in (("files", {}), ("voxels", {"shard_shape": 64})):
        counting_server.clear()
        copy = wk.Dataset.open(f"{bucket}/first").copy_dataset(f"{bucket}/{kind}", **request)
        assert counting_server.figures.in_flight >= 8
        np.testing.assert_array_equal(copy.get_layer("em").get_mag(1).read(), data)
    counting_server.clear()
    assert storage.copy_tree(storage.locate(f"{bucket}/first/em/1"), storage.locate(tmp_path / "back")) == 65
    assert counting_server.figures.in_flight >= 8
    listings = [request for request in counting_server.requests if "list-type" in request.query]
    assert len(listings) == 1


# --- uploads that fail --------------------------------------------------------------------------------------

FAULTS = {"forbidden": Refuse(403), "broken": Refuse(500), "cut": Sever(after=1000), "lost": Reset()}
SHARDS = tuple(itertools.product((0, 1), repeat=3))


@pytest.mark.parametrize("backend", ["wkw+numpy", "zarr3+tensorstore", "zarr3+zarr"])
def test_when_uploads_fail_shards_are_old_or_new(bucket: str, backend: str) -> None:
    """Whatever fails: the error names a shard that failed, no shard is half-written, nothing goes on behind it."""
    server = f"http://{bucket.split('/')[2]}"
    data_format = backend.partition("+")[0]
    names = {
        shard: "z{2}/y{1}/x{0}.wkw".format(*shard) if data_format == "wkw" else "c/0/{}/{}/{}".format(*shard)
        for shard in SHARDS
    }
    numbers = itertools.count()
    parts = {shard: (0, *(slice(32 * index, 32 * index + 32) for index in shard)) for shard in SHARDS}

    @given(
        failing=st.sets(st.sampled_from(SHARDS), min_size=1, max_size=3),
        fault=st.sampled_from(sorted(FAULTS)),
        border=st.integers(0, 2),
    )
    @settings(max_examples=8, deadline=None)
    def check(failing: set[tuple[int, ...]], fault: str, border: int) -> None:
        with FaultProxy(server) as proxy, wk.settings(backends={data_format: backend}, retries_attempts=1):
            dataset = wk.Dataset(f"s3://{proxy.host}/bucket/{next(numbers)}", voxel_size=(1, 1, 1))
            box = wk.BoundingBox((0, 0, 0), (64, 64, 64))
            layer = dataset.add_layer("em", "color", dtype="uint8", data_format=data_format, bounding_box=box)
            mag = layer.add_mag(1, chunk_shape=32, shard_shape=32)
            old = noise(64)
            mag.write(old)
            new = old.copy()
            inside = (slice(None), *(slice(border, 64 - border),) * 3)
            new[inside] = old[inside][:, ::-1]
            failed = [f"em/1/{names[shard]}" for shard in failing]
            proxy.plan(
                FAULTS[fault],
                when=lambda request: request.method == "PUT" and request.path.endswith(tuple(failed)),
                times=None,
            )
            with pytest.raises(StorageError) as raised:
                mag.write(new[inside], absolute_offset=(border,) * 3, allow_unaligned=True)
            assert any(f"{name} could not be written" in raised.value.message for name in failed)
            proxy.clear()
            found = mag.read()
            assert "PUT" not in [request.method for request in proxy.seen]
            for shard, part in parts.items():
                is_old, is_new = (np.array_equal(found[part], values[part]) for values in (old, new))
                assert is_old if shard in failing else is_old or is_new
            mag.write(new[inside], absolute_offset=(border,) * 3, allow_unaligned=True)
            np.testing.assert_array_equal(mag.read(), new)

    check()
