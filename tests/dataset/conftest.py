"""Datasets to test with: every test that takes `data_format` runs on all writable formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import wkplug as wk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMATS = ("wkw", "zarr", "zarr3")


@pytest.fixture(params=FORMATS)
def data_format(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def dataset(tmp_path: Path) -> wk.Dataset:
    return wk.Dataset(tmp_path / "dataset", voxel_size=(11.24, 11.24, 25))


@pytest.fixture
def make_layer(dataset: wk.Dataset) -> Callable[..., wk.Layer]:
    """Add a color layer with a box of that size at the origin, unless told otherwise."""

    def make(name: str = "color", size: tuple[int, int, int] = (100, 80, 60), **options: object) -> wk.Layer:
        options.setdefault("bounding_box", wk.BoundingBox((0, 0, 0), size))
        return dataset.add_layer(name, options.pop("category", "color"), **options)

    return make
