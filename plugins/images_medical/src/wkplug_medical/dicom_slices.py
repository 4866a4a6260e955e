"""`Slice`: one section of a DICOM series, a file of one frame or a frame of a file, and what is said of it.

Read from a header without its pixels. Values of a frame stand in its own functional groups, in those that all frames
share, or in the dataset, in this order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from wkplug_medical.dicom_info import number_of, samples_of, shape_of
from wkplug_medical.dicom_values import NO_SCALING, Scaling, scaling_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Location

__all__ = ["HEADER_TAGS", "Series", "Slice", "slices_of"]

HEADER_TAGS = [
    "AcquisitionNumber", "AcquisitionTime", "BitsAllocated", "BitsStored", "Columns", "EchoNumbers", "FrameTime",
    "FrameTimeVector", "GridFrameOffsetVector", "ImageOrientationPatient", "ImagePositionPatient", "ImageType",
    "InstanceNumber", "Modality", "ModalityLUTSequence", "NumberOfFrames", "PerFrameFunctionalGroupsSequence",
    "PhotometricInterpretation", "PixelRepresentation", "PixelSpacing", "PlanarConfiguration", "ProtocolName",
    "RescaleIntercept", "RescaleSlope", "Rows", "SOPClassUID", "SOPInstanceUID", "SamplesPerPixel",
    "SegmentSequence", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "SharedFunctionalGroupsSequence",
    "SliceThickness", "SpacingBetweenSlices", "StudyDate", "StudyDescription", "TemporalPositionIdentifier",
    "TotalPixelMatrixColumns", "TriggerTime",
]  # fmt: skip
"""What is read of each file of a folder; whatever else is in headers is passed over."""

Vector = tuple[float, float, float]


@attrs.frozen
class Series:
    """What a series is told by and called."""

    uid: str
    number: str
    description: str
    modality: str
    date: str


@attrs.frozen(kw_only=True)
class Slice:
    """One section.

    frame: its number in the file, None if the file has just one. position: of the centre of the first pixel, in
    millimetres of the patient's space (left, posterior, superior); orientation: where rows and columns run in it.
    spacing: millimetres from row to row, and from column to column. times: what may tell repetitions of one position
    apart, by name. between, thickness: of sections, in millimetres.
    """

    location: Location
    frame: int | None
    series: Series
    instance: str
    number: int | None
    position: Vector | None
    orientation: tuple[Vector, Vector] | None
    rows: int
    columns: int
    samples: int
    dtype: str
    bits: int
    photometric: str
    spacing: tuple[float, float] | None
    between: float | None
    thickness: float | None
    scaling: Scaling
    kind: tuple[str, ...]
    echo: str
    stack: str
    times: dict[str, float]
    has_table: bool

    @property
    def normal(self) -> Any:
        """The direction in which sections follow each other."""
        across, down = self.orientation or ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
        return np.cross(across, down)

    @property
    def depth(self) -> float | None:
        """Where it lies along that direction, in millimetres."""
        return None if self.position is None else float(np.dot(self.position, self.normal))


def slices_of(location: Location, dataset: Any) -> list[Slice]:
    """The sections of a file, in the order of its frames; ValueError, TypeError for values that make no sense."""
    shape, dtype, frames = shape_of(dataset)
    samples = samples_of(dataset)
    count = shape[0] if frames else 1
    series = Series(
        str(dataset.get("SeriesInstanceUID") or ""),
        str(dataset.get("SeriesNumber") or ""),
        _text(dataset.get("SeriesDescription"))
        or _text(dataset.get("ProtocolName"))
        or _text(dataset.get("StudyDescription")),
        str(dataset.get("Modality") or ""),
        str(dataset.get("StudyDate") or ""),
    )
    offsets = _numbers(dataset.get("GridFrameOffsetVector"))
    own = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())
    shared = next(iter(dataset.get("SharedFunctionalGroupsSequence") or ()), None)
    slices = []
    for number in range(count):
        groups = _Groups(own[number] if number < len(own) else None, shared, dataset)
        orientation = _orientation(groups.value("PlaneOrientationSequence", "ImageOrientationPatient"))
        position = _vector(groups.value("PlanePositionSequence", "ImagePositionPatient"))
        if frames and not own:
            position = _moved(position, orientation, offsets[number]) if number < len(offsets) else None
        spacing = _numbers(groups.value("PixelMeasuresSequence", "PixelSpacing"))
        slices.append(
            Slice(
                location=location,
                frame=number if frames else None,
                series=series,
                instance=str(dataset.get("SOPInstanceUID") or ""),
                number=_whole(dataset.get("InstanceNumber")),
                position=position,
                orientation=orientation,
                rows=int(dataset.Rows),
                columns=int(dataset.Columns),
                samples=samples,
                dtype=dtype.name,
                bits=int(dataset.get("BitsStored") or 0),
                photometric=str(dataset.PhotometricInterpretation),
                spacing=(spacing[0], spacing[1]) if len(spacing) == 2 and min(spacing) > 0 else None,
                between=number_of(groups.value("PixelMeasuresSequence", "SpacingBetweenSlices")),
                thickness=number_of(groups.value("PixelMeasuresSequence", "SliceThickness")),
                scaling=_scaling(groups, samples),
                kind=tuple(str(each) for each in _list(groups.frame_type())),
                echo=str(dataset.get("EchoNumbers") or ""),
                stack=_stack_of(groups),
                times=dict(_times(groups)),
                has_table="ModalityLUTSequence" in dataset,
            )
        )
    return slices


@attrs.frozen
class _Groups:
    """The functional groups of a frame."""

    own: Any
    shared: Any
    dataset: Any

    def item(self, sequence: str) -> Any:
        """The item of a group, None if there is none."""
        for groups in (self.own, self.shared):
            for item in (groups.get(sequence) if groups is not None else None) or ():
                return item
        return None

    def value(self, sequence: str, keyword: str) -> Any:
        """A value of a group, or of the dataset where the group doesn't have it."""
        item = self.item(sequence)
        found = item.get(keyword) if item is not None else None
        return self.dataset.get(keyword) if found is None else found

    def frame_type(self) -> Any:
        """What kind of image the frame is."""
        for name in ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence"):
            item = self.item(name)
            if item is not None and item.get("FrameType"):
                return item.FrameType
        return self.dataset.get("ImageType")


