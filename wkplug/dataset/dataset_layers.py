"""The methods of `Dataset` around its layers: finding, adding and deleting them.

`Dataset` inherits these.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wkplug import registry
from wkplug.dataset import creating
from wkplug.dataset.data_format import DataFormat, default_data_format
from wkplug.dataset.layer import Layer
from wkplug.dataset.legacy.datasets import ADDING_LAYERS, ONLY_SEGMENTATION
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.parts import DatasetPart, part_of
from wkplug.dataset.segmentation_layer import SegmentationLayer, whole_number
from wkplug.errors import (
    ArgumentConflictError,
    CategoryError,
    InvalidArgumentError,
    LayerExistsError,
    LayerMismatchError,
    LayerNotFoundError,
)
from wkplug.geometry import BoundingBox, NDBoundingBox
from wkplug.geometry.boxes import checked_box
from wkplug.model.dtypes import check_category, check_layer_dtype
from wkplug.model.places import is_link
from wkplug.notices import deprecated, warn_user
from wkplug.properties import LayerProperties, SegmentationLayerProperties, check_layer_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wkplug.dataset.dataset import Dataset
    from wkplug.dataset.legacy.formats import FormatName
    from wkplug.model.names import Category

__all__ = ["DatasetLayers"]


class _Layers(Mapping[str, Layer]):
    """The layers of a dataset as it is now; each is made when it is taken out."""

    __slots__ = ("_dataset", "_names")

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._names = dict.fromkeys(dataset.store.layer_names())

    def __getitem__(self, name: str) -> Layer:
        if name not in self._names:
            raise KeyError(name)
        return self._dataset._layer(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Give a layer, or `default` if there is none of that name."""
        # The mapping's own would take what is wrong with a layer for its absence.
        return self[name] if name in self else default  # noqa: SIM401 - see above

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        store = self._dataset.store
        shown = {name: store.layer_problem(name) or self[name] for name in self._names}
        return repr(shown)


def _names_of(dataset: Dataset, category: str) -> list[str]:
    """The layers of a category, and those that don't tell theirs, which raise when they are asked for."""
    names = []
    for name in dataset.store.layer_names():
        raw = dataset.store.raw_layer(name)
        known = raw.get("category") if isinstance(raw, dict) else None
        if known == category or known not in ("color", "segmentation"):
            names.append(name)
    return names


