"""`convert-raw`, `convert-zarr` and `convert-knossos` write what the commands of webknossos write."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import wkplug as wk
from tests.integration.peer import PYTHON, alone, needs_peer
from wkplug.cli.main import main

pytestmark = [pytest.mark.peer, needs_peer]

SIZE = (70, 40, 50)


def both(*arguments: str) -> tuple[wk.Layer, wk.Layer]:
    """Run a command of ours and of theirs; SOURCE comes first, TARGET is put behind it."""
    command, source, *options = arguments
    assert main([command, source, "ours", *options]) == 0
    theirs_options = ["--distribution-strategy", "sequential", "--shard-shape", "128,128,128", *options]
    with alone():
        done = subprocess.run(
            [PYTHON.parent / "webknossos", command, source, "theirs", *theirs_options],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    ours, theirs = wk.Dataset.open("ours"), wk.Dataset.open("theirs")
    assert ours.voxel_size == theirs.voxel_size
    return ours.get_layer("color"), theirs.get_layer("color")


def check(ours: wk.Layer, theirs: wk.Layer) -> None:
    assert (ours.category, ours.dtype) == (theirs.category, theirs.dtype)
    assert ours.bounding_box == theirs.bounding_box
    assert list(ours.mags) == list(theirs.mags)
    for mag in ours.mags:
        assert np.array_equal(ours.get_mag(mag).read(), theirs.get_mag(mag).read()), mag


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return np.random.default_rng(0).integers(1, 250, SIZE).astype("uint8")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--flip-axes", "1,2,3"],
        ["--source-dtype", "uint16", "--rescale-min-max", "0,2500", "--dtype", "uint8"],
        ["--source-dtype", "float32", "--rescale-min-max", "0,2500", "--dtype", "float32"],
    ],
)
def test_raw_files(data: Any, order: Any, options: list[str]) -> None:
    stored = data.astype(options[1]) * 10 if "--source-dtype" in options else data
    Path("a.raw").write_bytes(stored.tobytes(order=order))
    shape = ["--shape", "70,40,50", "--voxel-size", "4,4,40", "--order", order, "--max-mag", "2"]
    check(*both("convert-raw", "a.raw", *shape, *options))


@pytest.mark.filterwarnings("ignore:.*doesn't name its axes:UserWarning")
@pytest.mark.parametrize("version", [2, 3])
def test_arrays(data: Any, version: Any) -> None:
    zarr.create_array("a.zarr", data=data, chunks=(32, 32, 32), zarr_format=version)
    ours, theirs = both(
        "convert-zarr", "a.zarr", "--voxel-size", "4,4,40", "--is-segmentation-layer", "--max-mag", "2"
    )
    check(ours, theirs)
    assert ours.largest_segment_id == theirs.largest_segment_id  # type: ignore[attr-defined]


def test_cubes(data: Any) -> None:
    del data
    cube = np.random.default_rng(0).integers(0, 250, (128,) * 3).astype("uint8")
    for x, voxels in ((1, cube), (2, cube[::-1])):
        place = Path("cubes") / f"x{x:04}" / "y0000" / "z0001"
        place.mkdir(parents=True)
        (place / f"c_x{x:04}_y0000_z0001.raw").write_bytes(voxels.tobytes(order="F"))
    check(*both("convert-knossos", "cubes", "--voxel-size", "9,9,20"))
