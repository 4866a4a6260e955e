"""Datasets behind a service: another store of metadata, and a class of the plugin's own, with the whole API."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from wkplug.cli.main import main
from wkplug.errors import DatasetNotFoundError, ReadOnlyError, UnknownSchemeError
from wkplug.model.states import DEFAULT_OPTIONS, DatasetState
from wkplug.registry import Manager, use_manager

if TYPE_CHECKING:
    from collections.abc import Iterator

FAKES = Path(__file__).parents[1] / "fakes"
EMPTY = {"id": {"name": "brain", "team": ""}, "scale": [4, 4, 40], "dataLayers": []}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What the service keeps of the dataset lab://brain, whose arrays are in a folder of its own."""
    folder = str(FAKES / "served")
    sys.path.insert(0, folder)
    from wkplug_served.service import SERVER  # type: ignore[import-not-found]  # on the path just now

    record = {"folder": str(tmp_path / "arrays"), "metadata": json.dumps(EMPTY), "asked": 0}
    (tmp_path / "arrays").mkdir()
    SERVER["brain"] = record
    with use_manager(Manager(paths=[*sys.path])):
        yield record
    SERVER.clear()
    sys.path.remove(folder)


def test_a_served_dataset_has_the_whole_api(server: dict[str, Any]) -> None:
    dataset = wk.Dataset.open("lab://brain")
    assert type(dataset).__name__ == "LabDataset"
    assert dataset.curator == "the curator of brain"  # type: ignore[attr-defined]  # of the plugin's class
    data = np.random.default_rng(1).integers(1, 9, (1, 40, 30, 20), np.uint8)
    layer = dataset.write_layer("em", "color", data, downsample=False)
    layer.downsample(coarsest_mag=2, sampling_mode="isotropic")
    layer.name = "renamed"
    assert [entry["name"] for entry in json.loads(server["metadata"])["dataLayers"]] == ["renamed"]
    assert not (Path(server["folder"]) / "datasource-properties.json").exists()
    again = wk.Dataset.open("lab://brain", read_only=True)
    assert list(again.get_layer("renamed").mags) == [wk.Mag(1), wk.Mag(2)]
    np.testing.assert_array_equal(again.get_layer("renamed").get_mag(1).read(), data)
    with pytest.raises(ReadOnlyError):
        again.delete_layer("renamed")
    dataset.delete_layer("renamed")
    assert json.loads(server["metadata"])["dataLayers"] == []


def test_a_served_dataset_pickles_and_is_asked_for_once(server: dict[str, Any]) -> None:
    dataset = wk.Dataset.open("lab://brain")
    dataset.write_layer("em", "color", np.ones((1, 8, 8, 8), "uint8"), downsample=False)
    server["asked"] = 0
    opened = wk.Dataset.open("lab://brain")
    assert [opened.name, *opened.layers, opened.get_layer("em").dtype, *opened.voxel_size]
    assert server["asked"] == 1
    copy = pickle.loads(pickle.dumps(opened.get_layer("em")))
    assert type(copy.dataset) is type(opened)
    assert copy.get_mag(1).read().all()


def test_a_served_dataset_can_be_copied_to_a_folder(server: dict[str, Any], tmp_path: Path) -> None:
    dataset = wk.Dataset.open("lab://brain")
    dataset.write_layer("em", "color", np.ones((1, 8, 8, 8), "uint8"), downsample=False)
    copy = dataset.copy_dataset(tmp_path / "copy")
    assert type(copy) is wk.Dataset
    assert wk.Dataset.open(tmp_path / "copy").get_layer("em").get_mag(1).read().all()


def test_commands_take_served_datasets(server: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    wk.Dataset.open("lab://brain").write_layer(
        "em", "color", np.ones((1, 64, 64, 64), "uint8"), downsample=False
    )
    assert main(["info", "lab://brain"]) == 0
    assert "em" in capsys.readouterr().out
    assert main(["explain", "lab://brain"]) == 0
    assert "layer 'em'" in capsys.readouterr().out
    assert main(["downsample", "lab://brain", "--coarsest-mag", "2"]) == 0
    assert len(wk.Dataset.open("lab://brain").get_layer("em").mags) == 2


def test_what_a_service_lacks_is_its_own_error(server: dict[str, Any]) -> None:
    with pytest.raises(DatasetNotFoundError, match="The lab has no dataset 'gone'"):
        wk.Dataset.open("lab://gone")


def test_a_plugins_class_is_found_in_the_package(server: dict[str, Any]) -> None:
    assert isinstance(wk.Dataset.open("lab://brain"), wk.LabDataset)


def test_what_is_the_services_own_is_not_the_datasets(server: dict[str, Any]) -> None:
    opened = DatasetState.open("lab://brain", DEFAULT_OPTIONS._replace(read_only=True), token="secret")
    assert opened.read_only
    assert b"secret" not in pickle.dumps(opened)
    assert main(["downsample", "lab://brain", "--token", "secret"]) == 0


def test_a_service_keeps_no_files(server: dict[str, Any]) -> None:
    with pytest.raises(
        UnknownSchemeError, match="lab://new is a dataset of the service 'lab', which keeps no files"
    ):
        wk.Dataset("lab://new", voxel_size=(1, 1, 1))
