"""Creating, finding and opening arrays: what was asked for comes back, and nothing else is taken for it."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import json

import attrs
import hypothesis.strategies as st
from hypothesis import given

from wkplug.abc import Array, ArraySpec, ProbeScore
from wkplug.errors import ConflictError, MissingError, WkplugError
from wkplug.testing.bench import BackendFixtures, Bench, noise, whole
from wkplug.testing.checks import breaks, holds, refuses, same_voxels
from wkplug.testing.profiles import examples
from wkplug.testing.strategies import specs

__all__ = ["OpeningPart"]


def same_spec(array: Array, spec: ArraySpec, promise: str, *, bounded: bool) -> None:
    """Fail unless an array says of itself what it was created with (options may have been completed)."""
    got = array.spec
    for name in ("axes", "dtype", "chunk_shape", "shard_shape", "compressed", "fill_value"):
        if getattr(got, name) != getattr(spec, name):
            breaks(promise, field=name, got=getattr(got, name), expected=getattr(spec, name), array=spec)
    for length, expected in zip(got.shape, spec.shape, strict=True):
        fits = length == expected or (length is None and not bounded)
        holds(fits, promise, field="shape", got=got.shape, expected=spec.shape, array=spec)
    for name, value in spec.options.items():
        holds(got.options.get(name) == value, promise, field=f"options[{name!r}]", got=dict(got.options))


class OpeningPart(BackendFixtures):
    """Create, open, probe."""

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
                same_spec(created, spec, "a created array has the spec asked for", bounded=bench.can.bounded)
                created.close()
                opened = bench.backend.open(location)
                same_spec(opened, spec, "an array opens with the spec it has", bounded=bench.can.bounded)

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
        same_spec(opened, spec, "an array opens with the spec it has", bounded=bench.can.bounded)
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
        same_spec(opened, full.spec, "a refused create changes nothing", bounded=bench.can.bounded)
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
