"""Single requests to web servers: what good ones answer, and the many ways in which others don't."""

from __future__ import annotations

import gzip
import threading
import warnings
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wkplug_remote.filesystem import opened

from tests.servers.scripted import Reply, Request, ScriptedServer, ranged, serve_script
from wkplug.abc import StoreFailure
from wkplug.errors import UnlistableError, WebPageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wkplug_remote.store import HttpStore

DATA = bytes(range(256)) * 4
HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>...</body></html>"
PAGE = {"Content-Type": "text/html; charset=utf-8"}


def store_at(server: ScriptedServer, **options: Any) -> HttpStore:
    return opened(f"{server.url}/x", options)[0]


def refused(call: Callable[..., Any], *args: Any, kind: str, text: str = "") -> StoreFailure:
    with pytest.raises(StoreFailure) as caught:
        call(*args)
    assert caught.value.kind == kind, (caught.value.kind, caught.value.text)
    assert text in caught.value.text, caught.value.text
    return caught.value


@pytest.fixture
def files() -> Any:
    with serve_script() as server:
        server.reply = ranged(DATA, ETag='"1"')
        yield server


# --- ranges --------------------------------------------------------------------------------------------------


def ignores(request: Request) -> Reply:
    return Reply(200, DATA, {"ETag": '"1"'})


def ignores_ends(request: Request) -> Reply:
    if request.range is not None and request.range[0] is None:
        return Reply(200, DATA)
    return ranged(DATA)(request)


def one_more_from_the_end(request: Request) -> Reply:
    reply = ranged(DATA)(request)
    if request.range is not None and request.range[0] is None:
        first = max(0, len(DATA) - (request.range[1] or 0) - 1)
        return Reply(206, DATA[first:], {"Content-Range": f"bytes {first}-{len(DATA) - 1}/{len(DATA)}"})
    return reply


def start_too_low(request: Request) -> Reply:
    """As WEBKNOSSOS: the last bytes are right, but Content-Range starts one too early."""
    reply = ranged(DATA)(request)
    if request.range is not None and request.range[0] is None and reply.status == 206:
        first = max(0, len(DATA) - len(reply.body) - 1)
        reply.headers["Content-Range"] = f"bytes {first}-{len(DATA) - 1}/{len(DATA)}"
    return reply


def ends_as_starts(request: Request) -> Reply:
    if request.range is not None and request.range[0] is None:
        last = request.range[1] or 0
        return Reply(206, DATA[: last + 1], {"Content-Range": f"bytes 0-{last}/{len(DATA)}"})
    return ranged(DATA)(request)


