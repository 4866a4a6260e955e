"""When the compiled modes are used: by price, by name, by configuration; and what a missing numba means."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from wkplug_numba import modes
from wkplug_numba.engine import Engine
from wkplug_numba.kernels import compiled
from wkplug_numba.settings import NumbaSettings

import wkplug
from wkplug import interpolation, registry
from wkplug.errors import ConfigError, InvalidArgumentError

if TYPE_CHECKING:
    from pathlib import Path

SMALL_JOB = """
import sys
import numpy as np
import wkplug
from wkplug import registry
block = np.asfortranarray(np.arange(64**3, dtype="uint8").reshape(1, 64, 64, 64))
with wkplug.settings(**{SETTINGS}):
    mode = registry.interpolation("median", category="color", dtype="uint8")
    for _ in range(3):
        result = mode.reduce(block, (1, 2, 2, 2))
print("numba" in sys.modules, int(result.sum(dtype="int64")))
"""


def run(code: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | variables,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_small_job_never_imports_numba_and_a_forced_one_gives_the_same() -> None:
    plain = run(SMALL_JOB.replace("{SETTINGS}", "{}"))
    forced = run(SMALL_JOB.replace("{SETTINGS}", '{"plugin": {"numba": {"after": 0}}}'))
    assert plain.startswith("False ")
    assert forced == plain.replace("False", "True")


def test_what_is_lost_is_added_up_until_it_pays() -> None:
    engine = Engine()
    median, mode = ("median", "uint8"), ("mode", "uint32")
    assert [engine.pays(median, 0.3, 0.8) for _ in range(4)] == [False, False, True, True]
    # numba is there now, so that another function costs little more.
    assert [engine.pays(mode, 0.03, 0.8) for _ in range(3)] == [False, True, True]
    assert engine.pays(median, 0.0, 0.8)


def test_one_large_block_pays_at_once_and_infinity_never() -> None:
    assert Engine().pays(("median", "uint8"), 0.9, 0.8)
    assert Engine().pays(("median", "uint8"), 1e-9, 0)
    assert not Engine().pays(("median", "uint8"), 1e9, float("inf"))


def test_what_is_announced_is_decided_before_anything_is_lost() -> None:
    engine = Engine()
    median, mode = ("median", "uint8"), ("mode", "uint32")
    engine.expects(median, 0.7, 0.8)
    assert not engine.pays(median, 0.1, 0.8)
    engine.expects(median, 0.9, 0.8)
    assert engine.pays(median, 0.0, 0.8)
    engine.expects(mode, 0.05, 0.8)  # numba is there now
    assert engine.pays(mode, 0.0, 0.8)
    engine.expects(("max", "uint8"), 1e9, float("inf"))
    assert not engine.pays(("max", "uint8"), 0.0, float("inf"))


def test_a_large_job_that_is_announced_starts_with_the_compiled_mode() -> None:
    announced = SMALL_JOB.replace("    for _", "    mode.prepare('uint8', 10**10)\n    for _")
    assert run(announced.replace("{SETTINGS}", "{}")) == run(SMALL_JOB.replace("{SETTINGS}", "{}")).replace(
        "False", "True"
    )


def test_losses_are_counted_once_by_any_number_of_threads() -> None:
    engine = Engine()
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.extend(engine.pays(("m", "u"), 1, 100) for _ in range(10)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(False) == 100


@pytest.mark.parametrize("value", [-1, "soon", True, None, float("nan")])
def test_a_wrong_setting_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"\[plugin.numba\] after is .* number of seconds of at least 0"):
        NumbaSettings(after=value)


def test_a_mode_comes_with_its_compiled_implementation_first() -> None:
    mode: Any = registry.interpolation("median", category="color", dtype="uint8")
    assert [type(member).__module__ for member in mode.members] == [
        "wkplug_numba.modes", "wkplug.interpolation.order_statistics",
    ]  # fmt: skip
    assert mode.name == "median"
    assert registry.interpolation("mean", category="color", dtype="int64").name == "mean"
    assert not hasattr(registry.interpolation("mean", category="color", dtype="int64"), "members")


def test_an_implementation_can_be_asked_for_by_name_and_is_not_listed_as_a_mode() -> None:
    alone = registry.interpolation("mode+numba", category="segmentation", dtype="uint64")
    assert type(alone) is modes.Mode
    assert not [name for name in registry.interpolations() if "+" in name]
    with pytest.raises(ValueError, match=r"'mean\+numba' is not for segmentation layers"):
        registry.interpolation("mean+numba", category="segmentation", dtype="uint32")
    with pytest.raises(ValueError, match=r"'mode_sparse\+numba' is not made for float32"):
        registry.interpolation("mode_sparse+numba", category="segmentation", dtype="float32")


def test_a_blocked_plugin_leaves_the_plain_mode() -> None:
    with wkplug.settings(plugins_blocked=["numba"]):
        mode = registry.interpolation("median", category="color", dtype="uint8")
        assert type(mode).__module__ == "wkplug.interpolation.order_statistics"


def test_the_plain_mode_takes_what_the_kernels_do_not() -> None:
    with wkplug.settings(plugin={"numba": {"after": 0}}):
        mode: Any = registry.interpolation("max", category="color", dtype="uint16")
        compiled = mode.members[0]
        swapped = np.arange(64, dtype=">u2").reshape(1, 4, 4, 4)
        assert not compiled.takes(swapped, (1, 2, 2, 2))
        assert not compiled.takes(swapped.astype("u2"), (1, 1, 1, 1))
        assert mode.reduce(np.arange(4, dtype="u2").reshape(4, 1, 1, 1), (2, 1, 1, 1)).ravel().tolist() == [
            1,
            3,
        ]
        assert pickle.loads(pickle.dumps(mode)).reduce(np.ones((2, 2, 2), "u2"), (2, 2, 2)).tolist() == [
            [[1]]
        ]


def test_axes_before_x_are_refused_by_the_compiled_mode_alone() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        modes.Median().reduce(np.ones((2, 2, 2, 2), "u1"), (2, 1, 1, 1))
    assert str(caught.value) == (
        "The factors (2, 1, 1, 1) reduce an axis other than the last three, which are x, y and z.\n"
        "  Use the mode 'median' of the core."
    )


@pytest.mark.parametrize("shape", [(4, 6), (8,), (0, 2, 2), (2, 0, 4, 4)])
def test_few_axes_and_empty_blocks_are_reduced_as_the_plain_modes_do(shape: tuple[int, ...]) -> None:
    factors = tuple(1 if len(shape) == 4 and axis == 0 else 2 for axis in range(len(shape)))
    block = np.arange(np.prod(shape), dtype="u1").reshape(shape)
    for name in modes.__all__:
        expected = getattr(interpolation, name)().reduce(block, factors)
        np.testing.assert_array_equal(getattr(modes, name)().reduce(block, factors), expected)


def test_without_numba_the_plain_modes_are_used_with_a_warning(tmp_path: Path) -> None:
    code = """
import sys, warnings, importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "numba" else find(name, *rest)
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as told:
    from wkplug import registry
    mode = registry.interpolation("median", category="color", dtype="uint8")
print(type(mode).__module__, [str(each.message).splitlines()[0] for each in told])
"""
    said = run(code)
    assert said.startswith("wkplug.interpolation.order_statistics")
    assert "failed to make 'median+numba': ModuleNotFoundError: No module named 'numba'" in said


@pytest.mark.long
def test_compiled_code_is_kept_where_the_user_may_write(tmp_path: Path) -> None:
    code = """
import numpy as np
from wkplug_numba.modes import Nearest
print(Nearest().reduce(np.arange(8, dtype="u1").reshape(2, 2, 2), (2, 2, 2)).item())
"""
    assert run(code, NUMBA_CACHE_DIR=str(tmp_path)) == "0"
    kept = sorted(path.suffix for path in tmp_path.rglob("kernels.nearest*"))
    assert kept == [".nbc", ".nbi"]


def test_where_nothing_can_be_kept_every_process_compiles_for_itself() -> None:
    # numba finds no place for the cache of a function that comes from no file.
    assert compiled(eval("lambda value: value + 1"))(1) == 2
