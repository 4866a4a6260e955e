"""Kernels of medians, extremes and first voxels. See `compiling` for what all kernels keep to."""

# mypy: disable-error-code="no-any-return"
# The reason: what comes out of numba's arrays is Any.
# ruff: noqa: FBT001
# The reason: compiled functions take their arguments by position.

from __future__ import annotations

from typing import Any

import numpy as np

from wkplug_numba.compiling import compiled

__all__ = [
    "halved_median_floats",
    "halved_median_integers",
    "median_floats",
    "median_integers",
    "nearest",
    "peak",
]

_FEW = 24
"""Up to this many voxels a block is sorted whole; in a larger one only the middle is looked for."""


@compiled
def _low(a: Any, b: Any) -> Any:
    """The smaller one, NaN if either is."""
    return a if a < b or a != a else b


@compiled
def _high(a: Any, b: Any) -> Any:
    """The larger one, NaN if either is."""
    return a if a > b or a != a else b


@compiled
def _halfway(low: Any, high: Any, one: Any, even: bool) -> Any:
    """The mean of two integers, cut towards zero or rounded to the even one; `one` is a 1 of their dtype."""
    floor = (low & high) + ((low ^ high) >> one)
    odd = (low ^ high) & one
    if even:
        return floor + (odd & floor)
    return floor + odd if floor < 0 else floor


@compiled
def _middle_of_8(r0: Any, r1: Any, r2: Any, r3: Any, low: Any, high: Any) -> None:
    """The two middle values of blocks of 2x2x2: four rows of voxels in, two rows out.

    Two sorted fours, of which the smaller of opposite ends hold the four smallest of all.
    """
    for i in range(low.size):
        a, b, c, d = r0[2 * i], r0[2 * i + 1], r1[2 * i], r1[2 * i + 1]
        a, b = _low(a, b), _high(a, b)
        c, d = _low(c, d), _high(c, d)
        a, c = _low(a, c), _high(a, c)
        b, d = _low(b, d), _high(b, d)
        b, c = _low(b, c), _high(b, c)
        e, f, g, h = r2[2 * i], r2[2 * i + 1], r3[2 * i], r3[2 * i + 1]
        e, f = _low(e, f), _high(e, f)
        g, h = _low(g, h), _high(g, h)
        e, g = _low(e, g), _high(e, g)
        f, h = _low(f, h), _high(f, h)
        f, g = _low(f, g), _high(f, g)
        low[i] = _high(_high(_low(a, h), _low(b, g)), _high(_low(c, f), _low(d, e)))
        high[i] = _low(_low(_high(a, h), _high(b, g)), _low(_high(c, f), _high(d, e)))


@compiled
def _rows_of_8(block: Any, z: int, y: int, fz: int) -> tuple[Any, Any, Any, Any]:
    """The four rows of blocks of 2x2x2; where a block is 2x2x1, its rows twice: that changes no rank."""
    below = z * fz + fz - 1
    return block[z * fz, y * 2], block[z * fz, y * 2 + 1], block[below, y * 2], block[below, y * 2 + 1]


@compiled
def halved_median_integers(block: Any, out: Any, fz: int, even: bool) -> None:
    """Medians of blocks of 2x2x2 or, with `fz` = 1, 2x2x1 integers."""
    one = np.ones(1, block.dtype)[0]
    low, high = np.empty(out.shape[2], block.dtype), np.empty(out.shape[2], block.dtype)
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            r0, r1, r2, r3 = _rows_of_8(block, z, y, fz)
            _middle_of_8(r0, r1, r2, r3, low, high)
            row = out[z, y]
            for i in range(row.size):
                row[i] = _halfway(low[i], high[i], one, even)


@compiled
def halved_median_floats(block: Any, out: Any, fz: int) -> None:
    """The same for floats."""
    low, high = np.empty(out.shape[2], block.dtype), np.empty(out.shape[2], block.dtype)
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            r0, r1, r2, r3 = _rows_of_8(block, z, y, fz)
            _middle_of_8(r0, r1, r2, r3, low, high)
            row = out[z, y]
            for i in range(row.size):
                row[i] = (low[i] + high[i]) * 0.5 + 0.0


