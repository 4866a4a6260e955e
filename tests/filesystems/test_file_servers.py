"""Servers of files that one logs into: whole files or the old ones, sessions that break, answers that say little."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import _registry

import wkplug as wk
from tests.filesystems.servers import open_place
from wkplug.errors import (
    ForbiddenError,
    MissingError,
    StorageError,
    StorageFullError,
    UnsupportedOperationError,
)
from wkplug.filesystems import stores
from wkplug.filesystems.drivers import warn_of_halves
from wkplug.testing import FilesystemSuite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.emulators import FtpServer
    from wkplug.abc import Location


@pytest.fixture
def place(ftp_server: FtpServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Location]:
    address = ftp_server.url.replace("me:verysecret@", "me@")
    monkeypatch.setattr(stores, "_with_races", {address})  # not what is tested here
    warn_of_halves.cache_clear()
    with wk.settings(storage={address: {"password": "verysecret"}}, retries_attempts=2):
        yield open_place(f"{ftp_server.url}/data")


class TestFtp(FilesystemSuite):
    secrets = ("verysecret",)
    shared = False  # the password is in this process alone
    hostile_names = tuple(name for name in FilesystemSuite.hostile_names if "?" not in name)

    @pytest.fixture
    def place(self, place: Location) -> Location:
        return place


def _scrap(server: FtpServer) -> list[str]:
    return [path.name for path in server.folder.rglob(".wkplug*")]


def test_datasets_live_on_ftp_servers(ftp_server: FtpServer, place: Location) -> None:
    box = wk.BoundingBox((0, 0, 0), (64, 64, 32))
    data = np.random.default_rng(0).integers(0, 9, box.size.to_tuple(), "uint8")
    mag = (
        wk.Dataset(f"{place.url}/d", (1, 1, 1))
        .add_layer("a", "color", dtype="uint8", bounding_box=box)
        .add_mag(1, chunk_shape=32, shard_shape=32)
    )
    mag.write(data)
    assert (wk.Dataset.open(f"{place.url}/d").get_layer("a").get_mag(1).read()[0] == data).all()
    assert _scrap(ftp_server) == []


def test_threads_have_a_session_each(place: Location) -> None:
    for number in range(4):
        place.child(str(number)).write(bytes([number]) * 100_000)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: place.child(str(number % 4)).read(), range(32)))
    assert found == [bytes([number % 4]) * 100_000 for number in range(32)]


def test_a_session_that_the_server_ended_is_begun_anew(ftp_server: FtpServer, place: Location) -> None:
    place.child("x").write(b"1")
    ftp_server.disconnect()
    assert place.child("x").read() == b"1"
    ftp_server.disconnect()
    place.child("x").write(b"2")
    ftp_server.disconnect()
    assert list(place.list()) == ["x"]
    assert place.child("x").read() == b"2"


@pytest.mark.parametrize("request_name", ["RETR", "MLSD"])
@pytest.mark.parametrize("answer", ["450 Busy.", "421 Too many users.", "425 No data connection."])
def test_what_a_busy_server_says_is_not_taken_for_missing(
    request_name: str, answer: str, ftp_server: FtpServer, place: Location
) -> None:
    place.child("x").write(b"1")
    ftp_server.answers[request_name] = answer
    with pytest.raises(StorageError, match=re.escape(f"the server answered {answer[:-1]}")) as caught:
        place.child("x").read() if request_name == "RETR" else place.child("x").version()
    assert not isinstance(caught.value, MissingError)
    assert "Tried 2 times" in str(caught.value)
    ftp_server.answers.clear()
    assert place.child("x").read() == b"1"


def test_refused_files_and_folders_are_not_taken_for_missing(ftp_server: FtpServer, place: Location) -> None:
    place.child("x/y").write(b"1")
    ftp_server.answers["RETR"] = "550 Failed to open file."
    with pytest.raises(ForbiddenError, match=re.escape("the server answered 550 Failed to open file")):
        place.child("x/y").read()
    for absent in ("z", "z/z", "x/y/z"):
        with pytest.raises(MissingError):
            place.child(absent).read()
    ftp_server.answers["STOR"] = "550 Permission denied."
    with pytest.raises(ForbiddenError, match=re.escape("the server answered 550 Permission denied")):
        place.child("x/y").write(b"2")
    ftp_server.answers["STOR"] = "552 Quota exceeded."
    with pytest.raises(StorageFullError):
        place.child("x/y").write(b"2")


def test_servers_that_know_no_mlsd_are_listed_too(ftp_server: FtpServer, place: Location) -> None:
    place.child("x/y").write(b"1")
    ftp_server.answers["MLSD"] = "500 Unknown command."
    assert list(place.list()) == ["x/"]
    assert place.child("x/y").read() == b"1"
    assert place.child("x/y").size() == 1
    with pytest.raises(MissingError):
        place.child("x/z").read()


def test_names_that_the_driver_would_cut_are_refused(place: Location) -> None:
    with pytest.raises(UnsupportedOperationError, match=re.escape("takes it for /data/a.")) as caught:
        place.child("a?b").write(b"1")
    assert caught.value.hint == "Take another name, without signs that mean something in URLs."
    assert list(place.list()) == []


def test_a_refused_login_says_what_to_do(ftp_server: FtpServer) -> None:
    url = ftp_server.url.replace("verysecret", "othersecret")
    with pytest.raises(ForbiddenError, match="the server refused the login") as caught:
        open_place(f"{url}/x").exists()
    assert "Give user name and password, or what else the server wants, as storage options" in str(
        caught.value
    )
    assert "othersecret" not in str(caught.value)


def test_an_upload_that_breaks_off_leaves_the_old_file(ftp_server: FtpServer, place: Location) -> None:
    old, new = b"1" * 1000, b"2" * 10**7
    place.child("x").write(old)
    ftp_server.cut = True
    with pytest.raises(StorageError):
        place.child("x").write(new)
    assert (ftp_server.folder / "data/x").read_bytes() == old
    ftp_server.cut = False
    place.child("x").write(new)
    assert place.child("x").read() == new
    assert place.size() == len(new)


@pytest.mark.faults
def test_a_killed_upload_leaves_the_old_file(ftp_server: FtpServer, place: Location, tmp_path: Path) -> None:
    place.child("x").write(b"old")
    ftp_server.stalled = tmp_path / "stalled"
    script = "import sys; from wkplug import storage; storage.locate(sys.argv[1]).write(bytes(10**8))"
    with subprocess.Popen([sys.executable, "-c", script, f"{ftp_server.url}/data/x"]) as child:
        deadline = time.monotonic() + 30
        while not ftp_server.stalled.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        child.kill()
    assert ftp_server.stalled.exists()
    assert (ftp_server.folder / "data/x").read_bytes() == b"old"
    assert place.child("x").read() == b"old"
    assert place.size() == 3  # what was begun counts nothing
    ftp_server.stalled = None
    place.child("x").write(b"new")
    assert place.child("x").read() == b"new"


def test_servers_that_move_nothing_onto_another_are_told_once(ftp_server: FtpServer, place: Location) -> None:
    ftp_server.replaces = False
    place.child("x").write(b"1")
    with pytest.warns(UserWarning, match="shows files while they are written: what is killed, or fails"):
        place.child("x").write(b"2")
    place.child("x").write(b"3")  # a second warning would be an error here
    place.child("y").write(b"3")
    assert place.child("x").read() == b"3"
    assert _scrap(ftp_server) == []


class _Strict(LocalFileSystem):
    """Takes what it doesn't know for options of a connection, and refuses them, as the driver for sftp:// does."""

    def __init__(self, host: str, port: int = 22, username: str = "") -> None:
        super().__init__()
        assert (host, port, username) == ("h", 22, "me")

    @staticmethod
    def _get_kwargs_from_urls(_: str) -> dict[str, Any]:
        return {"host": "h", "username": "me"}


def test_drivers_get_no_options_that_they_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_registry, "ssh", _Strict)
    assert not open_place(f"ssh://me@h{tmp_path}/x").exists()


@pytest.mark.parametrize("scheme", ["hdfs", "webhdfs"])
def test_servers_that_show_what_is_written_are_told_once(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Here(LocalFileSystem):
        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return str(path).replace(f"{scheme}://h", str(tmp_path))

    monkeypatch.setitem(_registry, scheme, Here)
    warn_of_halves.cache_clear()
    with pytest.warns(UserWarning, match=f"{scheme}://h/ shows files while they are written"):
        open_place(f"{scheme}://h/x").write(b"1")
    open_place(f"{scheme}://h/y").write(b"2")  # a second warning would be an error here
