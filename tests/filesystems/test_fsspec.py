"""Places behind URLs, against a real S3 server, a real HTTP server, and memory."""

from __future__ import annotations

import base64
import itertools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

import wkplug.config
from tests.filesystems.servers import serve_s3
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
)
from wkplug.filesystems.drivers import FsspecLocation, merge
from wkplug.filesystems.fsspec import FsspecFilesystem
from wkplug.filesystems.http import HttpLocation
from wkplug.filesystems.leases import lease
from wkplug.filesystems.memory import MemoryLocation
from wkplug.filesystems.object_stores import ObjectStoreLocation
from wkplug.filesystems.s3 import S3Location, suffix_credentials
from wkplug.properties import PropertiesStore

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = {"key": "AKIAKEY", "secret": "verysecret"}
pytestmark = pytest.mark.usefixtures("no_credentials")


def open_place(url: str, options: dict[str, Any] | None = None) -> FsspecLocation:
    return FsspecFilesystem().location(url, options=options)


def endpoint_of(place: FsspecLocation) -> str | None:
    return place.native("fsspec")["options"].get("endpoint_url")


@pytest.fixture
def memory() -> FsspecLocation:
    return open_place(f"memory://{uuid.uuid4().hex}")


@pytest.fixture
def bucket(s3_server: str) -> FsspecLocation:
    place = open_place(f"s3://{s3_server}/bucket-{uuid.uuid4().hex}", KEYS)
    place._address.filesystem().mkdir(place._path)
    return place.child("data")


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


def test_secrets_are_in_no_url_no_repr_and_no_pickle(bucket: FsspecLocation) -> None:
    places = [
        bucket,
        open_place("http://me:verysecret@localhost/x?token=verysecret", {"headers": {"A": "verysecret"}}),
        open_place("sftp://me:verysecret@localhost/x"),
    ]
    for place in places:
        assert "verysecret" not in place.url + repr(place) + str(place) + repr(place._address)
        assert b"verysecret" not in pickle.dumps(place)
        again = pickle.loads(pickle.dumps(place))
        assert again == place
        assert hash(again) == hash(place)
    assert endpoint_of(pickle.loads(pickle.dumps(bucket))) == endpoint_of(bucket) is not None
    assert "verysecret" not in repr(bucket.native("tensorstore.kvstore"))


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


def test_a_place_that_lost_its_secrets_on_the_way_says_why(bucket: FsspecLocation) -> None:
    place = pickle.loads(pickle.dumps(bucket.child("x")))
    with pytest.raises(ForbiddenError, match="no credentials were found") as caught:
        place.read()
    assert "don't travel to other processes" in str(caught.value)


def test_credentials_come_from_the_settings_by_the_longest_prefix(bucket: FsspecLocation) -> None:
    bucket.child("x").write(b"1")
    host, name = bucket._address.root, bucket._path.partition("/")[0]
    with wkplug.config.settings(
        storage={
            host.rstrip("/"): {"key": "other", "secret": "other"},
            f"{host}{name}": KEYS,
            f"{host}{name[:-1]}": {"key": "wrong"},
        }
    ):
        place = open_place(bucket.url)
        assert place._address.options["key"] == "AKIAKEY"
        assert place.child("x").read() == b"1"
        assert open_place(f"{host}elsewhere/x")._address.options["key"] == "other"


def test_a_bucket_with_a_configured_endpoint_is_recorded_with_its_host() -> None:
    with wkplug.config.settings(storage={"s3://archive": {"endpoint_url": "http://store:9000", **KEYS}}):
        place = open_place("s3://archive/a/b")
        assert place.url == "s3://store:9000/archive/a/b"
        again = open_place(place.url)
        assert endpoint_of(again) == "http://store:9000"
        assert again._address.options["secret"] == "verysecret"
        foreign = open_place("s3://other:9000/archive/a")
        assert "secret" not in foreign._address.options


@pytest.mark.parametrize(
    ("url", "options", "expected", "endpoint"),
    [
        ("s3://bucket/key", {}, "s3://bucket/key", None),
        ("s3://localhost:5000/bucket/key", {}, "s3://localhost:5000/bucket/key", "http://localhost:5000"),
        ("s3://127.0.0.1:5000/bucket", {}, "s3://127.0.0.1:5000/bucket", "http://127.0.0.1:5000"),
        ("s3://s3.example.org/bucket/key", {}, "s3://s3.example.org/bucket/key", "https://s3.example.org"),
        ("s3://bucket/key", {"endpoint_url": "http://a:1"}, "s3://a:1/bucket/key", "http://a:1"),
        ("s3://a:1/bucket/key", {"endpoint_url": "http://a:1"}, "s3://a:1/bucket/key", "http://a:1"),
        ("s3://b/k", {"client_kwargs": {"endpoint_url": "http://a:1"}}, "s3://a:1/b/k", "http://a:1"),
        ("s3a://dotted.bucket", {}, "s3://dotted.bucket", None),
    ],
)
def test_endpoints_are_told_from_buckets(
    url: str, options: dict[str, Any], expected: str, endpoint: str | None
) -> None:
    place = open_place(url, options)
    assert place.url == expected
    assert endpoint_of(place) == endpoint
    assert place.child("x").url == expected + "/x"


