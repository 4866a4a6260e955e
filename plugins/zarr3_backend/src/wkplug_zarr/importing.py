"""`ome-zarr`: what an OME-Zarr image (0.1 to 0.5), or a bare Zarr array, makes as a dataset.

An image with its labels becomes a color layer and a segmentation per label image; the collections that bioformats2raw
writes (groups "0", "1", ...) become a layer per image. Scales are taken in the unit that the axes name, and are
nanometres for nobody who names none: then the voxel size is unknown. Translations of the finest resolution become the
layer's place. A bare array becomes one layer; its axes are those that it names, or x, y, z as `wkplug convert-zarr`
always took them.

Only JSON files are read here. Sources: the OME-NGFF specifications 0.4 and 0.5 (multiscales, omero, labels).

Who calls it: `wkplug.ops` through the factory that `wkplug_zarr.plugin` names.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wkplug.abc import ForeignLayer, ForeignMag, Importer, Location, ProbeScore, nanometres
from wkplug.errors import CorruptDataError, MissingError, UnsupportedOperationError
from wkplug_zarr.headers import USUAL_AXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["OmeZarrImporter"]

_AXES_OF_OLD = ("t", "c", "z", "y", "x")  # what 0.1 and 0.2 always had
_FORMATS = {2: "zarr", 3: "zarr3"}


class OmeZarrImporter(Importer):
    """Describes Zarr hierarchies."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location) -> ProbeScore:
        """Certain about images and arrays; a group of anything else is no container."""
        try:
            node = _Node.read(location)
        except MissingError:
            return ProbeScore.NO
        except CorruptDataError:
            return ProbeScore.MARKER
        if node.is_array or node.multiscales or "bioformats2raw.layout" in node.ome:
            return ProbeScore.CERTAIN
        return ProbeScore.NO

    def describe(self, location: Location) -> tuple[ForeignLayer, ...]:
        """See `Importer.describe`; UnsupportedOperationError for images whose axes no layer can have."""
        node = _Node.read(location)
        name = _base(location) or "color"
        if node.is_array:
            return (_bare(node, name),)
        if node.multiscales:
            return (*_images(node, name), *_labels(node))
        return tuple(
            layer for image, place in _collection(node) for layer in _images(_Node.read(place), image)
        )


class _Node:
    """The metadata of one group or array, of either version."""

    def __init__(self, location: Location, version: int, document: dict[str, Any], attributes: Any) -> None:
        self.location = location
        self.version = version
        self.document = document
        self.attributes = attributes if isinstance(attributes, dict) else {}
        ome = self.attributes.get("ome", self.attributes) if version == 3 else self.attributes
        self.ome: dict[str, Any] = ome if isinstance(ome, dict) else {}

    @classmethod
    def read(cls, location: Location) -> _Node:
        """MissingError if there is no Zarr node."""
        document = _json(location.child("zarr.json"))
        if document is not None:
            return cls(location, 3, document, document.get("attributes"))
        for name in (".zarray", ".zgroup"):
            document = _json(location.child(name))
            if document is not None:
                return cls(location, 2, document, _json(location.child(".zattrs")))
        raise MissingError(f"{location.url} is no Zarr group or array.", hint="Check the path.")

    @property
    def is_array(self) -> bool:
        return self.document.get("node_type") == "array" or "chunks" in self.document

    @property
    def multiscales(self) -> list[Any]:
        found = self.ome.get("multiscales")
        return found if isinstance(found, list) else []


def _json(location: Location) -> dict[str, Any] | None:
    try:
        found = json.loads(location.read())
    except MissingError:
        return None
    except (ValueError, RecursionError) as error:
        raise CorruptDataError(f"{location.url} is damaged: it is no JSON.") from error
    if not isinstance(found, dict):
        raise CorruptDataError(f"{location.url} is damaged: it is no JSON object.")
    return found


def _base(location: Location) -> str:
    """A container's name without the suffixes that say what it is."""
    name = location.name
    for suffix in (".zip", ".ozx", ".zarr", ".ome"):
        name = name.removesuffix(suffix)
    return name


def _bare(node: _Node, name: str) -> ForeignLayer:
    shape = node.document.get("shape")
    if not isinstance(shape, list):
        raise CorruptDataError(f"{node.location.url} is damaged: its shape is no list.")
    named = node.document.get("dimension_names") or node.attributes.get("_ARRAY_DIMENSIONS")
    axes: tuple[str, ...] | None = None
    if isinstance(named, list) and len(named) == len(shape):
        axes = tuple(str(axis).lower() for axis in named)
        axes = axes if {"x", "y"} <= set(axes) and len(set(axes)) == len(axes) else None
    notes: tuple[str, ...] = ()
    if axes is None:
        axes = USUAL_AXES.get(len(shape))
        if axes is None:
            raise UnsupportedOperationError(
                f"The Zarr array {node.location.url} has {len(shape)} axes without names, whose meaning can't be told.",
                hint="Name them in dimension_names, or import an OME-Zarr image.",
            )
        notes = (f"The array doesn't name its axes; they were taken as {', '.join(axes)}.",)
    mag = ForeignMag(location=node.location, data_format=_FORMATS[node.version], axes=axes)
    return ForeignLayer(name=name, mags=(mag,), notes=notes)


