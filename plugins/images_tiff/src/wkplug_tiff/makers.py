"""What microscopes' own tags say about pixels and channels: LSM, MetaMorph STK, Aperio SVS, Zeiss, FEI, Gatan.

And the resolution that any TIFF may have. That one means dots of paper or screen as a rule: it counts where it is
finer than any printer, see `FINEST_PRINT`.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from wkplug.abc import nanometres

__all__ = ["FINEST_PRINT", "Color", "Sizes", "maker_channels", "maker_sizes", "resolution_sizes"]

Color: TypeAlias = tuple[int, int, int]
Sizes: TypeAlias = tuple[float | None, float | None, float | None]

FINEST_PRINT = 10_000.0
"""Nanometres; 2,540 dots per inch. Resolutions that are coarser are not taken for a size of the specimen."""

_TOLERANCE = 0.02  # tags are rounded
_DM_UNIT_X = 65003
_DM_SCALES = ((65009, 65003), (65010, 65004), (65011, 65005))  # tags of scale and unit along x, y, z
_UNITS = {2: "inch", 3: "cm", 4: "mm", 5: "um"}  # ResolutionUnit; mm and um are an extension


def maker_sizes(file: Any) -> tuple[Sizes, tuple[str, ...]]:
    """Nanometres along x, y, z, None where no maker's tag says; and sentences about tags that disagree."""
    lsm = _dict(file, "lsm_metadata")
    if lsm:
        x, y, z = (nanometres(lsm.get(f"VoxelSize{axis}"), "m") for axis in "XYZ")
        return (x, y, z), ()
    stk = _dict(file, "stk_metadata")
    if stk:
        return _metamorph(stk)
    page = file.pages.first
    width = int(page.imagewidth)
    sem = _dict(file, "sem_metadata")
    if sem:
        x, notes = _agreed(
            [(name, _entry(sem, name)) for name in ("ap_image_pixel_size", "ap_pixel_size")],
            [("ap_width", _entry(sem, "ap_width"), width)],
        )
        return (x, x, None), notes
    fei = _dict(file, "fei_metadata")
    if fei:
        return _fei(fei, width)
    tags = page.tags
    if _DM_UNIT_X in tags:
        x, y, z = (nanometres(tags.valueof(scale), tags.valueof(unit)) for scale, unit in _DM_SCALES)
        return (x, y, z), ()
    if getattr(file, "is_svs", False):
        found = re.search(r"\|\s*MPP\s*=\s*([0-9.eE+-]+)", page.description)
        size = nanometres(found.group(1), "um") if found else None
        return (size, size, None), ()
    return (None, None, None), ()


def maker_channels(file: Any) -> tuple[tuple[str, ...], tuple[Color | None, ...]]:
    """Names and colours of channels, where a maker's tags say them."""
    told = _dict(file, "lsm_metadata").get("ChannelColors")
    if not isinstance(told, dict):
        return (), ()
    names = tuple(str(name) for name in told.get("ColorNames") or ())
    colors = tuple((int(c[0]), int(c[1]), int(c[2])) for c in told.get("Colors") or () if len(c) >= 3)
    return names, colors


def _metamorph(stk: dict[str, Any]) -> tuple[Sizes, tuple[str, ...]]:
    unit = stk.get("CalibrationUnits")
    x, y = (nanometres(stk.get(f"{axis}Calibration"), unit) for axis in "XY")
    found = stk.get("ZDistance")
    distances = [] if found is None else [float(distance) for distance in found]
    notes: tuple[str, ...] = ()
    # The first plane may have none: it is the distance from the plane before.
    steps = [abs(distance) for distance in distances if distance]
    if steps and max(steps) - min(steps) > _TOLERANCE * max(steps):
        notes = (
            f"its sections are {min(steps):g} to {max(steps):g} micrometres apart; "
            f"the first distance, {steps[0]:g}, is taken for all",
        )
    return (x, y, nanometres(steps[0], "um") if steps else None), notes  # micrometres, says the format


def _fei(fei: dict[str, Any], width: int) -> tuple[Sizes, tuple[str, ...]]:
    """FEI and Thermo Fisher: pixels and the field of view in metres, in tables of the scan and of the beam."""
    tables = [(name, fei[name]) for name in ("Scan", "EScan", "EBeam") if isinstance(fei.get(name), dict)]
    across = [(f"{name}.PixelWidth", nanometres(table.get("PixelWidth"), "m")) for name, table in tables]
    down = [nanometres(table.get("PixelHeight"), "m") for _, table in tables]
    # Only along x: below the image there may be a bar with its data, which is in no field.
    x, notes = _agreed(
        across,
        [
            (f"{name}.{field}", nanometres(table.get(field), "m"), width)
            for name, table in tables
            for field in ("HorFieldsize", "HFW")
        ],
    )
    y = next((size for size in down if size is not None), x)
    said = next((size for _, size in across if size is not None), None)
    if x is not None and y is not None and said is not None:
        y *= x / said
    return (x, y, None), notes


def _entry(sem: dict[str, Any], name: str) -> float | None:
    """One of Zeiss' tags: its label, a number and a unit."""
    entry = sem.get(name)
    return nanometres(entry[1], str(entry[2])) if isinstance(entry, tuple) and len(entry) > 2 else None


def _agreed(
    pixels: list[tuple[str, float | None]], fields: list[tuple[str, float | None, int]]
) -> tuple[float | None, tuple[str, ...]]:
    """The size of a pixel that agrees with the size of the field over its pixels, and a sentence where some don't.

    Fields are more trustworthy: tags of pixels are often about another scan mode, or a part of the image.
    """
    said = [(name, size) for name, size in pixels if size is not None]
    measured = [(f"{name} / {count}", size / count) for name, size, count in fields if size and count > 0]
    every = [*said, *measured]
    if not every:
        return None, ()
    taken_name, taken = said[0] if said else measured[0]
    if measured:
        expected = measured[0][1]
        taken_name, taken = next(
            (item for item in said if abs(item[1] - expected) <= _TOLERANCE * expected), measured[0]
        )
    odd = [item for item in every if abs(item[1] - taken) > _TOLERANCE * taken]
    if not odd:
        return taken, ()
    told = ", ".join(f"{name} is {size:g} nm" for name, size in every)
    return taken, (f"its tags disagree about the size of a pixel ({told}); {taken_name} is taken",)


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
