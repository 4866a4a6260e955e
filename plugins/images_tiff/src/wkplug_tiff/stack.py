"""`tiff-stack`: one TIFF file per section, or a folder of tiles per section.

Files are named by z in voxels of Mag(1), so that names stay true when a part is exported or a coarser mag: with as
many digits as the largest z has. Sections of segmentations are compressed (zlib), those of images are not.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs

from wkplug.abc import Exporter
from wkplug.errors import InvalidArgumentError
from wkplug_tiff.exporting import ReadSlab, Slab, check_options, check_planes, length_of, pixel_size, slabs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import ExportVolume, Location

__all__ = ["TiffStackExporter"]

_OPTIONS = (
    "batch_size", "digits", "filename_prefix", "from_zero", "scale_down", "tile_size", "tiles_per_dimension",
)  # fmt: skip


def _pair(value: Any) -> tuple[int, int] | None:
    """Widen n to (x, y)."""
    if value is None:
        return None
    try:
        x, y = (value, value) if isinstance(value, int) else (int(number) for number in value)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{value!r} is no size of a plane.", hint="Give two whole numbers, (x, y), or one for both."
        ) from error
    return x, y


@attrs.frozen(kw_only=True)
class _Options:
    """What users may say.

    batch_size: sections that are read at once. digits: of the numbers in names; by default as many as the largest
    needs. from_zero: names count from the box's first section, not from the dataset's. scale_down: each plane becomes
    smaller by this factor. tile_size: pixels of a tile, n or (x, y); tiles_per_dimension: how many tiles there
    are, likewise.
    """

    batch_size: int | None = None
    digits: int | None = None
    filename_prefix: str = ""
    from_zero: bool = False
    scale_down: int = 1
    tile_size: tuple[int, int] | None = attrs.field(default=None, converter=_pair)
    tiles_per_dimension: tuple[int, int] | None = attrs.field(default=None, converter=_pair)

    def __attrs_post_init__(self) -> None:
        for name in ("batch_size", "digits", "scale_down", "tile_size", "tiles_per_dimension"):
            value = getattr(self, name)
            numbers = () if value is None else value if isinstance(value, tuple) else (value,)
            if any(not isinstance(number, int) for number in numbers):
                raise InvalidArgumentError(f"{name} is {value!r}: it must be a whole number.")
            if numbers and min(numbers) < 1:
                raise InvalidArgumentError(f"{name} is {value}: it must be at least 1.")
        if not isinstance(self.filename_prefix, str) or any(
            sign in self.filename_prefix for sign in ("/", "\\", "\0")
        ):
            raise InvalidArgumentError(
                f"The filename_prefix {self.filename_prefix!r} is no part of a file's name."
            )


class TiffStackExporter(Exporter):
    """Writes a folder of TIFF files."""

    pyramid: ClassVar[Literal["xyz", "xy", ""]] = ""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def write(self, source: ExportVolume, target: Location, options: Mapping[str, Any]) -> None:
        """See `Exporter.write`; the options are those of `_Options`."""
        check_options("A TIFF stack", options, _OPTIONS)
        check_planes("A TIFF stack", source)
        wanted = _Options(**options)
        level = source.levels[0]
        others = tuple(axis for axis in source.axes if axis not in ("c", "x", "y", "z"))
        first_z = level.start[source.axes.index("z")] * level.mag[2] if "z" in source.axes else 0
        base = 0 if wanted.from_zero else first_z
        last = base + (length_of(source, level, "z") - 1) * level.mag[2]
        folder = str(target.local_path())
        os.makedirs(folder)  # noqa: PTH103 - the place is text
        size_x, size_y, _ = pixel_size(source, level)
        write = _WriteSections(
            read=ReadSlab(level, source.axes, channels=source.num_channels > 1),
            folder=folder,
            base=base,
            step=level.mag[2],
            digits=wanted.digits or len(str(last)),
            options=wanted,
            tile=_tile(wanted, length_of(source, level, "x"), length_of(source, level, "y")),
            labels=source.category == "segmentation",
            pixels_per_cm=(1e7 / (size_x * wanted.scale_down), 1e7 / (size_y * wanted.scale_down)),
        )
        for _ in source.map(write, slabs(source, level, others, wanted.batch_size)):
            pass


def _tile(options: _Options, width: int, height: int) -> tuple[int, int] | None:
    """The size of a tile along (x, y), None for whole planes."""
    size = (math.ceil(width / options.scale_down), math.ceil(height / options.scale_down))
    if options.tiles_per_dimension is not None:
        across, down = options.tiles_per_dimension
        return -(-size[0] // across), -(-size[1] // down)
    return options.tile_size


@attrs.frozen(kw_only=True)
class _WriteSections:
    """Writes the files of a slab; pickles."""

    read: ReadSlab
    folder: str
    base: int
    step: int
    digits: int
    options: _Options
    tile: tuple[int, int] | None
    labels: bool
    pixels_per_cm: tuple[float, float]

    def __call__(self, slab: Slab) -> None:
        for index, plane in enumerate(self.read(slab)):
            if plane.ndim == 3 and plane.shape[-1] == 1:
                plane = plane[..., 0]
            if self.options.scale_down > 1:
                plane = scaled_down(plane, self.options.scale_down, labels=self.labels)
            z = self.base + (slab.first + index) * self.step
            if self.tile is None:
                self._write(os.path.join(self.folder, self._name(slab, z) + ".tiff"), plane)  # noqa: PTH118 - text
            else:
                self._write_tiles(os.path.join(self.folder, self._name(slab, z)), plane, self.tile)  # noqa: PTH118

    def _name(self, slab: Slab, z: int) -> str:
        parts = [self.options.filename_prefix] if self.options.filename_prefix else []
        parts += [f"{axis}{index}" for axis, index in slab.others]
        number = f"{z:0{self.digits}d}"
        return "_".join([*parts, f"z{number}" if slab.others else number])

    def _write_tiles(self, folder: str, plane: NDArray[Any], tile: tuple[int, int]) -> None:
        import numpy

        width, height = tile
        for row, top in enumerate(range(0, plane.shape[0], height), 1):
            os.makedirs(os.path.join(folder, str(row)))  # noqa: PTH103, PTH118 - the place is text
            for column, left in enumerate(range(0, plane.shape[1], width), 1):
                piece = plane[top : top + height, left : left + width]
                missing = [(0, height - piece.shape[0]), (0, width - piece.shape[1])]
                padded = numpy.pad(piece, [*missing, (0, 0)][: piece.ndim])
                self._write(os.path.join(folder, str(row), f"{column}.tiff"), padded)  # noqa: PTH118 - the same

    def _write(self, path: str, plane: NDArray[Any]) -> None:
        import tifffile

        channels = plane.shape[-1] if plane.ndim == 3 else 1
        extra: dict[str, Any] = {"planarconfig": "contig"} if channels > 1 else {}
        tifffile.imwrite(
            path,
            plane,
            photometric="rgb" if channels in (3, 4) and plane.dtype.itemsize <= 2 else "minisblack",
            compression="zlib" if self.labels else None,
            resolution=self.pixels_per_cm,
            resolutionunit="CENTIMETER",
            metadata=None,
            **extra,
        )


def scaled_down(plane: NDArray[Any], factor: int, *, labels: bool) -> NDArray[Any]:
    """Make a plane (y, x[, c]) smaller: linear interpolation between its corner pixels; nearest for labels.

    The result has round(length / factor) pixels per axis; its first and last ones lie on the plane's own.
    """
    import numpy

    result = plane if labels else plane.astype(numpy.float64)
    for axis in (0, 1):
        length = plane.shape[axis]
        places = numpy.linspace(0, length - 1, max(1, round(length / factor)))
        if labels:
            result = result.take(numpy.rint(places).astype(int), axis)
            continue
        low = numpy.floor(places).astype(int)
        weight = (places - low).reshape([-1 if other == axis else 1 for other in range(plane.ndim)])
        high = numpy.minimum(low + 1, length - 1)
        result = result.take(low, axis) * (1 - weight) + result.take(high, axis) * weight
    if not labels and plane.dtype.kind in "iu":
        result = numpy.floor(result + 0.5)
    return result.astype(plane.dtype)
