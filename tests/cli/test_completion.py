"""Completion in shells: scripts, how they are installed, and what is proposed; help shows what something serves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wkplug as wk
from wkplug import registry
from wkplug.cli.main import main

BINARY = str(Path(sys.executable).parent / "wkplug")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder and home, with a dataset ds: em with two mags, and seg."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    dataset = wk.Dataset("ds", voxel_size=(1, 1, 1))
    dataset.write_layer("em", "color", np.ones((16, 16, 16), "uint8"), downsample=False)
    dataset.get_layer("em").downsample(coarsest_mag=2)
    dataset.add_layer("seg", "segmentation")
    return tmp_path


def proposed(words: str) -> list[tuple[str, str]]:
    """What a shell gets for this line, the last word of which is being typed: (kind, text)."""
    line = f"wkplug {words}"
    environment = {
        **os.environ,
        "_WKPLUG_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    done = subprocess.run([BINARY], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return [
        (kind, text) for kind, _, text in (each.partition(",") for each in done.stdout.split("\n") if each)
    ]


def texts(words: str) -> list[str]:
    return [text for kind, text in proposed(words) if kind == "plain"]


def test_commands_and_options_are_proposed(place: Path) -> None:
    assert texts("conv") == ["convert", "convert-knossos", "convert-raw", "convert-zarr"]
    assert "--layer-mapping" in texts("convert --la")
    assert texts("convert a out --layer-mapping inspect") == ["inspect_single_file", "inspect_every_file"]


@pytest.mark.parametrize(
    "words", ["convert ", "convert a.tif ou", "add-layer ", "info d", "preview ds -o ", "explain "]
)
def test_file_names_are_left_to_the_shell(place: Path, words: str) -> None:
    assert [kind for kind, _ in proposed(words)] == ["file"]


def test_names_of_what_is_installed_are_proposed(place: Path) -> None:
    assert texts("convert a b --data-format z") == ["zarr", "zarr3"]
    assert "median" in texts("downsample ds --interpolation-mode me")
    assert texts("convert a b --reader tiff") == ["tifffile"]
    assert "ome-tiff" in texts("export ds b --format ome")
    assert texts("downsample ds --distribution-strategy ") == ["processes", "sequential", "threads"]
    assert texts("convert a b --unit u") == ["um"]


def test_layers_and_mags_of_the_dataset_that_was_typed_are_proposed(place: Path) -> None:
    assert texts("downsample ds --layer-name ") == ["em", "seg"]
    assert texts("rename-layer ds e") == ["em"]
    assert texts("copy-dataset ds copy --layer s") == ["seg"]
    assert texts("rechunk ds --layer em --mag ") == ["1", "2"]
    assert texts("downsample nothing --layer-name ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(
    place: Path, capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    assert main(["--show-completion", shell]) == 0
    script = capsys.readouterr().out
    assert "_WKPLUG_COMPLETE" in script
    found = shutil.which(shell)
    if found is not None:
        assert subprocess.run([found, "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_real_bash_completes(place: Path) -> None:
    assert main(["--install-completion", "bash"]) == 0
    line = "wkplug downsample ds --layer-name e"
    ask = (
        f'export PATH="{Path(BINARY).parent}:$PATH"; . ~/.bashrc; COMP_WORDS=({line}); COMP_CWORD=4; '
        '_wkplug_completion wkplug; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=False)
    assert done.stdout == "em\n", done.stderr


def test_installing_twice_changes_nothing_more(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(".zshrc").write_text("mine")
    assert main(["--install-completion", "zsh"]) == 0
    told = capsys.readouterr().out
    assert f"Wrote {place / '.local/share/wkplug/completion.zsh'}\n" in told
    assert f"Wrote {place / '.zshrc'}\n" in told
    once = Path(".zshrc").read_text()
    assert once.startswith("mine\n")
    assert main(["--install-completion", "zsh"]) == 0
    assert Path(".zshrc").read_text() == once
    assert main(["--install-completion", "fish"]) == 0
    assert Path(".config/fish/completions/wkplug.fish").is_file()


def test_the_shell_is_the_users_or_asked_for(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/bin/fish")
    assert main(["--show-completion"]) == 0
    assert "fish" in capsys.readouterr().out
    monkeypatch.setenv("SHELL", "/bin/strange")
    assert main(["--show-completion"]) == 2
    assert "Which shell? Name it: bash, zsh, fish." in capsys.readouterr().err


# --- what something installed serves -------------------------------------------------------------------------------


def test_help_shows_only_what_something_serves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def help_of_downsample() -> str:
        assert main(["downsample", "--help"]) == 0
        return " ".join(capsys.readouterr().out.split())

    monkeypatch.setattr(registry, "remotes", lambda: ())
    told = help_of_downsample()
    assert "Where work runs: threads, processes or sequential." in told
    for missing in ("slurm", "kubernetes", "--job-resources", "--token", "--transfer-mode", "--access-mode"):
        assert missing not in told
    served: Any = ("processes", "sequential", "slurm", "threads")
    monkeypatch.setattr(registry, "executors", lambda: served)
    monkeypatch.setattr(registry, "remotes", lambda: ("somewhere",))
    told = help_of_downsample()
    assert "Where work runs: threads, processes, sequential, slurm or slurm+batching." in told
    for there in ("--job-resources", "--token", "--transfer-mode", "--access-mode"):
        assert there in told
