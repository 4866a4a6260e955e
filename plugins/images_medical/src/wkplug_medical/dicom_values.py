"""Rescaling of DICOM values: slope and intercept of a frame, and the dtype in which nothing of it is lost.

Stored numbers mean nothing without (Hounsfield units of CT; in PET each slice has a slope of its own). What stays
whole numbers stays integers; otherwise it is float32 as long as neighbouring stored values stay apart in it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["NO_SCALING", "Scaling", "applied", "scaled_dtype", "scaling_note", "scaling_of", "stored_range"]

_WHOLE = ("uint8", "int16", "uint16", "int32", "uint32", "int64")
_FLOAT32_STEPS = 1 << 23  # whole numbers up to this stay apart in float32, whatever they are multiplied by


@attrs.frozen
class Scaling:
    """A value is the stored number times slope plus intercept."""

    slope: float = 1.0
    intercept: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether whole numbers stay whole."""
        return self.slope.is_integer() and self.intercept.is_integer()

    def __str__(self) -> str:
        return f"{self.slope:g} x stored {'-' if self.intercept < 0 else '+'} {abs(self.intercept):g}"


NO_SCALING = Scaling()


def scaling_of(found: Any) -> Scaling:
    """What a dataset (or the item of a sequence) says; ValueError for a slope of 0 and what is no number."""
    slope, intercept = found.get("RescaleSlope"), found.get("RescaleIntercept")
    scaling = Scaling(
        1.0 if slope in (None, "") else float(slope), 0.0 if intercept in (None, "") else float(intercept)
    )
    if not math.isfinite(scaling.slope) or scaling.slope == 0 or not math.isfinite(scaling.intercept):
        raise ValueError(f"its values are rescaled by {scaling.slope} and {scaling.intercept}")
    return scaling


def stored_range(dtype: np.dtype[Any], bits: int) -> tuple[int, int]:
    """The smallest and largest number that can be stored in that many bits."""
    bits = bits if 0 < bits <= dtype.itemsize * 8 else dtype.itemsize * 8
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if dtype.kind == "i" else (0, (1 << bits) - 1)


def scaled_dtype(dtype: np.dtype[Any], bits: int, scalings: Iterable[Scaling]) -> np.dtype[Any]:
    """The dtype that holds all stored numbers, rescaled by each of these."""
    every = set(scalings)
    if every <= {NO_SCALING}:
        return dtype
    low, high = stored_range(dtype, bits)
    ends = [(each, number * each.slope + each.intercept) for each in every for number in (low, high)]
    if all(each.whole for each in every):
        least, most = min(value for _, value in ends), max(value for _, value in ends)
        for name in (dtype.name, *_WHOLE):
            held = np.iinfo(name)
            if held.min <= least and most <= held.max:
                return np.dtype(name)
    fits = all(
        abs(value) < np.finfo("f4").max and abs(value / each.slope) < _FLOAT32_STEPS for each, value in ends
    )
    return np.dtype("f4" if fits else "f8")


def applied(stored: NDArray[Any], scaling: Scaling, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Rescale stored numbers; `dtype` is that of `scaled_dtype`."""
    if scaling == NO_SCALING:
        return stored.astype(dtype, copy=False)
    if dtype.kind == "f":
        return (stored.astype("f8") * scaling.slope + scaling.intercept).astype(dtype)
    return (stored.astype("i8") * int(scaling.slope) + int(scaling.intercept)).astype(dtype)


def scaling_note(scalings: Iterable[Scaling], stored: np.dtype[Any], dtype: np.dtype[Any]) -> tuple[str, ...]:
    """Say what was done to the stored numbers, if anything."""
    every = sorted(set(scalings), key=lambda each: (each.slope, each.intercept))
    if set(every) <= {NO_SCALING}:
        return ()
    how = str(every[0]) if len(every) == 1 else f"each section by its own, from {every[0]} to {every[-1]}"
    return (f"Values are rescaled as the file says ({how}): {stored.name} as stored, {dtype.name} here.",)
