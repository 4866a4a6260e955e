"""The kit's own parts: what it imports, how it tells a failure, what it draws, what its children do."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from wkplug.abc import ArrayCapabilities, ArraySpec
from wkplug.errors import ConflictError, MissingError
from wkplug.testing import ArrayStateMachine, Bench, BrokenPromiseError, children
from wkplug.testing.checks import breaks, holds, promised, refuses, same_voxels
from wkplug.testing.profiles import examples
from wkplug.testing.strategies import boxes, layouts, shape_for, specs

SPEC = ArraySpec(
    axes=("c", "x", "y", "z"),
    shape=(1, 8, 8, 8),
    dtype="uint16",
    chunk_shape=(1, 8, 8, 8),
    shard_shape=(1, 8, 8, 8),
)


def modules_after(code, **variables):
    code += "; import sys; print(' '.join(sorted({m.partition('.')[0] for m in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | variables
    )
    return set(done.stdout.split())


# --- what it is made of -----------------------------------------------------------------------------------


def test_the_kit_is_no_entry_point_of_pytest():
    assert not [entry for entry in entry_points(group="pytest11") if entry.value.startswith("wkplug")]


def test_importing_the_package_loads_neither_pytest_nor_hypothesis_nor_numpy():
    assert not {"pytest", "hypothesis", "numpy"} & modules_after("import wkplug.testing")


def test_what_children_run_loads_neither_pytest_nor_hypothesis():
    assert not {"pytest", "hypothesis"} & modules_after(
        "import wkplug.testing.jobs, wkplug.testing.reference"
    )


def test_the_suite_loads_no_engine():
    loaded = modules_after("import wkplug.testing.arrays, wkplug.testing.stateful")
    assert not {"zarr", "tensorstore", "wkw", "fsspec", "upath"} & loaded


def test_the_kit_loads_no_more_than_contract_registry_and_folders():
    code = "import wkplug.testing.arrays, wkplug.testing.reference, wkplug.testing.plugin; "
    code += "import sys; print(' '.join(sorted(m for m in sys.modules if m.startswith('wkplug.'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    parts = {name.split(".")[1] for name in done.stdout.split()}
    assert parts <= {
        "abc",
        "errors",
        "geometry",
        "lazy",
        "registry",
        "config",
        "filesystems",
        "notices",
        "testing",
    }


def test_unknown_names_are_attribute_errors():
    import wkplug.testing

    with pytest.raises(AttributeError, match="ArrayBackendSuit"):
        _ = wkplug.testing.ArrayBackendSuit
    assert all(hasattr(wkplug.testing, name) for name in wkplug.testing.__all__)


# --- how it tells a failure -------------------------------------------------------------------------------


def test_a_failure_names_the_promise_and_what_it_was_broken_with():
    with pytest.raises(BrokenPromiseError) as caught:
        breaks("arrays are round", box=((0,), (1,)), array=SPEC)
    lines = str(caught.value).splitlines()
    assert lines[0] == "broken promise: arrays are round"
    assert lines[1] == "  box: ((0,), (1,))"
    assert "uint16, chunk (1, 8, 8, 8), shard (1, 8, 8, 8)" in lines[2]
    with pytest.raises(BrokenPromiseError, match="arrays are round"):
        holds(False, "arrays are round")
    holds(True, "arrays are round")


def test_wrong_voxels_are_told_with_their_place():
    right = np.zeros((2, 3), "uint16")
    wrong = right.copy()
    wrong[1, 1] = 7
    with pytest.raises(BrokenPromiseError) as caught:
        same_voxels(wrong, right, "voxels stay", spec=SPEC, box=((0, 0), (2, 3)))
    text = str(caught.value)
    assert "1 of 6 voxels, from index (1, 1) to (1, 1)" in text
    assert "np.uint16(7) where np.uint16(0) was expected" in text
    assert "box: ((0, 0), (2, 3))" in text


@pytest.mark.parametrize(
    ("got", "words"),
    [
        ([0, 0], "list, not a numpy array"),
        (np.zeros(3, "uint16"), "shape (3,)"),
        (np.zeros(2, "uint8"), "dtype |u1"),
        (np.zeros(2, np.dtype("uint16").newbyteorder("S")), "expected: "),
    ],
)
def test_other_things_than_voxels_are_told(got, words):
    with pytest.raises(BrokenPromiseError) as caught:
        same_voxels(got, np.zeros(2, "uint16"), "voxels stay", spec=SPEC)
    assert words in str(caught.value)


def test_nans_are_equal_and_zeros_of_both_signs_too():
    data = np.array([np.nan, 0.0], "float32")
    same_voxels(np.array([np.nan, -0.0], "float32"), data, "voxels stay", spec=SPEC)


def test_refusals_must_be_of_the_promised_kind_and_say_something():
    with refuses(ConflictError, promise="no two arrays") as errors:
        raise ConflictError("There is one already.")
    assert str(errors[0]) == "There is one already."
    with (
        pytest.raises(
            BrokenPromiseError, match=r"(?s)no two arrays.*expected: ConflictError.*no error at all"
        ),
        refuses(ConflictError, promise="no two arrays"),
    ):
        pass
    expected = pytest.raises(BrokenPromiseError, match=r"(?s)expected: ConflictError.*MissingError: gone")
    with expected, refuses(ConflictError, promise="no two arrays"):
        raise MissingError("gone")
    expected = pytest.raises(BrokenPromiseError, match="errors say what happened")
    with expected, refuses(ConflictError, promise="no two arrays"):
        raise ConflictError(" ")


def test_errors_of_engines_become_broken_promises():
    expected = pytest.raises(BrokenPromiseError, match=r"(?s)arrays open.*KeyError: 'chunks'.*dtype: uint8")
    with expected, promised("arrays open", dtype="uint8"):
        raise KeyError("chunks")


# --- what it draws ----------------------------------------------------------------------------------------


@examples(100)
@given(data=st.data())
def test_boxes_are_not_empty_and_inside(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 50), min_size=1, max_size=5)))
    start, lengths = data.draw(boxes(shape, grids=[[8] * len(shape)]))
    assert len(start) == len(lengths) == len(shape)
    assert all(a >= 0 and b > 0 and a + b <= n for a, b, n in zip(start, lengths, shape, strict=True))


@examples(100)
@given(data=st.data())
def test_layouts_are_multiples_and_cover_all_axes(data):
    axes = data.draw(st.permutations(("t", "c", "x", "y", "z")))
    sharded = data.draw(st.booleans())
    layout = data.draw(layouts(axes, sharded=sharded, channels=3))
    assert all(b % a == 0 for a, b in zip(layout.chunk_shape, layout.shard_shape, strict=True))
    assert layout.chunk_shape[axes.index("c")] == 3
    assert layout.chunk_shape[axes.index("t")] == 1
    assert sharded or layout.chunk_shape == layout.shard_shape


@examples(100)
@given(data=st.data())
def test_specs_keep_to_the_capabilities(data):
    can = ArrayCapabilities(axes=(("z", "y", "x"),), dtypes=frozenset({"uint8"}), sharded=False)
    spec = data.draw(specs(can))
    assert (spec.axes, spec.dtype) == (("z", "y", "x"), "uint8")
    assert spec.chunk_shape == spec.shard_shape
    assert data.draw(specs(can, compressed=False)).compressed is False


def test_shapes_follow_the_names_of_axes():
    assert shape_for(("t", "z", "c", "x", "y"), spatial=(1, 2, 3), channels=4, other=5) == (5, 3, 4, 1, 2)


# --- other processes --------------------------------------------------------------------------------------


def test_children_give_results_and_raise_their_errors_here():
    assert children.together([("operator:add", (1, 2)), ("operator:mul", (3, 4))]) == [3, 12]
    with pytest.raises(ZeroDivisionError):
        children.run("operator:truediv", 1, 0)


def test_a_child_that_dies_is_a_broken_promise_with_its_last_words():
    with pytest.raises(BrokenPromiseError, match=r"(?s)no process dies.*exit_code: 3"):
        children.run("os:_exit", 3)


def test_results_that_cannot_travel_are_told():
    with pytest.raises(RuntimeError, match="can't be pickled"):
        children.run("threading:Lock")


# --- the state machine and the bench ----------------------------------------------------------------------


def test_a_suite_without_a_backend_says_what_is_missing(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "from wkplug.testing import ArrayBackendSuite\n\n\nclass TestIt(ArrayBackendSuite):\n    pass\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "wkplug.testing.plugin",
    ]
    done = subprocess.run(
        [*command, f"--rootdir={tmp_path}", "."], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "TestIt must say which backend it tests: `backend`, `backend_factory`" in done.stdout


def test_a_history_can_be_tested_alone(tmp_path):
    from hypothesis.stateful import run_state_machine_as_test
    from mutants import mutant

    from wkplug.abc import Layout
    from wkplug.builtin.memory import MemoryBackend
    from wkplug.filesystems.local import LocalLocation
    from wkplug.testing.profiles import steps

    layout = Layout(chunk_shape=(1, 8, 8, 8), shard_shape=(1, 16, 16, 16))

    def machine_for(backend):
        bench = Bench(
            backend=backend,
            root=LocalLocation(tmp_path),
            axes=("c", "x", "y", "z"),
            channels=1,
            layouts=(layout,),
            dtypes=("uint8",),
        )
        return type("Machine", (ArrayStateMachine,), {"bench": bench})

    run_state_machine_as_test(machine_for(MemoryBackend()), settings=steps(5))
    wrong = machine_for(mutant("neighbour overwritten", MemoryBackend()))
    # Without the search for the shortest history, which takes half a minute.
    first = settings(steps(20), phases=[Phase.generate])
    with pytest.raises(BrokenPromiseError, match=r"the sequence of writes made of it|what was written last"):
        run_state_machine_as_test(wrong, settings=first)


# --- backends that can't write ----------------------------------------------------------------------------

READ_ONLY = """
import attrs
import pytest
from wkplug.errors import UnsupportedOperationError
from wkplug.abc import Problem
from wkplug.testing import ArrayBackendSuite
from wkplug.testing.reference import ReferenceBackend


