"""Whether a volume is an image or a segmentation: its path says so, unless its voxels can be only one of them.

The path that was given decides, as scripts rely on: "segmentation" or "labels" in it means segment ids (see
`telling_path`). What voxels look like is no more than a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.ops.importing.report import ImportNote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wkplug.ops.importing.volume import Volume

__all__ = ["guess_category", "telling_path"]

_NAMES = ("segmentation", "labels")
_PATCH = 16
_PATCHES = 20
_ENOUGH_VOXELS = 1000
_VOXELS_PER_ID = 50
_EQUAL_NEIGHBOURS = 0.7
_NOISE = 0.2


def telling_path(path: str, own: int = 1) -> str:
    """What of a path as it was given says what the images are: its end, and folders above that are called just that.

    A project's folder that merely has such a word in its name says nothing of the images in it.
    """
    parts = path.rstrip("/").replace("\\", "/").split("/")
    above, end = parts[:-own], parts[-own:]
    return "/".join([*(folder for folder in above if folder.lower() in _NAMES), *end])


def guess_category(volume: Volume, path: str, dtype: str) -> tuple[str, ImportNote | None]:
    """Give "color" or "segmentation", and what is to be told about it.

    path: as the user gave it, with what lies below. dtype: what the voxels become. Up to three sections are decoded, to
    see whether voxels look like what the path says.
    """
    import numpy

    named = any(name in path.lower() for name in _NAMES)
    kind = numpy.dtype(dtype)
    if kind in (numpy.int64, numpy.uint64):
        if named:
            return "segmentation", None
        text = f"a segmentation, because its voxels are {dtype}, which no image is"
        return "segmentation", ImportNote(kind="guessed", text=text, lost=False)
    if kind.kind == "f" or volume.is_rgb:
        what = "colours" if volume.is_rgb else dtype
        text = f"an image, although its path says segmentation or labels: its voxels are {what}"
        return "color", ImportNote(kind="guessed", text=text) if named else None
    if volume.num_channels > 1 or volume.others or kind.kind == "b":
        return ("segmentation" if named else "color"), None
    looks = _looks_like(volume)
    if named and looks == "color":
        text = (
            "a segmentation, because its path says segmentation or labels; but its voxels look like an image: "
            'pass category="color" if it is one'
        )
        return "segmentation", ImportNote(kind="guessed", text=text)
    if not named and looks == "segmentation":
        text = (
            'an image, because its path says neither "segmentation" nor "labels"; but its voxels look like segment '
            'ids: pass category="segmentation" if they are'
        )
        return "color", ImportNote(kind="guessed", text=text)
    return ("segmentation" if named else "color"), None


def _looks_like(volume: Volume) -> str:
    """Give "segmentation", "color", or "" where that is not clear.

    Segment ids repeat: among thousands of voxels there are few different ones, and most voxels equal their neighbour;
    images are noisy. Background and the largest value of the dtype don't count.
    """
    import numpy

    values, equal = [], []
    for patch in _patches(volume):
        telling = patch != 0
        if patch.dtype.kind in "iu":
            telling &= patch != numpy.iinfo(patch.dtype).max
        values.append(patch[telling])
        equal.append((patch[1:] == patch[:-1])[telling[1:]])
    if not values:
        return ""
    seen, repeated = numpy.concatenate(values), numpy.concatenate(equal)
    if seen.size < _ENOUGH_VOXELS or not repeated.size:
        return ""
    few = numpy.unique(seen).size * _VOXELS_PER_ID <= seen.size
    if few and repeated.mean() >= _EQUAL_NEIGHBOURS:
        return "segmentation"
    return "color" if repeated.mean() <= _NOISE else ""


def _patches(volume: Volume) -> Iterator[NDArray[Any]]:
    """Cut squares from sections at a quarter, the middle and three quarters of z; small ones come whole.

    Sections that are decoded whole are decoded once, of others only what the squares touch.
    """
    import numpy

    random = numpy.random.default_rng(0)
    size_x, size_y, _ = volume.size
    by_region = volume.block[0] * volume.block[1] * _PATCHES < size_x * size_y
    small = size_x * size_y <= _PATCHES * _PATCH**2
    with volume.open() as reading:
        for z in sorted({quarter * volume.size_z // 4 for quarter in (1, 2, 3)}):
            if volume.file_of(z) is None:
                continue
            plane = None if by_region and not small else reading.section(z)[0]
            if plane is not None and plane.size <= _PATCHES * _PATCH**2:
                yield plane
                continue
            width, height = (size_x, size_y) if plane is None else plane.shape
            for _ in range(_PATCHES):
                left, top = (
                    int(random.integers(0, max(1, length - _PATCH + 1))) for length in (width, height)
                )
                across, down = (left, min(width, left + _PATCH)), (top, min(height, top + _PATCH))
                if plane is None:
                    yield reading.region(across, down, (z, z + 1))[0, :, :, 0]
                else:
                    yield plane[slice(*across), slice(*down)]
