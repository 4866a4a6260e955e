"""Which files follow each other along z: `Stack`, the files of one layer in the order of its sections.

What a file says of its own place counts before what it is called; names are sorted by the values of their numbers.
Names may also say that files are no sections of one image: `img_c0_z003` is one of a channel, `tile_x0_y1` one of a
mosaic, and `s0.jpg` beside `s0.tif` shows a section that is there already. Nothing is made a section against that in
silence.

The names of a series differ in one number: `s_0417.tif` is followed by `s_0418.tif`. Where a number is missing or
comes twice, everything behind it would lie in the wrong place, and nobody would see it. So it is an error, unless
`missing_slices` says what to do. Series that count in larger steps (0, 10, 20) are as good, and numbers of which more
are missing than there (1, 2, 10) don't count sections.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import UnsupportedImageDataError
from wkplug.notices import counted, first_of
from wkplug.ops.importing.naming import stem_of
from wkplug.ops.importing.readers import ImageFile, Source
from wkplug.ops.importing.report import ImportNote
from wkplug.ops.importing.volume import AxisRoles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "MISSING_SLICES",
    "Channel",
    "Member",
    "Stack",
    "Stacks",
    "by_channel",
    "by_place",
    "by_series",
    "check_single",
    "missing_numbers",
    "natural_key",
    "order_notes",
    "stranger_notes",
]

Member = tuple[str, "ImageFile"]
"""A file with its path relative to the input."""

_LABELS = {
    "c": "c", "ch": "c", "chan": "c", "channel": "c",
    "z": "z", "slice": "z", "plane": "z", "section": "z", "sec": "z",
    "t": "t", "time": "t", "tp": "t", "timepoint": "t",
    "x": "x", "col": "x", "column": "x", "y": "y", "row": "y",
    "tile": "tile", "pos": "tile", "position": "tile", "fov": "tile", "field": "tile",
}  # fmt: skip

_NUMBER = re.compile(r"\d+")

_TOKEN = re.compile(r"([A-Za-z]*)([=_\-]?)(\d+)")

_MOST_CHANNELS = 8  # of a bare letter c in front of the only number that counts
_UNEVEN = 1.5
_LEAST_SERIES = 3  # so many files make a series, and as many times fewer are strangers in it
_MOST_LISTED = 3
_ORDERED = "or pass z_slices_sort_key, with which files are sections in that order"


def natural_key(text: str) -> list[Any]:
    """Sort numbers in text by their value: s2 before s10."""
    # Of the parts that a split with a group gives, every second is a match.
    parts = enumerate(re.split(r"(\d+)", text))
    return [(1, int(part), "") if index % 2 else (0, 0, part.lower()) for index, part in parts if part]


# --- two files for one section ----------------------------------------------------------------------------


def check_single(members: Sequence[Member]) -> None:
    """Refuse two files for one section, as a preview beside it.

    Their names differ only behind their last number, or in capital letters.
    """
    places: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for relative, _ in members:
        folder, _, name = relative.rpartition("/")
        stem = stem_of(name)
        found = list(_NUMBER.finditer(stem))
        end = found[-1].end() if found else len(stem)
        places[folder, stem[:end].casefold()].append((stem[end:].casefold(), relative))
    twins = [pair for tails in places.values() for pair in pairwise(tails) if _same_section(*pair)]
    if twins:
        (_, first), (_, second) = twins[0]
        more = f" (and {counted(len(twins) - 1, 'more such pair')})" if len(twins) > 1 else ""
        path = next(file.path for relative, file in members if relative == second)
        raise UnsupportedImageDataError(
            f"{first} and {second} have the same name and number{more}: one section can't be two files.",
            path,
            hint="Give a pattern that only the sections have, such as "
            f"'{_pattern(second)}' or '{_pattern(first)}'; or move the others away; {_ORDERED}.",
        )


def _same_section(one: tuple[str, str], other: tuple[str, str]) -> bool:
    tails = (one[0], other[0])
    return tails[0] == tails[1] or any(tail and not tail[0].isalnum() for tail in tails)


def _pattern(relative: str) -> str:
    folder, _, name = relative.rpartition("/")
    stem = stem_of(name)
    tail = stem[list(_NUMBER.finditer(stem))[-1].end() :] if _NUMBER.search(stem) else ""
    return f"{folder}/*{tail}{name[len(stem) :]}" if folder else f"*{tail}{name[len(stem) :]}"


# --- files that are named otherwise ------------------------------------------------------------------------


def stranger_notes(members: Sequence[Member]) -> list[ImportNote]:
    """Say which few files are named otherwise than the series that all others are, and are sections all the same."""
    patterns: dict[str, list[str]] = defaultdict(list)
    for relative, _ in members:
        patterns[_NUMBER.sub("#", relative)].append(relative)
    usual = max(patterns.values(), key=len)
    known, folder = set(usual), usual[0].rpartition("/")[0]
    strangers = [
        relative for relative, _ in members if relative not in known and relative.rpartition("/")[0] == folder
    ]
    if not strangers or len(usual) < _LEAST_SERIES or len(strangers) > len(usual) // _LEAST_SERIES:
        return []
    are = (
        "is named otherwise, and is a section"
        if len(strangers) == 1
        else "are named otherwise, and are sections"
    )
    listed = ", ".join(strangers[:_MOST_LISTED]) + (" ..." if len(strangers) > _MOST_LISTED else "")
    text = f"the files are {usual[0]} to {usual[-1]}, but {listed} {are} all the same"
    return [ImportNote(kind="guessed", text=text)]


# --- series -----------------------------------------------------------------------------------------------


def by_series(members: Sequence[Member]) -> list[tuple[str, list[Member]]]:
    """Split files by the series that they say they are of; each with a label for its name, none if it is one."""
    series: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        series[member[1].info.series].append(member)
    if len(series) == 1:
        return [("", list(members))]
    return [(f"_{own[0][1].info.series_name or number}", own) for number, own in enumerate(series.values())]


# --- what the numbers count -------------------------------------------------------------------------------


@attrs.frozen
class Channel:
    """The files of one channel, its number if the names tell it, and the numbers of its sections if they tell these."""

    number: int | None
    members: list[Member]
    sections: tuple[int, ...] = ()


@attrs.frozen
class _Columns:
    """The numbers of names that differ in nothing else: what each counts ("" if unknown), and its values by file."""

    labels: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]
    begins_with: str
    """What the number counts that the names begin with."""

    @classmethod
    def of(cls, names: Sequence[str]) -> _Columns | None:
        """Look at names without folders; None if they differ in more than numbers, or in none."""
        stems = [stem_of(name) for name in names]
        if len({_NUMBER.sub("#", stem) for stem in stems}) != 1 or len(set(stems)) < 2:
            return None
        tokens = list(_TOKEN.finditer(stems[0]))
        words = [
            match[1].lower() if not match[2] or len(match[1]) > 1 or match[2] == "=" else ""
            for match in tokens
        ]
        known = {**_LABELS, "r": "y", "c": "x"} if "r" in words and "c" in words else _LABELS
        labels = tuple(known.get(word, "") for word in words)
        values = tuple(zip(*(map(int, _NUMBER.findall(stem)) for stem in stems), strict=True))
        return cls(labels, values, labels[0] if tokens[0].start() == 0 else "")

    @property
    def varying(self) -> list[int]:
        """Which of the numbers differ."""
        return [index for index, column in enumerate(self.values) if len(set(column)) > 1]

    def column(self, label: str) -> tuple[int, ...] | None:
        """The values that count `label`, if they differ."""
        return next((self.values[index] for index in self.varying if self.labels[index] == label), None)

    @property
    def channels(self) -> tuple[int, ...] | None:
        """The channel of each file, if the names say one."""
        channels = self.column("c")
        alone = len([label for label in self.labels if label]) == 1
        if channels is None or (alone and (self.begins_with == "c" or len(set(channels)) > _MOST_CHANNELS)):
            return None
        return channels


def by_channel(members: Sequence[Member]) -> tuple[list[Channel], list[ImportNote]]:
    """Split the files of a folder by the channel that their names say, and refuse tiles and times among sections."""
    notes: list[ImportNote] = []
    folders: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        folders[member[0].rpartition("/")[0]].append(member)
    channels: tuple[int, ...] | None = None
    columns: _Columns | None = None
    for own in folders.values():
        columns = _Columns.of([relative.rpartition("/")[2] for relative, _ in own])
        if columns is not None:
            _check_columns(columns, own)
            notes += _column_notes(columns, own)
            channels = columns.channels
    if channels is None or len(folders) > 1:
        return [Channel(None, list(members))], notes
    counted = [index for index in columns.varying if columns.values[index] != channels] if columns else []
    sections = columns.values[counted[0]] if columns and len(counted) == 1 else ()
    split = []
    for number in sorted(set(channels)):
        indices = [index for index, channel in enumerate(channels) if channel == number]
        split.append(
            Channel(
                number,
                [members[index] for index in indices],
                tuple(sections[index] for index in indices if sections),
            )
        )
    return split, notes


def _check_columns(columns: _Columns, members: Sequence[Member]) -> None:
    """Refuse what would put tiles, or times, behind each other along z."""
    first, last = members[0], members[-1]
    kinds = {columns.labels[index] for index in columns.varying}
    others = len([index for index in columns.varying if columns.labels[index] not in ("c", "t", "tile")])
    x, y = columns.column("x"), columns.column("y")
    if {"x", "y"} <= set(columns.labels) and (x is not None or y is not None):
        grid = f"{len(set(x or (0,)))} x {len(set(y or (0,)))}"
        raise UnsupportedImageDataError(
            f"The names {first[0]} to {last[0]} count tiles along x and y ({grid} of them), "
            "which are not stitched here.",
            first[1].path,
            hint="Stitch them first, give a pattern for one tile, or make each a layer by "
            f'map_filepath_to_layer_name="enforce_layer_per_file"; {_ORDERED}.',
        )
    if "tile" in kinds and others:
        raise UnsupportedImageDataError(
            f"The names {first[0]} to {last[0]} count positions or tiles beside sections, which are not stitched here.",
            first[1].path,
            hint="Stitch them first, or give a pattern for one position, or make each a layer by a function as "
            f"map_filepath_to_layer_name; {_ORDERED}.",
        )
    if "t" in kinds and others:
        times = columns.column("t") or ()
        raise UnsupportedImageDataError(
            f"The names {first[0]} to {last[0]} count {len(set(times))} times beside sections, and files can't be put "
            "together along time.",
            first[1].path,
            hint="Give a pattern for one time, make each a layer by a function as map_filepath_to_layer_name, or "
            f"write one file with a time axis; {_ORDERED}.",
        )


def _column_notes(columns: _Columns, members: Sequence[Member]) -> list[ImportNote]:
    """Say what else than sections becomes z."""
    kinds = {"t": "times", "tile": "positions or tiles"}
    counted = [kinds[columns.labels[index]] for index in columns.varying if columns.labels[index] in kinds]
    return [
        ImportNote(
            kind="guessed",
            text=f"the names {members[0][0]} to {members[-1][0]} count {what}, which follow each other along z",
        )
        for what in counted
    ]


# --- what files say of their places -----------------------------------------------------------------------


def by_place(members: Sequence[Member]) -> tuple[list[Member], list[ImportNote], bool]:
    """Sort files by the places that they say, else leave their order; with notes, and whether the order changed."""
    if len(members) < 2 or not _are_sections(members):
        return list(members), [], False
    ordered, places, what = _by_metadata(members)
    texts = _doubtful_places(members) if places is None else _spacing_texts(members, places)
    moved = sum(a is not b for a, b in zip(ordered, members, strict=True))
    if moved:
        texts.append(
            f"{moved} of {len(members)} sections lie otherwise than their names count: they are in the order of the "
            f"{what}, from {ordered[0][0]} to {ordered[-1][0]}"
        )
    return ordered, [ImportNote(kind="differs", text=text) for text in texts], bool(moved)


def order_notes(members: Sequence[Member]) -> list[ImportNote]:
    """Say where files come in an order that was given, and say another one themselves."""
    if len(members) < 2 or not _are_sections(members):
        return []
    ordered, _, what = _by_metadata(members)
    moved = sum(a is not b for a, b in zip(ordered, members, strict=True))
    if not moved:
        return []
    text = (
        f"{moved} of {len(members)} sections lie otherwise than in the order of the {what}: they are in the order "
        "that was given"
    )
    return [ImportNote(kind="differs", text=text)]


def _by_metadata(members: Sequence[Member]) -> tuple[list[Member], list[float] | None, str]:
    """Give files in the order of the places, else numbers, that they say; with the places, and what it is."""
    places = _all_different([file.info.origin[2] for _, file in members])
    stated = places or _all_different([file.info.series_index for _, file in members])
    if stated is None:
        return list(members), None, ""
    ordered = [member for _, member in sorted(zip(stated, members, strict=True), key=lambda item: item[0])]
    what = "numbers that the files give themselves" if places is None else "places along z that the files say"
    return ordered, places, what


def _are_sections(members: Sequence[Member]) -> bool:
    # Files that were taken to be alike have one description.
    described = {id(file.info): file for _, file in members}
    return all(AxisRoles.of(file.info, file.path).sections == 1 for file in described.values())


def _all_different(values: Sequence[float | None]) -> list[float] | None:
    """The values, if all files say one and no two the same."""
    stated = [float(value) for value in values if value is not None]
    return stated if len(stated) == len(values) == len(set(stated)) else None


def _spacing_texts(members: Sequence[Member], stated: Sequence[float]) -> list[str]:
    ordered = sorted(zip(stated, (relative for relative, _ in members), strict=True))
    steps = [(b[0] - a[0], a[1], b[1]) for a, b in pairwise(ordered)]
    usual = median(step for step, _, _ in steps)
    gaps = [step for step in steps if step[0] > _UNEVEN * usual]
    if not gaps:
        return []
    step, before, after = gaps[0]
    more = f", and in {len(gaps) - 1} more places" if len(gaps) > 1 else ""
    return [
        f"sections lie {usual:g} nm apart, but {step:g} nm between {before} and {after}{more}: nothing is filled in"
    ]


def _doubtful_places(members: Sequence[Member]) -> list[str]:
    """Say where files state places along z that are of no use; that all are the same is what many programs write."""
    origins = [file.info.origin for _, file in members]
    stated = [z for _, _, z in origins if z is not None]
    if 0 < len(stated) < len(members):
        return [
            f"only {len(stated)} of {len(members)} files say where they lie along z: they are in the order of names"
        ]
    if len(set(stated)) > 1:
        return [
            f"the {len(members)} files say only {len(set(stated))} different places along z: "
            "they are in the order of names"
        ]
    if stated and len({(x, y) for x, y, _ in origins}) > 1 and _side_by_side(members):
        return [
            "the files say that they lie side by side in one plane; they follow each other along z all the same"
        ]
    return []


def _side_by_side(members: Sequence[Member]) -> bool:
    """Whether the corners of images are at least half an image away from each other."""
    info = members[0][1].info
    lengths = dict(zip(info.axes, info.shape, strict=True))
    for axis, index in (("x", 0), ("y", 1)):
        corners = sorted({file.info.origin[index] or 0.0 for _, file in members})
        size = info.voxel_size[index]
        if size is not None and any(b - a >= size * lengths[axis] / 2 for a, b in pairwise(corners)):
            return True
    return False


MISSING_SLICES = ("error", "fill", "close")
"""What may be done about missing sections: refuse them, leave zeros in their place, or close the gap."""

_FEWEST = 3  # of two files nobody can say how they count


@attrs.frozen
class Stack:
    """Files in the order of sections; places: which sections they are, None if there are no gaps.

    notes: about the files, such as those that were left out; the layer's name is filled in later.
    """

    files: tuple[Source, ...]
    places: tuple[int, ...] | None = None
    notes: tuple[ImportNote, ...] = ()

    @classmethod
    def of(cls, names: Sequence[str], files: Sequence[Source], missing_slices: str = "error") -> Stack:
        """Look at the names of files that were found in natural order.

        UnsupportedImageDataError for a number that is missing (unless that is allowed) or comes twice.
        """
        stack = cls(tuple(files))
        counted = None if missing_slices == "close" else _numbers(names)
        if counted is None:
            return stack
        for before, (here, after) in zip(names, pairwise(counted), strict=False):
            if here == after:
                again = names[names.index(before) + 1]
                raise UnsupportedImageDataError(
                    f"{before} and {again} have the same number {here}: one section can't be two files.",
                    files[0].path,
                    hint="Move one of them away, or pass z_slices_sort_key, or a list of files in their order.",
                )
        step, absent = _missing(counted)
        if not absent:
            return stack
        if missing_slices == "error":
            listed = first_of([str(number) for number in absent], 5)
            raise UnsupportedImageDataError(
                f"The section{'s' if len(absent) > 1 else ''} number {listed} {'are' if len(absent) > 1 else 'is'} "
                f"missing between {names[0]} and {names[-1]}.",
                files[0].path,
                hint='Add the files; or pass missing_slices="fill" for zeros in their place, missing_slices='
                '"close" for a layer without them.',
            )
        return cls(tuple(files), tuple((number - counted[0]) // step for number in counted))


class Stacks(dict[str, Stack]):
    """The layers of an input by their names; notes: about the input as a whole."""

    def __init__(self, stacks: Iterable[tuple[str, Stack]] = (), *, notes: Iterable[ImportNote] = ()) -> None:
        super().__init__(stacks)
        self.notes = tuple(notes)


def missing_numbers(names: Sequence[str]) -> list[int]:
    """The numbers that are missing in the names of a series, none if they don't count sections."""
    counted = _numbers(names)
    return [] if counted is None or len(set(counted)) < len(counted) else _missing(counted)[1]


def _missing(counted: Sequence[int]) -> tuple[int, list[int]]:
    """The step of a series that counts upwards, and the numbers that are missing in it."""
    counts = Counter(b - a for a, b in pairwise(counted))
    count, step = max((number, -step) for step, number in counts.items())
    step = -step
    gaps = [(a, b) for a, b in pairwise(counted) if b - a != step]
    missing = sum((b - a) // step - 1 for a, b in gaps)
    if 2 * count < len(counted) - 1 or any((b - a) % step for a, b in gaps) or missing >= len(counted):
        return step, []
    return step, [number for a, b in gaps for number in range(a + step, b, step)]


def _numbers(names: Sequence[str]) -> list[int] | None:
    """The one number in which the names differ, None if they differ in more, or don't count upwards."""
    if len(names) < _FEWEST or len({_NUMBER.sub("#", name.casefold()) for name in names}) != 1:
        return None
    columns = list(zip(*([int(part) for part in _NUMBER.findall(name)] for name in names), strict=True))
    counting = [column for column in columns if len(set(column)) > 1]
    if len(counting) != 1 or list(counting[0]) != sorted(counting[0]):
        return None
    return list(counting[0])
