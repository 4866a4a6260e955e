"""`View`: a box of one mag, to read from, write to and cut into smaller views.

A view knows its array, its mag and its box; it has no link to the layer, never resizes anything and pickles
in a few hundred bytes. `MagView` adds the layer. All public coordinates are Mag(1) voxels.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from wkplug import storage
from wkplug.dataset import voxels
from wkplug.dataset.array_info import ArrayInfo, array_info
from wkplug.dataset.data_format import DataFormat
from wkplug.dataset.regions import (
    Frame,
    Region,
    check_readable,
    from_bounding_box,
    in_mag,
    resolve,
    to_bounding_box,
)
from wkplug.dataset.sources import ArraySource
from wkplug.errors import InvalidArgumentError, OutOfBoundsError, ReadOnlyError, ShapeMismatchError
from wkplug.geometry import Mag, NDBoundingBox, NormalizedBoundingBox, Vec3Int

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from wkplug.abc import Box
    from wkplug.geometry import MagLike, Vec3IntLike, VecIntLike

__all__ = ["View", "covers"]


class View:
    """A box of the voxels of one mag.

    Made by `MagView.get_view` and `View.get_view`. Voxels come and go as numpy arrays with the axes of the
    layer, (c, x, y, z) as a rule, Fortran-ordered.
    """

    _source: ArraySource
    _frame: Frame
    _mag: Mag
    _factors: tuple[int, ...]
    _read_only: bool
    _own_region: Region

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

    def _setup(self, source: ArraySource, frame: Frame, mag: Mag, region: Region, *, read_only: bool) -> None:
        self._source = source
        self._frame = frame
        self._mag = mag
        self._factors = frame.factors(mag.to_tuple())
        self._own_region = region
        self._read_only = read_only

    def _sub_view(self, region: Region, *, read_only: bool) -> View:
        view = View.__new__(View)
        view._source = self._source
        view._frame = self._frame
        view._mag = self._mag
        view._factors = self._factors
        view._own_region = region
        view._read_only = read_only
        return view

    # --- facts --------------------------------------------------------------------------------------------

    def _region(self) -> Region:
        """The view's own box; for a mag, that of its layer as of now."""
        return self._own_region

    @property
    def bounding_box(self) -> NDBoundingBox:
        """The view's box in Mag(1) voxels: a BoundingBox for layers with the axes x, y, z."""
        return to_bounding_box(self._frame, self._region())

    @property
    def normalized_bounding_box(self) -> NormalizedBoundingBox:
        """The view's box with the axes of the array, in Mag(1) voxels; index 0 of the array is 0."""
        start, shape = self._region()
        return NormalizedBoundingBox(start, shape, self._frame.axes)

    @property
    def mag(self) -> Mag:
        """The magnification."""
        return self._mag

    @property
    def factors(self) -> tuple[int, ...]:
        """Mag(1) voxels per voxel of the array, for every axis of the array; for `wkplug.ops`."""
        return self._factors

    @property
    def read_only(self) -> bool:
        """Whether writing is refused."""
        return self._read_only

    @property
    def num_channels(self) -> int:
        """The number of channels, 1 where the layer has no channel axis."""
        return 1 if self._frame.c is None else self._region()[1][self._frame.c]

    @property
    def data_format(self) -> DataFormat:
        """The storage format of the array."""
        return DataFormat.recorded(self._source.data_format or self.info.data_format)

    @property
    def info(self) -> ArrayInfo:
        """The facts of the array: dtype, chunk and shard shape, compression."""
        handle = self._source.handle
        return array_info(handle, handle.backend.format)

    def get_dtype(self) -> np.dtype[Any]:
        """The dtype of the voxels, per channel."""
        return self._source.handle.array.dtype

    # --- reading ------------------------------------------------------------------------------------------

    def read(
        self,
        size: Vec3IntLike | None = None,
        *,
        relative_offset: VecIntLike | None = None,
        absolute_offset: VecIntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> NDArray[Any]:
        """Read voxels: the view's whole box, or the box given by an offset and a size, or by a bounding box.

        All arguments are Mag(1) voxels and multiples of the mag; relative ones count from the view's top-left.
        The box may reach beyond the view, where other voxels of the mag are returned, and beyond the array,
        where voxels are zero. `size` alone is deprecated: it counts from the view's top-left in voxels of this mag.

        Gives an array of the layer's axes, (c, x, y, z) as a rule, in Fortran order.

        InvalidArgumentError (an AssertionError) for an empty region or more than one position, GeometryError
        for one that is not a multiple of the mag, IncompleteMagError for a mag that a job has left unfinished.
        """
        if size is not None and not _position_given(
            relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box
        ):
            size = self._size_in_mag1(size, "read")
        region = resolve(
            self._frame,
            self._region(),
            size=size,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )
        check_readable(self._frame, region)
        return voxels.read(self._source.handle, in_mag(self._frame, region, self._factors))

    def read_cxyz(
        self,
        size: Vec3IntLike | None = None,
        *,
        relative_offset: VecIntLike | None = None,
        absolute_offset: VecIntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> NDArray[Any]:
        """Read as `read` does, but always as (c, x, y, z); other axes must have one voxel in the region."""
        from wkplug.dataset.axis_order import to_cxyz

        data = self.read(
            size,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )
        return to_cxyz(data, self._frame.axes)

    def _size_in_mag1(self, size: Any, method: str) -> Any:
        warnings.warn(
            f"[DEPRECATION] `{method}(size=...)` without an offset counts in voxels of the current mag; "
            "please use `relative_offset=(0, 0, 0), size=...` in Mag(1) voxels instead.",
            DeprecationWarning,
            stacklevel=3,
        )
        return Vec3Int(size) * self._mag.to_vec3_int()

    # --- writing ------------------------------------------------------------------------------------------

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
        array, region = self._prepare_write(
            data, relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box
        )
        self._check_inside(region)
        self._store(array, region, allow_unaligned=allow_unaligned)

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
        from wkplug.dataset.axis_order import from_cxyz

        self.write(
            from_cxyz(data, self._frame.axes),
            allow_unaligned=allow_unaligned,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )

    def _prepare_write(
        self,
        data: ArrayLike,
        relative_offset: Any,
        absolute_offset: Any,
        relative_bounding_box: NDBoundingBox | None,
        absolute_bounding_box: NDBoundingBox | None,
    ) -> tuple[NDArray[Any], Region]:
        """Check what can be checked before anything is touched; give the data and where they go."""
        import numpy

        if self._read_only:
            raise ReadOnlyError(
                f"The view of {self._source.location.url} is read-only.",
                hint="Open the dataset without read_only=True; mags that belong to another dataset are written there.",
            )
        frame, factors, bounds = self._frame, self._factors, self._region()
        array = voxels.with_all_axes(frame, numpy.asarray(data), self.num_channels)
        shape = tuple(length * factor for length, factor in zip(array.shape, factors, strict=True))
        box_given = relative_bounding_box is not None or absolute_bounding_box is not None
        offset_given = relative_offset is not None or absolute_offset is not None
        region = resolve(
            frame,
            bounds,
            size=shape if offset_given else None,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )
        if box_given and region[1] != shape:
            raise ShapeMismatchError(
                f"The data have the shape {array.shape}, which is {shape} in "
                f"Mag(1) voxels, but the bounding box is {region[1]}.",
                hint="Give a box of the data's size, or just an offset.",
            )
        region = (region[0], shape)
        check_readable(frame, region)
        return array, region

    def _check_inside(self, region: Region) -> None:
        own = self._region()
        if not covers(own, region):
            raise OutOfBoundsError(
                f"The write to {to_bounding_box(self._frame, region)} leaves the "
                f"view, which is {to_bounding_box(self._frame, own)}.",
                hint="Write inside the view, or use MagView.write(..., allow_resize=True) to extend the layer.",
            )

    def _store(self, data: NDArray[Any], region: Region, *, allow_unaligned: bool) -> None:
        handle = self._source.writing_handle
        box = in_mag(self._frame, region, self._factors)
        if not allow_unaligned:
            bounds = self._bounds_in_mag(self._region())
            voxels.check_aligned(self._frame, box, handle.array.spec.shard_shape, bounds)
        voxels.write(handle, box, data)

    def _bounds_in_mag(self, region: Region) -> Box:
        """A region in voxels of the mag, enlarged to whole ones."""
        start, shape = region
        first = tuple(low // factor for low, factor in zip(start, self._factors, strict=True))
        stop = (-(-(low + n) // factor) for low, n, factor in zip(start, shape, self._factors, strict=True))
        return first, tuple(b - a for a, b in zip(first, stop, strict=True))

    # --- smaller views ------------------------------------------------------------------------------------

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
        positioned = _position_given(
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
            if not covers(own, region):
                raise OutOfBoundsError(
                    f"The writable view {to_bounding_box(self._frame, region)} leaves its "
                    f"parent, which is {to_bounding_box(self._frame, own)}.",
                    hint="Pass read_only=True to look beyond the parent, or extend layer.bounding_box first.",
                )
            if not voxels.is_aligned(
                box, self._source.handle.array.spec.shard_shape, self._bounds_in_mag(own)
            ):
                warnings.warn(
                    "[WARNING] get_view() was called without shard alignment: "
                    "the view is not aligned with the shard shape, "
                    "so that writing to it rewrites parts of shards. Pass read_only=True if it is for reading.",
                    UserWarning,
                    stacklevel=2,
                )
        return self._sub_view(region, read_only=read_only)

    def chunk(
        self,
        chunk_shape: VecIntLike,
        *,
        chunk_border_alignments: VecIntLike | None = None,
        read_only: bool | None = None,
    ) -> Iterator[View]:
        """Cut the view into views of at most `chunk_shape` Mag(1) voxels; the last axis comes fastest."""
        for box in self.bounding_box.chunk(chunk_shape, chunk_border_alignments):
            yield self.get_view(absolute_bounding_box=box, read_only=read_only)

    # --- being an object ----------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"View({self._source.location.url!r}, bounding_box={self.bounding_box!r})"


def _position_given(*positions: object) -> bool:
    return any(position is not None for position in positions)


def covers(outer: Region, inner: Region) -> bool:
    """Whether `inner` lies in `outer`."""
    return all(
        a <= b and b + n <= a + m for a, m, b, n in zip(outer[0], outer[1], inner[0], inner[1], strict=True)
    )
