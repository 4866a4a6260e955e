"""Spaces of patients: maps from voxels to nanometres, and what they say in words. Images are never turned by them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LPS", "RAS", "Affine", "Ways", "affine_of", "directions_note"]

Affine = tuple[tuple[float, float, float, float], ...]
Ways = tuple[tuple[str, str], ...]
"""Where the first, second and third axis of a space run, and where the other way leads."""

LPS: Ways = (("left", "right"), ("back", "front"), ("head", "feet"))
RAS: Ways = (("right", "left"), ("front", "back"), ("head", "feet"))


def affine_of(columns: Sequence[Sequence[float]], factor: float) -> Affine | None:
    """The map of four columns (the ways of x, y and z, and the first voxel's place); None if it is not finite."""
    rows = [[column[axis] * factor for column in columns] for axis in range(3)]
    if not all(math.isfinite(value) for row in rows for value in row):
        return None
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in rows)


def directions_note(affine: Affine | None, ways: Ways | None, *, handed_on: bool = True) -> tuple[str, ...]:
    """Say where x, y and z run, as far as the axes of the space have names.

    handed_on: whether importers get the map: what becomes of it is theirs to tell. Otherwise it is told here.
    """
    if affine is None:
        return ()
    turned = np.array(affine)[:, :3]
    if not np.abs(turned).sum(axis=0).all():
        return ()
    mirrored = bool(np.linalg.det(turned / np.abs(turned).max()) < 0)
    said = []
    if ways is not None:
        found = []
        for axis, letter in enumerate("xyz"):
            most = int(np.argmax(np.abs(turned[:, axis])))
            found.append(f"{letter} towards the {ways[most][int(turned[most, axis] < 0)]}")
        said.append(f"The image runs with {', '.join(found)} of the patient; the affine map has it exactly.")
    elif mirrored or not handed_on:
        said.append("The file says how the image lies in space.")
    said += ["It is mirrored there."] if mirrored else []
    said += [] if handed_on else ["That is not applied."]
    return (" ".join(said),) if said else ()
