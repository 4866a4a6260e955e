"""What editors propose and type checkers find: users' names, and slips in the names that parameters take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import wkplug as wk
from wkplug.model.names import LayerMapping

ROOT = Path(__file__).parents[1]


def test_completion_offers_no_internals(tmp_path: Path) -> None:
    layer = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1)).add_layer("a", "segmentation")
    mag = layer.add_mag(1)
    internal = {
        "store",
        "backend_for",
        "check_writable",
        "location",
        "frame",
        "region",
        "array_source",
        "watch",
    }
    for thing, known in (
        (layer.dataset, {"add_layer", "copy_dataset", "layers", "update", "import_report"}),
        (layer, {"downsample", "mags", "bounding_box", "largest_segment_id"}),
        (mag, {"read", "write", "rechunk", "info"}),
        (mag.get_view(), {"read", "bounding_box"}),
    ):
        offered = set(dir(thing))
        assert not internal & offered
        assert known <= offered
    assert layer.location.url.endswith("a")  # found all the same


def test_completion_of_the_package_offers_no_internals() -> None:
    offered = set(dir(wk))
    assert {"Dataset", "Mag", "settings", "WkplugError", "ModeName"} <= offered
    for name in ("layer_facts", "typed_unit", "PropertiesStore", "CURRENT_VERSION", "check_layer_name"):
        assert name not in offered
        assert hasattr(wk, name)


USE = """
import wkplug as wk

dataset = wk.Dataset("ds", voxel_size=(1, 1, 1))
layer = dataset.add_layer("a", "color", data_format="zarr3")
layer.downsample(interpolation_mode="median", sampling_mode="isotropic")
layer.downsample(interpolation_mode=wk.ModeName("trimmed"), sampling_mode=wk.SamplingModes.ISOTROPIC)
dataset.add_layer("b", layer.category, data_format=wk.DataFormat("npy"))
dataset.copy_dataset("copy", data_format=layer.data_format)
wk.Dataset.from_images("a", "b", map_filepath_to_layer_name="enforce_single_layer")
wk.Dataset.from_images("a", "b", map_filepath_to_layer_name=wk.ConversionLayerMapping.ENFORCE_SINGLE_LAYER)
"""
SLIPS = """
dataset.add_layer("c", "colour")
layer.downsample(interpolation_mode="medain")
layer.downsample(sampling_mode="isotropc")
dataset.add_layer("d", "color", data_format="zar3")
wk.Dataset.from_images("a", "b", voxel_size=(1, 1, 1), missing_slices="filled", layer_category="colour")
wk.Dataset.from_images("a", "b", map_filepath_to_layer_name="enforce_single")
"""


def test_the_names_of_layer_mappings_are_all_there() -> None:
    assert set(get_args(LayerMapping)) == {mapping.value for mapping in wk.ConversionLayerMapping}


@pytest.mark.long
def test_a_type_checker_finds_slips(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(USE + SLIPS)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    first = USE.count("\n") + 2
    wrong = [line for line in done.stdout.splitlines() if "script.py:" in line and ": error: " in line]
    lines = [int(line.split("script.py:")[1].split(":")[0]) for line in wrong]
    assert lines == [*range(first, first + 5), first + 4, first + 5], done.stdout
