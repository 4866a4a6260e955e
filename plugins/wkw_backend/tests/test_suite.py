"""All promises of the contract, for both implementations, on local disks and elsewhere."""

import itertools

import pytest

from wkplug.abc import Location, locate
from wkplug.testing import ArrayBackendSuite

_fresh = itertools.count()


class TestNumpy(ArrayBackendSuite):
    backend = "wkw+numpy"


class TestNumpyOnAnyPlace(ArrayBackendSuite):
    backend = "wkw+numpy"

    @pytest.fixture
    def location(self) -> Location:
        return locate(f"memory://wkw-suite/{next(_fresh)}")


class TestRust(ArrayBackendSuite):
    backend = "wkw+wkw"
