"""Damages image files in many ways, one at a time, and looks what a reader makes of each.

Runs in a child process of the kit (see `wkplug.testing.images.damage`), whose memory it limits.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.errors import (
    CorruptImageError,
    TooLargeError,
    UnsupportedImageDataError,
    UnsupportedImageFormatError,
)
from wkplug.testing.damaging import limit_memory
from wkplug.testing.images.samples import differing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import ImageReader

__all__ = ["try_damaged_images"]

_CUT = (CorruptImageError, TooLargeError)
# Other bytes in a header may well be those of a sound file of another kind.
_SCRIBBLED = (CorruptImageError, TooLargeError, UnsupportedImageDataError, UnsupportedImageFormatError)
_MOST = 1 << 23  # voxels; a header that claims more is read in part


def try_damaged_images(
    reader: ImageReader, folder: str, samples: list[Any], rounds: int
) -> list[tuple[str, bool]]:
    """Give for each damage a line that says what came of it, and whether that is fine."""
    from wkplug.filesystems.local import LocalLocation

    with contextlib.suppress(ImportError):
        limit_memory()
    warnings.simplefilter("ignore")
    outcomes = []
    for number, (name, source, companions, scene, expected, tolerance, checksums) in enumerate(samples):
        home = Path(folder) / str(number)
        home.mkdir(parents=True)
        for path in (source, *companions):
            shutil.copyfile(path, home / Path(path).name)
        target = home / Path(source).name
        sound = target.read_bytes()
        for how, bad in itertools.chain(_cuts(sound), _scribbles(sound, rounds)):
            target.write_bytes(bad)
            cut = how.startswith("cut")
            line, fine = _look(
                reader,
                LocalLocation(str(target)),
                scene,
                expected,
                tolerance,
                _CUT if cut else _SCRIBBLED,
                exact=cut or checksums,
            )
            outcomes.append((f"{name}, {how}: {line}", fine))
        shutil.rmtree(home)
    return outcomes


def _look(
    reader: ImageReader,
    location: Any,
    scene: int,
    expected: Any,
    tolerance: float,
    allowed: tuple[type[Exception], ...],
    *,
    exact: bool,
) -> tuple[str, bool]:
    try:
        with reader.open(location, scene=scene) as image:
            shape = tuple(image.info.shape)
            lengths = shape if math.prod(shape) <= _MOST else tuple(min(length, 64) for length in shape)
            got = image.read(((0,) * len(shape), lengths))
            dtype = image.info.dtype
    except allowed as error:
        return f"{type(error).__name__}: {error}", True
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"{type(error).__module__}.{type(error).__qualname__}: {error}", False
    if got.shape != lengths or got.dtype != np.dtype(dtype):
        return f"reads {got.dtype} {got.shape} where info says {dtype} {lengths}", False
    if got.shape == expected.shape and not differing(got, expected, tolerance).any():
        return "reads the right voxels", True
    return "reads wrong voxels and says nothing", not exact


def _cuts(sound: bytes) -> Iterator[tuple[str, bytes]]:
    size = len(sound)
    tenths = (size * tenth // 10 for tenth in (1, 3, 5, 7, 9))
    for length in sorted({0, 3, 8, 20, 200, *tenths, size - 1} & set(range(size))):
        yield f"cut to {length} of {size} bytes", sound[:length]


def _scribbles(sound: bytes, rounds: int) -> Iterator[tuple[str, bytes]]:
    random = np.random.default_rng(7)
    head = min(len(sound), 600)
    for number in range(rounds):
        # Three of four in the header, where they hurt most; the others anywhere.
        places = [
            int(place) for place in random.integers(0, head if number % 4 else len(sound), 1 + number % 3)
        ]
        bad = bytearray(sound)
        for place in places:
            bad[place] ^= int(random.integers(1, 256))
        yield f"bytes {places} changed (round {number})", bytes(bad)
    for start in (0, len(sound) // 2):
        bad = bytearray(sound)
        bad[start : start + 512] = bytes(len(bad[start : start + 512]))
        yield f"zeros from byte {start}", bytes(bad)
    yield "emptied to zeros", bytes(len(sound))
