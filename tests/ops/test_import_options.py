"""Parameters of all eras, and what they choose: time points, channels, resolutions, readers, gaps, frames."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as Pillow

import wkplug as wk
from wkplug.cli.main import main
from wkplug.errors import InvalidArgumentError, UnsupportedImageDataError, WkplugError
from wkplug.ops.importing import options

if TYPE_CHECKING:
    from pathlib import Path


def noise(shape: tuple[int, ...], dtype: str = "uint8") -> Any:
    return np.random.default_rng(0).integers(1, 250, shape).astype(dtype)


@pytest.fixture
def dataset(tmp_path: Path) -> wk.Dataset:
    return wk.Dataset(tmp_path / "dataset", voxel_size=(1, 1, 1))


def voxels(layer: wk.Layer) -> Any:
    return layer.get_mag(1).read()


# --- parts of files ------------------------------------------------------------------------------------------


def test_one_time_point_can_be_chosen(tmp_path: Path, dataset: wk.Dataset) -> None:
    data = noise((3, 5, 20, 30))
    tifffile.imwrite(tmp_path / "a.ome.tif", data, ome=True, metadata={"axes": "TZYX"})
    layer = dataset.add_layer_from_images(tmp_path / "a.ome.tif", "a", timepoint=1, data_format="wkw")
    assert np.array_equal(voxels(layer)[0], data[1].T)
    with pytest.raises(
        InvalidArgumentError, match=r"timepoint is 3, but .*a\.ome\.tif has 3 of them"
    ) as caught:
        dataset.add_layer_from_images(tmp_path / "a.ome.tif", "b", timepoint=3)
    assert "from 0 to 2" in str(caught.value)
    assert list(dataset.layers) == ["a"]


def test_one_channel_of_the_instrument_can_be_chosen(tmp_path: Path, dataset: wk.Dataset) -> None:
    data = noise((4, 5, 20, 30), "uint16")
    tifffile.imwrite(tmp_path / "a.ome.tif", data, ome=True, metadata={"axes": "CZYX"})
    layer = dataset.add_layer_from_images(tmp_path / "a.ome.tif", "a", czi_channel=2)
    assert np.array_equal(voxels(layer)[0], data[2].T)
    with pytest.raises(InvalidArgumentError, match=r"czi_channel is 4, but .* has 4 of them"):
        dataset.add_layer_from_images(tmp_path / "a.ome.tif", "b", czi_channel=4)


def test_a_coarser_resolution_of_the_file_can_be_chosen(tmp_path: Path, dataset: wk.Dataset) -> None:
    data = noise((256, 320))
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(data, subifds=1, photometric="minisblack", tile=(64, 64))
        writer.write(data[::2, ::2], subfiletype=1, photometric="minisblack", tile=(64, 64))
    layer = dataset.add_layer_from_images(tmp_path / "a.tif", "a", scale=1, mag=2)
    assert np.array_equal(layer.get_mag(2).read()[0, :, :, 0], data[::2, ::2].T)
    assert layer.bounding_box.size.to_tuple() == (320, 256, 2)
    with pytest.raises(InvalidArgumentError, match=r"scale is 2, but .* has 2 resolutions"):
        dataset.add_layer_from_images(tmp_path / "a.tif", "b", scale=2)


@pytest.mark.parametrize("swap", [False, True])
def test_a_single_flip_is_told_to_be_another_way_than_in_the_reference(
    tmp_path: Path, dataset: wk.Dataset, swap: bool
) -> None:
    data = noise((20, 30))
    Pillow.fromarray(data).save(tmp_path / "a.png")
    options._warn_of_flips.cache_clear()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for name in ("a", "b"):
            dataset.add_layer_from_images(tmp_path / "a.png", name, flip_x=True, swap_xy=swap)
    texts = [str(warning.message) for warning in told]
    assert [text.startswith("[WARNING] flip_x reverses the x axis of the layer") for text in texts] == (
        [] if swap else [True]  # once in a process
    )
    plane = data if swap else data.T
    assert np.array_equal(voxels(dataset.get_layer("a"))[0, :, :, 0], plane[::-1])


# --- readers -------------------------------------------------------------------------------------------------


def test_bio_formats_can_be_asked_for_and_refused(tmp_path: Path, dataset: wk.Dataset) -> None:
    Pillow.fromarray(noise((20, 30))).save(tmp_path / "a.png")
    for use in (False, None):
        assert dataset.add_layer_from_images(tmp_path / "a.png", f"layer{use}", use_bioformats=use).mags
    from wkplug import registry

    if "bioformats" not in [o.spec.name for o in registry.get_manager().collect("wkplug_image_readers")]:
        with pytest.raises(WkplugError, match="bioformats"):
            dataset.add_layer_from_images(tmp_path / "a.png", "asked", use_bioformats=True)
        with pytest.raises(WkplugError, match="bioformats"):
            wk.Dataset.from_images(tmp_path / "a.png", tmp_path / "out", (1, 1, 1), use_bioformats=True)
    assert "asked" not in dataset.layers
    assert not (tmp_path / "out").exists()


# --- series of files -----------------------------------------------------------------------------------------


def series(folder: Path, names: list[str]) -> dict[str, Any]:
    folder.mkdir()
    planes = {name: np.full((20, 30), number, "uint8") for number, name in enumerate(names, start=1)}
    for name, plane in planes.items():
        Pillow.fromarray(plane).save(folder / name)
    return planes


def test_a_missing_number_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    series(tmp_path / "in", [f"s_{z:03}.png" for z in (1, 2, 4, 5, 6)])
    with pytest.raises(
        UnsupportedImageDataError, match=r"The section number 3 is missing between s_001\.png and"
    ) as caught:
        wk.Dataset.from_images(tmp_path / "in", tmp_path / "out", (1, 1, 1))
    assert 'missing_slices="fill"' in str(caught.value)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InvalidArgumentError, match="missing_slices is 'repeat'"):
        wk.Dataset.from_images(tmp_path / "in", tmp_path / "out", (1, 1, 1), missing_slices="repeat")


@pytest.mark.filterwarnings("ignore:.*missing, and is zero there:UserWarning")
def test_gaps_are_filled_or_closed_on_request(tmp_path: Path, dataset: wk.Dataset) -> None:
    series(tmp_path / "in", [f"s{z}.png" for z in (8, 9, 11, 12, 13, 14)])
    filled = dataset.add_layer_from_images(tmp_path / "in", "filled", missing_slices="fill")
    assert voxels(filled)[0, 0, 0].tolist() == [1, 2, 0, 3, 4, 5, 6]
    closed = dataset.add_layer_from_images(f"{tmp_path}/in/*.png", "closed", missing_slices="close")
    assert voxels(closed)[0, 0, 0].tolist() == [1, 2, 3, 4, 5, 6]
    listed = [tmp_path / "in" / f"s{z}.png" for z in (14, 8, 9)]
    assert voxels(dataset.add_layer_from_images(listed, "listed"))[0, 0, 0].tolist() == [6, 1, 2]
    flipped = dataset.add_layer_from_images(tmp_path / "in", "flipped", missing_slices="fill", flip_z=True)
    assert voxels(flipped)[0, 0, 0].tolist() == [6, 5, 4, 3, 0, 2, 1]


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((1, 2, 4, 5), "1 section is missing (3), and the gap is closed, as asked for"),
        ((0, 10, 20, 50, 60), "2 sections are missing (30, 40), and the gaps are closed, as asked for"),
        ((1, 2, 3, 4), ""),
        ((1, 2, 10), ""),
    ],
)
def test_a_closed_gap_is_told(
    tmp_path: Path, dataset: wk.Dataset, numbers: tuple[int, ...], text: str
) -> None:
    series(tmp_path / "in", [f"s{z}.png" for z in numbers])
    dataset.add_layer_from_images(tmp_path / "in", "a", missing_slices="close")
    told = str(dataset.import_report)
    assert told.count(text or "closed") == (1 if text else 0)


def test_a_gap_closed_in_one_channel_is_told(tmp_path: Path, dataset: wk.Dataset) -> None:
    names = [f"img_C{c}_Z{z}.png" for c in range(2) for z in range(4)]
    series(tmp_path / "in", [name for name in names if name != "img_C1_Z3.png"])
    dataset.add_layer_from_images(
        tmp_path / "in", "a", missing_slices="close", allow_multiple_layers=True, dtype="uint8"
    )
    assert "1 section is missing (3), and the gap is closed" in str(dataset.import_report)


def test_a_filled_gap_is_told(tmp_path: Path, dataset: wk.Dataset) -> None:
    series(tmp_path / "in", [f"s{z}.png" for z in (1, 2, 4, 5)])
    with pytest.warns(UserWarning, match=r"a: 1 section of 5 is missing, and is zero there \(z = 2\)"):
        dataset.add_layer_from_images(tmp_path / "in", "a", missing_slices="fill")


def test_two_files_of_one_number_are_an_error(tmp_path: Path) -> None:
    series(tmp_path / "in", ["s1.png", "s2.png", "s02.png", "s3.png"])
    with pytest.raises(
        UnsupportedImageDataError, match="have the same number 2: one section can't be two files"
    ):
        wk.Dataset.from_images(tmp_path / "in", tmp_path / "out", (1, 1, 1))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "names",
    [
        ["s1.png", "s2.png", "s10.png"],
        ["s0.png", "s10.png", "s20.png", "s30.png"],
        ["w1_h1.png", "w1_h2.png", "w2_h1.png", "w4_h1.png"],
        ["a.png", "b.png", "d.png"],
        ["s1.png", "s4.png"],
        ["a1.png", "a2.png", "b4.png"],
    ],
)
def test_numbers_that_count_no_sections_are_left_alone(
    tmp_path: Path, dataset: wk.Dataset, names: list[str]
) -> None:
    series(tmp_path / "in", names)
    assert dataset.add_layer_from_images(tmp_path / "in", "a").bounding_box.size_xyz.z == len(names)


# --- frames that are in memory -------------------------------------------------------------------------------


class Frames:
    """What `pims.FramesSequence` is to those who read it."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self.frame_shape = data.shape[1:]
        self.pixel_type = data.dtype

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Any:
        return self._data[index]


