"""Whether the disk can hold an export in a format that stores every voxel, also those that were never written.

A layer may be declared far larger than what is stored of it. What can't fit is refused before anything is written,
with the box of what is stored. What may fit is not held up: nobody knows how small it becomes where it is compressed.
"""

from __future__ import annotations

import functools
import os
import shutil
from typing import TYPE_CHECKING

from wkplug.errors import ExportError
from wkplug.geometry import BoundingBox, Vec3Int, grids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wkplug.abc import Box, Least, Location
    from wkplug.model.states import LayerState, MagState

__all__ = ["check"]


def check(
    layer: LayerState, view: MagState, stored: Sequence[Box] | None, least: Least, folder: Location
) -> None:
    """ExportError if the disk of `folder` has no room for an export.

    stored: boxes of the mag beside which nothing is stored, in its voxels; None where that isn't known.
    """
    path = str(folder.local_path())
    free = shutil.disk_usage(path).free
    files = _free_files(path)
    if least.disk_bytes <= free and (files is None or least.files <= files):
        return
    there = (
        f"{_in_words(free)} are free there"
        if least.disk_bytes > free
        else f"there is room for {files:,} there"
    )
    text = (
        f"The export of {layer.name!r} would be {least.files:,} file{'s' * (least.files > 1)} with "
        f"{_in_words(least.voxel_bytes)} of voxels, because the format stores also what was never written; {there}."
    )
    box = None if stored is None else _hull(layer, view, stored)
    sparse = "a format that leaves out what was never written (wkplug plugins lists all)"
    if stored is not None and box is None:
        raise ExportError(f"{text} Nothing is stored in the mag {view.mag}.", hint=f"Choose {sparse}.")
    where = "" if box is None else f" What is stored lies within {box}."
    inner = "..." if box is None else f"({', '.join(map(str, (*box.topleft, *box.size)))})"
    raise ExportError(text + where, hint=f"Export only a part, bounding_box={inner}, or choose {sparse}.")


def _hull(layer: LayerState, view: MagState, stored: Sequence[Box]) -> BoundingBox | None:
    """Give the box of what is stored of the layer, in voxels of Mag(1)."""
    boxes = [
        (
            tuple(low * factor for low, factor in zip(start, view.factors, strict=True)),
            tuple(length * factor for length, factor in zip(shape, view.factors, strict=True)),
        )
        for start, shape in stored
    ]
    inside = [box for box in (grids.intersect(box, layer.region) for box in boxes) if box is not None]
    if not inside:
        return None
    start, shape = functools.reduce(grids.hull, inside)
    corner = (0 if position is None else start[position] for position in layer.frame.xyz)
    extent = (1 if position is None else shape[position] for position in layer.frame.xyz)
    return BoundingBox(Vec3Int(*corner), Vec3Int(*extent))


def _free_files(path: str) -> int | None:
    """How many more files the disk takes; None where it doesn't tell."""
    if not hasattr(os, "statvfs"):
        return None
    found = os.statvfs(path)
    return found.f_favail if found.f_files else None


def _in_words(count: int) -> str:
    number = float(count)
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB", "EB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.0f} ZB"
