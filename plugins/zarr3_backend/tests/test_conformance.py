"""The kit's promises, for both formats, on a folder and in fsspec's memory."""

from __future__ import annotations

from wkplug.testing import ArrayBackendSuite


class TestZarr3(ArrayBackendSuite):
    backend_factory = "wkplug_zarr.backend:Zarr3Backend"


class TestZarr2(ArrayBackendSuite):
    backend_factory = "wkplug_zarr.backend:Zarr2Backend"
