"""What engines that do their own I/O are told: the same place, with the same credentials, and no secrets in sight."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from wkplug.storage import locate

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Way
    from tests.servers.fixtures import Bucket


def test_tensorstore_reads_what_was_written_and_the_other_way_round(
    s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensorstore = pytest.importorskip("tensorstore")
    given = locate(f"{s3_bucket.url}/data", options=s3_bucket.options)
    assert "verysecret" not in repr(given.native("tensorstore.kvstore"))
    for name, value in s3_bucket.environment.items():
        monkeypatch.setenv(name, value)
    for place in (given, locate(f"{s3_bucket.url}/other")):
        place.child("x").write(b"ours")
        store = tensorstore.KvStore.open(dict(place.native("tensorstore.kvstore") or {})).result()
        assert store.read("x").result().value == b"ours"
        store.write("y", b"theirs").result()
        assert place.child("y").read() == b"theirs"


def test_tensorstore_asks_as_nobody_where_that_is_meant(
    s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_bucket.environment.items():
        monkeypatch.setenv(name, value)
    native = locate(f"{s3_bucket.url}/data", options={"anon": True}).native("tensorstore.kvstore")
    assert native is not None
    assert native["aws_credentials"] == {"type": "anonymous"}


def test_drivers_of_fsspec_open_the_same_place(way: Way) -> None:
    import fsspec

    if way.bucket.url.startswith("gs:"):
        pytest.skip("gcsfs spends a minute looking for kinds of buckets that no emulator has")
    place = way.place("data")
    place.child("x").write(b"ours")
    native = place.native("fsspec")
    assert native is not None
    driver = fsspec.filesystem(native["protocol"], **native["options"], skip_instance_cache=True)
    assert driver.cat_file(f"{native['path']}/x") == b"ours"


HANDING_OVER = """
import os, signal, sys, tempfile
from wkplug_cloud import key_files
from wkplug_cloud.filesystems import S3ThroughObstore
tempfile.tempdir = sys.argv[1]
if sys.argv[2] == "file":
    key_files._OPEN_FILES = "/nowhere"
place = S3ThroughObstore().location('s3://localhost:1/b/k', options={'key': 'K', 'secret': 'S', 'token': 'T'})
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


def test_the_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, wkplug_cloud.plugin as p; names = [s.name for s in p.wkplug_filesystems()]; "
        "assert len(names) == 6; "
        "assert not {'obstore', 'fsspec', 's3fs', 'gcsfs', 'adlfs', 'botocore'} & set(sys.modules); "
        "import wkplug_cloud.filesystems as f; "
        "f.S3ThroughObstore.store('s3://bucket/x').native('fsspec', 'x'); "
        "assert not {'obstore', 'fsspec', 's3fs', 'gcsfs', 'adlfs', 'botocore'} & set(sys.modules)"
    )
    environment = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment
    )
    assert not done.stderr
