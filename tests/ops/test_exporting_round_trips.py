"""What exports say of a layer besides its voxels, told by what importing them gives."""

from __future__ import annotations

import json
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

import wkplug as wk
from wkplug.ops import images
from wkplug.ops.inspecting import inspect_container, inspect_image

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (40, 30, 20)
CONTAINERS = (".n5", ".ozx", ".precomputed")


def layer_of(
    path: Path, topleft: tuple[int, ...], category: Any = "color", dtype: str = "uint16"
) -> wk.Layer:
    size = wk.VoxelSize((0.25, 0.5, 0.75), "micrometer")
    dataset = wk.Dataset(path, voxel_size_with_unit=size)
    data = np.random.default_rng(0).integers(0, 200, SIZE).astype(dtype)
    return dataset.write_layer("em", category, data, absolute_offset=topleft)


def imported(place: Path) -> wk.Dataset:
    target = place.with_name(f"imported-{place.name}")
    return wk.Dataset.of(
        images.plan_import(place, target, images.DatasetOptions(voxel_size_from_files=True)).execute()
    )


@settings(max_examples=4, deadline=None)
@given(
    topleft=st.tuples(*(st.integers(0, 1000),) * 3),
    low=st.tuples(st.integers(0, 20), st.integers(0, 15), st.integers(0, 10)),
)
def test_containers_keep_the_place_and_the_size_of_voxels(
    tmp_path_factory: pytest.TempPathFactory, topleft: tuple[int, ...], low: tuple[int, ...]
) -> None:
    folder = tmp_path_factory.mktemp("place")
    layer = layer_of(folder / "ds", topleft)
    box = wk.BoundingBox([a + b for a, b in zip(topleft, low, strict=True)], (17, 13, 9))
    for suffix in CONTAINERS:
        layer.export(folder / f"a{suffix}", bounding_box=box)
        again = imported(folder / f"a{suffix}")
        (only,) = again.layers.values()
        assert only.bounding_box == box
        assert again.voxel_size == pytest.approx((250.0, 500.0, 750.0))
        expected = layer.get_mag(1).read(absolute_bounding_box=box)
        np.testing.assert_array_equal(only.get_mag(1).read(), expected)


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_coarse_mag_lies_where_it_was_in_voxels_of_its_own(tmp_path: Path, suffix: str) -> None:
    layer = layer_of(tmp_path / "ds", (16, 8, 4))
    layer.downsample_mag_list(wk.Mag(1), [wk.Mag(4)])
    layer.export(tmp_path / f"a{suffix}", mag=4)
    with warnings.catch_warnings():
        # OME-Zarr measures between centres of voxels: that of a coarse one lies beside those of Mag(1).
        warnings.filterwarnings("ignore", r".*lies [0-9]\.375 voxels along")
        again = imported(tmp_path / f"a{suffix}")
    (only,) = again.layers.values()
    assert only.bounding_box == wk.BoundingBox((4, 2, 1), (10, 8, 5))
    assert again.voxel_size == pytest.approx((1000.0, 2000.0, 3000.0))


def test_n5_says_the_place_in_the_group_and_in_each_dataset(tmp_path: Path) -> None:
    layer_of(tmp_path / "ds", (10, 20, 30)).export(tmp_path / "a.n5")
    group = json.loads((tmp_path / "a.n5" / "attributes.json").read_text())
    transforms = [item["transform"] for item in group["multiscales"][0]["datasets"]]
    assert transforms[0]["translate"] == [30 * 750.0, 20 * 500.0, 10 * 250.0]
    # The first voxel of the next resolution stands for two along x: its centre is half a voxel further.
    assert transforms[1]["scale"][2] == 500.0
    assert transforms[1]["translate"][2] == 10 * 250.0 + 125.0
    for number, transform in enumerate(transforms):
        array = json.loads((tmp_path / "a.n5" / f"s{number}" / "attributes.json").read_text())
        assert array["transform"] == transform


