"""`n5`: a multi-resolution N5 group, as n5-viewer, BigDataViewer, neuroglancer and CATMAID read it.

Datasets s0, s1, ... with the axes x, y, z, then channels and time if there are any. The group's attributes say the
resolutions in both ways that are in use: "pixelResolution" with "scales", and COSEM's "multiscales" with a transform
per dataset, which each dataset repeats. Only these transforms know the box's place: nanometres from the centre of the
first voxel of the dataset's grid, at the finest resolution that is written, to the centre of the first voxel.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wkplug.abc import ArraySpec, Exporter
from wkplug_tensorstore import n5
from wkplug_tensorstore.backends import N5Backend
from wkplug_tensorstore.exporting import Scale, check_axes, check_dtype, check_options, write_scales
from wkplug_tensorstore.settings import TensorstoreSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import ExportLevel, ExportVolume, Location

__all__ = ["N5Exporter"]

_BLOCK = 64
_PIECE = 256
_DTYPES = (
    "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64",
)  # fmt: skip


class N5Exporter(Exporter):
    """Writes one N5 container."""

    def __init__(self, settings: object = None) -> None:
        self._settings = TensorstoreSettings.of(settings)

    def write(self, source: ExportVolume, target: Location, options: Mapping[str, Any]) -> None:
        """See `Exporter.write`; there are no options."""
        check_options("N5", options)
        check_axes("N5", source, ("x", "y", "z", "c", "t"))
        check_dtype("N5", source, _DTYPES)
        axes = (
            "x",
            "y",
            "z",
            *(axis for axis in ("c", "t") if axis in source.axes and _length(source, axis) > 1),
        )
        scales = []
        for number, level in enumerate(source.levels):
            by_axis = dict(zip(source.axes, level.shape, strict=True))
            shape = tuple(by_axis.get(axis, 1) for axis in axes)
            block = [_BLOCK if axis in "xyz" else 1 for axis in axes]
            chunk = tuple(map(min, block, shape))
            spec = ArraySpec(
                axes=axes,
                shape=shape,
                dtype=source.dtype,
                chunk_shape=chunk,
                shard_shape=chunk,
                compressed=True,
            )
            document = {
                **n5.build(spec),
                "downsamplingFactors": _relative(source, level) + [1] * (len(axes) - 3),
                **({"transform": _transform(source, level)} if len(axes) == 3 else {}),
            }
            place = target.child(f"s{number}")
            place.child(n5.DOCUMENT).write(json.dumps(document, indent=2).encode())
            array = N5Backend(self._settings).open(place, "r+", axes=axes)
            piece = tuple(_PIECE if axis in "xyz" else 1 for axis in axes)
            scales.append(Scale(array, (0,) * len(axes), piece))
        write_scales(source, scales)
        # The group is described last: without it, what a killed export leaves is no image.
        target.child(n5.DOCUMENT).write(json.dumps(_group(source), indent=2).encode())

    def drops(self, source: ExportVolume, options: Mapping[str, Any]) -> frozenset[str]:
        """See `Exporter.drops`."""
        del source, options
        return frozenset({"color"})


def _length(volume: ExportVolume, axis: str) -> int:
    return volume.levels[0].shape[volume.axes.index(axis)]


def _relative(volume: ExportVolume, level: ExportLevel) -> list[int]:
    return [a // b for a, b in zip(level.mag, volume.levels[0].mag, strict=True)]


def _size(volume: ExportVolume, level: ExportLevel) -> list[float]:
    return [size * factor for size, factor in zip(volume.voxel_size, level.mag, strict=True)]


def _transform(volume: ExportVolume, level: ExportLevel) -> dict[str, Any]:
    scale, finest = _size(volume, level), _size(volume, volume.levels[0])
    shift = [corner + (a - b) / 2 for corner, a, b in zip(volume.place, scale, finest, strict=True)]
    return {"axes": ["z", "y", "x"], "scale": scale[::-1], "translate": shift[::-1], "units": ["nm"] * 3}


def _group(volume: ExportVolume) -> dict[str, Any]:
    datasets = [
        {"path": f"s{number}", "transform": _transform(volume, level)}
        for number, level in enumerate(volume.levels)
    ]
    return {
        "n5": "2.5.0",
        "pixelResolution": {"unit": "nm", "dimensions": _size(volume, volume.levels[0])},
        "scales": [_relative(volume, level) for level in volume.levels],
        "multiscales": [{"name": volume.name, "datasets": datasets}],
    }
