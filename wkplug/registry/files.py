"""Choosing what stands around arrays: filesystems by scheme, readers, exporters and importers by file.

Readers are picked by what a file is before what it is called: magic bytes beat suffixes, longer suffixes beat
shorter ones. Only those that claim a file by one or the other are imported and asked. Two readers that are
equally sure are an error that shows the line of configuration which settles it.

First bytes and suffixes say what a file claims to be, not whether its flavour is one that a library knows. So where
nobody named a reader, those that rank below are tried in their order, catch-alls last, until one opens the file. This
is for looking at a file before anything is made of it; a failure while voxels are read is never papered over.
"""

from __future__ import annotations

import codecs
import gc
import unicodedata
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wkplug.abc.arrays import ProbeScore, Problem
from wkplug.abc.images import ImageReader
from wkplug.config import current
from wkplug.config.hints import did_you_mean, listed
from wkplug.errors import (
    ConfigError,
    ImageConversionError,
    ImageReaderMissingError,
    PluginError,
    UnknownNameError,
    UnknownSchemeError,
    UnlistableError,
    UnsupportedImageFormatError,
    WkplugError,
)
from wkplug.registry.arrays import candidates_of, matching_rules
from wkplug.registry.plugins import EXPORTER, FILESYSTEM, IMPORTER, READER, Kind
from wkplug.registry.selection import Choice, Preference, select

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from wkplug.abc.images import Image
    from wkplug.abc.locations import Location
    from wkplug.registry.manager import Registered
    from wkplug.registry.registry import Registry

__all__ = [
    "REFUSALS",
    "all_failed",
    "choose_exporter",
    "choose_filesystem",
    "choose_importer",
    "choose_reader",
    "contents_of",
    "open_with_another",
    "scheme_of",
]

_MOST_SHOWN = 40
_BYTES_SHOWN = 8
_AGAIN = "Export or download the image again, or move the file away."


# --- filesystems ------------------------------------------------------------------------------------------


def scheme_of(url: str) -> str:
    """The scheme of a URL in lower case; "" for plain paths, also those with a drive letter."""
    chained, _, _ = url.partition("::")
    scheme, separator, _ = url.partition("://")
    if separator and (chained == url or len(scheme) <= len(chained)):
        return scheme.lower() if len(scheme) > 1 and "/" not in scheme else ""
    if chained != url and chained.replace("+", "").replace("-", "").isalnum():
        return chained.lower()  # as in "simplecache::s3://bucket"
    return ""


def choose_filesystem(registry: Registry, url: str) -> Choice:
    """Choose who opens a URL, from its scheme alone. UnknownSchemeError if nobody does."""
    scheme = scheme_of(url)
    offers = [offer for offer in registry.offers(FILESYSTEM) if scheme in offer.spec.schemes]
    if not offers:
        from wkplug.registry.missing import unavailable

        every = {s for offer in registry.offers(FILESYSTEM) for s in offer.spec.schemes if s}
        raise unavailable(
            registry.manager,
            f"the URL scheme '{scheme}://'",
            "schemes",
            scheme,
            installed=every,
            unknown=UnknownSchemeError,
        )
    preference = None
    configured = current().filesystems.get(scheme)
    if configured is not None:
        source = current().source_of(("filesystems", scheme))
        preference = _listed_preference((configured,), [offer.spec.name for offer in offers], source)
    made: dict[str, Any] = {}

    def assess(offer: Registered) -> tuple[Problem, ...]:
        made[offer.spec.name] = registry.build(FILESYSTEM, offer)
        return ()

    choice = select(
        FILESYSTEM.words,
        candidates_of(registry, FILESYSTEM, offers, assess, preference),
        what=f"opening '{url}'",
        preference=preference,
        advice=lambda names: (
            f'Choose in the configuration:\n[filesystems]\n{scheme or "file"} = "{names[0]}"'
        ),
    )
    return choice._replace(winner=made[choice.name])


# --- readers ----------------------------------------------------------------------------------------------


