"""What a DICOM header says of its image: shape, axes, sizes, and by what a series is sorted."""

from __future__ import annotations

import math
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom.uid import UID

from wkplug.abc import ImageInfo
from wkplug_medical.dicom_values import Scaling, scaled_dtype, scaling_note

__all__ = ["describe", "header", "is_float", "number_of", "samples_of", "shape_of", "should_be_image"]

_MILLIMETRE = 1e6  # nanometres
_MOST_FRAMES = 1 << 24
_SORTED_BY = (
    "Modality", "SeriesInstanceUID", "SeriesDescription", "InstanceNumber", "AcquisitionNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "SliceLocation", "SliceThickness",
    "SpacingBetweenSlices", "RescaleSlope", "RescaleIntercept",
)  # fmt: skip


def header(file: BinaryIO) -> tuple[Any, Any]:
    """Read everything before the pixels, and leave the file there; gives the dataset and its transfer syntax."""
    dataset = pydicom.dcmread(file, stop_before_pixels=True)
    syntax = UID(str(dataset.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2")))
    if not syntax.is_transfer_syntax:
        raise ValueError(f"its transfer syntax is {str(syntax)[:64]!r}")
    return dataset, syntax


def should_be_image(dataset: Any) -> bool:
    """Whether a file without the fields of an image is one that was cut: its class says so, or is cut off, too."""
    said = dataset.file_meta.get("MediaStorageSOPClassUID") or dataset.get("SOPClassUID")
    name = UID(str(said)).name if said else ""
    return not said or "Image" in name or "Dose" in name


def shape_of(dataset: Any) -> tuple[tuple[int, ...], np.dtype[Any], str]:
    """The shape with frames in front and samples behind, the type of a sample, and the name of the axis of frames."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    frames = _int(dataset.get("NumberOfFrames")) or 1
    samples = samples_of(dataset)
    if not 1 <= frames <= _MOST_FRAMES or not 1 <= samples <= 4:
        raise ValueError(f"it says {frames} frames and {samples} samples")
    signed = int(dataset.get("PixelRepresentation") or 0) == 1
    bits = max(8, int(dataset.BitsAllocated))
    shape: tuple[int, ...] = (rows, columns)
    if samples > 1:
        shape = (*shape, samples)
    axis = ""
    if frames > 1:
        shape, axis = (frames, *shape), _axis_of_frames(dataset)
    letter = "f" if is_float(dataset) else "i" if signed else "u"
    return shape, np.dtype(f"{letter}{bits // 8}"), axis


def is_float(dataset: Any) -> bool:
    """Whether pixels are of floating point (maps of parameters): these have no number of stored bits."""
    return int(dataset.BitsAllocated) in (32, 64) and not dataset.get("BitsStored")


def samples_of(dataset: Any) -> int:
    """How many samples a pixel has."""
    return int(dataset.get("SamplesPerPixel") or 1)


def _int(value: Any) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _axis_of_frames(dataset: Any) -> str:
    if "GridFrameOffsetVector" in dataset or any(
        "PlanePositionSequence" in group for group in dataset.get("PerFrameFunctionalGroupsSequence") or ()
    ):
        return "z"
    if "FrameTime" in dataset or "FrameTimeVector" in dataset:
        return "t"
    return "q"


def describe(
    dataset: Any,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    frames: str,
    *,
    scaling: Scaling,
    planar: bool,
) -> ImageInfo:
    """Describe the image. scaling: what is applied to values. planar: samples are planes of their own."""
    samples = len(shape) - (1 if frames else 0) > 2
    axes = ("s", "y", "x") if planar else ("y", "x", "s") if samples else ("y", "x")
    inner = shape[1:] if frames else shape
    if planar:
        inner = (inner[2], *inner[:2])
    axes = (frames, *axes) if frames else axes
    shape = (shape[0], *inner) if frames else inner
    kind = str(dataset.PhotometricInterpretation)
    scaled = scaled_dtype(dtype, int(dataset.get("BitsStored") or 0), [scaling])
    notes = [*scaling_note([scaling], dtype, scaled)]
    if "ModalityLUTSequence" in dataset:
        notes.append("The file maps its values by a table (ModalityLUTSequence), which was not applied.")
    if dataset.get("DoseGridScaling"):
        notes.append(f"Values are those that are stored; times {dataset.DoseGridScaling} they are a dose.")
    if kind == "MONOCHROME1":
        notes.append("Low values are meant to be shown bright (MONOCHROME1).")
    return ImageInfo(
        axes=axes,
        shape=shape,
        dtype=scaled.name,
        voxel_size=_voxel_size(dataset),
        photometric="rgb" if samples else "palette" if kind == "PALETTE COLOR" else "minisblack",
        block_shape=(1, *inner) if frames else inner,
        origin=(None, None, None if frames else _place(dataset)),
        series=str(dataset.get("SeriesInstanceUID") or ""),
        series_name=str(dataset.get("SeriesDescription") or ""),
        series_index=None if frames else _int(dataset.get("InstanceNumber")),
        details={name: value for name in _SORTED_BY if (value := _plain(dataset.get(name))) is not None},
        notes=notes,
    )


def _place(dataset: Any) -> float | None:
    """Where a section lies along the normal of its plane, in nanometres."""
    position, plane = dataset.get("ImagePositionPatient"), dataset.get("ImageOrientationPatient")
    if position is None or plane is None or len(position) != 3 or len(plane) != 6:
        return None
    rows, columns = np.array(plane, "f8").reshape(2, 3)
    place = number_of(np.dot(np.cross(rows, columns), np.array(position, "f8")))
    return None if place is None else place * _MILLIMETRE


def _voxel_size(dataset: Any) -> tuple[float | None, float | None, float | None]:
    """Nanometres along x, y, z. The thickness of a slice is not the way to the next, and doesn't count."""
    found = dataset
    if "PixelSpacing" not in dataset:
        for group in dataset.get("SharedFunctionalGroupsSequence") or ():
            for measures in group.get("PixelMeasuresSequence") or ():
                found = measures
    spacing = found.get("PixelSpacing")
    spacing = list(spacing) if isinstance(spacing, list | tuple | pydicom.multival.MultiValue) else []
    rows, columns = spacing if len(spacing) == 2 else (None, None)
    between = found.get("SpacingBetweenSlices", dataset.get("SpacingBetweenSlices"))
    if between is None:
        between = _step(dataset.get("GridFrameOffsetVector"))
    return _nanometres(columns), _nanometres(rows), _nanometres(between)


def _step(offsets: Any) -> float | None:
    """The distance of frames that all have the same from one to the next."""
    values = (
        [number_of(value) for value in offsets] if isinstance(offsets, pydicom.multival.MultiValue) else []
    )
    if len(values) < 2 or any(value is None for value in values):
        return None
    steps = np.diff(np.array(values, "f8"))
    return abs(float(steps[0])) if np.allclose(steps, steps[0]) else None


def number_of(value: Any) -> float | None:
    """What an element says as a number; None for what is none, or not finite."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _nanometres(value: Any) -> float | None:
    number = number_of(value)
    return number * _MILLIMETRE if number is not None and 0 < number < 1e9 else None


def _plain(value: Any) -> Any:
    """A value of JSON."""
    if value is None or value == "":
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, pydicom.multival.MultiValue | list):
        return [_plain(each) for each in value]
    return number if (number := number_of(value)) is not None and not isinstance(value, str) else str(value)
