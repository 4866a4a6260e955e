"""Which files an OME image lies in: a TIFF alone, several TIFFs, or TIFFs and a file of metadata (`.companion.ome`).

OME-XML names the file of each plane twice, by a UUID and by a file name. The UUID decides: files are renamed, also all
of a set. Names count where a file doesn't say who it is, or where several say that they are the same one.
Section "Sub-files" of the OME-TIFF specification 6.0.

What is found is given as OME-XML with the names as they are on this disk, which is what tifffile reads.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import PurePath
from typing import TYPE_CHECKING

import attrs
import tifffile

from wkplug.abc.files import corrupt_image, listed
from wkplug.errors import MissingError, TooLargeError, UnsupportedImageDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wkplug.abc import Location

__all__ = [
    "COMPANION",
    "OmeSet",
    "check_counts",
    "identity_of",
    "images_of",
    "is_named",
    "ome_root",
    "renamed",
    "set_of",
    "starts_like_ome",
]

COMPANION = ".companion.ome"
_MOST_XML = 1 << 28
_MOST_PLANES = 1 << 20
_MOST_NEIGHBOURS = 10_000
_TIFFS = (".tif", ".tiff", ".tf2", ".tf8", ".btf")
_IDENTITY = re.compile(r"<(?:\w+:)?OME\b[^>]*?\sUUID\s*=\s*[\"']([^\"']+)[\"']")


@attrs.frozen(kw_only=True)
class OmeSet:
    """What OME-XML says, and where it lies.

    root: its parsed form, None if there is none. text: the same for tifffile where it differs from what the TIFF itself
    has, None otherwise. main: the TIFF to open. companions: names of the other files, those of metadata included.
    """

    root: ElementTree.Element | None
    main: Location
    text: str | None = None
    companions: tuple[str, ...] = ()


def ome_root(text: str | None) -> ElementTree.Element | None:
    """Parse OME-XML; None if it is broken, or declares entities."""
    # An entity declaration is how XML is made to explode; OME has none.
    if not text or "<!ENTITY" in text or "<!DOCTYPE" in text:
        return None
    try:
        return ElementTree.fromstring(text)  # noqa: S314 - without declarations there is nothing to expand
    except ElementTree.ParseError:
        return None


def images_of(root: ElementTree.Element | None) -> list[ElementTree.Element]:
    """The images that OME-XML describes."""
    return [] if root is None else [element for element in root if is_named(element, "Image")]


def is_named(element: ElementTree.Element, name: str) -> bool:
    """Whether an element has this name, in whatever namespace."""
    return element.tag == name or element.tag.endswith("}" + name)


def starts_like_ome(head: bytes) -> bool:
    """Whether a file may hold nothing but OME-XML."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<?xml", b"<OME")) and b"<OME" in head


def set_of(location: Location, text: str | None, what: str) -> OmeSet:
    """Find the files of the image that a TIFF at `location` describes by `text`, or whose OME-XML lies there alone.

    MissingError for a file that is not there, UnsupportedImageDataError for one that isn't beside it.
    """
    companion = text is None
    if companion:
        text = _read_xml(location, what)
    root = ome_root(text)
    if root is None:
        if companion:
            raise corrupt_image(location, what, "its OME-XML is damaged")
        return OmeSet(root=None, main=location)
    own = root.get("UUID")
    more: list[str] = [location.name] if companion else []
    elsewhere = next((element for element in root if is_named(element, "BinaryOnly")), None)
    if elsewhere is not None:
        name = elsewhere.get("MetadataFile") or ""
        root = ome_root(_metadata_of(location, name, what))
        if root is None:
            raise corrupt_image(location, what, f"the OME-XML in {name} is damaged")
        more.append(name)
    members = _members(root)
    if not companion and not _others(members, location.name, own):
        return OmeSet(root=root, main=location)
    names = _found(location, members, None if companion else own, what, apart=bool(more))
    if not names:
        raise corrupt_image(location, what, "it names no file that holds its pixels")
    main = location
    if companion:
        main = location.parent.child(next(iter(names.values())))
    return _as_found(root, location, main, names, more)


def check_counts(found: OmeSet, size: int) -> None:
    """Refuse OME-XML that claims more planes than files of such a size can have: room is made for each of them."""
    for image in images_of(found.root):
        for pixels in image:
            if not is_named(pixels, "Pixels"):
                continue
            planes = math.prod(int(pixels.get(f"Size{axis}") or 1) for axis in "ZCT")
            counts = (part.get("PlaneCount") or part.get("NumPlanes") or "0" for part in pixels)
            most = max(planes, max((int(count) for count in counts), default=0))
            if most > max(_MOST_PLANES, size):
                raise TooLargeError(
                    f"{found.main.url} says that it has {most} planes, more than a file of {size} bytes can hold.",
                    hint="Its metadata are damaged; export it again.",
                )


def renamed(found: OmeSet, location: Location, identities: dict[str, str]) -> OmeSet | None:
    """Exchange files that say that they are another one of the set than their name says; None if there is none.

    identities: what each of the opened files says that it is, by the UUID that it was opened for.
    """
    wrong = {uuid for uuid, said in identities.items() if said and said != uuid}
    said = list(identities.values())
    if found.root is None or not wrong or len(set(said)) != len(said) or not set(said) <= set(identities):
        return None
    names = _members(found.root)
    own = {said: names[uuid] for uuid, said in identities.items() if uuid in names}
    if set(own) != set(names):
        return None
    return _as_found(found.root, location, found.main, own, [])


