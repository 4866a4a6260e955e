"""HDF5 files through h5py: Imaris volumes, BigDataViewer volumes, or any dataset of numbers.

What kind of file it is says its inside: `imaris`, `bdv` and `generic` each describe the images that they find as
`Scene` objects; here files are opened, and regions read from the datasets that a scene names. HDF5 decodes
whole chunks, and one at a time in a process: threads may read at once, but take turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug.abc import ImageReader, ProbeScore, StoredImage
from wkplug.abc.files import check_scene, corrupt_image
from wkplug.abc.images import by_frames
from wkplug.errors import UnsupportedImageDataError
from wkplug_hdf5 import bdv, generic, imaris
from wkplug_hdf5.outside import opened_dataset, split_links
from wkplug_hdf5.settings import Hdf5Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, ImageInfo, Location
    from wkplug_hdf5.scenes import Scene

__all__ = ["Hdf5Image", "Hdf5Reader"]

_MAGIC = b"\x89HDF\r\n\x1a\n"
_PLACES = (0, 512, 1024, 2048)  # a block of the user's own may come first


class Hdf5Reader(ImageReader):
    """Opens HDF5 files."""

    def __init__(self, settings: Hdf5Settings | Mapping[str, Any] | None = None) -> None:
        self.follow = Hdf5Settings.of(settings).follow_external

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`."""
        del location
        found = any(head[place : place + len(_MAGIC)] == _MAGIC for place in _PLACES)
        return ProbeScore.MAGIC if found else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> Hdf5Image:
        """See `ImageReader.open`; scenes are datasets, or the setups of BigDataViewer."""
        return Hdf5Image(self, location, scene)


class Hdf5Image(StoredImage):
    """One image of an HDF5 file."""

    what = "HDF5"
    in_turns = False
    reader: Hdf5Reader

    def open_file(self) -> Any:
        """Open the file."""
        import h5py

        source = self.source()
        # Locks of the file system are for those who write; many network folders have none.
        options = {"locking": False} if isinstance(source, str) else {}
        file = h5py.File(source, "r", **options)
        self.closing.callback(file.close)
        return file

    def describe(self, file: Any) -> ImageInfo:
        """Say what the image is."""
        self._scene = self._described(file)
        return self._scene.info

    def _described(self, file: Any) -> Scene:
        """Find the images of the file, and describe the one that was asked for."""
        links, problems = split_links(file, self.location, follow=self.reader.follow)
        kind = next((kind for kind in (imaris, bdv) if kind.accepts(file)), generic)
        if problems and kind is not generic:
            raise problems[0]
        names = [*kind.scenes(file), *(generic.linked(file, links) if kind is generic else ())]
        if not names:
            if problems:
                raise problems[0]
            raise UnsupportedImageDataError(
                f"{self.location.url} holds no image: there is no dataset of numbers with two or more axes in it.",
                self.location.url,
                hint="Its groups can be looked at with h5dump or HDFView.",
            )
        check_scene(self.location, self.scene, len(names))
        described: Scene = kind.describe(file, names, self.scene, self.location, follow=self.reader.follow)
        notes = [f"{error.message} The link is left out." for error in problems]
        return attrs.evolve(
            described, info=attrs.evolve(described.info, notes=(*described.info.notes, *notes))
        )

    def read_box(self, file: Any, box: Box, level: int) -> NDArray[Any]:
        """Read a region of the datasets that it touches."""
        scene = self._scene

        def part(place: tuple[int, ...], region: tuple[slice, ...]) -> NDArray[Any]:
            name = scene.dataset(level, place)
            if name not in file:
                raise corrupt_image(self.location, self.what, f"the dataset {name} is missing")
            found = scene.arranged(opened_dataset(file, name)[region])
            if found.shape != tuple(box[1][scene.lead :]):
                text = f"the dataset {name} has other dimensions than its siblings"
                raise corrupt_image(self.location, self.what, text)
            return found

        return by_frames(box, scene.lead, self.info.dtype, part)
