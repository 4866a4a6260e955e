"""Vectors, mags and boxes: plain values that everything else calculates with.

All are immutable, hashable and picklable, exact for integers of any size, and know their axes by name.
Importing this package loads neither numpy nor any other third-party module. `wkplug.geometry.grids` has the
same arithmetic on bare tuples for hot paths.
"""

import sys

from wkplug.geometry import boxes, vectors
from wkplug.geometry.boxes import (
    BoundingBox,
    NDBoundingBox,
    NormalizedBoundingBox,
    derive_nd_bounding_box_from_shape,
)
from wkplug.geometry.mag import Mag, MagLike
from wkplug.geometry.vectors import (
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
    Vec3Float,
    Vec3FloatLike,
    Vec3Int,
    Vec3IntLike,
    VecInt,
    VecIntLike,
    XYZAxis,
    as_vec3_float_or_none,
    as_vec3_int_or_none,
)

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

# The modules that these names had first: users' imports and older pickles hold them.
for _name in ("box_base", "bounding_box", "nd_bounding_box", "normalized_bounding_box"):
    sys.modules[f"{__name__}.{_name}"] = boxes
for _name in ("vec_int", "vec3_int", "vec3_float"):
    sys.modules[f"{__name__}.{_name}"] = vectors
