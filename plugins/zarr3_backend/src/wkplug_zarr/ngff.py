"""OME-NGFF metadata beside Zarr layers: 0.5 in zarr.json (Zarr v3), 0.4 in .zgroup and .zattrs (Zarr v2).

A layer becomes one multiscale image: its axes in storage order, its mags from fine to coarse. Array index 0
is voxel 0 of the dataset, so a layer's top-left never appears here. Per mag there is

* a scale: voxel size times mag, in nanometres, on x, y and z; 1.0 on every other axis;
* a translation: (mag - 1) / 2 voxels of mag 1 on each space axis, because NGFF places the centre of the first
  voxel, and a coarse voxel's centre lies in the middle of those that it stands for. Where it is zero on all
  axes (mag 1) it is left out, as the specification allows.

NGFF wants 2 to 5 axes: time first, then channels (or one axis of another kind), then two or three of space.
Layers whose axes are otherwise get a bare group, and `problems` says why. Keys of other tools (omero, labels)
in the same files are kept; consolidated metadata are not: they are copies of what resizing changes.

Pure functions of facts and bytes, no I/O, no zarr.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from wkplug.abc import DatasetFacts, LayerFacts, MagFacts, MetadataDialect

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Ngff04", "Ngff05"]

_SPACE = ("x", "y", "z")
_TYPES = {"c": "channel", "t": "time"}
_NOTHING: Mapping[str, bytes] = MappingProxyType({})
_CONSOLIDATED = "consolidated_metadata"


class _Ngff(MetadataDialect):
    """What both versions share."""

    version: ClassVar[str]
    data_format: ClassVar[str]

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        # Nothing can be configured.
        del settings

    def problems(self, facts: LayerFacts) -> list[str]:
        """Say, in one sentence each, what of the layer OME-NGFF can't express."""
        if facts.data_format != self.data_format:
            return []
        found = _axis_problems(facts)
        if not found:
            found = [
                f"Mag {_mag_name(mag)} of layer {facts.name!r} lies outside of the layer's folder, where "
                f"OME-NGFF {self.version} can't point to."
                for mag in facts.mags
                if not mag.inside
            ]
        return found


class Ngff05(_Ngff):
    """OME-NGFF 0.5: one zarr.json per group."""

    version = "0.5"
    data_format = "zarr3"
    dataset_file_names = ("zarr.json",)
    layer_file_names = ("zarr.json",)

    def dataset_files(
        self, facts: DatasetFacts, *, existing: Mapping[str, bytes] = _NOTHING
    ) -> Mapping[str, bytes]:
        """Make the dataset's folder a Zarr v3 group if it has Zarr v3 layers."""
        if self.data_format not in facts.data_formats:
            return {}
        group = self._group(existing)
        return {} if group is None else {"zarr.json": _encode(group)}

    def layer_files(
        self, facts: LayerFacts, *, existing: Mapping[str, bytes] = _NOTHING
    ) -> Mapping[str, bytes]:
        """Describe the layer; nothing if an array of its own lies in the layer's folder."""
        if facts.data_format != self.data_format:
            return {}
        group = self._group(existing)
        if group is None:
            return {}
        attributes = _object(group.get("attributes"))
        ome = _object(attributes.get("ome"))
        multiscale = _multiscale(facts)
        if multiscale is not None:
            ome = _with_multiscale({"version": self.version, **ome}, multiscale)
            attributes["ome"] = {**ome, "version": self.version}
        else:
            ome.pop("multiscales", None)
            attributes["ome"] = ome
            if not set(ome) - {"version"}:
                del attributes["ome"]
        group.pop("attributes", None)
        if attributes:
            group["attributes"] = attributes
        return {"zarr.json": _encode(group)}

    @staticmethod
    def _group(existing: Mapping[str, bytes]) -> dict[str, Any] | None:
        """The group as it is, or a new one; None if an array is there, which is nothing to write over."""
        found = _decode(existing.get("zarr.json"))
        if found.get("node_type") == "array":
            return None
        found.pop(_CONSOLIDATED, None)
        group = {"zarr_format": 3, "node_type": "group"}
        return {**group, **found, **group}


