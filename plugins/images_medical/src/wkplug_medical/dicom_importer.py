"""The importer of folders of DICOM files: whether a folder is one, told by a few of its files.

Each import of any folder asks, so nothing of pydicom is imported for that; what its files become is described in
`dicom_folder`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ForeignLayer, ForeignMag, Image, Importer, ProbeScore
from wkplug_medical.dicom_files import SUFFIXES, is_dicom

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from wkplug.abc import Location

__all__ = ["DicomImporter"]

_INDEX = "DICOMDIR"
_OTHER_IMAGES = (
    ".bmp",
    ".czi",
    ".gif",
    ".jp2",
    ".jpeg",
    ".jpg",
    ".mrc",
    ".nii",
    ".nii.gz",
    ".nrrd",
    ".png",
    ".tif",
    ".tiff",
)
_FEW_FILES = 4  # that are looked into in each folder before it is taken for one of something else
_FEW_FOLDERS = 24


class DicomImporter(Importer):
    """Describes folders of DICOM files, one layer per stack of sections."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location) -> ProbeScore:
        """Certain if one of the first files that may be DICOM is, and no folder is one of other images."""
        found = False
        for place, names in _first_folders(location):
            files = [name for name in names if _may_be(name)]
            files.sort(key=lambda name: not name.lower().endswith(SUFFIXES))
            if any(is_dicom(place.child(name)) for name in files[:_FEW_FILES]):
                found = True
            elif any(name.lower().endswith(_OTHER_IMAGES) for name in names):
                return ProbeScore.NO
        return ProbeScore.CERTAIN if found else ProbeScore.NO

    def describe(self, location: Location) -> tuple[ForeignLayer, ...]:
        """See `Importer.describe`; headers are read, pixels are not."""
        from wkplug_medical.dicom_folder import described  # and pydicom, for folders of DICOM only

        return described(location)

    def open(self, mag: ForeignMag) -> Image:
        """Open a stack."""
        image: Image = mag.location.open()
        return image


def _first_folders(location: Location) -> Iterator[tuple[Location, list[str]]]:
    """The folder and the first ones below, each with the names of its files; hidden ones left out."""
    folders = [location]
    for _ in range(_FEW_FOLDERS):
        if not folders:
            return
        place = folders.pop(0)
        names = [name for name in place.list() if not name.startswith(".")]
        yield place, [name for name in names if not name.endswith("/")]
        below = [place.child(name.rstrip("/")) for name in names if name.endswith("/")]
        folders = [*below[:_FEW_FOLDERS], *folders]


def _may_be(name: str) -> bool:
    """Whether a file of this name is worth a look: named for it, without a suffix, or with one that counts."""
    ending = name.rpartition(".")[2] if "." in name else ""
    return (
        name.lower().endswith(SUFFIXES)
        or name == _INDEX
        or not ending
        or ending.isdecimal()
        or len(ending) > 5
    )
