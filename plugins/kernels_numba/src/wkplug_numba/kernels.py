"""The kernels: functions that numba compiles. What they compute is defined by the core's own modes, bit by bit.

This module imports numba, and is imported only when enough voxels have come (see `wkplug_numba.engine`). Kernels see
blocks with the axes z, y, x in C order, release the GIL and start no threads. Their input is read-only, so that there
is one compiled version per dtype whatever is handed in; `out` has the same dtype and the shape of the input divided by
the factors `fz, fy, fx`.

The result of compiling is kept on disk, beside the kernels or, where nobody may write there, in the user's cache
folder (or in the one that NUMBA_CACHE_DIR names). It is renewed when this file changes, so a kernel calls compiled
functions of this file only.
"""

# mypy: disable-error-code="no-any-return"
# The reason: what comes out of numba's arrays is Any.
# ruff: noqa: FBT001, FBT003
# The reason: compiled functions take their arguments by position.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "compiled",
    "halved_median_floats",
    "halved_median_integers",
    "halved_most",
    "mean_floats",
    "mean_integers",
    "median_floats",
    "median_integers",
    "most",
    "nearest",
    "peak",
]

F = TypeVar("F", bound="Callable[..., Any]")

_FEW = 24
"""Up to this many voxels a block is sorted whole; in a larger one only the middle is looked for."""


