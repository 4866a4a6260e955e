"""The Dataset API: datasets, layers, mags and views, as their users know them; each loads when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.lazy import names_of
from wkplug.notices import make_older_home, names_from_the_package

if TYPE_CHECKING:
    from wkplug.dataset.array_info import ArrayInfo
    from wkplug.dataset.data_format import DataFormat
    from wkplug.dataset.dataset import Dataset
    from wkplug.dataset.layer import Layer, SegmentationLayer
    from wkplug.dataset.mag_view import MagView
    from wkplug.dataset.view import View
else:
    __getattr__ = names_of(
        __name__,
        {
            "array_info": ("ArrayInfo",),
            "data_format": ("DataFormat",),
            "dataset": ("Dataset",),
            "layer": ("Layer", "SegmentationLayer"),
            "mag_view": ("MagView",),
            "view": ("View",),
        },
        otherwise=names_from_the_package(__name__, "COLOR_CATEGORY", "SEGMENTATION_CATEGORY"),
    )

__all__ = ["ArrayInfo", "DataFormat", "Dataset", "Layer", "MagView", "SegmentationLayer", "View"]

for _name in ("defaults", "layer_categories", "properties", "sampling_modes"):
    make_older_home(__name__, _name)
make_older_home(__name__, "open_options", moved_to="wkplug.model.states")
make_older_home(__name__, "regions", moved_to="wkplug.model.regions")
make_older_home(__name__, "sources", moved_to="wkplug.model.arrays")
