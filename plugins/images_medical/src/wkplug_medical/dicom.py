"""DICOM images: one file, of one frame or many. Folders of them are the importer's (`dicom_folder`).

Frames that say where they lie in space are put in order, a scene for each stack of them (`dicom_stack`); other files
are read as they are (`dicom_file`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug.abc import Image, ImageReader, ProbeScore
from wkplug.abc.files import check_scene, image_errors
from wkplug_medical import spaces
from wkplug_medical.dicom_file import DicomFile
from wkplug_medical.dicom_slices import slices_of
from wkplug_medical.dicom_stack import MOSAIC, StackImage, affine_of, arranged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import ImageInfo, Location
    from wkplug_medical.dicom_slices import Slice

__all__ = ["DicomReader"]

_ONE_SECTION = (
    "It is one section of a series; a folder of nothing but DICOM files is imported with its sections sorted "
    "by position."
)


class DicomReader(ImageReader):
    """Opens DICOM files that have their preamble."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`; what merely begins like one has no group of file information behind the mark."""
        del location
        return ProbeScore.MAGIC if head[128:134] == b"DICM\x02\x00" else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> Image:
        """See `ImageReader.open`; scenes are the stacks of a file whose frames have places, and one otherwise."""
        file = DicomFile(self, location)
        with image_errors(location, "DICOM"):
            slices = slices_of(location, file.dataset)
            stacks = arranged(slices) if all(each.position is not None for each in slices) else []
        check_scene(location, scene, max(1, len(stacks)))
        if not file.has_frames:
            file.info = _as_section(file.info, slices[0])
        if not stacks:
            return file
        if file.has_frames:
            names = tuple(stack.name for stack in stacks) if len(stacks) > 1 else ()
            return StackImage(self, stacks[scene], names)
        affine = affine_of(stacks[0])
        notes = (*file.info.notes, *spaces.directions_note(affine, spaces.LPS))
        if "MOSAIC" in slices[0].kind:
            notes = (*notes, MOSAIC)
        file.info = attrs.evolve(file.info, affine=affine, notes=(*notes, _ONE_SECTION))
        return file


def _as_section(info: ImageInfo, section: Slice) -> ImageInfo:
    """Say of which series a file is a section, and where it lies along its normal."""
    across, down = section.orientation or ((), ())
    turned = " ".join(f"{value:.2f}" for value in (*across, *down))
    return attrs.evolve(
        info,
        origin=(None, None, None if section.depth is None else section.depth * 1e6),
        series=f"{section.series.uid} {section.rows} {section.columns} {turned}"
        if section.series.uid
        else "",
        series_name=section.series.description or section.series.number,
        series_index=section.number,
    )
