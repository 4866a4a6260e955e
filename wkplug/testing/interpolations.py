"""`InterpolationSuite`: all promises of `wkplug.abc.Interpolation` as tests to inherit.

A plugin with a mode of its own tests it with a file of a few lines::

    from wkplug.testing import InterpolationSuite


    class TestMine(InterpolationSuite):
        interpolation_factory = "package.module:Class"
        plugin_module = "package.plugin"

Another implementation of a mode ("median+mine") also says with `same_as` whose bits it must give. To override:
`factors` (per spatial axis), `dtypes`, and the fixture `interpolation`. The drift of the mean is tested where the
mode promises that there is none (`Interpolation.keeps_mean`).
"""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from wkplug.abc import Interpolation
from wkplug.lazy import resolve
from wkplug.testing.bench import Suite
from wkplug.testing.checks import breaks, holds, promised, same_voxels
from wkplug.testing.profiles import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["InterpolationSuite", "made"]

ALL_DTYPES = (
    "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64",
)  # fmt: skip
"""The dtypes that layers may have, and float64."""

_KINDS = ("noise", "few values", "uniform", "not finite")
_BLOCKS = (2, 6, 5, 4)


class InterpolationSuite(Suite):
    """The conformance tests of interpolation modes; see the module's text for how to use it."""

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

    # --- what comes out, whatever the mode computes ---

    def test_results_have_the_dtype_and_the_reduced_shape(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            data = volume("noise", dtype, _shape(factors))
            promise = "a result has the block's dtype and its shape divided by the factors"
            with promised(promise, dtype=dtype, factors=factors):
                got = interpolation.reduce(data, factors)
            facts: dict[str, Any] = {"dtype": dtype, "factors": factors}
            holds(type(got) is np.ndarray, promise, got=type(got).__name__, **facts)
            holds(got.shape == _BLOCKS, promise, got=got.shape, expected=_BLOCKS, **facts)
            holds(got.dtype == data.dtype and got.dtype.isnative, promise, got=got.dtype.str, **facts)
            strides = got.strides[-3:]
            holds(
                strides == tuple(sorted(strides)), "the first spatial axis is fastest", got=strides, **facts
            )

    def test_the_input_stays_as_it_is(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            data = volume("noise", dtype, _shape(factors))
            before = data.copy(order="F")
            interpolation.reduce(data, factors)
            same_voxels(data, before, "the block is not changed", dtype=dtype, factors=factors)

    def test_results_belong_to_the_caller(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            data = volume("noise", dtype, _shape(factors))
            before = data.copy(order="F")
            first = interpolation.reduce(data, factors)
            holds(first.flags.writeable, "a result can be changed", dtype=dtype, factors=factors)
            kept = first.copy()
            first[...] = 0
            promise = "changing a result changes neither the block nor what comes later"
            same_voxels(data, before, promise, dtype=dtype, factors=factors)
            same_voxels(interpolation.reduce(data, factors), kept, promise, dtype=dtype, factors=factors)

    def test_blocks_may_lie_in_memory_in_any_way(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            data = volume("noise", dtype, _shape(factors))
            expected = interpolation.reduce(data, factors)
            for memory, block in _memories(data).items():
                promise = "a block may be read-only, and lie in memory in any way"
                facts: dict[str, Any] = {"memory": memory, "dtype": dtype, "factors": factors}
                with promised(promise, **facts):
                    got = interpolation.reduce(block, factors)
                same_voxels(got, expected, promise, **facts)

    def test_the_same_comes_out_every_time_and_in_every_thread(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            blocks = [volume("few values", dtype, _shape(factors), seed) for seed in range(4)]
            expected = [interpolation.reduce(block, factors) for block in blocks]
            with ThreadPoolExecutor(4) as pool:
                found = list(pool.map(lambda block, f=factors: interpolation.reduce(block, f), blocks * 3))
            for got, right in zip(found, expected * 3, strict=True):
                promise = "the same block gives the same bits, every time and in every thread"
                same_voxels(got, right, promise, dtype=dtype, factors=factors)

    @examples(25)
    @given(data=st.data())
    def test_cutting_a_volume_into_pieces_changes_nothing(
        self, interpolation: Interpolation, data: st.DataObject
    ) -> None:
        dtype, factors = data.draw(st.sampled_from(list(self.cases(interpolation))))
        kind = data.draw(st.sampled_from(kinds(dtype)))
        block = volume(kind, dtype, _shape(factors), data.draw(st.integers(0, 99)))
        whole = interpolation.reduce(block, factors)
        low = [data.draw(st.integers(0, count - 1)) for count in _BLOCKS]
        high = [data.draw(st.integers(first + 1, count)) for first, count in zip(low, _BLOCKS, strict=True)]
        piece = tuple(slice(a * factor, b * factor) for a, b, factor in zip(low, high, factors, strict=True))
        same_voxels(
            interpolation.reduce(block[piece], factors),
            whole[tuple(slice(a, b) for a, b in zip(low, high, strict=True))],
            "a part of a volume reduces to the same part of its result",
            dtype=dtype,
            factors=factors,
            kind=kind,
            blocks=list(zip(low, high, strict=True)),
        )

    def test_time_points_and_channels_are_on_their_own(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            data = volume("noise", dtype, (3, *_shape(factors)))
            got = interpolation.reduce(data, (1, *factors))
            for time in range(3):
                for channel in range(2):
                    one = data[time, channel][None]
                    same_voxels(
                        got[time, channel][None],
                        interpolation.reduce(one, factors),
                        "each channel of each time point is reduced on its own",
                        dtype=dtype,
                        factors=factors,
                    )

    def test_nothing_is_warned_about(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            for kind in kinds(dtype):
                with warnings.catch_warnings(record=True) as told:
                    warnings.simplefilter("always")
                    interpolation.reduce(volume(kind, dtype, _shape(factors)), factors)
                if told:
                    breaks(
                        "no values make a mode warn",
                        got=str(told[0].message),
                        dtype=dtype,
                        factors=factors,
                        kind=kind,
                    )

    def test_modes_pickle(self, interpolation: Interpolation) -> None:
        promise = "a mode can be sent to another process"
        with promised(promise):
            other = pickle.loads(pickle.dumps(interpolation))  # noqa: S301 - our own bytes
        for dtype, factors in self.cases(interpolation):
            data = volume("noise", dtype, _shape(factors))
            expected = interpolation.reduce(data, factors)
            same_voxels(other.reduce(data, factors), expected, promise, dtype=dtype, factors=factors)

    def test_the_plugin_offers_the_mode_by_its_name(self, interpolation: Interpolation) -> None:
        if self.plugin_module is None:
            pytest.skip("`plugin_module` names the module of the plugin's hooks")
        specs = list(import_module(self.plugin_module).wkplug_interpolations())
        names = [spec.implements or spec.name for spec in specs]
        holds(
            interpolation.name in names,
            "the plugin's hook offers the mode by its name",
            got=names,
            expected=interpolation.name,
        )
        for spec in specs:
            if spec.implements is not None:
                holds(
                    spec.name.startswith(f"{spec.implements}+"),
                    "another implementation of a mode is called mode+implementation",
                    got=spec.name,
                    expected=f"{spec.implements}+...",
                )

    # --- what the values must be, as far as that is every mode's business ---

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
            same_voxels(data, before, "expanding doesn't change the block", **facts)
            promise = "what was expanded reduces to what it was"
            _close(interpolation.reduce(wide, factors), data, promise, **facts)

    def test_factors_of_one_change_nothing(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            if any(factor != 1 for factor in factors):
                continue
            for kind in kinds(dtype):
                data = volume(kind, dtype, (2, 5, 4, 3))
                promise = "factors of 1 change nothing"
                same_voxels(interpolation.reduce(data, factors), data, promise, dtype=dtype, kind=kind)

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
            same_voxels(after, before, promise, dtype=dtype, factors=factors)

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
                same_voxels(
                    interpolation.reduce(data, factors),
                    other.reduce(data, factors),
                    promise,
                    dtype=dtype,
                    factors=factors,
                    kind=kind,
                )


def made(factory: str) -> Interpolation:
    """Call a factory as the registry does."""
    made: Any = resolve(factory)(None)
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


def _shape(factors: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(count * factor for count, factor in zip(_BLOCKS, factors, strict=True))


def _memories(data: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The same voxels in every kind of memory."""
    larger = np.zeros([length * 2 + 1 for length in data.shape], data.dtype)
    spread = larger[tuple(slice(1, 2 * length + 1, 2) for length in data.shape)]
    part = np.zeros([length + 3 for length in data.shape], data.dtype, order="F")[
        tuple(slice(1, length + 1) for length in data.shape)
    ]
    spread[...] = part[...] = data
    backwards = (slice(None, None, -1),) * data.ndim
    fixed = data.copy(order="F")
    fixed.flags.writeable = False
    return {
        "C order": np.ascontiguousarray(data),
        "every second voxel": spread,
        "part of something larger": part,
        "backwards": data[backwards].copy(order="F")[backwards],
        "read-only": fixed,
    }


def _close(actual: NDArray[Any], expected: NDArray[Any], promise: str, **facts: Any) -> None:
    """Integers must be the same; floats may have been rounded on the way, by a few of their last bits."""
    if actual.dtype.kind == "f" and actual.shape == expected.shape:
        near = np.isclose(actual, expected, rtol=16 * float(np.finfo(actual.dtype).eps), atol=0)
        actual = np.where(near, expected, actual)
    same_voxels(actual, expected, promise, **facts)


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
