"""Buckets of all providers on real servers, through obstore and through the drivers of fsspec."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from wkplug_cloud import objects
from wkplug_cloud.filesystems import S3ThroughObstore

from tests.servers.proxies import FaultProxy, Refuse
from wkplug.abc import StoreFailure
from wkplug.errors import BucketMissingError, ConflictError, LockTimeoutError, MissingError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Way
    from tests.servers.counting import CountingServer
    from tests.servers.fixtures import Bucket

DATA = bytes(range(100))
ODD = "c d/ü%20#?+&=~'(1)"


def failure(call: Callable[[], object]) -> tuple[str, str]:
    """The kind and the text of the StoreFailure that a call raises; drivers may raise what the core sorts."""
    try:
        call()
    except StoreFailure as found:
        return found.kind, found.text
    except FileNotFoundError:
        return "missing", ""
    raise AssertionError("it did not fail")


def test_objects_come_with_version_size_and_write_id(way: Way) -> None:
    store = way.store
    made = store.put("a/b", DATA, if_match="", write_id="0123456789abcdef fedcba9876543210")
    assert made.write_id == "0123456789abcdef fedcba9876543210"
    data, found = store.get("a/b")
    assert data == DATA
    assert found == made == store.head("a/b")
    assert found.size == 100
    assert found.version.strip('"') == found.version != ""
    plain = store.put("a/b", b"")
    assert plain.version != made.version
    assert store.get("a/b") == (b"", plain)
    assert plain.write_id == ""


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """As small as S3 allows; how large an object is that has three."""
    monkeypatch.setattr(objects, "_LARGEST_SINGLE_PUT", 6 * 2**20)
    monkeypatch.setattr(objects, "_PART", 5 * 2**20)
    return 11 * 2**20


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # Azure's own library
def test_large_objects_are_sent_in_parts(way: Way, small_parts: int) -> None:
    if way.kind.__name__ == "GoogleThroughObstore":
        pytest.skip("the emulator's interface has no uploads in parts")
    data = os.urandom(small_parts)
    way.store.put("a", b"old")
    made = way.store.put("a", data, write_id="0123456789abcdef")
    assert way.store.get("a") == (data, made)
    assert made.size == small_parts


@pytest.fixture
def proxied(
    counting_server: CountingServer, fault_proxy: Callable[[str], FaultProxy]
) -> tuple[Any, FaultProxy]:
    """A bucket on a counting server behind a proxy."""
    proxy = fault_proxy(counting_server.url)
    options = {"key": "a", "secret": "b", "endpoint_url": proxy.url}
    return S3ThroughObstore.store("s3://box", options), proxy


def test_a_part_that_fails_is_sent_again_and_not_the_others(
    proxied: tuple[Any, FaultProxy], counting_server: CountingServer, small_parts: int
) -> None:
    store, proxy = proxied
    data = os.urandom(small_parts)
    proxy.plan(Refuse(503), when=lambda request: "partNumber=2" in request.target)
    store.put("a", data)
    assert store.get("a")[0] == data
    assert proxy.met == 1
    assert len([request for request in proxy.seen if "partNumber" in request.target]) == 4


def test_what_can_not_be_sent_whole_is_not_there(
    proxied: tuple[Any, FaultProxy], counting_server: CountingServer, small_parts: int
) -> None:
    store, proxy = proxied
    store.put("a", b"old")
    proxy.plan(Refuse(403), when=lambda request: "partNumber=2" in request.target, times=None)
    assert failure(lambda: store.put("a", os.urandom(small_parts)))[0] == "forbidden"
    assert [request.method for request in proxy.seen if "uploadId" in request.target].count("DELETE") == 1
    assert store.get("a")[0] == b"old"


def test_a_change_that_no_request_can_carry_is_told(
    proxied: tuple[Any, FaultProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = proxied
    monkeypatch.setattr(type(store), "largest_request", 5)
    store.put("a", b"12345", if_match="")
    with pytest.raises(StoreFailure) as caught:
        store.put("a", b"123456", if_match=store.head("a").version)
    assert (caught.value.kind, caught.value.text) == (
        "broken",
        "a part of it can only be changed by sending all of it in one request, and its 6 bytes are more than the 5 "
        "that such a store takes",
    )
    assert (
        caught.value.hint
        == "Write whole shards, which are sent in parts, or make the array with smaller shards."
    )
    assert store.get("a")[0] == b"12345"


def test_ranges_are_those_of_slices(way: Way) -> None:
    store = way.store
    store.put("a", DATA)
    store.put("empty", b"")
    whole = store.head("a")
    for start, stop in [(None, None), (3, 7), (0, None), (40, None), (0, 5), (-4, None), (-4, -2), (-400, None),
                        (90, 200), (200, 300), (5, 5)]:  # fmt: skip
        assert store.get("a", start, stop) == (DATA[start:stop], whole), (start, stop)
        assert store.get("empty", start, stop)[0] == b""
    assert store.get_ranges("a", [(0, 2), (90, 200), (50, 60)]) == [DATA[:2], DATA[90:], DATA[50:60]]


def test_of_two_writers_one_is_told(way: Way) -> None:
    store = way.store
    first = store.put("a", b"1", if_match="")
    assert failure(lambda: store.put("a", b"2", if_match="")) == ("conflict", "")
    second = store.put("a", b"3", if_match=first.version)
    assert failure(lambda: store.put("a", b"4", if_match=first.version)) == ("conflict", "")
    assert store.get("a") == (b"3", second)
    store.delete(["a"])
    assert failure(lambda: store.put("a", b"5", if_match=second.version)) == ("conflict", "")
    assert failure(lambda: store.get("a")) == ("missing", "")


def test_an_object_is_read_again_only_if_it_changed(way: Way) -> None:
    store = way.store
    first = store.put("a", b"1")
    assert failure(lambda: store.get("a", unless=first.version)) == ("unchanged", "")
    second = store.put("a", b"2")
    assert store.get("a", unless=first.version) == (b"2", second)


def test_the_same_bytes_put_again_never_stand_in_the_way(way: Way) -> None:
    store = way.store
    first = store.put("a", b"1")
    store.put("a", b"1")
    try:
        found = store.get("a", unless=first.version)[1].version
    except StoreFailure:
        found = first.version
    store.put("a", b"2", if_match=found)
    assert store.get("a")[0] == b"2"


def test_names_of_all_kinds_are_listed(way: Way) -> None:
    store = way.store
    assert list(store.names("")) == list(store.sizes("x")) == []
    for path in ("a/b", "a/c/d", "a/c/e", f"a/{ODD}", "ab"):
        store.put(path, b"123")
    assert sorted(store.names("")) == ["a/", "ab"]
    assert sorted(store.names("a")) == ["b", "c d/", "c/"]
    assert sorted(store.names("a/c d")) == [ODD.partition("/")[2]]
    assert list(store.names("a/b")) == list(store.names("nothing")) == []
    assert sorted(store.sizes("a")) == sorted([("b", 3), ("c/d", 3), ("c/e", 3), (ODD, 3)])
    assert store.get(f"a/{ODD}")[0] == b"123"
    assert failure(lambda: store.head("a")) == ("missing", "")
    store.delete(["a/b", "nothing", f"a/{ODD}", "a/c/d"])
    store.delete(["nothing"])
    store.delete(["a/c/e"])
    assert sorted(store.sizes("")) == [("ab", 3)]


def test_a_missing_bucket_is_told_from_a_missing_object(way: Way) -> None:
    nowhere = way.nowhere()
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: nowhere.child("a").write(b"x"), "written"),
        (lambda: nowhere.child("a").write(b"x", if_match=""), "written"),
    ]
    if way.kind.__name__ != "GoogleThroughFsspec":  # that driver's error doesn't say which of them is missing
        calls.append((nowhere.child("a").read, "read"))
    for refused, action in calls:
        with pytest.raises(BucketMissingError) as caught:
            refused()
        assert not isinstance(caught.value, MissingError)  # which may be read as fill value
        assert caught.value.message == f"{nowhere.url}/a could not be {action}: its bucket is not there."
        assert (
            caught.value.hint
            == "The bucket doesn't exist: check its name in the address, or create it first."
        )
    for looked in (nowhere.child("a").exists, nowhere.list):
        with pytest.raises(BucketMissingError, match="its bucket is not there"):
            looked()
    with pytest.raises(MissingError, match="could not be read: it is not there"):
        way.place().child("nothing").read()


def test_places_do_what_places_do(way: Way) -> None:
    place = way.place()
    version = place.child("a").write(b"1", if_match="")
    with pytest.raises(ConflictError, match="changed by someone else"):
        place.child("a").write(b"2", if_match="")
    assert place.child("a").read_newer(version) is None
    with place.lock("k", timeout=5), pytest.raises(LockTimeoutError), place.lock("k", timeout=0.1):
        pass
    assert list(place.list()) == ["a"]
    assert place.size() == 1
    with pytest.raises(StorageError, match="whole bucket"):
        place.parent.delete(recursive=True)
    place.delete(recursive=True)
    assert not place.exists()


def test_one_of_many_creators_wins(way: Way) -> None:
    place = way.place()
    outcomes: list[str] = []

    def create() -> None:
        try:
            place.child("x").write(uuid.uuid4().bytes, if_match="")
            outcomes.append("made")
        except ConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 5 + ["made"]


def test_pickles_and_texts_hold_no_secrets(way: Way) -> None:
    place = way.place()
    secrets = [
        str(value)
        for name, value in way.bucket.options.items()
        if name not in ("base_url", "endpoint_url", "anon")
    ]
    said = place.url + repr(place) + repr(way.store) + repr(way.store.access)
    for one in (pickle.dumps(place), pickle.dumps(way.store), said.encode()):
        assert not [secret for secret in secrets if len(secret) > 4 and secret.encode() in one]
    again = pickle.loads(pickle.dumps(place))
    assert again == place
    assert pickle.loads(pickle.dumps(way.store)).root == way.store.root


def test_long_listings_have_all_pages(s3_server: str, s3_bucket: Bucket) -> None:
    from moto.s3.models import s3_backends
    from wkplug_cloud.filesystems import S3ThroughFsspec, S3ThroughObstore

    backend = s3_backends["123456789012"]["aws"]
    for number in range(1200):
        backend.put_object(s3_bucket.name, f"a/{number:04}", b"1")
    wanted = [f"{number:04}" for number in range(1200)]
    for kind in (S3ThroughObstore, S3ThroughFsspec):
        store = kind.store(s3_bucket.url, s3_bucket.options)
        assert sorted(store.names("a")) == sorted(name for name, _ in store.sizes("a")) == wanted
    S3ThroughObstore.store(s3_bucket.url, s3_bucket.options).delete([f"a/{name}" for name in wanted])
    assert list(store.names("a")) == []


def _child_reads(url: str, options: dict[str, Any], results: Any) -> None:
    from wkplug_cloud.filesystems import S3ThroughObstore

    store = S3ThroughObstore.store(url, options)
    results.put((store.get("a")[0], store.put("b", b"2", if_match="").size))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_goes_through_the_other_driver(s3_bucket: Bucket) -> None:
    from wkplug_cloud.filesystems import S3ThroughObstore

    store = S3ThroughObstore.store(s3_bucket.url, s3_bucket.options)
    store.put("a", b"1")
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_child_reads, args=(s3_bucket.url, s3_bucket.options, results))
    child.start()
    assert results.get(timeout=30) == (b"1", 1)
    child.join()
    assert store.get("b")[0] == b"2"
