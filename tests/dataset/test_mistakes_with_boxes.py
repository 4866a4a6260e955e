"""What is no bounding box where one is expected: an error that says how to make one, everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from wkplug import errors
from wkplug.ops import AffineTransform, transform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BOX = wk.BoundingBox((0, 0, 0), (8, 8, 8))


@pytest.fixture
def mag(tmp_path: Path) -> wk.MagView:
    dataset = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1))
    layer = dataset.add_layer("color", "color", bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32)))
    layer.add_mag(1)
    (dataset.path / "unlisted").mkdir()
    layer.get_mag(1).path.rename(dataset.path / "unlisted" / "1")
    layer.delete_mag(1)
    return layer.add_mag(1)


CALLS: dict[str, Callable[[wk.MagView, Any], Any]] = {
    "add_layer": lambda m, b: m.layer.dataset.add_layer("new", "color", bounding_box=b),
    "get_or_add_layer": lambda m, b: m.layer.dataset.get_or_add_layer("new", "color", bounding_box=b),
    "existing": lambda m, b: m.layer.dataset.add_layer_for_existing_files(
        "unlisted", "color", bounding_box=b
    ),
    "bounding_box": lambda m, b: setattr(m.layer, "bounding_box", b),
    "extend": lambda m, b: m.layer.extend_bounding_box(b),
    "read": lambda m, b: m.read(relative_bounding_box=b),
    "read_xyz": lambda m, b: m.read_xyz(absolute_bounding_box=b),
    "read_bbox": lambda m, b: m.read_bbox(b),
    "write": lambda m, b: m.write(np.ones((1, 1, 1), "u1"), absolute_bounding_box=b),
    "get_view": lambda m, b: m.get_view(absolute_bounding_box=b),
    "view of view": lambda m, b: m.get_view().get_view(relative_bounding_box=b),
    "View": lambda m, b: wk.View(m.path, b, 1, "zarr3"),
    "reader": lambda m, b: m.get_buffered_slice_reader(absolute_bounding_box=b).__enter__(),
    "writer": lambda m, b: m.get_buffered_slice_writer(absolute_bounding_box=b).__enter__(),
    "export": lambda m, b: m.layer.export(m.layer.path / "x.tiff", bounding_box=b),
    "transform": lambda m, b: transform(
        m.layer, m.layer.dataset.add_layer("out", "color"), AffineTransform(np.eye(4)), output_bbox=b
    ),
    "transform_bbox": lambda _, b: AffineTransform(np.eye(4)).transform_bbox(b),
    "contains_bbox": lambda _, b: BOX.contains_bbox(b),
    "intersected_with": lambda _, b: BOX.intersected_with(b),
    "extended_by": lambda _, b: wk.NDBoundingBox((0,), (1,), ("x",)).extended_by(b),
    "normalized": lambda _, b: BOX.normalize_axes(1).extended_by(b),
    "clip_to": lambda _, b: list(BOX.iter_chunk_toplefts((4, 4, 4), clip_to=b)),
    "group": lambda _, b: wk.BoundingBox.group_boxes_with_aligned_mag([b], wk.Mag(2)),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("call", CALLS)
def test_tuples_and_others_are_no_boxes_and_the_error_says_what_is(mag: wk.MagView, call: str) -> None:
    for wrong in ((0, 0, 0, 1, 1, 1), ((0, 0, 0), (1, 1, 1)), "0,0,0,1,1,1", {"size": 5}, np.zeros(6), 5):
        with pytest.raises(errors.GeometryError) as caught:
            CALLS[call](mag, wrong)
        assert f" is {wrong!r}, which is no bounding box." in caught.value.message
        assert caught.value.hint == (
            "Give a BoundingBox((x, y, z), (width, height, depth)), in voxels of Mag(1); "
            "BoundingBox.from_auto makes one of numbers, text and dicts."
        )
        if "out" in mag.layer.dataset.layers:
            mag.layer.dataset.delete_layer("out")
    assert "new" not in mag.layer.dataset.layers


def test_what_the_hint_names_makes_boxes() -> None:
    expected = wk.BoundingBox((0, 0, 0), (1, 2, 3))
    for given in ((0, 0, 0, 1, 2, 3), ((0, 0, 0), (1, 2, 3)), "0,0,0,1,2,3"):
        assert wk.BoundingBox.from_auto(given) == expected
