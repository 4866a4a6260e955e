"""`from_images` and `add_layer_from_images`: which voxels end up where, compared with what the files hold."""

from __future__ import annotations

import pickle
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

import wkplug as wk
from wkplug.errors import UnalignedError, UnsupportedImageDataError
from wkplug.ops.importing import boxes, options

if TYPE_CHECKING:
    from pathlib import Path

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = ("wkw", "zarr", "zarr3")


def noise(shape: tuple[int, ...], dtype: str = "uint8") -> Any:
    return np.random.default_rng(0).integers(1, 250, shape).astype(dtype)


def write(path: Path, data: Any, **options: Any) -> Path:
    tifffile.imwrite(path, data, **{"photometric": "minisblack", **options})
    return path


def write_stack(folder: Path, data: Any) -> Path:
    """One PNG per section of (z, y, x), with numbers whose natural order isn't the alphabet's."""
    folder.mkdir(parents=True)
    for z, section in enumerate(data):
        Pillow.fromarray(section).save(folder / f"s{z + 8}.png")
    return folder


def voxels(layer: wk.Layer, mag: int = 1) -> Any:
    return layer.get_mag(mag).read()


@pytest.fixture
def dataset(tmp_path: Path) -> wk.Dataset:
    return wk.Dataset(tmp_path / "dataset", voxel_size=(1, 1, 1))


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("size", [(1, 20, 30), (3, 20, 30), (70, 33, 65)])
def test_a_folder_of_sections_becomes_one_layer(
    tmp_path: Path, data_format: str, size: tuple[int, int, int]
) -> None:
    data = noise(size)
    folder = write_stack(tmp_path / "em", data)
    dataset = wk.Dataset.from_images(folder, tmp_path / "out", (1, 2, 3), data_format=data_format)
    layer = dataset.get_layer("em")
    assert layer.category == "color"
    assert layer.bounding_box == wk.BoundingBox((0, 0, 0), size[::-1])
    assert np.array_equal(voxels(layer)[0], data.transpose(2, 1, 0))
    again = wk.Dataset.open(tmp_path / "out").get_layer("em")
    assert list(again.mags) == [wk.Mag(1)]
    assert np.array_equal(voxels(again)[0], data.transpose(2, 1, 0))


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("ZYX", (5, 20, 30)), ("QYX", (5, 20, 30)), ("TYX", (5, 20, 30)), ("YX", (20, 30))],
)
def test_volumes_of_one_channel_are_transposed(
    tmp_path: Path, dataset: wk.Dataset, axes: str, shape: tuple[int, ...]
) -> None:
    data = noise(shape, "uint16")
    layer = dataset.add_layer_from_images(
        write(tmp_path / "a.tif", data, metadata={"axes": axes}), "a", compress=False
    )
    assert np.array_equal(voxels(layer)[0], np.atleast_3d(data.T))
    assert layer.dtype == np.uint16


@pytest.mark.parametrize("axes", ["CZYX", "ZCYX"])
def test_channels_become_layers_with_colours_of_their_own(tmp_path: Path, axes: str) -> None:
    shape = {"C": 4, "Z": 5, "Y": 20, "X": 30}
    data = noise(tuple(shape[axis] for axis in axes), "uint16")
    write(tmp_path / "a.tif", data, metadata={"axes": axes})
    dataset = wk.Dataset.from_images(tmp_path / "a.tif", tmp_path / "out", (1, 1, 1), layer_name="x")
    assert list(dataset.layers) == [f"x__channel{index}" for index in range(4)]
    for index, layer in enumerate(dataset.layers.values()):
        expected = data.take(index, axis=axes.index("C")).T
        assert np.array_equal(voxels(layer)[0], expected)
        view = layer.default_view_configuration
        assert view is not None
        assert (view.min, view.max) == (expected.min(), expected.max())
    colours = [layer.default_view_configuration.color for layer in dataset.layers.values()]  # type: ignore[union-attr]
    assert colours[:3] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert len(set(colours)) == 4


@pytest.mark.parametrize("options", [{}, {"planarconfig": "separate"}])
@pytest.mark.parametrize("samples", [3, 4])
def test_colours_stay_together_and_lose_their_opacity(
    tmp_path: Path, dataset: wk.Dataset, options: dict[str, Any], samples: int
) -> None:
    data = noise((20, 30, samples))
    stored = data.transpose(2, 0, 1) if options else data
    write(tmp_path / "a.tif", stored, photometric="rgb", **options)
    layer = dataset.add_layer_from_images(tmp_path / "a.tif", "a")
    assert layer.num_channels == 3
    assert np.array_equal(voxels(layer)[..., 0], data[..., :3].transpose(2, 1, 0))


