"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ImageReaderSpec, ImporterSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_image_readers", "wkplug_importers"]


@hookimpl
def wkplug_importers() -> Iterator[ImporterSpec]:
    """Folders of DICOM files."""
    yield ImporterSpec(
        name="dicom",
        factory="wkplug_medical.dicom_importer:DicomImporter",
        summary="DICOM: folders of files, a layer per series, sorted by position",
    )


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    """One reader for each of the formats."""
    yield ImageReaderSpec(
        name="nifti",
        factory="wkplug_medical.nifti:NiftiReader",
        suffixes=(".hdr", ".hdr.gz", ".img", ".img.gz", ".nii", ".nii.gz"),
        magic=((344, b"n+1\x00"), (4, b"n+2\x00"), (344, b"ni1\x00"), (4, b"ni2\x00")),
        summary="NIfTI-1, NIfTI-2 and Analyze 7.5, in one file or two",
    )
    yield ImageReaderSpec(
        name="dicom",
        factory="wkplug_medical.dicom:DicomReader",
        suffixes=(".dcm", ".dicom", ".ima"),
        magic=((128, b"DICM"),),
        priority=1,  # before it may stand what you like: many files begin like a TIFF, for old viewers
        summary="DICOM, single images and frames",
    )
    yield ImageReaderSpec(
        name="nrrd",
        factory="wkplug_medical.nrrd:NrrdReader",
        suffixes=(".nhdr", ".nrrd"),
        magic=((0, b"NRRD00"),),
        summary="NRRD, with its data inside or beside",
    )
