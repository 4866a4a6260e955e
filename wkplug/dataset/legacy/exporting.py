"""The exports that the API has always named after their formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.errors import InvalidArgumentError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from wkplug.execution import AnyExecutor
    from wkplug.geometry import MagLike, NDBoundingBox, VecIntLike

__all__ = ["NamedExports"]


class NamedExports:
    """Methods of `LayerExport`."""

    __call__: Callable[..., None]

    def as_tiff_stack(
        self,
        *,
        output_path: str | os.PathLike[str],
        bounding_box: NDBoundingBox | None = None,
        mag: MagLike | None = None,
        filename_prefix: str = "",
        access_mode: str | None = None,
        **more: Any,
    ) -> None:
        """Write one TIFF file per section into the folder `output_path`, named by its z in Mag(1).

        filename_prefix: comes before the number, with an underscore. access_mode: for layers on servers only.
        """
        self._local_only(access_mode)
        self(
            output_path,
            "tiff_stack",
            bounding_box=bounding_box,
            mag=mag,
            filename_prefix=filename_prefix,
            **more,
        )

    def as_ome_tiff(
        self,
        *,
        output_path: str | os.PathLike[str],
        bounding_box: NDBoundingBox | None = None,
        mag: MagLike | None = None,
        downsample: bool = True,
        access_mode: str | None = None,
        **more: Any,
    ) -> None:
        """Write one OME-TIFF file, with coarser versions of each plane unless `downsample` is False."""
        self._local_only(access_mode)
        self(output_path, "ome_tiff", bounding_box=bounding_box, mag=mag, downsample=downsample, **more)

    def as_ozx(
        self,
        *,
        output_path: str | os.PathLike[str],
        bounding_box: NDBoundingBox | None = None,
        mag: MagLike | None = None,
        downsample: bool = True,
        access_mode: str | None = None,
        shard_shape: VecIntLike | int | None = None,
        executor: AnyExecutor = None,
        **more: Any,
    ) -> None:
        """Write one zipped OME-Zarr 0.5 image, which begins at the box's first voxel.

        shard_shape: voxels of one file in the archive, n or (x, y, z).
        """
        self._local_only(access_mode)
        self(
            output_path,
            "ozx",
            bounding_box=bounding_box,
            mag=mag,
            downsample=downsample,
            shard_shape=shard_shape,
            executor=executor,
            **more,
        )

    @staticmethod
    def _local_only(access_mode: str | None) -> None:
        if access_mode is not None:
            raise InvalidArgumentError(
                "access_mode is for layers on servers; this layer is read from its files.",
                hint="Leave it out.",
            )
