"""Several processes on one dataset: nothing is lost, and nobody reads what is half written."""

from __future__ import annotations

from contextlib import ExitStack
from operator import methodcaller
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from wkplug.builtin.executors import ProcessesExecutor

from . import processes

if TYPE_CHECKING:
    from pathlib import Path

ENGINES = ("wkw+numpy", "zarr+tensorstore", "zarr3+tensorstore", "zarr3+zarr")
WORKERS = 8


def together(
    script: str, folder: Path, arguments: list[Any], reader: str | None = None
) -> tuple[list[Any], Any]:
    """Run the script once per argument, and a reader that goes on until the file "stop" appears."""
    with ExitStack() as stack:
        children = [
            stack.enter_context(processes.process(script, folder, one, number))
            for number, one in enumerate(arguments)
        ]
        watcher = (
            stack.enter_context(processes.process(reader, folder, None, len(children))) if reader else None
        )
        processes.wait_for([*children, *([watcher] if watcher else [])], folder)
        results = [processes.result_of(child) for child in children]
        (folder / "stop").touch()
        return results, processes.result_of(watcher) if watcher else None


EXTEND = """
with wk.settings(backends=dict([arguments["engine"].split("+")])):
    mag = wk.Dataset.open(arguments["path"]).get_layer("color").get_mag(1)
    ready()
    for offset in arguments["offsets"]:
        value = 1 + offset[0] // 32 + 3 * (offset[1] // 32)
        mag.write(np.full((32, 32, 32), value, "u1"), absolute_offset=offset, allow_resize=True)
"""

WATCH = """
import json
ready()
looks, smallest = 0, 0
path = arguments or str(folder.parent / "dataset")
while not (folder / "stop").exists():
    dataset = wk.Dataset.open(path)
    layer = dataset.get_layer("color")
    box = layer.bounding_box
    volume = box.volume() if callable(getattr(box, "volume", None)) else int(np.prod(box.size.to_np()))
    assert volume >= smallest, (volume, smallest)
    smallest = volume
    if volume:
        layer.get_mag(1).read(absolute_offset=box.topleft, size=(1, 1, 1))
    looks += 1
print(json.dumps(looks))
"""


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
def test_eight_processes_extend_one_layer(dataset: wk.Dataset, tmp_path: Path, engine: str) -> None:
    data_format, _, name = engine.partition("+")
    shard = 32 if data_format == "zarr" else 64
    with wk.settings(backends={data_format: name}):
        layer = dataset.add_layer("color", "color", data_format=data_format)
        layer.add_mag(1, chunk_shape=32, shard_shape=32 if data_format == "zarr" else shard)
    # Shards are shared by neighbours: every process writes parts of shards that others write too.
    offsets = [(32 * x, 32 * y, 0) for x in range(WORKERS) for y in range(4)]
    jobs = [
        {"path": str(dataset.path), "engine": engine, "offsets": offsets[number::WORKERS]}
        for number in range(WORKERS)
    ]
    script = EXTEND.replace("allow_resize=True)", "allow_resize=True, allow_unaligned=True)")
    _, looks = together(script, tmp_path / "run", jobs, WATCH)
    assert looks > 0
    found = wk.Dataset.open(dataset.path).get_layer("color")
    assert found.bounding_box == wk.BoundingBox((0, 0, 0), (256, 128, 32))
    voxels = found.get_mag(1).read()[0]
    for x, y, _ in offsets:
        assert (voxels[x : x + 32, y : y + 32] == 1 + x // 32 + 3 * (y // 32)).all(), (x, y)


UNALIGNED = """
with wk.settings(backends=dict([arguments["engine"].split("+")])):
    mag = wk.Dataset.open(arguments["path"]).get_layer("color").get_mag(1)
    ready()
    for z in range(number, 64, 8):
        mag.write(np.full((61, 63, 1), z + 1, "u1"), absolute_offset=(1, 1, z), allow_unaligned=True)
"""


@pytest.mark.long
@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("engine", ENGINES)
def test_unaligned_writes_into_one_shard_lose_nothing(
    dataset: wk.Dataset, tmp_path: Path, engine: str, compress: bool
) -> None:
    data_format, _, name = engine.partition("+")
    with wk.settings(backends={data_format: name}):
        layer = dataset.add_layer(
            "color", "color", data_format=data_format, bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64))
        )
        layer.add_mag(1, chunk_shape=32, shard_shape=32 if data_format == "zarr" else 64, compress=compress)
    jobs = [{"path": str(dataset.path), "engine": engine} for _ in range(WORKERS)]
    together(UNALIGNED, tmp_path / "run", jobs)
    voxels = wk.Dataset.open(dataset.path).get_layer("color").get_mag(1).read()[0]
    assert (voxels[1:62, 1:] == np.arange(1, 65, dtype="u1")).all()
    assert not voxels[0].any()
    assert not voxels[62:].any()


ADD = """
dataset = wk.Dataset.open(arguments)
ready()
layer = dataset.add_layer(f"layer-{number}", "color", bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32)))
layer.add_mag(1).write(np.full((32, 32, 32), number + 1, "u1"))
layer.downsample(coarsest_mag=4, align_with_other_layers=False)
"""


