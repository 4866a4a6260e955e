"""Agglomerates as a group of arrays: the one attachment that wkplug itself writes, in the one format it has.

A folder with a group's metadata, and an array per folder below. Arrays are created and opened as those of layers
are, through whatever implementation is configured.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wkplug import storage
from wkplug.abc import ArraySpec
from wkplug.dataset.legacy.attachment_formats import AttachmentDataFormat
from wkplug.errors import ConflictError, UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Location

__all__ = ["AttachmentExistsError", "read", "write"]

_FORMAT = "zarr3"
_GROUP_FILE = "zarr.json"
_ATTRIBUTES = {"voxelytics": {"artifact_schema_version": 4, "artifact_class": "AgglomerateViewArtifact"}}
_CHUNK = 2**20
_AXES = ("x", "y")
_TABLES = frozenset({"agglomerate_to_positions", "agglomerate_to_edges"})
"""The arrays of two dimensions; the others have one."""


class AttachmentExistsError(ConflictError, FileExistsError):
    """There is something where an attachment was to be written."""


class UnreadableAttachmentError(UnsupportedOperationError, NotImplementedError):
    """An attachment in a format that wkplug doesn't read."""


def write(location: Location, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Write the arrays and, last, the group that makes them one; gives the data format."""
    if location.exists():
        raise AttachmentExistsError(
            f"There is already something at {location.url}.", hint="Choose another name."
        )
    for name, values in arrays.items():
        axes = _AXES[: values.ndim]
        chunk = tuple(max(1, min(length, _CHUNK)) for length in values.shape)
        spec = ArraySpec(
            axes=axes, shape=values.shape, dtype=values.dtype.name, chunk_shape=chunk, shard_shape=chunk
        )
        handle = storage.create_array(location.child(name), _FORMAT, spec)
        if values.size:
            handle.write(((0,) * values.ndim, values.shape), values)
        handle.flush()
        handle.close()
    group = {"zarr_format": 3, "node_type": "group", "attributes": _ATTRIBUTES}
    location.child(_GROUP_FILE).write(json.dumps(group, indent=4).encode())
    return AttachmentDataFormat.Zarr3


def read(location: Location, data_format: str, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Read the arrays of these names."""
    if data_format != _FORMAT:
        raise UnreadableAttachmentError(
            f"The agglomerates at {location.url} are stored as {data_format}, which can't be read.",
            hint=f"Only {_FORMAT} can.",
        )
    result = {}
    for name in names:
        handle = storage.open_array(
            location.child(name), _FORMAT, axes=_AXES if name in _TABLES else _AXES[:1]
        )
        shape = tuple(length or 0 for length in handle.spec.shape)
        if 0 in shape:
            import numpy

            result[name] = numpy.zeros(shape, handle.array.dtype)
        else:
            result[name] = handle.read(((0,) * len(shape), shape))
        handle.close()
    return result
