"""`wkplug copy-dataset`: what it makes, and its exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

import wkplug as wk
from wkplug.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def source(tmp_path: Path) -> wk.Dataset:
    dataset = wk.Dataset(tmp_path / "source", voxel_size=(1, 1, 1))
    data = np.random.default_rng(1).integers(1, 9, (40, 30, 20)).astype("uint8")
    dataset.write_layer("color", "color", data, data_format="wkw")
    return dataset


def test_a_dataset_is_copied_and_converted(
    source: wk.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["copy-dataset", "source", "plain"]) == 0
    assert "Copied 1 layer to plain." in capsys.readouterr().out
    arguments = ["--data-format", "zarr3", "--chunk-shape", "32", "--shard-shape", "64,64,64", "--jobs", "2"]
    assert main(["copy-dataset", str(source.path), str(tmp_path / "converted"), *arguments]) == 0
    mag = wk.Dataset.open("converted").get_layer("color").get_mag(1)
    assert mag.data_format == "zarr3"
    assert mag.info.shard_shape == (64, 64, 64)
    assert mag.content_is_equal(source.get_layer("color").get_mag(1))
    assert wk.Dataset.open("plain").get_layer("color").get_mag(1).content_is_equal(mag)


def test_exit_codes(source: wk.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "target")
    assert main(["copy-dataset", str(source.path)]) == 2
    assert main(["copy-dataset", str(tmp_path / "none"), target]) == 1
    assert "Cannot read dataset" in capsys.readouterr().err
    assert main(["copy-dataset", str(source.path), target, "--distribution-strategy", "sequential"]) == 0
    assert main(["copy-dataset", str(source.path), target]) == 1
    assert "already a dataset" in capsys.readouterr().err
    assert main(["copy-dataset", str(source.path), target, "--exists-ok"]) == 0
    assert main(["copy-dataset", str(source.path), target + "2", "--chunk-shape", "a"]) == 2
    assert main(["copy-dataset", str(source.path), target + "2", "--distribution-strategy", "dragons"]) == 1
    assert "No plugin knows the executor 'dragons'." in capsys.readouterr().err


def test_progress_is_a_line_of_json_per_mag_with_json(
    source: wk.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "target")
    steps = [f"color, mag {mag}" for mag in source.get_layer("color").mags]
    for more in ([], ["--exists-ok"]):
        assert main(["copy-dataset", str(source.path), target, *more, "--json"]) == 0
        told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert [line["step"] for line in told] == steps
        assert all(line["done"] == line["total"] for line in told)
    assert main(["check-equality", str(source.path), target, "--json"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line) == {"step": "compare", "done": len(steps), "total": len(steps)}
