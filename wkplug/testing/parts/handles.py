"""Handles: several to one array, closed ones, read-only ones, and what threads may do with them."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from wkplug.errors import MissingError, WkplugError
from wkplug.testing.bench import BackendFixtures, Bench, noise, whole
from wkplug.testing.checks import breaks, holds, inside, promised, refuses, same_voxels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Array, Box

__all__ = ["HandlesPart"]

_TOKEN_BYTES = 16_384


@contextmanager
def eager_threads() -> Iterator[None]:
    """Switch between threads a thousand times more often than Python does, so that races show."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


class HandlesPart(BackendFixtures):
    """Several handles, pickling, closing, threads."""

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


def _pickled(thing: object) -> bytes:
    try:
        return pickle.dumps(thing)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        breaks("backends and arrays pickle", thing=type(thing).__name__, got=error)
