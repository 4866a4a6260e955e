"""How large the voxels of an import are: what was given, what the files say, axis by axis; never made up.

Lengths are nanometres along x, y and z of the layer. What is given counts; the files fill the axes that were left out.
Where both say something else, or the files differ from the dataset that they are added to, that is told.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.config.hints import plain_number
from wkplug.errors import InvalidArgumentError
from wkplug.ops.importing.report import ImportNote
from wkplug.properties import VoxelSize, as_voxel_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wkplug.geometry import Mag
    from wkplug.ops.importing.plans import VolumePlan
    from wkplug.ops.importing.volume import Volume

__all__ = ["Known", "compared", "filled", "known_size", "size_text", "unequal"]

_AXES = "xyz"
_SAME = 1e-4  # units of other names and single precision round
_WHY = re.compile(r"\b(?:metadata|units?|spacing)\b")
_ALIKE = 0.01  # less is not worth telling

Lengths = tuple[float | None, float | None, float | None]


@attrs.frozen(kw_only=True)
class Known:
    """The voxel size of mag 1; the axes of it that the files say, such as "xy"; what is to be told of it."""

    size: VoxelSize
    of_files: str
    notes: tuple[ImportNote, ...] = ()


def known_size(volumes: Sequence[VolumePlan], given: Any) -> Known:
    """Take what is given (a VoxelSize, or nanometres with None for axes that are left out), and the files for the rest.

    InvalidArgumentError where nobody says the size along an axis, or files disagree.
    """
    wanted = (None, None, None) if given is None else () if isinstance(given, VoxelSize) else tuple(given)
    if len(wanted) != 3 or None not in wanted:
        size = as_voxel_size(given)
        return Known(size=size, of_files="", notes=tuple(_overruled(volumes, size)))
    open_axes = [axis for axis in range(3) if wanted[axis] is None]
    said = _agreed(volumes, open_axes, wanted)
    lengths = [_nanometers(said[axis]) if wanted[axis] is None else wanted[axis] for axis in range(3)]
    size = as_voxel_size(tuple(lengths))
    notes = tuple(_overruled(volumes, size))
    return Known(size=size, of_files="".join(_AXES[axis] for axis in open_axes), notes=notes)


def filled(given: Any, size: VoxelSize) -> VoxelSize:
    """Fill the axes that were left out of a given size with those of the dataset that is there."""
    lengths = () if isinstance(given, VoxelSize) else tuple(given)
    if len(lengths) != 3 or None not in lengths:
        return as_voxel_size(given)
    known = size.to_nanometer()
    own = [
        math.isclose(length, there, rel_tol=_SAME)
        for length, there in zip(lengths, known, strict=True)
        if length is not None
    ]
    if all(own):
        return size
    return as_voxel_size(tuple(there if n is None else n for n, there in zip(lengths, known, strict=True)))


def compared(volumes: Sequence[VolumePlan], size: VoxelSize) -> Iterator[ImportNote]:
    """Say where files have voxels of another size than the mag of the dataset that they are added to."""
    for planned in volumes:
        mag = planned.mag
        if _differs(planned.volume.voxel_size, size, mag):
            text = (
                f"its voxels are {size_text(planned.volume.voxel_size)}, but those of mag {mag} of the dataset are "
                f"{size_text(_in_mag(size, mag))}: it is taken as it is, one voxel for one"
            )
            yield _note(planned, text, lost=True)


def unequal(volume: Volume) -> Iterator[ImportNote]:
    """Say where files of one layer have voxels of another size than the first, which counts."""
    first = volume.files[0].info.voxel_size
    others = [
        file
        for file in volume.files[1:]
        if any(
            there is not None and here is not None and not math.isclose(here, there, rel_tol=_ALIKE)
            for here, there in zip(first, file.info.voxel_size, strict=True)
        )
    ]
    if others:
        have = "has" if len(others) == 1 else "have"
        text = (
            f"{len(others)} of {len(volume.files)} files {have} voxels of another size than the first, of "
            f"{size_text(first)}, and are sections all the same; the next is {size_text(others[0].info.voxel_size)}"
        )
        paths = tuple(file.path for file in others[:3])
        yield ImportNote(kind="differs", text=text, sources=paths, count=len(others))


def size_text(lengths: Iterable[float | None]) -> str:
    """Write lengths along x, y and z, with a ? for what is not known."""
    return f"{' x '.join('?' if length is None else plain_number(length) for length in lengths)} nm"


def _overruled(volumes: Sequence[VolumePlan], size: VoxelSize) -> Iterator[ImportNote]:
    for planned in volumes:
        if _differs(planned.volume.voxel_size, size, planned.mag):
            text = (
                f"its voxels are {size_text(planned.volume.voxel_size)} by its own account; "
                f"{size_text(_in_mag(size, planned.mag))} was given, and is taken"
            )
            yield _note(planned, text, lost=False)


def _note(planned: VolumePlan, text: str, *, lost: bool) -> ImportNote:
    layers = tuple(layer.name for layer in planned.layers)
    return ImportNote(kind="differs", text=text, layers=layers, sources=(planned.volume.path,), lost=lost)


def _in_mag(size: VoxelSize, mag: Mag) -> tuple[float, ...]:
    return tuple(length * factor for length, factor in zip(size.to_nanometer(), mag, strict=True))


def _differs(said: Lengths, size: VoxelSize, mag: Mag) -> bool:
    return any(
        length is not None and not math.isclose(length, known, rel_tol=_ALIKE)
        for length, known in zip(said, _in_mag(size, mag), strict=True)
    )


def _nanometers(length: float | None) -> float:
    return math.nan if length is None else length


def _agreed(volumes: Sequence[VolumePlan], axes: Sequence[int], given: Sequence[float | None]) -> Lengths:
    """The size of mag 1 that all files say along these axes."""
    first = _of_mag_1(volumes[0])
    missing = [axis for axis in axes if any(planned.volume.voxel_size[axis] is None for planned in volumes)]
    for planned in volumes:
        said = _of_mag_1(planned)
        if missing and any(said[axis] is None for axis in missing):
            raise InvalidArgumentError(
                f"{planned.volume.path} doesn't say how large its voxels are along {_and(missing)}"
                f"{_as_far_as_known(said)}.{_told_of(planned)}",
                hint=_how_to_give(missing, given),
            )
        if any(
            not math.isclose(_nanometers(said[axis]), _nanometers(first[axis]), rel_tol=_SAME)
            for axis in axes
        ):
            told = f"{volumes[0].volume.path}: {size_text(first)}; {planned.volume.path}: {size_text(said)}"
            raise InvalidArgumentError(
                f"The files don't agree about the voxel size ({told}).",
                hint=f"{_how_to_give(axes, given)} Or import each as a dataset of its own, where one input "
                "holds them all with scene=NAME.",
            )
    return first


def _told_of(planned: VolumePlan) -> str:
    """Why, as far as its reader says: its metadata are damaged, or give numbers without a unit."""
    texts = dict.fromkeys(note.text.strip().rstrip(".") for note in planned.notes if _WHY.search(note.text))
    return "".join(f" {text[:1].upper()}{text[1:]}." for text in texts)


def _of_mag_1(planned: VolumePlan) -> Lengths:
    x, y, z = (
        None if length is None else length / factor
        for length, factor in zip(planned.volume.voxel_size, planned.mag, strict=True)
    )
    return x, y, z


def _as_far_as_known(said: Lengths) -> str:
    known = [
        f"{_AXES[axis]} {plain_number(length)} nm" for axis, length in enumerate(said) if length is not None
    ]
    return f"; it says {', '.join(known)}" if known else ""


def _and(axes: Sequence[int]) -> str:
    *most, last = (_AXES[axis] for axis in axes)
    return f"{', '.join(most)} and {last}" if most else last


def _how_to_give(missing: Sequence[int], given: Sequence[float | None]) -> str:
    """Say how to give what is missing, leaving to the files what they say."""
    named = [
        _AXES[axis] if axis in missing else None if (length := given[axis]) is None else f"{length:g}"
        for axis in range(3)
    ]
    text = ", ".join("None" if axis is None else axis for axis in named)
    return f"Give the voxel size: voxel_size=({text}) in nanometres."
