"""Datasets on servers are opened and read: every voxel as it is on the disk, in each way."""

from __future__ import annotations

import json
import pickle
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wkplug as wk
from tests.servers.scripted import Reply
from wkplug.cli.main import main
from wkplug.errors import (
    ForbiddenError,
    MagNotFoundError,
    ReadOnlyError,
    ServedDatasetNotFoundError,
    UnknownNameError,
    UnsafePathError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.scripted import ScriptedServer

    from .conftest import Served

MODES = list(wk.RemoteAccessMode)


@pytest.fixture
def logged_in(served: Served) -> Iterator[Served]:
    """The served dataset, within the context of its server."""
    with wk.webknossos_context(served.url, served.token):
        yield served


def test_a_dataset_is_opened_with_few_requests(logged_in: Served, requests: list[str]) -> None:
    wk.Dataset.open_remote("brain")  # agrees on a version, once for the process
    requests.clear()
    dataset = wk.Dataset.open_remote(dataset_id=logged_in.id)
    assert requests == [f"GET /api/v16/datasets/{logged_in.id}"]
    assert isinstance(dataset, wk.RemoteDataset)
    assert (dataset.name, dataset.dataset_id, dataset.url) == (
        "brain", logged_in.id, f"{logged_in.url}/datasets/{logged_in.id}",
    )  # fmt: skip
    requests.clear()
    again = wk.RemoteDataset.open("brain")
    assert len(requests) == 2
    assert again == dataset
    assert list(again.layers) == ["color", "rgb", "segments"]
    assert [(layer.num_channels, layer.dtype) for layer in again.layers.values()] == [
        (1, np.uint8), (3, np.uint8), (1, np.uint64),
    ]  # fmt: skip
    assert again.voxel_size == (4, 4, 40)
    assert len(requests) == 2


@pytest.mark.parametrize(
    "form", ["{id}", "brain-{id}", "old-na-me-{id}/view#1,2,3,0,1", "shared/brain", "shared/brain/view"]
)
def test_addresses_of_all_years_are_opened(logged_in: Served, form: str) -> None:
    dataset = wk.Dataset.open_remote(f"{logged_in.url}/datasets/{form.format(id=logged_in.id)}")
    assert dataset.dataset_id == logged_in.id


def test_sharing_tokens_open_without_a_user(served: Served) -> None:
    dataset = wk.Dataset.open_remote(f"{served.url}/datasets/{served.id}?token={served.token}")
    expected = served.dataset.get_layer("rgb").get_mag(1).read()
    for mode in MODES:
        np.testing.assert_array_equal(
            dataset.with_access_mode(mode).get_layer("rgb").get_mag(1).read(), expected
        )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("layer", ["color", "rgb", "segments"])
def test_every_mag_is_read_as_it_is(logged_in: Served, mode: wk.RemoteAccessMode, layer: str) -> None:
    remote = wk.RemoteDataset.open("brain", access_mode=mode).get_layer(layer)
    local = logged_in.dataset.get_layer(layer)
    assert list(remote.mags) == list(local.mags)
    for mag in local.mags:
        view = remote.get_mag(mag)
        assert view.bounding_box == local.get_mag(mag).bounding_box
        np.testing.assert_array_equal(view.read(), local.get_mag(mag).read())


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mode=st.sampled_from(MODES),
    layer=st.sampled_from(["color", "segments"]),
    low=st.tuples(*[st.integers(0, 40)] * 3),
    size=st.tuples(*[st.integers(1, 45)] * 3),
)
def test_any_box_is_read_as_it_is(
    served: Served, mode: wk.RemoteAccessMode, layer: str, low: tuple[int, ...], size: tuple[int, ...]
) -> None:
    local = served.dataset.get_layer(layer)
    box = wk.BoundingBox(low, size)
    address = f"{served.url}/datasets/{served.id}?token={served.token}"
    remote = wk.RemoteDataset.open(address, access_mode=mode).get_layer(layer)
    for mag in local.mags:
        aligned = box.align_with_mag(mag, ceil=True)
        np.testing.assert_array_equal(
            remote.get_mag(mag).read(absolute_bounding_box=aligned),
            local.get_mag(mag).read(absolute_bounding_box=aligned),
        )


