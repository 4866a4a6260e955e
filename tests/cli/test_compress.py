"""`wkplug compress`: what it compresses, what it skips, and its exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import wkplug as wk
from tests.servers.files import serve_files
from wkplug.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

DATA = np.random.default_rng(1).integers(1, 9, (40, 30, 20)).astype("uint8")


@pytest.fixture
def dataset(tmp_path: Path) -> wk.Dataset:
    made = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    for name in ("a", "b"):
        layer = made.add_layer(
            name, "color", bounding_box=wk.BoundingBox((0, 0, 0), (40, 30, 20)), data_format="wkw"
        )
        for mag in (1, 2):
            layer.add_mag(mag, shard_shape=64, compress=False)
        layer.get_mag(1).write(DATA)
    return made


def state(dataset: wk.Dataset) -> dict[str, bool]:
    again = wk.Dataset.open(dataset.path)
    return {
        f"{layer.name} {view.name}": view.info.compression_mode
        for layer in again.layers.values()
        for view in layer.mags.values()
    }


def test_layers_and_mags_are_compressed_as_asked(
    dataset: wk.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compress", str(dataset.path), "--layer-name", "a", "--mag", "1"]) == 0
    assert state(dataset) == {"a 1": True, "a 2": False, "b 1": False, "b 2": False}
    assert main(["compress", str(dataset.path), "--jobs", "2"]) == 0
    assert all(state(dataset).values())
    assert "Skipping a 1 as it is already compressed." in capsys.readouterr().out
    assert np.array_equal(wk.Dataset.open(dataset.path).get_layer("b").get_mag(1).read()[0], DATA)


def test_exit_codes(dataset: wk.Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress"]) == 2
    assert main(["compress", str(dataset.path), "--mag", "4"]) == 1
    assert "has no mag 4" in capsys.readouterr().err
    assert main(["compress", str(dataset.path), "--layer-name", "c"]) == 1
    assert main(["compress", str(dataset.path), "--mag", "3"]) == 2
    shallow = dataset.shallow_copy_dataset(dataset.path.parent / "shallow")
    assert main(["compress", str(shallow.path)]) == 0
    assert "belongs to another dataset" in capsys.readouterr().out
    assert not any(state(dataset).values())


def test_what_can_only_be_read_is_refused(dataset: wk.Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    with serve_files(dataset.path.parent) as server:
        for command in ("compress", "rechunk"):
            assert main([command, f"{server.url}/ds"]) == 1
            told = capsys.readouterr()
            assert "is read-only, the changes to its mags will not be saved" in told.err
            assert f"wkplug copy-dataset {server.url}/ds TARGET" in told.err
            assert not told.out
