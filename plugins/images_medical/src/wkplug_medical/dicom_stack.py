"""Stacks: the slices of DICOM series in the order in which they lie in space, and a stack as an image.

What belongs together has one series, size, kind of pixels and orientation. Sections are sorted by their positions along
the normal of their planes; where there are none, by instance number, or else by name. Repetitions of a position are
time. Sections that are missing between others are zero. Everything of that is said in notes.
"""

from __future__ import annotations

import re
import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from wkplug.abc import Image, ImageInfo
from wkplug.abc.files import corrupt_image, image_errors, listed
from wkplug.abc.images import by_frames
from wkplug_medical import spaces
from wkplug_medical.dicom_file import DicomFile
from wkplug_medical.dicom_values import applied, scaled_dtype, scaling_note

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Box
    from wkplug_medical.dicom_slices import Slice

__all__ = ["MOSAIC", "Stack", "StackImage", "affine_of", "arranged"]

MOSAIC = "Each section is a mosaic of the sections of a volume, which was not taken apart."
_MILLIMETRE = 1e6  # nanometres
_SAME_DIRECTION = 1e-3
_SAME_PLACE = 1e-3  # millimetres
_EVEN = 0.1  # of a step: positions are rounded, and patients breathe
_MOST_MISSING = 1000  # sections; beyond that positions say something else
_LISTED = 5
_PLANES = ("sagittal", "coronal", "axial")


@attrs.frozen(kw_only=True)
class Stack:
    """Sections in order: for each time one of every place, None where it is missing.

    step: millimetres from one section to the next, None if nobody says. along: the way of a step in the patient's
    space, which need not be the normal (a tilted gantry). origin: the position of the first section.
    """

    name: str
    slices: tuple[tuple[Slice | None, ...], ...]
    step: float | None
    along: tuple[float, float, float] | None
    origin: tuple[float, float, float] | None
    notes: tuple[str, ...] = ()

    @property
    def present(self) -> list[Slice]:
        """All sections that are there."""
        return [each for times in self.slices for each in times if each is not None]

    @property
    def first(self) -> Slice:
        """The section that is there and lies foremost."""
        return self.present[0]


def arranged(slices: Iterable[Slice]) -> list[Stack]:
    """Put slices together that belong together, each stack in the order of its places; names are unique."""
    groups: dict[Any, list[Slice]] = defaultdict(list)
    for each in slices:
        key = (
            each.series.uid, each.rows, each.columns, each.samples, each.dtype, each.photometric, each.spacing,
            "LOCALIZER" in each.kind, each.stack, each.position is None,
        )  # fmt: skip
        groups[key].append(each)
    parts = [
        each
        for group in groups.values()
        for turned in _by_direction(group)
        for each in _by_kind(_without_copies(turned))
    ]
    stacks = [_stack(part, copies) for part, copies in parts]
    names = _names([stack.first for stack in stacks])
    stacks = [attrs.evolve(stack, name=name) for stack, name in zip(stacks, names, strict=True)]
    return sorted(stacks, key=lambda stack: (_natural(stack.first.series.number), stack.name))


def _by_direction(slices: Sequence[Slice]) -> list[list[Slice]]:
    groups: list[list[Slice]] = []
    for each in slices:
        for group in groups:
            if _same_direction(group[0], each):
                group.append(each)
                break
        else:
            groups.append([each])
    return groups


def _same_direction(one: Slice, other: Slice) -> bool:
    if one.orientation is None or other.orientation is None:
        return one.orientation is other.orientation
    return bool(np.allclose(one.orientation, other.orientation, rtol=0, atol=_SAME_DIRECTION))


def _without_copies(slices: Sequence[Slice]) -> tuple[list[Slice], list[Slice]]:
    """Each instance once, and the further copies."""
    seen: set[Any] = set()
    kept: list[Slice] = []
    copies: list[Slice] = []
    for each in sorted(slices, key=lambda one: _natural(one.location.url)):
        key = (each.instance or each.location.url, each.frame)
        (copies if key in seen else kept).append(each)
        seen.add(key)
    return kept, copies


def _by_kind(
    kept_and_copies: tuple[list[Slice], list[Slice]],
) -> list[tuple[list[Slice], list[Slice]]]:
    """Echoes, or magnitude and phase, lie at the same places: apart, where that makes places unique."""
    kept, copies = kept_and_copies
    parts = [kept]
    for told in ("echo", "kind"):
        if all(_repetitions(part) == 1 for part in parts):
            break
        finer = []
        for part in parts:
            groups: dict[Any, list[Slice]] = defaultdict(list)
            for each in part:
                groups[getattr(each, told)].append(each)
            places = [sorted(_places(group)) for group in groups.values()]
            same = all(len(one) == len(places[0]) and np.allclose(one, places[0]) for one in places)
            finer += list(groups.values()) if same and None not in [each.depth for each in part] else [part]
        parts = finer
    return [(part, copies if number == 0 else []) for number, part in enumerate(parts)]


