"""`knossos`: a volume in cubes of 128^3 voxels, as KNOSSOS reads and writes it.

One magnification is a folder x0000/y0000/z0000/*.raw, x fastest in each cube; several magnifications lie side by
side in folders that end in mag1, mag2, ... The size of a cube says how many bytes a voxel has. A `knossos.conf` beside
the cubes says name, voxel size, magnification, where the volume ends (`boundary`), and the edge of the cubes if that
isn't 128; sizes and boundary are in voxels of its magnification, as in KNOSSOS.

Cubes that are missing, and what is missing of those that are short, are zero; both are told, with numbers. Cubes in
other encodings (JPEG, JPEG 2000, PNG, Snappy) are no raw ones: where they stand alone, they are refused.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING, Any, Self

import attrs

from wkplug.abc import ForeignLayer, ForeignMag, Image, ImageInfo, Importer, ProbeScore
from wkplug.errors import CorruptDataError, CorruptImageError, MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["Configuration", "KnossosImage", "KnossosImporter"]

_EDGE = 128
_SAMPLE = 8
"""So many cubes tell the size of all, and are looked at where each look is a request."""

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
        place = places[0][1]
        image = KnossosImage(place)
        conf = Configuration.above(place)
        mags = [mag or conf.magnification for mag, _ in places]
        x, y, z = (None if size is None else size / conf.magnification for size in conf.scale)
        return (
            ForeignLayer(
                name=conf.name or "color",
                voxel_size=(x, y, z),
                mags=tuple(
                    ForeignMag(location=where, data_format="", axes=_AXES, mag=(mag, mag, mag))
                    for mag, (_, where) in zip(mags, places, strict=True)
                ),
                offset=image.origin,
                notes=tuple(image.findings()),
                details={"cubes": len(image.cubes)},
            ),
        )

    def open(self, mag: ForeignMag) -> KnossosImage:
        """Open one magnification."""
        return KnossosImage(mag.location)


class KnossosImage(Image):
    """The cubes of one magnification as one image; its first voxel is that of the lowest cube along each axis.

    It ends where the cubes end, or at the boundary that the configuration names.
    """

    thread_safe = True

    def __init__(self, location: Location) -> None:
        self.location = location
        # A cube that isn't named counts as a gap: the index page of a web server, which may be cut, is no list.
        self.cubes = dict(_cubes(location, all_of_them=True))
        if not self.cubes:
            raise MissingError(f"There are no KNOSSOS cubes in {location.url}.")
        conf = Configuration.above(location)
        self._edge = conf.edge
        low = [min(cube[axis] for cube in self.cubes) for axis in range(3)]
        high = [max(cube[axis] for cube in self.cubes) + 1 for axis in range(3)]
        self._low, self._high = low, high
        mag = _mag_of(location) or conf.magnification
        self._boundary = [
            None if last is None else -(-last * conf.magnification // mag) for last in conf.boundary
        ]
        end = [
            b * self._edge if last is None else min(b * self._edge, last)
            for b, last in zip(high, self._boundary, strict=True)
        ]
        shape = tuple(b - a * self._edge for a, b in zip(low, end, strict=True))
        if min(shape) < 1:
            raise CorruptDataError(
                f"The cubes in {location.url} begin at voxel {self.origin}, beyond the boundary {conf.boundary} that "
                f"{_CONF} names.",
                hint=f"Correct the boundary, which is in voxels of magnification {conf.magnification}.",
            )
        self.info = ImageInfo(axes=_AXES, shape=shape, dtype=self._dtype(), block_shape=(self._edge,) * 3)

    def __reduce__(self) -> tuple[Any, ...]:
        return (KnossosImage, (self.location,))

    @property
    def origin(self) -> tuple[int, int, int]:
        """Where the first voxel lies, in voxels of this magnification."""
        x, y, z = (number * self._edge for number in self._low)
        return x, y, z

    def _dtype(self) -> str:
        """Told by the largest of the first cubes: short ones exist."""
        size = max(place.size() for place in list(self.cubes.values())[:_SAMPLE])
        for count, dtype in _DTYPES.items():
            if size <= count * self._edge**3:
                return dtype
        raise CorruptDataError(
            f"{self.location.url} has cubes of {size} bytes: more than {self._edge} x {self._edge} x {self._edge} "
            "voxels of 8 bytes."
        )

    def findings(self) -> Iterator[str]:
        """Say which cubes are missing or short; CorruptDataError for those that are too long, or in other encodings."""
        import numpy

        itemsize = numpy.dtype(self.info.dtype).itemsize
        whole = itemsize * self._edge**3
        others = _others(self.location)
        if others:
            raise CorruptDataError(
                f"{len(others)} of the cubes in {self.location.url} are stored in another way than as plain voxels, "
                f"such as {others[0]}: they would be read as zeros.",
                hint="Export them as raw cubes, or move them elsewhere if they are no part of the volume.",
            )
        places = list(self.cubes.values())
        if self.location.local_path() is None:
            places = places[:_SAMPLE]
        sizes = [(place, place.size()) for place in places]
        for place, size in sizes:
            wrong = self._wrong(place.url, size, itemsize)
            if wrong is not None:
                raise CorruptDataError(
                    wrong, hint="Replace the cube, or move it elsewhere: missing cubes are zero."
                )
        short = [(place.name, size) for place, size in sizes if size < whole]
        if short:
            name, size = short[0]
            lost = sum(whole - size for _, size in short) // itemsize
            yield (
                f"{len(short)} of {len(sizes)} cubes {'is' if len(short) == 1 else 'are'} shorter than {whole:,} bytes "
                f"({name}: {size:,}): the {lost:,} voxels that are missing are zero."
            )
        missing = math.prod(b - a for a, b in zip(self._low, self._high, strict=True)) - len(self.cubes)
        if missing:
            yield (
                f"{missing:,} of {missing + len(self.cubes):,} cubes between the outermost "
                + ("is missing, and is zero." if missing == 1 else "are missing, and are zero.")
            )
        yield from self._outside()

    def _outside(self) -> Iterator[str]:
        """Say how much of what the boundary spans lies before the first cubes and behind the last."""
        if None in self._boundary:
            return
        spanned = math.prod(-(-(last or 0) // self._edge) for last in self._boundary)
        outside = spanned - math.prod(b - a for a, b in zip(self._low, self._high, strict=True))
        if outside > 0:
            boundary = " x ".join(map(str, self._boundary))
            yield (
                f"{outside:,} of {spanned:,} cubes that the boundary {boundary} spans are missing before the first or "
                "behind the last that is there: the layer has no voxels in their place."
            )

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        import numpy

        del level
        edge = self._edge
        start, shape = ((0, 0, 0), self.info.shape) if box is None else box
        result = numpy.zeros(shape, self.info.dtype, order="F")
        stop = tuple(a + n for a, n in zip(start, shape, strict=True))
        touched_x, touched_y, touched_z = (
            range(low + a // edge, low - (-b // edge))
            for low, a, b in zip(self._low, start, stop, strict=True)
        )
        for number in itertools.product(touched_x, touched_y, touched_z):
            place = self.cubes.get(number)
            if place is None:
                continue
            first = [(index - low) * edge for index, low in zip(number, self._low, strict=True)]
            begin = [max(a, b) for a, b in zip(start, first, strict=True)]
            end = [min(a, b + edge) for a, b in zip(stop, first, strict=True)]
            inside = tuple(slice(a - f, b - f) for a, b, f in zip(begin, end, first, strict=True))
            outside = tuple(slice(a - s, b - s) for a, b, s in zip(begin, end, start, strict=True))
            result[outside] = self._cube(place)[inside]
        return result

    def _wrong(self, where: str, size: int, itemsize: int) -> str | None:
        whole = itemsize * self._edge**3
        fits = size <= whole and not size % itemsize
        return None if fits else f"The cube {where} has {size} bytes; those of its neighbours have {whole}."

    def _cube(self, place: Location) -> NDArray[Any]:
        import numpy

        data = place.read()
        size = numpy.dtype(self.info.dtype).itemsize
        wrong = self._wrong(place.url, len(data), size)
        if wrong is not None:
            raise CorruptImageError(wrong, place.url)
        voxels = numpy.zeros(self._edge**3, numpy.dtype(self.info.dtype).newbyteorder("<"))
        voxels[: len(data) // size] = numpy.frombuffer(data, voxels.dtype)
        return voxels.reshape((self._edge,) * 3, order="F").astype(self.info.dtype, copy=False)


@attrs.frozen(kw_only=True)
class Configuration:
    """What `knossos.conf` says; scale and boundary along x, y, z, in voxels of `magnification`."""

    name: str = ""
    scale: tuple[float | None, ...] = (None,) * 3
    boundary: tuple[int | None, ...] = (None,) * 3
    magnification: int = 1
    edge: int = _EDGE

    @classmethod
    def above(cls, place: Location) -> Self:
        """Read the file beside the cubes of a magnification, or the one beside the magnifications.

        CorruptDataError for numbers that can't be.
        """
        own = _lines(place)
        lines = {**(_lines(place.parent) if _mag_of(place) or not own else {}), **own}

        def number(key: str, *, least: float) -> float | None:
            text = lines.get(key)
            if text is None:
                return None
            try:
                found = float(text)
            except ValueError:
                found = math.nan
            if not least <= found < math.inf:
                raise CorruptDataError(f"{_CONF} of {place.url} is damaged: {key} is {text}.")
            return found

        boundary = (number(f"boundary {axis}", least=1) for axis in _AXES)
        return cls(
            name=lines.get("experiment name", ""),
            scale=tuple(number(f"scale {axis}", least=1e-9) for axis in _AXES),
            boundary=tuple(None if end is None else int(end) for end in boundary),
            magnification=int(number("magnification", least=1) or 1),
            edge=int(number("cube_edge_length", least=1) or _EDGE),
        )


def _numbered(location: Location, axis: str, *, all_of_them: bool = False) -> Iterator[tuple[int, Location]]:
    """Give the folders of an axis. all_of_them: UnlistableError where those that aren't named may be there, too."""
    for name in location.list_all() if all_of_them else location.list():
        found = re.fullmatch(rf"{axis}(\d+)/", name)
        if found is not None:
            yield int(found[1]), location.child(name.rstrip("/"))


