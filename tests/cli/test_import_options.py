"""The options of imports, on all commands that import: what they do is what Python's parameters of that name do."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import tifffile
import zarr

import wkplug as wk
from wkplug.cli.main import COMMANDS, main
from wkplug.ops.importing.files import ConversionLayerMapping

SIZE = (7, 5, 4, 3)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Voxels (x, y, z, t), as a.tif with two channels, as a.raw and a.zarr of the first time, in the current folder."""
    monkeypatch.chdir(tmp_path)
    voxels = np.random.default_rng(0).integers(1, 250, SIZE).astype("uint16")
    both = np.stack([voxels.T, voxels.T + 1], axis=2)  # t, z, c, y, x
    tifffile.imwrite("a.tif", both, imagej=True, metadata={"axes": "TZCYX"})
    Path("a.raw").write_bytes(voxels[..., 0].tobytes(order="F"))
    zarr.create_array("a.zarr", data=voxels[..., 0], zarr_format=3, dimension_names=["x", "y", "z"])
    return voxels


def run(*arguments: str, code: int = 0) -> None:
    assert main(list(arguments)) == code


def only_layer(path: str = "out") -> wk.Layer:
    (layer,) = wk.Dataset.open(path).layers.values()
    return layer


def test_convert_takes_one_channel_and_one_time(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    part = ("--channel", "1", "--timepoint", "2")
    run("convert", "a.tif", "out", "--voxel-size", "1,1,1", "--no-downsample", *part)
    assert np.array_equal(only_layer().get_mag(1).read()[0], data[..., 2] + 1)
    python = wk.Dataset.from_images("a.tif", "python", voxel_size=(1, 1, 1), channel=1, timepoint=2)
    assert np.array_equal(next(iter(python.layers.values())).get_mag(1).read()[0], data[..., 2] + 1)
    told = str(python.import_report)
    assert "1 of 2 channels is not imported, as asked for: only channel 1" in told
    assert "2 of 3 times are not imported, as asked for: only time 2 is" in told
    capsys.readouterr()
    run("convert", "a.tif", "dry", "--voxel-size", "1,1,1", "--dry-run", *part)
    planned = capsys.readouterr().out
    assert all(f"note: {line}" in planned for line in told.splitlines() if "as asked for" in line)


def test_convert_converts_the_voxels(data: Any) -> None:
    run(
        "convert",
        "a.tif",
        "out",
        "--voxel-size",
        "1,1,1",
        "--dtype",
        "float32",
        "--channel",
        "0",
        "--timepoint",
        "0",
    )
    layer = only_layer()
    assert layer.dtype == np.dtype("float32")
    assert np.array_equal(layer.get_mag(1).read()[0], data[..., 0])


@pytest.mark.filterwarnings("ignore:.*flip_:UserWarning")
@pytest.mark.parametrize(
    "command",
    [
        ("convert", "a.tif", "--channel", "0", "--timepoint", "0"),
        ("convert-raw", "a.raw", "--shape", "7,5,4", "--dtype", "uint16"),
        ("convert-zarr", "a.zarr"),
    ],
)
@pytest.mark.parametrize(
    ("options", "turned"),
    [
        (["--flip-x", "--flip-z"], lambda voxels: voxels[::-1, :, ::-1]),
        (["--flip-y"], lambda voxels: voxels[:, ::-1]),
        (["--swap-xy", "--flip-x"], lambda voxels: voxels.transpose(1, 0, 2)[::-1]),
    ],
)
def test_every_way_in_turns_the_voxels(data: Any, command: Any, options: Any, turned: Any) -> None:
    name, source, *rest = command
    run(name, source, "out", "--voxel-size", "1,1,1", "--no-downsample", *rest, *options)
    assert np.array_equal(only_layer().get_mag(1).read()[0], turned(data[..., 0]))


@pytest.mark.usefixtures("data")
def test_every_way_in_takes_a_category_and_a_unit() -> None:
    for number, command in enumerate(
        [
            ("convert", "a.tif", "--channel", "0", "--timepoint", "0"),
            ("convert-raw", "a.raw", "--shape", "7,5,4", "--dtype", "uint16"),
            ("convert-zarr", "a.zarr"),
        ]
    ):
        name, source, *rest = command
        target = f"out{number}"
        run(
            name, source, target, "--voxel-size", "1,1,2", "--unit", "um", "--category", "segmentation", *rest
        )
        layer = only_layer(target)
        assert layer.category == "segmentation"
        assert layer.dataset.voxel_size_with_unit == wk.VoxelSize((1, 1, 2), wk.LengthUnit.MICROMETER)


@pytest.mark.usefixtures("data")
def test_files_become_layers_as_the_mapping_says() -> None:
    Path("flat").mkdir()
    for name in "ab":
        tifffile.imwrite(f"flat/{name}.tif", np.ones((6, 8), "uint8"))
    common = ("--voxel-size", "1,1,1", "--no-downsample")
    run("convert", "flat", "one", *common)
    run("convert", "flat", "two", *common, "--layer-mapping", "enforce_layer_per_file")
    assert len(wk.Dataset.open("one").layers) == 1
    assert sorted(wk.Dataset.open("two").layers) == ["a.tif", "b.tif"]


def commands() -> dict[str, click.Command]:
    found = {}
    for name, place in COMMANDS.items():
        module, _, attribute = place.partition(":")
        found[name] = getattr(importlib.import_module(module), attribute)
    return found


def test_the_mappings_are_those_of_python() -> None:
    (option,) = [each for each in commands()["convert"].params if each.name == "layer_mapping"]
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == [mapping.value for mapping in ConversionLayerMapping]


def test_every_unit_is_of_the_same_type() -> None:
    from wkplug.cli.options import UNIT

    units = [option for command in commands().values() for option in command.params if option.name == "unit"]
    assert len(units) >= 4
    assert all(option.type is UNIT for option in units)


@pytest.mark.parametrize("command", [["convert", "a.tif"], ["convert-raw", "a.raw", "--shape", "7,5,4"]])
def test_options_that_can_not_act_are_refused(
    data: Any, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if command[0] == "convert":
        run(*command, "out", "--unit", "um", code=2)
        assert "--unit': it is the unit of --voxel-size, which is not given." in capsys.readouterr().err
    more = ["--voxel-size", "1,1,1"] + (["--dtype", "uint16"] if command[0] == "convert-raw" else [])
    for option in (["--max-mag", "4"], ["--sampling-mode", "isotropic"]):
        run(*command, "out", *more, "--no-downsample", *option, code=2)
        assert "no coarser mags are made with --no-downsample." in capsys.readouterr().err
    assert not Path("out").exists()
