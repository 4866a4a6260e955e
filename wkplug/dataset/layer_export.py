"""`layer.export`: a box of a layer, in the format of another tool.

`layer.export(path)` finds the exporter by the path's suffix, `layer.export(path, "name")` by its name, and
`layer.export.as_<name>(output_path=path)` is the same as a method. Exporters are plugins; the three that the API has
always named have their parameters written out in `wkplug.dataset.legacy.exporting`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from wkplug.dataset import verbs
from wkplug.dataset.legacy.attachment_formats import read_arrays
from wkplug.dataset.legacy.exporting import NamedExports
from wkplug.errors import AttachmentError, CategoryError
from wkplug.model.attachments import KINDS, attached

if TYPE_CHECKING:
    import os

    from wkplug.execution import AnyExecutor
    from wkplug.geometry import MagLike, NDBoundingBox
    from wkplug.model.states import HasState, LayerState
    from wkplug.ops.exporting.levels import IdMapping

__all__ = ["LayerExport", "id_mapping"]

_TABLE = "segment_to_agglomerate"


class LayerExport(NamedExports):
    """Writes files of other tools; `layer.export` gives one."""

    def __init__(self, layer: HasState) -> None:
        self._layer = layer

    def __call__(
        self,
        output_path: str | os.PathLike[str],
        exporter: str | None = None,
        *,
        bounding_box: NDBoundingBox | None = None,
        mag: MagLike | None = None,
        downsample: bool = True,
        mapping: str | None = None,
        overwrite: bool = False,
        executor: AnyExecutor = None,
        **options: Any,
    ) -> None:
        """Write a box of the layer to `output_path`.

        exporter: the name of an exporter (`wkplug plugins` lists them); by default the path's suffix decides.
        bounding_box: in Mag(1) voxels; it is cut with the layer's, and shrunk to whole voxels of the mag. The whole
        layer by default. mag: the finest resolution that is written, the layer's finest by default. downsample:
        whether coarser ones are written too, where the format has them. mapping: the name of an agglomerate attachment
        whose ids replace the segments'. overwrite: replace what is at `output_path`, once the new is whole.
        options: of the exporter.

        UnknownNameError for an exporter that isn't there, ExportError if there is something at `output_path` or if the
        format can't hold the layer, OutOfBoundsError (an AssertionError) for a box outside of the layer.
        """
        ids = None if mapping is None else id_mapping(self._layer.state, mapping)
        verbs.exporting.export_layer(
            self._layer.state,
            output_path,
            exporter,
            bounding_box=bounding_box,
            mag=mag,
            downsample=downsample,
            mapping=ids,
            overwrite=overwrite,
            executor=executor,
            **options,
        )

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("as_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return partial(_by_keyword, self, name.removeprefix("as_"))


def _by_keyword(
    export: LayerExport, exporter: str, *, output_path: str | os.PathLike[str], **more: Any
) -> None:
    export(output_path, exporter, **more)


def id_mapping(layer: LayerState, name: str) -> IdMapping:
    """Read the new ids of segments from an agglomerate attachment; AttachmentError if the layer has none of that name.

    CategoryError for a layer that is no segmentation.
    """
    if layer.category != "segmentation":
        raise CategoryError(f"The mapping {name!r} can't be applied: {layer.name!r} is no segmentation.")
    there = attached(layer, KINDS["agglomerates"])
    item = next((each for each in there if each.name == name), None)
    if item is None:
        known = ", ".join(each.name for each in there) or "none"
        raise AttachmentError(
            f"The layer {layer.name!r} has no agglomerate attachment {name!r}; it has {known}.",
            hint="Give one of these as the mapping.",
        )
    table = read_arrays(item.location, item.data_format, [_TABLE])[_TABLE]
    return verbs.levels.IdMapping(name, table)
