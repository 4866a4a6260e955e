"""The dtype of a layer to come, and values on their way to it.

Types that no layer has, but another holds exactly, are widened, and that is told: bool (0 and 1) and half precision.
Other types need to be asked for. Then values are converted as they are, never scaled: those beyond the new type are an
error, because they would become others; fractions are cut off and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.errors import UnsupportedDtypeError, UnsupportedImageDataError
from wkplug.model.dtypes import WIDENED, check_layer_dtype, dtype_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["converted", "is_exact", "layer_dtype", "needed_dtype"]


def layer_dtype(category: str, stored: str, wanted: Any, path: str) -> str:
    """Give the dtype of a layer for voxels that are stored as `stored`.

    wanted: the dtype that was asked for, or None. UnsupportedImageDataError if a layer of this category can't have it.
    """
    dtype = WIDENED.get(stored, stored) if wanted is None else dtype_name(wanted)
    try:
        return check_layer_dtype(category, dtype)
    except UnsupportedDtypeError as error:
        asked = "" if wanted is None else f", and {dtype} was asked for"
        raise UnsupportedImageDataError(
            f"{path} is {stored}{asked}. {error.message}", path, hint=_ways(category, stored)
        ) from error


def needed_dtype(category: str, stored: str) -> str:
    """Say what has to be asked for so that voxels of this type become a layer; "" if nothing has to.

    category: "" if either will do.
    """
    dtype = WIDENED.get(stored, stored)
    said = category or ("segmentation" if dtype in ("int64", "uint64") else "color")
    try:
        check_layer_dtype(said, dtype)
    except UnsupportedDtypeError as error:
        return f"{error.message} {_ways(said, stored)}"
    return ""


def _ways(category: str, stored: str) -> str:
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
        raise _beyond(values[numpy.isfinite(values)], dtype, path)
    limits = numpy.iinfo(target)
    whole = values if source.kind in "iub" else numpy.trunc(values)
    # Python compares floats with integers exactly; numpy would round the limit to the float's type. NaN compares as
    # false: it is no number that an integer could be.
    low, high = whole.min().item(), whole.max().item()
    if not (int(limits.min) <= low and high <= int(limits.max)):
        raise _beyond(values, dtype, path)
    result = whole.astype(target)
    return result, None if whole is values else whole != values


def _beyond(values: NDArray[Any], dtype: str, path: str) -> UnsupportedImageDataError:
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