class NamedFrames(Frames):
    """The same with named axes, as `pims.FramesSequenceND`."""

    def __init__(self, data: Any, axes: str) -> None:
        super().__init__(data)
        self._axes = axes
        self.sizes = dict(zip(axes, data.shape, strict=True))
        self.bundle_axes = ["y", "x"]
        self.iter_axes = ["t"]

    def __getitem__(self, index: int) -> Any:
        order = [self._axes.index(axis) for axis in (*self.iter_axes, *self.bundle_axes)]
        data = self._data.transpose(order)
        lead = len(self.iter_axes)
        return data.reshape(-1, *data.shape[lead:])[index]


def test_a_sequence_of_frames_is_a_stack(dataset: wk.Dataset) -> None:
    data = noise((40, 20, 30))
    assert np.array_equal(voxels(dataset.add_layer_from_images(Frames(data), "a"))[0], data.T)
    colours = noise((6, 20, 30, 3))
    layer = dataset.add_layer_from_images(Frames(colours), "rgb")
    assert np.array_equal(voxels(layer), colours.transpose(3, 2, 1, 0))
    with pytest.raises(UnsupportedImageDataError, match="of which nobody says what it means"):
        dataset.add_layer_from_images(Frames(noise((2, 3, 4, 5))), "b")


def test_named_axes_of_frames_are_kept_and_the_sequence_is_left_as_it_was(dataset: wk.Dataset) -> None:
    data = noise((2, 5, 3, 20, 30))
    frames = NamedFrames(data, "tzcyx")
    layer = dataset.add_layer_from_images(frames, "a", timepoint=1, channel=2)
    assert np.array_equal(voxels(layer)[0], data[1, :, 2].T)
    assert (frames.bundle_axes, frames.iter_axes) == (["y", "x"], ["t"])
    split = dataset.add_layer_from_images(frames, "all", allow_multiple_layers=True)
    assert split.name == "all__channel0"
    assert split.bounding_box.axes == ("t", "c", "x", "y", "z")
    assert np.array_equal(voxels(split), data[:, :, :1].transpose(0, 2, 4, 3, 1))


