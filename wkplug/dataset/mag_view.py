"""`MagView`: one magnification of a layer. A view of the whole layer that can extend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from wkplug.dataset import verbs
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.legacy.views import COMPRESSING, WRITING_A_MAG, OlderMagView
from wkplug.dataset.view import View
from wkplug.geometry import Mag, NDBoundingBox
from wkplug.model import voxels
from wkplug.model.axes import from_cxyz
from wkplug.model.places import to_path
from wkplug.model.regions import Position, to_bounding_box
from wkplug.model.states import MagState

if TYPE_CHECKING:
    import os
    import pathlib
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike

    from wkplug.abc import Location
    from wkplug.dataset.layer import Layer
    from wkplug.execution import AnyExecutor
    from wkplug.geometry import MagLike, VecIntLike

__all__ = ["MagView"]


class MagView(OlderMagView, View):
    """One mag of a layer: `layer.get_mag("2-2-1")`.

    Its bounding box is the layer's, enlarged to whole voxels of the mag, and follows the layer's changes.
    """

    state: MagState

    def __init__(
        self,
        layer: Layer,
        mag: MagLike,
        path: Location,
        read_only: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
        data_format: str | None = None,
    ) -> None:
        self._layer = layer
        self.state = MagState(layer.state, Mag(mag), path, read_only=read_only, data_format=data_format)

    @classmethod
    def of(cls, layer: Layer, state: MagState) -> Self:
        """Show a mag of a layer."""
        view = cls.__new__(cls)
        view._layer, view.state = layer, state
        return view

    # --- facts --------------------------------------------------------------------------------------------

    @property
    def layer(self) -> Layer:
        """The layer that this mag belongs to."""
        return self._layer

    @property
    def location(self) -> Location:
        """The place of the array, as `wkplug.storage` knows it."""
        return self.state.location

    @property
    def path(self) -> pathlib.Path:
        """The path of the array's folder; a UPath where it isn't local."""
        return to_path(self.state.location)

    @property
    def name(self) -> str:
        """The mag as text: "1", "2-2-1"."""
        return self.state.name

    # --- writing ------------------------------------------------------------------------------------------

    @older(**WRITING_A_MAG)
    def write(
        self,
        data: ArrayLike,
        *,
        allow_resize: bool = False,
        allow_unaligned: bool = False,
        relative_offset: VecIntLike | None = None,
        absolute_offset: VecIntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> None:
        """Write voxels at the layer's top-left, or at an offset, or to a bounding box of just their size.

        As `View.write`; in addition, with `allow_resize` the layer's bounding box is extended to hold the data
        (safe with several writers: it becomes the union). Without, a write that leaves the layer's box is an
        OutOfBoundsError (a ValueError).
        """
        position = Position(relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box)
        voxels.write_to_mag(
            self.state, data, position, allow_resize=allow_resize, allow_unaligned=allow_unaligned
        )

    def write_cxyz(
        self,
        data: ArrayLike,
        *,
        allow_resize: bool = False,
        allow_unaligned: bool = False,
        relative_offset: VecIntLike | None = None,
        absolute_offset: VecIntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> None:
        """Write as `write` does, data being (c, x, y, z) whatever the order of the layer's axes."""
        self.write(
            from_cxyz(data, self.state.frame.axes),
            allow_resize=allow_resize,
            allow_unaligned=allow_unaligned,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )

    # --- storing it in another way ------------------------------------------------

    @older(**COMPRESSING)
    def compress(
        self, *, target_path: str | os.PathLike[str] | None = None, executor: AnyExecutor = None
    ) -> None:
        """Compress the mag, in place; nothing happens if it is compressed already.

        A crash leaves a complete mag at any moment. With target_path the result becomes a dataset there instead,
        which object stores need (InvalidArgumentError, an AssertionError, without).
        """
        if target_path is None:
            self.state.check_writable()
        verbs.rechunking.compress(self.state, target_path=target_path, executor=executor)

    def rechunk(
        self,
        *,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        compress: bool | Mapping[str, Any] | None = None,
        target_path: str | os.PathLike[str] | None = None,
        executor: AnyExecutor = None,
        _progress_desc: str | None = None,
    ) -> None:
        """Store the mag in other chunks and shards, in place or, with target_path, as a dataset there.

        What isn't given is the format's default, not what the mag has now; compressed unless `compress` is False.
        """
        with verbs.progress.described(_progress_desc) as progress:
            verbs.rechunking.rechunk(
                self.state,
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                compress=compress,
                target_path=target_path,
                executor=executor,
                progress=progress,
            )

    # --- what is stored -----------------------------------------------------------------------------------

    def get_bounding_boxes_on_disk(self) -> Iterator[NDBoundingBox]:
        """Iterate over the boxes, in Mag(1) voxels, of the shards that are stored: whole shards, not clipped.

        Where the format or the place can't tell what is stored, a UserWarning says so, and all shards of the layer's
        bounding box are given.
        """
        frame = self.state.frame
        return (to_bounding_box(frame, region) for region in voxels.stored_regions(self.state))

    def get_views_on_disk(self, read_only: bool | None = None) -> Iterator[View]:  # noqa: FBT001 - the signature that users know
        """Iterate over views of the shards that are stored; `read_only=None` inherits.

        A shard may reach beyond the layer's bounding box. A writable view can't: that is an OutOfBoundsError (an
        AssertionError); pass `read_only=True` to see them all.
        """
        for box in self.get_bounding_boxes_on_disk():
            yield self.get_view(absolute_bounding_box=box, read_only=read_only)

    def merge_with_view(self, other: MagView, executor: AnyExecutor = None) -> None:
        """Lay another mag over this one: every chunk that is stored there replaces the voxels here.

        For volume annotations, which store only the chunks that were changed. The layer's bounding box is extended to
        hold that of the other. Both must have the same mag, dtype, axes and channels, and the other one chunk per shard
        (InvalidArgumentError, an AssertionError). Jobs are whole shards of this mag; by default they run in threads.
        """
        verbs.merging.merge(self.state, other.state, executor)

    def native_handle(self) -> Any:
        """What the chosen engine itself calls its array, for what only that engine can do."""
        source = self.state.source
        handle = source.handle if self.state.read_only else source.writing_handle
        return handle.array.native_handle()

    # --- being an object ----------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MagView):
            return NotImplemented
        return self.mag == other.mag and self.state.location == other.state.location

    def __hash__(self) -> int:
        return hash((self.mag, self.state.location))
