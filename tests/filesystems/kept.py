"""A store in memory that does what is asked, fails as it is told, and loses answers: for tests of what is above it."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from wkplug.abc import Store, StoreFailure, StoreObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class KeptStore(Store):
    """Objects in a dict. `script` holds, for the calls to come, what happens: "" (nothing), "before" (the request is
    lost), "after" (its answer is lost), or an exception to raise; None at its end repeats what stands before it.
    """

    conditional: ClassVar[bool] = True
    keeps_ids: ClassVar[bool] = True
    passes_over: ClassVar[bool] = False

    def __init__(self, name: str = "shelf") -> None:
        self.name = name
        self.objects: dict[str, tuple[bytes, StoreObject]] = {}
        self.script: list[str | Exception] = []
        self.forever: str | Exception = ""
        self.calls: list[tuple[str, str, Any]] = []
        self.between: Callable[[], None] | None = None
        """Called once after the next answer that is lost: somebody else comes in between."""
        self._guard = threading.RLock()
        self._numbers = itertools.count(1)

    @property
    def root(self) -> str:
        return f"kept://{self.name}/"

    def counted(self) -> Counter[str]:
        return Counter(name for name, _, _ in self.calls)

    def _do(self, name: str, path: str, what: Any, call: Callable[[], Any]) -> Any:
        with self._guard:
            self.calls.append((name, path, what))
            happens = self.script.pop(0) if self.script else self.forever
            if isinstance(happens, Exception):
                raise happens
            if happens == "before":
                raise StoreFailure("busy", "the connection was lost")
            answer = call()
            if happens == "after":
                between, self.between = self.between, None
                if between is not None:
                    between()
                raise StoreFailure("busy", "the connection was lost")
            return answer

    def _found(self, path: str) -> tuple[bytes, StoreObject]:
        if path not in self.objects:
            raise StoreFailure("missing")
        return self.objects[path]

    def get(
        self, path: str, start: int | None = None, stop: int | None = None, *, unless: str = ""
    ) -> tuple[bytes, StoreObject]:
        def answer() -> tuple[bytes, StoreObject]:
            data, found = self._found(path)
            if unless and found.version == unless:
                raise StoreFailure("unchanged")
            return data[start:stop], found

        result: tuple[bytes, StoreObject] = self._do("get", path, (start, stop), answer)
        return result

    def head(self, path: str) -> StoreObject:
        result: StoreObject = self._do("head", path, None, lambda: self._found(path)[1])
        return result

    def put(self, path: str, data: bytes, *, if_match: str | None = None, write_id: str = "") -> StoreObject:
        def answer() -> StoreObject:
            there = self.objects.get(path)
            if (
                not self.passes_over
                and if_match is not None
                and if_match != (there[1].version if there is not None else "")
            ):
                raise StoreFailure("conflict")
            found = StoreObject(f"v{next(self._numbers)}", len(data), write_id if self.keeps_ids else "")
            self.objects[path] = (bytes(data), found)
            return found

        result: StoreObject = self._do("put", path, if_match, answer)
        return result

    def names(self, path: str) -> Iterator[str]:
        def answer() -> list[str]:
            rests = [
                key[len(path) + bool(path) :]
                for key in self.objects
                if not path or key.startswith(f"{path}/")
            ]
            return [first + slash for first, slash, _ in (rest.partition("/") for rest in rests)]

        return iter(self._do("names", path, None, answer))

    def sizes(self, path: str) -> Iterator[tuple[str, int]]:
        def answer() -> list[tuple[str, int]]:
            start = f"{path}/" if path else ""
            return [
                (key[len(start) :], len(data))
                for key, (data, _) in self.objects.items()
                if key.startswith(start)
            ]

        return iter(self._do("sizes", path, None, answer))

    def delete(self, paths: Sequence[str]) -> None:
        self._do("delete", paths[0], list(paths), lambda: [self.objects.pop(path, None) for path in paths])


class PlainStore(KeptStore):
    """Has no conditions."""

    conditional = False


class ForgetfulStore(KeptStore):
    """Keeps no write ids."""

    keeps_ids = False


class CarelessStore(KeptStore):
    """Takes conditions and passes over them."""

    passes_over = True
