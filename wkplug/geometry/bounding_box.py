"""`BoundingBox`: the three-dimensional box that nearly all code holds, and its many written forms.

An `NDBoundingBox` whose axes are always x, y, z and whose vectors are `Vec3Int`. It reads and writes
configuration dicts, tuples, csv, checkpoint names and the dict of datasource-properties.json; `from_auto`
guesses among them. Combined with a `NormalizedBoundingBox` it takes over that one's channels.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from wkplug.errors import GeometryError
from wkplug.geometry import grids
from wkplug.geometry.box_base import UNNAMED, flipped
from wkplug.geometry.constants import CXYZ_AXES, XYZ_AXES
from wkplug.geometry.nd_bounding_box import NDBoundingBox, checked_box
from wkplug.geometry.parsing import ints
from wkplug.geometry.vec3_int import Vec3Int
from wkplug.geometry.vec_int import VecInt, make_vec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.geometry.normalized_bounding_box import NormalizedBoundingBox
    from wkplug.geometry.vec3_int import Vec3IntLike
    from wkplug.geometry.vec_int import VecIntLike

__all__ = ["BoundingBox"]

_ORDER = (1, 2, 3)  # the channel axis comes first in stored arrays
# A minus counts only at the start or after an underscore, as written; elsewhere a hyphen is part of a name.
_CHECKPOINT = re.compile(r"((?:(?<![^_])-)?\d+)" + r"_(-?\d+)" * 5)


class BoundingBox(NDBoundingBox):
    """A box over x, y, z in voxels: `BoundingBox(topleft=(0, 0, 0), size=(100, 100, 50))`.

    `topleft` is inclusive, `bottomright` exclusive; a negative size turns round. Equality compares topleft
    and size; channels of a `NormalizedBoundingBox` don't count.
    """

    __slots__ = ()

    _vector: ClassVar[type[VecInt]] = Vec3Int

    def __init__(
        self,
        topleft: Vec3IntLike,
        size: Vec3IntLike,
        axes: Iterable[str] = XYZ_AXES,
        index: VecIntLike | None = None,  # noqa: ARG002 - accepted and fixed, so that all boxes are made alike
        name: str | None = UNNAMED,
        is_visible: bool = True,  # noqa: FBT001, FBT002 - a long-standing signature
        color: Iterable[float] | None = None,
    ) -> None:
        if axes is not XYZ_AXES and tuple(axes) != XYZ_AXES:
            raise GeometryError(
                f"The axes of a BoundingBox are x, y, z, not {axes!r}.",
                hint="NDBoundingBox takes any axes; a name is given by name=...",
            )
        start, shape = _three(topleft), _three(size)
        if shape[0] < 0 or shape[1] < 0 or shape[2] < 0:
            start, shape = flipped(start, shape)
        self._start = start
        self._shape = shape
        self._axes = XYZ_AXES
        self._order = _ORDER
        self._name = name
        self._is_visible = is_visible
        self._color = None if color is None else tuple(map(float, color))

    @classmethod
    def empty(cls) -> Self:
        """Return the box of size 0 at the origin."""
        return cls((0, 0, 0), (0, 0, 0))

    # The same attributes as in every box, with the type that three axes allow.

    @property
    def topleft(self) -> Vec3Int:
        """The first voxel, inclusive."""
        return make_vec(Vec3Int, self._start, XYZ_AXES)

    @property
    def size(self) -> Vec3Int:
        """The number of voxels along x, y and z."""
        return make_vec(Vec3Int, self._shape, XYZ_AXES)

    @property
    def bottomright(self) -> Vec3Int:
        """The end, exclusive."""
        return make_vec(Vec3Int, grids.stop_of((self._start, self._shape)), XYZ_AXES)

    @property
    def index(self) -> Vec3Int:
        """The positions of x, y and z in the stored array: after the channels, always (1, 2, 3)."""
        return make_vec(Vec3Int, _ORDER, XYZ_AXES)

    def with_index(self, new_index: VecIntLike) -> Self:  # noqa: ARG002 - the order is fixed
        """Return the box itself: its axes are always x, y, z."""
        return self

    def with_bounds_x(self, new_topleft_x: int | None = None, new_size_x: int | None = None) -> Self:
        """Return a copy with another start and size along x; what is None stays."""
        return self.with_bounds("x", new_topleft_x, new_size_x)

    def with_bounds_y(self, new_topleft_y: int | None = None, new_size_y: int | None = None) -> Self:
        """Return a copy with another start and size along y; what is None stays."""
        return self.with_bounds("y", new_topleft_y, new_size_y)

    def with_bounds_z(self, new_topleft_z: int | None = None, new_size_z: int | None = None) -> Self:
        """Return a copy with another start and size along z; what is None stays."""
        return self.with_bounds("z", new_topleft_z, new_size_z)

    def iter_chunk_toplefts(
        self,
        chunk_shape: Vec3IntLike,
        chunk_border_alignments: Vec3IntLike | None = None,
        clip_to: BoundingBox | None = None,
    ) -> Iterator[tuple[int, ...]]:
        """Yield the starts of the cells that `chunk` would cut along, not clipped to the box; z is fastest.

        With `clip_to`, only cells that hold voxels of both boxes; the grid stays that of this box.
        """
        grid, origin = self._chunk_grid(chunk_shape, chunk_border_alignments)
        box = self.to_box()
        if clip_to is not None:
            common = grids.intersect(box, checked_box(clip_to, "clip_to").to_box())
            if common is None:
                return iter(())
            box = common
        return grids.cell_starts(*box, grid, origin=origin)

    def normalize_axes(self, num_channels: int) -> NormalizedBoundingBox:
        """Return the box with a channel axis of that size before x, y and z."""
        from wkplug.geometry.normalized_bounding_box import NormalizedBoundingBox

        return self._normalized(NormalizedBoundingBox, 0, num_channels)

    # --- written forms --------------------------------------------------------------------------------------

    def to_tuple6(self) -> tuple[int, int, int, int, int, int]:
        """Return (x, y, z, width, height, depth)."""
        (x, y, z), (width, height, depth) = self._start, self._shape
        return (x, y, z, width, height, depth)

    def to_csv(self) -> str:
        """Return "x,y,z,width,height,depth"."""
        return ",".join(map(str, self._start + self._shape))

    def to_config_dict(self) -> dict[str, Any]:
        """Return `{"topleft": [x, y, z], "size": [width, height, depth]}`."""
        return {"topleft": list(self._start), "size": list(self._shape)}

    def to_wkw_dict(self) -> dict[str, Any]:
        """Return `{"topLeft": [x, y, z], "width": ..., "height": ..., "depth": ...}`."""
        width, height, depth = self._shape
        return {"topLeft": list(self._start), "width": width, "height": height, "depth": depth}

    @classmethod
    def from_tuple6(cls, tuple6: Sequence[int]) -> Self:
        """Read (x, y, z, width, height, depth)."""
        numbers = ints(tuple6, count=6)
        return cls(numbers[:3], numbers[3:])

    @classmethod
    def from_tuple2(cls, tuple2: Sequence[Vec3IntLike]) -> Self:
        """Read (topleft, size)."""
        if len(tuple2) != 2:
            raise GeometryError(f"Expected topleft and size, got {tuple2!r}.")
        return cls(tuple2[0], tuple2[1])

    @classmethod
    def from_csv(cls, csv_bbox: str) -> Self:
        """Read "x,y,z,width,height,depth"; GeometryError (a ValueError) for other text."""
        return cls.from_tuple6(csv_bbox.split(","))  # type: ignore[arg-type]  # text is turned into ints there

    @classmethod
    def from_checkpoint_name(cls, checkpoint_name: str) -> Self:
        """Find the first six integers joined by underscores in a text such as "run_0_0_0_10_10_10.json"."""
        match = _CHECKPOINT.search(checkpoint_name)
        if match is None:
            raise GeometryError(f"There are no six numbers joined by underscores in {checkpoint_name!r}.")
        return cls.from_tuple6(match.groups())  # type: ignore[arg-type]  # text is turned into ints there

    @classmethod
    def from_config_dict(cls, bbox: Mapping[str, Any]) -> Self:
        """Read `{"topleft": [x, y, z], "size": [width, height, depth]}`."""
        return cls(*take(bbox, "topleft", "size"))

    @classmethod
    def from_wkw_dict(cls, bbox: Mapping[str, Any]) -> Self:
        """Read `{"topLeft": [x, y, z], "width": ..., "height": ..., "depth": ...}`."""
        topleft, *size = take(bbox, "topLeft", "width", "height", "depth")
        return cls(topleft, size)

    @classmethod
    def from_points(cls, points: Iterable[Vec3IntLike] | NDArray[Any]) -> Self:
        """Return the smallest box that holds all points, given as rows of x, y, z; ValueError without any."""
        try:
            rows = [[math.floor(value) for value in point] for point in points]
        except (TypeError, ValueError, OverflowError) as error:
            raise GeometryError(f"A point is three numbers: {error}.") from error
        if not rows or any(len(row) != 3 for row in rows):
            raise GeometryError("A box around points needs one point at least, each with x, y and z.")
        columns = list(zip(*rows, strict=True))
        start = tuple(map(min, columns))
        return cls(start, [high + 1 - low for low, high in zip(start, map(max, columns), strict=True)])

    @classmethod
    def from_ndbbox(cls, bbox: NDBoundingBox) -> Self:
        """Take the x, y and z of a box with any axes; a missing one has size 0."""
        return cls(
            bbox.topleft_xyz, bbox.size_xyz, name=bbox.name, is_visible=bbox.is_visible, color=bbox.color
        )

    @classmethod
    def from_auto(cls, obj: Any) -> BoundingBox:
        """Read any of the forms above: a box, JSON or csv text, a dict, or a sequence of 2 or 6."""
        if isinstance(obj, BoundingBox):
            return obj
        if isinstance(obj, NDBoundingBox) and obj.axes in (XYZ_AXES, CXYZ_AXES):
            return cls.from_ndbbox(obj)
        if isinstance(obj, str):
            if ":" not in obj:
                return cls.from_csv(obj)
            try:
                return cls.from_auto(json.loads(obj))
            except json.JSONDecodeError as error:
                raise GeometryError(f"Unknown bounding box format: {obj!r} is no JSON ({error}).") from error
        if isinstance(obj, Mapping):
            return cls.from_config_dict(obj) if "size" in obj else cls.from_wkw_dict(obj)
        if isinstance(obj, list | tuple) and len(obj) in (2, 6):
            return cls.from_tuple2(obj) if len(obj) == 2 else cls.from_tuple6(obj)
        raise GeometryError(
            f"Unknown bounding box format: {obj!r}.",
            hint='Known are "x,y,z,width,height,depth", (topleft, size), six numbers, '
            '{"topleft", "size"} and {"topLeft", "width", "height", "depth"}.',
        )

    def __repr__(self) -> str:
        return f"BoundingBox(topleft={self._start}, size={self._shape})"

    # --- inside ---------------------------------------------------------------------------------------------

    def _matched_to(self, other: NDBoundingBox) -> NDBoundingBox:
        """Take over the channels of a normalised box."""
        if not other._is_normalized or other._axes not in (XYZ_AXES, CXYZ_AXES):
            return self
        from wkplug.geometry.normalized_bounding_box import NormalizedBoundingBox

        if other._axes == CXYZ_AXES:
            return self._normalized(NormalizedBoundingBox, other._start[0], other._shape[0])
        return super().normalize_axes(1)

    def _normalized(
        self, kind: type[NormalizedBoundingBox], channel: int, count: int
    ) -> NormalizedBoundingBox:
        start, shape = (channel, *self._start), (count, *self._shape)
        return kind(start, shape, CXYZ_AXES, None, self._name, self._is_visible, self._color)


def take(values: Mapping[str, Any], *keys: str) -> list[Any]:
    """Return the values of the keys; GeometryError names what is missing."""
    missing = [key for key in keys if key not in values]
    if missing:
        raise GeometryError(f"The bounding box {dict(values)!r} lacks {' and '.join(map(repr, missing))}.")
    return [values[key] for key in keys]


def _three(values: Any) -> grids.Ints:
    return Vec3Int(values)._data if isinstance(values, str) else ints(values, count=3)
