"""`MagView`: one magnification of a layer. A view of the whole layer that can extend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.dataset.legacy.mags import OlderMagView
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.legacy.views import COMPRESSING, WRITING_A_MAG
from wkplug.dataset.sources import ArraySource, LayerFacts
from wkplug.dataset.view import View
from wkplug.errors import OutOfBoundsError, ReadOnlyError
from wkplug.geometry import Mag, NDBoundingBox, grids
from wkplug.model import voxels
from wkplug.model.dtypes import as_stored
from wkplug.model.regions import Frame, Region, in_mag, to_bounding_box

if TYPE_CHECKING:
    import os
    import pathlib
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

    from wkplug.abc import Location
    from wkplug.dataset.execution import AnyExecutor
    from wkplug.dataset.layer import Layer
    from wkplug.geometry import MagLike, VecIntLike

__all__ = ["MagView"]


class MagView(OlderMagView, View):
    """One mag of a layer: `layer.get_mag("2-2-1")`.

    Its bounding box is the layer's, enlarged to whole voxels of the mag, and follows the layer's changes.
    """

    def __init__(
        self,
        layer: Layer,
        mag: MagLike,
        path: Location,
        read_only: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
        data_format: str | None = None,
    ) -> None:
        self._layer = layer
        frame, mag = layer.frame, Mag(mag)
        chosen = data_format or layer.data_format
        source = ArraySource(
            path,
            chosen,
            frame.axes,
            backend=layer.dataset.backend_for(chosen),
            allow_incomplete=layer.dataset.allow_incomplete,
        )
        source.belongs_to(layer.dataset)
        source.facts = LayerFacts(layer.name, mag, frame.axes, layer.properties.dtype, layer.region)
        layer.watch(source)
        self._seen: object = None
        self._setup(source, frame, mag, ((), ()), read_only=read_only)

    def _region(self) -> Region:
        properties = self._layer.properties
        if properties is not self._seen:
            start, shape = self._layer.region
            factors = self._factors
            first = tuple(low - low % factor for low, factor in zip(start, factors, strict=True))
            extent = tuple(
                -(-(low + length) // factor) * factor - begin
                for low, length, factor, begin in zip(start, shape, factors, first, strict=True)
            )
            self._own_region, self._seen = (first, extent), properties
            self._source.expect((first, extent), factors)
        return self._own_region

    # --- facts --------------------------------------------------------------------------------------------

    @property
    def layer(self) -> Layer:
        """The layer that this mag belongs to."""
        return self._layer

    @property
    def location(self) -> Location:
        """The place of the array."""
        return self._source.location

    @property
    def path(self) -> pathlib.Path:
        """The path of the array's folder; a UPath where it isn't local."""
        from wkplug.model.places import to_path

        return to_path(self._source.location)

    @property
    def name(self) -> str:
        """The mag as text: "1", "2-2-1"."""
        return self._mag.to_layer_name()

    # --- writing ------------------------------------------------------------------------------------------

    def _check_writable(self) -> None:
        if self._read_only and not self._layer.dataset.read_only:
            raise ReadOnlyError(
                f"The mag {self.name} of {self._layer.name!r} is read-only: its files at {self.location.url} belong to "
                "another dataset.",
                hint="Open that dataset and write there, or get a mag of one's own with layer.add_mag_as_copy.",
            )
        super()._check_writable()

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
        array, region = self._prepare_write(
            data, relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box
        )
        if not grids.covers(self._region(), region):
            if not allow_resize:
                raise OutOfBoundsError(
                    f"The write to {to_bounding_box(self._frame, region)} does not fit in the layer's bounding box "
                    f"{self._layer.bounding_box}.",
                    hint="Pass allow_resize=True to extend it, or set layer.bounding_box first.",
                )
            array = self._storable(array, region, allow_unaligned=allow_unaligned)
            self._layer.extend_bounding_box(to_bounding_box(self._frame, region))
        self._store(array, region, allow_unaligned=allow_unaligned)

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
        from wkplug.model.axes import from_cxyz

        self.write(
            from_cxyz(data, self._frame.axes),
            allow_resize=allow_resize,
            allow_unaligned=allow_unaligned,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )

    def _storable(self, data: NDArray[Any], region: Region, *, allow_unaligned: bool) -> NDArray[Any]:
        """Give the data in the array's dtype; refuses, before the layer is extended, what would fail after it."""
        handle = self._source.writing_handle
        stored = as_stored(data, handle.array.dtype)
        box = in_mag(self._frame, region, self._factors)
        if not allow_unaligned:
            bounds = self._bounds_in_mag(grids.hull(self._region(), region))
            voxels.check_aligned(self._frame, box, handle.array.spec.shard_shape, bounds)
        return stored

    # --- storing it in another way: `wkplug.ops` does it ------------------------------------------------

    @older(**COMPRESSING)
    def compress(
        self, *, target_path: str | os.PathLike[str] | None = None, executor: AnyExecutor = None
    ) -> None:
        """Compress the mag, in place; nothing happens if it is compressed already.

        A crash leaves a complete mag at any moment. With target_path the result becomes a dataset there instead,
        which object stores need (InvalidArgumentError, an AssertionError, without).
        """
        from wkplug.ops.copying import rechunking

        if target_path is None:
            self._check_writable()
        rechunking.compress(self, target_path=target_path, executor=executor)

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
        from wkplug.ops import pools
        from wkplug.ops.copying import rechunking

        with pools.described(_progress_desc) as progress:
            rechunking.rechunk(
                self,
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
        from wkplug.dataset.stored import stored_regions

        return (to_bounding_box(self._frame, region) for region in stored_regions(self))

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
        from wkplug.dataset.merging import merge

        merge(self, other, executor)

    def native_handle(self) -> Any:
        """What the chosen engine itself calls its array, for what only that engine can do."""
        return (
            self._source.writing_handle.array.native_handle()
            if not self._read_only
            else self._source.handle.array.native_handle()
        )

    @property
    def array_source(self) -> ArraySource:
        """How the array is reached; for `wkplug.ops`."""
        return self._source

    @property
    def frame(self) -> Frame:
        """The axes of the array; for `wkplug.ops`."""
        return self._frame

    # --- being an object ----------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MagView):
            return NotImplemented
        return self._mag == other._mag and self._source.location == other._source.location

    def __hash__(self) -> int:
        return hash((self._mag, self._source.location))

    def __repr__(self) -> str:
        return f"MagView(name={self.name!r}, bounding_box={self.bounding_box!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_seen": None}
