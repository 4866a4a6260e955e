"""Locks where there is no operating system to ask: inside one process, and as leases in object stores.

`ProcessLocks` excludes the threads of one process; it is all that memory:// places need. `lease` is a small
object that says who holds the lock. It is created on the condition that there is none, renewed all the time,
and deleted at the end. Who waits takes a lease over when it has not changed for as long as it promised to
last, by the waiter's own clock, so that clocks need not agree.

The limits: a killed holder's lease keeps others out until it has run out (30 s); a holder that can't renew
for that long (stopped, cut off) loses it, and is told at the end; and stores without conditional puts have a
moment between looking and writing in which two can both win.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import uuid
from typing import TYPE_CHECKING

from wkplug.errors import ConflictError, ForbiddenError, LockTimeoutError, MissingError, StorageError
from wkplug.filesystems.paths import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Location

__all__ = ["LEASE_SECONDS", "ProcessLocks", "lease", "lock_timed_out"]

LEASE_SECONDS = 30.0
_DELETIONS = 5


def lock_timed_out(url: str, key: str, timeout: float, holder: str) -> LockTimeoutError:
    """Make the error of a lock that was not free in time."""
    what = f"The lock {key!r} of {url}" if key else f"The lock of {url}"
    return LockTimeoutError(
        f"{what} was not free within {timeout:g} s: {holder} holds it.",
        hint="Wait until that one is done, or end it.\nTo wait longer, raise the setting lock_timeout.",
    )


class ProcessLocks:
    """Named locks between the threads of one process; a forked child starts with all of them free."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._guard = threading.Lock()
        self._locks: dict[tuple[str, str], tuple[threading.Lock, int]] = {}

    @contextlib.contextmanager
    def hold(self, url: str, key: str, timeout: float) -> Iterator[None]:
        """Hold the lock `key` of `url`; LockTimeoutError after `timeout` seconds."""
        if self._process != os.getpid():
            self.__init__()  # type: ignore[misc]  # the parent's threads, which would release them, are not here
        name = (url, key)
        with self._guard:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = (lock, users + 1)
        taken = False
        try:
            taken = lock.acquire(timeout=max(0.0, timeout))
            if not taken:
                raise lock_timed_out(url, key, timeout, "another thread of this process")
            yield
        finally:
            if taken:
                lock.release()
            with self._guard:
                lock, users = self._locks.get(name, (lock, 1))
                if users > 1:
                    self._locks[name] = (lock, users - 1)
                else:
                    self._locks.pop(name, None)


@contextlib.contextmanager
def lease(folder: Location, key: str, timeout: float, *, seconds: float = LEASE_SECONDS) -> Iterator[None]:
    """Hold the lease `key` of `folder`, an object beside its data.

    LockTimeoutError after `timeout` seconds; ConflictError at the end if it was lost meanwhile.
    """
    import hashlib  # late, as all that reading doesn't need: this module is part of every start

    digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    held = _Lease(folder.child(f"{LOCK_NAME}-{digest}"), seconds)
    holder = held.take(time.monotonic() + timeout)
    if holder is not None:
        raise lock_timed_out(folder.url, key, timeout, holder)
    try:
        yield
    finally:
        lost = held.give_back()
    if lost:
        raise ConflictError(
            f"The lock {key!r} of {folder.url} was lost while it was held: it could not be renewed for "
            f"{seconds:g} s, and someone else took it.",
            hint="What was written meanwhile may have been overwritten: check it, or do it again.",
        )


class _Lease:
    def __init__(self, location: Location, seconds: float) -> None:
        self.location = location
        self.seconds = seconds
        self.token = uuid.uuid4().hex
        self.version = ""
        self.put_at = 0.0
        self.lost = False
        self.count = 0
        self.done = threading.Event()
        self.renewer = threading.Thread(target=self._renew, name="wkplug-lease", daemon=True)

    def _text(self) -> bytes:
        import socket  # late, too

        self.count += 1  # so that every renewal is another version
        facts = {
            "token": self.token,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "count": self.count,
            "seconds": self.seconds,
        }
        return json.dumps(facts).encode()

    def take(self, deadline: float) -> str | None:
        """Take the lease; after the deadline give the name of who holds it."""
        facts: dict[str, object] = {}
        seen, since, promised, wait = "", 0.0, self.seconds, 0.01
        while True:
            # Mostly it is free, so it is taken first and looked at later.
            if (not seen or time.monotonic() - since > promised) and self._put(seen):
                return None
            try:
                newer = self.location.read_newer(seen or None)
            except MissingError:
                newer = b"", ""
            if newer is not None:
                facts, seen = _facts(newer[0]), newer[1]
                since, promised = time.monotonic(), _number(facts.get("seconds"), self.seconds)
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                if "process" in facts:
                    return f"process {facts['process']} on {facts.get('host', 'an unknown host')}"
                return "another process"
            import random  # late, too

            # The jitter spreads the waiting processes; it guards no secret.
            time.sleep(min(wait * (0.5 + random.random()), remaining))  # noqa: S311
            wait = min(wait * 1.5, 1.0)

    def _put(self, replaced: str) -> bool:
        """Put the lease in the place of that version; whether it was still that one."""
        try:
            self.version = self.location.write(self._text(), if_match=replaced)
        except ConflictError:
            return False
        except StorageError:
            # It may have arrived all the same, and would keep everybody out until it runs out.
            with contextlib.suppress(StorageError):
                if self._read().get("token") == self.token:
                    self._delete()
            raise
        self.put_at = time.monotonic()
        self.renewer.start()
        return True

    def _read(self) -> dict[str, object]:
        with contextlib.suppress(MissingError):
            return _facts(self.location.read())
        return {}

    def _renew(self) -> None:
        while not self.done.wait(self.seconds / 3):
            try:
                self.version = self.location.write(self._text(), if_match=self.version)
                self.put_at = time.monotonic()
            except ConflictError:
                if self._read().get("token") != self.token:
                    self.lost = True
                    return
                self.version = self.location.version() or ""
            except StorageError:
                if time.monotonic() - self.put_at > self.seconds:
                    self.lost = True
                    return

    def give_back(self) -> bool:
        """Delete the lease; whether it had been lost."""
        self.done.set()
        self.renewer.join()
        # Nobody takes over what was put a moment ago, so it needn't be looked at.
        if self.lost or (
            time.monotonic() - self.put_at > self.seconds / 2 and self._read().get("token") != self.token
        ):
            return True
        self._delete()
        return False

    def _delete(self) -> None:
        """Delete the lease. A try that failed may have arrived, and what is there now be somebody else's."""
        for attempt in range(_DELETIONS):
            try:
                return self.location.delete()
            except StorageError as error:
                if attempt + 1 == _DELETIONS or isinstance(error, ForbiddenError):
                    raise
            time.sleep(0.1 * 2**attempt)
            if self._read().get("token") != self.token:
                return None
        return None


def _facts(data: bytes) -> dict[str, object]:
    with contextlib.suppress(ValueError):
        facts = json.loads(data)
        return facts if isinstance(facts, dict) else {}
    return {}


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, (int, float)) and 0 < value < 3600 else default
