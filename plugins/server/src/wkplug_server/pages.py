"""Pages for people: what is shared, a picture of each layer, and the links and lines by which other tools open it."""

from __future__ import annotations

import io
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from wkplug_server.viewer import hosted_link, shown_range, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from wkplug_server.catalogue import Shared
    from wkplug_server.levels import Levels

__all__ = ["dataset_page", "listing", "start_page", "thumbnail"]

_PIXELS = 320
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: #2563c9; }
@media (prefers-color-scheme: dark) { :root { --link: #8ab4f8; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
a { color: var(--link); } .quiet { opacity: .7; margin: .2rem 0 1.5rem; }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); }
.card { border: 1px solid var(--line); border-radius: .5rem; overflow: hidden; }
.card img { background: #000; display: block; height: 12rem; object-fit: contain; width: 100%; }
.card div { padding: .6rem .8rem; } .card p { margin: 0; }
.look { background: var(--link); border-radius: .4rem; color: Canvas; display: inline-block; padding: .4rem .9rem;
  text-decoration: none; }
.line { align-items: start; background: var(--soft); border-radius: .4rem; display: flex; margin: .3rem 0 .8rem; }
.line pre { flex: 1; font-size: .85rem; margin: 0; overflow-x: auto; padding: .6rem .8rem; white-space: pre-wrap;
  word-break: break-all; }
button { background: none; border: 0; color: var(--link); cursor: pointer; font: inherit; padding: .5rem .8rem; }
"""
_SCRIPT = """
document.addEventListener('click', async event => {
  const button = event.target.closest('button'); if (!button) return;
  await navigator.clipboard.writeText(button.previousElementSibling.textContent);
  button.textContent = 'Copied'; setTimeout(() => { button.textContent = 'Copy' }, 1500);
});
"""


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body>{body}<script>{_SCRIPT}</script></body></html>"
    )


def start_page(shared: Sequence[Shared], base: str) -> str:
    """The datasets that are shared; the dataset's own page where there is just one."""
    if len(shared) == 1:
        return dataset_page(shared[0], base)
    cards = "".join(_dataset_card(each, base) for each in shared) or "<p>Nothing is shared.</p>"
    return _page(
        "wkplug",
        f'<h1>{len(shared)} shared datasets</h1><p class="quiet"></p><div class="cards">{cards}</div>',
    )


def _dataset_card(shared: Shared, base: str) -> str:
    layers = list(shared.layers)
    link = f"{base}/datasets/{shared.id}"
    picture = _picture(shared, layers[0].name, base) if layers else ""
    names = ", ".join(layer.name for layer in layers)
    return (
        f'<div class="card"><a href="{link}">{picture}</a>'
        f'<div><a href="{link}"><b>{escape(shared.name)}</b></a><p>{escape(names)}</p></div></div>'
    )


def _picture(shared: Shared, layer: str, base: str) -> str:
    source = f"{base}/thumbnails/{shared.id}/{quote(layer, safe='')}.png"
    return f'<img src="{source}" alt="A section through {escape(layer)}" loading="lazy">'


def dataset_page(shared: Shared, base: str) -> str:
    """One dataset: a look at it, its layers, and how to open it elsewhere."""
    x, y, z = shared.dataset.voxel_size
    cards = "".join(_layer_card(shared, levels, base) for levels in map(shared.levels, _names(shared)))
    ways = "".join(f"<h2>{title}</h2>{_line(text)}" for title, text in _ways(shared, base))
    body = (
        f"<h1>{escape(shared.name)}</h1>"
        f'<p class="quiet">{escape(shared.shown_as)} &middot; voxels of {x:g} x {y:g} x {z:g} nm</p>'
        f'<p><a class="look" href="{base}/v/{shared.id}/">Look at it</a></p>'
        f'<div class="cards">{cards}</div>{ways}'
    )
    return _page(shared.name, body)


def _names(shared: Shared) -> list[str]:
    return [layer.name for layer in shared.layers]


def _layer_card(shared: Shared, levels: Levels, base: str) -> str:
    layer = levels.layer
    extent = " x ".join(str(n) for n in layer.bounding_box.size_xyz)
    channels = f", {levels.num_channels} channels" if levels.num_channels > 1 else ""
    mags = ", ".join(level.name for level in levels.stored)
    return (
        f'<div class="card">{_picture(shared, layer.name, base)}<div><b>{escape(layer.name)}</b>'
        f"<p>{layer.category}, {levels.dtype.name}{channels}</p><p>{extent} voxels, mags {mags}</p></div></div>"
    )


def _line(text: str) -> str:
    return f'<div class="line"><pre>{escape(text)}</pre><button type="button">Copy</button></div>'


def _ways(shared: Shared, base: str) -> Iterable[tuple[str, str]]:
    tree = f"{base}/data/zarr3_experimental/{shared.id}"
    names = _names(shared)
    yield "Python", f'import wkplug as wk\n\ndataset = wk.Dataset.open("{tree}")'
    if names:
        layer = quote(names[0])
        mag = shared.levels(names[0]).stored[0].name
        yield "napari", f"napari --plugin napari-ome-zarr {base}/data/zarr/{shared.id}/{layer}"
        yield "Zarr", f'import zarr\n\narray = zarr.open("{tree}/{layer}/{mag}", mode="r")'
        yield "Neuroglancer", f"precomputed://{base}/precomputed/{shared.id}/{layer}"
    yield "Neuroglancer on the web, which reads from this server", hosted_link(state_of(shared, base))


def listing(names: Iterable[str]) -> str:
    """An index page of a folder."""
    return "".join(f'<a href="{quote(name)}">{escape(name)}</a><br>\n' for name in names)


# --- pictures ---------------------------------------------------------------------------------------------------------


def thumbnail(levels: Levels, kind: str) -> bytes:
    """The section through the middle of a layer, in the level that is just fine enough. kind: PNG or JPEG."""
    fitting = [level for level in levels.all if max(level.size[:2]) >= _PIXELS]
    level = fitting[-1] if fitting else levels.all[0]
    x, y, z = level.begin
    width, height, depth = level.size
    # Where even the coarsest level is large, the middle of it is shown.
    across, down = min(width, 4 * _PIXELS), min(height, 4 * _PIXELS)
    corner = (x + (width - across) // 2, y + (height - down) // 2, z + depth // 2)
    plane = levels.read(level, corner, (across, down, 1))[..., 0]
    colours = _label_colours(plane[0]) if levels.is_segmentation else _grey(levels, plane)
    lengths = [n * m for n, m in zip(levels.layer.dataset.voxel_size, level.mag.to_tuple(), strict=True)]
    picture = Image.fromarray(np.ascontiguousarray(colours.swapaxes(0, 1)))
    wide, high = across * lengths[0], down * lengths[1]
    scale = _PIXELS / max(wide, high)
    picture = picture.resize(
        (max(round(wide * scale), 1), max(round(high * scale), 1)), Image.Resampling.BILINEAR
    )
    target = io.BytesIO()
    picture.save(target, kind)
    return target.getvalue()


def _grey(levels: Levels, plane: NDArray[Any]) -> NDArray[np.uint8]:
    view = levels.layer.default_view_configuration
    low, high = shown_range(levels, view)
    channels = plane if plane.shape[0] == 3 else np.repeat(plane[:1], 3, axis=0)
    scaled = np.clip((np.nan_to_num(channels.astype(np.float32)) - low) / (high - low), 0, 1)
    if view is not None and view.is_inverted:
        scaled = 1 - scaled
    if view is not None and view.color and plane.shape[0] != 3:
        scaled = scaled * (np.asarray(view.color, np.float32) / 255).reshape(3, 1, 1)
    return np.moveaxis((scaled * 255).astype(np.uint8), 0, -1)


def _label_colours(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """A colour per id, black for 0."""
    mixed = labels.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    parts = [(mixed >> np.uint64(shift)) & np.uint64(0xFF) for shift in (56, 48, 40)]
    colours = np.stack(parts, axis=-1).astype(np.uint8) // 2 + 96
    colours[labels == 0] = 0
    return colours.astype(np.uint8)
