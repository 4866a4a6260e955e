"""BigDataViewer volumes: the HDF5 file has a group per time point, in it one per setup (camera, angle, channel).

A setup is a scene with time points and levels. BigDataViewer stores unsigned 16-bit numbers in signed ones, because
Java has no others; they are given back. Voxel sizes are in the XML file beside, if it is there.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ImageInfo, nanometres
from wkplug.errors import ForbiddenError, MissingError
from wkplug_hdf5.scenes import Scene, checked_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Location

__all__ = ["accepts", "describe", "scenes"]


def accepts(file: Any) -> bool:
    """Whether the file is a volume of BigDataViewer."""
    setups = scenes(file)
    return bool(setups) and any(f"{time}/{setups[0]}/0/cells" in file for time in _times(file, setups[0]))


def scenes(file: Any) -> list[str]:
    """The setups: s00, s01..."""
    return sorted(name for name in file if re.fullmatch(r"s\d{2,}", name) and f"{name}/resolutions" in file)


def describe(file: Any, names: list[str], number: int, location: Location, *, follow: bool) -> Scene:
    """Describe one setup."""
    setup = names[number]
    times = _times(file, setup)
    first = file[f"{times[0]}/{setup}/0/cells"]
    dtype = checked_dtype(first, location, follow=follow)
    levels = 1
    while f"{times[0]}/{setup}/{levels}/cells" in file:
        levels += 1
    shapes = [(len(times), *file[f"{times[0]}/{setup}/{level}/cells"].shape) for level in range(levels)]
    info = ImageInfo(
        axes=("t", "z", "y", "x"),
        shape=shapes[0],
        dtype="uint16" if dtype == "int16" else dtype,
        voxel_size=_voxel_size(location, int(setup[1:])),
        levels=levels,
        level_shapes=shapes,
        scenes=tuple(names) if len(names) > 1 else (),
        block_shape=(1, *(first.chunks or first.shape)),
        details={"kind": "BigDataViewer", "compression": first.compression or ""},
    )

    def dataset(level: int, place: tuple[int, ...]) -> str:
        return f"{times[place[0]]}/{setup}/{level}/cells"

    return Scene(info=info, lead=1, dataset=dataset, arranged=_unsigned)


def _times(file: Any, setup: str) -> list[str]:
    return sorted(name for name in file if re.fullmatch(r"t\d{5,}", name) and f"{name}/{setup}" in file)


def _unsigned(voxels: NDArray[Any]) -> NDArray[Any]:
    return voxels.view(np.uint16) if voxels.dtype == np.int16 else voxels


def _voxel_size(location: Location, setup: int) -> tuple[float | None, float | None, float | None]:
    """Look into the XML file beside, which is the one that users open."""
    unknown = (None, None, None)
    place = location.parent.child(location.name.rpartition(".")[0] + ".xml")
    try:
        text = place.read().decode("utf-8", "replace")
        # An entity declaration is how XML is made to explode; BigDataViewer writes none.
        if "<!ENTITY" in text or "<!DOCTYPE" in text:
            return unknown
        root = ElementTree.fromstring(text)  # noqa: S314 - without declarations there is nothing to expand
    except (MissingError, ForbiddenError, ElementTree.ParseError):
        return unknown
    for view in root.iter("ViewSetup"):
        if (view.findtext("id") or "").strip() != str(setup):
            continue
        sizes = (view.findtext("voxelSize/size") or "").split()
        found = [nanometres(size, view.findtext("voxelSize/unit")) for size in sizes]
        if len(found) == 3:
            return found[0], found[1], found[2]
    return unknown
