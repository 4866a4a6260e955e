"""Layers are referred to and read with what code said once of a place, on every store; no file holds any of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from upath import UPath

import wkplug as wk
from tests.ops.test_exploring import n5, over_xyz, precomputed
from tests.ops.test_import_containers import noise
from tests.servers.files import serve_files
from tests.servers.fixtures import Bucket, new_az_bucket, new_gs_bucket, new_s3_bucket
from wkplug import storage
from wkplug.cli.main import main
from wkplug.errors import WkplugError
from wkplug.filesystems import sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DATA = noise((16, 24, 32), "uint8")
BUCKETS: dict[str, Callable[[str], Bucket]] = {"s3": new_s3_bucket, "gs": new_gs_bucket, "az": new_az_bucket}
WAYS = {
    "header": lambda url: UPath(url, headers={"X-Auth-Token": "secret"}),
    "login": lambda url: UPath(url, auth=("me", "secret")),
    "login in the URL": lambda url: url.replace("://", "://me:secret@"),
    "token in the URL": lambda url: f"{url}?token=secret",
}
SIZE = (250, 250, 500)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    n5(
        folder / "a.n5",
        DATA.T,
        pixelResolution={"unit": "nm", "dimensions": SIZE},
        scales=[[1, 1, 1], [2, 2, 2]],
    )
    precomputed(folder / "b", DATA.T)
    wk.Dataset(folder / "c", voxel_size=SIZE).write_layer("em", "color", DATA.T, data_format="wkw")
    assert main(["export", str(folder / "c"), str(folder / "d.ozx"), "--layer-name", "em"]) == 0
    return folder


@pytest.fixture(autouse=True)
def session(no_credentials: None) -> Iterator[None]:
    """A session that knows nothing yet."""
    sessions.forget()
    yield
    sessions.forget()


def check_references(tmp_path: Path, at: Callable[[str], Any], secrets: tuple[str, ...]) -> None:
    for name, layer in (("a.n5", "a"), ("b", "b"), ("c/em", "em"), ("d.ozx", "d")):
        sessions.forget()
        explored = wk.Dataset.explore(at(name))
        assert list(explored.layers) == [layer]
        sessions.forget()
        own = wk.Dataset(tmp_path / layer, voxel_size=(8, 8, 40) if layer == "b" else SIZE)
        assert np.array_equal(over_xyz(own.add_layer_as_ref(at(name))), DATA.T)
        assert np.array_equal(over_xyz(wk.Dataset.open(own.path).get_layer(layer)), DATA.T)
        text = (own.path / "datasource-properties.json").read_text()
        told = f"{text} {explored} {explored!r} {json.dumps(explored.to_json())}"
        assert not any(secret in told for secret in secrets)


@pytest.mark.parametrize("kind", BUCKETS)
def test_buckets_are_read_with_options_that_code_gave(
    request: pytest.FixtureRequest, tmp_path: Path, files: Path, kind: str
) -> None:
    bucket = BUCKETS[kind](request.getfixturevalue(f"{kind}_server"))
    root = storage.locate(UPath(bucket.url, **bucket.options))
    for path in files.rglob("*"):
        if path.is_file() and path.name != ".wkplug.lock":
            root.child(*path.relative_to(files).parts).write(path.read_bytes())
    values = [value for value in bucket.options.values() if isinstance(value, str)]
    secrets = tuple(value for value in values if value not in ("anon", bucket.options.get("endpoint_url")))
    check_references(tmp_path, lambda name: UPath(f"{bucket.url}/{name}", **bucket.options), secrets)


@pytest.mark.parametrize("way", WAYS)
def test_web_servers_are_read_with_logins_and_tokens(tmp_path: Path, files: Path, way: str) -> None:
    (tmp_path / "private").symlink_to(files)
    with serve_files(tmp_path) as server:
        with pytest.raises(WkplugError, match="refused access"):
            wk.Dataset.explore(f"{server.url}/private/a.n5")
        check_references(tmp_path, lambda name: WAYS[way](f"{server.url}/private/{name}"), ("secret",))


def test_what_is_said_for_one_folder_is_not_told_to_others(tmp_path: Path, files: Path) -> None:
    (tmp_path / "private").symlink_to(files)
    (tmp_path / "open").symlink_to(files)
    with serve_files(tmp_path) as server:
        wk.Dataset.explore(f"{server.url}/private/a.n5?token=secret")
        server.requests.clear()
        wk.Dataset.explore(f"{server.url}/open/a.n5")
        assert not [path for _, path, _ in server.requests if "secret" in path]
        with pytest.raises(WkplugError, match="refused access"):
            wk.Dataset.explore(server.url.replace("127.0.0.1", "localhost") + "/private/a.n5")
