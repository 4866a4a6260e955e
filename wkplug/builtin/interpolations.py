"""The name that the interpolation modes had first; plugins' tests hold it. They are in `wkplug.interpolation`."""

from wkplug.interpolation import (
    Bicubic,
    Bilinear,
    Max,
    Mean,
    Median,
    MedianUnbiased,
    Min,
    Mode,
    ModeSparse,
    Nearest,
)

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
