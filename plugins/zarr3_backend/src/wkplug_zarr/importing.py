"""`ome-zarr`: what OME-Zarr images (0.1 to 0.5), collections of them, or bare Zarr arrays make as a dataset.

An image with its labels becomes a color layer and a segmentation per label image. Collections become a layer per image:
those that bioformats2raw writes, plates and wells of screens, and groups that just hold images. A resolution of an
image that is named alone has the axes, sizes and mag that its image says. Bare arrays become a layer each; their axes
are those that they name, or x, y, z as `wkplug convert-zarr` always took them.

Only metadata are read here. Sources: the OME-NGFF specifications 0.4 and 0.5 (multiscales, labels, plate, well).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import attrs

from wkplug.abc import ForeignLayer, ForeignMag, Image, ImageInfo, Importer, Location, ProbeScore
from wkplug.abc.files import listed
from wkplug.errors import CorruptDataError, MissingError, UnlistableError, UnsupportedOperationError
from wkplug_zarr.headers import USUAL_AXES, unusual_dtype, unusual_header
from wkplug_zarr.multiscales import Multiscale, layers_of
from wkplug_zarr.nodes import Node, base_name, below

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box

__all__ = ["OmeZarrImporter"]

_ABOVE = 4
"""How many levels up the image of an array is looked for: paths of resolutions may hold slashes."""

_DEEPEST = 8
"""How many levels down a plain group is searched."""

_NAMED = 5
"""How many of the things that are left out for one reason are named."""

_XML_BYTES = 64 << 20
_XML_FOLDER = "OME"


class OmeZarrImporter(Importer):
    """Describes Zarr hierarchies."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location) -> ProbeScore:
        """Certain about images, collections of images, and arrays; a group of anything else is no container."""
        try:
            node = Node.read(location)
            if node.is_array or node.multiscales or _is_collection(node):
                return ProbeScore.CERTAIN
            return ProbeScore.CERTAIN if next(_found(node, []), None) is not None else ProbeScore.NO
        except MissingError:
            return ProbeScore.NO
        except CorruptDataError:
            return ProbeScore.MARKER

    def describe(self, location: Location) -> tuple[ForeignLayer, ...]:
        """See `Importer.describe`; UnsupportedOperationError for images whose axes no layer can have."""
        node = Node.read(location)
        if node.is_array:
            image = _image_above(location)
            return (_bare(node, base_name(location) or "color"),) if image is None else layers_of([image])
        if node.multiscales:
            return tuple(_with_labels([("", node)]))
        missing: list[str] = []
        left_out: list[str] = []
        layers = list(_collection(node, missing, left_out))
        if not layers:
            raise CorruptDataError(
                f"{location.url} lists images, but none of them is there{f': {missing[0]}' if missing else ''}.",
                hint="The container is damaged or was not copied as a whole.",
            )
        told = (*(f"{path} is listed, but not there: it is left out." for path in missing), *left_out)
        return (attrs.evolve(layers[0], container_notes=told), *layers[1:])

    def open(self, mag: ForeignMag) -> Image | None:
        """Open arrays of dtypes that layers can't have (bool, float16); None for all others."""
        zarr_format = 3 if mag.data_format == "zarr3" else 2
        if unusual_dtype(mag.location, zarr_format) is None:
            return None
        return UnusualImage(mag.location, zarr_format, mag.axes)


# --- one image, one array ------------------------------------------------------------------------------------


def _image_above(location: Location) -> Multiscale | None:
    """The image that an array is a resolution of."""
    parts: list[str] = []
    for _ in range(_ABOVE):
        if location.parent == location:
            return None
        parts.insert(0, location.name)
        location = location.parent
        try:
            node = Node.find(location)
            if node is not None and node.multiscales:
                return Multiscale.of(node).starting_at("/".join(parts))
        except (CorruptDataError, UnsupportedOperationError):
            return None  # the array itself is sound
    return None


def _with_labels(images: list[tuple[str, Node]]) -> Iterator[ForeignLayer]:
    """Images by their names, and their labels where there are any; those that are listed but not there are told."""
    groups = Node.find_all([node.location.child("labels") for _, node in images])
    for (name, node), group in zip(images, groups, strict=True):
        yield from _image(Multiscale.of(node, name), name, group)


