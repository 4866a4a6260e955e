"""S3, against a real server: secrets, endpoints, conditional writes, leases, and engines that do their own I/O."""

from __future__ import annotations

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
from typing import Any

import pytest

import wkplug.config
from tests.filesystems.servers import KEYS, open_place, serve_s3
from wkplug.errors import (
    ConflictError,
    ForbiddenError,
    LockTimeoutError,
    StorageError,
)
from wkplug.filesystems.drivers import FsspecLocation
from wkplug.filesystems.leases import lease
from wkplug.filesystems.s3 import suffix_credentials

pytestmark = pytest.mark.usefixtures("no_credentials")


def endpoint_of(place: FsspecLocation) -> str | None:
    return place.native("fsspec")["options"].get("endpoint_url")


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
