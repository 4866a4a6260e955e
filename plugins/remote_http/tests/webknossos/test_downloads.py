"""Datasets on servers are copied to folders: whole, in part, and going on after a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from wkplug.errors import ArgumentConflictError, DatasetExistsError, LayerNotFoundError, MagNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Served


@pytest.fixture
def logged_in(served: Served) -> Iterator[Served]:
    with wk.webknossos_context(served.url, served.token):
        yield served


def check_equal(copy: wk.Dataset, dataset: wk.Dataset, layers: list[str] | None = None) -> None:
    assert list(copy.layers) == (layers or list(dataset.layers))
    for name, layer in copy.layers.items():
        assert layer.bounding_box == dataset.get_layer(name).bounding_box
        for mag, view in layer.mags.items():
            np.testing.assert_array_equal(view.read(), dataset.get_layer(name).get_mag(mag).read())


def test_a_whole_dataset_is_downloaded(logged_in: Served, tmp_path: Path) -> None:
    copy = wk.Dataset.download("brain", path=tmp_path / "copy")
    assert type(copy) is wk.Dataset
    assert copy.name == "brain"
    assert copy.voxel_size == (4, 4, 40)
    check_equal(copy, logged_in.dataset)
    assert {name: list(layer.mags) for name, layer in copy.layers.items()} == {
        name: list(layer.mags) for name, layer in logged_in.dataset.layers.items()
    }
    assert {layer.data_format for layer in copy.layers.values()} == {"zarr3"}
    assert wk.Dataset.open(tmp_path / "copy") == copy


@pytest.mark.parametrize("mode", list(wk.RemoteAccessMode))
def test_every_way_gives_the_same(logged_in: Served, tmp_path: Path, mode: wk.RemoteAccessMode) -> None:
    remote = wk.RemoteDataset.open("brain", access_mode=mode)
    check_equal(remote.download(path=tmp_path / "copy", layers="color"), logged_in.dataset, ["color"])


def test_layers_and_mags_are_chosen(logged_in: Served, tmp_path: Path) -> None:
    remote = wk.RemoteDataset.open("brain")
    copy = remote.download(path=tmp_path / "a", layers=["color", "rgb"], mags=[wk.Mag(1), wk.Mag("4-4-1")])
    assert {name: [str(mag) for mag in layer.mags] for name, layer in copy.layers.items()} == {
        "color": ["1", "4-4-1"],
        "rgb": ["1"],
    }
    check_equal(copy, logged_in.dataset, ["color", "rgb"])
    with pytest.raises(MagNotFoundError, match="The layer 'rgb' has no mag 4-4-1; it has 1"):
        remote.download(path=tmp_path / "b", mags=["4-4-1"])
    with pytest.raises(LayerNotFoundError, match="nothing"):
        remote.download(path=tmp_path / "b", layers="nothing")
    assert not (tmp_path / "b").exists()


def test_a_box_stays_in_its_place(logged_in: Served, tmp_path: Path) -> None:
    box = wk.BoundingBox((14, 24, 32), (20, 16, 10))
    copy = wk.Dataset.download("brain", path=tmp_path / "copy", layers="color", bbox=box)
    assert copy.get_layer("color").bounding_box == box
    for mag, view in copy.get_layer("color").mags.items():
        aligned = box.align_with_mag(mag)
        np.testing.assert_array_equal(
            view.read(absolute_bounding_box=aligned),
            logged_in.dataset.get_layer("color").get_mag(mag).read(absolute_bounding_box=aligned),
        )
    with pytest.raises(ArgumentConflictError):
        wk.RemoteDataset.open("brain").download(bbox=box, bounding_box=box)


def test_what_is_there_is_left_alone(logged_in: Served, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    wk.Dataset.download("brain", path=target, layers="rgb")
    with pytest.raises(DatasetExistsError):
        wk.Dataset.download("brain", path=target, layers="color")
    assert list(wk.Dataset.open(target).layers) == ["rgb"]
    copy = wk.Dataset.download("brain", path=target, layers="color", exist_ok=True)
    check_equal(copy, logged_in.dataset, ["rgb", "color"])


def test_by_default_it_is_called_as_on_the_server(logged_in: Served, tmp_path: Path) -> None:
    wk.RemoteDataset.open("brain").download(layers="rgb")
    assert wk.Dataset.open(tmp_path / "brain").name == "brain"  # the working folder of the test


def test_a_sharing_token_is_enough(served: Served, tmp_path: Path) -> None:
    address = f"{served.url}/datasets/brain-{served.id}?token={served.token}"
    check_equal(wk.Dataset.download(address, path=tmp_path / "a", layers="rgb"), served.dataset, ["rgb"])
    with wk.webknossos_context(served.url, served.token):
        remote = wk.RemoteDataset.open("brain")
    copy = remote.download(path=tmp_path / "b", layers="rgb", sharing_token=served.token)
    check_equal(copy, served.dataset, ["rgb"])


def test_a_broken_download_goes_on(
    logged_in: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requests: list[str]
) -> None:
    from wkplug_remote import transport

    remote = wk.RemoteDataset.open("brain")
    original = transport.Server.send

    def send(self: Any, method: str, url: str, *args: Any, **further: Any) -> Any:
        if url.endswith(".wkw") and not url.endswith("header.wkw"):
            raise KeyboardInterrupt
        return original(self, method, url, *args, **further)

    with monkeypatch.context() as patch:
        patch.setattr(transport.Server, "send", send)
        with pytest.raises(KeyboardInterrupt):
            remote.download(path=tmp_path / "copy")
    with pytest.raises(DatasetExistsError):
        remote.download(path=tmp_path / "copy", mags=[1])
    requests.clear()
    check_equal(remote.download(path=tmp_path / "copy"), logged_in.dataset)
    assert not any("/c/" in request and "/color/" in request for request in requests)


def test_formats_are_chosen(logged_in: Served, tmp_path: Path) -> None:
    copy = wk.RemoteDataset.open("brain").download(path=tmp_path / "copy", layers="rgb", data_format="wkw")
    assert copy.get_layer("rgb").data_format == "wkw"
    check_equal(copy, logged_in.dataset, ["rgb"])
