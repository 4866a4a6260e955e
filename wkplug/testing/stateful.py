"""`ArrayStateMachine`: any sequence of calls on several handles, against one numpy array.

Property tests of single calls don't find what needs a history: a handle that is stale after a resize, a cache
that another handle's write should have emptied, a pickle that forgets. Hypothesis draws histories and shrinks
the failing one to its shortest.

    class Machine(ArrayStateMachine):
        bench = ...  # a wkplug.testing.bench.Bench

    run_state_machine_as_test(Machine, settings=steps(20))

`ArrayBackendSuite` does this for every layout. Model: one numpy array as large as the array ever gets, and a
mask of the voxels that the contract says something about (a write after shrinking may lose voxels outside the
shape that share a shard with it).
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, ClassVar

import hypothesis.strategies as st
import numpy as np
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from wkplug.testing.bench import Bench, noise
from wkplug.testing.checks import inside, same_voxels
from wkplug.testing.strategies import boxes

if TYPE_CHECKING:
    from wkplug.abc import Array, Box, Layout

__all__ = ["ArrayStateMachine"]

_MOST = 40
"""How long the array gets along x, y and z."""


class ArrayStateMachine(RuleBasedStateMachine):
    """Writes, reads, resizes, reopens, pickles; two handles at least. Subclass it and set `bench`."""

    bench: ClassVar[Bench]
    layout: ClassVar[Layout | None] = None
    """The layout to test with, the bench's first one by default."""

    @initialize(data=st.data())
    def create(self, data: st.DataObject) -> None:
        """Begin with an empty array of any length."""
        lengths = data.draw(self.lengths())
        layout = self.layout or self.bench.layouts[0]
        self.location = self.bench.place()
        self.spec = self.bench.spec(lengths, layout=layout)
        self.handles: list[Array] = [self.bench.create(self.spec, self.location)]
        self.shape = self.bench.shape(*lengths)
        most = self.bench.shape(_MOST, _MOST, _MOST)
        self.model = np.zeros(most, self.spec.dtype, order="F")
        self.known = np.ones(most, bool)
        self.history: list[str] = []

    def lengths(self) -> st.SearchStrategy[tuple[int, int, int]]:
        """Lengths along x, y and z."""
        length = st.sampled_from((1, 7, 8, 9, 16, 17, 31, 32, 33, _MOST)) | st.integers(1, _MOST)
        return st.tuples(length, length, length)

    def box(self, data: st.DataObject) -> Box:
        """A box inside the array as it is now."""
        spec = self.spec
        return data.draw(boxes(self.shape, grids=(spec.chunk_shape, spec.shard_shape)))

    def handle(self, data: st.DataObject) -> Array:
        """One of the handles."""
        return self.handles[data.draw(st.integers(0, len(self.handles) - 1))]

    def told(self, text: str) -> None:
        """Remember what happened, for the failure's text."""
        self.history.append(text)

    def check(self, array: Array, box: Box, promise: str) -> None:
        """Compare a box with the model, where the contract says anything."""
        got = array.read(box)
        expected = self.model[inside(box)].copy(order="F")
        open_question = ~self.known[inside(box)]
        if got.shape == expected.shape and got.dtype == expected.dtype:
            expected[open_question] = got[open_question]
        same_voxels(got, expected, promise, spec=self.spec, box=box, history="; ".join(self.history[-12:]))

    def put(self, array: Array, box: Box, voxels: Any) -> None:
        """Write to the array and to the model."""
        array.write(box, voxels)
        start, shape = box
        grid = self.spec.shard_shape
        # All of the shards that the box meets: beyond the present shape, their voxels may be lost.
        shards = tuple(
            slice(a - a % n, -(-(a + b) // n) * n) for a, b, n in zip(start, shape, grid, strict=True)
        )
        outside = np.ones(self.model.shape, bool)
        outside[tuple(slice(0, n) for n in self.shape)] = False
        self.known[shards] &= ~outside[shards]
        self.model[inside(box)] = voxels
        self.known[inside(box)] = True

    @rule(data=st.data(), seed=st.integers(0, 99), order=st.sampled_from("CF"))
    def write(self, data: st.DataObject, seed: int, order: Any) -> None:
        """Write noise somewhere."""
        box = self.box(data)
        self.told(f"write {box}")
        self.put(self.handle(data), box, np.array(noise(box[1], self.spec.dtype, seed=seed), order=order))

    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        """Write the fill value somewhere."""
        box = self.box(data)
        self.told(f"erase {box}")
        self.put(self.handle(data), box, np.zeros(box[1], self.spec.dtype))

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        """Read somewhere."""
        self.check(self.handle(data), self.box(data), "every handle reads what was written last")

    @rule(data=st.data())
    def read_into(self, data: st.DataObject) -> None:
        """Read into memory that a box before has been in."""
        box = self.box(data)
        out = np.full(box[1], 99, self.spec.dtype, order="C")
        got = self.handle(data).read(box, out=out)
        expected = self.model[inside(box)].copy()
        open_question = ~self.known[inside(box)]
        expected[open_question] = got[open_question]
        same_voxels(got, expected, "`out` gets what was written last", spec=self.spec, box=box)

    @rule()
    def open_another(self) -> None:
        """Open one more handle, three at most."""
        self.told("open another handle")
        self.handles = [*self.handles[-2:], self.bench.backend.open(self.location, "r+")]

    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        """Close a handle, and keep it."""
        self.told("close a handle")
        self.handle(data).close()

    @rule(data=st.data())
    def pickle(self, data: st.DataObject) -> None:
        """Replace a handle by its pickle's copy."""
        place = data.draw(st.integers(0, len(self.handles) - 1))
        self.told(f"pickle handle {place}")
        self.handles[place] = pickle.loads(pickle.dumps(self.handles[place]))  # noqa: S301 - made in this line

    @precondition(lambda self: self.bench.can.resizable and self.bench.can.bounded)
    @rule(data=st.data())
    def resize(self, data: st.DataObject) -> None:
        """Resize through one handle; the others, whose shape is now another, are opened again."""
        lengths = data.draw(self.lengths())
        shape = self.bench.shape(*lengths)
        self.told(f"resize from {self.shape} to {shape}")
        array = self.handle(data)
        array.resize(shape)
        self.shape = shape
        self.handles = [array, self.bench.backend.open(self.location, "r+")]
        for handle in self.handles:
            got = handle.spec.shape
            if got != shape:
                raise AssertionError(f"broken promise: spec.shape follows resize: {got} instead of {shape}")

    @invariant()
    def everything_is_as_in_numpy(self) -> None:
        """Compare all of the array, through the handle that was opened last."""
        if hasattr(self, "handles"):
            everything = ((0,) * len(self.shape), self.shape)
            self.check(self.handles[-1], everything, "the array is what the sequence of writes made of it")

    @invariant()
    def nothing_is_stored_that_nobody_wrote(self) -> None:
        """Stored shards are on the grid and inside the array."""
        if not hasattr(self, "handles") or not self.bench.can.lists_stored:
            return
        for start, shape in self.handles[-1].stored_boxes():
            whole = tuple(shape) == self.spec.shard_shape
            if not whole or any(a % n for a, n in zip(start, shape, strict=True)):
                raise AssertionError(f"broken promise: stored_boxes gives whole shards, not {(start, shape)}")

    def teardown(self) -> None:
        """Close all handles."""
        for handle in getattr(self, "handles", []):
            handle.close()
