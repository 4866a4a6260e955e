"""Vectors, mags and boxes: plain values that everything else calculates with.

All are immutable, hashable and picklable, exact for integers of any size, and know their axes by name.
Importing this package loads neither numpy nor any other third-party module. Callers: everybody, plugins
included. `wkplug.geometry.grids` has the same arithmetic on bare tuples for hot paths.
"""

from wkplug.geometry.bounding_box import BoundingBox
from wkplug.geometry.constants import (
    C_AXIS,
    CXYZ_AXES,
    T_AXIS,
    TCXYZ_AXES,
    TXYZ_AXES,
    X_AXIS,
    XY_AXES,
    XYZ_AXES,
    Y_AXIS,
    Z_AXIS,
    XYZAxis,
)
from wkplug.geometry.mag import Mag, MagLike
from wkplug.geometry.nd_bounding_box import NDBoundingBox
from wkplug.geometry.normalized_bounding_box import NormalizedBoundingBox
from wkplug.geometry.shapes import derive_nd_bounding_box_from_shape
from wkplug.geometry.vec3_float import Vec3Float, Vec3FloatLike, as_vec3_float_or_none
from wkplug.geometry.vec3_int import Vec3Int, Vec3IntLike, as_vec3_int_or_none
from wkplug.geometry.vec_int import VecInt, VecIntLike

__all__ = [
    "CXYZ_AXES",
    "C_AXIS",
    "TCXYZ_AXES",
    "TXYZ_AXES",
    "T_AXIS",
    "XYZ_AXES",
    "XY_AXES",
    "X_AXIS",
    "Y_AXIS",
    "Z_AXIS",
    "BoundingBox",
    "Mag",
    "MagLike",
    "NDBoundingBox",
    "NormalizedBoundingBox",
    "Vec3Float",
    "Vec3FloatLike",
    "Vec3Int",
    "Vec3IntLike",
    "VecInt",
    "VecIntLike",
    "XYZAxis",
    "as_vec3_float_or_none",
    "as_vec3_int_or_none",
    "derive_nd_bounding_box_from_shape",
]
