"""What libraries log, on the command line: nothing, unless it is asked for."""

from __future__ import annotations

import logging
import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import wkplug as wk
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
    for option in ("-v", "--verbose"):
        told = run(option, "inspect", str(images / "0.tif"))
        assert any(line.startswith(("ERROR tifffile: ", "WARNING tifffile: ")) for line in told.splitlines())
        assert "invalid data type 99" in told
        assert "DEBUG" not in told


def test_what_wkplug_does_is_logged_with_its_level(tmp_path: Path) -> None:
    layer = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1)).add_layer("em", "color")
    layer.bounding_box = wk.BoundingBox((0, 0, 0), (16, 16, 16))
    layer.add_mag(1).write(np.ones((16, 16, 16), "uint8"))
    told = run("-v", "check-equality", str(tmp_path / "ds"), str(tmp_path / "ds"))
    assert "DEBUG" not in told
    told = run("-vv", "copy-dataset", str(tmp_path / "ds"), str(tmp_path / "copy"))
    assert re.search(r"^INFO wkplug: copy ds: done in \d+\.\d s$", told, re.MULTILINE)


def test_workers_are_as_quiet(images: Path, tmp_path: Path) -> None:
    arguments = ["convert", str(images), str(tmp_path / "out"), "--voxel-size", "1,1,1"]
    arguments += ["--distribution-strategy", "processes", "--jobs", "2"]
    assert "<" not in run(*arguments)


def test_a_command_leaves_logging_as_it_was(images: Path) -> None:
    before = logging.lastResort
    assert main(["inspect", str(images / "0.tif")]) == 0
    assert logging.lastResort is before