def _image(image: Multiscale, name: str, group: Node | None) -> tuple[ForeignLayer, ...]:
    """An image and those of the group of its labels."""
    labels, missing = [], []
    names = [] if group is None else group.names("labels")
    places = [] if group is None else [below(group.location, name) for name in names]
    for label, found in zip(names, Node.find_all(places), strict=True):
        if found is None:
            missing.append(f"The labels {label!r} are listed, but not there: they are left out.")
            continue
        labels.append(Multiscale.of(found, f"{name}_{label}" if name else label, "segmentation"))
    if group is not None:
        missing += _beside(group, group.names("labels"), "among the labels", "labels")
    return layers_of([attrs.evolve(image, notes=tuple(missing)), *labels])


def _bare(node: Node, name: str) -> ForeignLayer:
    shape = node.shape
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
    mag = ForeignMag(location=node.location, data_format=node.data_format, axes=axes)
    return ForeignLayer(name=name, mags=(mag,), notes=notes)


# --- collections ---------------------------------------------------------------------------------------------


def _is_collection(node: Node) -> bool:
    return any(key in node.ome for key in ("bioformats2raw.layout", "plate", "well"))


def _collection(node: Node, missing: list[str], left_out: list[str]) -> Iterator[ForeignLayer]:
    """The layers of a group that is no image itself.

    What is listed but isn't there is added to `missing`, sentences about what becomes no layer to `left_out`.
    """
    base = base_name(node.location)
    if "plate" in node.ome:
        wells = _paths(node.ome["plate"], "wells")
        yield from _fields(
            _listed({path: below(node.location, path) for path in wells}, missing), missing, left_out
        )
        left_out += _beside(node, wells, "by the plate")
    elif "well" in node.ome:
        yield from _fields([("", node)], missing, left_out)
    elif "bioformats2raw.layout" in node.ome:
        names = _series(node)
        places = {f"{base}_{name}": below(node.location, path) for path, name in names.items()}
        yield from _with_labels(_listed(places, missing))
        left_out += _beside(node, list(names), "among the series")
    elif node.names("labels"):
        for path, label in _listed(
            {path: below(node.location, path) for path in node.names("labels")}, missing
        ):
            yield from layers_of([Multiscale.of(label, path, "segmentation")])
        left_out += _beside(node, node.names("labels"), "among the labels")
    else:
        found = list(_found(node, left_out))
        images = list(_with_labels([(path, each) for path, each in found if not each.is_array]))
        yield from images or [_bare(each, path) for path, each in found]


def _paths(holder: Any, key: str) -> list[str]:
    items = holder.get(key) if isinstance(holder, dict) else None
    return [str(item["path"]) for item in items or () if isinstance(item, dict) and item.get("path")]


def _listed(places: Mapping[str, Location], missing: list[str]) -> list[tuple[str, Node]]:
    """The nodes at places, by their names."""
    nodes = dict(zip(places, Node.find_all(list(places.values())), strict=True))
    missing += [places[name].url for name, node in nodes.items() if node is None]
    return [(name, node) for name, node in nodes.items() if node is not None]


def _fields(wells: list[tuple[str, Node]], missing: list[str], left_out: list[str]) -> Iterator[ForeignLayer]:
    """A layer per field, named by row, column and field; wells: by their paths in the plate, "" for one alone."""
    places: dict[str, Location] = {}
    for where, well in wells:
        name = where.replace("/", "_") or f"{well.location.parent.name}_{base_name(well.location)}"
        fields = _paths(well.ome.get("well"), "images")
        places |= {f"{name}_{path.replace('/', '_')}": below(well.location, path) for path in fields}
        left_out += _beside(well, fields, "by its well", where)
    yield from _with_labels(_listed(places, missing))