def test_opacity_may_be_kept_as_a_layer(tmp_path: Path, dataset: wk.Dataset) -> None:
    data = noise((20, 30, 4))
    Pillow.fromarray(data).save(tmp_path / "a.png")
    layer = dataset.add_layer_from_images(
        tmp_path / "a.png", "a", truncate_rgba_to_rgb=False, allow_multiple_layers=True
    )
    assert layer.name == "a__channel0"
    assert np.array_equal(voxels(dataset.get_layer("a__channel3"))[0, :, :, 0], data[..., 3].T)


def test_grey_with_opacity_is_grey(tmp_path: Path, dataset: wk.Dataset) -> None:
    data = noise((20, 30, 2))
    Pillow.fromarray(data, mode=None).save(tmp_path / "a.png")
    layer = dataset.add_layer_from_images(tmp_path / "a.png", "a")
    assert np.array_equal(voxels(layer)[0, :, :, 0], data[..., 0].T)


@pytest.mark.parametrize(
    ("shape", "dtype", "fits"),
    [((3, 9, 8), "uint8", True), ((2, 9, 8), "uint8", False), ((3, 9, 8), "uint16", False)],
)
def test_channels_without_permission_for_several_layers(
    tmp_path: Path, dataset: wk.Dataset, shape: tuple[int, ...], dtype: str, fits: bool
) -> None:
    path = write(tmp_path / "a.tif", noise(shape, dtype), metadata={"axes": "CYX"})
    if fits:
        assert dataset.add_layer_from_images(path, "a").num_channels == 3
        return
    with pytest.raises(UnsupportedImageDataError, match=r"channels of uint\d+, which are not the colours"):
        dataset.add_layer_from_images(path, "a")
    assert list(dataset.layers) == []


def test_one_channel_can_be_chosen(tmp_path: Path, dataset: wk.Dataset) -> None:
    data = noise((4, 5, 20, 30))
    path = write(tmp_path / "a.tif", data, metadata={"axes": "CZYX"})
    assert np.array_equal(voxels(dataset.add_layer_from_images(path, "a", channel=2))[0], data[2].T)


def test_more_layers_than_allowed_are_left_out_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", noise((5, 3, 20, 30)), metadata={"axes": "CZYX"})
    with pytest.warns(UserWarning, match="more layers than 2: the rest, from 'x__channel2' on"):
        dataset = wk.Dataset.from_images(
            tmp_path / "a.tif", tmp_path / "out", (1, 1, 1), layer_name="x", max_layers=2
        )
    assert list(dataset.layers) == ["x__channel0", "x__channel1"]


def test_time_is_an_axis_in_front(tmp_path: Path, dataset: wk.Dataset) -> None:
    data = noise((2, 5, 3, 20, 30))
    path = write(tmp_path / "a.tif", data, metadata={"axes": "TZCYX"}, ome=True)
    layer = dataset.add_layer_from_images(path, "a")
    assert layer.state.frame.axes == ("t", "c", "x", "y", "z")
    assert np.array_equal(voxels(layer), data.transpose(0, 2, 4, 3, 1))


def test_time_with_one_chosen_channel(tmp_path: Path, dataset: wk.Dataset) -> None:
    data = noise((2, 5, 3, 20, 30), "uint16")
    path = write(tmp_path / "a.tif", data, metadata={"axes": "TZCYX"}, ome=True)
    layer = dataset.add_layer_from_images(path, "a", channel=1, topleft=(3, 5, 7))
    found = layer.get_mag(1).read()
    assert np.array_equal(np.squeeze(found), data[:, :, 1].transpose(0, 3, 2, 1))


def test_a_format_without_further_axes_says_so_before_anything_is_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", noise((2, 5, 20, 30)), metadata={"axes": "TZYX"}, ome=True)
    with pytest.raises(UnsupportedImageDataError, match="has the axes t, c, x, y, z") as caught:
        wk.Dataset.from_images(path, tmp_path / "out", (1, 1, 1), data_format="wkw")
    assert "another data format" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("flips", [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)])
def test_flips_reverse_the_layers_axes_after_swapping(
    tmp_path: Path, dataset: wk.Dataset, swap: bool, flips: tuple[int, int, int]
) -> None:
    data = noise((5, 20, 30))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "\\[WARNING\\] flip_", UserWarning)
        layer = dataset.add_layer_from_images(
            write(tmp_path / "a.tif", data), "a", swap_xy=swap,
            flip_x=bool(flips[0]), flip_y=bool(flips[1]), flip_z=bool(flips[2]),
        )  # fmt: skip
    expected = data.transpose(1, 2, 0) if swap else data.transpose(2, 1, 0)
    expected = np.flip(expected, tuple(axis for axis in range(3) if flips[axis]))
    assert np.array_equal(voxels(layer)[0], expected)