def test_zipped_ome_zarr_says_place_colour_and_contrast(tmp_path: Path) -> None:
    import zarr
    from ome_zarr_models.v05.image import Image

    layer = layer_of(tmp_path / "ds", (10, 20, 30))
    view = wk.LayerViewConfiguration(color=(0, 255, 16), intensity_range=(5.0, 150.0))
    layer.default_view_configuration = view
    layer.export(tmp_path / "a.ozx")
    with zipfile.ZipFile(tmp_path / "a.ozx") as archive:
        ome = json.loads(archive.read("zarr.json"))["attributes"]["ome"]
    window = {"min": 0.0, "max": 65535.0, "start": 5.0, "end": 150.0}
    assert ome["omero"] == {
        "channels": [{"label": "em", "color": "00FF10", "window": window, "active": True}]
    }
    first, second = (item["coordinateTransformations"] for item in ome["multiscales"][0]["datasets"][:2])
    assert first[1]["translation"] == [0.0, 22500.0, 10000.0, 2500.0]
    assert second[1]["translation"][3] == 2500.0 + 125.0
    image = Image.from_zarr(zarr.open_group(zarr.storage.ZipStore(tmp_path / "a.ozx", mode="r"), mode="r"))
    assert image.ome_attributes.version == "0.5"
    report = inspect_container(str(tmp_path / "a.ozx"))
    assert report is not None
    assert report.layers[0].category == "color"
    assert report.layers[0].info.channel_colors == ((0, 255, 16),)
    assert report.layers[0].info.channel_names == ("em",)
    (only,) = imported(tmp_path / "a.ozx").layers.values()
    assert only.default_view_configuration is not None
    assert only.default_view_configuration.color == (0, 255, 16)


@pytest.mark.parametrize(("dtype", "end"), [("int16", 32767.0), ("float32", 1.0)])
def test_layers_whose_contrast_nobody_set_are_shown_with_all_that_the_dtype_holds(
    tmp_path: Path, dtype: str, end: float
) -> None:
    layer_of(tmp_path / "ds", (0, 0, 0), dtype=dtype).export(tmp_path / "a.ozx", downsample=False)
    with zipfile.ZipFile(tmp_path / "a.ozx") as archive:
        ome = json.loads(archive.read("zarr.json"))["attributes"]["ome"]
    (channel,) = ome["omero"]["channels"]
    assert channel["color"] == "FFFFFF"
    assert channel["window"]["end"] == end
    assert len(ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]) == 1


@pytest.mark.parametrize("dtype", ["uint8", "uint32"])
def test_segmentations_stay_segmentations_where_the_format_can_say_so(tmp_path: Path, dtype: str) -> None:
    layer = layer_of(tmp_path / "ds", (3, 4, 5), "segmentation", dtype)
    for suffix in (".ozx", ".precomputed"):
        layer.export(tmp_path / f"a{suffix}")
        (only,) = imported(tmp_path / f"a{suffix}").layers.values()
        assert only.category == "segmentation"


def test_images_of_large_numbers_stay_images_in_ome_zarr(tmp_path: Path) -> None:
    layer_of(tmp_path / "ds", (3, 4, 5), "color", "uint32").export(tmp_path / "a.ozx")
    (only,) = imported(tmp_path / "a.ozx").layers.values()
    assert only.category == "color"


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_colours_stay_one_layer(tmp_path: Path, suffix: str) -> None:
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(4, 4, 40))
    data = np.random.default_rng(0).integers(0, 200, (3, *SIZE)).astype("uint8")
    layer = dataset.write_layer("rgb", "color", data, absolute_offset=(8, 16, 24))
    layer.export(tmp_path / f"a{suffix}")
    (only,) = imported(tmp_path / f"a{suffix}").layers.values()
    np.testing.assert_array_equal(only.get_mag(1).read(), data)
    assert only.bounding_box.topleft == (8, 16, 24)


