"""What goes wrong with layers, mags and what belongs to them."""

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
    (ValueError, "is invalid: it contains a slash", lambda w: setattr(w.l, "name", "a/b")),
    (ValueError, "The dataset already has a layer called", lambda w: setattr(w.l, "name", "seg")),
    (RuntimeError, "can't be renamed: its dataset is not on a local disk", lambda w: setattr(w.lm, "name", "b")),
    (AssertionError, "The bounding box BoundingBox(topleft=(-1, 0, 0),",
     lambda w: setattr(w.l, "bounding_box", w.box((1, 1, 1), (-1, 0, 0)))),
    (TypeError, "is a color layer, not a segmentation layer", lambda w: w.l.as_segmentation_layer()),
    (IndexError, "already has the mag 1", lambda w: w.l.add_mag(1)),
    (IndexError, "has no mag 8", lambda w: w.l.get_mag(8)),
    ((AssertionError, ValueError), "Not a mag", lambda w: w.l.get_mag("foo")),
    (IndexError, "has no mags", lambda w: w.layer().get_finest_mag()),
    ((ValueError, AssertionError), "exists with chunk_shape (32, 32, 32), but (64, 64,",
     lambda w: w.l.get_or_add_mag(1, chunk_shape=64)),
    ((ValueError, AssertionError), "exists with shard_shape (32, 32, 32), but (64, 64,",
     lambda w: w.l.get_or_add_mag(1, shard_shape=64)),
    ((ValueError, AssertionError), "exists and is compressed", lambda w: w.l.get_or_add_mag(1, compress=False)),
    (IndexError, "has no mag 8", lambda w: w.l.delete_mag(8)),
    (ValueError, "Both shard_shape and chunks_per_shard were given",
     lambda w: w.l.add_mag(4, shard_shape=32, chunks_per_shard=1)),
    (ValueError, "must be a power of two", lambda w: w.l.add_mag(4, chunk_shape=(33, 32, 32))),
    (ValueError, "must be a multiple", lambda w: w.l.add_mag(4, chunk_shape=32, shard_shape=16)),
    (AssertionError, "Zarr v2 has no shards: the shard shape (1, 64, 64,",
     lambda w: w.layer(data_format="zarr").add_mag(1, chunk_shape=32, shard_shape=64)),
    (AssertionError, "The chunk shape (32, 32, 64) must be a cube: WKW",
     lambda w: w.layer(data_format="wkw").add_mag(1, chunk_shape=(32, 32, 64))),
    (AssertionError, "WKW arrays have exactly the axes c, x, y, z, and",
     lambda w: w.layer(data_format="wkw", bounding_box=w.time_box).add_mag(1)),
    (AssertionError, "A Zarr3Config was given for an array in the format",
     lambda w: w.layer(data_format="wkw").add_mag(1, compress=wk.Zarr3Config())),
    (TypeError, "got an unexpected keyword argument", lambda w: w.l.add_mag(2, foo=1)),
    (IndexError, "already has the mag 1", lambda w: w.l.add_mag_as_copy(w.d2.get_layer("color").add_mag(1))),
    (AssertionError, "The mag 1 of", lambda w: w.l3.add_mag_as_ref(w.m)),
    (AssertionError, "The mag 1 of", lambda w: w.l4.add_mag_as_ref(w.m)),
    (IndexError, "already has the mag 1", lambda w: w.l.add_mag_as_ref(w.d2.get_layer("color").get_mag(1))),
    (ValueError, "is no array that can be added: There is nothing at",
     lambda w: w.new().add_layer("q", "color").add_mag_from_zarrarray(1, w.tmp / "nope")),
    (ValueError, "is wkw, but the layer",
     lambda w: w.new().add_layer("q", "color").add_mag_from_zarrarray(1, w.mag(data_format="wkw").path)),
    (AssertionError, "already has the mag 1", lambda w: w.l.add_mag_for_existing_files(1)),
    (wk.ArrayException, "There is no array for the mag 16 in",
     lambda w: w.l.add_mag_for_existing_files(16)),
    (ValueError, "is stored as wkw, not as Zarr",
     lambda w: w.mag(data_format="wkw").get_zarr_array()),
    (AssertionError, "1.5 is not a whole number", lambda w: setattr(w.seg, "largest_segment_id", 1.5)),
    (AssertionError, "has no mags to downsample", lambda w: w.layer().downsample()),
    ((KeyError, AssertionError), "has no mag 16 to downsample from", lambda w: w.l.downsample(from_mag=16)),
    (KeyError, "No plugin knows the interpolation mode", lambda w: w.l.downsample_mag(1, 4, interpolation_mode="FOO")),
    ((ValueError, AssertionError), "The mag 1 can't be computed from 2, which is", lambda w: w.l.downsample_mag(2, 1)),
    ((ValueError, AssertionError), "already has the mag 2", lambda w: w.l.downsample_mag(1, 2)),
    (ValueError, "is not a sampling mode", lambda w: w.l.downsample(sampling_mode="foo")),
    (AssertionError, "The mags are no chain: 4-4-2 is finer than 2-2-4",
     lambda w: w.l.downsample_mag_list(1, ["4-4-2", "2-2-4"])),
    (ValueError, "An empty layer has no pyramid",
     lambda w: w.mag(bounding_box=w.box((0, 0, 0))).layer.downsample()),
    (ValueError, "from_mag_view is of mag 2, but from_mag is 1",
     lambda w: w.l.downsample_mag(1, 4, from_mag_view=w.m2)),
    (KeyError, "has no mag 16 to upsample from", lambda w: w.l.upsample(16)),
    (AssertionError, "already has the mag 1", lambda w: w.l.upsample(2)),
    (AssertionError, "The mag 2 can't be upsampled to 4, which is coarser",
     lambda w: w.mag(2).layer.upsample(2, finest_mag=4)),
    (TypeError, "got an unexpected keyword argument", lambda w: w.l.downsample(foo=1)),
    (ValueError, "There is already a mesh attachment called", lambda w: w.seg.attachments.add_attachment_as_ref(w.att)),
    ((KeyError, ValueError), "has no mesh",
     lambda w: w.seg.attachments.delete_attachment(wk.MeshAttachment("zz", w.tmp, "hdf5"))),
    (ValueError, "is invalid: it contains a slash",
     lambda w: wk.MeshAttachment.from_path_and_name(w.tmp / "m", "a/b", data_format="hdf5")),
    (ValueError, "dense", lambda w: wk.AgglomerateAttachment.create(w.tmp / "agg1", w.g)),
    (ValueError, "positive integers", lambda w: wk.AgglomerateGraph().add_segment(0, position=(1, 1, 1))),
    (FileExistsError, "There is already something at",
     lambda w: wk.AgglomerateAttachment.create_and_add_to(w.seg, "q", w.g2)),
    (AssertionError, "Agglomerates are of segmentations of uint32 or",
     lambda w: wk.AgglomerateAttachment.create_and_add_to(w.s8, "q", w.g2)),
    (NotImplementedError, "are stored as hdf5, which can't be read", lambda w: w.h5.to_graph()),
    (NotImplementedError, "Files can't be transferred by HTTP from place to",
     lambda w: wk.TransferMode.HTTP.transfer(w.tmp / "a", w.tmp / "b")),
    (AssertionError, "There is already something at",
     lambda w: wk.TransferMode.SYMLINK.transfer(w.tmp / "full", w.tmp / "file")),
    (AssertionError, "is not on a local disk, where alone links can be",
     lambda w: wk.TransferMode.SYMLINK.transfer(w.lm.path, w.tmp / "zz")),
    (ValueError, "must be `x`, `y` or `z`", lambda w: wk.AffineCoordinateTransformation.from_rotation("q", 3)),
    (ValueError, "shape (4, 4)", lambda w: wk.AffineCoordinateTransformation(np.eye(3))),
    (ValueError, "is not a unit of length", lambda w: wk.VoxelSize((1, 1, 1), "furlongs")),
    (RuntimeError, "is read-only", lambda w: w.r.get_mag(1).write(w.one)),
    (ValueError, "dtype_per_layer is uint25, which 3 channels can't",
     lambda w: w.ds.add_layer("dl", "color", dtype_per_layer="uint25", num_channels=3)),
    (TypeError, "got an unexpected keyword argument",
     lambda w: wk.Dataset(w.tmp / "kw", voxel_size=(1, 1, 1), foo=1)),
    (TypeError, "got an unexpected keyword argument", lambda w: wk.Dataset.open(w.ds.path, foo=1)),
    (TypeError, "got an unexpected keyword argument",
     lambda w: w.seg.refresh_largest_segment_id(foo=1)),
]
# fmt: on


@pytest.mark.parametrize(("types", "text", "mistake"), MISTAKES, ids=range(len(MISTAKES)))
def test_every_mistake_is_told_by_type_and_text(world: World, types: Any, text: str, mistake: Any) -> None:
    check(world, types, text, mistake)


@pytest.mark.parametrize(
    "name",
    [
        "add_mag_as_copy",
        "add_mag_as_ref",
        "get_or_add_mag",
        "delete_mag",
        "downsample_mag",
        "downsample_mag_list",
        "redownsample",
        "upsample",
        "add_copy_mag",
        "add_remote_mag",
        "add_symlink_mag",
        "add_fs_copy_mag",
        "add_mag_from_zarrarray",
    ],
)
def test_no_keyword_is_swallowed(world: World, name: str) -> None:
    check(world, TypeError, "nobody_knows", lambda w: getattr(w.l, name)(nobody_knows=1))