class Ngff04(_Ngff):
    """OME-NGFF 0.4: .zgroup, and .zattrs where there is something to say."""

    version = "0.4"
    data_format = "zarr"
    dataset_file_names = (".zgroup",)
    layer_file_names = (".zgroup", ".zattrs")

    def dataset_files(
        self, facts: DatasetFacts, *, existing: Mapping[str, bytes] = _NOTHING
    ) -> Mapping[str, bytes]:
        """Make the dataset's folder a Zarr v2 group if it has Zarr v2 layers."""
        return {".zgroup": self._group(existing)} if self.data_format in facts.data_formats else {}

    def layer_files(
        self, facts: LayerFacts, *, existing: Mapping[str, bytes] = _NOTHING
    ) -> Mapping[str, bytes]:
        """Describe the layer."""
        if facts.data_format != self.data_format:
            return {}
        files = {".zgroup": self._group(existing)}
        attributes = _decode(existing.get(".zattrs"))
        multiscale = _multiscale(facts)
        if multiscale is not None:
            attributes = _with_multiscale(attributes, {"version": self.version, **multiscale})
        else:
            attributes.pop("multiscales", None)
        if attributes or ".zattrs" in existing:
            files[".zattrs"] = _encode(attributes)
        return files

    @staticmethod
    def _group(existing: Mapping[str, bytes]) -> bytes:
        # A number: the text "2", which some writers use, is not what the specification says.
        return _encode({**_decode(existing.get(".zgroup")), "zarr_format": 2})


def _multiscale(facts: LayerFacts) -> dict[str, Any] | None:
    """Describe the layer's own mags, None if there are none or its axes can't be expressed."""
    mags = sorted((mag for mag in facts.mags if mag.inside), key=lambda mag: (max(mag.mag), mag.mag))
    if not mags or _axis_problems(facts):
        return None
    return {
        "name": facts.name,
        "axes": [_axis(name) for name in facts.axes],
        "datasets": [_dataset(mag, facts) for mag in mags],
    }


def _axis(name: str) -> dict[str, str]:
    if name in _SPACE:
        return {"name": name, "type": "space", "unit": "nanometer"}
    return {"name": name, "type": _TYPES[name]} if name in _TYPES else {"name": name}


def _dataset(mag: MagFacts, facts: LayerFacts) -> dict[str, Any]:
    scale, translation = [], []
    for axis in facts.axes:
        if axis not in _SPACE:
            scale.append(1.0)
            translation.append(0.0)
            continue
        number = _SPACE.index(axis)
        size, factor = float(facts.voxel_size[number]), mag.mag[number]
        scale.append(size * factor)
        translation.append((factor - 1) / 2 * size)
    transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(translation):
        transformations.append({"type": "translation", "translation": translation})
    return {"path": mag.folder, "coordinateTransformations": transformations}


def _axis_problems(facts: LayerFacts) -> list[str]:
    """Say what of the axes NGFF can't express; empty if all is well."""
    axes = facts.axes
    start = f"OME-NGFF can't describe layer {facts.name!r}: "
    found = []
    if not 2 <= len(axes) <= 5:
        found.append(f"{start}it has {len(axes)} axes, and 2 to 5 are allowed.")
    space = [axis for axis in axes if axis in _SPACE]
    if len(space) < 2:
        found.append(f"{start}it has {len(space)} axes of space, and 2 or 3 are needed.")
    other = [axis for axis in axes if axis not in _SPACE and axis not in _TYPES]
    if len(other) > 1:
        found.append(f"{start}only one of the axes {', '.join(other)} is allowed.")
    elif other and "c" in axes:
        found.append(f"{start}axis {other[0]} takes the place of the channel axis, which it has as well.")
    kinds = [0 if axis == "t" else 2 if axis in _SPACE else 1 for axis in axes]
    if kinds != sorted(kinds):
        found.append(
            f"{start}its axes are stored in the order {', '.join(axes)}, and time, then channels, then space "
            "is demanded."
        )
    return found


def _with_multiscale(attributes: dict[str, Any], multiscale: dict[str, Any]) -> dict[str, Any]:
    """Put our multiscale first, in place of the one that was there; what others added to it stays.

    Only transformations of the whole image go: ours say all about its place.
    """
    found = attributes.get("multiscales")
    scales = found if isinstance(found, list) else []
    old = _object(scales[0] if scales else None)
    old.pop("coordinateTransformations", None)
    if "version" not in multiscale:
        old.pop("version", None)
    return {**attributes, "multiscales": [{**multiscale, **old, **multiscale}, *scales[1:]]}


def _mag_name(mag: MagFacts) -> str:
    return str(mag.mag[0]) if len(set(mag.mag)) == 1 else "-".join(map(str, mag.mag))


def _object(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _decode(data: bytes | None) -> dict[str, Any]:
    """Read a file that may be missing or damaged; then it is as if it were empty."""
    try:
        return _object(json.loads(data)) if data else {}
    except (ValueError, RecursionError):
        return {}


def _encode(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=4, ensure_ascii=False).encode()
