"""Every reader of pims that is installed, for files that no reader of wkplug takes.

Readers are found as pims finds them: subclasses of its sequences that name the file's suffix, in the order of their
priority, until one opens the file. Its bridge to Bio-Formats is left out, because it downloads a program when it
is first used; wkplug-bioformats doesn't. Files are read from local paths only.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wkplug.abc import ImageReader, ProbeScore
from wkplug.abc.files import check_scene, corrupt_image, image_errors, local_path, quietly, reason_of
from wkplug.abc.images import PickleByReopening
from wkplug.errors import PluginMissingError, UnsupportedImageFormatError
from wkplug_pims.chains import broken_chain
from wkplug_pims.frames import FramesImage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

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


class PimsImage(PickleByReopening, FramesImage):
    """A file that a reader of pims opened; reading after `close` opens it again."""

    def __init__(self, reader: PimsReader, location: Location, scene: int = 0) -> None:
        PickleByReopening.__init__(self, reader, location, scene)
        self._opening = threading.Lock()
        self._file: Any = None
        path = local_path(location, "pims")
        if importlib.util.find_spec("pims") is None:
            raise PluginMissingError(
                "The reader 'pims' needs pims, which is not installed.", hint="pip install pims"
            )
        check_scene(location, scene, 1)
        with image_errors(location, "a file of pims"):
            broken = broken_chain(path)
        if broken is not None:
            raise corrupt_image(location, "a file of pims", broken)
        self._file = self._opened(path)
        try:
            with image_errors(location, "a file of pims"):
                FramesImage.__init__(self, self._file, location.url)
        except BaseException:
            self.close()
            raise

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
        raise corrupt_image(self.location, "a file of pims", "; ".join(dict.fromkeys(failures)))

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        with self._opening:
            if self._file is None:
                self._file = self._sequence = self._opened(local_path(self.location, "pims"))
        with image_errors(self.location, "a file of pims"):
            return super().read(box, level=level)

    def close(self) -> None:
        """See `Image.close`; reading opens the file again."""
        with self._opening:
            file, self._file, self._sequence = self._file, None, None
        if file is not None:
            with suppress(Exception):  # some readers have nothing to close and fail at it
                file.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return PickleByReopening.__reduce__(self)


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
