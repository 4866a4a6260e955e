"""The core's own down- and upsampling modes, in plain numpy.

Every mode looks at one block of source voxels per voxel of the result, so that the result doesn't depend on
how the volume was cut into pieces. median and mode follow what users of the webknossos library know: the
median of an even number of voxels is the mean of the middle two, cut towards zero for integers; mode takes the
value met first, y fastest, then x, then z. For integers above 2^53 median stays exact.

These are also what faster implementations of plugins are measured by: they must give the same bits.
"""

from __future__ import annotations

from wkplug.interpolation.mode import Mode, ModeSparse
from wkplug.interpolation.order_statistics import Max, Median, MedianUnbiased, Min, Nearest
from wkplug.interpolation.sums import Bicubic, Bilinear, Mean

__all__ = [
    "Bicubic",
    "Bilinear",
    "Max",
    "Mean",
    "Median",
    "MedianUnbiased",
    "Min",
    "Mode",
    "ModeSparse",
    "Nearest",
]
