"""The conformance kit, run against the two formats that are written here."""

from __future__ import annotations

from wkplug.testing import ArrayBackendSuite


class TestZarr3(ArrayBackendSuite):
    backend_factory = "wkplug_tensorstore.backends:Zarr3Backend"


class TestZarr2(ArrayBackendSuite):
    backend_factory = "wkplug_tensorstore.backends:Zarr2Backend"
