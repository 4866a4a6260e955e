"""Reading: everything equals what a second reader finds, any region equals that part of everything."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wkplug.testing.checks import holds, promised
from wkplug.testing.images.samples import ImageBench, ImageFixtures, compare, part
from wkplug.testing.profiles import examples
from wkplug.testing.strategies import boxes

if TYPE_CHECKING:
    from wkplug.abc import Box

__all__ = ["ReadingPart"]


class ReadingPart(ImageFixtures):
    """Voxels."""

    def test_everything_equals_what_a_second_reader_finds(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            with bench.open(sample) as image, promised("every sample is read", sample=sample):
                promise = "voxels are those that a second reader finds"
                compare(image.read(), sample.expected, promise, tolerance=sample.tolerance, sample=sample)

    @given(data=st.data())
    @examples(25)
    def test_any_region_equals_that_part_of_everything(self, bench: ImageBench, data: st.DataObject) -> None:
        sample = data.draw(st.sampled_from(bench.samples))
        with bench.open(sample) as image:
            grids = [image.info.block_shape] if image.info.block_shape else []
            for _ in range(3):
                box = data.draw(boxes(sample.expected.shape, grids=grids))
                with promised("any region is read", sample=sample, box=box):
                    found = image.read(box)
                promise = "a region equals that part of everything"
                compare(found, part(sample.expected, box), promise, tolerance=sample.tolerance,
                        sample=sample, box=box)  # fmt: skip

    def test_the_far_corner_and_single_pixels_are_read(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            shape = sample.expected.shape
            one = (1,) * len(shape)
            last = tuple(length - 1 for length in shape)
            wanted: list[Box] = [((0,) * len(shape), one), (last, one)]
            for axis, length in enumerate(shape):
                # The last slice across each axis: odd lengths end inside a block.
                start = tuple(length - 1 if number == axis else 0 for number in range(len(shape)))
                lengths = tuple(1 if number == axis else other for number, other in enumerate(shape))
                wanted.append((start, lengths))
            with bench.open(sample) as image:
                for box in wanted:
                    with promised("the image is read to its last pixel", sample=sample, box=box):
                        found = image.read(box)
                    promise = "regions at the borders equal that part of everything"
                    compare(found, part(sample.expected, box), promise, tolerance=sample.tolerance,
                            sample=sample, box=box)  # fmt: skip

    def test_results_belong_to_the_caller(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            box = ((0,) * sample.expected.ndim, sample.expected.shape)
            with bench.open(sample) as image:
                for wanted in (None, box):
                    found = image.read(wanted)
                    holds(found.flags.writeable, "what is read may be changed", sample=sample, box=wanted)
                    found[...] = found.dtype.type(1)
                    promise = "changing what was read changes nothing else"
                    compare(
                        image.read(wanted),
                        sample.expected,
                        promise,
                        tolerance=sample.tolerance,
                        sample=sample,
                    )

    def test_levels_are_smaller_images_of_the_same_axes(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            with bench.open(sample) as image:
                info = image.info
                for level in range(info.levels):
                    shape = info.level_shapes[level] if info.level_shapes else info.shape
                    with promised("every level is read", sample=sample, level=level):
                        full = image.read(level=level)
                    facts: dict[str, Any] = {"sample": sample, "level": level}
                    holds(
                        full.shape == shape, "a level has its shape", got=full.shape, expected=shape, **facts
                    )
                    if sample.levels:
                        promise = "levels are those that a second reader finds"
                        compare(full, sample.levels[level], promise, tolerance=sample.tolerance, **facts)
                    start = tuple(length // 3 for length in shape)
                    lengths = tuple(max(1, length // 2) for length in shape)
                    promise = "a region of a level equals that part of it"
                    compare(
                        image.read((start, lengths), level=level),
                        part(full, (start, lengths)),
                        promise,
                        **facts,
                    )

    def test_scenes_are_different_images(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            with bench.open(sample) as image:
                count = len(image.info.scenes)
            for number in range(count):
                with bench.reader.open(bench.place(sample.path), scene=number) as image:
                    shape = image.info.shape
                    box = (tuple(n // 2 for n in shape), tuple(n - n // 2 for n in shape))
                    full, region = image.read(), image.read(box)
                compare(
                    region, part(full, box), "regions of a scene are its own", sample=sample, scene=number
                )
                if number == sample.scene:
                    compare(
                        full, sample.expected, "a scene is itself", tolerance=sample.tolerance, sample=sample
                    )
                else:
                    same = full.shape == sample.expected.shape and full.dtype == sample.expected.dtype
                    other = not (same and np.array_equal(full, sample.expected) and full.any())
                    holds(other, "another scene is another image", sample=sample, scene=number)
