"""Datasets are brought to servers: whole, resumed, linked, by copies; and refused with the reason."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from starlette.responses import Response
from wkplug_remote.webknossos import uploads

import wkplug as wk
from tests.servers.webknossos_hub import GUEST
from wkplug.errors import (
    ForbiddenError,
    IncompleteMagError,
    InvalidArgumentError,
    ServerError,
    StorageError,
    UnknownToServerError,
)
from wkplug.storage import Mark, set_mark

if TYPE_CHECKING:
    from tests.servers.webknossos_hub import Hub


def check_equal(made: Any, dataset: wk.Dataset) -> None:
    assert list(made.layers) == list(dataset.layers)
    for name, layer in dataset.layers.items():
        remote = made.get_layer(name)
        assert (remote.bounding_box, list(remote.mags)) == (layer.bounding_box, list(layer.mags))
        for mag, view in layer.mags.items():
            np.testing.assert_array_equal(remote.get_mag(mag).read(), view.read())


def begun() -> list[Path]:
    return list(Path(os.environ["XDG_CACHE_HOME"], "wkplug", "uploads").glob("*.json"))


def test_a_dataset_arrives_as_it_is(hub: Hub, brain: wk.Dataset) -> None:
    made = brain.upload(new_dataset_name="a-brain")
    requests = hub.counted()
    assert requests["POST /data/v16/datasets/upload/dataset/reserveUpload"] == 1
    assert requests["POST /data/v16/datasets/upload/dataset/finishUpload"] == 1
    assert sum(count for name, count in requests.items() if name.startswith("GET")) <= 5
    assert isinstance(made, wk.RemoteDataset)
    assert made.name == "a-brain"
    for mode in ("zarr_streaming", "proxy_path"):
        check_equal(made.with_access_mode(mode), brain)
    assert begun() == []
    assert wk.Dataset.open(hub.place(made.dataset_id)).name.startswith("a-brain")


def test_teams_and_folder_are_set_at_once(hub: Hub, brain: wk.Dataset) -> None:
    team, folder = wk.Team.add("Lab_A"), wk.RemoteFolder.get_root().add_subfolder("A")
    made = brain.upload(initial_team_ids=[team.id], folder="A")
    assert (made.allowed_teams, made.folder) == ((team,), folder)


def test_pieces_come_back_together(hub: Hub, brain: wk.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PIECE", 2**15)
    made = brain.upload(jobs=3)
    assert hub.counted()["POST /data/v16/datasets/upload/dataset"] > 15
    check_equal(made.with_access_mode("proxy_path"), brain)


def test_a_broken_upload_goes_on_with_what_is_missing(
    hub: Hub, brain: wk.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PIECE", 2**15)
    pieces = "/data/v16/datasets/upload/dataset"
    sent = []

    def break_off(method: str, path: str) -> Response | None:
        if method == "POST" and path == pieces:
            sent.append(path)
            return Response("No.", 409) if len(sent) > 8 else None
        return None

    hub.refuse = break_off
    with pytest.raises(ServerError, match=r"HTTP 409: No\."):
        brain.upload(jobs=2)
    assert len(begun()) == 1
    assert "tok-en" not in begun()[0].read_text()
    there = sum(len(one) for one in next(iter(hub.uploads.values())).chunks.values())
    assert there >= 8
    hub.refuse = lambda method, path: None
    hub.counted()
    made = brain.upload(jobs=2)
    requests = hub.counted()
    total = requests[f"GET {pieces}"]
    assert requests[f"POST {pieces}"] == total - there
    assert len(hub.datasets) == 1
    check_equal(made.with_access_mode("proxy_path"), brain)


def test_changed_files_begin_anew(hub: Hub, brain: wk.Dataset, tmp_path: Path) -> None:
    copy = brain.copy_dataset(tmp_path / "copy")
    hub.refuse = lambda method, path: Response("No.", 409) if path.endswith("finishUpload") else None
    with pytest.raises(ServerError):
        copy.upload()
    assert begun() == []  # a server that can't use the files throws them away
    hub.refuse = lambda method, path: Response("No.", 403) if path.endswith("/upload/dataset") else None
    with pytest.raises(ForbiddenError):
        copy.upload()
    copy.get_layer("rgb").get_mag(1).write(np.full((3, 4, 4, 4), 7, np.uint8), allow_unaligned=True)
    hub.refuse = lambda method, path: None
    check_equal(copy.upload().with_access_mode("proxy_path"), copy)


@pytest.mark.faults
def test_a_killed_upload_goes_on_in_another_process(hub: Hub, brain: wk.Dataset) -> None:
    script = (
        "import sys, os, wkplug as wk\n"
        "from wkplug_remote.webknossos import uploads\n"
        "uploads.PIECE = 2**15\n"
        "wk.Dataset.open(sys.argv[1]).upload()\n"
    )
    environment = {**os.environ, "WK_URL": hub.url, "WK_TOKEN": "admin-tok_en"}
    sent = []

    def kill_in_the_middle(method: str, path: str) -> Response | None:
        sent.append(path)
        if len(sent) == 14:
            child.kill()
        return None

    hub.refuse = kill_in_the_middle
    child = subprocess.Popen([sys.executable, "-c", script, str(brain.path)], env=environment)
    assert child.wait() != 0
    hub.refuse = lambda method, path: None
    hub.counted()
    subprocess.run([sys.executable, "-c", script, str(brain.path)], env=environment, check=True)
    requests = hub.counted()
    assert (
        requests["POST /data/v16/datasets/upload/dataset"] < requests["GET /data/v16/datasets/upload/dataset"]
    )
    assert len(hub.datasets) == 1
    check_equal(wk.RemoteDataset.open("brain", access_mode="proxy_path"), brain)


def test_busy_servers_are_asked_again(hub: Hub, brain: wk.Dataset) -> None:
    asked = []

    def fail_once(method: str, path: str) -> Response | None:
        asked.append(path)
        return Response("busy", 503) if path.endswith("/upload/dataset") and asked.count(path) == 2 else None

    hub.refuse = fail_once
    check_equal(brain.upload().with_access_mode("proxy_path"), brain)


def test_what_lies_elsewhere_is_brought_along(hub: Hub, brain: wk.Dataset, tmp_path: Path) -> None:
    shallow = brain.shallow_copy_dataset(tmp_path / "shallow")
    shallow.add_layer_as_ref(brain.get_layer("color"), "again")
    segments = shallow.get_layer("segments").as_segmentation_layer()
    mappings = Path(str(shallow.path), "again", "mappings")
    mappings.mkdir(parents=True)
    (mappings / "view.json").write_text("{}")
    (mappings / "empty.json").touch()
    mesh = tmp_path / "mesh.hdf5"
    mesh.write_bytes(b"a mesh")
    segments.attachments.add_attachment_as_ref(
        wk.MeshAttachment.from_path_and_name(mesh, "mesh", data_format="hdf5")
    )
    with pytest.warns(
        UserWarning, match=r"1 empty files are not uploaded, such as again/mappings/empty\.json"
    ):
        made = shallow.upload(new_dataset_name="shallow")
    check_equal(made.with_access_mode("proxy_path"), shallow)
    place = hub.place(made.dataset_id)
    assert (place / "again" / "mappings" / "view.json").read_text() == "{}"
    assert (place / "segments" / "meshes" / "mesh.hdf5").read_bytes() == b"a mesh"
    paths = [
        mag["path"]
        for layer in json.loads((place / "datasource-properties.json").read_text())["dataLayers"]
        for mag in layer["mags"]
    ]
    assert all(path.startswith("./") for path in paths)


def test_layers_of_other_datasets_are_linked(hub: Hub, brain: wk.Dataset) -> None:
    first = brain.upload(new_dataset_name="first")
    hub.counted()
    made = brain.upload(
        new_dataset_name="second",
        layers_to_link=[
            first.get_layer("color"),
            wk.LayerToLink(first.dataset_id, "segments", "cells"),
            wk.LayerToLink.from_remote_layer(first.get_layer("segments"), "segments"),
        ],
        folder_id=hub.root["id"],
    )
    files = {path.split("/")[0] for path in _uploaded(hub, made)}
    assert files == {"datasource-properties.json", "zarr.json", "rgb"}
    assert list(made.layers) == ["rgb", "color", "cells", "segments"]
    np.testing.assert_array_equal(
        made.get_layer("cells").get_mag(1, access_mode="proxy_path").read(),
        brain.get_layer("segments").get_mag(1).read(),
    )


def _uploaded(hub: Hub, made: Any) -> list[str]:
    place = hub.place(made.dataset_id)
    return [str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()]


def test_names_that_a_server_refuses(hub: Hub, brain: wk.Dataset) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"takes no dataset called '.x': Dataset name is invalid\.\n"
    ):
        brain.upload(new_dataset_name=".x")
    assert hub.uploads == {}


def test_uploads_without_the_right_are_refused(hub: Hub, brain: wk.Dataset) -> None:
    with (
        wk.webknossos_context(hub.url, GUEST),
        pytest.raises(ForbiddenError, match="You are not allowed to administrate datasets"),
    ):
        brain.upload()
    with wk.webknossos_context(hub.url), pytest.raises(ForbiddenError, match="somebody without a token"):
        brain.upload()
    assert hub.uploads == {}


def test_a_server_without_a_store_is_named(hub: Hub, brain: wk.Dataset) -> None:
    hub.refuse = lambda method, path: Response("[]") if path.endswith("/datastores") else None
    with pytest.raises(UnknownToServerError, match="has no store that takes uploads"):
        brain.upload()


def test_unfinished_mags_are_not_uploaded(hub: Hub, brain: wk.Dataset, tmp_path: Path) -> None:
    copy = brain.copy_dataset(tmp_path / "copy", layers_to_ignore=["rgb", "segments"])

    set_mark(copy.get_layer("color").get_mag(1).location, Mark(job="a test"))
    with pytest.raises(IncompleteMagError):
        wk.Dataset.open(copy.path).upload()


def test_a_finish_without_an_answer_says_what_may_be(
    hub: Hub, brain: wk.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.refuse = lambda method, path: Response("Bad gateway", 502) if path.endswith("finishUpload") else None
    with pytest.raises(StorageError, match=r"HTTP 502(.|\n)*The server may go on with it"):
        brain.upload()
    assert len(begun()) == 1


@pytest.mark.parametrize("mode", ["copy", "symlink", "move+symlink"])
def test_files_come_by_copies_and_links(hub: Hub, brain: wk.Dataset, tmp_path: Path, mode: str) -> None:
    mine = brain.copy_dataset(tmp_path / "mine")
    made = mine.upload(new_dataset_name="brought", transfer_mode=mode)
    check_equal(made.with_access_mode("proxy_path"), brain)
    check_equal(mine, brain)
    assert (tmp_path / "mine" / "rgb" / "1").is_symlink() is (mode == "move+symlink")


def test_a_preliminary_dataset_is_filled(hub: Hub, brain: wk.Dataset) -> None:
    key = hub.add_dataset("empty", {"status": "Not yet fully uploaded."})
    brain.publish_to_preliminary_dataset(key)
    check_equal(wk.RemoteDataset.open(dataset_id=key, access_mode="proxy_path"), brain)
    with pytest.raises(InvalidArgumentError, match="by copies or links, not by HTTP"):
        brain.publish_to_preliminary_dataset(key, transfer_mode="http")


def test_the_cache_of_begun_uploads_is_cleared(hub: Hub, brain: wk.Dataset) -> None:
    folder = Path(os.environ["XDG_CACHE_HOME"], "wkplug", "uploads")
    folder.mkdir(parents=True)
    old = folder / "old.json"
    old.write_text("{}")
    os.utime(old, (0, 0))
    brain.upload()
    assert begun() == []
    shutil.rmtree(folder)
