"""Files of other tools: an `Exporter` writes voxels, or the preview sheet, to a file or folder.

Who calls it: `wkplug.ops` (export and preview). Who implements it: exporter plugins.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc.locations import Location

__all__ = ["ContactSheet", "Exporter", "Panel"]


@attrs.frozen(kw_only=True, eq=False)
class Panel:
    """One plane of a contact sheet: `pixels` are RGB uint8 of shape (height, width, 3).

    `pixel_size` is the physical size of a pixel along (width, height) in nanometres; the exporter scales the
    plane so that both are drawn alike, and adds the scale bar. `caption` says which plane it is.
    """

    pixels: NDArray[Any]
    pixel_size: tuple[float, float]
    caption: str


@attrs.frozen(kw_only=True, eq=False)
class ContactSheet:
    """A preview: rows of panels with a title for each row, top to bottom."""

    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


class Exporter(ABC):
    """Writes one kind of file. Stateless; built by the spec's factory."""

    @abstractmethod
    def write(self, source: Any, target: Location, options: Mapping[str, Any]) -> None:
        """Write `source` to `target`, atomically for single files.

        `source` is what the spec's `consumes` says: "sheet" is a `ContactSheet`; "view" is a View of the
        Dataset API. Unknown options are an InvalidArgumentError.
        """
