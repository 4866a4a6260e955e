"""Leases on a real object store: holders that die, leases that are taken away, and stores that keep no conditions."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

from tests.servers.emulators import KEYS, moto
from wkplug import storage
from wkplug.errors import ConflictError, LockTimeoutError
from wkplug.filesystems.leases import lease

if TYPE_CHECKING:
    from tests.servers.fixtures import Bucket
    from wkplug.abc import Location

pytestmark = pytest.mark.usefixtures("no_credentials")


@pytest.fixture
def folder(s3_bucket: Bucket) -> Location:
    return storage.locate(f"{s3_bucket.url}/data", options=s3_bucket.options)


HOLDER = """
import ast, sys, time
from wkplug.storage import locate
from wkplug.filesystems.leases import lease
with lease(locate(sys.argv[1], options=ast.literal_eval(sys.argv[2])), "k", 10, seconds=1.5):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.faults
def test_the_lease_of_a_killed_holder_runs_out(folder: Location, s3_bucket: Bucket) -> None:
    command = [sys.executable, "-c", HOLDER, folder.url, repr(s3_bucket.options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        time.sleep(2.5)  # longer than the lease: it is being renewed
        with (
            pytest.raises(LockTimeoutError, match=f"process {holder.pid} on"),
            lease(folder, "k", 1.0, seconds=1.5),
        ):
            pass
        holder.kill()
        holder.wait()
        with lease(folder, "k", 20, seconds=1.5):  # a dead holder's lease runs out by itself
            pass


def test_a_holder_whose_lease_was_taken_is_told(folder: Location) -> None:
    def hold() -> None:
        with lease(folder, "k", 5, seconds=0.3):
            folder.child(next(folder.list())).write(b'{"token": "someone else"}')
            time.sleep(0.2)

    with pytest.raises(ConflictError, match="was lost while it was held"):
        hold()
    assert b"someone else" in folder.child(next(folder.list())).read()


@pytest.mark.parametrize("conditions", ["ignored", "refused"])
def test_servers_without_conditions_are_found_out_once(conditions: str) -> None:
    with moto(conditions) as host:
        with urlopen(Request(f"http://{host}/bucket", method="PUT")):
            place = storage.locate(f"s3://{host}/bucket", options=KEYS)
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


def test_replacing_finds_out_as_creating_does() -> None:
    with moto("ignored") as host:
        with urlopen(Request(f"http://{host}/bucket", method="PUT")):
            place = storage.locate(f"s3://{host}/bucket/x", options=KEYS)
        first = place.write(b"1")
        with pytest.warns(UserWarning, match="has no conditional writes here"):
            second = place.write(b"2", if_match=first)
        with pytest.raises(ConflictError):
            place.write(b"3", if_match=first)
        place.write(b"3", if_match=second)
        assert place.read() == b"3"
