"""Kernels of the most frequent value. See `compiling` for what all kernels keep to."""

# mypy: disable-error-code="no-any-return"
# The reason: what comes out of numba's arrays is Any.
# ruff: noqa: FBT001, FBT003
# The reason: compiled functions take their arguments by position.

from __future__ import annotations

from typing import Any

import numpy as np

from wkplug_numba.compiling import compiled

__all__ = ["halved_most", "most"]


@compiled
def _gather(block: Any, z: int, y: int, x: int, fz: int, fy: int, fx: int, values: Any) -> None:
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
                    _gather(block, z * fz, y * fy, x * fx, fz, fy, fx, values)
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
