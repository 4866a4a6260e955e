"""What the kit's child processes do: small functions on arrays and readers that arrive pickled.

Kept apart from the tests, so that a child loads numpy and the plugin under test, and neither pytest nor hypothesis.
The second half damages files in many ways, one at a time, and looks what a backend or a reader makes of each.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import shutil
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.errors import (
    ConflictError,
    CorruptDataError,
    CorruptImageError,
    MissingError,
    TooLargeError,
    UnsupportedDtypeError,
    UnsupportedImageDataError,
    UnsupportedImageFormatError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug.filesystems.local import LocalLocation
from wkplug.testing.checks import differing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Array, ArrayBackend, Box, Image, ImageReader, Location

__all__ = [
    "add_up",
    "imports_of",
    "open_and_read",
    "pickle_again",
    "read",
    "read_twice",
    "try_damage",
    "try_damaged_images",
    "write",
    "write_rounds",
]

_ROOM = 1 << 31
_METADATA = (CorruptDataError, TooLargeError, UnsupportedOperationError, UnsupportedDtypeError)
_HUGE = (b"-1", b"0", b"4611686018427387904", b"99999999999999999999999", b"1e400", b'"1"', b"null")
_CUT = (CorruptImageError, TooLargeError)
# Other bytes in a header may well be those of a sound file of another kind.
_SCRIBBLED = (CorruptImageError, TooLargeError, UnsupportedImageDataError, UnsupportedImageFormatError)
_MOST = 1 << 23  # voxels; a header that claims more is read in part


def read(array: Array, box: Box) -> Any:
    """Read a box."""
    return array.read(box)


def open_and_read(backend: Any, location: Any, box: Box) -> Any:
    """Open an array and read a box."""
    with_array: Array = backend.open(location)
    return with_array.read(box)


def write(array: Array, box: Box, data: Any) -> None:
    """Write a box."""
    array.write(box, data)
    array.flush()
    array.close()


def pickle_again(array: Array) -> Array:
    """Send a handle back that this process used."""
    array.read(((0,) * len(array.spec.axes), (1,) * len(array.spec.axes)))
    return array


def write_rounds(array: Array, boxes: list[Box], value: int, rounds: int) -> None:
    """Write `value` to all boxes, again and again; other values are written in between."""
    for number in reversed(range(rounds)):
        for box in boxes:
            array.write(box, np.full(box[1], value + number, array.dtype))
    array.flush()
    array.close()


def imports_of(module: str) -> list[str]:
    """Import a module and name the top-level modules outside the standard library that this loaded."""
    before = set(sys.modules)
    import_module(module)
    fresh = {name.partition(".")[0] for name in set(sys.modules) - before}
    return sorted(name for name in fresh if name not in sys.stdlib_module_names)


def read_twice(image: Image, reader: ImageReader, location: Location, scene: int) -> list[Any]:
    """Read an image that arrived pickled, and the same file with a reader that did."""
    with image:
        first = image.read()
    with reader.open(location, scene=scene) as again:
        return [first, again.read()]


# --- damaged files of arrays ---


def try_damage(
    backend: ArrayBackend, location: Location, names: list[str], kind: str, box: Box, data: Any
) -> list[tuple[str, bool]]:
    """Give for each damage a line that says what came of it, and whether that is fine.

    Fine are errors that blame the data, and voxels that are right nevertheless.
    """
    with contextlib.suppress(ImportError):
        limit_memory()
    outcomes = []
    for name in names:
        file = location.child(name)
        sound = file.read()
        for how, bad in _metadata(sound) if kind == "metadata" else _cuts(sound):
            file.write(bad)
            line, fine = _look(backend, location, box, data, scribbled=how.startswith("number"))
            outcomes.append((f"{name}, {how}: {line}", fine))
        file.write(sound)
    return outcomes


def _look(
    backend: ArrayBackend, location: Location, box: Box, data: Any, *, scribbled: bool
) -> tuple[str, bool]:
    try:
        array = backend.open(location)
        # Other numbers may describe another array, for which this box need not exist.
        inside = all(b is None or a <= b for a, b in zip(data.shape, array.spec.shape, strict=False))
        if scribbled and (not inside or len(array.spec.shape) != data.ndim):
            return f"opens with shape {array.spec.shape}", True
        got = array.read(box)
    except _METADATA as error:
        return f"{type(error).__name__}: {error}", True
    except MissingError as error:
        return f"{type(error).__name__}: {error}", False
    except WkplugError as error:
        return f"{type(error).__name__}: {error}", scribbled
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"{type(error).__module__}.{type(error).__qualname__}: {error}", False
    same = got.dtype == data.dtype and bool(np.array_equal(got, data))
    if same or scribbled:
        return "reads the right voxels" if same else "reads as another array", True
    return "reads wrong voxels and says nothing", False


def _cuts(sound: bytes) -> Iterator[tuple[str, bytes]]:
    for length in sorted({0, 1, len(sound) // 4, len(sound) // 2, len(sound) - 1}):
        yield f"cut to {length} of {len(sound)} bytes", sound[:length]


def _metadata(sound: bytes) -> Iterator[tuple[str, bytes]]:
    yield from _cuts(sound)
    yield "overwritten with noise", b"\x93\x00\xffnoise" * 8
    yield "zeros", bytes(len(sound))
    if sound.lstrip()[:1] in (b"{", b"["):
        yield "another JSON value", b"[]"
        yield "an empty object", b"{}"
        for match in list(re.finditer(rb"(?<=[\[\s:,])-?\d+(?=[\],\s}])", sound))[:40]:
            for value in _HUGE:
                bad = sound[: match.start()] + value + sound[match.end() :]
                yield f"number {match.group().decode()} at byte {match.start()} made {value.decode()}", bad
    else:
        for place in range(min(len(sound), 64)):
            for byte in (0, 0x7F, 0xFF):
                bad = sound[:place] + bytes([byte]) + sound[place + 1 :]
                yield f"number at byte {place} made {byte}", bad


def limit_memory() -> None:
    """Leave this process 2 GiB more of address space than it uses now."""
    import resource  # not on every system

    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _ROOM, used + _ROOM))


# --- damaged image files ---


def try_damaged_images(
    reader: ImageReader, folder: str, samples: list[Any], rounds: int
) -> list[tuple[str, bool]]:
    """Give for each damage a line that says what came of it, and whether that is fine."""
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
        for how, bad in itertools.chain(_image_cuts(sound), _scribbles(sound, rounds)):
            target.write_bytes(bad)
            cut = how.startswith("cut")
            line, fine = _look_at_image(
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


def _look_at_image(
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


def _image_cuts(sound: bytes) -> Iterator[tuple[str, bytes]]:
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


def add_up(place: Location, rounds: int, locked: bool = False) -> None:  # noqa: FBT001, FBT002 - of a child's job
    """Add 1 to the number in a file, several times: by version, or (`locked`) without, under the folder's lock."""
    for _ in range(rounds):
        if locked:
            with place.parent.lock("sum", timeout=60):
                place.write(b"%d" % (int(place.read()) + 1))
            continue
        while True:
            # Reading may meet a change, too, where a file and its version come one after the other.
            with contextlib.suppress(ConflictError):
                found = place.read_newer()
                if found is None:
                    raise RuntimeError("A file of no known version wasn't read.")
                place.write(b"%d" % (int(found[0]) + 1), if_match=found[1])
                break
