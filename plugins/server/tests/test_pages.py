"""The start page, its pictures, and that every link and line on it works."""

from __future__ import annotations

import io
import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import pytest
import zarr
from PIL import Image
from wkplug_server.catalogue import Catalogue
from wkplug_server.running import RunningServer

import wkplug as wk

from .conftest import CORNER, SIZE, get

if TYPE_CHECKING:
    from pathlib import Path


def test_links_and_lines_of_a_page_work(server: RunningServer, dataset: wk.Dataset) -> None:
    page = get(f"{server.url}/").decode()
    for link in re.findall(r'(?:href|src)="(http[^"]+)"', page):
        assert get(unescape(link))
    lines = [unescape(line) for line in re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)]
    python, napari, zarr_line, precomputed, hosted = lines
    names: dict[str, Any] = {}
    exec(python, names)
    assert list(names["dataset"].layers) == list(dataset.layers)
    exec(zarr_line, names)
    assert names["array"].shape == (1, *(a + b for a, b in zip(CORNER, SIZE, strict=True)))
    group: Any = zarr.open(napari.split()[-1], mode="r")
    assert group.attrs["multiscales"][0]["datasets"][0]["path"] == "1"
    assert json.loads(get(precomputed.removeprefix("precomputed://") + "/info"))["type"] == "image"
    state = json.loads(unquote(hosted.partition("#!")[2]))
    assert [layer["name"] for layer in state["layers"]] == list(dataset.layers)


def test_several_datasets_are_listed(tmp_path: Path, dataset: wk.Dataset) -> None:
    other = wk.Dataset(tmp_path / "<b>", voxel_size=(1, 1, 1))
    with RunningServer(Catalogue([(dataset, "brain"), (other, "b"), (dataset, "again")])) as server:
        page = get(f"{server.url}/").decode()
        assert "2 shared datasets" in page
        assert "&lt;b&gt;" in page
        assert "<b><b></b>" not in page
        for link in re.findall(r'href="(http[^"]+/datasets/[^"]+)"', page):
            assert get(link)


@pytest.mark.parametrize("name", ["em", "cells", "rgb", "signed", "time"])
def test_pictures_show_the_middle(
    server: RunningServer, dataset: wk.Dataset, dataset_id: str, name: str
) -> None:
    picture = np.asarray(Image.open(io.BytesIO(get(f"{server.url}/thumbnails/{dataset_id}/{name}.png"))))
    assert max(picture.shape[:2]) == 320
    assert picture.std() > 5
    jpeg = get(f"{server.url}/data/datasets/{dataset_id}/layers/{name}/thumbnail.jpg")
    assert Image.open(io.BytesIO(jpeg)).format == "JPEG"
    if name == "rgb":
        plane = dataset.get_layer(name).get_mag(1).read()[..., SIZE[2] // 2]
        # Noise gets smoother as it is enlarged; where it is bright stays.
        small = np.asarray(Image.fromarray(picture).resize(SIZE[:2], Image.Resampling.BOX)).astype(float)
        assert np.corrcoef(small.ravel(), np.moveaxis(plane, 0, -1).swapaxes(0, 1).ravel())[0, 1] > 0.9
