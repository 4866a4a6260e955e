"""Folders of DICOM files as layers: every header is read, sections are put together, what is left out is told."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import attrs
import pydicom
from pydicom.uid import UID

from wkplug.abc import ForeignLayer, ForeignMag, Image
from wkplug.abc.files import image_errors, listed, open_file, quietly
from wkplug.errors import CorruptImageError, UnsupportedImageDataError
from wkplug_medical.dicom import DicomReader
from wkplug_medical.dicom_files import SUFFIXES, files_below, is_dicom
from wkplug_medical.dicom_info import should_be_image
from wkplug_medical.dicom_slices import HEADER_TAGS, slices_of
from wkplug_medical.dicom_stack import Stack, StackImage, arranged

if TYPE_CHECKING:
    from wkplug.abc import Location
    from wkplug_medical.dicom_slices import Slice

__all__ = ["described"]

_AT_ONCE = 8
_LISTED = 5
_NEEDED = ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")


@attrs.frozen
class StackPlace:
    """Where a stack of a folder lies; pickles with what is known of its sections."""

    url: str
    stack: Stack

    def open(self) -> Image:
        """Open it; nothing is read before voxels are asked for."""
        return StackImage(DicomReader(), self.stack)


@attrs.frozen
class FilePlace:
    """A file that is an image of its own: frames that don't say where they lie."""

    location: Location

    @property
    def url(self) -> str:
        """The file."""
        return self.location.url

    def open(self) -> Image:
        """Open it."""
        return DicomReader().open(self.location)


def described(location: Location) -> tuple[ForeignLayer, ...]:
    """Describe the layers of a folder; CorruptImageError for a file that is damaged."""
    files = list(files_below(location))
    with ThreadPoolExecutor(_AT_ONCE) as pool, quietly():  # oddities of values that are not needed
        headers = list(pool.map(_header, files))
    slices: list[Slice] = []
    whole: list[Location] = []
    others: list[str] = []
    imageless: Counter[str] = Counter()
    for place, header in zip(files, headers, strict=True):
        if header is None:
            others.append(place.name)
            continue
        if isinstance(header, str):
            if header:
                imageless[header] += 1
            continue
        with image_errors(place, "DICOM"):
            found = slices_of(place, header)
        if len(found) > 1 and any(each.position is None for each in found):
            whole.append(place)
        else:
            slices += found
    notes = [
        f"{count} {'file is' if count == 1 else 'files are'} no image but {name}, and left out."
        for name, count in sorted(imageless.items())
    ]
    if others:
        notes.append(
            f"{len(others)} {'file' if len(others) == 1 else 'files'} in {location.name} "
            f"{'is' if len(others) == 1 else 'are'} no DICOM, and left out: {listed(others, _LISTED)}."
        )
    layers, problems = [], []
    for stack in arranged(slices):
        try:
            layers.append(_stack_layer(location, stack))
        except UnsupportedImageDataError as error:
            problems.append(error)
            notes.append(f"The series {stack.name!r} is left out. {error.message}")
    layers = _without_odd_localizers(layers, notes) + [_file_layer(place) for place in whole]
    if not layers:
        if problems:
            raise problems[0]
        raise UnsupportedImageDataError(
            f"{location.url} has DICOM files, but none of them holds an image. {' '.join(notes)}".rstrip(),
            location.url,
            hint="Give the folder that holds the series.",
        )
    layers[0] = attrs.evolve(layers[0], container_notes=tuple(notes))
    return tuple(layers)


def _without_odd_localizers(layers: list[ForeignLayer], notes: list[str]) -> list[ForeignLayer]:
    """Leave out localizers that have another voxel size than the rest, with which they can't be one dataset."""
    sizes = [layer.voxel_size for layer in layers if not _is_localizer(layer)]
    kept = []
    for layer in layers:
        if sizes and _is_localizer(layer) and layer.voxel_size != sizes[0]:
            files = sorted({each.location.name for each in layer.mags[0].location.stack.present})
            notes.append(
                f"The localizer {layer.name!r} ({listed(files, _LISTED)}) is left out, because its voxel size is "
                "another than that of the rest; import its files for themselves."
            )
        else:
            kept.append(layer)
    return kept


def _is_localizer(layer: ForeignLayer) -> bool:
    return "LOCALIZER" in layer.mags[0].location.stack.first.kind


def _header(location: Location) -> Any:
    """The header of an image; the kind of a DICOM file that is none ("" for an index), None for any other file."""
    if not is_dicom(location):
        if location.name.lower().endswith(SUFFIXES):
            raise CorruptImageError(
                f"{location.url} is named like a DICOM file, but has no mark of one at byte 128 "
                f"(it has {location.size()} bytes).",
                location.url,
                hint="Copy or export it again; if it belongs to something else, move it out of the folder.",
            )
        return None
    with image_errors(location, "DICOM"), open_file(location) as file:
        dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(HEADER_TAGS))
        if not all(dataset.get(name) for name in _NEEDED):
            said = dataset.file_meta.get("MediaStorageSOPClassUID") or dataset.get("SOPClassUID")
            if said and UID(str(said)).name == "Media Storage Directory Storage":
                return ""
            if should_be_image(dataset):
                raise EOFError("the file ends before its pixels")
            return UID(str(said)).name
    return dataset


def _stack_layer(location: Location, stack: Stack) -> ForeignLayer:
    DicomReader().open(stack.first.location)  # whether its pixels can be decoded at all
    place = StackPlace(f"{location.url}#{stack.name}", stack)
    info = place.open().info
    return ForeignLayer(
        name=stack.name,
        category="segmentation" if stack.first.series.modality == "SEG" else "",
        mags=(ForeignMag(location=place, data_format="", axes=info.axes),),
        voxel_size=info.voxel_size,
        notes=info.notes,
        details=info.details,
    )


def _file_layer(location: Location) -> ForeignLayer:
    with DicomReader().open(location) as image:
        info = image.info
    name = str(info.details.get("SeriesDescription") or location.name.rpartition(".")[0] or location.name)
    return ForeignLayer(
        name=name,
        mags=(ForeignMag(location=FilePlace(location), data_format="", axes=info.axes),),
        voxel_size=info.voxel_size,
        notes=info.notes,
        details=info.details,
    )
