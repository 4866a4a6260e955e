"""The conformance suite must fail on every backend that is wrong, and pass on the one that is right."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict

import pytest

from wkplug.testing.mutants import MUTANTS

# Which inner backend a mutant wraps: memory arrays are quick, files show damage and processes.
_SUITES = '''
import json
import pytest
from wkplug.builtin.memory import MemoryBackend
from wkplug.testing import ArrayBackendSuite
from wkplug.testing.mutants import MUTANTS, mutant


def suite(name):
    class Suite(ArrayBackendSuite):
        @pytest.fixture
        def array_backend(self):
            backend = MemoryBackend()
            return mutant(name, backend) if name else backend

    return Suite


class TestRight(suite(None)):
    pass


for number, name in enumerate(MUTANTS):
    globals()[f"TestMutant{number}"] = suite(name)
'''


class Recorder:
    """Collects what became of every test, by class."""

    def __init__(self):
        self.failed = defaultdict(list)
        self.passed = defaultdict(list)

    def pytest_runtest_logreport(self, report):
        _, kind, test = report.nodeid.split("::")
        if report.failed:
            self.failed[kind].append((test, str(report.longrepr)))
        elif report.passed and report.when == "call":
            self.passed[kind].append(test)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutants")
    file = folder / "test_mutants_of_memory.py"
    file.write_text(_SUITES)
    recorder = Recorder()
    options = ["-q", "-c", "/dev/null", f"--rootdir={folder}", "-p", "no:cacheprovider", "-p", "no:terminal"]
    options += ["--import-mode=importlib", "-p", "wkplug.testing.plugin", "-m", "not long", "--tb=short"]
    pytest.main([str(file), *options], plugins=[recorder])
    report = {name: [test for test, _ in recorder.failed[f"TestMutant{n}"]] for n, name in enumerate(MUTANTS)}
    (folder / "caught.json").write_text(json.dumps(report, indent=1))
    return recorder


def test_the_right_backend_passes(outcomes):
    assert outcomes.failed["TestRight"] == []
    assert len(outcomes.passed["TestRight"]) > 60


@pytest.mark.parametrize(("number", "name"), list(enumerate(MUTANTS)), ids=list(MUTANTS))
def test_every_mutant_is_caught(outcomes, number, name):
    kind = f"TestMutant{number}"
    failed = outcomes.failed[kind]
    assert failed, f"no test caught the mutant {name!r}"
    assert outcomes.passed[kind], f"the mutant {name!r} is dead on arrival: nothing passes"
    told = [text for _, text in failed if "broken promise: " in text]
    assert told, f"no failure of {name!r} names a promise: {failed[0]}"


def test_every_test_is_needed_by_no_single_mutant(outcomes):
    """At least half of the mutants are caught by more than one test, so that no single test carries all."""
    counts = [len(outcomes.failed[f"TestMutant{number}"]) for number, _ in enumerate(MUTANTS)]
    assert sum(count > 1 for count in counts) * 2 > len(counts)
    assert list(itertools.accumulate(counts))[-1] >= len(MUTANTS)
