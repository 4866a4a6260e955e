"""What libraries log, on the command line: nothing, unless it is asked for."""

from __future__ import annotations

import logging
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from wkplug.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "wkplug.cli.main"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Sections whose software and resolution have a type that TIFF doesn't know, which tifffile logs."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(2):
        file = folder / f"{number}.tif"
        tifffile.imwrite(file, np.zeros((40, 40), "u1"))
        data = bytearray(file.read_bytes())
        (start,) = struct.unpack_from("<I", data, 4)
        (count,) = struct.unpack_from("<H", data, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            if struct.unpack_from("<H", data, place)[0] in (282, 305):
                struct.pack_into("<H", data, place + 2, 99)
        file.write_bytes(bytes(data))
    return folder


def run(*arguments: str) -> str:
    """Give what the command writes to stderr."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_what_libraries_log_is_shown_only_if_asked_for(images: Path) -> None:
    assert run("inspect", str(images / "0.tif")) == ""
    assert "invalid data type 99" in run("--verbose", "inspect", str(images / "0.tif"))


def test_workers_are_as_quiet(images: Path, tmp_path: Path) -> None:
    arguments = ["convert", str(images), str(tmp_path / "out"), "--voxel-size", "1,1,1"]
    arguments += ["--distribution-strategy", "processes", "--jobs", "2"]
    assert "<" not in run(*arguments)


def test_a_command_leaves_logging_as_it_was(images: Path) -> None:
    before = logging.lastResort
    assert main(["inspect", str(images / "0.tif")]) == 0
    assert logging.lastResort is before
