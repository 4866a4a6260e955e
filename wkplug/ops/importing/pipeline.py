"""Boxes on their way from files to an array: decoding the next ones overlaps with writing those before.

In threads a box is an array that several calls fill and several calls write; a few boxes are under way at once, as
many as the `Cutting` allows. Where calls leave the process, or nobody knows, a box (or all boxes of a shard, so that
two processes never write the same one) is a single call.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from wkplug.geometry import grids
from wkplug.ops import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wkplug.abc import Box, Executor

__all__ = ["Boxes", "Seen", "Sights", "Work", "joined"]


@attrs.frozen
class Seen:
    """What was seen in voxels of one layer: the smallest and largest finite value, None where there is none.

    zeros: how many are zero. cut: how many lost a part when they were converted to the layer's dtype.
    """

    low: Any = None
    high: Any = None
    zeros: int = 0
    cut: int = 0


Sights = list[Seen]
"""Those of each layer."""


def joined(values: Iterable[Seen]) -> Seen:
    """What was seen in all of this, of one layer."""
    values = tuple(values)
    lows = [seen.low for seen in values if seen.low is not None]
    highs = [seen.high for seen in values if seen.high is not None]
    return Seen(
        min(lows) if lows else None,
        max(highs) if highs else None,
        sum(seen.zeros for seen in values),
        sum(seen.cut for seen in values),
    )


class Work(Protocol):
    """What is done with a box; everything but `begin` may run in any thread."""

    def begin(self, box: Box) -> Any:
        """Make the array of a box."""

    def reads(self, box: Box) -> list[Any]:
        """What is to be decoded, each to be given to `read`."""

    def read(self, box: Box, array: Any, part: Any) -> Sights | None:
        """Decode a part into the array; gives what was seen, None for nothing worth telling."""

    def writes(self, box: Box) -> list[Any]:
        """What is to be written, each to be given to `write`."""

    def write(self, box: Box, array: Any, part: Any) -> Sights:
        """Write a part of the array."""

    def whole(self, box: Box) -> Sights:
        """All of it in one call; the work must pickle for that."""


@attrs.define(eq=False)
class _Box:
    """A box under way."""

    box: Box
    array: Any
    pending: set[Future[Any]] = attrs.field(factory=set)
    writing: bool = False
    ranges: list[Sights] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Boxes:
    """All boxes of one volume.

    in_flight: how many arrays are held at once. in_order: no box is written before the one before it is.
    advance: called with the number of parts that were decoded. finished: called with each box whose parts are all
    written, and the ranges of its layers.
    """

    work: Work
    executor: Executor
    in_flight: int
    in_order: bool
    advance: Callable[[int], None]
    finished: Callable[[Box, list[Sights]], None]
    # Not `concurrent.futures.wait`: an interrupt while that takes the locks of its futures leaves them locked.
    _ended: SimpleQueue[Future[Any]] = attrs.field(init=False, factory=SimpleQueue)

    def run(self, boxes: Iterable[Box]) -> None:
        """Do them all; the first error ends it, once the calls that run have come to their end."""
        waiting = iter(boxes)
        active: deque[_Box] = deque()
        try:
            while True:
                while len(active) < self.in_flight and (box := next(waiting, None)) is not None:
                    active.append(_Box(box, self.work.begin(box)))
                    self._submit(active[-1], self.work.read, self.work.reads(box))
                if not active:
                    return
                self._step(active)
        finally:
            pending = {future for one in active for future in one.pending}
            for future in pending:
                future.cancel()
            # Those that run already use files and arrays that the caller is about to close.
            wait(pending)

    def _submit(self, one: _Box, function: Callable[..., Any], parts: Iterable[Any]) -> None:
        """Call it for each part; what an error or an interrupt comes between is known to `run` at any time."""
        for part in parts:
            future: Future[Any] = self.executor.submit(function, one.box, one.array, part)
            one.pending.add(future)
            future.add_done_callback(self._ended.put)

    def _step(self, active: deque[_Box]) -> None:
        """Wait until something has ended, and go on with what waited for it."""
        future = self._ended.get()
        owner = next(one for one in active if future in one.pending)
        owner.pending.discard(future)
        result = future.result()
        if result is not None:
            owner.ranges.append(result)
        if not owner.writing:
            self.advance(1)
        for one in list(active):
            if one.pending:
                continue
            if not one.writing:
                if self.in_order and one is not active[0]:
                    continue
                one.writing = True
                self._submit(one, self.work.write, self.work.writes(one.box))
                if one.pending:
                    continue
            active.remove(one)
            one.array = None
            self.finished(one.box, one.ranges)

    def run_apart(self, groups: Iterable[Box], edges: tuple[int, ...]) -> None:
        """Do them in calls of their own, one for each group: a box of whole shards, cut at the grid of `edges`."""
        tasks = [plan.Task(index, box) for index, box in enumerate(groups)]
        call = _Group(self.work, edges)
        for task, found in zip(tasks, plan.run(tasks, call, executor=self.executor), strict=True):
            for box, ranges in zip(call.boxes(task.box), found, strict=True):
                self.advance(len(self.work.reads(box)))
                self.finished(box, [ranges])


@attrs.frozen
class _Group:
    """One call: the boxes of a group, one after the other, in whatever process."""

    work: Work
    edges: tuple[int, ...]

    def boxes(self, group: Box) -> list[Box]:
        return list(grids.cells(*group, self.edges))

    def __call__(self, task: plan.Task) -> list[Sights]:
        return [self.work.whole(box) for box in self.boxes(task.box)]
