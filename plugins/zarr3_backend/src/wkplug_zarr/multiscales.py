"""`Multiscale`: what the metadata of one OME-Zarr image say, and the layer that it makes.

Resolutions are sorted from fine to coarse, whatever their order in the file. The finest that is listed is mag 1, so
that a coarser one taken alone keeps its mag. Sizes are what scales say in the unit that the axes name; an image that
has no scales, or no units, says nothing about the size of its voxels. Translations are positions of voxel centres, as
OME-NGFF has them, or of corners, as many writers do: both are told apart by their fractions.

Sources: the OME-NGFF specifications 0.1 to 0.5 (multiscales, omero, image-label).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import attrs

from wkplug.abc import ForeignLayer, ForeignMag, nanometres
from wkplug.errors import CorruptDataError, UnsupportedOperationError
from wkplug_zarr.nodes import Node, base_name, below

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wkplug.abc import Location

__all__ = ["Multiscale", "layers_of"]

_AXES_OF_OLD = ("t", "c", "z", "y", "x")  # what 0.1 and 0.2 always had
_SPACE = "xyz"
_SAME = 1e-3


@attrs.frozen
class _Level:
    """One resolution. scale: per axis, None where nothing is said; shift: in the unit of the axes."""

    path: str
    location: Location
    scale: tuple[float | None, ...]
    shift: tuple[float, ...]


@attrs.frozen(kw_only=True)
class Multiscale:
    """One image. levels: the finest first. number: which of them is the finest that is wanted."""

    node: Node
    name: str
    category: str
    axes: tuple[str, ...]
    units: tuple[str, ...]
    levels: tuple[_Level, ...]
    number: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, node: Node, name: str = "", category: str = "color") -> Self:
        """Read the first image of a group; others of the same group are the same image in other sizes.

        CorruptDataError, UnsupportedOperationError for axes that no layer can have.
        """
        found = node.multiscales
        if not found or not isinstance(found[0], dict):
            raise CorruptDataError(f"{node.location.url} is damaged: it has no multiscales.")
        image = found[0]
        axes, units = _axes(node, image)
        datasets = [item for item in image.get("datasets") or () if isinstance(item, dict) and "path" in item]
        if not datasets:
            raise CorruptDataError(f"{node.location.url} is damaged: its image has no datasets.")
        shared = _transformation(image, len(axes))
        levels = [
            _Level(
                str(item["path"]),
                below(node.location, str(item["path"])),
                *_combined(_transformation(item, len(axes)), shared),
            )
            for item in datasets
        ]
        if category == "color" and not isinstance(node.ome.get("omero"), dict):
            # Label images that lie alone may say so, or not.
            category = "segmentation" if "image-label" in node.ome else ""
        made = cls(
            node=node,
            name=name or base_name(node.location) or "color",
            category=category,
            axes=axes,
            units=units,
            levels=tuple(levels),
        )
        return attrs.evolve(made, levels=made._sorted())

    @property
    def label(self) -> str:
        """The name that the image itself has, "" if it has none."""
        return str(self.node.multiscales[0].get("name") or "").strip("/ ")

    def starting_at(self, path: str) -> Self | None:
        """The same image from one of its resolutions on, None if that is none of them.

        One that is no mag of the finest, by factors of three, say, is an image of its own resolution.
        """
        wanted = [part for part in path.split("/") if part]
        for number, level in enumerate(self.levels):
            if [part for part in level.path.split("/") if part not in ("", ".")] == wanted:
                if all(map(_is_factor, self._ratios(level))):
                    return attrs.evolve(self, number=number)
                return attrs.evolve(self, levels=self.levels[number:])
        return None

    # --- sizes -------------------------------------------------------------------------------------------

    def _along(self, values: Sequence[Any], otherwise: Any) -> list[Any]:
        by_axis = dict(zip(self.axes, values, strict=True))
        return [by_axis.get(axis, otherwise) for axis in _SPACE]

    def _sorted(self) -> tuple[_Level, ...]:
        keys = {self._size_key(level) for level in self.levels}
        if len(keys) == len(self.levels) and None not in keys:
            return tuple(sorted(self.levels, key=self._size_key))
        # Scales that say nothing, or the same for all, leave the shapes.
        return tuple(sorted(self.levels, key=lambda level: -math.prod(self._shape(level) or (0,))))

    def _size_key(self, level: _Level) -> Any:
        scale = [length for axis, length in zip(self.axes, level.scale, strict=True) if axis in _SPACE]
        return None if None in scale else math.prod(length for length in scale if length is not None)

    def _shape(self, level: _Level) -> tuple[int, ...] | None:
        node = Node.find(level.location)
        shape = None if node is None or not node.is_array else node.shape
        return shape if shape is not None and len(shape) == len(self.axes) else None

    @property
    def scale(self) -> list[float | None]:
        """The voxel size of mag 1 along x, y, z in the unit of the axes; None where nothing is said."""
        return self._along(self.levels[0].scale, None)

    def _ratios(self, level: _Level) -> list[float]:
        first = self.levels[0]
        if level is first:
            return [1.0, 1.0, 1.0]
        ratios: list[float] = [
            1.0 if fine is None or coarse is None else coarse / fine
            for coarse, fine in zip(self._along(level.scale, None), self.scale, strict=True)
        ]
        if all(abs(ratio - 1) < _SAME for ratio in ratios):
            here, finest = self._shape(level), self._shape(first)
            if here is not None and finest is not None:
                ratios = [
                    b / max(1, a) for a, b in zip(self._along(here, 1), self._along(finest, 1), strict=True)
                ]
        return ratios

    def _factors(self, level: _Level) -> tuple[int, int, int]:
        x, y, z = (max(1, round(ratio)) for ratio in self._ratios(level))
        return x, y, z

    def _offset(self) -> tuple[list[int], list[str]]:
        """Where index 0 of the finest resolution that is wanted lies, in its voxels, which may be below 0."""
        level, offset, notes = self.levels[self.number], [], []
        factors = self._factors(level)
        scales, shifts = self._along(level.scale, None), self._along(level.shift, 0.0)
        for axis, scale, shift, factor in zip(_SPACE, scales, shifts, factors, strict=True):
            voxels = shift / scale if scale else 0.0
            centred = voxels - (factor - 1) / (2 * factor)
            place = centred if abs(centred - round(centred)) < _SAME else voxels
            offset.append(round(place))
            if abs(place - round(place)) > _SAME:
                notes.append(f"The image lies {voxels:g} voxels along {axis}; it was put at {round(place)}.")
        return offset, notes

    # --- the layer ---------------------------------------------------------------------------------------

    def layer(self, *, factors: tuple[int, int, int], moved: tuple[int, int, int]) -> ForeignLayer:
        """Describe it. factors: what mag 1 is of the finest image beside it; moved: voxels of that one."""
        levels = self.levels[self.number :]
        mags = []
        for level in levels:
            x, y, z = (a * b for a, b in zip(self._factors(level), factors, strict=True))
            mags.append(
                ForeignMag(
                    location=level.location, data_format=self.node.data_format, axes=self.axes, mag=(x, y, z)
                )
            )
        units = self._along(self.units, "")
        sizes = [
            None if scale is None else nanometres(scale / factor, unit)
            for scale, unit, factor in zip(self.scale, units, factors, strict=True)
        ]
        offset, notes = self._offset()
        if self.number == 0 and min(offset) < 0:
            told = ", ".join(
                f"{low} along {axis}" for axis, low in zip(_SPACE, offset, strict=True) if low < 0
            )
            notes.append(f"It begins at voxel {told}, where a dataset has none; it was moved to begin at 0.")
        begin = [
            max(0, low + round(by / mag)) for low, by, mag in zip(offset, moved, mags[0].mag, strict=True)
        ]
        channels = _channels(self.node) if self.category != "segmentation" else {}
        image = self.node.multiscales[0]
        return ForeignLayer(
            name=self.name,
            category=self.category,
            mags=tuple(mags),
            voxel_size=(sizes[0], sizes[1], sizes[2]),
            offset=(begin[0], begin[1], begin[2]),
            **channels,
            notes=(*self.notes, *notes),
            details={"ome-zarr": str(self.node.ome.get("version", image.get("version", "unknown")))},
        )

    def begins_below(self) -> list[int]:
        """How far it begins below 0 along x, y, z, in voxels of mag 1; 0 where it doesn't."""
        offset, _ = self._offset()
        factors = self._factors(self.levels[self.number])
        return [max(0, -low * factor) for low, factor in zip(offset, factors, strict=True)]