@pytest.mark.filterwarnings("ignore:.*WARNING. flip_:UserWarning")
@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("swap", [False, True])
def test_smaller_sections_are_filled_up_and_flipped_with_the_layer(
    tmp_path: Path, dataset: wk.Dataset, flips: tuple[bool, bool], swap: bool
) -> None:
    small, large = noise((20, 30)), noise((25, 33))
    paths = [write(tmp_path / "a.tif", small), write(tmp_path / "b.tif", large)]
    with pytest.warns(UserWarning, match="Some images are larger than expected,"):
        layer = dataset.add_layer_from_images(paths, "a", flip_x=flips[0], flip_y=flips[1], swap_xy=swap)
    expected = np.zeros((33, 25, 2), "uint8")
    expected[:30, :20, 0], expected[:, :, 1] = small.T, large.T
    expected = expected.transpose(1, 0, 2) if swap else expected
    expected = np.flip(expected, tuple(axis for axis in range(2) if flips[axis]))
    assert np.array_equal(voxels(layer)[0], expected)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("topleft", [(0, 0, 0), (5, 7, 9), (33, 64, 31), (100, 3, 60)])
def test_a_top_left_needs_no_alignment_to_shards(
    tmp_path: Path, dataset: wk.Dataset, data_format: str, topleft: tuple[int, int, int]
) -> None:
    data = noise((70, 40, 50))
    layer = dataset.add_layer_from_images(
        write(tmp_path / "a.tif", data),
        "a",
        topleft=topleft,
        data_format=data_format,
        shard_shape=None if data_format == "zarr" else 64,
    )
    assert layer.bounding_box == wk.BoundingBox(topleft, (50, 40, 70))
    assert np.array_equal(voxels(layer)[0], data.T)
    around = layer.get_mag(1).read(absolute_offset=(0, 0, 0), size=(160, 110, 135))
    assert around.sum(dtype="int64") == data.sum(dtype="int64")


def test_images_of_a_coarser_mag_make_a_larger_box(tmp_path: Path, dataset: wk.Dataset) -> None:
    data = noise((5, 20, 30))
    path = write(tmp_path / "a.tif", data)
    layer = dataset.add_layer_from_images(path, "a", mag="2-2-1", topleft=(4, 6, 3))
    assert list(layer.mags) == [wk.Mag("2-2-1")]
    assert layer.bounding_box == wk.BoundingBox((4, 6, 3), (60, 40, 5))
    assert np.array_equal(layer.get_mag("2-2-1").read()[0], data.T)
    with pytest.raises(UnalignedError, match="no voxel of mag 2-2-1 starts at"):
        dataset.add_layer_from_images(path, "b", mag="2-2-1", topleft=(4, 5, 3))


def test_values_are_converted_on_request(tmp_path: Path, dataset: wk.Dataset) -> None:
    data = noise((5, 20, 30), "float64")
    path = write(tmp_path / "a.tif", data)
    with pytest.raises(UnsupportedImageDataError, match="is float64") as caught:
        dataset.add_layer_from_images(path, "a")
    assert "Pass dtype=" in str(caught.value)
    layer = dataset.add_layer_from_images(path, "a", dtype="uint8")
    assert np.array_equal(voxels(layer)[0], data.astype("uint8").T)
    big = write(tmp_path / "b.tif", noise((20, 30), ">u2"), byteorder=">")
    assert dataset.add_layer_from_images(big, "b").dtype == np.dtype("uint16")


def test_segmentations_know_their_largest_id(tmp_path: Path, dataset: wk.Dataset) -> None:
    data = noise((5, 20, 30), "uint32") * 1000
    layer = dataset.add_layer_from_images(write(tmp_path / "a.tif", data), "a", "segmentation")
    assert isinstance(layer, wk.SegmentationLayer)
    assert layer.largest_segment_id == data.max()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_shown_range_ignores_what_is_not_finite(
    tmp_path: Path, dataset: wk.Dataset, value: float
) -> None:
    data = noise((20, 30), "float32") / 4
    expected = (float(data[:, 1:].min()), float(data[:, 1:].max()))
    data[:, 0] = value
    view = dataset.add_layer_from_images(write(tmp_path / "a.tif", data), "a").default_view_configuration
    assert view is not None
    assert (view.min, view.max) == view.intensity_range == expected
    data[:] = np.nan
    empty = dataset.add_layer_from_images(write(tmp_path / "b.tif", data), "b")
    assert np.isnan(voxels(empty)).all()


