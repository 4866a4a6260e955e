"""The webknossos package and wkplug speak to the same server, and leave the same there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from tests.integration import peer
from tests.servers.webknossos_hub import ADMIN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.webknossos_hub import Hub

pytestmark = [pytest.mark.peer, peer.needs_peer]

UPLOADING = """
import sys, webknossos as wk
url, token, path, name = sys.argv[1:]
with wk.webknossos_context(url=url, token=token):
    made = wk.Dataset.open(path).upload(new_dataset_name=name)
    made.description = "A brain"
    made.tags = ["em"]
    made.metadata["species"] = "mouse"
    made.allowed_teams = [wk.Team.get_by_name("Lab_A")]
    made.folder = wk.RemoteFolder.get_root().add_subfolder("theirs")
    made.get_layer("color").name = "em"
print("null")
"""
READING = """
import sys, json, webknossos as wk
url, token, path, name = sys.argv[1:]
local = wk.Dataset.open(path)
equal = {}
with wk.webknossos_context(url=url, token=token):
    for mode in (wk.RemoteAccessMode.ZARR_STREAMING, wk.RemoteAccessMode.PROXY_PATH):
        remote = wk.RemoteDataset.open(name, access_mode=mode)
        for layer in local.layers.values():
            for mag, view in layer.mags.items():
                found = remote.get_layer(layer.name).get_mag(mag).read()
                equal[f"{mode.name} {layer.name} {mag}"] = bool((found == view.read()).all())
print(json.dumps(equal))
"""


def state(hub: Hub, name: str, folder: str) -> Any:
    """What the server keeps of a dataset, without what differs between any two."""
    (record,) = (one for one in hub.datasets.values() if one["name"] == name)
    place = hub.place(record["id"])
    assert hub.folders[record["folderId"]]["name"] == folder
    files = {
        str(path.relative_to(place)): path.stat().st_size
        for path in place.rglob("*")
        if path.is_file()
        and not path.name.startswith(".wkplug")
        and path.name != "datasource-properties.json"
    }
    text = json.dumps({**record, "folderId": ""}).replace(record["id"], "ID").replace(f'"{name}', '"NAME')
    return json.loads(text), files


def test_both_leave_the_same_state(hub: Hub, brain: wk.Dataset, tmp_path: Path) -> None:
    local = brain.copy_dataset(tmp_path / "brain", layers_to_ignore=["segments"])
    wk.Team.add("Lab_A")
    peer.run(UPLOADING, hub.url, ADMIN, local.path, "theirs")
    made = local.upload(new_dataset_name="ours")
    made.description = "A brain"
    made.tags = ["em"]
    made.metadata["species"] = "mouse"
    made.allowed_teams = [wk.Team.get_by_name("Lab_A")]
    made.folder = wk.RemoteFolder.get_root().add_subfolder("ours")
    made.get_layer("color").name = "em"
    ours, theirs = state(hub, "ours", "ours"), state(hub, "theirs", "theirs")
    assert ours[1] == theirs[1]
    assert ours[0] == theirs[0]


def test_what_wkplug_uploads_is_read_by_webknossos(hub: Hub, brain: wk.Dataset) -> None:
    brain.upload(new_dataset_name="ours")
    equal = peer.run(READING, hub.url, ADMIN, brain.path, "ours")
    assert len(equal) == 10
    assert all(equal.values()), equal


def test_what_webknossos_uploads_is_read_by_wkplug(hub: Hub, brain: wk.Dataset) -> None:
    wk.Team.add("Lab_A")
    peer.run(UPLOADING, hub.url, ADMIN, brain.path, "theirs")
    remote = wk.RemoteDataset.open("theirs")
    assert (remote.description, remote.tags, dict(remote.metadata)) == (
        "A brain",
        ("em",),
        {"species": "mouse"},
    )
    for mode in ("zarr_streaming", "proxy_path"):
        for name, here in (("em", "color"), ("segments", "segments")):
            for mag, view in brain.get_layer(here).mags.items():
                found = remote.with_access_mode(mode).get_layer(name).get_mag(mag).read()
                np.testing.assert_array_equal(found, view.read())
