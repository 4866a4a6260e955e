"""What the viewer draws in a browser is what is stored."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from .browser import PROGRAM, browser
from .conftest import SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from wkplug_server.running import RunningServer

    import wkplug as wk

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium: apt-get install chromium"),
]

# One pixel per voxel, and nothing but the section through the middle.
_BARE = """
(() => {
  const state = viewer.state.toJSON();
  state.layout = {type: 'xy', orthographicProjection: true};
  // The middle of a pixel lies on no edge between voxels then, however many pixels the panel has.
  state.position = [state.position[0] + 0.25, state.position[1] + 0.25, state.position[2]];
  state.crossSectionScale = 1; state.showAxisLines = false; state.showScaleBar = false;
  state.layers = state.layers.filter(layer => layer.name === NAME);
  state.selectedLayer = {visible: false};
  viewer.state.restoreState(state); return true;
})()
"""


@pytest.mark.parametrize("name", ["em", "cells", "rgb"])
def test_sections_are_drawn_as_they_are_stored(
    server: RunningServer, dataset: wk.Dataset, dataset_id: str, name: str
) -> None:
    plane = dataset.get_layer(name).get_mag(1).read()[..., SIZE[2] // 2]
    fits = _has_colors_of if name == "cells" else _equals
    with browser() as page:
        page.call("Page.navigate", url=server.view_url(dataset_id))
        page.wait_for("typeof viewer !== 'undefined' && viewer.layerManager.managedLayers.length > 0")
        page.run(_BARE.replace("NAME", repr(name)))
        page.wait_for("viewer.layerManager.managedLayers.length === 1 && viewer.isReady()")
        # The client draws what it has, and again when finer voxels have come.
        deadline = time.monotonic() + 30
        while not fits(_on_grey(page.picture()), plane) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert fits(_on_grey(page.picture()), plane)


def _equals(drawn: NDArray[np.uint8], plane: NDArray[Any]) -> bool:
    expected = np.broadcast_to(np.moveaxis(plane, 0, -1).swapaxes(0, 1), (*SIZE[1::-1], 3))
    return drawn.shape == expected.shape and bool(np.abs(drawn.astype(int) - expected).max() <= 1)


def _has_colors_of(drawn: NDArray[np.uint8], plane: NDArray[Any]) -> bool:
    """Whether each id has one colour, and no two have the same."""
    ids = plane[0].T
    if drawn.shape[:2] != ids.shape:
        return False
    colors = [{tuple(pixel) for pixel in drawn[ids == number]} for number in np.unique(ids)]
    return all(len(seen) == 1 for seen in colors) and len(set().union(*colors)) == len(colors)


def _on_grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The part of the panel that isn't background; the panel's own controls lie at its left and top."""
    panel = picture[90:-60, 140:-20]
    drawn = (panel != 128).any(axis=2)
    if not drawn.any():
        return panel[:0]
    rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
    return panel[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
