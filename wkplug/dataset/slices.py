"""Slices in order: a buffered writer and a buffered reader, which move whole shards and show single slices.

A slice has the axes of the array without the one it is cut across, x, y and z among them in this order: (c, x, y)
for z, (c, x, z) for y, (c, y, z) for x of a layer with the axes c, x, y, z, and (t, c, x, y) where there is time.
Made by `View.get_buffered_slice_writer` and `View.get_buffered_slice_reader`, which document them.
"""

from __future__ import annotations

import logging
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, Self

from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.legacy.views import CONSTRUCTING_A_READER, CONSTRUCTING_A_WRITER
from wkplug.errors import (
    DtypeMismatchError,
    GeometryError,
    InvalidArgumentError,
    ShapeMismatchError,
    UnalignedError,
)
from wkplug.geometry import VecInt
from wkplug.model import voxels
from wkplug.model.dtypes import as_stored
from wkplug.model.regions import Frame, Position, check_readable, in_mag, resolve
from wkplug.model.states import HasState, MagState
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from wkplug.geometry import NDBoundingBox, VecIntLike

__all__ = ["BUFFER_BYTES", "BufferedSliceReader", "BufferedSliceWriter"]

BUFFER_BYTES = 1 << 29
"""How much a reader's buffer may hold where nobody gave its size."""

_SPATIAL = ("x", "y", "z")

_logger = logging.getLogger(__name__)


