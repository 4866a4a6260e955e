from __future__ import annotations

from wkplug.testing import ArrayBackendSuite


class TestReference(ArrayBackendSuite):
    backend_factory = "wkplug.testing.reference:ReferenceBackend"
