"""Reading and writing the voxels of a box of one mag: what `View` is beneath its smaller views, chunks and slices.

Where voxels are asked for or go to is worked out by `wkplug.model.regions`, and `wkplug.model.voxels` brings
them; here are the public methods, and the facts about the box. `View` inherits them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.dataset.data_format import DataFormat
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.legacy.views import OFFSET_AND_SIZE, WRITING
from wkplug.dataset.parts import UsersNames, part_of
from wkplug.errors import OutOfBoundsError, ReadOnlyError, ShapeMismatchError
from wkplug.geometry import Mag, NDBoundingBox, NormalizedBoundingBox, Vec3Int, grids
from wkplug.model import voxels
from wkplug.model.regions import Frame, Region, check_readable, in_mag, resolve, to_bounding_box
from wkplug.notices import warn_user

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from wkplug.abc import Box
    from wkplug.dataset.array_info import ArrayInfo
    from wkplug.dataset.sources import ArraySource
    from wkplug.geometry import Vec3IntLike, VecIntLike

__all__ = ["VoxelAccess", "position_given"]


@part_of("wkplug.dataset.view", "View")
class VoxelAccess(UsersNames):
    """A base of `View`."""

    _source: ArraySource
    _frame: Frame
    _mag: Mag
    _factors: tuple[int, ...]
    _read_only: bool
    _own_region: Region

    def _setup(self, source: ArraySource, frame: Frame, mag: Mag, region: Region, *, read_only: bool) -> None:
        self._source = source
        self._frame = frame
        self._mag = mag
        self._factors = frame.factors(mag.to_tuple())
        self._own_region = region
        self._read_only = read_only

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
        from wkplug.dataset.legacy.arrays import described

        return described(handle)

    def get_dtype(self) -> np.dtype[Any]:
        """The dtype of the voxels, per channel."""
        return self._source.handle.array.dtype

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
    ) -> NDArray[Any]:
        """Read voxels: the view's whole box, or the box given by an offset and a size, or by a bounding box.

        All arguments are Mag(1) voxels and multiples of the mag; relative ones count from the view's top-left.
        The box may reach beyond the view, where other voxels of the mag are returned, and beyond the array,
        where voxels are zero. `size` alone is deprecated: it counts from the view's top-left in voxels of this mag.

        Gives an array of the layer's axes, (c, x, y, z) as a rule, in Fortran order.

        InvalidArgumentError (an AssertionError) for an empty region or more than one position, GeometryError
        for one that is not a multiple of the mag, IncompleteMagError for a mag that a job has left unfinished.
        """
        if size is not None and not position_given(
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

    @older(**OFFSET_AND_SIZE)
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
        from wkplug.model.axes import to_cxyz

        data = self.read(
            size,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )
        return to_cxyz(data, self._frame.axes)

    def _size_in_mag1(self, size: Any, method: str) -> Any:
        warn_user(
            f"[DEPRECATION] `{method}(size=...)` without an offset counts in voxels of the current mag; "
            "please use `relative_offset=(0, 0, 0), size=...` in Mag(1) voxels instead.",
            DeprecationWarning,
        )
        return Vec3Int(size) * self._mag.to_vec3_int()

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
        from wkplug.model.axes import from_cxyz

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

        self._check_writable()
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

    def _check_writable(self) -> None:
        if self._read_only:
            raise ReadOnlyError(
                f"The view of {self._source.location.url} is read-only.",
                hint="Start from a view that is writable: open the dataset without read_only=True.",
            )

    def _check_inside(self, region: Region) -> None:
        own = self._region()
        if not grids.covers(own, region):
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

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of voxels of this mag along every axis of the array, (c, x, y, z) as a rule."""
        return self._bounds_in_mag(self._region())[1]

    @property
    def ndim(self) -> int:
        """The number of axes of the array."""
        return len(self._frame.axes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the voxels, per channel."""
        return self.get_dtype()

    def _voxel_size(self) -> tuple[float, ...] | None:
        return self._source.voxel_size


def position_given(*positions: object) -> bool:
    """Whether the user said where."""
    return any(position is not None for position in positions)
