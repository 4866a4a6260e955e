"""The test servers themselves: what they promise to the tests that rely on them."""

from __future__ import annotations

import http.client
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.counting import CountingProcess, CountingServer, figures_of
from tests.servers.counting import Request as Counted
from tests.servers.proxies import Corrupt, Cut, Delay, Drop, FaultProxy, Refuse, Reset, Rewrite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.messages import Message


def ask(
    host: str, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(host, timeout=5)
    try:
        spelled = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, spelled)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.headers)
    finally:
        connection.close()


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with CountingServer() as found:
        yield found


def test_conditional_puts_are_kept(server: CountingServer) -> None:
    status, _, headers = ask(server.host, "PUT", "/box/a", b"1", If_None_Match="*", x_amz_meta_writer="me")
    assert status == 200
    first = headers["ETag"]
    assert ask(server.host, "PUT", "/box/a", b"2", If_None_Match="*")[0] == 412
    assert ask(server.host, "PUT", "/box/a", b"2", If_Match='"other"')[0] == 412
    assert ask(server.host, "PUT", "/box/b", b"2", If_Match=first)[0] == 404
    status, data, headers = ask(server.host, "GET", "/box/a")
    assert (status, data, headers["x-amz-meta-writer"]) == (200, b"1", "me")
    assert ask(server.host, "PUT", "/box/a", b"2", If_Match=first)[0] == 200
    assert ask(server.host, "GET", "/box/a", If_None_Match=first)[:2] == (200, b"2")
    second = ask(server.host, "HEAD", "/box/a")[2]["ETag"]
    assert ask(server.host, "GET", "/box/a", If_None_Match=second)[:2] == (304, b"")


@pytest.mark.parametrize(
    ("asked", "status", "data"),
    [
        ("0-2", 206, b"012"),
        ("7-", 206, b"789"),
        ("8-99", 206, b"89"),
        ("-3", 206, b"789"),
        ("-99", 206, b"0123456789"),
        ("10-", 416, None),
    ],
)
def test_ranges_are_those_of_http(
    server: CountingServer, asked: str, status: int, data: bytes | None
) -> None:
    server.keep("box", "a", b"0123456789")
    found, body, _ = ask(server.host, "GET", "/box/a", Range=f"bytes={asked}")
    assert found == status
    assert data is None or body == data


def test_listings_are_paged(server: CountingServer) -> None:
    boto3 = pytest.importorskip("boto3")
    keys = [f"d/{number:04}" for number in range(1500)] + ["d/x/1", "d/x/2", "d/y z%/ü"]
    for key in keys:
        server.keep("box", key, b"1")
    client = boto3.client(
        "s3", endpoint_url=server.url, aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-1"
    )
    pages = list(client.get_paginator("list_objects_v2").paginate(Bucket="box", Prefix="d/"))
    assert [each["Key"] for page in pages for each in page["Contents"]] == sorted(keys)
    pages = list(client.get_paginator("list_objects_v2").paginate(Bucket="box", Prefix="d/", Delimiter="/"))
    folders = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", ())]
    assert folders == ["d/x/", "d/y z%/"]
    client.delete_objects(Bucket="box", Delete={"Objects": [{"Key": key} for key in keys[:1000]]})
    assert len(server.buckets["box"]) == len(keys) - 1000


