"""Calls that wait for requests: side by side, meanwhile, and with work in turns."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from wkplug.abc.threads import TURNS, at_work, entered, meanwhile, side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_what_is_begun_meanwhile_runs_beside_its_caller() -> None:
    here = threading.Event()
    found = meanwhile(lambda: here.wait(10))
    here.set()  # it is waited for in another thread
    assert found()

    def fail() -> None:
        raise ValueError("not today")

    with pytest.raises(ValueError, match="not today"):
        meanwhile(fail)()


def test_within_a_thread_for_requests_it_is_made_at_once() -> None:
    def inner(_: int) -> bool:
        return meanwhile(threading.current_thread)() is threading.current_thread()

    # More than there are threads: none waits for one that it keeps busy.
    assert all(side_by_side(inner, range(100), at_once=50))


def test_an_only_call_is_made_by_its_caller() -> None:
    here = threading.current_thread()
    assert list(side_by_side(lambda _: threading.current_thread(), [0], at_once=50)) == [here]
    assert here not in side_by_side(lambda _: threading.current_thread(), [0, 1], at_once=50)


def test_work_is_done_in_turns_while_requests_are_under_way() -> None:
    meeting, guard = threading.Barrier(8), threading.Lock()
    working = [0]
    most: list[int] = []

    def encode_and_put(_: int) -> None:
        with at_work():
            with guard:
                working[0] += 1
                most.append(working[0])
            with guard:
                working[0] -= 1
        meeting.wait(10)  # all eight are put at the same time, though few are encoded at a time

    assert list(side_by_side(encode_and_put, range(8), at_once=8)) == [None] * 8
    assert max(most) <= TURNS
    with pytest.raises(ValueError, match="not encoded"), at_work():
        raise ValueError("not encoded")
    with at_work():  # a turn is given back after an error, too
        pass


@pytest.mark.parametrize("at_once", [1, 4])
def test_all_that_is_entered_is_left(at_once: int) -> None:
    inside: list[int] = []

    @contextmanager
    def context(number: int, *, fails: str = "") -> Iterator[None]:
        if fails == "enter":
            raise ValueError(fails)
        inside.append(number)
        try:
            yield
        finally:
            inside.remove(number)
        if fails == "leave":
            raise ValueError(fails)

    with entered([context(1), context(2)], at_once=at_once):
        assert sorted(inside) == [1, 2]
    assert not inside
    for fails in ("enter", "leave"):
        contexts = [context(1), context(2, fails=fails), context(3)]
        with pytest.raises(ValueError, match=fails), entered(contexts, at_once=at_once):
            assert fails == "leave"
        assert not inside
    with pytest.raises(KeyError), entered([context(1), context(2)], at_once=at_once):
        raise KeyError
    assert not inside


def test_contexts_are_entered_and_left_side_by_side() -> None:
    together = threading.Barrier(2)

    @contextmanager
    def meeting() -> Iterator[None]:
        together.wait(10)
        yield
        together.wait(10)

    with entered([meeting(), meeting()], at_once=2):
        pass
