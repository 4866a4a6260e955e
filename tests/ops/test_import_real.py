"""Real images: greyscale and RGB TIFF, and sections of an electron microscope as JPEG, against other readers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

import wkplug as wk


@pytest.fixture
def data() -> Path:
    folder = os.environ.get("WKPLUG_TEST_DATA")
    if not folder:
        pytest.skip("WKPLUG_TEST_DATA is not set: no real files")
    return Path(folder)


def only_layer(dataset: wk.Dataset) -> wk.Layer:
    (layer,) = dataset.layers.values()
    return layer


def test_a_greyscale_tiff(data: Path, tmp_path: Path) -> None:
    expected = tifffile.imread(data / "tiff" / "test.0000.tiff")
    layer = only_layer(wk.Dataset.from_images(data / "tiff", tmp_path / "out", (1, 1, 1)))
    assert layer.name == "tiff"
    assert np.array_equal(layer.get_mag(1).read()[0], np.atleast_3d(expected.T))


def test_an_rgb_tiff(data: Path, tmp_path: Path) -> None:
    expected = tifffile.imread(data / "rgb_tiff" / "test_rgb.tif")
    layer = only_layer(wk.Dataset.from_images(data / "rgb_tiff", tmp_path / "out", (1, 1, 1)))
    assert (layer.num_channels, layer.category) == (3, "color")
    assert np.array_equal(layer.get_mag(1).read()[..., 0], expected[..., :3].transpose(2, 1, 0))


@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
def test_sections_of_an_electron_microscope(data: Path, tmp_path: Path, data_format: str) -> None:
    dataset = wk.Dataset.from_images(
        data / "temca2", tmp_path / "out", (4, 4, 40), data_format=data_format,
        map_filepath_to_layer_name="enforce_layer_per_folder", layer_category="color",
    )  # fmt: skip
    assert set(dataset.layers) == {"temca2", *(f"{z}_{y}" for z in (1, 2, 40) for y in (60, 61))}
    for name, layer in dataset.layers.items():
        folder = data / "temca2" / ("" if name == "temca2" else name.replace("_", "/"))
        files = sorted(file for file in folder.iterdir() if file.suffix == ".jpg")
        found = layer.get_mag(1).read()
        for z, file in enumerate(files):
            other: Any = np.asarray(Pillow.open(file))
            expected = other.T[None] if other.ndim == 2 else other.transpose(2, 1, 0)
            # Two decoders of JPEG may round differently.
            assert np.abs(found[..., z].astype(int) - expected).max() <= 2


def test_one_folder_of_the_microscope_is_guessed_to_be_an_image(data: Path, tmp_path: Path) -> None:
    layer = only_layer(wk.Dataset.from_images(data / "temca2" / "1" / "60", tmp_path / "out", (4, 4, 40)))
    assert layer.category == "color"


@pytest.mark.filterwarnings("ignore:.*doesn't name its axes:UserWarning")
@pytest.mark.parametrize(
    ("place", "driver", "key"),
    [
        ("simple_ng_dataset/color", "neuroglancer_precomputed", "."),
        ("simple_zarr_dataset/color/1-1-1", "zarr", "."),
    ],
)
def test_containers_of_other_tools(data: Path, tmp_path: Path, place: str, driver: str, key: str) -> None:
    import tensorstore

    kvstore = {"driver": "file", "path": str(data / place / key)}
    expected = tensorstore.open({"driver": driver, "kvstore": kvstore}).result().read().result()
    if driver == "neuroglancer_precomputed":
        expected = expected.transpose(3, 0, 1, 2)
    dataset = wk.Dataset.from_images(data / place, tmp_path / "out", (1, 1, 1))
    found = np.concatenate([layer.get_mag(1).read() for layer in dataset.layers.values()])
    assert np.array_equal(found, expected)


def test_a_bare_folder_of_wkw(data: Path, tmp_path: Path) -> None:
    expected = wk.Dataset.open(data / "simple_wkw_dataset").get_layer("color").get_mag(1).read()
    dataset = wk.Dataset.from_images(data / "simple_wkw_dataset" / "color", tmp_path / "out", (1, 1, 1))
    found = np.concatenate([layer.get_mag(1).read() for layer in dataset.layers.values()])
    assert np.array_equal(found[:, :24, :24, :24], expected[:, :24, :24, :24])