def test_the_endpoint_of_the_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT_URL", "http://store:9000")
    assert open_place("s3://bucket/key").url == "s3://store:9000/bucket/key"
    assert endpoint_of(open_place("s3://store:9000/bucket")) == "http://store:9000"


def test_suffixed_credentials_follow_the_longest_whole_prefix() -> None:
    def variables(**suffixes: str) -> dict[str, str]:
        result = {}
        for suffix, value in suffixes.items():
            result[f"AWS_ACCESS_KEY_ID__{suffix}"] = f"id-{value}"
            result[f"AWS_SECRET_ACCESS_KEY__{suffix}"] = f"secret-{value}"
        return result

    environ = variables(
        LOCALHOST_5000="host", LOCALHOST_5000__MY_BUCKET="bucket", LOCALHOST_5000__MY_BUCKET__A="key"
    )
    find = suffix_credentials
    assert find(environ, "localhost:5000", ["my-bucket", "a", "b"]) == ("id-key", "secret-key")
    assert find(environ, "localhost:5000", ["my-bucket", "ab"]) == ("id-bucket", "secret-bucket")
    assert find(environ, "localhost:5000", ["other"]) == ("id-host", "secret-host")
    assert find(environ, "localhost:5001", ["my-bucket"]) is None
    assert find(environ, "localhost", ["my-bucket"]) is None
    environ["AWS_SECRET_ACCESS_KEY__LOCALHOST_5000__MY_BUCKET"] = ""
    assert find(environ, "localhost:5000", ["my-bucket", "x"]) is None


def test_suffixed_credentials_open_the_bucket(
    bucket: FsspecLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.child("x").write(b"1")
    host = bucket._address.root.split("/")[2].upper().replace(".", "_").replace(":", "_")
    monkeypatch.setenv(f"AWS_ACCESS_KEY_ID__{host}", "AKIAKEY")
    monkeypatch.setenv(f"AWS_SECRET_ACCESS_KEY__{host}", "verysecret")
    assert open_place(bucket.url).child("x").read() == b"1"


def test_a_lone_key_id_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "alone")
    assert open_place("s3://bucket/x").native("fsspec")["options"] == {"anon": True}


# --- S3 -----------------------------------------------------------------------------------------------------


def test_a_bucket_is_not_deleted_as_a_whole(bucket: FsspecLocation) -> None:
    with pytest.raises(StorageError, match="whole bucket"):
        bucket.parent.delete(recursive=True)


def test_anonymous_access_to_a_private_bucket_is_forbidden_or_works(bucket: FsspecLocation) -> None:
    bucket.child("x").write(b"1")
    place = open_place(bucket.url, {"anon": True}).child("x")
    assert place.native("tensorstore.kvstore")["aws_credentials"] == {"type": "anonymous"}  # type: ignore[index]
    with pytest.raises(ForbiddenError, match=r"refused access \(HTTP 403\)"):
        place.read()


def test_one_of_many_creators_wins(bucket: FsspecLocation) -> None:
    outcomes: list[str] = []

    def create() -> None:
        try:
            bucket.child("x").write(uuid.uuid4().bytes, if_match="")
            outcomes.append("made")
        except ConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 5 + ["made"]


def test_tensorstore_reads_what_was_written_and_the_other_way_round(bucket: FsspecLocation) -> None:
    tensorstore = pytest.importorskip("tensorstore")
    bucket.child("x").write(b"ours")
    store = tensorstore.KvStore.open(dict(bucket.native("tensorstore.kvstore") or {})).result()
    assert store.read("x").result().value == b"ours"
    store.write("y", b"theirs").result()
    assert bucket.child("y").read() == b"theirs"


HANDING_OVER = """
import os, signal, sys, tempfile
from wkplug.filesystems import s3
from wkplug.filesystems.fsspec import FsspecFilesystem
tempfile.tempdir = sys.argv[1]
if sys.argv[2] == "file":
    s3._OPEN_FILES = "/nowhere"
place = FsspecFilesystem().location('s3://localhost:1/b/k', options={'key': 'K', 'secret': 'S', 'token': 'T'})
path = place.native('tensorstore.kvstore')['aws_credentials']['credentials_file']
assert path == place.native('tensorstore.kvstore')['aws_credentials']['credentials_file']
assert os.stat(path).st_mode & 0o777 == 0o600
assert sys.argv[2] == "memory" or os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
for _ in range(2):
    assert 'aws_session_token = T' in open(path).read()
if sys.argv[3] != "end":
    os.kill(os.getpid(), getattr(signal, sys.argv[3]))
"""


