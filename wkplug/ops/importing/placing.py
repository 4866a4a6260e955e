"""Where an image lies in its own space: turned, mirrored, sheared, or away from its origin.

Imports don't resample: voxels are as they are stored. On request (`keep_transformation`) the map to the file's space is
kept as the layer's coordinate transformation, which viewers apply; otherwise it is told that there is one.

The first voxel's centre lies at the origin. A layer's voxel 0 reaches from 0 to 1, so its centre is at 0.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.config.hints import plain_number
from wkplug.ops.importing.report import ImportNote
from wkplug.properties.transformations import AffineCoordinateTransformation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wkplug.geometry import Vec3Float
    from wkplug.ops.importing.options import ImportOptions
    from wkplug.ops.importing.plans import VolumePlan
    from wkplug.ops.importing.volume import Volume

__all__ = ["place_notes", "transformation_of"]


def _has_place(volume: Volume) -> bool:
    info = volume.files[0].info
    return info.affine is not None or any(info.origin)


def place_notes(volume: Volume, options: ImportOptions) -> Iterator[ImportNote]:
    """Say where the image lies, if its file says so and the layer doesn't keep it; or that there is nothing to keep."""
    if options.keep_transformation or not _has_place(volume):
        if options.keep_transformation and not _has_place(volume):
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
    if not options.keep_transformation or not _has_place(volume):
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
