"""What the entry point offers, and that looking at it costs nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import wkplug_zarr.plugin as plugin

from wkplug.abc import ArrayBackend, MetadataDialect


def test_the_entry_point_names_the_plugin_module():
    (entry,) = [entry for entry in entry_points(group="wkplug.v1") if entry.name == "zarr"]
    assert entry.value == "wkplug_zarr.plugin"


def load(factory):
    module, _, attribute = factory.partition(":")
    return getattr(__import__(module, fromlist=[attribute]), attribute)


def test_backends_are_what_their_specs_say():
    found = {spec.name: spec for spec in plugin.wkplug_array_backends()}
    assert sorted(found) == ["zarr+zarr", "zarr3+zarr"]
    for name, spec in found.items():
        backend = load(spec.factory)({})
        assert isinstance(backend, ArrayBackend)
        assert (backend.name, backend.format, spec.priority) == (name, spec.format, 0)
        assert backend.mag_properties(None) == {}
    assert found["zarr3+zarr"].markers == ("zarr.json",)
    assert found["zarr+zarr"].markers == (".zarray",)


def test_dialects_are_what_their_specs_say():
    found = {spec.name: spec.formats for spec in plugin.wkplug_metadata_dialects()}
    assert found == {"ome-ngff-0.5": ("zarr3",), "ome-ngff-0.4": ("zarr",)}
    for spec in plugin.wkplug_metadata_dialects():
        assert isinstance(load(spec.factory)({}), MetadataDialect)


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        (
            "import wkplug_zarr.plugin as p; p.wkplug_array_backends(); p.wkplug_metadata_dialects()",
            "zarr numpy numcodecs",
        ),
        ("import wkplug_zarr.ngff", "zarr numpy numcodecs"),
        ("import wkplug_zarr.backend", "zarr numpy numcodecs"),
        (
            "import sys, tempfile\n"
            "from wkplug.filesystems.local import LocalLocation\n"
            "from wkplug_zarr.backend import Zarr3Backend\n"
            "place = LocalLocation(tempfile.mkdtemp())\n"
            "Zarr3Backend().probe(place), Zarr3Backend().problems(None, place, 'r')\n",
            "zarr numcodecs",
        ),
    ],
)
def test_choosing_loads_no_engine(code, forbidden):
    check = f"{code}\nimport sys; print([name for name in {forbidden.split()} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
