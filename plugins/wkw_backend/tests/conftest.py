"""Arrays of this format in fresh folders, and the Rust package as the oracle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wkplug_wkw.array import WkwArray
from wkplug_wkw.backend import WkwBackend

from wkplug.abc import ArraySpec
from wkplug.filesystems.local import LocalLocation

Make = Callable[..., WkwArray]


def make_spec(
    *, dtype: str = "uint8", channels: int = 1, chunk: int = 8, shard: int = 32, **more: Any
) -> ArraySpec:
    facts = {
        "axes": ("c", "x", "y", "z"),
        "shape": (channels, None, None, None),
        "dtype": dtype,
        "chunk_shape": (channels, chunk, chunk, chunk),
        "shard_shape": (channels, shard, shard, shard),
    }
    return ArraySpec(**facts | more)


def noise(shape: tuple[int, ...], dtype: str = "uint8", seed: int = 0) -> np.ndarray[Any, Any]:
    """Random voxels with runs in them, so that LZ4 finds something."""
    values = np.random.default_rng(seed).integers(0, 100, shape)
    return np.asfortranarray((values // 30 * 7).astype(dtype))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make_array(name: str = "array", settings: Any = None, **facts: Any) -> WkwArray:
        array = WkwBackend(settings).create(LocalLocation(tmp_path / name), make_spec(**facts))
        assert isinstance(array, WkwArray)
        return array

    return make_array
