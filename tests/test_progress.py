"""Progress bars of long calls: where they are shown, that there is one, and when it is full."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import wkplug as wk
from wkplug import progress


class Bars:
    """In place of rich's bar: what was shown, as (text, completed, total), and how many bars there were at once."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, float, float | None]] = []
        self.open = self.most = 0
        self.task_ids = [0]

    def start(self) -> None:
        self.open += 1
        self.most = max(self.most, self.open)

    def stop(self) -> None:
        self.open -= 1

    def add_task(self, text: str, total: float | None) -> None:
        del text, total

    def update(self, task: int, *, description: str, completed: float, total: float | None) -> None:
        del task
        self.shown.append((description, completed, total))

    @property
    def texts(self) -> list[str]:
        """What was shown, without repetitions."""
        return list(dict.fromkeys(text for text, _, _ in self.shown))


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Bars are wanted, and kept here."""
    made = Bars()
    monkeypatch.setattr(progress, "_bar", lambda: made)
    with wk.settings(progress=True):
        yield made


@pytest.fixture
def dataset(tmp_path: Path) -> wk.Dataset:
    made = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    made.write_layer("em", "color", np.ones((64, 64, 64), "uint8"), downsample=False)
    return made


def test_long_calls_show_a_bar_by_themselves(bars: Bars, dataset: wk.Dataset, tmp_path: Path) -> None:
    layer = dataset.get_layer("em")
    layer.downsample(coarsest_mag=2)
    dataset.copy_dataset(tmp_path / "copy")
    layer.get_mag(1).rechunk(shard_shape=32)
    wk.Dataset.open(tmp_path / "copy").add_layer_as_copy(layer, "again")
    layer.delete_mag(1)
    layer.upsample(from_mag=2)
    for text in ("downsample em", "copy ds", "rechunk em 1", "copy em", "upsample em"):
        assert text in bars.texts
    assert (bars.open, bars.most) == (0, 1)


def test_an_import_is_one_bar_that_is_full_at_its_end(bars: Bars, tmp_path: Path) -> None:
    import tifffile

    tifffile.imwrite(
        tmp_path / "a.tif", np.random.default_rng(0).integers(1, 250, (40, 50, 60)).astype("uint8")
    )
    dataset = wk.Dataset.from_images(tmp_path / "a.tif", tmp_path / "out", voxel_size=(1, 1, 1), pyramid=True)
    layer = next(iter(dataset.layers.values()))
    assert len(layer.mags) > 1
    assert bars.texts[0] == "import a.tif"
    counted = [(done, total) for text, done, total in bars.shown if text == "import a.tif" and total]
    assert counted[-1][0] == counted[-1][1]
    assert counted[-1][1] is not None
    assert counted[-1][1] > 2 * 40 * 50 * 60  # bytes decoded, and written
    assert bars.most == 1
    # What has been decoded isn't done.
    assert max(done for done, total in counted[:-1]) < counted[-1][1]


def test_calls_side_by_side_share_the_bar(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "is_wanted", lambda: True)  # settings of a block are those of its thread
    both, done = threading.Barrier(2, timeout=10), threading.Barrier(2, timeout=10)

    def work(name: str) -> None:
        with progress.showing(name) as call:
            both.wait()
            call.update(1, 2)
            done.wait()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, ["one", "two"]))
    assert bars.most == 1
    assert any(text.endswith(" and 1 more") for text in bars.texts)
    assert max(completed for _, completed, total in bars.shown if total == 2) == 1.0


def test_a_call_inside_of_another_is_its_step(bars: Bars) -> None:
    with progress.showing("outer"), progress.showing("inner") as call:
        call.update(3, 4)
    assert bars.texts == ["outer", "outer: inner"]
    assert bars.shown[-1] == ("outer: inner", 3, 4)


def test_a_failure_closes_the_bar(bars: Bars) -> None:
    def fail() -> None:
        with progress.showing("work"):
            raise OSError("no")

    for _ in range(2):
        with pytest.raises(OSError, match="no"):
            fail()
    assert (bars.open, bars.most) == (0, 1)


def test_bars_are_shown_where_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not progress.is_wanted()  # the output of a test
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert not progress.is_wanted()
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert progress.is_wanted()
    with wk.settings(progress=False):
        assert not progress.is_wanted()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert not progress.is_wanted()
    with wk.settings(progress=True):
        assert progress.is_wanted()


def test_the_variable_and_its_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    from wkplug import config

    for text, value in (("1", True), ("off", False), ("auto", None)):
        monkeypatch.setenv("WKPLUG_PROGRESS", text)
        assert config.reload().progress is value
    with (
        pytest.raises(wk.errors.ConfigError, match="true, false or auto is needed"),
        wk.settings(progress="x"),
    ):
        pass


class Kernel:
    """Stands for the kernel of a notebook, without one: keeps what is displayed, and how it was replaced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outputs: list[list[str]] = []
        shell = type("ZMQInteractiveShell", (), {})()
        interactive, shows = ModuleType("IPython"), ModuleType("IPython.display")
        interactive.get_ipython = lambda: shell  # type: ignore[attr-defined]
        shows.display = self.display  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", interactive)
        monkeypatch.setitem(sys.modules, "IPython.display", shows)
        monkeypatch.setattr(progress, "_NOTEBOOK_PAUSE", 0)

    def display(self, bar: Any, *, display_id: bool) -> Any:
        assert display_id
        states = [self.text(bar)]
        self.outputs.append(states)
        return SimpleNamespace(update=lambda bar: states.append(self.text(bar)))

    @staticmethod
    def text(bar: Any) -> str:
        return str(bar._repr_mimebundle_((), ())["text/plain"])


