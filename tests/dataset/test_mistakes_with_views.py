"""What goes wrong with voxels, views and chunks."""

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
    (AssertionError, "More than one position was given: relative_offset",
     lambda w: w.m.write(w.one, absolute_offset=(0, 0, 0), relative_offset=(0, 0, 0))),
    (AssertionError, "More than one position was given: absolute_offset",
     lambda w: w.m.write(w.one, absolute_offset=(0, 0, 0), absolute_bounding_box=w.box((64,) * 3))),
    (ValueError, "The data have the shape (1, 64, 64, 64), which is",
     lambda w: w.m.write(w.one, absolute_bounding_box=w.box((32, 32, 32)))),
    (ValueError, "does not fit in the layer's bounding box", lambda w: w.m.write(w.one, absolute_offset=(64, 0, 0))),
    (AssertionError, "The region (c, x, y, z) = (0, -32, 0, 0) + (1, 64,",
     lambda w: w.m.write(w.one, absolute_offset=(-32, 0, 0), allow_resize=True)),
    (AssertionError, "The region (c, x, y, z) = (0, -32, 0, 0) + (1, 64,",
     lambda w: w.m.write(w.one, absolute_offset=(-32, 0, 0))),
    (AssertionError, "The data have 2 channels (shape (2, 64, 64, 64)),",
     lambda w: w.m.write(np.ones((2, 64, 64, 64), "u1"))),
    ((ValueError, AssertionError), "The data have 2 dimensions, shape (64, 64)",
     lambda w: w.m.write(np.ones((64, 64), "u1"))),
    (TypeError, "The data are uint16, but the array stores uint8,", lambda w: w.m.write(w.one + np.uint16(256))),
    (Exception, "The data are uint16, but the array stores uint8,",
     lambda w: w.mag(data_format="wkw").write(w.one + np.uint16(256))),
    (ValueError, "not aligned with the shard shape",
     lambda w: w.m.write(np.ones((10, 10, 10), "u1"), absolute_offset=(3, 0, 0))),
    (AssertionError, "The region (c, x, y, z) = (0, 1, 0, 0) + (1, 4, 4,",
     lambda w: w.m2.write(np.ones((2, 2, 2), "u1"), absolute_offset=(1, 0, 0), allow_unaligned=True)),
    (AssertionError, "The data are empty: their shape is (1, 0, 2, 2)", lambda w: w.m.write(np.ones((0, 2, 2), "u1"))),
    (TypeError, "got an unexpected keyword argument", lambda w: w.m.write(w.one, foo=1)),
    (AssertionError, "absolute_offset was given without a size", lambda w: w.m.read(absolute_offset=(0, 0, 0))),
    (AssertionError, "Both a size and absolute_bounding_box were given",
     lambda w: w.m.read(size=(1, 1, 1), absolute_bounding_box=w.box())),
    (AssertionError, "More than one position was given: relative_offset",
     lambda w: w.m.read(size=(1, 1, 1), absolute_offset=(0, 0, 0), relative_offset=(0, 0, 0))),
    (AssertionError, "The region (c, x, y, z) = (0, 0, 0, 0) + (1, 0, 1,",
     lambda w: w.m.read(size=(0, 1, 1), absolute_offset=(0, 0, 0))),
    (AssertionError, "The region (c, x, y, z) = (0, -1, 0, 0) + (1, 2, 1,",
     lambda w: w.m.read(size=(2, 1, 1), absolute_offset=(-1, 0, 0))),
    (AssertionError, "not aligned with the mag", lambda w: w.m2.read(size=(2, 2, 3), absolute_offset=(0, 0, 0))),
    (TypeError, "got an unexpected keyword argument", lambda w: w.m.read(foo=1)),
    (AssertionError, "The region (c, x, y, z) = (0, 0, 0, 0) + (1, 0, 0,",
     lambda w: w.layer(bounding_box=w.box((0, 0, 0))).add_mag(1).read()),
    (ValueError, "only c, x, y and z can be longer than 1 here", lambda w: w.mt.read_cxyz()),
    (AssertionError, "read_xyz needs a relative_bounding_box or an", lambda w: w.m.read_xyz()),
    (AssertionError, "The write to BoundingBox(topleft=(0, 0, 0),", lambda w: w.v.write(w.one)),
    (RuntimeError, "is read-only", lambda w: w.rv.write(w.one)),
    (AssertionError, "A read-only view can't have a writable part", lambda w: w.rv.get_view(read_only=False)),
    (AssertionError, "The writable view BoundingBox(topleft=(0, 0, 0),",
     lambda w: w.m.get_view(absolute_offset=(0, 0, 0), size=(100, 1, 1))),
    (AssertionError, "The region (c, x, y, z) = (0, 0, 0, 0) + (1, 0, 1,",
     lambda w: w.m.get_view(absolute_offset=(0, 0, 0), size=(0, 1, 1))),
    (AssertionError, "The region (c, x, y, z) = (0, -1, 0, 0) + (1, 1, 1,",
     lambda w: w.m.get_view(absolute_offset=(-1, 0, 0), size=(1, 1, 1), read_only=True)),
    (TypeError, "got an unexpected keyword argument", lambda w: w.m.get_view(foo=1)),
    (TypeError, "got an unexpected keyword argument", lambda w: w.v.write(w.one, allow_resize=True)),
    (AssertionError, "Vec3Int(0,32,32) contains at least one 0. This is",
     lambda w: w.m.for_each_chunk(print, chunk_shape=(0, 32, 32))),
    (AssertionError, "The chunk_shape Vec3Int(16,32,32) must be a",
     lambda w: w.m.for_each_chunk(print, chunk_shape=(16, 32, 32))),
    (TypeError, "got an unexpected keyword argument", lambda w: w.m.for_each_chunk(print, foo=1)),
    (AssertionError, "Either both source_chunk_shape and",
     lambda w: w.m.for_zipped_chunks(print, w.m, source_chunk_shape=(32, 32, 32))),
    (AssertionError, "Cannot get a buffered slice writer on a read-only", lambda w: w.rv.get_buffered_slice_writer()),
    (AssertionError, "slices are cut across x, y or z", lambda w: w.m.get_buffered_slice_writer(dimension="t")),
    (AssertionError, "dimension is 5", lambda w: w.m.get_buffered_slice_writer(dimension=5)),
    (ValueError, "Using an offset that doesn't align with the datataset's shard shape",
     lambda w: w.m.get_buffered_slice_writer(absolute_offset=(0, 0, 5))),
    (ValueError, "s shard shape, will slow down the buffered slice",
     lambda w: w.m.get_buffered_slice_writer(buffer_size=33)),
    (ValueError, "Unsupported data shape: (2,). Slices across z have", lambda w: w.send(np.ones((2,), "u1"))),
    (AssertionError, "The slice has the dtype int64, which differs from", lambda w: w.send(np.full((64, 64), 256))),
    (AssertionError, "slices are cut across x, y or z", lambda w: w.m.get_buffered_slice_reader(dimension="q")),
    (AssertionError, "can't be rewritten in place: it is not on a local",
     lambda w: w.lm.add_mag(2, compress=False).compress()),
    (AssertionError, "can't be rewritten in place: it is not on a local", lambda w: w.mm.rechunk()),
    (AssertionError, "The mag 2 can't be laid over 1: the mags differ: 1", lambda w: w.m.merge_with_view(w.m2)),
    (AssertionError, "s shards (1, 1024, 1024, 1024) are larger than its",
     lambda w: w.m.merge_with_view(w.new().add_layer("q", "color", bounding_box=w.box()).add_mag(1))),
    (AssertionError, "The writable view BoundingBox(topleft=(0, 0, 32),",
     lambda w: w.views_beyond_the_box()),
    (ValueError, "Exactly one of shard_shape and chunks_per_shard is",
     lambda w: wk.MagView.create(w.l, 4, path=w.l.path / "4", chunk_shape=32,
         shard_shape=32, chunks_per_shard=1, compression_mode=True)),
]
# fmt: on


@pytest.mark.parametrize(("types", "text", "mistake"), MISTAKES, ids=range(len(MISTAKES)))
def test_every_mistake_is_told_by_type_and_text(world: World, types: Any, text: str, mistake: Any) -> None:
    check(world, types, text, mistake)


@pytest.mark.parametrize(
    "name",
    [
        "read_cxyz",
        "write_cxyz",
        "map_chunk",
        "for_zipped_chunks",
        "content_is_equal",
        "get_buffered_slice_reader",
        "get_buffered_slice_writer",
        "compress",
        "rechunk",
        "merge_with_view",
        "chunk",
        "get_views_on_disk",
        "read",
        "write",
        "get_view",
        "for_each_chunk",
    ],
)
def test_no_keyword_is_swallowed(world: World, name: str) -> None:
    check(world, TypeError, "nobody_knows", lambda w: getattr(w.m, name)(nobody_knows=1))
