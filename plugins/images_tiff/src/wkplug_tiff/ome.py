"""`ome-tiff`: one OME-TIFF file, its planes tiled and compressed, with coarser versions of each as SubIFDs.

The layout is that of the OME-TIFF specification 6.0 ("Sub-resolutions"): viewers such as Bio-Formats, QuPath and
napari open the resolution that they need. OME knows the dimensions x, y, z, c and t, and integers up to 32 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from wkplug.abc import Exporter
from wkplug.errors import ExportError
from wkplug_tiff.exporting import ReadSlab, check_options, check_planes, length_of, pixel_size, slabs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import ExportLevel, ExportVolume, Location

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
        with tifffile.TiffWriter(str(target.local_path()), bigtiff=True, ome=True) as file:
            self._write(file, source, first, metadata=_metadata(source, first), subifds=len(coarser))
            for level in coarser:
                self._write(file, source, level, subfiletype=1)

    @staticmethod
    def _write(file: Any, volume: ExportVolume, level: ExportLevel, **more: Any) -> None:
        size_x, size_y, _ = pixel_size(volume, level)
        shape = tuple(length_of(volume, level, axis) for axis in _AXES)
        file.write(
            _tiles(volume, level),
            shape=shape,
            dtype=volume.dtype,
            tile=_tile_of(shape),
            photometric="minisblack",
            compression="zlib",
            resolution=(1e7 / size_x, 1e7 / size_y),
            resolutionunit="CENTIMETER",
            **more,
        )


def _tile_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """TIFF wants multiples of 16; small planes get small tiles."""
    height, width = (min(_TILE, -(-length // 16) * 16) for length in shape[-2:])
    return height, width


def _tiles(volume: ExportVolume, level: ExportLevel) -> Iterator[NDArray[Any]]:
    """Give the tiles of all planes in the order t, c, z, then down and across; read in slabs, ahead of the writing."""
    others = [axis for axis in ("t", "c") if axis in volume.axes]
    height, width = _tile_of((length_of(volume, level, "y"), length_of(volume, level, "x")))
    read = ReadSlab(level, volume.axes, channels=False)
    for slab in volume.map(read, slabs(volume, level, others)):
        for plane in slab:
            for top in range(0, plane.shape[0], height):
                for left in range(0, plane.shape[1], width):
                    yield plane[top : top + height, left : left + width]


def _metadata(volume: ExportVolume, level: ExportLevel) -> dict[str, Any]:
    known: dict[str, Any] = {"axes": _AXES.upper(), "Name": volume.name}
    for axis, size in zip("XYZ", pixel_size(volume, level), strict=True):
        known |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "nm"}
    return known
