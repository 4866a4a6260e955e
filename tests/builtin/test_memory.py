from __future__ import annotations

from wkplug.testing import ArrayBackendSuite


class TestMemory(ArrayBackendSuite):
    backend_factory = "wkplug.builtin.memory:MemoryBackend"
