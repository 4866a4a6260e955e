"""Neuroglancer: its files, which its package of the registry bundles, and the state in which it shows a dataset.

The client asks its server for the state (`/events/ID`), so that a link needs nothing but the dataset's id.
"""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from wkplug.errors import MissingError, PluginMissingError

if TYPE_CHECKING:
    from wkplug_server.catalogue import Shared
    from wkplug_server.levels import Levels

__all__ = ["client_file", "hosted_link", "shown_range", "state_of"]

HOSTED = "https://neuroglancer-demo.appspot.com/"
_FILE = re.compile(r"[a-z0-9][\w.-]*\.(js|css|wasm|html)")
_TYPES = {
    "js": "text/javascript",
    "css": "text/css",
    "wasm": "application/wasm",
    "html": "text/html; charset=utf-8",
}
_PANEL = 400
"""Pixels of a panel that the whole dataset should fit into at first."""
_SAMPLED = 64
"""Voxels along each axis from which the contrast is taken where nobody has set it."""


@cache
def _folder() -> Path:
    found = importlib.util.find_spec("neuroglancer")
    if found is None or not found.submodule_search_locations:
        raise PluginMissingError("The viewer needs Neuroglancer.", hint="pip install neuroglancer")
    folder = Path(next(iter(found.submodule_search_locations)), "static", "client")
    if not (folder / "index.html").is_file():
        raise PluginMissingError(
            "The installed Neuroglancer has no client in it.",
            hint="pip install --force-reinstall neuroglancer",
        )
    return folder


def client_file(name: str) -> tuple[Path, str]:
    """A file of the client and its content type; "" is the page itself. MissingError."""
    name = name or "index.html"
    found = _FILE.fullmatch(name)
    path = _folder() / name
    if not found or not path.is_file():
        raise MissingError(f"The viewer has no file {name!r}.")
    return path, _TYPES[found.group(1)]


def state_of(shared: Shared, base: str, *, layers: tuple[str, ...] = ()) -> dict[str, Any]:
    """How a dataset is shown at first. base: the URL of this server, with its token. layers: all by default."""
    chosen = [layer.name for layer in shared.layers if not layers or layer.name in layers]
    size = shared.dataset.voxel_size
    view = shared.dataset.default_view_configuration
    box = shared.dataset.get_layer(chosen[0]).bounding_box if chosen else None
    for name in chosen[1:]:
        other = shared.dataset.get_layer(name).bounding_box
        if box is not None and box.axes == other.axes:
            box = box.extended_by(other)
    state: dict[str, Any] = {
        "dimensions": {axis: [length * 1e-9, "m"] for axis, length in zip("xyz", size, strict=True)},
        "layers": [_layer_state(shared.levels(name), shared, base, name) for name in chosen],
        # Of a single section there is but one picture.
        "layout": "xy" if box is not None and box.size_xyz.z == 1 else "4panel",
        "showDefaultAnnotations": False,
        "title": shared.name,
    }
    if box is not None:
        topleft, extent = box.topleft_xyz, box.size_xyz
        middle = [low + length // 2 + 0.5 for low, length in zip(topleft, extent, strict=True)]
        position = view.position if view is not None else None
        state["position"] = middle if position is None else [n + 0.5 for n in position]
        smallest = min(size)
        widest = max(n * length / smallest for n, length in zip(extent, size, strict=True))
        state["crossSectionScale"] = max(widest / _PANEL, 0.05)
        state["projectionScale"] = max(widest * 1.6, 1)
    if chosen:
        state["selectedLayer"] = {"layer": chosen[0], "visible": False}
    return state


def _layer_state(levels: Levels, shared: Shared, base: str, name: str) -> dict[str, Any]:
    view = levels.layer.default_view_configuration
    state: dict[str, Any] = {
        "type": "segmentation" if levels.is_segmentation else "image",
        "name": name,
        "source": f"precomputed://{base}/precomputed/{shared.id}/{quote(name)}",
    }
    if view is not None and view.is_disabled:
        state["visible"] = False
    if levels.is_segmentation:
        state["tab"] = "segments"
        state["hideSegmentZero"] = True
        if view is not None and view.alpha is not None:
            state["selectedAlpha"] = view.alpha / 100
            state["notSelectedAlpha"] = view.alpha / 200
        else:
            state["notSelectedAlpha"] = 0.3
        return state
    if view is not None and view.alpha is not None:
        state["opacity"] = view.alpha / 100
    state.update(_shading(levels, view))
    if levels.num_channels > 1:
        state["channelDimensions"] = {"c^": [1, ""]}
    state["blend"] = (
        "additive" if view is not None and view.color not in (None, (255, 255, 255)) else "default"
    )
    return state


def _shading(levels: Levels, view: Any) -> dict[str, Any]:
    """The shader of an image, with its colour and the range of values that is shown."""
    low, high = shown_range(levels, view)
    controls: dict[str, Any] = {
        "normalized": {"range": [high, low] if view and view.is_inverted else [low, high]}
    }
    if levels.num_channels == 3 and levels.dtype == np.uint8:
        lines = [
            "#uicontrol invlerp normalized(channel=0)",
            "void main() { emitRGB(vec3(normalized(getDataValue(0)), normalized(getDataValue(1)), "
            "normalized(getDataValue(2)))); }",
        ]
    else:
        lines = [
            "#uicontrol invlerp normalized",
            "#uicontrol vec3 color color",
            "void main() { emitRGB(color * normalized()); }",
        ]
        red, green, blue = view.color if view is not None and view.color else (255, 255, 255)
        controls["color"] = f"#{int(red):02x}{int(green):02x}{int(blue):02x}"
    return {"shader": "\n".join(lines) + "\n", "shaderControls": controls}


def shown_range(levels: Levels, view: Any) -> tuple[float, float]:
    """The values shown as black and white: as the view configuration has them, else of a sample of the voxels."""
    if view is not None and view.intensity_range is not None:
        low, high = view.intensity_range
        return float(low), float(high)
    if levels.dtype == np.uint8:
        return 0.0, 255.0
    level = levels.all[-1] if not levels.all[-1].halvings else levels.stored[-1]
    size = [min(n, _SAMPLED) for n in level.size]
    begin = [low + (n - m) // 2 for low, n, m in zip(level.begin, level.size, size, strict=True)]
    values = levels.read(level, (begin[0], begin[1], begin[2]), (size[0], size[1], size[2]))
    values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if values.size == 0:
        return 0.0, 1.0
    low, high = (float(found) for found in np.percentile(values, (0.5, 99.5)))
    return (low, high) if high > low else (low, low + 1.0)


def hosted_link(state: dict[str, Any]) -> str:
    """A link to the viewer as its makers host it, which needs this server to be reachable from the browser."""
    return f"{HOSTED}#!{quote(json.dumps(state, separators=(',', ':')), safe='')}"
