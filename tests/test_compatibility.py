"""The compatibility page says what is true: it is written from the real objects, and nothing it claims is missing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compatibility", ROOT / "tools" / "compatibility.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["compatibility"] = module
    spec.loader.exec_module(module)
    return module


def test_every_symbol_of_the_dataset_api_is_there_with_its_parameters(tool: ModuleType) -> None:
    wrong = [
        f"{one.symbol} {' '.join(one.what)}: {one.problem}"
        for one in tool.findings()
        if one.problem is not None and one.work == "dataset"
    ]
    assert wrong == []


def test_the_page_is_what_the_tool_writes(tool: ModuleType) -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(tool.findings()), (
        "run python tools/compatibility.py"
    )


def test_what_is_built_elsewhere_is_counted_by_room(tool: ModuleType) -> None:
    assert {one.work for one in tool.findings()} == set(tool.ROOMS)


@pytest.mark.parametrize(
    ("fact", "problem"),
    [
        ({"symbol": "Dataset.frobnicate", "kind": "member"}, "missing"),
        ({"symbol": "Nothing", "kind": "class"}, "missing"),
        ({"symbol": "View.read", "kind": "member", "parameters": "size=None, foo=1"}, "`foo` is missing"),
        (
            {"symbol": "View.read", "kind": "member", "parameters": "size=3"},
            "`size` is None by default, not 3",
        ),
        (
            {"symbol": "Layer.get_mag", "kind": "member", "parameters": "name, mag"},
            "`name` is missing; `mag` is not number 2",
        ),
        ({"symbol": "View.read", "kind": "parameter", "what": ["offset", "bar"]}, "`bar` is missing"),
        ({"symbol": "cubic", "kind": "argument"}, "there is no interpolation 'cubic'"),
        ({"symbol": "Dataset", "kind": "operator", "what": "+"}, "no +"),
    ],
)
def test_a_symbol_that_is_not_there_or_differs_is_found(
    tool: ModuleType, fact: dict[str, object], problem: str
) -> None:
    assert tool.examine(fact) == problem
