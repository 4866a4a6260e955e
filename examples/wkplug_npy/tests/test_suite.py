"""All that wkplug promises of an array, asked of this backend."""

from wkplug.testing import ArrayBackendSuite


class TestNpy(ArrayBackendSuite):
    backend_factory = "wkplug_npy.arrays:NpyBackend"
    plugin_module = "wkplug_npy.plugin"
    default_chunk_length = 64
