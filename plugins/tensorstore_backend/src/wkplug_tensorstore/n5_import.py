"""`n5`: what the containers of n5-viewer, BigDataViewer and COSEM make as datasets.

Resolutions of N5 groups are told in several ways, which are tried in this order: "downsamplingFactors" of a dataset;
"scales" or "downsamplingFactors" of its group, by the number in its name; COSEM's "multiscales" with a transform per
dataset; the ratio of shapes. "pixelResolution" is that of full resolution, transforms are those of each dataset. A
dataset that is named alone, or that is all that was copied of a group, keeps its mag. BigDataViewer's setups become a
layer each, with their first time point and the sizes that the XML file beside the container says; so do the groups of
a container.

Only JSON files, and that XML file, are read here.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import attrs

from wkplug.abc import ForeignLayer, ForeignMag, Importer, ProbeScore, nanometres
from wkplug.errors import CorruptDataError, MissingError, UnlistableError
from wkplug_tensorstore.stored import read_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wkplug.abc import Location

__all__ = ["N5Importer"]

_AXES = ("x", "y", "z", "c", "t")
_FILE = "attributes.json"
_DEEPEST = 4
"""How many levels down a container is searched for images."""

_SETUP = re.compile(r"setup(\d+)")
_XML_BYTES = 64 << 20
_LEVEL = re.compile(r"s(\d+)")
_SAME = 1e-3

_Sizes = tuple[float | None, float | None, float | None]
_Factors = tuple[int, int, int]
_UNKNOWN: _Sizes = (None, None, None)


class N5Importer(Importer):
    """Describes N5 containers."""

    def __init__(self, settings: object = None) -> None:
        del settings

    def probe(self, location: Location) -> ProbeScore:
        """Certain where datasets are found as described above."""
        try:
            return ProbeScore.CERTAIN if self.describe(location) else ProbeScore.NO
        except MissingError:
            return ProbeScore.NO
        except CorruptDataError:
            return ProbeScore.MARKER

    def describe(self, location: Location) -> tuple[ForeignLayer, ...]:
        """See `Importer.describe`."""
        document = read_document(location.child(_FILE))
        name = location.name.removesuffix(".n5") or "color"
        if "dimensions" in document:
            return (_alone(location, document, name),)
        layer = _group(location, document, name)
        return (layer,) if layer is not None else _with_xml(location, tuple(_below(location, "", _DEEPEST)))


# --- one image -----------------------------------------------------------------------------------------------


@attrs.frozen
class _Array:
    """One dataset of a group: its name, what it says, and the transform that is known of it."""

    name: str
    document: Mapping[str, Any]
    transform: _Transform | None


@attrs.frozen
class _Transform:
    """Voxel size in nanometres, and position in voxels, along x, y, z."""

    sizes: _Sizes
    position: tuple[float, float, float]

    @classmethod
    def of(cls, value: Any) -> _Transform | None:
        if not isinstance(value, dict):
            return None
        axes, units = value.get("axes") or [], value.get("units") or []
        by_axis = {
            axis: (float(scale), float(shift), nanometres(1, unit))
            for axis, scale, shift, unit in zip(
                axes,
                value.get("scale") or [],
                value.get("translate") or [0.0] * len(axes),
                units,
                strict=False,
            )
        }
        found = [by_axis.get(axis, (0.0, 0.0, None)) for axis in "xyz"]
        x, y, z = (scale * factor if factor and scale > 0 else None for scale, _, factor in found)
        a, b, c = (shift / scale if scale > 0 else 0.0 for scale, shift, _ in found)
        return cls((x, y, z), (a, b, c))


def _mag(location: Location, document: Mapping[str, Any], factors: _Factors) -> ForeignMag:
    dimensions = document.get("dimensions")
    if (
        not isinstance(dimensions, list)
        or not 2 <= len(dimensions) <= len(_AXES)
        or not all(isinstance(length, int) and length >= 0 for length in dimensions)
    ):
        raise CorruptDataError(f"{location.url} is damaged: its dimensions are no list of 2 to 5 numbers.")
    # Those that don't say it follow the convention of Java's tools: space first.
    axes, named = _AXES[: len(dimensions)], document.get("axes")
    if isinstance(named, list) and len(named) == len(axes) and {"x", "y"} <= {*map(str, named)} <= set(_AXES):
        axes = tuple(named)
    return ForeignMag(location=location, data_format="n5", axes=axes, mag=factors)


def _resolution(document: Mapping[str, Any]) -> _Sizes:
    found: Any = document.get("pixelResolution", document.get("resolution"))
    unit: Any = document.get("units", "")
    if isinstance(found, dict):
        found, unit = found.get("dimensions"), found.get("unit", "")
    if isinstance(unit, list):
        unit = unit[0] if unit else ""
    if not isinstance(found, list) or len(found) < 2:
        return _UNKNOWN
    sizes = [nanometres(size, unit) for size in found[:3]]
    return sizes[0], sizes[1], sizes[2] if len(sizes) > 2 else None


def _factors(value: Any, where: str) -> _Factors | None:
    """Three whole numbers of a list of two or more, None if it is no list; CorruptDataError for other contents."""
    if not isinstance(value, list) or any(isinstance(item, list) for item in value):
        return None
    if not all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and n >= 1 and n == int(n) for n in value
    ):
        raise CorruptDataError(
            f"{where} is damaged: its downsamplingFactors {value} are no whole numbers above 0."
        )
    x, y, z = (*(int(factor) for factor in value[:3]), *(1,) * (3 - len(value[:3])))
    return x, y, z


def _alone(location: Location, document: Mapping[str, Any], name: str) -> ForeignLayer:
    """A dataset that is named itself: of the group that it is a resolution of, or on its own."""
    parent = location.parent
    if _LEVEL.fullmatch(location.name):
        try:
            above = read_document(parent.child(_FILE))
        except (MissingError, CorruptDataError):
            above = {}
        layer = _group(parent, above, parent.name.removesuffix(".n5") or name, only=location.name)
        if layer is not None:
            return layer
    factors = _factors(document.get("downsamplingFactors"), location.url) or (1, 1, 1)
    mag = _mag(location, document, factors)
    sizes, offset = _resolution(document), (0, 0, 0)
    notes: tuple[str, ...] = ()
    transform = _Transform.of(document.get("transform"))
    if transform is not None:
        x, y, z = (
            None if size is None else size / by for size, by in zip(transform.sizes, factors, strict=True)
        )
        sizes = (x, y, z)
        offset, notes = _offset(transform, factors)
    return ForeignLayer(name=name, mags=(mag,), voxel_size=sizes, offset=offset, notes=notes)


def _group(
    location: Location, document: Mapping[str, Any], name: str, *, only: str | None = None
) -> ForeignLayer | None:
    """The image of a group with datasets s0, s1, ...; only: the one that is wanted, although there may be more."""
    transforms = _transforms(document)
    arrays = []
    for child in _levels(location, document, transforms, only):
        try:
            array = read_document(location.child(child, _FILE))
        except MissingError:
            continue
        if "dimensions" in array:
            own = transforms.get(child) or _Transform.of(array.get("transform"))
            arrays.append(_Array(child, array, own))
    if not arrays:
        return None
    known, notes = _known_factors(location, document, arrays, transforms)
    arrays.sort(key=lambda array: math.prod(known[array.name]))
    if only is not None:
        arrays = [array for array in arrays if array.name == only]
        if not arrays:
            return None
    finest = arrays[0]
    factors = known[finest.name]
    sizes, offset = _resolution(document), (0, 0, 0)
    if finest.transform is not None:
        x, y, z = (
            None if size is None else size / by
            for size, by in zip(finest.transform.sizes, factors, strict=True)
        )
        sizes = (x, y, z)
        offset, more = _offset(finest.transform, factors)
        notes = (*notes, *more)
    elif sizes[0] is None:
        sizes = _resolution(finest.document)
    mags = [_mag(location.child(array.name), array.document, known[array.name]) for array in arrays]
    return ForeignLayer(name=name, mags=tuple(mags), voxel_size=sizes, offset=offset, notes=tuple(notes))


def _levels(
    location: Location, document: Mapping[str, Any], transforms: Mapping[str, _Transform], only: str | None
) -> list[str]:
    """The names of the datasets of a group; where nothing can be listed, those of its metadata, or s0 and on."""
    listed = _listed(location, "s")
    if listed:
        return listed
    named = sorted(transforms)
    scales = document.get("scales", document.get("downsamplingFactors"))
    if not named and isinstance(scales, list) and scales and isinstance(scales[0], list):
        named = [f"s{number}" for number in range(len(scales))]
    if named or only:
        return named or [str(only)]
    return _counted(location, "s", _FILE)


def _known_factors(
    location: Location,
    document: Mapping[str, Any],
    arrays: list[_Array],
    transforms: Mapping[str, _Transform],
) -> tuple[dict[str, _Factors], tuple[str, ...]]:
    """What each dataset is of full resolution, and what was guessed."""
    scales = document.get("scales", document.get("downsamplingFactors"))
    listed = scales if isinstance(scales, list) else []
    said = [t.sizes for t in transforms.values()] or [
        a.transform.sizes for a in arrays if a.transform is not None
    ]
    finest = [min((s for sizes in said if (s := sizes[axis]) is not None), default=None) for axis in range(3)]
    first = max(arrays, key=lambda array: math.prod(_lengths(location, array)))
    found: dict[str, _Factors] = {}
    notes: tuple[str, ...] = ()
    for array in arrays:
        level = _LEVEL.fullmatch(array.name)
        number = 0 if level is None else int(level[1])
        where = location.child(array.name).url
        factors = _factors(array.document.get("downsamplingFactors"), where)
        if factors is None and level is not None and number < len(listed):
            factors = _factors(listed[number], location.url)
        if factors is None and array.transform is not None:
            x, y, z = (
                1 if size is None or least is None else max(1, round(size / least))
                for size, least in zip(array.transform.sizes, finest, strict=True)
            )
            factors = x, y, z
        if factors is None:
            x, y, z = (
                max(1, round(a / max(1, b)))
                for a, b in zip(_lengths(location, first), _lengths(location, array), strict=True)
            )
            factors = x, y, z
            if array is first and number > 0:
                notes = (
                    f"{location.url} has {array.name}, but nothing finer, and says nothing of its resolution: "
                    "it was taken for full resolution.",
                )
        found[array.name] = factors
    return found, notes


def _lengths(location: Location, array: _Array) -> tuple[int, int, int]:
    """Voxels along x, y, z."""
    axes = _mag(location.child(array.name), array.document, (1, 1, 1)).axes
    found = dict(zip(axes, array.document["dimensions"], strict=True))
    return found["x"], found["y"], found.get("z", 1)


def _offset(transform: _Transform, factors: _Factors) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    """Where the first voxel lies: positions are those of centres, or of corners, which their fractions tell."""
    offset, notes = [], []
    for axis, voxels, factor in zip("xyz", transform.position, factors, strict=True):
        centred = voxels - (factor - 1) / (2 * factor)
        place = centred if abs(centred - round(centred)) < _SAME else voxels
        offset.append(max(0, round(place)))
        if round(place) < 0:
            notes.append(
                f"It begins at voxel {round(place)} along {axis}, where a dataset has none; it was moved to begin at 0."
            )
        elif abs(place - round(place)) > _SAME:
            notes.append(f"The image lies {voxels:g} voxels along {axis}; it was put at {round(place)}.")
    return (offset[0], offset[1], offset[2]), tuple(notes)


def _transforms(document: Mapping[str, Any]) -> dict[str, _Transform]:
    """The transforms of the datasets of the first multiscale image, by their names."""
    scales = document.get("multiscales")
    if not isinstance(scales, list) or not scales or not isinstance(scales[0], dict):
        return {}
    result = {}
    for dataset in scales[0].get("datasets") or ():
        transform = _Transform.of(dataset.get("transform")) if isinstance(dataset, dict) else None
        if transform is not None:
            result[str(dataset.get("path", "")).strip("/")] = transform
    return result


# --- containers of several -----------------------------------------------------------------------------------


def _below(location: Location, path: str, depth: int) -> Iterator[ForeignLayer]:
    """The images below a group: BigDataViewer's setups, groups with resolutions, bare datasets."""
    names = [name.rstrip("/") for name in location.list() if name.endswith("/")] or _counted(
        location, "setup", _FILE
    )
    for child in sorted(
        names, key=lambda name: [int(n) if n.isdecimal() else n for n in re.split(r"(\d+)", name)]
    ):
        place = location.child(child)
        own = f"{path}_{child}" if path else child
        if _SETUP.fullmatch(child):
            layer = _setup(place, own)
            yield from () if layer is None else (layer,)
            continue
        try:
            document = read_document(place.child(_FILE))
        except MissingError:
            document = {}
        if "dimensions" in document:
            yield _alone(place, document, own)
            continue
        layer = _group(place, document, own)
        if layer is not None:
            yield layer
        elif depth > 1:
            yield from _below(place, own, depth - 1)


