"""The filesystem suite must fail on every place that is wrong: each mutant is run on the test that is there for it."""

from __future__ import annotations

import pytest
from mutants.filesystems import MUTANTS

from wkplug.abc import LocationWrapper, locate
from wkplug.testing import BrokenPromiseError, FilesystemSuite
from wkplug.testing.filesystems import FilesystemBench


@pytest.fixture(autouse=True)
def _brief(monkeypatch):
    monkeypatch.setenv("WKPLUG_TEST_PROFILE", "brief")


def run(part, kind, folder):
    """Call the one test whose name holds `part`, on local places that are wrapped."""
    (name,) = [name for name in dir(FilesystemSuite) if name.startswith("test_") and part in name]
    place = kind(locate(folder))

    def fill(files):
        for path, data in files.items():
            place.child(path).write(data)

    bench = FilesystemBench(place=place, fill=fill, folders=True, secrets=("verysecret",))
    getattr(FilesystemSuite(), name)(bench=bench)


@pytest.mark.parametrize("name", MUTANTS)
def test_every_filesystem_mutant_is_caught(name, tmp_path):
    kind, part = MUTANTS[name]
    with pytest.raises((BrokenPromiseError, BaseExceptionGroup), match=r"broken promise|distinct failures"):
        run(part, kind, tmp_path / "root")


@pytest.mark.parametrize("part", sorted({part for _, part in MUTANTS.values()}))
def test_a_place_that_is_only_wrapped_passes(part, tmp_path):
    run(part, LocationWrapper, tmp_path / "root")
