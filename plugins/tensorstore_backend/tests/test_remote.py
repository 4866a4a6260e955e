"""The engine on object stores and web servers: real servers on this machine, through the core's locations."""

from __future__ import annotations

import functools
import http.server
import pickle
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from wkplug_tensorstore import backends
from wkplug_tensorstore.backends import Zarr2Backend, Zarr3Backend

from wkplug.errors import (
    ConflictError,
    MissingError,
    UnsupportedOperationError,
)
from wkplug.filesystems.fsspec import FsspecFilesystem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wkplug.abc import Location
    from wkplug.filesystems.local import LocalLocation

BOX = ((0, 3, 4, 5), (1, 40, 30, 20))
VOXELS = np.random.default_rng(6).integers(1, 999, BOX[1]).astype(np.uint16)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server_module = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")

    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        names = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=url, **names).create_bucket(Bucket="wkplug-tests")
        yield url
    finally:
        server.stop()


@pytest.fixture
def bucket(endpoint: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Location:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = {"endpoint_url": endpoint, "client_kwargs": {"region_name": "us-east-1"}}
    return FsspecFilesystem().location(f"s3://wkplug-tests/{request.node.name}", options=options)


@pytest.mark.parametrize("backend", [Zarr3Backend, Zarr2Backend])
def test_arrays_live_on_object_stores(bucket: Location, make_spec: Any, backend: Any) -> None:
    shard = (1, 32, 32, 32) if backend is Zarr3Backend else (1, 16, 16, 16)
    engine = backend({"timeout": 60})
    place = bucket.child("array")
    with pytest.raises(MissingError):
        engine.open(place)
    array = engine.create(place, make_spec(shard_shape=shard))
    array.write(BOX, VOXELS)
    with pytest.raises(ConflictError):
        engine.create(place, make_spec(shard_shape=shard))
    np.testing.assert_array_equal(engine.open(place).read(BOX), VOXELS)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array)).read(BOX), VOXELS)
    stored = list(array.stored_boxes())
    assert ((0, 0, 0, 0), shard) in stored
    assert len(stored) == (4 if backend is Zarr3Backend else 3 * 3 * 2)
    array.resize((1, 100, 64, 64))
    assert engine.open(place).spec.shape == (1, 100, 64, 64)
    np.testing.assert_array_equal(array.read(BOX), VOXELS)
    with pytest.raises(MissingError):
        array.read(((0, 64, 0, 0), (1, 9, 9, 9)), missing="error")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, without a word and without ranges."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class has
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_web_servers_are_read_and_those_without_ranges_are_named(
    place: LocalLocation, web: str, make_spec: Any
) -> None:
    plain, sharded = place.child("plain"), place.child("sharded")
    for location, shard in ((plain, (1, 16, 16, 16)), (sharded, (1, 32, 32, 32))):
        Zarr3Backend().create(location, make_spec(shard_shape=shard)).write(BOX, VOXELS)
    places = FsspecFilesystem()
    array = Zarr3Backend().open(places.location(f"{web}/array/plain"))
    np.testing.assert_array_equal(array.read(BOX), VOXELS)
    assert not array.read(((0, 50, 50, 50), (1, 9, 9, 9))).any()
    with pytest.raises(UnsupportedOperationError):
        list(array.stored_boxes())
    array = Zarr3Backend().open(places.location(f"{web}/array/sharded"))
    # The engine asks for a part of the shard and is given all of it: that is no damage.
    with pytest.raises(UnsupportedOperationError, match="ignores byte ranges"):
        array.read(BOX)
    with pytest.raises(MissingError):
        Zarr3Backend().open(places.location(f"{web}/array/nothing"))


def test_choosing_and_opening_reads_the_metadata_once(
    bucket: Location, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Zarr3Backend({"timeout": 60})
    place = bucket.child("array")
    engine.create(place, make_spec()).write(BOX, VOXELS)
    read, times = backends.read_document, []

    def counting(file: Location) -> dict[str, Any]:
        times.append(file.url)
        return read(file)

    monkeypatch.setattr(backends, "read_document", counting)
    axes = ("c", "x", "y", "z")
    assert not engine.problems(None, place, "r")
    array = engine.open(place, axes=axes)
    assert len(times) == 1
    np.testing.assert_array_equal(array.read(BOX), VOXELS)
    # What was looked at serves one opening: the next one may find something else.
    engine.open(place, axes=axes)
    assert len(times) == 2
    assert not engine.problems(None, place, "r")
    monkeypatch.setattr(backends, "_FRESH_SECONDS", 0)
    engine.open(place, axes=axes)
    assert len(times) == 4
