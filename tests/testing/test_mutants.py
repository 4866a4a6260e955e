"""The conformance suite must fail on every backend that is wrong, and pass on the one that is right."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from wkplug.testing.mutants import FILE_MUTANTS, MEMORY_MUTANTS, MUTANTS

IN_MEMORY = [*MUTANTS, *MEMORY_MUTANTS]
IN_FILES = list(FILE_MUTANTS)
# What is wrong with mutants of files shows in these tests; the others were run on mutants in memory already.
FILE_TESTS = "damaged or truncated or side_by_side or places"

_SUITES = """
import pytest
from {module} import {backend}
from wkplug.testing import ArrayBackendSuite
from wkplug.testing.mutants import mutant


def suite(name):
    class Suite(ArrayBackendSuite):
        @pytest.fixture
        def array_backend(self):
            return mutant(name, {backend}()) if name else {backend}()

    return Suite


class TestRight(suite(None)):
    pass


for number, name in enumerate({names!r}):
    globals()["TestMutant%d" % number] = suite(name)
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


def run(folder, names, module, backend, *options):
    """Run the suite on the right backend and on its mutants; what became of every test, by mutant."""
    folder.mkdir()
    (folder / "test_mutants.py").write_text(_SUITES.format(names=names, module=module, backend=backend))
    (folder / "conftest.py").write_text(_RECORDER)
    # A process of its own, because it runs with another profile: nobody waits for smallest failing examples.
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--tb=short",
        f"--rootdir={folder}",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, "-p", "wkplug.testing.plugin", f"--basetemp={folder / 'tmp'}", *options, "."],
        cwd=folder,
        env=os.environ | {"WKPLUG_TEST_PROFILE": "brief"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    by_class = json.loads((folder / "outcomes.json").read_text())
    by_name = {name: by_class[f"TestMutant{number}"] for number, name in enumerate(names)}
    return by_name | {"right": by_class["TestRight"], "summary": done.stdout}


@pytest.fixture(scope="module")
def in_memory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutants") / "memory"
    return run(folder, IN_MEMORY, "wkplug.builtin.memory", "MemoryBackend", "-m", "not long")


@pytest.fixture(scope="module")
def in_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutants") / "files"
    return run(folder, IN_FILES, "wkplug.testing.reference", "ReferenceBackend", "-k", FILE_TESTS)


def caught(mine, name):
    assert mine["failed"], f"no test caught the mutant {name!r}"
    assert mine["passed"], f"the mutant {name!r} is dead on arrival: nothing passes"
    told = [text for text in mine["failed"].values() if "broken promise: " in text]
    assert told, f"no failure of {name!r} names a promise"


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


def test_most_mutants_are_caught_by_more_than_one_test(in_memory):
    counts = [len(in_memory[name]["failed"]) for name in IN_MEMORY]
    assert sum(count > 1 for count in counts) * 2 > len(counts)


def test_what_was_skipped_is_printed(in_memory):
    lines = in_memory["summary"].splitlines()
    (line,) = [line for line in lines if line.startswith("TestRight: ")]
    assert line.startswith("TestRight: passed ")
    assert "skipped " in line
    assert "by capability: " in line
    assert "shared_between_processes" in line
