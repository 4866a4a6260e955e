"""What layers are called: names made of any text, each of them given to one source only.

New names hold ASCII letters, digits and a few signs (see `wkplug.properties.schema`). Letters of other scripts are
spelled in these, everything else is left out. Where two sources would get one name, longer ones are tried, then
numbers; whatever was changed so that a reader may not expect it comes back as a note. Nothing here reads files.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

import attrs

from wkplug import registry
from wkplug.errors import LayerNameError
from wkplug.notices import first_of
from wkplug.ops.importing.report import ImportNote
from wkplug.registry.plugins import EXPORTER, READER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "NameSource",
    "layer_name_from",
    "part_of_name",
    "spelling_notes",
    "stem_of",
    "unique_names",
]

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_$@\-.]")

_MOST_LISTED = 5


@attrs.frozen
class NameSource:
    """A source of a layer: what messages call it, and the texts that its name may be made of, the best first.

    A slash joins the parts of a text; in names it becomes an underscore. own_name: the name by the source's own
    account, where the first text is another one already.
    """

    source: str
    texts: tuple[str, ...]
    own_name: str = ""


def layer_name_from(text: str) -> str:
    """Make a layer name of any text: what no name may hold is spelled or left out, as are dots at its ends."""
    name = part_of_name(text).strip(".")
    if not name:
        raise LayerNameError(
            f"No layer name can be made of {text!r}: it has no letter, digit or any of _ $ @ -.",
            hint="Pass layer_name=..., or a function as map_filepath_to_layer_name.",
        )
    return name


def part_of_name(text: str) -> str:
    """Spell or leave out what no layer name may hold."""
    return _NOT_IN_NAMES.sub("", _spelled(text))


def unique_names(sources: Sequence[NameSource]) -> tuple[list[str], list[ImportNote]]:
    """Give each source a name of its own, in the same order, and notes about those that may surprise."""
    candidates = [_candidate_names(source.texts) for source in sources]
    steps = [0] * len(sources)
    while True:
        names = [own_candidates[step] for own_candidates, step in zip(candidates, steps, strict=True)]
        count = Counter(names)
        movable = [
            index
            for index, name in enumerate(names)
            if count[name] > 1 and steps[index] + 1 < len(candidates[index])
        ]
        if not movable:
            break
        for index in movable:
            steps[index] += 1
    names = _numbered(names)
    return names, [*_collision_notes(sources, candidates, names), *_letter_notes(sources, candidates, names)]


def _numbered(names: list[str]) -> list[str]:
    """Number the second and further of equal names, by numbers that make no other name twice."""
    taken, given = set(names), []
    for index, own in enumerate(names):
        name, number = own, 1
        if own in names[:index]:
            while name in taken:
                number += 1
                name = f"{own}_{number}"
            taken.add(name)
        given.append(name)
    return given


def _candidate_names(texts: tuple[str, ...]) -> list[str]:
    """The names that a source may have: of its texts, then with underscores for what was left out."""
    names = [layer_name_from(text.replace("/", "_")) for text in texts]
    names.append(layer_name_from(_NOT_IN_NAMES.sub("_", _spelled(texts[-1]))))
    return list(dict.fromkeys(names))


def _collision_notes(
    sources: Sequence[NameSource], candidates: list[list[str]], names: list[str]
) -> list[ImportNote]:
    notes = []
    firsts = [own_candidates[0] for own_candidates in candidates]
    for first, number in Counter(firsts).items():
        called = [
            f"{source.source} is {name!r}"
            for source, own, name in zip(sources, firsts, names, strict=True)
            if own == first
        ]
        if number > 1:
            notes.append(
                _note(f"{number} layers would be called {first!r}, so {first_of(called, _MOST_LISTED)}")
            )
    for source, first, name in zip(sources, firsts, names, strict=True):
        if name != first and firsts.count(first) == 1:
            notes.append(
                _note(f"{source.source} is called {name!r}, because {first!r} is the name of another layer")
            )
    return notes


def _letter_notes(
    sources: Sequence[NameSource], candidates: list[list[str]], names: list[str]
) -> list[ImportNote]:
    return spelling_notes(
        (source.own_name or source.texts[0], name)
        for source, own_candidates, name in zip(sources, candidates, names, strict=True)
        if name == own_candidates[0]
    )


def spelling_notes(pairs: Iterable[tuple[str, str]]) -> list[ImportNote]:
    """Say which texts became other names; pairs: a text, and the name that was made of it."""
    called = [f"{text!r} is {name!r}" for text, name in pairs if text != name]
    if not called:
        return []
    return [
        _note(f"names of layers hold A to Z, digits and _ $ @ - . only, so {first_of(called, _MOST_LISTED)}")
    ]


def _note(text: str) -> ImportNote:
    return ImportNote(kind="named", text=text)


def stem_of(name: str) -> str:
    """Leave out the suffix of a file's name: the longest that readers or exporters know, or else the last one."""
    dot = name.find(".")
    if dot < 0:
        return name
    length = _length_of_suffix(registry.current_registry(), name[dot:].lower())
    return name[:-length] if 0 < length < len(name) else name


@lru_cache(maxsize=64)
def _length_of_suffix(installed: registry.Registry, tail: str) -> int:
    """The length of the longest known suffix that a name ends with, or else of what is behind its last dot."""
    known = installed.values(READER, "suffixes") | installed.values(EXPORTER, "suffixes")
    return max(map(len, filter(tail.endswith, known)), default=len(tail) - tail.rfind("."))


# --- spelling ---------------------------------------------------------------------------------------------


_LATIN = {"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}
_CYRILLIC = dict(
    zip(
        "абвгдежзийклмнопрстуфхцчшщъыьэюяіє",
        "a b v g d e zh z i i k l m n o p r s t u f kh ts ch sh shch  y  e yu ya i ye".split(" "),  # noqa: SIM905 - shorter
        strict=True,
    )
)


def _spelled(text: str) -> str:
    """Spell the letters of other scripts in ASCII: accents go, others get their names or their numbers."""
    if text.isascii():
        return text
    return "".join(map(_letter, unicodedata.normalize("NFKD", text)))


def _letter(char: str) -> str:
    if char.isascii() or not char.isalnum():
        return "" if unicodedata.combining(char) else char
    lower = char.lower()
    known = _LATIN.get(lower, _CYRILLIC.get(lower))
    if known is None:
        script, _, name = unicodedata.name(char, "").partition(" LETTER ")
        # The name of a Greek letter says what it is: beta. Of other scripts, it is no spelling.
        known = name.lower() if script.startswith("GREEK") and name.isalpha() else f"u{ord(char):x}"
    return known.capitalize() if char != lower else known
