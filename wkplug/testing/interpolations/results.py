"""Results: their shape and memory, whose they are, and that they depend on their own blocks alone."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from wkplug.testing.checks import breaks, holds, promised
from wkplug.testing.interpolations.samples import InterpolationFixtures, kinds, same_bits, volume
from wkplug.testing.profiles import examples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Interpolation

__all__ = ["ResultsPart"]

_BLOCKS = (2, 6, 5, 4)


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


class ResultsPart(InterpolationFixtures):
    """What comes out, whatever the mode computes."""

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
            same_bits(data, before, "the block is not changed", dtype=dtype, factors=factors)

    def test_results_belong_to_the_caller(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            data = volume("noise", dtype, _shape(factors))
            before = data.copy(order="F")
            first = interpolation.reduce(data, factors)
            holds(first.flags.writeable, "a result can be changed", dtype=dtype, factors=factors)
            kept = first.copy()
            first[...] = 0
            promise = "changing a result changes neither the block nor what comes later"
            same_bits(data, before, promise, dtype=dtype, factors=factors)
            same_bits(interpolation.reduce(data, factors), kept, promise, dtype=dtype, factors=factors)

    def test_blocks_may_lie_in_memory_in_any_way(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            data = volume("noise", dtype, _shape(factors))
            expected = interpolation.reduce(data, factors)
            for memory, block in _memories(data).items():
                promise = "a block may be read-only, and lie in memory in any way"
                facts: dict[str, Any] = {"memory": memory, "dtype": dtype, "factors": factors}
                with promised(promise, **facts):
                    got = interpolation.reduce(block, factors)
                same_bits(got, expected, promise, **facts)

    def test_the_same_comes_out_every_time_and_in_every_thread(self, interpolation: Interpolation) -> None:
        for dtype, factors in self.cases(interpolation):
            blocks = [volume("few values", dtype, _shape(factors), seed) for seed in range(4)]
            expected = [interpolation.reduce(block, factors) for block in blocks]
            with ThreadPoolExecutor(4) as pool:
                found = list(pool.map(lambda block, f=factors: interpolation.reduce(block, f), blocks * 3))
            for got, right in zip(found, expected * 3, strict=True):
                promise = "the same block gives the same bits, every time and in every thread"
                same_bits(got, right, promise, dtype=dtype, factors=factors)

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
        same_bits(
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
                    same_bits(
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
            same_bits(other.reduce(data, factors), expected, promise, dtype=dtype, factors=factors)

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
