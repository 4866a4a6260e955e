"""Places in zip archives: what is there, in ranges, and nothing that was damaged."""

from __future__ import annotations

import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from wkplug import storage
from wkplug.errors import (
    CorruptDataError,
    InvalidArgumentError,
    MissingError,
    StorageError,
    TooLargeError,
    UnsupportedOperationError,
)
from wkplug.filesystems.local import LocalLocation
from wkplug.filesystems.zip import ZipLocation, is_zip

if TYPE_CHECKING:
    from pathlib import Path

BYTES = bytes(range(256)) * 40


@pytest.fixture(params=[zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def archive(request: Any, tmp_path: Path) -> Path:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", request.param) as file:
        file.writestr("top.json", "{}")
        file.writestr("s0/c/0/0", BYTES)
        file.writestr("s0/c/1", b"")
        file.writestr("folder/", b"")
    return path


def test_what_is_in_an_archive_is_listed_and_read_by_ranges(archive: Path) -> None:
    root = ZipLocation(LocalLocation(archive))
    assert (root.name, root.exists(), list(root.list())) == ("a.zip", True, ["s0/", "top.json"])
    place = root.child("s0", "c/0", "0")
    assert (place.name, place.size(), place.parent.parent.name) == ("0", len(BYTES), "c")
    assert list(root.child("s0/c").list()) == ["0/", "1"]
    assert root.child("s0").size() == len(BYTES)
    for start, stop in [
        (None, None),
        (0, 10),
        (100, 300),
        (-7, None),
        (10_000, 20_000),
        (20_000, 30_000),
        (5, 2),
    ]:
        assert place.read(start, stop) == BYTES[start:stop]
    assert place.read_ranges([(3, 9), (900, 950)]) == [BYTES[3:9], BYTES[900:950]]
    assert root.child("s0/c/1").read() == b""
    assert place.version() != root.child("top.json").version()


def test_what_is_not_there_is_missing(archive: Path) -> None:
    root = storage.locate(f"zip://::{archive}")
    for name in ("other", "s0/c/0/0/x"):
        assert not root.child(name).exists()
        assert root.child(name).version() is None
        assert list(root.child(name).list()) == []
        with pytest.raises(MissingError):
            root.child(name).read()


def test_places_are_opened_again_by_their_url_and_by_pickles(archive: Path) -> None:
    place = storage.locate(f"zip://s0/c/0/0::{archive}")
    assert place.url == f"zip://s0/c/0/0::{archive}"
    again = pickle.loads(pickle.dumps(place))
    assert again == place
    assert hash(again) == hash(place)
    assert again.read() == BYTES
    with pytest.raises(InvalidArgumentError, match="doesn't say which archive it is in"):
        storage.locate("zip://s0/c")


def test_archives_are_only_read(archive: Path) -> None:
    place = ZipLocation(LocalLocation(archive), "top.json")
    assert not place.writable()
    assert place.local_path() is None
    for act in (lambda: place.write(b""), place.delete, place.make_folder, place.lock):
        with pytest.raises(UnsupportedOperationError, match="lies in an archive, which is only read"):
            act()
    assert place.read() == b"{}"


def test_what_is_damaged_is_never_read_as_something_else(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    start = whole.index(b"s0/c/0/0") + 20
    for damaged in (whole[:-30], whole[: start + 5] + b"?" + whole[start + 6 :], whole[:50]):
        (tmp_path / "b.zip").write_bytes(damaged)
        with pytest.raises(CorruptDataError, match=r"The archive .*b\.zip is damaged"):
            ZipLocation(LocalLocation(tmp_path / "b.zip"), "s0/c/0/0").read()


def test_archives_are_known_by_their_first_bytes(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "c.zip").write_bytes(b"PK")
    assert is_zip(LocalLocation(archive))
    assert not is_zip(LocalLocation(tmp_path / "c.zip"))
    assert not is_zip(LocalLocation(tmp_path))
    assert not is_zip(LocalLocation(tmp_path / "none"))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_entries_that_are_packed_beyond_all_reason_are_refused(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", method) as archive:
        archive.writestr("c/0", bytes(1 << 25))
        archive.writestr("small", bytes(1 << 20))
    place = ZipLocation(LocalLocation(tmp_path / "bomb.zip"))
    assert (tmp_path / "bomb.zip").stat().st_size < 1 << 15
    with pytest.raises(
        TooLargeError, match=r"c/0 in .* unpacked to 33554432: no data are packed that tightly"
    ):
        place.child("c/0").read()
    assert place.child("small").read() == bytes(1 << 20)


def test_deflated_entries_may_be_as_empty_as_they_like(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "zeros.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("c/0", bytes(1 << 25))
    assert ZipLocation(LocalLocation(tmp_path / "zeros.zip")).child("c/0").read(
        1 << 24, (1 << 24) + 9
    ) == bytes(9)


def test_a_folder_of_an_archive_is_no_file(archive: Path) -> None:
    root = ZipLocation(LocalLocation(archive))
    for place in (root, root.child("s0"), root.child("s0/c")):
        with pytest.raises(StorageError, match="is a folder where a file was expected") as caught:
            place.read()
        assert not isinstance(caught.value, MissingError)
    assert root.size() == len(BYTES) + 2
