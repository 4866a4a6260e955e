"""Which dtypes layers may have, and how users spell them.

"float" means float32 everywhere and "double" float64, as the properties file has it. Creating is stricter
than opening: what a file records is accepted whatever it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.errors import CategoryError, DtypeMismatchError, UnsupportedDtypeError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CATEGORIES", "check_castable", "check_category", "check_layer_dtype", "dtype_name"]

CATEGORIES = ("color", "segmentation")

_ALLOWED = {
    "color": ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32"),
    "segmentation": ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
}


def dtype_name(dtype: Any) -> str:
    """Give numpy's name of whatever a user calls a dtype: "uint8", np.uint8, np.dtype(">u2"), float, "double"."""
    if dtype is float or dtype == "float":
        return "float32"
    if dtype == "double":
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
            hint=f"Supported dtypes are: {', '.join(allowed)}. Convert the "
            f"data first, as in data.astype({allowed[0]!r}).",
        )
    return name


def check_castable(data: np.dtype[Any], target: np.dtype[Any]) -> None:
    """Refuse data that the target can't hold without loss; nothing is ever rounded or clipped silently."""
    import numpy

    if data != target and not numpy.can_cast(data, target, "safe"):
        raise DtypeMismatchError(
            f"The data are {data.name}, but the array stores {target.name}, which can't hold every {data.name} value.",
            hint=f"Convert explicitly, as in data.astype({target.name!r}), after checking the range of values.",
        )
