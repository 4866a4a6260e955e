"""What goes wrong with datasets, and what the error is and says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wkplug as wk

from .world import World, check


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


# fmt: off
# Types that the error has all of, what it says, the mistake.
MISTAKES: list[tuple[Any, str, Any]] = [
    (ValueError, "Both voxel_size and voxel_size_with_unit were given",
     lambda w: wk.Dataset(w.tmp / "x", voxel_size=(1, 1, 1), voxel_size_with_unit=wk.VoxelSize((1, 1, 1)))),
    (RuntimeError, "There is already a dataset at", lambda w: wk.Dataset(w.ds.path, voxel_size=(1, 1, 1))),
    (ValueError, "A voxel size is needed, also with exist_ok=True", lambda w: wk.Dataset(w.ds.path, exist_ok=True)),
    ((RuntimeError, AssertionError), "has the voxel size Vec3Float(1.0,1.0,1.0) nm, but",
     lambda w: wk.Dataset(w.ds.path, voxel_size=(2, 1, 1), exist_ok=True)),
    ((RuntimeError, AssertionError), "The dataset at",
     lambda w: wk.Dataset(w.ds.path, voxel_size=(1, 1, 1), name="q", exist_ok=True)),
    (RuntimeError, "is not empty, and no dataset: it has no properties",
     lambda w: wk.Dataset(w.tmp / "full", voxel_size=(1, 1, 1))),
    (RuntimeError, "is not empty, and no dataset: it has no properties",
     lambda w: wk.Dataset(w.tmp / "full", voxel_size=(1, 1, 1), exist_ok=True)),
    (NotADirectoryError, "is a file, not a folder", lambda w: wk.Dataset(w.tmp / "file", voxel_size=(1, 1, 1))),
    (FileNotFoundError, "and read_only=True can't create one",
     lambda w: wk.Dataset(w.tmp / "nope", voxel_size=(1, 1, 1), read_only=True)),
    (FileNotFoundError, "datasource-properties.json", lambda w: wk.Dataset.open(w.tmp / "nope")),
    (ValueError, "A Vec3Float is made of three numbers, got (1, 1)",
     lambda w: wk.Dataset(w.tmp / "vl", voxel_size=(1, 1))),
    (IndexError, "has no layer", lambda w: w.ds.get_layer("q")),
    (TypeError, "is a color layer, not a segmentation layer", lambda w: w.ds.get_segmentation_layer("color")),
    (IndexError, "The dataset has 0 segmentation layers", lambda w: w.new().get_segmentation_layer()),
    ((IndexError, RuntimeError), "The dataset has 0 color layers", lambda w: w.new().get_color_layer()),
    (AttributeError, "Both dtype and dtype_per_channel were given",
     lambda w: w.ds.add_layer("q", "color", dtype="uint8", dtype_per_channel="uint8")),
    (ValueError, "A color layer can't have the dtype uint64", lambda w: w.ds.add_layer("q", "color", dtype="uint64")),
    (ValueError, "A segmentation layer can't have the dtype float32",
     lambda w: w.ds.add_layer("q", "segmentation", dtype="float32")),
    (IndexError, "already has a layer", lambda w: w.ds.add_layer("color", "color")),
    (RuntimeError, "is not a layer category", lambda w: w.ds.add_layer("q", "mask")),
    (ValueError, "No plugin knows the data format", lambda w: w.ds.add_layer("q", "color", data_format="foo")),
    (TypeError, "got an unexpected keyword argument", lambda w: w.ds.add_layer("q", "color", foo=1)),
    (AssertionError, "A box over t, x, y, z has no axis for 3 channels",
     lambda w: w.ds.add_layer("q", "color", num_channels=3, bounding_box=w.time_box)),
    (AssertionError, "exists with category=", lambda w: w.ds.get_or_add_layer("color", "segmentation")),
    (AssertionError, "exists with dtype=", lambda w: w.ds.get_or_add_layer("color", "color", dtype="uint16")),
    (AssertionError, "exists with num_channels=1, but 3 was asked for",
     lambda w: w.ds.get_or_add_layer("color", "color", num_channels=3)),
    (TypeError, "got an unexpected keyword argument",
     lambda w: w.ds.get_or_add_layer("color", "color", foo=1)),
    (IndexError, "already has a layer", lambda w: w.ds.add_layer_like(w.l, "color")),
    (ValueError, "is invalid: it contains a slash", lambda w: w.ds.add_layer_like(w.l, "a/b")),
    (ValueError, "is invalid: it contains a slash", lambda w: w.ds.add_layer_for_existing_files("a/b", "color")),
    (AssertionError, "already lists a layer", lambda w: w.ds.add_layer_for_existing_files("color", "color")),
    (FileNotFoundError, "There is no folder", lambda w: w.ds.add_layer_for_existing_files("nodir", "color")),
    (AssertionError, "holds no array that could be a mag",
     lambda w: w.ds.add_layer_for_existing_files("empty", "color")),
    (TypeError, "got an unexpected keyword argument",
     lambda w: w.ds.add_layer_for_existing_files("empty", "color", foo=1)),
    (ValueError, "What the 5 dimensions of the data (shape (1, 1, 4,",
     lambda w: w.ds.write_layer("w", "color", np.zeros((1, 1, 4, 4, 4), "u1"))),
    (ValueError, "What the 0 dimensions of the data (shape ()) mean",
     lambda w: w.ds.write_layer("w", "color", np.zeros((), "u1"))),
    (IndexError, "has no layer", lambda w: w.ds.delete_layer("q")),
    (IndexError, "already has a layer", lambda w: w.ds.add_layer_as_copy(w.l)),
    (AssertionError, "belongs to the dataset", lambda w: w.ds.add_layer_as_ref(w.l, "q")),
    (IndexError, "already has a layer", lambda w: w.d2.add_layer_as_ref(w.l)),
    (IndexError, "already has a layer", lambda w: w.d2.add_symlink_layer(w.l)),
    (AssertionError, "is not on a local disk, where alone symbolic links", lambda w: w.d2.add_symlink_layer(w.lm, "q")),
    (RuntimeError, "There is already a dataset at", lambda w: w.d2.copy_dataset(w.ds.path)),
]
# fmt: on


@pytest.mark.parametrize(("types", "text", "mistake"), MISTAKES, ids=range(len(MISTAKES)))
def test_every_mistake_is_told_by_type_and_text(world: World, types: Any, text: str, mistake: Any) -> None:
    check(world, types, text, mistake)


# fmt: off
CHANGES: list[Any] = [
    lambda w: w.ro.add_layer("q", "color"),
    lambda w: w.ro.delete_layer("color"),
    lambda w: setattr(w.ro, "name", "x"),
    lambda w: w.rl.add_mag(2),
    lambda w: w.rl.delete_mag(1),
    lambda w: w.rm.write(w.one),
    lambda w: w.ro.get_or_add_layer("q", "color"),
    lambda w: w.rl.downsample(),
    lambda w: w.rm.compress(),
    lambda w: setattr(w.rl, "bounding_box", w.box()),
    lambda w: setattr(w.ro, "default_view_configuration", None),
    lambda w: setattr(w.rl, "default_view_configuration", None),
    lambda w: setattr(w.rl, "coordinate_transformations", None),
    lambda w: setattr(w.rl, "name", "x"),
    lambda w: w.rl.upsample(2),
    lambda w: w.rl.redownsample(),
    lambda w: w.ro.add_layer_as_copy(w.l, "q"),
    lambda w: w.ro.add_layer_as_ref(w.d2.get_layer("color"), "q"),
    lambda w: w.ro.add_layer_like(w.l, "q"),
    lambda w: w.ro.write_layer("q", "color", w.one),
    lambda w: w.ro.add_layer_for_existing_files("q", "color"),
    lambda w: setattr(w.ro.get_layer("seg"), "largest_segment_id", 3),
    lambda w: w.ro.get_layer("seg").refresh_largest_segment_id(),
    lambda w: w.rm.rechunk(),
    lambda w: w.rm.merge_with_view(w.m),
    lambda w: w.ro.compress(),
    lambda w: w.ro.downsample(),
    lambda w: w.rl.add_mag_as_copy(w.d2.get_layer("color").path / "1"),
    lambda w: w.ro.add_layer_from_images("x", "q"),
    lambda w: setattr(w.ro, "name", "x"),
    lambda w: w.rm.write(np.ones((100, 100, 100), "u1"), allow_resize=True),
]
# fmt: on


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_what_is_read_only_refuses_every_change(world: World, change: Any) -> None:
    before = {file: file.stat().st_mtime_ns for file in world.ds.path.rglob("*")}
    check(world, RuntimeError, "read-only", change)
    assert {file: file.stat().st_mtime_ns for file in world.ds.path.rglob("*")} == before


@pytest.mark.parametrize(
    "name",
    [
        "copy_dataset",
        "shallow_copy_dataset",
        "add_layer_as_copy",
        "add_layer_as_ref",
        "add_layer_like",
        "compress",
        "downsample",
        "write_layer",
        "delete_layer",
        "add_copy_layer",
        "add_symlink_layer",
        "add_fs_copy_layer",
        "fs_copy_dataset",
        "from_images",
        "add_layer_from_images",
        "add_layer_for_existing_files",
        "get_segmentation_layer",
        "add_layer",
    ],
)
def test_no_keyword_is_swallowed(world: World, name: str) -> None:
    check(world, TypeError, "nobody_knows", lambda w: getattr(w.ds, name)(nobody_knows=1))


def test_no_keyword_is_swallowed_because_the_layer_is_there(world: World) -> None:
    check(world, TypeError, "nobody_knows", lambda w: w.ds.get_or_add_layer("color", "color", nobody_knows=1))
