"""What the plugin author's guide shows at its end; run by the system tests with the example installed."""

import numpy as np

import wkplug as wk

dataset = wk.Dataset("dataset", voxel_size=(10, 10, 10))
box = wk.BoundingBox((0, 0, 0), (128, 128, 64))
layer = dataset.add_layer("em", "color", data_format="npy", bounding_box=box)
layer.add_mag(1).write(np.full((128, 128, 64), 7, "uint8"))
layer.downsample(coarsest_mag=4)
print(sorted(path.name for path in layer.get_mag(1).path.glob("*.npy*")))
