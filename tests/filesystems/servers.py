"""Places behind URLs as the core's own file systems open them; the servers are those of `tests.servers`."""

from __future__ import annotations

from typing import Any

from tests.servers.emulators import KEYS
from tests.servers.emulators import moto as serve_s3
from tests.servers.files import FileServer, serve_files
from wkplug.filesystems.fsspec import FsspecFilesystem

__all__ = ["KEYS", "FileServer", "open_place", "serve_files", "serve_s3"]


def open_place(url: str, options: dict[str, Any] | None = None) -> Any:
    return FsspecFilesystem().location(url, options=options)
