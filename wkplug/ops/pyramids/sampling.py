"""Which mags a pyramid has: the sampling schemes, arithmetic on mags and voxel sizes.

`PyramidOptions` are what a pyramid is asked for. Layers are known here only as lists of mags.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import InvalidArgumentError, UnreachableMagError
from wkplug.geometry import Mag, MagLike, Vec3Float, Vec3Int, VecIntLike
from wkplug.model.layout import LayoutRequest
from wkplug.model.states import DatasetState
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "PyramidOptions",
    "SamplingModes",
    "default_coarsest_mag",
    "mags_to_downsample",
    "pyramid_mags",
]


class SamplingModes(Enum):
    """How the axes take turns when a pyramid gets coarser.

    ANISOTROPIC: each step brings the voxels closer to cubes, judged by the voxel size. ISOTROPIC: all axes are
    halved in every step. CONSTANT_Z: x and y only.
    """

    ANISOTROPIC = "anisotropic"
    ISOTROPIC = "isotropic"
    CONSTANT_Z = "constant_z"

    @classmethod
    def parse(cls, mode: str | SamplingModes) -> SamplingModes:
        """Give the mode of a name ("auto" is anisotropic); InvalidArgumentError (a ValueError) for others."""
        if isinstance(mode, SamplingModes):
            return mode
        name = str(mode).lower()
        if name == "auto":
            return cls.ANISOTROPIC
        try:
            return cls(name)
        except ValueError as error:
            known = ", ".join(one.value for one in cls)
            raise InvalidArgumentError(
                f"{mode!r} is not a sampling mode.", hint=f"Use one of: {known}."
            ) from error


@attrs.frozen(kw_only=True)
class PyramidOptions:
    """Which mags a pyramid has, how they are computed and stored; see `Layer.downsample` and `Layer.upsample`.

    coarsest_mag: None for the one that makes the layer about 100 voxels long. memory: what the process may take, see
    `wkplug.storage.budget`.
    """

    coarsest_mag: MagLike | None = None
    sampling_mode: str | SamplingModes = SamplingModes.ANISOTROPIC
    align_with_other_layers: bool | DatasetState = True
    force_sampling_scheme: bool = False
    interpolation_mode: str = "default"
    compress: bool | Mapping[str, Any] = True
    chunk_shape: VecIntLike | int | None = None
    shard_shape: VecIntLike | int | None = None
    buffer_shape: VecIntLike | int | None = None
    allow_overwrite: bool = False
    only_setup_mags: bool = False
    memory: int | str | None = None

    @property
    def layout(self) -> LayoutRequest:
        """How the new mags are stored."""
        return LayoutRequest(
            chunk_shape=self.chunk_shape, shard_shape=self.shard_shape, compress=self.compress
        )


def default_coarsest_mag(size: Vec3Int) -> Mag:
    """Give the mag that makes the longer of x and y about 100 voxels, never below 4; z doesn't count."""
    longer = max(size.x, size.y)
    if longer <= 0:
        raise InvalidArgumentError(
            "An empty layer has no pyramid.", hint="Write voxels first, or set layer.bounding_box."
        )
    # Integers only: a power of two that is at least longer / 100.
    return Mag(max(4, 1 << max(0, -(-longer // 100) - 1).bit_length()))


def pyramid_mags(
    size: Vec3Int,
    source: Mag,
    coarsest_mag: MagLike | None,
    sampling_mode: str | SamplingModes,
    others: Iterable[Sequence[Mag]],
    voxel_size: Vec3Float,
) -> list[Mag]:
    """Give the mags that a layer of `size` (Mag(1) voxels) gets from its mag `source` on, which is left out.

    coarsest_mag: None for the default. A single section is never reduced along z. others, voxel_size and the errors
    are those of `mags_to_downsample`.
    """
    goal = default_coarsest_mag(size) if coarsest_mag is None else Mag(coarsest_mag)
    mode = SamplingModes.CONSTANT_Z if size.z == 1 else SamplingModes.parse(sampling_mode)
    if mode is SamplingModes.CONSTANT_Z:
        goal = Mag([goal.x, goal.y, source.z])
    if coarsest_mag is None:
        goal = Mag([max(a, b) for a, b in zip(goal, source, strict=True)])
    return mags_to_downsample(source, goal, others, voxel_size if mode is SamplingModes.ANISOTROPIC else None)


def mags_to_downsample(
    from_mag: Mag,
    coarsest_mag: Mag,
    others: Iterable[Sequence[Mag]],
    voxel_size: Vec3Float | None,
) -> list[Mag]:
    """Give the mags from `from_mag` (left out) to `coarsest_mag`, each coarser than the one before.

    others: the mags of the layers to align with; where one has the wanted largest factor, it is taken.
    voxel_size: nanometres along x, y, z for the anisotropic scheme, None for the others.
    InvalidArgumentError (an AssertionError) if the layers contradict each other or the goal isn't coarser;
    UnreachableMagError (a RuntimeError) if the scheme can't get there.
    """
    if any(a > b for a, b in zip(from_mag, coarsest_mag, strict=True)):
        raise InvalidArgumentError(
            f"The coarsest mag {coarsest_mag} is finer than the mag to "
            f"start from, {from_mag}, along at least one axis.",
            hint="Give a coarsest mag that is coarser or equal along x, y and z.",
        )
    known = _by_largest_factor(others)
    current = from_mag
    result: list[Mag] = []
    while current.max_dim < coarsest_mag.max_dim:
        step = known.get(current.max_dim * 2)
        if step is not None:
            if any(a > b for a, b in zip(step, coarsest_mag, strict=True)):
                warn_user(
                    f"[WARNING] The mag {step}, taken from another layer, is "
                    f"coarser than {coarsest_mag} along an axis.",
                    UserWarning,
                )
        elif voxel_size is None:
            step = _capped(tuple(factor * 2 for factor in current), coarsest_mag)
        else:
            step = _closer_to_cubes(current, coarsest_mag, voxel_size)
        if step == current:
            raise UnreachableMagError(
                f"The coarsest mag {coarsest_mag} can not be reached from {from_mag} with this voxel size.",
                hint="Choose another coarsest mag, or sampling_mode='isotropic' or 'constant_z'.",
            )
        if step.max_dim > current.max_dim:
            result.append(step)
        current = step
    return result


def _by_largest_factor(others: Iterable[Sequence[Mag]]) -> dict[int, Mag]:
    known: dict[int, Mag] = {}
    for mags in others:
        for mag in mags:
            found = known.setdefault(mag.max_dim, mag)
            if found != mag:
                raise InvalidArgumentError(
                    f"Other layers have both the mag {found} and the mag {mag}, so the new mags can't align with all.",
                    hint="Pass align_with_other_layers=False, or align_with_other_layers=DATASET for another one.",
                )
    return known


def _capped(factors: Sequence[int], cap: Mag) -> Mag:
    return Mag([min(factor, most) for factor, most in zip(factors, cap, strict=True)])


def _closer_to_cubes(current: Mag, coarsest: Mag, voxel_size: Vec3Float) -> Mag:
    """Double all axes if that makes voxels closer to cubes than doubling just the shortest ones."""
    extents = [factor * size for factor, size in zip(current, voxel_size, strict=True)]
    shortest = min(extents)
    only_shortest = [2 if extent == shortest else 1 for extent in extents]

    def ratio(doubling: Sequence[int]) -> float:
        sizes = [extent * factor for extent, factor in zip(extents, doubling, strict=True)]
        return max(sizes) / min(sizes)

    doubling = [2, 2, 2] if ratio([2, 2, 2]) < ratio(only_shortest) else only_shortest
    return _capped([factor * twice for factor, twice in zip(current, doubling, strict=True)], coarsest)