def compiled(function: F) -> F:
    """Have a function compiled when it is first called."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    result: F
    try:
        result = njit(cache=True, **options)(function)
    except RuntimeError:  # there is no folder at all to write to: every process compiles for itself
        result = njit(**options)(function)
    return result


# --- medians, extremes, first voxels -----------------------------------------------------------------------


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


# --- most frequent values ----------------------------------------------------------------------------------


@compiled
def _gather_in_order(block: Any, z: int, y: int, x: int, fz: int, fy: int, fx: int, values: Any) -> None:
    """Copy one block of voxels, y fastest, then x, then z."""
    n = 0
    for k in range(z, z + fz):
        for i in range(x, x + fx):
            for j in range(y, y + fy):
                values[n] = block[k, j, i]
                n += 1


@compiled
def _most_of(values: Any, sparse: bool) -> Any:
    """The most frequent value, of several the one met first; 0 counts for nothing if `sparse`."""
    n = values.size
    best = 0
    winner = values[0]
    for p in range(n):
        if best >= n - p:
            break
        value = values[p]
        count = 0
        if not (sparse and value == 0):
            for q in range(p, n):
                count += value == values[q]
        if count > best:
            best, winner = count, value
    return winner


@compiled
def most(block: Any, out: Any, fz: int, fy: int, fx: int, sparse: bool) -> None:
    """The most frequent values of blocks of any size."""
    values = np.empty(fz * fy * fx, block.dtype)
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                first = block[z * fz, y * fy, x * fx]
                same = True
                for k in range(z * fz, z * fz + fz):
                    for j in range(y * fy, y * fy + fy):
                        for i in range(x * fx, x * fx + fx):
                            same &= block[k, j, i] == first
                if same:
                    out[z, y, x] = first
                else:
                    _gather_in_order(block, z * fz, y * fy, x * fx, fz, fy, fx, values)
                    out[z, y, x] = _most_of(values, sparse)


@compiled
def _same(a: Any, b: Any) -> Any:
    return np.uint8(a == b)


@compiled
def _plus(a: Any, b: Any) -> Any:
    """Add counts; they stay bytes, so that many fit into a register."""
    return np.uint8(a + b)


@compiled
def _better(winner: Any, best: Any, value: Any, count: Any, sparse: bool) -> tuple[Any, Any]:
    if sparse and value == 0:
        count = np.uint8(0)
    return (value, count) if count > best else (winner, best)


@compiled
def _most_of_8(r0: Any, r1: Any, r2: Any, r3: Any, row: Any, sparse: bool) -> None:
    """The most frequent values of blocks of 2x2x2: four rows of voxels in, one out. No branches, no loops."""
    for i in range(row.size):
        a, b, c, d = r0[2 * i], r1[2 * i], r0[2 * i + 1], r1[2 * i + 1]
        e, f, g, h = r2[2 * i], r3[2 * i], r2[2 * i + 1], r3[2 * i + 1]
        n = _plus(_plus(_same(a, a), _same(a, b)), _plus(_same(a, c), _same(a, d)))
        n = _plus(n, _plus(_plus(_same(a, e), _same(a, f)), _plus(_same(a, g), _same(a, h))))
        winner, best = _better(a, np.uint8(0), a, n, sparse)
        n = _plus(_plus(_same(b, b), _same(b, c)), _plus(_same(b, d), _same(b, e)))
        n = _plus(n, _plus(_plus(_same(b, f), _same(b, g)), _same(b, h)))
        winner, best = _better(winner, best, b, n, sparse)
        n = _plus(_plus(_same(c, c), _same(c, d)), _plus(_same(c, e), _same(c, f)))
        n = _plus(n, _plus(_same(c, g), _same(c, h)))
        winner, best = _better(winner, best, c, n, sparse)
        n = _plus(_plus(_plus(_same(d, d), _same(d, e)), _plus(_same(d, f), _same(d, g))), _same(d, h))
        winner, best = _better(winner, best, d, n, sparse)
        n = _plus(_plus(_same(e, e), _same(e, f)), _plus(_same(e, g), _same(e, h)))
        winner, best = _better(winner, best, e, n, sparse)
        n = _plus(_plus(_same(f, f), _same(f, g)), _same(f, h))
        winner, best = _better(winner, best, f, n, sparse)
        winner, best = _better(winner, best, g, _plus(_same(g, g), _same(g, h)), sparse)
        winner, best = _better(winner, best, h, _same(h, h), sparse)
        row[i] = winner


@compiled
def halved_most(block: Any, out: Any, fz: int, sparse: bool) -> None:
    """The most frequent values of blocks of 2x2x2 or, with `fz` = 1, 2x2x1."""
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            # Where a block is 2x2x1, its rows are taken twice: that doubles all counts and changes no order.
            below = z * fz + fz - 1
            r0, r1, r2, r3 = (
                block[z * fz, y * 2],
                block[z * fz, y * 2 + 1],
                block[below, y * 2],
                block[below, y * 2 + 1],
            )
            if sparse:
                _most_of_8(r0, r1, r2, r3, out[z, y], True)
            else:
                _most_of_8(r0, r1, r2, r3, out[z, y], False)


# --- means -------------------------------------------------------------------------------------------------


@compiled
def _sum_rows(block: Any, z: int, y: int, nz: int, ny: int, line: Any) -> None:
    """Add up `nz` x `ny` rows; `line` is wide enough for the sums."""
    row = block[z, y]
    for i in range(line.size):
        line[i] = row[i]
    for k in range(nz):
        for j in range(ny):
            if k + j > 0:
                row = block[z + k, y + j]
                for i in range(line.size):
                    line[i] += row[i]


@compiled
def mean_integers(block: Any, out: Any, fs: Any, firsts: Any, ns: Any, line: Any) -> None:
    """Means of the part of each block that begins at `firsts` and has the shape `ns`, rounded half to even.

    line: as long as a row, of a dtype that holds the sum of a whole block, twice over.
    """
    fz, fy, fx = fs
    nx = ns[2]
    n = np.int64(ns[0] * ns[1] * ns[2])
    shift = np.int64(0)
    while (np.int64(1) << shift) < n:
        shift += 1
    exact = (np.int64(1) << shift) == n
    half = n // 2
    zero = np.zeros(1, line.dtype)[0]
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            _sum_rows(block, z * fz + firsts[0], y * fy + firsts[1], ns[0], ns[1], line)
            row = out[z, y]
            if fx == 2 and nx == 2 and exact:
                for i in range(row.size):
                    s = np.int64(line[2 * i]) + np.int64(line[2 * i + 1])
                    row[i] = (s + half - 1 + ((s >> shift) & 1)) >> shift
            else:
                for i in range(row.size):
                    s = np.int64(zero)
                    for p in range(nx):
                        s += np.int64(line[i * fx + firsts[2] + p])
                    q = s // n
                    r = 2 * (s - q * n)
                    row[i] = q + 1 if r > n or (r == n and q & 1) else q


@compiled
def mean_floats(block: Any, out: Any, fs: Any, firsts: Any, ns: Any, line: Any) -> None:
    """The same for floats: added up in float64 (`line`), along y, then z, then x."""
    fz, fy, fx = fs
    n = np.float64(ns[0] * ns[1] * ns[2])
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            _sum_rows(block, z * fz + firsts[0], y * fy + firsts[1], ns[0], ns[1], line)
            row = out[z, y]
            for i in range(row.size):
                s = line[i * fx + firsts[2]]
                for p in range(1, ns[2]):
                    s += line[i * fx + firsts[2] + p]
                row[i] = s / n