def test_the_way_is_changed_without_a_request(logged_in: Served, requests: list[str]) -> None:
    dataset = wk.RemoteDataset.open("brain")
    view = dataset.get_layer("color").get_mag(1)
    requests.clear()
    proxied = view.with_access_mode("proxy_path")
    assert (view.access_mode, proxied.access_mode) == (
        wk.RemoteAccessMode.ZARR_STREAMING, wk.RemoteAccessMode.PROXY_PATH,
    )  # fmt: skip
    assert dataset.get_layer("color").get_mag(1, access_mode="proxy_path") == proxied
    paths = view.paths_by_access_mode
    assert str(paths[wk.RemoteAccessMode.ZARR_STREAMING]).endswith(f"/data/v16/zarr/{logged_in.id}/color/1")
    assert str(paths[wk.RemoteAccessMode.PROXY_PATH]).endswith("/proxy/layers/color/mags/1")
    assert requests == []
    with pytest.raises(
        UnknownNameError, match=r"no access mode 'fast'(.|\n)*zarr_streaming, direct_path, proxy_path"
    ):
        dataset.with_access_mode("fast")


def test_no_token_is_in_paths_texts_or_pickles(logged_in: Served) -> None:
    dataset = wk.RemoteDataset.open("brain", access_mode="proxy_path")
    view = dataset.get_layer("color").get_mag(1)
    shown = [
        repr(dataset),
        repr(view),
        str(view.path),
        dataset.url,
        dataset.generate_url((1, 2, 3)),
        repr(view.layer),
    ]
    assert logged_in.token not in "".join(shown)
    pickled = pickle.dumps((dataset, view))
    assert logged_in.token.encode() not in pickled
    again, view_again = pickle.loads(pickled)
    np.testing.assert_array_equal(view_again.read(), view.read())
    assert again.get_layer("color").get_mag(1) == view


def test_without_the_token_a_pickle_says_what_is_missing(served: Served) -> None:
    with wk.webknossos_context(served.url, served.token):
        pickled = pickle.dumps(wk.RemoteDataset.open("brain"))
    with pytest.raises(ServedDatasetNotFoundError, match=r"or doesn't show it(.|\n)*WK_TOKEN"):
        pickle.loads(pickled)


@pytest.mark.parametrize("token", [None, "wrong"])
def test_what_may_not_be_seen_is_not_found(served: Served, token: str | None) -> None:
    with wk.webknossos_context(served.url, token):
        with pytest.raises(ServedDatasetNotFoundError, match=served.id):
            wk.RemoteDataset.open(dataset_id=served.id)
        with pytest.raises(ForbiddenError, match="wants its token"):
            wk.RemoteDataset.open("brain")


def test_a_name_that_is_not_there_is_named(logged_in: Served) -> None:
    with pytest.raises(ServedDatasetNotFoundError, match="has no dataset 'bra' that you may see") as caught:
        wk.Dataset.open_remote("bra")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(MagNotFoundError):
        wk.Dataset.open_remote("brain").get_layer("rgb").get_mag(8)


def test_a_token_is_not_sent_to_another_server(served: Served, requests: list[str]) -> None:
    address = f"{served.url}/datasets/{served.id}"
    with (
        wk.webknossos_context("https://lab.example.com", "of the lab"),
        pytest.warns(
            UserWarning, match=r"is asked without a token: the current one is for https://lab\.example\.com"
        ),
        pytest.raises(ServedDatasetNotFoundError),
    ):
        wk.Dataset.open_remote(address)


