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
from wkplug_tiff.exporting import ReadPiece, check_options, check_planes, least, length_of, pixel_size, slabs
from wkplug_tiff.scaling import ReadScaled, scaled_length
from wkplug_tiff.segments import Encode, planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import ExportVolume, Least, Location
    from wkplug_tiff.exporting import Piece

__all__ = ["TiffStackExporter"]

_OPTIONS = (
    "batch_size", "digits", "filename_prefix", "from_zero", "scale_down", "tile_size", "tiles_per_dimension",
)  # fmt: skip
_STRIP_BYTES = 1 << 18
_SMALL_FILE = 2**32 - 2**25  # bytes of voxels that leave room for the rest in a file with places of 32 bits


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
        if self.filename_prefix and (self.tile_size or self.tiles_per_dimension):
            raise InvalidArgumentError(
                f"filename_prefix is {self.filename_prefix!r}, but tiles have no names of their own: "
                "they are z/y/x.tiff.",
                hint="Leave filename_prefix out, or put it into the path of the target.",
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
        size_x, size_y, size_z = pixel_size(source, level)
        size = (length_of(source, level, "y"), length_of(source, level, "x"))
        labels = source.category == "segmentation"
        channels = source.num_channels if source.num_channels > 1 else 0
        tile = _tile(wanted, size[1], size[0])
        shape = (
            *(scaled_length(length, wanted.scale_down) for length in size),
            *([channels] if channels else []),
        )
        files = _Files(
            folder=folder,
            prefix=wanted.filename_prefix,
            base=base,
            step=level.mag[2],
            digits=wanted.digits or len(str(last)),
            shape=shape,
            dtype=source.dtype,
            labels=labels,
            pixels_per_cm=(1e7 / (size_x * wanted.scale_down), 1e7 / (size_y * wanted.scale_down)),
            spacing_cm=size_z / 1e7,
        )
        read = ReadScaled(
            ReadPiece(level, source.axes, channels=bool(channels)), size, wanted.scale_down, labels
        )
        rows, columns = (tile[1], tile[0]) if tile is not None else (files.rows_per_strip, None)
        parts = tuple(
            slabs(
                source,
                level,
                others,
                rows=rows,
                columns=columns,
                depth=wanted.batch_size,
                factor=wanted.scale_down,
            )
        )
        pieces = (piece for slab in parts for piece in slab.pieces)
        if tile is not None:
            _exhaust(source.map(_WriteTiles(read, files, tile), pieces))
        elif all(len(slab.pieces) == 1 for slab in parts):
            _exhaust(source.map(_WriteSections(read, files), pieces))
        elif labels:
            encoded = source.map(Encode(read, (rows, shape[1]), filled=False), pieces)
            names = (files.path(slab.pieces[0], z) for slab in parts for z in range(*slab.z))
            for path, strips in zip(names, planes(parts, encoded, folder), strict=True):
                files.write(path, strips)
        else:
            offset = 0
            for slab in parts:
                for z in range(*slab.z):
                    offset = files.create(files.path(slab.pieces[0], z))
            _exhaust(source.map(_WriteRows(read, files, offset), pieces))

    def drops(self, source: ExportVolume, options: Mapping[str, Any]) -> frozenset[str]:
        """See `Exporter.drops`; names count sections from the place along z on, if they may."""
        x, y, z = source.place
        moved = x or y or (z and options.get("from_zero"))
        return frozenset({"color", "place"} if moved else {"color"})

    def least(self, source: ExportVolume, options: Mapping[str, Any]) -> Least:
        """See `Exporter.least`."""
        check_options("A TIFF stack", options, _OPTIONS)
        check_planes("A TIFF stack", source)
        wanted = _Options(**options)
        level = source.levels[0]
        files = math.prod(
            length
            for axis, length in zip(source.axes, level.shape, strict=True)
            if axis not in ("c", "x", "y")
        )
        width, height = length_of(source, level, "x"), length_of(source, level, "y")
        tile = _tile(wanted, width, height)
        if tile is not None:
            for length, edge in zip((width, height), tile, strict=True):
                files *= -(-scaled_length(length, wanted.scale_down) // edge)
        compressed = source.category == "segmentation"
        return least(source, [level], files=files, factor=wanted.scale_down, compressed=compressed)


def _exhaust(results: Iterator[Any]) -> None:
    for _ in results:
        pass


def _tile(options: _Options, width: int, height: int) -> tuple[int, int] | None:
    """The size of a tile along (x, y), None for whole planes."""
    size = (math.ceil(width / options.scale_down), math.ceil(height / options.scale_down))
    if options.tiles_per_dimension is not None:
        across, down = options.tiles_per_dimension
        return -(-size[0] // across), -(-size[1] // down)
    return options.tile_size


@attrs.frozen(kw_only=True)
class _Files:
    """Where the sections go and how they are written; pickles.

    base, step: the number of the first section and from one to the next. shape: (y, x) or (y, x, c) of a section.
    """

    folder: str
    prefix: str
    base: int
    step: int
    digits: int
    shape: tuple[int, ...]
    dtype: str
    labels: bool
    pixels_per_cm: tuple[float, float]
    spacing_cm: float

    @property
    def rows_per_strip(self) -> int:
        """Strips of compressed sections have about 256 KiB; other sections are one strip."""
        return max(1, min(self.shape[0], _STRIP_BYTES // self._bytes(self.shape[1:]))) if self.labels else 1

    def path(self, piece: Piece, z: int, suffix: str = ".tiff") -> str:
        """The file of section `z` of the box."""
        parts = [self.prefix] if self.prefix else []
        parts += [f"{axis}{index}" for axis, index in piece.others]
        number = f"{self.base + z * self.step:0{self.digits}d}"
        name = "_".join([*parts, f"z{number}" if piece.others else number])
        return os.path.join(self.folder, name + suffix)  # noqa: PTH118 - the place is text

    def write(self, path: str, plane: NDArray[Any] | Iterator[bytes]) -> None:
        """Write a plane, or the encoded strips of a section."""
        more: dict[str, Any] = {}
        if not hasattr(plane, "shape"):
            # How small they are is known too late for a file with places of 32 bits.
            large = self._bytes(self.shape) > _SMALL_FILE
            more = {"shape": self.shape, "rowsperstrip": self.rows_per_strip, "bigtiff": large}
        self._write(path, plane, **more)

    def create(self, path: str) -> int:
        """Make the file of an uncompressed section, all of it a hole, and give the place of its voxels."""
        offset: int = self._write(path, None, shape=self.shape, returnoffset=True)[0]
        return offset

    def write_rows(self, path: str, offset: int, first: int, rows: NDArray[Any]) -> None:
        """Write the rows of such a section from `first` on."""
        import numpy

        rest = numpy.ascontiguousarray(rows, rows.dtype.newbyteorder("<")).data.cast("B")
        with open(path, "r+b", buffering=0) as file:  # noqa: PTH123 - the place is text
            file.seek(offset + first * self._bytes(self.shape[1:]))
            while rest:
                rest = rest[file.write(rest) :]

    def _bytes(self, shape: tuple[int, ...]) -> int:
        import numpy

        return math.prod(shape) * numpy.dtype(self.dtype).itemsize

    def _write(self, path: str, data: Any, **more: Any) -> Any:
        import tifffile

        channels = self.shape[2] if len(self.shape) == 3 else 1
        return tifffile.imwrite(
            path,
            data,
            dtype=self.dtype,
            byteorder="<",
            photometric="rgb" if channels in (3, 4) and self._bytes(()) <= 2 else "minisblack",
            compression="zlib" if self.labels else None,
            resolution=self.pixels_per_cm,
            resolutionunit="CENTIMETER",
            # The distance of sections has no tag of TIFF; ImageJ's words for it are those that others read, too.
            description=f"ImageJ=1.54f\nunit=cm\nspacing={self.spacing_cm!r}\n",
            metadata=None,
            **({"planarconfig": "contig"} if channels > 1 else {}),
            **more,
        )


@attrs.frozen
class _WriteSections:
    """Writes the files of whole sections; pickles."""

    read: ReadScaled
    files: _Files

    def __call__(self, piece: Piece) -> None:
        for z, plane in enumerate(self.read(piece), piece.z[0]):
            self.files.write(self.files.path(piece, z), plane)


@attrs.frozen
class _WriteRows:
    """Writes some rows into files that are there; pickles."""

    read: ReadScaled
    files: _Files
    offset: int

    def __call__(self, piece: Piece) -> None:
        for z, rows in enumerate(self.read(piece), piece.z[0]):
            self.files.write_rows(self.files.path(piece, z), self.offset, piece.y[0], rows)


@attrs.frozen
class _WriteTiles:
    """Writes the files of the tiles (width, height) in a piece; pickles."""

    read: ReadScaled
    files: _Files
    tile: tuple[int, int]

    def __call__(self, piece: Piece) -> None:
        import numpy

        width, height = self.tile
        for z, plane in enumerate(self.read(piece), piece.z[0]):
            folder = self.files.path(piece, z, "")
            for top in range(0, plane.shape[0], height):
                row = os.path.join(folder, str((piece.y[0] + top) // height + 1))  # noqa: PTH118 - the place is text
                os.makedirs(row, exist_ok=True)  # noqa: PTH103 - the same
                for left in range(0, plane.shape[1], width):
                    part = plane[top : top + height, left : left + width]
                    missing = [(0, height - part.shape[0]), (0, width - part.shape[1])]
                    padded = numpy.pad(part, [*missing, (0, 0)][: part.ndim])
                    column = (piece.x[0] + left) // width + 1
                    self.files.write(os.path.join(row, f"{column}.tiff"), padded)  # noqa: PTH118 - the same
