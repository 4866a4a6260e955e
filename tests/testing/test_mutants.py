"""The conformance suite must fail on every backend that is wrong, and pass on the one that is right.

Every mutant is run on the test that is there to catch it; all tests on all mutants are `long`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutants import FILE_MUTANTS, MEMORY_MUTANTS, MUTANTS

CATCHERS = {
    "axes swapped": "any_history",
    "C order returned": "first_spatial_axis_fastest",
    "a view of internal memory returned": "results_belong_to_the_caller",
    "read-only results": "results_belong_to_the_caller",
    "out= made contiguous": "out_takes_any_memory",
    "out= not cleared": "out_is_overwritten",
    "fill value lost": "another_fill_value",
    "empty is uninitialised": "never_written_voxels",
    "missing never said": "missing_error_names",
    "the other byte order returned": "any_box_reads",
    "not thread-safe": "threads_read_side_by_side",
    "off by one at the shard edge": "any_history",
    "neighbour overwritten": "partial_writes_keep",
    "byte order lost": "other_byte_order",
    "strides lost": "input_takes_any_memory",
    "precision lost": "every_dtype",
    "input kept": "changing_the_input",
    "fill value not written": "overwriting_with_the_fill_value",
    "dense writes": "only_shards_that_were_written",
    "any shape taken": "wrong_shapes",
    "lost writes of another handle": "a_handle_sees",
    "stale reads": "a_handle_sees",
    "stale after resize": "growing_adds",
    "shrinking deletes": "shrinking_deletes_nothing",
    "closed for good": "closing_twice",
    "reading mode writes": "reading_mode_refuses",
    "voxels in the pickle": "small_tokens",
    "probes anything": "probe_knows",
    "creates over an array": "creating_twice",
    "missing is another error": "opening_nothing",
    "wish ignored": "wished_chunk_is_kept",
    "layout forgotten": "opens_again_with_the_spec",
    "a flag that isn't true": "closed_resizable",
    "a dtype that isn't declared": "undeclared_dtypes",
    "not picklable": "backends_pickle",
    "sharing that isn't true": "a_handle_works_in_a_fresh_process",
    "damage is empty": "truncated_shards",
    "damage is another error": "damaged_metadata",
    "sizes believed": "damaged_metadata",
    "a granularity that isn't true": "processes_write_side_by_side",
    "needs a path": "places_are_what",
}
IN_MEMORY = [*MUTANTS, *MEMORY_MUTANTS]
IN_FILES = list(FILE_MUTANTS)
MEMORY = ("wkplug.builtin.memory", "MemoryBackend")
FILES = ("wkplug.testing.reference", "ReferenceBackend")

_SUITES = """
import pytest
from {module} import {backend}
from wkplug.testing import ArrayBackendSuite
from mutants import mutant


def suite(name):
    class Suite(ArrayBackendSuite):
        @pytest.fixture
        def array_backend(self):
            return mutant(name, {backend}()) if name else {backend}()

    return Suite


class TestRight(suite(None)):
    pass


for number, name in enumerate({names!r}):
    globals()["TestMutant%d_" % number] = suite(name)
"""

_RECORDER = """
import json
import pathlib

outcomes = {}


def pytest_runtest_logreport(report):
    _, kind, test = report.nodeid.split("::")
    mine = outcomes.setdefault(kind, {"passed": [], "failed": {}})
    if report.failed:
        mine["failed"][test] = str(report.longrepr)
    elif report.passed and report.when == "call":
        mine["passed"].append(test)


def pytest_sessionfinish(session):
    file = pathlib.Path(__file__).parent / "outcomes.json"
    file.write_text(json.dumps(outcomes, indent=1))
"""


def run(folder, names, inner, *options, each=None):
    """Run the suite on the right backend and on its mutants; what became of every test, by mutant.

    `each` is the list of tests that shall run, as pytest's `-k` takes them, all by default.
    """
    folder.mkdir()
    module, backend = inner
    (folder / "test_mutants.py").write_text(_SUITES.format(names=names, module=module, backend=backend))
    (folder / "conftest.py").write_text(_RECORDER)
    # A process of its own, because it runs with another profile: nobody waits for smallest failing examples.
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", f"--rootdir={folder}"]
    command += ["-p", "no:cacheprovider", "-p", "wkplug.testing.plugin", f"--basetemp={folder / 'tmp'}"]
    done = subprocess.run(
        [*command, *options, *(["-k", " or ".join(each)] if each else []), "."],
        cwd=folder,
        env=os.environ | {"WKPLUG_TEST_PROFILE": "brief", "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    by_class = json.loads((folder / "outcomes.json").read_text())
    by_name = {name: by_class.get(f"TestMutant{number}_") for number, name in enumerate(names)}
    return by_name | {"right": by_class.get("TestRight"), "summary": done.stdout}


def pairs(names):
    """What pytest's `-k` needs to run every mutant on its catcher alone."""
    # The underscore ends the number: `-k` looks for parts of names.
    return [f"(TestMutant{number}_ and {CATCHERS[name]})" for number, name in enumerate(names)]


@pytest.fixture(scope="module")
def in_memory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutants") / "memory"
    return run(folder, IN_MEMORY, MEMORY, "-m", "not long", each=["TestRight", *pairs(IN_MEMORY)])


@pytest.fixture(scope="module")
def in_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutants") / "files"
    right = [f"(TestRight and {CATCHERS[name]})" for name in IN_FILES]
    return run(folder, IN_FILES, FILES, each=[*right, *pairs(IN_FILES)])


def caught(mine, name):
    assert mine["failed"], f"no test caught the mutant {name!r}"
    told = [text for text in mine["failed"].values() if "broken promise: " in text]
    assert told, f"no failure of {name!r} names a promise"


def test_every_mutant_has_a_catcher():
    assert sorted(CATCHERS) == sorted([*IN_MEMORY, *IN_FILES])


def test_memory_arrays_pass(in_memory):
    assert in_memory["right"]["failed"] == {}
    assert len(in_memory["right"]["passed"]) > 60


def test_arrays_in_files_pass(in_files):
    assert in_files["right"]["failed"] == {}
    assert len(in_files["right"]["passed"]) >= 4


@pytest.mark.parametrize("name", IN_MEMORY)
def test_every_mutant_is_caught(in_memory, name):
    caught(in_memory[name], name)


@pytest.mark.parametrize("name", IN_FILES)
def test_every_mutant_of_files_is_caught(in_files, name):
    caught(in_files[name], name)


def test_what_was_skipped_is_printed(in_memory):
    lines = in_memory["summary"].splitlines()
    (line,) = [line for line in lines if line.startswith("TestRight: ")]
    assert line.startswith("TestRight: passed ")
    assert "skipped " in line
    assert "by capability: " in line
    assert "shared_between_processes" in line


@pytest.mark.long
def test_mutants_are_wrong_in_one_way_only(tmp_path):
    """No mutant is dead on arrival, and most are caught by more than the test that is there for them."""
    outcomes = run(tmp_path / "all", IN_MEMORY, MEMORY, "-m", "not long")
    counts = {name: len(outcomes[name]["failed"]) for name in IN_MEMORY}
    for name in IN_MEMORY:
        caught(outcomes[name], name)
        assert len(outcomes[name]["passed"]) > 25, f"the mutant {name!r} can't do anything"
    assert sum(count > 1 for count in counts.values()) * 2 > len(counts)
