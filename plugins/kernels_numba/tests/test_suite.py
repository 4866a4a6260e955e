"""All that wkplug promises of a mode, asked of the compiled ones; and the bits of the plain ones."""

from __future__ import annotations

import pytest

from wkplug.testing import InterpolationSuite
from wkplug.testing.interpolations import made


class Compiled(InterpolationSuite):
    plugin_module = "wkplug_numba.plugin"
    # Every dtype is compiled for itself, which takes seconds where nothing is in the cache yet.
    dtypes = ("uint8", "uint64", "int16", "float32")


class TestMedian(Compiled):
    interpolation_factory = "wkplug_numba.modes:Median"
    same_as = "wkplug.interpolation:Median"


class TestMedianUnbiased(Compiled):
    interpolation_factory = "wkplug_numba.modes:MedianUnbiased"
    same_as = "wkplug.interpolation:MedianUnbiased"


class TestMin(Compiled):
    interpolation_factory = "wkplug_numba.modes:Min"
    same_as = "wkplug.interpolation:Min"


class TestMax(Compiled):
    interpolation_factory = "wkplug_numba.modes:Max"
    same_as = "wkplug.interpolation:Max"


class TestMode(Compiled):
    interpolation_factory = "wkplug_numba.modes:Mode"
    same_as = "wkplug.interpolation:Mode"


class TestModeSparse(Compiled):
    interpolation_factory = "wkplug_numba.modes:ModeSparse"
    same_as = "wkplug.interpolation:ModeSparse"


class TestNearest(Compiled):
    interpolation_factory = "wkplug_numba.modes:Nearest"
    same_as = "wkplug.interpolation:Nearest"


class TestMean(Compiled):
    interpolation_factory = "wkplug_numba.modes:Mean"
    same_as = "wkplug.interpolation:Mean"


class TestBilinear(Compiled):
    interpolation_factory = "wkplug_numba.modes:Bilinear"
    same_as = "wkplug.interpolation:Bilinear"


EVERY = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64")


@pytest.mark.long
@pytest.mark.parametrize(
    "suite",
    [
        TestMedian,
        TestMedianUnbiased,
        TestMin,
        TestMax,
        TestMode,
        TestModeSparse,
        TestNearest,
        TestMean,
        TestBilinear,
    ],
)
def test_every_dtype_has_the_bits_of_the_plain_mode(suite: type[Compiled]) -> None:
    every = type("Every", (suite,), {"dtypes": EVERY})()
    assert suite.interpolation_factory is not None
    every.test_the_bits_are_those_of_the_mode_that_it_implements(made(suite.interpolation_factory))
    every.test_uniform_blocks_keep_their_value(made(suite.interpolation_factory))
