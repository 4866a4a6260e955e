"""The image suite must fail on every reader that is wrong: each mutant is run on the test that is there for it."""

from __future__ import annotations

import pytest
from mutants.images import MUTANTS, mutant
from toy_images import toy_samples

from wkplug.testing import BrokenPromiseError, ImageReaderSuite
from wkplug.testing.images import ImageBench
from wkplug.testing.reference import ToyReader

CATCHERS = {
    "off by one at a block's edge": "any_region_equals",
    "the last block is forgotten": "everything_equals",
    "the level is ignored": "levels_are_smaller",
    "the scene is ignored": "scenes_are_different",
    "a view of internal memory returned": "results_belong",
    "read-only results": "results_belong",
    "the other byte order returned": "everything_equals",
    "cut to eight bits": "everything_equals",
    "not thread-safe": "threads_read",
    "a voxel size invented": "info_says",
    "micrometres for nanometres": "info_says",
    "a block larger than the image": "info_is_consistent",
    "levels without shapes": "info_is_consistent",
    "details that are no JSON": "info_is_consistent",
    "probes anything": "other_files",
    "probes names": "own_files",
    "a handle kept": "closing_gives",
    "a handle kept on failure": "fails_to_open",
    "voxels in the pickle": "images_pickle",
    "the pickle forgets the scene": "images_pickle",
    "not picklable": "images_pickle",
    "a reader that isn't picklable": "fresh_process",
    "a file written beside": "changes_no_file",
    "needs a path": "files_elsewhere",
    "reads all at opening": "opening_reads_headers",
    "reads all for a part": "a_block_costs",
    "missing is corrupt": "missing_file",
    "any scene opens": "a_scene_that_is_not_there",
    "a library's own error": "damaged_files",
    "damage is zeros": "damaged_files",
    "damage crashes": "damaged_files",
    "sizes believed": "damaged_files",
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return tuple(toy_samples(tmp_path_factory.mktemp("samples")))


@pytest.fixture(autouse=True)
def _brief(monkeypatch):
    monkeypatch.setenv("WKPLUG_TEST_PROFILE", "brief")


def run(part, reader, samples, folder):
    """Call the one test whose name holds `part`."""
    (name,) = [name for name in dir(ImageReaderSuite) if name.startswith("test_") and part in name]
    getattr(ImageReaderSuite(), name)(bench=ImageBench(reader=reader, samples=samples, folder=folder))


def test_every_mutant_has_a_catcher():
    assert sorted(CATCHERS) == sorted(MUTANTS)


@pytest.mark.parametrize("name", MUTANTS)
def test_every_image_mutant_is_caught(name, samples, tmp_path):
    with pytest.raises(
        (BrokenPromiseError, BaseExceptionGroup), match=r"broken promise|distinct failures"
    ) as caught:
        run(CATCHERS[name], mutant(name, ToyReader()), samples, tmp_path)
    assert caught.value is not None


@pytest.mark.parametrize("part", sorted(set(CATCHERS.values())))
def test_a_mutant_that_changes_nothing_passes(part, samples, tmp_path):
    from mutants.images import MutantReader

    run(part, MutantReader(ToyReader()), samples, tmp_path)