def a_hundred_at_most(request: Request) -> Reply:
    if request.range is None:
        return Reply(200, DATA)
    first, last = request.range
    if first is None:
        first, last = max(0, len(DATA) - (last or 0)), len(DATA) - 1
    last = min(len(DATA) - 1 if last is None else last, first + 99, len(DATA) - 1)
    if first >= len(DATA):
        return Reply(416, b"", {"Content-Range": f"bytes */{len(DATA)}"})
    return Reply(206, DATA[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{len(DATA)}"})


def total_unknown(request: Request) -> Reply:
    reply = ranged(DATA)(request)
    if reply.status == 206:
        reply.headers["Content-Range"] = reply.headers["Content-Range"].replace(f"/{len(DATA)}", "/*")
    return reply


def until_the_end(request: Request) -> Reply:
    """Gives more than was asked for."""
    if request.range is None or request.range[0] is None or request.range[0] >= len(DATA):
        return ranged(DATA)(request)
    first = request.range[0]
    return Reply(206, DATA[first:], {"Content-Range": f"bytes {first}-{len(DATA) - 1}/{len(DATA)}"})


SERVERS = {
    "good": ranged(DATA), "ignores ranges": ignores, "ignores ends": ignores_ends, "one more": one_more_from_the_end,
    "too low": start_too_low, "ends as starts": ends_as_starts, "a hundred": a_hundred_at_most,
    "total unknown": total_unknown, "until the end": until_the_end,
}  # fmt: skip


@pytest.fixture(scope="module")
def shared() -> Any:
    with serve_script() as server:
        yield server


@pytest.mark.parametrize("kind", SERVERS)
@given(start=st.integers(-1100, 1100), length=st.one_of(st.none(), st.integers(1, 300)))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ranges_are_exact_whatever_the_server_does(
    shared: ScriptedServer, kind: str, start: int, length: int | None
) -> None:
    shared.reply = SERVERS[kind]
    stop = None if length is None or start < 0 else start + length
    data, found = store_at(shared).get("x", start, stop)
    assert data == DATA[slice(start, stop)]
    assert found.size in (None, len(DATA))


@pytest.mark.parametrize(
    ("changed", "kind", "text"),
    [
        ({"Content-Range": "bytes 11-20/1024"}, "broken", "sent another range (from byte 11 in place of 10)"),
        ({"Content-Range": "bytes 9-18/1024"}, "broken", "from byte 9 in place of 10"),
        ({"Content-Range": "bytes 10-29/1024"}, "broken", "10 bytes, which it calls 20"),
        ({"Content-Range": "bytes 10-14/1024"}, "broken", "10 bytes, which it calls 5"),
        ({"Content-Range": ""}, "broken", "without saying which it is"),
        ({"Content-Range": "bytes 30-19/1024"}, "broken", "sent another range"),
        ({"Content-Encoding": "gzip"}, "unsupported", "a range of it compressed (gzip)"),
        ({"Content-Encoding": "br"}, "unsupported", "a range of it compressed (br)"),
    ],
)
def test_lies_about_ranges_are_refused(
    script: ScriptedServer, changed: dict[str, str], kind: str, text: str
) -> None:
    headers = {"Content-Range": "bytes 10-19/1024", **changed}
    script.reply = lambda request: Reply(206, DATA[10:20], headers)
    failure = refused(store_at(script).get, "x", 10, 20, kind=kind, text=text)
    assert failure.hint


def test_a_range_that_is_cut_is_tried_again_not_given(script: ScriptedServer) -> None:
    said = {"Content-Range": "bytes 10-19/1024"}
    script.reply = lambda request: Reply(206, DATA[10:20], said, cut=4)
    refused(store_at(script).get, "x", 10, 20, kind="busy", text="before the whole answer had come")
    script.reply = lambda request: Reply(206, DATA[10:14], said, length=None)
    refused(store_at(script).get, "x", 10, 20, kind="busy", text="before the whole answer had come")
    script.reply = lambda request: Reply(200, DATA, cut=100)
    refused(store_at(script).get, "x", kind="busy", text="before the whole answer had come")


# --- servers without ranges ------------------------------------------------------------------------------------


def test_a_file_without_ranges_is_fetched_once_and_cut(script: ScriptedServer) -> None:
    bodies = []

    def reply(request: Request) -> Reply:
        if request.headers.get("If-None-Match") == '"1"':
            return Reply(304)
        bodies.append(request.path)
        return Reply(200, DATA, {"ETag": '"1"'})

    script.reply = reply
    store = store_at(script)
    assert store.get_ranges("x", [(0, 10), (100, 120), (1000, 2000)]) == [
        DATA[:10],
        DATA[100:120],
        DATA[1000:],
    ]
    assert store.get("x", 5, 9)[0] == DATA[5:9]
    assert store.get("x", -9)[0] == DATA[-9:]
    assert len(bodies) == 1


def test_a_file_without_ranges_that_changed_is_fetched_anew(script: ScriptedServer) -> None:
    content = [b"old" * 100]
    script.reply = lambda request: Reply(200, content[0], {"ETag": f'"{len(content[0])}"'})
    store = store_at(script)
    assert store.get("x", 0, 3)[0] == b"old"
    content[0] = b"new!" * 100
    assert store.get("x", 0, 4)[0] == b"new!"


def test_many_threads_fetch_a_file_without_ranges_once(script: ScriptedServer) -> None:
    big = bytes(12 * 2**20)
    script.reply = lambda request: Reply(200, big)
    store = store_at(script)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=store.get, args=("x", n, n + 10)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [str(each.message) for each in told if "ignores byte ranges" in str(each.message)]
    script.requests.clear()
    assert store.get("x", 7, 9)[0] == b"\0\0"
    assert not script.requests


def test_fetching_whole_big_files_is_told_once(script: ScriptedServer) -> None:
    script.reply = lambda request: Reply(200, bytes(9 * 2**20), {"ETag": f'"{request.path}"'})
    store = store_at(script)
    with pytest.warns(
        UserWarning, match=r"ignores byte ranges: .* the whole file \(9 MiB\) is fetched.*Switch byte"
    ):
        store.get("x", 0, 10)
    store.get("y", 0, 10)


def test_a_page_says_nothing_about_the_ranges_of_files(script: ScriptedServer) -> None:
    def reply(request: Request) -> Reply:
        if request.path.endswith("/"):
            page = b"<html><title>Index of /a</title></html>"
            return Reply(200, page, {"Content-Type": "text/html"}, length=None)
        return Reply(206, DATA[:4], {"Content-Range": f"bytes 0-3/{len(DATA)}"})

    script.reply = reply
    store = store_at(script)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(WebPageError, match="'Index of /a'"):
            store.get("a/", 0, 4)
    assert store.get("b", 0, 4)[0] == DATA[:4]


@pytest.mark.parametrize("length", [-1, None], ids=["told", "not told"])
def test_a_large_file_without_ranges_is_refused(script: ScriptedServer, length: int | None) -> None:
    script.reply = lambda request: Reply(200, bytes(3000), length=length)
    store = store_at(script, whole_file_limit=2000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        failure = refused(
            store.get, "x", 0, 10, kind="unsupported", text="ignores byte ranges and would send the whole"
        )
    assert "whole_file_limit" in str(failure.hint)
    assert len(store.get("x")[0]) == 3000  # what is asked for whole is no part of anything


# --- compression -----------------------------------------------------------------------------------------------


def test_files_that_a_server_compresses_are_unpacked(script: ScriptedServer) -> None:
    script.reply = lambda request: Reply(200, gzip.compress(DATA), {"Content-Encoding": "gzip"})
    store = store_at(script)
    data, found = store.get("x")
    assert data == DATA
    assert found.size == len(DATA)
    assert store.get("x", 10, 20)[0] == DATA[10:20]
    assert store.head("x").size is None  # what it says is the size of something else
    assert script.requests[0].headers["Accept-Encoding"] == "identity"


def test_other_compressions_are_refused_by_name(script: ScriptedServer) -> None:
    script.reply = lambda request: Reply(200, b"...", {"Content-Encoding": "br"})
    refused(store_at(script).get, "x", kind="unsupported", text="compressed as br")
    script.reply = lambda request: Reply(200, b"...", {"Content-Encoding": "gzip"})
    refused(store_at(script).get, "x", kind="broken", text="can't be decompressed")
    script.reply = lambda request: Reply(200, gzip.compress(DATA)[:50], {"Content-Encoding": "gzip"})
    refused(store_at(script).get, "x", kind="busy", text="before the whole answer")


@pytest.mark.parametrize("twice", [False, True])
def test_gzip_files_stay_gzip_files(script: ScriptedServer, twice: bool) -> None:
    packed = gzip.compress(DATA)
    body = gzip.compress(packed) if twice else packed
    script.reply = lambda request: Reply(200, body, {"Content-Encoding": "x-gzip"})
    assert store_at(script).get("brain.nii.gz")[0] == packed


# --- redirects ---------------------------------------------------------------------------------------------------


def test_redirects_keep_secrets_from_other_hosts(script: ScriptedServer, other: ScriptedServer) -> None:
    script.reply = lambda request: Reply(302, headers={"Location": f"{other.url}/y?Signature=abc"})
    other.reply = ranged(DATA)
    headers = {"X-Auth-Token": "secret", "Authorization": "Bearer secret"}
    store = store_at(script, headers=headers, cookies={"session": "secret"}, params={"token": "secret"})
    assert store.get("x", 3, 9)[0] == DATA[3:9]
    assert script.requests[0].headers["X-Auth-Token"] == "secret"
    assert script.requests[0].path == "/x?token=secret"
    assert other.requests[0].path == "/y?Signature=abc"
    assert other.requests[0].range == (3, 8)
    assert "secret" not in str(other.requests[0].headers)


def test_redirects_on_the_same_server_keep_secrets(script: ScriptedServer) -> None:
    def reply(request: Request) -> Reply:
        if request.path.startswith("/old/"):
            return Reply(301, headers={"Location": "/new/" + request.path[5:].partition("?")[0]})
        return ranged(DATA)(request)

    script.reply = reply
    store = store_at(script, headers={"X-Auth-Token": "secret"}, params={"token": "secret"})
    assert store.get("old/x", 3, 9)[0] == DATA[3:9]
    assert [request.path for request in script.requests] == ["/old/x?token=secret", "/new/x?token=secret"]
    assert script.requests[1].headers["X-Auth-Token"] == "secret"


def test_where_signed_redirects_lead_is_not_shown(script: ScriptedServer, other: ScriptedServer) -> None:
    script.reply = lambda request: Reply(302, headers={"Location": f"{other.url}/y?opaque=verysecret"})
    other.reply = lambda request: Reply(500)
    failure = refused(store_at(script).get, "x", kind="busy")
    assert "verysecret" not in repr(failure)
    other.reply = lambda request: Reply(200, DATA, cut=3)
    failure = refused(store_at(script).get, "x", kind="busy")
    assert "verysecret" not in repr(failure)
    assert "verysecret" not in repr(failure.__cause__)


@pytest.mark.parametrize(
    ("to", "text"),
    [
        ("/x", "redirects more than 10 times"),
        ("ftp://host/x", "to a ftp: address"),
        ("http://h:x/", "is no URL"),
    ],
)
def test_redirects_that_lead_nowhere_are_an_error(script: ScriptedServer, to: str, text: str) -> None:
    script.reply = lambda request: Reply(302, headers={"Location": to})
    refused(store_at(script).get, "x", kind="broken", text=text)
    if to == "/x":
        store = store_at(script, allow_redirects=False)
        refused(store.get, "x", kind="broken", text="a redirect that can't be followed (HTTP 302, Found)")


# --- statuses ------------------------------------------------------------------------------------------------------


def test_statuses_are_sorted(script: ScriptedServer) -> None:
    store = store_at(script)
    kinds = {404: "missing", 410: "missing", 401: "forbidden", 403: "forbidden", 429: "busy", 500: "busy", 503: "busy",
             418: "broken", 451: "broken", 505: "broken"}  # fmt: skip
    for status, kind in kinds.items():
        script.reply = lambda request, status=status: Reply(status, b"words")
        for call in (lambda: store.get("x"), lambda: store.get("x", 0, 9), lambda: store.head("x")):
            assert refused(call, kind=kind).status == status


def test_servers_say_how_long_to_wait(script: ScriptedServer) -> None:
    for status, text, low, high in [
        (429, "7", 7, 7),
        (503, formatdate(usegmt=True, timeval=None), 0, 1),
        (503, "Fri, 31 Dec 2100 23:59:59 GMT", 1e6, 1e10),
    ]:
        script.reply = lambda request, status=status, text=text: Reply(status, headers={"Retry-After": text})
        wait = refused(store_at(script).get, "x", kind="busy").wait
        assert wait is not None
        assert low <= wait <= high
    script.reply = lambda request: Reply(503, headers={"Retry-After": "soon"})
    assert refused(store_at(script).get, "x", kind="busy").wait is None


def test_slow_servers_are_given_up_by_phase(script: ScriptedServer) -> None:
    script.reply = lambda request: Reply(200, DATA, pause=30)
    store = store_at(script, timeout={"read": 0.1})
    refused(store.get, "x", kind="busy", text="127.0.0.1 was silent for longer than the time limit")
    store = opened("http://127.0.0.1:9/x", {"timeout": 0.5})[0]
    refused(store.get, "x", kind="busy", text="127.0.0.1 can't be reached (Connection refused)")


def test_answers_in_drops_end_with_the_time_for_all(script: ScriptedServer) -> None:
    script.reply = lambda request: Reply(200, bytes(4 * 2**20), pause=0.3)
    store = store_at(script, timeout={"total": 0.1})
    refused(store.get, "x", kind="busy", text="longer than the time limit for all of it")


def test_a_host_that_nobody_knows_is_no_passing_trouble() -> None:
    failure = refused(
        opened("http://nowhere.invalid/x")[0].get, "x", kind="broken", text="nowhere.invalid is not known"
    )
    assert failure.hint == "Check the address."


def test_a_server_that_refuses_absent_names_is_recognised(script: ScriptedServer) -> None:
    script.reply = lambda request: ranged(DATA)(request) if request.path == "/d/there" else Reply(403)
    store = store_at(script)
    assert store.get("d/there")[0] == DATA
    failure = refused(store.get, "d/x", kind="forbidden", text="as it does here for names that aren't there")
    assert "refused_is_missing = true" in str(failure.hint)
    script.requests.clear()
    refused(store.head, "d/y", kind="forbidden", text="as it does here")
    assert len(script.requests) == 1  # asked for a name that isn't there once per folder
    refused(store_at(script, refused_is_missing=True).get, "d/x", kind="missing")
    script.reply = lambda request: Reply(403 if request.path == "/d/x" else 404)
    assert refused(store_at(script).get, "d/x", kind="forbidden").text == ""


# --- looks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [405, 501])
def test_servers_that_refuse_head_are_asked_for_a_byte(script: ScriptedServer, status: int) -> None:
    script.reply = lambda request: (
        Reply(status) if request.method == "HEAD" else ranged(DATA, ETag='"1"')(request)
    )
    found = store_at(script).head("x")
    assert (found.size, found.version) == (len(DATA), '"1"')


@pytest.mark.parametrize(
    "marks", [{"ETag": '"1"'}, {"ETag": 'W/"1"'}, {"Last-Modified": "Fri, 30 Oct 2026 12:00:00 GMT"}]
)
def test_versions_save_what_did_not_change(script: ScriptedServer, marks: dict[str, str]) -> None:
    def reply(request: Request) -> Reply:
        known = request.headers.get("If-None-Match") or request.headers.get("If-Modified-Since")
        return Reply(304) if known else Reply(200, DATA, marks)

    script.reply = reply
    store = store_at(script)
    _, found = store.get("x")
    refused(lambda: store.get("x", unless=found.version), kind="unchanged")


def test_without_a_mark_nothing_is_called_unchanged(script: ScriptedServer) -> None:
    script.reply = lambda request: Reply(200, DATA)
    _, found = store_at(script).get("x")
    assert store_at(script).get("x", unless=found.version)[0] == DATA


def test_pages_have_no_size_and_are_no_data(script: ScriptedServer) -> None:
    script.reply = lambda request: Reply(200, HTML, PAGE)
    store = store_at(script)
    assert store.head("help.html").size is None
    for call in (
        lambda: store.get("datasource-properties.json"),
        lambda: store.get("c/0/0", 0, 100),
        lambda: store.get("c/0", 3, 9),
    ):
        with pytest.raises(
            WebPageError, match=r"answers with a web page \('Sign in'\) in place of a file"
        ) as caught:
            call()
        assert "If it wants a login, give a token" in str(caught.value.hint)
    assert store.get("help.html")[0] == HTML
    # Applications show their page for every address: what is only looked for isn't there.
    refused(store.head, "x", kind="missing", text="as it does for names that aren't there")
    refused(
        store.get, "d/zarr.json", kind="missing", text="the page 'Sign in', as for names that aren't there"
    )
    refused(store.get, "d/.zattrs", kind="missing")
    script.reply = ranged(HTML, **PAGE)
    with pytest.raises(WebPageError):
        store.get("c/0", 5, 9)
    script.reply = ranged(DATA, **PAGE)  # a server that calls everything a page
    assert store.get("c/0", 5, 9)[0] == DATA[5:9]
    assert store.get("c/0")[0] == DATA


def test_nothing_can_be_written_or_listed_for_certain(files: ScriptedServer) -> None:
    store = store_at(files)
    assert (store.writes, store.lists_all) == (False, False)
    refused(store.put, "x", b"", kind="forbidden", text="can only be read")
    refused(store.delete, ["x"], kind="forbidden", text="can only be read")
    with pytest.raises(UnlistableError, match="don't tell for certain what they have"):
        store.sizes("x")
