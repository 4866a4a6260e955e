"""A reader that keeps all promises, of a small format of its own: what the suite and its mutants are tested with.

A file is the line "wkplug toy image 1", a line of JSON, and the blocks of all scenes and levels in index order,
each with a checksum. The JSON has one entry per scene: axes, dtype, block, shapes of the levels, voxel size.
Read it as an example of a reader without a library.
"""

# ruff: noqa: D102
# The reason: what the methods do is said by the contract.

from __future__ import annotations

import itertools
import json
import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ImageInfo, ImageReader, ProbeScore, StoredImage
from wkplug.abc.files import check_scene, corrupt_image
from wkplug.testing.bench import noise
from wkplug.testing.checks import inside
from wkplug.testing.images.samples import ImageSample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["ToyImage", "ToyReader", "toy_samples", "write_toy"]

_MAGIC = b"wkplug toy image 1\n"
_HEADER = 4096


def write_toy(
    path: Path,
    scenes: Sequence[Sequence[NDArray[Any]]],
    axes: str,
    block: Sequence[int],
    voxel_size: Sequence[float | None] = (None, None, None),
) -> None:
    """Write the levels of each scene."""
    entries = []
    body = b""
    for levels in scenes:
        shapes = [level.shape for level in levels]
        entries.append({"axes": axes, "dtype": levels[0].dtype.name, "block": list(block), "shapes": shapes,
                        "voxel_size": list(voxel_size), "start": len(body)})  # fmt: skip
        for level in levels:
            for box in _blocks(level.shape, tuple(block)):
                pixels = (
                    np.ascontiguousarray(level[inside(box)]).astype(level.dtype.newbyteorder("<")).tobytes()
                )
                body += zlib.crc32(pixels).to_bytes(4, "little") + pixels
    header = json.dumps(entries).encode()
    header += b" " * (_HEADER - len(_MAGIC) - 5 - len(header)) + b"\n"
    path.write_bytes(_MAGIC + zlib.crc32(header).to_bytes(4, "little") + header + body)


def _blocks(shape: tuple[int, ...], block: tuple[int, ...]) -> Iterator[Box]:
    for corner in itertools.product(*(range(0, n, b) for n, b in zip(shape, block, strict=True))):
        yield corner, tuple(min(b, n - c) for b, n, c in zip(block, shape, corner, strict=True))


class ToyReader(ImageReader):
    """Opens toy images."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        del location
        return ProbeScore.MAGIC if head.startswith(_MAGIC) else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> ToyImage:
        return ToyImage(self, location, scene)


class ToyImage(StoredImage):
    """One scene of a toy image, read by ranges: nothing stays open, and threads may read at once."""

    what = "a toy image"
    in_turns = False

    def describe(self, file: None) -> ImageInfo:
        head = self.location.read(0, _HEADER)
        start = len(_MAGIC) + 4
        if len(head) < _HEADER or zlib.crc32(head[start:]).to_bytes(4, "little") != head[start - 4 : start]:
            raise EOFError("its header is damaged")
        entries = json.loads(head[start:])
        check_scene(self.location, self.scene, len(entries))
        self._entry = entry = entries[self.scene]
        shapes = tuple(tuple(shape) for shape in entry["shapes"])
        return ImageInfo(
            axes=tuple(entry["axes"]),
            shape=shapes[0],
            dtype=entry["dtype"],
            voxel_size=tuple(entry["voxel_size"]),
            levels=len(shapes),
            level_shapes=shapes,
            block_shape=tuple(min(b, n) for b, n in zip(entry["block"], shapes[0], strict=True)),
            scenes=tuple(f"scene {number}" for number in range(len(entries))) if len(entries) > 1 else (),
        )

    def read_box(self, file: None, box: Box, level: int) -> NDArray[Any]:
        shape = self.info.level_shapes[level]
        block = tuple(self._entry["block"])
        start, lengths = box
        stops = tuple(first + length for first, length in zip(start, lengths, strict=True))
        dtype = np.dtype(self.info.dtype)
        result = np.empty(lengths, dtype)
        position = (
            _HEADER
            + self._entry["start"]
            + sum(_size(other, block, dtype) for other in self.info.level_shapes[:level])
        )
        for corner, extent in _blocks(shape, block):
            length = math.prod(extent) * dtype.itemsize
            low = tuple(max(a, b) for a, b in zip(start, corner, strict=True))
            high = tuple(min(a, b + c) for a, b, c in zip(stops, corner, extent, strict=True))
            if all(a < b for a, b in zip(low, high, strict=True)):
                data = self.location.read(position, position + 4 + length)
                if len(data) < 4 + length or zlib.crc32(data[4:]).to_bytes(4, "little") != data[:4]:
                    raise corrupt_image(self.location, self.what, f"the block at {corner} is damaged")
                pixels = np.frombuffer(data[4:], dtype.newbyteorder("<")).reshape(extent)
                target = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
                source = tuple(slice(a - c, b - c) for a, b, c in zip(low, high, corner, strict=True))
                result[target] = pixels[source]
            position += 4 + length
        return result


def _size(shape: tuple[int, ...], block: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """The bytes of a level."""
    return sum(4 + math.prod(extent) * dtype.itemsize for _, extent in _blocks(shape, block))


def toy_samples(folder: Path) -> Iterator[ImageSample]:
    """Odd shapes, levels, scenes, and a file that is large enough to count bytes."""
    first = [noise((5, 33, 41), "uint16"), noise((5, 17, 21), "uint16", seed=2)]
    second = [noise((3, 20, 9), "uint16", seed=3)]
    path = folder / "levels and scenes.toy"
    write_toy(path, [first, second], "zyx", (2, 16, 16), (4.0, 4.0, None))
    for scene, levels in enumerate((first, second)):
        yield ImageSample(path=path, axes="zyx", expected=levels[0], levels=tuple(levels), scene=scene, scenes=2,
                          voxel_size=(4.0, 4.0, None), checksums=True)  # fmt: skip
    path = folder / "plain.toy"
    data = noise((31, 17, 3), "float32")
    write_toy(path, [[data]], "yxs", (31, 17, 3))
    yield ImageSample(path=path, axes="yxs", expected=data, scenes=1)
    path = folder / "large.toy"
    data = np.zeros((40, 400, 300), "uint8")
    data[::3, 5:300:7] = 9
    write_toy(path, [[data]], "zyx", (8, 64, 64))
    yield ImageSample(path=path, axes="zyx", expected=data)
