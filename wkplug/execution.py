"""Where work runs: everything that `executor=` may be, behind one interface, and the one way to go through many calls.

`executor=` takes an executor of `concurrent.futures`, of a cluster (with `map_to_futures` and `as_completed`), one
of `wkplug.abc`, anything else with `submit`, the name of a registered one ("sequential", "threads",
"processes", ...), or nothing. `adapted` turns each into a `Runner`, which has `workers`. `results_in_order` goes
through the calls of our own operations, `run` through those of users: a bounded number in flight, results in the
order of the work.

The caller's settings (`with wkplug.settings(...)`) hold in threads and other processes too. A pool of forked
processes is refused before the first call if the arrays at hand are read by an engine that does not survive a fork.
Executors made here by name are shut down here; the user's own are left open. A worker process that dies is an
error that says what may have killed it (`deaths_explained`). What the calls do is not known here.
"""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from itertools import count
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self, TypeAlias

from wkplug import config, registry
from wkplug.abc import Executor
from wkplug.config import Settings
from wkplug.errors import ForkError, InvalidArgumentError, UnknownNameError, WorkerDiedError
from wkplug.model.states import ViewState
from wkplug.progress import Progress, described
from wkplug.storage.budget import for_voxels, memory_budget, objects_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from wkplug.abc import Location


__all__ = [
    "AnyExecutor",
    "Calls",
    "NamedExecutor",
    "Runner",
    "SupportsSubmit",
    "adapted",
    "deaths_explained",
    "results_in_order",
    "run",
    "shares_memory",
    "tasks_at_once",
    "workers_of",
]

_CALLS_PER_WORKER = 4
"""How many calls per worker wait or run at once: enough to keep all busy, few enough to hold their results."""


_MOST_WAITING = 16
"""How many threads wait for stores at most: each of them holds voxels."""


class SupportsSubmit(Protocol):
    """What an executor must have at least."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Start a call and give something with `result()`."""


class NamedExecutor(NamedTuple):
    """An executor by its name, with options such as {"workers": 4}: made when work begins, and shut down after it."""

    name: str
    options: Mapping[str, Any] | None = None


AnyExecutor: TypeAlias = (
    "SupportsSubmit | NamedExecutor | Literal['sequential', 'threads', 'processes'] | str | None"
)
"""What `executor=` may be."""

_CLUSTER_TOOLS = 'pip install cluster_tools, then executor=cluster_tools.get_executor("{}", ...)'
_LIBRARIES = {
    "dask": "pip install distributed, then executor=distributed.Client(...).get_executor()",
    **{name: _CLUSTER_TOOLS.format(name) for name in ("kubernetes", "pbs", "slurm")},
}
"""Executors that users ask for by name and that, without a plugin, can be passed as they are."""


class _WithSettings:
    """A function that runs with the settings of the one who submitted it, wherever that is."""

    __slots__ = ("_function", "_settings")

    def __init__(self, function: Callable[..., Any], settings: Settings) -> None:
        self._function = function
        self._settings = settings

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if config.current() == self._settings:
            return self._function(*args, **kwargs)
        with config.settings(self._settings):
            return self._function(*args, **kwargs)

    @property
    def __name__(self) -> str:
        # Cluster executors name their jobs after the function.
        return str(getattr(self._function, "__name__", None) or type(self._function).__name__)


