"""Every bioio reader that is installed, for files that no reader of wkplug takes.

Readers are found by their entry points, as bioio finds them, and tried in the order of how well they fit: the
longest suffix, then the reader that claims the fewest. Scenes and levels are bioio's, voxels come through dask and only
those of a region are computed, mosaics are put together where the reader can. A voxel size counts with its unit only,
which few readers give. Files are read from local paths.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ImageInfo, ImageReader, ProbeScore, StoredImage, nanometres
from wkplug.abc.files import check_scene, corrupt_image, held_dtype, local_path, quietly, reason_of
from wkplug.abc.images import region_of
from wkplug.errors import PluginMissingError, UnsupportedImageFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["BioioImage", "BioioReader"]

_GROUP = "bioio.readers"
_TILES = "M"


class BioioReader(ImageReader):
    """Opens whatever the installed bioio readers open."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`: goes by the suffix; NO without bioio readers."""
        if not head or location.local_path() is None or not metadata.entry_points(group=_GROUP):
            return ProbeScore.NO
        return ProbeScore.SUFFIX if _readers(location.name) else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> BioioImage:
        """See `ImageReader.open`. PluginMissingError if no bioio reader is installed."""
        return BioioImage(self, location, scene)


class BioioImage(StoredImage):
    """One scene of a file that a bioio reader opened."""

    what = "a file of bioio"
    quiet = True
    # In turns: a bioio reader has a current scene and a current level.

    def open_file(self) -> Any:
        """Let the readers try, the best fit first."""
        path = local_path(self.location, "bioio")
        if not metadata.entry_points(group=_GROUP):
            raise PluginMissingError(
                "The reader 'bioio' needs a reader of bioio, but none is installed.",
                hint="pip install bioio-tifffile, bioio-nd2, bioio-lif... see bioio's documentation",
            )
        readers = _readers(path)
        if not readers:
            raise UnsupportedImageFormatError(
                f"No installed bioio reader takes {self.location.url}.", self.location.url,
                hint="bioio chooses by the suffix; rename the file, or install the reader.",
            )  # fmt: skip
        failures = []
        for name, kind in readers:
            try:
                file = kind.get_reader()(path)
            except Exception as error:  # noqa: BLE001  # readers fail in any way; the next may open the file
                failures.append(f"{name}: {reason_of(error)}")
            else:
                self._levels: dict[int, Any] = {}
                self.closing.callback(self._levels.clear)
                return file
        raise corrupt_image(self.location, self.what, "; ".join(failures))

    def describe(self, file: Any) -> ImageInfo:
        """Say what the scene is."""
        scenes = tuple(str(name) for name in file.scenes)
        check_scene(self.location, self.scene, len(scenes))
        arrays = [self._level(file, level) for level in range(len(file.resolution_levels))]
        axes = tuple(str(name).lower() for name in arrays[0].dims)
        same = [array for array in arrays if array.dims == arrays[0].dims]
        dtype = arrays[0].dtype
        held, notes = held_dtype(self.location, dtype)
        shape = arrays[0].shape
        samples = shape[axes.index("s")] if "s" in axes else 1
        channels = shape[axes.index("c")] if "c" in axes else 1
        names = tuple(str(name) for name in file.channel_names or ())
        if "m" in axes:
            notes = (*notes, "The tiles of this mosaic are an axis (m): its reader can't put them together.")
        return ImageInfo(
            axes=axes,
            shape=shape,
            dtype=held,
            voxel_size=_voxel_size(file),
            photometric="rgb" if samples in (3, 4) else "",
            channel_names=names if samples == 1 and len(names) == channels else (),
            channel_colors=_colors(file, self.scene, channels) if samples == 1 else (),
            levels=len(same),
            level_shapes=[array.shape for array in same],
            scenes=scenes if len(scenes) > 1 else (),
            block_shape=arrays[0].data.chunksize,
            details={"reader": type(file).__module__.partition(".")[0]},
            notes=notes,
        )

    def _level(self, file: Any, level: int) -> Any:
        """The lazy array of a level."""
        if level not in self._levels:
            file.set_scene(self.scene)
            if level != file.current_resolution_level:
                file.set_resolution_level(level)
            array = file.xarray_dask_data
            if _TILES in array.dims:
                with suppress(NotImplementedError):
                    array = file.mosaic_xarray_dask_data
            self._levels[level] = array
        return self._levels[level]

    def read_box(self, file: Any, box: Box, level: int) -> NDArray[Any]:
        """Compute a region."""
        array = self._level(file, level).data[region_of(box)]
        # In this thread: who imports with many threads or processes has chosen how many.
        voxels = np.asarray(array.compute(scheduler="synchronous"))
        return voxels.astype(self.info.dtype, copy=True)


def _readers(name: str) -> list[tuple[str, Any]]:
    """The entry points that claim the suffix, the best fit first, with their metadata classes."""
    found = []
    for point in metadata.entry_points(group=_GROUP):
        try:
            with quietly():
                loaded = point.load()
            kind = getattr(loaded, "ReaderMetadata", loaded)
            suffixes = {f".{each.lower().lstrip('.')}" for each in kind.get_supported_extensions()}
        except Exception:  # noqa: BLE001, S112  # a reader that is broken is as if it weren't there
            continue
        longest = max((len(suffix) for suffix in suffixes if name.lower().endswith(suffix)), default=0)
        if longest:
            found.append((-longest, len(suffixes), point.name, kind))
    return [(each[2], each[3]) for each in sorted(found, key=lambda each: each[:3])]


def _colors(file: Any, scene: int, count: int) -> tuple[tuple[int, int, int] | None, ...]:
    """The colours of the file's OME metadata, where its reader has such."""
    try:
        channels = file.ome_metadata.images[scene].pixels.channels
        # A colour that isn't there is white by the schema's default.
        found = [
            tuple(each.color.as_rgb_tuple(alpha=False)) if "color" in each.model_fields_set else None
            for each in channels
        ]
    except Exception:  # noqa: BLE001  # most readers have none, and fail in any way
        return ()
    colors = tuple(None if each is None else (int(each[0]), int(each[1]), int(each[2])) for each in found)
    return colors if len(colors) == count and any(colors) else ()


def _voxel_size(file: Any) -> tuple[float | None, float | None, float | None]:
    """Nanometres along x, y, z where bioio gives a size and its unit."""
    try:
        sizes, properties = file.physical_pixel_sizes, file.dimension_properties
    except Exception:  # noqa: BLE001  # readers fail at metadata that they don't know
        return (None, None, None)
    found = []
    for axis in "XYZ":
        size, unit = getattr(sizes, axis, None), getattr(getattr(properties, axis, None), "unit", None)
        found.append(nanometres(size, unit))
    return found[0], found[1], found[2]
