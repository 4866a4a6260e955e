"""Everything that `executor=` may be: real pools, cluster-like executors, names, nothing; and what is refused."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import re
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from tests.dataset.samples import Sample
from wkplug import execution
from wkplug.errors import ForkError, InvalidArgumentError, UnknownNameError
from wkplug.geometry import grids

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(params=["wkw", "zarr3"])
def mag(request: pytest.FixtureRequest, tmp_path: Path) -> wk.MagView:
    """8 shards of 16^3 voxels."""
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    sample = Sample(request.param, shard=16, chunk=8, dtype="uint8")
    return sample.add_to(dataset, "color", sample.voxels() // 3)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The functions that go to other processes, from a module that these can import."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "dataset"))
    return importlib.import_module("jobs_on_chunks")


class Cluster:
    """An executor like those of clusters: whole jobs, results in the order in which tasks end, last task first."""

    def __init__(self) -> None:
        self.jobs: list[int] = []
        self.names: list[str] = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - a future carries it
            future.set_exception(error)
        return future

    def map_to_futures(
        self, function: Any, items: list[Any], output_pickle_path_getter: Any = None
    ) -> list[Any]:
        self.jobs.append(len(items))
        self.names.append(function.__name__)
        return [self.submit(function, item) for item in items]

    def as_completed(self, futures: list[Any]) -> Any:
        return reversed(futures)


class Minimal:
    """Nothing but `submit`, and results that are no futures of the standard library."""

    class Result:
        def __init__(self, value: Any) -> None:
            self.value = value

        def result(self) -> Any:
            return self.value

    def submit(self, function: Any, *args: Any) -> Any:
        return self.Result(function(*args))


def spawned() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


EXECUTORS: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "sequential": lambda: "sequential",
    "threads": lambda: "threads",
    "thread pool": lambda: ThreadPoolExecutor(3),
    "cluster": Cluster,
    "minimal": Minimal,
}


@pytest.mark.parametrize("name", EXECUTORS)
def test_every_executor_gives_results_in_the_chunks_order(mag: wk.MagView, jobs: Any, name: str) -> None:
    executor = EXECUTORS[name]()
    expected = [int(chunk.read().sum()) for chunk in mag.chunk((16, 16, 16))]
    assert len(set(expected)) == 8

    def slow_first(view: wk.View) -> Any:
        time.sleep(0.02 if view.bounding_box.topleft.x == 0 else 0)
        return jobs.total(view)

    assert mag.map_chunk(slow_first, executor=executor) == expected
    before = mag.read()
    mag.for_each_chunk(partial(jobs.double, factor=2), executor=executor)
    np.testing.assert_array_equal(mag.read(), before * 2)
    if isinstance(executor, Cluster):
        assert executor.jobs == [8, 8]
        assert executor.names == ["slow_first", "partial"]
    if isinstance(executor, ThreadPoolExecutor):
        assert executor.submit(int).result() == 0  # the user's pool is left open
        executor.shutdown()


def test_processes_work_on_chunks_and_know_the_settings(mag: wk.MagView, jobs: Any) -> None:
    before = mag.read()
    with wk.settings(lock_timeout=17), spawned() as pool:
        assert set(mag.map_chunk(jobs.setting, executor=pool)) == {17}
        assert os.getpid() not in mag.map_chunk(jobs.process, executor=pool)
        mag.for_each_chunk(partial(jobs.double, factor=2), executor=pool)
        with pytest.raises(KeyError, match="no 0"):
            mag.map_chunk(jobs.fail, executor=pool)
        assert mag.map_chunk(jobs.total, executor=pool) == mag.map_chunk(jobs.total)
    np.testing.assert_array_equal(mag.read(), before * 2)


def test_processes_by_name(mag: wk.MagView, jobs: Any) -> None:
    assert mag.map_chunk(jobs.total, executor="processes") == mag.map_chunk(jobs.total)


def test_threads_see_the_callers_settings(mag: wk.MagView, jobs: Any) -> None:
    with wk.settings(lock_timeout=19):
        assert set(mag.map_chunk(jobs.setting, executor="threads")) == {19}


def test_without_an_executor_chunks_come_one_after_the_other_in_this_thread(mag: wk.MagView) -> None:
    seen: list[Any] = []
    mag.for_each_chunk(lambda args: seen.append((args[1], threading.get_ident())))
    assert seen == [(index, threading.get_ident()) for index in range(8)]


@pytest.mark.parametrize("name", EXECUTORS)
def test_the_first_failure_ends_the_work(mag: wk.MagView, jobs: Any, name: str) -> None:
    # A cluster tells of the call that ended first.
    with pytest.raises(KeyError, match="no 16" if name == "cluster" else "no 0"):
        mag.map_chunk(jobs.fail, executor=EXECUTORS[name]())


def test_a_failure_is_told_while_an_earlier_call_is_still_running() -> None:
    started, release = threading.Event(), threading.Event()

    def work(item: int) -> int:
        if item == 0:
            started.set()
            release.wait(30)
            return item
        started.wait(30)
        raise KeyError(f"item {item}")

    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(KeyError, match="item 1"):
            list(execution.run(work, range(100), executor=pool))
        assert not release.is_set()
        release.set()


def test_few_calls_are_in_flight_and_the_rest_is_never_started() -> None:
    submitted: list[int] = []

    class Counting(Minimal):
        workers = 2

        def submit(self, function: Any, *args: Any) -> Any:
            submitted.append(args[0])
            return super().submit(function, *args)

    results = execution.run(abs, range(1000), executor=Counting())
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(submitted) <= 3 + 8
    results.close()
    assert len(submitted) <= 3 + 8


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_a_pool_that_would_fork_an_engine_with_threads_is_refused_before_the_first_job(
    tmp_path: Path,
) -> None:
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    with wk.settings(backends={"zarr3": "tensorstore"}):
        mag = Sample("zarr3").add_to(dataset, "color")
    ran = tmp_path / "ran"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        for work in (mag.map_chunk, mag.for_each_chunk):
            with pytest.raises(ForkError, match="would fork this process") as caught:
                work(partial(ran.touch), executor=pool)
            assert "zarr3+tensorstore runs threads" in str(caught.value)
            assert 'get_context("spawn")' in str(caught.value)
        with pytest.raises(ForkError):
            mag.content_is_equal(mag, executor=pool)
        assert not pool._processes
    assert not ran.exists()


def test_what_is_no_executor_is_refused(mag: wk.MagView) -> None:
    with pytest.raises(InvalidArgumentError, match="has no method submit") as caught:
        mag.for_each_chunk(print, executor=object())  # type: ignore[arg-type]
    assert '"threads"' in str(caught.value)
    with pytest.raises(UnknownNameError, match="thread"):
        mag.for_each_chunk(print, executor="thread")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("slurm", r'executor=cluster_tools.get_executor\("slurm", ...\)'),
        ("kubernetes", r'executor=cluster_tools.get_executor\("kubernetes", ...\)'),
        ("dask", r"pip install distributed, then executor=distributed.Client\(...\).get_executor\(\)"),
    ],
)
def test_an_executor_that_no_plugin_brings_says_what_to_install(
    mag: wk.MagView, name: str, text: str
) -> None:
    with pytest.raises(KeyError, match=f"No plugin knows the executor '{name}'.") as caught:
        mag.for_each_chunk(print, executor=name)
    assert re.search(text, str(caught.value))
    assert "installed: processes, sequential, threads" in str(caught.value)


def test_adapted_executors_give_results_in_order() -> None:
    boxes = list(grids.cells((0,), (100,), (7,)))
    for make in (lambda: "threads", lambda: ThreadPoolExecutor(2), Cluster, Minimal):
        with execution.adapted(make()) as runner, execution.adapted(runner) as same:
            assert same is runner
            assert runner.workers >= 1
            found = list(execution.results_in_order(lambda box: box[0][0], boxes, executor=runner))
        assert found == [box[0][0] for box in boxes]


def test_a_description_shows_a_bar_on_a_terminal_only(
    mag: wk.MagView, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mag.for_each_chunk(lambda args: None, progress_desc="Work")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    mag.for_each_chunk(lambda args: None, progress_desc="Work")
    assert capsys.readouterr().err == ""  # the output of tests
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    mag.for_each_chunk(lambda args: None, progress_desc="Work", executor="threads")
    shown = capsys.readouterr().err
    assert "Work" in shown
    assert "100%" in shown


def test_views_on_disk_are_the_stored_shards(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    mag = Sample("zarr3", mag=(2, 2, 1), size=(30, 32, 32), shard=16, chunk=8).add_to(dataset, "color")
    mag.write(np.ones((1, 16, 16, 16), "uint16"), absolute_offset=(0, 32, 16))
    assert [view.bounding_box for view in mag.get_views_on_disk()] == [
        wk.BoundingBox((0, 32, 16), (32, 32, 16))
    ]
    mag.write(np.ones((1, 14, 16, 16), "uint16"), absolute_offset=(32, 0, 0))
    with pytest.raises(AssertionError, match="leaves its"):
        list(mag.get_views_on_disk())
    views = list(mag.get_views_on_disk(read_only=True))
    assert len(views) == 2
    assert all(view.read_only for view in views)


def overlaid(tmp_path: Path) -> tuple[wk.MagView, wk.MagView]:
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    base = Sample("wkw", size=(32, 32, 32), shard=16, chunk=8)
    target = base.add_to(dataset, "base", np.full(base.shape, 5, "uint16"))
    other = Sample("zarr3", topleft=(8, 0, 0), size=(40, 32, 20), shard=8, chunk=8).add_to(dataset, "changes")
    return target, other


@pytest.mark.parametrize("executor", [None, "sequential", "threads"])
def test_a_mag_is_laid_over_another_where_it_has_stored_chunks(tmp_path: Path, executor: Any) -> None:
    target, other = overlaid(tmp_path)
    expected = np.zeros((1, 48, 32, 32), "uint16")
    expected[:, :32] = 5
    for value, start in enumerate([(8, 0, 0), (16, 8, 8), (40, 24, 16), (24, 24, 8)], 7):
        data = np.full((1, 8, 8, min(8, 20 - start[2])), value, "uint16")
        data[0, 0, 0, 0] = 0
        other.write(data, absolute_offset=start)
        at = tuple(slice(a, a + n) for a, n in zip(start, data.shape[1:], strict=True))
        expected[(slice(None), *at)] = data
    target.merge_with_view(other, executor)
    assert target.bounding_box == wk.BoundingBox((0, 0, 0), (48, 32, 32))
    np.testing.assert_array_equal(target.read(), expected)


def test_mags_that_cant_be_laid_over_each_other_are_refused(tmp_path: Path) -> None:
    target, other = overlaid(tmp_path)
    sharded = Sample("zarr3", shard=16, chunk=8, dtype="uint8", channels=3, mag=(2, 2, 2))
    wrong = sharded.add_to(target.layer.dataset, "wrong")
    for text in ("the mags differ", "the dtypes differ", "the channels differ", "larger than its chunks"):
        with pytest.raises(AssertionError, match=text):
            target.merge_with_view(wrong)
    assert other.bounding_box.size == (40, 32, 20)


def test_where_nothing_can_be_listed_all_shards_are_gone_through(tmp_path: Path) -> None:
    import attrs

    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    mag = Sample("zarr3", shard=16, chunk=8).add_to(dataset, "color")
    backend = mag.state.source.handle.backend
    blind = type(
        "Blind", (type(backend),), {"capabilities": attrs.evolve(backend.capabilities, lists_stored=False)}
    )
    mag.state.source.handle.backend = blind()
    with pytest.warns(UserWarning, match="can't be listed: all shards"):
        assert len(list(mag.get_bounding_boxes_on_disk())) == 8


def test_what_cant_be_sent_to_a_process_is_named(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    mag = Sample("zarr3", size=(32, 32, 32)).add_to(dataset, "color")
    for call in (
        lambda: mag.for_each_chunk(lambda _: None, executor="processes"),
        lambda: list(mag.map_chunk(lambda _: 1, executor="processes")),
    ):
        with pytest.raises(ValueError, match=r"can't be sent to them: .*lambda") as caught:
            call()
        assert "Define the function at the top level of a module" in str(caught.value)
        assert 'executor="threads"' in str(caught.value)


def test_a_lambda_never_reaches_the_queue_of_a_pool() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for name in ("submit", "map_to_futures"):
            refused = pytest.raises(InvalidArgumentError, match=r"can't be sent to them: .*lambda")
            with refused, execution.adapted(pool) as runner:
                getattr(runner, name)(lambda number: number, [1])
        assert not pool._processes  # no worker was started, so none can be waited for
