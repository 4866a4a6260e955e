"""Histories: the state machine, run on every layout of the bench."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

from hypothesis.stateful import run_state_machine_as_test

from wkplug.testing.bench import BackendFixtures, Bench
from wkplug.testing.profiles import steps
from wkplug.testing.stateful import ArrayStateMachine

__all__ = ["HistoriesPart"]


class HistoriesPart(BackendFixtures):
    """Any sequence of calls."""

    def test_any_history_ends_as_in_numpy(self, bench: Bench) -> None:
        for number, a_layout in enumerate(bench.layouts):
            body = {"bench": bench, "layout": a_layout}
            machine = type("ArrayStateMachine", (ArrayStateMachine,), body)
            run_state_machine_as_test(machine, settings=steps(12 if number == 0 else 5))
