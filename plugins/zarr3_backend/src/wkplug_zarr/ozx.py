"""`ozx`: a whole OME-Zarr 0.5 image as one zip archive.

The archive is as RFC-9 of OME-NGFF ("zipped OME-Zarr") wants it: entries are stored, not compressed again; all
zarr.json come first, the root's before all others; the comment says what it is. Array index 0 is the first voxel of
the box, whose place is in the translations, and axes are stored as viewers expect them: time, channels, z, y, x. Colour
and contrast are told as "omero" has it; segmentations are told by "image-label". Shards are encoded in the executor of
the operation, and each goes into the archive, and away from the disk, as soon as it is whole.
"""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.abc import ArraySpec, Box, Exporter, LayerFacts, LayoutWish, Location, MagFacts
from wkplug.errors import ExportError, InvalidArgumentError
from wkplug_zarr.backend import Zarr3Backend
from wkplug_zarr.ngff import Ngff05

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import ExportLevel, ExportVolume

__all__ = ["OzxExporter"]

_COMMENT = {"ome": {"version": "0.5"}, "jsonFirst": True}
_SHARD = 256  # voxels along x, y and z: a shard is held in memory while it is encoded
_GROUP = "zarr.json"
_LAST = "czyx"


class OzxExporter(Exporter):
    """Writes one `.ozx` file."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def write(self, source: ExportVolume, target: Location, options: Mapping[str, Any]) -> None:
        """See `Exporter.write`. shard_shape: voxels of one file in the archive, n or (x, y, z)."""
        unknown = sorted(set(options) - {"shard_shape"})
        if unknown:
            raise InvalidArgumentError(
                f"OME-Zarr archives have no option {', '.join(unknown)}.", hint="Their option: shard_shape."
            )
        axes = tuple(sorted(source.axes, key=lambda axis: (_LAST.find(axis), axis != "t")))
        order = tuple(source.axes.index(axis) for axis in axes)
        facts = _facts(source, axes)
        problems = Ngff05().problems(facts)
        if problems:
            raise ExportError(problems[0])
        scratch = target.parent.child(f"{target.name}.arrays")
        group = _described(Ngff05().layer_files(facts)[_GROUP], source, axes)
        with zipfile.ZipFile(str(target.local_path()), "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            archive.comment = json.dumps(_COMMENT, separators=(",", ":")).encode()
            archive.writestr(_GROUP, group)
            tasks = []
            for number, level in enumerate(source.levels):
                shape = tuple(level.shape[axis] for axis in order)
                spec = _spec(source.dtype, axes, shape, level.mag, options.get("shard_shape"))
                place = scratch.child(str(number))
                Zarr3Backend().create(place, spec)
                archive.writestr(f"{number}/{_GROUP}", place.child(_GROUP).read())
                grid = tuple(spec.shard_shape[axes.index(axis)] for axis in source.axes)
                boxes = ([tuple(a[i] for i in order) for a in box] for box in source.pieces(number, grid))
                tasks += [_Shard(number, (start, length)) for start, length in sorted(boxes)]
            work = _WriteShard(scratch, source.levels, axes, order)
            for names in source.map(work, tasks):
                for name in names:
                    path = str(scratch.child(*name.split("/")).local_path())
                    archive.write(path, name)
                    os.remove(path)  # noqa: PTH107 - the place is text
        scratch.delete(recursive=True)

    def drops(self, source: ExportVolume, options: Mapping[str, Any]) -> frozenset[str]:
        """See `Exporter.drops`."""
        del options
        said = source.category == "color" and source.num_channels == 1
        return frozenset() if said else frozenset({"color"})


def _facts(volume: ExportVolume, axes: tuple[str, ...]) -> LayerFacts:
    mags = tuple(MagFacts(mag=level.mag, folder=str(number)) for number, level in enumerate(volume.levels))
    return LayerFacts(
        name=volume.name,
        category=volume.category,
        data_format="zarr3",
        axes=axes,
        num_channels=volume.num_channels,
        dtype=volume.dtype,
        voxel_size=volume.voxel_size,
        mags=mags,
    )


def _described(group: bytes, volume: ExportVolume, axes: tuple[str, ...]) -> bytes:
    """Add what is known of the box but not in the facts of a layer: its place, and how it is shown."""
    document = json.loads(group)
    ome = document["attributes"]["ome"]
    corner = dict(zip("xyz", volume.place, strict=True))
    for item in ome["multiscales"][0]["datasets"]:
        steps = item["coordinateTransformations"]
        shift = steps.pop()["translation"] if len(steps) > 1 else [0.0] * len(axes)
        shift = [value + corner.get(axis, 0.0) for axis, value in zip(axes, shift, strict=True)]
        if any(shift):
            steps.append({"type": "translation", "translation": shift})
    if volume.category == "segmentation":
        ome["image-label"] = {}
    else:
        channels = _channels(volume)
        if channels:
            ome["omero"] = {"channels": channels}
    return json.dumps(document, indent=2).encode()


def _channels(volume: ExportVolume) -> list[dict[str, Any]]:
    """Describe the channels of images that are shown as one: those of one channel, and colours."""
    import numpy

    dtype = numpy.dtype(volume.dtype)
    lowest, highest = (
        (0.0, 1.0) if dtype.kind == "f" else map(float, (numpy.iinfo(dtype).min, numpy.iinfo(dtype).max))
    )
    start, end = volume.shown or (lowest, highest)
    window = {"min": min(lowest, start), "max": max(highest, end), "start": start, "end": end}
    if volume.num_channels == 1:
        named = [(volume.name, volume.color or (255, 255, 255))]
    elif volume.num_channels == 3 and volume.dtype == "uint8":
        named = [("red", (255, 0, 0)), ("green", (0, 255, 0)), ("blue", (0, 0, 255))]
    else:
        named = []
    return [
        {"label": name, "color": bytes(color).hex().upper(), "window": window, "active": True}
        for name, color in named
    ]


def _spec(
    dtype: str, axes: tuple[str, ...], shape: tuple[int, ...], mag: tuple[int, int, int], shard_shape: Any
) -> ArraySpec:
    backend = Zarr3Backend()
    wish = LayoutWish(purpose="images", axes=axes, shape=shape, dtype=dtype, mag=mag)
    small = backend.default_layout(wish)
    numbers = (_SHARD,) * 3 if shard_shape is None else _three(shard_shape)
    by_axis = dict(zip("xyz", numbers, strict=True))
    shard = tuple(by_axis.get(axis, length) for axis, length in zip(axes, small.shard_shape, strict=True))
    if shard_shape is None:  # no larger than what covers the image
        shard = tuple(map(min, shard, small.shard_shape))
    layout = backend.default_layout(attrs.evolve(wish, shard_shape=shard))
    return ArraySpec(
        axes=axes,
        shape=shape,
        dtype=dtype,
        chunk_shape=layout.chunk_shape,
        shard_shape=layout.shard_shape,
    )


def _three(value: Any) -> tuple[int, int, int]:
    """Widen n to (x, y, z)."""
    try:
        x, y, z = (value,) * 3 if isinstance(value, int) else (int(number) for number in value)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{value!r} is no shard_shape.", hint="Give three whole numbers, (x, y, z), or one for all."
        ) from error
    return x, y, z


@attrs.frozen
class _Shard:
    level: int
    box: Box


@attrs.frozen
class _WriteShard:
    """Encodes one shard into its file and gives the file's name in the archive, none if all is zero; pickles.

    order: of the volume's axes in the archive, whose names are `axes`.
    """

    scratch: Location
    levels: tuple[ExportLevel, ...]
    axes: tuple[str, ...]
    order: tuple[int, ...]

    def __call__(self, task: _Shard) -> list[str]:
        array = Zarr3Backend().open(self.scratch.child(str(task.level)), "r+", axes=self.axes)
        start, shape = (
            tuple(numbers[self.order.index(axis)] for axis in range(len(self.order))) for numbers in task.box
        )
        data = self.levels[task.level].read((start, shape))
        if not data.any():
            return []
        array.write(task.box, data.transpose(self.order))
        indices = (str(low // step) for low, step in zip(task.box[0], array.spec.shard_shape, strict=True))
        array.close()
        return [f"{task.level}/c/{'/'.join(indices)}"]
