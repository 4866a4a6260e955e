"""How large the voxels of an import are, which mag that is, and where the image lies; never made up.

Lengths are nanometres along x, y and z of the layer. What is given counts; the files fill the axes that were left
out. Where both say something else, or the files differ from the dataset that they are added to, there is a note.

A container may hold labels of half the image's resolution, or nothing finer than its second level. Such layers become
the mag that they are of the finest resolution. A voxel size that is given by hand is that of mag 1. Image files say
nothing of this kind: they are mag 1, or the one that was asked for.

Imports don't resample: an image that is turned, mirrored, sheared or away from its origin stays as it is stored. On
request (`keep_transformation`) the map to the file's space becomes the layer's coordinate transformation, which
viewers apply. The first voxel's centre lies at the origin; a layer's voxel 0 reaches from 0 to 1, so its centre is at
0.5.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import InvalidArgumentError, MagError, UnsupportedImageDataError
from wkplug.geometry import Mag, MagLike, Vec3Float
from wkplug.notices import plain_number
from wkplug.ops.importing.containers import Container
from wkplug.ops.importing.options import ImportOptions
from wkplug.ops.importing.plans import VolumePlan
from wkplug.ops.importing.report import ImportNote
from wkplug.ops.importing.series import Stack
from wkplug.ops.importing.volume import Volume
from wkplug.properties import VoxelSize, as_voxel_size
from wkplug.properties.transformations import AffineCoordinateTransformation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "KnownSize",
    "comparison_notes",
    "completed_size",
    "known_size",
    "mags_of",
    "place_notes",
    "size_text",
    "transformation_of",
    "unequal_size_notes",
]


_AXES = "xyz"
_SAME = 1e-4  # units of other names and single precision round
_WHY = re.compile(r"\b(?:metadata|units?|spacing)\b")

_ALIKE = 0.01  # smaller differences get no note

Lengths = tuple[float | None, float | None, float | None]


@attrs.frozen(kw_only=True)
class KnownSize:
    """The voxel size of mag 1; the axes of it that the files say, such as "xy"; and notes."""

    size: VoxelSize
    of_files: str
    notes: tuple[ImportNote, ...] = ()


def known_size(volumes: Sequence[VolumePlan], given: Any) -> KnownSize:
    """Take what is given (a VoxelSize, or nanometres with None for axes that are left out), and the files for the rest.

    InvalidArgumentError where nobody says the size along an axis, or files disagree.
    """
    wanted = (None, None, None) if given is None else () if isinstance(given, VoxelSize) else tuple(given)
    if len(wanted) != 3 or None not in wanted:
        size = as_voxel_size(given)
        return KnownSize(size=size, of_files="", notes=tuple(_overruled_notes(volumes, size)))
    open_axes = [axis for axis in range(3) if wanted[axis] is None]
    stated = _agreed(volumes, open_axes, wanted)
    lengths = [_nanometers(stated[axis]) if wanted[axis] is None else wanted[axis] for axis in range(3)]
    size = as_voxel_size(tuple(lengths))
    notes = tuple(_overruled_notes(volumes, size))
    return KnownSize(size=size, of_files="".join(_AXES[axis] for axis in open_axes), notes=notes)


def completed_size(given: Any, size: VoxelSize) -> VoxelSize:
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


def comparison_notes(volumes: Sequence[VolumePlan], size: VoxelSize) -> Iterator[ImportNote]:
    """Say where files have voxels of another size than the mag of the dataset that they are added to."""
    for planned in volumes:
        mag = planned.mag
        if _differs(planned.volume.voxel_size, size, mag):
            text = (
                f"its voxels are {size_text(planned.volume.voxel_size)}, but those of mag {mag} of the dataset are "
                f"{size_text(_in_mag(size, mag))}: it is taken as it is, one voxel for one"
            )
            yield _note(planned, text, lost=True)


def unequal_size_notes(volume: Volume) -> Iterator[ImportNote]:
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


def _overruled_notes(volumes: Sequence[VolumePlan], size: VoxelSize) -> Iterator[ImportNote]:
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


def _differs(stated: Lengths, size: VoxelSize, mag: Mag) -> bool:
    return any(
        length is not None and not math.isclose(length, known, rel_tol=_ALIKE)
        for length, known in zip(stated, _in_mag(size, mag), strict=True)
    )


def _nanometers(length: float | None) -> float:
    return math.nan if length is None else length


def _agreed(volumes: Sequence[VolumePlan], axes: Sequence[int], given: Sequence[float | None]) -> Lengths:
    """The size of mag 1 that all files say along these axes."""
    first = _of_mag_1(volumes[0])
    missing = [axis for axis in axes if any(planned.volume.voxel_size[axis] is None for planned in volumes)]
    for planned in volumes:
        stated = _of_mag_1(planned)
        if missing and any(stated[axis] is None for axis in missing):
            raise InvalidArgumentError(
                f"{planned.volume.path} doesn't say how large its voxels are along {_axes_text(missing)}"
                f"{_as_far_as_known(stated)}.{_reason(planned)}",
                hint=_how_to_give(missing, given),
            )
        if any(
            not math.isclose(_nanometers(stated[axis]), _nanometers(first[axis]), rel_tol=_SAME)
            for axis in axes
        ):
            listed = (
                f"{volumes[0].volume.path}: {size_text(first)}; {planned.volume.path}: {size_text(stated)}"
            )
            raise InvalidArgumentError(
                f"The files don't agree about the voxel size ({listed}).",
                hint=f"{_how_to_give(axes, given)} Or import each as a dataset of its own, where one input "
                "holds them all with scene=NAME.",
            )
    return first


def _reason(planned: VolumePlan) -> str:
    """Why, as far as its reader says: its metadata are damaged, or give numbers without a unit."""
    texts = dict.fromkeys(note.text.strip().rstrip(".") for note in planned.notes if _WHY.search(note.text))
    return "".join(f" {text[:1].upper()}{text[1:]}." for text in texts)


def _of_mag_1(planned: VolumePlan) -> Lengths:
    x, y, z = (
        None if length is None else length / factor
        for length, factor in zip(planned.volume.voxel_size, planned.mag, strict=True)
    )
    return x, y, z


def _as_far_as_known(stated: Lengths) -> str:
    known = [
        f"{_AXES[axis]} {plain_number(length)} nm" for axis, length in enumerate(stated) if length is not None
    ]
    return f"; it says {', '.join(known)}" if known else ""


def _axes_text(axes: Sequence[int]) -> str:
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


# --- mags -------------------------------------------------------------------------------------------------


_Size = tuple[float, float, float]

_NAMED = 10
_SAME_RATIO = 1e-3
"""Sizes that differ by a smaller part are the same: files round them."""


def mags_of(groups: Mapping[str, Stack], wanted: MagLike) -> dict[str, Mag]:
    """Say which mag the voxels of each layer are; UnsupportedImageDataError for factors that are no mag.

    wanted: what was asked for; anything but 1 is the mag of the finest layer.
    """
    containers = {
        name: stack.files[0] for name, stack in groups.items() if isinstance(stack.files[0], Container)
    }
    sizes = {name: size for name, found in containers.items() if (size := found.size_of_mag_1) is not None}
    finest = tuple(map(min, zip(*sizes.values(), strict=True))) if sizes else ()
    factors: dict[str, tuple[int, int, int]] = {}
    for name, container in containers.items():
        x, y, z = container.layer.mags[0].mag
        if name in sizes:
            more = [_whole(size / least) for size, least in zip(sizes[name], finest, strict=True)]
            if 0 in more:
                raise _no_common_mag_error(sizes, list(containers.values()))
            x, y, z = x * more[0], y * more[1], z * more[2]
        factors[name] = x, y, z
    asked = Mag(wanted)
    if asked != 1 and factors:
        least = tuple(map(min, zip(*factors.values(), strict=True)))
        factors = {name: _replaced(own, least, asked) for name, own in factors.items()}
    return {name: _mag_of_factors(name, factors[name]) if name in factors else asked for name in groups}


def _whole(ratio: float) -> int:
    """The whole number that a ratio is, 0 if it is none."""
    nearest = round(ratio)
    return nearest if abs(ratio - nearest) <= _SAME_RATIO * nearest else 0


def _replaced(own: tuple[int, int, int], least: tuple[int, ...], asked: Mag) -> tuple[int, int, int]:
    x, y, z = (factor * new // old for factor, old, new in zip(own, least, asked, strict=True))
    return x, y, z


def _mag_of_factors(name: str, factors: tuple[int, int, int]) -> Mag:
    try:
        return Mag(factors)
    except MagError as error:
        raise UnsupportedImageDataError(
            f"The voxels of {name!r} are {' x '.join(map(str, factors))} of the finest, which is no mag: "
            "their factors must be powers of two.",
            hint="Import the arrays into datasets of their own: name the path of each.",
        ) from error


def _no_common_mag_error(
    sizes: Mapping[str, _Size], containers: Sequence[Container]
) -> UnsupportedImageDataError:
    each = "; ".join(f"{name}: {' x '.join(map(plain_number, size))} nm" for name, size in sizes.items())
    # What isn't an array of its own has no path that could be named.
    apart = all(found.layer.mags[0].data_format for found in containers)
    ways = [
        f"wkplug convert {found.path} TARGET" if apart else f"scene={found.layer.name!r}"
        for found in containers
    ]
    commands = "; ".join(ways[:_NAMED]) + (f"; and {len(ways) - _NAMED} more" if len(ways) > _NAMED else "")
    return UnsupportedImageDataError(
        f"The layers' voxel sizes are no whole multiples of each other ({each}), so they can't be mags of one dataset.",
        hint=f"Import each into a dataset of its own: {commands}.",
    )


# --- places -----------------------------------------------------------------------------------------------


def _says_place(volume: Volume) -> bool:
    info = volume.files[0].info
    return info.affine is not None or any(info.origin)


def place_notes(volume: Volume, options: ImportOptions) -> Iterator[ImportNote]:
    """Say where the image lies, if its file says so and the layer doesn't keep it; or that there is nothing to keep."""
    if options.keep_transformation or not _says_place(volume):
        if options.keep_transformation and not _says_place(volume):
            text = "keep_transformation=True has no effect: it says nothing of a place in a space of its own"
            yield ImportNote(kind="differs", text=text, sources=(volume.path,), lost=False)
        return
    info = volume.files[0].info
    how = "keep_transformation=True keeps it as the layer's coordinate transformation"
    if info.affine is not None:
        yield ImportNote(
            kind="turned",
            text=f"its map to its own space (turned, mirrored or sheared) is not applied; {how}",
            sources=(volume.path,),
        )
        return
    where = ", ".join("?" if length is None else plain_number(length) for length in info.origin)
    text = f"its own place, ({where}) nm along x, y and z, is not applied; {how}"
    yield ImportNote(kind="moved", text=text, sources=(volume.path,))


