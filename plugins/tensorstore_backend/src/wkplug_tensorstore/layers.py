"""What makes the mags of a layer one image for other viewers: the `info` above precomputed scales, the group of N5.

Both follow from the properties and from the arrays' own metadata. Keys of other tools stay, and so do the scales of an
`info` that somebody else wrote: which are from here is noted in it ("wkplug_scales").

Pure functions of facts and bytes, no I/O, no engine.
"""

from __future__ import annotations

import json
import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from wkplug.abc import LayerFacts, MagFacts, MetadataDialect
from wkplug.errors import CorruptDataError
from wkplug_tensorstore import n5, precomputed
from wkplug_tensorstore.stored import parse_document

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["N5Group", "PrecomputedInfo"]

_NOTHING: Mapping[str, bytes] = MappingProxyType({})
_OURS = "wkplug_scales"


class PrecomputedInfo(MetadataDialect):
    """The `info` of a layer: its mags as the scales of one volume, from fine to coarse."""

    layer_file_names = (precomputed.DOCUMENT,)
    mag_file_name = precomputed.DOCUMENT

    def __init__(self, settings: object = None) -> None:
        del settings

    def layer_files(
        self, facts: LayerFacts, *, existing: Mapping[str, bytes] = _NOTHING
    ) -> Mapping[str, bytes]:
        """Describe the mags that have an `info` of their own; nothing while there are none."""
        old = _parsed(existing.get(precomputed.DOCUMENT))
        scales = {mag.folder: scale for mag in facts.mags if (scale := _scale(facts, mag)) is not None}
        ours = set(old.get(_OURS) or ())
        if not scales and not ours:
            return {}
        others = [
            scale
            for scale in old.get("scales") or ()
            if isinstance(scale, dict) and scale.get("key") not in ours | set(scales)
        ]
        volume = {
            "@type": "neuroglancer_multiscale_volume",
            "type": "segmentation" if facts.category == "segmentation" else "image",
            "data_type": facts.dtype,
            "num_channels": facts.num_channels,
        }
        if others and any(old.get(key, value) != value for key, value in volume.items() if key != "type"):
            return {}  # another volume's, in which these can't be scales
        ordered = sorted([*others, *scales.values()], key=lambda scale: math.prod(scale["resolution"]))
        document = {**old, **volume, "scales": ordered, _OURS: sorted(scales)}
        return {precomputed.DOCUMENT: json.dumps(document, indent=2).encode()}

    def problems(self, facts: LayerFacts) -> list[str]:
        """Say which mags viewers don't find."""
        return [
            f"Mag {'-'.join(map(str, mag.mag))} of layer {facts.name!r} lies outside of the layer's folder, where its "
            "info can't point to."
            for mag in facts.mags
            if facts.data_format == "neuroglancerPrecomputed" and not mag.inside
        ]


class N5Group(MetadataDialect):
    """The attributes of an N5 layer's folder: which mags there are, and what their voxels measure."""

    layer_file_names = (n5.DOCUMENT,)

    def __init__(self, settings: object = None) -> None:
        del settings

    def layer_files(
        self, facts: LayerFacts, *, existing: Mapping[str, bytes] = _NOTHING
    ) -> Mapping[str, bytes]:
        """Describe the layer as COSEM's tools do; nothing if an array of its own lies in the layer's folder."""
        old = _parsed(existing.get(n5.DOCUMENT))
        if "dimensions" in old:
            return {}
        datasets = [
            {"path": mag.folder, "transform": _transform(facts, mag)} for mag in facts.mags if mag.inside
        ]
        document = {"n5": "4.0.0", **old, "multiscales": [{"name": facts.name, "datasets": datasets}]}
        return {n5.DOCUMENT: json.dumps(document, indent=2).encode()}


def _parsed(data: bytes | None) -> dict[str, Any]:
    try:
        return {} if data is None else parse_document(data, "")
    except CorruptDataError:
        return {}


def _sizes(facts: LayerFacts, mag: MagFacts) -> dict[str, float]:
    """Nanometres per voxel of a mag; 1 along axes that aren't of space."""
    sizes = [size * factor for size, factor in zip(facts.voxel_size, mag.mag, strict=True)]
    return dict.fromkeys(facts.axes, 1.0) | dict(zip("xyz", sizes, strict=True))


def _scale(facts: LayerFacts, mag: MagFacts) -> dict[str, Any] | None:
    """A mag as a scale of the layer's volume; None if its own metadata don't make it one."""
    own = _parsed(mag.metadata)
    try:
        found = precomputed.scale_of(own, "", "") if mag.inside and own else None
    except CorruptDataError:
        return None
    if found is None:
        return None
    sizes = _sizes(facts, mag)
    return {**found, "key": mag.folder, "resolution": [sizes[axis] for axis in "xyz"]}


def _transform(facts: LayerFacts, mag: MagFacts) -> dict[str, Any]:
    """Where the centres of a mag's voxels are, slowest axis first."""
    sizes, axes = _sizes(facts, mag), facts.axes[::-1]
    finest = dict(zip("xyz", facts.voxel_size, strict=True))
    return {
        "axes": list(axes),
        "scale": [sizes[axis] for axis in axes],
        "translate": [(sizes[axis] - finest[axis]) / 2 if axis in finest else 0.0 for axis in axes],
        "units": ["nm" if axis in finest else "" for axis in axes],
    }