def choose_reader(
    registry: Registry,
    location: Location,
    head: bytes,
    *,
    explicit: str | None = None,
    folder: bool = False,
    thorough: bool = False,
) -> Choice:
    """Choose who reads an image file (or folder), from its name and first bytes."""
    name = location.name.lower()
    if explicit is not None:
        preference: Preference | None = Preference(
            names=(registry.find(READER, explicit).spec.name,), source="argument"
        )
        offers = [registry.find(READER, explicit)]
    else:
        offers = [o for o in registry.offers(READER) if not folder or o.spec.directories]
        preference = _reader_preference(registry, name, location.url)
    made: dict[str, Any] = {}
    scores: dict[str, int] = {}
    claims: list[Registered] = []
    for offer in offers:
        claim = _claim(offer.spec, name, head)
        if claim > ProbeScore.NO or (preference is not None and offer.spec.name in preference.names):
            scores[offer.spec.name] = claim
            claims.append(offer)

    def assess(offer: Registered) -> tuple[Problem, ...]:
        reader: ImageReader = registry.build(READER, offer)
        made[offer.spec.name] = reader
        if explicit is not None or type(reader).probe is ImageReader.probe:
            return ()
        score = reader.probe(location, head)
        scores[offer.spec.name] = max(score, _claim(offer.spec, name, head))
        return () if score > ProbeScore.NO else (Problem(code="content", text="it is not such a file"),)

    if explicit is None:
        # Their own scores count, so all that claim the file are asked before any is ranked: but catch-alls, for
        # which any file is worth loading a heavy library, only where nobody else is sure.
        asked: list[Registered] = []
        for offer in sorted(claims, key=lambda o: o.spec.priority < 0):
            sure = any(scores[o.spec.name] >= ProbeScore.MAGIC for o in asked)
            if offer.spec.priority < 0 and sure and not thorough and not preference:
                continue
            if preference or not _refused(candidates_of(registry, READER, [offer], assess, preference)):
                asked.append(offer)
        claims = asked
        if (
            not preference
            and all(offer.spec.priority < 0 for offer in claims)
            and _is_none(offers, name, head)
        ):
            claims = []
    if not claims:
        raise _no_reader(registry, location, name, head)
    choice = select(
        READER.words,
        candidates_of(registry, READER, claims, assess, preference, scores),
        what=f"reading '{location.name}'",
        preference=preference,
        advice=lambda names: (
            f'choose once:    reader="{names[0]}"\n'
            f'choose always:  [readers] "{_suffix(name, offers)}" = {_toml(names)}   in the configuration'
        ),
        thorough=thorough,
    )
    return choice._replace(winner=made[choice.name])


_PLAIN = (".raw", ".vol")
"""What files of nothing but voxels are called, which catch-alls take for photos."""


def _is_none(offers: list[Registered], name: str, head: bytes) -> bool:
    """Whether a file that only catch-alls would take is none of theirs: its own reader has seen that it is something
    else, such as a web page, or it is plain voxels.
    """
    return (_is_known(offers, name) and bool(contents_of(head))) or name.endswith(_PLAIN)


def _is_known(offers: Iterable[Registered], name: str) -> bool:
    """Whether files of such a name have a reader of their own, beside those that try anything."""
    return any(name.endswith(offer.spec.suffixes) for offer in offers if offer.spec.priority >= 0)


def _none_of_its_name(
    registry: Registry, location: Location, head: bytes, failed: Iterable[str]
) -> WkplugError | None:
    """The error for a file that its own reader didn't take, and that catch-alls failed to open; None for others.

    What catch-alls say then is about libraries that nobody has asked for.
    """
    name = location.name.lower()
    if not _is_known(registry.offers(READER), name):
        return None
    if any(registry.find(READER, each).spec.priority >= 0 for each in failed):
        return None
    return _no_reader(registry, location, name, head)


_OTHERS = {
    b"%PDF-": "a PDF document",
    b"%!PS": "a PostScript document",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b\x08": "compressed by gzip",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ\x00": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x93NUMPY": "an array of numpy",
    b"\x7fELF": "a program",
    b"SQLite format 3\x00": "a database",
}
"""How files begin that are no images, and what they are."""


def contents_of(head: bytes) -> str:
    """Say what a file surely is that is no image, from its first bytes: "it is empty"; "" if it may be one."""
    if not head:
        return "it is empty"
    if not head.strip(b"\0"):
        return f"its first {len(head):,} bytes are zero"
    for begin, what in _OTHERS.items():
        if head.startswith(begin):
            return f"it is {what}, not an image"
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)  # which may end within a letter
    except UnicodeDecodeError:
        return ""
    if any(
        unicodedata.category(char) in ("Cc", "Cs", "Co", "Cn") and char not in "\t\n\r\f" for char in text
    ):
        return ""
    if text.lstrip().lower().startswith(("<!doctype html", "<html")):
        return "it is a web page (HTML), not an image"
    first = next(iter(text.strip().splitlines()), "")
    return f"it is text, not an image (it begins with {first[:_MOST_SHOWN]!r})"


def _refused(candidates: list[Any]) -> bool:
    return any(problem.code == "content" for each in candidates for problem in each.assess())


