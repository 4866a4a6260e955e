"""NIfTI-1, NIfTI-2 and Analyze 7.5 images: a header and one plain array, x varying fastest, in one file or in two.

Axes are (.., t, z, y, x), slowest first; a fifth dimension holds the values of a voxel and is "c". Where the header
scales values (scl_slope, scl_inter), they are scaled: stored numbers mean nothing without. Orientation (qform, sform)
is told and not applied. Complex voxels are refused: no layer holds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ImageInfo, ImageReader, ProbeScore
from wkplug.abc.files import check_scene, image_errors, unsupported_voxels
from wkplug.abc.flat import FlatImage, FlatVoxels, packing_of, read_head, unpacked_head
from wkplug.errors import MissingError, StorageError
from wkplug_medical.nifti_header import BYTES, Header, kind_of, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["NiftiImage", "NiftiReader"]

_KIND = "NIfTI"
_DTYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_COLOURS = {128: 3, 2304: 4}
_COMPLEX = {32, 1792, 2048}
_HEADS, _VOXELS = (".hdr", ".hdr.gz"), (".img", ".img.gz")


class NiftiReader(ImageReader):
    """Opens NIfTI files that hold header and voxels, and pairs of files by either name."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`; the voxels of a pair are told by the header beside them."""
        kind = _kind(head)
        if not kind and location.name.lower().endswith(_VOXELS):
            try:
                header = _beside(location, _HEADS)
                return (
                    ProbeScore.MAGIC if header is not None and _kind(header.read(0, 4096)) else ProbeScore.NO
                )
            except StorageError:
                return ProbeScore.NO
        if kind == "analyze":
            return ProbeScore.MAGIC if location.name.lower().endswith(_HEADS) else ProbeScore.NO
        return ProbeScore.MAGIC if kind else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> NiftiImage:
        """See `ImageReader.open`; there is one scene."""
        return NiftiImage(self, location, scene)


class NiftiImage(FlatImage):
    """One NIfTI file, or a pair of a header and its voxels."""

    thread_safe = True

    def __init__(self, reader: ImageReader, location: Location, scene: int = 0) -> None:
        super().__init__(reader, location, scene)
        check_scene(location, scene, 1)
        place = location
        if location.name.lower().endswith(_VOXELS):
            place = _beside(location, _HEADS) or location
        with image_errors(place, _KIND):
            head, packing = read_head(place, BYTES)
            header = parse(head)
            if header.apart and not place.name.lower().endswith(_HEADS):
                raise ValueError("it has no whole header with the mark n+1 or n+2")
        data = self._voxels_of(header, place)
        with image_errors(data, _KIND):
            if data != place:
                packing = packing_of(data.read(0, 3))
            voxels = self._described(header, place, data)
        self.lay_out(voxels, packing=packing, end_of_file=True)

    def _voxels_of(self, header: Header, place: Location) -> Location:
        if not header.apart:
            return place
        if place != self.location:
            return self.location
        found = _beside(place, _VOXELS)
        if found is None:
            raise MissingError(
                f"{place.url} is a header; the file with its voxels (.img) is not beside it.",
                hint="Copy both files into one folder, under one name.",
            )
        return found

    def _described(self, header: Header, place: Location, data: Location) -> FlatVoxels:
        dtype, samples = self._dtype(header.datatype)
        self._scaling = None if samples else header.scaling
        notes = header.notes
        self._result = dtype
        if self._scaling is not None:
            small = dtype.kind == "f" or dtype.itemsize <= 2
            self._result = np.dtype("f4" if small and dtype.itemsize < 8 else "f8")
            slope, intercept = self._scaling
            notes = (
                f"Values are scaled as the file says ({slope:g} x stored + {intercept:g}): {dtype.name} as stored, "
                f"{self._result.name} here.",
                *notes,
            )
        names, stored = header.axes[::-1], header.shape[::-1]
        if samples:
            names, stored = (*names, "s"), (*stored, samples)
        plane = min(len(stored), 3 if samples else 2)
        self.info = ImageInfo(
            axes=names,
            shape=stored,
            dtype=self._result.newbyteorder("=").name,
            voxel_size=header.voxel_size,
            photometric="rgb" if samples else "minisblack",
            companions=[each.name for each in (place, data) if each != self.location],
            affine=header.affine,
            block_shape=(1,) * (len(stored) - plane) + stored[-plane:],
            details={"version": header.version, "scaling": list(self._scaling or ())},
            notes=notes,
        )
        dtype = dtype.newbyteorder("<" if header.order == "<" else ">")
        return FlatVoxels(location=data, what=_KIND, shape=stored, dtype=dtype, offset=header.offset)

    def _dtype(self, code: int) -> tuple[np.dtype[Any], int]:
        """The type of a number, and how many make a voxel (0 for grey)."""
        if code in _COLOURS:
            return np.dtype("u1"), _COLOURS[code]
        if code in _DTYPES:
            return np.dtype(_DTYPES[code]), 0
        what = "complex voxels" if code in _COMPLEX else f"voxels of the type {code}"
        raise unsupported_voxels(self.location, what)

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        stored = super().read(box, level=level)
        if self._scaling is None:
            return stored
        slope, intercept = self._scaling
        with np.errstate(all="ignore"):  # damaged headers scale by anything
            return (stored.astype("f8") * slope + intercept).astype(self._result)


def _kind(head: bytes) -> str:
    return kind_of(unpacked_head(head, BYTES))


def _beside(location: Location, suffixes: tuple[str, ...]) -> Location | None:
    """The other file of a pair, in either case of letters."""
    name = location.name
    own = next((suffix for suffix in (*_HEADS, *_VOXELS)[::-1] if name.lower().endswith(suffix)), "")
    stem = name[: len(name) - len(own)]
    for suffix in suffixes:
        for spelled in (suffix, suffix.upper()):
            place = location.parent.child(stem + spelled)
            if place.exists():
                return place
    return None
