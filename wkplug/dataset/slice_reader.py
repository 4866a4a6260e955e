"""`BufferedSliceReader`: a view slice by slice, read from storage many slices at a time.

Made by `View.get_buffered_slice_reader`, which documents it. The buffer is refilled on shard borders, so that no
shard is read twice; without a given size it holds a shard, or as many chunks as fit `BUFFER_BYTES`.
"""

from __future__ import annotations

import logging
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, Self

from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.legacy.views import CONSTRUCTING_A_READER
from wkplug.dataset.slice_axes import axis_of, order_in_array
from wkplug.errors import InvalidArgumentError
from wkplug.model import voxels
from wkplug.model.regions import check_readable, in_mag, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wkplug.dataset.view import View
    from wkplug.geometry import NDBoundingBox

__all__ = ["BUFFER_BYTES", "BufferedSliceReader"]

BUFFER_BYTES = 1 << 29
"""How much the buffer may hold where nobody gave its size."""

_logger = logging.getLogger(__name__)


class BufferedSliceReader:
    """Gives the slices of a box in order: `with view.get_buffered_slice_reader() as slices: ...`.

    Each is an array of its own, with the layer's axes but the one it is cut across; see `View`.
    """

    @older(**CONSTRUCTING_A_READER)
    def __init__(
        self,
        view: View,
        buffer_size: int | None = None,
        dimension: str | int = "z",
        *,
        relative_bounding_box: NDBoundingBox | None = None,
        absolute_bounding_box: NDBoundingBox | None = None,
        use_logging: bool = False,
    ) -> None:
        self.view = view
        self.use_logging = use_logging
        frame = view._frame
        self._axis = axis_of(frame, dimension)
        self.dimension = frame.axes[self._axis]
        region = resolve(
            frame,
            view._region(),
            relative_bounding_box=relative_bounding_box,
            absolute_bounding_box=absolute_bounding_box,
        )
        check_readable(frame, region)
        self._box = in_mag(frame, region, view._factors)
        if buffer_size is not None and buffer_size < 1:
            raise InvalidArgumentError(f"buffer_size is {buffer_size}; the buffer holds one slice at least.")
        self.buffer_size = self._default_size() if buffer_size is None else int(buffer_size)

    def _default_size(self) -> int:
        spec = self.view._source.handle.array.spec
        chunk, shard = spec.chunk_shape[self._axis], spec.shard_shape[self._axis]
        per_slice = self.view._source.handle.array.dtype.itemsize
        for axis, length in enumerate(self._box[1]):
            if axis in self._inner():
                per_slice *= length
        fitting = min(shard, BUFFER_BYTES // max(1, per_slice) // chunk * chunk)
        # A divisor of the shard, so that refilling on its multiples never straddles two shards.
        while fitting and shard % fitting:
            fitting -= chunk
        return max(fitting, chunk)

    def _inner(self) -> tuple[int, ...]:
        """The positions of c and of the two spatial axes that a slice spans; other axes are gone through."""
        return tuple(
            index
            for index, axis in enumerate(self.view._frame.axes)
            if axis in ("c", "x", "y", "z") and index != self._axis
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> Literal[False]:
        return False

    def __iter__(self) -> Iterator[NDArray[Any]]:
        start, shape = self._box
        axes = self.view._frame.axes
        outer = [index for index, axis in enumerate(axes) if axis not in ("c", "x", "y", "z")]
        for position in product(*(range(start[index], start[index] + shape[index]) for index in outer)):
            first, extent = list(start), list(shape)
            for index, value in zip(outer, position, strict=True):
                first[index], extent[index] = value, 1
            yield from self._slices(first, extent)

    def _slices(self, first: list[int], extent: list[int]) -> Iterator[NDArray[Any]]:
        """The slices of a box whose axes but c, x, y and z have one voxel."""
        axis = self._axis
        order = order_in_array(self.view._frame, axis)
        back = tuple(order.index(index) for index in range(len(order)))
        low, end = first[axis], first[axis] + extent[axis]
        while low < end:
            stop = min(end, low - low % self.buffer_size + self.buffer_size)
            first[axis], extent[axis] = low, stop - low
            if self.use_logging:
                _logger.info("Reading %d slices along %s from %d on.", stop - low, self.dimension, low)
            data = voxels.read(self.view._source.handle, (tuple(first), tuple(extent)))
            for index in range(stop - low):
                yield data[(slice(None),) * axis + (index,)].transpose(back).copy(order="F")
            low = stop
