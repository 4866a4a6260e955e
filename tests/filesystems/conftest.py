"""Servers that the tests of places share, and an environment without anybody's credentials."""

from __future__ import annotations

import importlib.util
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from wkplug.filesystems.drivers import FsspecLocation


def _servers() -> ModuleType:
    # Test folders are no packages, so that those of different distributions can't clash.
    spec = importlib.util.spec_from_file_location(
        "wkplug_test_servers", Path(__file__).with_name("servers.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The host and port of an S3 server of this session."""
    with _servers().serve_s3() as host:
        yield host


@pytest.fixture
def bucket(s3_server: str) -> FsspecLocation:
    """A folder in a new bucket."""
    servers = _servers()
    place: FsspecLocation = servers.open_place(f"s3://{s3_server}/bucket-{uuid.uuid4().hex}", servers.KEYS)
    place._address.filesystem().mkdir(place._path)
    return place.child("data")


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[Any]:
    """An HTTP server for the files below tmp_path / "www"."""
    folder = tmp_path / "www"
    folder.mkdir()
    with _servers().serve_files(folder) as server:
        server.folder = folder
        yield server


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the machine's environment and configuration say of Amazon."""
    for name in os.environ:
        if name.startswith(("AWS_", "S3_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
