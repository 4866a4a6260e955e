"""`ImportReport`: what an import left out, filled, guessed, converted or moved, and what its sources say of themselves.

Everything that is not in the layers as it is in the files is a note: a sentence with numbers, the layers and the
files that it is about. The same sentence about 3,000 files is one note with a count. Planning makes the notes from
headers alone, writing adds what only voxels show. `wkplug convert` prints them, `--dry-run` beforehand; in Python
they are `Dataset.import_report`, and what was lost or guessed is a warning, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from wkplug.notices import counted, first_of, warn_user

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ImportNote", "ImportReport", "Kind"]

Kind: TypeAlias = Literal[
    "said", "left out", "filled", "guessed", "cast", "turned", "moved", "named", "took over", "differs", "found"
]  # fmt: skip
"""said: by the source itself, in its own words. left out: voxels, files or facts that no layer gets. filled: zeros
where the sources have nothing. guessed: nobody says it. cast: values of another dtype. turned, moved: it lies another
way, or elsewhere, than the source says. named: the layer is called otherwise than its source. took over: another
reader than the surest one. differs: the sources contradict each other, or the dataset. found: seen in the voxels."""

_LOST: frozenset[str] = frozenset({"left out", "filled", "guessed", "took over", "differs"})

_NAMED = 3


@attrs.frozen(kw_only=True)
class ImportNote:
    """One thing that whoever imports should know.

    text: a sentence, without the names of layers and files. layers: those that it is about, empty for the import as a
    whole. sources: the first few files of which it is true; count: of how many it is. lost: whether something was
    lost or guessed, so that Python warns.
    """

    kind: Kind
    text: str
    layers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    count: int = attrs.field(default=attrs.Factory(lambda self: len(self.sources), takes_self=True))
    lost: bool = attrs.field(default=attrs.Factory(lambda self: self.kind in _LOST, takes_self=True))

    def __str__(self) -> str:
        """Give the sentence with what it is about."""
        about = f"{first_of(self.layers, _NAMED)}: " if self.layers else ""
        text = self.text.strip().removesuffix(".")
        names = [_short(source) for source in self.sources]
        if not names or (self.count == 1 and names[0] in (*self.layers, text)):
            return f"{about}{text}."
        files = f"{counted(self.count, 'file')}: " if self.count > 1 else ""
        return f"{about}{text} ({files}{first_of(names, _NAMED, self.count)})."

    def to_json(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        return attrs.asdict(self)


def _short(source: str) -> str:
    """The end of a path that says something: "s1.tif", "brain.zarr/0"."""
    parts = source.rstrip("/").split("/")
    return parts[-1] if "." in parts[-1] else "/".join(parts[-2:])


@attrs.frozen
class ImportReport:
    """All notes of an import, each once, in the order in which they came up."""

    notes: tuple[ImportNote, ...] = ()

    @classmethod
    def of(cls, notes: Iterable[ImportNote]) -> ImportReport:
        """Make one note of those that say the same of several layers or files."""
        together: dict[tuple[str, str, bool], list[ImportNote]] = {}
        for note in notes:
            together.setdefault((note.kind, note.text, note.lost), []).append(note)
        return cls(tuple(map(_merged, together.values())))

    def with_notes(self, notes: Iterable[ImportNote]) -> ImportReport:
        """The same with more notes."""
        return ImportReport.of((*self.notes, *notes))

    def added_since(self, earlier: ImportReport) -> ImportReport:
        """The notes that the earlier one doesn't have."""
        return ImportReport(tuple(note for note in self.notes if note not in earlier.notes))

    def about(self, layer: str) -> tuple[ImportNote, ...]:
        """The notes about one layer."""
        return tuple(note for note in self.notes if layer in note.layers)

    def warn(self) -> None:
        """Warn of what was lost or guessed, at the line of the caller who is outside of this package."""
        for note in self.notes:
            if note.lost:
                warn_user(f"[WARNING] {note}", UserWarning)

    def to_json(self) -> list[dict[str, Any]]:
        """Give the notes as JSON values."""
        return [note.to_json() for note in self.notes]

    def __str__(self) -> str:
        """Give a line for each note."""
        return "\n".join(map(str, self.notes))


def _merged(notes: list[ImportNote]) -> ImportNote:
    first = notes[0]
    if len(notes) == 1:
        return first
    layers = dict.fromkeys(layer for note in notes for layer in note.layers)
    # Several layers may be made of one file, of which it is true once.
    known = dict.fromkeys(source for note in notes for source in note.sources)
    unnamed = sum(note.count - len(note.sources) for note in notes)
    return attrs.evolve(
        first, layers=tuple(layers), sources=tuple(known)[:_NAMED], count=len(known) + unnamed
    )
