"""The header of MRC files: 1,024 bytes as of MRC2014, and what IMOD adds to it.

The byte order comes from the machine stamp; where that says nothing (files from before the year 2000), from which
order makes sense. Axes are named by MAPC, MAPR, MAPS: the file's columns are not always x.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import attrs

__all__ = ["BYTES", "Header", "parse"]

BYTES = 1024
_LONGEST = 1 << 31
_IMOD_STAMP = 1146047817
_IMOD_SIGNED = 1
_VOLUME_STACKS = range(401, 631)
_MODES = (0, 1, 2, 3, 4, 6, 12, 16, 101)
_ANGSTROM = 0.1  # nanometres
_HALF_RANGE = {0: 1 << 7, 1: 1 << 15}  # of the integers whose sign is not certain
_LETTERS = {1: "x", 2: "y", 3: "z"}


@attrs.frozen(kw_only=True)
class Header:
    """What a header says. axes: slowest first, as the voxels lie in the file; voxel_size: nanometres along x, y, z.

    signed: whether integers have a sign, which the mode alone does not tell.
    """

    order: str
    mode: int
    signed: bool
    origin: tuple[float | None, float | None, float | None]
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    offset: int
    voxel_size: tuple[float | None, float | None, float | None]
    details: dict[str, Any]
    notes: tuple[str, ...]


def byte_order(head: bytes) -> str | None:
    """The byte order of a header, "<" or ">"; None if these bytes are none."""
    if len(head) < 216:
        return None
    stamp = bytes(head[212:214])
    orders: dict[bytes, str] = {b"\x44\x44": "<", b"\x44\x41": "<", b"\x11\x11": ">"}
    candidates: list[str] = [orders[stamp]] if stamp in orders else ["<", ">"]
    stamped = head[208:211] == b"MAP"
    if stamped and len(candidates) == 1:
        candidates.append(">" if candidates[0] == "<" else "<")  # stamps of the wrong order are seen, too
    for order in candidates:
        nx, ny, nz, mode = struct.unpack_from(f"{order}4i", head, 0)
        mapped = sorted(struct.unpack_from(f"{order}3i", head, 64))
        if (
            mode in _MODES
            and all(0 < length < 1 << 24 for length in (nx, ny, nz))
            and (stamped or mapped in ([1, 2, 3], [0, 0, 0]))
        ):
            return order
    return None


def parse(head: bytes) -> Header:
    """Read a header; ValueError, EOFError for damage."""
    if len(head) < BYTES:
        raise EOFError(f"its header has {len(head)} of {BYTES} bytes")
    order = byte_order(head)
    if order is None:
        raise ValueError("its header gives no size and mode that make sense")
    nx, ny, nz, mode, *starts = struct.unpack_from(f"{order}7i", head, 0)
    intervals = struct.unpack_from(f"{order}3i", head, 28)
    cell = struct.unpack_from(f"{order}3f", head, 40)
    mapped = struct.unpack_from(f"{order}3i", head, 64)
    group, extended = struct.unpack_from(f"{order}2i", head, 88)
    stamp, flags = struct.unpack_from(f"{order}2i", head, 152)
    origin = struct.unpack_from(f"{order}3f", head, 196)
    if not 0 <= extended < _LONGEST:
        raise ValueError(f"its extended header has {extended} bytes")
    notes = []
    if sorted(mapped) != [1, 2, 3]:
        notes.append(
            f"Its axes are said to be {mapped}; columns are taken for x, rows for y, sections for z."
        )
        mapped = (1, 2, 3)
    axes: tuple[str, ...] = tuple(_LETTERS[number] for number in reversed(mapped))
    shape: tuple[int, ...] = (nz, ny, nx)
    sizes = [_size(length, steps) for length, steps in zip(cell, intervals, strict=True)]
    if group in _VOLUME_STACKS and intervals[2] > 0 and nz % intervals[2] == 0:
        axes, shape = ("q", *axes), (nz // intervals[2], intervals[2], ny, nx)
    elif group == 0 and intervals[2] == 1 and nz > 1:
        sizes[2] = None  # a stack of images: nothing is said about the way from one to the next
    ranged = struct.unpack_from(f"{order}2f", head, 76)
    mark = bool(flags & _IMOD_SIGNED) if stamp == _IMOD_STAMP else None
    signed, told = _signed(mode, ranged, mark=mark)
    notes += told
    if any(math.isfinite(value) and value != 0 for value in starts):
        notes.append(
            f"The file is a part of a larger volume: it begins at {tuple(starts)} (columns, rows, sections) of that; "
            "it was not moved."
        )
    details = {
        "mode": mode, "space_group": group, "start": starts,
        "origin": [value for value in origin if math.isfinite(value)],
        "extended_header": _text(head[104:108]) if extended else "", "labels": _labels(head, order),
    }  # fmt: skip
    return Header(
        order=order, mode=mode, signed=signed, origin=_origin(origin), shape=shape, axes=axes,
        offset=BYTES + extended, voxel_size=(sizes[0], sizes[1], sizes[2]), details=details, notes=tuple(notes),
    )  # fmt: skip


def _signed(mode: int, ranged: tuple[float, float], *, mark: bool | None) -> tuple[bool, list[str]]:
    """Whether integers have a sign; and what of that had to be guessed.

    Mode 0 has one since MRC2014, and had none for many programs before; IMOD says which. The range of values that
    the header gives decides where it fits only one of both; the same goes for mode 1. mark: that of IMOD, None without.
    """
    if mode not in _HALF_RANGE:
        return True, []
    half = _HALF_RANGE[mode]
    low, high = ranged
    bits = 8 if mode == 0 else 16
    known = math.isfinite(low) and math.isfinite(high) and low < high
    fits_unsigned = known and low >= 0 and half <= high < 2 * half
    fits_signed = known and low < 0 and -half <= low and high < half
    if mode == 0 and mark is not None:
        if fits_unsigned == mark and fits_unsigned != fits_signed:
            return mark, [
                f"IMOD marked the file as {'signed' if mark else 'unsigned'}, but its header says values of "
                f"{low:g} to {high:g}; the mark was heeded."
            ]
        return mark, []
    if fits_unsigned:
        return False, [
            f"Integers of {bits} bits are read as unsigned, because the header says values of {low:g} to {high:g}; "
            f"mode {mode} itself means signed ones."
        ]
    if mode == 0 and not known:
        return True, [
            "Nothing tells whether bytes are signed (no mark of IMOD, no range of values); they are read as signed, as "
            "MRC2014 has it."
        ]
    return True, []


def _origin(origin: tuple[float, float, float]) -> tuple[float | None, float | None, float | None]:
    """Nanometres; None where the file doesn't say."""
    if not all(math.isfinite(value) for value in origin) or not any(origin):
        return (None, None, None)
    x, y, z = (value * _ANGSTROM for value in origin)
    return x, y, z


def _size(length: float, steps: int) -> float | None:
    """Nanometres of a step, from the cell's length in angstroms; None if nothing is said."""
    if steps <= 0 or not math.isfinite(length) or length <= 0:
        return None
    return length / steps * _ANGSTROM or None


def _text(data: bytes) -> str:
    return data.decode("latin-1").strip("\0 ")


def _labels(head: bytes, order: str) -> list[str]:
    (count,) = struct.unpack_from(f"{order}i", head, 220)
    return [_text(head[224 + 80 * number :][:80]) for number in range(max(0, min(count, 10)))]
