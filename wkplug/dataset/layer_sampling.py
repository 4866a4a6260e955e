"""The methods of `Layer` that compute mags from others: a pyramid of coarser ones, or finer ones.

One-line delegations to `wkplug.ops`; `Layer` inherits them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.dataset.legacy.layer import DOWNSAMPLING, UPSAMPLING
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.parts import LayerPart, part_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wkplug.dataset.dataset import Dataset
    from wkplug.dataset.execution import AnyExecutor
    from wkplug.dataset.mag_view import MagView
    from wkplug.geometry import MagLike, VecIntLike
    from wkplug.model.names import Mode, SamplingMode
    from wkplug.ops.pyramids.sampling import SamplingModes

__all__ = ["LayerSampling"]


@part_of("wkplug.dataset.layer", "Layer")
class LayerSampling(LayerPart):
    """A base of `Layer`."""

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
        from wkplug.ops.pyramids import downsampling

        downsampling.downsample(
            self._as_layer(),
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
        from wkplug.ops.pyramids import downsampling

        downsampling.downsample_mag(
            self._as_layer(),
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
        from wkplug.ops.pyramids import downsampling

        downsampling.downsample_mag_list(
            self._as_layer(),
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
        from wkplug.ops.pyramids import downsampling

        del compress, chunk_shape, shard_shape
        downsampling.redownsample(
            self._as_layer(),
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
        from wkplug.ops.pyramids import upsampling

        upsampling.upsample(
            self._as_layer(),
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