class BufferedSliceWriter:
    """Takes slices by `send`: `with view.get_buffered_slice_writer() as writer: writer.send(slice)`.

    Leaving the block writes what is left in the buffer; without a block, that is up to `flush`.
    """

    @older(**CONSTRUCTING_A_WRITER)
    def __init__(
        self,
        view: HasState,
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
    ) -> None:
        if view.state.read_only:
            raise InvalidArgumentError(
                "Cannot get a buffered slice writer on a read-only view.",
                hint="Open the dataset without read_only=True, or start from a writable view.",
            )
        self._view = view
        self._axis = _axis_of(view.state.frame, dimension)
        self.dimension = view.state.frame.axes[self._axis]
        self.use_logging = use_logging
        self._allow_unaligned = allow_unaligned
        self._allow_resize = allow_resize
        self.dtype: np.dtype[Any] = view.state.dtype
        chunk, shard = self._depths()
        if buffer_size is None:
            buffer_size = shard
        if buffer_size < 1:
            raise InvalidArgumentError(f"buffer_size is {buffer_size}; the buffer holds one slice at least.")
        self.buffer_size = int(buffer_size)
        # Smaller buffers are no mistake: all slices of a flat view may fit one.
        if self.buffer_size >= chunk and self.buffer_size % chunk:
            self._complain(
                "Using a buffer size that doesn't align with the datataset's shard shape, will slow down the buffered "
                f"slice writer. Got buffer size {self.buffer_size} and shard depth {shard}.",
                "Use a multiple of the shard depth, or leave buffer_size out.",
            )
        self._slices: list[NDArray[Any]] = []
        self._failed = False
        self._place(Position(relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box))

    def _depths(self) -> tuple[int, int]:
        """The length of chunks and of shards across the slices."""
        spec = self._view.state.source.handle.array.spec
        return spec.chunk_shape[self._axis], spec.shard_shape[self._axis]

    def _complain(self, text: str, hint: str) -> None:
        if not self._allow_unaligned:
            raise UnalignedError(text, hint=hint + "\nallow_unaligned=True accepts the loss of speed.")
        warn_user(f"[WARNING] {text}", UserWarning)

    def _place(self, position: Position) -> None:
        """Set where the next slice goes."""
        view = self._view
        own = view.state.region
        offset_given = position.relative_offset is not None or position.absolute_offset is not None
        region = resolve(view.state.frame, own, position, own[1] if offset_given else None)
        self._start, self._extent = region
        for axis, first, factor in zip(view.state.frame.axes, self._start, view.state.factors, strict=True):
            if first % factor:
                raise GeometryError(
                    f"The offset {first} along {axis} is not aligned with the mag {view.state.mag}.",
                    hint="Offsets are in Mag(1) voxels, and multiples of the mag.",
                )
        (chunk, shard), factor = self._depths(), view.state.factors[self._axis]
        first = self._start[self._axis] // factor
        at_border = self._start[self._axis] == own[0][self._axis]
        if first % (chunk if self._allow_unaligned else shard) and not at_border:
            self._complain(
                "Using an offset that doesn't align with the datataset's shard shape, will slow down the buffered "
                "slice writer, because twice as many shards will be written. "
                f"Got offset {self._start[self._axis]} and shard depth {shard * factor}.",
                "Start at a multiple of the shard depth.",
            )
        self._until_full = self.buffer_size
        if at_border and self.buffer_size % shard == 0:
            # Where the view begins within a shard, the first buffer ends where that shard does.
            self._until_full -= first % self.buffer_size
        self._done = 0

    # --- use ----------------------------------------------------------------------------------------------

    def send(self, value: ArrayLike) -> None:
        """Take the next slice; written with others once the buffer is full.

        Either (first, second), the two remaining of x, y, z in this order, or (c, first, second), or with all axes of
        the layer but the one that slices are cut across. Smaller slices are filled up with zeros at their ends to the
        largest in the buffer. ShapeMismatchError (a ValueError, AssertionError) for other dimensions or channels,
        InvalidArgumentError (an AssertionError) for another dtype than the layer's.
        """
        import numpy

        array = numpy.asarray(value)
        try:
            array = as_stored(array, self.dtype)
        except DtypeMismatchError as error:
            raise InvalidArgumentError(
                f"The slice has the dtype {array.dtype}, which differs from the dtype of the layer, {self.dtype}, "
                f"with which the BufferedSliceWriter was instantiated. {error.message}",
                hint=f"Convert it: slice.astype({str(self.dtype)!r}).",
            ) from error
        self._slices.append(self._with_all_axes(array).copy(order="K"))
        if len(self._slices) >= self._until_full:
            self.flush()

    def _with_all_axes(self, array: NDArray[Any]) -> NDArray[Any]:
        """Give a slice every axis of the array but the one it is cut across, in the array's order."""
        frame = self._view.state.frame
        axes = _slice_axes(frame, self._axis)
        plane = tuple(axis for axis in axes if axis in ("x", "y", "z"))
        given: tuple[str, ...]
        if array.ndim == len(axes):
            given = axes
        elif array.ndim == len(plane):
            given = plane
        elif array.ndim == len(plane) + 1:
            given = ("c", *plane)
        else:
            raise ShapeMismatchError(
                f"Unsupported data shape: {array.shape}. Slices across {self.dimension} have the axes "
                f"{', '.join(plane)} or {', '.join(axes)}.",
                hint="Send one slice at a time.",
            )
        if "c" in given and "c" not in axes:
            if array.shape[0] != 1:
                raise ShapeMismatchError(
                    f"The slice has {array.shape[0]} channels, the layer has no channels."
                )
            array, given = array[0], plane
        lengths = dict(zip(given, array.shape, strict=True))
        for axis, extent in zip(frame.axes, self._extent, strict=True):
            if axis not in given and axis != self.dimension and axis not in ("x", "y", "z") and extent != 1:
                raise ShapeMismatchError(
                    f"The slice, shape {array.shape}, has no {axis} axis, but there are {extent} voxels along it.",
                    hint=f"Send slices with the axes {', '.join(axes)}, or give a bounding box with one {axis}.",
                )
            if axis == "c" and lengths.get("c", 1) != extent:
                raise ShapeMismatchError(
                    f"The slice has {lengths['c']} channels (shape {array.shape}), the layer has {extent}."
                )
        full = array.reshape(tuple(lengths.get(axis, 1) for axis in axes))
        return full.transpose(_order_in_array(frame, self._axis))

    def flush(self) -> None:
        """Write the slices in the buffer, if there are any."""
        if not self._slices:
            return
        view, axis = self._view, self._axis
        count, position = len(self._slices), self._done
        start = list(self._start)
        start[axis] += position * view.state.factors[axis]
        if self.use_logging:
            _logger.info("Writing %d slices along %s from %d on.", count, self.dimension, start[axis])
        try:
            state, where = view.state, Position(absolute_offset=VecInt(start, axes=view.state.frame.axes))
            if isinstance(state, MagState):
                voxels.write_to_mag(
                    state,
                    self._block(),
                    where,
                    allow_resize=self._allow_resize,
                    allow_unaligned=self._allow_unaligned,
                )
            else:  # smaller views have a fixed box
                voxels.write_to_view(state, self._block(), where, allow_unaligned=self._allow_unaligned)
        except Exception:
            self._failed = True
            _logger.exception(
                "Writing %d buffered slices along %s failed, from %d on.", count, self.dimension, start[axis]
            )
            raise
        self._slices.clear()
        self._done += count
        self._until_full = self.buffer_size

    def _block(self) -> NDArray[Any]:
        """The slices as one array, those that are smaller filled up with zeros."""
        import numpy

        shapes = [one.shape for one in self._slices]
        largest = tuple(max(lengths) for lengths in zip(*shapes, strict=True))
        shape = (*largest[: self._axis], len(self._slices), *largest[self._axis :])
        make = numpy.empty if all(one == largest for one in shapes) else numpy.zeros
        block = make(shape, dtype=self.dtype, order="F")
        for index, one in enumerate(self._slices):
            target = block[(slice(None),) * self._axis + (index,)]
            target[tuple(slice(length) for length in one.shape)] = one
        return block

    def reset_offset(
        self,
        relative_offset: VecIntLike | None = None,
        absolute_offset: VecIntLike | None = None,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> None:
        """Write what is in the buffer, and go on at another place, with the same rules."""
        self.flush()
        self._place(Position(relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> Literal[False]:
        if kind is None:
            self.flush()
        elif not self._failed:
            # What was sent before the failure is kept; the failure itself is what the caller must hear of.
            try:
                self.flush()
            except Exception:  # noqa: BLE001 - logged by flush, and the first error is on its way
                self._slices.clear()
        return False


class BufferedSliceReader:
    """Gives the slices of a box in order: `with view.get_buffered_slice_reader() as slices: ...`.

    Each is an array of its own, with the layer's axes but the one it is cut across; see `View`.
    """

    @older(**CONSTRUCTING_A_READER)
    def __init__(
        self,
        view: HasState,
        buffer_size: int | None = None,
        dimension: str | int = "z",
        *,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
        use_logging: bool = False,
    ) -> None:
        self.view = view
        self.use_logging = use_logging
        frame = view.state.frame
        self._axis = _axis_of(frame, dimension)
        self.dimension = frame.axes[self._axis]
        region = resolve(
            frame,
            view.state.region,
            Position(None, None, relative_bounding_box, absolute_bounding_box),
        )
        check_readable(frame, region)
        self._box = in_mag(frame, region, view.state.factors)
        if buffer_size is not None and buffer_size < 1:
            raise InvalidArgumentError(f"buffer_size is {buffer_size}; the buffer holds one slice at least.")
        self.buffer_size = self._default_size() if buffer_size is None else int(buffer_size)

    def _default_size(self) -> int:
        spec = self.view.state.source.handle.array.spec
        chunk, shard = spec.chunk_shape[self._axis], spec.shard_shape[self._axis]
        per_slice: int = self.view.state.source.handle.array.dtype.itemsize
        for axis, length in enumerate(self._box[1]):
            if axis in self._inner():
                per_slice *= length
        fitting: int = min(shard, BUFFER_BYTES // max(1, per_slice) // chunk * chunk)
        # A divisor of the shard, so that refilling on its multiples never straddles two shards.
        while fitting and shard % fitting:
            fitting -= chunk
        return int(max(fitting, chunk))

    def _inner(self) -> tuple[int, ...]:
        """The positions of c and of the two spatial axes that a slice spans; other axes are gone through."""
        return tuple(
            index
            for index, axis in enumerate(self.view.state.frame.axes)
            if axis in ("c", "x", "y", "z") and index != self._axis
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> Literal[False]:
        return False

    def __iter__(self) -> Iterator[NDArray[Any]]:
        start, shape = self._box
        axes = self.view.state.frame.axes
        outer = [index for index, axis in enumerate(axes) if axis not in ("c", "x", "y", "z")]
        for position in product(*(range(start[index], start[index] + shape[index]) for index in outer)):
            first, extent = list(start), list(shape)
            for index, value in zip(outer, position, strict=True):
                first[index], extent[index] = value, 1
            yield from self._slices(first, extent)

    def _slices(self, first: list[int], extent: list[int]) -> Iterator[NDArray[Any]]:
        """The slices of a box whose axes but c, x, y and z have one voxel."""
        axis = self._axis
        order = _order_in_array(self.view.state.frame, axis)
        back = tuple(order.index(index) for index in range(len(order)))
        low, end = first[axis], first[axis] + extent[axis]
        while low < end:
            stop = min(end, low - low % self.buffer_size + self.buffer_size)
            first[axis], extent[axis] = low, stop - low
            if self.use_logging:
                _logger.info("Reading %d slices along %s from %d on.", stop - low, self.dimension, low)
            data = voxels.read(self.view.state.source.handle, (tuple(first), tuple(extent)))
            for index in range(stop - low):
                yield data[(slice(None),) * axis + (index,)].transpose(back).copy(order="F")
            low = stop


def _axis_of(frame: Frame, dimension: str | int) -> int:
    """The position in the array of the axis named `dimension`; 0, 1, 2 for x, y, z are deprecated."""
    if isinstance(dimension, int) and dimension in range(3):
        warn_user(
            "[DEPRECATION] Setting `dimension` as an integer is deprecated, please use a named axis instead, "
            f"e.g. `dimension='z'`. Got {dimension}.",
            DeprecationWarning,
        )
        dimension = _SPATIAL[dimension]
    if dimension not in _SPATIAL:
        raise InvalidArgumentError(
            f"dimension is {dimension!r}; slices are cut across x, y or z.",
            hint="dimension='z' is the default.",
        )
    if dimension not in frame.axes:
        raise InvalidArgumentError(
            f"This layer has no {dimension} axis to cut slices across; its axes are {', '.join(frame.axes)}.",
            hint="Give another dimension.",
        )
    return frame.axes.index(dimension)


def _slice_axes(frame: Frame, position: int) -> tuple[str, ...]:
    """The axes of a slice across the axis at `position`."""
    rest = [axis for index, axis in enumerate(frame.axes) if index != position]
    spatial = iter([axis for axis in _SPATIAL if axis in rest])
    return tuple(next(spatial) if axis in _SPATIAL else axis for axis in rest)


def _order_in_array(frame: Frame, position: int) -> tuple[int, ...]:
    """For every axis of the array but that at `position`, its position in a slice: what `transpose` wants."""
    axes = _slice_axes(frame, position)
    return tuple(axes.index(axis) for index, axis in enumerate(frame.axes) if index != position)
