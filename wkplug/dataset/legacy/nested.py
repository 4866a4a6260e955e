"""Classes that are also attributes of a class, where scripts know them: `Dataset.ConversionLayerMapping`.

They belong to a floor above, so they are imported when somebody asks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wkplug.ops.importing.files import ConversionLayerMapping

__all__ = ["NestedConversionLayerMapping"]


class NestedConversionLayerMapping:
    """Gives `wkplug.ConversionLayerMapping`, of the class as of its instances."""

    def __get__(self, instance: object, owner: type) -> type[ConversionLayerMapping]:
        from wkplug.ops.importing.files import ConversionLayerMapping

        return ConversionLayerMapping
