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

from wkplug.abc.arrays import ProbeScore
from wkplug.abc.images import ImageReader
from wkplug.abc.locations import Filesystem, Location
from wkplug.abc.problems import Problem
from wkplug.config import current
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
from wkplug.notices import did_you_mean, listed
from wkplug.registry.arrays import matching_rules
from wkplug.registry.missing import candidates_for, known_magic, unavailable
from wkplug.registry.plugins import BACKEND, EXPORTER, FILESYSTEM, IMPORTER, READER, REMOTE
from wkplug.registry.registry import current_registry, once
from wkplug.registry.selection import Choice, Preference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from wkplug.abc import Exporter, Image, Importer, LinkedLayer
    from wkplug.registry.manager import Registered

__all__ = [
    "all_readers_failed",
    "choose_exporter",
    "choose_filesystem",
    "choose_importer",
    "choose_reader",
    "contents_of",
    "exporter",
    "importer",
    "importer_of_scheme",
    "markers",
    "open_with_another_reader",
    "place",
    "read_link",
    "schemes",
]

_MOST_SHOWN = 40
_BYTES_SHOWN = 8
_AGAIN = "Export or download the image again, or move the file away."


# --- filesystems ------------------------------------------------------------------------------------------


def place(url: str, *, options: Mapping[str, Any] | None = None) -> Location:
    """Open the place at a URL, or at a plain path, by the filesystem for it, as it is asked for by `options`.

    UnknownSchemeError if there is none for its scheme; of several, the first in rank that has no problem.
    """
    # Every place of a dataset comes through here: who takes whatever comes is kept, by scheme and settings.
    registry, settings, scheme = current_registry(), current(), _scheme_of(url)
    last = registry.last_filesystems.get(scheme)
    if last is not None and last[0] is settings:
        kept: Location = last[1].location(url, options=options or None)
        return kept
    opened: dict[str, Location] = {}

    def ask(offer: Registered) -> Iterable[Problem]:
        found = registry.build(FILESYSTEM, offer).attempt(url, options=options or None)
        if not isinstance(found, Location):
            return found
        opened[offer.spec.name] = found
        return ()

    choice = _choose_filesystem(url, ask)
    if type(choice.winner).problems is Filesystem.problems and all(ranked.able for ranked in choice.ranking):
        registry.last_filesystems[scheme] = (settings, choice.winner)
    return opened[choice.name]


def schemes() -> frozenset[str]:
    """Give all URL schemes that an installed filesystem says to open, in lower case."""
    return current_registry().values(FILESYSTEM, "schemes") - {""}


def markers() -> frozenset[str]:
    """Give the names of all files that say of a folder that it is an array or a container some plugin reads."""
    registry = current_registry()
    return registry.values(BACKEND, "markers") | registry.values(IMPORTER, "markers")


def _scheme_of(url: str) -> str:
    """The scheme of a URL in lower case; "" for plain paths, also those with a drive letter."""
    chained, _, _ = url.partition("::")
    scheme, separator, _ = url.partition("://")
    if separator and (chained == url or len(scheme) <= len(chained)):
        return scheme.lower() if len(scheme) > 1 and "/" not in scheme else ""
    if chained != url and chained.replace("+", "").replace("-", "").isalnum():
        return chained.lower()  # as in "simplecache::s3://bucket"
    return ""


def choose_filesystem(
    url: str, *, options: Mapping[str, Any] | None = None, thorough: bool = False
) -> Choice:
    """Choose who opens a URL; the choice's `winner` is the Filesystem. UnknownSchemeError if nobody does.

    thorough: ask all, to explain the choice.
    """

    def ask(offer: Registered) -> tuple[Problem, ...]:
        return tuple(current_registry().build(FILESYSTEM, offer).problems(url, options=options))

    return _choose_filesystem(url, ask, thorough=thorough)


