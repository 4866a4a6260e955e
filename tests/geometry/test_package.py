"""What the package exports, what it imports, and the box that an array's shape makes."""

from __future__ import annotations

import pickle
import pkgutil
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

import wkplug.geometry as geometry
from wkplug.errors import GeometryError
from wkplug.geometry import BoundingBox, NDBoundingBox, Vec3Float, Vec3Int, derive_nd_bounding_box_from_shape


def test_every_exported_name_is_there() -> None:
    for module in [
        geometry,
        *(import_module(m.name) for m in pkgutil.iter_modules(geometry.__path__, "wkplug.geometry.")),
    ]:
        assert all(hasattr(module, name) for name in module.__all__)
        assert len(set(module.__all__)) == len(module.__all__)


def test_importing_geometry_loads_nothing_from_third_parties() -> None:
    code = (
        "import sys; before = set(sys.modules); import wkplug.geometry; import wkplug.geometry.grids;"
        "print(sorted({m.split('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "['wkplug']"


def test_the_constants_are_tuples_of_axis_names() -> None:
    assert geometry.TCXYZ_AXES == ("t", "c", "x", "y", "z")
    assert geometry.CXYZ_AXES == (geometry.C_AXIS, geometry.X_AXIS, geometry.Y_AXIS, geometry.Z_AXIS)
    assert (geometry.T_AXIS, *geometry.XYZ_AXES) == geometry.TXYZ_AXES
    assert geometry.XY_AXES == ("x", "y")


@pytest.mark.parametrize(
    ("shape", "keywords", "box", "channels"),
    [
        ((5,), {}, BoundingBox((0, 0, 0), (5, 1, 1)), 1),
        ((4, 5), {}, BoundingBox((0, 0, 0), (4, 5, 1)), 1),
        ((3, 4, 5), {}, BoundingBox((0, 0, 0), (3, 4, 5)), 1),
        ((2, 3, 4, 5), {}, BoundingBox((0, 0, 0), (3, 4, 5)), 2),
        ((2, 3, 4, 5), {"absolute_offset": (1, 2, 3)}, BoundingBox((1, 2, 3), (3, 4, 5)), 2),
        ((2, 3, 4), {"axes": ("c", "x", "y")}, NDBoundingBox((0, 0, 0), (2, 3, 4), "cxy"), 2),
        ((2, 3, 4), {"axes": "txy", "absolute_offset": (1, 2, 3)}, NDBoundingBox((1, 2, 3), (2, 3, 4), "txy"), 1),
    ],
)  # fmt: skip
def test_a_shape_makes_a_box_and_a_number_of_channels(
    shape: tuple[int, ...], keywords: Any, box: NDBoundingBox, channels: int
) -> None:
    derived = derive_nd_bounding_box_from_shape(shape, **keywords)
    assert derived == (box, channels)
    assert type(derived[0]) is type(box)


@pytest.mark.parametrize(
    ("shape", "axes", "words"),
    [((), None, "single value"), ((1,) * 5, None, "needs axes"), ((3, 4), "xyz", "different lengths")],
)
def test_shapes_that_make_no_box_say_why(shape: tuple[int, ...], axes: str | None, words: str) -> None:
    with pytest.raises(GeometryError, match=words):
        derive_nd_bounding_box_from_shape(shape, axes=axes)


@pytest.mark.parametrize(
    ("pickled", "value"),
    [
        (
            b"cwkplug.geometry.vec_int\nmake_vec\n(cwkplug.geometry.vec3_int\nVec3Int\n(I1\nI2\nI3\nt(Vx\nVy\nVz\nttR.",
            Vec3Int(1, 2, 3),
        ),
        (b"cwkplug.geometry.vec3_float\nVec3Float\n(F1.0\nF2.0\nF3.0\ntR.", Vec3Float(1, 2, 3)),
        (
            b"cwkplug.geometry.box_base\n_restore\n(cwkplug.geometry.bounding_box\nBoundingBox\n(Vx\nVy\nVz\ntNI01\n"
            b"Va\n(I1\nI2\nI3\nt(I3\nI4\nI5\nt(I0\nI1\nI2\nttR.",
            BoundingBox((0, 1, 2), (3, 4, 5), name="a"),
        ),
    ],
)
def test_older_pickles_are_read(pickled: bytes, value: Any) -> None:
    read = pickle.loads(pickled)
    assert read == value
    assert type(read) is type(value)


def test_classes_are_found_by_the_modules_that_they_had_first() -> None:
    for module, name in (
        ("bounding_box", "BoundingBox"),
        ("nd_bounding_box", "NDBoundingBox"),
        ("normalized_bounding_box", "NormalizedBoundingBox"),
        ("vec_int", "VecInt"),
        ("vec3_int", "Vec3Int"),
        ("vec3_float", "Vec3Float"),
    ):
        assert getattr(import_module(f"wkplug.geometry.{module}"), name) is getattr(geometry, name)
