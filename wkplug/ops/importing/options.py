"""What an import is asked for: the parameters that hold for all of its layers, and what it may use."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import attrs

from wkplug.builtin.executors import available_workers
from wkplug.errors import InvalidArgumentError, UnalignedError
from wkplug.geometry import Mag, Vec3Int
from wkplug.model.layout import LayoutRequest
from wkplug.notices import warn_user
from wkplug.ops import memory as amounts
from wkplug.ops.importing.axes import Part
from wkplug.ops.pools import shares_memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wkplug.geometry import MagLike, Vec3IntLike, VecIntLike

__all__ = ["Budget", "ImportOptions", "PyramidOptions"]

_LIBRARIES = 160 * 2**20
"""What engines and codecs take once they are loaded, and between their calls; less is left for voxels."""


@attrs.frozen(kw_only=True)
class PyramidOptions:
    """The coarser mags that an import is to make, too; as of `Layer.downsample`."""

    coarsest_mag: MagLike | None = None
    interpolation_mode: str = "default"
    sampling_mode: str = "anisotropic"


def _pyramid(wanted: PyramidOptions | Literal[True, False] | None) -> PyramidOptions | None:
    if wanted is True:
        return PyramidOptions()
    return wanted or None


@attrs.frozen(kw_only=True)
class ImportOptions:
    """The parameters of an import that hold for all of its layers; see `Dataset.add_layer_from_images`.

    pyramid: True for one with the defaults, False for none.
    """

    data_format: str | None = None
    mag: MagLike = 1
    chunk_shape: VecIntLike | int | None = None
    shard_shape: VecIntLike | int | None = None
    chunks_per_shard: VecIntLike | int | None = None
    compress: bool | Mapping[str, Any] = True
    topleft: Vec3IntLike | VecIntLike = (0, 0, 0)
    swap_xy: bool = False
    flip_x: bool = False
    flip_y: bool = False
    flip_z: bool = False
    dtype: Any = None
    channel: int | None = None
    czi_channel: int | None = None
    timepoint: int | None = None
    scale: int | None = None
    batch_size: int | None = None
    memory: int | str | None = None
    allow_multiple_layers: bool = False
    max_layers: int = 20
    truncate_rgba_to_rgb: bool = True
    keep_transformation: bool = False
    pyramid: PyramidOptions | None = attrs.field(default=None, converter=_pyramid)

    @property
    def request(self) -> LayoutRequest:
        """The layout parameters alone."""
        return LayoutRequest(
            chunk_shape=self.chunk_shape,
            shard_shape=self.shard_shape,
            chunks_per_shard=self.chunks_per_shard,
            compress=self.compress,
        )

    @property
    def coarser_request(self) -> LayoutRequest:
        """The layout parameters of the coarser mags, whose chunks and shards are chosen for them."""
        return LayoutRequest(compress=self.compress)

    @property
    def part(self) -> Part:
        """What is taken of every file."""
        return Part(timepoint=self.timepoint, channel=self.czi_channel, level=self.scale or 0)

    def tell_of_flips(self) -> None:
        """Say, once, where flips mean something else than in the library whose methods these are."""
        # With swap_xy, both libraries do the same.
        if self.flip_x != self.flip_y and not self.swap_xy:
            _tell_of_flips(*(("x", "y") if self.flip_x else ("y", "x")))

    def check(self) -> None:
        """Refuse what is wrong whatever the images are."""
        self.request.check_power_of_two()
        if self.max_layers < 1:
            raise InvalidArgumentError(
                f"max_layers is {self.max_layers}: no layer may be added.", hint="Give at least 1."
            )
        Mag(self.mag)

    def place(self, others: Sequence[str], mag: Mag) -> tuple[tuple[int, ...], Vec3Int]:
        """Where a layer with these axes in front begins: along them, and along x, y and z.

        topleft has three numbers, or those of all axes (others, c, x, y, z), or names its axes.
        """
        axes = (*others, "c", "x", "y", "z")
        try:
            numbers = tuple(int(number) for number in self.topleft)
        except (TypeError, ValueError):
            numbers = ()  # no numbers at all: refused below
        named: tuple[str, ...] = tuple(getattr(self.topleft, "axes", ()))
        if not named:
            named = ("x", "y", "z") if len(numbers) == 3 else axes
        if len(named) != len(numbers) or not set(named) <= set(axes):
            raise InvalidArgumentError(
                f"topleft is {self.topleft}, but the layer has the axes {', '.join(axes)}.",
                hint=f"Give three numbers for x, y and z, {len(axes)} for all axes, or a VecInt that names its axes.",
            )
        low = dict(zip(named, numbers, strict=True))
        if min(numbers) < 0 or low.get("c"):
            raise InvalidArgumentError(
                f"topleft is {numbers}.",
                hint="Layers have no voxels at negative positions, and channels count from 0.",
            )
        topleft = Vec3Int(*(low.get(axis, 0) for axis in "xyz"))
        if any(first % factor for first, factor in zip(topleft, mag, strict=True)):
            raise UnalignedError(
                f"topleft is {topleft.to_tuple()}, which no voxel of mag {mag} starts at.",
                hint=f"It is in voxels of Mag(1): give multiples of {mag.to_tuple()}.",
            )
        return tuple(low.get(axis, 0) for axis in others), topleft


@cache
def _tell_of_flips(flipped: str, other: str) -> None:
    """Warn once in the life of a process: who knows it now will not learn more from it in a loop."""
    warn_user(
        f"[WARNING] flip_{flipped} reverses the {flipped} axis of the layer. The webknossos "
        f"library reverses {other} instead: pass flip_{other} to get what it makes.",
        UserWarning,
    )


@attrs.frozen
class Budget:
    """What an import may use: bytes for voxels, and the calls that run side by side, in this process or elsewhere."""

    bytes: int
    workers: int
    shared: bool = True

    @classmethod
    def of(cls, memory: int | str | None, executor: Any = None) -> Budget:
        """What is left of `memory` (see `wkplug.ops.memory`); executor: None for threads."""
        budget = amounts.memory_budget(memory)
        left = max(amounts.LEAST_MEMORY, amounts.for_voxels(budget) - _LIBRARIES)
        if executor is None:
            return cls(left, available_workers())
        workers = getattr(executor, "workers", None) or getattr(executor, "_max_workers", None)
        known = workers if isinstance(workers, int) and workers > 0 else available_workers()
        return cls(left, known, shared=shares_memory(executor))

    @property
    def each(self) -> int:
        """The bytes of one process."""
        return self.bytes if self.shared else self.bytes // self.workers
