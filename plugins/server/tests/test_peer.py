"""The webknossos library uses the server as one of its own, and CloudVolume reads its volumes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from wkplug_server.catalogue import Catalogue
from wkplug_server.hub.hub import Hub
from wkplug_server.hub.routes import HubRoutes
from wkplug_server.running import RunningServer

from tests.integration.peer import PYTHON, needs_peer, run

from .conftest import CORNER, TOKEN

if TYPE_CHECKING:
    import wkplug as wk

pytestmark = pytest.mark.peer

SCRIPT = """
import json, sys
import webknossos as wk
url, token, key, path, target = sys.argv[1:]
local = wk.Dataset.open(path)

def equal(remote, names=None):
    return all(
        (remote.get_layer(name).get_mag(1).read() == local.get_layer(name).get_mag(1).read()).all()
        for name in names or local.layers
    )

found = {}
with wk.webknossos_context(url=url, token=token):
    found["list"] = [each.name for each in wk.RemoteDataset.list().values()]
    for mode in wk.RemoteAccessMode:
        link = f"{url}/datasets/brain-{key}/view"
        found[mode.name] = equal(wk.RemoteDataset.open(link, access_mode=mode))
    found["by name"] = equal(wk.RemoteDataset.open("brain"), ["em"])
    found["by id"] = wk.RemoteDataset.open(dataset_id=key).name
    mags = [wk.Mag(1)]
    found["download"] = equal(wk.RemoteDataset.open("brain").download(path=target, layers=["em", "rgb"], mags=mags),
                              ["em", "rgb"])
with wk.webknossos_context(url=url, token=None):
    found["by link"] = wk.RemoteDataset.open(f"{url}/datasets/brain-{key}/view?token={token}").name
