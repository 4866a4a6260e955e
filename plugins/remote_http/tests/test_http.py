"""Files of web servers, against a real one: ranges, failures, tokens."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from wkplug.errors import (
    ForbiddenError,
    MissingError,
    StorageError,
)
from wkplug.storage import locate as open_place


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr("time.sleep", lambda _: None)


def test_http_files_are_read_looked_at_and_listed(file_server: Any) -> None:
    data = bytes(range(256)) * 4
    (file_server.folder / "sub").mkdir()
    (file_server.folder / "sub" / "a b#1").write_bytes(data)
    root = open_place(file_server.url)
    place = root.child("sub", "a b#1")
    assert place.name == "a b#1"
    assert place.read() == data
    assert place.size() == len(data)
    version = place.version()
    assert version == place.version() is not None
    assert list(root.list()) == ["sub/"]
    assert list(root.child("sub").list()) == ["a b#1"]
    assert place.exists()
    for start, stop in [
        (3, 7),
        (0, None),
        (None, 5),
        (-4, None),
        (-5000, None),
        (-4, -2),
        (1000, 2000),
        (5000, 6000),
    ]:
        assert place.read(start, stop) == data[start:stop], (start, stop)
    ranges = [(0, 10), (500, 510), (1020, 3000), (4000, 5000)]
    assert place.read_ranges(ranges) == [data[a:b] for a, b in ranges]


def test_a_server_that_ignores_ranges_gives_the_right_bytes(file_server: Any) -> None:
    (file_server.folder / "noranges").mkdir()
    data = bytes(range(10))
    (file_server.folder / "noranges" / "x").write_bytes(data)
    place = open_place(f"{file_server.url}/noranges/x")
    for start, stop in [(2, 100), (3, 5), (-3, None), (20, 30)]:
        assert place.read(start, stop) == data[start:stop]
    file_server.requests.clear()
    assert place.read_ranges([(0, 2), (8, 99), (3, 4)]) == [data[0:2], data[8:99], data[3:4]]
    assert len(file_server.requests) == 1


def test_near_ranges_are_one_request_and_far_ones_several(file_server: Any) -> None:
    (file_server.folder / "x").write_bytes(bytes(2**20))
    place = open_place(f"{file_server.url}/x")
    place.read_ranges([(0, 10), (30_000, 30_010), (900_000, 900_010), (60_000, 60_010)])
    assert sorted(request[2] for request in file_server.requests) == ["bytes=0-60009", "bytes=900000-900009"]


def test_missing_forbidden_and_broken_are_three_answers(file_server: Any) -> None:
    root = open_place(file_server.url)
    for place in (root.child("nothing"), root.child("410/x")):
        assert not place.exists()
        assert place.version() is None
        with pytest.raises(MissingError, match="it is not there"):
            place.read()
    for status in ("401", "403"):
        place = root.child(status, "x")
        for call in (place.exists, place.version, place.read, lambda p=place: list(p.list())):
            with pytest.raises(ForbiddenError, match=rf"refused access \(HTTP {status}\)") as caught:
                call()
        assert "credentials" in str(caught.value)
    file_server.requests.clear()
    with pytest.raises(StorageError, match=r"answered HTTP 500.*Tried 6 times") as broken:
        root.child("500/x").read()
    assert not isinstance(broken.value, MissingError | ForbiddenError)
    assert len(file_server.requests) == 6
    with pytest.raises(StorageError, match="HTTP 500") as broken:
        root.child("500/x").exists()
    assert not isinstance(broken.value, MissingError)


def test_passing_failures_are_tried_again(file_server: Any) -> None:
    (file_server.folder / "flaky").mkdir()
    (file_server.folder / "flaky" / "x").write_bytes(b"there")
    assert open_place(f"{file_server.url}/flaky/x").read() == b"there"
    assert len(file_server.requests) == 3


def test_a_server_that_is_down_is_broken_not_missing() -> None:
    place = open_place("http://127.0.0.1:9/x")
    with pytest.raises(StorageError, match="Tried 6 times") as caught:
        place.exists()
    assert not isinstance(caught.value, MissingError | ForbiddenError)


def test_tokens_in_header_query_and_login_are_sent(file_server: Any) -> None:
    (file_server.folder / "private").mkdir()
    (file_server.folder / "private" / "x").write_bytes(b"yes")
    host = file_server.url.removeprefix("http://")
    folders = [
        open_place(f"http://{host}/private", options={"headers": {"X-Auth-Token": "secret"}}),
        open_place(
            f"http://{host}/private", options={"client_kwargs": {"headers": {"X-Auth-Token": "secret"}}}
        ),
        open_place(f"http://{host}/private?token=secret"),
        open_place(f"http://me:secret@{host}/private/"),
    ]
    for folder in folders:
        assert folder.url == f"http://{host}/private"
        assert folder.child("x").read() == b"yes"
        assert list(folder.list()) == ["x"]
    tensorstore = pytest.importorskip("tensorstore")
    for folder in folders:
        store = tensorstore.KvStore.open(dict(folder.native("tensorstore.kvstore") or {})).result()
        assert store.read("x").result().value == b"yes"
    login = base64.b64encode(b"me:secret").decode()
    assert folders[3].native("tensorstore.kvstore")["headers"] == [f"Authorization: Basic {login}"]  # type: ignore[index]


def test_a_server_without_head_is_asked_with_get(file_server: Any) -> None:
    (file_server.folder / "nohead").mkdir()
    (file_server.folder / "nohead" / "x").write_bytes(b"12345")
    assert open_place(f"{file_server.url}/nohead/x").size() == 5


def test_http_places_can_only_be_read(file_server: Any) -> None:
    place = open_place(f"{file_server.url}/x")
    assert not place.writable()
    for call in (lambda: place.write(b"x"), place.delete, lambda: place.lock("k")):
        with pytest.raises(ForbiddenError, match="can only be read") as caught:
            call()
    assert "Copy the data" in str(caught.value)
