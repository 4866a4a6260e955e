"""The members of `DataFormat` that users' code holds, by the names that it always used."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.dataset.data_format import DataFormat

__all__ = ["MEMBERS", "FormatName"]

FormatName: TypeAlias = (
    'Literal["wkw", "zarr", "zarr3", "n5", "neuroglancerPrecomputed", "memory"] | DataFormat'
)
"""What `data_format=` may be for a type checker; `DataFormat(name)` for formats of other plugins."""

MEMBERS: Mapping[str, str] = MappingProxyType(
    {
        "WKW": "wkw",
        "Zarr": "zarr",
        "Zarr3": "zarr3",
        "N5": "n5",
        "NeuroglancerPrecomputed": "neuroglancerPrecomputed",
    }
)
