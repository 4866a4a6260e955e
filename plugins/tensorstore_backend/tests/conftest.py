"""Places and arrays for the tests of this plugin."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wkplug.abc import ArraySpec
from wkplug.filesystems.local import LocalLocation

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def place(tmp_path: Path) -> LocalLocation:
    """Where nothing is yet."""
    return LocalLocation(tmp_path / "array")


@pytest.fixture
def make_spec() -> Callable[..., ArraySpec]:
    def make(**fields: Any) -> ArraySpec:
        values: dict[str, Any] = {
            "axes": ("c", "x", "y", "z"),
            "shape": (1, 64, 64, 64),
            "dtype": "uint16",
            "chunk_shape": (1, 16, 16, 16),
            "shard_shape": (1, 32, 32, 32),
        }
        return ArraySpec(**(values | fields))

    return make


@pytest.fixture
def real_data() -> Path:
    """The folder of real files, or a skip that says how to have it."""
    folder = os.environ.get("WKPLUG_TEST_DATA")
    if not folder:
        pytest.skip("WKPLUG_TEST_DATA is unset: no folder with real files")
    return Path(folder)
