"""`Layer`: one image of a dataset, with its mags. What a layer is lies in the properties file; this is a window on it.

Nothing about a layer is kept here that isn't in the file: every question goes to the properties store, every
change is an operation that the store replays on what is on disk then. Verbs that span several objects
(downsampling, copying) are one-line delegations to `wkplug.ops`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.dataset import creating, resizing
from wkplug.dataset.data_format import DataFormat
from wkplug.dataset.layer_copying import LayerCopying
from wkplug.dataset.layout import LayoutRequest
from wkplug.dataset.legacy.layer import ADDING_MAGS, DOWNSAMPLING, UPSAMPLING, OlderLayer
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.mags import Mags
from wkplug.dataset.regions import Frame, Region, from_bounding_box, to_bounding_box
from wkplug.errors import (
    CategoryError,
    LayerNameError,
    MagMismatchError,
    MagNotFoundError,
    OutOfBoundsError,
    ReadOnlyError,
)
from wkplug.geometry import Mag, NDBoundingBox, NormalizedBoundingBox, grids

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from wkplug.abc import Location
    from wkplug.dataset.dataset import Dataset
    from wkplug.dataset.execution import AnyExecutor
    from wkplug.dataset.layer_export import LayerExport
    from wkplug.dataset.mag_view import MagView
    from wkplug.dataset.segmentation_layer import SegmentationLayer
    from wkplug.geometry import MagLike, VecIntLike
    from wkplug.ops.sampling import SamplingModes
    from wkplug.properties import CoordinateTransformation, LayerProperties, LayerViewConfiguration

__all__ = ["Layer"]


class Layer(LayerCopying, OlderLayer):
    """A layer of a dataset: `dataset.get_layer("color")`. Not made by hand."""

    def __init__(self, dataset: Dataset, properties: LayerProperties, read_only: bool) -> None:  # noqa: FBT001 - known signature
        self._dataset = dataset
        self._name = properties.name
        self._read_only = read_only
        self._seen: LayerProperties | None = None
        self._frame: Frame | None = None
        self._region: Region = ((), ())
        self._mags: Mags | None = None

    # --- what the file says -------------------------------------------------------------------------------

    @property
    def properties(self) -> LayerProperties:
        """The layer's entry in the properties file, as of the last look at it; for reading."""
        properties = self._dataset.store.layer(self._name)
        if properties is not self._seen:
            self._look_at(properties)
        return properties

    def _look_at(self, properties: LayerProperties) -> None:
        box = properties.bounding_box
        self._frame = Frame.of(box.axes)
        self._region = (box.topleft.to_tuple(), box.size.to_tuple())
        self._mags = None
        self._seen = properties

    @property
    def frame(self) -> Frame:
        """The axes of the layer's arrays; for `wkplug.ops`."""
        self.properties  # noqa: B018 - looks at the file's present state
        if self._frame is None:
            raise LayerNameError(f"The layer {self._name!r} has no axes.")
        return self._frame

    @property
    def region(self) -> Region:
        """The bounding box over all axes of the arrays; for `wkplug.ops`."""
        self.properties  # noqa: B018 - looks at the file's present state
        return self._region

    @property
    def name(self) -> str:
        """The name; setting it renames the layer's folder too (local datasets only)."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._writable("be renamed")
        if name == self._name:
            return
        creating.rename_layer(self, name)
        self._dataset.layer_was_renamed(self._name, name)
        self._name = name
        self._seen = None

    @property
    def dataset(self) -> Dataset:
        """The dataset that this layer belongs to."""
        return self._dataset

    @property
    def location(self) -> Location:
        """The place of the layer's own folder, which may not exist (yet)."""
        return self._dataset.location.child(self._name)

    @property
    def path(self) -> pathlib.Path:
        """The path of the layer's own folder, which may not exist (yet)."""
        return self._dataset.path / self._name

    @property
    def resolved_path(self) -> pathlib.Path:
        """The path with links resolved."""
        return self.path.resolve()

    @property
    def category(self) -> str:
        """Either "color" or "segmentation"."""
        return self.properties.category

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the voxels, per channel."""
        return self.properties.dtype_np

    @property
    def num_channels(self) -> int:
        """The number of channels, 1 where the arrays have no channel axis."""
        return self.properties.num_channels

    @property
    def data_format(self) -> DataFormat:
        """The storage format of the layer's arrays."""
        return DataFormat.recorded(self.properties.data_format)

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._read_only

    @property
    def bounding_box(self) -> NDBoundingBox:
        """Where the layer has voxels, in Mag(1): a BoundingBox for layers with the axes x, y, z.

        Setting it resizes the layer's own arrays. Voxels that fall outside are hidden, not deleted. A negative
        top-left is an OutOfBoundsError (an AssertionError).
        """
        return to_bounding_box(self.frame, self.region)

    @bounding_box.setter
    def bounding_box(self, box: NDBoundingBox) -> None:
        self._writable("change its bounding box")
        region = self._checked_region(box)
        own = list(self.mags.values())
        resizing.grow(own, grids.hull(region, self.region))
        from wkplug.properties import operations

        self._dataset.store.apply(operations.SetBox(self._name, self._normalized(region)))
        resizing.shrink(own, region)

    @property
    def normalized_bounding_box(self) -> NormalizedBoundingBox:
        """The bounding box with the axes of the arrays, channels included."""
        return self._normalized(self.region)

    def extend_bounding_box(self, box: NDBoundingBox) -> None:
        """Extend the bounding box so that it holds `box` too: a union, also when several processes do it at once."""
        self._writable("change its bounding box")
        region = self._checked_region(box)
        resizing.grow(self.mags.values(), grids.hull(self.region, region))
        from wkplug.properties import operations

        self._dataset.store.apply(operations.ExtendBox(self._name, self._normalized(region)))

    def _checked_region(self, box: NDBoundingBox) -> Region:
        region = from_bounding_box(self.frame, box, self.region)
        if min(region[0]) < 0:
            raise OutOfBoundsError(
                f"The bounding box {box} starts below zero, where no voxels can be.",
                hint="Offsets count from 0 on.",
            )
        return region

    def _normalized(self, region: Region) -> NormalizedBoundingBox:
        return NormalizedBoundingBox(region[0], region[1], self.frame.axes)

    @property
    def default_view_configuration(self) -> LayerViewConfiguration | None:
        """How viewers show the layer at first, None if that was never set."""
        return self.properties.default_view_configuration

    @default_view_configuration.setter
    def default_view_configuration(self, value: LayerViewConfiguration | None) -> None:
        self._writable("change its view configuration")
        from wkplug.properties import operations

        self._dataset.store.apply(operations.SetLayerKey(self._name, "defaultViewConfiguration", value))

    @property
    def coordinate_transformations(self) -> tuple[CoordinateTransformation, ...]:
        """The transformations of the layer, in order; () if there are none."""
        return tuple(self.properties.coordinate_transformations or ())

    @coordinate_transformations.setter
    def coordinate_transformations(self, value: Sequence[CoordinateTransformation] | None) -> None:
        self._writable("change its transformations")
        from wkplug.properties import operations

        self._dataset.store.apply(
            operations.SetLayerKey(self._name, "coordinateTransformations", tuple(value) if value else None)
        )

    @property
    def is_foreign(self) -> bool:
        """Whether the layer's folder is a link that leads out of the dataset."""
        local = self.location.local_path()
        return local is not None and self.path.is_symlink()

    @property
    def export(self) -> LayerExport:
        """Writes the layer, or a box of it, in the format of another tool: `layer.export("em.ome.tif")`."""
        from wkplug.dataset.layer_export import LayerExport

        return LayerExport(self)

    # --- mags ---------------------------------------------------------------------------------------------

    @property
    def mags(self) -> Mags:
        """The mags, finest first, looked up by anything that means a mag: `layer.mags["2-2-1"]`."""
        properties = self.properties
        if self._mags is None:
            self._mags = Mags(creating.open_mags(self, properties))
        return self._mags

    def get_mag(self, mag: MagLike) -> MagView:
        """Give a mag; MagNotFoundError (an IndexError) if the layer doesn't have it."""
        wanted = Mag(mag)
        try:
            return self.mags[wanted]
        except KeyError:
            there = ", ".join(str(known) for known in self.mags) or "none"
            raise MagNotFoundError(
                f"The layer {self._name!r} has no mag {wanted}; it has {there}.",
                hint=f"Add it with layer.add_mag({str(wanted)!r}), or downsample to it.",
            ) from None

    def get_finest_mag(self) -> MagView:
        """Give the finest mag; MagNotFoundError if there is none."""
        for view in self.mags.values():
            return view
        raise MagNotFoundError(
            f"The layer {self._name!r} has no mags.", hint="Add one with layer.add_mag(1)."
        )

    @older(**ADDING_MAGS)
    def add_mag(
        self,
        mag: MagLike,
        *,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: VecIntLike | int | None = None,
        compress: bool | Mapping[str, Any] = True,
    ) -> MagView:
        """Add an empty mag and list it.

        chunk_shape, shard_shape: one number or x, y, z, in voxels of the mag; powers of two, the shard a multiple
            of the chunk (LayoutError, a ValueError). By default the format's own.
        compress: whether, or a mapping of options for the data format.
        MagExistsError (an IndexError) if the layer has it.
        """
        self._writable("get another mag")
        request = LayoutRequest(
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            chunks_per_shard=chunks_per_shard,
            compress=compress,
        )
        request.check_power_of_two()
        purpose = creating.purpose_of_next_mag(self)
        return creating.add_mag(self, Mag(mag), request, purpose)

    @older(**ADDING_MAGS)
    def get_or_add_mag(
        self,
        mag: MagLike,
        *,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: VecIntLike | int | None = None,
        compress: bool | Mapping[str, Any] | None = None,
    ) -> MagView:
        """Give the mag, added if need be; MagMismatchError (a ValueError) if it has another layout than asked for."""
        if Mag(mag) not in self.mags:
            return self.add_mag(
                mag,
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                chunks_per_shard=chunks_per_shard,
                compress=True if compress is None else compress,
            )
        view = self.get_mag(mag)
        info = view.info
        for what, wanted, found in (
            ("chunk_shape", chunk_shape, info.chunk_shape),
            ("shard_shape", shard_shape, info.shard_shape),
            ("chunks_per_shard", chunks_per_shard, info.chunks_per_shard),
        ):
            if wanted is not None:
                numbers = (wanted,) * len(found) if isinstance(wanted, int) else tuple(int(n) for n in wanted)
                if numbers != found.to_tuple():
                    raise MagMismatchError(
                        f"The mag {view.name} of {self._name!r} exists with {what} "
                        f"{found.to_tuple()}, but {numbers} was asked for.",
                        hint="Leave it out to take the mag as it is, or use another mag.",
                    )
        if compress is not None and bool(compress) != info.compression_mode:
            raise MagMismatchError(
                f"The mag {view.name} of {self._name!r} exists and is "
                f"{'' if info.compression_mode else 'not '}compressed.",
                hint="Leave compress out to take the mag as it is.",
            )
        return view

    def delete_mag(self, mag: MagLike) -> None:
        """Take the mag off the list and delete its files, unless they belong to another dataset or layer."""
        self._writable("lose a mag")
        creating.delete_mag(self, self.get_mag(mag))

    def is_mag_view_foreign(self, mag: MagView) -> bool:
        """Whether the mag's files lie outside this layer's folder."""
        return mag.location.parent != self.location

    def as_segmentation_layer(self) -> SegmentationLayer:
        """Give the layer itself if it is a segmentation layer, otherwise CategoryError (a TypeError)."""
        from wkplug.dataset.segmentation_layer import SegmentationLayer

        if isinstance(self, SegmentationLayer):
            return self
        raise CategoryError(f"The layer {self._name!r} is a {self.category} layer, not a segmentation layer.")

    # --- verbs that span several mags: `wkplug.ops` does them ---------------------------------------------

    @older(**DOWNSAMPLING["downsample"])
    def downsample(
        self,
        *,
        from_mag: MagLike | None = None,
        coarsest_mag: MagLike | None = None,
        interpolation_mode: str = "default",
        compress: bool = True,
        sampling_mode: str | SamplingModes = "anisotropic",
        align_with_other_layers: bool | Dataset = True,
        buffer_shape: VecIntLike | int | None = None,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        force_sampling_scheme: bool = False,
        allow_overwrite: bool = False,
        only_setup_mags: bool = False,
        from_mag_view: MagView | None = None,
        memory: int | str | None = None,
        executor: AnyExecutor = None,
    ) -> None:
        """Add coarser mags, as if each were computed from the one before; the finest is read once for all.

        from_mag: where to start, by default the coarsest there is. coarsest_mag: where to end, by default the mag
            at which the longer of x and y has about 100 voxels, 4 or coarser.
        interpolation_mode: "default" is "median" for color layers and "mode" for segmentations.
        sampling_mode: "anisotropic" brings voxels closer to cubes, "isotropic" halves all axes, "constant_z"
            leaves z as it is.
        align_with_other_layers: take mags that other layers of this (or the given) dataset have.
        allow_overwrite: compute mags anew that exist. only_setup_mags: create and list them empty.
        force_sampling_scheme: also add mags that viewers can't tell apart.
        from_mag_view: a mag of another layer, of the same axes, channels and dtype, to start from.
        memory: what the process and its workers may take, as in "2GB"; by default half of what there is. Too little
            is a TooLargeError (a ValueError and a MemoryError) that says how much is needed.
        buffer_shape: voxels of the new mag (the first of them) that are computed at once; by default planned.
        executor: where the work runs, in threads by default; see `View.for_each_chunk`.

        A killed call leaves no mag that looks complete, and may simply be made again.
        """
        from wkplug.ops import pyramids

        pyramids.downsample(
            self,
            from_mag=from_mag,
            coarsest_mag=coarsest_mag,
            interpolation_mode=interpolation_mode,
            compress=compress,
            sampling_mode=sampling_mode,
            align_with_other_layers=align_with_other_layers,
            buffer_shape=buffer_shape,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            force_sampling_scheme=force_sampling_scheme,
            allow_overwrite=allow_overwrite,
            only_setup_mags=only_setup_mags,
            from_mag_view=from_mag_view,
            memory=memory,
            executor=executor,
        )

    @older(**DOWNSAMPLING["downsample_mag"])
    def downsample_mag(
        self,
        from_mag: MagLike,
        target_mag: MagLike,
        *,
        interpolation_mode: str = "default",
        compress: bool = True,
        buffer_shape: VecIntLike | int | None = None,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        allow_overwrite: bool = False,
        only_setup_mag: bool = False,
        from_mag_view: MagView | None = None,
        memory: int | str | None = None,
        executor: AnyExecutor = None,
    ) -> None:
        """Compute one mag from a finer one, that of this layer or `from_mag_view` (another layer's).

        Parameters: as of `downsample`. KeyError and AssertionError if there is no `from_mag`, MagError (a
        ValueError) if `target_mag` is finer along an axis, MagExistsError if it exists.
        """
        from wkplug.ops import pyramids

        pyramids.downsample_mag(
            self,
            from_mag,
            target_mag,
            interpolation_mode=interpolation_mode,
            compress=compress,
            buffer_shape=buffer_shape,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            allow_overwrite=allow_overwrite,
            only_setup_mag=only_setup_mag,
            from_mag_view=from_mag_view,
            memory=memory,
            executor=executor,
        )

    @older(**DOWNSAMPLING["downsample_mag_list"])
    def downsample_mag_list(
        self,
        from_mag: MagLike,
        target_mags: Iterable[MagLike],
        *,
        interpolation_mode: str = "default",
        compress: bool = True,
        buffer_shape: VecIntLike | int | None = None,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        allow_overwrite: bool = False,
        only_setup_mags: bool = False,
        memory: int | str | None = None,
        executor: AnyExecutor = None,
    ) -> None:
        """Compute the given mags, sorted, as if each came from the one before; they must form a chain.

        Parameters: as of `downsample`.
        """
        from wkplug.ops import pyramids

        pyramids.downsample_mag_list(
            self,
            from_mag,
            target_mags,
            interpolation_mode=interpolation_mode,
            compress=compress,
            buffer_shape=buffer_shape,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            allow_overwrite=allow_overwrite,
            only_setup_mags=only_setup_mags,
            memory=memory,
            executor=executor,
        )

    @older(**DOWNSAMPLING["redownsample"])
    def redownsample(
        self,
        *,
        interpolation_mode: str = "default",
        compress: bool = True,
        buffer_shape: VecIntLike | int | None = None,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        memory: int | str | None = None,
        executor: AnyExecutor = None,
    ) -> None:
        """Compute all coarser mags anew from the finest, after its voxels have changed.

        The mags keep the layout that they have; compress, chunk_shape and shard_shape say nothing.
        Other parameters: as of `downsample`.
        """
        from wkplug.ops import pyramids

        del compress, chunk_shape, shard_shape
        pyramids.redownsample(
            self,
            interpolation_mode=interpolation_mode,
            buffer_shape=buffer_shape,
            memory=memory,
            executor=executor,
        )

    @older(**UPSAMPLING)
    def upsample(
        self,
        from_mag: MagLike,
        *,
        from_mag_view: MagView | None = None,
        finest_mag: MagLike = 1,
        compress: bool = True,
        sampling_mode: str | SamplingModes = "anisotropic",
        align_with_other_layers: bool | Dataset = True,
        buffer_shape: VecIntLike | int | None = None,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        memory: int | str | None = None,
        executor: AnyExecutor = None,
    ) -> None:
        """Add finer mags, down to `finest_mag`: every voxel of `from_mag` becomes a block of itself.

        The mags are those that `downsample` would go through from `finest_mag` on. Parameters: as of `downsample`.
        MagExistsError (an AssertionError) if one of the mags exists.
        """
        from wkplug.ops import upsampling

        upsampling.upsample(
            self,
            from_mag,
            from_mag_view=from_mag_view,
            finest_mag=finest_mag,
            compress=compress,
            sampling_mode=sampling_mode,
            align_with_other_layers=align_with_other_layers,
            buffer_shape=buffer_shape,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            memory=memory,
            executor=executor,
        )

    # --- rules --------------------------------------------------------------------------------------------

    def _writable(self, verb: str) -> None:
        if self._read_only:
            raise ReadOnlyError(
                f"The layer {self._name!r} is read-only and can't {verb}: the changes will not be saved.",
                hint="Open the dataset without read_only=True.",
            )

    def check_writable(self, verb: str) -> None:
        """Raise ReadOnlyError if the layer may not be changed; `verb` completes "it can't ..."."""
        self._writable(verb)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layer):
            return NotImplemented
        return self._name == other._name and self._dataset == other._dataset

    def __hash__(self) -> int:
        return hash((self._name, self._dataset))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r}, dtype={self.dtype.name}, num_channels={self.num_channels})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_layer_again, (self._dataset, self._name))


def _layer_again(dataset: Dataset, name: str) -> Layer:
    return dataset.get_layer(name)