def transformation_of(
    planned: VolumePlan, options: ImportOptions, voxel_size: Vec3Float
) -> AffineCoordinateTransformation | None:
    """The map from voxels of the layer (Mag(1)) to where they lie in the file's space, in voxels of the dataset.

    None where the file says no place, or it was not asked for.
    """
    import numpy

    volume = planned.volume
    if not options.keep_transformation or not _says_place(volume):
        return None
    dataset_size = numpy.array(tuple(voxel_size), float)
    to_index = _to_index(planned, options)
    to_nanometres = numpy.eye(4)
    info = volume.files[0].info
    if info.affine is not None:
        to_nanometres[:3] = info.affine
    else:
        own = [
            fallback * factor if length is None else length
            for length, fallback, factor in zip(info.voxel_size, dataset_size, planned.mag, strict=True)
        ]
        to_nanometres[:3, :3] = numpy.diag(own)
        to_nanometres[:3, 3] = [length or 0 for length in info.origin]
    to_voxels = numpy.eye(4)
    to_voxels[:3, :3] = numpy.diag(1 / dataset_size)
    to_voxels[:3, 3] = 0.5
    return AffineCoordinateTransformation(to_voxels @ to_nanometres @ to_index)


def _to_index(planned: VolumePlan, options: ImportOptions) -> NDArray[Any]:
    """The map from voxels of the layer to columns, rows and sections of the file."""
    import numpy

    factors = numpy.array(tuple(planned.mag), float)
    begin = numpy.array(planned.layers[0].bounding_box.topleft_xyz.to_tuple(), float)
    result = numpy.eye(4)
    result[:3, :3] = numpy.diag(1 / factors)
    result[:3, 3] = -begin / factors - 0.5
    for axis, flipped in enumerate((options.flip_x, options.flip_y, options.flip_z)):
        if flipped:
            result[axis] *= -1
            result[axis, 3] += planned.volume.size[axis] - 1
    return result[[1, 0, 2, 3]] if options.swap_xy else result
