"""How the kernels are compiled, and what they have in common.

The kernels lie in `ranks`, `votes` and `sums`. These import numba, and are imported only when enough voxels have
come (see `wkplug_numba.engine`). They see blocks with the axes z, y, x in C order, release the GIL and start no
threads. Their input is read-only, so that there is one compiled version per dtype whatever is handed in; `out`
has the same dtype and the shape of the input divided by the factors `fz, fy, fx`. What they compute is defined
by the core's own modes, bit by bit.

The result of compiling is kept on disk, beside the kernels or, where nobody may write there, in the user's cache
folder (or in the one that NUMBA_CACHE_DIR names). It is renewed when the kernel's own file changes, so a kernel
calls compiled functions of its own file only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled"]

F = TypeVar("F", bound="Callable[..., Any]")


def compiled(function: F) -> F:
    """Have a function compiled when it is first called."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    result: F
    try:
        result = njit(cache=True, **options)(function)
    except RuntimeError:  # there is no folder at all to write to: every process compiles for itself
        result = njit(**options)(function)
    return result
