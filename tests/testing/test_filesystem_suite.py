"""The filesystem suite passes on what the core brings; plugins run it on theirs."""

from __future__ import annotations

import uuid
import zipfile

import pytest

from wkplug.abc import locate
from wkplug.filesystems.fsspec import FsspecFilesystem
from wkplug.testing import FilesystemSuite


class TestLocal(FilesystemSuite):
    folders = True

    @pytest.fixture
    def place(self, tmp_path):
        return locate(tmp_path / "root")


class TestMemory(FilesystemSuite):
    shared = False

    @pytest.fixture
    def place(self):
        return locate(f"memory://{uuid.uuid4().hex}")


class TestZip(FilesystemSuite):
    writes = False
    locks = False
    folders = True

    @pytest.fixture
    def place(self, tmp_path, fill):
        return locate(f"zip://::{tmp_path / 'archive.zip'}")

    @pytest.fixture
    def fill(self, tmp_path):
        path = tmp_path / "archive.zip"
        zipfile.ZipFile(path, "w").close()

        def write(files):
            with zipfile.ZipFile(path, "a") as archive:
                for name, data in files.items():
                    archive.writestr(name, data)

        return write


class TestAnyDriverOfFsspec(FilesystemSuite):
    """fsspec's own driver for local files, as a stand-in for shares (ftp, smb, sftp) that promise less."""

    conditional = False
    atomic = False
    locks = False

    @pytest.fixture
    def place(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)  # this driver takes paths of URLs for relative ones
        return FsspecFilesystem().location("local://share/root")

    @pytest.mark.skip(reason="local:// is nobody's scheme: disks are opened without a driver")
    def test_places_pickle_without_secrets(self):
        pass
