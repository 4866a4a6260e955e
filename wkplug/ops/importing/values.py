"""The category and the dtype of a layer to come, and values on their way to it.

The path that was given says whether images are a segmentation, as scripts rely on: "segmentation" or "labels" in it
means segment ids (see `path_hint`). What voxels look like is no more than a warning.

Types that no layer has, but another holds exactly, are widened, with a note: bool (0 and 1) and half precision. Other
types need to be asked for. Then values are converted as they are, never scaled: those beyond the new type are an
error, because they would become others; fractions are cut off and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.errors import UnsupportedDtypeError, UnsupportedImageDataError
from wkplug.model.dtypes import WIDENED, check_layer_dtype, dtype_name
from wkplug.ops.importing.report import ImportNote
from wkplug.ops.importing.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    "converted",
    "guess_category",
    "is_exact",
    "layer_dtype",
    "needed_dtype",
    "path_hint",
]


def layer_dtype(category: str, stored: str, asked: Any, path: str) -> str:
    """Give the dtype of a layer for voxels that are stored as `stored`.

    asked: the dtype that was asked for, or None. UnsupportedImageDataError if a layer of this category can't have it.
    """
    dtype = WIDENED.get(stored, stored) if asked is None else dtype_name(asked)
    try:
        return check_layer_dtype(category, dtype)
    except UnsupportedDtypeError as error:
        request = "" if asked is None else f", and {dtype} was asked for"
        raise UnsupportedImageDataError(
            f"{path} is {stored}{request}. {error.message}", path, hint=_dtype_hint(category, stored)
        ) from error


def needed_dtype(category: str, stored: str) -> str:
    """Say what has to be asked for so that voxels of this type become a layer; "" if nothing has to.

    category: "" if either will do.
    """
    dtype = WIDENED.get(stored, stored)
    kind = category or ("segmentation" if dtype in ("int64", "uint64") else "color")
    try:
        check_layer_dtype(kind, dtype)
    except UnsupportedDtypeError as error:
        return f"{error.message} {_dtype_hint(kind, stored)}"
    return ""


def _dtype_hint(category: str, stored: str) -> str:
    """The nearest type that a layer has, and the other category where that one has it as it is."""
    nearest = ("float32" if category == "color" else "uint32") if "int" not in stored else "uint32"
    ways = f'Pass dtype="{nearest}" or another to convert the values'
    other = "segmentation" if category == "color" else "color"
    try:
        check_layer_dtype(other, WIDENED.get(stored, stored))
    except UnsupportedDtypeError:
        return f"{ways}, which are not scaled."
    return f"{ways}, which are not scaled; or the category {other}."


def is_exact(stored: str, dtype: str) -> bool:
    """Whether every value of one type is one of the other."""
    import numpy

    return numpy.can_cast(stored, dtype, "safe")


def converted(values: NDArray[Any], dtype: str, path: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Convert values to a type that may not hold them all; gives them, and which of them were cut off or rounded.

    None instead where there is none. UnsupportedImageDataError for values that the type doesn't reach.
    """
    import numpy

    source, target = values.dtype, numpy.dtype(dtype)
    if not values.size or numpy.can_cast(source, target, "safe"):
        return values, None
    if source.kind == "c":
        raise UnsupportedImageDataError(
            f"{path} has complex values, which {dtype} can't hold.",
            path,
            hint="Import their amplitude instead.",
        )
    if target.kind == "f":
        with numpy.errstate(over="ignore"):
            result = values.astype(target)
        if numpy.isfinite(result).all() or not (numpy.isfinite(values) & ~numpy.isfinite(result)).any():
            return (result, result != values) if source.kind in "iu" else (result, None)
        raise _out_of_range_error(values[numpy.isfinite(values)], dtype, path)
    limits = numpy.iinfo(target)
    whole = values if source.kind in "iub" else numpy.trunc(values)
    # Python compares floats with integers exactly; numpy would round the limit to the float's type. NaN compares as
    # false: it is no number that an integer could be.
    low, high = whole.min().item(), whole.max().item()
    if not (int(limits.min) <= low and high <= int(limits.max)):
        raise _out_of_range_error(values, dtype, path)
    result = whole.astype(target)
    return result, None if whole is values else whole != values


def _out_of_range_error(values: NDArray[Any], dtype: str, path: str) -> UnsupportedImageDataError:
    import numpy

    if values.dtype.kind == "f" and not numpy.isfinite(values).all():
        found = "values that are no numbers (NaN or infinite)"
    else:
        found = f"values from {values.min():g} to {values.max():g}"
    return UnsupportedImageDataError(
        f"{path} has {found}, which {dtype} can't hold.",
        path,
        hint="Pass dtype=... with a type that holds them, or scale them first: nothing is wrapped around or clipped.",
    )


_NAMES = ("segmentation", "labels")

_PATCH = 16
_PATCHES = 20
_ENOUGH_VOXELS = 1000
_VOXELS_PER_ID = 50
_EQUAL_NEIGHBOURS = 0.7
_NOISE = 0.2


def path_hint(path: str, own: int = 1) -> str:
    """The part of a path, as it was given, that says what the images are: its end, and folders of just such a name.

    A project's folder that merely has such a word in its name says nothing of the images in it.
    """
    parts = path.rstrip("/").replace("\\", "/").split("/")
    above, end = parts[:-own], parts[-own:]
    return "/".join([*(folder for folder in above if folder.lower() in _NAMES), *end])


def guess_category(volume: Volume, path: str, dtype: str) -> tuple[str, ImportNote | None]:
    """Give "color" or "segmentation", and a note about the guess, if it may surprise.

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
    guess = _guess_from_voxels(volume)
    if named and guess == "color":
        text = (
            "a segmentation, because its path says segmentation or labels; but its voxels look like an image: "
            'pass category="color" if it is one'
        )
        return "segmentation", ImportNote(kind="guessed", text=text)
    if not named and guess == "segmentation":
        text = (
            'an image, because its path says neither "segmentation" nor "labels"; but its voxels look like segment '
            'ids: pass category="segmentation" if they are'
        )
        return "color", ImportNote(kind="guessed", text=text)
    return ("segmentation" if named else "color"), None


def _guess_from_voxels(volume: Volume) -> str:
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