def _setup(place: Location, name: str) -> ForeignLayer | None:
    times = _listed(place, "timepoint") or _counted(place, "timepoint", "s0", _FILE)
    if not times:
        return None
    try:
        document = read_document(place.child(_FILE))
    except MissingError:
        document = {}
    layer = _group(place.child(times[0]), document, name)
    if layer is None or len(times) == 1:
        return layer
    told = f"It has {len(times)} time points, of which the first, {times[0]}, is imported."
    return attrs.evolve(layer, notes=(*layer.notes, told))


def _with_xml(location: Location, layers: tuple[ForeignLayer, ...]) -> tuple[ForeignLayer, ...]:
    """Setups with the voxel sizes of BigDataViewer's XML file, which is called as the container beside it."""
    if not any(_SETUP.fullmatch(layer.name) for layer in layers):
        return layers
    place = location.parent.child(f"{location.name.removesuffix('.n5')}.xml")
    sizes = _sizes_in_xml(place)
    told = f"{place.name} may say that it is moved or turned: that is not applied."

    def sized(layer: ForeignLayer) -> ForeignLayer:
        found = _SETUP.fullmatch(layer.name)
        known = sizes.get(int(found[1])) if found is not None else None
        if known is None or layer.voxel_size != _UNKNOWN:
            return layer
        return attrs.evolve(layer, voxel_size=known, notes=(*layer.notes, told))

    return tuple(map(sized, layers))


