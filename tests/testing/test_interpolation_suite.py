"""The interpolation suite on the core's own modes."""

from __future__ import annotations

from wkplug.testing import InterpolationSuite


class BuiltIn(InterpolationSuite):
    plugin_module = "wkplug.builtin.plugin"


class TestBicubic(BuiltIn):
    interpolation_factory = "wkplug.builtin.interpolations:Bicubic"


class TestBilinear(BuiltIn):
    interpolation_factory = "wkplug.builtin.interpolations:Bilinear"


class TestMax(BuiltIn):
    interpolation_factory = "wkplug.builtin.interpolations:Max"


class TestMean(BuiltIn):
    interpolation_factory = "wkplug.builtin.interpolations:Mean"


class TestMedian(BuiltIn):
    interpolation_factory = "wkplug.builtin.interpolations:Median"


class TestMedianUnbiased(BuiltIn):
    interpolation_factory = "wkplug.builtin.interpolations:MedianUnbiased"


class TestMin(BuiltIn):
    interpolation_factory = "wkplug.builtin.interpolations:Min"


class TestMode(BuiltIn):
    interpolation_factory = "wkplug.builtin.interpolations:Mode"


class TestModeSparse(BuiltIn):
    interpolation_factory = "wkplug.builtin.interpolations:ModeSparse"


class TestNearest(BuiltIn):
    interpolation_factory = "wkplug.builtin.interpolations:Nearest"
