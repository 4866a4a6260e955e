"""Storage options as users have them in scripts for fsspec, UPath and aiohttp, and URLs with secrets."""

from __future__ import annotations

import base64
import pickle
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from wkplug_remote.filesystem import HttpFilesystem, opened
from wkplug_remote.options import read_options
from wkplug_remote.transport import TimeLimits

from tests.servers.scripted import Reply, Request, ScriptedServer, ranged
from wkplug import config, storage
from wkplug.errors import ForbiddenError, InvalidArgumentError, UnsafePathError

if TYPE_CHECKING:
    from pathlib import Path

LOGIN = f"Basic {base64.b64encode(b'me:se:cr@t').decode()}"
DATA = bytes(range(100))


class BasicAuth(NamedTuple):
    """As aiohttp has it."""

    login: str
    password: str = ""
    encoding: str = "latin1"


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ({"headers": {"X-Auth-Token": "secret"}}, "X-Auth-Token", "secret"),
        ({"client_kwargs": {"headers": {"X-Auth-Token": "secret"}}}, "X-Auth-Token", "secret"),
        ({"headers": {"A": "1"}, "client_kwargs": {"headers": {"a": "2", "b": "3"}}}, "A", "1"),
        ({"auth": ("me", "se:cr@t")}, "Authorization", LOGIN),
        ({"auth": ["me", "se:cr@t"]}, "Authorization", LOGIN),
        ({"auth": BasicAuth("me", "se:cr@t")}, "Authorization", LOGIN),
        ({"client_kwargs": {"auth": BasicAuth("me", "se:cr@t")}}, "Authorization", LOGIN),
        ({"cookies": {"session": "1", "b": "2"}}, "Cookie", "session=1; b=2"),
        ({"headers": {"Cookie": "a=0"}, "cookies": {"b": "2"}}, "Cookie", "a=0; b=2"),
    ],
)
def test_headers_logins_and_cookies_are_sent(
    script: ScriptedServer, options: dict[str, Any], name: str, value: str
) -> None:
    script.reply = ranged(DATA)
    assert opened(f"{script.url}/x", options)[0].get("x")[0] == DATA
    assert script.requests[0].headers[name] == value


@pytest.mark.parametrize(
    ("url", "options", "path"),
    [
        ("x?token=a%2Fb", {}, "/x/y?token=a%2Fb"),
        ("x", {"params": {"token": "a/b", "v": 1}}, "/x/y?token=a%2Fb&v=1"),
        ("x", {"client_kwargs": {"params": {"token": "ab"}}}, "/x/y?token=ab"),
        ("x?a=1", {"params": "?token=ab"}, "/x/y?a=1&token=ab"),
    ],
)
def test_query_tokens_are_sent(script: ScriptedServer, url: str, options: dict[str, Any], path: str) -> None:
    script.reply = ranged(DATA)
    place = storage.locate(f"{script.url}/{url}", options=options)
    assert place.child("y").read() == DATA
    assert script.requests[0].path == path
    assert "token" not in place.url + repr(place)


def test_a_login_in_the_url_is_sent_and_not_shown(script: ScriptedServer) -> None:
    script.reply = lambda request: Reply(200 if request.headers.get("Authorization") == LOGIN else 401, DATA)
    host = script.url.removeprefix("http://")
    place = storage.locate(f"http://me:se%3Acr%40t@{host}/x")
    assert place.read() == DATA
    assert place.url == f"http://{host}/x"
    script.reply = lambda request: Reply(401)
    with pytest.raises(ForbiddenError) as caught:
        place.read()
    assert "cr" not in str(caught.value).replace("credentials", "")


