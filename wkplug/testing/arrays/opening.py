"""Creating, finding and opening arrays: what was asked for comes back, what can't be done is refused with a reason.

Also layouts that nobody chose, and other implementations of the format: a backend that reads what it wrote may still
be wrong in the same way twice (the fixtures `write_otherwise` and `read_otherwise`).
"""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import json
from typing import Any, Literal

import attrs
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from wkplug.abc import Array, ArrayBackend, ArraySpec, Layout, LayoutWish, ProbeScore
from wkplug.errors import ConflictError, LayoutError, MissingError, UnsupportedOperationError, WkplugError
from wkplug.testing.bench import BackendFixtures, Bench, ReadOtherwise, WriteOtherwise, noise, whole
from wkplug.testing.checks import breaks, holds, promised, refuses, same_voxels
from wkplug.testing.places import PlainLocation
from wkplug.testing.profiles import examples
from wkplug.testing.strategies import SPATIAL, shape_for, specs

__all__ = ["OpeningTests"]

_PURPOSES: tuple[Literal["new", "images", "pyramid"], ...] = ("new", "images", "pyramid")
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


def same_spec(array: Array, spec: ArraySpec, promise: str, *, backend: ArrayBackend) -> None:
    """Fail unless an array says of itself what it was created with (options may have been completed)."""
    got = array.spec
    made = attrs.evolve(spec, compressed=backend.compresses(spec))
    for name in ("axes", "dtype", "chunk_shape", "shard_shape", "compressed", "fill_value"):
        if getattr(got, name) != getattr(made, name):
            breaks(promise, field=name, got=getattr(got, name), expected=getattr(made, name), array=spec)
    for length, expected in zip(got.shape, spec.shape, strict=True):
        fits = length == expected or (length is None and not backend.capabilities.bounded)
        holds(fits, promise, field="shape", got=got.shape, expected=spec.shape, array=spec)
    for name, value in spec.options.items():
        holds(got.options.get(name) == value, promise, field=f"options[{name!r}]", got=dict(got.options))


