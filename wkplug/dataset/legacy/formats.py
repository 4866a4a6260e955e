"""The members of `DataFormat` that users' code holds, by the names that it always used."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["MEMBERS", "Names"]

MEMBERS: Mapping[str, str] = MappingProxyType(
    {
        "WKW": "wkw",
        "Zarr": "zarr",
        "Zarr3": "zarr3",
        "N5": "n5",
        "NeuroglancerPrecomputed": "neuroglancerPrecomputed",
    }
)

Names: TypeAlias = Literal["wkw", "zarr", "zarr3", "n5", "neuroglancerPrecomputed", "memory"]
"""The formats that the API has always named, for type checkers."""
