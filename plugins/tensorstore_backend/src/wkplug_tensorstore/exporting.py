"""What the N5 and precomputed exporters share: resolutions written piece by piece, aligned with the files.

A piece is what the format stores as one file; pieces that are all zero are not stored. Pieces are computed and written
in the executor of the operation, each once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import ExportError, InvalidArgumentError
from wkplug_tensorstore.engine import PROCESS
from wkplug_tensorstore.failures import ENGINE_ERRORS, sort_failure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wkplug.abc import Box, ExportLevel, ExportVolume, Location
    from wkplug_tensorstore.settings import TensorstoreSettings

__all__ = ["Scale", "check_axes", "check_dtype", "check_options", "write_scales"]


@attrs.frozen
class Scale:
    """One resolution: how the engine opens it, its array's origin (x, y, z), and the piece that is one file.

    piece: voxels along the array's axes. position: the resolution's number, finest first.
    """

    position: int
    spec: Mapping[str, Any]
    origin: tuple[int, ...]
    piece: tuple[int, ...]


def write_scales(
    volume: ExportVolume,
    scales: Sequence[Scale],
    axes: tuple[str, ...],
    folder: Location,
    settings: TensorstoreSettings,
) -> None:
    """Write all resolutions; `axes` are those of the arrays, in the engine's order."""
    work = _WritePiece(volume.levels, volume.axes, axes, tuple(scales), folder, settings)
    tasks = [(scale.position, box) for scale in scales for box in work.boxes(volume, scale)]
    for _ in volume.map(work, tasks):
        pass


@attrs.frozen
class _WritePiece:
    """Writes one box of one resolution; pickles."""

    levels: tuple[ExportLevel, ...]
    source_axes: tuple[str, ...]
    axes: tuple[str, ...]
    scales: tuple[Scale, ...]
    folder: Location
    settings: TensorstoreSettings

    def boxes(self, volume: ExportVolume, scale: Scale) -> list[Box]:
        """The pieces that may hold something, in the array's own axes: 1 along those that the volume doesn't have."""
        piece = dict(zip(self.axes, scale.piece, strict=True))
        grid = tuple(piece.get(axis, 1) for axis in self.source_axes)
        found = volume.pieces(scale.position, grid)
        return sorted((self._in_order(start, 0), self._in_order(shape, 1)) for start, shape in found)

    def _in_order(self, values: Sequence[int], otherwise: int) -> tuple[int, ...]:
        by_axis = dict(zip(self.source_axes, values, strict=True))
        return tuple(by_axis.get(axis, otherwise) for axis in self.axes)

    def __call__(self, task: tuple[int, Box]) -> None:
        number, (start, shape) = task
        box = {axis: (low, n) for axis, low, n in zip(self.axes, start, shape, strict=True)}
        # Axes that the array doesn't have are of length 1 in the volume, and the other way round.
        corner, extent = zip(*(box.get(axis, (0, 1)) for axis in self.source_axes), strict=True)
        data = self.levels[number].read((corner, extent))
        if not data.any():
            return
        here = [axis for axis in self.axes if axis in self.source_axes]
        dropped = [axis for axis in self.source_axes if axis not in self.axes]
        data = data.transpose([self.source_axes.index(axis) for axis in (*dropped, *here)]).reshape(shape)
        scale = self.scales[number]
        array = PROCESS.engine(self.settings).make(scale.spec, self.folder, create=False)
        low = [base + first for base, first in zip(scale.origin, start, strict=True)]
        try:
            array[tuple(slice(a, a + n) for a, n in zip(low, shape, strict=True))].write(data).result()
        except ENGINE_ERRORS as error:
            raise sort_failure(error, "written", self.folder.url) from error


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
