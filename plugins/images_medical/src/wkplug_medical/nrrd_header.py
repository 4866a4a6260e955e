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
from wkplug_medical.spaces import Affine, Ways, affine_of, directions_note

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
_SIDES = {
    "left": ("left", "right"), "right": ("right", "left"), "posterior": ("back", "front"),
    "anterior": ("front", "back"), "superior": ("head", "feet"), "inferior": ("feet", "head"),
}  # fmt: skip
_SIDES_BY_LETTER = {word[0]: word for word in _SIDES}
_MILLIMETRES = "The header gives no units; in the space {space} its lengths are taken for millimetres."


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
    affine: Affine | None
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
    place = _place(fields, axes)
    sizes = place.sizes
    return NrrdHeader(
        axes=tuple(axes[::-1]), shape=tuple(lengths[::-1]), dtype=dtype, encoding=_ENCODINGS[encoding],
        data_file=data_file, start=start, photometric=photometric, notes=place.notes,
        affine=place.affine, space=fields.get("space", ""),
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


@attrs.frozen
class _Place:
    """Sizes of axes in nanometres, the map into space, and what is to be told."""

    sizes: dict[str, float | None]
    affine: Affine | None = None
    notes: tuple[str, ...] = ()


def _place(fields: dict[str, str], axes: list[str]) -> _Place:
    """How large voxels are and where they lie, as far as lengths and units are said."""
    space, ways = _space_of(fields)
    vectors = _vectors(fields.get("space directions", ""))
    if len(vectors) == len(axes) and any(vectors):
        return _by_directions(fields, axes, vectors, space, ways)
    steps = [_number(word) for word in fields.get("spacings", "").split()]
    units = _quoted(fields.get("units", ""))
    notes: tuple[str, ...] = ()
    if ways is not None and not any(units) and any(math.isfinite(step) for step in steps):
        units, notes = ["mm"] * len(axes), (_MILLIMETRES.format(space=space),)
    sizes = {
        axis: nanometres(steps[number], units[number]) if number < min(len(steps), len(units)) else None
        for number, axis in enumerate(axes)
    }
    if fields.get("thicknesses") and not any(sizes.values()):
        notes = (*notes, f"Sections are {fields['thicknesses']} thick; that is not how far they lie apart.")
    return _Place(sizes, None, notes)


def _by_directions(
    fields: dict[str, str],
    axes: list[str],
    vectors: list[tuple[float, ...] | None],
    space: str,
    ways: Ways | None,
) -> _Place:
    """By the vectors along which axes run; each has the units of the space's own axes."""
    rank = max(len(vector) for vector in vectors if vector)
    units = _quoted(fields.get("space units", ""))
    notes: tuple[str, ...] = ()
    if ways is not None and not any(units):
        units, notes = ["mm"] * rank, (_MILLIMETRES.format(space=space),)
    factors = [nanometres(1, unit) for unit in units] if len(units) == rank else [None] * rank
    if not any(units):
        notes = (*notes, "The header doesn't say in which unit its space directions are (space units).")
    sizes = {}
    for axis, vector in zip(axes, vectors, strict=True):
        lengths = [
            abs(value) * (math.nan if factor is None else factor)
            for value, factor in zip(vector or (), factors, strict=False)
            if value != 0
        ]
        length = math.hypot(*lengths) if vector and lengths else math.nan
        sizes[axis] = length if math.isfinite(length) and length > 0 else None
    by_axis = dict(zip(axes, vectors, strict=True))
    columns = [by_axis.get(axis) for axis in "xyz"]
    origin = (_vectors(fields.get("space origin", "")) or [None])[0] or (0.0, 0.0, 0.0)
    if rank != 3 or None in columns or len(origin) != 3 or any(len(column or ()) != 3 for column in columns):
        plain = all(
            value > 0 if row == column else value == 0
            for row, vector in enumerate(vector for vector in vectors if vector)
            for column, value in enumerate(vector)
        )
        if not plain or fields.get("space origin"):
            notes = (*notes, "The file says how it lies in space (space directions); that was not applied.")
        return _Place(sizes, None, notes)
    scaled = [
        [
            value * (1.0 if factor is None else factor)
            for value, factor in zip(column or (), factors, strict=True)
        ]
        for column in (*columns, origin)
    ]
    affine = affine_of(scaled, 1.0)
    known = affine if None not in factors else None
    return _Place(sizes, known, (*notes, *directions_note(affine, ways, handed_on=known is not None)))


def _space_of(fields: dict[str, str]) -> tuple[str, Ways | None]:
    """The name of the space, and where its axes run if it is a patient's; the sides are those of the patient."""
    said = fields.get("space", "").strip().lower()
    words = said.removesuffix("-time").split("-")
    if len(words) == 1:
        letters = words[0].removesuffix("t") if len(words[0]) == 4 else words[0]
        words = [_SIDES_BY_LETTER.get(letter, "") for letter in letters] if len(letters) == 3 else []
    if len(words) != 3 or any(word not in _SIDES for word in words):
        return said, None
    first, second, third = (_SIDES[word] for word in words)
    return said, (first, second, third)


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