def layers_of(images: Sequence[Multiscale]) -> tuple[ForeignLayer, ...]:
    """Describe an image and its labels, which lie in one space: as mags of the finest of them, moved together.

    UnsupportedOperationError if their voxels are no whole multiples of each other.
    """
    finest = [
        min((size for image in images if (size := image.scale[axis]) is not None), default=None)
        for axis in range(3)
    ]
    factors = []
    for image in images:
        ratios = [
            1.0 if size is None or not least else size / least
            for size, least in zip(image.scale, finest, strict=True)
        ]
        x, y, z = (round(ratio) for ratio in ratios)
        if any(abs(ratio - whole) > _SAME * whole for ratio, whole in zip(ratios, (x, y, z), strict=True)):
            raise UnsupportedOperationError(
                f"The voxels of {image.name!r} are {' x '.join(f'{ratio:g}' for ratio in ratios)} of the finest in "
                f"{images[0].node.location.url}, so they are no mag of one dataset.",
                hint="Import the arrays into datasets of their own: name the path of each, such as "
                f"{image.levels[0].location.url}.",
            )
        factors.append((x, y, z))
    low = [
        max(image.begins_below()[axis] * own[axis] for image, own in zip(images, factors, strict=True))
        for axis in range(3)
    ]
    return tuple(
        image.layer(factors=own, moved=(low[0], low[1], low[2]))
        for image, own in zip(images, factors, strict=True)
    )


