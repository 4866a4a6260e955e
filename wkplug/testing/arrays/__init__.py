"""`ArrayBackendSuite`: all promises of `wkplug.abc.ArrayBackend` and `Array` as tests to inherit.

A storage plugin tests itself with a file of six lines::

    from wkplug.testing import ArrayBackendSuite


    class TestMine(ArrayBackendSuite):
        backend = "mine+impl"  # or, not installed: backend_factory = "package.module:Class"

Fixtures to override: `location` (a fresh folder; for tests on other storage), `layouts`, `dtypes`, `axes` and
`array_backend`; `write_otherwise` and `read_otherwise` where a second implementation of the format exists.
Tests are skipped only where the backend declares a capability closed ("by capability: ..."), and what is closed
is tested to be refused; what the suite's author left out (a second implementation, an entry point) says so.
`WKPLUG_TEST_PROFILE=thorough` draws many more examples. With `pytest_plugins = ["wkplug.testing.plugin"]` in
a conftest.py, the marker `long` is known and what was skipped is printed.

The kit knows pytest, hypothesis, numpy and the contract; the rest of wkplug doesn't know the kit.
"""

from __future__ import annotations

from wkplug.testing.arrays.handles import HandleTests
from wkplug.testing.arrays.opening import OpeningTests
from wkplug.testing.arrays.voxels import VoxelTests

__all__ = ["ArrayBackendSuite"]


class ArrayBackendSuite(OpeningTests, VoxelTests, HandleTests):
    """The conformance tests of array backends; see the module's text for how to use it."""
