"""Help for those who implement readers: a `Location` as the libraries of the field want it, and their errors sorted.

Libraries take a path, or an object with `read` and `seek`; they fail on damaged files in any way they like. Here a
place becomes the one or the other (elsewhere it is read by ranges, never as a whole), and what a library raises
becomes the errors that the contract promises.
"""

from __future__ import annotations

import errno
import io
import math
import os
import re
import stat
import struct
import threading
import warnings
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO

from wkplug.errors import (
    CorruptImageError,
    ForbiddenError,
    MissingError,
    PluginMissingError,
    StorageError,
    TooLargeError,
    UnsupportedImageDataError,
    UnsupportedOperationError,
    WkplugError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wkplug.abc.locations import Location

__all__ = [
    "check_dtype",
    "check_level",
    "check_scene",
    "corrupt_image",
    "held_dtype",
    "image_errors",
    "listed",
    "local_path",
    "nanometres",
    "open_file",
    "path_or_file",
    "quietly",
    "reason_of",
    "unsupported_voxels",
]

_NOT_THE_FILE = (errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT)
_BUFFER = 1 << 18  # headers are small and near each other; one request should bring many

# Units that microscopes, their software and their users write: symbols, and English names in either spelling; both
# micro signs of Unicode, the escape that ImageJ writes for one, and both signs for the angstrom. Formats that write a
# unit as a number have tables of their own.
_SPELLINGS = {
    1e-3: ("pm", "picometer"),
    0.1: ("å", "a", "angstrom"),
    1.0: ("nm", "nanometer", "nanometers", "nanometre"),
    1e3: (
        "\u00b5m", "\u03bcm", "um", r"\u00b5m", "micron", "microns", "micrometer", "micrometers", "micrometre",
    ),
    1e6: ("mm", "millimeter", "millimeters"),
    1e7: ("cm", "centimeter"),
    2.54e7: ("inch",),
    1e9: ("m", "meter"),
    1e12: ("kilometer",),
}  # fmt: skip
_FACTORS = MappingProxyType({name: factor for factor, names in _SPELLINGS.items() for name in names})

_guard = threading.Lock()
_within = 0
_kept: Any = None


@contextmanager
def quietly() -> Iterator[None]:
    """Silence the warnings of a library, which are about more than what is asked of a file; for any number of threads.

    `warnings.catch_warnings` in threads that overlap leaves the whole process silent: what the last of them puts back
    is the silence that it found. Here the first to come silences, and the last to go puts back.
    """
    global _within, _kept  # as the state of warnings is
    with _guard:
        if _within == 0:
            _kept = warnings.catch_warnings()
            _kept.__enter__()
            warnings.simplefilter("ignore")
        _within += 1
    try:
        yield
    finally:
        with _guard:
            _within -= 1
            if _within == 0:
                _kept.__exit__(None, None, None)


def open_file(location: Location, *, buffer: int = _BUFFER) -> BinaryIO:
    """Open a file for reading, as an object that can be read and sought in: a local file, or ranges of another place.

    `buffer` is how many bytes one request fetches at least; larger reads are fetched as they are asked for.
    MissingError if there is nothing. The object is not thread-safe.
    """
    path = location.local_path()
    if path is None:
        return io.BufferedReader(_Ranges(location), buffer)
    _check_is_there(location, path)
    return open(path, "rb")  # noqa: PTH123 - the caller closes it


def path_or_file(location: Location) -> str | BinaryIO:
    """Give the local path where there is one, otherwise what `open_file` gives; MissingError if there is nothing."""
    path = location.local_path()
    if path is None:
        return open_file(location)
    _check_is_there(location, path)
    return path


def local_path(location: Location, what: str) -> str:
    """Give the local path, for libraries that can't do without; `what` names the files in the message ("CZI").

    UnsupportedOperationError for places elsewhere, MissingError if there is nothing.
    """
    path = path_or_file(location) if location.local_path() is not None else None
    if not isinstance(path, str):
        raise UnsupportedOperationError(
            f"{location.url} is not on this machine, and {what} files can only be read from local paths.",
            hint="Download the file first.",
        )
    return path


def _check_is_there(location: Location, path: str) -> None:
    """Refuse what is missing, and what a library would wait for without end: pipes, sockets, devices."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - the location gives text
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingError(f"There is no file {location.url}.") from error
    except OSError:
        return  # whoever opens it tells why it can't be
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise StorageError(
            f"{location.url} could not be read: it is a pipe, a socket or a device, not a file.",
            hint="Save it as a file first.",
        )


@contextmanager
def image_errors(location: Location, what: str) -> Iterator[None]:
    """Turn whatever a library raises in the block into the contract's errors; `what` names the format ("TIFF").

    Errors of wkplug pass. A library that is not installed is PluginMissingError. No memory is TooLargeError (damaged
    headers claim anything); what the system refuses or can't do is ForbiddenError, MissingError or StorageError;
    everything else is the file's fault: CorruptImageError.
    """
    try:
        yield
    except WkplugError:
        raise
    except FileNotFoundError as error:
        raise MissingError(f"There is no file {location.url}.") from error
    except ImportError as error:
        name = error.name or "that it doesn't name"
        raise PluginMissingError(
            f"{location.url} can't be read as {what} without the library {name}, which is not installed.",
            hint=f"pip install {error.name}" if error.name else "Look into the documentation of the reader.",
        ) from error
    except PermissionError as error:
        raise ForbiddenError(f"{location.url} may not be read: {error.strerror or error}.") from error
    except MemoryError as error:
        raise TooLargeError(
            f"{location.url} asks for more memory than there is: {error or 'MemoryError'}",
            hint="Either the image is too large to be decoded at once here, or its header is damaged.",
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NOT_THE_FILE:
            raise StorageError(f"{location.url} can't be read: {error}.") from error
        raise corrupt_image(location, what, error) from error


def corrupt_image(location: Location, what: str, error: Exception | str) -> CorruptImageError:
    """Make the error of a damaged file; `error` says what is wrong with it."""
    said = error if isinstance(error, str) else reason_of(error)
    return CorruptImageError(
        f"{location.url} can't be read as {what}: {said}",
        location.url,
        hint="The file is damaged or was not written to the end; copy or export it again.",
    )


def reason_of(error: Exception) -> str:
    """What a library's error says, as a part of a sentence.

    Some raise bare keys and counts of bytes; what they advise to install is left out: it is for who calls them.
    """
    if isinstance(error, ImportError):
        return f"the library {error.name} is not installed" if error.name else "a library is not installed"
    if isinstance(error, KeyError) and error.args:
        key = str(error.args[0])
        return key if " " in key else f"it has no {key!r}"
    if isinstance(error, struct.error):
        return "it ends within a value"
    if isinstance(error, EOFError) and not str(error):
        return "it ends too early"
    advice = re.compile(r"[^.;:\n]*\b(?:pip3?|conda|mamba|apt) install\b[^;\n]*", re.IGNORECASE)
    return advice.sub("", str(error)).strip(" \n.;:,") or type(error).__name__


def check_scene(location: Location, scene: int, count: int) -> None:
    """Refuse a scene that the file doesn't have: UnsupportedImageDataError."""
    if not 0 <= scene < count:
        holds = "one image" if count == 1 else f"{count} images"
        raise UnsupportedImageDataError(
            f"{location.url} holds {holds}; number {scene} was asked for.",
            location.url,
            hint="Scenes count from 0.",
        )


def check_level(location: Location, level: int, count: int) -> None:
    """Refuse a resolution that the image doesn't have: UnsupportedImageDataError."""
    if not 0 <= level < count:
        has = "one resolution" if count == 1 else f"{count} resolutions"
        raise UnsupportedImageDataError(
            f"{location.url} has {has}; number {level} was asked for.",
            location.url,
            hint="Resolutions count from 0, the finest.",
        )


def unsupported_voxels(
    location: Location | str,
    what: str,
    hint: str = "Convert the image to integers or floats of 8 to 64 bits.",
) -> UnsupportedImageDataError:
    """Make the error of voxels that no layer can hold; `what` says what they are ("complex voxels")."""
    place = location if isinstance(location, str) else location.url
    return UnsupportedImageDataError(f"{place} has {what}, which no layer can hold.", place, hint=hint)


def check_dtype(location: Location | str, dtype: Any, what: str = "samples") -> None:
    """Refuse a type of numpy that no layer can hold (complex numbers, longer floats, texts, objects), also None.

    `what` names what has the type ("samples", "frames").
    """
    if dtype is None or dtype.kind not in "buif" or dtype.itemsize > 8:
        raise unsupported_voxels(location, f"{what} of the type {dtype}")


def held_dtype(location: Location | str, dtype: Any, what: str = "samples") -> tuple[str, tuple[str, ...]]:
    """Give the name of the type that holds all values of a file's type, and a note where it is another.

    Half floats become float32, truth values 0 and 1 of uint8; others are refused as by `check_dtype`.
    """
    check_dtype(location, dtype, what)
    name = str(dtype.newbyteorder("=").name)
    held = {"bool": "uint8", "float16": "float32"}.get(name, name)
    return held, () if held == name else (f"Values of the type {name} are {held} here; nothing is lost.",)


def listed(values: Sequence[Any], most: int) -> str:
    """List the first values, and say how many more there are: "a, b and 3 more"."""
    first = ", ".join(str(value) for value in values[:most])
    return first + (f" and {len(values) - most} more" if len(values) > most else "")


def nanometres(value: Any, unit: Any) -> float | None:
    """Give a length in nanometres; None unless it is a finite number above 0 (or the text of one) in a known unit.

    Upper and lower case are the same. What isn't known is never guessed.
    `nanometres(1, unit)` is the factor of a unit, for numbers that may be 0 or negative, such as positions.
    """
    factor = _FACTORS.get(str(unit).strip().lower())
    if factor is None:
        return None
    try:
        number = float(value) * factor
    except (OverflowError, TypeError, ValueError):
        return None
    return number if 0 < number < math.inf else None


class _Ranges(io.RawIOBase):
    """Bytes of a place, fetched as they are asked for."""

    def __init__(self, location: Location) -> None:
        super().__init__()
        self._location = location
        self._size = location.size()
        self._position = 0
        self._begin, self._block = 0, b""

    @property
    def name(self) -> str:
        """What libraries call the file."""
        return self._location.url

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed names a private type here
        data = self._fetched(self._position + len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self._fetched(self._size)

    def _fetched(self, stop: int) -> bytes:
        """The bytes up to `stop`, of what was fetched last if they are among it; small files are fetched as a whole."""
        start, stop = self._position, min(stop, self._size)
        if stop <= start:
            return b""
        if not self._begin <= start < stop <= self._begin + len(self._block):
            begin, end = (0, self._size) if self._size <= _BUFFER else (start, stop)
            found = self._location.read(begin, end)
            if len(found) > _BUFFER:
                self._position += len(found)
                return found
            self._begin, self._block = begin, found
        data = self._block[start - self._begin : stop - self._begin]
        self._position += len(data)
        return data
