"""The older spellings of views and mags: offsets in voxels of the mag, against today's calls."""

# Type checkers know today's spelling alone, and are right to refuse the ones tested here.
# mypy: disable-error-code="call-arg, arg-type, misc, comparison-overlap, attr-defined, func-returns-value"

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import wkplug as wk

MakeLayer = Callable[..., wk.Layer]

pytestmark = pytest.mark.filterwarnings("ignore:.*(alignment|doesn't align):UserWarning")


@pytest.fixture
def voxels() -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).integers(1, 255, (1, 40, 36, 32), np.uint8)


@pytest.fixture
def mag2(make_layer: MakeLayer, voxels: np.ndarray[Any, Any]) -> wk.MagView:
    """A mag 2 with voxels from (8, 6, 4) on, which is (16, 12, 8) in Mag(1)."""
    mag = make_layer("m", bounding_box=wk.BoundingBox((16, 12, 8), (80, 72, 64))).add_mag(2)
    mag.write(voxels, allow_unaligned=True)
    return mag


def test_offset_and_size_count_in_voxels_of_the_mag(mag2: wk.MagView, voxels: np.ndarray[Any, Any]) -> None:
    wanted = voxels[:, 2:12, 4:9, 6:10]
    with pytest.warns(DeprecationWarning, match="absolute_offset"):
        assert np.array_equal(mag2.read(offset=(10, 10, 10), size=(10, 5, 4)), wanted)
    with pytest.warns(DeprecationWarning, match="without the names|absolute_offset"):
        assert np.array_equal(mag2.read((10, 10, 10), (10, 5, 4)), wanted)
    with pytest.warns(DeprecationWarning, match="DEPRECATION"):
        view = mag2.get_view((10, 10, 10), (10, 5, 4))
    assert view.bounding_box == wk.BoundingBox((20, 20, 20), (20, 10, 8))
    with pytest.warns(DeprecationWarning, match="relative_offset"):
        assert np.array_equal(view.read(offset=(1, 1, 1), size=(2, 2, 2)), wanted[:, 1:3, 1:3, 1:3])
    with pytest.warns(DeprecationWarning, match="current mag"):
        assert np.array_equal(view.read((2, 2, 2)), wanted[:, :2, :2, :2])


def test_boxes_by_their_shorter_names(mag2: wk.MagView) -> None:
    box = wk.BoundingBox((20, 20, 20), (20, 10, 8))
    with pytest.warns(DeprecationWarning, match="absolute_bounding_box"):
        assert mag2.get_view(absolute_bbox=box).bounding_box == box
    with pytest.warns(DeprecationWarning, match="relative_bounding_box"):
        inner = mag2.get_view(relative_bbox=wk.BoundingBox((0, 0, 0), (4, 4, 4)))
    assert inner.bounding_box == wk.BoundingBox((16, 12, 8), (4, 4, 4))


def test_older_writes_extend_the_layer_at_any_alignment(make_layer: MakeLayer, voxels: Any) -> None:
    layer = make_layer("w", size=(4, 4, 4))
    mag = layer.add_mag(2)
    with pytest.warns(DeprecationWarning, match="absolute_offset"):
        mag.write(voxels, (3, 5, 7))
    assert layer.bounding_box == wk.BoundingBox((0, 0, 0), (86, 82, 78))
    assert np.array_equal(mag.read(absolute_offset=(6, 10, 14), size=(80, 72, 64)), voxels)
    with pytest.warns(DeprecationWarning, match="DEPRECATION"), pytest.raises(wk.OutOfBoundsError):
        mag.write(voxels, offset=(200, 0, 0), json_update_allowed=False)
    with pytest.raises(wk.OutOfBoundsError):
        mag.write(voxels, absolute_offset=(400, 0, 0))


def test_older_writes_to_views_stay_inside(mag2: wk.MagView, voxels: Any) -> None:
    view = mag2.get_view(absolute_offset=(16, 12, 8), size=(40, 40, 40))
    with pytest.warns(DeprecationWarning, match="relative_offset"):
        view.write(voxels[:, :3, :3, :3], offset=(5, 5, 5))
    assert np.array_equal(mag2.read()[:, 5:8, 5:8, 5:8], voxels[:, :3, :3, :3])
    with pytest.warns(DeprecationWarning, match="DEPRECATION"), pytest.raises(AssertionError):
        view.write(voxels, offset=(5, 5, 5))


def test_the_first_write_may_do_without_a_position(dataset: wk.Dataset, voxels: Any) -> None:
    layer = dataset.add_layer("first", "color")
    mag = layer.add_mag(1)
    with pytest.warns(DeprecationWarning, match="allow_resize=True"):
        mag.write(voxels)
    assert layer.bounding_box == wk.BoundingBox((0, 0, 0), (40, 36, 32))
    with pytest.raises(ValueError, match="does not fit"):
        mag.write(np.zeros((50, 50, 50), np.uint8))


