"""The methods of `Layer` that take mags from elsewhere: copies, references, and arrays that are there already.

One-line delegations to `wkplug.ops`; `Layer` inherits them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.dataset.legacy.copying import OlderCopyingLayer
from wkplug.dataset.parts import LayerPart, part_of

if TYPE_CHECKING:
    import os

    from wkplug.dataset.execution import AnyExecutor
    from wkplug.dataset.mag_view import MagView
    from wkplug.geometry import MagLike, VecIntLike

__all__ = ["LayerCopying"]


@part_of("wkplug.dataset.layer", "Layer")
class LayerCopying(LayerPart, OlderCopyingLayer):
    """A base of `Layer`."""

    def add_mag_as_copy(
        self,
        foreign_mag_view_or_path: MagView | str | os.PathLike[str],
        *,
        mag: MagLike | None = None,
        extend_layer_bounding_box: bool = True,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: VecIntLike | int | None = None,
        compress: Any = None,
        exists_ok: bool = False,
        executor: AnyExecutor = None,
        progress_desc: str | None = None,
    ) -> MagView:
        """Copy a mag of another layer, or the one at `<dataset>/<layer>/<mag>`, into this layer.

        mag: list the copy as this mag; voxels stay what they are. extend_layer_bounding_box: the layer's box
        becomes the union with that of the source's layer; otherwise only what lies in it is copied.
        chunk_shape, shard_shape, compress: as in the source if left out; then, in the same data format, files are
        copied as they are. exists_ok: write the voxels into the mag that is there.

        MagExistsError (an IndexError) if the layer has the mag, MagMismatchError (an AssertionError) if dtype,
        channels or axes differ. A killed copy leaves no mag that looks complete, and may simply be made again.
        """
        from wkplug.ops import pools
        from wkplug.ops.copying import mag_copying

        with pools.described(progress_desc) as progress:
            return mag_copying.add_mag(
                self._as_layer(),
                foreign_mag_view_or_path,
                mag=mag,
                request=mag_copying.CopyRequest(
                    chunk_shape=chunk_shape,
                    shard_shape=shard_shape,
                    chunks_per_shard=chunks_per_shard,
                    compress=compress,
                ),
                extend_layer_bounding_box=extend_layer_bounding_box,
                exists_ok=exists_ok,
                executor=executor,
                progress=progress,
            )

    def add_mag_as_ref(
        self,
        foreign_mag_view_or_path: MagView | str | os.PathLike[str],
        *,
        mag: MagLike | None = None,
        extend_layer_bounding_box: bool = True,
    ) -> MagView:
        """List a mag of another layer, whose files stay where they are; it is read-only here.

        Parameters as of `add_mag_as_copy`. MagMismatchError (an AssertionError) if the data format differs.
        """
        from wkplug.ops.copying import mag_copying

        return mag_copying.add_mag(
            self._as_layer(),
            foreign_mag_view_or_path,
            mag_copying.Transfer.REFERENCE,
            mag=mag,
            extend_layer_bounding_box=extend_layer_bounding_box,
        )

    def add_mag_for_existing_files(self, mag: MagLike) -> MagView:
        """List a mag whose array lies in the layer's folder already, as `1` or `1-1-1`.

        MagExistsError (an AssertionError) if it is listed, MissingArrayError (an ArrayException) if there is
        no array.
        """
        from wkplug.ops.copying import existing

        return existing.add_mag_for_existing_files(self._as_layer(), mag)

    def add_mag_from_array(
        self,
        mag: MagLike,
        path: str | os.PathLike[str],
        *,
        move: bool = False,
        extend_layer_bounding_box: bool = True,
    ) -> MagView:
        """Copy (or move) an array from anywhere into the layer's folder and list it.

        The array starts at voxel 0, and must have the layer's data format and dtype (MagMismatchError, a
        ValueError). The layer's box is extended so that it reaches the array's end; a layer without mags takes
        over the array's axes.
        """
        from wkplug.ops.copying import existing

        return existing.add_mag_from_array(
            self._as_layer(), mag, path, move=move, extend_layer_bounding_box=extend_layer_bounding_box
        )
