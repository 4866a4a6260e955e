"""What only servers have: names, tags, metadata, teams, folders, sharing; and layers that are changed there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from tests.servers.webknossos_hub import GUEST
from wkplug.errors import (
    ForbiddenError,
    InvalidArgumentError,
    LayerNotFoundError,
    ServedDatasetNotFoundError,
    ServerError,
    UnknownToServerError,
    UnsafePathError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.webknossos_hub import Hub


@pytest.fixture
def dataset(hub: Hub, brain: wk.Dataset) -> wk.RemoteDataset:
    uploaded: wk.RemoteDataset = brain.upload(new_dataset_name="brain")
    hub.counted()
    return uploaded


def test_facts_are_set_with_one_request_each(hub: Hub, dataset: wk.RemoteDataset) -> None:
    dataset.description = "A brain"
    dataset.tags = ["em", "mouse"]
    dataset.is_public = True
    dataset.name = "brain of a mouse"
    assert hub.counted() == {"PATCH /api/v16/datasets/ID/updatePartial": 4}
    assert (dataset.description, dataset.tags, dataset.is_public) == ("A brain", ("em", "mouse"), True)
    assert dataset.name == dataset.state.name == "brain of a mouse"
    assert (dataset.created, dataset.used_storage_bytes) == ("November 30, 2025 04:45:11", 12)
    assert hub.counted() == {}
    again = wk.RemoteDataset.open(dataset_id=dataset.dataset_id)
    assert (again.name, again.tags, again.description) == (dataset.name, dataset.tags, dataset.description)
    del dataset.description
    assert hub.datasets[dataset.dataset_id]["description"] is None
    with pytest.raises(InvalidArgumentError, match="Tags are a list of texts"):
        dataset.tags = "em"


def test_arrays_stay_open_when_only_facts_change(hub: Hub, dataset: wk.RemoteDataset) -> None:
    view = dataset.get_layer("rgb").get_mag(1)
    view.read()
    hub.counted()
    dataset.tags = ["em"]
    dataset.name = "renamed"
    assert dataset.get_layer("rgb").get_mag(1) is view
    view.read()
    requests = hub.counted()
    assert not any(name.endswith(".zarray") for name in requests)
    assert any("/zarr/ID/rgb/1/" in name for name in requests)


def test_metadata_are_a_mapping_that_saves_itself(hub: Hub, dataset: wk.RemoteDataset) -> None:
    other = wk.RemoteDataset.open(dataset_id=dataset.dataset_id)
    dataset.metadata["species"] = "mouse"
    other.metadata["age"] = 3.5  # known there before the other key was set
    other.metadata.update(tags=["a", "b"], species="rat")
    assert dict(other.metadata) == {"species": "rat", "age": 3.5, "tags": ["a", "b"]}
    assert hub.datasets[dataset.dataset_id]["metadata"] == [
        {"key": "species", "type": "string", "value": "rat"},
        {"key": "age", "type": "number", "value": 3.5},
        {"key": "tags", "type": "string[]", "value": ["a", "b"]},
    ]
    del other.metadata["age"]
    assert "age" not in other.metadata
    with pytest.raises(KeyError):
        del other.metadata["age"]
    with pytest.raises(InvalidArgumentError, match="servers keep texts, numbers and lists of texts"):
        other.metadata["x"] = {"a": 1}
    other.metadata = None
    assert dict(other.metadata) == {}
    assert dataset.refresh()
    assert len(dataset.metadata) == 0


def test_layers_are_changed_at_the_server(hub: Hub, dataset: wk.RemoteDataset) -> None:
    other = wk.RemoteDataset.open(dataset_id=dataset.dataset_id)
    other.delete_layer("rgb")
    layer = dataset.get_layer("color")
    voxels = layer.get_mag("2-2-1").read()
    layer.name = "em"
    assert dataset.get_layer("em") is layer
    layer.delete_mag(1)
    layer.default_view_configuration = wk.LayerViewConfiguration(color=(1, 2, 3), alpha=50)
    layer.bounding_box = layer.bounding_box.with_size((20, 20, 20))
    dataset.default_view_configuration = wk.DatasetViewConfiguration(zoom=2)
    source = hub.datasets[dataset.dataset_id]["dataSource"]
    assert [one["name"] for one in source["dataLayers"]] == ["em", "segments"]
    assert source["dataLayers"][0]["mags"][0]["path"] == "./color/2-2-1"  # the server's own, as it was
    assert source["dataLayers"][0]["dataFormat"] == "zarr3"  # not that of the streams
    again = wk.RemoteDataset.open(dataset_id=dataset.dataset_id, access_mode="proxy_path")
    assert again.get_layer("em").bounding_box.size == (20, 20, 20)
    assert list(again.get_layer("em").mags) == list(layer.mags)
    assert again.get_layer("em").view_configuration.color == (1, 2, 3)
    assert again.default_view_configuration.zoom == 2
    np.testing.assert_array_equal(again.get_layer("em").get_mag("2-2-1").read(), voxels[:, :10, :10, :20])
    with pytest.raises(LayerNotFoundError):
        dataset.get_layer("rgb")


def test_a_bundle_is_sent_at_once_or_not_at_all(hub: Hub, dataset: wk.RemoteDataset) -> None:
    with dataset.update():
        dataset.get_layer("color").name = "em"
        dataset.delete_layer("rgb")
        assert list(dataset.layers) == ["em", "segments"]
    assert hub.counted() == {"GET /api/v16/datasets/ID": 1, "PATCH /api/v16/datasets/ID/updatePartial": 1}
    with pytest.raises(ZeroDivisionError), dataset.update():  # noqa: PT012 - what is done before doesn't count
        dataset.delete_layer("em")
        raise ZeroDivisionError
    assert list(dataset.layers) == ["em", "segments"]


def test_large_segment_ids_come_and_go_in_envelopes(hub: Hub, dataset: wk.RemoteDataset) -> None:
    layer = dataset.get_segmentation_layer("segments")
    largest = 2**64 - 2
    layer.largest_segment_id = largest
    kept = hub.datasets[dataset.dataset_id]["dataSource"]["dataLayers"][2]["largestSegmentId"]
    assert kept == {"customJsonEncoding": "bigint", "value": str(largest)}
    assert (
        wk.RemoteDataset.open(dataset_id=dataset.dataset_id).get_layer("segments").largest_segment_id
        == largest
    )
    with wk.webknossos_context(hub.url, "admin-tok_en", api_version=14):
        old = wk.RemoteDataset.open(dataset_id=dataset.dataset_id)
        assert old.get_layer("segments").largest_segment_id == largest


def test_teams_and_users(hub: Hub, dataset: wk.RemoteDataset) -> None:
    team = wk.Team.add("Lab_A")
    assert wk.Team.get_by_name("Lab_A") == wk.Team.get_by_id(team.id) == team
    assert wk.Team.get_list() == [team]
    me = wk.User.get_current_user()
    assert (me.organization_id, me.is_admin, me.teams) == ("Lab", True, ())
    guest = next(user for user in wk.User.get_all_managed_users() if not user.is_admin)
    with wk.webknossos_context(hub.url, GUEST), pytest.raises(ServedDatasetNotFoundError):
        wk.RemoteDataset.open(dataset_id=dataset.dataset_id)
    team.add_user(guest, is_team_manager=True)
    dataset.allowed_teams = [team]
    assert dataset.allowed_teams == (team,)
    assert [one.name for one in wk.User.get_by_id(guest.user_id).teams] == ["Lab_A"]
    with wk.webknossos_context(hub.url, GUEST):
        seen = wk.RemoteDataset.open("brain")
        with pytest.raises(ForbiddenError, match=r"HTTP 403.*You are not allowed to edit this dataset"):
            seen.description = "mine"
    assert me.get_logged_times()[0].duration_in_seconds == 90
    team.delete()
    with pytest.raises(
        UnknownToServerError, match="has no team 'Lab_A' that you may see; it has none"
    ) as caught:
        wk.Team.get_by_name("Lab_A")
    assert isinstance(caught.value, KeyError)
    with pytest.raises(UnknownToServerError, match="has no user"):
        wk.User.get_by_id("0" * 24)


def test_folders(hub: Hub, dataset: wk.RemoteDataset) -> None:
    root = wk.RemoteFolder.get_root()
    inner = root.add_subfolder("A").add_subfolder("B")
    for path in ("Datasets/A/B", "A/B", "/A/B/"):
        assert wk.RemoteFolder.get_by_path(path) == inner
    assert dataset.folder == root
    dataset.folder = inner
    assert wk.RemoteDataset.open("brain").folder.name == "B"
    assert list(inner.get_datasets()) == list(wk.RemoteDataset.list(folder="A/B")) == [dataset.dataset_id]
    assert list(root.get_datasets()) == []
    assert inner.parent == root.get_subfolders()[0]
    assert inner.move_to(root).parent == root
    inner.name = "C"
    inner.metadata["a"] = "b"
    team = wk.Team.add("Lab_A")
    inner.allowed_teams = [team]
    again = wk.RemoteFolder.get_by_id(inner.id)
    assert (again.name, dict(again.metadata), again.allowed_teams) == ("C", {"a": "b"}, (team,))
    with pytest.raises(ServerError, match="The folder is not empty"):
        inner.delete()
    wk.RemoteFolder.get_by_path("A").delete()
    with pytest.raises(UnknownToServerError, match="has no folder 'A' that you may see"):
        wk.RemoteFolder.get_by_path("A")


def test_datasets_are_listed_by_folder_tags_and_name(hub: Hub, dataset: wk.RemoteDataset) -> None:
    dataset.tags = ["em", "mouse"]
    other = hub.add_dataset(
        "brain-2", {"dataLayers": [], "scale": {"factor": [1, 1, 1], "unit": "nanometer"}}
    )
    listed = wk.Dataset.get_remote_datasets()
    assert sorted(listed.names) == ["brain", "brain-2"]  # type: ignore[attr-defined]  # of the mapping
    assert list(wk.RemoteDataset.list(tags=["mouse", "em"])) == [dataset.dataset_id]
    assert list(wk.RemoteDataset.list(tags="em")) == [dataset.dataset_id]
    assert list(wk.RemoteDataset.list(tags=["em", "rat"])) == []
    assert list(wk.RemoteDataset.list(name="brain")) == [dataset.dataset_id]
    assert list(wk.RemoteDataset.list(folder_id=hub.root["id"])) == [dataset.dataset_id, other]
    hub.datasets[other]["name"] = "brain"
    with pytest.warns(UserWarning, match="has 2 datasets called 'brain'"):
        wk.RemoteDataset.open("brain")


def test_links_with_tokens_are_followed(hub: Hub, dataset: wk.RemoteDataset) -> None:
    token = dataset.sharing_token
    assert token.startswith("-")
    assert dataset.sharing_token == token
    hub.links["k-1"] = f"{hub.url}/datasets/brain-{dataset.dataset_id}/view?token={token}"
    with wk.webknossos_context(hub.url):
        for address in (hub.links["k-1"], f"{hub.url}/links/k-1"):
            shared = wk.Dataset.open_remote(address)
            assert shared.get_layer("rgb").get_mag(1).read().any()
        assert wk.Dataset.open_remote(dataset_id=dataset.dataset_id, sharing_token=token) == shared
        with pytest.raises(ServedDatasetNotFoundError, match="nobody is logged in"):
            wk.Dataset.open_remote("brain")


def test_servers_look_at_data_elsewhere(hub: Hub, brain: wk.Dataset, tmp_path: Path) -> None:
    container = tmp_path / "em.zarr"
    brain.copy_dataset(container, layers_to_ignore=["rgb", "segments"], data_format="zarr")
    secret = wk.StorageCredentials("me", "sec-ret")
    assert "sec-ret" not in repr(secret)
    made = wk.RemoteDataset.explore_and_add_remote(
        container / "color", "seen", folder="A", credentials=secret
    )
    assert made.name == "seen"
    assert made.dataset_id in hub.datasets


def test_files_are_read_anew_on_demand(hub: Hub, dataset: wk.RemoteDataset) -> None:
    wk.Dataset.trigger_reload_in_datastore(dataset_name_or_url="brain")
    assert f"POST /data/v16/triggers/reload/Lab/{dataset.dataset_id}" in hub.requests


def test_a_deleted_dataset_is_gone(hub: Hub, dataset: wk.RemoteDataset) -> None:
    dataset.delete()
    assert hub.datasets == {}
    with pytest.raises(ServedDatasetNotFoundError, match="has no dataset 'brain'"):
        wk.RemoteDataset.open("brain")


@pytest.mark.parametrize("version", [13, 14, 15, 16])
def test_all_versions_are_spoken(hub: Hub, brain: wk.Dataset, version: int) -> None:
    hub.versions = (5, version)
    with wk.webknossos_context(hub.url, "admin-tok_en", api_version=version):
        made: Any = brain.upload(new_dataset_name=f"brain-{version}")
        assert wk.RemoteDataset.open(f"brain-{version}") == made
        np.testing.assert_array_equal(
            made.get_layer("rgb").get_mag(1).read(), brain.get_layer("rgb").get_mag(1).read()
        )


@pytest.mark.parametrize("name", ["../outside", "/outside", "a\\b", "..", "C:x"])
def test_names_from_servers_lead_nowhere_else(
    hub: Hub, dataset: wk.RemoteDataset, name: str, tmp_path: Path
) -> None:
    record = hub.datasets[dataset.dataset_id]
    folder = record["directoryName"]
    record.update(name=name, directoryName=name)
    dataset.refresh()
    with pytest.raises(UnsafePathError, match=r"no name for a file or folder here\.\n  Give path\."):
        dataset.download()
    if name != "..":
        with pytest.raises(UnsafePathError, match="Give output_dir"):
            dataset.download_mesh(7, tmp_path / "meshes", mesh_file_name="mf")
    record["directoryName"] = folder
    assert dataset.download(path=tmp_path / "mine", layers="rgb").name == name


def test_layers_with_names_that_lead_out_are_not_read(hub: Hub, dataset: wk.RemoteDataset) -> None:
    hub.datasets[dataset.dataset_id]["dataSource"]["dataLayers"][1]["name"] = "../rgb"
    dataset.refresh()
    assert "../rgb" not in dataset.layers
    assert dataset.get_layer("color").get_mag(1).read().any()