def test_a_notebook_shows_one_bar_that_stays(monkeypatch: pytest.MonkeyPatch, dataset: wk.Dataset) -> None:
    kernel = Kernel(monkeypatch)
    monkeypatch.setattr(progress, "_NOTEBOOK_WAITS", 0)
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    dataset.downsample(coarsest_mag=4)
    assert len(kernel.outputs) == 1
    assert "downsample" in kernel.outputs[0][0]
    assert "100%" in kernel.outputs[0][-1]
    assert kernel.outputs[0][-1].count("\n") == 1


def test_short_work_leaves_nothing_in_a_notebook(
    monkeypatch: pytest.MonkeyPatch, dataset: wk.Dataset
) -> None:
    kernel = Kernel(monkeypatch)
    monkeypatch.setattr(progress, "_NOTEBOOK_WAITS", 60)
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    dataset.get_layer("em").downsample(coarsest_mag=2)
    assert kernel.outputs == []


NOTEBOOK = """
import sys
import nbformat, nbclient
call = f"import site; [site.addsitedir(path) for path in {sys.argv[1]}]" + '''
import time
import wkplug as wk
from wkplug import progress
with progress.showing("work") as call:
    for part in range(8):
        time.sleep(0.1)
        call.update(part + 1, 8)
'''
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(call)])
nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
for output in notebook.cells[0].outputs:
    print(output.output_type, output.data["text/plain"])
"""


@pytest.mark.peer
def test_the_kernel_of_a_notebook_shows_a_bar() -> None:
    import subprocess

    python = Path(__file__).parents[2] / ".cache/peer-notebook/bin/python"
    if not python.is_file():
        pytest.skip("no environment of notebooks: make peer-notebook")
    folders = [path for path in sys.path if path.endswith("site-packages")]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        [python, "-c", NOTEBOOK, repr(folders)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    (shown,) = done.stdout.strip().splitlines()
    assert shown.startswith("display_data work ")
    assert "100%" in shown


def _wanted(_: Any) -> bool:
    return progress.is_wanted()


def test_workers_show_nothing() -> None:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with wk.settings(progress=True), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(_wanted, None).result() is False


def test_rich_is_loaded_for_a_bar_only(dataset: wk.Dataset) -> None:
    import subprocess

    code = (
        "import sys, wkplug as wk; "
        f"wk.Dataset.open({str(dataset.path)!r}).get_layer('em').downsample(coarsest_mag=2); "
        "print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