def _places(slices: Sequence[Slice]) -> list[float]:
    """Where sections lie, each place once."""
    depths = sorted(each.depth for each in slices if each.depth is not None)
    return [
        depth for number, depth in enumerate(depths) if not number or depth - depths[number - 1] > _SAME_PLACE
    ]


def _repetitions(slices: Sequence[Slice]) -> int:
    places = _places(slices)
    if not places:
        return 1
    return max(Counter(_nearest(places, each.depth or 0.0) for each in slices).values())


def _nearest(places: Sequence[float], depth: float) -> int:
    return int(np.argmin(np.abs(np.asarray(places) - depth)))


# --- one stack --------------------------------------------------------------------------------------------


def _stack(slices: list[Slice], copies: list[Slice]) -> Stack:
    notes = []
    if copies:
        notes.append(
            f"{_many(len(copies), 'section')} came twice (the same instance) and {_was(len(copies))} left out: "
            f"{listed([each.location.name for each in copies], _LISTED)}."
        )
    if slices[0].position is None:
        times: tuple[tuple[Slice | None, ...], ...] = (_by_number(slices, notes),)
        step = None
        along = origin = None
        if len(slices) > 1 and slices[0].between:
            step = slices[0].between
    else:
        times, step, along = _by_position(slices, notes)
        origin = min(slices, key=lambda each: each.depth or 0.0).position
    if "LOCALIZER" in slices[0].kind:
        notes.append("These are localizers, images by which others were planned.")
    if any(each.has_table for each in slices):
        notes.append("The file maps its values by a table (ModalityLUTSequence), which was not applied.")
    if "MOSAIC" in slices[0].kind:
        notes.append(MOSAIC)
    if slices[0].photometric == "MONOCHROME1":
        notes.append("Low values are meant to be shown bright (MONOCHROME1).")
    return Stack(name="", slices=times, step=step, along=along, origin=origin, notes=tuple(notes))


def _by_number(slices: list[Slice], notes: list[str]) -> tuple[Slice | None, ...]:
    """Where nothing says places: by instance number and frame, or by name."""
    numbers = [each.number for each in slices]
    frames = slices[0].frame is not None
    if len(slices) < 2:
        return tuple(slices)
    if None in numbers or (not frames and len(set(numbers)) < len(numbers)):
        notes.append(
            "Neither positions nor instance numbers tell the order of the sections; it is that of the names."
        )
        return tuple(sorted(slices, key=lambda each: (_natural(each.location.url), each.frame or 0)))
    ordered = sorted(slices, key=lambda each: (each.number or 0, each.frame or 0))
    notes.append("Nothing says where the sections lie; they are sorted by instance number.")
    whole = [each.number or 0 for each in ordered]
    absent = sorted(set(range(whole[0], whole[-1] + 1)) - set(whole))
    if not absent or frames or len(absent) >= len(whole):
        return tuple(ordered)
    notes.append(
        f"{_many(len(absent), 'section')} {_is(len(absent))} missing "
        f"(instance number {listed(absent, _LISTED)}), and zero here."
    )
    found = dict(zip(whole, ordered, strict=True))
    return tuple(found.get(number) for number in range(whole[0], whole[-1] + 1))


def _by_position(
    slices: list[Slice], notes: list[str]
) -> tuple[tuple[tuple[Slice | None, ...], ...], float | None, tuple[float, float, float] | None]:
    """Sections by place and time, millimetres of a step, and the way of a step."""
    places = _places(slices)
    at = [_nearest(places, each.depth or 0.0) for each in slices]
    times = _times(slices, at, notes)
    step, indices = _steps(places, notes)
    rows: list[list[Slice | None]] = [[None] * (indices[-1] + 1) for _ in range(max(times) + 1)]
    for each, place, time in zip(slices, at, times, strict=True):
        rows[time][indices[place]] = each
    absent = len(rows) * len(places) - len(slices)
    if absent:
        notes.append(f"{_many(absent, 'section')} of single times {_is(absent)} missing, and zero here.")
    ends = slices[at.index(0)], slices[at.index(len(places) - 1)]
    if len(places) == 1:
        return tuple(map(tuple, rows)), _extent_of_one(ends[0], notes), None
    between = ends[0].between
    if between and step and abs(between - step) > 0.01 * step:
        notes.append(
            f"The positions are {step:g} mm apart; that SpacingBetweenSlices says {between:g} mm was not heeded."
        )
    way = (np.array(ends[1].position) - np.array(ends[0].position)) / indices[-1]
    beside = float(np.linalg.norm(way - float(np.dot(way, ends[0].normal)) * ends[0].normal))
    if step and beside > 0.01 * step:
        notes.append(
            f"Each section lies {beside:.3g} mm beside the one before (a tilted gantry); that was not corrected."
        )
    x, y, z = way.tolist()
    return tuple(map(tuple, rows)), step, (x, y, z)


