"""Local places: what is written is whole, what fails is sorted, links are never followed."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wkplug.abc import Location
from wkplug.errors import (
    ConflictError,
    ForbiddenError,
    InvalidArgumentError,
    MissingError,
    StorageError,
    StorageFullError,
    UnsafePathError,
)
from wkplug.filesystems.local import LocalFilesystem, LocalLocation
from wkplug.filesystems.paths import TEMPORARY_PREFIX

IS_ROOT = os.name == "posix" and os.geteuid() == 0


def names_in(folder: os.PathLike[str]) -> list[str]:
    return [path.name for path in Path(folder).iterdir()]


@pytest.fixture
def root(tmp_path: Path) -> LocalLocation:
    return LocalLocation(tmp_path)


def test_paths_are_made_absolute_and_links_in_them_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert LocalLocation("link/../link/a/").url == str(tmp_path / "link" / "a")
    assert LocalLocation("~").url == str(tmp_path / "~")


def test_locations_are_equal_hashable_picklable_and_usable_as_paths(root: LocalLocation) -> None:
    place = root.child("color/1")
    assert place == root.child("color", "1") == pickle.loads(pickle.dumps(place))
    assert len({place, root.child("color/1"), root}) == 2
    assert Path(place) == Path(root) / "color" / "1"
    assert place.name == "1"
    assert place.parent.parent == root
    assert LocalLocation("/").parent == LocalLocation("/")
    assert isinstance(place, Location)


@pytest.mark.parametrize("text", ["", "a\0b"])
def test_text_that_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is no path"):
        LocalLocation(text)


@pytest.mark.parametrize("part", ["..", "../x", "a/../../x", "/etc", "a/..", "a\0b"])
def test_children_never_lead_upwards(root: LocalLocation, part: str) -> None:
    with pytest.raises(UnsafePathError):
        root.child(part)


def test_children_may_hold_dots_and_spare_slashes(root: LocalLocation) -> None:
    assert root.child("./a//b/").url == root.url + "/a/b"
    assert root.child("a..b", "...").name == "..."
    assert root.child("") == root.child() == root


def test_file_urls_are_decoded_and_plain_paths_are_not() -> None:
    filesystem = LocalFilesystem()
    assert filesystem.location("file:///a%20b/c").url == "/a b/c"
    assert filesystem.location("file://localhost/x").url == "/x"
    assert filesystem.location("/a%20b").url == "/a%20b"
    with pytest.raises(InvalidArgumentError, match="another machine"):
        filesystem.location("file://server/x")


def test_engines_get_the_place_in_their_own_words(root: LocalLocation) -> None:
    assert root.native("path") == {"path": root.url}
    assert root.native("tensorstore.kvstore") == {"driver": "file", "path": root.url + "/"}
    assert root.native("fsspec") == {"protocol": "file", "path": root.url, "options": {}}
    assert root.native("something else") is None


# --- reading ------------------------------------------------------------------------------------------------


@given(
    data=st.binary(max_size=40),
    start=st.none() | st.integers(-50, 50),
    stop=st.none() | st.integers(-50, 50),
)
@settings(max_examples=60, deadline=None)
def test_ranges_are_those_of_slices(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, start: int, stop: int
) -> None:
    place = LocalLocation(tmp_path_factory.getbasetemp() / "ranges.bin")
    place.write(data, durable=False)
    assert place.read(start, stop) == data[start:stop]
    assert place.read_ranges([(0, 3), (2, 100)]) == [data[0:3], data[2:100]]


def test_missing_things_are_missing(root: LocalLocation) -> None:
    root.child("file").write(b"x")
    for place in (root.child("nothing"), root.child("no/where"), root.child("file/below")):
        with pytest.raises(MissingError, match="it is not there"):
            place.read()
        with pytest.raises(MissingError):
            place.size()
        assert place.version() is None
        assert not place.exists()
        assert list(place.list()) == []
        place.delete()
    assert root.read_ranges([]) == []


def test_a_folder_where_a_file_was_expected_is_no_missing_file(root: LocalLocation) -> None:
    with pytest.raises(StorageError, match="is a folder where a file was expected") as caught:
        root.read()
    assert not isinstance(caught.value, MissingError)


def test_links_in_a_circle_are_broken_not_missing(root: LocalLocation) -> None:
    Path(root.url, "loop").symlink_to("loop")
    with pytest.raises(StorageError, match="lead in a circle") as caught:
        root.child("loop").read()
    assert not isinstance(caught.value, MissingError)


def test_names_too_long_are_said_to_be(root: LocalLocation) -> None:
    with pytest.raises(StorageError, match="name is too long"):
        root.child("x" * 300).write(b"")


def test_lists_are_sorted_and_folders_have_a_slash(root: LocalLocation) -> None:
    for name in ("b", "a/x", "c/d/e"):
        root.child(name).write(b"1")
    Path(root.url, "z").symlink_to("c")
    assert list(root.list()) == ["a/", "b", "c/", "z/"]


def test_sizes_count_files_but_neither_links_nor_lock_files(root: LocalLocation) -> None:
    root.child("a/x").write(b"123")
    root.child("a/b/y").write(b"4567")
    Path(root.url, "a", "link").symlink_to("x")
    with root.child("a").lock("k", timeout=1):
        pass
    assert root.size() == 7
    assert root.child("a/x").size() == 3


# --- writing ------------------------------------------------------------------------------------------------


def test_a_write_makes_folders_replaces_and_leaves_nothing_behind(root: LocalLocation) -> None:
    place = root.child("a/b/c")
    assert place.write(b"old") == place.version()
    assert place.write(b"new") == place.version()
    assert place.read() == b"new"
    assert names_in(place.parent) == ["c"]


def test_versions_never_repeat_even_within_a_tick_of_the_clock(root: LocalLocation) -> None:
    place = root.child("file")
    versions = [place.write(b"same", durable=False) for _ in range(200)]
    assert len(set(versions)) == 200
    assert place.version() == versions[-1]


def test_a_write_with_the_wrong_version_is_a_conflict(root: LocalLocation) -> None:
    place = root.child("folder/file")
    first = place.write(b"1", if_match="")
    second = place.write(b"2", if_match=first)
    with pytest.raises(ConflictError, match="changed by someone else"):
        place.write(b"3", if_match=first)
    with pytest.raises(ConflictError, match="none"):
        place.write(b"3", if_match="")
    place.delete()
    with pytest.raises(ConflictError):
        place.write(b"3", if_match=second)
    assert not place.exists()


def test_creating_needs_no_lock_file_where_there_are_hard_links(
    root: LocalLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.child("linked").write(b"1", if_match="")
    assert names_in(root) == ["linked"]

    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    version = root.child("other").write(b"1", if_match="")
    assert root.child("other").version() == version
    with pytest.raises(ConflictError):
        root.child("other").write(b"2", if_match="")
    assert sorted(names_in(root)) == [".wkplug.lock", "linked", "other"]


def test_one_of_many_creators_wins(root: LocalLocation) -> None:
    outcomes: list[str] = []

    def create(number: int) -> None:
        try:
            root.child("file").write(bytes([number]), if_match="")
            outcomes.append("made")
        except ConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 7 + ["made"]
    assert names_in(root) == ["file"]


def test_new_files_follow_the_umask_and_replaced_ones_keep_their_permissions(root: LocalLocation) -> None:
    place = root.child("file")
    before = os.umask(0o027)
    try:
        place.write(b"1")
        assert Path(place).stat().st_mode & 0o777 == 0o640
        Path(place).chmod(0o604)
        place.write(b"2")
        assert Path(place).stat().st_mode & 0o777 == 0o604
    finally:
        os.umask(before)


def test_a_link_is_replaced_and_its_target_stays(root: LocalLocation) -> None:
    root.child("target").write(b"precious")
    Path(root.url, "link").symlink_to("target")
    root.child("link").write(b"new")
    assert root.child("target").read() == b"precious"
    assert not Path(root.url, "link").is_symlink()


def test_a_folder_is_not_overwritten(root: LocalLocation) -> None:
    root.child("folder").make_folder()
    with pytest.raises(StorageError, match="folder where a file was expected"):
        root.child("folder").write(b"x")
    assert names_in(root) == ["folder"]


def test_a_file_in_the_place_of_a_folder_is_named(root: LocalLocation) -> None:
    root.child("file").write(b"x")
    with pytest.raises(StorageError, match="a file is in the way"):
        root.child("file").make_folder()
    file = root.child("file").url
    for below in (root.child("file/below"), root.child("file/far/below")):
        with pytest.raises(StorageError) as caught:
            below.make_folder()
        assert (
            caught.value.message == f"{below.url} could not be made a folder: {file} is a file, not a folder."
        )
        assert caught.value.hint == "Choose another path, or move that file away."
        with pytest.raises(StorageError) as caught:
            below.write(b"x")
        assert not isinstance(caught.value, MissingError)
        assert caught.value.message == f"{below.url} could not be written: {file} is a file, not a folder."


def test_deleting_removes_links_and_never_follows_them(root: LocalLocation) -> None:
    root.child("precious/file").write(b"x")
    Path(root.url, "tree").mkdir()
    Path(root.url, "tree", "link").symlink_to("../precious")
    Path(root.url, "toplink").symlink_to("precious")
    root.child("tree").delete(recursive=True)
    root.child("toplink").delete(recursive=True)
    assert list(root.list()) == ["precious/"]
    assert root.child("precious/file").read() == b"x"


def test_a_full_folder_is_deleted_only_on_demand(root: LocalLocation) -> None:
    root.child("folder/file").write(b"x")
    with pytest.raises(StorageError, match="not empty") as caught:
        root.child("folder").delete()
    assert "recursive=True" in str(caught.value)
    root.child("folder/file").delete()
    root.child("folder").delete()
    assert not root.child("folder").exists()


def test_writable_tells_without_writing(root: LocalLocation) -> None:
    assert root.child("a/b/c").writable()
    assert not LocalLocation("/proc/version/x").writable() or not Path("/proc/version").exists()


READ_ONLY_SCRIPT = """
import hashlib, os, sys  # all of the standard library that is needed below: the interpreter may be out of reach then
os.setuid(65534)
from wkplug.filesystems.local import LocalLocation
from wkplug.errors import ForbiddenError
folder = LocalLocation(sys.argv[1])
done = []
for name, call in {
    "write": lambda: folder.child("new").write(b"x"),
    "replace": lambda: folder.child("file").write(b"x"),
    "delete": lambda: folder.child("file").delete(),
    "read": lambda: folder.child("secret").read(),
    "lock": lambda: folder.lock("k", timeout=1).__enter__(),
    "make": lambda: folder.child("sub").make_folder(),
}.items():
    try:
        call()
    except ForbiddenError as error:
        assert "access was refused" in str(error) or "write-protected" in str(error), error
        done.append(name)
