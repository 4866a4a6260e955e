"""Refusals: what a backend declares that it can't do is refused, with a reason, before anything is written."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import attrs

from wkplug.abc import Array, ArraySpec
from wkplug.errors import UnsupportedOperationError, WkplugError
from wkplug.testing.bench import BackendFixtures, Bench, whole
from wkplug.testing.checks import holds, promised, refuses, same_voxels
from wkplug.testing.places import PlainLocation
from wkplug.testing.strategies import shape_for

__all__ = ["RefusalsPart"]

_NAMES = {
    *("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64", "complex64", "complex128", "bool", "datetime64[s]", "object"),
}
_ORDERS = (
    ("c", "x", "y", "z"),
    ("x", "y", "z", "c"),
    ("x", "y", "z"),
    ("z", "y", "x"),
    ("t", "c", "z", "y", "x"),
)


class RefusalsPart(BackendFixtures):
    """Closed capabilities and bad specs."""

    def refused(self, bench: Bench, spec: ArraySpec, promise: str) -> None:
        """Fail unless problems() has an error with a text, and create() raises and writes nothing."""
        location = bench.place()
        problems = [p for p in bench.backend.problems(spec, location, "create") if p.severity == "error"]
        holds(problems, promise + ": problems() has an error", array=spec)
        told = all(problem.code and problem.text for problem in problems)
        holds(told, "problems have a code and a text", problems=problems)
        with refuses(WkplugError, promise=promise + ": create() raises an error of wkplug", array=spec):
            bench.backend.create(location, spec)
        holds(not any(location.list()), promise + ": create() writes nothing", left=list(location.list()))

    def test_undeclared_dtypes_are_refused(self, bench: Bench) -> None:
        for dtype in sorted(_NAMES - bench.can.dtypes):
            self.refused(bench, bench.spec(dtype=dtype), f"{dtype}, which isn't in `dtypes`, is refused")

    def test_undeclared_axes_are_refused_and_declared_ones_work(self, bench: Bench) -> None:
        for axes in _ORDERS if bench.can.axes is None else {*_ORDERS, *bench.can.axes}:
            layout = bench.layouts[-1]
            by_axis = dict(
                zip(bench.axes, zip(layout.chunk_shape, layout.shard_shape, strict=True), strict=True)
            )
            spec = bench.spec(
                axes=axes,
                shape=shape_for(axes, spatial=(21, 17, 9), channels=bench.channels, other=2),
                chunk_shape=tuple(by_axis.get(axis, (1, 1))[0] for axis in axes),
                shard_shape=tuple(by_axis.get(axis, (1, 1))[1] for axis in axes),
            )
            if bench.can.axes is not None and axes not in bench.can.axes:
                self.refused(bench, spec, f"axes {axes}, which aren't in `axes`, are refused")
                continue
            full = bench.full(spec)
            opened = bench.backend.open(full.location, axes=axes)
            holds(opened.spec.axes == axes, "an array keeps the order of its axes", got=opened.spec.axes)
            got = opened.read(whole(full.data))
            same_voxels(got, full.data, "every declared order of axes works", spec=spec)

    def test_shards_without_the_capability_are_refused(self, bench: Bench) -> None:
        if bench.can.sharded:
            return
        spec = bench.spec()
        doubled = tuple(length * 2 for length in spec.chunk_shape)
        self.refused(bench, attrs.evolve(spec, shard_shape=doubled), "shards without `sharded` are refused")

    def test_shards_that_are_no_multiple_of_their_chunk_are_refused(self, bench: Bench) -> None:
        spec = bench.spec()
        odd = tuple(n if axis == "c" else n + 1 for axis, n in zip(spec.axes, spec.chunk_shape, strict=True))
        for shard in (odd, (0,) * len(odd)):
            self.refused(bench, attrs.evolve(spec, shard_shape=shard), "a shard is a multiple of its chunk")
        empty = (0,) * len(odd)
        self.refused(bench, attrs.evolve(spec, chunk_shape=empty, shard_shape=empty), "a chunk is not empty")

    def test_shapes_of_another_length_than_the_axes_are_refused(self, bench: Bench) -> None:
        spec = bench.spec()
        for field in ("shape", "chunk_shape", "shard_shape"):
            shorter = attrs.evolve(spec, **{field: getattr(spec, field)[:-1]})
            self.refused(bench, shorter, f"{field} has one number per axis")

    def test_places_are_what_the_backend_declares(self, bench: Bench) -> None:
        """On a place with nothing but read, write and list: works if `places` is None, is refused if not."""
        location = PlainLocation(bench.place())
        spec = bench.spec()
        if bench.can.places is not None:
            problems = bench.backend.problems(spec, location, "create")
            holds(
                any(problem.severity == "error" for problem in problems),
                "a place without any of `places` is refused by problems()",
                places=sorted(bench.can.places),
            )
            return
        promise = "`places` None: Location's own read and write are enough"
        with promised(promise, array=spec):
            full = bench.full(spec, location)
            got = bench.backend.open(location).read(whole(full.data))
            score = bench.backend.probe(location)
        same_voxels(got, full.data, promise, spec=spec)
        holds(score > 0, "a backend without `places` probes any place", score=score)

    def test_flags_and_methods_agree(self, bench: Bench) -> None:
        array = bench.create()
        own = type(array).stored_boxes is not Array.stored_boxes
        holds(own or not bench.can.lists_stored, "lists_stored: stored_boxes is implemented", got=type(array))
        if not bench.can.bounded:
            lengths = bench.backend.open(bench.full().location).spec.shape
            holds(None in lengths, "without `bounded`, an opened array has axes without an end", got=lengths)
        atomic = array.atomic_shape
        choices = (array.spec.chunk_shape, array.spec.shard_shape)
        holds(atomic in choices, "atomic_shape is the chunk or the shard", got=atomic, array=array.spec)

    def test_listing_without_the_capability_is_refused(self, bench: Bench) -> None:
        if bench.can.lists_stored:
            return
        array = bench.create()
        with refuses(UnsupportedOperationError, promise="stored_boxes without `lists_stored` is refused"):
            list(array.stored_boxes())
