"""The Dataset API: datasets, layers, mags and views, as their users know them."""

from wkplug.dataset.array_info import ArrayInfo
from wkplug.dataset.data_format import DataFormat
from wkplug.dataset.dataset import Dataset
from wkplug.dataset.layer import Layer
from wkplug.dataset.mag_view import MagView
from wkplug.dataset.segmentation_layer import SegmentationLayer
from wkplug.dataset.view import View

__all__ = ["ArrayInfo", "DataFormat", "Dataset", "Layer", "MagView", "SegmentationLayer", "View"]
