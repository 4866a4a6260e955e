"""`VolumePlan`: what an import is going to write, as values; nothing is looked up and nothing written here.

A volume becomes one layer or several (`LayerPlan`), which are written together. `PlannedImport` is all of them, with
what whoever imports should know beforehand.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

from wkplug import storage
from wkplug.abc import ArraySpec, Location
from wkplug.geometry import Mag, NDBoundingBox
from wkplug.ops.importing import chunking_plan
from wkplug.ops.importing.chunking_plan import ChunkingPlan, Extent
from wkplug.ops.importing.containers import Container
from wkplug.ops.importing.options import Budget, ImportOptions
from wkplug.ops.importing.readers import ImageFile
from wkplug.ops.importing.report import ImportNote, ImportReport
from wkplug.ops.importing.volume import Volume
from wkplug.ops.pyramids.passes import Pass
from wkplug.properties import VoxelSize

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "LayerPlan",
    "PlannedImport",
    "Shown",
    "VolumePlan",
    "check_target",
]


@attrs.frozen
class Shown:
    """How viewers show a layer at first, as far as its file says; range: the darkest and the brightest value.

    inverted: whether the darkest is shown as the brightest.
    """

    color: tuple[int, int, int] | None = None
    range: tuple[float, float] | None = None
    visible: bool | None = None
    inverted: bool | None = None


@attrs.frozen(kw_only=True)
class LayerPlan:
    """One layer to come: `channels` of the volume, in a box (Mag(1) voxels; axes in front included)."""

    name: str
    category: str
    dtype: str
    data_format: str
    channels: range
    bounding_box: NDBoundingBox
    shown: Shown
    """How it is shown: layers that were the channels of one image get different colours."""


@attrs.frozen(kw_only=True)
class VolumePlan:
    """A volume and the layers that it becomes; they are written together, so that files are read once.

    mag: the one that the voxels of the volume are. spec: of the arrays to come, which differ in nothing but their
    channels. fingerprint: a text that differs where the import would make something else. others_start: where the axes
    in front of the array begin. mags: the coarser ones to be made. streaming: how the first of them are computed from
    the boxes while these are in memory, None if all are computed afterwards.
    """

    volume: Volume
    mag: Mag
    layers: tuple[LayerPlan, ...]
    spec: ArraySpec
    extent: Extent
    others_start: tuple[int, ...]
    chunking: ChunkingPlan
    budget: Budget
    fingerprint: str
    mags: tuple[Mag, ...] = ()
    streaming: Pass | None = None
    notes: tuple[ImportNote, ...] = ()

    def chunking_with_box(self, box: tuple[int, ...]) -> ChunkingPlan:
        """The plan for boxes of other edges: those with which an import that was stopped had begun."""
        if box == self.chunking.box or len(box) != 3:
            return self.chunking
        return chunking_plan.with_box(
            self.extent, (box[0], box[1], box[2]), self.budget.each, self.budget.workers
        )

    @property
    def channels(self) -> range:
        """The channels that are read: those of all layers, which lie side by side."""
        return range(self.layers[0].channels.start, self.layers[-1].channels.stop)

    @property
    def work(self) -> int:
        """What a progress bar counts, in bytes: voxels decoded, written, of mags made in the same pass; and the end."""
        streamed = [] if self.streaming is None else self.mags[: self.streaming.count]
        finest = math.prod(self.mag.to_tuple())
        coarser = sum(self.bytes * finest // math.prod(mag.to_tuple()) for mag in streamed)
        return 2 * self.bytes + coarser + self.bytes // 50 + 1

    @property
    def num_steps(self) -> int:
        """How many regions are decoded in all: sections, where these are decoded whole."""
        return self.chunking.num_steps(self.extent) * math.prod(self.volume.others.values())

    @property
    def memory(self) -> int:
        """What is held at once at most, in bytes: the voxels of the boxes, and those of the coarser mags."""
        calls = 1 if self.budget.shared else self.budget.workers
        return (self.chunking.bytes + self.chunking.rewritten) * calls + (
            0 if self.streaming is None else self.streaming.need * len(self.layers)
        )

    @property
    def bytes(self) -> int:
        """The voxels of all layers before they are compressed, in bytes."""
        return math.prod(self.volume.size) * self.extent.voxel_bytes * math.prod(self.volume.others.values())


@attrs.frozen(kw_only=True)
class PlannedImport:
    """What an import would write, before anything is written.

    voxel_size_of_files: the axes along which the voxel size is what the files say, such as "xy". report: what will be
    left out, filled, guessed ...
    """

    target: Location
    voxel_size: VoxelSize
    voxel_size_of_files: str
    volumes: tuple[VolumePlan, ...]
    options: ImportOptions
    report: ImportReport

    def __attrs_post_init__(self) -> None:
        check_target(self.target, self.volumes)

    @property
    def paths(self) -> tuple[str, ...]:
        """Where all voxels come from: files, and arrays of containers."""
        return tuple(file.path for planned in self.volumes for file in planned.volume.files)

    @property
    def files(self) -> tuple[Location, ...]:
        """All image files, in the order of layers and sections; none of containers, whose files are not looked at."""
        every = (file for planned in self.volumes for file in planned.volume.files)
        places = (place for file in every if isinstance(file, ImageFile) for place in file.places)
        # A file of several scenes counts once.
        return tuple({place.url: place for place in places}.values())

    @property
    def source_bytes(self) -> int:
        """The size of all image files."""
        return sum(location.size() for location in self.files)

    @property
    def bytes(self) -> int:
        """The voxels of all layers before they are compressed, without coarser mags, in bytes."""
        return sum(planned.bytes for planned in self.volumes)

    @property
    def memory(self) -> int:
        """What the voxels that are held at once take at most, in bytes."""
        return max(planned.memory for planned in self.volumes)


def check_target(target: Location, volumes: Iterable[VolumePlan]) -> None:
    """Refuse a dataset inside of the container or image that it is made of. Beside the images of a folder it may be."""
    files = [file for planned in volumes for file in planned.volume.files]
    places = {file.location.url: file.location for file in files if isinstance(file, Container)}
    # Images may be many thousands, and few are folders: links are followed for containers alone.
    places |= {
        file.location.url: file.location
        for file in files
        if isinstance(file, ImageFile) and target.url.startswith(f"{file.location.url}/")
    }
    for place in places.values():
        if storage.is_inside(place, target):
            storage.check_apart(place, target, "what is imported")
