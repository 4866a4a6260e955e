"""A file, a variable and an argument each switch between the engines of one format, and explain says who decided."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Environment

pytestmark = pytest.mark.system

MAKE = """
import wkplug as wk
box = wk.BoundingBox((0, 0, 0), (32, 32, 32))
wk.Dataset("data", (1, 1, 1)).add_layer("em", "color", data_format="zarr3", bounding_box=box).add_mag(1)
"""
WHO = "import wkplug as wk; print(wk.Dataset.open('data'%s).get_layer('em').get_mag(1).info.backend)"


@pytest.fixture(scope="module")
def user(installed: Environment) -> Environment:
    installed.say(MAKE)
    for name in ("zarr", "tensorstore"):
        (installed.folder / f"{name}.toml").write_text(f'# of a test\n[backends]\nzarr3 = "{name}"\n')
    return installed


def decided(user: Environment, *arguments: str, **variables: str) -> tuple[str, str]:
    facts = json.loads(user.wkplug("explain", "data", "--json", *arguments, variables=variables))
    choice = facts["arrays"][0]["choices"][-1]
    return choice["chosen"], choice["decided_by"]


def test_by_default_priority_decides(user: Environment) -> None:
    assert user.say(WHO % "") == "zarr3+tensorstore"
    assert decided(user) == ("zarr3+tensorstore", "priority")


@pytest.mark.parametrize("engine", ["tensorstore", "zarr"])
def test_a_file_decides(user: Environment, engine: str) -> None:
    assert user.say(WHO % "", WKPLUG_CONFIG=f"{engine}.toml") == f"zarr3+{engine}"
    assert decided(user, WKPLUG_CONFIG=f"{engine}.toml") == (f"zarr3+{engine}", f"{engine}.toml:3")


@pytest.mark.parametrize("engine", ["tensorstore", "zarr"])
def test_a_variable_decides_over_a_file(user: Environment, engine: str) -> None:
    other = {"tensorstore": "zarr", "zarr": "tensorstore"}[engine]
    variables = {"WKPLUG_BACKENDS__ZARR3": engine, "WKPLUG_CONFIG": f"{other}.toml"}
    assert user.say(WHO % "", **variables) == f"zarr3+{engine}"
    assert decided(user, **variables) == (f"zarr3+{engine}", "WKPLUG_BACKENDS__ZARR3")


@pytest.mark.parametrize("engine", ["tensorstore", "zarr"])
def test_an_argument_decides_over_both(user: Environment, engine: str) -> None:
    other = {"tensorstore": "zarr", "zarr": "tensorstore"}[engine]
    variables = {"WKPLUG_BACKENDS__ZARR3": other, "WKPLUG_CONFIG": f"{other}.toml"}
    assert user.say(WHO % f", backends={{'zarr3': '{engine}'}}", **variables) == f"zarr3+{engine}"
    assert decided(user, "--backend", f"zarr3+{engine}", **variables) == (
        f"zarr3+{engine}",
        "argument",
    )
