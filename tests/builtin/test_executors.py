"""Executors: results in order, errors passed on, plans run by anything that submits."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import wkplug
from wkplug import config, registry
from wkplug.builtin.executors import (
    ProcessesExecutor,
    SequentialExecutor,
    ThreadsExecutor,
    available_workers,
)
from wkplug.ops import plan

if TYPE_CHECKING:
    from collections.abc import Callable

TASKS = plan.shard_boxes(((0,), (10,)), (1,))


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
def test_plans_run_on_anything_that_submits(make: Callable[[], Any]) -> None:
    reports: list[tuple[int, int]] = []
    executor = make()
    found = plan.run(
        TASKS, lambda task: task.index, executor=executor, progress=lambda *done: reports.append(done)
    )
    assert list(found) == list(range(10))
    assert reports == [(n, 10) for n in range(1, 11)]
    if executor is not None and hasattr(executor, "shutdown"):
        executor.shutdown()


@pytest.mark.parametrize("make", [lambda: None, lambda: ThreadsExecutor(workers=2), Bare])
def test_the_first_failing_task_ends_the_plan(make: Callable[[], Any]) -> None:
    def work(task: plan.Task) -> int:
        if task.index == 3:
            raise ValueError("the fourth")
        return task.index

    executor = make()
    results = plan.run(TASKS, work, executor=executor)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(results)
    if isinstance(executor, ThreadsExecutor):
        executor.shutdown()


def test_no_more_tasks_are_begun_than_workers_can_take() -> None:
    begun: list[int] = []
    with ThreadsExecutor(workers=2) as executor:
        results = plan.run(TASKS, lambda task: begun.append(task.index), executor=executor)
        next(results)
        assert len(begun) <= 4
        results.close()  # type: ignore[attr-defined]  # a generator; the rest is cancelled
    assert len(begun) < 10


def test_a_plan_knows_the_same_work_again() -> None:
    def made(**change: Any) -> plan.Plan:
        values: dict[str, Any] = {
            "operation": "a",
            "target": "b",
            "parameters": {"x": 1, "y": 2},
            "tasks": TASKS,
        }
        return plan.Plan(**{**values, **change})

    assert made().fingerprint == made(parameters={"y": 2, "x": 1}).fingerprint
    for change in ({"operation": "c"}, {"target": "c"}, {"parameters": {"x": 1}}, {"tasks": TASKS[:-1]}):
        assert made(**change).fingerprint != made().fingerprint
    assert made().summary == "a b: 10 shards"
