"""`knossos`: a volume in cubes of 128^3 voxels, as KNOSSOS reads and writes it.

One magnification is a folder x0000/y0000/z0000/*.raw, x fastest in each cube; several magnifications lie side by
side in folders that end in mag1, mag2, ... Cubes that are missing are zero, those that are short are filled up with
zeros. The size of a cube says how many bytes a voxel has. A `knossos.conf` beside the cubes says voxel size and name.

Who calls it: `wkplug.ops` through the factory that `wkplug_knossos.plugin` names.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

from wkplug.abc import ForeignLayer, ForeignMag, Image, ImageInfo, Importer, ProbeScore
from wkplug.errors import CorruptDataError, CorruptImageError, MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["KnossosImage", "KnossosImporter"]

_EDGE = 128
_VOXELS = _EDGE**3
_DTYPES = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"}
_AXES = ("x", "y", "z")
_MAG = re.compile(r".*mag(\d+)", re.IGNORECASE)
_CONF = "knossos.conf"
_Cube = tuple[int, int, int]


class KnossosImporter(Importer):
    """Describes KNOSSOS folders."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location) -> ProbeScore:
        """Certain if there is a cube."""
        return ProbeScore.CERTAIN if any(_has_cubes(place) for _, place in _mags(location)) else ProbeScore.NO

    def describe(self, location: Location) -> tuple[ForeignLayer, ...]:
        """See `Importer.describe`."""
        places = [(mag, place) for mag, place in _mags(location) if _has_cubes(place)]
        if not places:
            raise MissingError(
                f"There are no KNOSSOS cubes in {location.url}.",
                hint="Name the folder that holds x0000, x0001, ...",
            )
        finest, place = places[0]
        image = KnossosImage(place)
        conf = {**_configuration(location), **_configuration(place)}
        first = int(conf.get("magnification", finest)) or 1
        factors = [mag // finest for mag, _ in places]
        sizes = [conf.get(f"scale {axis}") for axis in _AXES]
        x, y, z = (None if size is None else float(size) * (finest / first) for size in sizes)
        low = image.origin
        return (
            ForeignLayer(
                name=str(conf.get("experiment name") or "color"),
                voxel_size=(x, y, z),
                mags=tuple(
                    ForeignMag(location=where, data_format="", axes=_AXES, mag=(factor,) * 3)
                    for factor, (_, where) in zip(factors, places, strict=True)
                ),
                offset=low,
                details={"cubes": len(image.cubes)},
            ),
        )

    def open(self, mag: ForeignMag) -> KnossosImage:
        """Open one magnification."""
        return KnossosImage(mag.location)


class KnossosImage(Image):
    """The cubes of one magnification as one image; its first voxel is that of the lowest cube along each axis."""

    thread_safe = True

    def __init__(self, location: Location) -> None:
        self.location = location
        self.cubes = dict(_cubes(location))
        if not self.cubes:
            raise MissingError(f"There are no KNOSSOS cubes in {location.url}.")
        low = [min(cube[axis] for cube in self.cubes) for axis in range(3)]
        high = [max(cube[axis] for cube in self.cubes) + 1 for axis in range(3)]
        self._low = low
        self.info = ImageInfo(
            axes=_AXES,
            shape=tuple((b - a) * _EDGE for a, b in zip(low, high, strict=True)),
            dtype=self._dtype(),
            block_shape=(_EDGE,) * 3,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (KnossosImage, (self.location,))

    @property
    def origin(self) -> tuple[int, int, int]:
        """Where the first voxel lies, in voxels of this magnification."""
        x, y, z = (number * _EDGE for number in self._low)
        return x, y, z

    def _dtype(self) -> str:
        """Told by the largest of the first cubes: short ones exist."""
        size = max(place.size() for place in list(self.cubes.values())[:8])
        for count, dtype in _DTYPES.items():
            if size <= count * _VOXELS:
                return dtype
        raise CorruptDataError(
            f"{self.location.url} has cubes of {size} bytes: more than {_EDGE} x {_EDGE} x {_EDGE} voxels of 8 bytes."
        )

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        import numpy

        del level
        start, shape = ((0, 0, 0), self.info.shape) if box is None else box
        result = numpy.zeros(shape, self.info.dtype, order="F")
        stop = tuple(a + n for a, n in zip(start, shape, strict=True))
        touched_x, touched_y, touched_z = (
            range(low + a // _EDGE, low - (-b // _EDGE))
            for low, a, b in zip(self._low, start, stop, strict=True)
        )
        for number in itertools.product(touched_x, touched_y, touched_z):
            place = self.cubes.get(number)
            if place is None:
                continue
            first = [(index - low) * _EDGE for index, low in zip(number, self._low, strict=True)]
            begin = [max(a, b) for a, b in zip(start, first, strict=True)]
            end = [min(a, b + _EDGE) for a, b in zip(stop, first, strict=True)]
            inside = tuple(slice(a - f, b - f) for a, b, f in zip(begin, end, first, strict=True))
            outside = tuple(slice(a - s, b - s) for a, b, s in zip(begin, end, start, strict=True))
            result[outside] = self._cube(place)[inside]
        return result

    def _cube(self, place: Location) -> NDArray[Any]:
        import numpy

        data = place.read()
        size = numpy.dtype(self.info.dtype).itemsize
        if len(data) > _VOXELS * size or len(data) % size:
            raise CorruptImageError(
                f"The cube {place.url} has {len(data)} bytes; those of its neighbours have {_VOXELS * size}.",
                place.url,
            )
        voxels = numpy.zeros(_VOXELS, numpy.dtype(self.info.dtype).newbyteorder("<"))
        voxels[: len(data) // size] = numpy.frombuffer(data, voxels.dtype)
        return voxels.reshape((_EDGE,) * 3, order="F").astype(self.info.dtype, copy=False)


def _numbered(location: Location, axis: str) -> Iterator[tuple[int, Location]]:
    for name in location.list():
        found = re.fullmatch(rf"{axis}(\d+)/", name)
        if found is not None:
            yield int(found[1]), location.child(name.rstrip("/"))


def _cubes(location: Location) -> Iterator[tuple[_Cube, Location]]:
    for x, in_x in _numbered(location, "x"):
        for y, in_y in _numbered(in_x, "y"):
            for z, in_z in _numbered(in_y, "z"):
                raw = [name for name in in_z.list() if name.endswith(".raw")]
                if len(raw) > 1:
                    raise CorruptDataError(
                        f"{in_z.url} has {len(raw)} cubes, but one belongs there.",
                        hint=f"Found {', '.join(raw)}.",
                    )
                if raw:
                    yield (x, y, z), in_z.child(raw[0])


def _has_cubes(location: Location) -> bool:
    return next(_cubes(location), None) is not None


def _mags(location: Location) -> list[tuple[int, Location]]:
    """The folder itself, or its folders that are named by magnification, finest first."""
    if next(_numbered(location, "x"), None) is not None:
        named = _MAG.fullmatch(location.name)
        return [(int(named[1]) if named else 1, location)]
    found = []
    for name in location.list():
        named = _MAG.fullmatch(name.rstrip("/"))
        if named is not None and name.endswith("/"):
            found.append((int(named[1]), location.child(name.rstrip("/"))))
    return sorted(found, key=lambda item: item[0])


def _configuration(location: Location) -> dict[str, str]:
    """The lines of knossos.conf: `scale x 11.24;`, `experiment name "em";`; nothing if there is none."""
    try:
        text = location.child(_CONF).read().decode("utf-8", "replace")
    except MissingError:
        return {}
    result = {}
    for line in text.splitlines():
        found = re.fullmatch(r"\s*(.+?)\s+(\"[^\"]*\"|[-+.\deE]+)\s*;?\s*", line)
        if found is not None:
            result[found[1].lower()] = found[2].strip('"')
    return result