with wk.webknossos_context(url=url, token="wrong"):
    try:
        wk.RemoteDataset.open(f"{url}/datasets/brain-{key}/view")
    except Exception as error:
        found["wrong token"] = str(error)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(
    server: RunningServer, dataset: wk.Dataset, dataset_id: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    if not PYTHON.exists():
        pytest.skip("no environment: run `make peer`")
    target = tmp_path_factory.mktemp("downloaded") / "brain"
    return run(SCRIPT, f"http://127.0.0.1:{server.port}", TOKEN, dataset_id, dataset.path, target)


def test_it_lists_and_opens(found: dict[str, Any]) -> None:
    assert found["list"] == ["brain"]
    assert found["by id"] == found["by link"] == "brain"
    assert found["by name"]


@pytest.mark.parametrize("mode", ["ZARR_STREAMING", "PROXY_PATH", "DIRECT_PATH"])
def test_it_reads_all_voxels(found: dict[str, Any], mode: str) -> None:
    assert found[mode]


def test_it_downloads(found: dict[str, Any]) -> None:
    assert found["download"]


def test_it_tells_that_a_token_is_wrong(found: dict[str, Any]) -> None:
    assert "This server wants its token, and that is another one." in found["wrong token"]


# --- a hub ------------------------------------------------------------------------------------------------------

HUB_SCRIPT = """
import json, sys
import webknossos as wk
url, token, path, target, public = sys.argv[1:]
local = wk.Dataset.open(path)

def equal(remote, name, other=None):
    return bool((remote.get_layer(other or name).get_mag(1).read() == local.get_layer(name).get_mag(1).read()).all())

def fresh():
    return wk.RemoteDataset.open("uploaded")

found = {}
with wk.webknossos_context(url=url, token=token):
    found["user"] = wk.User.get_current_user().email
    remote = local.upload(new_dataset_name="uploaded")
    found["upload"] = all(equal(remote, name) for name in local.layers)
    for mode in wk.RemoteAccessMode:
        seen = wk.RemoteDataset.open("uploaded", access_mode=mode)
        found[mode.name] = all(equal(seen, name) for name in ("em", "cells", "rgb"))
    remote.metadata["k"] = 5
    remote.description, remote.tags, remote.is_public = "hello", ["a", "b"], True
    found["described"] = [fresh().metadata["k"], fresh().description, sorted(fresh().tags), fresh().is_public]
    found["sharing token"] = fresh().sharing_token == fresh().sharing_token
    wk.Team.add("microscopists")
    remote.allowed_teams = wk.Team.get_list()
    found["teams"] = sorted(team.name for team in fresh().allowed_teams)
    root = wk.RemoteFolder.get_root()
    fresh().folder = root.add_subfolder("published")
    found["folder"] = [fresh().folder.name, [folder.name for folder in root.get_subfolders()]]
    found["by tag"] = [each.name for each in wk.RemoteDataset.list(tags="a").values()]
    mags = [wk.Mag(1)]
    found["download"] = equal(fresh().download(path=target, layers=["em"], mags=mags), "em")
    fresh().get_layer("rgb").name = "colours"
    found["renamed"] = equal(fresh(), "rgb", "colours")
    fresh().delete_layer("colours")
    fresh().add_layer_as_copy(local.get_layer("rgb"), new_layer_name="copied")
    found["copied"] = equal(fresh(), "rgb", "copied")
    link = wk.LayerToLink.from_remote_layer(fresh().get_layer("em"), new_layer_name="linked")
    found["linked"] = equal(local.upload(new_dataset_name="with_link", layers_to_link=[link]), "em", "linked")
    explored = wk.RemoteDataset.explore_and_add_remote(public, "explored")
    found["explored"] = equal(explored, "em")
    explored.delete()
    found["list"] = sorted(each.name for each in wk.RemoteDataset.list().values())
print(json.dumps(found))
"""


@needs_peer
def test_a_hub_is_a_server_to_it(dataset: wk.Dataset, tmp_path: Path) -> None:
    with (
        Hub(tmp_path / "hub") as hub,
        RunningServer(HubRoutes(hub)) as server,
        RunningServer(Catalogue([(dataset, "brain")])) as public,
    ):
        place = f"{public.url}/data/zarr/{next(iter(Catalogue([(dataset, '')]))).id}"
        token = hub.users()[0]["token"]
        found = run(HUB_SCRIPT, server.url, token, dataset.path, tmp_path / "downloaded", place)
    assert found == {
        "user": "admin@localhost",
        "upload": True,
        "ZARR_STREAMING": True,
        "PROXY_PATH": True,
        "DIRECT_PATH": True,
        "described": [5, "hello", ["a", "b"], True],
        "sharing token": True,
        "teams": ["Default", "microscopists"],
        "folder": ["published", ["published"]],
        "by tag": ["uploaded"],
        "download": True,
        "renamed": True,
        "copied": True,
        "linked": True,
        "explored": True,
        "list": ["uploaded", "with_link"],
    }


# --- CloudVolume ------------------------------------------------------------------------------------------------

VOLUMES = Path(__file__).resolve().parents[3] / ".cache" / "peer-volumes" / "bin" / "python"

VOLUME_SCRIPT = """
import json, sys
import numpy as np
from cloudvolume import CloudVolume
base, path = sys.argv[1:]
found = {}
for name in ("em", "cells", "rgb", "signed"):
    volume = CloudVolume(f"precomputed://{base}/{name}", progress=False, fill_missing=False)
    expected = np.load(f"{path}/{name}.npy")
    found[name] = bool((np.moveaxis(np.asarray(volume[:, :, :]), -1, 0) == expected).all())
    found[name + " offset"] = [int(n) for n in volume.voxel_offset]
print(json.dumps(found))
"""


@pytest.mark.skipif(not VOLUMES.exists(), reason="no environment: run `make peer-volumes`")
def test_cloudvolume_reads_precomputed(
    server: RunningServer, dataset: wk.Dataset, dataset_id: str, tmp_path: Path
) -> None:
    names = ("em", "cells", "rgb", "signed")
    for name in names:
        np.save(tmp_path / f"{name}.npy", dataset.get_layer(name).get_mag(1).read())
    found = run(VOLUME_SCRIPT, f"{server.url}/precomputed/{dataset_id}", tmp_path, python=VOLUMES)
    assert found == dict.fromkeys(names, True) | {f"{name} offset": list(CORNER) for name in names}
