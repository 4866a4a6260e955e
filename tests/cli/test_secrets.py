"""Secrets that were pasted into addresses: no command prints them, no error and no warning repeats them."""

from __future__ import annotations

import contextlib
import http.server
import importlib.util
import pickle
import socket
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
import pytest

import wkplug as wk
from wkplug import errors, storage
from wkplug.cli.main import COMMANDS, main
from wkplug.errors import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "hunter2"
URLS = [
    f"http://user:{SECRET}@HOST/d?Signature={SECRET}&x=1&X-Amz-Security-Token={SECRET}",
    f"http://{SECRET}@HOST/d",
    f"s3://AKIA:a/{SECRET}@HOST/bucket/d",
    f"s3://HOST/bucket/d?X-Amz-Signature={SECRET}",
    f"s3:/AKIA:{SECRET}@HOST/bucket/d",
    f"github://a:{SECRET}@/x",
    f"sftp:AKIA:{SECRET}@b/x",
    f"nonsense://a:{SECRET}@b/x",
    f"simplecache::s3://a:{SECRET}@b/x",
]
REQUIRED = {"--voxel-size": "1,1,1", "--layer-name": "color", "--shape": "8,8,8", "--dtype": "uint8"}


class _Nothing(http.server.BaseHTTPRequestHandler):
    """Has nothing for anybody, and says so at once."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Nothing) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _command(name: str) -> click.Command:
    module, _, attribute = COMMANDS[name].partition(":")
    found: click.Command = getattr(import_module(module), attribute)
    return found


def _arguments(name: str, url: str) -> list[str]:
    given: list[str] = [name]
    for parameter in _command(name).params:
        if isinstance(parameter, click.Argument):
            if isinstance(parameter.type, click.Choice):
                given.append(parameter.type.choices[0])
            else:
                given += [url] * max(1, parameter.nargs)
        elif parameter.required:
            option = next(text for text in parameter.opts if text.startswith("--"))
            given += [option, REQUIRED.get(option, "1")]
    return given


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_no_command_prints_a_secret(
    name: str, host: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for url in URLS:
        main(_arguments(name, url.replace("HOST", host)))
        told = capsys.readouterr()
        assert SECRET not in told.out + told.err, told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", URLS)
def test_no_error_and_no_place_repeats_a_secret(url: str, host: str) -> None:
    with pytest.raises(errors.WkplugError) as caught:
        wk.Dataset.open(url.replace("HOST", host))
    assert SECRET not in f"{caught.value} {caught.value!r} {caught.value.message} {caught.value.hint}"
    assert SECRET not in str(pickle.loads(pickle.dumps(caught.value)))
    with contextlib.suppress(errors.WkplugError):
        place = storage.locate(url.replace("HOST", host))
        assert SECRET not in f"{place} {place!r} {place.url} {place.child('x').url}"


def test_keys_in_an_s3_url_are_used_and_not_recorded(host: str) -> None:
    place = storage.locate(f"s3://AKIA:a/b%2B{SECRET}@{host}/bucket/d")
    options: Any = place.native("fsspec")
    assert (options["options"]["key"], options["options"]["secret"]) == ("AKIA", f"a/b+{SECRET}")
    assert place.url == f"s3://{host}/bucket/d"


def test_a_signed_s3_url_is_refused_with_the_form_that_works() -> None:
    with pytest.raises(
        errors.InvalidArgumentError, match="ends with a signature, and s3:// URLs have none"
    ) as caught:
        storage.locate(f"s3://bucket/d?AWSAccessKeyId=x&Signature={SECRET}")
    assert caught.value.hint == (
        "Give the signed link as the https:// URL that it was, or the keys as storage options."
    )


def test_what_a_driver_cannot_take_apart_is_a_typed_error() -> None:
    with pytest.raises(errors.InvalidArgumentError, match="wants another form or other options") as caught:
        storage.locate(f"github://a:{SECRET}@/").exists()
    assert SECRET not in str(caught.value)


def test_drivers_that_connect_at_once_fail_with_typed_errors() -> None:
    with socket.socket() as bound:  # nobody listens there
        bound.bind(("127.0.0.1", 0))
        address = f"ftp://me:{SECRET}@127.0.0.1:{bound.getsockname()[1]}/x"
        with pytest.raises(errors.StorageError, match="can't be reached: Connection refused") as caught:
            storage.locate(address).exists()
    assert caught.value.hint == "Check the address, and whether the server is up."
    assert SECRET not in str(caught.value)


def test_a_package_that_a_driver_misses_when_it_is_made_is_named() -> None:
    if importlib.util.find_spec("pyarrow") is not None:
        pytest.skip("pyarrow is installed")
    with pytest.raises(errors.PluginMissingError, match="hdfs:// places need the package pyarrow") as caught:
        storage.locate("hdfs://127.0.0.1:1/x").exists()
    assert caught.value.hint == "pip install pyarrow"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://a:b@host/x?token=c&y=1", "see https://***@host/x?token=***&y=1"),
        ("https://ghp_abc@host/x", "https://***@host/x"),
        ("https://user:p@ss@host/x", "https://***@host/x"),
        ("sftp://user:p@s:s@host/x", "sftp://***@host/x"),
        ("s3://key:se/cr+et@bucket/a", "s3://***@bucket/a"),
        ("'s3:/key:secret@bucket'", "'s3:/***@bucket'"),
        (
            "https://host/x?sig=a%2Fb&se=1 and https://h/y?api_key=k",
            "https://host/x?sig=***&se=1 and https://h/y?api_key=***",
        ),
        ("s3://localhost:9000/bucket/me@home", "s3://localhost:9000/bucket/me@home"),
        ("sftp://user@host/x", "sftp://user@host/x"),
        ("C:/a?key=b", "C:/a?key=***"),
        ("https://h/x;token=a/b c", "https://h/x;token=*** c"),
        ("https://h/x?sig=a/b&y=1;key=c", "https://h/x?sig=***&y=1;key=***"),
        ("nothing to hide: a=b, me@home", "nothing to hide: a=b, me@home"),
        ("http://host:8080/a@b:c", "http://host:8080/a@b:c"),
    ],
)
def test_secrets_are_taken_out_of_texts(text: str, shown: str) -> None:
    assert redacted(text) == shown
