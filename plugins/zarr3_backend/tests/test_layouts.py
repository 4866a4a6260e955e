"""Default chunk and shard shapes."""

from __future__ import annotations

import pytest
from wkplug_zarr.backend import Zarr2Backend, Zarr3Backend

from wkplug.abc import LayoutWish
from wkplug.errors import LayoutError

CXYZ = ("c", "x", "y", "z")


def layout(backend, purpose, shape, *, axes=CXYZ, chunk=None, shard=None):
    found = backend.default_layout(
        LayoutWish(
            purpose=purpose, axes=axes, shape=shape, dtype="uint8", chunk_shape=chunk, shard_shape=shard
        )
    )
    return found.chunk_shape, found.shard_shape


@pytest.mark.parametrize(
    ("purpose", "shape", "chunk", "shard"),
    [
        ("new", (1, 0, 0, 0), (1, 32, 32, 32), (1, 1024, 1024, 1024)),
        ("new", (3, 100, 100, 5), (3, 32, 32, 32), (3, 1024, 1024, 1024)),
        ("images", (1, 0, 0, 0), (1, 32, 32, 32), (1, 4096, 4096, 32)),
        ("images", (1, 20000, 3000, 100), (1, 32, 32, 32), (1, 4096, 4096, 32)),
        ("images", (1, 500, 33, 100), (1, 32, 32, 32), (1, 512, 64, 32)),
        ("images", (3, 5000, 4000, 1), (3, 32, 32, 1), (3, 4096, 4096, 1)),
        ("images", (1, 1, 1, 1), (1, 32, 32, 1), (1, 32, 32, 1)),
        ("pyramid", (3, 5000, 40, 1), (3, 32, 32, 1), (3, 4096, 64, 1)),
        ("pyramid", (1, 5, 5, 5), (1, 32, 32, 32), (1, 32, 32, 32)),
        ("pyramid", (1, 9000, 600, 32), (1, 32, 32, 32), (1, 4096, 1024, 32)),
        ("pyramid", (1, 90, 60, 33), (1, 32, 32, 32), (1, 128, 64, 64)),
        ("pyramid", (1, 0, 0, 0), (1, 32, 32, 32), (1, 1024, 1024, 1024)),
    ],
)
def test_v3_defaults_follow_the_purpose(purpose, shape, chunk, shard):
    assert layout(Zarr3Backend(), purpose, shape) == (chunk, shard)


@pytest.mark.parametrize("purpose", ["new", "pyramid", "images"])
def test_v2_shards_are_chunks(purpose):
    assert layout(Zarr2Backend(), purpose, (3, 500, 500, 50)) == ((3, 32, 32, 32),) * 2


@pytest.mark.parametrize("purpose", ["pyramid", "images"])
def test_an_asked_for_shard_decides_how_deep_the_chunks_of_a_section_are(purpose):
    for backend in (Zarr2Backend(), Zarr3Backend()):
        for z in (1, 32):
            shard = (1, 32, 32, z)
            assert layout(backend, purpose, (1, 99, 99, 1), shard=shard) == (shard, shard)


def test_axes_that_are_not_of_space_get_one_per_chunk_and_channels_all():
    axes = ("t", "c", "y", "x")
    found = layout(Zarr3Backend(), "new", (7, 3, 100, 100), axes=axes)
    assert found == ((1, 3, 32, 32), (1, 3, 1024, 1024))


def test_what_the_wish_fixes_is_kept():
    three = Zarr3Backend()
    assert layout(three, "new", (1, 9, 9, 9), chunk=(1, 64, 64, 16)) == (
        (1, 64, 64, 16),
        (1, 1024, 1024, 1024),
    )
    assert layout(three, "new", (1, 9, 9, 9), shard=(1, 64, 64, 32)) == ((1, 32, 32, 32), (1, 64, 64, 32))
    with pytest.raises(LayoutError, match="must be a multiple"):
        layout(three, "new", (1, 9, 9, 9), shard=(1, 64, 64, 16))
    assert layout(three, "new", (1, 9, 9, 9), chunk=(1, 2048, 8, 8)) == (
        (1, 2048, 8, 8),
        (1, 2048, 1024, 1024),
    )
    assert layout(three, "pyramid", (1, 99, 99, 9), chunk=(1, 8, 8, 16)) == ((1, 8, 8, 16), (1, 128, 128, 16))
    assert layout(Zarr2Backend(), "new", (1, 9, 9, 9), chunk=(1, 64, 64, 64)) == ((1, 64, 64, 64),) * 2


@pytest.mark.parametrize(
    ("chunk", "shard", "text"),
    [
        ((1, 24, 32, 32), None, "chunk length 24 of axis x must be a power of two"),
        ((1, 32, 32, 32), (1, 96, 64, 64), "shard length 96 of axis x must be a power of two"),
        ((1, 64, 32, 32), (1, 32, 64, 64), "must be a multiple of chunk shape"),
        ((1, -2, 32, 32), (1, 32, 64, 64), "must be positive"),
    ],
)
def test_layouts_that_cannot_be_are_refused(chunk, shard, text):
    with pytest.raises(LayoutError, match=text):
        layout(Zarr3Backend(), "new", (1, 9, 9, 9), chunk=chunk, shard=shard)


def test_v2_refuses_shards():
    with pytest.raises(LayoutError, match="has no shards") as caught:
        layout(Zarr2Backend(), "new", (1, 9, 9, 9), shard=(1, 1024, 1024, 1024))
    assert "zarr3" in caught.value.hint
