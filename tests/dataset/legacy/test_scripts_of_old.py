"""Lines of scripts of all years that must go on working, each with the warning that names today's."""

from __future__ import annotations

import importlib
import shutil
from argparse import Namespace
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest

import wkplug as wk

if TYPE_CHECKING:
    from pathlib import Path

BOX = wk.BoundingBox((0, 0, 0), (32, 32, 32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    wk.Dataset(tmp_path / "ds", voxel_size=(4, 4, 40))
    return tmp_path / "ds"


def triple(number: int) -> int:
    return 3 * number


@pytest.mark.parametrize("strategy", ["sequential", "multiprocessing"])
def test_executors_have_what_scripts_call(strategy: str) -> None:
    with wk.utils.get_executor_for_args(Namespace(distribution_strategy=strategy, jobs=2)) as executor:
        futures = executor.map_to_futures(triple, [1, 2, 3])
        assert sorted(future.result() for future in executor.as_completed(futures)) == [3, 6, 9]
        assert [executor.forward_log(future) for future in futures] == [3, 6, 9]
        assert list(executor.map(triple, [4, 5])) == [12, 15]
        assert executor.submit(triple, 6).result() == 18


def test_executors_of_clusters_keep_their_own_ways() -> None:
    class Cluster:
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def submit(self, function: Any, *args: Any) -> Any:
            raise AssertionError("one job of many calls was asked for")

        def map_to_futures(self, function: Any, items: list[Any], **options: Any) -> list[Any]:
            self.seen.append(options)
            return [function(item) for item in items]

        def as_completed(self, futures: list[Any]) -> Any:
            return reversed(futures)

        def forward_log(self, future: Any) -> Any:
            return ("log", future)

    cluster = Cluster()
    with wk.utils.wrap_executor(cluster) as executor:
        futures = executor.map_to_futures(triple, [1, 2], output_pickle_path_getter=str)
        assert futures == [3, 6]
        assert list(executor.as_completed(futures)) == [6, 3]
        assert executor.forward_log(3) == ("log", 3)
    assert cluster.seen == [{"output_pickle_path_getter": str}]


@pytest.mark.parametrize("update", [{"json_update_allowed": True}, {"allow_resize": True}])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_slice_writer_extends_a_layer_without_a_box(path: Path, update: dict[str, bool]) -> None:
    layer = wk.Dataset.open(path).add_layer("color", "color")
    mag = layer.add_mag(1)
    with mag.get_buffered_slice_writer(absolute_offset=(0, 0, 0), **update) as writer:
        for z in range(40):
            writer.send(np.full((10, 12), z, "uint8"))
    assert layer.bounding_box == wk.BoundingBox((0, 0, 0), (10, 12, 40))
    assert mag.read()[0, 3, 3].tolist() == list(range(40))


def test_a_slice_writer_keeps_to_the_box_where_that_was_asked_for(path: Path) -> None:
    layer = wk.Dataset.open(path).add_layer("color", "color", bounding_box=BOX)
    mag = layer.add_mag(1)
    with pytest.warns(DeprecationWarning, match="json_update_allowed"):
        writer = mag.get_buffered_slice_writer(absolute_offset=(0, 0, 0), json_update_allowed=False)
    writer.send(np.zeros((64, 32), "uint8"))
    with pytest.raises(ValueError, match="does not fit in the layer's bounding box"):
        writer.flush()
    assert layer.bounding_box == BOX


def test_a_view_keeps_its_box_whatever_is_asked_for(path: Path) -> None:
    mag = wk.Dataset.open(path).add_layer("color", "color", bounding_box=BOX).add_mag(1)
    writer = mag.get_view().get_buffered_slice_writer(absolute_offset=(0, 0, 0), allow_resize=True)
    writer.send(np.zeros((64, 32), "uint8"))
    with pytest.raises(AssertionError, match="leaves the view"):
        writer.flush()


def test_ids_are_refreshed_with_a_chunk_shape_by_position(path: Path) -> None:
    layer = wk.Dataset.open(path).add_layer("seg", "segmentation", dtype="uint32", bounding_box=BOX)
    layer.add_mag(1).write(np.full((32, 32, 32), 5, "uint32"))
    with pytest.warns(DeprecationWarning, match="please use `chunk_shape=...`"):
        layer.refresh_largest_segment_id((32, 32, 32))
    assert layer.largest_segment_id == 5


def test_a_dataset_with_a_scale_opens_what_is_there(path: Path) -> None:
    wk.Dataset.open(path).add_layer("color", "color")
    with pytest.warns(DeprecationWarning, match="is deprecated") as caught:
        assert list(wk.Dataset(path, scale=(4, 4, 40)).layers) == ["color"]
    advice = [str(warning.message).partition(" is deprecated, ")[2] for warning in caught]
    assert advice == ["please use `exist_ok=True` instead.", "please use `voxel_size=...` instead."]
    with pytest.warns(DeprecationWarning, match="scale"), pytest.raises(RuntimeError, match="was asked for"):
        wk.Dataset(path, scale=(1, 1, 1))
    with (
        pytest.warns(DeprecationWarning, match="scale"),
        pytest.raises(RuntimeError, match="There is already a dataset"),
    ):
        wk.Dataset(path, scale=(4, 4, 40), exist_ok=False)


def test_existing_files_are_listed_with_the_dtype_of_all_channels(path: Path) -> None:
    dataset = wk.Dataset.open(path)
    dataset.add_layer("a", "color", bounding_box=BOX, num_channels=3).add_mag(1)
    shutil.copytree(path / "a", path / "b")
    with pytest.warns(DeprecationWarning, match=r"dtype_per_layer=...\)` is deprecated"):
        layer = dataset.add_layer_for_existing_files("b", "color", num_channels=3, dtype_per_layer="uint24")
    assert (layer.dtype, layer.num_channels) == (np.uint8, 3)


@pytest.mark.parametrize("old", ["chunk_size", "block_len"])
def test_images_are_taken_with_the_older_words_for_chunks(path: Path, old: str) -> None:
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.zeros((20, 20), "uint8")).save(path.parent / "a.png")
    with pytest.warns(DeprecationWarning, match="please use `chunk_shape=...`"):
        layer = wk.Dataset.open(path).add_layer_from_images(
            path.parent / "a.png", "color", **{old: (64, 64, 64)}
        )
    assert layer.get_mag(1).info.chunk_shape == (64, 64, 64)


@pytest.mark.parametrize("word", ["chunk_shape", "chunk_size", "block_len", "shard_shape", "compress"])
def test_a_layer_is_told_what_belongs_to_its_mags(path: Path, word: str) -> None:
    dataset = wk.Dataset.open(path)
    with pytest.warns(
        DeprecationWarning, match=r"please use `layer.add_mag\(..., (chunk|shard)_shape|compress"
    ):
        layer = dataset.add_layer("color", "color", **{word: (8, 8, 8) if word != "compress" else True})
    assert not layer.mags
    with pytest.warns(DeprecationWarning, match="layer.add_mag"):
        assert dataset.get_or_add_layer("color", "color", **{word: 8}) == layer
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        dataset.add_layer("other", "color", chunk_shapes=(8, 8, 8))


def test_vectors_take_axes_under_their_older_name() -> None:
    assert wk.Vec3Int.full(3, _axes=("x", "y", "z")) == (3, 3, 3)
    assert wk.Vec3Int.zeros(_axes=("x", "y", "z")) == (0, 0, 0)
    assert wk.Vec3Int.ones(_axes=("x", "y", "z")) == (1, 1, 1)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("wkplug.dataset", "COLOR_CATEGORY"),
        ("wkplug.dataset", "SEGMENTATION_CATEGORY"),
        ("wkplug.dataset.properties", "LayerProperties"),
        ("wkplug.dataset.properties", "DatasetProperties"),
        ("wkplug.dataset.layer_categories", "LayerCategoryType"),
        ("wkplug.dataset.sampling_modes", "SamplingModes"),
        ("wkplug.dataset.defaults", "DEFAULT_CHUNK_SHAPE"),
    ],
)
def test_names_are_found_where_they_once_were(module: str, name: str) -> None:
    scope: dict[str, Any] = {}
    with pytest.warns(DeprecationWarning, match=f"please use `from wkplug import {name}`") as caught:
        exec(f"from {module} import {name}", scope)
    assert scope[name] is getattr(wk, name)
    assert all(warning.filename == "<string>" for warning in caught)
    with pytest.raises(AttributeError, match="has no attribute 'nobody'"):
        importlib.import_module(module).nobody  # noqa: B018


