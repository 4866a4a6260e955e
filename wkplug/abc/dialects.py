"""Metadata that other tools want beside the data: a `MetadataDialect` makes their files from facts.

A file of its own, since datasets are opened without: dialects are asked when layers and mags change.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DatasetFacts", "LayerFacts", "MagFacts", "MetadataDialect"]

_NOTHING: Mapping[str, bytes] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class MagFacts:
    """One mag: `folder` is its name below the layer, `mag` its factors along (x, y, z).

    `inside` says that the array lies in the layer's own folder; foreign ones can't be described there. `metadata` is
    what the file in its folder says that the dialect asks for (`MetadataDialect.mag_file_name`), None if there is none.
    """

    mag: tuple[int, int, int]
    folder: str
    inside: bool = True
    metadata: bytes | None = None


@attrs.frozen(kw_only=True)
class LayerFacts:
    """One layer: `axes` are those of its arrays in storage order, `voxel_size` nanometres along (x, y, z)."""

    name: str
    category: str
    data_format: str
    axes: tuple[str, ...]
    num_channels: int
    dtype: str
    voxel_size: tuple[float, float, float]
    mags: tuple[MagFacts, ...]


@attrs.frozen(kw_only=True)
class DatasetFacts:
    """The dataset as a whole: its name, and the formats of its layers, sorted, each once."""

    name: str
    data_formats: tuple[str, ...]


class MetadataDialect(ABC):
    """Writes nothing itself: it maps facts to {path relative to the dataset or layer folder: bytes}."""

    dataset_file_names: ClassVar[tuple[str, ...]] = ()
    """The files that `dataset_files` may give; the core hands over what they hold now."""
    layer_file_names: ClassVar[tuple[str, ...]] = ()
    """The files that `layer_files` may give; the core hands over what they hold now."""
    mag_file_name: ClassVar[str] = ""
    """The file in each mag's folder that `layer_files` wants to know, as a rule the array's metadata; "" for none."""

    def dataset_files(
        self, facts: DatasetFacts, *, existing: Mapping[str, bytes] = _NOTHING
    ) -> Mapping[str, bytes]:
        """Give the files of the dataset's own folder; keys in `existing` that aren't this dialect's stay."""
        del facts, existing
        return {}

    @abstractmethod
    def layer_files(
        self, facts: LayerFacts, *, existing: Mapping[str, bytes] = _NOTHING
    ) -> Mapping[str, bytes]:
        """Give the files of the layer's folder; none where this dialect can't express the layer.

        `existing` holds the bytes of those `layer_file_names` that are there now; keys in them that aren't
        this dialect's (channel colours by another tool, say) are kept. Damaged ones are written anew.
        """

    def problems(self, facts: LayerFacts) -> list[str]:
        """Say why the layer, or a part of it, can't be expressed; shown by `wkplug info`."""
        del facts
        return []
