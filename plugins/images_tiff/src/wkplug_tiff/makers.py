"""What microscopes' own tags say about the size of a pixel: LSM, MetaMorph STK, Aperio SVS, Zeiss, FEI, Gatan.

And the resolution that any TIFF may have. That one means dots of paper or screen as a rule: it counts where it is
finer than any printer, see `FINEST_PRINT`.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from wkplug.abc import nanometres

__all__ = ["FINEST_PRINT", "Sizes", "maker_sizes", "resolution_sizes"]

Sizes: TypeAlias = tuple[float | None, float | None, float | None]

FINEST_PRINT = 10_000.0
"""Nanometres; 2,540 dots per inch. Resolutions that are coarser are not taken for a size of the specimen."""

_DM_UNIT_X = 65003
_DM_SCALES = ((65009, 65003), (65010, 65004), (65011, 65005))  # tags of scale and unit along x, y, z
_UNITS = {2: "inch", 3: "cm", 4: "mm", 5: "um"}  # ResolutionUnit; mm and um are an extension


def maker_sizes(file: Any) -> Sizes:
    """Nanometres along x, y, z; None where no maker's tag says."""
    lsm = _dict(file, "lsm_metadata")
    if lsm:
        x, y, z = (nanometres(lsm.get(f"VoxelSize{axis}"), "m") for axis in "XYZ")
        return x, y, z
    stk = _dict(file, "stk_metadata")
    if stk:
        unit = stk.get("CalibrationUnits")
        x, y = (nanometres(stk.get(f"{axis}Calibration"), unit) for axis in "XY")
        distances = stk.get("ZDistance")
        first = float(distances[0]) if distances is not None and len(distances) else None
        return x, y, nanometres(first, "um")  # micrometres, says the format
    sem = _dict(file, "sem_metadata")
    if sem:
        for name in ("ap_image_pixel_size", "ap_pixel_size"):
            entry = sem.get(name)
            if isinstance(entry, tuple) and len(entry) > 2:
                size = nanometres(entry[1], str(entry[2]))
                return size, size, None
    fei = _dict(file, "fei_metadata")
    if fei:
        for table in ("Scan", "EScan"):
            scan = fei.get(table)
            if isinstance(scan, dict):
                x, y = (nanometres(scan.get(f"Pixel{axis}"), "m") for axis in ("Width", "Height"))
                return x, y, None
    tags = file.pages.first.tags
    if _DM_UNIT_X in tags:
        x, y, z = (nanometres(tags.valueof(scale), tags.valueof(unit)) for scale, unit in _DM_SCALES)
        return x, y, z
    if getattr(file, "is_svs", False):
        found = re.search(r"\|\s*MPP\s*=\s*([0-9.eE+-]+)", file.pages.first.description)
        size = nanometres(found.group(1), "um") if found else None
        return size, size, None
    return None, None, None


def resolution_sizes(page: Any) -> tuple[Sizes, str]:
    """Nanometres by the resolution tags, and a sentence about those that were not taken."""
    unit = _value(page, "ResolutionUnit")
    length = _UNITS.get(int(unit)) if isinstance(unit, int) else None
    sizes: list[float | None] = []
    for axis in "XY":
        value = _value(page, f"{axis}Resolution")
        if length is None or not isinstance(value, tuple) or not value[0] or not value[1]:
            sizes.append(None)
        else:
            sizes.append(nanometres(value[1] / value[0], length))
    x, y = sizes
    if x is None or y is None:
        return (None, None, None), ""
    if max(x, y) >= FINEST_PRINT:
        return (None, None, None), (
            f"its resolution tags say {2.54e7 / x:g} dots per inch, which is that of paper or a screen "
            "and was not taken for a voxel size"
        )
    return (x, y, None), ""


def _value(page: Any, name: str) -> Any:
    tag = page.tags.get(name)
    return tag.value if tag is not None else None


def _dict(file: Any, name: str) -> dict[str, Any]:
    found = getattr(file, name, None)
    return found if isinstance(found, dict) else {}
