"""What the parts of the suite share: the mode under test, and volumes to feed it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from wkplug.abc import Interpolation
from wkplug.testing.checks import breaks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["ALL_DTYPES", "InterpolationFixtures", "kinds", "made", "same_bits", "volume"]

ALL_DTYPES = (
    "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64",
)  # fmt: skip
"""The dtypes that layers may have, and float64."""

_KINDS = ("noise", "few values", "uniform", "not finite")


class InterpolationFixtures:
    """Attributes and fixtures of the suite."""

    interpolation_factory: ClassVar[str | None] = None
    plugin_module: ClassVar[str | None] = None
    same_as: ClassVar[str | None] = None
    factors: ClassVar[tuple[tuple[int, int, int], ...]] = (
        (2, 2, 2), (2, 2, 1), (1, 1, 2), (2, 1, 1), (4, 4, 2), (3, 3, 3), (1, 5, 2), (1, 1, 1),
    )  # fmt: skip
    dtypes: ClassVar[tuple[str, ...] | None] = None

    @pytest.fixture
    def interpolation(self) -> Interpolation:
        """The mode under test."""
        if self.interpolation_factory is None:
            pytest.skip("`interpolation_factory` names the class that is tested")
        return made(self.interpolation_factory)

    def cases(self, mode: Interpolation) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Every dtype with every choice of factors, for the axes c, x, y, z."""
        for dtype in self.dtypes or ALL_DTYPES:
            if mode.dtypes is None or dtype in mode.dtypes:
                for factors in self.factors:
                    yield dtype, (1, *factors)


def made(factory: str) -> Interpolation:
    """Call a factory as the registry does."""
    module, _, attribute = factory.partition(":")
    made: Any = getattr(import_module(module), attribute)(None)
    if not isinstance(made, Interpolation):
        breaks("the factory gives an Interpolation", got=type(made).__name__)
    return made


def volume(kind: str, dtype: str, shape: tuple[int, ...], seed: int = 1) -> NDArray[Any]:
    """Voxels of a kind: "noise", "few values" (many ties), "uniform" (the largest value), "not finite"."""
    random = np.random.default_rng(seed)
    what = np.dtype(dtype)
    data: NDArray[Any]
    if what.kind == "f":
        data = random.normal(0, 100, shape).astype(what)
        if kind == "few values":
            data = np.round(data / 80)
        elif kind == "uniform":
            data = np.full(shape, 1.1, what)
        elif kind == "not finite":
            for value in (np.nan, np.inf, -np.inf):
                data[random.random(shape) < 0.05] = value
    else:
        limits = np.iinfo(what)
        if kind == "few values":
            data = random.integers(max(int(limits.min), -1), 2, shape, what, endpoint=True)
        elif kind == "uniform":
            data = np.full(shape, limits.max, what)
        else:
            data = random.integers(limits.min, limits.max, shape, what, endpoint=True)
    return np.asfortranarray(data)


def kinds(dtype: str) -> tuple[str, ...]:
    """The kinds of volumes that there are of a dtype."""
    return _KINDS if np.dtype(dtype).kind == "f" else _KINDS[:-1]


def same_bits(actual: NDArray[Any], expected: NDArray[Any], promise: str, **facts: Any) -> None:
    """Fail unless both have the same shape, dtype and values; any NaN is a NaN."""
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        breaks(
            promise,
            got=f"{actual.dtype} {actual.shape}",
            expected=f"{expected.dtype} {expected.shape}",
            **facts,
        )
    wrong = actual != expected
    if actual.dtype.kind == "f":
        wrong &= ~(np.isnan(actual) & np.isnan(expected))
    if wrong.any():
        first = tuple(int(value) for value in np.argwhere(wrong)[0])
        breaks(
            promise,
            **facts,
            wrong=f"{np.count_nonzero(wrong)} of {actual.size} voxels, the first at {first}",
            first=f"{actual[first]!r} where {expected[first]!r} was expected",
        )
