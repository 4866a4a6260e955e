"""Thrift: places elsewhere are read by ranges, and no more of them than a region needs."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import numpy as np

from wkplug.errors import UnsupportedOperationError
from wkplug.testing.checks import holds, promised, refuses
from wkplug.testing.images.samples import ImageBench, ImageFixtures, ImageSample, compare
from wkplug.testing.places import PlainLocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wkplug.abc import Location

__all__ = ["CountingLocation", "ThriftPart"]

_SLACK = 1 << 20  # buffers and headers: what a request may fetch on top of what is needed
_LARGE = 4 << 20


class CountingLocation(PlainLocation):
    """A place without a local path that counts the bytes that are read from it."""

    __slots__ = ("counts",)

    def __init__(self, inner: Location, counts: list[int] | None = None) -> None:
        super().__init__(inner)
        self.counts: list[int] = [] if counts is None else counts
        """Of this place and of all that it led to."""

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Read and count."""
        data = self.inner.read(start, stop)
        self.counts.append(len(data))
        return data

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read ranges and count."""
        found = self.inner.read_ranges(ranges)
        self.counts.extend(len(data) for data in found)
        return found

    @property
    def total(self) -> int:
        """All bytes so far."""
        return sum(self.counts)


class ThriftPart(ImageFixtures):
    """Files elsewhere, and bytes."""

    def test_files_elsewhere_are_read(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            place = PlainLocation(bench.place(sample.path))
            if self.needs_local_path:
                promise = "a reader that needs a local path says so"
                with refuses(UnsupportedOperationError, promise=promise, sample=sample):
                    bench.reader.open(place, scene=sample.scene).close()
                continue
            with promised("files elsewhere are read", sample=sample):
                image = bench.reader.open(place, scene=sample.scene)
            with image:
                promise = "files elsewhere have the same voxels"
                compare(image.read(), sample.expected, promise, tolerance=sample.tolerance, sample=sample)

    def test_opening_reads_headers_only(self, bench: ImageBench) -> None:
        for sample in self._large(bench):
            place = CountingLocation(bench.place(sample.path))
            bench.reader.open(place, scene=sample.scene).close()
            most = _SLACK + sample.path.stat().st_size // 8
            promise = "opening reads headers, not voxels"
            holds(place.total <= most, promise, sample=sample, bytes=place.total, at_most=most)

    def test_a_block_costs_the_bytes_of_a_block(self, bench: ImageBench) -> None:
        measured = 0
        for sample in self._large(bench):
            place = CountingLocation(bench.place(sample.path))
            with bench.reader.open(place, scene=sample.scene) as image:
                info = image.info
                blocks = math.prod(-(-n // b) for n, b in zip(info.shape, info.block_shape, strict=False))
                if not info.block_shape or blocks < 4:
                    continue
                measured += 1
                start = tuple(n // b // 2 * b for n, b in zip(info.shape, info.block_shape, strict=True))
                lengths = tuple(
                    min(b, n - s) for n, b, s in zip(info.shape, info.block_shape, start, strict=True)
                )
                opened = place.total
                image.read((start, lengths))
            raw = math.prod(info.block_shape) * np.dtype(info.dtype).itemsize
            spent, most = place.total - opened, 2 * raw + _SLACK
            promise = "a region of one block reads that block, not the file"
            holds(spent <= most, promise, sample=sample, bytes=spent, at_most=most, block=info.block_shape,
                  file=os.path.getsize(sample.path))  # fmt: skip  # noqa: PTH202
        self.need(measured, "blocks (in a sample of at least 4 MB)")

    def _large(self, bench: ImageBench) -> list[ImageSample]:
        self.need(not self.needs_local_path, "needs_local_path")
        large = [s for s in bench.samples if s.path.is_file() and s.path.stat().st_size >= _LARGE]
        self.need(large, "samples of at least 4 MB")
        return large