def test_requests_are_counted_with_those_at_the_same_time(server: CountingServer) -> None:
    server.keep("box", "a", bytes(100))
    server.latency = 0.05
    threads = [threading.Thread(target=ask, args=(server.host, "GET", "/box/a")) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ask(server.host, "PUT", "/box/b", b"123")
    figures = server.figures
    assert (figures.count, figures.sent, figures.received) == (6, 500, 3)
    assert 2 <= figures.in_flight <= 5
    assert 2 <= figures.round_trips <= 3
    server.clear()
    assert server.figures.count == 0


def test_bodies_take_the_time_that_a_connection_gives_them(server: CountingServer) -> None:
    server.bandwidth = 1e6
    body = bytes(30_000)
    threads = [
        threading.Thread(target=ask, args=(server.host, "PUT", f"/box/{name}", body)) for name in "abc"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ask(server.host, "GET", "/box/a")
    assert [each.method for each in server.requests] == ["PUT"] * 3 + ["GET"]
    assert all(each.end - each.start >= 0.03 for each in server.requests)
    assert server.figures.in_flight >= 2
    ask(server.host, "PUT", "/__counting__?bandwidth=0")
    assert server.bandwidth == 0


def test_round_trips_are_the_longest_chain() -> None:
    def request(start: float, end: float) -> Counted:
        return Counted("GET", "/", "", "", 200, 0, 0, start, end)

    found = figures_of([request(0, 10), request(0, 1), request(1, 2), request(1.5, 3), request(2.5, 4)])
    assert found.round_trips == 3
    assert found.in_flight == 3


def test_the_counting_process_ends_with_who_started_it() -> None:
    with CountingProcess(latency=0.001) as process:
        host = process.url.removeprefix("http://")
        assert ask(host, "PUT", "/box/a", b"1")[0] == 200
        assert ask(host, "GET", "/box/a", Range="bytes=0-0")[1] == b"1"
        assert [(each.method, each.range) for each in process.requests] == [("PUT", ""), ("GET", "0-0")]
        assert process.figures.round_trips == 2
        process.clear()
        assert process.figures.count == 0
    with pytest.raises(OSError, match="refused"):
        ask(host, "GET", "/box/a")


# --- the proxy ----------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(server: CountingServer) -> Iterator[FaultProxy]:
    server.keep("box", "a", b"0123456789")
    with FaultProxy(server.url) as found:
        yield found


def test_what_is_not_planned_passes(proxy: FaultProxy, server: CountingServer) -> None:
    assert ask(proxy.host, "GET", "/box/a", Range="bytes=2-3")[:2] == (206, b"23")
    assert ask(proxy.host, "PUT", "/box/b", b"new")[0] == 200
    assert server.buckets["box"]["b"].data == b"new"
    assert ask(proxy.host, "HEAD", "/box/a")[2]["Content-Length"] == "10"
    assert ask(proxy.host, "DELETE", "/box/b")[0] == 204


def test_answers_are_dropped_after_the_request_went_through(
    proxy: FaultProxy, server: CountingServer
) -> None:
    proxy.plan(Drop(), when=lambda request: request.method == "PUT", skip=1, times=1)
    assert ask(proxy.host, "PUT", "/box/b", b"1")[0] == 200
    with pytest.raises(http.client.RemoteDisconnected):
        ask(proxy.host, "PUT", "/box/b", b"2")
    assert server.buckets["box"]["b"].data == b"2"
    assert ask(proxy.host, "PUT", "/box/b", b"3")[0] == 200
    assert proxy.met == 1
    assert len(proxy.seen) == 3


def test_requests_are_reset_before_they_go_through(proxy: FaultProxy, server: CountingServer) -> None:
    proxy.plan(Reset())
    with pytest.raises(ConnectionError):
        ask(proxy.host, "PUT", "/box/b", b"1")
    assert "b" not in server.buckets["box"]


def test_bodies_are_cut_and_corrupted(proxy: FaultProxy) -> None:
    proxy.plan(Cut(4))
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(proxy.host, "GET", "/box/a")
    assert caught.value.partial == b"0123"
    proxy.plan(Corrupt(at=1))
    data = ask(proxy.host, "GET", "/box/a")[1]
    assert data[:1] + data[2:] == b"023456789"
    assert data[1:2] != b"1"


def test_answers_are_late_refused_and_rewritten(proxy: FaultProxy, server: CountingServer) -> None:
    proxy.plan(Delay(0.05))
    began = time.perf_counter()
    assert ask(proxy.host, "GET", "/box/a")[0] == 200
    assert time.perf_counter() - began >= 0.05
    server.clear()
    proxy.plan(Refuse(503, b"later", (("Retry-After", "1"),)), times=2)
    for _ in range(2):
        status, data, headers = ask(proxy.host, "GET", "/box/a")
        assert (status, data, headers["Retry-After"]) == (503, b"later", "1")
    assert server.figures.count == 0

    def lie(request: Message, answer: Message) -> Message:
        answer.headers = [
            (name, "bytes 5-6/10" if name == "Content-Range" else value) for name, value in answer.headers
        ]
        return answer

    proxy.plan(Rewrite(lie), times=None)
    found: Any = ask(proxy.host, "GET", "/box/a", Range="bytes=2-3")
    assert found[2]["Content-Range"] == "bytes 5-6/10"
