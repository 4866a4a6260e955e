"""Channels of files and containers: names, colours, ranges, visibility, and the opacity of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as Pillow

import wkplug as wk
from wkplug.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


def noise(shape: tuple[int, ...], dtype: str = "uint8") -> Any:
    return np.random.default_rng(0).integers(10, 250, shape).astype(dtype)


def ome_tiff(path: Path, names: list[str]) -> Path:
    colors = [16711935, -16776961, 65535][: len(names)]
    channel = {"Name": names, "Color": colors}
    metadata = {"axes": "CZYX", "Channel": channel}
    tifffile.imwrite(path, noise((len(names), 3, 20, 30), "uint16"), ome=True, metadata=metadata)
    return path


def ome_zarr(path: Path) -> Path:
    group = zarr.open_group(path, mode="w", zarr_format=3)
    group.create_array("0", data=noise((2, 3, 20, 30), "uint16"), chunks=(2, 3, 20, 30))
    axes = [
        {"name": "c", "type": "channel"},
        *({"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"),
    ]
    scale = [{"type": "scale", "scale": [1, 30, 8, 8]}]
    channels: Any = [
        {"label": label, "color": color, "window": {"start": start, "end": end}, "active": active}
        for label, color, start, end, active in (
            ("DAPI", "0000FF", 20, 200, True),
            ("GFP", "00FF00", 30, 100, False),
        )
    ]
    levels: Any = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": levels}],
        "omero": {"channels": channels},
    }
    return path


def imported(place: Path, **options: Any) -> wk.Dataset:
    return wk.Dataset.from_images(place, place.parent / "out", (8, 8, 30), layer_name="em", **options)


MAKERS = {
    "OME-TIFF": lambda path: ome_tiff(path / "a.ome.tif", ["DAPI", "GFP"]),
    "OME-Zarr": lambda path: ome_zarr(path / "a.zarr"),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_layers_have_the_names_of_the_channels(tmp_path: Path, make: Any) -> None:
    assert list(imported(make(tmp_path)).layers) == ["em__DAPI", "em__GFP"]


@pytest.mark.parametrize(
    ("names", "layers"),
    [
        (["DAPI", "DAPI"], ["em__channel0", "em__channel1"]),
        (["GFP", "gfp"], ["em__channel0", "em__channel1"]),
        (["DAPI", "///"], ["em__DAPI", "em__channel1"]),
        (["red", "green"], ["em__channel0", "em__channel1"]),
    ],
)
def test_names_that_tell_nothing_apart_are_numbers(
    tmp_path: Path, names: list[str], layers: list[str]
) -> None:
    assert list(imported(ome_tiff(tmp_path / "a.ome.tif", names)).layers) == layers


def test_only_channels_of_one_name_are_numbered_and_told(tmp_path: Path) -> None:
    dataset = imported(ome_tiff(tmp_path / "a.ome.tif", ["DAPI", "DAPI", "GFP"]))
    assert list(dataset.layers) == ["em__channel0", "em__channel1", "em__GFP"]
    told = "don't tell these apart, so that their layers have numbers: 0 'DAPI', 1 'DAPI'"
    assert str(dataset.import_report).count(told) == 1


def test_ranges_of_channels_are_shown(tmp_path: Path) -> None:
    views = [
        layer.default_view_configuration for layer in imported(ome_zarr(tmp_path / "a.zarr")).layers.values()
    ]
    assert [view and view.intensity_range for view in views] == [(20, 200), (30, 100)]
    assert all(view and view.min is not None and view.min <= 20 for view in views)
    assert all(view and view.max is not None and view.max >= 200 for view in views)


def test_colours_and_visibility_of_channels_are_kept(tmp_path: Path) -> None:
    views = [
        layer.default_view_configuration for layer in imported(ome_zarr(tmp_path / "a.zarr")).layers.values()
    ]
    assert [view and view.color for view in views] == [(0, 0, 255), (0, 255, 0)]
    assert [view and view.is_disabled for view in views] == [None, True]


def test_one_channel_of_several_keeps_what_the_file_says_of_it(tmp_path: Path) -> None:
    layer = imported(ome_zarr(tmp_path / "a.zarr"), channel=1).get_layer("em")
    view = layer.default_view_configuration
    assert view is not None
    assert (view.color, view.intensity_range, view.is_disabled) == ((0, 255, 0), (30, 100), True)
    told = str(layer.dataset.import_report)
    assert told.count("1 of 2 channels is not imported, as asked for: only channel 1 'GFP' is") == 1


# --- opacity --------------------------------------------------------------------------------------------------


def picture(folder: Path, kind: str, dtype: str) -> Path:
    data = noise((20, 30, 4), dtype)
    if kind == "png":
        import imagecodecs

        (folder / "a.png").write_bytes(imagecodecs.png_encode(data))
        return folder / "a.png"
    tifffile.imwrite(folder / "a.tif", data, photometric="rgb", extrasamples=["unassalpha"])
    return folder / "a.tif"


@pytest.mark.parametrize("kind", ["png", "tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_opacity_is_left_out_and_told(tmp_path: Path, kind: str, dtype: str, capsys: Any) -> None:
    place = picture(tmp_path, kind, dtype)
    dataset = imported(place)
    assert sum(layer.num_channels for layer in dataset.layers.values()) == 3
    assert dataset.import_report is not None
    assert [note.text for note in dataset.import_report.notes if note.kind == "left out"] == [
        "its opacity (alpha) is left out"
    ]
    assert main(["inspect", str(place)]) == 0
    assert "c 3, x 30, y 20, z 1" in capsys.readouterr().out
    kept = dataset.add_layer_from_images(place, "all", allow_multiple_layers=True, truncate_rgba_to_rgb=False)
    assert [name for name in dataset.layers if name.startswith("all")] == [
        f"all__channel{index}" for index in range(4)
    ]
    assert kept.num_channels == 1


def test_grey_with_opacity_is_grey(tmp_path: Path) -> None:
    Pillow.fromarray(noise((20, 30, 2)), "LA").save(tmp_path / "a.png")
    dataset = imported(tmp_path / "a.png")
    assert [(layer.name, layer.num_channels) for layer in dataset.layers.values()] == [("em", 1)]
    assert "opacity" in str(dataset.import_report)
