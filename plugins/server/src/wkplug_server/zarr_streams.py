"""Layers as Zarr arrays that nobody has stored: v2 below /data/zarr/ID, v3 below /data/zarr3_experimental/ID.

The trees are those that WEBKNOSSOS serves: one group per layer, one array per mag, chunks of 32 voxels along each axis
without compression, in Fortran order, whole also at the borders. A tree answers only for its own version of the format,
as clients that look for any take the first that answers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.errors import MissingError
from wkplug_server.facts import mag_entry, properties_json

if TYPE_CHECKING:
    from wkplug_server.catalogue import Shared
    from wkplug_server.levels import Level, Levels

__all__ = ["EDGE", "document", "voxels"]

EDGE = 32
_CHUNK = re.compile(r"\d+(?:\.\d+)+")


def document(shared: Shared, path: str, *, version: int) -> Any:
    """The JSON at a path of the tree, a list of names for a folder; MissingError."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return [
            ".zgroup" if version == 2 else "zarr.json",
            "datasource-properties.json",
            *_layer_names(shared),
        ]
    if parts == ["datasource-properties.json"]:
        return properties_json(shared, "zarr" if version == 2 else "zarr3", mag_entry)
    if parts == [".zgroup"] and version == 2:
        return {"zarr_format": 2}
    if parts == ["zarr.json"] and version == 3:
        return {"zarr_format": 3, "node_type": "group", "attributes": {}}
    levels = shared.levels(parts[0])
    rest = parts[1:]
    if not rest:
        return [
            *([".zgroup", ".zattrs"] if version == 2 else ["zarr.json"]),
            *(lv.name for lv in levels.stored),
        ]
    if version == 2 and rest == [".zgroup"]:
        return {"zarr_format": 2}
    if version == 2 and rest == [".zattrs"]:
        return {"multiscales": [{"version": "0.4", **_multiscale(levels)}]}
    if version == 3 and rest == ["zarr.json"]:
        ome = {"version": "0.5", "multiscales": [_multiscale(levels)]}
        return {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}
    level = _stored(levels, rest[0])
    if len(rest) == 1:
        return [".zarray" if version == 2 else "zarr.json"]
    if version == 2 and rest[1:] == [".zarray"]:
        return _zarray(levels, level)
    if version == 3 and rest[1:] == ["zarr.json"]:
        return _zarr_json(levels, level)
    raise MissingError(f"There is nothing at {path!r} in this tree.")


def voxels(shared: Shared, path: str) -> bytes | None:
    """The bytes of a chunk, "LAYER/MAG/0.1.2.3"; None where the path isn't that of a chunk; MissingError."""
    parts = [part for part in path.split("/") if part]
    if len(parts) != 3 or not _CHUNK.fullmatch(parts[2]):
        return None
    levels = shared.levels(parts[0])
    level = _stored(levels, parts[1])
    index = [int(number) for number in parts[2].split(".")]
    grid = _grid(levels, level)
    if len(index) != len(grid) or any(not 0 <= i < n for i, n in zip(index, grid, strict=True)):
        raise MissingError(f"There is no chunk {parts[2]} in {parts[0]}/{parts[1]}.")
    x, y, z = (EDGE * i for i in index[-3:])
    data = levels.read(level, (x, y, z), (EDGE, EDGE, EDGE), index[1:-3])
    return np.asarray(data).tobytes(order="F")


def _layer_names(shared: Shared) -> list[str]:
    return [layer.name for layer in shared.layers]


def _stored(levels: Levels, mag: str) -> Level:
    level = levels.get(mag)
    if level.halvings:
        raise MissingError(f"The layer {levels.layer.name!r} has no mag {level.name}.")
    return level


def _shape(levels: Levels, level: Level) -> list[int]:
    others = [levels.bounds[axis][1] for axis in levels.axes]
    return [levels.num_channels, *others, *level.end]


def _chunks(levels: Levels) -> list[int]:
    return [levels.num_channels, *(1 for _ in levels.axes), EDGE, EDGE, EDGE]


def _grid(levels: Levels, level: Level) -> list[int]:
    return [-(-n // c) for n, c in zip(_shape(levels, level), _chunks(levels), strict=True)]


def _zarray(levels: Levels, level: Level) -> dict[str, Any]:
    return {
        "dtype": levels.dtype.newbyteorder("<").str.replace("=", "<"),
        "fill_value": 0,
        "zarr_format": 2,
        "order": "F",
        "chunks": _chunks(levels),
        "compressor": None,
        "filters": None,
        "shape": _shape(levels, level),
        "dimension_separator": ".",
    }


def _zarr_json(levels: Levels, level: Level) -> dict[str, Any]:
    shape = _shape(levels, level)
    codecs: list[dict[str, Any]] = [
        {"name": "transpose", "configuration": {"order": list(reversed(range(len(shape))))}}
    ]
    multi_byte = levels.dtype.itemsize > 1
    codecs.append({"name": "bytes", "configuration": {"endian": "little"} if multi_byte else {}})
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": levels.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": _chunks(levels)}},
        "chunk_key_encoding": {"name": "v2", "configuration": {"separator": "."}},
        "fill_value": 0,
        "codecs": codecs,
        "dimension_names": ["c", *levels.axes, *"xyz"],
    }


def _multiscale(levels: Levels) -> dict[str, Any]:
    size = levels.layer.dataset.voxel_size_with_unit
    unit = str(size.unit.value)
    factors = [float(n) for n in size.factor]
    others = [{"name": axis, "type": "time" if axis == "t" else "space"} for axis in levels.axes]
    space = [{"name": axis, "type": "space", "unit": unit} for axis in "xyz"]
    return {
        "name": levels.layer.name,
        "axes": [{"name": "c", "type": "channel"}, *others, *space],
        "datasets": [
            {
                "path": level.name,
                "coordinateTransformations": [
                    {
                        "type": "scale",
                        "scale": [
                            1.0,
                            *(1.0 for _ in others),
                            *(f * m for f, m in zip(factors, level.mag.to_tuple(), strict=True)),
                        ],
                    }
                ],
            }
            for level in levels.stored
        ],
    }
