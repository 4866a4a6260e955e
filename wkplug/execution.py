"""Where chunk-wise work runs: everything that `executor=` may be, behind one interface.

`executor=` takes an executor of `concurrent.futures`, of a cluster (with `map_to_futures` and `as_completed`), one
of `wkplug.abc`, anything else with `submit`, the name of a registered one ("sequential", "threads",
"processes", ...), or nothing. `adapted` turns each into a `Runner`, which has `workers` and so fits
`wkplug.ops.plan.run`; `run` is all that the chunk-wise methods of views need: results in the order of the
work, the first failure at once, a bounded number of calls in flight, a progress bar.

The caller's settings (`with wkplug.settings(...)`) hold in threads and other processes too. A pool of forked
processes is refused before the first call if the arrays at hand are read by an engine that does not survive a fork.
Executors made here by name are shut down here; the user's own are left open. A worker process that dies is an
error that says what may have killed it (`deaths_explained`).
"""

from __future__ import annotations

import pickle
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from wkplug.abc import Executor
from wkplug.errors import ForkError, InvalidArgumentError, UnknownNameError, WorkerDiedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from wkplug.config import Settings
    from wkplug.model.states import ViewState

__all__ = ["AnyExecutor", "NamedExecutor", "Runner", "SupportsSubmit", "adapted", "deaths_explained", "run"]

_AHEAD = 4
"""How many calls per worker wait or run at once: enough to keep all busy, few enough to hold their results."""


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
        from wkplug import config

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

    def carried(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Bind the present settings to a function; raises what pickle does if no pool of processes could get it."""
        from wkplug import config

        carried = _WithSettings(function, config.current())
        if _is_pool_of_processes(self._inner):
            # The pool would find out in a thread of its own, and may wait forever for its workers when it is shut down.
            pickle.dumps(carried)
        return carried

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Start one call."""
        return self._inner.submit(self.carried(function), *args, **kwargs)

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
        return list(given(self.carried(function), list(items), **further))

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
    executor: AnyExecutor, *, default: str = "sequential", views: Iterable[ViewState] = ()
) -> Iterator[Runner]:
    """Give a `Runner` for what the user passed as `executor=`; `default` names the one for None.

    `views` are those that will be worked on: a pool of forked processes is checked against their engines.
    InvalidArgumentError for what is no executor, UnknownNameError for unknown names, ForkError as said;
    WorkerDiedError instead of BrokenProcessPool where that leaves the `with` block.
    """
    if executor is None or isinstance(executor, (str, NamedExecutor)):
        made = _made(executor or default)
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
    _refuse_fork(executor, views)
    with deaths_explained():
        yield Runner(executor, workers=_workers(executor), owned=False)


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


def _made(wanted: str | NamedExecutor) -> Executor:
    """Make an executor by its name; one that no plugin knows is an error that says where such executors come from."""
    from wkplug import registry

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


def _is_pool_of_processes(executor: Any) -> bool:
    """Whether calls are pickled and sent through a queue of the standard library's."""
    from wkplug.builtin.executors import ProcessesExecutor

    return isinstance(executor, ProcessesExecutor) or hasattr(executor, "_mp_context")


def _workers(executor: Any) -> int:
    """How many calls run side by side; where nobody says, as many as there are processors."""
    for name in ("workers", "_max_workers", "max_workers"):
        value = getattr(executor, name, None)
        if isinstance(value, int) and value > 0:
            return value
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


def run(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    *,
    executor: AnyExecutor = None,
    default: str = "sequential",
    progress_desc: str | None = None,
    views: Iterable[ViewState] = (),
) -> Generator[Any, None, None]:
    """Call `function` on every item and give the results in the items' order; the first failure ends it.

    With the sequential executor (the default), in this thread, one after the other, each when its result is
    asked for. Otherwise a few calls per worker are in flight; those that have not begun are cancelled when the
    iterator is closed or a call fails. Where work leaves the process, function, items and results must pickle.
    """
    from wkplug.progress import progress_bar

    if _name(default if executor is None else executor) == "sequential":
        with progress_bar(progress_desc, len(items)) as advance:
            for item in items:
                result = function(item)
                advance()
                yield result
        return
    with (
        adapted(executor, default=default, views=views) as runner,
        progress_bar(progress_desc, len(items)) as advance,
    ):
        if callable(getattr(runner.inner, "map_to_futures", None)):
            yield from _as_one_job(runner, function, items, advance)
        else:
            yield from _in_order(runner, function, items, advance)


def _name(executor: AnyExecutor) -> Any:
    return executor.name if isinstance(executor, NamedExecutor) else executor


def _in_order(
    runner: Runner, function: Callable[[Any], Any], items: Iterable[Any], advance: Callable[[], None]
) -> Iterator[Any]:
    waiting = iter(items)
    pending: deque[Any] = deque()
    most = _AHEAD * max(1, runner.workers)
    call = runner.carried(function)
    submit = runner.inner.submit
    try:
        while True:
            while len(pending) < most:
                try:
                    item = next(waiting)
                except StopIteration:
                    break
                pending.append(submit(call, item))
            if not pending:
                return
            _wait_for_first(pending)
            result = pending.popleft().result()
            advance()
            yield result
    finally:
        _cancel(pending)


def _wait_for_first(pending: deque[Any]) -> None:
    """Return when the first call has ended, or raise as soon as any other has failed."""
    from concurrent.futures import FIRST_COMPLETED, Future, wait

    first = pending[0]
    while isinstance(first, Future) and not first.done():
        running = []
        for future in pending:
            if not future.done():
                running.append(future)
            elif not future.cancelled() and future.exception() is not None:
                future.result()
        wait(running, return_when=FIRST_COMPLETED)


def _as_one_job(
    runner: Runner, function: Callable[[Any], Any], items: Sequence[Any], advance: Callable[[], None]
) -> Iterator[Any]:
    """Hand everything over at once: a cluster starts one job of many tasks, not many jobs."""
    futures = runner.map_to_futures(function, items)
    try:
        for future in runner.as_completed(futures):
            future.result()
            advance()
        for future in futures:
            yield future.result()
    finally:
        _cancel(futures)


def _cancel(futures: Iterable[Any]) -> None:
    for future in futures:
        cancel = getattr(future, "cancel", None)
        if cancel is not None:
            cancel()
