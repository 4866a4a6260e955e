"""`convert` of containers, `convert-zarr`, `convert-raw` and `convert-knossos`: voxels, options, and bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr

import wkplug as wk
from wkplug.cli.main import main

SIZE = (70, 40, 50)
RAW = ("convert-raw", "a.raw", "out", "--shape", "70,40,50", "--voxel-size", "4,4,40")
ZARR = ("convert-zarr", "a.zarr", "out", "--voxel-size", "4,4,40")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Voxels (x, y, z), as a.raw (x fastest) and as the array a.zarr with named axes, in the current folder."""
    monkeypatch.chdir(tmp_path)
    voxels = np.random.default_rng(0).integers(1, 250, SIZE).astype("uint8")
    Path("a.raw").write_bytes(voxels.tobytes(order="F"))
    names = ["x", "y", "z"]
    zarr.create_array("a.zarr", data=voxels, chunks=(16, 16, 16), zarr_format=3, dimension_names=names)
    return voxels


def run(*arguments: str, code: int = 0) -> None:
    assert main(list(arguments)) == code


def read(name: str = "color", mag: Any = 1) -> Any:
    return wk.Dataset.open("out").get_layer(name).get_mag(mag).read()[0]


# --- raw files -------------------------------------------------------------------------------------------------


def test_a_raw_file_becomes_a_layer_with_a_pyramid(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(*RAW, "--max-mag", "4")
    dataset = wk.Dataset.open("out")
    assert [str(mag) for mag in dataset.get_layer("color").mags] == ["1", "2-2-1", "4-4-1"]
    assert dataset.voxel_size == (4, 4, 40)
    assert dataset.get_layer("color").category == "color"
    assert np.array_equal(read(), data)
    told = capsys.readouterr().out
    assert told.startswith("out\nvoxel size 4 x 4 x 40 nm\n")
    assert "Converted 140.0 kB of voxels to " in told


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [">u2", "<i2", "float32"])
def test_orders_and_types_of_raw_files(data: Any, order: Any, dtype: str) -> None:
    Path("b.raw").write_bytes(data.astype(dtype).tobytes(order=order))
    run(
        "convert-raw", "b.raw", "out", "--shape", "70,40,50", "--voxel-size", "1", "--source-dtype", dtype,
        "--dtype", "uint16", "--order", order, "--no-downsample", code=2,
    )  # fmt: skip
    run(
        "convert-raw", "b.raw", "out", "--shape", "70,40,50", "--voxel-size", "1,1,1", "--source-dtype", dtype,
        "--dtype", "uint16", "--order", order, "--no-downsample",
    )  # fmt: skip
    assert read().dtype == np.uint16
    assert np.array_equal(read(), data)


@pytest.mark.parametrize(("axes", "flipped"), [("1", (0,)), ("2,3", (1, 2)), ("1,2,3", (0, 1, 2)), ("0", ())])
def test_flips_are_of_the_whole_volume(data: Any, axes: str, flipped: tuple[int, ...]) -> None:
    run(*RAW, "--flip-axes", axes, "--no-downsample", "--shard-shape", "32")
    assert np.array_equal(read(), np.flip(data, flipped))
    run(*ZARR, "--flip-axes", axes, "--no-downsample", "--layer-name", "z", "--shard-shape", "32")
    assert np.array_equal(read("z"), np.flip(data, flipped))


@pytest.mark.parametrize(
    ("dtype", "top"), [("uint8", 255), ("uint16", 65535), ("int8", 127), ("float32", 1.0)]
)
def test_values_are_rescaled_and_those_beyond_are_cut_off(data: Any, dtype: str, top: float) -> None:
    values = data.astype("float32") * 10 - 100
    values[0, 0, 0] = np.nan
    Path("b.raw").write_bytes(values.tobytes(order="F"))
    run(
        "convert-raw", "b.raw", "out", "--shape", "70,40,50", "--voxel-size", "1,1,1", "--dtype", dtype,
        "--source-dtype", "float32", "--rescale-min-max", "0,2000", "--no-downsample",
    )  # fmt: skip
    expected = (np.clip(values[1:].astype("float64"), 0, 2000) / 2000 * top).astype(dtype)
    found = read()
    assert np.array_equal(found[1:], expected)
    assert found[1:].max() == top
    assert dtype == "float32" or found[0, 0, 0] == 0


