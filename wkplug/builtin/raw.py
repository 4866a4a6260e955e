"""Raw files: nothing but voxels, whose shape and type somebody has to say.

They are never recognised by their bytes or names, so no reader is registered for them: whoever knows the layout
makes a `RawReader` of it, and opens files with that as with any other reader. Regions are read by their bytes alone,
here and elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np

from wkplug.abc import ImageInfo, ImageReader, ProbeScore
from wkplug.abc.arrays import ints
from wkplug.abc.files import check_scene
from wkplug.abc.flat import FlatImage, FlatVoxels
from wkplug.abc.specs import strings
from wkplug.errors import InvalidArgumentError, UnsupportedDtypeError

if TYPE_CHECKING:
    from wkplug.abc import Location

__all__ = ["RawImage", "RawLayout", "RawReader"]

_KIND = "raw voxels"
_USUAL_AXES = ("t", "c", "z", "y", "x")


def _usual_axes(layout: RawLayout) -> tuple[str, ...]:
    axes = _USUAL_AXES[-len(layout.shape) :] if layout.shape else ()
    return axes[::-1] if layout.order == "F" else axes


@attrs.frozen(kw_only=True)
class RawLayout:
    """What a raw file doesn't say of itself.

    shape, axes: in one order; axes are letters, by default the last of (t, c, z, y, x), turned round for order "F".
    dtype: numpy's name with the file's byte order (">u2"). order: "C" if the last axis varies fastest, "F" if the
    first does. offset: the byte where voxels begin. voxel_size: nanometres along (x, y, z), as far as known.

    InvalidArgumentError for lengths, axes or offsets that can't be, UnsupportedDtypeError for types that no layer
    holds.
    """

    shape: tuple[int, ...] = attrs.field(converter=ints)
    dtype: str = attrs.field(converter=str)
    order: Literal["C", "F"] = "C"
    offset: int = 0
    axes: tuple[str, ...] = attrs.field(
        default=attrs.Factory(_usual_axes, takes_self=True), converter=strings
    )
    voxel_size: tuple[float | None, float | None, float | None] = (None, None, None)

    def __attrs_post_init__(self) -> None:
        wrong = ""
        if not self.shape or any(length < 1 for length in self.shape):
            wrong = f"The shape {self.shape} of a raw file has no voxels."
        elif len(self.axes) != len(self.shape) or len(set(self.axes)) != len(self.axes) or "" in self.axes:
            wrong = f"The axes {', '.join(self.axes)} don't fit a raw file of the shape {self.shape}."
        elif self.order not in ("C", "F"):
            wrong = f"{self.order!r} is no order of axes."
        elif self.offset < 0:
            wrong = f"Voxels can't begin at byte {self.offset}."
        if wrong:
            raise InvalidArgumentError(
                wrong, hint='Give one length of at least 1 and one letter for each axis, order "C" or "F".'
            )
        self.numpy_dtype()

    def numpy_dtype(self) -> np.dtype[Any]:
        """The type of a voxel as it is stored."""
        try:
            dtype = np.dtype(self.dtype)
        except TypeError as error:
            raise UnsupportedDtypeError(
                f"{self.dtype!r} is no type of numpy.", hint='Say "uint16" or ">u2".'
            ) from error
        if dtype.kind not in "uif" or dtype.itemsize not in (1, 2, 4, 8) or dtype == np.float16:
            raise UnsupportedDtypeError(
                f"No layer can hold voxels of the type {dtype}.",
                hint="Integers and floats of 8 to 64 bits can be.",
            )
        return dtype


class RawReader(ImageReader):
    """Opens files of one layout."""

    def __init__(self, layout: RawLayout) -> None:
        self.layout = layout

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """Say no to every file: nothing in them says what they are."""
        del location, head
        return ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> RawImage:
        """Open a file; CorruptImageError if it is too short for the layout. There is one scene."""
        return RawImage(self, location, scene)


class RawImage(FlatImage):
    """One raw file, by the layout of its reader."""

    thread_safe = True

    def __init__(self, reader: RawReader, location: Location, scene: int = 0) -> None:
        super().__init__(reader, location, scene)
        check_scene(location, scene, 1)
        layout = reader.layout
        dtype = layout.numpy_dtype()
        voxels = FlatVoxels(
            location=location,
            what=_KIND,
            shape=layout.shape,
            dtype=dtype,
            offset=layout.offset,
            order=layout.order,
        )
        self.lay_out(voxels)
        planes = tuple(
            length if distance < 2 else 1
            for distance, length in enumerate(layout.shape[::-1] if layout.order == "C" else layout.shape)
        )
        self.info = ImageInfo(
            axes=layout.axes,
            shape=layout.shape,
            dtype=dtype.newbyteorder("=").name,
            voxel_size=layout.voxel_size,
            block_shape=planes[::-1] if layout.order == "C" else planes,
            notes=voxels.told_behind(),
        )
