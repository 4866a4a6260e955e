"""`ImageReaderSuite`: all promises of `wkplug.abc.ImageReader` and `Image` as tests to inherit.

A plugin tests a reader with real files, and with what a second, independent reader finds in them::

    from wkplug.testing import ImageReaderSuite, ImageSample


    class TestMine(ImageReaderSuite):
        reader_factory = "wkplug_mine.reader:MyReader"

        def make_samples(self, folder):
            path = download_or_write(folder / "a.mine")
            yield ImageSample(path=path, axes="zyx", expected=otherlib.read(path), voxel_size=(4, 4, 40))

What is skipped is by a declaration ("by capability: ..."): `needs_local_path`, `has_magic`, or because no sample
is large enough to count bytes. `wkplug.testing.reference` has a reader of a small format of its own that keeps all
promises.
"""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wkplug.abc import ProbeScore
from wkplug.errors import MissingError, UnsupportedImageDataError, UnsupportedOperationError, WkplugError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import children
from wkplug.testing.bench import Suite
from wkplug.testing.checks import breaks, holds, inside, promised, refuses, same_voxels, survived
from wkplug.testing.places import CountingLocation, PlainLocation
from wkplug.testing.profiles import examples, thorough
from wkplug.testing.strategies import boxes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Image, ImageInfo, ImageReader, Location

__all__ = ["HEADS", "ImageBench", "ImageReaderSuite", "ImageSample", "consistent"]

_NOISE = bytes(range(7, 256)) * 16
HEADS: Mapping[str, bytes] = MappingProxyType(
    {
        "nothing": b"",
        "zeros": bytes(4096),
        "text": b"Notes on the experiment of last week.\n" * 50,
        "noise": _NOISE,
        "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + _NOISE,
        "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + _NOISE,
        "tiff": b"II*\0\x08\0\0\0" + _NOISE,
        "bigtiff": b"MM\0+\0\x08\0\0" + _NOISE,
        "hdf5": b"\x89HDF\r\n\x1a\n" + _NOISE,
        "dicom": bytes(128) + b"DICM" + _NOISE,
        "gzip": b"\x1f\x8b\x08\0" + _NOISE,
        "zip": b"PK\x03\x04" + _NOISE,
        "pdf": b"%PDF-1.7\n" + _NOISE,
    }
)
"""The first bytes of files that a reader must not take for its own, by name."""
_DTYPES = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"}
_DESCRIPTORS = Path("/proc/self/fd")
_PICKLE_BYTES = 16_384
_READ = "wkplug.testing.jobs:read_twice"
_SLACK = 1 << 20  # buffers and headers: what a request may fetch on top of what is needed
_LARGE = 4 << 20
_TRY = "wkplug.testing.jobs:try_damaged_images"
_MADE = pytest.StashKey["tuple[ImageSample, ...]"]()


@attrs.frozen(kw_only=True, eq=False)
class ImageSample:
    """One image of a file, and the truth about it, which does not come from the reader under test.

    axes: those of the file, as letters ("tzcyx") or names, in its order; expected: its voxels in that order.
    tolerance: how far voxels may be off, for lossy codecs that two libraries decode differently.
    voxel_size, origin: in nanometres along (x, y, z), None where the file doesn't say: both are compared.
    channel_names, levels, scenes: compared if given. `levels` are the voxels of all levels, the first included.
    companions: files that belong to it, for formats of several files.
    damage: whether copies of it are cut and scribbled on (files of up to 4 MB); `checksums` says that every
    change of a voxel is noticed, so that a damaged copy gives an error or the right voxels.
    """

    path: Path
    axes: tuple[str, ...] = attrs.field(converter=tuple)
    expected: NDArray[Any]
    tolerance: float = 0.0
    scene: int = 0
    voxel_size: tuple[float | None, float | None, float | None] = (None, None, None)
    origin: tuple[float | None, float | None, float | None] = (None, None, None)
    channel_names: tuple[str, ...] | None = None
    levels: tuple[NDArray[Any], ...] = ()
    scenes: int | None = None
    companions: tuple[Path, ...] = ()
    damage: bool = True
    checksums: bool = False
    name: str = attrs.field(default="", converter=str)

    def compare(self, actual: Any, promise: str, *, box: Box | None = None) -> None:
        """Fail unless these are the voxels of the sample, or of a box in it."""
        expected = self.expected if box is None else self.expected[inside(box)]
        where: dict[str, Any] = {} if box is None else {"box": box}
        same_voxels(actual, expected, promise, tolerance=self.tolerance, sample=self, **where)

    def __str__(self) -> str:
        return self.name or (f"{self.path.name} scene {self.scene}" if self.scene else self.path.name)


