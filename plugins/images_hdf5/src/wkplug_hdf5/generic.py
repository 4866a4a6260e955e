"""Any HDF5 file: each dataset of numbers with two or more axes is a scene, named by its path.

Axes are those that the dataset names: dimension labels, axistags, an attribute with letters; pictures by the HDF5
image convention, and arrays of MATLAB, whose axes are stored backwards. Otherwise the last two are rows and
columns, and those before are pages of unknown meaning. A voxel size needs a unit, which few files say.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ImageInfo, nanometres
from wkplug.abc.files import held_dtype
from wkplug_hdf5.scenes import Scene, checked_dtype, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wkplug.abc import Location

__all__ = ["describe", "linked", "scenes"]

_WORDS = {"time": "t", "channel": "c", "channels": "c", "samples": "s", "slice": "z", "plane": "z"}
_AXES = ("axes", "axis_labels", "axis_names", "axis_order", "dims", "_ARRAY_DIMENSIONS")
_SIZES = ("voxel_size", "resolution", "spacing", "pixel_size")
_MOST_COLUMNS = 4
_UNITS = ("unit", "units", "spacing_units", "resolution_unit", "voxel_size_unit")


def scenes(file: Any) -> list[str]:
    """The paths of all datasets that may be images: volumes before planes and tables, then those nearest to the root,
    then by name; small copies come last. A table beside volumes, such as a list of places, is no image.
    """
    import h5py

    found: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and _may_be_image(item):
            found.append(name)

    file.visititems(visit)
    volumes = any(file[name].ndim > 2 for name in found)
    images = [name for name in found if not (volumes and _may_be_table(file[name]))]
    return sorted(
        images,
        key=lambda name: (_is_small_copy(name), volumes and file[name].ndim < 3, name.count("/"), name),
    )


def linked(file: Any, links: Sequence[str]) -> list[str]:
    """The same of what external links lead to."""
    import h5py

    found: list[str] = []
    for link in links:
        item = file[link]
        if isinstance(item, h5py.Group):
            found += [f"{link}/{name}" for name in scenes(item)]
        elif _may_be_image(item):
            found.append(link)
    return found


def _may_be_image(dataset: Any) -> bool:
    """Numbers with two or more axes, but no colour map and no scale of an axis."""
    helper = text_of(dataset.attrs.get("CLASS", "")).strip("\0") in ("PALETTE", "DIMENSION_SCALE")
    return bool(dataset.ndim >= 2 and dataset.size and dataset.dtype.kind in "buif" and not helper)


def _may_be_table(dataset: Any) -> bool:
    """Whether rows of a few numbers, such as places or pairs of ids, are all that a dataset holds."""
    return bool(dataset.ndim == 2 and min(dataset.shape) <= _MOST_COLUMNS)


def _is_small_copy(name: str) -> bool:
    """Whether a dataset is called like a small copy of an image, which is never what comes first."""
    return any(word in name.lower() for word in ("thumb", "preview"))


def describe(file: Any, names: list[str], number: int, location: Location, *, follow: bool) -> Scene:
    """Describe one dataset."""
    name = names[number]
    dataset = file[name]
    dtype = checked_dtype(dataset, location, follow=follow)
    axes, photometric, notes = _axes(dataset)
    notes = (*notes, *held_dtype(location, dataset.dtype)[1])
    info = ImageInfo(
        axes=axes,
        shape=dataset.shape,
        dtype=dtype,
        voxel_size=_voxel_size(dataset, axes),
        photometric=photometric,
        level_shapes=(dataset.shape,),
        scenes=tuple(names) if len(names) > 1 else (),
        block_shape=dataset.chunks or dataset.shape,
        details={"kind": "HDF5", "dataset": name, "compression": dataset.compression or ""},
        notes=notes,
    )
    return Scene(info=info, lead=0, dataset=lambda _level, _place: name)


def _axes(dataset: Any) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Give axes, photometric meaning, and what the user should know."""
    rank = dataset.ndim
    for words in _named(dataset):
        letters = tuple(_WORDS.get(word.strip().lower(), word.strip().lower()) for word in words)
        if len(letters) == rank == len(set(letters)) and {"x", "y"} <= set(letters) and all(letters):
            return letters, "rgb" if _colours(letters, dataset.shape) else "", ()
    kind = text_of(dataset.attrs.get("IMAGE_SUBCLASS", "")).strip("\0")
    if kind == "IMAGE_TRUECOLOR" and rank == 3:
        order = text_of(dataset.attrs.get("INTERLACE_MODE", "INTERLACE_PIXEL")).strip("\0")
        known = {"INTERLACE_PIXEL": "yxs", "INTERLACE_LINE": "ysx", "INTERLACE_PLANE": "syx"}
        return tuple(known.get(order, "yxs")), "rgb", ()
    pages = tuple("q" if step == 1 else f"q{step}" for step in range(rank - 2, 0, -1))
    if "MATLAB_class" in dataset.attrs:
        return (*pages, "x", "y"), "", ()
    note = "The file doesn't name its axes; the last two are taken for rows (y) and columns (x)."
    return (*pages, "y", "x"), "palette" if kind == "IMAGE_INDEXED" else "", (note,)


def _colours(letters: Sequence[str], shape: Sequence[int]) -> bool:
    return "s" in letters and shape[letters.index("s")] in (3, 4)


def _named(dataset: Any) -> list[list[str]]:
    """Give what may be names of axes, the surest first."""
    found = [[dimension.label for dimension in dataset.dims]]
    if "axistags" in dataset.attrs:
        try:
            tags = json.loads(text_of(dataset.attrs["axistags"]))
            found.append([str(tag["key"]) for tag in tags["axes"]])
        except (ValueError, KeyError, TypeError):
            pass
    for name in _AXES:
        if name not in dataset.attrs:
            continue
        value = dataset.attrs[name]
        if hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1:
            words = [text_of(part) for part in value.tolist()]
        else:
            text = text_of(value)
            words = text.replace(",", " ").split() if "," in text or " " in text.strip() else list(text)
        found.append(words)
    return found


def _voxel_size(dataset: Any, axes: tuple[str, ...]) -> tuple[float | None, float | None, float | None]:
    """Give nanometres where a size is stored with its unit: three numbers (z, y, x), or one per axis."""
    attributes = dataset.attrs
    values, unit = attributes.get("element_size_um"), "um"  # the unit is in the name
    if values is None:
        values = next((attributes[name] for name in _SIZES if name in attributes), None)
        unit = next((text_of(attributes[name]) for name in _UNITS if name in attributes), "")
    numbers = np.ravel(values).tolist() if values is not None else []
    names = axes if len(numbers) == len(axes) else ("z", "y", "x")
    if len(numbers) != len(names):
        return (None, None, None)
    # Without a z of its own, the pages of a stack are what the first number is about.
    named = dict(zip(names, numbers, strict=True))
    found = [nanometres(named.get(axis, named.get("q") if axis == "z" else None), unit) for axis in "xyz"]
    return found[0], found[1], found[2]