def test_equal_limits_make_zeros_and_64_bits_reach_their_largest_value(data: Any) -> None:
    del data
    from wkplug.builtin.raw import RawLayout
    from wkplug.filesystems.local import LocalLocation
    from wkplug.ops.importing.readers import RawFile

    Path("b.raw").write_bytes(np.arange(8, dtype="uint8").tobytes())
    layout = RawLayout(shape=(2, 2, 2), dtype="uint8", order="F", axes=("x", "y", "z"))
    for limits, largest in (((3, 3), 0), ((0, 7), 2**64 - 1)):
        file = RawFile.at(LocalLocation("b.raw"), layout, limits=limits, dtype="uint64")
        with file.open() as image:
            assert image.read().max() == largest


@pytest.mark.parametrize("command", [RAW, ZARR])
def test_a_dataset_that_is_there_gets_one_more_layer(
    data: Any, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    wk.Dataset("out", voxel_size=(4, 4, 40)).write_layer("em", "color", data[:32, :32, :32])
    run(*command, "--no-downsample")
    assert sorted(wk.Dataset.open("out").layers) == ["color", "em"]
    assert np.array_equal(read(), data)
    capsys.readouterr()
    run(*command, code=1)
    assert "already has a layer 'color'" in capsys.readouterr().err
    run(*command[:-1], "4,4,41", "--layer-name", "x", code=1)
    assert "4" in capsys.readouterr().err
    assert sorted(wk.Dataset.open("out").layers) == ["color", "em"]
    run(*command, "--no-downsample", "--overwrite-existing", "--layer-name", "y")
    assert list(wk.Dataset.open("out").layers) == ["y"]


def test_what_is_no_dataset_is_neither_extended_nor_deleted(
    data: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    del data
    Path("out").mkdir()
    Path("out/notes.txt").write_text("mine")
    run(*RAW, code=1)
    assert "which is no dataset" in capsys.readouterr().err
    run(*RAW, "--overwrite-existing", code=1)
    assert "is not a dataset, so --overwrite-existing doesn't delete it" in capsys.readouterr().err
    assert Path("out/notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--shape", "70,40,51"], 1, "its voxels reach to byte 142800, but the file ends at 140000"),
        (["--dtype", "uint12"], 1, "uint12"),
        (["--source-dtype", "complex64"], 1, "No layer can hold voxels of the type complex64"),
        (["--dtype", "uint64", "--source-dtype", "uint8"], 1, "color layer can't have the dtype uint64"),
        (["--shape", "0"], 2, "every number of '0' must be above 0"),
        (["--rescale-min-max", "0,nan"], 2, "is not two numbers such as 0,255"),
        (
            ["--rescale-min-max", "5,2"],
            1,
            "--rescale-min-max 5,2 is no range of values.\n  Give two finite numbers",
        ),
        (["--shape", "a"], 2, "is not one number or three"),
        (["--order", "D"], 2, "D"),
        (["--flip-axes", "4"], 2, "'4' are not axes: 0 for channels, 1 for x, 2 for y, 3 for z"),
        (["--rescale-min-max", "1"], 2, "is not two numbers such as 0,255"),
        (["--unit", "furlongs"], 2, "furlongs"),
    ],
)
def test_bad_input_of_raw_files(
    data: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    del data
    run(*RAW, *arguments, code=code)
    assert text in capsys.readouterr().err
    assert not Path("out").exists()


def test_a_raw_file_must_be_a_file(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    del data
    run("convert-raw", "a.zarr", *RAW[2:], code=1)
    assert "a.zarr is a folder, not a raw file." in capsys.readouterr().err
    run("convert-raw", "b.raw", *RAW[2:], code=1)
    assert "There is nothing at" in capsys.readouterr().err
    run("convert-raw", "a.raw", "out", "--voxel-size", "1,1,1", code=2)
    assert "--shape" in capsys.readouterr().err


def test_a_raw_file_that_is_longer_is_told(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.raw").write_bytes(data.tobytes(order="F") + b"123")
    run(*RAW, "--no-downsample")
    assert "note: color: 3 bytes behind the last voxel are not read (a.raw)." in capsys.readouterr().out
    assert np.array_equal(read(), data)


def test_a_large_raw_file_is_read_by_region(tmp_path: Path) -> None:
    from wkplug import storage
    from wkplug.builtin.raw import RawLayout
    from wkplug.ops.images import ImportOptions, plan_layers
    from wkplug.ops.importing.readers import RawFile
    from wkplug.ops.importing.series import Stack
    from wkplug.storage.budget import resident

    with (tmp_path / "a.raw").open("wb") as file:
        file.truncate(2048 * 2048 * 2048)
    for order in ("C", "F"):
        layout = RawLayout(shape=(2048,) * 3, dtype="uint8", order=order, axes=("x", "y", "z"))
        source = RawFile.at(storage.locate(tmp_path / "a.raw"), layout)
        plan = plan_layers(
            {"color": Stack((source,))},
            tmp_path / "out",
            wk.VoxelSize((1, 1, 1)),
            options=ImportOptions(memory=resident() + 512 * 10**6),
            category="color",
        )
        (volume,) = plan.volumes
        assert volume.chunking.bytes < 512 << 20


# --- arrays ----------------------------------------------------------------------------------------------------


def test_an_array_becomes_a_segmentation_with_its_largest_id(data: Any) -> None:
    run(*ZARR, "--is-segmentation-layer", "--max-mag", "2", "--data-format", "wkw")
    layer = wk.Dataset.open("out").get_segmentation_layer("color")
    assert (layer.largest_segment_id, str(layer.data_format)) == (data.max(), "wkw")
    assert [str(mag) for mag in layer.mags] == ["1", "2-2-1"]
    assert np.array_equal(read(), data)


@pytest.mark.filterwarnings("default:.*doesn't name its axes:UserWarning")
@pytest.mark.parametrize("driver", ["zarr", "n5"])
def test_arrays_without_names_are_x_y_z(data: Any, driver: str) -> None:
    place = f"{Path.cwd()}/b"
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": place}, "create": True}
    tensorstore.open(spec, dtype="uint8", shape=SIZE).result().write(data).result()
    run("convert-zarr", "b", "out", "--voxel-size", "4,4,40", "--no-downsample")
    assert np.array_equal(read(), data)


def test_bad_input_of_arrays(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    del data
    run("convert-zarr", "a.zarr", "out", code=1)
    assert "doesn't say how large its voxels are" in capsys.readouterr().err
    run("convert-zarr", "b", *ZARR[2:], code=1)
    assert "There is nothing at" in capsys.readouterr().err
    run("convert-zarr", "a.raw", *ZARR[2:], code=1)
    told = capsys.readouterr().err
    assert "is no array or image that an importer knows" in told
    assert "wkplug convert-raw" in told
    run(*ZARR, "--importer", "n5", code=1)
    assert "attributes.json" in capsys.readouterr().err
    run("convert", "a.zarr", "a.zarr", "--voxel-size", "1,1,1", "--overwrite-existing", code=1)
    assert "a.zarr is itself what is imported.\n  Choose a path outside of it." in capsys.readouterr().err
    assert sorted(path.name for path in Path("a.zarr").iterdir())[-1] == "zarr.json"
    assert not Path("out").exists()


def test_several_channels_are_not_reversed(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    both = np.stack([data, data + 1])
    zarr.create_array("c.zarr", data=both, zarr_format=3, dimension_names=["c", "x", "y", "z"])
    run("convert-zarr", "c.zarr", *ZARR[2:], "--flip-axes", "0,1", code=2)
    assert "there are several channels, which can't be reversed" in capsys.readouterr().err
    run("convert-zarr", "c.zarr", *ZARR[2:], "--flip-axes", "1", "--no-downsample")
    assert np.array_equal(read("color__channel1"), both[1, ::-1])


def test_convert_names_the_importer_and_takes_the_containers_voxel_size(
    data: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    wk.Dataset("ds", voxel_size=(4, 5, 6)).write_layer("em", "color", data).export("em.precomputed")
    run("convert", "em.precomputed", "out", "--dry-run")
    told = capsys.readouterr().out
    assert "importer precomputed" in told
    assert "voxel size 4 x 5 x 6 nm, as the files say" in told
    assert not Path("out").exists()
    run("convert", "em.precomputed", "out", "--importer", "precomputed", "--no-downsample")
    assert "Converted 140.0 kB of voxels to" in capsys.readouterr().out
    assert np.array_equal(read("em"), data)
    run("convert", "ds", "out2", "--voxel-size", "1,1,1", code=1)
    assert "wkplug copy-dataset" in capsys.readouterr().err
    run("convert", "em.precomputed", "out2", "--importer", "knossos", code=1)
    assert "There are no KNOSSOS cubes in" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["convert", "convert-raw", "convert-zarr", "convert-knossos"])
@pytest.mark.parametrize("before", ["nothing", "empty folder", "dataset"])
def test_refused_values_leave_what_was_there(
    data: Any, capsys: pytest.CaptureFixture[str], command: str, before: str
) -> None:
    values = np.full((128, 128, 128), 60000, "uint16")
    values.tofile("b.raw")
    zarr.create_array("b.zarr", data=values, chunks=(64, 64, 64), zarr_format=3, dimension_names=[*"xyz"])
    cube("b", 0, 0, 0, values)
    if before == "empty folder":
        Path("out").mkdir()
    if before == "dataset":
        wk.Dataset("out", voxel_size=(1, 1, 1))
    more = {
        "convert": ("b.zarr", "--dtype", "uint8"),
        "convert-raw": ("b.raw", "--shape", "128,128,128", "--source-dtype", "uint16"),
        "convert-zarr": ("b.zarr", "--dtype", "uint8"),
        "convert-knossos": ("b", "--dtype", "int16"),
    }[command]
    run(command, more[0], "out", *more[1:], "--voxel-size", "1,1,1", code=1)
    told = capsys.readouterr().err
    if command == "convert" and before == "dataset":
        assert "There is already something at" in told
    else:
        assert f"which {'int16' if command == 'convert-knossos' else 'uint8'} can't hold" in told
    assert Path("out").exists() == (before != "nothing")
    if before == "dataset":
        assert not wk.Dataset.open("out").layers
        assert not [place for place in Path("out").iterdir() if place.is_dir()]
    else:
        assert not list(Path("out").rglob("*"))


def test_a_pattern_is_no_container(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    del data
    for arguments in (
        ("convert", "a*.zarr", "out", "--importer", "zarr"),
        ("convert-zarr", "a*.zarr", "out"),
    ):
        run(*arguments, "--voxel-size", "1,1,1", code=1)
        told = capsys.readouterr().err
        assert "a*.zarr is a pattern of image files, and an importer reads one container." in told
        assert ("leave out --importer." if arguments[0] == "convert" else "wkplug convert.") in told
    run("add-layer", "a*.zarr", str(wk.Dataset("ds", (1, 1, 1)).path), "--importer", "zarr", code=1)
    assert "is a pattern" in capsys.readouterr().err


# --- cubes -----------------------------------------------------------------------------------------------------


def cube(folder: str, x: int, y: int, z: int, voxels: Any) -> None:
    place = Path(folder) / f"x{x:04}" / f"y{y:04}" / f"z{z:04}"
    place.mkdir(parents=True)
    (place / "c.raw").write_bytes(voxels.tobytes(order="F"))


@pytest.mark.parametrize(("dtype", "mag"), [("uint8", 1), ("int16", 2)])
def test_cubes_become_a_layer(data: Any, dtype: str, mag: int) -> None:
    del data
    first = np.random.default_rng(0).integers(0, 120, (128, 128, 128)).astype(dtype)
    cube("mag", 1, 0, 2, first)
    cube("mag", 2, 0, 2, first[::-1])
    run(
        "convert-knossos", "mag", "out", "--voxel-size", "9,9,20", "--dtype", dtype, "--mag", str(mag),
        "--shard-shape", "64", "--memory", "400MB",
    )  # fmt: skip
    layer = wk.Dataset.open("out").get_layer("color")
    box = wk.BoundingBox((128, 0, 256), (256, 128, 128))
    assert layer.bounding_box == wk.BoundingBox(box.topleft * mag, box.size * mag)
    assert list(layer.mags) == [wk.Mag(mag)]
    assert layer.dtype == dtype
    assert np.array_equal(read(mag=mag), np.concatenate([first, first[::-1]]))


def test_bad_input_of_cubes(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    del data
    Path("empty").mkdir()
    run("convert-knossos", "empty", "out", "--voxel-size", "1,1,1", code=1)
    assert "There are no KNOSSOS cubes in" in capsys.readouterr().err
    cube("mag", 0, 0, 0, np.ones((128, 128, 128), "uint16"))
    run("convert-knossos", "mag", "out", "--voxel-size", "1,1,1", "--dtype", "uint8", code=1)
    told = capsys.readouterr().err
    assert "The cubes in mag have voxels of 2 bytes: they aren't uint8." in told
    assert "Give uint16, int16, or nothing." in told
    run("convert-knossos", "mag", "out", code=1)
    assert "doesn't say how large its voxels are" in capsys.readouterr().err
    assert not Path("out").exists()


def test_a_plate_of_many_fields_is_cut_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plate = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    plate.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    plate.create_group("A/1").attrs["well"] = {"images": [{"path": str(field)} for field in range(3)]}
    for field in range(3):
        image = plate.create_group(f"A/1/{field}")
        image.create_array("0", data=np.full((2, 8, 8), field + 1, "uint8"), chunks=(2, 8, 8))
        image.attrs["multiscales"] = [{"axes": list("zyx"), "datasets": [{"path": "0"}]}]
    arguments = ["convert", str(tmp_path / "a.zarr"), str(tmp_path / "out"), "--voxel-size", "4,4,40"]
    run(*arguments, "--max-layers", "2")
    told = capsys.readouterr()
    assert "the rest, from 'A_1_2' on, is not imported (--max-layers)" in told.out + told.err
    assert list(wk.Dataset.open(tmp_path / "out").layers) == ["A_1_0", "A_1_1"]
