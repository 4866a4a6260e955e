"""Zarr arrays of dtypes that layers can't have, bool and float16.

Imports get them as they are, and convert them as those of files (`UnusualImage`). Arrays of datasets are read with
their values widened, which loses nothing, and never written (`WidenedArray`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NoReturn

import attrs

from wkplug.abc import Array, Image, ImageInfo
from wkplug.errors import UnsupportedOperationError
from wkplug_zarr.headers import METADATA_FILES, check_document, read_document

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import ArraySpec, Box, Location
    from wkplug_zarr.headers import Header

__all__ = ["UnusualImage", "WidenedArray", "unusual_dtype", "unusual_header"]

WIDENED = {"bool": "uint8", "float16": "float32"}
"""What holds all values of each."""

_STAND_INS = {"bool": ("uint8", "|u1"), "float16": ("int16", "<i2")}
"""Dtypes of the same size that the metadata are checked with; their names in Zarr v3 and v2."""


def unusual_dtype(location: Location, zarr_format: int) -> str | None:
    """Name the dtype of an array if it is one of those; None for all others. MissingError if there is no array."""
    document = read_document(location.child(METADATA_FILES[zarr_format]))
    if zarr_format == 3:
        found = document.get("data_type")
        return found if isinstance(found, str) and found in _STAND_INS else None
    code = document.get("dtype")
    known = {"b1": "bool", "f2": "float16"}
    return known.get(code[1:]) if isinstance(code, str) else None


def unusual_header(location: Location, zarr_format: int, dtype: str) -> Header:
    """Check the metadata of an array of that dtype, and give it with that."""
    place = location.child(METADATA_FILES[zarr_format])
    document = read_document(place)
    key = "data_type" if zarr_format == 3 else "dtype"
    own, fill = document[key], document.get("fill_value")
    stand_in = _STAND_INS[dtype][0 if zarr_format == 3 else 1]
    header = check_document({**document, key: stand_in, "fill_value": 0}, place.url, zarr_format)
    whole = {**header.document, key: own, "fill_value": fill}
    return attrs.evolve(header, document=whole, dtype=dtype)


class WidenedArray(Array):
    """One array of a dataset, opened for reading; see the module."""

    def __init__(self, location: Location, zarr_format: int, axes: tuple[str, ...] | None) -> None:
        from wkplug_zarr.arrays import ZarrArray

        self._made_of = location, zarr_format, axes
        self.stored_dtype = unusual_dtype(location, zarr_format) or "bool"
        header = unusual_header(location, zarr_format, self.stored_dtype)
        self._stored = ZarrArray(location, zarr_format, "r", axes, header)
        self.format, self.backend = self._stored.format, self._stored.backend
        self.spec: ArraySpec = attrs.evolve(self._stored.spec, dtype=WIDENED[self.stored_dtype])

    def __reduce__(self) -> tuple[Any, ...]:
        return (WidenedArray, self._made_of)

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """See `Array.read`."""
        stored = self._stored.read(box, missing=missing)
        if out is None:
            return stored.astype(self.spec.dtype, order="K")
        out[...] = stored
        return out

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Refuse it."""
        del box, data
        self._refuse()

    def resize(self, shape: tuple[int | None, ...]) -> None:
        """Refuse it."""
        del shape
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UnsupportedOperationError(
            f"The array at {self._made_of[0].url} stores {self.stored_dtype}, which is read as {self.spec.dtype}, "
            "but never written.",
            hint="Copy the layer, which stores the values that are read, and change the copy.",
        )

    def stored_boxes(self) -> Any:
        """See `Array.stored_boxes`."""
        return self._stored.stored_boxes()

    def looks_into(self, key: str) -> bool | None:
        """See `Array.looks_into`."""
        return self._stored.looks_into(key)

    def close(self) -> None:
        """See `Array.close`."""
        self._stored.close()

    def native_handle(self) -> Any:
        """Give a `zarr.Array` of the dtype that is stored."""
        return self._stored.native_handle()


class UnusualImage(Image):
    """One array, read through zarr-python."""

    thread_safe = True

    def __init__(self, location: Location, zarr_format: int, axes: tuple[str, ...]) -> None:
        from wkplug_zarr.arrays import ZarrArray

        self._made_of = location, zarr_format, axes
        dtype = unusual_dtype(location, zarr_format) or "bool"
        header = unusual_header(location, zarr_format, dtype)
        self._array = self.array = ZarrArray(location, zarr_format, "r", axes, header)
        spec = self._array.spec
        shape = tuple(length or 0 for length in spec.shape)
        self.info = ImageInfo(
            axes=spec.axes,
            shape=shape,
            dtype=dtype,
            block_shape=tuple(map(min, spec.chunk_shape, shape)),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (UnusualImage, self._made_of)

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        del level
        whole = ((0,) * len(self.info.shape), self.info.shape)
        return self._array.read(whole if box is None else box)
