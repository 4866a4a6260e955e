"""Jobs that start at the same moment and make what they share: dataset, layer, mag."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from wkplug.model import changes

if TYPE_CHECKING:
    from pathlib import Path

JOB = """
import sys, time
import numpy as np
import wkplug as wk

path, number, count, data_format = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
wk.BoundingBox, wk.Dataset, np.full  # imported before the start
print("ready", flush=True)
sys.stdin.readline()
dataset = wk.Dataset(path, voxel_size=(4, 4, 40), exist_ok=True)
box = wk.BoundingBox((0, 0, 0), (32 * count, 32, 32))
layer = dataset.get_or_add_layer("color", "color", dtype="uint8", data_format=data_format, bounding_box=box)
mag = layer.get_or_add_mag(1, chunk_shape=32, shard_shape=32)
mag.write(np.full((32, 32, 32), number + 1, "uint8"), absolute_offset=(32 * number, 0, 0))
"""


@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
def test_jobs_that_start_at_once_share_what_they_make(tmp_path: Path, data_format: str) -> None:
    count = 4
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", JOB, str(tmp_path / "ds"), str(number), str(count), data_format],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    for job in jobs:
        assert job.stdout is not None
        assert job.stdout.readline() == "ready\n"
    for job in jobs:
        assert job.stdin is not None
        job.stdin.write("go\n")
        job.stdin.flush()
    ends = [job.communicate(timeout=60) for job in jobs]
    assert [(job.returncode, end[1]) for job, end in zip(jobs, ends, strict=True)] == [(0, "")] * count
    mag = wk.Dataset.open(tmp_path / "ds").get_layer("color").get_mag(1)
    assert mag.read()[0, ::32, 0, 0].tolist() == [1, 2, 3, 4]


def test_what_another_job_has_made_must_be_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other job comes between the look and the making, where no test of processes hits for sure."""
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    late = wk.Dataset.open(tmp_path / "ds")
    layer = dataset.add_layer("color", "color", dtype="uint16")
    with pytest.raises(AssertionError, match="exists with dtype='uint16', but 'uint8' was asked for"):
        late.get_or_add_layer("color", "color", dtype="uint8")
    late_layer = late.get_layer("color")
    assert list(late_layer.mags) == []
    layer.add_mag(1, chunk_shape=32, shard_shape=64)
    with pytest.raises(ValueError, match="exists with chunk_shape"):
        late_layer.get_or_add_mag(1, chunk_shape=64)
    assert late_layer.get_or_add_mag(1, chunk_shape=32).info.shard_shape == (64, 64, 64)
    seen = []
    store_at = changes._store_at

    def not_seen_yet(location: Any) -> Any:
        seen.append(location)
        if len(seen) > 1:
            monkeypatch.undo()
        return None if len(seen) == 1 else store_at(location)

    monkeypatch.setattr(changes, "_store_at", not_seen_yet)
    assert wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1), exist_ok=True).voxel_size == (1, 1, 1)
    seen.clear()
    monkeypatch.setattr(changes, "_store_at", not_seen_yet)
    with pytest.raises(RuntimeError, match=r"has the voxel size .* but .* was asked for"):
        wk.Dataset(tmp_path / "ds", voxel_size=(2, 2, 2), exist_ok=True)
    monkeypatch.undo()
    assert np.asarray(late_layer.get_mag(1)).size == 0
