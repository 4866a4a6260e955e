"""Who may read, what browsers are allowed, and that nothing but what is shared can be reached."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from wkplug_server.catalogue import Catalogue
from wkplug_server.running import RunningServer

import wkplug as wk

from .conftest import TOKEN, get, refused

if TYPE_CHECKING:
    from pathlib import Path


def plain(server: RunningServer) -> str:
    """The server's URL without the token."""
    return f"http://127.0.0.1:{server.port}"


def test_the_token_may_come_three_ways(server: RunningServer) -> None:
    base = plain(server)
    assert get(f"{base}/t/{TOKEN}/api/user")
    assert get(f"{base}/api/user?token={TOKEN}")
    assert get(f"{base}/api/user", X_Auth_Token=TOKEN)


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/", None, 401),
        ("/api/user", None, 401),
        ("/api/user", "wrong", 403),
        ("/precomputed/{id}/em/info", "wrong", 403),
        # Here it isn't told whether there is such a dataset.
        ("/api/v16/datasets/{id}", "wrong", 404),
    ],
)
def test_without_the_token_nothing_is_told(
    server: RunningServer, dataset_id: str, path: str, token: str | None, status: int
) -> None:
    headers = {} if token is None else {"X_Auth_Token": token}
    error = refused(plain(server) + path.format(id=dataset_id), **headers)
    assert error.code == status
    text = error.told
    asked = "and that is another one." if token else "wants its token."
    assert asked in text
    assert text.endswith("Ask whoever started the server for the whole link, which holds it.")
    assert TOKEN not in text
    # Browsers show a page's script why it failed only with this.
    assert error.headers["Access-Control-Allow-Origin"] == "*"


def test_anybody_may_ask_what_the_server_is(server: RunningServer) -> None:
    build = json.loads(get(f"{plain(server)}/api/buildinfo"))
    assert build["httpApiVersioning"] == {"currentApiVersion": 16, "oldestSupportedApiVersion": 13}
    assert get(f"{plain(server)}/api/health") == b"Ok"


def test_public_servers_ask_for_nothing(dataset: wk.Dataset) -> None:
    with RunningServer(Catalogue([(dataset, "brain")])) as server:
        assert server.url == plain(server)
        assert json.loads(get(f"{server.url}/api/datasets"))[0]["name"] == "brain"


def test_pages_of_other_hosts_may_read(server: RunningServer) -> None:
    request = Request(plain(server) + "/precomputed/x/y/info", method="OPTIONS")
    with urlopen(request, timeout=30) as answer:
        assert answer.status == 204
        assert "range" in answer.headers["Access-Control-Allow-Headers"]
    with urlopen(f"{server.url}/api/user", timeout=30) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "content-range" in answer.headers["Access-Control-Expose-Headers"]


# --- parts and conditions -----------------------------------------------------------------------------------


def answered(url: str, method: str = "GET", **headers: str) -> Any:
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return urlopen(Request(url, headers=named, method=method), timeout=30)


@pytest.mark.parametrize(
    "path", ["data/zarr/{}/em/1/0.0.0.0", "data/datasets/{}/proxy/layers/em/mags/1/zarr.json"]
)
def test_parts_are_given(server: RunningServer, dataset_id: str, path: str) -> None:
    url = f"{server.url}/{path.format(dataset_id)}"
    whole = get(url)
    for text, part in (("bytes=2-5", whole[2:6]), ("bytes=-3", whole[-3:]), ("bytes=7-", whole[7:])):
        with answered(url, Range=text) as answer:
            assert answer.status == 206
            assert answer.read() == part
            first = len(whole) - 3 if text == "bytes=-3" else int(text[6])
            assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(whole)}"
    with answered(url, "HEAD") as answer:
        assert int(answer.headers["Content-Length"]) == len(whole)
        etag = answer.headers["ETag"]
    error = refused(url, If_None_Match=etag)
    assert error.code == 304
    error = refused(url, Range=f"bytes={len(whole)}-")
    assert (error.code, error.headers["Content-Range"]) == (416, f"bytes */{len(whole)}")
    with answered(url, Range="lines=1-2") as answer:
        assert (answer.status, answer.read()) == (200, whole)


