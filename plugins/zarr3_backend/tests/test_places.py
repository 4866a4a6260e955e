"""Places that are no folder: fsspec's memory, and a filesystem that nobody but its author knows."""

from __future__ import annotations

import pickle
import uuid
from contextlib import nullcontext

import attrs
import numpy as np
import pytest
import zarr
from wkplug_zarr.stores import FolderStore, PlaceStore

from wkplug.abc import Location, locate
from wkplug.errors import ConflictError, CorruptDataError, ForbiddenError, MissingError, StorageError

OBJECTS: dict[str, dict[str, bytes]] = {}


class Shelf(Location):
    """The smallest Location there can be; it offers no native handle of any kind."""

    def __init__(self, shelf: str, path: str = "") -> None:
        self.shelf, self.path = shelf, path

    def __reduce__(self):
        return (Shelf, (self.shelf, self.path))

    def __eq__(self, other):
        return isinstance(other, Shelf) and self.url == other.url

    def __hash__(self):
        return hash(self.url)

    @property
    def objects(self):
        return OBJECTS.setdefault(self.shelf, {})

    @property
    def url(self):
        return f"shelf://{self.shelf}/{self.path}".rstrip("/")

    @property
    def parent(self):
        return Shelf(self.shelf, self.path.rpartition("/")[0])

    def child(self, *parts):
        return Shelf(self.shelf, "/".join(filter(None, [self.path, *parts])))

    def local_path(self):
        return None

    def read(self, start=None, stop=None):
        try:
            found = self.objects[self.path]
        except KeyError:
            raise MissingError(f"{self.url} is not there.") from None
        if isinstance(found, Exception):
            raise found
        return found[start:stop]

    def write(self, data, *, if_match=None):
        if if_match is not None and if_match != (self.version() or ""):
            raise ConflictError(f"{self.url} was changed.")
        assert type(data) is bytes
        self.objects[self.path] = data
        return self.version()

    def version(self):
        return str(hash(self.objects[self.path])) if self.path in self.objects else None

    def exists(self):
        return self.path in self.objects or any(True for _ in self.list())

    def list(self):
        start = f"{self.path}/" if self.path else ""
        below = [key.removeprefix(start) for key in self.objects if key.startswith(start)]
        yield from sorted({key.partition("/")[0] + ("/" if "/" in key else "") for key in below})

    def delete(self, *, recursive=False):
        self.objects.pop(self.path, None)

    def make_folder(self):
        pass

    def size(self):
        return len(self.read())

    def lock(self, key="", *, timeout=None):
        return nullcontext()

    def writable(self):
        return True


@pytest.fixture(params=["memory", "shelf"])
def remote(request):
    name = uuid.uuid4().hex
    return locate(f"memory://{name}/array") if request.param == "memory" else Shelf(name, "array")


def test_arrays_live_anywhere(backend, remote, spec):
    array = backend.create(remote, spec)
    data = np.random.default_rng(0).integers(1, 99, (2, 40, 50, 60)).astype("uint16")
    box = ((0, 0, 0, 0), data.shape)
    with pytest.raises(MissingError):
        array.read(box, missing="error")
    array.write(box, data)
    np.testing.assert_array_equal(array.read(box), data)
    np.testing.assert_array_equal(
        array.read(((1, 15, 17, 31), (1, 9, 20, 2)), missing="error"), data[1:, 15:24, 17:37, 31:33]
    )
    array.resize((2, 80, 50, 60))
    again = backend.open(remote)
    assert again.spec == attrs.evolve(array.spec, shape=(2, 80, 50, 60))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(again)).read(box), data)
    sizes = spec.shard_shape[1:]
    cells = [-(-length // size) for length, size in zip((40, 50, 60), sizes, strict=True)]
    assert len(list(again.stored_boxes())) == np.prod(cells)
    array.write(box, np.zeros_like(data))
    assert list(again.stored_boxes()) == []
    assert again.native_handle().shape == (2, 80, 50, 60)


def test_a_second_array_is_a_conflict_there_too(backend, remote, spec):
    backend.create(remote, spec)
    with pytest.raises(ConflictError, match="already"):
        backend.create(remote, spec)


def test_damage_and_refusal_are_no_fill_value_there_either(backend, spec):
    place = Shelf(uuid.uuid4().hex, "array")
    array = backend.create(place, spec)
    box = ((0, 0, 0, 0), (2, 16, 16, 16))
    array.write(box, np.ones(box[1], "uint16"))
    key = "array/c/0/0/0/0" if backend.format == "zarr3" else "array/0/0/0/0"
    good = place.objects[key]
    place.objects[key] = good[: len(good) // 2]
    with pytest.raises(CorruptDataError, match=key):
        array.read(box)
    place.objects[key] = b""
    with pytest.raises(CorruptDataError, match=key):
        array.read(box)
    for failure in (ForbiddenError("no entry"), StorageError("the server is on fire")):
        place.objects[key] = failure
        with pytest.raises(type(failure), match=failure.message):
            array.read(box)
        with pytest.raises(type(failure), match=failure.message):
            array.write(((0, 0, 0, 0), (1, 1, 1, 1)), np.ones((1, 1, 1, 1), "uint16"))


@pytest.mark.parametrize("kind", ["folder", "shelf"])
def test_both_stores_pass_for_stores_with_zarr_python_itself(tmp_path, kind):
    shelf = Shelf(uuid.uuid4().hex, "group")
    store = (
        FolderStore(str(tmp_path / "g"), read_only=False)
        if kind == "folder"
        else PlaceStore(shelf, read_only=False)
    )
    group = zarr.create_group(store)
    group.create_array("deep/array", data=np.arange(24).reshape(2, 3, 4), chunks=(1, 3, 2))
    again = zarr.open_group(store.with_read_only(True), mode="r")
    assert sorted(again.members(max_depth=None))[0][0] == "deep"
    assert again["deep/array"][1, 2, 3] == 23
    assert again["deep/array"].nbytes_stored() > 0
    assert store == store.with_read_only(True)
    assert store.root in str(store)
    with pytest.raises(ValueError, match="read-only"):
        again["deep/array"][0, 0, 0] = 1
