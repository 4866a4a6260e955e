"""Views as arrays of other libraries: dask, for work larger than memory, and xarray, for named axes and units.

Both are imported when they are asked for and need not be installed. Nothing is read here: each block of the dask
array is read when it is computed, in the process that computes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.dataset.indexing import LazyVoxels
from wkplug.errors import InvalidArgumentError, UnsupportedOperationError
from wkplug.geometry import grids
from wkplug.model.chunks import over_axes

if TYPE_CHECKING:
    from wkplug.geometry import Vec3FloatLike
    from wkplug.model.states import ViewState

__all__ = ["BLOCK_BYTES", "to_dask", "to_xarray"]

BLOCK_BYTES = 1 << 27
"""The most that one block may have where nobody gave its shape: larger shards are cut on chunk borders."""


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
