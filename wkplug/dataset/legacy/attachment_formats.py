"""The data formats of attachments, as an enum whose members users' code holds; and agglomerates, which wkplug writes.

Agglomerates are a folder with a group's metadata, and an array per folder below. These arrays are created and opened as
those of layers are, through whatever implementation is configured.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from wkplug import storage
from wkplug.abc import ArraySpec
from wkplug.errors import AttachmentError, AttachmentExistsError, UnreadableAttachmentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Location

__all__ = [
    "AttachmentDataFormat", "attachment_format", "formats_of", "read_arrays", "recorded_format", "write_arrays",
]  # fmt: skip


class AttachmentDataFormat(StrEnum):
    """How an attachment's files are stored. Equal to its text."""

    Zarr3 = "zarr3"
    HDF5 = "hdf5"
    JSON = "json"
    NeuroglancerPrecomputed = "neuroglancerPrecomputed"

    @classmethod
    def _missing_(cls, value: Any) -> None:
        known = ", ".join(member.value for member in cls)
        raise AttachmentError(f"{value!r} is no data format of attachments.", hint=f"Known are {known}.")

    def __str__(self) -> str:
        return self.value


_FORMATS = {
    "meshes": (
        AttachmentDataFormat.Zarr3,
        AttachmentDataFormat.HDF5,
        AttachmentDataFormat.NeuroglancerPrecomputed,
    ),
    "segmentStatistics": (AttachmentDataFormat.Zarr3,),
    "cumsum": (AttachmentDataFormat.Zarr3, AttachmentDataFormat.JSON),
}
"""What attachments of a kind, by its key in the properties file, may be stored as; the others as Zarr or HDF5."""


def attachment_format(value: Any) -> AttachmentDataFormat:
    """Give the member of that value; AttachmentError (a ValueError) for others."""
    return AttachmentDataFormat(str(value))


def recorded_format(text: str) -> str:
    """Give the member for what a properties file records, or the text itself where it is of another time."""
    try:
        return AttachmentDataFormat(text)
    except AttachmentError:
        return text


def formats_of(kind: str) -> tuple[AttachmentDataFormat, ...]:
    """Give the data formats that attachments of a kind (its key in the properties file) may have."""
    return _FORMATS.get(kind, (AttachmentDataFormat.Zarr3, AttachmentDataFormat.HDF5))


# --- agglomerates -----------------------------------------------------------------------------------------

_FORMAT = "zarr3"
_GROUP_FILE = "zarr.json"
_ATTRIBUTES = {"voxelytics": {"artifact_schema_version": 4, "artifact_class": "AgglomerateViewArtifact"}}
_CHUNK = 2**20
_AXES = ("x", "y")
_TABLES = frozenset({"agglomerate_to_positions", "agglomerate_to_edges"})
"""The arrays of two dimensions; the others have one."""


def write_arrays(location: Location, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Write the arrays of agglomerates and, last, the group that makes them one; gives the data format."""
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


def read_arrays(location: Location, data_format: str, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Read the arrays of agglomerates by their names."""
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