def test_voxels_are_for_reading(logged_in: Served) -> None:
    dataset = wk.RemoteDataset.open("brain")
    with pytest.raises(ReadOnlyError, match="The mag 1 of 'rgb' is read-only"):
        dataset.get_layer("rgb").get_mag(1).write(np.zeros((3, 1, 1, 1), np.uint8))
    closed = wk.RemoteDataset.open("brain", read_only=True)
    for change in (
        lambda: setattr(closed, "name", "x"),
        lambda: setattr(closed, "tags", ["x"]),
        lambda: setattr(closed, "allowed_teams", []),
        lambda: setattr(closed.get_layer("rgb"), "name", "x"),
        lambda: closed.delete_layer("rgb"),
        lambda: closed.get_layer("rgb").delete_mag(1),
        closed.delete,
    ):
        with pytest.raises(ReadOnlyError):
            change()


def test_datasets_are_listed_lazily(logged_in: Served, requests: list[str]) -> None:
    listed = wk.Dataset.get_remote_datasets()
    assert list(listed) == [logged_in.id]
    assert "brain" in listed
    assert "nothing" not in listed
    assert requests[-1] == "GET /api/v16/datasets?isActive=true&organizationId=shared"
    before = len(requests)
    assert listed["brain"] is listed[logged_in.id]
    assert len(requests) == before + 1
    assert len(wk.RemoteDataset.list(name="bra")) == 0
    assert len(wk.RemoteDataset.list(name="brain", tags=["x"])) == 0
    with pytest.raises(KeyError):
        listed["nothing"]


def test_the_command_line_reads_addresses(
    served: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    address = f"{served.url}/datasets/brain-{served.id}/view"
    assert main(["info", "--json", f"{address}?token={served.token}"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["layers"][0]["name"] == "color"
    target = tmp_path / "slices"
    command = ["export-as-tiff", address, str(target), "--layer-name", "color", "--bbox", "10,20,30,8,8,2"]
    assert main([*command, "--token", served.token, "--access-mode", "proxy_path"]) == 0
    assert len(list(target.iterdir())) == 2


def test_the_variable_is_not_sent_to_another_server(
    script: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script.reply = lambda request: Reply(404)
    monkeypatch.setenv("WK_TOKEN", "for-the-public-server")
    address = f"{script.url}/datasets/{'5' * 24}"
    commands = (
        ["downsample", address],
        ["export-as-tiff", address, "target"],
        ["download", "target", "--url", address],
    )
    for command in commands:
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # as where commands run
            assert main(command) == 1
        assert "is asked without a token" in capsys.readouterr().err
    assert script.requests
    assert not any("X-Auth-Token" in request.headers for request in script.requests)
    assert main(["download", "target", "--url", address, "--token", "for-this-one"]) == 1
    assert "for-this-one" not in capsys.readouterr().err


def test_paths_of_this_machine_are_not_followed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"{served.url}/datasets/{served.id}?token={served.token}"
    dataset = wk.RemoteDataset.open(address)
    record = json.loads(json.dumps(dataset.state.store.record))  # type: ignore[attr-defined]  # of the server's store
    place = str(served.dataset.path / "rgb" / "1")
    record["dataSource"]["dataLayers"][1]["mags"][0]["path"] = place
    dataset.state.store._keep(record)  # type: ignore[attr-defined]  # as if the server had said so
    view = dataset.get_layer("rgb").get_mag(1, access_mode="direct_path")
    with pytest.raises(UnsafePathError, match=r"trusted_places"):
        view.read()
    with wk.settings(trusted_places=[str(served.dataset.path)]):
        view = dataset.get_layer("rgb").get_mag(1, access_mode="direct_path")
        np.testing.assert_array_equal(view.read(), served.dataset.get_layer("rgb").get_mag(1).read())


def test_reading_warns_of_nothing(logged_in: Served) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wk.RemoteDataset.open("brain").get_layer("color").get_mag("2-2-1").read()
