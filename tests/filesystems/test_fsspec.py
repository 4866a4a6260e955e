"""Places behind URLs that a driver of fsspec reaches, in memory and on a real S3 server."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import time
import uuid
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import wkplug.config
from tests.filesystems.servers import KEYS, open_place
from wkplug.errors import (
    ConflictError,
    InvalidArgumentError,
    LockTimeoutError,
    MissingError,
    PluginMissingError,
    StorageError,
    UnknownSchemeError,
    UnsafePathError,
)
from wkplug.filesystems.drivers import FsspecLocation
from wkplug.filesystems.fsspec import FsspecFilesystem
from wkplug.filesystems.http import HttpLocation
from wkplug.filesystems.memory import MemoryLocation
from wkplug.filesystems.object_stores import ObjectStoreLocation
from wkplug.filesystems.s3 import S3Location
from wkplug.properties import PropertiesStore

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("no_credentials")


@pytest.fixture
def memory() -> FsspecLocation:
    return open_place(f"memory://{uuid.uuid4().hex}")


@pytest.fixture(params=["memory", "bucket"])
def writable(request: pytest.FixtureRequest) -> FsspecLocation:
    place: FsspecLocation = request.getfixturevalue(request.param)
    return place


# --- every writable place -----------------------------------------------------------------------------------


def test_objects_are_written_read_listed_and_deleted(writable: FsspecLocation) -> None:
    place = writable.child("a", "b/c")
    assert not place.exists()
    assert place.version() is None
    assert place.write(b"0123456789") == place.version()
    assert place.read() == b"0123456789"
    assert place.size() == writable.size() == 10
    assert place.exists()
    assert writable.child("a").exists()
    assert writable.writable()
    writable.child("z").write(b"1")
    assert list(writable.list()) == ["a/", "z"]
    assert list(writable.child("a/b").list()) == ["c"]
    assert list(writable.child("nothing").list()) == []
    with pytest.raises(StorageError, match="not empty"):
        writable.delete()
    place.delete()
    place.delete()
    assert not place.exists()
    writable.delete(recursive=True)
    assert not writable.exists()
    assert writable.native("path") is None


def test_ranges_are_those_of_slices(writable: FsspecLocation) -> None:
    place = writable.child("object")
    data = bytes(range(100))
    place.write(data)
    for start, stop in [
        (None, None),
        (3, 7),
        (0, None),
        (None, 5),
        (-4, None),
        (-4, -2),
        (90, 200),
        (200, 300),
        (5, 5),
    ]:
        assert place.read(start, stop) == data[start:stop], (start, stop)
    ranges = [(50, 60), (0, 3), (2, 5), (98, 300), (200, 300), (7, 7)]
    assert place.read_ranges(ranges) == [data[start:stop] for start, stop in ranges]
    assert place.read_ranges([]) == []


def test_missing_is_missing(writable: FsspecLocation) -> None:
    place = writable.child("nothing")
    calls: list[Callable[[], object]] = [
        place.read,
        place.size,
        lambda: place.read(1, 2),
        lambda: place.read_ranges([(0, 1)]),
    ]
    for call in calls:
        with pytest.raises(MissingError, match="is not there"):
            call()


def test_a_missing_bucket_is_told_from_a_missing_object(s3_server: str) -> None:
    nowhere = open_place(f"s3://{s3_server}/bucket-{uuid.uuid4().hex}/dataset", KEYS)
    for refused, action in (
        (lambda: nowhere.child("a").write(b"x"), "written"),
        (lambda: nowhere.child("a").write(b"x", if_match=""), "written"),
        (lambda: nowhere.child("a").read(), "read"),
    ):
        with pytest.raises(MissingError) as caught:
            refused()
        assert caught.value.message == f"{nowhere.url}/a could not be {action}: its bucket is not there."
        assert (
            caught.value.hint
            == "The bucket doesn't exist: check its name in the address, or create it first."
        )
    assert not nowhere.child("a").exists()
    assert list(nowhere.list()) == []
    with pytest.raises(wkplug.errors.DatasetNotFoundError, match="The bucket doesn't exist: check its name"):
        PropertiesStore.open(nowhere)


def test_a_write_with_the_wrong_version_is_a_conflict(writable: FsspecLocation) -> None:
    place = writable.child("object")
    first = place.write(b"1", if_match="")
    assert place.write(b"2", if_match=first) == place.version()
    for wrong in (first, ""):
        with pytest.raises(ConflictError, match="changed by someone else"):
            place.write(b"3", if_match=wrong)
    version = place.version()
    place.delete()
    with pytest.raises(ConflictError):
        place.write(b"3", if_match=version)
    assert not place.exists()


def test_locks_exclude_and_time_out(writable: FsspecLocation) -> None:
    with writable.lock("k", timeout=1):
        with (
            pytest.raises(LockTimeoutError, match=r"was not free within 0\.2 s") as caught,
            writable.lock("k", timeout=0.2),
        ):
            pass
        assert "lock_timeout" in str(caught.value)
        with writable.lock("other", timeout=1):
            pass
    with writable.lock("k"):
        pass
    assert list(writable.list()) == []


def test_threads_take_turns(writable: FsspecLocation) -> None:
    total = [0]

    def work() -> None:
        for _ in range(3):
            with writable.lock("count", timeout=60):
                seen = total[0]
                time.sleep(0.002)
                total[0] = seen + 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total[0] == 9


def test_children_never_lead_upwards(writable: FsspecLocation) -> None:
    for part in ("..", "a/../../b", "/x"):
        with pytest.raises(UnsafePathError):
            writable.child(part)
    assert writable.child("a/./b").parent.name == "a"
    assert writable.child("") == writable


# --- memory -------------------------------------------------------------------------------------------------


def test_memory_urls_have_one_spelling() -> None:
    assert open_place("memory:///a//b/./c/../d/").url == "memory://a/b/d"
    assert open_place("memory://a/b") == open_place("memory:///a/b")
    assert open_place("memory://").url == "memory://"
    assert open_place("memory://a").parent.parent.url == "memory://"
    with pytest.raises(UnsafePathError, match="out of its own store"):
        open_place("memory://a/../../b")


def test_memory_folders_can_be_made(memory: FsspecLocation) -> None:
    memory.child("folder").make_folder()
    assert list(memory.list()) == ["folder/"]
    memory.child("folder").delete()
    assert list(memory.list()) == []
    assert memory.native("tensorstore.kvstore") is None
    assert memory.native("fsspec") == {"protocol": "memory", "path": f"/{memory._path}", "options": {}}


def _child_takes_lock(url: str, results: Any) -> None:
    with open_place(url).lock("k", timeout=5):
        results.put("taken")


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_has_its_own_memory_and_its_own_locks(memory: FsspecLocation) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    with memory.lock("k", timeout=1):
        child = context.Process(target=_child_takes_lock, args=(memory.url, results))
        child.start()
        assert results.get(timeout=20) == "taken"
        child.join()


# --- URLs, options, secrets ---------------------------------------------------------------------------------


def test_urls_that_are_none_are_refused() -> None:
    for url in ("no-scheme", "://x", "zip::s3://x/y"):
        with pytest.raises(InvalidArgumentError, match="is no URL"):
            open_place(url)


def test_an_unknown_scheme_says_so() -> None:
    with pytest.raises(UnknownSchemeError, match="Nothing installed opens nonsense://"):
        open_place("nonsense://x/y").read()


def test_a_missing_driver_is_named_with_the_line_that_installs_it() -> None:
    place = FsspecFilesystem().location("gs://bucket/folder")
    assert place.native("tensorstore.kvstore") == {"driver": "gcs", "bucket": "bucket", "path": "folder/"}
    pytest.importorskip("fsspec")
    try:
        import gcsfs  # type: ignore[import-not-found]  # usually not there, which is the point

        del gcsfs
    except ImportError:
        with pytest.raises(PluginMissingError, match="need the package gcsfs") as caught:
            place.read()
        assert "pip install gcsfs" in str(caught.value)


@pytest.mark.parametrize(
    ("pickled", "kind", "url"),
    [
        (b"\x8c\x12s3://host:9000/b/k\x94}\x94\x8c\x0cendpoint_url\x94\x8c\x11https://host:9000\x94s\x88", S3Location, "s3://host:9000/b/k"),
        (b"\x8c\x0cmemory://a/b\x94}\x94\x89", MemoryLocation, "memory://a/b"),
        (b"\x8c\x0chttp://h/a b\x94}\x94\x88", HttpLocation, "http://h/a b"),
        (b"\x8c\x0caz://conta/k\x94}\x94\x88", ObjectStoreLocation, "az://conta/k"),
        (b"\x8c\x0dsftp://me@h/x\x94}\x94\x88", FsspecLocation, "sftp://me@h/x"),
    ],
    ids=["s3", "memory", "http", "az", "sftp"],
)  # fmt: skip
def test_pickles_from_before_there_were_kinds_load(pickled: bytes, kind: type, url: str) -> None:
    start = b"\x80\x04\x8c\x19wkplug.filesystems.fsspec\x94\x8c\x07_reopen\x94\x93\x94"
    place = pickle.loads(start + pickled + b"\x87\x94R\x94.")
    assert type(place) is kind
    assert place.url == url
    again = pickle.loads(pickle.dumps(place.child("c")))
    assert type(again) is kind
    assert again.parent == place
    assert again._address.travelled == place._address.travelled


def test_stores_without_conditional_puts_say_so_once() -> None:
    class PlainStore(MemoryFileSystem):
        protocol = "plainstore"
        store: ClassVar[dict[str, Any]] = {}
        pseudo_dirs: ClassVar[list[str]] = [""]

    fsspec.register_implementation("plainstore", PlainStore, clobber=True)
    place = open_place(f"plainstore://{uuid.uuid4().hex}/d")
    with pytest.warns(UserWarning, match="has no conditional writes here.*one of the changes can be lost"):
        lock = place.lock("properties")
    with lock:
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with place.child("below").lock("properties"):
            pass


def test_objects_at_the_top_of_a_container_are_deleted() -> None:
    class Containers(MemoryFileSystem):
        protocol = "oci"
        store: ClassVar[dict[str, Any]] = {}
        pseudo_dirs: ClassVar[list[str]] = [""]

    fsspec.register_implementation("oci", Containers, clobber=True)
    container = open_place("oci://container")
    place = container.child("x")
    place.write(b"1")
    place.delete()
    assert not place.exists()
    with pytest.raises(StorageError, match="oci://container could not be deleted: it is a whole bucket"):
        container.delete(recursive=True)
