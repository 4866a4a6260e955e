"""`ome-tiff`: one OME-TIFF file, its planes tiled and compressed, with coarser versions of each as SubIFDs.

The layout is that of the OME-TIFF specification 6.0 ("Sub-resolutions"): viewers such as Bio-Formats, QuPath and
napari open the resolution that they need. OME knows the dimensions x, y, z, c and t, and integers up to 32 bits.
Red, green and blue of 8 bits are samples of one channel, so that they come back as one layer.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from wkplug.abc import Exporter
from wkplug.errors import ExportError
from wkplug_tiff.exporting import ReadPiece, check_options, check_planes, least, length_of, pixel_size, slabs
from wkplug_tiff.segments import Encode, planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wkplug.abc import ExportLevel, ExportVolume, Least, Location

__all__ = ["OmeTiffExporter"]

_AXES = "tczyx"
_DTYPES = frozenset({"uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"})
_TILE = 512


class OmeTiffExporter(Exporter):
    """Writes one pyramidal OME-TIFF."""

    pyramid: ClassVar[Literal["xyz", "xy", ""]] = "xy"

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def write(self, source: ExportVolume, target: Location, options: Mapping[str, Any]) -> None:
        """See `Exporter.write`; there are no options."""
        check_options("OME-TIFF", options, ())
        check_planes("OME-TIFF", source)
        others = [axis for axis in source.axes if axis not in _AXES]
        if others:
            raise ExportError(
                f"OME-TIFF has the axes x, y, z, c and t; the layer {source.name!r} has {', '.join(others)}, too.",
                hint="A TIFF stack (tiff_stack) or OME-Zarr (ozx) can hold it.",
            )
        if source.dtype not in _DTYPES:
            raise ExportError(
                f"OME-TIFF can't hold {source.dtype}; the layer {source.name!r} has it.",
                hint="Export with tiff_stack or ozx, or copy the layer to a dtype of 32 bits first.",
            )
        import tifffile

        first, *coarser = source.levels
        place = str(target.local_path())
        folder = os.path.dirname(place)  # noqa: PTH120 - the place is text
        with tifffile.TiffWriter(place, bigtiff=True, byteorder="<", ome=True) as file:
            self._write(file, source, first, folder, metadata=_metadata(source, first), subifds=len(coarser))
            for level in coarser:
                self._write(file, source, level, folder, subfiletype=1)

    def drops(self, source: ExportVolume, options: Mapping[str, Any]) -> frozenset[str]:
        """See `Exporter.drops`; positions of planes are those of a stage, which few readers apply."""
        del options
        return frozenset({"place", "color"} if source.num_channels > 1 else {"place"})

    def least(self, source: ExportVolume, options: Mapping[str, Any]) -> Least:
        """See `Exporter.least`."""
        del options
        return least(source, source.levels, files=1, compressed=True)

    @staticmethod
    def _write(file: Any, volume: ExportVolume, level: ExportLevel, folder: str, **more: Any) -> None:
        size_x, size_y, _ = pixel_size(volume, level)
        shape = tuple(length_of(volume, level, axis) for axis in _axes(volume))
        tile = _tile_of(length_of(volume, level, "y"), length_of(volume, level, "x"))
        if _is_rgb(volume):
            more |= {"photometric": "rgb", "planarconfig": "contig"}
        file.write(
            _tiles(volume, level, tile, folder),
            shape=shape,
            dtype=volume.dtype,
            tile=tile,
            compression="zlib",
            resolution=(1e7 / size_x, 1e7 / size_y),
            resolutionunit="CENTIMETER",
            **{"photometric": "minisblack", **more},
        )


def _is_rgb(volume: ExportVolume) -> bool:
    """Whether the channels are the colours of one picture, which OME has as samples of one channel."""
    return volume.category == "color" and volume.dtype == "uint8" and volume.num_channels == 3


def _axes(volume: ExportVolume) -> str:
    """The dimensions of the file; "c" at the end are red, green and blue."""
    return "tzyxc" if _is_rgb(volume) else _AXES


def _tile_of(height: int, width: int) -> tuple[int, int]:
    """TIFF wants multiples of 16; small planes get small tiles."""
    down, across = (min(_TILE, -(-length // 16) * 16) for length in (height, width))
    return down, across


def _tiles(volume: ExportVolume, level: ExportLevel, tile: tuple[int, int], folder: str) -> Iterator[bytes]:
    """Give the encoded tiles of all planes in the order t, c, z, then down and across; made ahead of the writing."""
    rgb = _is_rgb(volume)
    others = [axis for axis in (("t",) if rgb else ("t", "c")) if axis in volume.axes]
    parts = tuple(slabs(volume, level, others, rows=tile[0], columns=tile[1]))
    encode = Encode(ReadPiece(level, volume.axes, channels=rgb), tile, filled=True)
    encoded = volume.map(encode, (piece for slab in parts for piece in slab.pieces))
    return itertools.chain.from_iterable(planes(parts, encoded, folder))


def _metadata(volume: ExportVolume, level: ExportLevel) -> dict[str, Any]:
    known: dict[str, Any] = {
        "axes": "TZYXS" if _is_rgb(volume) else _AXES.upper(),
        "Name": volume.name,
    }
    for axis, size in zip("XYZ", pixel_size(volume, level), strict=True):
        known |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "nm"}
    if volume.color is not None and volume.num_channels == 1:
        # OME's colour is a signed number: red, green, blue and alpha, a byte each.
        known["Channel"] = {"Color": int.from_bytes([*volume.color, 255], "big", signed=True)}
    if any(volume.place):
        known["Plane"] = _positions(volume, level)
    return known


def _positions(volume: ExportVolume, level: ExportLevel) -> dict[str, list[Any]]:
    """Where each plane lies in the dataset, in the order of the file; sections change fastest."""
    x, y, z = volume.place
    sections = length_of(volume, level, "z")
    others = length_of(volume, level, "t") * (1 if _is_rgb(volume) else length_of(volume, level, "c"))
    heights = [z + number * pixel_size(volume, level)[2] for number in range(sections)] * others
    planes: dict[str, list[Any]] = {
        "PositionX": [x] * len(heights),
        "PositionY": [y] * len(heights),
        "PositionZ": heights,
    }
    return planes | {f"{name}Unit": ["nm"] * len(heights) for name in planes}
