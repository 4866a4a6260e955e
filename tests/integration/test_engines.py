"""One format, two engines: an argument, a variable and a file choose, in that order, and `explain` says who did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

import wkplug as wk
from wkplug import config
from wkplug.cli.main import cli

if TYPE_CHECKING:
    from pathlib import Path


def engine(dataset: wk.Dataset) -> str:
    return dataset.get_layer("color").get_mag(1).info.backend


@pytest.fixture
def path(tmp_path: Path) -> Path:
    dataset = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1))
    layer = dataset.add_layer("color", "color", bounding_box=wk.BoundingBox((0, 0, 0), (40, 40, 40)))
    layer.add_mag(1, shard_shape=32).write(np.arange(64000, dtype="u4").astype("u1").reshape(40, 40, 40))
    return dataset.path


def test_an_argument_a_variable_and_a_file_choose_the_engine(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = wk.Dataset.open(path).get_layer("color").get_mag(1).read()

    def opened(**options: object) -> str:
        dataset = wk.Dataset.open(path, **options)
        assert np.array_equal(dataset.get_layer("color").get_mag(1).read(), expected)
        return engine(dataset)

    def explained() -> str:
        return CliRunner().invoke(cli, ["explain", str(path / "color" / "1")]).output

    assert opened() == "zarr3+tensorstore"
    assert "its priority is the highest" in explained()

    file = tmp_path / "wkplug.toml"
    file.write_text('[backends]\nzarr3 = "zarr"\n')
    monkeypatch.setenv("WKPLUG_CONFIG", str(file))
    config.reload()
    assert opened() == "zarr3+zarr"
    assert str(file) in explained()

    monkeypatch.setenv("WKPLUG_BACKENDS__ZARR3", "tensorstore")
    config.reload()
    assert opened() == "zarr3+tensorstore"
    assert "WKPLUG_BACKENDS__ZARR3" in explained()

    assert opened(backends={"zarr3": "zarr"}) == "zarr3+zarr"
    assert opened(backends={"zarr3": "zarr3+zarr"}) == "zarr3+zarr"
    done = CliRunner().invoke(cli, ["explain", str(path / "color" / "1"), "--backend", "zarr"])
    assert "argument" in done.output

    monkeypatch.undo()
    config.reload()


def test_new_mags_are_made_by_the_engine_of_the_argument(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1), backends={"zarr3": "zarr"})
    layer = dataset.add_layer("color", "color", bounding_box=wk.BoundingBox((0, 0, 0), (40, 40, 40)))
    layer.add_mag(1, shard_shape=32).write(np.ones((40, 40, 40), "u1"))
    layer.downsample(coarsest_mag=2)
    assert engine(dataset) == layer.get_mag(2).info.backend == "zarr3+zarr"
    assert engine(wk.Dataset.open(tmp_path / "d")) == "zarr3+tensorstore"


def test_an_engine_that_is_not_there_is_an_error_that_says_which_are(path: Path) -> None:
    with pytest.raises(ValueError, match="tensorstore"):
        engine(wk.Dataset.open(path, backends={"zarr3": "tensorstor"}))


@pytest.mark.parametrize("asked", ["zarr", "zarr+zarr"])
def test_an_engine_may_be_called_like_its_format(tmp_path: Path, asked: str) -> None:
    made = wk.Dataset(tmp_path / "d", (1, 1, 1)).add_layer("color", "color", data_format="zarr")
    made.add_mag(1)
    dataset = wk.Dataset.open(tmp_path / "d", backends={"zarr": asked})
    assert engine(dataset) == "zarr+zarr"
    assert engine(wk.Dataset.open(tmp_path / "d")) == "zarr+tensorstore"
    done = CliRunner().invoke(cli, ["explain", str(tmp_path / "d" / "color" / "1"), "--backend", asked])
    assert "array backend: zarr+zarr" in done.output
    assert "asked for" in done.output


@pytest.mark.parametrize(
    ("backends", "text"),
    [
        ({"zar": "zarr"}, "zarr"),
        ({"zarr": "wkw"}, "zarr"),
        ({"zarr3": "zarr+zarr"}, "The backend 'zarr\\+zarr' was asked for zarr3, but it is for zarr"),
    ],
)
def test_engines_are_checked_when_a_dataset_is_opened(
    path: Path, backends: dict[str, str], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        wk.Dataset.open(path, backends=backends)
    with pytest.raises(ValueError, match=text):
        wk.Dataset(path, (1, 1, 1), exist_ok=True, backends=backends)
