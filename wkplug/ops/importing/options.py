"""What an import is asked for: its parameters, those that can't act on an input, and how much it may use.

`InputOptions` say how an input is read, `ImportOptions` what holds for all of its layers. Who gives a parameter counts
on it: so what a kind of input takes no notice of (gaps between files, for a container) is a note, and values that no
input could take are refused, whatever the input is.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import attrs

from wkplug.builtin.executors import available_workers
from wkplug.errors import InvalidArgumentError, UnalignedError
from wkplug.execution import shares_memory, workers_of
from wkplug.geometry import Mag, MagLike, Vec3FloatLike, Vec3Int, Vec3IntLike, VecIntLike
from wkplug.model.layout import LayoutRequest
from wkplug.notices import warn_user
from wkplug.ops.importing.files import ConversionLayerMapping
from wkplug.ops.importing.readers import ReaderChoice
from wkplug.ops.importing.report import ImportNote
from wkplug.ops.importing.series import MISSING_SLICES
from wkplug.ops.importing.volume import Part
from wkplug.ops.pyramids.sampling import PyramidOptions
from wkplug.properties import VoxelSize
from wkplug.storage.budget import LEAST_MEMORY, for_voxels, memory_budget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "CONTAINER",
    "FRAMES",
    "LIST",
    "ONE_FILE",
    "PLACED",
    "SERIES_IN_ONE",
    "SORTED",
    "Budget",
    "DatasetOptions",
    "ImportOptions",
    "InputOptions",
]

_LIBRARIES = 160 * 2**20
"""What engines and codecs take once they are loaded, and between their calls; less is left for voxels."""


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

    def warn_of_flips(self) -> None:
        """Say, once, where flips mean something else than in the library whose methods these are."""
        # With swap_xy, both libraries do the same.
        if self.flip_x != self.flip_y and not self.swap_xy:
            _warn_of_flips(*(("x", "y") if self.flip_x else ("y", "x")))

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
def _warn_of_flips(flipped: str, other: str) -> None:
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
        """What is left of `memory` (see `wkplug.storage.budget`); executor: None for threads."""
        left = max(LEAST_MEMORY, for_voxels(memory_budget(memory)) - _LIBRARIES)
        if executor is None:
            return cls(left, available_workers())
        return cls(left, workers_of(executor), shared=shares_memory(executor))

    @property
    def each(self) -> int:
        """The bytes of one process."""
        return self.bytes if self.shared else self.bytes // self.workers


_OF_FILES = ("map_filepath_to_layer_name", "missing_slices", "z_slices_sort_key")


@attrs.frozen
class Kind:
    """A kind of input: what messages call it, the parameters that it takes no notice of, and why.

    lost: whether something is lost by that, so that Python warns.
    """

    name: str
    ignores: tuple[str, ...]
    why: str
    lost: bool = True


_GAPS = ("missing_slices",)

CONTAINER = Kind(
    "a container", _OF_FILES, "its own metadata say which layers it has and where their sections lie"
)

FRAMES = Kind(
    "opened frames",
    (*_OF_FILES, "reader", "importer", "scene"),
    "they are open already, and sections in their own order",
)

LIST = Kind("a list of files", (*_OF_FILES, "importer"), "they are sections in the order of the list")

ONE_FILE = Kind("a layer of one file", _GAPS, "the file itself says where its sections lie", lost=False)

PLACED = Kind("files that say another order than their names", _GAPS, "numbers in names count nothing then")

SERIES_IN_ONE = Kind("several series in one layer", _GAPS, "they follow each other without gaps")

SORTED = Kind("files in an order of yours", _GAPS, "numbers in names count nothing then")


@attrs.frozen(kw_only=True)
class DatasetOptions:
    """The dataset that an import makes; see `Dataset.from_images`.

    voxel_size: nanometres, None for an axis that takes what the files say. voxel_size_from_files: without a voxel
    size, all of it is what the files say. layer_name: of the only layer, or what the names of several begin with.
    layer_category: None lets the container or the path decide.
    """

    name: str | None = None
    voxel_size: Vec3FloatLike | Sequence[float | None] | None = None
    voxel_size_with_unit: VoxelSize | None = None
    voxel_size_from_files: bool = False
    layer_name: str | None = None
    layer_category: str | None = None

    @property
    def given_voxel_size(self) -> VoxelSize | Vec3FloatLike | Sequence[float | None] | None:
        """The voxel size that was given in one of two ways; InvalidArgumentError for two, and for none."""
        sizes = [size for size in (self.voxel_size, self.voxel_size_with_unit) if size is not None]
        if len(sizes) > 1 or not (sizes or self.voxel_size_from_files):
            raise InvalidArgumentError(
                "Exactly one of voxel_size and voxel_size_with_unit is needed.",
                hint="Give voxel_size=(x, y, z) in nanometres; None for an axis takes what the files say.",
            )
        return sizes[0] if sizes else None


@attrs.frozen(kw_only=True)
class InputOptions:
    """How an input is found, read and grouped to layers; see `Dataset.from_images`.

    sampled: of a long series of files, open only a few; for plans that are only shown.
    """

    map_filepath_to_layer_name: ConversionLayerMapping | str | Callable[[Any], str] = (
        ConversionLayerMapping.INSPECT_SINGLE_FILE
    )
    z_slices_sort_key: Callable[[Any], Any] | None = None
    missing_slices: str = "error"
    reader: str | None = None
    use_bioformats: bool | None = None
    importer: str | None = None
    scene: int | str | None = None
    sampled: bool = False

    @property
    def mapping(self) -> ConversionLayerMapping | Callable[[Any], str]:
        """The way to map files to layers, also where a text names it."""
        mapping = self.map_filepath_to_layer_name
        if not isinstance(mapping, str):
            return mapping
        try:
            return ConversionLayerMapping(mapping)
        except ValueError as error:
            known = ", ".join(item.value for item in ConversionLayerMapping)
            raise InvalidArgumentError(
                f"{mapping!r} is no way to map files to layers.", hint=f"Use one of: {known}."
            ) from error

    def reader_choice(self) -> ReaderChoice:
        """Which reader is wanted, for the files of one import. Checks all that is given here.

        InvalidArgumentError for values that mean nothing, or contradict each other.
        """
        choice = ReaderChoice(
            self.reader, use_bioformats=self.use_bioformats, scene=self.scene, sampled=self.sampled
        )
        if self.missing_slices not in MISSING_SLICES:
            raise InvalidArgumentError(
                f"missing_slices is {self.missing_slices!r}.",
                hint=f"Use one of: {', '.join(MISSING_SLICES)}.",
            )
        self.mapping  # noqa: B018 - refuses an unknown name
        if choice.name is not None and self.importer is not None:
            raise InvalidArgumentError(
                "Both reader and importer are given: an input is read by one of them.",
                hint="Give a reader for image files, or an importer for a container.",
            )
        return choice

    def ignored_by(self, kind: Kind) -> list[ImportNote]:
        """Say which of the parameters that were given, which differ from their defaults, a kind of input ignores."""
        given = {
            "map_filepath_to_layer_name": (self.mapping, ConversionLayerMapping.INSPECT_SINGLE_FILE),
            "z_slices_sort_key": (self.z_slices_sort_key, None),
            "missing_slices": (self.missing_slices, "error"),
            "reader": (self.reader_choice().name, None),
            "importer": (self.importer, None),
            "scene": (self.scene, None),
        }
        return [
            ImportNote(
                kind="differs",
                text=f"{_written(name, value)} has no effect on {kind.name}: {kind.why}",
                lost=kind.lost,
            )
            for name, (value, default) in given.items()
            if value != default and name in kind.ignores
        ]


def _written(name: str, value: Any) -> str:
    if isinstance(value, ConversionLayerMapping):
        value = value.value
    if callable(value):
        return name
    return f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}"