def _cubes(location: Location, *, all_of_them: bool) -> Iterator[tuple[_Cube, Location]]:
    for x, in_x in _numbered(location, "x", all_of_them=all_of_them):
        for y, in_y in _numbered(in_x, "y", all_of_them=all_of_them):
            for z, in_z in _numbered(in_y, "z", all_of_them=all_of_them):
                raw = [name for name in in_z.list() if name.endswith(".raw")]
                if len(raw) > 1:
                    raise CorruptDataError(
                        f"{in_z.url} has {len(raw)} cubes, but one belongs there.",
                        hint=f"Found {', '.join(raw)}.",
                    )
                if raw:
                    yield (x, y, z), in_z.child(raw[0])


def _has_cubes(location: Location) -> bool:
    return next(_cubes(location, all_of_them=False), None) is not None


def _others(location: Location) -> list[str]:
    """Files where cubes belong that are no raw ones, where there is none: JPEG, Snappy, compressed raw files."""
    found = []
    for _, in_x in _numbered(location, "x"):
        for _, in_y in _numbered(in_x, "y"):
            for _, in_z in _numbered(in_y, "z"):
                names = [name for name in in_z.list() if not name.endswith("/") and not name.startswith(".")]
                if names and not any(name.endswith(".raw") for name in names):
                    found.append(names[0])
    return found


def _mag_of(location: Location) -> int:
    """The magnification that a folder's name says, 0 if it says none."""
    named = _MAG.fullmatch(location.name)
    return int(named[1]) if named else 0


def _mags(location: Location) -> list[tuple[int, Location]]:
    """The folder itself, or its folders that are named by magnification, finest first; 0 where nothing is said."""
    if next(_numbered(location, "x"), None) is not None:
        return [(_mag_of(location), location)]
    places = [location.child(name.rstrip("/")) for name in location.list() if name.endswith("/")]
    return sorted(((mag, place) for place in places if (mag := _mag_of(place))), key=lambda item: item[0])


def _lines(location: Location) -> dict[str, str]:
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
