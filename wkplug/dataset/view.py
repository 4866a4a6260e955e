"""`View`: a box of one mag, to read from, write to and cut into smaller views.

A view knows its array, its mag and its box; it has no link to the layer, never resizes anything and pickles
in a few hundred bytes. `MagView` adds the layer. All public coordinates are Mag(1) voxels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug import storage
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.legacy.views import (
    CHUNKS,
    EQUALITY,
    READING_SLICES,
    VIEWING,
    WRITING_SLICES,
    ZIPPED_CHUNKS,
    OlderView,
)
from wkplug.dataset.sources import ArraySource
from wkplug.dataset.voxel_access import VoxelAccess, position_given
from wkplug.errors import InvalidArgumentError, OutOfBoundsError
from wkplug.geometry import Mag, NDBoundingBox, NormalizedBoundingBox, grids
from wkplug.geometry.boxes import checked_box
from wkplug.model.regions import (
    Frame,
    Region,
    check_readable,
    from_bounding_box,
    in_mag,
    resolve,
    to_bounding_box,
)
from wkplug.notices import warn_user

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from numpy.typing import DTypeLike, NDArray

    from wkplug.dataset.execution import AnyExecutor
    from wkplug.dataset.indexing import LazyVoxels
    from wkplug.dataset.slice_reader import BufferedSliceReader
    from wkplug.dataset.slice_writer import BufferedSliceWriter
    from wkplug.geometry import MagLike, Vec3FloatLike, Vec3IntLike, VecIntLike

__all__ = ["View"]


class View(VoxelAccess, OlderView):
    """A box of the voxels of one mag.

    Made by `MagView.get_view` and `View.get_view`. Voxels come and go as numpy arrays with the axes of the
    layer, (c, x, y, z) as a rule, Fortran-ordered.
    """

    def __init__(
        self,
        path_to_mag_view: str | os.PathLike[str],
        bounding_box: NDBoundingBox,
        mag: MagLike,
        data_format: str,
        read_only: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
        cached_array: storage.ArrayHandle | None = None,
        dimension_names: tuple[str, ...] | None = None,
    ) -> None:
        mag = Mag(mag)
        checked_box(bounding_box)
        if dimension_names is None:
            axes = bounding_box.axes
            dimension_names = (
                axes if "c" in axes or isinstance(bounding_box, NormalizedBoundingBox) else ("c", *axes)
            )
        source = ArraySource(storage.locate(path_to_mag_view), data_format, dimension_names)
        if cached_array is not None:
            source.adopt(cached_array)
        frame = Frame.of(dimension_names)
        channels = source.handle.spec.num_channels if "c" in dimension_names else 1
        whole = ((0,) * len(frame.axes), tuple(channels if axis == "c" else 1 for axis in frame.axes))
        self._setup(source, frame, mag, from_bounding_box(frame, bounding_box, whole), read_only=read_only)

    def _sub_view(self, region: Region, *, read_only: bool) -> View:
        view = View.__new__(View)
        view._source = self._source
        view._frame = self._frame
        view._mag = self._mag
        view._factors = self._factors
        view._own_region = region
        view._read_only = read_only
        return view

    # --- smaller views ------------------------------------------------------------------------------------

    @older(**VIEWING)
    def get_view(
        self,
        size: Vec3IntLike | None = None,
        *,
        relative_offset: VecIntLike | None = None,
        absolute_offset: VecIntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
        read_only: bool | None = None,
    ) -> View:
        """Give a view of a part: of everything by default, or of an offset and size, or of a bounding box.

        All arguments are Mag(1) voxels. A writable view must lie inside this one (OutOfBoundsError, an
        AssertionError) and warns if it isn't aligned with the shards; a read-only one may reach beyond.
        `read_only=None` inherits; a writable view of a read-only one is refused (ReadOnlyError).
        """
        positioned = position_given(
            relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box
        )
        nothing_given = size is None and not positioned
        if size is not None and not positioned:
            size = self._size_in_mag1(size, "get_view")
        if read_only is None:
            read_only = self._read_only
        elif self._read_only and not read_only:
            raise InvalidArgumentError(
                "A read-only view can't have a writable part.",
                hint="Leave read_only out, or start from a writable view.",
            )
        own = self._region()
        if nothing_given:
            return self._sub_view(own, read_only=read_only)
        region = resolve(
            self._frame,
            own,
            size=size,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )
        check_readable(self._frame, region)
        box = in_mag(self._frame, region, self._factors)
        if not read_only:
            if not grids.covers(own, region):
                raise OutOfBoundsError(
                    f"The writable view {to_bounding_box(self._frame, region)} leaves its "
                    f"parent, which is {to_bounding_box(self._frame, own)}.",
                    hint="Pass read_only=True to look beyond the parent, or extend layer.bounding_box first.",
                )
            if not grids.is_aligned(
                box, self._source.handle.array.spec.shard_shape, self._bounds_in_mag(own)
            ):
                warn_user(
                    "[WARNING] get_view() was called without shard alignment: "
                    "the view is not aligned with the shard shape, "
                    "so that writing to it rewrites parts of shards. Pass read_only=True if it is for reading.",
                    UserWarning,
                )
        return self._sub_view(region, read_only=read_only)

    def chunk(
        self,
        chunk_shape: VecIntLike,
        *,
        chunk_border_alignments: VecIntLike | None = None,
        read_only: bool | None = None,
    ) -> Iterator[View]:
        """Cut the view into views of at most `chunk_shape` Mag(1) voxels; the last axis comes fastest.

        The grid starts at the view's top-left, or with `chunk_border_alignments` so that all inner borders are
        multiples of these. `read_only=None` inherits; writable views that are not aligned with the shards come with
        a UserWarning.
        """
        from wkplug.dataset import chunks

        return chunks.cut(self, chunk_shape, chunk_border_alignments, read_only=read_only)

    # --- work on chunks -----------------------------------------------------------------------------------

    @older(**CHUNKS)
    def for_each_chunk(
        self,
        func_per_chunk: Callable[[tuple[View, int]], Any],
        *,
        chunk_shape: VecIntLike | None = None,
        executor: AnyExecutor = None,
        progress_desc: str | None = None,
    ) -> None:
        """Cut the view into chunks and call `func_per_chunk((chunk, index))` on each.

        chunk_shape: in Mag(1) voxels, a multiple of the shards (for read-only views: of the chunks), by default one
        shard. Chunks are cut on the grid of absolute coordinates, so that jobs share no shard; those at the view's
        border are smaller. Channels are not cut.
        executor: an executor of concurrent.futures, of a cluster, or a name ("sequential", "threads", "processes");
        without one the chunks are worked on one after the other, in order, in this process. Functions that go to other
        processes must pickle: functions of a module, and `functools.partial` of these.
        progress_desc: shows a progress bar of that name on a terminal.

        InvalidArgumentError (an AssertionError) for other chunk shapes; the first failing call's own error.
        """
        from wkplug.dataset import chunks

        chunks.for_each(self, func_per_chunk, chunk_shape, executor, progress_desc)

    @older(**CHUNKS)
    def map_chunk(
        self,
        func_per_chunk: Callable[[View], Any],
        *,
        chunk_shape: VecIntLike | None = None,
        executor: AnyExecutor = None,
        progress_desc: str | None = None,
    ) -> list[Any]:
        """Call `func_per_chunk(chunk)` on each chunk and give the results in the order of the chunks.

        All else is as with `for_each_chunk`; results that come from other processes must pickle.
        """
        from wkplug.dataset import chunks

        return chunks.map_each(self, func_per_chunk, chunk_shape, executor, progress_desc)

    @older(**ZIPPED_CHUNKS)
    def for_zipped_chunks(
        self,
        func_per_chunk: Callable[[tuple[View, View, int]], Any],
        target_view: View,
        *,
        source_chunk_shape: VecIntLike | None = None,
        target_chunk_shape: VecIntLike | None = None,
        executor: AnyExecutor = None,
        progress_desc: str | None = None,
    ) -> None:
        """Cut this view and another into corresponding chunks: `func_per_chunk((chunk, target chunk, index))`.

        The chunk shapes, both or none, are in Mag(1) voxels and multiples of the shards of their views; by default both
        are the smallest that is whole shards of both. The sizes of the views must be in the ratio of the chunk shapes.
        The target is cut on the grid of absolute coordinates, so that jobs share none of its shards, and this view
        correspondingly. If either is empty, nothing is done. All else is as with `for_each_chunk`.

        InvalidArgumentError (an AssertionError) for shapes that don't fit.
        """
        from wkplug.dataset import chunks

        chunks.zipped(
            self, target_view, func_per_chunk, source_chunk_shape, target_chunk_shape, executor, progress_desc
        )

    @older(**EQUALITY)
    def content_is_equal(
        self,
        other: View,
        *,
        executor: AnyExecutor = None,
        progress_desc: str | None = None,
        chunk_shape: VecIntLike | None = None,
    ) -> bool:
        """Whether another view has the same mag, the same size and the same voxels.

        Where the views lie doesn't count, nor do data formats, dtypes (only values are compared) and the order of
        axes; NaN equals NaN. `chunk_shape` is how much is compared at once, in Mag(1) voxels. By default blocks are of
        bounded size and compared in threads. What neither view has stored is not read.
        """
        from wkplug.dataset import equality

        return equality.content_is_equal(self, other, chunk_shape, executor, progress_desc)

    # --- slice by slice -----------------------------------------------------------------------------------

    @older(**WRITING_SLICES)
    def get_buffered_slice_writer(
        self,
        buffer_size: int | None = None,
        dimension: str | int = "z",
        *,
        relative_offset: VecIntLike | None = None,
        absolute_offset: VecIntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
        use_logging: bool = False,
        allow_unaligned: bool = False,
        allow_resize: bool = False,
    ) -> BufferedSliceWriter:
        """Give a context manager that takes slices by `send(slice)` and writes them many at a time.

        Slices are cut across `dimension` ("x", "y" or "z"). Each is (first, second), the other two of x, y, z in this
        order, or (c, first, second), or has all axes of the layer but that one. They go to the view's top-left, or to
        an offset or the top-left of a bounding box, in Mag(1) voxels, and on from there.

        buffer_size: how many slices are written at once, by default the depth of a shard. Slices are written when the
        buffer is full, and the rest when the `with` block is left. Slices of different sizes are filled up with zeros.
        `allow_resize` lets the slices of a mag extend its layer's bounding box. `use_logging` logs every write.

        UnalignedError (a ValueError) for an offset or buffer that would write shards twice; `allow_unaligned=True`
        turns it into a UserWarning. InvalidArgumentError (an AssertionError) for read-only views and other dimensions.
        """
        from wkplug.dataset.slice_writer import BufferedSliceWriter

        return BufferedSliceWriter(
            self,
            buffer_size,
            dimension,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
            use_logging=use_logging,
            allow_unaligned=allow_unaligned,
            allow_resize=allow_resize,
        )

    @older(**READING_SLICES)
    def get_buffered_slice_reader(
        self,
        buffer_size: int | None = None,
        dimension: str | int = "z",
        *,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
        use_logging: bool = False,
    ) -> BufferedSliceReader:
        """Give a context manager that iterates over the slices of the view, or of a bounding box, in order.

        Slices have all axes of the layer but `dimension` ("x", "y" or "z"): (c, x, y) for z, (c, x, z) for y, (c, y, z)
        for x. Further axes, such as time, are gone through one by one, outermost, and stay as axes of length 1.
        buffer_size: how many slices are read at once; by default the depth of a shard, less for very large slices.
        """
        from wkplug.dataset.slice_reader import BufferedSliceReader

        return BufferedSliceReader(
            self,
            buffer_size,
            dimension,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
            use_logging=use_logging,
        )

    # --- as arrays ----------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> LazyVoxels:
        """Select voxels as in numpy, without reading them: `view[0]` is one channel, `view[..., ::10]` some slices.

        Indices are voxels of this mag, counted from the view's top-left, over the axes of the array. Integers, slices,
        `...` and `None` can be used. `numpy.asarray(view[...])` or `view[...].read()` reads just what was selected.
        VoxelIndexError (an IndexError) for others.
        """
        from wkplug.dataset.indexing import LazyVoxels

        return LazyVoxels(self._sub_view(self._region(), read_only=True))[key]

    def __setitem__(self, key: Any, values: Any) -> None:
        """Write voxels as in numpy: `view[...] = array`, `view[0, :64, :64] = 7`.

        Indices are those of `view[...]`, but without steps. Boxes that cover shards in part may be written, too:
        slower, but nothing is lost, also with several writers.
        """
        from wkplug.dataset.indexing import LazyVoxels

        LazyVoxels(self)[key].write(values)

    def __iter__(self) -> Iterator[LazyVoxels]:
        return iter(self[...])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - numpy's protocol
        return self[...].__array__(dtype, copy)

    def to_dask(self, *, chunk_shape: VecIntLike | None = None) -> Any:
        """Give the voxels as a lazy dask array over the axes of the array, (c, x, y, z) as a rule.

        Blocks are cut where shards are (shards over 128 MiB on chunk borders), or on the grid of `chunk_shape`, in
        Mag(1) voxels. Nothing is read before it is computed. UnsupportedOperationError if dask is not installed.
        """
        from wkplug.dataset.foreign_arrays import to_dask

        return to_dask(self, chunk_shape)

    def to_xarray(self, *, voxel_size: Vec3FloatLike | None = None) -> Any:
        """Give the voxels as a lazy xarray DataArray (on dask) with named axes.

        The coordinates of x, y and z are the centres of the voxels in nanometres, from the dataset's voxel size or
        `voxel_size` (nanometres per Mag(1) voxel), where 0 is the centre of the first voxel of Mag(1), as in OME-NGFF;
        those of other axes are positions. The units are in the attributes.
        UnsupportedOperationError if xarray or dask is not installed.
        """
        from wkplug.dataset.foreign_arrays import to_xarray

        return to_xarray(self, voxel_size)

    # --- being an object ----------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"View({self._source.location.url!r}, bounding_box={self.bounding_box!r})"