def _extent_of_one(only: Slice, notes: list[str]) -> float | None:
    """Millimetres along z of a single section."""
    if only.between is None and only.thickness is not None:
        notes.append(f"It is a single section: its size along z is its thickness, {only.thickness:g} mm.")
        return only.thickness
    return only.between


def _times(slices: Sequence[Slice], at: Sequence[int], notes: list[str]) -> list[int]:
    """Which repetition of its place each section is."""
    most = max(Counter(at).values())
    if most == 1:
        return [0] * len(slices)
    for name in sorted({name for each in slices for name in each.times}, key=_time_rank):
        if any(name not in each.times for each in slices):
            continue
        labels = [each.times[name] for each in slices]
        known = sorted(set(labels))
        if len(set(zip(labels, at, strict=True))) == len(slices) and len(known) == most:
            notes.append(f"There are {most} sections at each place; they became times, by {name}.")
            return [known.index(label) for label in labels]
    notes.append(
        f"There are up to {most} sections at one place, and nothing tells them apart but their instance numbers: "
        "they became times in that order."
    )
    order = sorted(range(len(slices)), key=lambda n: (slices[n].number or 0, slices[n].frame or 0))
    seen: Counter[int] = Counter()
    times = [0] * len(slices)
    for number in order:
        times[number] = seen[at[number]]
        seen[at[number]] += 1
    return times


def _time_rank(name: str) -> tuple[int, str]:
    names = (
        "TemporalPositionIndex",
        "TemporalPositionIdentifier",
        "AcquisitionNumber",
        "TriggerTime",
        "AcquisitionTime",
    )
    return names.index(name), name


def _steps(places: Sequence[float], notes: list[str]) -> tuple[float | None, list[int]]:
    """Millimetres from section to section, and which section each place is."""
    if len(places) == 1:
        return None, [0]
    ways = np.diff(np.asarray(places))
    for step in (float(np.median(ways)), float(ways.min())):
        counts = np.rint(ways / step).astype(int)
        missing = int(counts.sum()) - len(ways)
        if counts.min() >= 1 and np.all(np.abs(ways - counts * step) <= _EVEN * step * counts):
            if missing > max(_MOST_MISSING, 10 * len(places)):
                break
            indices = np.concatenate([[0], np.cumsum(counts)]).tolist()
            step = (places[-1] - places[0]) / indices[-1]
            if missing:
                gaps = [
                    f"{count - 1} between {places[n]:g} and {places[n + 1]:g} mm"
                    for n, count in enumerate(counts)
                    if count > 1
                ]
                notes.append(
                    f"{_many(missing, 'section')} {_is(missing)} missing, and zero here: "
                    f"{listed(gaps, _LISTED)} along the normal."
                )
            return step, indices
    step = float(np.median(ways))
    notes.append(
        f"The sections are not evenly spaced ({ways.min():g} to {ways.max():g} mm, at "
        f"{listed([f'{place:g}' for place in places], _LISTED)} mm); they lie one behind the other here, "
        f"as if all steps were {step:g} mm."
    )
    return step, list(range(len(places)))


# --- names ------------------------------------------------------------------------------------------------


def _names(firsts: Sequence[Slice]) -> list[str]:
    """Names by what the series are called; as much is added as makes them unique."""
    names = [each.series.description or f"series {each.series.number or '0'}" for each in firsts]
    for more in (
        lambda each: each.stack,
        _localizer,
        lambda each: each.series.number,
        lambda each: each.series.date,
        _plane,
        _size,
        _kind,
        lambda each: each.echo,
    ):
        told: dict[str, set[str]] = defaultdict(set)
        for name, each in zip(names, firsts, strict=True):
            told[name.lower()].add(more(each))
        names = [
            f"{name} {more(each)}".rstrip() if len(told[name.lower()]) > 1 else name
            for name, each in zip(names, firsts, strict=True)
        ]
    taken: set[str] = set()
    for number, name in enumerate(names):
        unique, count = name, 1
        while unique.lower() in taken:
            count += 1
            unique = f"{name} {count}"
        taken.add(unique.lower())
        names[number] = unique
    return names