def _stack_of(groups: _Groups) -> str:
    """What the file itself tells apart: stacks, or the segments of a segmentation."""
    segment = groups.item("SegmentIdentificationSequence")
    if segment is None:
        return str(groups.value("FrameContentSequence", "StackID") or "")
    number = segment.get("ReferencedSegmentNumber")
    for described in groups.dataset.get("SegmentSequence") or ():
        if described.get("SegmentNumber") == number and described.get("SegmentLabel"):
            return f"{number} {_text(described.SegmentLabel)}"
    return str(number or "")


def _scaling(groups: _Groups, samples: int) -> Scaling:
    if samples > 1 or groups.dataset.PhotometricInterpretation == "PALETTE COLOR":
        return NO_SCALING
    item = groups.item("PixelValueTransformationSequence")
    return scaling_of(groups.dataset if item is None else item)


def _times(groups: _Groups) -> Iterator[tuple[str, float]]:
    for sequence, keyword in (
        ("FrameContentSequence", "TemporalPositionIndex"),
        ("", "TemporalPositionIdentifier"),
        ("", "AcquisitionNumber"),
        ("", "TriggerTime"),
        ("", "AcquisitionTime"),
    ):
        number = number_of(groups.value(sequence, keyword))
        if number is not None:
            yield keyword, number


def _moved(
    position: Vector | None, orientation: tuple[Vector, Vector] | None, offset: float
) -> Vector | None:
    if position is None or orientation is None:
        return None
    x, y, z = np.array(position) + np.cross(*orientation) * offset
    return float(x), float(y), float(z)


def _orientation(value: Any) -> tuple[Vector, Vector] | None:
    numbers = _numbers(value)
    if len(numbers) != 6:
        return None
    across, down = np.array(numbers[:3]), np.array(numbers[3:])
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if not all(0.9 < length < 1.1 for length in lengths) or abs(np.dot(across, down)) > 0.01:
        raise ValueError(f"its rows and columns run along {numbers}, which are no directions at right angles")
    (a, b, c), (d, e, f) = (across / lengths[0]).tolist(), (down / lengths[1]).tolist()
    return (a, b, c), (d, e, f)


def _vector(value: Any) -> Vector | None:
    numbers = _numbers(value)
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None


def _list(value: Any) -> list[Any]:
    if value is None or isinstance(value, str):
        return [value] if value else []
    return list(value) if hasattr(value, "__iter__") else [value]


def _numbers(value: Any) -> list[float]:
    """Numbers, none at all if one of them is no number."""
    found = [number_of(each) for each in _list(value)]
    return [each for each in found if each is not None] if None not in found else []


def _whole(value: Any) -> int | None:
    number = number_of(value)
    return int(number) if number is not None else None


def _text(value: Any) -> str:
    return " ".join(str(value or "").split())
