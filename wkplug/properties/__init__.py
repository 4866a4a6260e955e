"""datasource-properties.json: typed models, and the store that reads and changes the file.

* `PropertiesStore` opens, creates and changes the file, by operations (`wkplug.properties.operations`).
* The models (`LayerProperties` and its kind) are what the file means, `check_layer_name` and `as_voxel_size`
  what new datasets may have.

The document, with all keys that other software keeps in it, is the truth; models are read from it.

* `State`, `StateStore` and `Operation` are for plugins that keep metadata elsewhere; they aren't names of `wkplug`.

Not here: folders, arrays, and what a layer can do (`wkplug.dataset`).

Names load when they are first used, and none loads numpy or cattrs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.lazy import names_of

if TYPE_CHECKING:
    from wkplug.properties.models import (
        CURRENT_VERSION,
        AttachmentProperties,
        AttachmentsProperties,
        DatasetProperties,
        LayerProperties,
        MagViewProperties,
        SegmentationLayerProperties,
        get_dataset_converter,
    )
    from wkplug.properties.operations import Operation as Operation
    from wkplug.properties.schema import (
        check_existing_layer_name,
        check_layer_name,
        dtype_from_element_class,
        element_class_from_dtype,
    )
    from wkplug.properties.state import State as State
    from wkplug.properties.store import PropertiesStore, layer_facts
    from wkplug.properties.store import StateStore as StateStore
    from wkplug.properties.transformations import (
        AffineCoordinateTransformation,
        CoordinateTransformation,
        ThinPlateSplineCoordinateTransformation,
    )
    from wkplug.properties.units import LengthUnit, VoxelSize, as_voxel_size, length_unit_from_str, typed_unit
    from wkplug.properties.view_configuration import DatasetViewConfiguration, LayerViewConfiguration
else:
    __getattr__ = names_of(
        __name__,
        {
            "models": (
                "AttachmentProperties",
                "AttachmentsProperties",
                "CURRENT_VERSION",
                "DatasetProperties",
                "LayerProperties",
                "MagViewProperties",
                "SegmentationLayerProperties",
                "get_dataset_converter",
            ),
            "schema": (
                "check_existing_layer_name",
                "check_layer_name",
                "dtype_from_element_class",
                "element_class_from_dtype",
            ),
            "operations": ("Operation",),
            "state": ("State",),
            "store": ("PropertiesStore", "StateStore", "layer_facts"),
            "transformations": (
                "AffineCoordinateTransformation",
                "CoordinateTransformation",
                "ThinPlateSplineCoordinateTransformation",
            ),
            "units": ("LengthUnit", "VoxelSize", "as_voxel_size", "length_unit_from_str", "typed_unit"),
            "view_configuration": ("DatasetViewConfiguration", "LayerViewConfiguration"),
        },
    )

__all__ = [
    "CURRENT_VERSION", "AffineCoordinateTransformation", "AttachmentProperties", "AttachmentsProperties",
    "CoordinateTransformation", "DatasetProperties", "DatasetViewConfiguration", "LayerProperties",
    "LayerViewConfiguration", "LengthUnit", "MagViewProperties", "PropertiesStore", "SegmentationLayerProperties",
    "ThinPlateSplineCoordinateTransformation", "VoxelSize", "as_voxel_size", "check_existing_layer_name",
    "check_layer_name", "dtype_from_element_class", "element_class_from_dtype", "get_dataset_converter",
    "layer_facts", "length_unit_from_str", "typed_unit",
]  # fmt: skip
