"""Resizing: what stays, what comes, and what every handle knows of it."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import numpy as np

from wkplug.errors import UnsupportedOperationError
from wkplug.testing.bench import BackendFixtures, Bench, noise, whole
from wkplug.testing.checks import holds, inside, refuses, same_voxels

__all__ = ["ResizingPart"]


class ResizingPart(BackendFixtures):
    """Resize."""

    def test_a_closed_resizable_capability_refuses(self, bench: Bench) -> None:
        if bench.can.resizable:
            return
        full = bench.full()
        with refuses(
            UnsupportedOperationError, promise="resize without the capability `resizable` is refused"
        ):
            full.array.resize(bench.shape(64, 64, 64))
        promise = "a refused resize changes nothing"
        same_voxels(full.array.read(whole(full.data)), full.data, promise, spec=full.spec)

    def test_growing_adds_empty_voxels_and_keeps_the_old(self, bench: Bench) -> None:
        self.need(bench.can.resizable and bench.can.bounded, "resizable")
        for layout in bench.layouts:
            full = bench.full(bench.spec((20, 13, 9), layout=layout))
            larger = bench.shape(45, 29, 18)
            full.array.resize(larger)
            expected = np.zeros(larger, full.array.dtype, order="F")
            expected[inside(whole(full.data))] = full.data
            for handle in (full.array, bench.backend.open(full.location, "r+")):
                shape = handle.spec.shape
                holds(shape == larger, "spec.shape is that of the last resize", got=shape, expected=larger)
                promise = "growing adds empty voxels and keeps the old ones"
                same_voxels(handle.read(whole(expected)), expected, promise, spec=handle.spec)
            for number, start in enumerate(((19, 12, 8), (40, 0, 0), (32, 16, 16))):
                box = bench.box(start, (5, 5, 2))
                voxels = noise(box[1], full.spec.dtype, seed=number)
                full.array.write(box, voxels)
                expected[inside(box)] = voxels
                for handle in (full.array, bench.backend.open(full.location)):
                    promise = "what was added by growing can be written"
                    same_voxels(handle.read(whole(expected)), expected, promise, spec=handle.spec, box=box)

    def test_shrinking_deletes_nothing(self, bench: Bench) -> None:
        self.need(bench.can.resizable and bench.can.bounded, "resizable")
        for layout in bench.layouts:
            full = bench.full(bench.spec((40, 28, 20), layout=layout))
            smaller = bench.shape(19, 13, 9)
            full.array.resize(smaller)
            box = ((0,) * len(smaller), smaller)
            for handle in (full.array, bench.backend.open(full.location, "r+")):
                shape = handle.spec.shape
                holds(shape == smaller, "spec.shape is that of the last resize", got=shape, expected=smaller)
                promise = "shrinking keeps the voxels inside"
                same_voxels(handle.read(box), full.part(box), promise, spec=handle.spec, box=box)
            full.array.resize(full.data.shape)
            promise = "shrinking deletes no voxels: they are there when the array grows again"
            for handle in (full.array, bench.backend.open(full.location)):
                same_voxels(handle.read(whole(full.data)), full.data, promise, spec=handle.spec)

    def test_older_handles_go_on_working_inside_their_shape(self, bench: Bench) -> None:
        self.need(bench.can.resizable and bench.can.bounded, "resizable")
        full = bench.full()
        older = bench.backend.open(full.location, "r+")
        older.read(whole(full.data))
        full.array.resize(bench.shape(64, 64, 64))
        box = bench.box((38, 26, 18), (2, 2, 2))
        voxels = noise(box[1], full.spec.dtype, seed=9)
        older.write(box, voxels)
        full.data[inside(box)] = voxels
        promise = "a handle opened before a resize goes on working inside the shape that it knows"
        for handle in (older, full.array, bench.backend.open(full.location)):
            same_voxels(handle.read(whole(full.data)), full.data, promise, spec=full.spec, box=box)
        shape = bench.backend.open(full.location).spec.shape
        holds(shape == bench.shape(64, 64, 64), "writing doesn't undo another handle's resize", got=shape)

    def test_writing_the_same_place_after_shrinking_and_growing(self, bench: Bench) -> None:
        self.need(bench.can.resizable and bench.can.bounded, "resizable")
        full = bench.full()
        for shape in (bench.shape(9, 9, 9), bench.shape(64, 40, 33), full.data.shape):
            full.array.resize(shape)
        voxels = noise(full.data.shape, full.spec.dtype, seed=5)
        full.array.write(whole(voxels), voxels)
        promise = "an array is writable after shrinking and growing"
        same_voxels(bench.backend.open(full.location).read(whole(voxels)), voxels, promise, spec=full.spec)
