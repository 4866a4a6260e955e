"""Choosing another reader for a file that the chosen one could not open.

First bytes and suffixes say what a file claims to be, not whether its flavour is one that a library knows. So where
nobody named a reader, those that rank below are tried in their order, catch-alls last, until one opens the file. This
is for looking at a file before anything is made of it; a failure while voxels are read is never papered over.
"""

from __future__ import annotations

import gc
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wkplug.abc.arrays import Problem
from wkplug.errors import ImageConversionError, PluginError, UnsupportedImageFormatError, WkplugError
from wkplug.registry.files import choose_reader, none_of_its_name
from wkplug.registry.plugins import READER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from wkplug.abc.images import Image, ImageReader
    from wkplug.abc.locations import Location
    from wkplug.registry.registry import Registry
    from wkplug.registry.selection import Choice

__all__ = ["REFUSALS", "all_failed", "open_with_another"]

REFUSALS = (ImageConversionError, PluginError)
"""What a reader raises for a file that it can't open, or where it lacks something; else the place is to blame."""


def open_with_another(
    registry: Registry,
    location: Location,
    head: bytes,
    failed: str,
    error: WkplugError,
    *,
    scene: int = 0,
    folder: bool = False,
    without: Collection[str] = (),
) -> tuple[Choice, Image]:
    """Open a file whose reader `failed` with `error`; give the new choice, which tells why, and the open image.

    without: readers that are not wanted. Where the configuration names readers, others are not tried. If nobody
    else is there, `error` again; if nobody opens it, an error of its type with the reasons of all.
    """
    every = choose_reader(registry, location, head, folder=folder, thorough=True)
    listed = any(ranked.preferred for ranked in every.ranking)
    refused = {failed: error}
    for ranked in every.ranking:
        if (
            ranked.name in refused
            or ranked.name in without
            or not ranked.able
            or ranked.preferred is not listed
        ):
            continue
        reader: ImageReader = registry.build(READER, registry.find(READER, ranked.name))
        with _left_open_closed():
            image = _opened(reader, location, scene)
        if isinstance(image, WkplugError):
            refused[ranked.name] = image
            continue
        return _told(every, ranked.name, reader, refused), image
    strange = none_of_its_name(registry, location, head, refused)
    if strange is not None:
        raise strange from error
    if len(refused) == 1:
        raise error
    raise all_failed(location, refused, "open") from error


def _opened(reader: ImageReader, location: Location, scene: int) -> Image | WkplugError:
    """Open a file, or give the error without the frames that it went through, which hold what they opened."""
    try:
        return reader.open(location, scene=scene)
    except REFUSALS as error:
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)


@contextmanager
def _left_open_closed() -> Iterator[None]:
    """Close, in silence, the files that libraries which gave up have left open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def _told(every: Choice, name: str, reader: ImageReader, refused: dict[str, WkplugError]) -> Choice:
    """The choice of `name`, with what the others said as the problems of theirs."""
    lines = [
        line._replace(problems=(Problem(code="open", text=refused[line.name].message),))
        if line.name in refused
        else line
        for line in every.ranking
    ]
    plugin = next(line.plugin for line in lines if line.name == name)
    return every._replace(
        name=name,
        plugin=plugin,
        winner=reader,
        ranking=tuple(sorted(lines, key=lambda line: not line.able)),
        decided_by=f"{', '.join(refused)} could not open the file",
        reasons=(
            *(f"{other} could not open the file: {error.message}" for other, error in refused.items()),
            f"{name} is chosen: it is the next that can",
        ),
    )


def all_failed(location: Location, refused: Mapping[str, WkplugError], what: str) -> WkplugError:
    """The error where several readers failed to do `what` ("open", "read"), by their names, the surest first."""
    first = next(iter(refused.values()))
    reasons = "".join(f"\n  {name}: {error.message}" for name, error in refused.items())
    message = f"None of {len(refused)} readers could {what} {location.url}:{reasons}"
    hint = first.hint or "Is the file whole? The reader of its format is named first."
    # The first was the surest about what the file is: whoever catches its type still does.
    kind = type(first) if isinstance(first, ImageConversionError) else UnsupportedImageFormatError
    return kind(message, location.url, hint=hint)
