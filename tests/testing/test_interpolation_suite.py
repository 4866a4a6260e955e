"""The interpolation suite on the core's own modes."""

from __future__ import annotations

from wkplug.testing import InterpolationSuite


class BuiltIn(InterpolationSuite):
    plugin_module = "wkplug.builtin"


class TestBicubic(BuiltIn):
    interpolation_factory = "wkplug.interpolation:Bicubic"


class TestBilinear(BuiltIn):
    interpolation_factory = "wkplug.interpolation:Bilinear"


class TestMax(BuiltIn):
    interpolation_factory = "wkplug.interpolation:Max"


class TestMean(BuiltIn):
    interpolation_factory = "wkplug.interpolation:Mean"


class TestMedian(BuiltIn):
    interpolation_factory = "wkplug.interpolation:Median"


class TestMedianUnbiased(BuiltIn):
    interpolation_factory = "wkplug.interpolation:MedianUnbiased"


class TestMin(BuiltIn):
    interpolation_factory = "wkplug.interpolation:Min"


class TestMode(BuiltIn):
    interpolation_factory = "wkplug.interpolation:Mode"


class TestModeSparse(BuiltIn):
    interpolation_factory = "wkplug.interpolation:ModeSparse"


class TestNearest(BuiltIn):
    interpolation_factory = "wkplug.interpolation:Nearest"
