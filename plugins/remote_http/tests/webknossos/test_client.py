"""Versions, retries, and errors with the server's own words; the server answers as each test says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from wkplug_remote.webknossos.client import Client
from wkplug_remote.webknossos.context import Context

import wkplug as wk
from tests.servers.scripted import Reply
from wkplug.errors import ForbiddenError, MissingError, ServerError, StorageError

if TYPE_CHECKING:
    from tests.servers.scripted import Request, ScriptedServer

TOKEN = "tok-en_123"


def client(script: ScriptedServer, version: int | None = 16, timeout: float = 20) -> Client:
    return Client(Context(script.url, TOKEN, timeout, version))


def build(oldest: object, newest: object) -> Reply:
    versions = {"currentApiVersion": newest, "oldestSupportedApiVersion": oldest}
    return Reply(body=json.dumps({"httpApiVersioning": versions}).encode())


@pytest.mark.parametrize(
    ("oldest", "newest", "agreed"), [(5, 13, 13), (5, 15, 15), (13, 99, 16), (16, 16, 16)]
)
def test_the_newest_version_that_both_speak_is_taken(
    script: ScriptedServer, oldest: int, newest: int, agreed: int
) -> None:
    script.reply = lambda request: build(oldest, newest) if "buildinfo" in request.path else Reply(body=b"[]")
    asking = client(script, None)
    asking.api("GET", "/teams")
    asking.api("GET", "/teams")
    paths = [request.path for request in script.requests]
    assert paths == ["/api/buildinfo", f"/api/v{agreed}/teams", f"/api/v{agreed}/teams"]
    assert "X-Auth-Token" not in script.requests[0].headers
    assert script.requests[1].headers["X-Auth-Token"] == TOKEN


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (build(5, 12), r"speaks the versions 5 to 12 of WEBKNOSSOS' API, wkplug 13 to 16(.|\n)*newer server"),
        (build(17, 20), r"speaks the versions 17 to 20(.|\n)*Update wkplug-remote"),
        (build("13", 16), "doesn't say which versions"),
        (
            Reply(body=b"<html><title>Hello</title>nobody here</html>"),
            "something else than JSON .Hello nobody here",
        ),
        (Reply(body=b"[]"), "doesn't say which versions"),
    ],
)
def test_servers_of_other_versions_are_named(script: ScriptedServer, reply: Reply, text: str) -> None:
    script.reply = lambda request: reply
    with pytest.raises(ServerError, match=text):
        client(script, None).api("GET", "/teams")


def test_reading_is_tried_again_and_changes_are_not(script: ScriptedServer) -> None:
    def fails_once(request: Request) -> Reply:
        return Reply(503, b"<h1>Bad gateway</h1>") if len(script.requests) == 1 else Reply(body=b'{"a": 1}')

    script.reply = fails_once
    assert client(script).api("GET", "/user") == {"a": 1}
    assert len(script.requests) == 2
    script.requests.clear()
    with pytest.raises(StorageError, match=r"could not be changed.*HTTP 503.*Bad gateway"):
        client(script).api("PATCH", "/datasets/1", body={})
    assert len(script.requests) == 1


def test_what_the_server_says_is_shown(script: ScriptedServer) -> None:
    body = {"messages": [{"error": f"Name is taken, {TOKEN}"}, {"chain": "[Server Time] <~ because"}]}
    script.reply = lambda request: Reply(400, json.dumps(body).encode())
    with pytest.raises(
        ServerError, match=r"answers HTTP 400: Name is taken, \*\*\* .Server Time. <~ because"
    ):
        client(script).api("POST", "/teams", body={"name": "x"})
    script.reply = lambda request: Reply(400, b'{"obj.name":[{"msg":["error.path.missing"],"args":[]}]}')
    with pytest.raises(ServerError, match=r"obj\.name.*error\.path\.missing"):
        client(script).api("POST", "/teams", body={})


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (401, ForbiddenError, r"refuses it to the token that was given \(HTTP 401\)(.|\n)*WK_TOKEN"),
        (403, ForbiddenError, r"\(HTTP 403\): No access\."),
        (404, MissingError, r"doesn't have it, or doesn't show it to you \(HTTP 404\): No access\."),
        (409, ServerError, r"answers HTTP 409: No access\."),
    ],
)
def test_refusals_are_told_apart(
    script: ScriptedServer, status: int, kind: type[Exception], text: str
) -> None:
    script.reply = lambda request: Reply(status, b"No access.")
    with pytest.raises(kind, match=text):
        client(script).api("GET", "/user")


def test_tokens_go_to_no_other_host(script: ScriptedServer, other: ScriptedServer) -> None:
    other.reply = lambda request: Reply(body=b"{}")
    script.reply = lambda request: Reply(302, headers={"Location": f"{other.url}/elsewhere"})
    client(script).api("GET", "/user")
    assert "X-Auth-Token" not in other.requests[0].headers


def test_a_long_answer_is_shown_in_part(script: ScriptedServer) -> None:
    script.reply = lambda request: Reply(400, b"word " * 1000)
    with pytest.raises(ServerError) as caught:
        client(script).api("POST", "/teams", body={})
    assert len(str(caught.value)) < 900


def test_a_dataset_that_is_not_whole_is_refused(script: ScriptedServer) -> None:
    record = {
        "name": "brain",
        "dataSource": {"id": {}, "status": "Not yet fully uploaded."},
        "dataStore": {"url": "x"},
    }
    script.reply = lambda request: Reply(body=json.dumps(record).encode())
    with (
        wk.webknossos_context(script.url, TOKEN, api_version=16),
        pytest.raises(
            ServerError, match=r"The dataset 'brain' .* can't be used: the server says 'Not yet fully"
        ),
    ):
        wk.RemoteDataset.open(dataset_id="5" * 24)
