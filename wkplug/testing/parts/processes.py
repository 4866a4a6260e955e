"""Processes: handles that travel, voxels that everybody sees, writers side by side, plugins that start lightly.

Children are fresh Python processes, as with spawned workers. Concurrent writers are tested at exactly the
granularity that `capabilities.concurrent_writes` declares, without any lock.
"""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

from importlib.metadata import entry_points
from itertools import product
from typing import ClassVar

import numpy as np
import pytest

from wkplug.abc import API, Array, Box
from wkplug.errors import MissingError
from wkplug.testing import children
from wkplug.testing.bench import BackendFixtures, Bench, noise, whole
from wkplug.testing.checks import holds, inside, promised, refuses, same_voxels
from wkplug.testing.profiles import thorough

__all__ = ["ProcessesPart"]

_JOBS = "wkplug.testing.jobs:"
_LIGHT = {"wkplug", "attr", "attrs", "pluggy"}


class ProcessesPart(BackendFixtures):
    """Other processes."""

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
        from importlib import import_module

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


def _grid_boxes(array: Array, grid: tuple[int, ...]) -> list[Box]:
    shape = [length or 32 for length in array.spec.shape]
    starts = product(*(range(0, length, step) for length, step in zip(shape, grid, strict=True)))
    return [
        (start, tuple(min(b, n - a) for a, b, n in zip(start, grid, shape, strict=True))) for start in starts
    ]
