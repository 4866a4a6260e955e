"""Other people's servers, as the fixtures start them: each answers, and keeps what its cloud promises."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.servers.test_servers import ask

if TYPE_CHECKING:
    from tests.servers.emulators import Nginx
    from tests.servers.fixtures import Bucket


def test_moto_keeps_conditions(s3_bucket: Bucket) -> None:
    host, path = s3_bucket.server.removeprefix("http://"), f"/{s3_bucket.name}/a"
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAKEY/20260101/us-east-1/s3/aws4_request"}
    assert ask(host, "PUT", path, b"1", **{"If-None-Match": "*", **signed})[0] == 200
    assert ask(host, "PUT", path, b"2", **{"If-None-Match": "*", **signed})[0] == 412
    assert ask(host, "GET", path, **signed)[1] == b"1"


def test_fake_gcs_keeps_generations(gs_bucket: Bucket) -> None:
    host = gs_bucket.server.removeprefix("http://")

    def put(data: bytes, generation: str) -> tuple[int, dict[str, Any]]:
        parts = (
            b'--x\r\nContent-Type: application/json\r\n\r\n{"name": "a/b"}\r\n'
            b"--x\r\nContent-Type: application/octet-stream\r\n\r\n" + data + b"\r\n--x--"
        )
        path = f"/upload/storage/v1/b/{gs_bucket.name}/o?uploadType=multipart&ifGenerationMatch={generation}"
        status, body, _ = ask(host, "POST", path, parts, Content_Type="multipart/related; boundary=x")
        return status, json.loads(body)

    status, facts = put(b"1", "0")
    assert status == 200
    assert put(b"2", "0")[0] == 412
    assert put(b"2", facts["generation"])[0] == 200
    path = f"/storage/v1/b/{gs_bucket.name}/o/{quote('a/b', safe='')}?alt=media"
    assert ask(host, "GET", path)[1] == b"2"
    assert ask(host, "GET", path, Range="bytes=-1")[0] == 206


def test_azurite_keeps_etags(az_bucket: Bucket) -> None:
    blobs = pytest.importorskip("azure.storage.blob")
    core = pytest.importorskip("azure.core")
    text = az_bucket.environment["AZURE_STORAGE_CONNECTION_STRING"]
    with blobs.BlobClient.from_connection_string(text, az_bucket.name, "a/b") as client:
        first = client.upload_blob(b"1", overwrite=False)["etag"]
        changed = {"overwrite": True, "etag": first, "match_condition": core.MatchConditions.IfNotModified}
        client.upload_blob(b"2", **changed)
        with pytest.raises(core.exceptions.ResourceModifiedError):
            client.upload_blob(b"3", **changed)
        assert client.download_blob().readall() == b"2"


@pytest.mark.parametrize(
    ("place", "headers", "status", "data"),
    [
        ("plain", {"Range": "bytes=-3"}, 206, b"789"),
        ("norange", {"Range": "bytes=-3"}, 200, b"0123456789"),
        ("token", {}, 403, None),
        ("token", {"X-Auth-Token": "secret"}, 200, b"0123456789"),
        ("basic", {}, 401, None),
        ("basic", {"Authorization": "Basic bWU6c2VjcmV0"}, 200, b"0123456789"),
        ("redirect", {}, 302, None),
        ("error", {}, 500, None),
    ],
)
def test_nginx_has_places_that_behave_differently(
    nginx: Nginx, place: str, headers: dict[str, str], status: int, data: bytes | None
) -> None:
    (nginx.folder / "ten").write_bytes(b"0123456789")
    found, body, _ = ask(nginx.url.removeprefix("http://"), "GET", f"/{place}/ten", **headers)
    assert found == status
    assert data is None or body == data
    assert any(
        line.startswith(f"GET /{place}/ten ") and line.endswith(str(status)) for line in nginx.requests()
    )


def test_nginx_compresses_lists_resets_and_takes_files(nginx: Nginx) -> None:
    host = nginx.url.removeprefix("http://")
    assert ask(host, "PUT", "/dav/new/file", b"x" * 1000)[0] == 201
    assert (nginx.folder / "new" / "file").read_bytes() == b"x" * 1000
    _, body, headers = ask(host, "GET", "/gzip/new/file", Accept_Encoding="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert len(body) < 1000
    assert b'href="file"' in ask(host, "GET", "/plain/new/")[1]
    assert ask(host, "GET", "/bare/new/")[0] == 403
    with pytest.raises(http.client.RemoteDisconnected):
        ask(host, "GET", "/reset/x")
