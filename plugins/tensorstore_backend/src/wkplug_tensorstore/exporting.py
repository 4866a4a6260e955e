"""What the N5 and precomputed exporters share: resolutions written piece by piece, aligned with the files.

A piece is what the format stores as one file; pieces that are all zero are not stored. Pieces are computed and written
in the executor of the operation, each once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import ExportError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wkplug.abc import Array, Box, ExportLevel, ExportVolume

__all__ = ["Scale", "check_axes", "check_dtype", "check_options", "write_scales"]


@attrs.frozen
class Scale:
    """One resolution: its array, opened for writing, where its first voxel lies in that, and the piece that is written.

    origin, piece: voxels along the array's axes.
    """

    array: Array
    origin: tuple[int, ...]
    piece: tuple[int, ...]


def write_scales(volume: ExportVolume, scales: Sequence[Scale]) -> None:
    """Write all resolutions, finest first."""
    work = _WritePiece(volume.levels, volume.axes, tuple(scales))
    tasks = [(number, box) for number in range(len(scales)) for box in work.boxes(volume, number)]
    for _ in volume.map(work, tasks):
        pass


@attrs.frozen
class _WritePiece:
    """Writes one box of one resolution; pickles."""

    levels: tuple[ExportLevel, ...]
    source_axes: tuple[str, ...]
    scales: tuple[Scale, ...]

    def boxes(self, volume: ExportVolume, number: int) -> list[Box]:
        """The pieces that may hold something, in the array's own axes: 1 along those that the volume doesn't have."""
        scale = self.scales[number]
        axes = scale.array.spec.axes
        piece = dict(zip(axes, scale.piece, strict=True))
        found = volume.pieces(number, tuple(piece.get(axis, 1) for axis in self.source_axes))
        return sorted(
            (self._in_order(axes, start, 0), self._in_order(axes, shape, 1)) for start, shape in found
        )

    def _in_order(self, axes: Sequence[str], values: Sequence[int], otherwise: int) -> tuple[int, ...]:
        by_axis = dict(zip(self.source_axes, values, strict=True))
        return tuple(by_axis.get(axis, otherwise) for axis in axes)

    def __call__(self, task: tuple[int, Box]) -> None:
        number, (start, shape) = task
        scale = self.scales[number]
        axes = scale.array.spec.axes
        box = {axis: (low, n) for axis, low, n in zip(axes, start, shape, strict=True)}
        # Axes that the array doesn't have are of length 1 in the volume, and the other way round.
        corner, extent = zip(*(box.get(axis, (0, 1)) for axis in self.source_axes), strict=True)
        data = self.levels[number].read((corner, extent))
        if not data.any():
            return
        here = [axis for axis in axes if axis in self.source_axes]
        dropped = [axis for axis in self.source_axes if axis not in axes]
        data = data.transpose([self.source_axes.index(axis) for axis in (*dropped, *here)]).reshape(shape)
        scale.array.write((tuple(a + b for a, b in zip(scale.origin, start, strict=True)), shape), data)


def check_axes(what: str, volume: ExportVolume, axes: Sequence[str]) -> None:
    """ExportError for axes that the format doesn't have."""
    others = [axis for axis in volume.axes if axis not in axes]
    if others:
        raise ExportError(
            f"{what} has the axes {', '.join(axes)}; the layer {volume.name!r} has {', '.join(others)}, too.",
            hint="OME-Zarr (ozx) or a TIFF stack (tiff_stack) can hold it.",
        )


def check_dtype(what: str, volume: ExportVolume, dtypes: Sequence[str]) -> None:
    """ExportError for dtypes that the format doesn't have."""
    if volume.dtype not in dtypes:
        raise ExportError(
            f"{what} can't hold {volume.dtype}; the layer {volume.name!r} has it.",
            hint=f"It holds {', '.join(dtypes)}.",
        )


def check_options(what: str, options: Mapping[str, Any], known: Sequence[str] = ()) -> None:
    """InvalidArgumentError for options that aren't known."""
    others = sorted(set(options) - set(known))
    if others:
        there_are = f"takes only {', '.join(known)}" if known else "takes no options"
        raise InvalidArgumentError(f"{what} {there_are}, but {', '.join(others)} was given.")
