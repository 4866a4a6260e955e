"""The interpolation suite must fail on every mode that is wrong, by the test that is there to catch it."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from mutants.interpolations import MUTANTS, mutant

from wkplug.interpolation import Mean, Median, Min, Mode, Nearest
from wkplug.testing import BrokenPromiseError, InterpolationSuite
from wkplug.testing.interpolations import made

CATCHERS: dict[str, tuple[Any, str]] = {
    "another name": (Mode, "offers_the_mode_by_its_name"),
    "C order returned": (Mode, "dtype_and_the_reduced_shape"),
    "channels mixed": (Mode, "channels_are_on_their_own"),
    "dtype widened": (Mode, "dtype_and_the_reduced_shape"),
    "expanded dtype widened": (Mode, "expanding_and_reducing"),
    "expanded shifted": (Mode, "expanding_and_reducing"),
    "input changed": (Mode, "the_input_stays"),
    "input returned": (Mode, "belong_to_the_caller"),
    "labels through floats": (Mode, "uniform_blocks_keep"),
    "last voxels dropped": (Mode, "dtype_and_the_reduced_shape"),
    "mean drifts": (Mean, "does_not_drift"),
    "neighbours seen": (Min, "do_not_touch_each_other"),
    "not picklable": (Mode, "modes_pickle"),
    "not thread-safe": (Mode, "every_thread"),
    "other bits": (Mode, "bits_are_those_of"),
    "random voxels": (Nearest, "comes_out_every_time"),
    "read-only refused": (Mode, "in_memory_in_any_way"),
    "strides ignored": (Mode, "in_memory_in_any_way"),
    "sums overflow": (Mean, "uniform_blocks_keep"),
    "tile-dependent sampling": (Nearest, "cutting_a_volume"),
    "warnings": (Median, "nothing_is_warned_about"),
}


class Suite(InterpolationSuite):
    plugin_module: ClassVar[str | None] = "wkplug.builtin"
    dtypes: ClassVar[tuple[str, ...] | None] = ("uint8", "int16", "uint64", "float32")


def caught_by(mode: Any, same_as: str | None, part: str) -> None:
    suite = type("Suite", (Suite,), {"same_as": same_as})()
    found = [name for name in dir(suite) if name.startswith("test_") and part in name]
    assert len(found) == 1, found
    getattr(suite, found[0])(interpolation=mode)


def test_every_mutant_has_a_test_that_catches_it() -> None:
    assert set(CATCHERS) == set(MUTANTS)


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_mutant_is_caught_and_the_right_mode_is_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WKPLUG_TEST_PROFILE", "brief")
    kind, part = CATCHERS[name]
    same_as = f"{kind.__module__}:{kind.__name__}"
    caught_by(kind(), same_as, part)
    with pytest.raises(BrokenPromiseError, match="broken promise"):
        caught_by(mutant(name, kind()), same_as, part)


def test_every_test_of_the_suite_catches_a_mutant() -> None:
    needless = {
        name
        for name in dir(InterpolationSuite)
        if name.startswith("test_") and not any(part in name for _, part in CATCHERS.values())
    }
    assert needless == {"test_factors_of_one_change_nothing"}  # "input returned" and others fail it as well


def test_a_failure_says_what_was_promised_and_where_it_was_broken() -> None:
    with pytest.raises(BrokenPromiseError) as caught:
        caught_by(mutant("labels through floats", Mode()), None, "uniform_blocks_keep")
    lines = str(caught.value).splitlines()
    assert lines[0] == "broken promise: a block of one value gives that value"
    assert lines[1:3] == ["  dtype: uint64", "  factors: (1, 2, 2, 2)"]
    assert lines[3].startswith("  wrong: ")
    assert "was expected" in lines[4]


def test_a_factory_of_something_else_is_a_broken_promise() -> None:
    with pytest.raises(BrokenPromiseError, match="the factory gives an Interpolation"):
        made("wkplug.config:Table")
