"""Zarr arrays of dtypes that layers can't have, bool and float16, for imports, which convert them as those of files.

Arrays of datasets never come here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug.abc import Image, ImageInfo
from wkplug_zarr.headers import METADATA_FILES, check_document, read_document

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["UnusualImage", "unusual_dtype"]

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


class UnusualImage(Image):
    """One array, read through zarr-python."""

    thread_safe = True

    def __init__(self, location: Location, zarr_format: int, axes: tuple[str, ...]) -> None:
        from wkplug_zarr.arrays import ZarrArray

        self._made_of = location, zarr_format, axes
        dtype = unusual_dtype(location, zarr_format) or "bool"
        place = location.child(METADATA_FILES[zarr_format])
        document = read_document(place)
        key = "data_type" if zarr_format == 3 else "dtype"
        own, fill = document[key], document.get("fill_value")
        stand_in = _STAND_INS[dtype][0 if zarr_format == 3 else 1]
        header = check_document({**document, key: stand_in, "fill_value": 0}, place.url, zarr_format)
        whole = {**header.document, key: own, "fill_value": fill}
        header = attrs.evolve(header, document=whole, dtype=dtype)
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
