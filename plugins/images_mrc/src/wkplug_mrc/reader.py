"""MRC images: a header and one plain array, packed by gzip or bzip2 where the file's first bytes say so.

Axes are those of MAPC, MAPR and MAPS, in the order in which voxels lie in the file: importing turns them, reading
does not. Values are the file's own: bytes have a sign unless IMOD or the
range of values say otherwise, half floats become float32, four-bit integers uint8. Complex voxels (transforms) are
refused: no layer holds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ImageInfo, ImageReader, ProbeScore
from wkplug.abc.files import check_scene, held_dtype, image_errors, unsupported_voxels
from wkplug.abc.flat import FlatImage, FlatVoxels, packing_of, read_head, unpacked_head
from wkplug_mrc.header import BYTES, byte_order, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location
    from wkplug_mrc.header import Header

__all__ = ["MrcImage", "MrcReader"]

_KIND = "MRC"
_COLOURS, _HALF, _FOUR_BITS = 16, 12, 101
_COMPLEX = (3, 4)
_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", _HALF: "f2", _COLOURS: "u1", _FOUR_BITS: "u1"}


class MrcReader(ImageReader):
    """Opens files with the header of MRC."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`; a file without the stamp "MAP " counts if its header makes sense."""
        del location
        if packing_of(head) == "bzip2":
            return ProbeScore.SUFFIX  # its first bytes can't be unpacked before many are there
        head = unpacked_head(head, BYTES)
        if byte_order(head) is None:
            return ProbeScore.NO
        return ProbeScore.MAGIC if head[208:211] == b"MAP" else ProbeScore.SUFFIX

    def open(self, location: Location, *, scene: int = 0) -> MrcImage:
        """See `ImageReader.open`; there is one scene."""
        return MrcImage(self, location, scene)


class MrcImage(FlatImage):
    """One MRC file."""

    thread_safe = True

    def __init__(self, reader: ImageReader, location: Location, scene: int = 0) -> None:
        super().__init__(reader, location, scene)
        check_scene(location, scene, 1)
        with image_errors(location, _KIND):
            head, packing = read_head(location, BYTES)
            header = parse(head)
        voxels, self.info = self._describe(header)
        self.lay_out(voxels, packing=packing, end_of_file=True)

    def _describe(self, header: Header) -> tuple[FlatVoxels, ImageInfo]:
        if header.mode in _COMPLEX:
            raise unsupported_voxels(
                self.location,
                f"complex voxels (mode {header.mode})",
                "It is a Fourier transform; transform it back, or store its magnitude.",
            )
        dtype = np.dtype(_DTYPES[header.mode])
        if not header.signed:
            dtype = np.dtype(f"u{dtype.itemsize}")
        axes, shape, stored = header.axes, header.shape, header.shape
        if header.mode == _COLOURS:
            axes, shape = (*axes, "s"), (*shape, 3)
            stored = shape
        if header.mode == _FOUR_BITS:
            stored = (*shape[:-1], (shape[-1] + 1) // 2)
        self._half, self._four_bits = header.mode == _HALF, header.mode == _FOUR_BITS
        voxels = FlatVoxels(
            location=self.location,
            what=_KIND,
            shape=stored,
            dtype=dtype.newbyteorder("<" if header.order == "<" else ">"),
            offset=header.offset,
        )
        plane = 3 if header.mode == _COLOURS else 2
        held, widened = held_dtype(self.location, dtype)
        info = ImageInfo(
            axes=axes,
            shape=shape,
            dtype=held,
            voxel_size=header.voxel_size,
            origin=header.origin,
            photometric="rgb" if header.mode == _COLOURS else "minisblack",
            block_shape=(1,) * (len(shape) - plane) + shape[-plane:],
            details=header.details,
            notes=(*header.notes, *widened),
        )
        return voxels, info

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        if not self._four_bits:
            voxels = super().read(box, level=level)
            return voxels.astype("f4") if self._half else voxels
        start, lengths = self.info.box() if box is None else box
        # Two in a byte, the first in its low half; rows begin with a byte of their own.
        first, stop = start[-1] // 2, (start[-1] + lengths[-1] + 1) // 2
        pairs = super().read(((*start[:-1], first), (*lengths[:-1], stop - first)))
        voxels = np.stack([pairs & 15, pairs >> 4], -1).reshape(*pairs.shape[:-1], -1)
        low = start[-1] - 2 * first
        return np.ascontiguousarray(voxels[..., low : low + lengths[-1]])
