"""The headers of NIfTI-1, NIfTI-2 and Analyze 7.5, from which NIfTI comes: fields at fixed places.

Analyze files and the pairs of NIfTI have their voxels in a file beside the header (.hdr and .img).
"""

from __future__ import annotations

import math
import struct
from typing import Any

import attrs
import numpy as np

from wkplug.abc import nanometres
from wkplug_medical.spaces import RAS, Affine, affine_of, directions_note

__all__ = ["BYTES", "Header", "kind_of", "parse"]

BYTES = 540  # of the longest header
_LENGTHS = {"n+1": 348, "ni1": 348, "n+2": BYTES, "ni2": BYTES, "analyze": 348}
_UNITS = {1: 1e9, 2: 1e6, 3: 1e3}  # units are numbers here: metre, millimetre, micrometre
_MILLIMETRE = 1e6
_AXES = ("x", "y", "z", "t", "c", "q", "q2")
_PLACES_1 = {
    "dim": ("8h", 40), "datatype": ("h", 70), "pixdim": ("8f", 76), "offset": ("f", 108), "slope": ("f", 112),
    "intercept": ("f", 116), "units": ("B", 123), "qform": ("h", 252), "sform": ("h", 254), "quaternion": ("3f", 256),
    "shift": ("3f", 268), "rows": ("12f", 280),
}  # fmt: skip
_PLACES_2 = {
    "dim": ("8q", 16), "datatype": ("h", 12), "pixdim": ("8d", 104), "offset": ("q", 168), "slope": ("d", 176),
    "intercept": ("d", 184), "units": ("i", 500), "qform": ("i", 344), "sform": ("i", 348), "quaternion": ("3d", 352),
    "shift": ("3d", 376), "rows": ("12d", 400),
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Header:
    """What a header says. axes and shape: fastest first, as the file has them; scaling: None where there is none."""

    kind: str
    order: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    datatype: int
    offset: int
    voxel_size: tuple[float | None, float | None, float | None]
    scaling: tuple[float, float] | None
    affine: Affine | None
    notes: tuple[str, ...]

    @property
    def apart(self) -> bool:
        """Whether the voxels are in a file of their own."""
        return self.kind in ("ni1", "ni2", "analyze")

    @property
    def version(self) -> int:
        """1 or 2; 0 for Analyze."""
        return int(self.kind[-1]) if self.kind != "analyze" else 0


def kind_of(head: bytes) -> str:
    """What these first bytes are: "n+1", "n+2" (one file), "ni1", "ni2" (a pair), "analyze", or "" for none of them."""
    short, long = head[:4] in (b"\x5c\1\0\0", b"\0\0\1\x5c"), head[:4] in (b"\x1c\2\0\0", b"\0\0\2\x1c")
    if short and head[344:348] in (b"n+1\0", b"ni1\0"):
        return head[344:347].decode()
    if long and head[4:8] in (b"n+2\0", b"ni2\0"):
        return head[4:7].decode()
    if short and len(head) >= 348 and b"n+" not in head[344:348] and b"ni" not in head[344:348]:
        order = "<" if head[2:4] == b"\0\0" else ">"
        rank, *lengths = struct.unpack_from(f"{order}8h", head, 40)
        if 1 <= rank <= 7 and all(length >= 1 for length in lengths[:rank]):
            return "analyze"
    return ""


def parse(head: bytes) -> Header:
    """Read a header; ValueError for damage."""
    kind = kind_of(head)
    if not kind or len(head) < _LENGTHS[kind]:
        raise ValueError("it has no whole header with the mark n+1 or n+2")
    order, fields = _fields(head, kind)
    rank, *lengths = fields["dim"]
    if not 1 <= rank <= len(_AXES) or any(length < 1 for length in lengths[:rank]):
        raise ValueError(f"its dimensions are {fields['dim']}")
    offset = fields["offset"]
    if not math.isfinite(offset) or not 0 <= offset < 1 << 62:
        raise ValueError(f"its voxels begin at byte {offset}")
    axes, shape = _AXES[:rank], tuple(lengths[:rank])
    factor, notes = _unit(fields, head, kind)
    sizes = {
        axis: size
        for axis, step in zip(axes, fields["pixdim"][1:], strict=False)
        if (size := _nanometres(step, factor)) is not None
    }
    affine, more = _space(fields, kind, factor)
    return Header(
        kind=kind,
        order=order,
        axes=axes,
        shape=shape,
        datatype=fields["datatype"],
        offset=int(offset),
        voxel_size=(sizes.get("x"), sizes.get("y"), sizes.get("z")),
        scaling=_scaling(fields["slope"], fields["intercept"], kind),
        affine=affine,
        notes=(*notes, *more),
    )


def _fields(head: bytes, kind: str) -> tuple[str, dict[str, Any]]:
    order = "<" if head[2:4] == b"\0\0" else ">"

    def take(layout: str, offset: int) -> Any:
        values = struct.unpack_from(order + layout, head, offset)
        return values[0] if len(values) == 1 else values

    places = _PLACES_2 if kind.endswith("2") else _PLACES_1
    return order, {name: take(*place) for name, place in places.items()}


def _unit(fields: dict[str, Any], head: bytes, kind: str) -> tuple[float | None, list[str]]:
    """Nanometres of the file's unit of length, None if it doesn't say which that is."""
    if kind == "analyze":
        said = head[56:60].split(b"\0")[0].decode("latin-1").strip()
        return (nanometres(1, said) if said else _MILLIMETRE), []
    code = fields["units"] & 7
    if code in _UNITS:
        return _UNITS[code], []
    step = ", ".join(f"{value:g}" for value in fields["pixdim"][1:4])
    return None, [
        f"The file doesn't say in which unit its voxels are {step} long (xyzt_units is {fields['units']}); "
        "most programs mean millimetres."
    ]


def _scaling(slope: float, intercept: float, kind: str) -> tuple[float, float] | None:
    """Slope and intercept; None where values are as they are stored."""
    if not math.isfinite(slope) or slope == 0 or not math.isfinite(intercept):
        return None
    if kind == "analyze":
        intercept = 0.0  # SPM writes a factor; what stands behind it is used for other things
    return None if (slope, intercept) == (1, 0) else (slope, intercept)


def _nanometres(step: float, factor: float | None) -> float | None:
    if factor is None or not math.isfinite(step) or step <= 0 or not math.isfinite(step * factor):
        return None
    return step * factor


def _space(fields: dict[str, Any], kind: str, factor: float | None) -> tuple[Affine | None, tuple[str, ...]]:
    """The map of sform, or else of qform; where the unit is unknown, only what it says of directions."""
    if kind == "analyze":
        return None, (
            "Analyze files don't say which side of the patient is left; the image is as it is stored.",
        )
    if fields["sform"] > 0:
        rows = np.array(fields["rows"], "f8").reshape(3, 4)
    elif fields["qform"] > 0:
        rows = _of_quaternion(fields)
    else:
        return None, ()
    if not np.isfinite(rows).all():
        return None, ("The file's map into space (sform, qform) is no number; it was not heeded.",)
    affine = affine_of(rows.T.tolist(), 1.0 if factor is None else factor)
    known = None if factor is None else affine
    return known, directions_note(affine, RAS, handed_on=known is not None)


def _of_quaternion(fields: dict[str, Any]) -> Any:
    """As the definition of NIfTI-1 has it ("method 2")."""
    b, c, d = fields["quaternion"]
    a = math.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d))) if math.isfinite(b + c + d) else math.nan
    turn = np.array([
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ])  # fmt: skip
    steps = np.array(fields["pixdim"][1:4], "f8")
    steps[2] *= -1 if fields["pixdim"][0] < 0 else 1
    return np.concatenate([turn * steps, np.array(fields["shift"], "f8")[:, None]], axis=1)