@part_of("wkplug.dataset.dataset", "Dataset")
class DatasetLayers(DatasetPart):
    """A base of `Dataset`."""

    @property
    def layers(self) -> Mapping[str, Layer]:
        """All layers by name, in the file's order; one that the file describes wrongly raises when it is taken out."""
        return _Layers(self._as_dataset())

    def _layer(self, name: str) -> Layer:
        dataset = self._as_dataset()
        layer = dataset._layers.get(name)
        if layer is None:
            properties = dataset.store.layer(name)
            kind = SegmentationLayer if properties.category == "segmentation" else Layer
            read_only = dataset.read_only or is_link(dataset.location.child(name))
            layer = dataset._layers[name] = kind(dataset, properties, read_only)
        return layer

    def get_layer(self, layer_name: str) -> Layer:
        """Give a layer; LayerNotFoundError (an IndexError) if there is none of that name."""
        dataset = self._as_dataset()
        if layer_name not in dataset.store.layer_names():
            there = ", ".join(map(repr, dataset.store.layer_names())) or "none"
            raise LayerNotFoundError(
                f"The dataset {dataset.name!r} has no layer {layer_name!r}; it has {there}.",
                hint="Check the spelling, or add it: dataset.add_layer, or wkplug add-layer SOURCE DATASET.",
            )
        return dataset._layer(layer_name)

    def get_color_layers(self) -> list[Layer]:
        """Give all color layers, in the file's order."""
        dataset = self._as_dataset()
        return [dataset.get_layer(name) for name in _names_of(dataset, "color")]

    def get_segmentation_layers(self) -> list[SegmentationLayer]:
        """Give all segmentation layers, in the file's order."""
        dataset = self._as_dataset()
        return [
            dataset.get_layer(name).as_segmentation_layer() for name in _names_of(dataset, "segmentation")
        ]

    @older(**ONLY_SEGMENTATION)
    def get_segmentation_layer(self, layer_name: str) -> SegmentationLayer:
        """Give a segmentation layer; CategoryError (a TypeError) if it is of the other category."""
        dataset = self._as_dataset()
        return dataset.get_layer(layer_name).as_segmentation_layer()

    def calculate_bounding_box(self) -> NDBoundingBox:
        """Give the smallest box that holds all layers' boxes, empty without layers."""
        dataset = self._as_dataset()
        boxes = [layer.bounding_box for layer in dataset.layers.values()]
        if not boxes:
            return BoundingBox.empty()
        result = boxes[0]
        for box in boxes[1:]:
            result = result.extended_by(box)
        return result

    @older(**ADDING_LAYERS)
    def add_layer(
        self,
        layer_name: str,
        category: Category,
        *,
        dtype: Any = None,
        dtype_per_channel: Any = None,
        num_channels: int | None = None,
        data_format: FormatName | None = None,
        bounding_box: NDBoundingBox | None = None,
        largest_segment_id: int | None = None,
        mappings: Sequence[str] | None = None,
    ) -> Layer:
        """Add a layer without mags.

        layer_name: letters, digits and _ $ @ - and, not first, a dot (LayerNameError, a ValueError).
        category: "color" or "segmentation".
        dtype: of one channel; uint8 by default (UnsupportedDtypeError, a ValueError, if the category can't have it).
        bounding_box: in Mag(1) voxels; empty by default. Its axes become the layer's.
        largest_segment_id, mappings: for segmentation layers.
        LayerExistsError (an IndexError) if the dataset has a layer of that name.
        """
        dataset = self._as_dataset()
        dataset.check_writable("its layers")
        check_layer_name(layer_name)
        if dtype is not None and dtype_per_channel is not None:
            raise ArgumentConflictError(
                "Both dtype and dtype_per_channel were given.", hint="Give dtype, the dtype of one channel."
            )
        if dtype_per_channel is not None:
            deprecated("dtype_per_channel", "dtype")
        wanted = dtype if dtype is not None else dtype_per_channel
        check_category(category)
        dtype_name = check_layer_dtype(category, "uint8" if wanted is None else wanted)
        if layer_name in dataset.store.layer_names():
            raise LayerExistsError(
                f"The dataset {dataset.name!r} already has a layer {layer_name!r}.",
                hint="Use dataset.get_layer or dataset.get_or_add_layer, or choose another name.",
            )
        channels = 1 if num_channels is None else num_channels
        if channels < 1:
            raise InvalidArgumentError(
                f"num_channels is {num_channels}.", hint="A layer has at least one channel."
            )
        if channels != 1 and not (channels == 3 and dtype_name == "uint8"):
            warn_user(
                f"[WARNING] A layer with {channels} channels of {dtype_name} "
                "can't be shown by every viewer; one channel, "
                "or three of uint8, always can.",
                UserWarning,
            )
        chosen = default_data_format() if data_format is None else DataFormat(data_format)
        box = (BoundingBox.empty() if bounding_box is None else checked_box(bounding_box)).normalize_axes(
            channels
        )
        common: dict[str, Any] = {
            "name": layer_name, "category": category, "bounding_box": box, "dtype": dtype_name,
            "num_channels": channels, "data_format": str(chosen), "mags": [],
        }  # fmt: skip
        properties: LayerProperties
        if category == "segmentation":
            properties = SegmentationLayerProperties(
                **common, largest_segment_id=whole_number(largest_segment_id), mappings=list(mappings or [])
            )
        elif largest_segment_id is not None or mappings:
            raise CategoryError(
                f"largest_segment_id and mappings belong to segmentation layers; {layer_name!r} is to be a color layer."
            )
        else:
            properties = LayerProperties(**common)
        for problem in registry.choose_backend(
            dataset.location.child(layer_name),
            data_format=str(chosen),
            mode="create",
            explicit=dataset.backend_for(chosen),
        ).warnings:
            warn_user(f"[WARNING] {problem.text}", UserWarning)
        from wkplug.properties import operations

        with creating.claimed_layer(dataset, layer_name):
            dataset.store.apply(operations.AddLayer(properties))
        return dataset._layer(layer_name)

    @older(**ADDING_LAYERS)
    def get_or_add_layer(
        self,
        layer_name: str,
        category: Category,
        *,
        dtype: Any = None,
        dtype_per_channel: Any = None,
        num_channels: int | None = None,
        data_format: FormatName | None = None,
        **further: Any,
    ) -> Layer:
        """Give the layer, added if need be; LayerMismatchError (an AssertionError) if it differs from what is asked.

        An existing layer's data format is not compared. `further` are `add_layer`'s other parameters.
        """
        dataset = self._as_dataset()
        if layer_name not in dataset.store.layer_names():
            # Another job that starts at the same time may add it first: then it is one that is there.
            with suppress(LayerExistsError):
                return dataset.add_layer(
                    layer_name,
                    category,
                    dtype=dtype,
                    dtype_per_channel=dtype_per_channel,
                    num_channels=num_channels,
                    data_format=data_format,
                    **further,
                )
            dataset.store.refresh()
        layer = dataset.get_layer(layer_name)
        for unknown in further.keys() - {"bounding_box", "largest_segment_id", "mappings"}:
            raise TypeError(f"get_or_add_layer() got an unexpected keyword argument {unknown!r}")
        if dtype is not None and dtype_per_channel is not None:
            raise ArgumentConflictError(
                "Both dtype and dtype_per_channel were given.", hint="Give dtype, the dtype of one channel."
            )
        wanted = dtype if dtype is not None else dtype_per_channel
        asked = {
            "category": category,
            "dtype": None if wanted is None else check_layer_dtype(category, wanted),
            "num_channels": num_channels,
        }
        found = {"category": layer.category, "dtype": layer.dtype.name, "num_channels": layer.num_channels}
        for what, value in asked.items():
            if value is not None and value != found[what]:
                raise LayerMismatchError(
                    f"The layer {layer_name!r} exists with {what}={found[what]!r}, but {value!r} was asked for.",
                    hint="Use dataset.get_layer to take it as it is, or choose another name.",
                )
        return layer

    def delete_layer(self, layer_name: str) -> None:
        """Take a layer off the list and delete its folder; of links only the link, of foreign mags nothing."""
        dataset = self._as_dataset()
        dataset.check_writable("its layers")
        creating.delete_layer(dataset.get_layer(layer_name))
        dataset._layers.pop(layer_name, None)

    def layer_was_renamed(self, old: str, new: str) -> None:
        """Follow a layer that got another name; for `Layer`."""
        dataset = self._as_dataset()
        layer = dataset._layers.pop(old, None)
        if layer is not None:
            dataset._layers[new] = layer
