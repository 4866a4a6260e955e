"""The typed views of datasource-properties.json: what a dataset, a layer, a mag and its attachments are.

They are read from the document and handed to operations; changing one changes no file. The document itself, a
plain JSON object with whatever else other software keeps in it, is the truth (`wkplug.properties.store`).

Data formats are plain text here: which exist is the registry's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import LayerNotFoundError
from wkplug.geometry import Mag, NormalizedBoundingBox
from wkplug.properties.transformations import CoordinateTransformation
from wkplug.properties.units import VoxelSize
from wkplug.properties.view_configuration import DatasetViewConfiguration, LayerViewConfiguration

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "CURRENT_VERSION",
    "AttachmentProperties",
    "AttachmentsProperties",
    "DatasetProperties",
    "LayerProperties",
    "MagViewProperties",
    "SegmentationLayerProperties",
]

CURRENT_VERSION = 1


def _as_dict(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(values)


def _as_list(values: Iterable[MagViewProperties]) -> list[MagViewProperties]:
    return list(values)


@attrs.define
class MagViewProperties:
    """One mag of a layer.

    path: relative to the dataset ("./color/1") where it lies inside, otherwise absolute or a URL.
    axis_order: array axis -> position, for c, x, y and z; None lets the layer's box say it.
    extra: whatever else the entry holds; what the storage format keeps there (`ArrayBackend.mag_properties`),
        and what other software added.
    cube_length: the entry `cubeLength` of `extra`, where users look for it.
    """

    mag: Mag = attrs.field(converter=Mag)
    path: str | None = None
    cube_length: int | None = None
    axis_order: dict[str, int] | None = None
    extra: dict[str, Any] = attrs.field(factory=dict, kw_only=True, converter=_as_dict)

    def __attrs_post_init__(self) -> None:
        if self.cube_length is None:
            self.cube_length = self.extra.get("cubeLength")
        else:
            self.extra.setdefault("cubeLength", self.cube_length)


@attrs.define
class AttachmentProperties:
    """One attachment of a segmentation layer: a file or folder with meshes, agglomerates or the like."""

    name: str
    path: str
    data_format: str


@attrs.define
class AttachmentsProperties:
    """All attachments of a segmentation layer, by kind; None where there are none of a kind."""

    meshes: list[AttachmentProperties] | None = None
    agglomerates: list[AttachmentProperties] | None = None
    segment_index: AttachmentProperties | None = None
    segment_statistics: AttachmentProperties | None = None
    cumsum: AttachmentProperties | None = None
    connectomes: list[AttachmentProperties] | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in attrs.fields(type(self)))


@attrs.define
class LayerProperties:
    """One layer.

    bounding_box: over the axes of the arrays, in storage order, channels included, in Mag(1) voxels.
    dtype: numpy's name, of one channel.
    data_format: the name that the file records.
    """

    name: str
    category: str
    bounding_box: NormalizedBoundingBox
    dtype: str
    data_format: str
    mags: list[MagViewProperties] = attrs.field(factory=list, converter=_as_list)
    default_view_configuration: LayerViewConfiguration | None = None
    coordinate_transformations: list[CoordinateTransformation] | None = None
    num_channels: int = attrs.field(kw_only=True)

    @num_channels.default
    def _num_channels_of_the_box(self) -> int:
        box = self.bounding_box
        return box.get_shape("c") if "c" in box.axes else 1

    @property
    def dtype_np(self) -> np.dtype[Any]:
        """The dtype of one channel, as numpy's object."""
        import numpy

        return numpy.dtype(self.dtype)

    def get_mag(self, mag: Mag) -> MagViewProperties | None:
        """Give the entry of a mag, None if it isn't listed."""
        return next((entry for entry in self.mags if entry.mag == mag), None)


@attrs.define
class SegmentationLayerProperties(LayerProperties):
    """One segmentation layer; `largest_segment_id` None means that nobody said."""

    largest_segment_id: int | None = None
    mappings: list[str] = attrs.field(factory=list)
    attachments: AttachmentsProperties = attrs.field(factory=AttachmentsProperties)


@attrs.define
class DatasetProperties:
    """The dataset: `id` holds its name (and team), `scale` its voxel size."""

    id: dict[str, Any]
    scale: VoxelSize
    data_layers: Sequence[LayerProperties]
    version: int = CURRENT_VERSION
    default_view_configuration: DatasetViewConfiguration | None = None

    def update_for_layer(self, layer_name: str, layer_properties: LayerProperties) -> None:
        """Replace the layer of that name, in this object; LayerNotFoundError (an IndexError) without one."""
        layers = list(self.data_layers)
        for index, layer in enumerate(layers):
            if layer.name == layer_name:
                layers[index] = layer_properties
                self.data_layers = layers
                return
        raise LayerNotFoundError(f"The properties list no layer {layer_name!r}.")
