"""Values: what every mode must do to uniform blocks, what it promises of the mean, whose bits it gives."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from wkplug.testing.checks import holds
from wkplug.testing.interpolations.samples import InterpolationFixtures, kinds, made, same_bits, volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Interpolation

__all__ = ["ValuesPart"]


def _close(actual: NDArray[Any], expected: NDArray[Any], promise: str, **facts: Any) -> None:
    """Integers must be the same; floats may have been rounded on the way, by a few of their last bits."""
    if actual.dtype.kind == "f" and actual.shape == expected.shape:
        near = np.isclose(actual, expected, rtol=16 * float(np.finfo(actual.dtype).eps), atol=0)
        actual = np.where(near, expected, actual)
    same_bits(actual, expected, promise, **facts)


def _ramp(dtype: str, length: int) -> NDArray[Any]:
    """A ramp with symmetric noise on it, of values in all of whose digits even and odd are equally frequent."""
    random = np.random.default_rng(1)
    along = np.linspace(40, 200, length).reshape(1, -1, 1, 1)
    return np.asfortranarray(np.rint(along + random.normal(0, 9, (1, length, length, length))).astype(dtype))


def _extremes(dtype: str) -> NDArray[Any]:
    """Values at which something overflows or loses its last bit."""
    what = np.dtype(dtype)
    if what.kind == "f":
        return np.array([0, 1, -1, 0.1, 2.0**40], what)
    limits = np.iinfo(what)
    values = [0, 1, limits.max, limits.max - 1, limits.min, limits.min + 1]
    values += [2**53 + 1] if what.itemsize == 8 else []
    return np.array(values, what)


class ValuesPart(InterpolationFixtures):
    """What the values must be, as far as that is every mode's business."""

    def test_uniform_blocks_keep_their_value(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            values = _extremes(dtype).reshape(1, -1, 1, 1)
            data = values
            for axis, factor in enumerate(factors):
                data = np.repeat(data, factor, axis)
            promise = "a block of one value gives that value"
            _close(interpolation.reduce(data, factors), values, promise, dtype=dtype, factors=factors)

    def test_expanding_and_reducing_gives_the_same_back(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            data = volume("noise", dtype, (2, 3, 4, 5))
            before = data.copy()
            wide = interpolation.expand(data, factors)
            shape = tuple(length * factor for length, factor in zip(data.shape, factors, strict=True))
            promise = "expanding multiplies the shape by the factors and keeps the dtype"
            facts: dict[str, Any] = {"dtype": dtype, "factors": factors}
            holds(
                wide.shape == shape and wide.dtype == data.dtype,
                promise,
                got=f"{wide.dtype} {wide.shape}",
                **facts,
            )
            same_bits(data, before, "expanding doesn't change the block", **facts)
            promise = "what was expanded reduces to what it was"
            _close(interpolation.reduce(wide, factors), data, promise, **facts)

    def test_factors_of_one_change_nothing(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            if any(factor != 1 for factor in factors):
                continue
            for kind in kinds(dtype):
                data = volume(kind, dtype, (2, 5, 4, 3))
                promise = "factors of 1 change nothing"
                same_bits(interpolation.reduce(data, factors), data, promise, dtype=dtype, kind=kind)

    def test_blocks_of_one_volume_do_not_touch_each_other(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            shape = tuple(3 * factor for factor in factors)
            data = volume("noise", dtype, shape)
            before = interpolation.reduce(data, factors)
            middle = tuple(slice(factor, 2 * factor) for factor in factors)
            data[middle] = data[middle].max()
            after = interpolation.reduce(data, factors)
            after[1, 1, 1, 1] = before[1, 1, 1, 1]
            promise = "a voxel of the result depends on its own block alone"
            same_bits(after, before, promise, dtype=dtype, factors=factors)

    def test_the_mean_does_not_drift_if_that_is_promised(self, interpolation: Interpolation) -> None:
        if not interpolation.keeps_mean:
            pytest.skip("by capability: keeps_mean")
        for factor, levels in ((2, 4), (3, 2)):
            factors = (1, factor, factor, factor)
            length = 4 * factor**levels
            for dtype in ("uint8", "int16", "float32"):
                if interpolation.dtypes is not None and dtype not in interpolation.dtypes:
                    continue
                data = _ramp(dtype, length)
                start = float(data.mean(dtype=np.float64))
                for level in range(1, levels + 1):
                    data = interpolation.reduce(data, factors)
                    drift = float(data.mean(dtype=np.float64)) - start
                    holds(
                        abs(drift) < 0.2,
                        "the mean does not drift over levels",
                        dtype=dtype,
                        factors=factors,
                        level=level,
                        drift=f"{drift:.3f}",
                    )

    def test_the_bits_are_those_of_the_mode_that_it_implements(self, interpolation: Interpolation) -> None:
        if self.same_as is None:
            pytest.skip("`same_as` names the class whose bits it must give")
        other = made(self.same_as)
        promise = f"the bits are those of {self.same_as}"
        holds(interpolation.name == other.name, promise, got=interpolation.name, expected=other.name)
        for dtype, factors in self.cases(interpolation):
            for kind in kinds(dtype):
                shape = tuple(length * factor for length, factor in zip((2, 9, 7, 5), factors, strict=True))
                data = volume(kind, dtype, shape)
                same_bits(
                    interpolation.reduce(data, factors),
                    other.reduce(data, factors),
                    promise,
                    dtype=dtype,
                    factors=factors,
                    kind=kind,
                )
