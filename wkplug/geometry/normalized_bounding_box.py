"""`NormalizedBoundingBox`: a box as arrays have it, with the channels as an axis of their own.

Also the form that datasource-properties.json stores: `to_wkw_dict` and `from_wkw_dict` are its JSON. Users
mostly see `denormalize()`d boxes; array handling, views and the properties file hold these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from wkplug.errors import GeometryError
from wkplug.geometry.bounding_box import BoundingBox, take
from wkplug.geometry.constants import CXYZ_AXES, XYZ_AXES
from wkplug.geometry.nd_bounding_box import NDBoundingBox
from wkplug.geometry.parsing import ints

__all__ = ["NormalizedBoundingBox"]

_CXYZ_ORDER = {"c": 0, "x": 1, "y": 2, "z": 3}
_XYZ_ORDER = {"x": 1, "y": 2, "z": 3}


class NormalizedBoundingBox(NDBoundingBox):
    """A box with the axes of a stored array, channels ("c") included where the array has them.

    With the axes c, x, y, z it mixes with a plain `BoundingBox`: for that the channels don't count.
    """

    __slots__ = ()

    _is_normalized: ClassVar[bool] = True

    def denormalize(self) -> NDBoundingBox:
        """Return a `BoundingBox` for the axes c, x, y, z; otherwise an `NDBoundingBox` with the same axes."""
        looks = (self._name, self._is_visible, self._color)
        if self._axes == CXYZ_AXES:
            return BoundingBox(self._start[1:], self._shape[1:], XYZ_AXES, None, *looks)
        return NDBoundingBox(self._start, self._shape, self._axes, self._order, *looks)

    def to_wkw_dict(self) -> dict[str, Any]:
        """Return the JSON form of datasource-properties.json.

        `topLeft`, `width`, `height` and `depth` are x, y, z (None for a missing axis), `axisOrder` has the
        positions of c, x, y and z; then `numChannels` with a channel axis, `channelIndex` unless that starts
        at 0, and `additionalAxes` for all other axes, each with its bounds (end exclusive) and position.
        """
        bounds = dict(zip(self._axes, zip(self._start, self._shape, strict=True), strict=True))
        order = dict(zip(self._axes, self._order, strict=True))
        x, y, z = (bounds.get(axis, (None, None)) for axis in XYZ_AXES)
        result: dict[str, Any] = {"topLeft": [x[0], y[0], z[0]], "width": x[1], "height": y[1], "depth": z[1]}
        if "c" in bounds:
            result["numChannels"] = bounds["c"][1]
        others = [axis for axis in self._axes if axis not in CXYZ_AXES]
        if others:
            result["additionalAxes"] = [
                {"name": axis, "bounds": [bounds[axis][0], sum(bounds[axis])], "index": order[axis]}
                for axis in others
            ]
        result["axisOrder"] = {axis: order[axis] for axis in CXYZ_AXES if axis in order}
        if "c" in bounds and bounds["c"][0] != 0:
            result["channelIndex"] = bounds["c"][0]
        return result

    @classmethod
    def from_wkw_dict(cls, bbox: Mapping[str, Any]) -> NormalizedBoundingBox:
        """Read the JSON form of datasource-properties.json.

        Without `axisOrder`, or with x, y, z at 1, 2, 3, the axes are c, x, y, z. Otherwise they are those of
        c, x, y, z that `axisOrder` names, and the `additionalAxes`, in the order of their positions.
        GeometryError (an AssertionError) for additional axes without `axisOrder`, and for what can't be.
        """
        (x, y, z), (width, height, depth) = _fields(bbox)
        channels, channel = bbox.get("numChannels", 1), bbox.get("channelIndex") or 0
        order, others = bbox.get("axisOrder"), bbox.get("additionalAxes") or ()
        if order is None:
            if others:
                raise GeometryError(
                    "The bounding box has additionalAxes but no axisOrder, which says where the axes are."
                )
            order = _XYZ_ORDER
        if not isinstance(order, Mapping):
            raise GeometryError(f'axisOrder must be an object such as {{"c": 0, "x": 1}}, got {order!r}.')
        if not others and order in (_CXYZ_ORDER, _XYZ_ORDER):
            return cls((channel, x, y, z), (channels, width, height, depth), CXYZ_AXES)
        known = {"c": (channel, channels), "x": (x, width), "y": (y, height), "z": (z, depth)}
        places: dict[str, int] = dict(order)
        for entry in others:
            name, bounds, index = take(entry, "name", "bounds", "index")
            low, high = ints(bounds, count=2)
            known[name] = (low, high - low)
            places.setdefault(name, index)
        unknown = [axis for axis in places if axis not in known]
        if unknown:
            raise GeometryError(
                f"axisOrder names {', '.join(unknown)}, but no additionalAxes say the bounds."
            )
        axes = tuple(places)
        return cls([known[a][0] for a in axes], [known[a][1] for a in axes], axes, [places[a] for a in axes])


def _fields(bbox: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return top-left and extents; null, for an axis that the box doesn't have, reads as an empty range."""
    topleft, *extents = take(bbox, "topLeft", "width", "height", "depth")
    if not isinstance(topleft, Sequence) or len(topleft) != 3:
        raise GeometryError(f"topLeft must be [x, y, z], got {topleft!r}.")
    start, shape = (ints([0 if v is None else v for v in values]) for values in (topleft, extents))
    return start, shape
