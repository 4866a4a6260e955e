"""Every reader of pims that is installed, for files that no reader of wkplug takes.

Readers are found as pims finds them: subclasses of its sequences that name the file's suffix, in the order of their
priority, until one opens the file. Its bridge to Bio-Formats is left out, because it downloads a program when it
is first used; wkplug-bioformats doesn't. Files are read from local paths only.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from wkplug.abc import ImageReader, ProbeScore, StoredImage
from wkplug.abc.files import check_scene, corrupt_image, local_path, quietly, reason_of
from wkplug.errors import PluginMissingError, UnsupportedImageFormatError
from wkplug_pims.chains import broken_chain
from wkplug_pims.frames import FramesImage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, ImageInfo, Location

__all__ = ["PimsImage", "PimsReader"]

_LEFT_OUT = ("pims.bioformats",)
_ANYTHING = (".raw", ".bin", ".dat")
"""Of photographs, says imageio, which begin like a TIFF; far more often these are voxels without a header."""


class PimsReader(ImageReader):
    """Opens whatever the installed readers of pims open."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`: goes by the suffix, as pims does; NO without pims."""
        if not head or location.local_path() is None or importlib.util.find_spec("pims") is None:
            return ProbeScore.NO
        if location.name.lower().endswith(_ANYTHING) and not head.startswith((b"II", b"MM")):
            return ProbeScore.NO
        return ProbeScore.SUFFIX if _handlers(location.name) else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> PimsImage:
        """See `ImageReader.open`; there is one scene. PluginMissingError if pims isn't installed."""
        return PimsImage(self, location, scene)


class PimsImage(StoredImage):
    """A file that a reader of pims opened."""

    what = "a file of pims"

    def open_file(self) -> FramesImage:
        """Open the file as a sequence of frames."""
        path = local_path(self.location, "pims")
        if importlib.util.find_spec("pims") is None:
            raise PluginMissingError(
                "The reader 'pims' needs pims, which is not installed.", hint="pip install pims"
            )
        check_scene(self.location, self.scene, 1)
        broken = broken_chain(path)
        if broken is not None:
            raise corrupt_image(self.location, self.what, broken)
        sequence = self._opened(path)
        self.closing.callback(lambda: sequence.close())  # some readers have nothing to close
        return FramesImage(sequence, self.location.url)

    def describe(self, file: FramesImage) -> ImageInfo:
        """Say what the frames are."""
        return file.info

    def read_box(self, file: FramesImage, box: Box, level: int) -> NDArray[Any]:
        """Read the frames that a region touches."""
        return file.read(box, level=level)

    def _opened(self, path: str) -> Any:
        handlers = _handlers(path)
        if not handlers:
            raise UnsupportedImageFormatError(
                f"No installed reader of pims takes {self.location.url}.", self.location.url,
                hint="pims chooses by the suffix; rename the file, or install the reader.",
            )  # fmt: skip
        failures = []
        # Readers that fail leave files open, some in reference cycles: closed here, without a word about each.
        with quietly():
            for handler in handlers:
                try:
                    return handler(path)
                except Exception as error:  # noqa: BLE001  # readers fail in any way; the next may open the file
                    # Further lines are about packages that might help.
                    said = reason_of(error).partition("\n")[0]
                    failures.append(f"{handler.__name__}: {said}")
            gc.collect()
        raise corrupt_image(self.location, self.what, "; ".join(dict.fromkeys(failures)))


def _handlers(name: str) -> list[Any]:
    """The classes of pims that name the suffix, the one with the highest priority first."""
    with quietly():
        pims = importlib.import_module("pims")
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    found = {
        kind
        for kind in (*_below(pims.FramesSequence), *_below(pims.FramesSequenceND))
        if suffix and kind.__module__ not in _LEFT_OUT
        if suffix in {each.lower().lstrip(".") for each in kind.class_exts()}
    }
    return sorted(found, key=lambda kind: (-getattr(kind, "class_priority", 10), kind.__qualname__))


def _below(kind: Any) -> Iterator[Any]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)
