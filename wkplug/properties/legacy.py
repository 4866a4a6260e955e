"""Documents of older releases, brought up to date in memory when they are read.

The file itself changes only with the next operation, which then writes the present form throughout:

* `scale` as a plain list means nanometres; a missing unit too;
* a missing `version` means 1;
* `wkwResolutions` (with `resolution`, a number or three) is today's `mags`;
* mags without `path` lie in `<layer>/<2-2-1>`, in the short form ("2") or the long one ("2-2-2");
* a missing `numChannels` means 1, or 3 for words such as "uint24" that make no sense otherwise;
* missing `axisOrder` follows from the layer's box.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.errors import ForbiddenError, MissingError
from wkplug.geometry import Mag
from wkplug.properties.check import legacy_mags_key, mag_of
from wkplug.properties.document import DATASET_ORDER, LAYER_ORDER, put
from wkplug.properties.structure import box_from_json, num_channels_of, voxel_size_from_json
from wkplug.properties.unstructure import box_into_json, voxel_size_to_json
from wkplug.storage.copying import can_be_listed

if TYPE_CHECKING:
    from wkplug.abc import Location

__all__ = ["is_old_layer", "update_dataset", "update_layer"]


def update_dataset(raw: dict[str, Any]) -> dict[str, Any]:
    """Bring everything but the layers up to date; gives `raw` itself where nothing is old."""
    result = raw
    scale = raw["scale"]
    if not isinstance(scale, dict):
        result = {**result, "scale": voxel_size_to_json(voxel_size_from_json(scale))}
    elif scale.get("unit") is None:
        result = {**result, "scale": {**scale, "unit": "nanometer"}}
    if "version" not in raw:
        result = put(result, "version", 1, DATASET_ORDER)
    return result


def is_old_layer(raw: dict[str, Any]) -> bool:
    """Whether the layer has a form that today's writers don't use."""
    if "mags" not in raw or "numChannels" not in raw:
        return True
    mags = raw["mags"]
    if not mags:
        return "axisOrder" not in raw["boundingBox"]
    for mag in mags:
        if "axisOrder" not in mag or "path" not in mag or mag["path"] is None or type(mag["mag"]) is not list:
            return True
    return False


def update_layer(raw: dict[str, Any], root: Location | None) -> dict[str, Any]:
    """Bring a layer up to date. MissingError where a mag without path is in neither of the usual folders.

    Without `root` nothing is looked up, and such mags stay without path.
    """
    result = dict(raw)
    legacy = legacy_mags_key(raw)
    if legacy is not None:
        result = {("mags" if key == legacy else key): value for key, value in raw.items()}
    result["mags"] = [_mag(entry, result["name"], root) for entry in result["mags"]]
    if "numChannels" not in result:
        result = put(result, "numChannels", num_channels_of(result), LAYER_ORDER)
    return box_into_json(result, box_from_json(result))


def _mag(entry: dict[str, Any], layer: str, root: Location | None) -> dict[str, Any]:
    factors = mag_of(entry.get("mag", entry.get("resolution")))
    path = entry.get("path")
    rest = {key: value for key, value in entry.items() if key not in ("mag", "resolution", "path")}
    result: dict[str, Any] = {"mag": list(factors or ())}
    if path is None and root is not None and factors is not None:
        path = _find(Mag(factors), layer, root)
    if path is not None:
        result["path"] = path
    return {**result, **rest}


def _find(mag: Mag, layer: str, root: Location) -> str:
    short, long = mag.to_layer_name(), mag.to_long_layer_name()
    for name in dict.fromkeys((short, long)):
        try:
            if root.child(layer, name).exists():
                return f"./{layer}/{name}"
        except ForbiddenError:
            # Buckets that may be read but not listed can't say what is there; reading will tell.
            return f"./{layer}/{name}"
    if not can_be_listed(root):
        return (
            f"./{layer}/{short}"  # web servers don't know their own folders; opening the mag tries both names
        )
    raise MissingError(
        f"The layer {layer!r} of {root.url} lists the mag {short} without a path, but neither "
        f"{layer}/{short} nor {layer}/{long} is there.",
        hint="Move the mag's folder to one of these places, or take the mag out of the properties file.",
    )
