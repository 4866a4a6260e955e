"""A worker process that ends before its work is done: a designed error that says what may have killed it."""

from __future__ import annotations

import importlib
import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from concurrent.futures.thread import BrokenThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import wkplug as wk
from wkplug import execution

if TYPE_CHECKING:
    from collections.abc import Iterator

WHAT = "A worker process ended before its work was done, and its pool with it"
SCRIPT = """
import sys
import numpy as np
import wkplug as wk

def total(view):
    return int(view.read().sum())

mag = wk.Dataset.open(sys.argv[1]).get_layer("color").get_mag(1)
mag.map_chunk(total, executor="processes")
"""


@pytest.fixture
def mag(tmp_path: Path) -> wk.MagView:
    """2 shards of 32^3 voxels."""
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    box = wk.BoundingBox((0, 0, 0), (64, 32, 32))
    layer = dataset.add_layer("color", "color", dtype="uint8", data_format="zarr3", bounding_box=box)
    return layer.add_mag(1, chunk_shape=32, shard_shape=32)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The functions that go to other processes, from a module that these can import."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("jobs_on_chunks")


@pytest.fixture
def spawned() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def test_a_worker_that_kills_itself_is_an_error_with_reasons_and_advice(mag: wk.MagView, jobs: Any) -> None:
    with pytest.raises(wk.WorkerDiedError, match=f"^{WHAT}") as caught:
        mag.map_chunk(jobs.die, executor="processes")
    assert "it was killed, it ran out of memory, or it could not start" in caught.value.message
    assert 'start the work below `if __name__ == "__main__":`' in str(caught.value.hint)
    assert "use fewer workers or smaller chunks" in str(caught.value.hint)
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value.__cause__, BrokenProcessPool)


def test_so_it_is_in_a_pool_of_the_users_own_that_is_broken_from_then_on(
    mag: wk.MagView, jobs: Any, spawned: ProcessPoolExecutor
) -> None:
    for function in (jobs.die, jobs.total):
        with pytest.raises(wk.WorkerDiedError, match=WHAT):
            mag.map_chunk(function, executor=spawned)


def test_so_it_is_in_plans_and_in_all_that_operations_submit(jobs: Any, spawned: ProcessPoolExecutor) -> None:
    for _ in ("the first call", "a call to a broken pool"):
        with pytest.raises(wk.WorkerDiedError, match=WHAT):
            list(execution.results_in_order(jobs.die, range(4), executor=spawned))
    with (
        pytest.raises(wk.WorkerDiedError, match=WHAT),
        execution.adapted(spawned, default="threads") as runner,
    ):
        runner.submit(abs, -1)


def test_threads_that_could_not_start_keep_their_own_error() -> None:
    with (
        ThreadPoolExecutor(1, initializer=int, initargs=("no number",)) as pool,
        pytest.raises(BrokenThreadPool),
    ):
        list(execution.run(abs, [-1], executor=pool))


def test_a_script_without_the_guard_is_told_about_it(mag: wk.MagView, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(mag.layer.dataset.path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    # What comes before it is Python's own advice, from the workers.
    told = done.stderr[done.stderr.rindex("WorkerDiedError") :]
    assert told.startswith(f"WorkerDiedError: {WHAT}")
    assert 'start the work below `if __name__ == "__main__":`, because every worker imports' in told
