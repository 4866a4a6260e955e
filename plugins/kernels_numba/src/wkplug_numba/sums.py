"""Kernels of means. See `compiling` for what all kernels keep to."""

# mypy: disable-error-code="no-any-return"
# The reason: what comes out of numba's arrays is Any.
# The reason: compiled functions take their arguments by position.

from __future__ import annotations

from typing import Any

import numpy as np

from wkplug_numba.compiling import compiled

__all__ = ["mean_floats", "mean_integers"]


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