assert not folder.writable()
print(*done)
"""


@pytest.mark.skipif(not IS_ROOT, reason="needs to become another user")
def test_refusals_are_forbidden_and_leave_everything_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "file").write_text("old")
    (folder / "secret").write_text("s")
    (folder / "secret").chmod(0o600)
    for path in (folder, *folder.parents):
        if path.stat().st_mode & 0o001 == 0 and str(path).startswith("/tmp/"):
            path.chmod(path.stat().st_mode | 0o055)
    # Imported before the user changes, since the other one may not be allowed to read the package.
    script = "import wkplug.filesystems.local, wkplug.filesystems.locks\n" + READ_ONLY_SCRIPT
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["write", "replace", "delete", "read", "lock", "make"], done.stderr
    assert (folder / "file").read_text() == "old"


def test_write_protected_files_are_not_replaced_behind_the_back(
    root: LocalLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = root.child("file")
    place.write(b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everything
    with pytest.raises(ForbiddenError, match="write-protected"):
        place.write(b"new")
    assert place.read() == b"old"
    assert names_in(root) == ["file"]


@pytest.mark.faults
@pytest.mark.skipif(not IS_ROOT, reason="mounts a small file system")
def test_a_full_disk_is_said_and_leaves_the_old_file(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        place = LocalLocation(tmp_path / "file")
        place.write(b"old")
        with pytest.raises(StorageFullError, match="no space left") as caught:
            place.write(os.urandom(2 * 2**20))
        assert "Free some space" in str(caught.value)
        assert place.read() == b"old"
        assert names_in(tmp_path) == ["file"]
        place.write(b"new")
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_pipe_that_nobody_writes_to_is_an_error_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(StorageError, match=r"pipe\.tif could not be read: it is a named pipe, not a file\."):
        LocalLocation(tmp_path / "pipe.tif").read(0, 16)


WRITER = """
import sys
from wkplug.filesystems.local import LocalLocation
place = LocalLocation(sys.argv[1])
print("ready", flush=True)
number = 0
while True:
    place.write(bytes([number % 256]) * 200_000, durable=False)
    number += 1
"""


@pytest.mark.faults
def test_a_killed_writer_never_leaves_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for attempt in range(8):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.01 * attempt + 0.003)
            writer.kill()
        if path.exists():
            data = path.read_bytes()
            assert len(data) == 200_000
            assert data == data[:1] * 200_000
    leftovers = [name for name in names_in(tmp_path) if name != "file"]
    assert all(name.startswith(TEMPORARY_PREFIX) for name in leftovers)
