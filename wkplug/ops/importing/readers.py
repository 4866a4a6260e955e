"""`ImageFile`: one image file and the reader that takes it, chosen once by the file's first bytes.

Nothing is kept open here: `open` gives an image to close, `info` is read at its first use and kept. What was parsed for
it is kept too, for the last few files of an input, so that a file that is described and then read is parsed once.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from wkplug import registry
from wkplug.abc import Image
from wkplug.errors import (
    CorruptImageError,
    ImageConversionError,
    InvalidArgumentError,
    PluginError,
    UnsupportedImageFormatError,
)
from wkplug.ops.importing.report import ImportNote

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Box, ImageInfo, ImageReader, Location
    from wkplug.errors import WkplugError

__all__ = ["BIOFORMATS", "HEAD_BYTES", "ImageFile", "Source", "Wanted", "readable_suffixes"]

HEAD_BYTES = 4096
_MOST_KEPT = 4
BIOFORMATS = "bioformats"
"""The reader that `use_bioformats` is about, whichever distribution brings it."""


class Source(Protocol):
    """What a volume is made of: a file that some reader takes, or an object that has the frames already."""

    @property
    def path(self) -> str:
        """The place as text, for messages."""

    @property
    def info(self) -> ImageInfo:
        """What the header says."""

    @property
    def exact(self) -> bool:
        """Whether the names of axes and channels mean what they say, as in containers; files are less careful."""

    @property
    def notes(self) -> tuple[ImportNote, ...]:
        """What is to be told of how it was opened; those of the file itself are in `info`."""

    @property
    def category(self) -> str:
        """The category that it says, "" if it doesn't."""

    @property
    def topleft(self) -> tuple[int, int, int]:
        """Where the first voxel lies along x, y and z, in voxels."""

    def open(self) -> Image:
        """Open the image, to be closed by the caller."""

    def signature(self) -> str:
        """A text that changes when the contents do, as far as that is seen without reading them."""


class Closed:
    """The images that were closed last, by their files; for those that open again without parsing. Thread-safe.

    Only a few, whatever the number of files: those of a stack are small, and come one after the other.
    """

    def __init__(self) -> None:
        self._images: OrderedDict[str, Image] = OrderedDict()
        self._guard = threading.Lock()

    def put(self, path: str, image: Image) -> None:
        """Keep a closed image, if that is of use."""
        if not image.reopens:
            return
        with self._guard:
            self._images[path] = image
            while len(self._images) > _MOST_KEPT:
                self._images.popitem(last=False)

    def take(self, path: str) -> Image | None:
        """Give the image of a file away, if there is one."""
        with self._guard:
            return self._images.pop(path, None)


class Wanted:
    """Which reader is wanted: any, the one of a name, or any but Bio-Formats; and which scene, see `scenes`.

    sampled: of a long series of files, only a few are opened; for plans that are shown and not executed. closed: shared
    by all files that are chosen with it.
    """

    def __init__(
        self,
        reader: str | None = None,
        *,
        use_bioformats: bool | None = None,
        scene: int | str | None = None,
        sampled: bool = False,
    ) -> None:
        if use_bioformats is not None and reader is not None and use_bioformats != (reader == BIOFORMATS):
            raise InvalidArgumentError(
                f"reader is {reader!r}, and use_bioformats is {use_bioformats}: these contradict each other.",
                hint="Give one of them.",
            )
        self.scene = scene
        self.sampled = sampled
        self.name = reader if reader is not None or not use_bioformats else BIOFORMATS
        self.no_bioformats = use_bioformats is False
        self.closed = Closed()

    @property
    def without(self) -> tuple[str, ...]:
        """The readers that are not to be taken."""
        return (BIOFORMATS,) if self.no_bioformats else ()

    def check(self, name: str, location: Location) -> None:
        """Refuse Bio-Formats if it was the only one to take a file, and isn't wanted."""
        if self.no_bioformats and name == BIOFORMATS:
            raise UnsupportedImageFormatError(
                f"Only Bio-Formats reads {location.url}, and use_bioformats is False.",
                location.url,
                hint="Leave use_bioformats out, or convert the file to another format.",
            )