def _sizes_in_xml(place: Location) -> dict[int, _Sizes]:
    """The voxel sizes of setups, by their numbers; none where there is no such file, or it can't be read."""
    sizes: dict[int, _Sizes] = {}
    try:
        text = place.read(0, _XML_BYTES)
        if b"<!DOCTYPE" in text:  # these files have none, and entities are how XML takes all memory
            return {}
        for setup in ElementTree.fromstring(text).iter("ViewSetup"):  # noqa: S314 - no entities, see above
            lengths = (setup.findtext("voxelSize/size") or "").split()
            unit = (setup.findtext("voxelSize/unit") or "").strip()
            if len(lengths) == 3:
                x, y, z = (nanometres(float(length), unit) for length in lengths)
                sizes[int(setup.findtext("id") or "")] = x, y, z
    except (MissingError, ElementTree.ParseError, ValueError):
        return {}
    return sizes


def _listed(location: Location, prefix: str) -> list[str]:
    """The numbered names that a place lists; none where it lists nothing."""
    try:
        names = [name.rstrip("/") for name in location.list()]
    except UnlistableError:
        return []
    return sorted((n for n in names if re.fullmatch(rf"{prefix}\d+", n)), key=lambda n: int(n[len(prefix) :]))


def _counted(location: Location, prefix: str, *file: str) -> list[str]:
    """Names with the numbers from 0 on, for as long as they have a file: for places that list nothing."""
    count = 0
    while location.child(f"{prefix}{count}", *file).exists():
        count += 1
    return [f"{prefix}{number}" for number in range(count)]