def test_data_formats_are_looked_up_by_the_names_of_members() -> None:
    assert wk.DataFormat["WKW"] == wk.DataFormat.WKW == "wkw"
    assert wk.DataFormat["Zarr3"] == "zarr3"
    with pytest.raises(KeyError):
        wk.DataFormat["Zarr4"]


def test_trees_are_copied_without_what_patterns_ignore(tmp_path: Path) -> None:
    for name in ("a.tmp", "b", "sub/c.tmp", "sub/d", "sub/deep.tmp/e"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(name)
    wk.utils.copytree(tmp_path / "tree", tmp_path / "copy", ignore=shutil.ignore_patterns("*.tmp"))
    shutil.copytree(tmp_path / "tree", tmp_path / "wanted", ignore=shutil.ignore_patterns("*.tmp"))
    found, wanted = (
        sorted(str(path.relative_to(root)) for path in root.rglob("*"))
        for root in (tmp_path / "copy", tmp_path / "wanted")
    )
    assert found == wanted == ["b", "sub", "sub/d"]


@pytest.mark.parametrize("given", [float, "float", "float32", np.float32, np.dtype("float32"), "<f4"])
def test_float_means_float32(path: Path, given: Any) -> None:
    assert wk.Dataset.open(path).add_layer("color", "color", dtype=given).dtype == np.float32


@pytest.mark.parametrize("given", ["double", "float64", np.float64, np.dtype("float64"), "f8", "float16"])
def test_floats_of_other_sizes_are_refused(path: Path, given: Any) -> None:
    with pytest.raises(ValueError, match="A color layer can't have the dtype float"):
        wk.Dataset.open(path).add_layer("color", "color", dtype=given)


def test_splines_give_their_pairs_as_vectors() -> None:
    pairs = (((0, 0, 0), (10, 0, 0)), ((5, 5, 5), (1.5, 2, 3)))
    spline = wk.ThinPlateSplineCoordinateTransformation.from_pairs(pairs)
    assert spline.pairs == pairs
    assert isinstance(spline.pairs, tuple)
    assert all(isinstance(point, wk.Vec3Float) for pair in spline.pairs for point in pair)
    with pytest.raises(ValueError, match=r"Pair 1 has 1 points, but two are needed"):
        wk.ThinPlateSplineCoordinateTransformation.from_pairs([pairs[0], [(0, 0, 0)]])


def test_transformations_are_frozen_as_attrs_freezes() -> None:
    move = wk.AffineCoordinateTransformation(np.eye(4))
    for change in (lambda: setattr(move, "matrix", np.eye(4)), lambda: delattr(move, "matrix")):
        with pytest.raises(attrs.exceptions.FrozenAttributeError, match="can't be changed"):
            change()
