"""Bio-Formats, the reader of last resort: more than a hundred formats, one Java reader for each opened image.

Files are read one by one: Bio-Formats would group files whose names look alike. Axes are in the file's order as
Bio-Formats tells it (t, z, c in some order, then y, x, and s for colours). Series are scenes. A size of exactly
1 micrometre counts as unknown, because that is what Bio-Formats says of files that don't say.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ImageInfo, ImageReader, ProbeScore, StoredImage
from wkplug.abc.files import check_scene, local_path, unsupported_voxels
from wkplug.abc.images import by_frames
from wkplug.errors import UnsupportedImageFormatError, WkplugError
from wkplug_bioformats import java

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["BioFormatsImage", "BioFormatsReader"]

_TYPES = {"float": "float32", "double": "float64", "bit": "uint8"}
_LARGEST = (1 << 31) - 1  # bytes of a Java array
_DOUBT = (
    "Bio-Formats gives a size of 1 µm, which it also gives to files that have none; it is taken for unknown."
)


class BioFormatsReader(ImageReader):
    """Opens whatever Bio-Formats opens. The setting `jar` is the path of bioformats_package.jar."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self._jar: str | None = (settings or {}).get("jar")

    def start(self) -> java.Java:
        """Start Java if need be; PluginMissingError if it or the jar is not there."""
        return java.start(self._jar)

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`: asks Bio-Formats; NO without Java or the jar."""
        path = location.local_path()
        if not head or path is None or java.find_jar(self._jar) is None:
            return ProbeScore.NO
        try:
            # The name counts, too: Bio-Formats takes some files by their suffix alone.
            found = self.start().formats.ImageReader().isThisType(path, True)  # noqa: FBT003  # Java's signature
        except WkplugError:
            return ProbeScore.NO
        except Exception:  # noqa: BLE001  # one of its many readers failed at what it was shown
            return ProbeScore.NO
        return ProbeScore.SUFFIX if found else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> BioFormatsImage:
        """See `ImageReader.open`; scenes are series."""
        return BioFormatsImage(self, location, scene)


class BioFormatsImage(StoredImage):
    """One series of a file."""

    what = "a file of Bio-Formats"
    thread_safe = False
    reader: BioFormatsReader

    def open_file(self) -> Any:
        """Open the file by a Java reader of its own."""
        self._java = self.reader.start()
        path = local_path(self.location, "Bio-Formats")
        file = self._java.formats.ImageReader()
        self.closing.callback(file.close)
        file.setGroupFiles(False)
        file.setFlattenedResolutions(False)
        file.setMetadataStore(self._java.formats.MetadataTools.createOMEXMLMetadata())
        try:
            file.setId(path)
        except Exception as error:
            if "UnknownFormatException" in type(error).__name__:
                raise UnsupportedImageFormatError(
                    f"Bio-Formats doesn't know the format of {self.location.url}.", self.location.url
                ) from error
            raise
        check_scene(self.location, self.scene, int(file.getSeriesCount()))
        file.setSeries(self.scene)
        return file

    def describe(self, file: Any) -> ImageInfo:
        """Say what the series is."""
        store = file.getMetadataStore()
        kind = str(self._java.formats.FormatTools.getPixelTypeString(file.getPixelType()))
        dtype = _TYPES.get(kind, kind)
        if dtype not in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"):
            raise unsupported_voxels(self.location, f"samples of the type {kind}")
        self._samples = int(file.getRGBChannelCount())
        self._order = [axis.lower() for axis in reversed(str(file.getDimensionOrder())) if axis not in "XY"]
        shapes = []
        for level in range(int(file.getResolutionCount())):
            file.setResolution(level)
            lengths = {"z": file.getSizeZ(), "c": file.getEffectiveSizeC(), "t": file.getSizeT()}
            plane = (
                int(file.getSizeY()),
                int(file.getSizeX()),
                *((self._samples,) if self._samples > 1 else ()),
            )
            shapes.append((*(int(lengths[axis]) for axis in self._order), *plane))
        file.setResolution(0)
        lengths = dict(zip(self._order, shapes[0], strict=False))
        tile = (
            min(int(file.getOptimalTileHeight()), shapes[0][3]),
            min(int(file.getOptimalTileWidth()), shapes[0][4]),
        )
        size, doubtful = self._voxel_size(store)
        names = [str(store.getChannelName(self.scene, channel) or "") for channel in range(lengths["c"])]
        series = range(int(file.getSeriesCount()))
        return ImageInfo(
            axes=(*self._order, "y", "x", *(("s",) if self._samples > 1 else ())),
            shape=shapes[0],
            dtype=dtype,
            voxel_size=size,
            photometric="rgb" if self._samples in (3, 4) else "",
            channel_names=tuple(names) if any(names) and self._samples == 1 else (),
            levels=len(shapes),
            level_shapes=shapes,
            scenes=tuple(str(store.getImageName(each) or f"series {each}") for each in series)
            if len(series) > 1
            else (),
            block_shape=(1, 1, 1, *tile, *shapes[0][5:]),
            details={"format": str(file.getFormat())},
            notes=(_DOUBT,) if doubtful else (),
        )

    def _voxel_size(self, store: Any) -> tuple[tuple[float | None, float | None, float | None], bool]:
        """Nanometres along x, y, z, and whether a size was left out because it may be invented."""
        units = self._java.ome.units.UNITS
        found: list[float | None] = []
        doubtful = False
        for axis in "XYZ":
            length = getattr(store, f"getPixelsPhysicalSize{axis}")(self.scene)
            value = None if length is None else length.value(units.MICROMETER)
            number = 0.0 if value is None else float(value)
            invented = number == 1.0  # see _DOUBT
            doubtful |= invented
            found.append(number * 1e3 if 0 < number < math.inf and not invented else None)
        return (found[0], found[1], found[2]), doubtful

    def read_box(self, file: Any, box: Box, level: int) -> NDArray[Any]:
        """Read parts of the planes that a region touches."""
        file.setResolution(level)
        start, extent = box

        def part(place: tuple[int, ...], region: tuple[slice, ...]) -> Any:
            at = dict(zip(self._order, place, strict=True))
            number = file.getIndex(at["z"], at["c"], at["t"])
            plane = self._plane(file, number, start[3:5], extent[3:5])
            return plane[..., region[2]] if self._samples > 1 else plane[..., 0]

        return by_frames(box, 3, self.info.dtype, part)

    def _plane(self, file: Any, number: int, start: tuple[int, ...], extent: tuple[int, ...]) -> NDArray[Any]:
        """Give a part of a plane as (y, x, samples), in as many pieces as Java's arrays need."""
        dtype = np.dtype(self.info.dtype).newbyteorder("<" if file.isLittleEndian() else ">")
        (top, left), (height, width) = start, extent
        rows = max(1, _LARGEST // max(1, width * self._samples * dtype.itemsize))
        result = np.empty((height, width, self._samples), dtype)
        for first in range(0, height, rows):
            count = min(rows, height - first)
            data = np.asarray(file.openBytes(number, left, top + first, width, count)).view(dtype)
            if file.isInterleaved():
                result[first : first + count] = data.reshape(count, width, self._samples)
            else:
                result[first : first + count] = data.reshape(self._samples, count, width).transpose(1, 2, 0)
        return result
