"""All that wkplug promises of an interpolation mode, asked of this one; and what it computes."""

import numpy as np
from wkplug_trimmed.modes import TrimmedMean

from wkplug.testing import InterpolationSuite


class TestTrimmedMean(InterpolationSuite):
    interpolation_factory = "wkplug_trimmed.modes:TrimmedMean"
    plugin_module = "wkplug_trimmed.plugin"


def test_a_single_bright_voxel_does_not_show() -> None:
    block = np.full((1, 2, 2, 2), 10, "uint8")
    block[0, 0, 1, 0] = 255
    assert TrimmedMean(None).reduce(block, (1, 2, 2, 2)).item() == 10
