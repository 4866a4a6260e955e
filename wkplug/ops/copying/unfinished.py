"""Copies that have not ended: marks on datasets and layers by which the same copy goes on, and others keep away.

A copy marks the folder of its target before anything else, and takes the mark away when all is there. What a killed
copy leaves can be opened (whatever is listed is complete), and says by its mark that more was to come. The same copy
goes on with it: the mags that it has listed are complete and stay. A copy into something that was there before
(`exists_ok`) can't know what of it is its own: it is marked as another kind of job, which compares everything when it
comes again.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import storage
from wkplug.filesystems.paths import is_scrap
from wkplug.storage.marks import check_complete, digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Location
    from wkplug.errors import WkplugError
    from wkplug.model.states import DatasetState

__all__ = ["UnfinishedCopy", "check_copied"]


@attrs.define(kw_only=True)
class UnfinishedCopy:
    """A copy that is to be made.

    kind: "layer" or "dataset". asked: the parameters in which copies of one source may differ.
    """

    kind: str
    source: Location
    target: Location
    asked: list[Any]
    _is_marked: bool = attrs.field(default=False, init=False)

    @property
    def fingerprint(self) -> str:
        """A text that differs where what is asked for does."""
        plain = (attrs.asdict(part) if attrs.has(type(part)) else part for part in self.asked)
        return digest([self.source.url, *plain])

    def goes_on(self, mark: storage.Mark | None, *, exists_ok: bool, error: type[WkplugError]) -> bool:
        """Whether a target with this mark is what this very copy has left.

        `error` if it is another job's, unless `exists_ok`.
        """
        if mark is None:
            return False
        own = self._is_own(mark)
        if own and (exists_ok or mark.job == _job(self.kind, into=False)):
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

    def begin(self, mark: storage.Mark | None, *, into: bool = False, making: bool = False) -> None:
        """Mark the target, on which this mark was found, or none; ConflictError if another job has been faster.

        into: it holds what this copy hasn't brought. making: it is not there yet, so that no other job could go on
        with it: if one has left its mark, this one takes its place.
        """
        job = _job(self.kind, into=into)
        new = storage.Mark(job=job, what=self._what, fingerprint=self.fingerprint)
        if mark is None:
            storage.set_mark(self.target, new, replace=False)
        elif making and not self._is_own(mark):
            storage.set_mark(self.target, new)
        elif mark.job not in (_job(self.kind, into=True), _job(self.kind, into=False)):
            return  # an unfinished import stays one
        elif not self._is_own(mark):
            # Another copy has not ended: it stays noted, but can't rely on what is listed any more.
            storage.set_mark(self.target, attrs.evolve(mark, job=_job(self.kind, into=True)))
            return
        elif into and mark.job != job:
            storage.set_mark(self.target, new)
        self._is_marked = True

    @contextmanager
    def marked(
        self, mark: storage.Mark | None, *, into: bool = False, making: bool = False
    ) -> Iterator[None]:
        """Mark the target, as `begin` does, until the block has ended without an error."""
        self.begin(mark, into=into, making=making)
        yield
        self.end()

    @contextmanager
    def making(self) -> Iterator[None]:
        """Make the target, which is marked, in the block; if it can't be made, nothing is left of it."""
        try:
            yield
        except BaseException:
            self.end()
            if all(is_scrap(name) for name in self.target.list()):
                self.target.delete(recursive=True)
            raise

    def end(self) -> None:
        """Take the mark away, if it is this copy's."""
        if self._is_marked:
            storage.clear_mark(self.target)

    def _is_own(self, mark: storage.Mark) -> bool:
        return (mark.what, mark.fingerprint) == (self._what, self.fingerprint)

    @property
    def _what(self) -> str:
        return f"a copy of {self.source.url}"


def _job(kind: str, *, into: bool) -> str:
    return f"copy into {kind}" if into else f"copy {kind}"


def check_copied(dataset: DatasetState) -> None:
    """Refuse a dataset that is an unfinished copy: which of its layers are whole, its mark doesn't say."""
    if dataset.allow_incomplete:
        return
    mark = storage.read_mark(dataset.location)
    if mark is not None and mark.job in (_job("dataset", into=False), _job("dataset", into=True)):
        check_complete(dataset.location)
