"""What goes wrong with buckets, and what is said of it: real answers, spoilt on their way by a proxy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from wkplug_cloud import objects
from wkplug_cloud.filesystems import S3ThroughFsspec, S3ThroughObstore

import wkplug.config
from tests.servers.proxies import Cut, Drop, FaultProxy, Refuse, Reset, Rewrite, Stall
from wkplug.abc import StoreFailure
from wkplug.errors import ForbiddenError, MissingError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wkplug_cloud.buckets import BucketStore

    from tests.servers.fixtures import Bucket
    from tests.servers.messages import Message

XML = "<?xml version='1.0'?><Error><Code>{}</Code><Message>verysecret internals</Message></Error>"


@pytest.fixture
def proxy(s3_bucket: Bucket) -> Iterator[FaultProxy]:
    with FaultProxy(s3_bucket.server) as made:
        yield made


@pytest.fixture(params=[S3ThroughObstore, S3ThroughFsspec], ids=["obstore", "s3fs"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def opened(kind: Any, proxy: FaultProxy, bucket: Bucket, **options: Any) -> BucketStore:
    """The bucket through the proxy, which has an object "a"."""
    kind.store(bucket.url, bucket.options).put("a", b"0123456789")
    url = proxy.url.replace("http://", "s3://") + f"/{bucket.name}"
    store: BucketStore = kind.store(url, {**bucket.options, **options})
    return store


def caught(call: Callable[[], object]) -> StoreFailure:
    with pytest.raises(StoreFailure) as found:
        call()
    assert found.value.__cause__ is None
    assert "verysecret" not in str(found.value)
    assert "<" not in str(found.value)
    return found.value


ANSWERS = [
    (403, "SignatureDoesNotMatch", "forbidden", "the secret does not fit to the key"),
    (403, "InvalidAccessKeyId", "forbidden", "the access key is not known there"),
    (400, "ExpiredToken", "forbidden", "the session token has expired"),
    (401, "", "forbidden", ""),
    (503, "SlowDown", "busy", "the server asks to slow down"),
    (429, "", "busy", ""),
    (500, "InternalError", "busy", "InternalError"),
    (502, "", "busy", ""),
    (408, "", "busy", ""),
    (404, "NoSuchKey", "missing", ""),
    (404, "NoSuchBucket", "missing", "the bucket does not exist"),
    (507, "", "full", ""),
    (501, "NotImplemented", "unsupported", "NotImplemented"),
    (418, "Teapot", "broken", "Teapot"),
]


def test_answers_are_sorted_without_their_xml(kind: Any, proxy: FaultProxy, s3_bucket: Bucket) -> None:
    store = opened(kind, proxy, s3_bucket)
    for status, code, sort, text in ANSWERS:
        proxy.clear()
        refuse = Refuse(status, XML.format(code).encode() if code else b"")
        proxy.plan(refuse, when=lambda request: request.target.split("?")[0].endswith("/a"), times=None)
        found = caught(lambda: store.get("a"))
        assert (found.kind, found.text) == (sort, text), (status, code)
        assert found.status == status
        assert proxy.met == 1  # the core tries again, nobody else


@pytest.mark.parametrize("fault", [Reset(), Drop(), Cut(4)], ids=["reset", "drop", "cut"])
def test_lost_connections_are_tried_again_by_the_core(
    kind: Any, proxy: FaultProxy, s3_bucket: Bucket, fault: Any
) -> None:
    store = opened(kind, proxy, s3_bucket)
    proxy.plan(fault, times=1)
    if kind is S3ThroughObstore:
        assert caught(lambda: store.get("a")).kind == "busy"
        proxy.clear()
        proxy.plan(fault, times=1)
    with wkplug.config.settings(storage={}):
        place = kind().location(store.root + "a", options={**s3_bucket.options, **store.public})
    assert place.read() == b"0123456789"
    assert proxy.met >= 1


def test_a_server_that_never_answers_is_busy(
    proxy: FaultProxy, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "_TIMEOUTS", {"timeout": "200ms"})
    store = opened(S3ThroughObstore, proxy, replace(s3_bucket, options={**s3_bucket.options, "region": "xy"}))
    proxy.plan(Stall(2.0), times=None)
    found = caught(lambda: store.get("a"))
    assert (found.kind, found.text) == ("busy", "the server did not answer in time")


def test_servers_that_are_not_there_are_busy(s3_bucket: Bucket) -> None:
    for url, texts in (
        ("s3://127.0.0.1:9/bucket/x", {"nothing answers at its address", "no connection to the server"}),
        (
            "s3://no-such-host.invalid/bucket/x",
            {"the name of its host is not known", "no connection to the server"},
        ),
    ):
        found = caught(lambda url=url: S3ThroughObstore.store(url, s3_bucket.options).get("x"))
        assert found.kind == "busy"
        assert found.text in texts


def test_a_server_that_ignores_ranges_is_read_whole(kind: Any, proxy: FaultProxy, s3_bucket: Bucket) -> None:
    store = opened(kind, proxy, s3_bucket)

    def whole(request: Message, answer: Message) -> Message:
        if request.header("Range"):
            answer.first = "HTTP/1.1 200 OK"
            answer.body = b"0123456789"
            answer.headers = [
                pair for pair in answer.headers if pair[0].lower() not in ("content-range", "content-length")
            ]
            answer.headers.append(("Content-Length", "10"))
        return answer

    proxy.plan(Rewrite(whole), times=None)
    assert store.get("a", 2, 5)[0] == b"234"
    assert store.get("a", -3)[0] == b"789"
    assert store.get("a", 6)[0] == b"6789"


def test_stores_that_refuse_absent_objects_are_recognised(proxy: FaultProxy, s3_bucket: Bucket) -> None:
    def refuse_absent(request: Message, answer: Message) -> Message:
        if answer.status == 404:
            answer.first = "HTTP/1.1 403 Forbidden"
            answer.body = b"" if request.method == "HEAD" else XML.format("AccessDenied").encode()
            answer.headers = [pair for pair in answer.headers if pair[0].lower() != "content-length"]
            answer.headers.append(("Content-Length", str(len(answer.body))))
        return answer

    proxy.plan(Rewrite(refuse_absent), times=None)
    url = opened(S3ThroughObstore, proxy, s3_bucket).root
    place = S3ThroughObstore().location(url, options=s3_bucket.options)
    assert place.child("a").read() == b"0123456789"
    with pytest.raises(ForbiddenError) as found:
        place.child("b").read()
    assert "it may not be there, since listing the bucket isn't allowed" in found.value.message
    assert "permission to list the bucket (s3:ListBucket)" in str(found.value.hint)
    assert "refused_is_missing = true" in str(found.value.hint)
    options = {name: value for name, value in s3_bucket.options.items() if name not in ("key", "secret")}
    with pytest.raises(ForbiddenError) as found:
        S3ThroughObstore().location(url, options={**options, "anon": True}).child("b").read()
    assert "if it isn't public, give credentials in place of anon = true" in str(found.value.hint)
    asked = len(proxy.seen)
    with pytest.raises(ForbiddenError, match="it may not be there"):
        place.child("c").read()
    assert len(proxy.seen) == asked + 1  # it is known by now
    with wkplug.config.settings(storage={url.rstrip("/"): {"refused_is_missing": True}}):
        place = S3ThroughObstore().location(url, options=s3_bucket.options)
        assert not place.child("b").exists()
        with pytest.raises(MissingError):
            place.child("b").read()


def test_a_refusal_is_one_where_absent_objects_are_told(proxy: FaultProxy, s3_bucket: Bucket) -> None:
    store = opened(S3ThroughObstore, proxy, s3_bucket, refused_is_missing=True)
    proxy.plan(
        Refuse(403, XML.format("AccessDenied").encode()),
        when=lambda request: request.target.endswith("/a"),
        times=None,
    )
    assert caught(lambda: store.get("a")).kind == "forbidden"
    assert caught(lambda: store.get("b")).kind == "missing"


def test_who_has_no_credentials_is_told_so(s3_bucket: Bucket, kind: Any) -> None:
    kind.store(s3_bucket.url, s3_bucket.options).put("a", b"1")
    if kind is S3ThroughObstore:
        with pytest.raises(ForbiddenError) as found:
            kind().location(f"{s3_bucket.url}/a").read()
        assert found.value.message.endswith(
            "/a could not be read: the server refused access (HTTP 403): no credentials were found for it."
        )
        assert found.value.hint == (
            "Give them in the setting `storage` or in the environment, or set anon = true for public data."
        )
    with pytest.raises(ForbiddenError, match=r"refused access \(HTTP 403\)"):
        kind().location(f"{s3_bucket.url}/a", options={"anon": True}).read()


def test_a_bucket_in_another_region_is_found(
    monkeypatch: pytest.MonkeyPatch, proxy: FaultProxy, s3_bucket: Bucket
) -> None:
    monkeypatch.setattr(objects, "region_of_bucket", lambda _: "eu-west-1")
    store = opened(S3ThroughObstore, proxy, s3_bucket)
    config = dict(store.access.config)
    del config["aws_endpoint_url_s3"]
    config["endpoint"] = proxy.url  # as if nobody had said where, as for Amazon's own buckets
    store.access = replace(store.access, config=config)
    for answer in (
        Refuse(301, b"", ()),
        Refuse(
            400,
            XML.format("AuthorizationHeaderMalformed")
            .replace("</Error>", "<Region>eu-west-1</Region></Error>")
            .encode(),
        ),
    ):
        proxy.clear()
        proxy.plan(
            answer,
            when=lambda request: "eu-west-1" not in (request.header("Authorization") or ""),
            times=None,
        )
        again = type(store)(store.access, store._reopen)
        assert again.get("a")[0] == b"0123456789"
        assert proxy.met == 1
        assert again.get("a")[0] == b"0123456789"
        assert proxy.met == 1


def test_a_session_token_of_others_is_not_taken_along(
    monkeypatch: pytest.MonkeyPatch, proxy: FaultProxy, s3_bucket: Bucket
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-other-keys")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    store = opened(S3ThroughObstore, proxy, s3_bucket)
    assert store.get("a")[0] == b"0123456789"
    (request,) = proxy.seen
    assert request.header("x-amz-security-token") is None
    assert "AKIAKEY" in str(request.header("Authorization"))


def test_stores_that_delete_one_by_one_alone(proxy: FaultProxy, s3_bucket: Bucket) -> None:
    store = opened(S3ThroughObstore, proxy, s3_bucket)
    store.put("b", b"1")
    proxy.plan(Refuse(501, b""), when=lambda request: request.method == "POST", times=None)
    store.delete(["a", "b", "c"])
    assert list(store.names("")) == []


def test_puts_that_were_never_answered_are_recognised(
    proxy: FaultProxy, s3_bucket: Bucket, kind: Any
) -> None:
    store = opened(kind, proxy, s3_bucket)
    place = kind().location(store.root + "x", options={**s3_bucket.options, **store.public})
    proxy.plan(Drop(), when=lambda request: request.method == "PUT")
    version = place.write(b"1", if_match="")
    assert proxy.met == 1
    assert version == place.version()
    proxy.plan(Drop(), when=lambda request: request.method == "PUT")
    assert place.write(b"2", if_match=version) == place.version()


def test_a_failed_write_leaves_the_old_object(proxy: FaultProxy, s3_bucket: Bucket, kind: Any) -> None:
    store = opened(kind, proxy, s3_bucket)
    place = kind().location(store.root + "a", options={**s3_bucket.options, **store.public})
    proxy.plan(
        Refuse(400, XML.format("EntityTooLarge").encode()),
        when=lambda request: request.method == "PUT",
        times=None,
    )
    with pytest.raises(StorageError, match=r"HTTP 400 \(it is larger than the server takes\)"):
        place.write(b"new")
    assert place.read() == b"0123456789"


def test_wrong_credentials_are_never_absent_objects(kind: Any, proxy: FaultProxy, s3_bucket: Bucket) -> None:
    store = opened(kind, proxy, s3_bucket, refused_is_missing=True)
    proxy.plan(Refuse(403, XML.format("SignatureDoesNotMatch").encode()), times=None)
    for call in (lambda: store.get("b"), lambda: store.head("b"), lambda: store.get("b", 1, 3)):
        found = caught(call)
        assert (found.kind, found.text) == ("forbidden", "the secret does not fit to the key")


def test_pages_of_proxies_are_no_answers_of_the_store(
    kind: Any, proxy: FaultProxy, s3_bucket: Bucket
) -> None:
    store = opened(kind, proxy, s3_bucket)
    page = b"<!DOCTYPE html><html><title>404</title></html>"
    proxy.plan(Refuse(404, page, (("Content-Type", "text/html"),)), times=None)
    for call in (
        lambda: store.get("a"),
        lambda: store.get("a", 2, 4),
        lambda: store.put("a", b"new"),
        lambda: store.put("a", b"new", if_match="0" * 32),
        lambda: list(store.names("")),
        lambda: store.delete(["a"]),
    ):
        found = caught(call)
        assert (found.kind, found.text) == ("broken", "a web page came in place of the store's answer")
    proxy.clear()
    assert store.get("a")[0] == b"0123456789"


def test_the_driver_tells_how_long_the_server_asks_to_wait(proxy: FaultProxy, s3_bucket: Bucket) -> None:
    busy = Refuse(503, XML.format("SlowDown").encode(), (("Retry-After", "7"),))
    for kind, wait in ((S3ThroughFsspec, 7.0), (S3ThroughObstore, None)):  # obstore shows no headers
        store = opened(kind, proxy, s3_bucket)
        proxy.plan(busy, times=1)
        found = caught(lambda store=store: store.get("a"))
        assert (found.kind, found.wait) == ("busy", wait)
