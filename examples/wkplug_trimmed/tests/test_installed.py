"""Once installed, the mode is one among the others: from Python and from the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent

MAKE = """
import numpy as np
import wkplug as wk

dataset = wk.Dataset("dataset", voxel_size=(10, 10, 10))
voxels = np.full((64, 64, 64), 10, "uint8")
voxels[1::2, ::2, ::2] = 255
for name, category in (("em", "color"), ("cells", "segmentation")):
    layer = dataset.add_layer(name, category, dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64)))
    layer.add_mag(1, chunk_shape=32, shard_shape=64).write(voxels)
dataset.get_layer("em").downsample_mag(1, 2, interpolation_mode="trimmed_mean")
print(np.unique(dataset.get_layer("em").get_mag(2).read()).tolist())
"""
LOOK = """
import numpy as np
import wkplug as wk

print(np.unique(wk.Dataset.open("dataset").get_layer("em").get_mag(4).read()).tolist())
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder into which pip has installed the example."""
    target = tmp_path / "packages"
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(HERE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def test_the_mode_works_by_name_from_python_and_the_command_line(installed: Path, tmp_path: Path) -> None:
    variables = os.environ | {"PYTHONPATH": str(installed), "COLUMNS": "300"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)

    done = run("-c", MAKE)
    assert done.stdout == "[10]\n", done.stderr

    main = "from wkplug.cli.main import main; raise SystemExit(main())"
    downsample = ("-c", main, "downsample", "dataset", "--coarsest-mag", "4", "--interpolation-mode")
    done = run(*downsample, "TRIMMED_MEAN", "--layer-name", "em")
    assert done.returncode == 0, done.stderr
    assert run("-c", LOOK).stdout == "[10]\n"

    done = run(*downsample, "trimmed", "--layer-name", "cells")
    assert done.returncode == 1
    assert "The interpolation mode 'trimmed' is not for segmentation layers." in done.stderr
    assert "For segmentation layers there are: max, median, min, mode, mode_sparse, nearest." in done.stderr
