"""The engine on object stores and web servers: real servers on this machine, through the core's locations."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from wkplug_tensorstore import backends
from wkplug_tensorstore.backends import Zarr2Backend, Zarr3Backend

from wkplug.abc import locate
from wkplug.errors import (
    ConflictError,
    MissingError,
    UnsupportedOperationError,
)
from wkplug.filesystems.local import LocalLocation

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.files import FileServer
    from tests.servers.fixtures import Bucket
    from wkplug.abc import Location

BOX = ((0, 3, 4, 5), (1, 40, 30, 20))
VOXELS = np.random.default_rng(6).integers(1, 999, BOX[1]).astype(np.uint16)


@pytest.fixture
def bucket(s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Location:
    for name, value in s3_bucket.environment.items():
        monkeypatch.setenv(name, value)
    return locate(s3_bucket.url)


@pytest.mark.parametrize("backend", [Zarr3Backend, Zarr2Backend])
def test_arrays_live_on_object_stores(bucket: Location, make_spec: Any, backend: Any) -> None:
    shard = (1, 32, 32, 32) if backend is Zarr3Backend else (1, 16, 16, 16)
    engine = backend()
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


def test_where_a_store_has_no_conditions_the_core_locks_shards(
    bucket: Location, make_spec: Any, tmp_path: Path
) -> None:
    from wkplug.testing.places import PlainLocation

    local = locate(tmp_path / "local")
    kinds = {
        place.url: Zarr3Backend().create(place, make_spec()).concurrent_writes
        for place in (bucket, local, PlainLocation(locate(tmp_path / "plain")))
    }
    # None: any box, as the backend promises.
    assert list(kinds.values()) == [None, None, "shard"]


def test_web_servers_are_read_also_those_without_ranges(file_server: FileServer, make_spec: Any) -> None:
    place, web = LocalLocation(str(file_server.folder / "noranges")), f"{file_server.url}/noranges"
    plain, sharded = place.child("plain"), place.child("sharded")
    for location, shard in ((plain, (1, 16, 16, 16)), (sharded, (1, 32, 32, 32))):
        Zarr3Backend().create(location, make_spec(shard_shape=shard)).write(BOX, VOXELS)
    array = Zarr3Backend().open(locate(f"{web}/plain"))
    np.testing.assert_array_equal(array.read(BOX), VOXELS)
    assert not array.read(((0, 50, 50, 50), (1, 9, 9, 9))).any()
    with pytest.raises(UnsupportedOperationError):
        list(array.stored_boxes())
    array = Zarr3Backend().open(locate(f"{web}/sharded"))
    # A part of the shard is asked for, and all of it given: that is no damage.
    np.testing.assert_array_equal(array.read(BOX), VOXELS)
    with pytest.raises(MissingError):
        Zarr3Backend().open(locate(f"{web}/nothing"))


@pytest.mark.parametrize("edge", [16, 32])
def test_a_shard_without_ranges_is_fetched_once(file_server: FileServer, make_spec: Any, edge: int) -> None:
    spec = make_spec(shard_shape=(1, 64, 64, 64), chunk_shape=(1, 8, 8, 8))
    box = ((0, 0, 0, 0), (1, 64, 64, 64))
    voxels = np.random.default_rng(1).integers(1, 60_000, box[1]).astype("uint16")
    Zarr3Backend().create(LocalLocation(str(file_server.folder / "noranges/a")), spec).write(box, voxels)
    array = Zarr3Backend().open(locate(f"{file_server.url}/noranges/a"))
    part = ((0, 8, 8, 8), (1, edge, edge, edge))
    np.testing.assert_array_equal(array.read(part), voxels[:, *(slice(8, 8 + edge),) * 3])
    fetched = [path for method, path, _ in file_server.requests if method == "GET" and "/c/" in path]
    assert len(fetched) == 1, fetched


def test_choosing_and_opening_reads_the_metadata_once(
    bucket: Location, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Zarr3Backend()
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
