"""The older names of mags: sizes that start at voxel 0, the engine's array by its format's name, a factory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from wkplug.dataset import verbs
from wkplug.dataset.legacy.views import OlderView
from wkplug.errors import InvalidArgumentError, UnsupportedOperationError
from wkplug.notices import deprecated

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from wkplug.geometry import MagLike, NDBoundingBox, Vec3IntLike, VecIntLike

__all__ = ["OlderMagView"]


class HandleError(UnsupportedOperationError, ValueError):
    """The mag's array has no handle of the kind that was asked for."""


class OlderMagView(OlderView):
    """The properties and methods that mags once had; each warns and names what to write instead."""

    offsets_are_absolute = True

    @property
    def is_foreign(self: Any) -> bool:
        """Deprecated: `Layer.is_mag_view_foreign`."""
        deprecated("MagView.is_foreign", "Layer.is_mag_view_foreign(mag)")
        return self.layer.is_mag_view_foreign(self)

    def get_zarr_array(self: Any) -> Any:
        """Give the engine's own array of a mag in a Zarr format: see `native_handle`.

        HandleError (a ValueError) for other formats.
        """
        if not self.data_format.startswith("zarr"):
            raise HandleError(
                f"The mag {self.name} of {self.layer.name!r} is stored as {self.data_format}, not as Zarr.",
                hint="mag.native_handle() gives whatever its engine calls its array.",
            )
        return self.native_handle()

    @classmethod
    def create(
        cls,
        layer: Any,
        mag: MagLike,
        *,
        path: str | os.PathLike[str],
        chunk_shape: VecIntLike | int,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: Vec3IntLike | int | None = None,
        compression_mode: bool,
        read_only: bool = False,
    ) -> Any:
        """Deprecated: `Layer.add_mag`. Adds a mag to a layer at the place where the layer keeps its mags.

        InvalidArgumentError (a ValueError) unless exactly one of shard_shape and chunks_per_shard is given, or for
        another path.
        """
        from wkplug import storage
        from wkplug.geometry import Mag

        deprecated("MagView.create", "Layer.add_mag")
        if (shard_shape is None) == (chunks_per_shard is None):
            raise InvalidArgumentError(
                "Exactly one of shard_shape and chunks_per_shard is needed.",
                hint="Give shard_shape, in voxels.",
            )
        own = layer.state.location.child(Mag(mag).to_layer_name())
        if storage.locate(path) != own:
            raise InvalidArgumentError(
                f"{path} is not where the layer keeps its mag {Mag(mag)}, which is {own.url}.",
                hint="Use Layer.add_mag, or Layer.add_mag_as_ref for a mag elsewhere.",
            )
        made = layer.add_mag(
            mag,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            chunks_per_shard=chunks_per_shard,
            compress=compression_mode,
        )
        if not read_only:
            return made
        kind: Any = cls
        return cast(
            "Any",
            kind(layer, made.mag, made.state.location, read_only=True, data_format=made.data_format),
        )

    def merge_chunk(self: Any, args: tuple[Any, NDBoundingBox, Sequence[NDBoundingBox]]) -> None:
        """Deprecated: `merge_with_view`, of which it was one step.

        `args` are another mag, a box of this one, and the boxes in it, in Mag(1) voxels, that the other replaces here;
        what reaches beyond either layer's bounding box stays as it is.
        """
        deprecated("MagView.merge_chunk", "MagView.merge_with_view")
        other, _shard, boxes = args
        verbs.merging.merge_boxes(self.state, other.state, boxes)
