"""Amounts of memory as users write them."""

from __future__ import annotations

from typing import Any

import pytest

from wkplug.errors import InvalidArgumentError
from wkplug.storage import budget


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (1, 1),
        (2_000_000, 2_000_000),
        ("123", 123),
        ("2GB", 2 * 10**9),
        ("2 gb", 2 * 10**9),
        ("2G", 2 * 10**9),
        ("1.5GiB", 3 * 2**29),
        ("500MiB", 500 * 2**20),
        ("10kB", 10_000),
        ("1T", 10**12),
    ],
)
def test_amounts_are_bytes_in_powers_of_ten_or_two(text: Any, count: int) -> None:
    assert budget.parse_bytes(text) == count


@pytest.mark.parametrize(
    "text", ["", "GB", "-2GB", "2 XB", "two", 0, -1, "0", True, float("nan"), float("inf")]
)
def test_what_is_no_amount_is_refused(text: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="is no amount of memory") as caught:
        budget.parse_bytes(text)
    assert '"2GB"' in str(caught.value)


def test_the_default_leaves_half_of_the_machine() -> None:
    assert (
        min(budget.DEFAULT_MEMORY, budget.half_of_memory())
        <= budget.memory_budget()
        <= budget.half_of_memory()
    )
    assert budget.memory_budget("3GB") == 3 * 10**9


def test_voxels_get_what_the_process_has_not_taken_yet() -> None:
    assert budget.for_voxels(1) == budget.LEAST_MEMORY
    assert budget.LEAST_MEMORY < budget.for_voxels(10**12) <= 10**12


def test_a_process_that_is_large_already_gets_some_on_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "half_of_memory", lambda: 12 * 10**9)
    monkeypatch.setattr(budget, "resident", lambda: 10**8)
    assert budget.memory_budget() == budget.DEFAULT_MEMORY
    monkeypatch.setattr(budget, "resident", lambda: 3 * 10**9)
    assert budget.memory_budget() == 3_500_000_000
    assert budget.for_voxels(budget.memory_budget()) == 500_000_000
    monkeypatch.setattr(budget, "half_of_memory", lambda: 2 * 10**9)
    assert budget.memory_budget() == 2 * 10**9
