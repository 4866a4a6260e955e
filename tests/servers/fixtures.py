"""Fixtures of the servers for all tests of this tree; the root's conftest.py makes them known.

Servers of other people run once per session, and a test has a bucket of its own in them. What can't be started here
is a skip with the reason.
"""

from __future__ import annotations

import json
import os
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

import wkplug
from tests.servers import emulators
from tests.servers.counting import CountingServer
from tests.servers.emulators import AZURE_ACCOUNT, AZURE_KEY, KEYS, Unavailable
from tests.servers.files import FileServer, serve_files
from tests.servers.proxies import FaultProxy
from wkplug.abc import locate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.servers.emulators import FtpServer, Nginx

__all__ = ["Bucket", "serving_buckets"]

_CLOUDS = ("AWS_", "S3_", "GOOGLE_", "GCS_", "GCLOUD_", "STORAGE_EMULATOR", "AZURE_")


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of a server: its URL for wkplug, options that open it, and variables that do."""

    url: str
    options: dict[str, Any] = field(repr=False)
    environment: dict[str, str] = field(repr=False)
    server: str = ""
    """The URL of the server itself, as a proxy before it needs it."""
    name: str = ""


@contextmanager
def _or_skip(server: AbstractContextManager[Any]) -> Iterator[Any]:
    try:
        found = server.__enter__()
    except Unavailable as reason:
        pytest.skip(str(reason))
    try:
        yield found
    finally:
        server.__exit__(None, None, None)


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the machine's environment and configuration say of clouds."""
    for name in list(os.environ):
        if name.startswith(_CLOUDS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


@contextmanager
def serving_buckets(server: CountingServer) -> Iterator[Any]:
    """Start a counting server whose buckets open as s3://HOST/..., and which has been asked for its conditions."""
    with server as started:
        keys = {**KEYS, "endpoint_url": started.url}
        with wkplug.settings(storage={f"s3://{started.host}": keys}):
            # Whether the store checks conditions is looked at once.
            locate(f"s3://{started.host}/bucket/first").write(b"", if_match="")
            yield started


@pytest.fixture
def counting_server() -> Iterator[CountingServer]:
    """An S3 and HTTP server of this test's own that counts requests; any bucket is there, any key opens it."""
    with CountingServer() as server:
        yield server


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[FileServer]:
    """A web server for the files below tmp_path / "www" (`file_server.folder`), which misbehaves as told."""
    folder = tmp_path / "www"
    folder.mkdir()
    with serve_files(folder) as server:
        yield server


@pytest.fixture
def fault_proxy() -> Iterator[Callable[[str], FaultProxy]]:
    """Make a proxy before a server's URL, which spoils the answers that it is told to."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda url: stack.enter_context(FaultProxy(url))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The host and port of an S3 server."""
    with _or_skip(emulators.moto()) as host:
        yield host


@pytest.fixture(scope="session")
def gs_server() -> Iterator[str]:
    """The URL of a server of Google's storage."""
    with _or_skip(emulators.fake_gcs()) as url:
        yield url


@pytest.fixture(scope="session")
def az_server() -> Iterator[str]:
    """The URL of the account of an Azure blob server."""
    with _or_skip(emulators.azurite()) as url:
        yield url


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """A real web server, for the files of a folder of its own (`nginx.folder`)."""
    home: Path = tmp_path_factory.mktemp("nginx")
    folder = home / "files"
    folder.mkdir()
    with _or_skip(emulators.nginx(folder, home)) as server:
        yield server


@pytest.fixture
def ftp_server(tmp_path: Path) -> Iterator[FtpServer]:
    """An FTP server of this test's own, for the files below tmp_path / "ftp" (`ftp_server.folder`)."""
    folder = tmp_path / "ftp"
    folder.mkdir()
    with _or_skip(emulators.ftp(folder)) as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: str, no_credentials: None) -> Bucket:
    """A new bucket of the S3 server."""
    return new_s3_bucket(s3_server)


def new_s3_bucket(host: str) -> Bucket:
    """Make a bucket in moto."""
    name = f"bucket-{uuid.uuid4().hex}"
    urlopen(Request(f"http://{host}/{name}", method="PUT"), timeout=10).close()
    environment = {"AWS_ACCESS_KEY_ID": KEYS["key"], "AWS_SECRET_ACCESS_KEY": KEYS["secret"]}
    return Bucket(f"s3://{host}/{name}", dict(KEYS), environment, f"http://{host}", name)


@pytest.fixture
def gs_bucket(gs_server: str, no_credentials: None) -> Bucket:
    """A new bucket of the server of Google's storage."""
    return new_gs_bucket(gs_server)


def new_gs_bucket(gs_server: str) -> Bucket:
    """Make a bucket in fake-gcs-server."""
    name = f"bucket-{uuid.uuid4().hex}"
    body = json.dumps({"name": name}).encode()
    headers = {"Content-Type": "application/json"}
    urlopen(Request(f"{gs_server}/storage/v1/b", body, headers, method="POST"), timeout=10).close()
    options = {"endpoint_url": gs_server, "token": "anon"}
    return Bucket(f"gs://{name}", options, {"STORAGE_EMULATOR_HOST": gs_server}, gs_server, name)


@pytest.fixture
def az_bucket(az_server: str, no_credentials: None) -> Bucket:
    """A new container of the Azure server."""
    return new_az_bucket(az_server)


def new_az_bucket(az_server: str) -> Bucket:
    """Make a container in azurite."""
    blobs = pytest.importorskip("azure.storage.blob")
    text = f"DefaultEndpointsProtocol=http;AccountName={AZURE_ACCOUNT};AccountKey={AZURE_KEY};BlobEndpoint={az_server};"
    name = f"bucket-{uuid.uuid4().hex}"
    with blobs.BlobServiceClient.from_connection_string(text) as client:
        client.create_container(name)
    environment = {"AZURE_STORAGE_CONNECTION_STRING": text}
    return Bucket(f"az://{name}", {"connection_string": text}, environment, az_server, name)