def test_real_sequences_of_pims_are_taken(tmp_path: Path, dataset: wk.Dataset) -> None:
    pims = pytest.importorskip("pims", reason="pims is not installed")
    data = noise((5, 20, 30))
    for z, plane in enumerate(data):
        Pillow.fromarray(plane).save(tmp_path / f"s{z}.png")
    with pims.open(f"{tmp_path}/s*.png") as frames:
        assert np.array_equal(voxels(dataset.add_layer_from_images(frames, "a"))[0], data.T)


# --- plans of many files ----------------------------------------------------------------------------------


def test_a_dry_run_opens_a_few_of_many_files_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"s{number:03}.png" for number in range(60)]
    series(tmp_path / "in", names)
    for name in names[1:10]:
        (tmp_path / "in" / name).write_bytes(b"damaged")
    arguments = ["convert", str(tmp_path / "in"), str(tmp_path / "out"), "--voxel-size", "1,1,1"]
    assert main([*arguments, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "note: 3 of 60 files were opened for this plan, the others are taken to be like them" in told
    assert ", 60), axes c, x, y, z" in told
    assert main(arguments) == 1
    assert "has the name of an image, but not its contents" in capsys.readouterr().err


def test_a_dry_run_opens_all_files_where_they_may_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"s{number:03}.png" for number in range(60)]
    series(tmp_path / "in", names)
    Pillow.fromarray(np.zeros((50, 40), "uint8")).save(tmp_path / "in" / names[30])
    arguments = ["convert", str(tmp_path / "in"), str(tmp_path / "out"), "--voxel-size", "1,1,1", "--dry-run"]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert "files were opened for this plan" not in told
    assert "Some images are larger than expected" in told


# --- parameters that can't act -------------------------------------------------------------------------------

FIXED = "its own metadata say which layers it has and where their sections lie"


def container(place: Path) -> Path:
    """A bare Zarr array."""
    zarr.create_array(place, data=noise((4, 5, 6)), dimension_names=["z", "y", "x"])
    return place


@pytest.mark.parametrize(
    ("parameter", "told"),
    [
        ({"missing_slices": "fill"}, 'missing_slices="fill"'),
        ({"missing_slices": "close"}, 'missing_slices="close"'),
        ({"map_filepath_to_layer_name": "enforce_single_layer"}, None),
        ({"map_filepath_to_layer_name": lambda path: str(path)}, "map_filepath_to_layer_name"),
        ({"z_slices_sort_key": str}, "z_slices_sort_key"),
    ],
)
def test_what_a_container_takes_no_notice_of_is_told(
    tmp_path: Path, parameter: Any, told: str | None
) -> None:
    place = container(tmp_path / "a.zarr")
    told = told or 'map_filepath_to_layer_name="enforce_single_layer"'
    text = f"{told} has no effect on a container: {FIXED}."
    with pytest.warns(UserWarning, match=re.escape(text)):
        made = wk.Dataset.from_images(place, tmp_path / "out", (1, 1, 1), **parameter)
    assert made.import_report is not None
    assert text in map(str, made.import_report.notes)


def test_containers_in_a_folder_take_no_notice_either(tmp_path: Path) -> None:
    container(tmp_path / "folder" / "a.zarr")
    with pytest.warns(UserWarning, match='missing_slices="fill" has no effect on a container'):
        wk.Dataset.from_images(tmp_path / "folder", tmp_path / "out", (1, 1, 1), missing_slices="fill")
    with pytest.warns(UserWarning, match='missing_slices="close" has no effect on a container'):
        wk.Dataset.open(tmp_path / "out").add_layer_from_images(
            tmp_path / "folder" / "a.zarr", "b", missing_slices="close"
        )


def test_what_lists_frames_and_orders_take_no_notice_of_is_told(tmp_path: Path, dataset: wk.Dataset) -> None:
    series(tmp_path / "s", ["s1.png", "s2.png", "s4.png"])
    files = sorted((tmp_path / "s").iterdir())
    with pytest.warns(UserWarning, match="has no effect on a list of files: they are sections in the order"):
        dataset.add_layer_from_images(files, "list", missing_slices="fill")
    with pytest.warns(UserWarning, match='scene="x" has no effect on opened frames: they are open already'):
        dataset.add_layer_from_images(Frames(noise((3, 4, 5))), "frames", scene="x")
    with pytest.warns(UserWarning, match='missing_slices="fill" has no effect on files in an order of yours'):
        wk.Dataset.from_images(
            tmp_path / "s",
            tmp_path / "out",
            (1, 1, 1),
            missing_slices="fill",
            z_slices_sort_key=str,
            layer_category="color",
        )


def test_a_layer_of_one_file_says_what_has_no_effect_without_a_warning(
    tmp_path: Path, dataset: wk.Dataset
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise((8, 9)))
    dataset.add_layer_from_images(tmp_path / "a.tif", "a", missing_slices="fill", keep_transformation=True)
    report = str(dataset.import_report)
    assert (
        'missing_slices="fill" has no effect on a layer of one file: the file itself says where its' in report
    )
    assert (
        "keep_transformation=True has no effect: it says nothing of a place in a space of its own" in report
    )


def test_parameters_that_contradict_each_other_are_refused(tmp_path: Path, dataset: wk.Dataset) -> None:
    place = container(tmp_path / "a.zarr")
    with pytest.raises(InvalidArgumentError, match="Both reader and importer are given"):
        dataset.add_layer_from_images(place, "a", reader="tiff", importer="ome-zarr")
    with pytest.raises(InvalidArgumentError, match="reader is 'tiff', and use_bioformats is True: these"):
        dataset.add_layer_from_images(place, "a", reader="tiff", use_bioformats=True)
    with pytest.raises(InvalidArgumentError, match="missing_slices is 'zeros'"):
        dataset.add_layer_from_images(place, "a", missing_slices="zeros")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="'all' is no way to map files to layers"):
        wk.Dataset.from_images(place, tmp_path / "out", (1, 1, 1), map_filepath_to_layer_name="all")
    assert not dataset.layers
