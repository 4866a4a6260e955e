"""Handles: closed files are closed, images pickle by opening again, threads read as the image declares."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import contextlib
import gc
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.errors import WkplugError
from wkplug.testing import children
from wkplug.testing.checks import holds, promised
from wkplug.testing.images.samples import ImageBench, ImageFixtures, ImageSample, compare, part

if TYPE_CHECKING:
    from wkplug.abc import Box, Image

__all__ = ["HandlesPart"]

_DESCRIPTORS = Path("/proc/self/fd")
_PICKLE_BYTES = 16_384
_READ = "wkplug.testing.images.jobs:read_twice"


class HandlesPart(ImageFixtures):
    """Files, threads, processes."""

    def test_closing_gives_the_files_back(self, bench: ImageBench) -> None:
        self.need(_DESCRIPTORS.exists(), "a system that lists open files")
        for sample in bench.samples:
            image = bench.open(sample)
            image.read()
            image.close()
            held = _held(sample)
            holds(not held, "no file stays open after close", sample=sample, open=held)
            image.close()

    def test_a_file_that_fails_to_open_is_closed(self, bench: ImageBench) -> None:
        self.need(_DESCRIPTORS.exists(), "a system that lists open files")
        for sample in bench.files():
            path = bench.folder / sample.path.name
            content = sample.path.read_bytes()
            for length in {len(content) // 2, len(content) // 10, 300, 20, 4}:
                path.write_bytes(content[:length])
                failure = None
                try:
                    bench.reader.open(bench.place(path), scene=99).close()  # which no sample has
                except WkplugError as error:
                    # Kept, and with it all frames: what only garbage collection closes is still open now.
                    failure = error
                held = _open_files(path)
                holds(
                    not held,
                    "no file stays open after opening failed",
                    sample=sample,
                    length=length,
                    open=held,
                    error=failure,
                )

    def test_a_closed_image_gives_right_voxels_or_an_error(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            image = bench.open(sample)
            image.close()
            found = _attempt(image, ((0,) * sample.expected.ndim, sample.expected.shape))
            image.close()
            if not isinstance(found, Exception):  # the contract leaves open which
                promise = "reading after close opens again or fails"
                compare(found, sample.expected, promise, tolerance=sample.tolerance, sample=sample)

    def test_images_pickle_by_opening_again(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            with bench.open(sample) as image:
                image.read(((0,) * sample.expected.ndim, (1,) * sample.expected.ndim))
                with promised("an open image pickles", sample=sample):
                    token = pickle.dumps(image)
                size = len(token)
                holds(
                    size <= _PICKLE_BYTES,
                    "a pickle holds the place, not the voxels",
                    sample=sample,
                    size=size,
                )
                with promised("a pickled image opens again", sample=sample):
                    copy: Image = pickle.loads(token)  # noqa: S301 - made two lines above
                same = copy.info == image.info
                holds(same, "a pickled image is the same scene", sample=sample, got=copy.info)
                with copy:
                    promise = "a pickled image reads the same"
                    compare(copy.read(), sample.expected, promise, tolerance=sample.tolerance, sample=sample)

    def test_images_and_readers_work_in_a_fresh_process(self, bench: ImageBench) -> None:
        sample = bench.samples[-1]
        with (
            bench.open(sample) as image,
            promised("images and readers work in another process", sample=sample),
        ):
            arguments = (image, bench.reader, bench.place(sample.path), sample.scene)
            results = children.run(_READ, *arguments)
        for found in results:
            promise = "another process reads the same"
            compare(found, sample.expected, promise, tolerance=sample.tolerance, sample=sample)

    def test_threads_read_as_the_image_declares(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            with bench.open(sample) as image:
                wanted = _some_boxes(sample.expected.shape, 40)
                if image.thread_safe:
                    with ThreadPoolExecutor(8) as pool:
                        found = list(pool.map(lambda box: _attempt(image, box), wanted))
                else:
                    found = self._one_image_per_thread(bench, sample, wanted)
                safe = image.thread_safe
            for box, result in zip(wanted, found, strict=True):
                promise = (
                    "threads read one image at once" if safe else "threads with an image each read at once"
                )
                with promised(promise, sample=sample, box=box):
                    if isinstance(result, Exception):
                        raise result
                compare(result, part(sample.expected, box), promise, tolerance=sample.tolerance,
                        sample=sample, box=box)  # fmt: skip

    def _one_image_per_thread(self, bench: ImageBench, sample: ImageSample, wanted: list[Box]) -> list[Any]:
        def work(mine: list[Box]) -> list[Any]:
            with bench.open(sample) as image:
                return [_attempt(image, box) for box in mine]

        with ThreadPoolExecutor(4) as pool:
            parts = list(pool.map(work, [wanted[number::4] for number in range(4)]))
        return [parts[number % 4][number // 4] for number in range(len(wanted))]


def _attempt(image: Image, box: Box) -> Any:
    try:
        return image.read(box)
    except Exception as error:  # noqa: BLE001 - carried to the test's own thread
        return error


def _some_boxes(shape: tuple[int, ...], count: int) -> list[Box]:
    random = np.random.default_rng(5)
    boxes: list[Box] = []
    for _ in range(count):
        start = [int(random.integers(0, length)) for length in shape]
        lengths = [int(random.integers(1, n - low + 1)) for low, n in zip(start, shape, strict=True)]
        boxes.append((tuple(start), tuple(lengths)))
    return boxes


def _held(sample: ImageSample) -> list[str]:
    return [name for path in (sample.path, *sample.companions) for name in _open_files(path)]


def _open_files(path: Path) -> list[str]:
    """What this process has open of a file or folder, maps of it into memory included."""
    gc.collect(0)  # arrays that were just given up may have been views of a map
    wanted = os.path.realpath(path)
    found = []
    for descriptor in _DESCRIPTORS.iterdir():
        with contextlib.suppress(OSError):
            target = os.readlink(descriptor)  # noqa: PTH115 - a text, also for pipes
            if target == wanted or target.startswith(wanted + os.sep):
                found.append(f"descriptor {descriptor.name}: {target}")
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(wanted):
            found.append(f"map: {line}")
    return found
