"""The header of NRRD files: lines of text, up to an empty one.

The format's own description: Teem's "Definition of NRRD File Format". Fields that don't matter for voxels are kept
out; those that can't be honoured are errors, never ignored.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from wkplug.abc import nanometres

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["NrrdHeader", "UnsupportedError", "parse"]

_LONGEST = 1 << 20
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}  # fmt: skip
_DTYPES = {name: dtype for dtype, names in _TYPES.items() for name in names}
_ENCODINGS = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
_COLOURS = {"rgb-color": 3, "rgba-color": 4}
_SPATIAL = {"domain", "space"}
_LETTERS = ("x", "y", "z")


class UnsupportedError(ValueError):
    """The header is sound, but asks for what this reader doesn't do; the text says what to do instead."""


@attrs.frozen(kw_only=True)
class NrrdHeader:
    """What a header says. Axes and lengths are slowest first, as numpy has them.

    data_file: the name of the file that holds the voxels, "" if they follow the header. start: the byte after the
    header. byte_skip: -1 if the voxels are the last bytes. voxel_size: nanometres along x, y, z.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    encoding: str
    data_file: str
    start: int
    line_skip: int
    byte_skip: int
    voxel_size: tuple[float | None, float | None, float | None]
    photometric: str
    notes: tuple[str, ...]
    space: str


def parse(file: BinaryIO) -> NrrdHeader:
    """Read the header; ValueError, KeyError for damage, UnsupportedError for what is sound and not done here."""
    fields, start = _fields(file)
    kind = fields["type"].lower()
    if kind not in _DTYPES:
        raise UnsupportedError(f"voxels of the type {kind!r}")
    dtype = np.dtype(_DTYPES[kind])
    if dtype.itemsize > 1:
        dtype = dtype.newbyteorder({"little": "<", "big": ">"}[fields["endian"].lower()])  # type: ignore[arg-type]  # one of the two
    encoding = fields["encoding"].lower()
    if encoding not in _ENCODINGS:
        raise UnsupportedError(f"the encoding {encoding!r}")
    data_file = fields.get("data file", fields.get("datafile", ""))
    if data_file.upper().startswith("LIST") or "%" in data_file:
        raise UnsupportedError("its voxels in several files")
    rank = int(fields["dimension"])
    lengths = [int(word) for word in fields["sizes"].split()]
    if len(lengths) != rank or not 1 <= rank <= 16 or any(length < 1 for length in lengths):
        raise ValueError(f"its sizes are {fields['sizes']!r} for {rank} dimensions")
    axes, photometric = _axes(fields, rank, lengths)
    sizes, notes = _sizes(fields, axes)
    return NrrdHeader(
        axes=tuple(axes[::-1]), shape=tuple(lengths[::-1]), dtype=dtype, encoding=_ENCODINGS[encoding],
        data_file=data_file, start=start, photometric=photometric, notes=notes, space=fields.get("space", ""),
        line_skip=int(fields.get("line skip", fields.get("lineskip", "0"))),
        byte_skip=int(fields.get("byte skip", fields.get("byteskip", "0"))),
        voxel_size=(sizes.get("x"), sizes.get("y"), sizes.get("z")),
    )  # fmt: skip


def _fields(file: BinaryIO) -> tuple[dict[str, str], int]:
    """The fields in lower case, and the byte after the header."""
    data = file.read(_LONGEST)
    if not data.startswith(b"NRRD00"):
        raise ValueError("it does not begin as one")
    ends = [
        (position, position + len(gap)) for gap in (b"\n\n", b"\r\n\r\n") if (position := data.find(gap)) >= 0
    ]
    end, start = min(ends, default=(len(data), len(data)))
    if not ends and len(data) == _LONGEST:
        raise ValueError(f"its header has no end within {_LONGEST} bytes")
    fields = {}
    for line in data[:end].decode("utf-8", errors="replace").splitlines()[1:]:
        name, separator, value = line.partition(":")
        if line.startswith("#") or value.startswith("="):
            continue
        if not separator:
            raise ValueError(f"its header has the line {line[:80]!r}")
        fields[name.strip().lower()] = value.strip()
    for name in ("type", "dimension", "sizes", "encoding"):
        if name not in fields:
            raise ValueError(f"its header doesn't say {name!r}")
    return fields, start


def _axes(fields: dict[str, str], rank: int, lengths: list[int]) -> tuple[list[str], str]:
    """Name the axes, fastest first: by their kinds; without, three are space, and what is not measured is channels."""
    kinds = [kind.lower() for kind in fields.get("kinds", "").split()]
    if len(kinds) != rank:
        vectors = _vectors(fields.get("space directions", ""))
        spatial = [vector is not None for vector in vectors] if len(vectors) == rank else None
        if spatial is None:
            spatial = [number < 3 for number in range(rank)]
        kinds = ["space" if each else "???" for each in spatial]
    names: list[str] = []
    photometric = "minisblack"
    left = list(_LETTERS)
    for kind, length in zip(kinds, lengths, strict=True):
        if kind in _SPATIAL and left:
            name = left.pop(0)
        elif kind == "time" and "t" not in names:
            name = "t"
        elif _COLOURS.get(kind) == length and "s" not in names:
            name, photometric = "s", "rgb"
        elif kind not in _SPATIAL and kind not in ("time", "???", "none") and "c" not in names:
            name = "c"
        else:
            name = "q"
        count = 1
        while name in names:
            count += 1
            name = f"q{count}"
        names.append(name)
    return names, photometric


def _sizes(fields: dict[str, str], axes: list[str]) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """Nanometres per voxel of each axis, as far as lengths and units are said."""
    vectors = _vectors(fields.get("space directions", ""))
    notes: tuple[str, ...] = ()
    if vectors and len(vectors) == len(axes):
        units = _quoted(fields.get("space units", ""))
        steps = [math.hypot(*vector) if vector else math.nan for vector in vectors]
        # The units are those of the space's axes: one for a step only if all are the same.
        same = units[0] if units and len(set(units)) == 1 else ""
        used = [same] * len(axes)
        spatial = [vector for vector in vectors if vector]
        plain = all(
            value > 0 if row == column else value == 0
            for row, vector in enumerate(spatial)
            for column, value in enumerate(vector)
        )
        if not plain or fields.get("space origin"):
            notes = ("The file says how it lies in space (space directions); that was not applied.",)
    else:
        steps = [_number(word) for word in fields.get("spacings", "").split()]
        used = _quoted(fields.get("units", ""))
    result = {}
    for number, axis in enumerate(axes):
        step = steps[number] if number < len(steps) else math.nan
        result[axis] = nanometres(step, used[number]) if number < len(used) else None
    return result, notes


def _vectors(text: str) -> list[tuple[float, ...] | None]:
    """As in "(1,0,0) none (0,2,0)"."""
    spaced = text.replace("(", " (").replace(")", ") ").replace(", ", ",").split()
    return [
        None if word.lower() == "none" else tuple(_number(part) for part in word.strip("()").split(","))
        for word in spaced
    ]


def _quoted(text: str) -> list[str]:
    """As in '"mm" "mm" ""'."""
    return text.split('"')[1::2] if '"' in text else text.split()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
