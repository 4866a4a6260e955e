"""The mags that layers are stored at: those that their container says, on one voxel size for the whole dataset.

A container may hold labels of half the image's resolution, or nothing finer than its second level. Such layers become
the mag that they are of the finest resolution, and are never taken for it. A voxel size that is given by hand is that
of mag 1. Image files say nothing of this kind: they are mag 1, or the one that was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.config.hints import plain_number
from wkplug.errors import MagError, UnsupportedImageDataError
from wkplug.geometry import Mag
from wkplug.ops.importing.containers import Container

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wkplug.geometry import MagLike
    from wkplug.ops.importing.stacks import Stack

__all__ = ["mags_of"]

_Size = tuple[float, float, float]

_NAMED = 10
_SAME = 1e-3
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
                raise _uneven(sizes, list(containers.values()))
            x, y, z = x * more[0], y * more[1], z * more[2]
        factors[name] = x, y, z
    asked = Mag(wanted)
    if asked != 1 and factors:
        least = tuple(map(min, zip(*factors.values(), strict=True)))
        factors = {name: _replaced(own, least, asked) for name, own in factors.items()}
    return {name: _mag(name, factors[name]) if name in factors else asked for name in groups}


def _whole(ratio: float) -> int:
    """The whole number that a ratio is, 0 if it is none."""
    nearest = round(ratio)
    return nearest if abs(ratio - nearest) <= _SAME * nearest else 0


def _replaced(own: tuple[int, int, int], least: tuple[int, ...], asked: Mag) -> tuple[int, int, int]:
    x, y, z = (factor * new // old for factor, old, new in zip(own, least, asked, strict=True))
    return x, y, z


def _mag(name: str, factors: tuple[int, int, int]) -> Mag:
    try:
        return Mag(factors)
    except MagError as error:
        raise UnsupportedImageDataError(
            f"The voxels of {name!r} are {' x '.join(map(str, factors))} of the finest, which is no mag: "
            "their factors must be powers of two.",
            hint="Import the arrays into datasets of their own: name the path of each.",
        ) from error


def _uneven(sizes: Mapping[str, _Size], containers: Sequence[Container]) -> UnsupportedImageDataError:
    told = "; ".join(f"{name}: {' x '.join(map(plain_number, size))} nm" for name, size in sizes.items())
    # What isn't an array of its own has no path that could be named.
    apart = all(found.layer.mags[0].data_format for found in containers)
    ways = [
        f"wkplug convert {found.path} TARGET" if apart else f"scene={found.layer.name!r}"
        for found in containers
    ]
    commands = "; ".join(ways[:_NAMED]) + (f"; and {len(ways) - _NAMED} more" if len(ways) > _NAMED else "")
    return UnsupportedImageDataError(
        f"The layers' voxel sizes are no whole multiples of each other ({told}), so they can't be mags of one dataset.",
        hint=f"Import each into a dataset of its own: {commands}.",
    )
