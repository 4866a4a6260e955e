"""`Layer` and `SegmentationLayer`: one image of a dataset, with its mags.

What a layer is lies in the metadata; this is a window on it.

Nothing about a layer is kept here that isn't there: every question goes to its state (`wkplug.model.states`), every
change is a verb of `wkplug.model.changes`, and what spans mags or takes long is one of `wkplug.ops`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from wkplug.dataset import verbs
from wkplug.dataset.completion import UsersNames
from wkplug.dataset.data_format import DataFormat
from wkplug.dataset.legacy.layer import ADDING_MAGS, DOWNSAMPLING, UPSAMPLING, OlderLayer
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.mag_view import MagView
from wkplug.errors import CategoryError
from wkplug.geometry import Mag, NDBoundingBox, NormalizedBoundingBox
from wkplug.model.layout import LayoutRequest
from wkplug.model.places import is_link
from wkplug.model.states import LayerState, Mags, MagState, state_of

if TYPE_CHECKING:
    import os
    import pathlib
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from wkplug.abc import Location
    from wkplug.dataset.attachments import Attachments
    from wkplug.dataset.dataset import Dataset
    from wkplug.dataset.layer_export import LayerExport
    from wkplug.execution import AnyExecutor
    from wkplug.geometry import MagLike, VecIntLike
    from wkplug.model.names import Category, Mode, SamplingMode
    from wkplug.ops.pyramids.sampling import SamplingModes
    from wkplug.properties import CoordinateTransformation, LayerProperties, LayerViewConfiguration

__all__ = ["Layer", "SegmentationLayer"]


class Layer(UsersNames, OlderLayer):
    """A layer of a dataset: `dataset.get_layer("color")`. Not made by hand."""

    mag_class: ClassVar[type[MagView]] = MagView
    """The class that shows the mags; for subclasses that a plugin brings."""

    def __init__(self, dataset: Dataset, properties: LayerProperties, read_only: bool) -> None:  # noqa: FBT001 - known signature
        self._dataset = dataset
        state = dataset.state.layer(properties.name)
        if state.read_only != read_only:  # made by hand: other windows on the layer stay as they are
            state = LayerState(dataset.state, properties.name, read_only=read_only)
        self.state = state
        self._mags: tuple[Mags[MagState], Mags[MagView]] | None = None

    # --- what the file says -------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name; setting it renames the layer's folder too (local datasets only).

        Mags and views that are at hand follow. Of a layer that is a link, the link is renamed.
        """
        return self.state.name

    @name.setter
    def name(self, name: str) -> None:
        verbs.changes.rename_layer(self.state, name)

    @property
    def dataset(self) -> Dataset:
        """The dataset that this layer belongs to."""
        return self._dataset

    @property
    def location(self) -> Location:
        """The place of the layer's own folder, which may not exist (yet), as `wkplug.storage` knows it."""
        return self.state.location

    @property
    def path(self) -> pathlib.Path:
        """The path of the layer's own folder, which may not exist (yet)."""
        return self._dataset.path / self.state.name

    @property
    def resolved_path(self) -> pathlib.Path:
        """The path with links resolved."""
        return self.path.resolve()

    @property
    def category(self) -> Category:
        """Either "color" or "segmentation"."""
        return cast("Category", self.state.category)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the voxels, per channel."""
        return self.state.dtype

    @property
    def num_channels(self) -> int:
        """The number of channels, 1 where the arrays have no channel axis."""
        return self.state.num_channels

    @property
    def data_format(self) -> DataFormat:
        """The storage format of the layer's arrays."""
        return DataFormat.recorded(self.state.data_format)

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self.state.read_only

    @property
    def bounding_box(self) -> NDBoundingBox:
        """Where the layer has voxels, in Mag(1): a BoundingBox for layers with the axes x, y, z.

        Setting it resizes the layer's own arrays. Voxels that fall outside are hidden, not deleted. A negative
        top-left is an OutOfBoundsError (an AssertionError).
        """
        return self.state.bounding_box

    @bounding_box.setter
    def bounding_box(self, box: NDBoundingBox) -> None:
        verbs.changes.set_box(self.state, box)

    def extend_bounding_box(self, box: NDBoundingBox) -> None:
        """Extend the bounding box so that it holds `box` too: a union, also when several processes do it at once."""
        verbs.changes.extend_box(self.state, verbs.changes.check_box(self.state, box))

    @property
    def normalized_bounding_box(self) -> NormalizedBoundingBox:
        """The bounding box with the axes of the arrays, channels included."""
        return NormalizedBoundingBox(*self.state.region, self.state.frame.axes)

    @property
    def default_view_configuration(self) -> LayerViewConfiguration | None:
        """How viewers show the layer at first, None if that was never set."""
        return self.state.properties.default_view_configuration

    @default_view_configuration.setter
    def default_view_configuration(self, value: LayerViewConfiguration | None) -> None:
        verbs.changes.set_layer_key(
            self.state, "defaultViewConfiguration", value, "change its view configuration"
        )

    @property
    def coordinate_transformations(self) -> tuple[CoordinateTransformation, ...]:
        """The transformations of the layer, in order; () if there are none."""
        return tuple(self.state.properties.coordinate_transformations or ())

    @coordinate_transformations.setter
    def coordinate_transformations(self, value: Sequence[CoordinateTransformation] | None) -> None:
        transformations = tuple(value) if value else None
        verbs.changes.set_layer_key(
            self.state, "coordinateTransformations", transformations, "change its transformations"
        )

    @property
    def is_foreign(self) -> bool:
        """Whether the layer's folder is a link that leads out of the dataset."""
        return is_link(self.state.location)

    @property
    def export(self) -> LayerExport:
        """Writes the layer, or a box of it, in the format of another tool: `layer.export("em.ome.tif")`."""
        from wkplug.dataset.layer_export import LayerExport

        return LayerExport(self)

    # --- mags ---------------------------------------------------------------------------------------------

    @property
    def mags(self) -> Mags[MagView]:
        """The mags, finest first, looked up by anything that means a mag: `layer.mags["2-2-1"]`."""
        states = self.state.mags
        if self._mags is None or self._mags[0] is not states:
            views = Mags({mag: self.mag_class.of(self, state) for mag, state in states.items()})
            self._mags = (states, views)
        return self._mags[1]

    def _view(self, mag: MagState) -> MagView:
        return self.mags[mag.mag]

    def as_segmentation_layer(self) -> SegmentationLayer:
        """Give the layer itself if it is a segmentation layer, otherwise CategoryError (a TypeError)."""
        raise CategoryError(f"The layer {self.name!r} is a {self.category} layer, not a segmentation layer.")

    def get_mag(self, mag: MagLike) -> MagView:
        """Give a mag; MagNotFoundError (an IndexError) if the layer doesn't have it."""
        return self._view(self.state.mag(mag))

    def get_finest_mag(self) -> MagView:
        """Give the finest mag; MagNotFoundError if there is none."""
        return self._view(self.state.finest_mag())

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
        request = LayoutRequest(chunk_shape, shard_shape, chunks_per_shard, compress)
        return self._view(verbs.changes.add_mag(self.state, Mag(mag), request))

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
        request = LayoutRequest(chunk_shape, shard_shape, chunks_per_shard, compress)
        return self._view(verbs.changes.get_or_add_mag(self.state, Mag(mag), request))

    def delete_mag(self, mag: MagLike) -> None:
        """Take the mag off the list and delete its files, unless they belong to another dataset or layer."""
        verbs.changes.delete_mag(self.state.mag(mag))

    def is_mag_view_foreign(self, mag: MagView) -> bool:
        """Whether the mag's files lie outside this layer's folder, also behind a link in it."""
        return self.state.is_foreign(mag.state)

    # --- pyramids -----------------------------------------------------------------------------------------

    @older(**DOWNSAMPLING["downsample"])
    def downsample(
        self,
        *,
        from_mag: MagLike | None = None,
        coarsest_mag: MagLike | None = None,
        interpolation_mode: Mode = "default",
        compress: bool = True,
        sampling_mode: SamplingMode | SamplingModes = "anisotropic",
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
        verbs.downsampling.downsample(
            self.state,
            verbs.sampling.PyramidOptions(
                coarsest_mag=coarsest_mag,
                interpolation_mode=interpolation_mode,
                compress=compress,
                sampling_mode=sampling_mode,
                align_with_other_layers=state_of(align_with_other_layers),
                buffer_shape=buffer_shape,
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                force_sampling_scheme=force_sampling_scheme,
                allow_overwrite=allow_overwrite,
                only_setup_mags=only_setup_mags,
                memory=memory,
            ),
            from_mag=from_mag,
            from_mag_view=state_of(from_mag_view),
            executor=executor,
        )

    @older(**DOWNSAMPLING["downsample_mag"])
    def downsample_mag(
        self,
        from_mag: MagLike,
        target_mag: MagLike,
        *,
        interpolation_mode: Mode = "default",
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
        verbs.downsampling.downsample_mag_list(
            self.state,
            from_mag,
            [target_mag],
            verbs.sampling.PyramidOptions(
                interpolation_mode=interpolation_mode,
                compress=compress,
                buffer_shape=buffer_shape,
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                allow_overwrite=allow_overwrite,
                only_setup_mags=only_setup_mag,
                memory=memory,
            ),
            from_mag_view=state_of(from_mag_view),
            executor=executor,
        )

    @older(**DOWNSAMPLING["downsample_mag_list"])
    def downsample_mag_list(
        self,
        from_mag: MagLike,
        target_mags: Iterable[MagLike],
        *,
        interpolation_mode: Mode = "default",
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
        verbs.downsampling.downsample_mag_list(
            self.state,
            from_mag,
            target_mags,
            verbs.sampling.PyramidOptions(
                interpolation_mode=interpolation_mode,
                compress=compress,
                buffer_shape=buffer_shape,
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                allow_overwrite=allow_overwrite,
                only_setup_mags=only_setup_mags,
                memory=memory,
            ),
            executor=executor,
        )

    @older(**DOWNSAMPLING["redownsample"])
    def redownsample(
        self,
        *,
        interpolation_mode: Mode = "default",
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
        del compress, chunk_shape, shard_shape
        verbs.downsampling.redownsample(
            self.state,
            verbs.sampling.PyramidOptions(
                interpolation_mode=interpolation_mode, buffer_shape=buffer_shape, memory=memory
            ),
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
        sampling_mode: SamplingMode | SamplingModes = "anisotropic",
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
        verbs.upsampling.upsample(
            self.state,
            from_mag,
            verbs.sampling.PyramidOptions(
                compress=compress,
                sampling_mode=sampling_mode,
                align_with_other_layers=state_of(align_with_other_layers),
                buffer_shape=buffer_shape,
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                memory=memory,
            ),
            from_mag_view=state_of(from_mag_view),
            finest_mag=finest_mag,
            executor=executor,
        )

    # --- mags from elsewhere ------------------------------------------------------------------------------

    def add_mag_as_copy(
        self,
        foreign_mag_view_or_path: MagView | str | os.PathLike[str],
        *,
        mag: MagLike | None = None,
        extend_layer_bounding_box: bool = True,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: VecIntLike | int | None = None,
        compress: Any = None,
        exists_ok: bool = False,
        executor: AnyExecutor = None,
        progress_desc: str | None = None,
    ) -> MagView:
        """Copy a mag of another layer, or the one at `<dataset>/<layer>/<mag>`, into this layer.

        mag: list the copy as this mag; voxels stay what they are. extend_layer_bounding_box: the layer's box
        becomes the union with that of the source's layer; otherwise only what lies in it is copied.
        chunk_shape, shard_shape, compress: as in the source if left out; then, in the same data format, files are
        copied as they are. exists_ok: write the voxels into the mag that is there.

        MagExistsError (an IndexError) if the layer has the mag, MagMismatchError (an AssertionError) if dtype,
        channels or axes differ. A killed copy leaves no mag that looks complete, and may simply be made again.
        """
        with verbs.progress.described(progress_desc) as progress:
            made = verbs.mag_copying.add_mag(
                self.state,
                state_of(foreign_mag_view_or_path),
                mag=mag,
                request=verbs.mag_copying.CopyOptions(
                    chunk_shape=chunk_shape,
                    shard_shape=shard_shape,
                    chunks_per_shard=chunks_per_shard,
                    compress=compress,
                ),
                extend_layer_bounding_box=extend_layer_bounding_box,
                exists_ok=exists_ok,
                executor=executor,
                progress=progress,
            )
            return self._view(made)

    def add_mag_as_ref(
        self,
        foreign_mag_view_or_path: MagView | str | os.PathLike[str],
        *,
        mag: MagLike | None = None,
        extend_layer_bounding_box: bool = True,
    ) -> MagView:
        """List a mag of another layer, whose files stay where they are; it is read-only here.

        Parameters as of `add_mag_as_copy`. MagMismatchError (an AssertionError) if the data format differs.
        """
        made = verbs.mag_copying.add_mag(
            self.state,
            state_of(foreign_mag_view_or_path),
            verbs.mag_copying.Transfer.REFERENCE,
            mag=mag,
            extend_layer_bounding_box=extend_layer_bounding_box,
        )
        return self._view(made)

    def add_mag_for_existing_files(self, mag: MagLike) -> MagView:
        """List a mag whose array lies in the layer's folder already, as `1` or `1-1-1`.

        MagExistsError (an AssertionError) if it is listed, MissingArrayError (an ArrayException) if there is
        no array.
        """
        made = verbs.existing.add_mag_for_existing_files(self.state, mag)
        return self._view(made)

    def add_mag_from_array(
        self,
        mag: MagLike,
        path: str | os.PathLike[str],
        *,
        move: bool = False,
        extend_layer_bounding_box: bool = True,
    ) -> MagView:
        """Copy (or move) an array from anywhere into the layer's folder and list it.

        The array starts at voxel 0, and must have the layer's data format and dtype (MagMismatchError, a
        ValueError). The layer's box is extended so that it reaches the array's end; a layer without mags takes
        over the array's axes.
        """
        made = verbs.existing.add_mag_from_array(
            self.state, mag, path, move=move, extend_layer_bounding_box=extend_layer_bounding_box
        )
        return self._view(made)

    def view(self, *, browser: bool | None = None) -> Any:
        """Look at the layer alone; see `Dataset.view`."""
        return self.dataset.view(layers=[self.name], browser=browser)

    # --- being an object ----------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layer):
            return NotImplemented
        return self.state == other.state

    def __hash__(self) -> int:
        return hash(self.state)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name!r}, dtype={self.dtype.name}, num_channels={self.num_channels})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (_layer_again, (self._dataset, self.name))


class SegmentationLayer(Layer):
    """A layer of segment ids; 0 is background."""

    @property
    def category(self) -> Literal["segmentation"]:
        """Always "segmentation"."""
        return "segmentation"

    def as_segmentation_layer(self) -> SegmentationLayer:
        """Give the layer itself."""
        return self

    @property
    def largest_segment_id(self) -> int | None:
        """The largest id in use, None if nobody ever said; writing voxels doesn't change it."""
        value: int | None = getattr(self.state.properties, "largest_segment_id", None)
        return value

    @largest_segment_id.setter
    def largest_segment_id(self, value: int | None) -> None:
        number = verbs.changes.whole_number(value)
        verbs.changes.set_layer_key(self.state, "largestSegmentId", number, "change its largest segment id")

    @older(order=("chunk_shape", "executor"))
    def refresh_largest_segment_id(
        self, *, chunk_shape: VecIntLike | int | None = None, executor: AnyExecutor = None
    ) -> None:
        """Set the largest id to what is really there, by reading all stored voxels of the finest mag.

        0 if there are no segments, None if the bounding box is empty. How much is read at once is chosen by bytes,
        whatever `chunk_shape` says.
        """
        del chunk_shape
        verbs.segment_ids.refresh_largest_segment_id(self.state, executor=executor)

    @property
    def attachments(self) -> Attachments:
        """Meshes, agglomerates and the like that belong to the segments."""
        from wkplug.dataset.attachments import Attachments

        return Attachments(self)


def _layer_again(dataset: Dataset, name: str) -> Layer:
    return dataset.get_layer(name)
