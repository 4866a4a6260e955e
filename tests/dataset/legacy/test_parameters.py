"""Calls in the spelling of older eras: what they mean, what they warn of, what they cost, what stays an error."""

# Type checkers know today's spelling alone, and are right to refuse the ones tested here.
# mypy: disable-error-code="call-arg, arg-type, misc, comparison-overlap, attr-defined, func-returns-value"

from __future__ import annotations

import inspect
import timeit
import warnings
from types import SimpleNamespace
from typing import Any

import pytest

from wkplug.dataset.legacy.notices import deprecated
from wkplug.dataset.legacy.parameters import Renamed, older, older_names
from wkplug.errors import ArgumentConflictError


class Thing:
    @older(
        renamed={"length": "size", "text": Renamed("number", int)},
        ignored=("verbose",),
        order=("name", "number", "verbose", "size"),
    )
    def make(self, name: str, *, number: int = 1, size: int | None = None) -> tuple[Any, ...]:
        """Make it."""
        if name == "wrong":
            raise TypeError("of its own")
        return name, number, size

    def plain(self, name: str, *, number: int = 1, size: int | None = None) -> tuple[Any, ...]:
        return name, number, size


def test_todays_calls_pass_without_a_warning() -> None:
    assert Thing().make("a", number=2, size=3) == ("a", 2, 3)
    assert Thing().make(name="a") == ("a", 1, None)


@pytest.mark.parametrize(
    ("args", "kwargs", "result", "texts"),
    [
        (
            ("a",),
            {"length": 3},
            ("a", 1, 3),
            ["`Thing.make(length=...)` is deprecated, please use `size=...`"],
        ),
        (
            ("a",),
            {"text": "5"},
            ("a", 5, None),
            ["`Thing.make(text=...)` is deprecated, please use `number=...`"],
        ),
        (("a",), {"verbose": True}, ("a", 1, None), ["please leave it out: it has no effect"]),
        (("a", 2), {}, ("a", 2, None), ["`Thing.make() without the names of its arguments`", "number=..."]),
        (("a", 2, True, 4), {}, ("a", 2, 4), ["without the names", "verbose"]),
        ((), {"name": "a", "length": 3}, ("a", 1, 3), ["size=..."]),
    ],
)
def test_older_calls_mean_what_they_did_and_warn(
    args: tuple[Any, ...], kwargs: dict[str, Any], result: tuple[Any, ...], texts: list[str]
) -> None:
    with pytest.warns(DeprecationWarning, match="DEPRECATION") as caught:
        assert Thing().make(*args, **kwargs) == result
    said = " | ".join(str(one.message) for one in caught)
    assert said.startswith("[DEPRECATION] ")
    for text in texts:
        assert text in said
    assert {one.filename for one in caught} == {__file__}


def test_an_argument_and_its_older_name_at_once_are_refused() -> None:
    with (
        pytest.warns(DeprecationWarning, match="DEPRECATION"),
        pytest.raises(ArgumentConflictError, match=r"Thing.make\(\) got both size and length"),
    ):
        Thing().make("a", size=1, length=2)


def test_keywords_of_no_era_and_too_many_arguments_stay_a_type_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Thing().make("a", colour=1)
    with pytest.raises(TypeError, match="positional argument"):
        Thing().make("a", 1, 2, 3, 4)
    with pytest.raises(TypeError, match="missing 1 required"):
        Thing().make()
    with (
        pytest.warns(DeprecationWarning, match="DEPRECATION"),
        pytest.raises(TypeError, match="multiple values for argument 'number'"),
    ):
        Thing().make("a", 1, number=2)


def test_type_errors_of_the_method_itself_are_passed_on() -> None:
    with pytest.raises(TypeError, match="of its own"):
        Thing().make("wrong")


def test_the_signature_and_the_documentation_are_todays() -> None:
    assert inspect.signature(Thing.make) == inspect.signature(Thing.plain)
    assert Thing.make.__doc__ == "Make it."
    assert older_names(Thing.make) == {"length", "text", "verbose"}
    assert older_names(Thing.plain) == frozenset()


def test_todays_calls_cost_one_more_function_call() -> None:
    thing = Thing()

    def cost(method: Any) -> float:
        return min(timeit.repeat(lambda: method("a", number=2), number=20_000, repeat=9)) / 20_000

    # Measured 0.26 microseconds; the limit leaves room for a machine that does something else too.
    assert cost(thing.make) - cost(thing.plain) < 1.5e-6


def test_a_warning_reaches_scripts_without_a_name() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile("say('a', 'b')", "script.py", "exec"), {"say": deprecated})
    assert [(str(one.message), one.filename) for one in caught] == [
        ("[DEPRECATION] `a` is deprecated, please use `b` instead.", "script.py")
    ]


@pytest.mark.parametrize(
    ("strategy", "executor"),
    [("sequential", "sequential"), ("multiprocessing", "processes"), ("slurm", "slurm"), (None, None)],
)
def test_namespaces_of_options_name_an_executor(strategy: str | None, executor: str | None) -> None:
    from wkplug.dataset.legacy.namespaces import executor_of

    assert executor_of(SimpleNamespace(distribution_strategy=strategy, jobs=2)) == executor
    assert executor_of(SimpleNamespace()) is None