def _localizer(each: Slice) -> str:
    return "localizer" if "LOCALIZER" in each.kind else ""


def _plane(each: Slice) -> str:
    return _PLANES[int(np.argmax(np.abs(each.normal)))] if each.orientation else ""


def _size(each: Slice) -> str:
    return f"{each.columns}x{each.rows}"


def _kind(each: Slice) -> str:
    return " ".join(each.kind[2:])


def _natural(text: str) -> list[tuple[int, int, str]]:
    """A key that sorts numbers in texts by value, before letters."""
    parts = re.findall(r"[0-9]+|[^0-9]", text)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


# --- the image --------------------------------------------------------------------------------------------


class StackImage(Image):
    """A stack as an image (t, z, y, x, s), t and s only where there are several; pickles."""

    thread_safe = True

    def __init__(self, reader: Any, stack: Stack, scenes: tuple[str, ...] = ()) -> None:
        self._reader, self.stack, self._scenes = reader, stack, scenes
        self._lock = threading.Lock()
        self._file: DicomFile | None = None
        present, first = stack.present, stack.first
        scalings = {each.scaling for each in present}
        stored = np.dtype(first.dtype)
        self._dtype = scaled_dtype(stored, max(each.bits or 64 for each in present), scalings)
        lead = (len(stack.slices), len(stack.slices[0]))
        inner = (first.rows, first.columns, *((first.samples,) if first.samples > 1 else ()))
        self._timed = lead[0] > 1
        shape = (*(lead if self._timed else lead[1:]), *inner)
        notes = (*scaling_note(scalings, stored, self._dtype), *stack.notes)
        affine = affine_of(stack)
        notes = (*notes, *spaces.directions_note(affine, spaces.LPS))
        self.info = ImageInfo(
            axes=(*(("t", "z") if self._timed else ("z",)), "y", "x", *(("s",) if len(inner) > 2 else ())),
            shape=shape,
            dtype=self._dtype.name,
            voxel_size=_voxel_size(stack),
            photometric="rgb" if len(inner) > 2 else "palette" if "PALETTE" in first.photometric else "minisblack",
            scenes=scenes,
            affine=affine,
            block_shape=(*(1 for _ in shape[: len(shape) - len(inner)]), *inner),
            details={
                "Modality": first.series.modality,
                "SeriesInstanceUID": first.series.uid,
                "SeriesNumber": first.series.number,
                "SeriesDescription": first.series.description,
                "sections": len(present),
            },
            notes=notes,
        )  # fmt: skip

    def __reduce__(self) -> tuple[Any, ...]:
        return (StackImage, (self._reader, self.stack, self._scenes))

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`: the slices that the region touches are decoded, one after the other."""
        del level

        def part(place: tuple[int, ...], region: tuple[slice, ...]) -> NDArray[Any] | int:
            found = self.stack.slices[place[0] if self._timed else 0][place[-1]]
            return 0 if found is None else self._pixels(found)[region]

        box = self.info.box() if box is None else box
        return by_frames(box, 2 if self._timed else 1, self._dtype, part)

    def _pixels(self, found: Slice) -> NDArray[Any]:
        file = self._opened(found)
        with image_errors(found.location, "DICOM"):
            stored = file.stored_frame(found.frame or 0)
            if stored.shape[:2] != (found.rows, found.columns):
                raise corrupt_image(found.location, "DICOM", "it is no longer the file that was described")
            return applied(stored, found.scaling, self._dtype)

    def _opened(self, found: Slice) -> DicomFile:
        """The file of a slice; the last one is kept, since it may have many."""
        with self._lock:
            if self._file is None or self._file.location.url != found.location.url:
                self._file = DicomFile(self._reader, found.location)
            return self._file


def _voxel_size(stack: Stack) -> tuple[float | None, float | None, float | None]:
    down, across = stack.first.spacing or (None, None)
    x, y, z = (
        None if each is None or each <= 0 else each * _MILLIMETRE for each in (across, down, stack.step)
    )
    return x, y, z


def affine_of(stack: Stack) -> spaces.Affine | None:
    """From voxels to nanometres in the patient's space, where the file says all of it."""
    first = stack.first
    if stack.origin is None or first.orientation is None or first.spacing is None:
        return None
    across, down = (np.array(each) for each in first.orientation)
    way = stack.along if stack.along is not None else first.normal * (stack.step or 1.0)
    columns = (across * first.spacing[1], down * first.spacing[0], np.array(way), np.array(stack.origin))
    return spaces.affine_of([column.tolist() for column in columns], _MILLIMETRE)
