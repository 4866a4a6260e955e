"""The engine of this process: its context (cache, threads, retries), and the guard against forks.

tensorstore runs threads from its first use on. A child that was forked afterwards has none of them, and the
engine ends it (or hangs) when it is touched, inherited handles and new ones alike. So the process that used
it first is remembered, and a forked child gets a ForkError before the engine sees it.

One object, `PROCESS`, holds all that: tensorstore itself is one per process, whatever the number of backends.
Arrays of all backends with the same settings share a context, so that the cache is one budget.

Importing this module imports tensorstore, which is safe before a fork; `backends` does it when the first array is
opened.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import tensorstore

from wkplug.errors import CorruptDataError, ForkError, UnsupportedOperationError
from wkplug_tensorstore.failures import ENGINE_ERRORS, sort_failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import Location, Mode
    from wkplug_tensorstore.settings import TensorstoreSettings
    from wkplug_tensorstore.stored import StoredArray

__all__ = ["PROCESS", "Engine", "EngineProcess", "kvstore_of", "refuse_fork"]

_RETRIES = {"max_retries": 6, "initial_delay": "500ms", "max_delay": "8s"}
"""About half a minute in all. The engine's own default goes on for a quarter of an hour."""

_IO_THREADS_PER_CORE = 4


class Engine:
    """A context with its settings: opens arrays and key-value stores."""

    def __init__(self, settings: TensorstoreSettings) -> None:
        self.settings = settings
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._context = tensorstore.Context(
            {
                "cache_pool": {"total_bytes_limit": settings.cache_bytes},
                "data_copy_concurrency": {"limit": settings.data_copy_threads or cores},
                "file_io_concurrency": {"limit": settings.io_threads or cores * _IO_THREADS_PER_CORE},
                "file_io_sync": settings.sync,
                "http_request_retries": _RETRIES,
                "s3_request_retries": _RETRIES,
                "gcs_request_retries": _RETRIES,
            }
        )

    def open(self, stored: StoredArray, mode: Mode, *, fill: bool = True) -> Any:
        """Open the engine's array for metadata that were read and checked already; nothing is read again.

        With `fill` off, reading what is not stored fails instead of giving the fill value.
        """
        spec = {
            "driver": stored.driver,
            "kvstore": kvstore_of(stored.root),
            "fill_missing_data_reads": fill,
            **({"metadata": dict(stored.metadata)} if stored.metadata else {}),
            **stored.extra,
        }
        try:
            array = tensorstore.open(
                spec,
                open=True,
                read=True,
                write=mode == "r+",
                assume_metadata=True,
                context=self._context,
            ).result()
        except ENGINE_ERRORS as error:
            # Nothing was read but the metadata, so they are what the engine didn't like.
            raise sort_failure(error, "opened", stored.file.url, otherwise=CorruptDataError) from error
        return _arranged(array, stored)

    def in_memory(self, stored: StoredArray, *, keep: bool = False) -> tuple[Any, Any]:
        """Open the array over an empty memory of its own; gives that memory and the array.

        keep: chunks that hold nothing but fill value are stored when they are written.
        """
        context = tensorstore.Context(
            {"data_copy_concurrency": {"limit": self.settings.data_copy_threads}}
            if self.settings.data_copy_threads
            else {}
        )
        spec = {
            "driver": stored.driver,
            "kvstore": "memory://",
            **({"metadata": dict(stored.metadata)} if stored.metadata else {}),
            **stored.extra,
            **({"store_data_equal_to_fill_value": True} if keep else {}),
        }
        try:
            store = tensorstore.KvStore.open("memory://", context=context).result()
            array = tensorstore.open(
                spec, open=True, read=True, write=True, assume_metadata=True, context=context
            ).result()
        except ENGINE_ERRORS as error:
            raise sort_failure(error, "opened", stored.file.url, otherwise=CorruptDataError) from error
        return store, _arranged(array, stored)

    def keys(self, location: Location) -> list[str]:
        """List all keys below a place."""
        try:
            store = tensorstore.KvStore.open(kvstore_of(location), context=self._context).result()
            found = store.list().result()
        except ENGINE_ERRORS as error:
            raise sort_failure(error, "listed", location.url) from error
        return [key.decode("utf-8", "replace") for key in found]


def _arranged(array: Any, stored: StoredArray) -> Any:
    """Give the axes the order, and the place, that the contract's spec has."""
    if stored.transpose is not None:
        array = array.transpose(stored.transpose)
    if stored.shift is not None:
        array = array[tensorstore.d[:].translate_by[stored.shift]]
    return array


class EngineProcess:
    """What this process did with tensorstore: who used it first, and the engines by their settings."""

    def __init__(self) -> None:
        self._user: int | None = None
        self._engines: dict[TensorstoreSettings, Engine] = {}
        self._lock = threading.Lock()

    def engine(self, settings: TensorstoreSettings) -> Engine:
        """Give the engine; ForkError in a child of the process that used it first."""
        pid = os.getpid()
        if self._user is not None and self._user != pid:
            # Before the lock: another thread of the parent may have held it when it forked.
            refuse_fork()
        with self._lock:
            self._user = pid
            engine = self._engines.get(settings)
            if engine is None:
                engine = self._engines[settings] = Engine(settings)
            return engine


PROCESS = EngineProcess()


def refuse_fork() -> None:
    """Raise the ForkError."""
    raise ForkError(
        "This process was forked from one that had used tensorstore, whose threads don't survive that: "
        "any use would hang or end it.",
        hint='Start workers with "spawn" or "forkserver" (multiprocessing.get_context("spawn")), '
        "or fork before the first array is opened.",
    )


def kvstore_of(location: Location) -> Mapping[str, Any]:
    """Describe a folder for the engine; UnsupportedOperationError where its filesystem can't."""
    native = location.native("tensorstore.kvstore")
    if native is not None:
        path = native.get("path")
        # The engine takes keys below as they come, and without the slash they would continue the name.
        return {**native, "path": path + "/"} if path and not path.endswith("/") else dict(native)
    path = location.local_path()
    if path is not None:
        return {"driver": "file", "path": path.rstrip("/") + "/"}
    raise UnsupportedOperationError(
        f"tensorstore has no way to reach {location.url}.",
        hint="Another engine may: wkplug-zarr goes through fsspec.",
    )
