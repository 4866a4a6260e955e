"""`View`: a box of one mag, to read from, write to and cut into smaller views.

A view holds its state (`wkplug.model.states.ViewState`): its array, its mag and its box. It has no link to the layer,
never resizes anything and pickles in a few hundred bytes. `MagView` adds the layer. All public coordinates are Mag(1)
voxels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug import storage
from wkplug.dataset import verbs
from wkplug.dataset.completion import UsersNames
from wkplug.dataset.data_format import DataFormat
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.legacy.views import (
    CHUNKS,
    EQUALITY,
    OFFSET_AND_SIZE,
    READING_SLICES,
    VIEWING,
    WRITING,
    WRITING_SLICES,
    ZIPPED_CHUNKS,
    OlderView,
)
from wkplug.geometry import Mag, NDBoundingBox, NormalizedBoundingBox, Vec3Int
from wkplug.geometry.boxes import checked_box
from wkplug.model import chunks, voxels
from wkplug.model.arrays import ArraySource
from wkplug.model.axes import from_cxyz, to_cxyz
from wkplug.model.regions import Frame, Position, Region, check_readable, from_bounding_box, in_mag, resolve
from wkplug.model.states import ViewState
from wkplug.notices import warn_user

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from wkplug.dataset.array_info import ArrayInfo
    from wkplug.dataset.indexing import LazyVoxels
    from wkplug.dataset.slices import BufferedSliceReader, BufferedSliceWriter
    from wkplug.execution import AnyExecutor
    from wkplug.geometry import MagLike, Vec3FloatLike, Vec3IntLike, VecIntLike

__all__ = ["View"]


class View(UsersNames, OlderView):
    """A box of the voxels of one mag.

    Made by `MagView.get_view` and `View.get_view`. Voxels come and go as numpy arrays with the axes of the
    layer, (c, x, y, z) as a rule, Fortran-ordered.
    """

    state: ViewState

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
        region = from_bounding_box(frame, bounding_box, whole)
        self.state = ViewState(source, frame, mag, region, read_only=read_only)

    @classmethod
    def _of(cls, state: ViewState) -> View:
        view = View.__new__(View)
        view.state = state
        return view

    def _part(self, region: Region, *, read_only: bool | None = None) -> View:
        view, state = View.__new__(View), self.state
        view.state = state.part(region, read_only=state.read_only if read_only is None else read_only)
        return view

    # --- facts --------------------------------------------------------------------------------------------

    @property
    def bounding_box(self) -> NDBoundingBox:
        """The view's box in Mag(1) voxels: a BoundingBox for layers with the axes x, y, z."""
        return self.state.bounding_box

    @property
    def normalized_bounding_box(self) -> NormalizedBoundingBox:
        """The view's box with the axes of the array, in Mag(1) voxels; index 0 of the array is 0."""
        return NormalizedBoundingBox(*self.state.region, self.state.frame.axes)

    @property
    def mag(self) -> Mag:
        """The magnification."""
        return self.state.mag

    @property
    def read_only(self) -> bool:
        """Whether writing is refused."""
        return self.state.read_only

    @property
    def num_channels(self) -> int:
        """The number of channels, 1 where the layer has no channel axis."""
        return self.state.num_channels

    @property
    def data_format(self) -> DataFormat:
        """The storage format of the array."""
        return DataFormat.recorded(self.state.source.data_format or self.info.data_format)

    @property
    def info(self) -> ArrayInfo:
        """The facts of the array: dtype, chunk and shard shape, compression."""
        return verbs.arrays.described(self.state.described)

    def get_dtype(self) -> np.dtype[Any]:
        """The dtype of the voxels, per channel."""
        return self.state.described.array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of voxels of this mag along every axis of the array, (c, x, y, z) as a rule."""
        return self.state.bounds[1]

    @property
    def ndim(self) -> int:
        """The number of axes of the array."""
        return len(self.state.frame.axes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the voxels, per channel."""
        return self.get_dtype()

    # --- reading ------------------------------------------------------------------------------------------

    @older(**OFFSET_AND_SIZE)
    def read(
        self,
        size: Vec3IntLike | None = None,
        *,
        relative_offset: VecIntLike | None = None,
        absolute_offset: VecIntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
        missing: voxels.Missing = "fill",
    ) -> NDArray[Any]:
        """Read voxels: the view's whole box, or the box given by an offset and a size, or by a bounding box.

        All arguments are Mag(1) voxels and multiples of the mag; relative ones count from the view's top-left.
        The box may reach beyond the view, where other voxels of the mag are returned, and beyond the array,
        where voxels are zero. `size` alone is deprecated: it counts from the view's top-left in voxels of this mag.

        Gives an array of the layer's axes, (c, x, y, z) as a rule, in Fortran order.

        missing: voxels that were never written, because the store definitely doesn't have their chunk, are zero
        ("fill"), which can also be told by a UserWarning with their number ("warn"), or be a MissingError that names
        the first of them ("error"). WKW tells so of whole shards only. What can't be read is an error in each case.

        InvalidArgumentError (an AssertionError) for an empty region or more than one position, GeometryError
        for one that is not a multiple of the mag, IncompleteMagError for a mag that a job has left unfinished.
        """
        state = self.state
        position = Position(relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box)
        if size is not None and not position.is_given:
            size = self._size_in_mag1(size, "read")
        region = resolve(state.frame, state.region, position, size)
        check_readable(state.frame, region)
        return voxels.read_from(state.source, in_mag(state.frame, region, state.factors), missing=missing)

    @older(**OFFSET_AND_SIZE)
    def read_cxyz(
        self,
        size: Vec3IntLike | None = None,
        *,
        relative_offset: VecIntLike | None = None,
        absolute_offset: VecIntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
        missing: voxels.Missing = "fill",
    ) -> NDArray[Any]:
        """Read as `read` does, but always as (c, x, y, z); other axes must have one voxel in the region."""
        data = self.read(
            size,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
            missing=missing,
        )
        return to_cxyz(data, self.state.frame.axes)

    def _size_in_mag1(self, size: Any, method: str) -> Any:
        warn_user(
            f"[DEPRECATION] `{method}(size=...)` without an offset counts in voxels of the current mag; "
            "please use `relative_offset=(0, 0, 0), size=...` in Mag(1) voxels instead.",
            DeprecationWarning,
        )
        return Vec3Int(size) * self.state.mag.to_vec3_int()

    # --- writing ------------------------------------------------------------------------------------------

    @older(**WRITING)
    def write(
        self,
        data: ArrayLike,
        *,
        allow_unaligned: bool = False,
        relative_offset: VecIntLike | None = None,
        absolute_offset: VecIntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> None:
        """Write voxels at the view's top-left, or at an offset, or to a bounding box of just their size.

        `data` have the layer's axes, (c, x, y, z) as a rule; a single channel's axis may be left out. Offsets and
        boxes are Mag(1) voxels. All must lie inside the view (OutOfBoundsError, an AssertionError). Faces must lie
        on shard borders or on the view's own faces, unless `allow_unaligned` (UnalignedError, a ValueError).
        """
        position = Position(relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box)
        voxels.write_to_view(self.state, data, position, allow_unaligned=allow_unaligned)

    def write_cxyz(
        self,
        data: ArrayLike,
        *,
        allow_unaligned: bool = False,
        relative_offset: VecIntLike | None = None,
        absolute_offset: VecIntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> None:
        """Write as `write` does, data being (c, x, y, z) whatever the order of the layer's axes."""
        self.write(
            from_cxyz(data, self.state.frame.axes),
            allow_unaligned=allow_unaligned,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )

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
        position = Position(relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box)
        if size is not None and not position.is_given:
            size = self._size_in_mag1(size, "get_view")
        return View._of(chunks.view_of(self.state, position, size, read_only=read_only))

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
        read_only = self.state.read_only if read_only is None else read_only
        return (
            self._part(region, read_only=read_only)
            for region in chunks.chunked(
                self.state, chunk_shape, chunk_border_alignments, read_only=read_only
            )
        )

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
        regions = chunks.regions(self.state, chunk_shape)
        work = [(self._part(region), index) for index, region in enumerate(regions)]
        held = chunks.largest(self.state, regions)
        for _ in verbs.execution.run(
            func_per_chunk,
            work,
            executor=executor,
            progress_desc=progress_desc,
            views=[self.state],
            held=held,
        ):
            pass

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
        regions = chunks.regions(self.state, chunk_shape)
        work, held = [self._part(region) for region in regions], chunks.largest(self.state, regions)
        return list(
            verbs.execution.run(
                func_per_chunk,
                work,
                executor=executor,
                progress_desc=progress_desc,
                views=[self.state],
                held=held,
            )
        )

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
        source, target = self.state, target_view.state
        regions = chunks.zipped(source, target, source_chunk_shape, target_chunk_shape)
        work = [
            (self._part(one), target_view._part(other), index) for index, (one, other) in enumerate(regions)
        ]
        held = chunks.largest(source, [one for one, _ in regions])
        held = max(held, chunks.largest(target, [other for _, other in regions]))
        for _ in verbs.execution.run(
            func_per_chunk,
            work,
            executor=executor,
            progress_desc=progress_desc,
            views=[source, target],
            held=held,
        ):
            pass

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
        return verbs.equality.content_is_equal(
            self.state, other.state, chunk_shape, executor=executor, progress_desc=progress_desc
        )

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
        from wkplug.dataset.slices import BufferedSliceWriter

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
        from wkplug.dataset.slices import BufferedSliceReader

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
        own = self.state
        return verbs.indexing.LazyVoxels(own.part(own.region, read_only=True))[key]

    def __setitem__(self, key: Any, values: Any) -> None:
        """Write voxels as in numpy: `view[...] = array`, `view[0, :64, :64] = 7`.

        Indices are those of `view[...]`, but without steps. Boxes that cover shards in part may be written, too:
        slower, but nothing is lost, also with several writers.
        """
        verbs.indexing.LazyVoxels(self.state)[key].write(values)

    def __iter__(self) -> Iterator[LazyVoxels]:
        return iter(self[...])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - numpy's protocol
        return self[...].__array__(dtype, copy)

    def to_dask(self, *, chunk_shape: VecIntLike | None = None) -> Any:
        """Give the voxels as a lazy dask array over the axes of the array, (c, x, y, z) as a rule.

        Blocks are cut where shards are (shards over 128 MiB on chunk borders), or on the grid of `chunk_shape`, in
        Mag(1) voxels. Nothing is read before it is computed. UnsupportedOperationError if dask is not installed.
        """
        return verbs.indexing.to_dask(self.state, chunk_shape)

    def to_xarray(self, *, voxel_size: Vec3FloatLike | None = None) -> Any:
        """Give the voxels as a lazy xarray DataArray (on dask) with named axes.

        The coordinates of x, y and z are the centres of the voxels in nanometres, from the dataset's voxel size or
        `voxel_size` (nanometres per Mag(1) voxel), where 0 is the centre of the first voxel of Mag(1), as in OME-NGFF;
        those of other axes are positions. The units are in the attributes.
        UnsupportedOperationError if xarray or dask is not installed.
        """
        return verbs.indexing.to_xarray(self.state, voxel_size)

    # --- being an object ----------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return repr(self.state)
