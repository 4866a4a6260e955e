"""The store where there are conditional writes instead of locks, and every look is a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from wkplug.abc import Location
from wkplug.errors import ConflictError, DatasetNotFoundError, LayerExistsError
from wkplug.geometry import BoundingBox, Mag
from wkplug.properties import LayerProperties, MagViewProperties, PropertiesStore
from wkplug.properties import operations as op

if TYPE_CHECKING:
    from collections.abc import Callable


def no_dialects(data_format: str) -> tuple[()]:
    return ()


def add(name: str) -> op.AddLayer:
    box = BoundingBox((0, 0, 0), (8, 8, 8)).normalize_axes(1)
    return op.AddLayer(LayerProperties(name, "color", box, "uint8", "somewhere"))


class Bucket(Location):
    """A store with conditional writes and no locks between processes, as object stores are."""

    def __init__(self, objects: dict[str, bytes], key: str = "") -> None:
        self.objects = objects
        self.key = key
        self.before_write: Callable[[], None] | None = None
        self.counts = {"read": 0, "version": 0, "write": 0}

    @property
    def url(self) -> str:
        return f"bucket://{self.key}"

    @property
    def parent(self) -> Location:
        return Bucket(self.objects, self.key.rpartition("/")[0])

    def child(self, *parts: str) -> Bucket:
        child = Bucket(self.objects, "/".join(filter(None, (self.key, *parts))))
        child.counts = self.counts
        return child

    def local_path(self) -> str | None:
        return None

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        from wkplug.errors import MissingError

        self.counts["read"] += 1
        if self.key not in self.objects:
            raise MissingError(f"{self.url} is missing.")
        return self.objects[self.key][start:stop]

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        self.counts["write"] += 1
        if self.before_write is not None:
            self.before_write()
        if if_match is not None and (self._tag() or "") != if_match:
            raise ConflictError(f"{self.url} was changed.")
        self.objects[self.key] = data
        return self._tag() or ""

    def _tag(self) -> str | None:
        data = self.objects.get(self.key)
        return None if data is None else str(hash(data))

    def version(self) -> str | None:
        self.counts["version"] += 1
        return self._tag()

    def exists(self) -> bool:
        return any(key == self.key or key.startswith(self.key + "/") for key in self.objects)

    def list(self) -> Any:
        return iter(())

    def delete(self, *, recursive: bool = False) -> None:
        self.objects.pop(self.key, None)

    def make_folder(self) -> None:
        pass

    def size(self) -> int:
        return len(self.objects[self.key])

    def lock(self, key: str = "", *, timeout: float | None = None) -> Any:
        import contextlib

        return contextlib.nullcontext()

    def writable(self) -> bool:
        return True


def test_on_object_stores_changes_of_faster_writers_are_merged() -> None:
    root = Bucket({}, "data")
    store = PropertiesStore.create(root, name="x", voxel_size=(1, 1, 1), dialects=no_dialects)
    rounds = iter(range(3))

    def someone_else_is_faster() -> None:
        number = next(rounds, None)
        if number is not None:
            PropertiesStore.open(root, dialects=no_dialects).apply(add(f"other{number}"))

    store._file.before_write = someone_else_is_faster  # type: ignore[attr-defined]  # the bucket's
    with store.update():
        store.apply(add("mine"))
        store.apply(op.AddMag("mine", MagViewProperties(Mag(1), "./mine/1")))
    again = PropertiesStore.open(root)
    assert again.layer_names() == ("other0", "other1", "other2", "mine") == store.layer_names()
    assert len(again.layer("mine").mags) == 1


def test_a_faster_writer_with_the_same_name_wins_and_nothing_changes() -> None:
    root = Bucket({}, "data")
    store = PropertiesStore.create(root, name="x", voxel_size=(1, 1, 1), dialects=no_dialects)

    def someone_else_is_faster() -> None:
        store._file.before_write = None  # type: ignore[attr-defined]  # the bucket's
        PropertiesStore.open(root, dialects=no_dialects).apply(add("mine"))

    store._file.before_write = someone_else_is_faster  # type: ignore[attr-defined]  # the bucket's
    with pytest.raises(LayerExistsError):
        store.apply(add("mine"))
    assert store.layer_names() == ("mine",)


def test_opening_on_an_object_store_is_one_request() -> None:
    root = Bucket({}, "data")
    PropertiesStore.create(root, name="x", voxel_size=(1, 1, 1), dialects=no_dialects)
    root.counts.update(read=0, version=0, write=0)
    store = PropertiesStore.open(root, dialects=no_dialects)
    assert root.counts == {"read": 1, "version": 0, "write": 0}
    store.apply(add("a"))
    root.counts.update(read=0, version=0, write=0)
    store.apply(add("b"))
    assert root.counts == {"read": 0, "version": 1, "write": 1}
    with pytest.raises(DatasetNotFoundError):
        PropertiesStore.open(root.child("nowhere"))
