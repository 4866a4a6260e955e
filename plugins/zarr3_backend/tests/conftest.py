"""Fixtures that the tests of this plugin share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from wkplug_zarr.backend import Zarr2Backend, Zarr3Backend

from wkplug.abc import ArrayBackend, ArraySpec, Location
from wkplug.filesystems.local import LocalLocation

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["zarr3", "zarr"])
def backend(request: pytest.FixtureRequest) -> ArrayBackend:
    return Zarr3Backend() if request.param == "zarr3" else Zarr2Backend()


@pytest.fixture
def place(tmp_path: Path) -> Location:
    return LocalLocation(tmp_path / "array")


@pytest.fixture
def spec(backend: ArrayBackend) -> ArraySpec:
    shard = (2, 32, 32, 32) if backend.format == "zarr3" else (2, 16, 16, 16)
    return ArraySpec(
        axes=("c", "x", "y", "z"),
        shape=(2, 40, 50, 60),
        dtype="uint16",
        chunk_shape=(2, 16, 16, 16),
        shard_shape=shard,
    )
