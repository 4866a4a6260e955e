"""Places behind HTTP keep every promise of places that can only be read, on a real web server."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from wkplug.abc import locate
from wkplug.testing import FilesystemSuite

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.servers.emulators import Nginx
    from wkplug.abc import Location
    from wkplug.testing.filesystems import Fill


class TestWebServer(FilesystemSuite):
    writes = False
    lists = False
    locks = False

    @pytest.fixture
    def folder(self, nginx: Nginx) -> Path:
        return nginx.folder / uuid.uuid4().hex

    @pytest.fixture
    def place(self, nginx: Nginx, folder: Path) -> Location:
        return locate(f"{nginx.url}/plain/{folder.name}")

    @pytest.fixture
    def fill(self, folder: Path) -> Fill:
        def write(files: Mapping[str, bytes]) -> None:
            for name, data in files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)

        return write