@pytest.mark.long
def test_eight_processes_add_a_layer_each(dataset: wk.Dataset, tmp_path: Path) -> None:
    dataset.add_layer("color", "color").add_mag(1)
    together(ADD, tmp_path / "run", [str(dataset.path)] * WORKERS, WATCH)
    found = wk.Dataset.open(dataset.path)
    assert sorted(found.layers) == ["color", *(f"layer-{number}" for number in range(WORKERS))]
    for number in range(WORKERS):
        layer = found.get_layer(f"layer-{number}")
        assert len(layer.mags) == 3
        for mag in layer.mags.values():
            assert (mag.read() == number + 1).all()


@pytest.mark.parametrize("meanwhile", ["extends too", "changes something else"])
def test_a_layer_that_another_process_extended_is_read_and_written_in_full(
    dataset: wk.Dataset, tmp_path: Path, meanwhile: str
) -> None:
    mags = {}
    for data_format in ("wkw", "zarr", "zarr3"):
        layer = dataset.add_layer(data_format, "color", data_format=data_format)
        mag = mags[data_format] = layer.add_mag(1, chunk_shape=32, shard_shape=32)
        mag.write(np.full((32, 32, 32), 1, "u1"), allow_resize=True)
        assert mag.get_view().read().all()
    script = """
for name in ("wkw", "zarr", "zarr3"):
    mag = wk.Dataset.open(arguments).get_layer(name).get_mag(1)
    mag.write(np.full((32, 32, 64), 2, "u1"), absolute_offset=(64, 0, 0), allow_resize=True)
"""
    with processes.process(script, tmp_path / "run", str(dataset.path)) as child:
        processes.result_of(child)
    for name, mag in mags.items():
        layer, view = mag.layer, mag.get_view()
        # What this process changes is added to what the other one did, also in memory.
        if meanwhile == "extends too":
            mag.write(np.full((32, 32, 32), 3, "u1"), absolute_offset=(0, 32, 0), allow_resize=True)
            assert layer.bounding_box == wk.BoundingBox((0, 0, 0), (96, 64, 64)), name
        else:
            layer.coordinate_transformations = None
            assert layer.bounding_box == wk.BoundingBox((0, 0, 0), (96, 32, 64)), name
        assert (mag.read(absolute_offset=(64, 0, 0), size=(32, 32, 64)) == 2).all(), name
        mag.write(np.full((32, 32, 32), 4, "u1"), absolute_offset=(64, 0, 32))
        assert (mag.read(absolute_offset=(64, 0, 32), size=(32, 32, 32)) == 4).all(), name
        assert (view.read()[:, :32, :32, :32] == 1).all()


FORK = """
import json, os, signal
with wk.settings(backends=dict([arguments["engine"].split("+")])):
    mag = wk.Dataset.open(arguments["path"]).get_layer("color").get_mag(1)
    assert mag.read().any()
    child = os.fork()
    if not child:
        signal.alarm(30)
        try:
            text = "right" if (mag.read() == 7).all() else "wrong"
        except wk.errors.ForkError as error:
            text = "refused: " + str(error)
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        Path(arguments["answer"]).write_text(text)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert (mag.read() == 7).all()  # the parent goes on
    print(json.dumps(status))
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_forked_child_reads_or_is_told_why_not(dataset: wk.Dataset, tmp_path: Path, engine: str) -> None:
    data_format, _, name = engine.partition("+")
    with wk.settings(backends={data_format: name}):
        layer = dataset.add_layer(
            "color", "color", data_format=data_format, bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32))
        )
        layer.add_mag(1).write(np.full((32, 32, 32), 7, "u1"))
    arguments = {"path": str(dataset.path), "engine": engine, "answer": str(tmp_path / "answer")}
    with processes.process(FORK, tmp_path / "run", arguments) as child:
        assert processes.result_of(child) == 0
    answer = (tmp_path / "answer").read_text()
    assert answer == "right" or (answer.startswith("refused: ") and "spawn" in answer), answer


POOL = """
import json, multiprocessing
from concurrent.futures import ProcessPoolExecutor
mag = wk.Dataset.open(arguments).get_layer("color").get_mag(1)
mag.read()

def total(view):
    return int(view.read().sum())

with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
    answers = []
    for future in [pool.submit(total, mag), pool.submit(total, mag.get_view())]:
        try:
            answers.append(future.result(timeout=60))
        except wk.errors.ForkError as error:
            answers.append("refused")
print(json.dumps(answers))
"""


@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
def test_a_pool_of_forked_processes_never_hangs(
    dataset: wk.Dataset, tmp_path: Path, data_format: str
) -> None:
    layer = dataset.add_layer(
        "color", "color", data_format=data_format, bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32))
    )
    layer.add_mag(1).write(np.full((32, 32, 32), 1, "u1"))
    with processes.process(POOL, tmp_path / "run", str(dataset.path)) as child:
        answers = processes.result_of(child)
    assert answers in ([32**3, 32**3], ["refused", "refused"])


@pytest.mark.long
@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
def test_views_work_in_spawned_processes(dataset: wk.Dataset, data_format: str) -> None:
    layer = dataset.add_layer(
        "color", "color", data_format=data_format, bounding_box=wk.BoundingBox((0, 0, 0), (64, 32, 32))
    )
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=32)
    mag.write(np.full((64, 32, 32), 1, "u1"))
    views = list(mag.get_view().chunk((32, 32, 32)))
    with ProcessesExecutor(workers=2) as executor:
        for voxels in executor.map(methodcaller("read"), views):
            assert voxels.shape == (1, 32, 32, 32)
            assert voxels.all()