def test_logins_in_netrc_are_not_used(
    script: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    script.reply = ranged(DATA)
    storage.locate(f"{script.url}/x").read()
    assert "Authorization" not in script.requests[0].headers


@pytest.mark.parametrize(
    ("timeout", "limits"),
    [
        (5, {"connect": 5.0, "read": 5.0, "write": 5.0}),
        ({"read": 2, "total": 9}, {"read": 2.0, "total": 9.0}),
        ({"sock_connect": 1, "sock_read": 2}, {"connect": 1.0, "read": 2.0}),
        (SimpleNamespace(total=300, connect=None, sock_connect=30, sock_read=None), {"total": 300.0, "connect": 30.0}),
        (SimpleNamespace(connect=1.0, read=2.0, write=3.0, pool=4.0),
         {"connect": 1.0, "read": 2.0, "write": 3.0, "pool": 4.0}),
    ],
    ids=["number", "phases", "aiohttp's phases", "aiohttp's", "httpx's"],
)  # fmt: skip
def test_time_limits_are_taken_by_phase(timeout: Any, limits: dict[str, float]) -> None:
    wanted = TimeLimits()._replace(**limits)
    assert read_options({"timeout": timeout}).access.limits == wanted
    assert read_options({"client_kwargs": {"timeout": timeout}}).access.limits == wanted


def test_certificates_are_checked_unless_said_otherwise(tmp_path: Path) -> None:
    context = ssl.create_default_context()
    authorities = tmp_path / "ca.pem"
    authorities.write_text("")
    for options, value in [
        ({}, True), ({"verify": True, "ssl": None}, True), ({"ssl": False}, False), ({"verify": False}, False),
        ({"ssl": context}, context), ({"verify": authorities}, str(authorities)),
    ]:  # fmt: skip
        assert read_options(options).access.verify == value


@pytest.mark.parametrize(
    "options",
    [
        {"block_size": 2**20, "cache_type": "bytes", "simple_links": True, "same_scheme": False},
        {"asynchronous": False, "loop": None, "skip_instance_cache": True, "anon": True},
        {"client_kwargs": {"trust_env": True, "raise_for_status": True}},
        {"headers": None, "client_kwargs": None},
    ],
)
def test_options_that_only_tune_a_driver_change_nothing(options: dict[str, Any]) -> None:
    assert read_options(options) == read_options({})


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"get_client": print}, "get_client"),
        ({"client_kwargs": {"connector": object()}}, "connector"),
        ({"key": "AKIA", "secret": "s"}, "key"),
        ({"header": {"a": "b"}}, "header"),
        ({"headers": {"a": "b\r\nc: d"}}, "headers"),
        ({"headers": {"a": "ü"}}, "headers"),
        ({"headers": ["a"]}, "headers"),
        ({"auth": "me:secret"}, "auth"),
        ({"auth": object()}, "auth"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"timeout": {"reading": 1}}, "timeout"),
        ({"verify": "/nowhere/ca.pem"}, "verify"),
        ({"ssl": 7}, "ssl"),
        ({"cert": 7}, "cert"),
        ({"proxy": "host"}, "proxy"),
        ({"refused_is_missing": 1}, "refused_is_missing"),
        ({"whole_file_limit": "1 GB"}, "whole_file_limit"),
        ({"allow_redirects": "no"}, "allow_redirects"),
        ({"client_kwargs": 7}, "client_kwargs"),
    ],
)
def test_what_can_not_be_translated_is_named(options: dict[str, Any], name: str) -> None:
    filesystem = HttpFilesystem()
    with pytest.raises(InvalidArgumentError, match=f"storage option '{name}'") as caught:
        filesystem.location("http://host/x", options=options)
    assert "secret" not in str(caught.value).replace("a secret", "")
    (problem,) = filesystem.problems("http://host/x", options=options)
    assert problem.severity == "error"
    assert f"'{name}'" in problem.text
    assert not list(filesystem.problems("http://host/x", options={"headers": {"a": "b"}}))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("HTTP://Host:80/a//b/", "http://host/a/b"),
        ("https://host:443", "https://host"),
        ("https://host:8443/a/../b/./c#part", "https://host:8443/b/c"),
        ("http://[::1]:81/a", "http://[::1]:81/a"),
        ("http://host/a b/ü%20%2Fc/100%", "http://host/a%20b/%C3%BC%20%2Fc/100%25"),
    ],
)
def test_addresses_have_one_spelling(url: str, shown: str) -> None:
    place = storage.locate(url)
    assert place.url == shown
    assert storage.locate(place.url) == place
    assert hash(storage.locate(place.url)) == hash(place)
    assert place.child("a b", "100%").parent.name == "a b"
    assert place.child("100%").name == "100%"


@pytest.mark.parametrize(
    "url", ["http://", "http:///x", "http://host:port/x", "http://[::1/x", "https://a\0b/x"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"is no URL|names no host|contain invalid|NUL|no path"):
        opened(url)
    with pytest.raises(UnsafePathError, match="leads out of its own server"):
        opened("http://host/a/../../b")
    with pytest.raises(UnsafePathError):
        opened("http://host/%2e%2e/b")


def test_settings_give_options_and_arguments_win(script: ScriptedServer) -> None:
    script.reply = ranged(DATA)
    url = f"{script.url}/data/x"
    with config.settings(storage={f"{script.url}/data": {"headers": {"A": "1"}, "timeout": 3}}):
        assert storage.locate(url).read() == DATA
        assert script.requests[-1].headers["A"] == "1"
        storage.locate(url, options={"headers": {"B": "2"}}).read()
        assert script.requests[-1].headers["B"] == "2"
        storage.locate(f"{script.url}/others").read()
        assert "A" not in script.requests[-1].headers


def test_settings_that_came_later_count_when_access_is_refused(script: ScriptedServer) -> None:
    def reply(request: Request) -> Reply:
        return Reply(200 if request.headers.get("A") == "new" else 403, DATA)

    script.reply = reply
    with config.settings(storage={script.url: {"headers": {"A": "old"}}}):
        place = storage.locate(f"{script.url}/x")
        with pytest.raises(ForbiddenError):
            place.read()
        with config.settings(storage={script.url: {"headers": {"A": "new"}}}):
            assert place.read() == DATA


def test_options_of_the_session_lead_to_other_places_of_the_folder(script: ScriptedServer) -> None:
    script.reply = lambda request: Reply(200 if request.headers.get("A") == "secret" else 403, DATA)
    storage.locate(f"{script.url}/lab/x", options={"headers": {"A": "secret"}})
    assert storage.locate(f"{script.url}/lab/y").read() == DATA
    with pytest.raises(ForbiddenError):
        storage.locate(f"{script.url}/others/y").read()


def test_secrets_stay_behind_when_places_travel(script: ScriptedServer) -> None:
    script.reply = ranged(DATA)
    host = script.url.removeprefix("http://")
    place = storage.locate(
        f"http://me:s3cret@{host}/x?token=t0ken", options={"headers": {"A": "hidden"}, "timeout": 7}
    )
    travelled = pickle.dumps(place)
    for secret in (b"s3cret", b"t0ken", b"hidden"):
        assert secret not in travelled
    again = pickle.loads(travelled)
    assert again == place
    script.reply = lambda request: Reply(403)
    with pytest.raises(ForbiddenError, match="Credentials given in code don't travel"):
        again.read()
