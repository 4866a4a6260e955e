"""A memory budget holds: the peak of a process and of its workers, measured by the system, not by us."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from wkplug import errors

from .test_pyramids import make

if TYPE_CHECKING:
    from pathlib import Path

# Prints the peaks of this process and of its largest child, in bytes.
CHILD = """
import json, resource, sys
import wkplug as wk

if __name__ == "__main__":
    path, executor, memory = sys.argv[1:]
    wk.Dataset.open(path).get_layer("a").downsample_mag_list(
        1, [2, 4, 8], executor=executor, memory=None if memory == "-" else memory
    )
    own = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps([own * 1024, child * 1024]))
"""


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Layers of 384^3 uint16 that hardly compress, in shards that hold all of it: 113 MB."""
    data = np.random.default_rng(0).integers(1, 2**16, (1, 384, 384, 96)).astype("u2")
    found = {}
    for data_format in ("wkw", "zarr3"):
        path = tmp_path_factory.mktemp(data_format) / "d"
        dataset = wk.Dataset(path, voxel_size=(1, 1, 1))
        box = wk.BoundingBox((0, 0, 0), (384, 384, 384))
        layer = dataset.add_layer("a", "color", dtype="uint16", data_format=data_format, bounding_box=box)
        mag = layer.add_mag(1, chunk_shape=32, shard_shape=128, compress=data_format == "zarr3")
        for z in range(0, 384, 96):
            mag.write(data, absolute_offset=(0, 0, z), allow_unaligned=True)
        found[data_format] = path
    return found


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
@pytest.mark.parametrize(("executor", "memory"), [("threads", 200), ("threads", 300), ("processes", 650)])
def test_the_peak_of_all_processes_stays_below_the_budget(
    volume: dict[str, Path], data_format: str, executor: str, memory: int
) -> None:
    layer = wk.Dataset.open(volume[data_format]).get_layer("a")
    for mag in (2, 4, 8):
        if wk.Mag(mag) in layer.mags:
            layer.delete_mag(mag)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(volume[data_format]), executor, f"{memory}MB"],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    own, child = json.loads(done.stdout.splitlines()[-1])
    from wkplug.builtin.executors import available_workers

    workers = available_workers() if executor == "processes" else 0
    assert own + workers * child <= memory * 10**6, (own, child, workers)
    layer = wk.Dataset.open(volume[data_format]).get_layer("a")
    assert layer.get_mag(8).read().all()


def test_a_small_budget_gives_the_same_voxels(tmp_path: Path) -> None:
    from wkplug.ops.pyramids import passes

    data = np.random.default_rng(5).integers(1, 255, (1, 160, 130, 140)).astype("u1")
    expected, found = (make(tmp_path / name, data) for name in ("a", "b"))
    expected.downsample(coarsest_mag=8)
    least = passes.taken_by_workers(_Sequential()) + 4 * 10**6
    found.downsample(coarsest_mag=8, memory=least, executor="sequential")
    for mag in (2, 4, 8):
        np.testing.assert_array_equal(found.get_mag(mag).read(), expected.get_mag(mag).read())
        assert found.get_mag(mag).info == expected.get_mag(mag).info


class _Sequential:
    """As much of a runner as says that work stays here."""

    workers = 1

    def __init__(self) -> None:
        from wkplug.builtin.executors import SequentialExecutor

        self.inner: Any = SequentialExecutor()


@pytest.mark.parametrize("executor", ["sequential", "processes"])
def test_too_small_a_budget_is_an_error_that_names_the_least(tmp_path: Path, executor: str) -> None:
    layer = make(tmp_path / "d", np.full((1, 64, 64, 64), 3, "u1"))
    layer.downsample(coarsest_mag=2)
    text = (
        r"^Downsampling 'a' to the mag 2 takes at least (\d+) MB of memory, \d+ MB of which Python and its workers "
        r"take by themselves; allowed are 1 MB\.\n  Pass memory=\"\1MB\" or more\.$"
    )
    for kind in (ValueError, MemoryError, errors.TooLargeError):
        with pytest.raises(kind, match=text):
            layer.downsample(
                from_mag=1, coarsest_mag=4, memory="1MB", executor=executor, allow_overwrite=True
            )
    # Nothing has changed, and nothing is left.
    assert list(layer.mags) == [wk.Mag(1), wk.Mag(2)]
    assert (layer.get_mag(2).read() == 3).all()
    assert sorted(file.name for file in layer.path.iterdir() if file.is_dir()) == ["1", "2"]
    with pytest.raises(ValueError, match="'many' is no amount of memory"):
        layer.downsample(coarsest_mag=4, memory="many")