@compiled
def _gather(block: Any, z: int, y: int, x: int, fz: int, fy: int, fx: int, values: Any) -> None:
    """Copy one block of voxels, in any order."""
    n = 0
    for k in range(z, z + fz):
        for j in range(y, y + fy):
            for i in range(x, x + fx):
                values[n] = block[k, j, i]
                n += 1


@compiled
def _middle(values: Any) -> tuple[Any, Any]:
    """The two middle values, which are the same where the number of values is odd. Reorders them."""
    n = values.size
    k = n // 2
    left, right = 0, n - 1
    while right - left > _FEW:  # Hoare's selection: narrow down to where the k-th smallest must be
        pivot = values[(left + right) // 2]
        i, j = left, right
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            right = j
        elif k >= i:
            left = i
        else:
            left = right = k
    for i in range(left + 1, right + 1):
        value = values[i]
        j = i - 1
        while j >= left and values[j] > value:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = value
    high = values[k]
    if n % 2:
        return high, high
    low = values[0]
    for i in range(1, k):
        low = max(low, values[i])
    return low, high


@compiled
def median_integers(block: Any, out: Any, fz: int, fy: int, fx: int, even: bool) -> None:
    """Medians of blocks of any size."""
    one = np.ones(1, block.dtype)[0]
    values = np.empty(fz * fy * fx, block.dtype)
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                _gather(block, z * fz, y * fy, x * fx, fz, fy, fx, values)
                low, high = _middle(values)
                out[z, y, x] = _halfway(low, high, one, even)


@compiled
def median_floats(block: Any, out: Any, fz: int, fy: int, fx: int) -> None:
    """The same for floats; NaN where any of a block is."""
    values = np.empty(fz * fy * fx, block.dtype)
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                _gather(block, z * fz, y * fy, x * fx, fz, fy, fx, values)
                wrong = False
                for value in values:
                    wrong |= value != value
                if wrong:
                    out[z, y, x] = np.nan
                else:
                    low, high = _middle(values)
                    # A single value must not overflow on the way.
                    out[z, y, x] = (low if values.size % 2 else (low + high) * 0.5) + 0.0


@compiled
def _lower(line: Any, row: Any) -> None:
    for i in range(line.size):
        line[i] = _low(line[i], row[i])


@compiled
def _higher(line: Any, row: Any) -> None:
    for i in range(line.size):
        line[i] = _high(line[i], row[i])


@compiled
def peak(block: Any, out: Any, fz: int, fy: int, fx: int, largest: bool) -> None:
    """The smallest or largest values."""
    line = np.empty(block.shape[2], block.dtype)
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            line[:] = block[z * fz, y * fy]
            for k in range(fz):
                for j in range(fy):
                    if k + j > 0 and largest:
                        _higher(line, block[z * fz + k, y * fy + j])
                    elif k + j > 0:
                        _lower(line, block[z * fz + k, y * fy + j])
            row = out[z, y]
            if fx == 1:
                row[:] = line
            elif fx == 2 and largest:
                for i in range(row.size):
                    row[i] = _high(line[2 * i], line[2 * i + 1])
            elif fx == 2:
                for i in range(row.size):
                    row[i] = _low(line[2 * i], line[2 * i + 1])
            else:
                for i in range(row.size):
                    value = line[fx * i]
                    for p in range(1, fx):
                        other = line[fx * i + p]
                        value = _high(value, other) if largest else _low(value, other)
                    row[i] = value


@compiled
def nearest(block: Any, out: Any, fz: int, fy: int, fx: int) -> None:
    """The first voxels."""
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            source, row = block[z * fz, y * fy], out[z, y]
            if fx == 2:
                for i in range(row.size):
                    row[i] = source[2 * i]
            else:
                for i in range(row.size):
                    row[i] = source[fx * i]