def test_a_file_that_changed_has_another_etag(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "a", voxel_size=(1, 1, 1))
    layer = dataset.add_layer(
        "l", "color", bounding_box=wk.BoundingBox((0, 0, 0), (8, 8, 8)), data_format="zarr3"
    )
    layer.add_mag(1)
    with RunningServer(Catalogue([(dataset, "a")])) as server:
        key = json.loads(get(f"{server.url}/api/datasets"))[0]["id"]
        url = f"{server.url}/data/datasets/{key}/proxy/layers/l/mags/1/zarr.json"
        with answered(url, "HEAD") as answer:
            before = answer.headers["ETag"]
        file = tmp_path / "a" / "l" / "1" / "zarr.json"
        file.write_bytes(file.read_bytes() + b"\n")
        with answered(url, "HEAD") as answer:
            assert answer.headers["ETag"] != before


# --- hostile requests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "layers/em/mags/1/../../../secret",
        "layers/em/mags/1/..%2f..%2f..%2fsecret",
        "layers/em/mags/1/%2e%2e/%2e%2e/%2e%2e/secret",
        "layers/em/mags/1//etc/passwd",
        "layers/em/mags/1/..\\..\\secret",
        "layers/../mags/1/secret",
        "layers/em/mags/../../secret",
        "layers/em/mags/1/%00",
        "../../../../secret",
        "layers/em/mags/1",
    ],
)
def test_no_path_leads_out_of_what_is_shared(
    server: RunningServer, dataset: wk.Dataset, dataset_id: str, path: str
) -> None:
    (dataset.path.parent / "secret").write_text("s3cret")
    (dataset.path / "secret").write_text("s3cret")
    # Clients tidy paths up before they send them, so this one is spoken by hand.
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        target = f"/t/{TOKEN}/data/datasets/{dataset_id}/proxy/{path}"
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.split()[1] in (b"404", b"400"), answer[:300]
    assert b"s3cret" not in answer


@pytest.mark.parametrize(
    "path",
    [
        "datasets/none",
        "api/datasets/none",
        "api/datasets/disambiguate/a/none/toId",
        "precomputed/{id}/none/info",
        "precomputed/{id}/em/9-9-9/0-1_0-1_0-1",
        "precomputed/{id}/em/1-1-1/0-1",
        "precomputed/{id}/em/1-1-1/0-1_0-1_0-1",
        "data/zarr/{id}/em/1/0.99.0.0",
        "data/zarr/{id}/em/1/0.0.0.0.0",
        "data/zarr/{id}/em/1/nothing/here",
        "data/zarr/{id}/em/sixteen/.zarray",
        "v/{id}/../main.js",
        "v/{id}/nothing.js",
        "thumbnails/{id}/none.png",
        "nothing",
    ],
)
def test_what_isnt_there_is_not_found(server: RunningServer, dataset_id: str, path: str) -> None:
    assert refused(f"{server.url}/{path.format(id=dataset_id)}").code in (400, 404)


def test_nothing_can_be_changed(server: RunningServer, dataset_id: str) -> None:
    path = f"/api/datasets/{dataset_id}"
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        answer = refused(f"{server.url}{path}", method)
        assert (answer.code, answer.told) == (405, f"{method} does nothing at {path} here.")
    assert refused(f"{server.url}/nothing").told == "There is nothing at /nothing here."


def test_everything_is_in_one_folder(server: RunningServer, dataset_id: str) -> None:
    root = json.loads(get(f"{server.url}/api/folders/root"))
    assert json.loads(get(f"{server.url}/api/datasets/{dataset_id}"))["folderId"] == root["id"]
    assert [each["id"] for each in json.loads(get(f"{server.url}/api/folders/tree"))] == [root["id"]]
    assert json.loads(get(f"{server.url}/api/teams")) == root["allowedTeams"]


def test_idle_connections_keep_nobody_out(server: RunningServer) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(200)]
    try:
        for each in idle[::2]:
            each.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        assert get(f"{server.url}/api/health") == b"Ok"
    finally:
        for each in idle:
            each.close()


def test_a_taken_port_is_told(server: RunningServer, dataset: wk.Dataset) -> None:
    with pytest.raises(
        wk.errors.StorageError, match=f"No server can listen on port {server.port} of 127.0.0.1"
    ) as caught:
        RunningServer(Catalogue([(dataset, "brain")]), port=server.port)
    assert caught.value.hint == "Choose another port, or none for any that is free."
