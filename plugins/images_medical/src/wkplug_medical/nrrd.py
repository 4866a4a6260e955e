"""NRRD images: a header of text, and one plain array behind it or in a file beside it (.nhdr), raw or packed.

Axes are named by the header's kinds, slowest first. Voxel sizes come from spacings or space directions, where their
unit is a length, or the space is a patient's. Orientation is told and not applied. Text encodings and voxels in several
files are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from wkplug.abc import ImageInfo, ImageReader, ProbeScore
from wkplug.abc.files import check_scene, image_errors, open_file
from wkplug.abc.flat import FlatImage, FlatVoxels, Packing
from wkplug.errors import UnsupportedImageDataError
from wkplug_medical.nrrd_header import NrrdHeader, UnsupportedError, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import Location

__all__ = ["NrrdImage", "NrrdReader"]

_KIND = "NRRD"
_LONGEST_SKIP = 1 << 20


class NrrdReader(ImageReader):
    """Opens files that begin with NRRD."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`."""
        del location
        return ProbeScore.MAGIC if head.startswith(b"NRRD00") else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> NrrdImage:
        """See `ImageReader.open`; there is one scene."""
        return NrrdImage(self, location, scene)


class NrrdImage(FlatImage):
    """One NRRD file, with the file beside it that holds its voxels where there is one."""

    thread_safe = True

    def __init__(self, reader: ImageReader, location: Location, scene: int = 0) -> None:
        super().__init__(reader, location, scene)
        check_scene(location, scene, 1)
        with image_errors(location, _KIND):
            with open_file(location) as file:
                header = self._parsed(file)
            data = location.parent.child(header.data_file) if header.data_file else location
            start = self._start(data, header)
            packed = header.encoding != "raw"
            length = FlatVoxels(location=data, what=_KIND, shape=header.shape, dtype=header.dtype).stop
            if header.byte_skip < -1 or (packed and header.byte_skip == -1):
                raise ValueError(f"it skips {header.byte_skip} bytes")
            offset = (0 if packed else start) + max(0, header.byte_skip)
            if header.byte_skip == -1:
                offset = max(start, data.size() - length)
        planes = 3 if header.axes[-1] == "s" else 2
        rank = len(header.shape)
        self.info = ImageInfo(
            axes=header.axes,
            shape=header.shape,
            dtype=header.dtype.newbyteorder("=").name,
            voxel_size=header.voxel_size,
            photometric=header.photometric,
            block_shape=(1,) * max(0, rank - planes) + header.shape[-min(rank, planes) :],
            details={"encoding": header.encoding, "data_file": header.data_file, "space": header.space},
            affine=header.affine,
            companions=[header.data_file] if header.data_file and "/" not in header.data_file else [],
            notes=header.notes,
        )
        voxels = FlatVoxels(location=data, what=_KIND, shape=header.shape, dtype=header.dtype, offset=offset)
        packing = cast("Packing", header.encoding) if packed else None
        self.lay_out(voxels, packing=packing, packed_from=start, end_of_file=True)

    def _parsed(self, file: Any) -> NrrdHeader:
        try:
            return parse(file)
        except UnsupportedError as error:
            raise UnsupportedImageDataError(
                f"{self.location.url} has {error}, which is not supported.",
                self.location.url,
                hint="Save it again as integers or floats, raw or gzip, in one file.",
            ) from error

    def _start(self, data: Location, header: NrrdHeader) -> int:
        """The byte where the data begin, lines that are to be skipped taken off."""
        start = header.start if not header.data_file else 0
        if header.line_skip == 0:
            return start
        lines = data.read(start, start + _LONGEST_SKIP).split(b"\n")
        if not 0 < header.line_skip < len(lines):
            raise ValueError(f"it skips {header.line_skip} lines, which are not there")
        return start + sum(len(line) + 1 for line in lines[: header.line_skip])
