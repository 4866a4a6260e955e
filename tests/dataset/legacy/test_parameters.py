"""Calls in the spelling of older eras: what they mean, what they warn of, what they cost, what stays an error."""

# Type checkers know today's spelling alone, and are right to refuse the ones tested here.
# mypy: disable-error-code="call-arg, arg-type, misc, comparison-overlap, attr-defined, func-returns-value"

from __future__ import annotations

import inspect
import sys
import warnings
from types import SimpleNamespace
from typing import Any

import pytest

from wkplug.dataset.legacy.parameters import Renamed, older, older_names
from wkplug.errors import ArgumentConflictError
from wkplug.notices import deprecated


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

    def calls(method: Any) -> int:
        """How many functions of Python are called."""
        events = []
        sys.setprofile(lambda _frame, event, _argument: events.append(event))
        try:
            method("a", number=2)
        finally:
            sys.setprofile(None)
        return events.count("call")

    assert calls(thing.make) - calls(thing.plain) == 1


def test_a_warning_reaches_scripts_without_a_name() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile("say('a', 'b')", "script.py", "exec"), {"say": deprecated})
    assert [(str(one.message), one.filename) for one in caught] == [
        ("[DEPRECATION] `a` is deprecated, please use `b` instead.", "script.py")
    ]


@pytest.mark.parametrize(
    ("options", "name", "given"),
    [
        ({"distribution_strategy": "sequential", "jobs": 2}, "sequential", {}),
        ({"distribution_strategy": "multiprocessing", "jobs": 2}, "processes", {"workers": 2}),
        ({"distribution_strategy": "multiprocessing", "processes": 3}, "processes", {"workers": 3}),
        ({"jobs": 4}, "processes", {"workers": 4}),
        (
            {"distribution_strategy": "slurm", "jobs": 5, "job_resources": '{"mem": "4G"}'},
            "slurm",
            {"workers": 5, "job_resources": {"mem": "4G"}},
        ),
    ],
)
def test_namespaces_of_options_name_an_executor_and_its_workers(
    options: dict[str, Any], name: str, given: dict[str, Any]
) -> None:
    from wkplug.dataset.legacy.parameters import executor_of
    from wkplug.execution import NamedExecutor, adapted

    found = executor_of(SimpleNamespace(**options))
    assert found == NamedExecutor(name, given)
    assert executor_of(SimpleNamespace()) is None
    if name != "slurm":
        with adapted(found) as runner:
            assert runner.workers == given.get("workers", 1)


def test_a_namespace_given_to_a_method_says_how_many_workers_it_has(
    make_layer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wkplug import registry

    made = []
    executor = registry.executor

    def watched(name: str, options: Any = None) -> Any:
        made.append((name, options))
        return executor("threads", options)

    monkeypatch.setattr(registry, "executor", watched)
    mag = make_layer(size=(64, 64, 64)).add_mag(1, chunk_shape=32, shard_shape=32)
    with pytest.warns(DeprecationWarning, match="args"):
        assert mag.content_is_equal(
            mag, args=SimpleNamespace(distribution_strategy="multiprocessing", jobs=3)
        )
    assert made == [("processes", {"workers": 3})]
