"""A place that counts requests as an object store would be asked, and lets others change objects in between."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

from wkplug.abc import Location, LocationWrapper, locate
from wkplug.errors import ConflictError, MissingError

__all__ = ["Bucket", "Log", "Request", "bucket"]

_fresh = count()


class Request(NamedTuple):
    """What was asked for."""

    kind: str
    name: str
    size: int = 0


class Log:
    """What all places of one bucket share: requests, how many were under way at most, and who meddles.

    before: called before each request is answered, outside of the lock that makes answers whole.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.in_flight = self.most = 0
        self.before: Callable[[Request], Any] = lambda _: None
        self.versions = count(1)
        self.known: dict[str, str] = {}
        self.guard = threading.RLock()

    @property
    def kinds(self) -> str:
        """The requests so far, a letter each: r(ead), p(ut), h(ead), l(ist), L(ock)."""
        return "".join(request.kind for request in self.requests)

    def clear(self) -> None:
        """Forget the requests so far."""
        self.requests.clear()
        self.most = 0

    @contextmanager
    def asked(self, request: Request) -> Iterator[None]:
        """Write a request down, and answer it as one step."""
        with self.guard:
            self.requests.append(request)
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
        try:
            self.before(request)
            with self.guard:
                yield
        finally:
            with self.guard:
                self.in_flight -= 1


class Bucket(LocationWrapper):
    """A place in memory whose every call is a request: versions come with what is read, puts are conditional."""

    def __init__(self, inner: Location, log: Log, concurrency: int = 8) -> None:
        super().__init__(inner)
        self.log = log
        self.most = concurrency

    @property
    def concurrency(self) -> int:
        return self.most

    @property
    def conditional(self) -> bool:
        return True

    def _version(self) -> str | None:
        return self.log.known.get(self.url)

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        with self.log.asked(Request("r", self.name)):
            return self.inner.read(start, stop)

    def read_newer(self, known: str | None = None) -> tuple[bytes, str] | None:
        with self.log.asked(Request("r", self.name)):
            data, version = self.inner.read(), self._version()
            assert version is not None
            return None if version == known else (data, version)

    def read_consistent(
        self, ranges: Sequence[tuple[int, int]], *, version: str | None = None
    ) -> tuple[list[bytes], str]:
        ((start, stop),) = ranges
        with self.log.asked(Request("r", self.name, stop - start)):
            found = self._version()
            if found is None:
                raise MissingError(f"{self.url} is not there.")
            if version not in (None, found):
                raise ConflictError(f"{self.url} changed.")
            return [self.inner.read(start, stop)], found

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        with self.log.asked(Request("p", self.name, len(data))):
            if if_match is not None and if_match != (self._version() or ""):
                raise ConflictError(f"{self.url} changed.")
            self.inner.write(data)
            self.log.known[self.url] = version = str(next(self.log.versions))
            return version

    def version(self) -> str | None:
        with self.log.asked(Request("h", self.name)):
            return self._version()

    def list_all(self) -> Iterator[str]:
        self.log.requests.append(Request("l", self.name))
        return self.inner.list_all()

    def list_files(self) -> Iterator[tuple[str, int | None]]:
        self.log.requests.append(Request("l", self.name))
        return self.inner.list_files()

    def delete(self, *, recursive: bool = False) -> None:
        with self.log.guard:
            self.inner.delete(recursive=recursive)
            for url in [url for url in self.log.known if url == self.url or url.startswith(self.url + "/")]:
                del self.log.known[url]

    def lock(self, key: str = "", *, timeout: float | None = None) -> Any:
        self.log.requests.append(Request("L", key))
        return self.inner.lock(key, timeout=timeout)


def bucket(concurrency: int = 8) -> Bucket:
    """Make a fresh one."""
    return Bucket(locate(f"memory://wkw-bucket/{next(_fresh)}"), Log(), concurrency)
