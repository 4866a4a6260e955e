"""`Layer`: one image of a dataset, with its mags. What a layer is lies in the properties file; this is a window on it.

Nothing about a layer is kept here that isn't in the file: every question goes to the properties store, every
change is an operation that the store replays on what is on disk then. The methods around mags, around their pyramid
and around copies are in files of their own, see `wkplug.dataset.parts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

from wkplug import registry
from wkplug.dataset import creating
from wkplug.dataset.data_format import DataFormat
from wkplug.dataset.layer_copying import LayerCopying
from wkplug.dataset.layer_mags import LayerMags
from wkplug.dataset.layer_sampling import LayerSampling
from wkplug.dataset.legacy.layer import OlderLayer
from wkplug.dataset.mags import Mags
from wkplug.errors import (
    CategoryError,
    LayerNameError,
    OutOfBoundsError,
    ReadOnlyError,
)
from wkplug.geometry import NDBoundingBox, NormalizedBoundingBox, grids
from wkplug.model.regions import Frame, Region, from_bounding_box, to_bounding_box
from wkplug.notices import names_from_the_package

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

    import numpy as np

    from wkplug.abc import Location
    from wkplug.dataset.dataset import Dataset
    from wkplug.dataset.layer_export import LayerExport
    from wkplug.dataset.segmentation_layer import SegmentationLayer
    from wkplug.dataset.sources import ArraySource
    from wkplug.model.names import Category
    from wkplug.properties import CoordinateTransformation, LayerProperties, LayerViewConfiguration

__all__ = ["Layer"]


class Layer(LayerMags, LayerSampling, LayerCopying, OlderLayer):
    """A layer of a dataset: `dataset.get_layer("color")`. Not made by hand."""

    def __init__(self, dataset: Dataset, properties: LayerProperties, read_only: bool) -> None:  # noqa: FBT001 - known signature
        self._dataset = dataset
        self._name = properties.name
        self._read_only = read_only
        self._seen: LayerProperties | None = None
        self._frame: Frame | None = None
        self._region: Region = ((), ())
        self._mags: Mags | None = None
        self._sources: WeakSet[ArraySource] = WeakSet()

    # --- what the file says -------------------------------------------------------------------------------

    @property
    def properties(self) -> LayerProperties:
        """The layer's entry in the properties file, as of the last look at it; for reading."""
        properties = self._dataset.store.layer(self._name)
        if properties is not self._seen:
            self._look_at(properties)
        return properties

    def _look_at(self, properties: LayerProperties) -> None:
        box = properties.bounding_box
        region: Region = (box.topleft.to_tuple(), box.size.to_tuple())
        axes = registry.axes_of_format(properties.data_format)
        if axes is None or not set(box.axes) <= set(axes) <= {*box.axes, "c"}:
            axes = box.axes
        if axes != box.axes:
            # The format has an order of its own, and other software records it in other ways, or without channels.
            known = dict(zip(box.axes, zip(*region, strict=True), strict=True))
            known.setdefault("c", (0, properties.num_channels))
            region = (tuple(known[axis][0] for axis in axes), tuple(known[axis][1] for axis in axes))
        self._frame, self._region = Frame.of(axes), region
        self._mags = None
        self._seen = properties

    @property
    def frame(self) -> Frame:
        """The axes of the layer's arrays; for `wkplug.ops`."""
        self.properties  # noqa: B018 - looks at the file's present state
        if self._frame is None:
            raise LayerNameError(f"The layer {self._name!r} has no axes.")
        return self._frame

    @property
    def region(self) -> Region:
        """The bounding box over all axes of the arrays; for `wkplug.ops`."""
        self.properties  # noqa: B018 - looks at the file's present state
        return self._region

    @property
    def name(self) -> str:
        """The name; setting it renames the layer's folder too (local datasets only).

        Mags and views that are at hand follow. Of a layer that is a link, the link is renamed.
        """
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self.check_metadata_writable("be renamed")
        if name == self._name:
            return
        old = self.location
        creating.rename_layer(self, name)
        self._dataset.layer_was_renamed(self._name, name)
        self._name = name
        self._seen = None
        for source in list(self._sources):
            source.follow(old, self.location)

    def watch(self, source: ArraySource) -> None:
        """Let an array of this layer follow when the layer is renamed; for its mags."""
        self._sources.add(source)

    @property
    def dataset(self) -> Dataset:
        """The dataset that this layer belongs to."""
        return self._dataset

    @property
    def location(self) -> Location:
        """The place of the layer's own folder, which may not exist (yet)."""
        return self._dataset.location.child(self._name)

    @property
    def path(self) -> pathlib.Path:
        """The path of the layer's own folder, which may not exist (yet)."""
        return self._dataset.path / self._name

    @property
    def resolved_path(self) -> pathlib.Path:
        """The path with links resolved."""
        return self.path.resolve()

    @property
    def category(self) -> Category:
        """Either "color" or "segmentation"."""
        return cast("Category", self.properties.category)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the voxels, per channel."""
        return self.properties.dtype_np

    @property
    def num_channels(self) -> int:
        """The number of channels, 1 where the arrays have no channel axis."""
        return self.properties.num_channels

    @property
    def data_format(self) -> DataFormat:
        """The storage format of the layer's arrays."""
        return DataFormat.recorded(self.properties.data_format)

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._read_only

    @property
    def bounding_box(self) -> NDBoundingBox:
        """Where the layer has voxels, in Mag(1): a BoundingBox for layers with the axes x, y, z.

        Setting it resizes the layer's own arrays. Voxels that fall outside are hidden, not deleted. A negative
        top-left is an OutOfBoundsError (an AssertionError).
        """
        return to_bounding_box(self.frame, self.region)

    @bounding_box.setter
    def bounding_box(self, box: NDBoundingBox) -> None:
        from wkplug.dataset import resizing
        from wkplug.properties import operations

        self.check_metadata_writable("change its bounding box")
        region = self._checked_region(box)
        own = list(self.mags.values())
        resizing.grow(own, grids.hull(region, self.region))
        self._dataset.store.apply(operations.SetBox(self._name, self._recorded(region)))
        resizing.shrink(own, region)

    @property
    def normalized_bounding_box(self) -> NormalizedBoundingBox:
        """The bounding box with the axes of the arrays, channels included."""
        return self._normalized(self.region)

    def extend_bounding_box(self, box: NDBoundingBox) -> None:
        """Extend the bounding box so that it holds `box` too: a union, also when several processes do it at once."""
        from wkplug.dataset import resizing
        from wkplug.properties import operations

        self.check_metadata_writable("change its bounding box")
        region = self._checked_region(box)
        resizing.grow(self.mags.values(), grids.hull(self.region, region))
        self._dataset.store.apply(operations.ExtendBox(self._name, self._recorded(region)))

    def _checked_region(self, box: NDBoundingBox) -> Region:
        region = from_bounding_box(self.frame, box, self.region)
        if min(region[0]) < 0:
            raise OutOfBoundsError(
                f"The bounding box {box} starts below zero, where no voxels can be.",
                hint="Offsets count from 0 on.",
            )
        return region

    def _normalized(self, region: Region) -> NormalizedBoundingBox:
        return NormalizedBoundingBox(region[0], region[1], self.frame.axes)

    def _recorded(self, region: Region) -> NormalizedBoundingBox:
        """The box over the axes that the file records, which a format with an order of its own may not have."""
        axes = self.properties.bounding_box.axes
        by_axis = dict(zip(self.frame.axes, zip(*region, strict=True), strict=True))
        bounds = [by_axis[axis] for axis in axes]
        return NormalizedBoundingBox([low for low, _ in bounds], [length for _, length in bounds], axes)

    @property
    def default_view_configuration(self) -> LayerViewConfiguration | None:
        """How viewers show the layer at first, None if that was never set."""
        return self.properties.default_view_configuration

    @default_view_configuration.setter
    def default_view_configuration(self, value: LayerViewConfiguration | None) -> None:
        self.check_metadata_writable("change its view configuration")
        from wkplug.properties import operations

        self._dataset.store.apply(operations.SetLayerKey(self._name, "defaultViewConfiguration", value))

    @property
    def coordinate_transformations(self) -> tuple[CoordinateTransformation, ...]:
        """The transformations of the layer, in order; () if there are none."""
        return tuple(self.properties.coordinate_transformations or ())

    @coordinate_transformations.setter
    def coordinate_transformations(self, value: Sequence[CoordinateTransformation] | None) -> None:
        self.check_metadata_writable("change its transformations")
        from wkplug.properties import operations

        self._dataset.store.apply(
            operations.SetLayerKey(self._name, "coordinateTransformations", tuple(value) if value else None)
        )

    @property
    def is_foreign(self) -> bool:
        """Whether the layer's folder is a link that leads out of the dataset."""
        local = self.location.local_path()
        return local is not None and self.path.is_symlink()

    @property
    def export(self) -> LayerExport:
        """Writes the layer, or a box of it, in the format of another tool: `layer.export("em.ome.tif")`."""
        from wkplug.dataset.layer_export import LayerExport

        return LayerExport(self)

    # --- mags ---------------------------------------------------------------------------------------------

    @property
    def mags(self) -> Mags:
        """The mags, finest first, looked up by anything that means a mag: `layer.mags["2-2-1"]`."""
        properties = self.properties
        if self._mags is None:
            self._mags = Mags(creating.open_mags(self, properties))
        return self._mags

    def as_segmentation_layer(self) -> SegmentationLayer:
        """Give the layer itself if it is a segmentation layer, otherwise CategoryError (a TypeError)."""
        from wkplug.dataset.segmentation_layer import SegmentationLayer

        if isinstance(self, SegmentationLayer):
            return self
        raise CategoryError(f"The layer {self._name!r} is a {self.category} layer, not a segmentation layer.")

    # --- rules --------------------------------------------------------------------------------------------

    def check_metadata_writable(self, verb: str) -> None:
        """Raise ReadOnlyError if what the dataset says of the layer may not be changed.

        `verb` completes "it can't ...". What is said of a layer that is a link is the dataset's own.
        """
        if self._dataset.read_only:
            raise ReadOnlyError(
                f"The layer {self._name!r} is read-only and can't {verb}: the changes will not be saved.",
                hint="Open the dataset without read_only=True.",
            )

    def check_writable(self, verb: str) -> None:
        """Raise ReadOnlyError if files in the layer's folder may not be changed; `verb` completes "it can't ..."."""
        self.check_metadata_writable(verb)
        if self._read_only:
            raise ReadOnlyError(
                f"The layer {self._name!r} is read-only and can't {verb}: its folder is a link to "
                f"{self.resolved_path}, whose files belong to another dataset.",
                hint="Open that dataset and change the layer there. To have mags of one's own beside another "
                "dataset's, add the layer with dataset.add_layer_as_ref, or with dataset.add_layer_as_copy for a copy.",
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layer):
            return NotImplemented
        return self._name == other._name and self._dataset == other._dataset

    def __hash__(self) -> int:
        return hash((self._name, self._dataset))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r}, dtype={self.dtype.name}, num_channels={self.num_channels})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_layer_again, (self._dataset, self._name))


if not TYPE_CHECKING:  # where segmentation layers once were
    __getattr__ = names_from_the_package(__name__, "SegmentationLayer")


def _layer_again(dataset: Dataset, name: str) -> Layer:
    return dataset.get_layer(name)
