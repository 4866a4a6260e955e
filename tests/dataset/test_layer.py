"""Layers and their mags: adding, changing, renaming, deleting."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable

import numpy as np
import pytest

import wkplug as wk

MakeLayer = Callable[..., wk.Layer]


def entry(dataset: wk.Dataset, index: int = 0) -> dict:
    return json.loads((dataset.path / "datasource-properties.json").read_text())["dataLayers"][index]


def test_a_layer_is_listed_as_it_was_asked_for(dataset: wk.Dataset) -> None:
    layer = dataset.add_layer(
        "seg",
        "segmentation",
        dtype="uint32",
        largest_segment_id=7,
        bounding_box=wk.BoundingBox((1, 2, 3), (4, 5, 6)),
    )
    assert isinstance(layer, wk.SegmentationLayer)
    assert (layer.category, layer.dtype, layer.num_channels) == ("segmentation", np.dtype("uint32"), 1)
    assert layer.largest_segment_id == 7
    assert layer.bounding_box == wk.BoundingBox((1, 2, 3), (4, 5, 6))
    assert not layer.path.exists()
    found = entry(dataset)
    assert found["boundingBox"]["topLeft"] == [1, 2, 3]
    assert found["elementClass"] == "uint32"
    assert found["largestSegmentId"] == 7
    assert wk.Dataset.open(dataset.path).get_layer("seg") == layer
    assert repr(layer) == "SegmentationLayer('seg', dtype=uint32, num_channels=1)"


def test_defaults_are_one_channel_of_uint8_in_the_default_format(dataset: wk.Dataset) -> None:
    layer = dataset.add_layer("color", "color")
    assert (layer.dtype, layer.num_channels, layer.data_format) == (np.dtype("uint8"), 1, "zarr3")
    assert layer.bounding_box == wk.BoundingBox.empty()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("a/b", ValueError),
        ("..", ValueError),
        (".hidden", ValueError),
        ("", ValueError),
        ("a\n", ValueError),
        ("a b", ValueError),
    ],
)
def test_names_that_no_layer_may_have(dataset: wk.Dataset, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        dataset.add_layer(name, "color")
    assert list(dataset.layers) == []


def test_what_a_new_layer_may_not_be(dataset: wk.Dataset) -> None:
    with pytest.raises(ValueError, match="Supported dtypes are:"):
        dataset.add_layer("a", "color", dtype="uint64")
    with pytest.raises(ValueError, match="Supported dtypes are:"):
        dataset.add_layer("a", "segmentation", dtype="float32")
    with pytest.raises(RuntimeError, match="not a layer category"):
        dataset.add_layer("a", "colour")
    with pytest.raises(ValueError, match="zarr3"):
        dataset.add_layer("a", "color", data_format="zarr33")
    with pytest.raises(AttributeError, match="Both dtype and dtype_per_channel"):
        dataset.add_layer("a", "color", dtype="uint8", dtype_per_channel="uint8")
    with pytest.raises(TypeError, match="dtyp"):
        dataset.add_layer("a", "color", dtyp="uint8")
    dataset.add_layer("a", "color")
    with pytest.raises(IndexError, match="already has a layer 'a'"):
        dataset.add_layer("a", "color")
    assert list(dataset.layers) == ["a"]


def test_float_means_32_bits_and_the_older_spelling_warns(dataset: wk.Dataset) -> None:
    assert dataset.add_layer("a", "color", dtype=float).dtype == np.float32
    assert entry(dataset)["elementClass"] == "float"
    with pytest.warns(DeprecationWarning, match="`dtype_per_channel` is deprecated, please use `dtype`"):
        dataset.add_layer("b", "color", dtype_per_channel="uint16")
    with pytest.warns(UserWarning, match="can't be shown by every viewer"):
        dataset.add_layer("c", "color", num_channels=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset.add_layer("rgb", "color", num_channels=3)


def test_get_or_add_gives_the_same_layer_and_refuses_another(dataset: wk.Dataset) -> None:
    layer = dataset.get_or_add_layer("a", "color", dtype="uint8")
    assert dataset.get_or_add_layer("a", "color", dtype=np.uint8) == layer
    for different in ({"dtype": "uint16"}, {"num_channels": 3}):
        with pytest.raises(AssertionError, match="exists with"):
            dataset.get_or_add_layer("a", "color", **different)
    with pytest.raises(AssertionError, match="exists with category"):
        dataset.get_or_add_layer("a", "segmentation")


def test_layers_by_category(dataset: wk.Dataset) -> None:
    color, labels = dataset.add_layer("c", "color"), dataset.add_layer("s", "segmentation")
    assert dataset.get_color_layers() == [color]
    assert dataset.get_segmentation_layers() == [labels]
    assert dataset.get_segmentation_layer("s") == labels
    with pytest.raises(TypeError, match="is a color layer"):
        dataset.get_segmentation_layer("c")
    with pytest.raises(IndexError, match="has no layer 'x'; it has 'c', 's'"):
        dataset.get_layer("x")


def test_mags_are_looked_up_by_anything_that_means_a_mag(make_layer: MakeLayer, data_format: str) -> None:
    layer = make_layer(data_format=data_format)
    coarse, fine = layer.add_mag("2-2-1"), layer.add_mag(1)
    assert list(layer.mags) == [wk.Mag(1), wk.Mag("2-2-1")]
    assert "1" in layer.mags
    assert 1 in layer.mags
    assert "4" not in layer.mags
    assert "nonsense" not in layer.mags
    assert layer.mags["2-2-1"] == layer.get_mag((2, 2, 1)) == layer.get_mag(np.array([2, 2, 1])) == coarse
    assert layer.get_finest_mag() == fine
    assert (layer.path / "2-2-1").is_dir()
    with pytest.raises(IndexError, match="has no mag 8; it has 1, 2-2-1"):
        layer.get_mag(8)
    with pytest.raises(IndexError, match="already has the mag 1"):
        layer.add_mag(1)


def test_layouts_are_as_asked_for(make_layer: MakeLayer) -> None:
    layer = make_layer(data_format="zarr3")
    info = layer.add_mag(1, chunk_shape=64, shard_shape=(128, 64, 64), compress=False).info
    assert (info.chunk_shape, info.shard_shape, info.chunks_per_shard) == (
        (64, 64, 64),
        (128, 64, 64),
        (2, 1, 1),
    )
    assert info.compression_mode is False
    assert info.voxel_type == np.uint8
    assert info.chunk_shape.xyz == (64, 64, 64)


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ({"chunk_shape": 53}, "must be a power of two"),
        ({"shard_shape": 53}, "must be a power of two"),
        ({"shard_shape": 16}, "must be a multiple"),
        ({"chunk_shape": 64, "shard_shape": 32}, "must be a multiple"),
        ({"shard_shape": 64, "chunks_per_shard": 2}, "Both shard_shape and chunks_per_shard"),
    ],
)
def test_layouts_that_can_not_be(make_layer: MakeLayer, data_format: str, layout: dict, text: str) -> None:
    layer = make_layer(data_format=data_format)
    with pytest.raises(ValueError, match=text):
        layer.add_mag(1, **layout)
    assert len(layer.mags) == 0
    assert not (layer.path / "1").exists()


def test_default_layouts(make_layer: MakeLayer) -> None:
    assert make_layer("a", data_format="wkw").add_mag(1).info.shard_shape == (1024, 1024, 1024)
    assert make_layer("b", data_format="zarr3").add_mag(1).info.shard_shape == (1024, 1024, 1024)
    assert make_layer("c", data_format="zarr").add_mag(1).info.shard_shape == (32, 32, 32)


def test_get_or_add_mag(make_layer: MakeLayer) -> None:
    layer = make_layer()
    mag = layer.get_or_add_mag(1, chunk_shape=32, shard_shape=64, compress=False)
    assert layer.get_or_add_mag("1", shard_shape=64, compress=False) == mag
    with pytest.raises(ValueError, match="exists with shard_shape"):
        layer.get_or_add_mag(1, shard_shape=128)
    with pytest.raises(ValueError, match="is not compressed"):
        layer.get_or_add_mag(1, compress=True)


def test_deleting_a_mag_takes_its_files_along(make_layer: MakeLayer, data_format: str) -> None:
    layer = make_layer(data_format=data_format)
    layer.add_mag(1).write(np.ones((100, 80, 60), "u1"))
    layer.delete_mag("1")
    assert not (layer.path / "1").exists()
    assert len(wk.Dataset.open(layer.dataset.path).get_layer("color").mags) == 0
    with pytest.raises(IndexError):
        layer.delete_mag(1)
    assert not layer.add_mag(1).read().any()


def test_deleting_a_layer_takes_its_folder_along(make_layer: MakeLayer) -> None:
    layer = make_layer()
    layer.add_mag(1)
    layer.dataset.delete_layer("color")
    assert not layer.path.exists()
    with pytest.raises(IndexError):
        layer.dataset.get_layer("color")


def test_deleting_a_linked_layer_leaves_its_target(make_layer: MakeLayer, tmp_path) -> None:
    layer = make_layer()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("precious")
    layer.path.symlink_to(tmp_path / "elsewhere")
    layer.dataset.delete_layer("color")
    assert not layer.path.exists()
    assert (tmp_path / "elsewhere" / "file").read_text() == "precious"


def test_renaming_moves_folder_and_mags(make_layer: MakeLayer, data_format: str) -> None:
    layer = make_layer(data_format=data_format)
    mag = layer.add_mag(1)
    data = np.random.default_rng(0).integers(0, 255, (100, 80, 60)).astype("u1")
    mag.write(data)
    make_layer("other")
    with pytest.raises(ValueError, match="a/b"):
        layer.name = "a/b"
    with pytest.raises(IndexError, match="already has a layer called 'other'"):
        layer.name = "other"
    layer.name = "renamed"
    assert layer.name == "renamed"
    assert not (layer.dataset.path / "color").exists()
    assert (layer.get_mag(1).read()[0] == data).all()
    assert (wk.Dataset.open(layer.dataset.path).get_layer("renamed").get_mag(1).read()[0] == data).all()


def test_open_mags_and_views_follow_a_rename(make_layer: MakeLayer, data_format: str) -> None:
    layer = make_layer(size=(64, 64, 64), data_format=data_format)
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=32)
    mag.write(np.full((64, 64, 64), 5, "u1"))
    early = layer.get_mag(1)
    layer.bounding_box = wk.BoundingBox((0, 0, 0), (96, 64, 64))  # the layer makes its mags anew
    held = [mag, early, layer.get_mag(1), mag.get_view(absolute_offset=(0, 0, 0), size=(32, 32, 32))]
    writer = layer.get_mag(1).get_buffered_slice_writer(absolute_offset=(0, 0, 0), buffer_size=32)
    layer.name = "backup"
    other = make_layer("color", size=(96, 64, 64), data_format=data_format)
    other.add_mag(1, chunk_shape=32, shard_shape=32).write(np.full((96, 64, 64), 9, "u1"))
    for view in held:
        assert view.read(absolute_offset=(0, 0, 0), size=(32, 32, 32)).max() == 5
    assert [view.path.parent.name for view in held[:3]] == ["backup"] * 3
    mag.write(np.full((32, 32, 32), 6, "u1"), absolute_offset=(0, 0, 0))
    with writer:
        for _ in range(32):
            writer.send(np.full((96, 64), 7, "u1"))
    assert (other.get_mag(1).read() == 9).all()
    assert (layer.get_mag(1).read()[0, :, :, :32] == 7).all()
    assert (held[1].read()[0, :64, :, 32:] == 5).all()
    assert mag.layer.name == "backup"


def test_mags_elsewhere_stay_there_when_their_layer_is_renamed(make_layer: MakeLayer) -> None:
    source = make_layer("source")
    source.add_mag(1).write(np.full((100, 80, 60), 3, "u1"))
    own = wk.Dataset(source.dataset.path.parent / "own", voxel_size=(1, 1, 1))
    layer = own.add_layer_as_ref(source)
    mag = layer.get_mag(1)
    layer.name = "other"
    assert mag.path == source.get_mag(1).path
    assert (mag.read() == 3).all()


@pytest.fixture
def linked(make_layer: MakeLayer, tmp_path) -> wk.SegmentationLayer:
    source = make_layer("seg", size=(32, 32, 32), category="segmentation", dtype="uint32")
    source.add_mag(1).write(np.full((32, 32, 32), 7, "u4"))
    dataset = wk.Dataset(tmp_path / "linking", voxel_size=(11.24, 11.24, 25))
    with pytest.warns(DeprecationWarning, match="add_layer_as_ref"):
        return dataset.add_symlink_layer(source)


def test_what_is_said_of_a_linked_layer_can_be_changed(linked: wk.SegmentationLayer, dataset) -> None:
    files = [path for path in dataset.path.rglob("*") if path.is_file()]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    linked.default_view_configuration = wk.LayerViewConfiguration(alpha=50)
    linked.refresh_largest_segment_id()
    assert linked.largest_segment_id == 7
    linked.largest_segment_id = 9
    linked.bounding_box = wk.BoundingBox((0, 0, 0), (16, 32, 32))
    move = wk.AffineCoordinateTransformation([[1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    linked.coordinate_transformations = [move]
    linked.name = "ids"
    again = wk.Dataset.open(linked.dataset.path).get_segmentation_layer("ids")
    assert again.default_view_configuration == wk.LayerViewConfiguration(alpha=50)
    assert (again.largest_segment_id, again.bounding_box.size.x) == (9, 16)
    assert again.coordinate_transformations == (move,)
    assert again.path.is_symlink()
    assert again.path.resolve() == dataset.path / "seg"
    assert (again.get_mag(1).read() == 7).all()
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files} == before
    assert dataset.get_layer("seg").get_mag(1).shape == (1, 32, 32, 32)


@pytest.mark.parametrize("verb", ["downsample", "add_mag", "delete_mag", "write"])
def test_voxels_of_a_linked_layer_are_protected(linked: wk.SegmentationLayer, dataset, verb: str) -> None:
    calls = {
        "downsample": lambda: linked.downsample(),
        "add_mag": lambda: linked.add_mag(2),
        "delete_mag": lambda: linked.delete_mag(1),
        "write": lambda: linked.get_mag(1).write(np.zeros((32, 32, 32), "u4")),
    }
    with pytest.raises(RuntimeError) as caught:
        calls[verb]()
    if verb == "write":
        assert f"its files at {dataset.path / 'seg' / '1'} belong to another dataset" in str(caught.value)
    else:
        assert f"its folder is a link to {dataset.path / 'seg'}" in str(caught.value)
        assert "dataset.add_layer_as_ref" in str(caught.value)
    assert "without read_only=True" not in str(caught.value)
    assert sorted(path.name for path in (dataset.path / "seg").iterdir()) == ["1", "zarr.json"]
    assert (dataset.get_layer("seg").get_mag(1).read() == 7).all()


def test_a_linked_layer_of_a_read_only_dataset_stays_as_it_is(linked: wk.SegmentationLayer) -> None:
    layer = wk.Dataset.open(linked.dataset.path, read_only=True).get_segmentation_layer("seg")
    with pytest.raises(RuntimeError, match="Open the dataset without read_only=True"):
        layer.largest_segment_id = 3


def test_the_bounding_box_hides_and_shows_again(make_layer: MakeLayer, data_format: str) -> None:
    layer = make_layer(size=(64, 64, 64), data_format=data_format)
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=32)
    data = np.random.default_rng(0).integers(1, 255, (64, 64, 64)).astype("u1")
    mag.write(data)
    layer.bounding_box = wk.BoundingBox((0, 0, 0), (32, 64, 64))
    assert mag.bounding_box.size == (32, 64, 64)
    assert (mag.read()[0] == data[:32]).all()
    layer.bounding_box = wk.BoundingBox((0, 0, 0), (96, 64, 64))
    assert (mag.read()[0][:64] == data).all()
    assert not mag.read()[0][64:].any()
    with pytest.raises(AssertionError, match="starts below zero"):
        layer.bounding_box = wk.BoundingBox((-1, 0, 0), (32, 64, 64))
    assert layer.bounding_box.size == (96, 64, 64)


def test_the_dataset_box_holds_all_layers(make_layer: MakeLayer) -> None:
    make_layer("a", size=(10, 10, 10))
    make_layer("b", bounding_box=wk.BoundingBox((5, 5, 5), (10, 1, 1)))
    dataset = make_layer("c").dataset
    dataset.delete_layer("c")
    assert dataset.calculate_bounding_box() == wk.BoundingBox((0, 0, 0), (15, 10, 10))


def test_view_configuration_and_segment_ids_are_saved(dataset: wk.Dataset) -> None:
    layer = dataset.add_layer("s", "segmentation").as_segmentation_layer()
    layer.default_view_configuration = wk.LayerViewConfiguration(alpha=50.0, is_inverted=True)
    layer.largest_segment_id = 2**60
    dataset.default_view_configuration = wk.DatasetViewConfiguration(zoom=2.0)
    again = wk.Dataset.open(dataset.path)
    assert again.get_layer("s").default_view_configuration.alpha == 50
    assert again.get_segmentation_layer("s").largest_segment_id == 2**60
    assert again.default_view_configuration.zoom == 2
    with pytest.raises(AssertionError, match="not a whole number"):
        layer.largest_segment_id = 1.5
    layer.largest_segment_id = None
    assert "largestSegmentId" not in entry(dataset)


def test_an_unlisted_array_is_never_overwritten(make_layer: MakeLayer) -> None:
    layer = make_layer()
    layer.add_mag(1).write(np.ones((100, 80, 60), "u1"))
    file = layer.dataset.path / "datasource-properties.json"
    document = json.loads(file.read_text())
    document["dataLayers"][0]["mags"] = []
    file.write_text(json.dumps(document))
    layer = wk.Dataset.open(layer.dataset.path).get_layer("color")
    with pytest.raises(IndexError, match="don't list"):
        layer.add_mag(1)
    assert any((layer.path / "1").rglob("*"))


def test_mags_in_old_files_are_found_without_a_path(make_layer: MakeLayer) -> None:
    layer = make_layer()
    layer.add_mag(1).write(np.ones((100, 80, 60), "u1"))
    file = layer.dataset.path / "datasource-properties.json"
    document = json.loads(file.read_text())
    del document["dataLayers"][0]["mags"][0]["path"]
    (layer.path / "1").rename(layer.path / "1-1-1")
    file.write_text(json.dumps(document))
    assert wk.Dataset.open(layer.dataset.path).get_layer("color").get_mag(1).read().all()


def test_a_mag_that_a_job_is_filling_is_not_deleted(
    make_layer: MakeLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wkplug.errors import LockTimeoutError
    from wkplug.model import changes

    monkeypatch.setattr(changes, "_LOCK_TIMEOUT", 0.05)
    layer = make_layer()
    layer.add_mag(1)
    layer.add_mag(2)
    with changes.exclusive(layer.state, wk.Mag(2)):
        with pytest.raises(LockTimeoutError, match="is being written by another job"):
            layer.delete_mag(2)
        with pytest.raises(TimeoutError, match="is being written by another job"):
            layer.dataset.delete_layer("color")
        layer.delete_mag(1)
    assert list(layer.mags) == [wk.Mag(2)]
    assert (layer.path / "2").is_dir()
    layer.dataset.delete_layer("color")
    assert not layer.path.exists()


def test_renaming_a_layer_renames_it_in_the_view_configuration(make_layer: MakeLayer) -> None:
    layer = make_layer()
    make_layer("other")
    dataset = layer.dataset
    dataset.default_view_configuration = wk.DatasetViewConfiguration(
        zoom=2.0,
        layers={"color": wk.LayerViewConfiguration(alpha=50), "other": wk.LayerViewConfiguration(alpha=20)},
        color_layer_order=["other", "color"],
        natively_rendered_layer_name="color",
    )
    layer.name = "renamed"
    view = wk.Dataset.open(dataset.path).default_view_configuration
    assert view is not None
    assert view.layers == {
        "renamed": wk.LayerViewConfiguration(alpha=50),
        "other": wk.LayerViewConfiguration(alpha=20),
    }
    assert (view.color_layer_order, view.natively_rendered_layer_name) == (["other", "renamed"], "renamed")
    assert view.zoom == 2.0


def test_what_nobody_knows_of_a_box_is_copied_too(dataset: wk.Dataset) -> None:

    box = wk.NDBoundingBox((0, 0, 0, 0), (2, 8, 8, 8), ("t", "x", "y", "z"))
    dataset.add_layer("a", "color", bounding_box=box)
    file = dataset.path / "datasource-properties.json"
    document = json.loads(file.read_text())
    document["dataLayers"][0]["boundingBox"]["theirs"] = {"a": 1}
    document["dataLayers"][0]["additionalAxes"][0]["unit"] = "second"
    file.write_text(json.dumps(document))
    dataset = wk.Dataset.open(dataset.path)
    dataset.add_layer_like(dataset.get_layer("a"), "like")
    dataset.add_layer_as_copy(dataset.get_layer("a"), "copy")
    for layer in json.loads(file.read_text())["dataLayers"]:
        assert layer["boundingBox"]["theirs"] == {"a": 1}, layer["name"]
        assert layer["additionalAxes"] == [{"name": "t", "bounds": [0, 2], "index": 0, "unit": "second"}]
        assert dataset.get_layer(layer["name"]).bounding_box == box


def test_a_format_that_does_badly_at_a_place_is_told_once_per_step() -> None:
    import uuid

    dataset = wk.Dataset(f"memory://{uuid.uuid4().hex}/ds", voxel_size=(1, 1, 1))
    with pytest.warns(UserWarning, match="not recommended") as caught:
        layer = dataset.add_layer(
            "a", "color", data_format="wkw", bounding_box=wk.BoundingBox((0, 0, 0), (32,) * 3)
        )
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mag = layer.add_mag(1, shard_shape=32)
        mag.write(np.ones((32, 32, 32), "u1"))
        assert mag.read().all()
        assert wk.Dataset.open(dataset.path).get_layer("a").get_mag(1).read().all()
    for count, copy in enumerate([dataset.add_layer_like, dataset.add_layer_as_copy]):
        with pytest.warns(UserWarning, match="not recommended") as caught:
            copy(layer, f"copy{count}")
        assert len(caught) == 1