@attrs.frozen(kw_only=True)
class ImageBench:
    """The reader under test, its samples, and a fresh folder."""

    reader: ImageReader
    samples: tuple[ImageSample, ...]
    folder: Path

    def place(self, path: Path) -> Location:
        """The place of a file."""
        return LocalLocation(str(path))

    def open(self, sample: ImageSample) -> Image:
        """Open a sample."""
        return self.reader.open(self.place(sample.path), scene=sample.scene)

    def files(self) -> list[ImageSample]:
        """One sample per file, folders left out."""
        first = {sample.path: sample for sample in reversed(self.samples) if sample.path.is_file()}
        return list(first.values())


class ImageReaderSuite(Suite):
    """The conformance tests of image readers; see the module's text for how to use it. Authors set and override:

    reader_factory: "package.module:attribute" or a callable, called with `settings`, as the registry does.
    """

    reader_factory: ClassVar[str | Callable[..., ImageReader] | None] = None
    settings: ClassVar[dict[str, Any]] = {}
    needs_local_path: ClassVar[bool] = False
    """Whether the reader refuses places elsewhere, because its library takes paths only."""
    has_magic: ClassVar[bool] = True
    """Whether files are recognised by their bytes; if not, `probe` goes by their name."""
    foreign: ClassVar[tuple[str, ...]] = ()
    """Names of heads (see `HEADS`) that are this reader's own, or that it takes too."""

    def make_samples(self, folder: Path) -> Iterable[ImageSample]:
        """Write or fetch the samples; called once per class, `folder` is empty and stays until the end."""
        del folder
        breaks(f"{type(self).__name__} says with `make_samples` what files it reads")

    @pytest.fixture
    def image_reader(self) -> ImageReader:
        """The reader under test."""
        reader: ImageReader | None = self.made("reader_factory", dict(self.settings))
        if reader is None:
            pytest.fail(f"{type(self).__name__} must name its reader: `reader_factory`")
        return reader

    @pytest.fixture
    def bench(
        self,
        image_reader: ImageReader,
        request: pytest.FixtureRequest,
        tmp_path_factory: pytest.TempPathFactory,
        tmp_path: Path,
    ) -> ImageBench:
        """Reader, samples and a fresh folder."""
        node = request.node.getparent(pytest.Class)
        if _MADE not in node.stash:
            samples = tuple(self.make_samples(tmp_path_factory.mktemp("samples")))
            holds(samples, "a suite has at least one sample", suite=type(self).__name__)
            node.stash[_MADE] = samples
        return ImageBench(reader=image_reader, samples=node.stash[_MADE], folder=tmp_path)

    # --- opening ---

    def test_own_files_are_recognised_under_any_name(self, bench: ImageBench) -> None:
        self.need(self.has_magic, "has_magic")
        for sample in bench.files():
            place = bench.place(bench.folder / "without-a-suffix")
            with sample.path.open("rb") as file:
                score = bench.reader.probe(place, file.read(4096))
            holds(score > ProbeScore.NO, "probe says yes to own bytes under a wrong name", sample=sample)

    def test_other_files_are_not_claimed(self, bench: ImageBench) -> None:
        self.need(self.has_magic, "has_magic")
        names = ["stranger.bin", *{sample.path.name for sample in bench.files()}]
        for kind, head in HEADS.items():
            if kind in self.foreign:
                continue
            for name in names:
                score = bench.reader.probe(bench.place(bench.folder / name), head)
                promise = "probe says no to what is another file by its bytes, whatever its name"
                holds(score == ProbeScore.NO, promise, head=kind, name=name, score=score)

    def test_info_says_what_the_file_says(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            with bench.open(sample) as image:
                info = image.info
            facts: dict[str, Any] = {"sample": sample}
            _same("axes", info.axes, sample.axes, **facts)
            _same("shape", info.shape, sample.expected.shape, **facts)
            _same("dtype", info.dtype, sample.expected.dtype.newbyteorder("=").name, **facts)
            for name in ("voxel_size", "origin"):
                _lengths(name, getattr(info, name), getattr(sample, name), **facts)
            if sample.channel_names is not None:
                _same("channel_names", info.channel_names, sample.channel_names, **facts)
            if sample.levels:
                _same("levels", info.levels, len(sample.levels), **facts)
            if sample.scenes is not None:
                _same("number of scenes", len(info.scenes) or 1, sample.scenes, **facts)

    def test_info_is_consistent(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            with bench.open(sample) as image, bench.open(sample) as again:
                consistent(image.info, sample=sample)
                same = again.info == image.info
                holds(same, "opening a file again finds the same", sample=sample, one=image.info)

    def test_a_missing_file_is_missing(self, bench: ImageBench) -> None:
        for sample in bench.files():
            promise = "opening what is not there raises MissingError"
            with refuses(MissingError, promise=promise, sample=sample):
                bench.reader.open(bench.place(bench.folder / f"not-there-{sample.path.name}")).close()

    def test_a_scene_that_is_not_there_is_refused(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            with bench.open(sample) as image:
                count = len(image.info.scenes) or 1
            for scene in (count, -1):
                promise = "a scene that the file hasn't is UnsupportedImageDataError"
                with refuses(UnsupportedImageDataError, promise=promise, sample=sample, scene=scene):
                    bench.reader.open(bench.place(sample.path), scene=scene).close()

    def test_every_scene_opens(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            with bench.open(sample) as image:
                scenes = image.info.scenes
            for number in range(len(scenes)):
                with (
                    promised("every scene that is named opens", sample=sample, scene=number),
                    bench.reader.open(bench.place(sample.path), scene=number) as image,
                ):
                    consistent(image.info, sample=sample, scene=number)
                    _same("scenes", image.info.scenes, scenes, sample=sample, scene=number)

    def test_a_name_with_spaces_and_letters_of_any_script_opens(self, bench: ImageBench) -> None:
        sample = bench.samples[0]
        if sample.companions or not sample.path.is_file():
            self.need(condition=False, capability="samples of a single file")
        suffix = "".join(sample.path.suffixes)
        path = bench.folder / f"Übersicht 細胞 #1 100%{suffix}"
        shutil.copyfile(sample.path, path)
        with (
            promised("any file name opens", name=path.name),
            bench.reader.open(bench.place(path), scene=sample.scene) as image,
        ):
            image.read(((0,) * len(image.info.shape), (1,) * len(image.info.shape)))

    def test_reading_changes_no_file(self, bench: ImageBench) -> None:
        for number, sample in enumerate(bench.files()):
            folder = bench.folder / f"copy {number}"
            folder.mkdir()
            for path in (sample.path, *sample.companions):
                shutil.copyfile(path, folder / path.name)
            before = _state(folder)
            with bench.reader.open(bench.place(folder / sample.path.name), scene=sample.scene) as image:
                image.read()
            after = _state(folder)
            holds(before == after, "reading writes nothing", sample=sample, before=before, after=after)

    # --- reading ---

    def test_everything_equals_what_a_second_reader_finds(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            with bench.open(sample) as image, promised("every sample is read", sample=sample):
                promise = "voxels are those that a second reader finds"
                sample.compare(image.read(), promise)

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
                sample.compare(found, promise, box=box)

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
                    sample.compare(found, promise, box=box)

    def test_results_belong_to_the_caller(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            box = ((0,) * sample.expected.ndim, sample.expected.shape)
            with bench.open(sample) as image:
                for wanted in (None, box):
                    found = image.read(wanted)
                    holds(found.flags.writeable, "what is read may be changed", sample=sample, box=wanted)
                    found[...] = found.dtype.type(1)
                    promise = "changing what was read changes nothing else"
                    sample.compare(image.read(wanted), promise)

    def test_levels_are_smaller_images_of_the_same_axes(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            with bench.open(sample) as image:
                info = image.info
                for level in range(info.levels):
                    shape = info.level_shapes[level] if info.level_shapes else info.shape
                    with promised("every level is read", sample=sample, level=level):
                        full = image.read(level=level)
                    facts: dict[str, Any] = {"sample": sample, "level": level}
                    promise = "a level has its shape"
                    holds(full.shape == shape, promise, got=full.shape, expected=shape, **facts)
                    if sample.levels:
                        promise = "levels are those that a second reader finds"
                        same_voxels(full, sample.levels[level], promise, tolerance=sample.tolerance, **facts)
                    box = (
                        tuple(length // 3 for length in shape),
                        tuple(max(1, length // 2) for length in shape),
                    )
                    promise = "a region of a level equals that part of it"
                    same_voxels(image.read(box, level=level), full[inside(box)], promise, **facts)

    def test_scenes_are_different_images(self, bench: ImageBench) -> None:
        for sample in bench.samples:
            with bench.open(sample) as image:
                count = len(image.info.scenes)
            for number in range(count):
                with bench.reader.open(bench.place(sample.path), scene=number) as image:
                    shape = image.info.shape
                    box = (tuple(n // 2 for n in shape), tuple(n - n // 2 for n in shape))
                    full, region = image.read(), image.read(box)
                facts: dict[str, Any] = {"sample": sample, "scene": number}
                same_voxels(region, full[inside(box)], "regions of a scene are its own", **facts)
                if number == sample.scene:
                    sample.compare(full, "a scene is itself")
                else:
                    same = full.shape == sample.expected.shape and full.dtype == sample.expected.dtype
                    other = not (same and np.array_equal(full, sample.expected) and full.any())
                    holds(other, "another scene is another image", sample=sample, scene=number)

    # --- files, threads, processes ---

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
                sample.compare(found, promise)

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
                    sample.compare(copy.read(), promise)

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
            sample.compare(found, promise)

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
                sample.compare(result, promise, box=box)

    def _one_image_per_thread(self, bench: ImageBench, sample: ImageSample, wanted: list[Box]) -> list[Any]:
        def work(mine: list[Box]) -> list[Any]:
            with bench.open(sample) as image:
                return [_attempt(image, box) for box in mine]

        with ThreadPoolExecutor(4) as pool:
            parts = list(pool.map(work, [wanted[number::4] for number in range(4)]))
        return [parts[number % 4][number // 4] for number in range(len(wanted))]

    # --- places elsewhere, and no more bytes than a region needs ---

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
                sample.compare(image.read(), promise)

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

    # --- damage ---

    def test_damaged_files_give_errors_of_the_contract(self, bench: ImageBench) -> None:
        samples = [sample for sample in bench.files() if _small(sample)]
        self.need(samples, "samples of up to 4 MB that may be damaged")
        facts = [
            (str(sample), str(sample.path), [str(path) for path in sample.companions], sample.scene,
             sample.expected, sample.tolerance, sample.checksums)
            for sample in samples
        ]  # fmt: skip
        rounds = 400 if thorough() else max(12, 80 // len(samples))
        outcomes: list[tuple[str, bool]]
        outcomes = children.run(_TRY, bench.reader, str(bench.folder), facts, rounds)
        promise = "a damaged file raises CorruptImageError, never another library's error, wrong voxels of what was "
        survived(outcomes, promise + "cut, a crash or huge memory")
        told = [line for line, _ in outcomes if ", cut to " in line and "CorruptImageError" in line]
        holds(told, "a file that was cut short is noticed", outcomes=[line for line, _ in outcomes][:8])


def consistent(info: ImageInfo, **facts: Any) -> None:
    """Fail unless the parts of a description fit together."""
    rank = len(info.axes)
    holds(len(set(info.axes)) == rank and all(info.axes), "axes have different names", got=info.axes, **facts)
    holds(len(info.shape) == rank, "there is one length per axis", axes=info.axes, shape=info.shape, **facts)
    holds(all(length > 0 for length in info.shape), "lengths are positive", shape=info.shape, **facts)
    holds(
        info.dtype in _DTYPES,
        "dtype is numpy's name of numbers that a layer can hold",
        got=info.dtype,
        **facts,
    )
    holds(np.dtype(info.dtype).isnative, "the byte order is native", got=info.dtype, **facts)
    if info.block_shape:
        fits = len(info.block_shape) == rank and all(
            0 < block <= length for block, length in zip(info.block_shape, info.shape, strict=True)
        )
        holds(fits, "a block fits into the image", block=info.block_shape, shape=info.shape, **facts)
    holds(info.levels >= 1, "there is at least one level", got=info.levels, **facts)
    if info.levels > 1 or info.level_shapes:
        holds(len(info.level_shapes) == info.levels, "each level has a shape", got=info.level_shapes, **facts)
        holds(info.level_shapes[0] == info.shape, "level 0 is the image", got=info.level_shapes, **facts)
        ranks = {len(shape) for shape in info.level_shapes}
        holds(ranks == {rank}, "levels have the axes of the image", got=info.level_shapes, **facts)
    holds(len(info.scenes) != 1, "scenes are named only if there are several", got=info.scenes, **facts)
    for name in ("voxel_size", "origin"):
        values = getattr(info, name)
        sound = len(values) == 3 and all(value is None or math.isfinite(value) for value in values)
        holds(sound, f"{name} is three numbers or None", got=values, **facts)
    positive = all(value is None or value > 0 for value in info.voxel_size)
    holds(positive, "voxels have a size, or it is not said", got=info.voxel_size, **facts)
    channels = [n for axis, n in zip(info.axes, info.shape, strict=True) if axis in ("c", "s")]
    for name in ("channel_names", "channel_colors"):
        values = getattr(info, name)
        fits = not values or len(values) in (channels or [1])
        holds(fits, f"{name} has one entry per channel, or none", got=values, channels=channels, **facts)
    with promised("details are JSON values", details=info.details, **facts):
        json.dumps(info.details)


def _same(what: str, got: Any, expected: Any, **facts: Any) -> None:
    holds(got == expected, f"{what} is what the file says", got=got, expected=expected, **facts)


def _lengths(name: str, got: Any, expected: Any, **facts: Any) -> None:
    """Compare nanometres; None on one side only is an invention or a loss."""
    for one, other in zip(got, expected, strict=True):
        if (one is None) != (other is None):
            text = "invented" if other is None else "lost"
            breaks(f"{name} is what the file says, and None where it says nothing", got=got, expected=expected,
                   wrong=text, **facts)  # fmt: skip
        if one is not None and not math.isclose(one, other, rel_tol=1e-4):
            breaks(f"{name} is what the file says, in nanometres", got=got, expected=expected, **facts)


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        name: (stat.st_size, stat.st_mtime_ns)
        for name in sorted(os.listdir(folder))  # noqa: PTH208 - names are what is compared
        for stat in [(folder / name).stat()]
    }


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


def _small(sample: ImageSample) -> bool:
    return sample.damage and sample.path.stat().st_size <= _LARGE and sample.expected.nbytes <= 8 * _LARGE
