"""Several real processes on one dataset, with readers that look all the time, and one that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from wkplug.filesystems.local import LocalLocation
from wkplug.properties import PropertiesStore

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "datasource-properties.json"
WRITERS = 8

WRITER = """
import sys, time
from wkplug.filesystems.local import LocalLocation
from wkplug.geometry import BoundingBox, Mag
from wkplug.properties import LayerProperties, MagViewProperties, PropertiesStore, operations as op

root, number, rounds = LocalLocation(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store = PropertiesStore.open(root, dialects=lambda _: ())
print("ready", flush=True)
sys.stdin.readline()
for turn in range(rounds):
    name = f"layer{number}_{turn}"
    box = BoundingBox((0, 0, 0), (8, 8, 8)).normalize_axes(1)
    store.apply(op.AddLayer(LayerProperties(name, "color", box, "uint8", "somewhere")))
    store.apply(op.AddMag(name, MagViewProperties(Mag(1), f"./{name}/1")))
    store.apply(op.ExtendBox("shared", BoundingBox((64 * number, 64 * turn, 0), (64, 64, 64))))
"""


def start(root: Path, number: int, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), str(number), str(rounds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    from wkplug.geometry import BoundingBox
    from wkplug.properties import LayerProperties, operations

    store = PropertiesStore.create(
        LocalLocation(tmp_path), name="x", voxel_size=(1, 1, 1), dialects=lambda _: ()
    )
    box = BoundingBox.empty().normalize_axes(1)
    store.apply(operations.AddLayer(LayerProperties("shared", "color", box, "uint8", "somewhere")))
    return tmp_path


def finish(process: subprocess.Popen[str]) -> int:
    code = process.wait(timeout=120)
    assert process.stdout is not None
    process.stdout.close()
    return code


def test_eight_processes_keep_each_others_layers_and_readers_never_see_half_a_file(root: Path) -> None:
    rounds = 5
    writers = [start(root, number, rounds) for number in range(WRITERS)]
    for writer in writers:
        go(writer)
    looks = 0
    before = 0
    while any(writer.poll() is None for writer in writers):
        count = len(json.loads((root / FILE_NAME).read_bytes())["dataLayers"])
        assert count >= before
        before = count
        looks += 1
    assert [finish(writer) for writer in writers] == [0] * WRITERS
    assert looks > 0
    store = PropertiesStore.open(LocalLocation(root))
    names = {f"layer{number}_{turn}" for number in range(WRITERS) for turn in range(rounds)}
    assert set(store.layer_names()) == {"shared", *names}
    assert all(len(store.layer(name).mags) == 1 for name in names)
    box = store.layer("shared").bounding_box
    assert box.topleft.to_tuple() == (0, 0, 0, 0)
    assert box.size.to_tuple() == (1, 64 * WRITERS, 64 * rounds, 64)


@pytest.mark.faults
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_writer_leaves_a_whole_file_and_no_lock(root: Path) -> None:
    for turn in range(5):
        writer = start(root, turn, 1000)
        go(writer)
        time.sleep(0.02 + 0.06 * turn)
        writer.send_signal(signal.SIGKILL)
        finish(writer)
        last = start(root, 100 + turn, 1)
        go(last)
        assert finish(last) == 0
        assert f"layer{100 + turn}_0" in PropertiesStore.open(LocalLocation(root)).layer_names()