def test_ome_tiff_says_the_colour(tmp_path: Path) -> None:
    layer = layer_of(tmp_path / "ds", (0, 0, 0))
    layer.default_view_configuration = wk.LayerViewConfiguration(color=(255, 128, 0))
    layer.export(tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        assert f'Color="{0xFF8000FF - (1 << 32)}"' in file.ome_metadata
    info = inspect_image(str(tmp_path / "a.ome.tif")).info
    assert info.channel_colors == ((255, 128, 0),)
    assert info.voxel_size == pytest.approx((250.0, 500.0, 750.0))


def test_colours_of_an_ome_tiff_come_back_as_one_layer(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(250, 500, 750))
    data = np.random.default_rng(0).integers(0, 200, (3, *SIZE)).astype("uint8")
    layer = dataset.write_layer("rgb", "color", data)
    layer.export(tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:  # what other software finds
        series = file.series[0]
        assert (series.axes, series.keyframe.photometric.name, len(series.levels)) == ("ZYXS", "RGB", 3)
        assert 'SamplesPerPixel="3"' in file.ome_metadata
        np.testing.assert_array_equal(series.asarray(), data.transpose(3, 2, 1, 0))
    again = imported(tmp_path / "a.ome.tif")
    (only,) = again.layers.values()
    np.testing.assert_array_equal(only.get_mag(1).read(), data)
    assert again.voxel_size == pytest.approx((250, 500, 750))


@pytest.mark.filterwarnings(r"ignore:\[WARNING\] Whoever reads:UserWarning")
@pytest.mark.parametrize(
    ("category", "dtype"), [("color", "uint8"), ("color", "float32"), ("segmentation", "uint64")]
)
def test_a_stack_of_tiffs_says_the_distance_of_its_sections(
    tmp_path: Path, category: str, dtype: str
) -> None:
    layer = layer_of(tmp_path / "ds", (8, 16, 24), category, dtype)
    layer.export(tmp_path / "stack", "tiff_stack")
    again = imported(tmp_path / "stack")
    assert again.voxel_size == pytest.approx((250.0, 500.0, 750.0))
    (only,) = again.layers.values()
    np.testing.assert_array_equal(only.get_mag(1).read(), layer.get_mag(1).read())
    first = min((tmp_path / "stack").iterdir())
    with tifffile.TiffFile(first) as file:  # other software: ImageJ's words
        assert file.imagej_metadata["unit"] == "cm"
        assert file.imagej_metadata["spacing"] == pytest.approx(750e-7)


def test_a_layer_with_two_mags_of_one_size_is_exported_with_one_of_them(tmp_path: Path) -> None:
    layer = layer_of(tmp_path / "ds", (16, 8, 4))
    layer.downsample_mag_list(wk.Mag(1), [wk.Mag(4)])
    sizes = [mag.max_dim for mag in layer.mags]
    assert len(sizes) > len(set(sizes))
    layer.export(tmp_path / "a.n5")
    group = json.loads((tmp_path / "a.n5" / "attributes.json").read_text())
    assert group["scales"] == [[1, 1, 1], [2, 1, 1], [4, 2, 1]]


# --- what files can't say -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "topleft", "told"),
    [
        ("a.ome.tif", (4, 8, 2), "begins at (4, 8, 2)"),
        ("a.ome.tif", (0, 0, 0), ""),
        ("stack", (4, 0, 2), "begins at (4, 0, 2)"),
        ("stack", (0, 0, 2), ""),
        ("a.n5", (4, 8, 2), ""),
        ("a.ozx", (4, 8, 2), ""),
        ("a.precomputed", (4, 8, 2), ""),
    ],
)
def test_what_a_file_can_not_say_is_told(
    tmp_path: Path, name: str, topleft: tuple[int, ...], told: str
) -> None:
    layer = layer_of(tmp_path / "ds", topleft, "segmentation")
    exporter = "tiff_stack" if name == "stack" else None
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        layer.export(tmp_path / name, exporter)
    text = f"[WARNING] Whoever reads {name} must be told that the layer 'em' {told}: the format has no words for it."
    assert [(str(one.message), one.filename) for one in found] == ([(text, __file__)] if told else [])
    # Who gives the box knows where it begins.
    layer.export(tmp_path / f"again-{name}", exporter, bounding_box=layer.bounding_box)


def test_colours_and_transformations_that_are_left_out_are_told(tmp_path: Path) -> None:
    layer = layer_of(tmp_path / "ds", (0, 0, 0))
    layer.default_view_configuration = wk.LayerViewConfiguration(color=(255, 128, 0))
    layer.export(tmp_path / "a.ozx")  # which have the colour
    layer.export(tmp_path / "a.ome.tif")
    for name in ("a.n5", "a.precomputed"):
        with pytest.warns(UserWarning, match=r"'em' is shown in the colour \(255, 128, 0\): the format"):
            layer.export(tmp_path / name)
    layer.coordinate_transformations = (wk.AffineCoordinateTransformation(np.diag([2.0, 2, 2, 1])),)
    with pytest.warns(UserWarning, match="'em' has a coordinate transformation: the format has no words"):
        layer.export(tmp_path / "b.ozx")


@pytest.mark.filterwarnings(r"ignore:\[WARNING\] Whoever reads:UserWarning")
@pytest.mark.parametrize("mag", [1, 2])
def test_planes_of_an_ome_tiff_have_positions(tmp_path: Path, mag: int) -> None:
    layer = layer_of(tmp_path / "ds", (4, 8, 2))
    layer.downsample_mag_list(wk.Mag(1), [wk.Mag(2)])
    layer.export(tmp_path / "a.ome.tif", mag=mag)
    info = inspect_image(str(tmp_path / "a.ome.tif")).info
    assert info.details["stage_position_nm"] == pytest.approx([4 * 250, 8 * 500, 2 * 750])
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    heights = [plane["PositionZ"] for plane in pixels["Plane"]]
    assert heights == pytest.approx([(2 + mag * z) * 750 for z in range(20 // mag)])
    assert {plane["PositionXUnit"] for plane in pixels["Plane"]} == {"nm"}
