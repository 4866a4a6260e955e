"""`BufferedSliceWriter`: slices go in one by one, whole shards go to storage.

Made by `View.get_buffered_slice_writer`, which documents it. Slices are copied when they are sent, so callers may
use their arrays again. The buffer is written when it holds `buffer_size` slices, and on leaving the `with` block.
Only with `allow_resize` does it extend a layer.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal, Self

from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.legacy.views import CONSTRUCTING_A_WRITER
from wkplug.dataset.slice_axes import axis_of, order_in_array, slice_axes
from wkplug.errors import (
    DtypeMismatchError,
    GeometryError,
    InvalidArgumentError,
    ShapeMismatchError,
    UnalignedError,
)
from wkplug.geometry import VecInt
from wkplug.model.dtypes import as_stored
from wkplug.model.regions import resolve
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from wkplug.dataset.view import View
    from wkplug.geometry import NDBoundingBox, VecIntLike

__all__ = ["BufferedSliceWriter"]

_logger = logging.getLogger(__name__)


class BufferedSliceWriter:
    """Takes slices by `send`: `with view.get_buffered_slice_writer() as writer: writer.send(slice)`.

    Leaving the block writes what is left in the buffer; without a block, that is up to `flush`.
    """

    @older(**CONSTRUCTING_A_WRITER)
    def __init__(
        self,
        view: View,
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
        if view.read_only:
            raise InvalidArgumentError(
                "Cannot get a buffered slice writer on a read-only view.",
                hint="Open the dataset without read_only=True, or start from a writable view.",
            )
        self._view = view
        self._axis = axis_of(view._frame, dimension)
        self.dimension = view._frame.axes[self._axis]
        self.use_logging = use_logging
        self._allow_unaligned = allow_unaligned
        self._allow_resize = allow_resize
        self.dtype = view.get_dtype()
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
        self._place(relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box)

    def _depths(self) -> tuple[int, int]:
        """The length of chunks and of shards across the slices."""
        spec = self._view._source.handle.array.spec
        return spec.chunk_shape[self._axis], spec.shard_shape[self._axis]

    def _complain(self, text: str, hint: str) -> None:
        if not self._allow_unaligned:
            raise UnalignedError(text, hint=hint + "\nallow_unaligned=True accepts the loss of speed.")
        warn_user(f"[WARNING] {text}", UserWarning)

    def _place(
        self,
        relative_offset: VecIntLike | None,
        absolute_offset: VecIntLike | None,
        relative_bounding_box: NDBoundingBox | None,
        absolute_bounding_box: NDBoundingBox | None,
    ) -> None:
        """Set where the next slice goes."""
        view = self._view
        own = view._region()
        offset_given = relative_offset is not None or absolute_offset is not None
        region = resolve(
            view._frame,
            own,
            size=own[1] if offset_given else None,
            relative_offset=relative_offset,
            absolute_offset=absolute_offset,
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )
        self._start, self._extent = region
        for axis, first, factor in zip(view._frame.axes, self._start, view._factors, strict=True):
            if first % factor:
                raise GeometryError(
                    f"The offset {first} along {axis} is not aligned with the mag {view.mag}.",
                    hint="Offsets are in Mag(1) voxels, and multiples of the mag.",
                )
        (chunk, shard), factor = self._depths(), view._factors[self._axis]
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
        frame = self._view._frame
        axes = slice_axes(frame, self._axis)
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
        return full.transpose(order_in_array(frame, self._axis))

    def flush(self) -> None:
        """Write the slices in the buffer, if there are any."""
        if not self._slices:
            return
        view, axis = self._view, self._axis
        count, position = len(self._slices), self._done
        start = list(self._start)
        start[axis] += position * view._factors[axis]
        if self.use_logging:
            _logger.info("Writing %d slices along %s from %d on.", count, self.dimension, start[axis])
        try:
            # Smaller views than mags have a fixed box.
            options: dict[str, Any] = (
                {"allow_resize": True} if self._allow_resize and hasattr(view, "layer") else {}
            )
            view.write(
                self._block(),
                absolute_offset=VecInt(start, axes=view._frame.axes),
                allow_unaligned=self._allow_unaligned,
                **options,
            )
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
        self._place(relative_offset, absolute_offset, relative_bounding_box, absolute_bounding_box)

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
