"""`elementClass`: how datasource-properties.json says dtype and number of channels in one word.

The word is the dtype's name with its bits multiplied by the number of channels ("uint24" is three channels of
uint8), but "float" and "double" stand for one channel of float32 and float64.
"""

from __future__ import annotations

import re
from functools import lru_cache

from wkplug.errors import UnsupportedDtypeError

__all__ = ["dtype_from_element_class", "element_class_from_dtype", "guess_num_channels"]

_WORD = re.compile(r"(u?int|float)([0-9]{1,6})")
_DTYPES = frozenset(
    {
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "int8",
        "int16",
        "int32",
        "int64",
        "float16",
        "float32",
        "float64",
    }
)
_WORDS_OF_ONE = {"float": "float32", "double": "float64", "bool": "bool"}


@lru_cache(maxsize=256)
def dtype_from_element_class(element_class: str, num_channels: int) -> str:
    """Give numpy's name of one channel's dtype; UnsupportedDtypeError where word and channels don't fit."""
    if element_class in _WORDS_OF_ONE:
        if num_channels == 1:
            return _WORDS_OF_ONE[element_class]
    else:
        match = _WORD.fullmatch(element_class)
        if match is not None and num_channels > 0:
            bits, rest = divmod(int(match[2]), num_channels)
            dtype = f"{match[1]}{bits}"
            if rest == 0 and dtype in _DTYPES:
                return dtype
    channels = "1 channel" if num_channels == 1 else f"{num_channels} channels"
    raise UnsupportedDtypeError(f"{element_class!r} with {channels} is no dtype.")


@lru_cache(maxsize=256)
def element_class_from_dtype(dtype: str, num_channels: int) -> str:
    """Give the word for a dtype, by numpy's name, and a number of channels."""
    if dtype == "bool" and num_channels == 1:
        return dtype
    match = _WORD.fullmatch(dtype)
    if match is None or dtype not in _DTYPES:
        raise UnsupportedDtypeError(
            f"{dtype!r} is no dtype that a layer can have.", hint=f"Use one of {', '.join(sorted(_DTYPES))}."
        )
    if num_channels < 1:
        raise UnsupportedDtypeError(f"A layer can't have {num_channels} channels of {dtype}.")
    if num_channels == 1 and dtype in ("float32", "float64"):
        return "float" if dtype == "float32" else "double"
    return f"{match[1]}{int(match[2]) * num_channels}"


def guess_num_channels(element_class: str) -> int:
    """Give the number of channels for files from before `numChannels`: 1, or 3 where only that makes sense.

    "uint24" can't be one channel of anything; it was always RGB.
    """
    for num_channels in (1, 3):
        try:
            dtype_from_element_class(element_class, num_channels)
        except UnsupportedDtypeError:
            continue
        return num_channels
    return 1
