"""Damages the files of an array in many ways, one at a time, and looks what a backend makes of each.

Runs in a child process of the kit (see `wkplug.testing.parts.damage`), whose memory it limits.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.errors import (
    CorruptDataError,
    MissingError,
    TooLargeError,
    UnsupportedDtypeError,
    UnsupportedOperationError,
    WkplugError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import ArrayBackend, Box, Location

__all__ = ["limit_memory", "try_damage"]

_ROOM = 1 << 31
_METADATA = (CorruptDataError, TooLargeError, UnsupportedOperationError, UnsupportedDtypeError)
_HUGE = (b"-1", b"0", b"4611686018427387904", b"99999999999999999999999", b"1e400", b'"1"', b"null")


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
    import resource
    from pathlib import Path

    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _ROOM, used + _ROOM))
