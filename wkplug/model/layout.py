"""How a new array is laid out: chunks, shards and shape, from what the user gave and what the format prefers.

The format's own defaults live in its plugin (`ArrayBackend.default_layout`); here are only the parameters of
all eras that users write them with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from wkplug.abc import ArraySpec, Layout, LayoutWish
from wkplug.errors import InvalidArgumentError, LayoutError
from wkplug.geometry import Vec3Int, VecInt
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wkplug.abc import ArrayBackend
    from wkplug.geometry import VecIntLike
    from wkplug.model.regions import Frame, Region

__all__ = ["LayoutRequest", "array_shape", "array_spec", "spatial"]

_DEFAULT_CHUNK = 32


class LayoutRequest(NamedTuple):
    """The layout parameters of `add_mag` and its relatives, as the user gave them; None: the format's default.

    chunk_shape, shard_shape: one number for all of x, y, z, or three (or one per axis of the array).
    chunks_per_shard: the older way to write shard_shape.
    compress: whether, or a mapping of options that the backend understands.
    """

    chunk_shape: VecIntLike | int | None = None
    shard_shape: VecIntLike | int | None = None
    chunks_per_shard: VecIntLike | int | None = None
    compress: bool | Mapping[str, Any] | None = True

    def wish(
        self,
        frame: Frame,
        region: Region,
        factors: tuple[int, ...],
        dtype: str,
        purpose: Literal["new", "images", "pyramid"],
    ) -> LayoutWish:
        """Widen to all axes of the array; LayoutError for contradictions."""
        if self.shard_shape is not None and self.chunks_per_shard is not None:
            raise LayoutError(
                "Both shard_shape and chunks_per_shard were given.",
                hint="Give shard_shape (in voxels); chunks_per_shard is its older spelling.",
            )
        start, shape = region
        extent = tuple(
            -(-(low + length) // factor) for low, length, factor in zip(start, shape, factors, strict=True)
        )
        chunk = self._all_axes(frame, self.chunk_shape, extent, "chunk_shape")
        shard = self._all_axes(frame, self.shard_shape, extent, "shard_shape")
        per_shard = self.chunks_per_shard
        if self.shard_shape is None and per_shard is None:
            from wkplug import config

            per_shard = config.current().chunks_per_shard
        elif per_shard is not None:
            warn_user(
                "[DEPRECATION] `chunks_per_shard` is deprecated, please use `shard_shape` (in voxels) instead.",
                DeprecationWarning,
            )
        if per_shard is not None:
            base = chunk or self._all_axes(frame, _DEFAULT_CHUNK, extent, "chunk_shape") or ()
            counts = self._all_axes(frame, per_shard, (1,) * len(extent), "chunks_per_shard") or ()
            chunk, shard = base, tuple(a * b for a, b in zip(base, counts, strict=True))
        mag = tuple(factors[position] if position is not None else 1 for position in frame.xyz)
        depth = frame.xyz[2]
        if depth is not None and extent[depth] - start[depth] // factors[depth] == 1:
            # A single section is one wherever it lies: what comes before it is empty, and no reason for deep chunks.
            extent = (*extent[:depth], 1, *extent[depth + 1 :])
        return LayoutWish(
            purpose=purpose,
            axes=frame.axes,
            shape=extent,
            dtype=dtype,
            mag=(mag[0], mag[1], mag[2]),
            chunk_shape=chunk,
            shard_shape=shard,
        )

    @staticmethod
    def _all_axes(frame: Frame, value: Any, extent: tuple[int, ...], what: str) -> tuple[int, ...] | None:
        if value is None:
            return None
        numbers = (value,) * 3 if isinstance(value, int) else tuple(int(number) for number in value)
        if len(numbers) not in (3, len(frame.axes)):
            raise LayoutError(
                f"{what} is {numbers}: three numbers (x, y, z) or one per axis ({', '.join(frame.axes)}) are needed."
            )
        if min(numbers) < 1:
            raise LayoutError(f"{what} is {numbers}: every number must be at least 1.")
        if len(numbers) == len(frame.axes):
            return numbers
        result = [extent[index] if axis == "c" else 1 for index, axis in enumerate(frame.axes)]
        for position, number in zip(frame.xyz, numbers, strict=True):
            if position is not None:
                result[position] = number
        return tuple(result)

    def differences(self, spec: ArraySpec) -> Iterator[tuple[str, Any, Any]]:
        """Iterate over (what, there, asked) for all that is asked for and that an array has otherwise."""
        chunk, shard = spatial(spec.axes, spec.chunk_shape), spatial(spec.axes, spec.shard_shape)
        for what, asked, there in (
            ("chunk_shape", self.chunk_shape, chunk),
            ("shard_shape", self.shard_shape, shard),
            ("chunks_per_shard", self.chunks_per_shard, shard // chunk),
        ):
            if asked is not None:
                numbers = (asked,) * len(there) if isinstance(asked, int) else tuple(int(n) for n in asked)
                if numbers != there.to_tuple():
                    yield what, there.to_tuple(), numbers
        if self.compress is not None and bool(self.compress) != spec.compressed:
            yield "compress", spec.compressed, bool(self.compress)

    def check_power_of_two(self) -> None:
        """Refuse x, y, z edges that aren't powers of two, and remark on unusual chunks."""
        for what, value in (("chunk_shape", self.chunk_shape), ("shard_shape", self.shard_shape)):
            if value is None:
                continue
            numbers = (value,) if isinstance(value, int) else tuple(int(number) for number in value)
            for number in numbers:
                if number < 1 or number & (number - 1):
                    raise LayoutError(
                        f"Every number of {what} must be a power of two, but it is {numbers}.",
                        hint="Use 32, 64, 128, ...",
                    )
        if self.chunk_shape is not None and not isinstance(self.chunk_shape, int):
            chunk = tuple(int(number) for number in self.chunk_shape)
        else:
            chunk = (self.chunk_shape or _DEFAULT_CHUNK,) * 3
        if len(chunk) == 3 and chunk not in ((32, 32, 32), (64, 64, 64)):
            warn_user(
                f"[WARNING] The chunk shape {chunk} is unusual: (32, 32, 32) works "
                "best for viewing, (64, 64, 64) is an alternative.",
                UserWarning,
            )


