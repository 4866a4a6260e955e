"""Copies of layers and datasets that have not ended: how they are marked, and what goes on with them.

A copy marks the folder of its target before anything else, and takes the mark away when all is there. What a killed
copy leaves can be opened (whatever is listed is complete), and says by its mark that more was to come. The same copy
goes on with it: what it has listed is complete and stays. A copy into something that was there before (`exists_ok`)
can't know what of it is its own: it is marked as another kind of job, which compares everything when it comes again.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import storage
from wkplug.storage.marks import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Location
    from wkplug.errors import WkplugError

__all__ = ["UnfinishedCopy"]


@attrs.frozen(kw_only=True)
class UnfinishedCopy:
    """A copy that is to be made. kind: "layer" or "dataset"; asked: what copies of one source may differ in."""

    kind: str
    source: Location
    target: Location
    asked: list[Any]

    @property
    def fingerprint(self) -> str:
        """A text that differs where what is asked for does."""
        plain = (attrs.asdict(part) if attrs.has(type(part)) else part for part in self.asked)
        return digest([self.source.url, *plain])

    def goes_on(self, *, exists_ok: bool, error: type[WkplugError]) -> bool:
        """Whether the target is what this very copy has left; `error` if it is another job's, unless `exists_ok`."""
        mark = storage.read_mark(self.target)
        if mark is None:
            return False
        own = self._is_own(mark)
        if own and (exists_ok or mark.job == self._job(into=False)):
            return True
        if exists_ok:
            return False
        if own:
            raise error(
                f"At {self.target.url} a copy into the {self.kind} that was there has not finished: {self._what}, "
                f"started {mark.started}.",
                hint="Run it again with exists_ok=True, as it was begun.",
            )
        raise error(
            f"At {self.target.url} is what another job has left unfinished: {mark.what or mark.job}, "
            f"started {mark.started}.",
            hint="Run that again, with the same parameters, to finish it; or choose another name or path.",
        )

    def begin(self, *, into: bool) -> None:
        """Mark the target. into: it holds what this copy hasn't brought."""
        mark = storage.read_mark(self.target)
        if mark is not None and mark.job not in (self._job(into=True), self._job(into=False)):
            return  # an unfinished import stays one
        if mark is not None and not self._is_own(mark):
            # Another copy has not ended: it stays noted, but can't rely on what is listed any more.
            storage.set_mark(self.target, attrs.evolve(mark, job=self._job(into=True)))
            return
        if mark is None or (into and mark.job != self._job(into=True)):
            job = self._job(into=into)
            storage.set_mark(
                self.target, storage.Mark(job=job, what=self._what, fingerprint=self.fingerprint)
            )

    @contextmanager
    def making(self) -> Iterator[None]:
        """Mark the target, which is made in the block; if it can't be made, nothing is left of it.

        There is nothing yet that another job could go on with: if one has left its mark, this one takes its place.
        """
        mark = storage.read_mark(self.target)
        if mark is not None and not self._is_own(mark):
            storage.clear_mark(self.target)
        self.begin(into=False)
        try:
            yield
        except BaseException:
            self.end()
            if next(iter(self.target.list()), None) is None:
                self.target.delete(recursive=True)
            raise

    def end(self) -> None:
        """Take the mark away, if it is this copy's."""
        mark = storage.read_mark(self.target)
        if mark is not None and self._is_own(mark):
            storage.clear_mark(self.target)

    def _is_own(self, mark: storage.Mark) -> bool:
        return (mark.what, mark.fingerprint) == (self._what, self.fingerprint)

    @property
    def _what(self) -> str:
        return f"a copy of {self.source.url}"

    def _job(self, *, into: bool) -> str:
        return f"copy into {self.kind}" if into else f"copy {self.kind}"
