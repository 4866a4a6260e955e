"""Bad input, killed workers, full disks, and what the OME-NGFF metadata say of a pyramid."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

import wkplug as wk
from wkplug import errors, storage

from .test_pyramids import make

if TYPE_CHECKING:
    from pathlib import Path

MARK = ".wkplug-incomplete.json"

LIMITED = """
import resource, sys
import wkplug as wk
from wkplug.errors import WkplugError

layer = wk.Dataset.open(sys.argv[1]).get_layer("a")
layer.get_mag(1).read()
# A file may have so many bytes at most, which fails with EFBIG as a full disk fails with ENOSPC.
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
try:
    layer.downsample(coarsest_mag=8, executor=sys.argv[2])
except (WkplugError, OSError) as error:
    print("told:", error)
"""


@pytest.mark.faults
@pytest.mark.parametrize("executor", ["threads", "sequential"])
@pytest.mark.parametrize("data_format", ["wkw", "zarr", "zarr3"])
def test_a_full_disk_leaves_nothing_that_looks_complete(
    tmp_path: Path, data_format: str, executor: str
) -> None:
    data = np.random.default_rng(0).integers(1, 255, (1, 128, 128, 128)).astype("u2")
    layer = make(tmp_path / "d", data, data_format=data_format)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LIMITED, str(layer.dataset.path), executor],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if data_format == "zarr":  # its chunks are smaller than the limit
        assert done.stdout == ""
        return
    assert done.stdout.startswith("told: "), done.stderr[-2000:]
    layer = wk.Dataset.open(layer.dataset.path).get_layer("a")
    assert list(layer.mags) == [wk.Mag(1)]
    assert {path.parent.name for path in layer.path.rglob(MARK)} == {"2", "4", "8"}
    layer.downsample(coarsest_mag=8)
    assert list(layer.mags) == [wk.Mag(mag) for mag in (1, 2, 4, 8)]
    assert not list(layer.path.rglob(MARK))
    assert layer.get_mag(2).read().all()


KILLED = """
import os, signal, sys
import wkplug as wk
from wkplug.abc import Interpolation

class Deadly(Interpolation):
    name = "deadly"

    def reduce(self, block, factors):
        os.kill(os.getpid(), signal.SIGKILL)

from wkplug import registry
registry.interpolation = lambda *_, **__: Deadly()

if __name__ == "__main__":
    wk.Dataset.open(sys.argv[1]).get_layer("a").downsample(coarsest_mag=8, executor=sys.argv[2])
