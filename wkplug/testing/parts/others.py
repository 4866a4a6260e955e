"""Other implementations of the same format, and backends that can't write.

A backend that reads what it wrote may still be wrong in the same way twice. Where the suite's author knows a
second implementation (the fixtures `write_otherwise` and `read_otherwise`), both must mean the same files.
"""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import numpy as np
import pytest

from wkplug.errors import UnsupportedOperationError, WkplugError
from wkplug.testing.bench import BackendFixtures, Bench, ReadOtherwise, WriteOtherwise, noise, whole
from wkplug.testing.checks import holds, refuses, same_voxels

__all__ = ["OthersPart"]


class OthersPart(BackendFixtures):
    """Interoperation, and reading alone."""

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