class ReadOnly(ReferenceBackend):
    capabilities = attrs.evolve(ReferenceBackend.capabilities, writable=False)

    def problems(self, spec, location, mode):
        return [] if mode == "r" else [Problem(code="read-only", text="This format is read-only here.")]

    def create(self, location, spec):
        raise UnsupportedOperationError("This format is read-only here.")

    def open(self, location, mode="r", *, axes=None):
        if mode != "r":
            raise UnsupportedOperationError("This format is read-only here.")
        return super().open(location, mode, axes=axes)


class TestReadOnly(ArrayBackendSuite):
    backend_factory = ReadOnly

    @pytest.fixture
    def write_otherwise(self):
        def write(location, spec, data):
            ReferenceBackend().create(location, spec).write(((0,) * data.ndim, data.shape), data)

        return write


class TestWithoutData(ArrayBackendSuite):
    backend_factory = ReadOnly
"""


def test_a_backend_that_cannot_write_is_tested_on_what_others_wrote(tmp_path):
    (tmp_path / "test_it.py").write_text(READ_ONLY)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "wkplug.testing.plugin"]
    done = subprocess.run(
        [*command, f"--rootdir={tmp_path}", "."], cwd=tmp_path, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    (good,) = [line for line in lines if line.startswith("TestReadOnly: ")]
    assert good.startswith("TestReadOnly: passed ")
    assert "failed" not in good
    assert "by capability: writable" in good
    (bad,) = [line for line in lines if line.startswith("TestWithoutData: ")]
    assert "failed 1" in bad
    assert "a suite of a backend that can't write has `write_otherwise`" in done.stdout