def spatial(axes: tuple[str, ...], shape: tuple[int, ...]) -> VecInt:
    """Give lengths over all axes of an array as users know them: x, y, z, or all axes but the channels'."""
    by_axis = {axis: length for axis, length in zip(axes, shape, strict=True) if axis != "c"}
    if tuple(by_axis) == ("x", "y", "z"):
        return Vec3Int(*by_axis.values())
    return VecInt(list(by_axis.values()), axes=tuple(by_axis))


def array_shape(
    frame: Frame, region: Region, factors: tuple[int, ...], shard_shape: tuple[int, ...], *, bounded: bool
) -> tuple[int | None, ...]:
    """Give the shape of an array that holds `region`, from index 0 on: x, y and z rounded up to whole shards."""
    start, extent = region
    shape: list[int | None] = []
    for index, (low, length) in enumerate(zip(start, extent, strict=True)):
        stop = -(-(low + length) // factors[index])
        if index in frame.xyz:
            shape.append(-(-stop // shard_shape[index]) * shard_shape[index] if bounded else None)
        else:
            shape.append(stop)
    return tuple(shape)


def array_spec(
    backend: ArrayBackend,
    frame: Frame,
    region: Region,
    mag_factors: tuple[int, ...],
    dtype: str,
    request: LayoutRequest,
    purpose: Literal["new", "images", "pyramid"],
) -> ArraySpec:
    """Complete a layout through the format and give the spec of the array to come."""
    compress = True if request.compress is None else request.compress
    meant_for = getattr(compress, "data_format", backend.format)
    if meant_for != backend.format:
        raise InvalidArgumentError(
            f"A {type(compress).__name__} was given for an array in the format {backend.format}.",
            hint="Give compress=True or False, or a mapping of options that the format knows.",
        )
    layout: Layout = backend.default_layout(request.wish(frame, region, mag_factors, dtype, purpose))
    if not isinstance(compress, bool) and not hasattr(compress, "keys"):
        raise InvalidArgumentError(
            f"compress is {compress!r}.",
            hint="Give True, False, or a mapping of options for the data format.",
        )
    return ArraySpec(
        axes=frame.axes,
        shape=array_shape(
            frame, region, mag_factors, layout.shard_shape, bounded=backend.capabilities.bounded
        ),
        dtype=dtype,
        chunk_shape=layout.chunk_shape,
        shard_shape=layout.shard_shape,
        compressed=bool(compress) if isinstance(compress, bool) else True,
        options={} if isinstance(compress, bool) else dict(compress),
    )
