"""The members of `DataFormat` that users' code holds, by the names that it always used."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MEMBERS"]

MEMBERS: Mapping[str, str] = MappingProxyType(
    {
        "WKW": "wkw",
        "Zarr": "zarr",
        "Zarr3": "zarr3",
        "N5": "n5",
        "NeuroglancerPrecomputed": "neuroglancerPrecomputed",
    }
)
