"""How the voxels of a served dataset are reached: `RemoteAccessMode`, and what the metadata say in each mode.

A server keeps metadata as of a datasource-properties.json, with paths as they are on its own disks or in its buckets.
`shown` gives the same metadata with paths that mean something here. All paths within the server are relative to one
folder, that of the proxy, so that they are reached with the same rights, and no path holds a token.
"""

from __future__ import annotations

import copy
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from wkplug.geometry import Mag

__all__ = ["RemoteAccessMode", "from_server", "shown", "to_server"]

_LARGEST_PLAIN = 2**53 - 1
_LARGE = "customJsonEncoding"


class RemoteAccessMode(Enum):
    """How voxels are reached.

    ZARR_STREAMING: as the server gives them out, uncompressed and of any format. PROXY_PATH: the files as they are
    stored, through the server. DIRECT_PATH: the files where they lie, without the server; paths of this machine or of
    other hosts are followed if the setting `trusted_places` names them.
    """

    ZARR_STREAMING = "zarr_streaming"
    DIRECT_PATH = "direct_path"
    PROXY_PATH = "proxy_path"


def from_server(source: dict[str, Any]) -> dict[str, Any]:
    """Read what a server sends: numbers that are too large for JavaScript come as texts in envelopes."""
    read: dict[str, Any] = _unwrapped(source)
    return read


def to_server(source: Any, version: int) -> Any:
    """Write what a server is sent; versions before 15 know no envelopes."""
    if isinstance(source, dict):
        return {key: to_server(value, version) for key, value in source.items()}
    if isinstance(source, list):
        return [to_server(value, version) for value in source]
    if isinstance(source, int) and abs(source) > _LARGEST_PLAIN and version >= 15:
        return {_LARGE: "bigint", "value": str(source)}
    return source


def _unwrapped(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(_LARGE) == "bigint" and str(value.get("value", "")).lstrip("-").isdigit():
            return int(value["value"])
        return {key: _unwrapped(item) for key, item in value.items()}
    return [_unwrapped(item) for item in value] if isinstance(value, list) else value


def shown(source: dict[str, Any], mode: RemoteAccessMode, *, root: str, streams: str) -> dict[str, Any]:
    """Give the metadata with the paths of a mode.

    root: the URL to which paths are relative. streams: where the dataset's Zarr streams begin, relative to it.
    """
    source = copy.deepcopy(source)
    for layer in source.get("dataLayers", []):
        if not isinstance(layer, dict):
            continue
        mags = layer.get("mags")
        for mag in mags if isinstance(mags, list) else ():
            _show_mag(layer, mag, mode, root, streams)
        for kind, entries in (layer.get("attachments") or {}).items():
            for entry in entries if isinstance(entries, list) else [entries]:
                _show_attachment(layer, kind, entry, mode, root)
        if mode is RemoteAccessMode.ZARR_STREAMING:
            layer["dataFormat"] = "zarr"
            layer["numChannels"] = 3 if layer.get("elementClass") == "uint24" else 1
            axes = sorted(layer.get("additionalAxes") or [], key=lambda axis: axis.get("index", 0))
            for number, axis in enumerate(axes, start=1):
                axis["index"] = number
    return source


def _show_mag(
    layer: dict[str, Any], mag: dict[str, Any], mode: RemoteAccessMode, root: str, streams: str
) -> None:
    name = Mag(mag["mag"]).to_layer_name()
    if mode is RemoteAccessMode.ZARR_STREAMING:
        others = len(layer.get("additionalAxes") or [])
        mag["path"] = f"{streams}/{layer['name']}/{name}"
        mag["axisOrder"] = {"c": 0, "x": others + 1, "y": others + 2, "z": others + 3}
        mag.pop("channelIndex", None)
    elif mode is RemoteAccessMode.PROXY_PATH:
        mag["path"] = f"./layers/{layer['name']}/mags/{name}"
    elif isinstance(mag.get("path"), str):
        mag["path"] = _within(root, mag["path"])


def _show_attachment(layer: dict[str, Any], kind: str, entry: Any, mode: RemoteAccessMode, root: str) -> None:
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        return
    if mode is RemoteAccessMode.DIRECT_PATH:
        entry["path"] = _within(root, entry["path"])
    else:
        entry["path"] = f"./layers/{layer['name']}/attachments/{kind}/{entry.get('name')}"


def _within(root: str, path: str) -> str:
    """Spell an address on the same server relative to the root; anything else stays."""
    here, there = urlsplit(root), urlsplit(path)
    if (here.scheme, here.netloc) != (there.scheme, there.netloc):
        return path
    return "../" * len([part for part in here.path.split("/") if part]) + there.path.lstrip("/")
