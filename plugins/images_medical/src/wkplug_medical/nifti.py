"""NIfTI-1 and NIfTI-2 images in one file (.nii, .nii.gz): a header and one plain array, x varying fastest.

Axes are (.., t, z, y, x), slowest first; a fifth dimension holds the values of a voxel and is "c". Where the header
scales values (scl_slope, scl_inter), they are scaled: stored numbers mean nothing without. Orientation (qform, sform)
is noted and not applied. Complex voxels are refused: no layer holds them.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ImageInfo, ImageReader, ProbeScore
from wkplug.abc.files import check_scene, image_errors, open_file
from wkplug.abc.flat import FlatImage, FlatVoxels, unpacked
from wkplug.errors import UnsupportedImageDataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["NiftiImage", "NiftiReader"]

_KIND = "NIfTI"
_GZIP = b"\x1f\x8b"
_BYTES = 540  # of the longer header
_DTYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_COLOURS = {128: 3, 2304: 4}
_COMPLEX = {32, 1792, 2048}
_NANOMETRES = {1: 1e9, 2: 1e6, 3: 1e3}  # units are numbers here: metre, millimetre, micrometre
_AXES = ("x", "y", "z", "t", "c", "q", "q2")


class NiftiReader(ImageReader):
    """Opens NIfTI files that hold header and voxels."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`."""
        del location
        if head.startswith(_GZIP):
            try:
                head = zlib.decompressobj(wbits=31).decompress(head, _BYTES)
            except zlib.error:
                return ProbeScore.NO
        return ProbeScore.MAGIC if _version(head) else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> NiftiImage:
        """See `ImageReader.open`; there is one scene."""
        return NiftiImage(self, location, scene)


class NiftiImage(FlatImage):
    """One NIfTI file."""

    thread_safe = True

    def __init__(self, reader: ImageReader, location: Location, scene: int = 0) -> None:
        super().__init__(reader, location, scene)
        check_scene(location, scene, 1)
        with image_errors(location, _KIND), open_file(location) as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            if packed:
                with unpacked(file, "gzip") as stream:
                    head = stream.read(_BYTES)
            else:
                head = file.read(_BYTES)
            voxels = self._parse(head)
        self.lay_out(voxels, packing="gzip" if packed else None)

    def _parse(self, head: bytes) -> FlatVoxels:
        version = _version(head)
        if not version or len(head) < (348 if version == 1 else _BYTES):
            raise ValueError("it has no whole header with the mark n+1 or n+2")
        order, fields = _fields(head, version)
        rank, *lengths = fields["dim"]
        if not 1 <= rank <= len(_AXES) or any(length < 1 for length in lengths[:rank]):
            raise ValueError(f"its dimensions are {fields['dim']}")
        axes, shape = _AXES[:rank], tuple(lengths[:rank])
        dtype, samples = self._dtype(fields["datatype"])
        offset = fields["offset"]
        if not math.isfinite(offset) or not 0 <= offset < 1 << 62:
            raise ValueError(f"its voxels begin at byte {offset}")
        factor = _NANOMETRES.get(fields["units"] & 7)
        sizes = {
            axis: size
            for axis, step in zip(axes, fields["pixdim"][1:], strict=False)
            if (size := _nanometres(step, factor)) is not None
        }
        self._slope, self._intercept = _scaling(fields["slope"], fields["intercept"], samples)
        scaled = self._slope is not None
        small = dtype.kind == "f" or dtype.itemsize <= 2
        self._result = np.dtype(("f4" if small and dtype.itemsize < 8 else "f8") if scaled else dtype)
        names, stored = axes[::-1], shape[::-1]
        if samples:
            names, stored = (*names, "s"), (*stored, samples)
        plane = min(len(stored), 3 if samples else 2)
        self.info = ImageInfo(
            axes=names,
            shape=stored,
            dtype=self._result.newbyteorder("=").name,
            voxel_size=(sizes.get("x"), sizes.get("y"), sizes.get("z")),
            photometric="rgb" if samples else "minisblack",
            block_shape=(1,) * (len(stored) - plane) + stored[-plane:],
            details={"version": version, "scaling": [self._slope, self._intercept] if scaled else []},
            notes=_notes(fields),
        )
        dtype = dtype.newbyteorder("<" if order == "<" else ">")
        return FlatVoxels(location=self.location, what=_KIND, shape=stored, dtype=dtype, offset=int(offset))

    def _dtype(self, code: int) -> tuple[np.dtype[Any], int]:
        """The type of a number, and how many make a voxel (0 for grey)."""
        if code in _COLOURS:
            return np.dtype("u1"), _COLOURS[code]
        if code in _DTYPES:
            return np.dtype(_DTYPES[code]), 0
        what = "complex voxels" if code in _COMPLEX else f"voxels of the type {code}"
        raise UnsupportedImageDataError(
            f"{self.location.url} has {what}, which no layer can hold.",
            self.location.url,
            hint="Convert the image to integers or floats of 8 to 64 bits.",
        )

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        stored = super().read(box, level=level)
        if self._slope is None:
            return stored
        with np.errstate(all="ignore"):  # damaged headers scale by anything
            return (stored.astype("f8") * self._slope + self._intercept).astype(self._result)


def _version(head: bytes) -> int:
    """1 or 2, 0 if these are not the first bytes of a NIfTI file."""
    if head[344:348] == b"n+1\0" and head[:4] in (b"\x5c\1\0\0", b"\0\0\1\x5c"):
        return 1
    if head[4:8] == b"n+2\0" and head[:4] in (b"\x1c\2\0\0", b"\0\0\2\x1c"):
        return 2
    return 0


def _fields(head: bytes, version: int) -> tuple[str, dict[str, Any]]:
    order = "<" if head[2:4] == b"\0\0" else ">"

    def take(layout: str, offset: int) -> Any:
        values = struct.unpack_from(order + layout, head, offset)
        return values[0] if len(values) == 1 else values

    if version == 1:
        places = {
            "dim": ("8h", 40), "datatype": ("h", 70), "pixdim": ("8f", 76), "offset": ("f", 108), "slope": ("f", 112),
            "intercept": ("f", 116), "units": ("B", 123), "qform": ("h", 252), "sform": ("h", 254),
        }  # fmt: skip
    else:
        places = {
            "dim": ("8q", 16), "datatype": ("h", 12), "pixdim": ("8d", 104), "offset": ("q", 168), "slope": ("d", 176),
            "intercept": ("d", 184), "units": ("i", 500), "qform": ("i", 344), "sform": ("i", 348),
        }  # fmt: skip
    return order, {name: take(*place) for name, place in places.items()}


def _scaling(slope: float, intercept: float, samples: int) -> tuple[float | None, float]:
    """Slope and intercept; None where values are as they are stored."""
    if samples or not math.isfinite(slope) or slope == 0 or not math.isfinite(intercept):
        return None, 0.0
    return (None, 0.0) if (slope, intercept) == (1, 0) else (slope, intercept)


def _nanometres(step: float, factor: float | None) -> float | None:
    if factor is None or not math.isfinite(step) or step <= 0 or not math.isfinite(step * factor):
        return None
    return step * factor


def _notes(fields: dict[str, Any]) -> tuple[str, ...]:
    named = [name for name in ("sform", "qform") if fields[name] > 0]
    if not named:
        return ()
    return (f"The file says how it lies in space ({' and '.join(named)}); that was not applied.",)
