"""Executors: results in order, errors passed on, work done by anything that submits."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import wkplug
from wkplug import config, execution, registry
from wkplug.builtin.executors import (
    ProcessesExecutor,
    SequentialExecutor,
    ThreadsExecutor,
    available_workers,
)
from wkplug.execution import NamedExecutor, adapted, results_in_order, tasks_at_once

if TYPE_CHECKING:
    from collections.abc import Callable

ITEMS = range(10)


class Bare:
    """Somebody else's executor: it submits, and says nothing about itself."""

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args))
        except ValueError as error:
            future.set_exception(error)
        return future


def test_executors_are_found_by_name() -> None:
    assert isinstance(registry.executor("sequential"), SequentialExecutor)
    assert isinstance(registry.executor("threads"), ThreadsExecutor)
    assert isinstance(registry.executor("processes"), ProcessesExecutor)
    with pytest.raises(KeyError, match="sequential"):
        registry.executor("sequental")


@pytest.mark.parametrize("make", [SequentialExecutor, lambda: ThreadsExecutor(workers=3)])
def test_map_gives_results_in_order_and_the_first_error(make: Callable[[], Any]) -> None:
    with make() as executor:
        assert list(executor.map(pow, range(20), [2] * 20)) == [n**2 for n in range(20)]
        assert executor.submit(pow, 2, 3, mod=5).result() == 3
        with pytest.raises(ZeroDivisionError):
            list(executor.map(divmod, (1, 1), (1, 0)))


def test_threads_work_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=30)
    with ThreadsExecutor(workers=2) as executor:
        assert len({executor.submit(meeting.wait).result(30) for _ in [executor.submit(meeting.wait)]}) == 1


def test_threads_start_again_after_a_shutdown() -> None:
    executor = ThreadsExecutor(workers=1)
    assert executor.submit(int, "1").result() == 1
    executor.shutdown()
    executor.shutdown()
    assert executor.submit(int, "2").result() == 2
    executor.shutdown()


def test_processes_adopt_the_settings() -> None:
    with wkplug.settings(max_read_bytes=12345), ProcessesExecutor(workers=1) as executor:
        assert executor.submit(config.current).result().max_read_bytes == 12345
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result()


def test_the_number_of_workers_is_an_option() -> None:
    for name in ("threads", "processes"):
        assert registry.executor(name, {"workers": 3}).workers == 3
        for wrong in (0, -1, "two", 1.5, True):
            with pytest.raises(ValueError, match="workers is"):
                registry.executor(name, {"workers": wrong})


def test_at_least_one_worker_is_available() -> None:
    assert available_workers() >= 1
    assert ThreadsExecutor().workers == available_workers()


@pytest.mark.parametrize(
    "make",
    [
        lambda: None,
        SequentialExecutor,
        lambda: ThreadsExecutor(workers=3),
        lambda: ThreadPoolExecutor(2),
        Bare,
    ],
)
def test_work_runs_on_anything_that_submits(make: Callable[[], Any]) -> None:
    reports: list[tuple[int, int]] = []
    executor = make()
    found = results_in_order(
        lambda item: item, ITEMS, executor=executor, progress=lambda *done: reports.append(done)
    )
    assert list(found) == list(range(10))
    assert reports == [(n, 10) for n in range(1, 11)]
    if executor is not None and hasattr(executor, "shutdown"):
        executor.shutdown()


@pytest.mark.parametrize("make", [lambda: None, lambda: ThreadsExecutor(workers=2), Bare])
def test_the_first_failing_item_ends_the_work(make: Callable[[], Any]) -> None:
    def work(item: int) -> int:
        if item == 3:
            raise ValueError("the fourth")
        return item

    executor = make()
    results = results_in_order(work, ITEMS, executor=executor)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(results)
    if isinstance(executor, ThreadsExecutor):
        executor.shutdown()


def test_no_more_calls_are_begun_than_workers_can_take() -> None:
    begun: list[int] = []
    with ThreadsExecutor(workers=2) as executor:
        results = results_in_order(begun.append, ITEMS, executor=executor)
        next(results)
        assert len(begun) <= 4
        results.close()  # the rest is cancelled
    assert len(begun) < 10


class Place:
    """A place at which so many requests at the same time are worth making."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency


def test_threads_for_stores_are_more_than_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    places: Any = [Place(1), Place(12)]
    for executor in (None, "threads", ThreadsExecutor()):
        with adapted(executor, default="threads", places=places) as runner:
            assert runner.workers == max(12, available_workers())
    with adapted("threads", places=[*places, Place(1000)]) as runner:  # type: ignore[list-item]
        assert runner.workers == max(16, available_workers())
    for asked in (NamedExecutor("threads", {"workers": 3}), ThreadsExecutor(workers=3)):
        with adapted(asked, places=places) as runner:
            assert runner.workers == 3
    with adapted("threads", places=places[:1]) as runner:
        assert runner.workers == available_workers()
        assert tasks_at_once(runner, 10**12) is None
    with ThreadsExecutor() as running:
        running.submit(int).result()
        running.expect_waiting(50)
        assert running.workers == available_workers()


def test_waiting_threads_hold_no_more_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "for_voxels", lambda _: 1000)
    monkeypatch.setattr(execution, "_processors", lambda: 2)
    with ThreadsExecutor(workers=12) as threads, ProcessesExecutor(workers=12) as processes:
        assert [tasks_at_once(threads, size) for size in (1, 100, 200, 10**6)] == [13, 10, 5, 3]
        assert tasks_at_once(processes, 100) is None
    assert tasks_at_once(None, 100) is None