"""


@pytest.mark.faults
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_killed_workers_leave_marks_and_the_call_may_be_made_again(tmp_path: Path, executor: str) -> None:
    layer = make(tmp_path / "d", np.random.default_rng(0).integers(1, 9, (1, 64, 64, 64)).astype("u1"))
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), str(layer.dataset.path), executor],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    layer = wk.Dataset.open(layer.dataset.path).get_layer("a")
    assert list(layer.mags) == [wk.Mag(1)]
    assert len(list(layer.path.rglob(MARK))) == 3
    layer.downsample(coarsest_mag=8)
    assert not list(layer.path.rglob(MARK))
    assert layer.get_mag(8).read().all()


def test_a_source_that_is_not_complete_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.full((1, 32, 32, 32), 3, "u1"))
    view = layer.get_mag(1)
    storage.set_mark(view.location, storage.Mark(job="import a"))
    view.state.source.forget()
    for call in (
        lambda: layer.downsample(from_mag=1, coarsest_mag=4),
        lambda: layer.downsample_mag(1, 2),
        lambda: layer.downsample_mag_list(1, [2, 4]),
    ):
        with pytest.raises(errors.IncompleteMagError, match="is not complete: import a"):
            call()
    assert sorted(path.name for path in layer.path.iterdir() if path.is_dir()) == ["1"]


def test_mags_that_can_not_be(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.full((1, 32, 32, 32), 3, "u1"))
    with pytest.raises(
        RuntimeError, match=r"The coarsest mag 4-4-1 can not be reached from 1 with this voxel size"
    ):
        layer.downsample(coarsest_mag="4-4-1", align_with_other_layers=False)
    layer.downsample_mag(1, 2)
    with pytest.raises(
        errors.MagExistsError, match="already has the mag 2, which is the one to compute from"
    ):
        layer.downsample_mag_list(2, [2, 4], allow_overwrite=True)
    with pytest.raises(
        errors.MagError, match="The mag 1 can't be computed from 2, which is coarser along an axis"
    ):
        layer.downsample_mag_list(2, [1, 4], allow_overwrite=True)
    for wrong in (0, (8, 8), (8, -1, 8)):
        with pytest.raises(ValueError, match=r"(?s)buffer_shape is .*Give one number, or x, y, z"):
            layer.downsample(coarsest_mag=4, buffer_shape=wrong)
    assert list(layer.mags) == [wk.Mag(1), wk.Mag(2)]
    layer.downsample_mag_list(1, ["4", 4, 8])
    assert list(layer.mags) == [wk.Mag(1), wk.Mag(2), wk.Mag(4), wk.Mag(8)]


def test_a_source_of_another_kind_is_refused(tmp_path: Path) -> None:
    source = make(tmp_path / "source", np.full((1, 32, 32, 32), 3, "u2"))
    layer = make(tmp_path / "d", np.full((3, 32, 32, 32), 3, "u1"))
    with pytest.raises(
        ValueError, match=r"from_mag_view has uint16 voxels, 1 channel\(s\) and the axes c, x, y, z"
    ):
        layer.downsample(from_mag_view=source.get_mag(1), coarsest_mag=4)
    assert list(layer.mags) == [wk.Mag(1)]


def test_not_a_number_stays_one_and_spreads_no_further_than_its_blocks(tmp_path: Path) -> None:
    data = np.ones((1, 16, 16, 16), "f4")
    data[0, 3, 3, 3] = np.nan
    layer = make(tmp_path / "d", data)
    layer.downsample_mag_list(1, [2, 4, 8])
    for mag, place in ((2, 1), (4, 0), (8, 0)):
        found = layer.get_mag(mag).read()[0]
        assert np.isnan(found[place, place, place])
        assert np.isnan(found).sum() == 1
        assert np.nansum(found) == found.size - 1


@pytest.mark.parametrize("category", ["color", "segmentation"])
def test_a_constant_stays_the_same_in_all_mags_wherever_the_box_lies(tmp_path: Path, category: str) -> None:
    layer = make(tmp_path / "d", np.full((1, 37, 41, 19), 201, "u1"), (5, 11, 3), category=category)
    layer.downsample(coarsest_mag=64)
    assert len(layer.mags) == 7
    for view in layer.mags.values():
        assert (view.read() == 201).all()


def test_large_values_do_not_overflow(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.full((1, 16, 16, 16), 2**32 - 1, "u4"))
    for mode in ("mean", "median", "bilinear"):
        layer.downsample(coarsest_mag=4, interpolation_mode=mode, from_mag=1, allow_overwrite=True)
        assert (layer.get_mag(4).read() == 2**32 - 1).all()
    labels = make(tmp_path / "l", np.full((1, 16, 16, 16), 2**63 + 1, "u8"), category="segmentation")
    for mode in ("mode", "median", "max"):
        labels.downsample(coarsest_mag=4, interpolation_mode=mode, from_mag=1, allow_overwrite=True)
        assert (labels.get_mag(4).read() == 2**63 + 1).all()


def test_the_metadata_say_where_the_centres_of_coarser_voxels_lie(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.full((1, 64, 64, 32), 9, "u1"), voxel_size=(4, 4, 35))
    layer.downsample(coarsest_mag=8)
    assert [str(mag) for mag in layer.mags] == ["1", "2-2-1", "4-4-1", "8-8-1"]
    document = json.loads((layer.path / "zarr.json").read_text())
    found = {}
    for dataset in document["attributes"]["ome"]["multiscales"][0]["datasets"]:
        steps = {step["type"]: step[step["type"]] for step in dataset["coordinateTransformations"]}
        found[dataset["path"]] = (steps["scale"][-3:], steps.get("translation", [0] * 4)[-3:])
    # The first voxel's centre is half a voxel from the corner: (mag - 1) / 2 voxels of mag 1 further in.
    for mag in layer.mags:
        extents = [factor * size for factor, size in zip(mag, (4, 4, 35), strict=True)]
        shifts = [(factor - 1) / 2 * size for factor, size in zip(mag, (4, 4, 35), strict=True)]
        assert found[mag.to_layer_name()] == (extents, shifts)
