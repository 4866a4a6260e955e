"""Views as arrays: `LazyVoxels`, which `view[...]` gives, and arrays of dask and xarray; nothing is read too early.

LazyVoxels have numpy's basic indexing. Indices are voxels of the view's own mag, counted from the view's top-left, over
the axes of the array (c, x, y, z as a rule). Integers, slices with any step, `...` and `None` work as in numpy, and
again on the result; `numpy.asarray`, or anything that calls it, reads. Only what was selected is read: one channel of
many, every tenth slice. Indexing by lists and masks is left to numpy. `view[...] = values` writes what is selected,
without steps between.

dask is for work larger than memory, xarray for named axes and units. Both are imported when they are asked for and need
not be installed. Each block of the dask array is read when it is computed, in the process that computes it.
"""

from __future__ import annotations

import operator
from itertools import product
from typing import TYPE_CHECKING, Any

from wkplug.errors import InvalidArgumentError, ShapeMismatchError, UnsupportedOperationError, VoxelIndexError
from wkplug.geometry import grids
from wkplug.model import voxels
from wkplug.model.chunks import over_axes
from wkplug.model.states import state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import DTypeLike, NDArray

    from wkplug.geometry import Vec3FloatLike
    from wkplug.model.states import ViewState

__all__ = ["BLOCK_BYTES", "LazyVoxels", "to_dask", "to_xarray"]

BLOCK_BYTES = 1 << 27
"""The most that one block may have where nobody gave its shape: larger shards are cut on chunk borders."""
_GATHERED = 8
"""Where steps leave no chunk out, this many chunks along an axis are read at once."""