def _choose_filesystem(
    url: str, ask: Callable[[Registered], Iterable[Problem]], *, thorough: bool = False
) -> Choice:
    scheme = _scheme_of(url)
    registry = current_registry()
    offers = [offer for offer in registry.offers(FILESYSTEM) if scheme in offer.spec.schemes]
    if not offers:
        service = next(
            (each.spec.name for each in registry.offers(REMOTE) if scheme in each.spec.schemes), None
        )
        if service is not None:
            raise UnknownSchemeError(
                f"{url} is a dataset of the service '{service}', which keeps no files.",
                hint="Dataset.open and all commands open it; new datasets and files need a folder or an object store.",
            )
        raise unavailable(
            registry.manager,
            f"the URL scheme '{scheme}://'",
            "schemes",
            scheme,
            installed=schemes(),
            unknown=UnknownSchemeError,
        )
    preference = None
    configured = current().filesystems.get(scheme)
    if configured is not None:
        names = [offer.spec.name for offer in offers]
        # As with array backends, the implementation alone is enough.
        full = next((name for name in names if name.partition("+")[2] == configured), configured)
        source = current().source_of(("filesystems", scheme))
        preference = _listed_preference((configured if configured in names else full,), names, source)
    return registry.choose(
        FILESYSTEM,
        offers,
        what=f"opening '{url}'",
        preference=preference,
        ask=ask,
        advice=lambda names: (
            f'Choose in the configuration:\n[filesystems]\n{scheme or "file"} = "{names[0]}"'
        ),
        thorough=thorough,
    )


# --- readers ----------------------------------------------------------------------------------------------


def choose_reader(
    location: Location,
    head: bytes,
    *,
    explicit: str | None = None,
    folder: bool = False,
    thorough: bool = False,
) -> Choice:
    """Choose who reads an image, from its name and its first 4,096 bytes; `winner` is the ImageReader.

    folder: it is a folder, so only readers that take folders count.

    UnsupportedImageFormatError if nobody accepts it, ImageReaderMissingError if a plugin that isn't installed
    would; AmbiguousChoiceError if two are equally sure.
    """
    registry, name = current_registry(), location.name.lower()
    preference: Preference | None
    if explicit is not None:
        offers, preference = registry.named(READER, explicit)
    else:
        offers = [o for o in registry.offers(READER) if not folder or o.spec.directories]
        preference = _reader_preference(name, location.url)
    scores: dict[str, int] = {}
    claims: list[Registered] = []
    for offer in offers:
        claim = _claim(offer.spec, name, head)
        if claim > ProbeScore.NO or (preference is not None and offer.spec.name in preference.names):
            scores[offer.spec.name] = claim
            claims.append(offer)

    @once
    def ask(offer: Registered) -> tuple[Problem, ...]:
        reader = registry.build(READER, offer)
        if explicit is not None or type(reader).probe is ImageReader.probe:
            return ()
        score = reader.probe(location, head)
        scores[offer.spec.name] = max(score, _claim(offer.spec, name, head))
        return () if score > ProbeScore.NO else (Problem(code="content", text="it is not such a file"),)

    if preference is None:
        # Their own scores count, so all that claim the file are asked before any is ranked: but catch-alls, for
        # which any file is worth loading a heavy library, only where nobody else is sure.
        asked: list[Registered] = []
        for offer in sorted(claims, key=lambda o: o.spec.priority < 0):
            sure = any(scores[o.spec.name] >= ProbeScore.MAGIC for o in asked)
            if offer.spec.priority < 0 and sure and not thorough:
                continue
            if not _is_refused(registry.problems(READER, offer, ask)):
                asked.append(offer)
        claims = asked
        if all(offer.spec.priority < 0 for offer in claims) and _is_no_image(offers, name, head):
            claims = []
    if not claims:
        raise _no_reader(location, name, head)
    return registry.choose(
        READER,
        claims,
        what=f"reading '{location.name}'",
        preference=preference,
        ask=ask,
        scores=scores,
        advice=lambda names: (
            f'choose once:    reader="{names[0]}"\n'
            f'choose always:  [readers] "{_suffix(name, offers)}" = {_toml(names)}   in the configuration'
        ),
        thorough=thorough,
    )