def _beside(node: Node, listed: list[str], by: str, where: str = "") -> list[str]:
    """Say which images and arrays lie in a collection that doesn't list them; where: its path, for the sentence."""
    known = {"/".join(part for part in path.split("/") if part not in ("", ".")) for path in listed}
    try:
        strays = [
            f"{where}/{path}" if where else path
            for path, found in _nodes_below(node, "", _DEEPEST, {*known, _XML_FOLDER})
            if found.is_array or found.multiscales
        ]
    except UnlistableError:
        return []  # what isn't named can't be found there
    return _left_out(strays, f"not listed {by}")


def _series(node: Node) -> dict[str, str]:
    """The images that bioformats2raw wrote, by their paths: those that its OME group lists, or the numbered ones."""
    group = Node.find(node.location.child(_XML_FOLDER))
    paths = [] if group is None else group.names("series")
    if not paths:
        paths = sorted((n.rstrip("/") for n in node.location.list() if n.rstrip("/").isdigit()), key=int)
    names = _image_names(node.location.child(_XML_FOLDER, "METADATA.ome.xml"))
    if len(names) != len(paths) or len(set(names)) != len(names) or not all(names):
        names = paths
    return dict(zip(paths, names, strict=True))


def _image_names(place: Location) -> list[str]:
    """The names of the images that the OME-XML beside a collection has; none if it can't be read."""
    try:
        text = place.read(0, _XML_BYTES)
        if b"<!DOCTYPE" in text:  # OME-XML has none, and entities are how XML takes all memory
            return []
        root = ElementTree.fromstring(text)  # noqa: S314 - without a document type there are no entities
    except (MissingError, ElementTree.ParseError):
        return []
    return [item.get("Name") or "" for item in root if item.tag.rpartition("}")[2] == "Image"]


def _found(node: Node, left_out: list[str]) -> Iterator[tuple[str, Node]]:
    """The images below a plain group, by their paths; where there is none, its arrays of two axes and more.

    What else is there is told in sentences that are added to `left_out`.
    """
    below_it = list(_nodes_below(node, "", _DEEPEST))
    images = [(path, found) for path, found in below_it if found.multiscales]
    arrays = [(path, found) for path, found in below_it if found.is_array]
    lines = [path for path, found in arrays if len(found.shape) < 2]
    volumes = [(path, found) for path, found in arrays if len(found.shape) > 1]
    deep = [path for path, found in below_it if not found.is_array and not found.multiscales]
    yield from images or volumes
    if images:
        left_out += _left_out([path for path, _ in volumes], "beside images, arrays are no layers")
    left_out += _left_out(lines, "arrays of less than two axes are no images")
    left_out += _left_out(deep, f"groups are searched {_DEEPEST} levels deep")


def _left_out(paths: list[str], reason: str) -> list[str]:
    if not paths:
        return []
    return [f"Left out: {listed(paths, _NAMED)} ({reason})."]


def _nodes_below(
    node: Node, path: str, depth: int, known: Collection[str] = ()
) -> Iterator[tuple[str, Node]]:
    """All images and arrays below a group, and the groups that lie too deep to be searched; `known` paths left out."""
    before = f"{path}/" if path else ""
    for child in node.children({each.removeprefix(before) for each in known if each.startswith(before)}):
        own = before + child.location.name
        if child.is_array or child.multiscales or depth == 1:
            yield own, child
        else:
            yield from _nodes_below(child, own, depth - 1, known)


class UnusualImage(Image):
    """One array of bool or float16, as it is: it is converted as those of image files are."""

    thread_safe = True

    def __init__(self, location: Location, zarr_format: int, axes: tuple[str, ...]) -> None:
        from wkplug_zarr.arrays import ZarrArray

        self._made_of = location, zarr_format, axes
        dtype = unusual_dtype(location, zarr_format) or "bool"
        header = unusual_header(location, zarr_format, dtype)
        self._array = self.array = ZarrArray(location, zarr_format, "r", axes, header)
        spec = self._array.spec
        shape = tuple(length or 0 for length in spec.shape)
        self.info = ImageInfo(
            axes=spec.axes,
            shape=shape,
            dtype=dtype,
            block_shape=tuple(map(min, spec.chunk_shape, shape)),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (UnusualImage, self._made_of)

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        del level
        return self._array.read(self.info.box() if box is None else box)
