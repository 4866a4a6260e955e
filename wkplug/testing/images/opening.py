"""Opening: what is recognised, what `ImageInfo` says, what is refused, and that nothing is changed."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import json
import math
import os
import shutil
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ImageInfo, ProbeScore
from wkplug.errors import MissingError, UnsupportedImageDataError
from wkplug.testing.checks import breaks, holds, promised, refuses
from wkplug.testing.images.samples import ImageBench, ImageFixtures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["HEADS", "OpeningPart"]

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


class OpeningPart(ImageFixtures):
    """Probing, opening, describing."""

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
                holds(
                    score == ProbeScore.NO,
                    "probe says no to what is another file by its bytes, whatever its name",
                    head=kind,
                    name=name,
                    score=score,
                )

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
