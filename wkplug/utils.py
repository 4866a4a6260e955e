"""Small helpers that scripts import beside the Dataset API: partial functions with a name, executors, trees of files.

Kept for the scripts that use them; the library itself has its own ways.
"""

from __future__ import annotations

import inspect
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any

from wkplug import storage
from wkplug.dataset.legacy.parameters import executor_of
from wkplug.execution import adapted
from wkplug.progress import described

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from wkplug.abc import Location

__all__ = [
    "copytree",
    "get_executor_for_args",
    "get_rich_progress",
    "is_fs_path",
    "named_partial",
    "rmtree",
    "wait_and_ensure_success",
    "wrap_executor",
]


def named_partial(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Give a `functools.partial` that keeps the function's name, after which executors name their jobs."""
    bound = partial(func, *args, **kwargs)
    update_wrapper(bound, func)
    return bound


def get_executor_for_args(args: Any, executor: Any = None) -> AbstractContextManager[Any]:
    """Give the executor of a namespace with `distribution_strategy` and `jobs`, or the one that is given.

    As a context manager. One that is given is not shut down on leaving.
    """
    if executor is not None or args is None:
        return wrap_executor(executor)
    return wrap_executor(executor_of(args))


def wrap_executor(executor: Any = None) -> AbstractContextManager[Any]:
    """Give an executor for a `with` block: the given one, which stays open, one by name, or a sequential one."""
    return adapted(executor)


def wait_and_ensure_success(
    futures: Iterable[Any], executor: Any = None, progress_desc: str | None = None
) -> list[Any]:
    """Wait for futures and give their results in their order; the first failure is raised."""
    del executor
    listed = list(futures)
    if progress_desc is None:
        return [future.result() for future in listed]
    results = []
    with get_rich_progress() as progress:
        bar = progress.add_task(progress_desc, total=len(listed))
        for future in listed:
            results.append(future.result())
            progress.advance(bar)
    return results


def get_rich_progress() -> Any:
    """Give a progress bar of `rich`, with time elapsed and to go, to be used as a context manager."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )


def is_fs_path(path: str | os.PathLike[str]) -> bool:
    """Whether a path lies in the local file system."""
    return storage.locate(path).local_path() is not None


def copytree(
    in_path: str | os.PathLike[str],
    out_path: str | os.PathLike[str],
    *,
    ignore: Callable[..., Any] | None = None,
    threads: int | None = 10,
    progress_desc: str | None = None,
) -> None:
    """Copy a folder with all below it, between any two places.

    ignore: says of a name in the folder whether it stays behind; or, as `shutil.ignore_patterns` makes it and at all
    depths, of a folder and the names in it which do. threads: how many files are copied at once; None for
    what suits the places. progress_desc: shows a progress bar of that name on a terminal.
    """
    source, target = storage.locate(in_path), storage.locate(out_path)
    skip: tuple[str, ...] = ()
    if ignore is not None and _takes_a_folder(ignore):
        skip = tuple(_ignored(source, "", ignore))
    elif ignore is not None:
        skip = tuple(name for entry in source.list() if ignore(name := entry.rstrip("/")))
    with described(progress_desc) as progress:
        storage.copy_tree(source, target, skip=skip, threads=threads, progress=progress)


def _takes_a_folder(ignore: Callable[..., Any]) -> bool:
    """Whether a function is called with a folder and the names in it, as `shutil.copytree` does."""
    needed = [
        parameter
        for parameter in inspect.signature(ignore).parameters.values()
        if parameter.default is parameter.empty and parameter.kind <= parameter.POSITIONAL_OR_KEYWORD
    ]
    return len(needed) == 2


def _ignored(
    folder: Location, prefix: str, ignore: Callable[[str, list[str]], Iterable[str]]
) -> Iterator[str]:
    """Give the paths, relative to the first folder, that stay behind."""
    entries = list(folder.list())
    left = set(ignore(folder.url, [entry.rstrip("/") for entry in entries]))
    for entry in entries:
        name = entry.rstrip("/")
        if name in left:
            yield f"{prefix}{name}"
        elif entry.endswith("/"):
            yield from _ignored(folder.child(name), f"{prefix}{name}/", ignore)


def rmtree(path: str | os.PathLike[str] | Path) -> None:
    """Delete a folder with all below it; links are deleted, not followed."""
    storage.locate(path).delete(recursive=True)
