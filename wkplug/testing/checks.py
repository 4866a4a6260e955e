"""How the kit says that a promise of the contract was broken.

A failure names the promise first, then the box, dtype and layout it was broken with, then the first wrong
voxel: enough to write the smallest failing call by hand. Plain `assert` would say less, because pytest only
rewrites assertions of modules that it was told about.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from wkplug.abc import ArraySpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wkplug.abc import Box
    from wkplug.errors import WkplugError

__all__ = [
    "BrokenPromiseError",
    "breaks",
    "describe",
    "differing",
    "holds",
    "inside",
    "promised",
    "refuses",
    "same_voxels",
    "survived",
]


class BrokenPromiseError(AssertionError):
    """A backend doesn't do what the contract says."""


def breaks(promise: str, **facts: Any) -> NoReturn:
    """Fail: `promise` is a sentence of the contract, `facts` are what it was broken with."""
    lines = [f"broken promise: {promise}"]
    lines += [f"  {name}: {describe(value)}" for name, value in facts.items()]
    raise BrokenPromiseError("\n".join(lines))


def holds(condition: object, promise: str, **facts: Any) -> None:
    """Fail unless `condition`."""
    if not condition:
        breaks(promise, **facts)


def describe(value: Any) -> str:
    """Give one line for a spec, a box, an exception or anything else."""
    if isinstance(value, ArraySpec):
        axes = ",".join(value.axes)
        return (
            f"axes {axes}, shape {value.shape}, {value.dtype}, chunk {value.chunk_shape}, "
            f"shard {value.shard_shape}, compressed={value.compressed}, fill {value.fill_value}"
        )
    if isinstance(value, BaseException):
        return f"{type(value).__module__}.{type(value).__qualname__}: {value}"
    return str(value)


def inside(box: Box) -> tuple[slice, ...]:
    """Give the numpy index of a box."""
    return tuple(slice(start, start + length) for start, length in zip(*box, strict=True))


def differing(actual: NDArray[Any], expected: NDArray[Any], tolerance: float = 0.0) -> NDArray[np.bool_]:
    """Where voxels differ, by more than a tolerance; any NaN equals any other."""
    if tolerance:
        return np.asarray(np.abs(actual.astype("float64") - expected.astype("float64")) > tolerance)
    wrong = np.asarray(actual != expected)
    if actual.dtype.kind in "fc":
        wrong &= ~(np.isnan(actual) & np.isnan(expected))
    return wrong


def same_voxels(
    actual: NDArray[Any],
    expected: NDArray[Any],
    promise: str,
    *,
    spec: ArraySpec | None = None,
    tolerance: float = 0.0,
    **facts: Any,
) -> None:
    """Fail unless both have the same shape, dtype, and voxels (see `differing`), and `actual` the native byte order."""
    if spec is not None:
        facts = {"array": spec, **facts}
    native = expected.dtype.newbyteorder("=")
    if not isinstance(actual, np.ndarray):
        breaks(promise, got=f"{type(actual).__name__}, not a numpy array", **facts)
    if actual.shape != expected.shape:
        breaks(promise, got=f"shape {actual.shape}", expected=f"shape {expected.shape}", **facts)
    if actual.dtype != native or not actual.dtype.isnative:
        breaks(promise, got=f"dtype {actual.dtype.str}", expected=native.str, **facts)
    wrong = differing(actual, expected, tolerance)
    if wrong.any():
        places = np.argwhere(wrong)
        first, last = (tuple(int(value) for value in place) for place in (places[0], places[-1]))
        breaks(
            promise,
            **facts,
            wrong=f"{len(places)} of {actual.size} voxels, from index {first} to {last} of the result",
            first=f"{actual[first]!r} where {expected[first]!r} was expected",
        )


def survived(outcomes: list[tuple[str, bool]], promise: str) -> None:
    """Fail unless every damage came out fine; `outcomes` say what came of each, and whether that is."""
    wrong = [line for line, fine in outcomes if not fine]
    holds(not wrong, promise, cases=f"{len(wrong)} of {len(outcomes)}", first=wrong[:8])


@contextmanager
def promised(promise: str, **facts: Any) -> Iterator[None]:
    """Let nothing out of the block but broken promises: any other exception breaks this one."""
    try:
        yield
    except BrokenPromiseError:
        raise
    except Exception as error:
        text = "".join(f"\n  {name}: {describe(value)}" for name, value in facts.items())
        raise BrokenPromiseError(f"broken promise: {promise}\n  got: {describe(error)}{text}") from error


@contextmanager
def refuses(*kinds: type[WkplugError], promise: str, **facts: Any) -> Iterator[list[WkplugError]]:
    """Fail unless the block raises one of these errors; the list that it gives then holds that error."""
    names = " or ".join(kind.__name__ for kind in kinds)
    caught: list[WkplugError] = []
    try:
        yield caught
    except kinds as error:
        caught.append(error)
    except Exception as error:
        raise BrokenPromiseError(
            f"broken promise: {promise}\n  expected: {names}\n  got: {describe(error)}"
            + "".join(f"\n  {name}: {describe(value)}" for name, value in facts.items())
        ) from error
    if not caught:
        breaks(promise, expected=names, got="no error at all", **facts)
    holds(str(caught[0]).strip(), "errors say what happened", error=repr(caught[0]), where=promise)