def _images(node: _Node, name: str, category: str = "color") -> tuple[ForeignLayer, ...]:
    """One layer for the first multiscale image of a group; others of the same group are the same image."""
    found = node.multiscales
    if not found or not isinstance(found[0], dict):
        raise CorruptDataError(f"{node.location.url} is damaged: it has no multiscales.")
    image = found[0]
    axes, units = _axes(node, image)
    datasets = [item for item in image.get("datasets") or () if isinstance(item, dict) and "path" in item]
    if not datasets:
        raise CorruptDataError(f"{node.location.url} is damaged: its image has no datasets.")
    shared = _transformation(image, len(axes))
    placed = [_combined(_transformation(item, len(axes)), shared) for item in datasets]
    scale, shift = placed[0]
    by_axis = {axis: index for index, axis in enumerate(axes)}
    sizes: list[float | None] = []
    offset: list[int] = []
    notes: list[str] = []
    for axis in "xyz":
        position = by_axis.get(axis)
        if position is None:
            sizes.append(None)
            offset.append(0)
            continue
        sizes.append(nanometres(scale[position], units[position]))
        voxels = shift[position] / scale[position] if scale[position] > 0 else 0.0
        offset.append(round(voxels))
        if abs(voxels - round(voxels)) > 1e-3:
            notes.append(f"The image lies {voxels:g} voxels along {axis}; it was put at {round(voxels)}.")
    mags = []
    for item, (own, _) in zip(datasets, placed, strict=True):
        factors = tuple(
            max(1, round(own[by_axis[axis]] / scale[by_axis[axis]]))
            if axis in by_axis and scale[by_axis[axis]]
            else 1
            for axis in "xyz"
        )
        place = node.location.child(*str(item["path"]).split("/"))
        x, y, z = factors
        mags.append(ForeignMag(location=place, data_format=_FORMATS[node.version], axes=axes, mag=(x, y, z)))
    names, colors = _channels(node) if category == "color" else ((), ())
    if category == "color" and not isinstance(node.ome.get("omero"), dict):
        # Label images that lie alone may say so, or not.
        category = "segmentation" if "image-label" in node.ome else ""
    layer = ForeignLayer(
        name=name,
        category=category,
        mags=tuple(mags),
        voxel_size=(sizes[0], sizes[1], sizes[2]),
        offset=(max(0, offset[0]), max(0, offset[1]), max(0, offset[2])),
        channel_names=names,
        channel_colors=colors,
        notes=(*notes, *(["It lies below 0 along an axis; it was put at 0."] if min(offset) < 0 else [])),
        details={"ome-zarr": str(node.ome.get("version", image.get("version", "unknown")))},
    )
    return (layer,)


def _axes(node: _Node, image: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The axes' names and units ("" for none)."""
    found = image.get("axes")
    if found is None:
        return _AXES_OF_OLD, ("",) * 5
    if not isinstance(found, list) or not found:
        raise CorruptDataError(f"{node.location.url} is damaged: its axes are no list.")
    names, units = [], []
    for axis in found:  # plain names in 0.3, objects since
        known = axis if isinstance(axis, dict) else {"name": axis}
        names.append(str(known.get("name", "")).lower())
        units.append(str(known.get("unit", "")).lower())
    if not {"x", "y"} <= set(names) or len(set(names)) != len(names):
        raise UnsupportedOperationError(
            f"The image {node.location.url} has the axes {', '.join(names)}: a layer needs x and y, and each axis once."
        )
    return tuple(names), tuple(units)


def _transformation(item: Mapping[str, Any], rank: int) -> tuple[list[float], list[float]]:
    """Scale and translation; 1 and 0 where there are none."""
    scale, shift = [1.0] * rank, [0.0] * rank
    for step in item.get("coordinateTransformations") or ():
        if not isinstance(step, dict):
            continue
        values = step.get(str(step.get("type")))
        if isinstance(values, list) and len(values) == rank:
            numbers = [float(value) for value in values]
            if step["type"] == "scale":
                scale = [a * b for a, b in zip(scale, numbers, strict=True)]
                shift = [a * b for a, b in zip(shift, numbers, strict=True)]
            elif step["type"] == "translation":
                shift = [a + b for a, b in zip(shift, numbers, strict=True)]
    return scale, shift


def _combined(
    first: tuple[list[float], list[float]], then: tuple[list[float], list[float]]
) -> tuple[list[float], list[float]]:
    scale = [a * b for a, b in zip(first[0], then[0], strict=True)]
    shift = [a * b + c for a, b, c in zip(first[1], then[0], then[1], strict=True)]
    return scale, shift


def _channels(node: _Node) -> tuple[tuple[str, ...], tuple[tuple[int, int, int] | None, ...]]:
    """What omero metadata say about channels."""
    omero = node.ome.get("omero")
    found = omero.get("channels") if isinstance(omero, dict) else None
    if not isinstance(found, list) or not all(isinstance(channel, dict) for channel in found):
        return (), ()
    names = tuple(str(channel.get("label", "")) for channel in found)
    return names if any(names) else (), tuple(_color(channel.get("color")) for channel in found)


def _color(text: Any) -> tuple[int, int, int] | None:
    try:
        red, green, blue = bytes.fromhex(str(text).lstrip("#"))[:3]
    except ValueError:
        return None
    return red, green, blue


def _labels(node: _Node) -> Iterator[ForeignLayer]:
    place = node.location.child("labels")
    try:
        group = _Node.read(place)
    except MissingError:
        return
    for name in group.ome.get("labels") or ():
        yield from _images(
            _Node.read(place.child(*str(name).split("/"))), str(name).replace("/", "_"), "segmentation"
        )


def _collection(node: _Node) -> list[tuple[str, Location]]:
    """The images that bioformats2raw wrote: those that its OME group lists, or else the numbered ones."""
    try:
        series = _Node.read(node.location.child("OME")).ome.get("series")
    except MissingError:
        series = None
    names = [str(name) for name in series] if isinstance(series, list) else []
    if not names:
        names = sorted((n.rstrip("/") for n in node.location.list() if n.rstrip("/").isdigit()), key=int)
    base = _base(node.location)
    return [(f"{base}_{name.replace('/', '_')}", node.location.child(*name.split("/"))) for name in names]
