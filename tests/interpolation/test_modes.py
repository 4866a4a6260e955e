"""The built-in interpolations against plain numpy, block by block."""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wkplug import interpolation, registry
from wkplug.testing.profiles import examples

if TYPE_CHECKING:
    from collections.abc import Callable

    from wkplug.abc import Interpolation

INTEGERS = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")


def blocks_of(data: np.ndarray, factors: tuple[int, ...]) -> Any:
    shape = tuple(n // f for n, f in zip(data.shape, factors, strict=True))
    for index in np.ndindex(*shape):
        yield index, data[tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))]


def oracle(data: np.ndarray, factors: tuple[int, ...], function: Callable[[np.ndarray], Any]) -> np.ndarray:
    result = np.zeros([n // f for n, f in zip(data.shape, factors, strict=True)], data.dtype)
    for index, block in blocks_of(data, factors):
        result[index] = function(block)
    return result


def median(block: np.ndarray) -> Any:
    values = sorted(block.ravel().tolist())
    low, high = values[(len(values) - 1) // 2], values[len(values) // 2]
    if block.dtype.kind == "f":
        return np.median(block)
    total = int(low) + int(high)
    return -(-total // 2) if total < 0 else total // 2  # cut towards zero


def mode(block: np.ndarray) -> Any:
    """Of the most frequent values the one met first: y fastest, then x, then z."""
    cxyz = block.reshape((-1, *block.shape[-3:]))
    order = [
        cxyz[c, x, y, z]
        for c, z, x, y in itertools.product(*(range(cxyz.shape[axis]) for axis in (0, 3, 1, 2)))
    ]
    order = [value for value in order if value == value]  # without NaN
    counts = Counter(order)
    most = max(counts.values())
    return next(value for value in order if counts[value] == most)


def mode_sparse(block: np.ndarray) -> Any:
    filled = np.where(block == 0, np.nan, block.astype(object))  # NaN is no value to vote for
    return mode(filled) if block.any() else 0


def half_to_even(total: int, count: int) -> int:
    return round(Fraction(total, count))


def median_unbiased(block: np.ndarray) -> Any:
    values = sorted(block.ravel().tolist())
    low, high = values[(len(values) - 1) // 2], values[len(values) // 2]
    return np.median(block) if block.dtype.kind == "f" else half_to_even(low + high, 2)


def mean(block: np.ndarray) -> Any:
    if block.dtype.kind == "f":
        return np.mean(block, dtype=np.float64)
    return half_to_even(sum(block.ravel().tolist()), block.size)


def bilinear(block: np.ndarray) -> Any:
    return mean(block[tuple(slice((n - 1) // 2, n // 2 + 1) for n in block.shape)])


FUNCTIONS: dict[str, Callable[[np.ndarray], Any]] = {
    "bilinear": bilinear,
    "mean": mean,
    "median_unbiased": median_unbiased,
    "mode_sparse": mode_sparse,
    "median": median,
    "mode": mode,
    "nearest": lambda block: block[(0,) * block.ndim],
    "min": np.min,
    "max": np.max,
}


CLASSES: dict[str, type[Interpolation]] = {
    getattr(interpolation, name).name: getattr(interpolation, name) for name in interpolation.__all__
}


@st.composite
def volumes(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, ...]]:
    factors = (1, *draw(st.tuples(*(st.sampled_from((1, 2, 2, 3, 4, 6)),) * 3)))
    shape = tuple(f * draw(st.integers(1, 3)) for f in factors)
    dtype: np.dtype[Any] = np.dtype(draw(st.sampled_from((*INTEGERS, "float32"))))
    seed, few = draw(st.integers(0, 2**32 - 1)), draw(st.booleans())
    random = np.random.default_rng(seed)
    if dtype.kind == "f":
        data = random.normal(0, 100, shape).astype(dtype)
        return np.round(data / 50) if few else data, factors
    limits = np.iinfo(dtype)
    low, high = (max(limits.min, -3), 4) if few else (limits.min, limits.max)
    return np.asfortranarray(random.integers(low, high, shape, dtype=dtype)), factors


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_modes_do_to_every_block_what_plain_python_does(name: str) -> None:
    @examples(60)
    @given(volumes())
    def check(volume: tuple[np.ndarray, tuple[int, ...]]) -> None:
        data, factors = volume
        before = data.copy()
        if name == "mode_sparse" and data.dtype.kind == "f":
            return
        found = CLASSES[name]().reduce(data, factors)
        assert found.dtype == data.dtype
        assert found.flags.f_contiguous
        expected = oracle(data, factors, FUNCTIONS[name])
        if data.dtype.kind == "f" and name in ("mean", "bilinear"):
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(data, before)

    check()


def reduce(name: str, values: Any, factor: int = 2, dtype: str = "int16") -> list[Any]:
    """Reduce one row along x."""
    data = np.array(values, dtype).reshape((1, -1, 1, 1))
    result: list[Any] = getattr(interpolation, name)().reduce(data, (1, factor, 1, 1)).ravel().tolist()
    return result


def test_the_median_of_two_is_their_mean_cut_towards_zero() -> None:
    assert reduce("Median", [1, 2, -1, -2, 3, -4, 0, -1]) == [1, -1, 0, 0]
    assert reduce("Median", [1, 2], dtype="float32") == [1.5]
    assert np.isnan(reduce("Median", [np.nan, 1], dtype="float32")[0])
    assert reduce("Median", [2**60 + 1, 2**60 + 1], dtype="uint64") == [2**60 + 1]  # floats would lose the 1
    assert reduce("Median", [2**64 - 1, 2**64 - 1], dtype="uint64") == [2**64 - 1]
    assert reduce("Median", [255, 254], dtype="uint8") == [254]
    assert reduce("Median", [-(2**63), -(2**63) + 1], dtype="int64") == [-(2**63) + 1]


def test_ties_of_mode_go_to_the_value_met_first() -> None:
    assert reduce("Mode", [1, 5, 3], 3) == [1]
    assert reduce("Mode", [2, 4, 1], 3) == [2]
    assert reduce("Mode", [3, 2, 3], 3) == [3]
    assert reduce("Mode", [7, 1, 1], 3) == [1]
    assert reduce("Mode", range(8)) == [0, 2, 4, 6]
    corner = np.zeros((1, 2, 2, 2), "u1")
    corner[0, :, :, 0] = [[1, 2], [3, 4]]
    corner[0, :, :, 1] = [[3, 2], [7, 8]]  # 2 and 3 twice each; along y first, 2 comes before 3
    assert interpolation.Mode().reduce(corner, (1, 2, 2, 2)).ravel().tolist() == [2]


def test_mode_counts_beyond_255_voxels() -> None:
    block = np.full((1, 8, 8, 8), 7, "u1")
    block.ravel()[:200] = 9  # 200 against 312
    assert interpolation.Mode().reduce(block, (1, 8, 8, 8)).ravel().tolist() == [7]


def test_weighted_modes_round_to_the_nearest_and_stay_in_range() -> None:
    assert reduce("Mean", [0, 10, 20, 30, 40, 50, 60, 70]) == [5, 25, 45, 65]
    assert reduce("Bilinear", [0, 10, 20, 30, 40, 50, 60, 70]) == [5, 25, 45, 65]
    assert reduce("Bilinear", [0, 10, 20, 90], 4) == [15]
    assert reduce("Mean", [0, 10, 20, 90], 4) == [30]
    assert reduce("Bicubic", [255] * 4 + [0] * 4, 4, "uint8") == [255, 0]
    assert all(0 <= value <= 255 for value in reduce("Bicubic", [0, 255, 255, 0, 255, 0, 0, 255], 4, "uint8"))
    assert reduce("Mean", [2**32 - 1, 2**32 - 1], dtype="uint32") == [2**32 - 1]
    assert reduce("Mean", [0.25, 0.5], dtype="float32") == [0.375]
    for factor in (1, 2, 3, 4, 8):
        assert sum(interpolation.Bicubic.weights(factor)) == pytest.approx(1)


def test_labels_are_never_mixed() -> None:
    for name in ("bilinear", "bicubic", "mean", "median"):
        if name == "median":
            continue
        with pytest.raises(ValueError, match="segmentation"):
            registry.interpolation(name, category="segmentation", dtype="uint32")
    for name in ("mode", "nearest", "min", "max"):
        assert registry.interpolation(name, category="segmentation", dtype="uint64").name == name


def test_an_unknown_mode_is_a_key_error_that_lists_the_known() -> None:
    with pytest.raises(KeyError, match="median") as caught:
        registry.interpolation("FOO", category="color", dtype="uint8")
    assert "FOO" in str(caught.value)


@pytest.mark.parametrize("fz", [1, 2])
@pytest.mark.parametrize("shape", [(70, 2300, 6), (262_200, 2, 4), (34, 38, 700)])
def test_medians_of_bytes_are_the_same_in_blocks_of_many_tiles(shape: tuple[int, ...], fz: int) -> None:
    data = np.random.default_rng(len(shape)).integers(0, 256, (2, *shape)).astype("u1")
    places = itertools.product(*(range(factor) for factor in (2, 2, fz)))
    members = [data[:, x::2, y::2, z::fz].astype(int) for x, y, z in places]
    low, high = np.sort(members, axis=0)[4 * fz // 2 - 1 : 4 * fz // 2 + 1]
    for block in (data, np.asfortranarray(data), data[:, ::-1].copy()[:, ::-1]):
        found = interpolation.Median().reduce(block, (1, 2, 2, fz))
        np.testing.assert_array_equal(found, (low + high) // 2)
        found = interpolation.MedianUnbiased().reduce(block, (1, 2, 2, fz))
        np.testing.assert_array_equal(found, np.rint((low + high) / 2))