class OpeningTests(BackendFixtures):
    """How an array comes to be, and what is known of it."""

    # --- creating, opening, probing ---

    def test_backend_name_is_format_plus_implementation(self, bench: Bench) -> None:
        backend = bench.backend
        kind, plus, implementation = backend.name.partition("+")
        fits = plus and implementation and kind == backend.format
        holds(fits, "name is format+implementation", name=backend.name, format=backend.format)
        array = bench.create()
        holds(array.backend == backend.name, "an array names its backend", got=array.backend)
        holds(array.format == backend.format, "an array names its format", got=array.format)

    def test_array_opens_again_with_the_spec_it_was_created_with(self, bench: Bench) -> None:
        for layout in bench.layouts:
            for compressed in (True, False):
                spec = bench.spec(layout=layout, compressed=compressed)
                if bench.errors(spec):
                    continue
                location = bench.place()
                created = bench.create(spec, location)
                same_spec(created, spec, "a created array has the spec asked for", backend=bench.backend)
                created.close()
                opened = bench.backend.open(location)
                same_spec(opened, spec, "an array opens with the spec it has", backend=bench.backend)

    @examples(15)
    @given(data=st.data())
    def test_any_spec_within_the_capabilities_works_or_is_refused(
        self, bench: Bench, data: st.DataObject
    ) -> None:
        spec = data.draw(specs(bench.can))
        if bench.errors(spec):
            with refuses(WkplugError, promise="create refuses what problems() has an error for", array=spec):
                bench.create(spec)
            return
        full = bench.full(spec)
        opened = bench.backend.open(full.location)
        same_spec(opened, spec, "an array opens with the spec it has", backend=bench.backend)
        same_voxels(opened.read(whole(full.data)), full.data, "what was written is read", spec=spec)

    def test_options_are_json_and_make_an_equal_array(self, bench: Bench) -> None:
        full = bench.full()
        spec = bench.backend.open(full.location).spec
        try:
            text = json.dumps(dict(spec.options), sort_keys=True)
        except (TypeError, ValueError) as error:
            breaks("spec.options are JSON values", options=dict(spec.options), error=error)
        again = bench.create(attrs.evolve(spec, options=json.loads(text)))
        holds(again.spec == spec, "an array's spec creates an equal array", got=again.spec, expected=spec)

    def test_recorded_axes_win_over_the_arrays_own(self, bench: Bench) -> None:
        full = bench.full()
        names = full.spec.axes
        opened = bench.backend.open(full.location, axes=names)
        holds(opened.spec.axes == names, "axes given to open() are the array's", got=opened.spec.axes)

    def test_an_existing_empty_folder_becomes_an_array(self, bench: Bench) -> None:
        location = bench.place()
        location.make_folder()
        full = bench.full(location=location)
        got = bench.backend.open(location).read(whole(full.data))
        same_voxels(got, full.data, "create works in an empty folder", spec=full.spec)

    def test_opening_nothing_says_it_is_missing(self, bench: Bench) -> None:
        location = bench.place()
        for mode in ("r", "r+"):
            with refuses(MissingError, promise="opening a missing array is a MissingError", mode=mode):
                bench.backend.open(location, mode)
        holds(not location.exists(), "opening a missing array makes nothing", location=location.url)
        location.make_folder()
        with refuses(MissingError, promise="opening an empty folder is a MissingError"):
            bench.backend.open(location)

    def test_creating_twice_is_a_conflict_and_changes_nothing(self, bench: Bench) -> None:
        full = bench.full()
        with refuses(ConflictError, promise="creating where an array is, is a ConflictError"):
            bench.create(bench.spec((8, 8, 8)), full.location)
        opened = bench.backend.open(full.location)
        same_spec(opened, full.spec, "a refused create changes nothing", backend=bench.backend)
        got = opened.read(whole(full.data))
        same_voxels(got, full.data, "a refused create changes nothing", spec=full.spec)

    def test_probe_knows_its_own_and_nothing_else(self, bench: Bench) -> None:
        probe = bench.backend.probe
        full = bench.full()
        score = probe(full.location)
        holds(score >= ProbeScore.MARKER, "probe is sure of the backend's own arrays", score=score)
        missing = bench.place()
        holds(probe(missing) is ProbeScore.NO, "probe says NO to a missing place", score=probe(missing))
        empty = bench.place()
        empty.make_folder()
        holds(probe(empty) is ProbeScore.NO, "probe says NO to an empty folder", score=probe(empty))
        foreign = bench.place()
        for name in ("notes.txt", "image.tif", "data.bin", "0/0/0"):
            foreign.child(name).write(b"\x89nothing that any format knows\r\n")
        holds(
            probe(foreign) is ProbeScore.NO, "probe says NO to a folder of other files", score=probe(foreign)
        )
        single = foreign.child("notes.txt")
        holds(probe(single) is ProbeScore.NO, "probe says NO to a file of another kind", score=probe(single))

    def test_problems_are_none_for_what_works(self, bench: Bench) -> None:
        full = bench.full()
        for mode in ("r", "r+"):
            problems = bench.backend.problems(None, full.location, mode)
            holds(
                not problems,
                "problems() has nothing against the backend's own array",
                got=problems,
                mode=mode,
            )

    def test_mag_properties_are_json(self, bench: Bench) -> None:
        location = bench.place()
        array = bench.create(location=location)
        properties = dict(bench.backend.mag_properties(array))
        try:
            json.dumps(properties)
        except (TypeError, ValueError) as error:
            breaks("mag_properties are JSON values", got=properties, error=error)
        again = dict(bench.backend.mag_properties(bench.backend.open(location)))
        same = set(again) == set(properties)
        holds(same, "mag_properties have the same keys when opened", created=properties, opened=again)

    def test_native_handle_is_something(self, bench: Bench) -> None:
        holds(
            bench.create().native_handle() is not None, "native_handle gives what the engine calls its array"
        )

    def test_a_single_voxel_is_an_array(self, bench: Bench) -> None:
        spec = bench.spec((1, 1, 1))
        full = bench.full(spec)
        got = bench.backend.open(full.location).read(whole(full.data))
        same_voxels(got, full.data, "an array may be smaller than a chunk", spec=spec)

    def test_a_huge_array_costs_nothing_until_it_is_written(self, bench: Bench) -> None:
        spec = bench.spec((2**31, 2**31, 2**31))
        if bench.errors(spec):
            return
        location = bench.place()
        array = bench.create(spec, location)
        box = bench.box((2**31 - 3, 2**30 - 1, 2**30 + 5), (3, 2, 2))
        data = noise(box[1], spec.dtype)
        array.write(box, data)
        got = bench.backend.open(location).read(box)
        same_voxels(got, data, "the size of an array costs nothing", spec=spec, box=box)

    # --- layouts ---

    def wish(self, bench: Bench, shape: tuple[int, int, int], **fields: Any) -> LayoutWish:
        """A wish for an array of these lengths along x, y, z."""
        full = shape_for(bench.axes, spatial=shape, channels=bench.channels, other=2)
        values = {"purpose": "new", "axes": bench.axes, "shape": full, "dtype": bench.dtype}
        return LayoutWish(**(values | fields))

    def cube(self, bench: Bench, length: int) -> tuple[int, ...]:
        """A cube over all axes: all channels, and one of other axes."""
        return shape_for(bench.axes, spatial=(length,) * 3, channels=bench.channels, other=1)

    def sound(self, bench: Bench, layout: Layout, wish: LayoutWish) -> None:
        """Fail unless an array can have this layout."""
        chunk, shard = layout.chunk_shape, layout.shard_shape
        axes = len(bench.axes)
        holds(len(chunk) == axes == len(shard), "a layout has all axes", got=layout, wish=wish)
        holds(all(a > 0 for a in chunk), "a chunk is not empty", got=layout, wish=wish)
        multiple = all(b % a == 0 for a, b in zip(chunk, shard, strict=True))
        holds(multiple, "a default shard is a multiple of its chunk", got=layout, wish=wish)
        holds(
            bench.can.sharded or chunk == shard, "shards without `sharded` are chunks", got=layout, wish=wish
        )
        shape = tuple(max(1, length) for length in wish.shape)
        spec = bench.spec(layout=layout, shape=shape)
        if problems := bench.errors(spec):
            breaks("an array can have the default layout", got=layout, wish=wish, problems=problems)

    @examples(40)
    @given(data=st.data())
    def test_default_layouts_are_sound_for_any_extent(self, bench: Bench, data: st.DataObject) -> None:
        lengths = st.sampled_from((0, 1, 2, 31, 32, 33, 100, 1024, 5000)) | st.integers(0, 10**6)
        shape = (data.draw(lengths), data.draw(lengths), data.draw(lengths))
        wish = self.wish(bench, shape, purpose=data.draw(st.sampled_from(_PURPOSES)))
        self.sound(bench, bench.backend.default_layout(wish), wish)

    def test_default_layouts_make_arrays(self, bench: Bench) -> None:
        for purpose in _PURPOSES:
            for shape in ((1, 1, 1), (70, 50, 1), (40, 40, 40)):
                layout = bench.backend.default_layout(self.wish(bench, shape, purpose=purpose))
                array = bench.create(bench.spec(shape, layout=layout))
                holds(
                    array.spec.chunk_shape == layout.chunk_shape,
                    "an array has its default layout",
                    got=layout,
                )

    def test_new_arrays_have_the_default_chunk(self, bench: Bench) -> None:
        layout = bench.backend.default_layout(self.wish(bench, (0, 0, 0)))
        expected = self.cube(bench, self.default_chunk_length)
        got = layout.chunk_shape
        holds(got == expected, "a default chunk is a cube with all channels", got=got, expected=expected)

    def test_a_wished_chunk_is_kept(self, bench: Bench) -> None:
        for purpose in _PURPOSES:
            for length in (16, 64):
                chunk = self.cube(bench, length)
                wish = self.wish(bench, (300, 300, 300), purpose=purpose, chunk_shape=chunk)
                layout = bench.backend.default_layout(wish)
                holds(layout.chunk_shape == chunk, "a wished chunk is kept", got=layout, wish=wish)
                self.sound(bench, layout, wish)

    def test_a_wished_shard_is_kept(self, bench: Bench) -> None:
        for purpose in _PURPOSES:
            for length in (32, 256):
                shard = self.cube(bench, length)
                wish = self.wish(bench, (300, 300, 300), purpose=purpose, shard_shape=shard)
                try:
                    layout = bench.backend.default_layout(wish)
                except LayoutError:
                    # Without shards, a shard that isn't the default chunk may be taken as a contradiction.
                    if bench.can.sharded:
                        raise
                    continue
                holds(layout.shard_shape == shard, "a wished shard is kept", got=layout, wish=wish)
                self.sound(bench, layout, wish)

    def test_a_wished_chunk_and_shard_are_kept(self, bench: Bench) -> None:
        chunk, shard = self.cube(bench, 16), self.cube(bench, 64 if bench.can.sharded else 16)
        for purpose in _PURPOSES:
            wish = self.wish(bench, (300, 300, 300), purpose=purpose, chunk_shape=chunk, shard_shape=shard)
            layout = bench.backend.default_layout(wish)
            kept = (layout.chunk_shape, layout.shard_shape) == (chunk, shard)
            holds(kept, "a wished layout is kept", got=layout, wish=wish)

    def test_a_shard_that_is_no_multiple_is_refused(self, bench: Bench) -> None:
        for chunk, shard in ((32, 16), (64, 32)):
            wish = self.wish(
                bench,
                (300, 300, 300),
                chunk_shape=self.cube(bench, chunk),
                shard_shape=self.cube(bench, shard),
            )
            with refuses(LayoutError, promise="a shard must be a multiple of the chunk", wish=wish) as errors:
                bench.backend.default_layout(wish)
            said = "must be a multiple" in str(errors[0]) or not bench.can.sharded
            holds(said, "the error says that the shard must be a multiple", error=errors[0])

    def test_lengths_that_are_no_powers_of_two_are_refused(self, bench: Bench) -> None:
        for wished in ({"chunk_shape": 24}, {"chunk_shape": 24, "shard_shape": 48}):
            shapes = {name: self.cube(bench, length) for name, length in wished.items()}
            wish = self.wish(bench, (300, 300, 300), **shapes)
            with refuses(LayoutError, promise="chunk and shard are powers of two", wish=wish) as errors:
                bench.backend.default_layout(wish)
            said = "must be a power of two" in str(errors[0]) or not bench.can.sharded
            holds(said, "the error says that lengths must be a power of two", error=errors[0])

    def test_a_layout_has_the_order_of_its_axes(self, bench: Bench) -> None:
        orders = bench.can.axes or (("c", "x", "y", "z"), ("z", "y", "x"), ("t", "c", "x", "y", "z"))
        for axes in orders:
            spatial = dict(zip(SPATIAL, (1, 2, 3), strict=True))
            shape = tuple(100 * spatial.get(axis, 0) or 3 for axis in axes)
            wish = LayoutWish(purpose="new", axes=axes, shape=shape, dtype=bench.dtype)
            layout = bench.backend.default_layout(wish)
            for axis, length in zip(axes, layout.chunk_shape, strict=True):
                expected = self.default_chunk_length if axis in SPATIAL else 3 if axis == "c" else 1
                promise = "default chunks: cubes in x, y, z, all channels, one by one along other axes"
                holds(length == expected, promise, axes=axes, got=layout)

    # --- closed capabilities and bad specs ---

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

    # --- other implementations ---

    def test_what_another_implementation_wrote_reads_the_same(
        self, reading_bench: Bench, dtypes: tuple[str, ...], write_otherwise: WriteOtherwise | None
    ) -> None:
        if write_otherwise is None:
            holds(reading_bench.can.writable, "a suite of a backend that can't write has `write_otherwise`")
            pytest.skip("no other implementation: override `write_otherwise`")
        for layout in reading_bench.layouts:
            for dtype in dtypes:
                spec = reading_bench.spec((20, 13, 9), layout=layout, dtype=dtype)
                location = reading_bench.place()
                data = noise(reading_bench.shape(20, 13, 9), dtype)
                write_otherwise(location, spec, data)
                array = reading_bench.backend.open(location, axes=spec.axes)
                promise = "what another implementation wrote reads the same"
                same_voxels(array.read(whole(data)), data, promise, spec=spec)
                box = reading_bench.box((7, 3, 1), (10, 9, 8))
                part = data[tuple(slice(a, a + b) for a, b in zip(*box, strict=True))].copy()
                same_voxels(array.read(box), part, promise, spec=spec, box=box)
                score = reading_bench.backend.probe(location)
                holds(score > 0, "probe knows what another implementation wrote", score=score, array=spec)

    def test_another_implementation_reads_the_same(
        self, bench: Bench, dtypes: tuple[str, ...], read_otherwise: ReadOtherwise | None
    ) -> None:
        if read_otherwise is None:
            pytest.skip("no other implementation: override `read_otherwise`")
        for layout in bench.layouts:
            for dtype in dtypes:
                full = bench.full(bench.spec((20, 13, 9), layout=layout, dtype=dtype))
                full.array.flush()
                got = np.asarray(read_otherwise(full.location, full.spec))
                promise = "another implementation reads the voxels that were written"
                same_voxels(got, full.data, promise, spec=full.spec)

    def test_a_closed_writable_capability_refuses(
        self, reading_bench: Bench, write_otherwise: WriteOtherwise | None
    ) -> None:
        if reading_bench.can.writable:
            return
        backend, spec, location = reading_bench.backend, reading_bench.spec(), reading_bench.place()
        holds(reading_bench.errors(spec), "problems() has an error against creating without `writable`")
        with refuses(UnsupportedOperationError, promise="create() without `writable` is refused"):
            backend.create(location, spec)
        holds(not location.exists(), "a refused create writes nothing", location=location.url)
        if write_otherwise is not None:
            data = noise(tuple(length or 0 for length in spec.shape), spec.dtype)
            write_otherwise(location, spec, data)
            problems = backend.problems(None, location, "r+")
            holds(problems, "problems() has an error against opening for writing without `writable`")
            with refuses(WkplugError, promise="writing without `writable` is refused"):
                backend.open(location, "r+").write(whole(data), data)
            got = backend.open(location).read(whole(data))
            same_voxels(got, data, "a refused write changes nothing", spec=spec)