def _claim(spec: Any, name: str, head: bytes) -> int:
    """Score a reader by its spec alone."""
    if any(head[offset : offset + len(magic)] == magic for offset, magic in spec.magic):
        return ProbeScore.MAGIC
    longest = max((len(suffix) for suffix in spec.suffixes if name.endswith(suffix)), default=0)
    if longest:
        return ProbeScore.SUFFIX + min(longest, 9)  # a longer suffix says more
    return ProbeScore.SUFFIX - 1 if not spec.suffixes and not spec.magic else ProbeScore.NO


def _reader_preference(registry: Registry, name: str, url: str) -> Preference | None:
    names = registry.names(READER)
    for rule in matching_rules(url):
        for suffix in sorted(rule.readers, key=len, reverse=True):
            if name.endswith(suffix.lower()):
                return _listed_preference(rule.readers[suffix], names, f"rule in {rule.source}")
    settings = current()
    for suffix in sorted(settings.readers, key=len, reverse=True):
        if name.endswith(suffix.lower()):
            return _listed_preference(
                settings.readers[suffix], names, settings.source_of(("readers", suffix))
            )
    return None


def _listed_preference(preferred: tuple[str, ...], names: Any, source: str) -> Preference:
    """A configured list: those that are not installed are passed over, unless that leaves none."""
    there = tuple(name for name in preferred if name in names)
    if not there:
        guess = did_you_mean(preferred[0], names) if preferred else ""
        raise ConfigError(
            f"None of the configured {', '.join(preferred) or '(empty list)'} is installed ({source}).{guess}",
            hint=f"installed: {listed(names)}",
        )
    return Preference(names=there, source=source)


def _suffix(name: str, offers: list[Registered]) -> str:
    suffixes = [s for offer in offers for s in offer.spec.suffixes if name.endswith(s)]
    return min(suffixes, key=len, default="." + name.rpartition(".")[2])


def _toml(names: Any) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _no_reader(registry: Registry, location: Location, name: str, head: bytes) -> WkplugError:
    """The error for a file that no working reader accepts.

    The longest suffix that somebody knows counts, or else the first bytes.
    """
    from wkplug.registry.missing import candidates_for, known_magic, unavailable

    start = f"No installed reader accepts '{location.name}'."
    installed = {suffix for offer in registry.offers(READER) for suffix in offer.spec.suffixes}
    parts = name.split(".")
    for begin in range(1, len(parts)):
        suffix = "." + ".".join(parts[begin:])
        if suffix not in installed and candidates_for(registry.manager, "suffixes", suffix):
            error = unavailable(
                registry.manager,
                f"the suffix '{suffix}'",
                "suffixes",
                suffix,
                installed=installed,
                unknown=UnknownNameError,
                missing=ImageReaderMissingError,
            )
            error.message = f"{start} {error.message}"
            return error
    there = {entry for offer in registry.offers(READER) for entry in _entries(offer.spec)}
    for entry, magic in known_magic(head):
        if entry not in there:
            words = (
                magic.decode("ascii") if magic.isascii() and magic.decode("ascii").isprintable() else magic
            )
            error = unavailable(
                registry.manager,
                f"a file that starts like this one ({words!r})",
                "magic",
                entry,
                installed=installed,
                unknown=UnknownNameError,
                missing=ImageReaderMissingError,
            )
            error.message = f"{start} {error.message}"
            return error
    what = contents_of(head)
    if what and not (name.endswith(_PLAIN) and head and not head.strip(b"\0")):
        return UnsupportedImageFormatError(
            f"No installed reader accepts '{location.name}': {what}.", path=location.url, hint=_AGAIN
        )
    if name.endswith(_PLAIN):
        return UnsupportedImageFormatError(
            f"{start} It may be plain voxels, of which nothing says how they lie.",
            path=location.url,
            hint=f"For a file of nothing but voxels: wkplug convert-raw {location.name} TARGET --shape x,y,z "
            "--voxel-size x,y,z. For a photo, name the reader.",
        )
    claimed = [o.spec.name for o in registry.offers(READER) if any(name.endswith(s) for s in o.spec.suffixes)]
    if claimed:
        return UnsupportedImageFormatError(
            f"{start} Its suffix is claimed by {listed(claimed)}, but its first bytes "
            f"({head[:_BYTES_SHOWN].hex(' ')}) are not theirs.",
            path=location.url,
            hint=f"The file is damaged, or called otherwise than what it is. {_AGAIN}",
        )
    return UnsupportedImageFormatError(
        start, path=location.url, hint=f"readable suffixes: {listed(installed)}"
    )


def _entries(spec: Any) -> set[str]:
    """A reader's magic bytes as the catalogue writes them."""
    return {f"{offset}:{magic.hex()}" for offset, magic in spec.magic}


