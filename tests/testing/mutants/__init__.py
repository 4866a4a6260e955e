"""Backends that are wrong on purpose, each in one way: the tests of the tests.

A mutant wraps a backend that is right and breaks one promise, as real backends do: an index is off by one at a
shard's edge, a cache forgets that others write, a byte order is lost on the way. `ArrayBackendSuite` must fail
on every one of them, or it tests less than it says.

Those of image readers are in `images`, those of interpolation modes in `interpolations`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mutants import backends, handles, reading, writing
from mutants.base import MutantArray, MutantBackend
from wkplug.abc import ArrayBackend

__all__ = ["FILE_MUTANTS", "MEMORY_MUTANTS", "MUTANTS", "MutantArray", "MutantBackend", "mutant"]

Maker: TypeAlias = Callable[[ArrayBackend], MutantBackend]


def _of(array: type[MutantArray]) -> Maker:
    def make(inner: ArrayBackend) -> MutantBackend:
        backend = MutantBackend(inner)
        backend.array = array
        return backend

    return make


MUTANTS: dict[str, Maker] = {
    "axes swapped": _of(reading.AxesSwapped),
    "C order returned": _of(reading.COrderReturned),
    "a view of internal memory returned": _of(reading.ViewReturned),
    "read-only results": _of(reading.ReadOnlyReturned),
    "out= made contiguous": _of(reading.OutMadeContiguous),
    "out= not cleared": _of(reading.OutNotCleared),
    "fill value lost": _of(reading.FillValueLost),
    "empty is uninitialised": _of(reading.EmptyIsUninitialised),
    "missing never said": _of(reading.MissingNeverSaid),
    "the other byte order returned": _of(reading.BigEndianReturned),
    "not thread-safe": _of(reading.NotThreadSafe),
    "off by one at the shard edge": _of(writing.OffByOneAtShardEdge),
    "neighbour overwritten": _of(writing.NeighbourOverwritten),
    "byte order lost": _of(writing.ByteOrderLost),
    "strides lost": _of(writing.StridesLost),
    "precision lost": _of(writing.PrecisionLost),
    "input kept": _of(writing.InputKept),
    "fill value not written": _of(writing.FillNotWritten),
    "dense writes": _of(writing.DenseWrites),
    "any shape taken": _of(writing.AnyShapeTaken),
    "lost writes of another handle": _of(handles.LostWriteOfOthers),
    "stale reads": _of(handles.StaleReads),
    "stale after resize": _of(handles.StaleAfterResize),
    "shrinking deletes": _of(handles.ShrinkingDeletes),
    "closed for good": _of(handles.ClosedForGood),
    "reading mode writes": backends.ReadingModeWrites,
    "voxels in the pickle": _of(handles.VoxelsInPickle),
    "probes anything": backends.ProbesAnything,
    "creates over an array": backends.CreatesOver,
    "missing is another error": backends.OpensNothing,
    "wish ignored": backends.WishIgnored,
    "layout forgotten": backends.LayoutForgotten,
    "a flag that isn't true": backends.FlagNotTrue,
    "a dtype that isn't declared": backends.DtypeNotDeclared,
    "not picklable": backends.NotPicklable,
}
"""The mutants by name; values make one from a backend that is right, whatever it is."""

FILE_MUTANTS: dict[str, Maker] = {
    "damage is empty": _of(reading.DamageIsEmpty),
    "damage is another error": backends.DamageIsAnotherError,
    "sizes believed": backends.SizesBelieved,
    "a granularity that isn't true": backends.GranularityNotTrue,
    "needs a path": backends.NeedsAPath,
}
"""Mutants of backends that keep files: what is wrong with them shows in damaged ones and between processes."""

MEMORY_MUTANTS: dict[str, Maker] = {
    "sharing that isn't true": backends.SharingNotTrue,
}
"""Mutants of backends whose arrays other processes don't see."""


def mutant(name: str, inner: ArrayBackend) -> MutantBackend:
    """Make the mutant of that name from a backend that is right."""
    return (MUTANTS | FILE_MUTANTS | MEMORY_MUTANTS)[name](inner)
