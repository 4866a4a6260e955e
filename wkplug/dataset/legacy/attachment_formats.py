"""The data formats of attachments, as an enum whose members users' code holds."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from wkplug.errors import AttachmentError

__all__ = ["AttachmentDataFormat", "attachment_format", "formats_of", "recorded_format"]


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