class Runner(Executor):
    """Any executor as one of `wkplug.abc`, with the number of its workers."""

    def __init__(self, inner: SupportsSubmit, *, workers: int, owned: bool) -> None:
        self._inner = inner
        self._owned = owned
        self.workers = workers

    @property
    def inner(self) -> SupportsSubmit:
        """The executor that does the work."""
        return self._inner

    def with_settings(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Bind the present settings to a function; raises what pickle does if no pool of processes could get it."""
        bound = _WithSettings(function, config.current())
        if _is_pool_of_processes(self._inner):
            # The pool would find out in a thread of its own, and may wait forever for its workers when it is shut down.
            pickle.dumps(bound)
        return bound

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Start one call."""
        return self._inner.submit(self.with_settings(function), *args, **kwargs)

    def map_to_futures(
        self,
        function: Callable[..., Any],
        items: Iterable[Any],
        output_pickle_path_getter: Callable[[Any], Any] | None = None,
        output_key_getter: Callable[[Any], Any] | None = None,
    ) -> list[Any]:
        """Start a call per item and give the futures in the items' order.

        The last two parameters are those of executors of clusters, which say by them where results are kept.
        """
        given = getattr(self._inner, "map_to_futures", None)
        if not callable(given):
            return [self.submit(function, item) for item in items]
        getters = {
            "output_pickle_path_getter": output_pickle_path_getter,
            "output_key_getter": output_key_getter,
        }
        further = {name: getter for name, getter in getters.items() if getter is not None}
        return list(given(self.with_settings(function), list(items), **further))

    def as_completed(self, futures: Iterable[Any]) -> Iterator[Any]:
        """Give futures as they end."""
        from concurrent import futures as standard

        given = getattr(self._inner, "as_completed", standard.as_completed)
        yield from given(list(futures))

    def forward_log(self, future: Any) -> Any:
        """Wait for a call that was submitted, showing what it logs where it runs elsewhere, and give its result."""
        given = getattr(self._inner, "forward_log", None)
        return given(future) if callable(given) else future.result()

    def shutdown(self, *, wait: bool = True, cancel_futures: bool = False) -> None:
        """Release the workers, if they were started here."""
        if self._owned and isinstance(self._inner, Executor):
            self._inner.shutdown(wait=wait, cancel_futures=cancel_futures)


@contextmanager
def adapted(
    executor: AnyExecutor,
    *,
    default: str = "sequential",
    views: Iterable[ViewState] = (),
    places: Iterable[Location] = (),
    held: int = 0,
) -> Iterator[Runner]:
    """Give a `Runner` for what the user passed as `executor=`; `default` names the one for None.

    `views` are those that will be worked on: a pool of forked processes is checked against their engines. `places` are
    those that are read and written: for stores, whose answers are waited for, "threads" are more than processors, but
    no more than memory allows where each call holds so many bytes of voxels (`held`).
    InvalidArgumentError for what is no executor, UnknownNameError for unknown names, ForkError as said;
    WorkerDiedError instead of BrokenProcessPool where that leaves the `with` block.
    """
    if executor is None or isinstance(executor, (str, NamedExecutor)):
        made = _executor_of(executor or default)
        _expect_waiting(made, places, held)
        with deaths_explained(), Runner(made, workers=made.workers, owned=True) as runner:
            yield runner
        return
    if not callable(getattr(executor, "submit", None)):
        raise InvalidArgumentError(
            f"executor is {executor!r}, which has no method submit.",
            hint='Give an executor of concurrent.futures, a cluster executor, or a name: "sequential", "threads", '
            '"processes".',
        )
    if isinstance(executor, Runner):
        yield executor
        return
    _expect_waiting(executor, places, held)
    _refuse_fork(executor, views)
    with deaths_explained():
        yield Runner(executor, workers=workers_of(executor), owned=False)


@contextmanager
def deaths_explained() -> Iterator[None]:
    """Say what to do where a pool of processes lost a worker (WorkerDiedError), or can't be sent what it is to call."""
    from concurrent.futures import BrokenExecutor
    from pickle import PicklingError

    try:
        yield
    except (AttributeError, PicklingError, TypeError) as error:
        if "pickle" not in str(error):
            raise
        raise InvalidArgumentError(
            f"What is to run in other processes can't be sent to them: {error}.",
            hint="Define the function at the top level of a module, not as a lambda or inside of another function, and "
            'let it take and give plain values, arrays and views; or use executor="threads".',
        ) from error
    except BrokenExecutor as error:
        from concurrent.futures.process import BrokenProcessPool  # brings multiprocessing, so only now

        if not isinstance(error, BrokenProcessPool):
            raise
        raise WorkerDiedError(
            "A worker process ended before its work was done, and its pool with it: it was killed, it ran out of "
            "memory, or it could not start because the script does its work at the top level.",
            hint='In a script, start the work below `if __name__ == "__main__":`, because every worker imports the '
            "script.\n"
            "If memory ran out, use fewer workers or smaller chunks. What the worker itself said is on stderr.",
        ) from error


def _executor_of(wanted: str | NamedExecutor) -> Executor:
    """Make an executor by its name; one that no plugin knows is an error that says where such executors come from."""
    named = NamedExecutor(wanted) if isinstance(wanted, str) else wanted
    try:
        return registry.executor(named.name, named.options)
    except UnknownNameError as error:
        library = _LIBRARIES.get(named.name.partition("+")[0])
        if library is not None:
            error.hint = (
                f"Install a plugin that brings it as `wkplug_executors`, or pass the executor itself: {library}.\n"
                f"{error.hint}"
            )
        raise


def _expect_waiting(executor: Any, places: Iterable[Location], held: int) -> None:
    """Let a pool of threads that is yet to start have as many as requests to the places are worth making."""
    requests = max((objects_at_once(place, held) for place in places), default=1)
    if requests > 1 and isinstance(executor, Executor):
        executor.expect_waiting(min(requests, _MOST_WAITING))


def tasks_at_once(executor: SupportsSubmit | None, size: int) -> int | None:
    """How many tasks that hold `size` bytes each may be under way: for `results_in_order`.

    As many as by default (None) where there is a worker per processor; of more threads no more than memory allows.
    """
    least = _processors() + 1
    if executor is None or workers_of(executor) < least or not shares_memory(executor):
        return None
    return max(least, min(workers_of(executor) + 1, for_voxels(memory_budget()) // max(1, size)))


def _is_pool_of_processes(executor: Any) -> bool:
    """Whether calls are pickled and sent through a queue of the standard library's."""
    from wkplug.builtin.executors import ProcessesExecutor

    return isinstance(executor, ProcessesExecutor) or hasattr(executor, "_mp_context")


def shares_memory(executor: Any) -> bool:
    """Whether the calls of an executor surely run in this process."""
    from concurrent.futures import ThreadPoolExecutor

    # Late, as below: these bring multiprocessing, which work in this thread must not wait for.
    from wkplug.builtin.executors import SequentialExecutor, ThreadsExecutor

    inner = executor.inner if isinstance(executor, Runner) else executor
    return isinstance(inner, (ThreadPoolExecutor, ThreadsExecutor, SequentialExecutor))


def workers_of(executor: Any) -> int:
    """How many calls run side by side; where nobody says, as many as there are processors."""
    for name in ("workers", "_max_workers", "max_workers"):
        value = getattr(executor, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return _processors()


def _processors() -> int:
    from wkplug.builtin.executors import available_workers

    return available_workers()


def _refuse_fork(executor: Any, views: Iterable[ViewState]) -> None:
    """Refuse a pool that is yet to fork its processes, if these could not read what they are for."""
    context = getattr(executor, "_mp_context", None)
    if context is None or getattr(executor, "_processes", None):
        return  # no pool, or it has forked already: the engine itself tells which of its children can't go on
    if context.get_start_method() != "fork":
        return
    for view in views:
        backend = view.source.handle.backend
        if not backend.capabilities.survives_fork:
            raise ForkError(
                f"The executor would fork this process, but {backend.name} runs threads, which no forked process has: "
                "the jobs would hang or die.",
                hint='Use spawned processes: executor="processes", or '
                'ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")). '
                "Threads do as well for most work on arrays.",
            )


class Calls:
    """Calls that are under way on an executor; when its `with` block is left, those that have not begun are cancelled.

    awaited: leaving the block also waits for the calls that run, because they use what the caller is about to close
    or delete.
    """

    def __init__(self, executor: SupportsSubmit, *, awaited: bool = True) -> None:
        self._submit = executor.submit
        self._awaited = awaited
        self._pending: dict[int, Any] = {}
        # Not `concurrent.futures.wait`: an interrupt while that takes the locks of its futures leaves them locked.
        self._ended: SimpleQueue[tuple[Any, Any]] = SimpleQueue()

    def __len__(self) -> int:
        return len(self._pending)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        from concurrent.futures import Future, wait

        _cancel(self._pending.values())
        if self._awaited:
            wait(each for each in self._pending.values() if isinstance(each, Future) and not each.cancelled())

    def begin(self, key: Any, function: Callable[..., Any], /, *args: Any) -> None:
        """Start a call; `key` says which one it is when it has ended."""
        from concurrent.futures import Future

        with deaths_explained():
            future = self._submit(function, *args)
        self._pending[id(future)] = future
        if isinstance(future, Future):
            future.add_done_callback(lambda ended: self._ended.put((key, ended)))
        else:
            self._ended.put((key, future))  # of other futures only the result is known: who asks for it waits

    def next_ended(self) -> tuple[Any, Any]:
        """Wait for a call that ends; gives its key and its future."""
        key, future = self._ended.get()
        del self._pending[id(future)]
        return key, future


def results_in_order(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    *,
    executor: SupportsSubmit | None = None,
    progress: Progress | None = None,
    total: int | None = None,
    at_once: int | None = None,
    any_failure: bool = False,
) -> Generator[Any, None, None]:
    """Call `function` on every item and give the results in the items' order, in bounded memory.

    Without an executor the calls are made in this thread, each when its result is asked for. Where they leave the
    process, function, items and results must pickle. The first failure in the items' order ends the work, once the
    calls that run have come to their end: whoever cleans up then must not do so under their feet.

    total: the number of items, where these are too many to be held: then they are taken one by one.
    at_once: how many calls may be under way, one more than the executor has workers by default.
    any_failure: the failure that is known first ends the work at once, whichever item it is of.
    WorkerDiedError if a process of the executor's ends before its work is done.
    """
    if total is None:
        items = tuple(items)
        total = len(items)
    if executor is None:
        for done, item in enumerate(items, 1):
            result = function(item)
            if progress is not None:
                progress(done, total)
            yield result
        return
    most = workers_of(executor) + 1 if at_once is None else at_once
    if isinstance(executor, Runner):
        function, executor = executor.with_settings(function), executor.inner
    waiting = enumerate(items)
    ended: dict[int, Any] = {}
    with Calls(executor, awaited=not any_failure) as calls:
        for done in count():
            while len(calls) + len(ended) < most and (following := next(waiting, None)) is not None:
                calls.begin(following[0], function, following[1])
            while done not in ended:
                if not calls:
                    return
                index, future = calls.next_ended()
                ended[index] = future
                if any_failure:
                    future.result()
            with deaths_explained():
                result = ended.pop(done).result()
            if progress is not None:
                progress(done + 1, total)
            yield result


def run(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    *,
    executor: AnyExecutor = None,
    default: str = "sequential",
    progress_desc: str | None = None,
    views: Sequence[ViewState] = (),
    held: int = 0,
) -> Generator[Any, None, None]:
    """Call `function` on every item and give the results in the items' order; the first failure ends it.

    views: those that are worked on. held: how many bytes of their voxels each call holds; where that is told, "threads"
    are as many as requests to stores are worth making, within memory.

    With the sequential executor (the default), in this thread, one after the other, each when its result is
    asked for. Otherwise a few calls per worker are in flight; those that have not begun are cancelled when the
    iterator is closed or a call fails. Where work leaves the process, function, items and results must pickle.
    """
    if _name(default if executor is None else executor) == "sequential":
        with described(progress_desc) as progress:
            yield from results_in_order(function, items, progress=progress)
        return
    places = [view.source.handle.location for view in views] if held else ()
    with (
        adapted(executor, default=default, views=views, places=places, held=held) as runner,
        described(progress_desc) as progress,
    ):
        if callable(getattr(runner.inner, "map_to_futures", None)):
            yield from _as_one_job(runner, function, items, progress)
            return
        yield from results_in_order(
            function,
            items,
            executor=runner,
            progress=progress,
            at_once=_CALLS_PER_WORKER * max(1, runner.workers),
            any_failure=True,
        )


def _name(executor: AnyExecutor) -> Any:
    return executor.name if isinstance(executor, NamedExecutor) else executor


def _as_one_job(
    runner: Runner, function: Callable[[Any], Any], items: Sequence[Any], progress: Progress | None
) -> Iterator[Any]:
    """Hand everything over at once: a cluster starts one job of many tasks, not many jobs."""
    futures = runner.map_to_futures(function, items)
    try:
        for done, future in enumerate(runner.as_completed(futures), 1):
            future.result()
            if progress is not None:
                progress(done, len(items))
        for future in futures:
            yield future.result()
    finally:
        _cancel(futures)


def _cancel(futures: Iterable[Any]) -> None:
    for future in futures:
        cancel = getattr(future, "cancel", None)
        if cancel is not None:
            cancel()
