"""Places that a driver of fsspec reaches: memory, and files through a driver that knows no conditions."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import threading
import time
import uuid
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

import wkplug as wk
import wkplug.config
from tests.filesystems.servers import open_place
from wkplug.cli.main import main
from wkplug.errors import (
    ConflictError,
    ForbiddenError,
    InvalidArgumentError,
    LockTimeoutError,
    MissingError,
    PluginMissingError,
    StorageError,
    UnknownSchemeError,
    UnsafePathError,
    WkplugError,
)
from wkplug.filesystems import stores
from wkplug.filesystems.stores import StoreLocation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_credentials")


@pytest.fixture
def memory() -> StoreLocation:
    return open_place(f"memory://{uuid.uuid4().hex}")


class Shelf(LocalFileSystem):
    """Files below a folder of this machine, as a server's driver shows them."""

    protocol = "shelf"
    top: ClassVar[str] = ""

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        text = str(path)
        return cls.top + text.removeprefix("shelf:/") if text.startswith("shelf://") else text


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreLocation:
    monkeypatch.setattr(Shelf, "top", str(tmp_path))
    fsspec.register_implementation("shelf", Shelf, clobber=True)
    monkeypatch.setattr(stores, "_with_races", {"shelf://host"})
    return open_place("shelf://host/data")


@pytest.fixture(params=["memory", "shelf"])
def writable(request: pytest.FixtureRequest) -> StoreLocation:
    place: StoreLocation = request.getfixturevalue(request.param)
    return place


# --- every writable place -----------------------------------------------------------------------------------


def test_objects_are_written_read_listed_and_deleted(writable: StoreLocation) -> None:
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


def test_ranges_are_those_of_slices(writable: StoreLocation) -> None:
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


def test_missing_is_missing(writable: StoreLocation) -> None:
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


def test_a_write_with_the_wrong_version_is_a_conflict(writable: StoreLocation) -> None:
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


def test_locks_exclude_and_time_out(writable: StoreLocation) -> None:
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


def test_threads_take_turns(writable: StoreLocation) -> None:
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


def test_children_never_lead_upwards(writable: StoreLocation) -> None:
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


def test_memory_folders_can_be_made(memory: StoreLocation) -> None:
    memory.child("folder").make_folder()
    assert list(memory.list()) == ["folder/"]
    memory.child("folder").delete()
    assert list(memory.list()) == []
    assert memory.native("tensorstore.kvstore") is None
    assert memory.native("fsspec") == {"protocol": "memory", "path": f"/{memory.name}", "options": {}}


def _child_takes_lock(url: str, results: Any) -> None:
    with open_place(url).lock("k", timeout=5):
        results.put("taken")


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_has_its_own_memory_and_its_own_locks(memory: StoreLocation) -> None:
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


@pytest.mark.parametrize(
    ("url", "kind", "text", "hint"),
    [
        ("hdfs://h/x", PluginMissingError, "hdfs:// places need the package pyarrow", "pip install pyarrow"),
        (
            "arrow_hdfs://h/x",
            PluginMissingError,
            "arrow_hdfs:// places need the package pyarrow",
            "pip install",
        ),
        (
            "smb://h/x",
            PluginMissingError,
            "smb:// places need the package smbprotocol",
            "pip install smbprotocol",
        ),
        (
            "dbfs://h/x",
            InvalidArgumentError,
            "dbfs://h/ can't be opened: the driver for dbfs:// needs the options instance, token.",
            'in the settings under [storage."dbfs://h"]',
        ),
        (
            "tar://h/x",
            UnknownSchemeError,
            "tar://h/x can't be opened: tar:// is an archive that is not read in place.",
            "Unpack it, or pack it as zip",
        ),
        (
            "simplecache://h/x",
            UnknownSchemeError,
            "simplecache:// is a cache in front of another",
            "Give the URL of",
        ),
        ("adl://h/x", UnknownSchemeError, "adl:// has been retired by its provider", "az:// or abfs://"),
        ("htps://h/x", UnknownSchemeError, "the URL scheme 'htps://'. Did you mean 'https'?", "installed: "),
        ("hdfs:/h/x", PluginMissingError, "hdfs:// places need the package pyarrow", "pip install pyarrow"),
        ("s4:/b/x", UnknownSchemeError, "No plugin knows the URL scheme 's4://'", "installed: "),
    ],
)
def test_what_opens_nothing_is_told_in_python_and_by_commands(
    url: str,
    kind: type[WkplugError],
    text: str,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in ("pyarrow", "smbclient"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    picture = tmp_path / "a.png"
    picture.write_bytes(b"no picture")
    for call in (
        lambda: wk.Dataset.open(url),
        lambda: wk.Dataset(url, voxel_size=(1, 1, 1)),
        lambda: wk.Dataset.from_images("a.png", url, voxel_size=(1, 1, 1)),
    ):
        with pytest.raises(kind) as caught:
            call()
        assert text in caught.value.message
        assert hint in (caught.value.hint or "")
    for command in (
        ["info", url],
        ["inspect", url],
        ["explain", url],
        ["convert", url, "out"],
        ["convert", "a.png", url, "--voxel-size", "1,1,1"],
        ["copy-dataset", url, "out"],
        ["check-equality", url, url],
    ):
        assert main(command) != 0
        told = capsys.readouterr().err
        assert text in told, command
        assert "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_passwords_stay_behind_and_it_is_said(shelf: StoreLocation) -> None:
    place = open_place("sftp://me:verysecret@host/x", {"port": 2222})
    assert place.url == "sftp://me@host/x"
    assert place.opened.options["password"] == "verysecret"  # type: ignore[attr-defined]
    assert "verysecret" not in repr(place) + repr(place.opened)
    assert b"verysecret" not in pickle.dumps(place)
    again = pickle.loads(pickle.dumps(place))
    assert again.opened.options == {"port": 2222}
    with wkplug.config.settings(storage={"sftp://me@host": {"password": "other"}}):
        assert pickle.loads(pickle.dumps(place)).opened.options["password"] == "other"


def test_a_folder_that_cannot_be_read_is_never_left_out(
    shelf: StoreLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.child("a/x").write(b"1")
    shelf.child("b/y").write(b"22")
    assert dict(shelf.list_files()) == {"a/x": 1, "b/y": 2}
    whole = Shelf.ls

    def ls(self: Shelf, path: str, detail: bool = False, **options: Any) -> Any:
        if path.endswith("/b"):
            raise PermissionError(13, "Permission denied")
        return whole(self, path, detail=detail, **options)

    monkeypatch.setattr(Shelf, "ls", ls)
    with pytest.raises(ForbiddenError, match="could not be listed: access was refused"):
        list(shelf.list_files())
    with pytest.raises(ForbiddenError, match="could not be measured: access was refused"):
        shelf.size()


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