class ImageFile:
    """One image of a file that some reader accepts; pickles as its place, the reader's name and the scene."""

    exact = False
    category = ""
    topleft = (0, 0, 0)
    notes: tuple[ImportNote, ...] = ()

    def __init__(
        self, location: Location, reader: ImageReader, reader_name: str, closed: Closed | None = None
    ) -> None:
        self.location = location
        self.reader_name = reader_name
        self._reader = reader
        self._closed = Closed() if closed is None else closed
        self._wanted = Wanted(reader_name)
        self.scene = 0
        self._shown = location.url
        self._refused: dict[str, WkplugError] = {}  # surer readers, which couldn't open it

    @classmethod
    def choose(cls, location: Location, reader: str | Wanted | None = None, scene: int = 0) -> ImageFile:
        """Find the reader by the file's first bytes, or take the one that is named.

        UnsupportedImageFormatError if no reader takes it, with the plugin to install where one is known;
        MissingError, ForbiddenError or StorageError if the file can't be read.
        """
        wanted = reader if isinstance(reader, Wanted) else Wanted(reader)
        choice = registry.choose_reader(location, location.read(0, HEAD_BYTES), explicit=wanted.name)
        wanted.check(choice.name, location)
        file = cls(location, choice.winner, choice.name, wanted.closed)
        file._wanted = wanted
        return file if scene == 0 else file.of_scene(scene)

    def of_scene(self, scene: int) -> ImageFile:
        """An image of the same file by its number in `info.scenes`, of which messages say which one it is."""
        file = ImageFile(self.location, self._reader, self.reader_name, self._closed)
        file.scene, file.notes, file._wanted = scene, self.notes, self._wanted
        file._refused = self._refused
        names = self.info.scenes
        name = names[scene].replace("/", "_") if scene < len(names) else ""
        alone = name and names.count(names[scene]) == 1
        file._shown = f"{self.location.url}, scene {name if alone else f'{name} ({scene})'.strip()}"
        if scene == self.scene:
            file.__dict__["info"] = self.info  # known already
        return file

    def like(self, location: Location) -> ImageFile:
        """Another file that is taken to be like this one, without a look at it."""
        file = ImageFile(location, self._reader, self.reader_name, self._closed)
        file._wanted, file._refused = self._wanted, self._refused
        file.__dict__["info"] = self.info
        return file

    @property
    def path(self) -> str:
        """See `Source.path`; of a scene that was chosen, which one it is, too."""
        return self._shown

    @property
    def places(self) -> tuple[Location, ...]:
        """All files of the image, this one first."""
        folder = self.location.parent
        return (self.location, *(folder.child(name) for name in self.info.companions))

    @cached_property
    def info(self) -> ImageInfo:
        """What the file's header says; CorruptImageError if it is damaged.

        Where no reader was named and the chosen one can't open the file, the next that can takes its place.
        """
        try:
            image = self.open()
        except (ImageConversionError, PluginError) as error:
            image = self._open_with_another(error)
        self.close(image)
        return image.info

    def open(self) -> Image:
        """See `Source.open`; one that was closed by `close` opens its file when it is read."""
        image = self._closed.take(self.path)
        try:
            image = self._reader.open(self.location, scene=self.scene) if image is None else image
        except ImageConversionError as error:
            if not self._refused:
                raise
            raise self.failed(error) from error
        return _SecondChoice(image, self) if self._refused else image

    def failed(self, error: WkplugError) -> WkplugError:
        """The error of a file that the reader couldn't read which took over: with what surer ones said of it."""
        refused = {**self._refused, self.reader_name: error}
        return registry.all_readers_failed(self.location, refused, "read")

    def _open_with_another(self, error: WkplugError) -> Image:
        if self._wanted.name is not None:
            raise error
        head, without = self.location.read(0, HEAD_BYTES), self._wanted.without
        choice, image = registry.open_with_another_reader(
            self.location, head, self.reader_name, error, scene=self.scene, without=without
        )
        # Without the file's name, so that the same of many files is told once.
        why = error.message.replace(self.location.url, "it").replace(self.location.name, "it").rstrip(".")
        text = f"the reader {self.reader_name} can't open it, so {choice.name} took over ({why})"
        self.notes = (ImportNote(kind="took over", text=text, sources=(self.path,)),)
        kind = CorruptImageError if isinstance(error, CorruptImageError) else UnsupportedImageFormatError
        self._refused = {self.reader_name: kind(error.message, self.path, hint=error.hint)}
        for line in choice.ranking:
            for problem in line.problems or ():
                if problem.code == "open" and line.name != self.reader_name:
                    self._refused[line.name] = UnsupportedImageFormatError(problem.text, self.path)
        self._reader, self.reader_name = choice.winner, choice.name
        return image

    def close(self, image: Image) -> None:
        """Close an image that `open` gave, so that it may be given again."""
        if isinstance(image, _SecondChoice):
            image = image.image
        image.close()
        self._closed.put(self.path, image)

    def signature(self) -> str:
        """See `Source.signature`: the size, and the time of the last change where the system tells it."""
        path = self.location.local_path()
        if path is None:
            return str(self.location.size())
        facts = os.stat(path)  # noqa: PTH116 - plain text, once per section
        return f"{facts.st_size}-{facts.st_mtime_ns}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (ImageFile.choose, (self.location, self.reader_name, self.scene), {"_refused": self._refused})


class _SecondChoice(Image):
    """An image of a reader that took over from a surer one, which may have seen why its voxels can't be read."""

    def __init__(self, image: Image, file: ImageFile) -> None:
        self.image, self._file = image, file
        self.info, self.thread_safe = image.info, image.thread_safe

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        try:
            return self.image.read(box, level=level)
        except ImageConversionError as error:
            raise self._file.failed(error) from error

    def close(self) -> None:
        """See `Image.close`."""
        self.image.close()


def readable_suffixes() -> tuple[str, ...]:
    """The suffixes that the installed readers claim, sorted."""
    offers = registry.get_manager().collect("wkplug_image_readers")
    return tuple(sorted({suffix for offer in offers for suffix in offer.spec.suffixes}))
