"""Names of axes and the usual orders of them.

An axis name is a short string: x, y and z are space, c the channels, t the time; others are allowed
anywhere. The constants are there so that nobody types tuples of letters. No logic, no imports of the
package; called by everybody.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

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
    "XYZAxis",
]

XYZAxis: TypeAlias = Literal["x", "y", "z"]

C_AXIS: Final = "c"
X_AXIS: Final = "x"
Y_AXIS: Final = "y"
Z_AXIS: Final = "z"
T_AXIS: Final = "t"

XY_AXES: Final = (X_AXIS, Y_AXIS)
XYZ_AXES: Final = (X_AXIS, Y_AXIS, Z_AXIS)
CXYZ_AXES: Final = (C_AXIS, *XYZ_AXES)
TXYZ_AXES: Final = (T_AXIS, *XYZ_AXES)
TCXYZ_AXES: Final = (T_AXIS, *CXYZ_AXES)
