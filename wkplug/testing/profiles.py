"""How thorough the kit is: the variable WKPLUG_TEST_PROFILE, "quick" (the default), "thorough" or "brief".

"quick" draws the same examples in every run and takes seconds per backend; "thorough" draws new ones, many
more of them, and is meant for nights and for releases. "brief" draws fewer and doesn't search for the
smallest failing one, for runs that are expected to fail (those on mutants).
"""

from __future__ import annotations

import os

import hypothesis

__all__ = ["examples", "profile", "steps", "thorough"]

_FACTORS = {"brief": 0.4, "quick": 1, "thorough": 20}
_BRIEF = (hypothesis.Phase.explicit, hypothesis.Phase.generate)


def profile() -> str:
    """The name of the profile; anything unknown is "quick"."""
    name = os.environ.get("WKPLUG_TEST_PROFILE", "quick")
    return name if name in {"thorough", "brief"} else "quick"


def thorough() -> bool:
    """Whether time doesn't matter."""
    return profile() == "thorough"


def examples(quick: int) -> hypothesis.settings:
    """Settings of a property test that draws `quick` examples, or twenty times as many when thorough.

    Health checks that don't fit a kit are off: tests are inherited by many classes on purpose, their fixtures
    give a fresh place per example by themselves, and remote storage is slow.
    """
    return hypothesis.settings(
        max_examples=max(1, int(quick * _FACTORS[profile()])),
        derandomize=not thorough(),
        database=None,
        deadline=None,
        print_blob=False,
        phases=[phase for phase in hypothesis.Phase if profile() != "brief" or phase in _BRIEF],
        suppress_health_check=list(hypothesis.HealthCheck),
    )


def steps(quick: int) -> hypothesis.settings:
    """Settings of a state machine: `quick` runs of 12 steps, or many more runs of 50."""
    return hypothesis.settings(examples(quick), stateful_step_count=50 if thorough() else 12)