def test_names_that_are_gone(mag2: wk.MagView, voxels: Any) -> None:
    view = mag2.get_view(absolute_offset=(20, 20, 20), size=(20, 10, 8))
    for name, of_mag, of_view in (
        ("global_offset", (0, 0, 0), (10, 10, 10)),
        ("size", (48, 42, 36), (10, 5, 4)),
    ):
        with pytest.warns(DeprecationWarning, match=name):
            assert getattr(mag2, name) == of_mag
        with pytest.warns(DeprecationWarning, match="in_mag"):
            assert getattr(view, name) == of_view
    with pytest.warns(DeprecationWarning, match=r"View.info"):
        assert mag2.header == mag2.info
    with pytest.warns(DeprecationWarning, match="DEPRECATION"):
        assert np.array_equal(mag2.read_bbox(), voxels)
    with pytest.warns(DeprecationWarning, match="DEPRECATION"):
        found = mag2.read_bbox(wk.BoundingBox((10, 10, 10), (2, 2, 2)))
    assert np.array_equal(found, voxels[:, 2:4, 4:6, 6:8])
    with pytest.warns(DeprecationWarning, match="DEPRECATION"):
        assert np.array_equal(view.read_bbox(wk.BoundingBox((0, 0, 0), (2, 2, 2))), found)
    with pytest.warns(DeprecationWarning, match="read_cxyz"):
        assert mag2.read_xyz(absolute_bounding_box=wk.BoundingBox((20, 20, 20), (4, 4, 4))).shape == (
            1,
            2,
            2,
            2,
        )
    with (
        pytest.warns(DeprecationWarning, match="DEPRECATION"),
        pytest.raises(AssertionError, match="read_xyz needs"),
    ):
        mag2.read_xyz()
    with pytest.warns(DeprecationWarning, match="with view"), mag2 as same:
        assert same is mag2
    with pytest.warns(DeprecationWarning, match="DEPRECATION"):
        mag2.open().close()
    with pytest.warns(DeprecationWarning, match="is_mag_view_foreign"):
        assert not mag2.is_foreign


def test_slices_with_an_offset(make_layer: MakeLayer, voxels: Any) -> None:
    layer = make_layer("s", size=(1, 1, 1))
    mag = layer.add_mag(1)
    with pytest.warns(DeprecationWarning, match="absolute_offset|buffer_size"):
        writer = mag.get_buffered_slice_writer((3, 4, 5), 8)
    with writer:
        for index in range(20):
            writer.send(voxels[0, :, :, index])
    assert layer.bounding_box == wk.BoundingBox((0, 0, 0), (43, 40, 25))
    assert np.array_equal(mag.read(absolute_offset=(3, 4, 5), size=(40, 36, 20)), voxels[..., :20])
    with pytest.warns(DeprecationWarning, match="absolute_bounding_box"):
        reader = mag.get_buffered_slice_reader(offset=(3, 4, 5), size=(40, 36, 20))
    with reader as slices:
        assert np.array_equal(np.stack(list(slices), axis=-1), voxels[..., :20])
    with (
        pytest.warns(DeprecationWarning, match="named axis"),
        mag.get_buffered_slice_reader(None, 0) as slices,
    ):
        assert len(list(slices)) == 43


def test_chunk_wise_work_by_its_older_names(make_layer: MakeLayer) -> None:
    mag = make_layer("c", size=(128, 64, 64)).add_mag(1, chunk_shape=32, shard_shape=64)
    seen: list[int] = []
    with pytest.warns(DeprecationWarning, match="chunk_shape"):
        mag.for_each_chunk(lambda args: seen.append(args[1]), chunk_size=(64, 64, 64))
    assert seen == [0, 1]
    with pytest.warns(DeprecationWarning, match="without the names"):
        assert len(mag.map_chunk(lambda view: view.bounding_box, (128, 64, 64))) == 1
    with pytest.warns(DeprecationWarning, match="(source|target)_chunk_shape"):
        mag.for_zipped_chunks(
            lambda args: seen.append(args[2]),
            mag,
            source_chunk_size=(64, 64, 64),
            target_chunk_size=(64, 64, 64),
        )
    assert len(seen) == 4
    with pytest.warns(DeprecationWarning, match="executor"):
        assert mag.content_is_equal(mag, SimpleNamespace(distribution_strategy="sequential"))
    with pytest.warns(DeprecationWarning, match="executor"):
        mag.compress(args=SimpleNamespace(distribution_strategy="sequential"))