@pytest.mark.filterwarnings("ignore:.*(its voxels look like|although its path says):UserWarning")
@pytest.mark.parametrize(
    ("name", "data", "category"),
    [
        ("a", "noise", "color"),
        ("labels", "noise", "segmentation"),
        ("a", "blocks", "color"),
        ("a", "few", "color"),
        ("my_Labels", "few", "segmentation"),
        ("segmentation", "few", "segmentation"),
        ("labels", "float", "color"),
        ("a", "dark", "color"),
    ],
)
def test_the_category_is_what_the_path_says(tmp_path: Path, name: str, data: str, category: str) -> None:
    images = {
        "noise": noise((8, 200, 200), "uint16") * 7 + noise((200,), "uint16"),
        "blocks": np.kron(noise((1, 12, 12), "uint32"), np.ones((4, 20, 20), "uint32")).astype("uint32"),
        "few": noise((1, 9, 9)),
        "float": noise((3, 50, 50), "float32"),
        "dark": noise((8, 200, 200)) % 12,
    }
    folder = tmp_path / "x"
    folder.mkdir()
    write(folder / f"{name}.tif", images[data])
    dataset = wk.Dataset.from_images(folder, tmp_path / "out", (1, 1, 1))
    assert [layer.category for layer in dataset.layers.values()] == [category]


@pytest.mark.parametrize("data_format", FORMATS)
def test_a_single_section_gets_flat_chunks_where_shards_are_named(tmp_path: Path, data_format: str) -> None:
    path = write(tmp_path / "a.tif", noise((100, 90)))
    dataset = wk.Dataset.from_images(path, tmp_path / "out", (1, 1, 1), data_format=data_format)
    info = next(iter(dataset.layers.values())).get_mag(1).info
    if data_format == "zarr3":
        assert (info.chunk_shape.z, info.shard_shape.z) == (1, 1)


def test_a_list_keeps_its_order_and_a_glob_is_sorted_by_number(tmp_path: Path, dataset: wk.Dataset) -> None:
    data = noise((4, 20, 30))
    folder = write_stack(tmp_path / "em", data)  # s8, s9, s10, s11
    names = ["s10.png", "s8.png", "s11.png"]
    layer = dataset.add_layer_from_images([folder / name for name in names], "list")
    assert np.array_equal(voxels(layer)[0], data[[2, 0, 3]].T)
    layer = dataset.add_layer_from_images(f"{folder}/s*.png", "glob")
    assert np.array_equal(voxels(layer)[0], data.T)
    layer = dataset.add_layer_from_images(folder, "folder")
    assert np.array_equal(voxels(layer)[0], data.T)


def test_sections_are_sorted_by_a_key_on_request(tmp_path: Path) -> None:
    data = noise((4, 20, 30))
    folder = write_stack(tmp_path / "em", data)
    dataset = wk.Dataset.from_images(
        folder, tmp_path / "out", (1, 1, 1), z_slices_sort_key=lambda path: -int(path.stem[1:])
    )
    assert np.array_equal(voxels(dataset.get_layer("em"))[0], data[::-1].T)


@pytest.mark.parametrize("data_format", FORMATS)
def test_boxes_are_bounded_by_the_memory_and_nothing_is_lost_at_their_borders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_format: str
) -> None:
    data = noise((150, 20, 30))
    # Little enough for a box of 32 sections, and not for two.
    monkeypatch.setattr(options.Budget, "of", lambda *_: options.Budget(20 * 30 * 100, 1))
    begun = []
    original = boxes.BoxWork.new_array

    def counted(self: Any, box: Any) -> Any:
        begun.append(box[1][-1])
        return original(self, box)

    monkeypatch.setattr(boxes.BoxWork, "new_array", counted)
    dataset = wk.Dataset(tmp_path / "dataset", voxel_size=(1, 1, 1))
    layer = dataset.add_layer_from_images(
        write(tmp_path / "a.tif", data), "a", data_format=data_format, topleft=(0, 0, 5),
        shard_shape=None if data_format == "zarr" else 256,
    )  # fmt: skip
    assert max(begun) <= 64
    assert sum(begun) == 150
    assert np.array_equal(voxels(layer)[0], data.T)


