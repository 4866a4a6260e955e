"""From what users paste to the places where data lie: URLs and paths in all forms, and links of viewers.

A URL may name a file of the metadata instead of the folder, say in front or behind which importer is meant
("n5://https://host/em", "https://host/em|n5:", as links of viewers write it), or be a link that names several such
URLs. What a link names was written by somebody else: it leads to no place on this machine, unless the link itself lies
here or the setting `trusted_places` says so.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import registry, storage
from wkplug.abc import LinkedLayer, Location
from wkplug.errors import (
    CorruptDataError,
    InvalidArgumentError,
    MissingError,
    UnsafePathError,
    UnsupportedOperationError,
    redacted,
)
from wkplug.filesystems.zip import unzipped
from wkplug.ops.importing.containers import inside_archive
from wkplug.properties.document import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NOTHING_LINKED", "Source", "given_text", "source_of", "sources_of"]

_LONGEST = 120
_STATE_BYTES = 16 << 20
_MOST_STATES = 3
_STEP = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_ZIP = "zip"

NOTHING_LINKED = LinkedLayer(url="")
"""What a link says of a source that no link has named."""


@attrs.frozen(kw_only=True)
class Source:
    """A place to explore. importer: who is to describe it, None to find out. linked: what a link says of it."""

    location: Location
    importer: str | None = None
    linked: LinkedLayer = NOTHING_LINKED


def given_text(place: Any) -> str:
    """What a user gave, as a text without secrets, for messages; of long links the beginning."""
    text = (
        place.url
        if isinstance(place, Location)
        else os.fspath(place)
        if isinstance(place, os.PathLike)
        else place
    )
    text = redacted(str(text))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def sources_of(place: Any) -> tuple[list[Callable[[], Source]], bool]:
    """Give what finds each source, as one that can't be found needn't be in the way of others; whether it is a link.

    CorruptDataError for a damaged link, InvalidArgumentError for one that shows no data.
    """
    linked, local = _linked(place)
    if linked is None:
        return [lambda: source_of(place)], False
    if not linked:
        raise InvalidArgumentError(
            f"The link {given_text(place)} shows no layers of voxels.",
            hint="Check the link in the viewer, or give the URL of the data itself.",
        )
    return [_finder(layer, anywhere=local) for layer in linked], True


def _finder(layer: LinkedLayer, *, anywhere: bool) -> Callable[[], Source]:
    def find() -> Source:
        found = source_of(layer.url)
        if (
            found.location.local_path() is not None
            and not anywhere
            and not storage.is_trusted(found.location)
        ):
            raise UnsafePathError(
                f"The link names {found.location.url}, which is on this machine: that is not followed.",
                hint="If you trust it, name the place in the setting trusted_places, as in "
                f"wkplug.settings(trusted_places=[{found.location.url!r}]).",
            )
        return attrs.evolve(found, linked=layer)

    return find


def _linked(place: Any) -> tuple[tuple[LinkedLayer, ...] | None, bool]:
    """The layers of a link, None if it is none; whether it lies on this machine."""
    text = os.fspath(place) if isinstance(place, os.PathLike) and not hasattr(place, "protocol") else place
    if not isinstance(text, str):
        return None, False
    found, local = registry.read_link(text), False
    if found is None and _names_a_state(text):
        location = storage.locate(text)
        found, local = registry.read_link(_state_at(location)), location.local_path() is not None
    for _ in range(_MOST_STATES):
        if not isinstance(found, str):
            return found, local
        found = registry.read_link(_state_at(storage.locate(found)))
    raise CorruptDataError("The link leads to a file that leads to another, and so on.")


def _names_a_state(text: str) -> bool:
    """Whether it may be a file with the state of a viewer: JSON, but none that belongs to data."""
    name = text.rstrip("/").rpartition("/")[2]
    return (
        name.lower().endswith(".json")
        and name not in _metadata_files()
        and "#" not in text
        and "|" not in text
    )


def _state_at(location: Location) -> str:
    try:
        return location.read(0, _STATE_BYTES).decode(errors="replace")
    except MissingError as error:
        raise MissingError(f"There is no file {location.url}.", hint="Check the link.") from error


def _metadata_files() -> frozenset[str]:
    return registry.markers() | {FILE_NAME, ".zattrs", ".zmetadata"}


def source_of(place: Any) -> Source:
    """Give the place that one URL, path or path object means; nothing is looked up but whether it is a zip archive."""
    if not isinstance(place, str):
        return Source(location=inside_archive(_folder(storage.locate(place))))
    text = place.strip()
    importer = None
    prefix = _PREFIX.fullmatch(text)
    if prefix is not None:
        importer = registry.importer_of_scheme(prefix.group(1))
        if importer is not None:
            text = prefix.group(2)
    text, *steps = text.split("|") if "://" in text or importer else [text]
    location = inside_archive(_folder(storage.locate(text.rstrip("/") if "://" in text else text)))
    for step in steps:
        location, named = _after(location, step, place)
        importer = named or importer
    return Source(location=location, importer=importer)


def _after(location: Location, step: str, place: str) -> tuple[Location, str | None]:
    """The place that a step of a chain leads to, and the importer that it names."""
    found = _STEP.fullmatch(step.strip())
    name, path = (found.group(1).lower(), found.group(2).strip("/")) if found is not None else (step, "")
    importer = registry.importer_of_scheme(name)
    if name == _ZIP:
        if location.name.lower().endswith(".zip") or not location.url.startswith("zip:"):
            location = unzipped(location, ("",))
    elif importer is None:
        raise UnsupportedOperationError(
            f"{redacted(place)!r} has the step {name!r}, which nobody here knows.",
            hint="Download what it leads to, or export it to a format of its own.",
        )
    return (location.child(*path.split("/")) if path else location), importer


def _folder(location: Location) -> Location:
    """The folder that is described, where a file of its metadata was named."""
    return location.parent if location.name in _metadata_files() else location
