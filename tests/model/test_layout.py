"""What formats are told about an array to come."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

import wkplug as wk
from wkplug.model.layout import LayoutRequest
from wkplug.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("data_format", ["zarr", "zarr3"])
@pytest.mark.parametrize("offset", [0, 1, 5, 40])
def test_a_single_section_is_one_wherever_it_lies(tmp_path: Path, data_format: str, offset: int) -> None:
    layer = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1)).add_layer(
        "flat", "color", data_format=data_format, bounding_box=wk.BoundingBox((3, 4, offset), (100, 90, 1))
    )
    for mag in ((1, 1, 1), (2, 2, 1), (4, 4, 2)):
        wish = LayoutRequest().wish(layer.state.frame, layer.state.region, (1, *mag), "uint8", "images")
        assert wish.shape[3] == 1
    layer.add_mag(1)
    view = layer.add_mag("2-2-1")
    assert view.info.chunk_shape.z == view.info.shard_shape.z == 1


def test_two_sections_are_no_single_one(tmp_path: Path) -> None:
    layer = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1)).add_layer(
        "flat", "color", data_format="zarr3", bounding_box=wk.BoundingBox((0, 0, 5), (100, 90, 2))
    )
    wish = LayoutRequest().wish(layer.state.frame, layer.state.region, (1, 1, 1, 1), "uint8", "images")
    assert wish.shape[3] == 7
    # Of which half a section of mag 2 each is in one and the next.
    assert (
        LayoutRequest().wish(layer.state.frame, layer.state.region, (1, 2, 2, 2), "uint8", "images").shape[3]
        == 4
    )


@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
def test_a_new_mag_chooses_its_backend_once(tmp_path: Path, data_format: str) -> None:
    layer = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1)).add_layer(
        "a", "color", data_format=data_format, bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64))
    )
    kinds: list[str] = []

    def watch(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code is Registry.choose.__code__:
            kinds.append(frame.f_locals["kind"].words)

    sys.setprofile(watch)
    try:
        layer.add_mag(1)
    finally:
        sys.setprofile(None)
    assert kinds == ["array backend"]
