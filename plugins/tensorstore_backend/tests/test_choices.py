"""Default layouts, settings, and what the plugin announces without loading its engine."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from wkplug_tensorstore import plugin
from wkplug_tensorstore.backends import Zarr2Backend, Zarr3Backend
from wkplug_tensorstore.settings import TensorstoreSettings

from wkplug.abc import LayoutWish
from wkplug.errors import ConfigError, LayoutError


def wish(purpose: Any = "new", **fields: Any) -> LayoutWish:
    values: dict[str, Any] = {"axes": ("c", "x", "y", "z"), "shape": (1, 0, 0, 0), "dtype": "uint8"}
    return LayoutWish(purpose=purpose, **(values | fields))


@pytest.mark.parametrize(
    ("wanted", "chunk", "shard"),
    [
        (wish(), (1, 32, 32, 32), (1, 1024, 1024, 1024)),
        (wish(shape=(3, 100, 100, 1)), (3, 32, 32, 32), (3, 1024, 1024, 1024)),
        (wish(chunk_shape=(1, 64, 64, 64)), (1, 64, 64, 64), (1, 1024, 1024, 1024)),
        (wish(chunk_shape=(1, 2048, 32, 32)), (1, 2048, 32, 32), (1, 2048, 1024, 1024)),
        (wish(shard_shape=(1, 64, 64, 64)), (1, 32, 32, 32), (1, 64, 64, 64)),
        (wish("images", shape=(1, 0, 0, 0)), (1, 32, 32, 32), (1, 4096, 4096, 32)),
        (wish("images", shape=(1, 9000, 9000, 50)), (1, 32, 32, 32), (1, 4096, 4096, 32)),
        (wish("images", shape=(3, 1000, 30, 50)), (3, 32, 32, 32), (3, 1024, 32, 32)),
        (wish("images", shape=(1, 1025, 1024, 1)), (1, 32, 32, 1), (1, 2048, 1024, 1)),
        (wish("pyramid", shape=(3, 5000, 40, 1)), (3, 32, 32, 1), (3, 4096, 64, 1)),
        (wish("pyramid", shape=(1, 5000, 500, 32)), (1, 32, 32, 32), (1, 4096, 512, 32)),
        (wish("pyramid", shape=(1, 5000, 500, 33)), (1, 32, 32, 32), (1, 1024, 512, 64)),
        (wish(axes=("t", "z", "y", "x"), shape=(9, 0, 0, 0)), (1, 32, 32, 32), (1, 1024, 1024, 1024)),
    ],
)
def test_default_layouts_of_zarr3(wanted: LayoutWish, chunk: tuple[int, ...], shard: tuple[int, ...]) -> None:
    layout = Zarr3Backend().default_layout(wanted)
    assert (layout.chunk_shape, layout.shard_shape) == (chunk, shard)


@pytest.mark.parametrize("purpose", ["pyramid", "images"])
def test_an_asked_for_shard_decides_how_deep_the_chunks_of_a_section_are(purpose: str) -> None:
    for backend in (Zarr2Backend(), Zarr3Backend()):
        for z in (1, 32):
            shard = (1, 32, 32, z)
            found = backend.default_layout(wish(purpose, shape=(1, 99, 99, 1), shard_shape=shard))
            assert found.chunk_shape == found.shard_shape == shard


def test_default_layout_of_zarr_has_no_shards() -> None:
    layout = Zarr2Backend().default_layout(wish("images", shape=(2, 500, 500, 1)))
    assert layout.chunk_shape == layout.shard_shape == (2, 32, 32, 1)
    with pytest.raises(LayoutError, match="no shards"):
        Zarr2Backend().default_layout(wish(shard_shape=(1, 64, 64, 64)))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"chunk_shape": (1, 33, 32, 32)}, "power of two along x"),
        ({"shard_shape": (1, 1024, 96, 1024)}, "power of two along y"),
        ({"shard_shape": (1, 16, 32, 32)}, "must be a multiple"),
        ({"chunk_shape": (1, 32, 32, 0)}, "must be positive"),
        ({"chunk_shape": (32, 32, 32)}, "one number per axis"),
    ],
)
def test_layouts_that_cannot_be_are_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(LayoutError, match=text):
        Zarr3Backend().default_layout(wish(**fields))


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"cache_bytes": -1}, "cache_bytes is -1"),
        ({"cache_bytes": None}, "cache_bytes is None"),
        ({"io_threads": 0}, "at least 1"),
        ({"data_copy_threads": True}, "data_copy_threads is True"),
        ({"io_threads": 10**6}, "more than 1024"),
        ({"sync": "no"}, "true or false"),
        ({"cash": 1}, "no setting 'cash'"),
        (5, "must be a table"),
    ],
)
def test_wrong_settings_name_table_and_key(table: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        TensorstoreSettings.of(table)
    assert "[plugin.tensorstore]" in str(caught.value)


def test_settings_reach_the_engine(place: Any, make_spec: Any) -> None:
    table = {"cache_bytes": 0, "data_copy_threads": 1, "io_threads": 2, "sync": False}
    array = Zarr3Backend(table).create(place, make_spec())
    context = array.native_handle().spec(retain_context=True).to_json(include_defaults=True)["context"]
    assert context["cache_pool"] in ({}, {"total_bytes_limit": 0})
    assert context["data_copy_concurrency"] == {"limit": 1}
    assert context["file_io_concurrency"] == {"limit": 2}


def test_the_plugin_announces_itself_without_its_engine() -> None:
    names = [spec.name for spec in plugin.wkplug_array_backends()]
    assert names == [
        "zarr3+tensorstore",
        "zarr+tensorstore",
        "n5+tensorstore",
        "neuroglancerPrecomputed+tensorstore",
    ]
    script = "import sys, wkplug_tensorstore.backends; sys.exit('tensorstore' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    script = "import sys, wkplug_tensorstore.plugin; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
