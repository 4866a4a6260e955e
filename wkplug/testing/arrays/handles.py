"""Handles: several to one array, closed, pickled, used by threads and other processes, and on damaged files.

Children are fresh Python processes, as with spawned workers. Writers side by side are tested at exactly the
granularity that `capabilities.concurrent_writes` declares, without any lock. A backend's metadata files are found by
looking: all that is there before anything was written; shards are the rest.
"""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points
from itertools import product
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

from wkplug.abc import API
from wkplug.errors import MissingError, WkplugError
from wkplug.testing import children
from wkplug.testing.bench import BackendFixtures, Bench, noise, whole
from wkplug.testing.checks import breaks, holds, inside, promised, refuses, same_voxels, survived
from wkplug.testing.profiles import thorough

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wkplug.abc import Array, Box, Location

__all__ = ["HandleTests"]

_TOKEN_BYTES = 16_384
_JOBS = "wkplug.testing.jobs:"
_LIGHT = {"wkplug", "attr", "attrs", "pluggy"}


class HandleTests(BackendFixtures):
    """Who uses an array, and from where."""

    def test_a_handle_sees_what_another_one_writes(self, bench: Bench) -> None:
        for layout in bench.layouts:
            location = bench.place()
            first = bench.create(bench.spec((20, 20, 20), layout=layout), location)
            second = bench.backend.open(location, "r+")
            expected = np.zeros(bench.shape(20, 20, 20), first.dtype, order="F")
            everything = whole(expected)
            same_voxels(second.read(everything), expected, "a new array is empty", spec=first.spec)
            # Both write to the same chunks in turn: a handle that remembers chunks loses the other's voxels.
            steps = ((0, 0, 0), (4, 4, 4), (2, 1, 0), (10, 3, 7), (9, 9, 9), (1, 1, 1))
            for number, start in enumerate(steps):
                writer = (first, second)[number % 2]
                box = bench.box(start, (5, 5, 5))
                voxels = noise(box[1], first.spec.dtype, seed=number)
                writer.write(box, voxels)
                expected[inside(box)] = voxels
                for reader in (first, second):
                    promise = "a handle sees, and never undoes, what another handle of this process wrote"
                    same_voxels(
                        reader.read(everything), expected, promise, spec=first.spec, box=box, step=number
                    )

    def test_reading_mode_refuses_changes(self, bench: Bench) -> None:
        full = bench.full()
        array = bench.backend.open(full.location, "r")
        box = bench.box((0, 0, 0), (8, 8, 8))
        with refuses(WkplugError, promise="an array opened for reading refuses writes", box=box):
            array.write(box, np.zeros(box[1], array.dtype))
        if bench.can.resizable:
            with refuses(WkplugError, promise="an array opened for reading refuses to resize"):
                array.resize(bench.shape(64, 64, 64))
        again = bench.backend.open(full.location)
        promise = "a refused change changes nothing"
        same_voxels(again.read(whole(full.data)), full.data, promise, spec=full.spec)
        holds(again.spec.shape == array.spec.shape, promise, got=again.spec.shape, expected=array.spec.shape)

    def test_closing_twice_and_using_afterwards_is_fine(self, bench: Bench) -> None:
        full = bench.full()
        array = full.array
        everything = whole(full.data)
        promise = "a closed array opens again when it is used"
        with promised("closing twice is fine"):
            array.close()
            array.close()
        with promised(promise, call="read"):
            same_voxels(array.read(everything), full.data, promise, spec=full.spec)
        array.close()
        box = bench.box((1, 2, 3), (4, 5, 6))
        with promised(promise, call="write, flush"):
            array.write(box, np.zeros(box[1], array.dtype))
            array.flush()
        full.data[inside(box)] = 0
        array.close()
        with promised(promise, call="spec, flush, stored_boxes"):
            holds(array.spec.axes == full.spec.axes, "a closed array has its spec")
            array.flush()
            if bench.can.lists_stored:
                holds(list(array.stored_boxes()), promise)
        same_voxels(array.read(everything), full.data, promise, spec=full.spec)

    def test_closing_one_handle_leaves_the_others_open(self, bench: Bench) -> None:
        full = bench.full()
        other = bench.backend.open(full.location, "r+")
        other.read(whole(full.data))
        full.array.close()
        promise = "closing a handle leaves other handles alone"
        same_voxels(other.read(whole(full.data)), full.data, promise, spec=full.spec)

    def test_handles_pickle_as_small_tokens(self, bench: Bench) -> None:
        full = bench.full()
        full.array.read(whole(full.data))
        token = _pickled(full.array)
        small = len(token) < _TOKEN_BYTES
        holds(small, "handles pickle as tokens, without voxels", got=f"{len(token)} bytes")
        copy: Array = pickle.loads(token)  # noqa: S301 - made two lines above
        holds(type(copy) is type(full.array), "an unpickled handle is of the same kind", got=type(copy))
        promise = "an unpickled handle reads the same voxels"
        same_voxels(copy.read(whole(full.data)), full.data, promise, spec=full.spec)
        holds(copy.spec == full.array.spec, "an unpickled handle has the same spec", got=copy.spec)
        box = bench.box((1, 2, 3), (4, 5, 6))
        copy.write(box, np.zeros(box[1], copy.dtype))
        full.data[inside(box)] = 0
        promise = "an unpickled handle writes to the same array"
        same_voxels(full.array.read(whole(full.data)), full.data, promise, spec=full.spec, box=box)

    def test_reading_handles_stay_reading_handles_when_pickled(self, bench: Bench) -> None:
        full = bench.full()
        array = bench.backend.open(full.location, "r")
        copy: Array = pickle.loads(_pickled(array))  # noqa: S301 - made in this line
        box = bench.box((0, 0, 0), (8, 8, 8))
        with refuses(WkplugError, promise="a pickled handle keeps its mode"):
            copy.write(box, np.zeros(box[1], copy.dtype))

    def test_unpickling_opens_nothing_until_it_is_used(self, bench: Bench) -> None:
        self.need(bench.can.shared_between_processes, "shared_between_processes")
        full = bench.full()
        token = _pickled(full.array)
        full.array.close()
        full.location.delete(recursive=True)
        try:
            copy: Array = pickle.loads(token)  # noqa: S301 - made above
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            breaks("unpickling a handle opens nothing", got=error)
        with refuses(MissingError, promise="using an unpickled handle opens it: MissingError if it is gone"):
            copy.read(whole(full.data))

    def test_backends_pickle(self, bench: Bench) -> None:
        full = bench.full()
        copy = pickle.loads(_pickled(bench.backend))  # noqa: S301 - made in this line
        promise = "an unpickled backend opens the same arrays"
        same_voxels(copy.open(full.location).read(whole(full.data)), full.data, promise, spec=full.spec)

    def test_threads_read_side_by_side(self, bench: Bench) -> None:
        full = bench.full(bench.spec((40, 36, 28)))
        boxes = [bench.box((n % 9, n % 7, n % 5), (17 + n % 11, 23, 19)) for n in range(24)]

        def work(box: Box) -> None:
            promise = "threads read one handle side by side"
            same_voxels(full.array.read(box), full.part(box), promise, spec=full.spec, box=box)

        with eager_threads(), ThreadPoolExecutor(4) as pool:
            list(pool.map(work, boxes * 3))

    def test_threads_write_to_different_shards(self, bench: Bench) -> None:
        for layout in bench.layouts:
            array = bench.create(bench.spec((64, 64, 64), layout=layout))
            expected = np.zeros(bench.shape(64, 64, 64), array.dtype, order="F")
            shard = dict(zip(array.spec.axes, layout.shard_shape, strict=True))
            steps = [range(0, 64, shard[axis]) for axis in ("x", "y", "z")]
            starts = [(x, y, z) for x in steps[0] for y in steps[1] for z in steps[2]][:32]
            # Not to the shard's end: so that shards are read, changed and written.
            boxes = [bench.box(start, (shard["x"] - 1, shard["y"], shard["z"] - 1)) for start in starts]

            def work(box: Box, array: Array = array, expected: np.ndarray = expected) -> None:
                voxels = noise(box[1], array.spec.dtype, seed=sum(box[0]))
                array.write(box, voxels)
                expected[inside(box)] = voxels

            with eager_threads(), ThreadPoolExecutor(4) as pool:
                list(pool.map(work, boxes))
            promise = "threads write to different shards of one handle side by side"
            same_voxels(array.read(whole(expected)), expected, promise, spec=array.spec)

    # --- processes ---

    plugin_module: ClassVar[str | None] = None
    """The module of the plugin's hooks; found through its entry point if it is installed."""

    def test_a_handle_works_in_a_fresh_process(self, bench: Bench) -> None:
        full = bench.full()
        full.array.flush()
        box = bench.box((3, 5, 7), (9, 9, 9))
        if not bench.can.shared_between_processes:
            promise = "arrays that processes don't share are missing in another one"
            with refuses(MissingError, promise=promise):
                children.run(_JOBS + "read", full.array, box)
            return
        self.need_sharing(bench)
        promise = "a pickled handle reads the same voxels in a fresh process"
        with promised(promise, array=full.spec):
            got = children.run(_JOBS + "read", full.array, box)
        same_voxels(got, full.part(box), promise, spec=full.spec, box=box)

    def test_a_backend_works_in_a_fresh_process(self, bench: Bench) -> None:
        self.need_sharing(bench)
        full = bench.full()
        full.array.flush()
        box = bench.box((3, 5, 7), (9, 9, 9))
        promise = "a pickled backend opens the same arrays in a fresh process"
        with promised(promise, array=full.spec):
            got = children.run(_JOBS + "open_and_read", bench.backend, full.location, box)
        same_voxels(got, full.part(box), promise, spec=full.spec, box=box)

    def test_open_handles_see_what_other_processes_write(self, bench: Bench) -> None:
        self.need_sharing(bench)
        full = bench.full()
        full.array.read(whole(full.data))
        full.array.flush()
        box = bench.box((3, 5, 7), (9, 9, 9))
        voxels = noise(box[1], full.spec.dtype, seed=4)
        children.run(_JOBS + "write", full.array, box, voxels)
        full.data[inside(box)] = voxels
        promise = "an open handle sees what another process wrote, and keeps the rest"
        same_voxels(full.array.read(whole(full.data)), full.data, promise, spec=full.spec, box=box)

    def test_handles_come_home_from_a_process(self, bench: Bench) -> None:
        self.need_sharing(bench)
        full = bench.full()
        full.array.flush()
        copy = children.run(_JOBS + "pickle_again", full.array)
        promise = "a handle that was used elsewhere comes home"
        same_voxels(copy.read(whole(full.data)), full.data, promise, spec=full.spec)

    @pytest.mark.long
    def test_processes_write_side_by_side(self, bench: Bench) -> None:
        self.need_sharing(bench)
        granularity = bench.can.concurrent_writes
        self.need(granularity != "none", "concurrent_writes")
        writers, rounds = (6, 40) if thorough() else (3, 12)
        for layout in bench.layouts:
            array = bench.create(bench.spec((32, 32, 32), layout=layout))
            if granularity == "box":
                # Planes of one voxel: every writer is in every chunk.
                cells = [bench.box((x, 0, 0), (1, 32, 32)) for x in range(32)]
            else:
                grid = layout.chunk_shape if granularity == "chunk" else layout.shard_shape
                cells = _grid_boxes(array, grid)
            shares = [cells[number::writers] for number in range(writers)]
            jobs = [
                (_JOBS + "write_rounds", (array, share, 10 * (number + 1), rounds))
                for number, share in enumerate(shares)
                if share
            ]
            children.together(jobs)
            expected = np.zeros(bench.shape(32, 32, 32), array.dtype, order="F")
            for number, share in enumerate(shares):
                for box in share:
                    expected[inside(box)] = 10 * (number + 1)
            promise = f"processes write side by side at the granularity of a {granularity} and lose nothing"
            same_voxels(array.read(whole(expected)), expected, promise, spec=array.spec, writers=writers)

    def test_the_plugins_hooks_import_nothing_heavy(self, bench: Bench) -> None:
        module = self._hooks(bench)
        own = type(bench.backend).__module__.partition(".")[0]
        heavy = set(children.run(_JOBS + "imports_of", module)) - _LIGHT - {own}
        promise = "the module of the hooks imports the standard library, attrs, pluggy and wkplug alone"
        holds(not heavy, promise, module=module, got=sorted(heavy))

    def test_the_plugins_spec_describes_the_backend(self, bench: Bench) -> None:

        module = import_module(self._hooks(bench))
        specs = {spec.name: spec for spec in module.wkplug_array_backends()}
        name = bench.backend.name
        holds(name in specs, "the hook offers the backend under its name", got=sorted(specs), expected=name)
        spec = specs[name]
        holds(spec.format == bench.backend.format, "spec and backend have the same format", got=spec.format)
        same = spec.writes == bench.can.writable
        holds(same, "the spec's `writes` is the capability `writable`", got=spec.writes)

    def _hooks(self, bench: Bench) -> str:
        if self.plugin_module is not None:
            return self.plugin_module
        package = type(bench.backend).__module__.partition(".")[0]
        for entry in entry_points(group=f"wkplug.v{API}"):
            if entry.value.partition(".")[0].partition(":")[0] == package:
                return entry.module
        pytest.skip("not installed as a plugin: no entry point (set `plugin_module` to test its hooks)")

    # --- damage ---

    def test_damaged_metadata_is_reported_as_such(self, bench: Bench) -> None:
        self.need_sharing(bench)
        location = bench.place()
        bench.create(location=location).close()
        files = all_files(location)
        holds(files, "an array has metadata, even when nothing was written yet", location=location.url)
        full = bench.full()
        full.array.flush()
        self._survives(bench, full.location, files, "metadata", full.data)

    def test_truncated_shards_are_never_read_as_voxels(self, bench: Bench) -> None:
        self.need_sharing(bench)
        for compressed in (True, False):
            spec = bench.spec(compressed=compressed)
            location = bench.place()
            bench.create(location=location, spec=spec).close()
            metadata = set(all_files(location))
            full = bench.full(spec)
            full.array.flush()
            shards = [name for name in all_files(full.location) if name not in metadata]
            holds(shards, "what was written is in files below the array's location", got=all_files(location))
            self._survives(bench, full.location, shards[:3], "shard", full.data)

    def _survives(
        self, bench: Bench, location: Location, names: Iterable[str], kind: str, data: np.ndarray
    ) -> None:
        work = (_JOBS + "try_damage", bench.backend, location, list(names), kind, whole(data), data)
        outcomes: list[tuple[str, bool]] = children.run(*work)
        promise = f"a damaged {kind} file raises CorruptDataError (or is not needed), never another error, "
        survived(outcomes, promise + "zeros, a crash or huge memory")
        lines = [line for line, _ in outcomes]
        noticed = any("CorruptDataError" in line for line in lines)
        holds(noticed, f"at least one way of damaging a {kind} is noticed", outcomes=lines[:8])


@contextmanager
def eager_threads() -> Iterator[None]:
    """Switch between threads a thousand times more often than Python does, so that races show."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def _pickled(thing: object) -> bytes:
    try:
        return pickle.dumps(thing)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        breaks("backends and arrays pickle", thing=type(thing).__name__, got=error)


def _grid_boxes(array: Array, grid: tuple[int, ...]) -> list[Box]:
    shape = [length or 32 for length in array.spec.shape]
    starts = product(*(range(0, length, step) for length, step in zip(shape, grid, strict=True)))
    return [
        (start, tuple(min(b, n - a) for a, b, n in zip(start, grid, shape, strict=True))) for start in starts
    ]


def all_files(location: Location, *, below: str = "") -> list[str]:
    """The relative names of all files in a folder."""
    found: list[str] = []
    folder = location.child(below) if below else location
    for name in folder.list():
        path = f"{below}/{name}" if below else name
        if name.endswith("/"):
            found += all_files(location, below=path.rstrip("/"))
        else:
            found.append(path)
    return sorted(found)