_PLAIN = (".raw", ".vol")
"""What files of nothing but voxels are called, which catch-alls take for photos."""


def _is_no_image(offers: list[Registered], name: str, head: bytes) -> bool:
    """Whether a file that only catch-alls would take is none of theirs: its own reader has seen that it is something
    else, such as a web page, or it is plain voxels.
    """
    return (_has_own_reader(offers, name) and bool(contents_of(head))) or name.endswith(_PLAIN)


def _has_own_reader(offers: Iterable[Registered], name: str) -> bool:
    """Whether files of such a name have a reader of their own, beside those that try anything."""
    return any(name.endswith(offer.spec.suffixes) for offer in offers if offer.spec.priority >= 0)


def _refused_by_its_own(location: Location, head: bytes, failed: Iterable[str]) -> WkplugError | None:
    """The error for a file that its own reader didn't take, and that catch-alls failed to open; None for others.

    What catch-alls say then is about libraries that nobody has asked for.
    """
    registry, name = current_registry(), location.name.lower()
    if not _has_own_reader(registry.offers(READER), name):
        return None
    if any(registry.find(READER, each).spec.priority >= 0 for each in failed):
        return None
    return _no_reader(location, name, head)


_NO_IMAGES = {
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
    for begin, what in _NO_IMAGES.items():
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


def _is_refused(problems: Iterable[Problem]) -> bool:
    return any(problem.code == "content" for problem in problems)


def _claim(spec: Any, name: str, head: bytes) -> int:
    """Score a reader by its spec alone."""
    if any(head[offset : offset + len(magic)] == magic for offset, magic in spec.magic):
        return ProbeScore.MAGIC
    longest = max((len(suffix) for suffix in spec.suffixes if name.endswith(suffix)), default=0)
    if longest:
        return ProbeScore.SUFFIX + min(longest, 9)  # a longer suffix says more
    return ProbeScore.SUFFIX - 1 if not spec.suffixes and not spec.magic else ProbeScore.NO


def _reader_preference(name: str, url: str) -> Preference | None:
    names, settings = current_registry().names(READER), current()
    tables = [(rule.readers, f"rule in {rule.source}") for rule in matching_rules(url)]
    for table, source in (*tables, (settings.readers, None)):
        for suffix in sorted(table, key=len, reverse=True):
            if name.endswith(suffix.lower()):
                return _listed_preference(
                    table[suffix], names, source or settings.source_of(("readers", suffix))
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


def _no_reader(location: Location, name: str, head: bytes) -> WkplugError:
    """The error for a file that no working reader accepts.

    The longest suffix that somebody knows counts, or else the first bytes.
    """
    registry = current_registry()
    start = f"No installed reader accepts '{location.name}'."
    installed = registry.values(READER, "suffixes")

    def elsewhere(what: str, key: str, entry: str) -> WkplugError:
        error = unavailable(
            registry.manager,
            what,
            key,
            entry,
            installed=installed,
            unknown=UnknownNameError,
            missing=ImageReaderMissingError,
        )
        error.message = f"{start} {error.message}"
        return error

    parts = name.split(".")
    for begin in range(1, len(parts)):
        suffix = "." + ".".join(parts[begin:])
        if suffix not in installed and candidates_for(registry.manager, "suffixes", suffix):
            return elsewhere(f"the suffix '{suffix}'", "suffixes", suffix)
    there = {f"{offset}:{magic.hex()}" for offset, magic in registry.values(READER, "magic")}
    for entry, magic in known_magic(head):
        if entry not in there:
            words = (
                magic.decode("ascii") if magic.isascii() and magic.decode("ascii").isprintable() else magic
            )
            return elsewhere(f"a file that starts like this one ({words!r})", "magic", entry)
    what = contents_of(head)
    if what and not (name.endswith(_PLAIN) and head and not head.strip(b"\0")):
        return UnsupportedImageFormatError(f"{start[:-1]}: {what}.", path=location.url, hint=_AGAIN)
    if name.endswith(_PLAIN):
        return UnsupportedImageFormatError(
            f"{start} It may be plain voxels, of which nothing says how they lie.",
            path=location.url,
            hint=f"For a file of nothing but voxels: wkplug convert-raw {location.name} TARGET --shape x,y,z "
            "--voxel-size x,y,z. For a photo, name the reader.",
        )
    claimed = [offer.spec.name for offer in registry.offers(READER) if name.endswith(offer.spec.suffixes)]
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


# --- another reader ---------------------------------------------------------------------------------------

_REFUSALS = (ImageConversionError, PluginError)
"""What a reader raises for a file that it can't open, or where it lacks something; else the place is to blame."""


def open_with_another_reader(
    location: Location,
    head: bytes,
    failed: str,
    error: WkplugError,
    *,
    scene: int = 0,
    folder: bool = False,
    without: Collection[str] = (),
) -> tuple[Choice, Image]:
    """Open an image whose automatically chosen reader `failed` with `error`, before anything was made of it.

    The new choice tells why it fell on another reader. If no other reader is there, `error` is raised; if none of
    them opens the file, an error of its type that names all with their reasons. without: readers not to try.
    """
    registry = current_registry()
    every = choose_reader(location, head, folder=folder, thorough=True)
    configured = any(ranked.preferred for ranked in every.ranking)
    refused = {failed: error}
    for ranked in every.ranking:
        if ranked.name in (*refused, *without) or not ranked.able or ranked.preferred is not configured:
            continue
        reader = registry.get(READER, ranked.name)
        with _left_open_closed():
            image = _opened(reader, location, scene)
        if isinstance(image, WkplugError):
            refused[ranked.name] = image
            continue
        return every.fallback(ranked.name, reader, refused), image
    own = _refused_by_its_own(location, head, refused)
    if own is not None:
        raise own from error
    if len(refused) == 1:
        raise error
    raise all_readers_failed(location, refused, "open") from error


def _opened(reader: ImageReader, location: Location, scene: int) -> Image | WkplugError:
    """Open a file, or give the error without the frames that it went through, which hold what they opened."""
    try:
        return reader.open(location, scene=scene)
    except _REFUSALS as error:
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)


@contextmanager
def _left_open_closed() -> Iterator[None]:
    """Close, in silence, the files that libraries which gave up have left open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def all_readers_failed(location: Location, refused: Mapping[str, WkplugError], what: str) -> WkplugError:
    """Make the error where several readers failed to do `what` ("read"), by their names, the surest first."""
    first = next(iter(refused.values()))
    reasons = "".join(f"\n  {name}: {error.message}" for name, error in refused.items())
    message = f"None of {len(refused)} readers could {what} {location.url}:{reasons}"
    hint = first.hint or "Is the file whole? The reader of its format is named first."
    # The first was the surest about what the file is: whoever catches its type still does.
    kind = type(first) if isinstance(first, ImageConversionError) else UnsupportedImageFormatError
    return kind(message, location.url, hint=hint)


# --- exporters and importers ------------------------------------------------------------------------------


def exporter(name: str) -> Exporter:
    """Give the exporter of that name."""
    return current_registry().get(EXPORTER, name)


def choose_exporter(consumes: str, name: str, explicit: str | None = None) -> Choice:
    """Choose who writes a "volume" or a "sheet" to a file of that name ("a.png"); `winner` is the Exporter."""
    registry = current_registry()
    suited = [offer for offer in registry.offers(EXPORTER) if offer.spec.consumes == consumes]
    suffix = max(
        (s for offer in suited for s in offer.spec.suffixes if name.lower().endswith(s)), key=len, default=""
    )
    preference = None
    if explicit is not None:
        offers, preference = registry.named(EXPORTER, explicit)
        if offers[0].spec.consumes != consumes:
            raise UnknownNameError(
                f"The exporter '{explicit}' writes a {offers[0].spec.consumes}, not a {consumes}."
            )
    else:
        offers = [offer for offer in suited if suffix in offer.spec.suffixes]
    if not offers:
        suffix = "".join(name.lower().rpartition(".")[1:])
        raise unavailable(
            registry.manager,
            f"how to write a {consumes} as '{suffix}'",
            f"{consumes}_suffixes",
            suffix,
            installed={s for o in suited for s in o.spec.suffixes},
            unknown=UnknownNameError,
        )
    return registry.choose(EXPORTER, offers, what=f"writing a '{suffix}' file", preference=preference)


def importer(name: str) -> Importer:
    """Give the importer of that name."""
    return current_registry().get(IMPORTER, name)


def importer_of_scheme(scheme: str) -> str | None:
    """Give the name of the importer that viewers' links call so, None if there is none."""
    return next(
        (
            offer.spec.name
            for offer in current_registry().offers(IMPORTER)
            if scheme.lower() in offer.spec.schemes
        ),
        None,
    )


def read_link(text: str) -> tuple[LinkedLayer, ...] | str | None:
    """Read a viewer's link, see `Importer.linked`; None if no importer takes the text for one."""
    registry = current_registry()
    for offer in registry.offers(IMPORTER):
        if any(mark in text for mark in offer.spec.link_marks):
            reader: Importer = registry.build(IMPORTER, offer)
            found = reader.linked(text)
            if found is not None:
                return found
    return None


def _is_named(offer: Registered) -> bool:
    """Whether an importer names marker files or suffixes."""
    return bool(offer.spec.markers or offer.spec.suffixes)


def choose_importer(location: Location, explicit: str | None = None) -> Choice:
    """Choose who describes the foreign container at `location`; `winner` is the Importer.

    Its marker files, its suffix and the importers' probes count; importers that name neither, and look through all
    files, are asked where no other is certain. UnlistableError if nobody recognises it by its files, and the place
    doesn't tell what is in it.
    """
    registry = current_registry()
    if explicit is not None:
        offers, preference = registry.named(IMPORTER, explicit)
        return registry.choose(IMPORTER, offers, what="importing", preference=preference)
    scores: dict[str, int] = {}
    unlistable: list[UnlistableError] = []

    @once
    def ask(offer: Registered) -> tuple[Problem, ...]:
        try:
            score = scores[offer.spec.name] = registry.build(IMPORTER, offer).probe(location)
        except UnlistableError as error:
            # Another importer may recognise it by its files, without a list.
            unlistable.append(error)
            return (Problem(code="content", text="the place can't be listed"),)
        return () if score > ProbeScore.NO else (Problem(code="content", text="it is not such a container"),)

    name = location.name.lower()
    claims = []
    for offer in sorted(registry.offers(IMPORTER), key=lambda offer: not _is_named(offer)):
        spec = offer.spec
        claimed = (
            name.endswith(spec.suffixes) or any(location.child(marker).exists() for marker in spec.markers)
            if _is_named(offer)
            else max(scores.values(), default=0) < ProbeScore.CERTAIN
        )
        if claimed and not _is_refused(registry.problems(IMPORTER, offer, ask)):
            claims.append(offer)
    if not claims and unlistable:
        raise unlistable[0]
    if not claims:
        raise UnknownNameError(
            f"No installed importer knows what '{location.url}' is.",
            hint=f"installed: {listed(registry.names(IMPORTER))}",
        )
    return registry.choose(
        IMPORTER,
        claims,
        what=f"importing '{location.url}'",
        ask=ask,
        scores=scores,
    )