# --- another reader ---------------------------------------------------------------------------------------

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
    configured = any(ranked.preferred for ranked in every.ranking)
    refused = {failed: error}
    for ranked in every.ranking:
        if (
            ranked.name in refused
            or ranked.name in without
            or not ranked.able
            or ranked.preferred is not configured
        ):
            continue
        reader: ImageReader = registry.build(READER, registry.find(READER, ranked.name))
        with _left_open_closed():
            image = _opened(reader, location, scene)
        if isinstance(image, WkplugError):
            refused[ranked.name] = image
            continue
        return _told(every, ranked.name, reader, refused), image
    strange = _none_of_its_name(registry, location, head, refused)
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


# --- exporters and importers ------------------------------------------------------------------------------


def choose_exporter(registry: Registry, consumes: str, name: str, explicit: str | None = None) -> Choice:
    """Choose who writes what `consumes` says ("volume" or "sheet") to a file of that name; long suffixes lead."""
    mine = [offer for offer in registry.offers(EXPORTER) if offer.spec.consumes == consumes]
    suffix = max(
        (s for offer in mine for s in offer.spec.suffixes if name.lower().endswith(s)), key=len, default=""
    )
    preference = None
    if explicit is not None:
        offers = [registry.find(EXPORTER, explicit)]
        preference = Preference(names=(offers[0].spec.name,), source="argument")
        if offers[0].spec.consumes != consumes:
            raise UnknownNameError(
                f"The exporter '{explicit}' writes a {offers[0].spec.consumes}, not a {consumes}."
            )
    else:
        offers = [offer for offer in mine if suffix in offer.spec.suffixes]
    if not offers:
        from wkplug.registry.missing import unavailable

        suffix = "".join(name.lower().rpartition(".")[1:])
        raise unavailable(
            registry.manager,
            f"how to write a {consumes} as '{suffix}'",
            f"{consumes}_suffixes",
            suffix,
            installed={s for o in mine for s in o.spec.suffixes},
            unknown=UnknownNameError,
        )
    return _simple(registry, EXPORTER, offers, preference, f"writing a '{suffix}' file")


def choose_importer(registry: Registry, location: Location, explicit: str | None = None) -> Choice:
    """Choose who describes a foreign container, by its marker files, its suffix, and its importer's probe.

    UnlistableError if nobody recognises it by its files, and the place doesn't tell what is in it.
    """
    if explicit is not None:
        offer = registry.find(IMPORTER, explicit)
        return _simple(
            registry, IMPORTER, [offer], Preference(names=(offer.spec.name,), source="argument"), "importing"
        )
    made: dict[str, Any] = {}
    scores: dict[str, int] = {}
    unlistable: list[UnlistableError] = []

    def assess(offer: Registered) -> tuple[Problem, ...]:
        made[offer.spec.name] = registry.build(IMPORTER, offer)
        try:
            scores[offer.spec.name] = made[offer.spec.name].probe(location)
        except UnlistableError as error:
            # Another importer may recognise it by its files, without a list.
            unlistable.append(error)
            return (Problem(code="content", text="the place can't be listed"),)
        no = scores[offer.spec.name] <= ProbeScore.NO
        return (Problem(code="content", text="it is not such a container"),) if no else ()

    name = location.name.lower()
    claims = []
    for offer in registry.offers(IMPORTER):
        spec = offer.spec
        hints = bool(spec.markers or spec.suffixes)
        named = any(name.endswith(suffix) for suffix in spec.suffixes)
        claimed = not hints or named or any(location.child(marker).exists() for marker in spec.markers)
        if claimed and not _refused(candidates_of(registry, IMPORTER, [offer], assess, None)):
            claims.append(offer)
    if not claims and unlistable:
        raise unlistable[0]
    if not claims:
        raise UnknownNameError(
            f"No installed importer knows what '{location.url}' is.",
            hint=f"installed: {listed(registry.names(IMPORTER))}",
        )
    choice = select(
        IMPORTER.words,
        candidates_of(registry, IMPORTER, claims, assess, None, scores),
        what=f"importing '{location.url}'",
        advice=lambda names: f'Name one: importer="{names[0]}"',
    )
    return choice._replace(winner=made[choice.name])


def _simple(
    registry: Registry, kind: Kind, offers: list[Registered], preference: Preference | None, what: str
) -> Choice:
    made: dict[str, Any] = {}

    def assess(offer: Registered) -> tuple[Problem, ...]:
        made[offer.spec.name] = registry.build(kind, offer)
        return ()

    choice = select(
        kind.words,
        candidates_of(registry, kind, offers, assess, preference),
        what=what,
        preference=preference,
        advice=lambda names: f'Name one: {kind.words}="{names[0]}"',
    )
    return choice._replace(winner=made[choice.name])
