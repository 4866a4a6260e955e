"""`precomputed`: a volume as neuroglancer and CloudVolume read it from any web server or bucket.

One scale per resolution, sharded, so that a volume is few files. Labels of 32 and 64 bits are compressed as
segmentations and gzipped, everything else is gzipped as it is: what every reader of the format decodes. PNG, on
request, makes images of 8 and 16 bits smaller without loss, but CloudVolume reads it only with a further package, and
16 bits not at all. Voxel offsets keep the place that the box has in the dataset.

Sources: the format's description in the neuroglancer repository, "precomputed/volume.md" and "sharded.md".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wkplug.abc import Exporter
from wkplug.errors import InvalidArgumentError
from wkplug_tensorstore import precomputed
from wkplug_tensorstore.backends import PrecomputedBackend
from wkplug_tensorstore.exporting import Scale, check_axes, check_dtype, check_options, write_scales
from wkplug_tensorstore.settings import TensorstoreSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import ExportLevel, ExportVolume, Location

__all__ = ["PrecomputedExporter"]

_AXES = ("c", "x", "y", "z")
_CHUNK = 64
_SHARD_BITS = 6  # a shard is 4 x 4 x 4 chunks, 256 voxels along an edge
_MOST_BITS = 64
_DTYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "float32")


class PrecomputedExporter(Exporter):
    """Writes one precomputed volume."""

    def __init__(self, settings: object = None) -> None:
        self._settings = TensorstoreSettings.of(settings)

    def write(self, source: ExportVolume, target: Location, options: Mapping[str, Any]) -> None:
        """See `Exporter.write`. encoding: "raw" (gzipped), "compressed_segmentation" or "png"; chosen if left out."""
        check_options("Precomputed", options, ("encoding",))
        check_axes("Precomputed", source, _AXES)
        check_dtype("Precomputed", source, _DTYPES)
        encoding = _encoding(source, options.get("encoding"))
        described = [_scale(source, level, encoding) for level in source.levels]
        info = {
            "@type": "neuroglancer_multiscale_volume",
            "type": "segmentation" if source.category == "segmentation" else "image",
            "data_type": source.dtype,
            "num_channels": source.num_channels,
            "scales": described,
        }
        target.child(precomputed.DOCUMENT).write(json.dumps(info, indent=2).encode())
        scales = []
        for scale in described:
            array = PrecomputedBackend(self._settings).open(target.child(scale["key"]), "r+")
            scales.append(Scale(array, (0, *scale["voxel_offset"]), array.spec.shard_shape))
        write_scales(source, scales)

    def drops(self, source: ExportVolume, options: Mapping[str, Any]) -> frozenset[str]:
        """See `Exporter.drops`."""
        del source, options
        return frozenset({"color"})


def _encoding(volume: ExportVolume, wanted: str | None) -> str:
    possible = ["raw"]
    if volume.dtype in ("uint32", "uint64"):
        possible.append("compressed_segmentation")
    if volume.dtype in ("uint8", "uint16") and volume.num_channels <= 4:
        possible.append("png")
    if wanted is not None:
        if wanted not in possible:
            raise InvalidArgumentError(
                f"The encoding {wanted!r} can't hold {volume.dtype}, or that many channels ({volume.num_channels}).",
                hint=f"Possible here: {', '.join(possible)}.",
            )
        return wanted
    labels = volume.category == "segmentation" and "compressed_segmentation" in possible
    return "compressed_segmentation" if labels else "raw"


def _scale(volume: ExportVolume, level: ExportLevel, encoding: str) -> dict[str, Any]:
    start, size = (
        [dict(zip(volume.axes, values, strict=True)).get(axis, otherwise) for axis in "xyz"]
        for values, otherwise in ((level.start, 0), (level.shape, 1))
    )
    chunk = [min(_CHUNK, length) for length in size]
    bits = sum((-(-length // step) - 1).bit_length() for length, step in zip(size, chunk, strict=True))
    sharding = {
        "@type": "neuroglancer_uint64_sharded_v1",
        "hash": "identity",
        "preshift_bits": min(3, bits),
        "minishard_bits": min(_SHARD_BITS - 3, max(0, bits - 3)),
        "shard_bits": max(0, bits - _SHARD_BITS),
        "data_encoding": "raw" if encoding == "png" else "gzip",
        "minishard_index_encoding": "gzip",
    }
    resolution = [voxel * factor for voxel, factor in zip(volume.voxel_size, level.mag, strict=True)]
    return {
        "key": "_".join(f"{length:.10g}" for length in resolution),
        "resolution": resolution,
        "voxel_offset": start,
        "size": size,
        "chunk_sizes": [chunk],
        "encoding": encoding,
        **({"compressed_segmentation_block_size": [8, 8, 8]} if encoding.startswith("compressed") else {}),
        # Numbers of chunks have 64 bits: beyond that, each chunk is a file.
        **({"sharding": sharding} if bits <= _MOST_BITS else {}),
    }