def _as_found(
    root: ElementTree.Element, location: Location, main: Location, names: dict[str, str], more: Sequence[str]
) -> OmeSet:
    """Write the names that files have into the XML."""
    changed = bool(more)
    for element in root.iter():
        if is_named(element, "UUID") and _key(element) in names:
            key = _key(element)
            changed |= (element.text, element.get("FileName")) != (key, names[key])
            element.text = key
            element.set("FileName", names[key])
    own = next((uuid for uuid, name in names.items() if name == main.name), "urn:uuid:none")
    changed |= own != root.get("UUID")
    root.set("UUID", own)
    return OmeSet(
        root=root,
        main=main,
        text=ElementTree.tostring(root, encoding="unicode") if changed else None,
        companions=tuple(sorted({*names.values(), *more} - {location.name})),
    )


def _key(element: ElementTree.Element) -> str:
    """The UUID, or the name where there is none."""
    return (element.text or "").strip() or element.get("FileName") or ""


def _members(root: ElementTree.Element) -> dict[str, str]:
    """The files that hold pages: names by UUID."""
    found: dict[str, str] = {}
    for image in images_of(root):
        for element in image.iter():
            if is_named(element, "UUID") and _key(element):
                found.setdefault(_key(element), element.get("FileName") or "")
    return found


def _others(members: dict[str, str], name: str, own: str | None) -> bool:
    """Whether pages lie in further files."""
    return any(uuid != own and listed.lower() != name.lower() for uuid, listed in members.items()) or (
        # Two files by their UUIDs, and the name of this one stands for the other.
        own in members and any(uuid != own for uuid in members)
    )


def _found(
    location: Location, members: dict[str, str], own: str | None, what: str, *, apart: bool
) -> dict[str, str]:
    """The names that the files have here, by UUID; `apart`: the metadata lie in a file of their own."""
    unsafe = [name for name in members.values() if PurePath(name).name != name or name == ".."]
    if location.local_path() is None or unsafe:
        why = f"{unsafe[0]} is not beside it" if unsafe else "this is not on a local disk"
        raise UnsupportedImageDataError(
            f"{location.url} is one of {len(members) + apart} files of one image, but {why}.",
            location.url,
            hint="Download all of them into one folder, or unpack the archive that they are in.",
        )
    folder = location.parent
    found = {uuid: name for uuid, name in members.items() if name and folder.child(name).exists()}
    here = location.name
    if own in members and members[own] != here and own is not None:
        # Its name is that of another, or of none: then it was renamed, unless the one it would be is there, too.
        named = found.get(own)
        if named is None or _identity(folder.child(named)) != own:
            found = {uuid: name for uuid, name in found.items() if name != here} | {own: here}
    missing = [uuid for uuid in members if uuid not in found]
    if missing:
        found |= _by_identity(folder, missing, set(found.values()))
        missing = [uuid for uuid in missing if uuid not in found]
    own_place = here in found.values() or apart
    if len(missing) == 1 and not own_place:
        found[missing.pop()] = here  # all others are there: it is the one that is left
    if missing:
        names = sorted(members[uuid] or uuid for uuid in missing)
        raise MissingError(
            f"{location.url} can't be read as {what}: it is one of {len(members) + apart} files of one image, "
            f"and {listed(names, 3)} {'is' if len(names) == 1 else 'are'} missing.",
            hint="Copy all files of the image into one folder.",
        )
    return {uuid: found[uuid] for uuid in members}


def _by_identity(folder: Location, wanted: list[str], taken: set[str]) -> dict[str, str]:
    """Look for renamed files by the UUID that they say they have."""
    found: dict[str, str] = {}
    names = [name for name in folder.list() if name.lower().endswith(_TIFFS) and name not in taken]
    for name in names[:_MOST_NEIGHBOURS]:
        said = _identity(folder.child(name))
        if said in wanted and said not in found:
            found[said] = name
        if len(found) == len(wanted):
            break
    return found


def identity_of(text: str | None) -> str:
    """The UUID that a TIFF's description says it has, "" if it doesn't."""
    match = _IDENTITY.search((text or "")[: 1 << 14])
    return "" if match is None else match.group(1)


def _identity(location: Location) -> str:
    try:
        return identity_of(_description(location))
    except Exception:  # noqa: BLE001 - a damaged neighbour is none of the set
        return ""


def _description(location: Location) -> str:
    path = location.local_path()
    with tifffile.TiffFile(str(path), _multifile=False) as file:
        text: str = file.pages.first.description
        return text


def _metadata_of(location: Location, name: str, what: str) -> str:
    """The OME-XML in another file, which is either nothing else or a TIFF."""
    if PurePath(name).name != name or name in ("", "..") or location.local_path() is None:
        why = "this is not on a local disk" if location.local_path() is None else f"{name} is not beside it"
        raise UnsupportedImageDataError(
            f"{location.url} has its metadata in {name}, but {why}.",
            location.url,
            hint="Download both into one folder, or unpack the archive that they are in.",
        )
    place = location.parent.child(name)
    if not place.exists():
        raise MissingError(
            f"{location.url} can't be read as {what}: its metadata are in {name}, which is missing.",
            hint="Copy all files of the image into one folder.",
        )
    return _read_xml(place, what) if starts_like_ome(place.read(0, 4096)) else _description(place)


def _read_xml(location: Location, what: str) -> str:
    if location.size() > _MOST_XML:
        raise corrupt_image(location, what, f"its OME-XML has {location.size()} bytes")
    return location.read().decode("utf-8-sig", errors="replace")