def _keys_in_files(folder: Path, kind: str, end: str) -> int:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HANDING_OVER, folder, kind, end],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.returncode


@pytest.mark.parametrize("end", ["end", "SIGTERM", "SIGKILL"])
@pytest.mark.skipif(sys.platform != "linux", reason="files in memory are Linux's")
def test_keys_for_engines_are_in_no_file(tmp_path: Path, end: str) -> None:
    assert _keys_in_files(tmp_path, "memory", end) == (0 if end == "end" else -getattr(signal, end))
    assert list(tmp_path.iterdir()) == []


def test_files_with_keys_are_private_and_gone_at_exit(tmp_path: Path) -> None:
    assert _keys_in_files(tmp_path, "file", "end") == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_files_with_keys_of_the_killed_are_removed_by_the_next(tmp_path: Path) -> None:
    assert _keys_in_files(tmp_path, "file", "SIGTERM") == -signal.SIGTERM
    (tmp_path / f"wkplug-keys-{os.getpid()}-lives").mkdir()
    assert len(list(tmp_path.iterdir())) == 2
    assert _keys_in_files(tmp_path, "file", "end") == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"wkplug-keys-{os.getpid()}-lives"]


# --- leases -------------------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from wkplug.filesystems.fsspec import FsspecFilesystem
from wkplug.filesystems.leases import lease
place = FsspecFilesystem().location(sys.argv[1], options={"key": "K", "secret": "S"})
with lease(place, "k", 10, seconds=1.5):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.faults
def test_the_lease_of_a_killed_holder_runs_out(bucket: FsspecLocation) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, bucket.url], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        time.sleep(2.5)  # longer than the lease: it is being renewed
        with (
            pytest.raises(LockTimeoutError, match=f"process {holder.pid} on"),
            lease(bucket, "k", 1.0, seconds=1.5),
        ):
            pass
        holder.kill()
        holder.wait()
        with lease(bucket, "k", 20, seconds=1.5):  # a dead holder's lease runs out by itself
            pass


def test_a_holder_whose_lease_was_taken_is_told(bucket: FsspecLocation) -> None:
    def hold() -> None:
        with lease(bucket, "k", 5):
            bucket.child(next(bucket.list())).write(b'{"token": "someone else"}')

    with pytest.raises(ConflictError, match="was lost while it was held"):
        hold()
    assert b"someone else" in bucket.child(next(bucket.list())).read()


# --- HTTP ---------------------------------------------------------------------------------------------------


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


@given(st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 400_000)), max_size=12))
@settings(max_examples=100, deadline=None)
def test_merged_ranges_cover_each_range_in_one_piece(ranges: list[tuple[int, int]]) -> None:
    merged = merge(ranges)
    assert merged == sorted(merged)
    for start, stop in ranges:
        if start < stop:
            assert sum(first <= start and stop <= last for first, last in merged) == 1
    assert all(last < first for (_, last), (first, _) in itertools.pairwise(merged))


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
    with pytest.raises(StorageError, match=r"answered HTTP 500.*Tried 4 times") as broken:
        root.child("500/x").read()
    assert not isinstance(broken.value, MissingError | ForbiddenError)
    assert len(file_server.requests) == 4
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
    with pytest.raises(StorageError, match="Tried 4 times") as caught:
        place.exists()
    assert not isinstance(caught.value, MissingError | ForbiddenError)


def test_tokens_in_header_query_and_login_are_sent(file_server: Any) -> None:
    (file_server.folder / "private").mkdir()
    (file_server.folder / "private" / "x").write_bytes(b"yes")
    host = file_server.url.removeprefix("http://")
    folders = [
        open_place(f"http://{host}/private", {"headers": {"X-Auth-Token": "secret"}}),
        open_place(f"http://{host}/private", {"client_kwargs": {"headers": {"X-Auth-Token": "secret"}}}),
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


@pytest.mark.parametrize("conditions", ["ignored", "refused"])
def test_s3_stores_without_conditions_say_so_once(conditions: str) -> None:
    with serve_s3(conditions) as host:
        place = open_place(f"s3://{host}/bucket-{conditions}", KEYS)
        place._address.filesystem().mkdir(place._path)
        with (
            pytest.warns(UserWarning, match=f"{host}/ has no conditional writes here.*can be lost") as told,
            place.child("d").lock("properties"),
        ):
            pass
        assert [Path(one.filename).name for one in told] == [Path(__file__).name]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with place.child("other").lock("properties"):
                pass


def test_s3_stores_with_conditions_are_asked_once_in_silence(bucket: FsspecLocation) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("a", "b"):
            with bucket.child(name).lock("properties"):
                assert len(list(bucket.list())) == 1
