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

from __future__ import annotations

from wkplug.testing.interpolations.results import ResultsPart
from wkplug.testing.interpolations.values import ValuesPart

__all__ = ["InterpolationSuite"]


class InterpolationSuite(ResultsPart, ValuesPart):
    """The conformance tests of interpolation modes; see the module's text for how to use it."""