class LazyVoxels:
    """A part of a view that is read when it is needed, with numpy's `shape`, `dtype`, `ndim` and basic indexing."""

    __slots__ = ("_order", "_picked", "_view")

    def __init__(
        self,
        view: ViewState,
        picked: tuple[range | int, ...] | None = None,
        order: tuple[int | None, ...] | None = None,
    ) -> None:
        # picked: per axis of the array the selected positions in it, a range or one number (that axis is gone).
        # order: per axis of the result the array's axis, or None for one that was added.
        self._view: ViewState = state_of(view)  # pickles of earlier releases hold the view itself
        if picked is None:
            start, shape = view.bounds
            picked = tuple(range(low, low + length) for low, length in zip(start, shape, strict=True))
        self._picked = picked
        self._order = tuple(range(len(picked))) if order is None else order

    # --- facts --------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of voxels along each axis."""
        return tuple(1 if axis is None else len(self._range(axis)) for axis in self._order)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._order)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the voxels."""
        return self._view.dtype

    @property
    def size(self) -> int:
        """The number of voxels."""
        result = 1
        for length in self.shape:
            result *= length
        return result

    @property
    def nbytes(self) -> int:
        """The number of bytes that the voxels take in memory."""
        return self.size * self.dtype.itemsize

    @property
    def axes(self) -> tuple[str | None, ...]:
        """The names of the axes; None for one that was added."""
        names = self._view.frame.axes
        return tuple(None if axis is None else names[axis] for axis in self._order)

    def _range(self, axis: int) -> range:
        picked = self._picked[axis]
        return picked if isinstance(picked, range) else range(picked, picked + 1)

    # --- selecting ----------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> LazyVoxels:
        """Select further, as numpy's basic indexing does; VoxelIndexError (an IndexError) for what it can't."""
        keys = list(key) if isinstance(key, tuple) else [key]
        dots = [index for index, one in enumerate(keys) if one is Ellipsis]
        if len(dots) > 1:
            raise VoxelIndexError("An index can have one ellipsis ('...') only.")
        consumed = sum(one is not None and one is not Ellipsis for one in keys)
        if consumed > self.ndim:
            raise VoxelIndexError(
                f"Too many indices: there are {self.ndim} axes, but {consumed} were indexed."
            )
        fill = [slice(None)] * (self.ndim - consumed)
        at = dots[0] if dots else len(keys)
        keys[at : at + len(dots)] = fill
        picked = list(self._picked)
        order: list[int | None] = []
        axes = iter(self._order)
        for one in keys:
            if one is None:
                order.append(None)
                continue
            axis = next(axes)
            positions = range(1) if axis is None else self._range(axis)
            selected = _select(positions, one)
            if isinstance(selected, range):
                order.append(axis)
                if axis is None and selected != range(1):
                    raise VoxelIndexError(f"An axis that was added can't be sliced by {one!r}.", hint=_HINT)
            if axis is not None:
                picked[axis] = selected
        return LazyVoxels(self._view, tuple(picked), tuple(order))

    def __len__(self) -> int:
        if not self._order:
            raise InvalidArgumentError("A single voxel has no length.")
        return self.shape[0]

    def __iter__(self) -> Iterator[LazyVoxels]:
        return (self[index] for index in range(len(self)))

    # --- reading ------------------------------------------------------------------------------------------

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - numpy's protocol
        """Read the selected voxels."""
        if copy is False:
            raise InvalidArgumentError(
                "Voxels on disk can't become an array without a copy.", hint="Leave copy=False out."
            )
        array = self.read()
        return array if dtype is None else array.astype(dtype, copy=False)

    def read(self) -> NDArray[Any]:
        """Read the selected voxels into an array of this `shape`, in Fortran order."""
        import numpy

        ranges = [self._range(axis) for axis in range(len(self._picked))]
        shape = tuple(map(len, ranges))
        handle = self._view.source.handle
        whole = all(selected.step == 1 for selected in ranges) and 0 not in shape
        if whole:
            data = voxels.read(handle, (tuple(selected.start for selected in ranges), shape))
        else:
            handle.check_size(shape)
            data = numpy.empty(shape, dtype=self.dtype, order="F")
            if 0 not in shape:
                self._gather(data, ranges)
        kept = [axis for axis in self._order if axis is not None]
        # The ellipsis keeps a single voxel an array.
        data = data[(*(slice(None) if axis in kept else 0 for axis in range(len(ranges))), ...)]
        return data[(*(None if axis is None else slice(None) for axis in self._order), ...)]

    def _gather(self, out: NDArray[Any], ranges: list[range]) -> None:
        """Read the chunks that hold selected voxels, piece by piece, and take those that were selected."""
        handle = self._view.source.handle
        chunk_shape = handle.array.spec.chunk_shape
        pieces = [list(_pieces(selected, chunk)) for selected, chunk in zip(ranges, chunk_shape, strict=True)]
        for combination in product(*pieces):
            lows = tuple(min(selected[0], selected[-1]) for _, selected in combination)
            highs = (max(selected[0], selected[-1]) + 1 for _, selected in combination)
            data = voxels.read(
                handle, (lows, tuple(high - low for low, high in zip(lows, highs, strict=True)))
            )
            if any(selected.step < 0 for _, selected in combination):
                data = data[
                    tuple(slice(None, None, -1 if selected.step < 0 else 1) for _, selected in combination)
                ]
            out[tuple(slice(first, first + len(selected)) for first, selected in combination)] = data[
                tuple(slice(None, None, abs(selected.step)) for _, selected in combination)
            ]

    # --- writing ------------------------------------------------------------------------------------------

    def write(self, values: Any) -> None:
        """Write to the selected voxels what numpy can broadcast to this `shape`.

        ShapeMismatchError (a ValueError) for another shape, VoxelIndexError (an IndexError) for steps between voxels,
        DtypeMismatchError for values that the dtype can't hold exactly.
        """
        import numpy

        ranges = [self._range(axis) for axis in range(len(self._picked))]
        if any(abs(selected.step) != 1 and len(selected) > 1 for selected in ranges):
            raise VoxelIndexError(
                "Voxels with steps between them can't be written.",
                hint="Read the whole box with numpy.asarray(view[...]), change it, and write it.",
            )
        given = numpy.asarray(values)
        try:
            data = numpy.broadcast_to(given, self.shape)
        except ValueError as error:
            raise ShapeMismatchError(
                f"Values of the shape {given.shape} can't be written to voxels of the shape {self.shape}.",
                hint=f"The axes are {', '.join(name or 'a new one' for name in self.axes)}.",
            ) from error
        if 0 in data.shape:
            return
        data = data[tuple(0 if axis is None else slice(None) for axis in self._order)]
        data = data.reshape(tuple(map(len, ranges)))[
            tuple(slice(None, None, -1 if selected.step < 0 else 1) for selected in ranges)
        ]
        lows = tuple(min(selected[0], selected[-1]) for selected in ranges)
        self._view.check_writable()
        voxels.write(self._view.source.writing_handle, (lows, data.shape), data)

    def __repr__(self) -> str:
        return f"LazyVoxels(shape={self.shape}, axes={self.axes}, dtype={self.dtype}, of {self._view!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (LazyVoxels, (self._view, self._picked, self._order))


_HINT = "Integers, slices, '...' and None can be used here; for more, read first: numpy.asarray(view)[...]."


def _select(positions: range, key: Any) -> range | int:
    """Apply one index to the positions that are left of an axis."""
    if isinstance(key, slice):
        try:
            return positions[key]
        except (TypeError, ValueError) as error:
            raise VoxelIndexError(f"{key!r} is not a slice of voxels: {error}.") from error
    if isinstance(key, bool) or getattr(getattr(key, "dtype", None), "kind", "") == "b":
        raise VoxelIndexError(f"Voxels can't be selected by {key!r} here.", hint=_HINT)
    try:
        index = operator.index(key)
    except TypeError as error:
        raise VoxelIndexError(f"Voxels can't be selected by {key!r} here.", hint=_HINT) from error
    try:
        return positions[index]
    except IndexError as error:
        raise VoxelIndexError(
            f"Index {index} is out of bounds for an axis of {len(positions)} voxels."
        ) from error


def _pieces(selected: range, chunk: int) -> Iterator[tuple[int, range]]:
    """Cut the selected positions of an axis into runs that are read at once, with the place of each in the result."""
    step = abs(selected.step)
    if step == 1:
        yield 0, selected
        return
    cell = chunk * _GATHERED if step <= chunk else chunk
    first = 0
    while first < len(selected):
        position = selected[first]
        # How many more steps stay within the cell of this position.
        room = cell - 1 - position % cell if selected.step > 0 else position % cell
        length = min(room // step + 1, len(selected) - first)
        yield first, selected[first : first + length]
        first += length


# --- arrays of other libraries ----------------------------------------------------------------------------


def to_dask(view: ViewState, chunk_shape: Any = None) -> Any:
    """Give the view as a dask array over the axes of the array; see `View.to_dask`."""
    try:
        import dask.array
    except ImportError as error:
        raise _missing("dask.array", "to_dask", "'dask[array]'") from error

    import numpy

    lazy = LazyVoxels(view.part(view.region, read_only=True))
    start, shape = view.bounds
    block = _block_shape(view, chunk_shape)
    chunks = tuple(
        tuple(extent for (_,), (extent,) in grids.cells((first,), (length,), (step,)))
        for first, length, step in zip(start, shape, block, strict=True)
    )
    return dask.array.from_array(  # type: ignore[no-untyped-call]  # dask is typed in part
        lazy,
        chunks=tuple(one or (0,) for one in chunks),
        # A name made from the place would be the same after the voxels have changed.
        name=False,
        meta=numpy.empty((0,) * len(shape), dtype=view.dtype),
    )


def _block_shape(view: ViewState, chunk_shape: Any) -> tuple[int, ...]:
    """The blocks' shape in voxels of the mag: as asked for, or a shard cut in halves until it is small enough."""
    spec = view.source.handle.array.spec
    if chunk_shape is not None:
        wanted = over_axes(
            view,
            chunk_shape,
            tuple(a * b for a, b in zip(spec.shard_shape, view.factors, strict=True)),
            "chunk_shape",
        )
        if min(wanted) <= 0 or any(a % b for a, b in zip(wanted, view.factors, strict=True)):
            raise InvalidArgumentError(
                f"The chunk_shape {wanted} is no positive multiple of the mag {view.mag}.",
                hint="It is in Mag(1) voxels.",
            )
        return tuple(a // b for a, b in zip(wanted, view.factors, strict=True))
    extent = view.bounds[1]
    block = list(spec.shard_shape)
    while True:
        size = view.dtype.itemsize
        for length, most in zip(block, extent, strict=True):
            size *= min(length, most)
        divisible = [
            axis
            for axis, (length, chunk) in enumerate(zip(block, spec.chunk_shape, strict=True))
            if length % (2 * chunk) == 0
        ]
        if size <= BLOCK_BYTES or not divisible:
            return tuple(block)
        block[max(divisible, key=lambda axis: min(block[axis], extent[axis]))] //= 2


def to_xarray(view: ViewState, voxel_size: Vec3FloatLike | None = None) -> Any:
    """Give the view as an xarray DataArray; see `View.to_xarray`."""
    try:
        import xarray
    except ImportError as error:
        raise _missing("xarray", "to_xarray", "xarray 'dask[array]'") from error
    import numpy

    size = _voxel_size(view, voxel_size)
    start, shape = view.bounds
    coords: dict[str, Any] = {}
    for axis, first, length, factor in zip(view.frame.axes, start, shape, view.factors, strict=True):
        positions = numpy.arange(first, first + length)
        if axis in size:
            # As in OME-NGFF: the centre of the first voxel of Mag 1 is 0.
            centres = (positions * factor + (factor - 1) / 2) * size[axis]
            coords[axis] = (
                axis,
                centres,
                {"units": "nanometer", "long_name": f"{axis} of the voxel's centre"},
            )
        else:
            coords[axis] = (axis, positions)
    attributes: dict[str, Any] = {
        "mag": str(view.mag),
        "data_format": str(view.source.data_format or view.source.handle.backend.format),
    }
    if size:
        attributes |= {"units": "nanometer", "voxel_size": tuple(size[axis] for axis in "xyz")}
    return xarray.DataArray(to_dask(view), dims=view.frame.axes, coords=coords, attrs=attributes)


def _voxel_size(view: ViewState, given: Vec3FloatLike | None) -> dict[str, float]:
    """The nanometres per Mag(1) voxel along x, y and z."""
    numbers = view.source.voxel_size if given is None else tuple(map(float, given))
    if numbers is None:
        raise InvalidArgumentError(
            "This view was made without a dataset, so the size of its voxels is not known.",
            hint="Give it: view.to_xarray(voxel_size=(x, y, z)), in nanometres per Mag(1) voxel.",
        )
    if len(numbers) != 3:
        raise InvalidArgumentError(f"voxel_size is {numbers}; three numbers are expected, for x, y and z.")
    return dict(zip("xyz", numbers, strict=True))


def _missing(package: str, method: str, packages: str) -> UnsupportedOperationError:
    return UnsupportedOperationError(
        f"View.{method} needs the package {package}, which is not installed.",
        hint=f"pip install {packages}",
    )
