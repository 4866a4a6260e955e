"""The kit's promises: both formats in a folder, and Zarr v3 in fsspec's memory."""

from __future__ import annotations

import uuid

import pytest

from wkplug.abc import locate
from wkplug.testing import ArrayBackendSuite


class TestZarr3(ArrayBackendSuite):
    backend_factory = "wkplug_zarr.backend:Zarr3Backend"


class TestZarr2(ArrayBackendSuite):
    backend_factory = "wkplug_zarr.backend:Zarr2Backend"


@pytest.mark.long
class TestZarr3InMemory(ArrayBackendSuite):
    backend_factory = "wkplug_zarr.backend:Zarr3Backend"
    place_is_shared = False

    @pytest.fixture
    def location(self):
        return locate(f"memory://{uuid.uuid4().hex}/arrays")
