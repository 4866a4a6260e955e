"""Processes killed in the middle of a write: every shard is the old or the new one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from wkplug_wkw.backend import WkwBackend

from wkplug.filesystems.local import LocalLocation

from .conftest import Make

pytestmark = pytest.mark.faults

WRITER = """
import sys, numpy as np
from wkplug_wkw.backend import WkwBackend
from wkplug.filesystems.local import LocalLocation
array = WkwBackend().open(LocalLocation(sys.argv[1]), "r+")
box = ((0, 0, 0, 0), (1, 128, 64, 64))
part = ((0, 3, 3, 3), (1, 120, 60, 60))
print("ready", flush=True)
for value in range(2, 10**6):
    where = box if value % 2 else part
    array.write(where, np.full(where[1], value % 250 + 1, np.uint8, order="F"))
"""


@pytest.mark.parametrize("kind", ["raw", "lz4"])
def test_a_killed_writer_leaves_whole_shards(make: Make, kind: str) -> None:
    array = make(chunk=16, shard=64, options={"block_type": kind})
    box = ((0, 0, 0, 0), (1, 128, 64, 64))
    array.write(box, np.full(box[1], 1, np.uint8, order="F"))
    rng = np.random.default_rng(1)
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, array.location.url], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            time.sleep(float(rng.uniform(0.0, 0.05)))
            child.send_signal(signal.SIGKILL)
        # What every write covers is of one value, and so is the rim, which every other one covers.
        for x, covered in ((0, slice(3, 64)), (64, slice(0, 59))):
            shard = array.read(((0, x, 0, 0), (1, 64, 64, 64)))
            inner = np.zeros(shard.shape, bool)
            inner[:, covered, 3:63, 3:63] = True
            assert len(np.unique(shard[inner])) == 1
            assert len(np.unique(shard[~inner])) == 1
        WkwBackend().open(array.location, "r+").write(box, np.full(box[1], 1, np.uint8, order="F"))
    leftovers = [name for _, _, names in os.walk(array.location.url) for name in names if name[0] == "."]
    assert all(name.startswith(".wkplug") for name in leftovers)
    assert len(list(array.stored_boxes())) == 2


def test_readers_never_see_half_a_shard(make: Make) -> None:
    array = make(chunk=16, shard=64, options={"block_type": "lz4"})
    box = ((0, 0, 0, 0), (1, 128, 64, 64))
    array.write(box, np.full(box[1], 1, np.uint8, order="F"))
    reader = WkwBackend().open(LocalLocation(Path(array.location.url)))
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, array.location.url], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        until = time.monotonic() + 2
        seen = set()
        while time.monotonic() < until:
            inner = reader.read(((0, 3, 3, 3), (1, 58, 58, 58)))
            values = np.unique(inner)
            assert len(values) == 1
            seen.add(int(values[0]))
        child.kill()
    assert len(seen) > 3