def test_every_section_is_decoded_once_also_for_several_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wkplug.ops.importing.volume import Reading

    sections: list[int] = []
    opened: list[Any] = []
    read, parse = Reading.region, tifffile.TiffFile.__init__

    def counted_read(self: Reading, x: Any, y: Any, z: tuple[int, int], *others: Any) -> Any:
        sections.extend(range(*z))
        return read(self, x, y, z, *others)

    def counted_parse(self: Any, file: Any, **options: Any) -> None:
        opened.append(file)
        parse(self, file, **options)

    monkeypatch.setattr(Reading, "region", counted_read)
    monkeypatch.setattr(tifffile.TiffFile, "__init__", counted_parse)
    data = noise((40, 3, 20, 30), "uint16")
    path = write(tmp_path / "a.tif", data, metadata={"axes": "ZCYX"}, compression="zlib")
    dataset = wk.Dataset.from_images(path, tmp_path / "out", (1, 1, 1), layer_category="color")
    assert len(dataset.layers) == 3
    assert sorted(sections) == list(range(40))
    assert len(opened) <= 2  # once to describe it, once to read it


@pytest.mark.parametrize("executor", ["sequential", "threads", "processes"])
def test_any_executor_gives_the_same_voxels(tmp_path: Path, dataset: wk.Dataset, executor: str) -> None:
    from wkplug import registry

    data = noise((6, 20, 30))
    path = write(tmp_path / "a.tif", data, compression="zlib")
    with registry.executor(executor) as pool:
        layer = dataset.add_layer_from_images(path, "a", executor=pool)
    assert np.array_equal(voxels(layer)[0], data.T)


def test_what_is_read_pickles(tmp_path: Path) -> None:
    from wkplug.filesystems.local import LocalLocation
    from wkplug.ops.importing.readers import ImageFile
    from wkplug.ops.importing.volume import Volume

    data = noise((6, 20, 30))
    file = ImageFile.choose(LocalLocation(str(write(tmp_path / "a.tif", data))))
    with Volume([file]).open() as reading, pickle.loads(pickle.dumps(reading)) as copy:
        assert np.array_equal(copy.section(3), reading.section(3))
        assert np.array_equal(copy.section(3)[0], data[3].T)


def test_only_the_first_of_several_images_in_a_file_is_imported_and_said_so(
    tmp_path: Path, dataset: wk.Dataset
) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(noise((20, 30)))
        writer.write(noise((9, 8), "uint16"))
    with pytest.warns(UserWarning, match="holds 2 images .* and only 'series 0' is imported"):
        layer = dataset.add_layer_from_images(tmp_path / "a.tif", "a")
    assert layer.bounding_box.size.to_tuple() == (30, 20, 1)


def test_progress_grows_over_all_layers_until_all_is_written(tmp_path: Path) -> None:
    from wkplug.ops import images

    for name in ("a", "b"):
        write(tmp_path / f"{name}.tif", noise((5, 20, 30)))
    told: list[tuple[int, int]] = []
    images.from_images(
        tmp_path,
        tmp_path / "out",
        images.DatasetOptions(voxel_size=(1, 1, 1)),
        progress=lambda done, total: told.append((done, total)),
    )
    done, totals = zip(*told, strict=True)
    assert len(set(totals)) == 1
    assert list(done) == sorted(done)
    assert len(set(done)) >= 10  # sections are decoded, and written
    assert done[-1] == totals[0]


def test_a_length_beside_those_of_the_file_is_checked(tmp_path: Path) -> None:
    scale = {"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    tifffile.imwrite(
        tmp_path / "a.tif", np.ones((3, 9, 8), "uint8"), imagej=True, resolution=(1e3, 1e3), metadata=scale
    )
    for wrong in (-3, 0, float("nan")):
        with pytest.raises(wk.errors.InvalidArgumentError, match="is not a voxel size: all three"):
            wk.Dataset.from_images(tmp_path / "a.tif", tmp_path / "out", voxel_size=(None, None, wrong))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"voxel_size": (0, 1, 1)}, "is not a voxel size"),
        ({"voxel_size_with_unit": wk.VoxelSize((1, 1, 0))}, "is not a voxel size"),
        ({"voxel_size_with_unit": wk.VoxelSize((1, 1, float("nan")))}, "is not a voxel size"),
        ({"voxel_size": (1, 1, 1), "name": 5}, "id.name must be a text"),
    ],
)
def test_an_import_whose_dataset_can_not_be_leaves_nothing_that_blocks_the_next(
    tmp_path: Path, parameters: dict[str, Any], text: str
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((9, 8), "uint8"))
    with pytest.raises(wk.errors.WkplugError, match=text):
        wk.Dataset.from_images(tmp_path / "a.tif", tmp_path / "out", **parameters)
    wk.Dataset.from_images(tmp_path / "a.tif", tmp_path / "out", (1, 1, 1))
