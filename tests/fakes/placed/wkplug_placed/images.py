"""The reader: files are JSON, with facts of `ImageInfo` beside the value of all pixels ("value", one per scene)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import Image, ImageInfo, ImageReader, PickleByReopening

if TYPE_CHECKING:
    from wkplug.abc import Box, Location


class PlacedReader(ImageReader):
    """Opens the files."""

    def __init__(self, settings: Any = None) -> None:
        del settings

    def open(self, location: Location, *, scene: int = 0) -> PlacedImage:
        """See `ImageReader.open`."""
        return PlacedImage(self, location, scene)


class PlacedImage(PickleByReopening, Image):
    """An image of 8 x 8 pixels (or "shape", one per scene) of one value."""

    def __init__(self, reader: ImageReader, location: Location, scene: int = 0) -> None:
        super().__init__(reader, location, scene)
        facts = json.loads(location.read())
        values = facts.pop("value")
        shapes = facts.pop("shape", [[8, 8]])
        shape = tuple(shapes[scene % len(shapes)])
        self.value = values[scene] if isinstance(values, list) else values
        self.info = ImageInfo(axes=("z", "y", "x")[-len(shape) :], shape=shape, dtype="uint8", **facts)

    def read(self, box: Box | None = None, *, level: int = 0) -> Any:
        """See `Image.read`."""
        del level
        return np.full(self.info.shape if box is None else box[1], self.value, "uint8")