def _is_factor(ratio: float) -> bool:
    """Whether a mag may have this factor: a power of two. Shapes that were halved may be rounded."""
    whole = round(ratio)
    return whole > 0 and abs(ratio - whole) <= 0.1 * whole and not whole & (whole - 1)


def _axes(node: Node, image: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
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


_Transformation = tuple[tuple[float | None, ...], tuple[float, ...]]


def _transformation(item: Mapping[str, Any], rank: int) -> _Transformation:
    """Scale, None where nothing is said or no size; and translation, 0 where nothing is said."""
    scale: list[float | None] = [None] * rank
    shift = [0.0] * rank
    for step in item.get("coordinateTransformations") or ():
        if not isinstance(step, dict):
            continue
        values = step.get(str(step.get("type")))
        if not isinstance(values, list) or len(values) != rank or not all(map(_is_number, values)):
            continue
        numbers = [float(value) for value in values]
        if step["type"] == "scale":
            scale = [
                (1.0 if a is None else a) * b if b > 0 else None for a, b in zip(scale, numbers, strict=True)
            ]
            shift = [a * b for a, b in zip(shift, numbers, strict=True)]
        elif step["type"] == "translation":
            shift = [a + b for a, b in zip(shift, numbers, strict=True)]
    return tuple(scale), tuple(shift)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _combined(first: _Transformation, then: _Transformation) -> _Transformation:
    scale = tuple(
        None if a is None and b is None else (1.0 if a is None else a) * (1.0 if b is None else b)
        for a, b in zip(first[0], then[0], strict=True)
    )
    shift = tuple(
        a * (1.0 if b is None else b) + c for a, b, c in zip(first[1], then[0], then[1], strict=True)
    )
    return scale, shift


def _channels(node: Node) -> dict[str, Any]:
    """What omero metadata say about channels: names, colours, the range that is shown, whether they are, and how."""
    omero = node.ome.get("omero")
    found = omero.get("channels") if isinstance(omero, dict) else None
    if not isinstance(found, list) or not all(isinstance(channel, dict) for channel in found):
        return {}
    names = tuple(str(channel.get("label") or "") for channel in found)
    return {
        "channel_names": names if any(names) else (),
        "channel_colors": tuple(_color(channel.get("color")) for channel in found),
        "channel_ranges": tuple(_window(channel.get("window")) for channel in found),
        "channel_visible": tuple(_flag(channel.get("active")) for channel in found),
        "channel_inverted": tuple(_flag(channel.get("inverted")) for channel in found),
    }


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _color(text: Any) -> tuple[int, int, int] | None:
    try:
        red, green, blue = bytes.fromhex(str(text).lstrip("#"))[:3]
    except ValueError:
        return None
    return red, green, blue


def _window(window: Any) -> tuple[float, float] | None:
    if not isinstance(window, dict):
        return None
    start: Any = window.get("start")
    end: Any = window.get("end")
    return (float(start), float(end)) if _is_number(start) and _is_number(end) and start < end else None
