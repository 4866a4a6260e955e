"""Which dtypes layers may have, and how users spell them.

"float" means float32 everywhere and "double" float64, as the properties file has it. Creating is stricter
than opening: what a file records is accepted whatever it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.errors import CategoryError, DtypeMismatchError, UnsupportedDtypeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CATEGORIES", "WIDENED", "as_stored", "check_category", "check_layer_dtype", "dtype_name"]

CATEGORIES = ("color", "segmentation")

WIDENED = {"bool": "uint8", "float16": "float32"}
"""Types of files that no layer has, and those that hold all of their values: what is read of them has these."""

_ALLOWED = {
    "color": ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32"),
    "segmentation": ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
}


def dtype_name(dtype: Any) -> str:
    """Give numpy's name of whatever a user calls a dtype: "uint8", np.uint8, np.dtype(">u2"), float, "double"."""
    # Compared as texts alone: numpy holds np.dtype("float64") to be equal to "float".
    if dtype is float or (isinstance(dtype, str) and dtype == "float"):
        return "float32"
    if isinstance(dtype, str) and dtype == "double":
        return "float64"
    import numpy

    try:
        return str(numpy.dtype(dtype).name)
    except TypeError as error:
        raise UnsupportedDtypeError(
            f"{dtype!r} is not a dtype.", hint='Use a name such as "uint8", or a numpy dtype.'
        ) from error


def check_category(category: str) -> str:
    """Give the category, or raise CategoryError."""
    if category not in CATEGORIES:
        raise CategoryError(f"{category!r} is not a layer category.", hint='Use "color" or "segmentation".')
    return category


def check_layer_dtype(category: str, dtype: Any) -> str:
    """Give numpy's name of a dtype that a new layer of this category may have."""
    name = dtype_name(dtype)
    allowed = _ALLOWED["color" if category == "color" else "segmentation"]
    if name not in allowed:
        raise UnsupportedDtypeError(
            f"A {category} layer can't have the dtype {name}.",
            hint=f"Supported dtypes are: {', '.join(allowed)}. Choose one that holds the values, and convert them, "
            f"as in data.astype({allowed[-1]!r}).",
        )
    return name


def as_stored(data: NDArray[Any], target: np.dtype[Any]) -> NDArray[Any]:
    """Give data in the dtype of an array; DtypeMismatchError unless each value stays exactly what it is.

    Where the dtype alone promises that, values aren't looked at. Otherwise all of them are: numpy makes int64 and
    float64 where nobody asked for a dtype, and zeros in float64 are zeros in uint8, too. Nothing is rounded or clipped.
    """
    import numpy

    if data.dtype == target:
        return data
    if numpy.can_cast(data.dtype, target, "safe"):
        return data.astype(target, order="K")
    if data.dtype.kind in "iuf" and target.kind in "iuf":
        low, high = data.min(), data.max()
        if target.kind == "f" or _within(low, high, target):
            with numpy.errstate(invalid="ignore", over="ignore"):
                stored = data.astype(target, order="K")
                exact = numpy.array_equal(stored, data, equal_nan=target.kind == data.dtype.kind == "f")
            if exact:
                return stored
        found = f"values from {low} to {high}"
    else:
        found = "values"
    raise DtypeMismatchError(
        f"The data are {data.dtype.name}, but the array stores {target.name}, which can't hold these {found} exactly.",
        hint=f"Convert explicitly, as in data.astype({target.name!r}), after scaling or rounding the values.",
    )


def _within(low: Any, high: Any, target: np.dtype[Any]) -> bool:
    """Whether the range of values lies in that of an integer dtype; not so for NaN. Compared as Python's numbers."""
    import numpy

    limits = numpy.iinfo(target)
    return bool(limits.min <= low.item() and high.item() <= limits.max)
