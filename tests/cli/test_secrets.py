"""Secrets that were pasted into addresses: no command prints them, no error and no warning repeats them."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import io
import logging
import pickle
import socket
import traceback
import warnings
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click
import numpy as np
import pytest
import tifffile
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from upath import UPath

import wkplug as wk
from tests.servers.scripted import Reply, Request, ranged, serve_script
from wkplug import errors, storage
from wkplug.cli.main import COMMANDS, main
from wkplug.errors import redacted
from wkplug.filesystems import sessions
from wkplug.testing.profiles import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """The host of a server that has nothing for anybody."""
    with serve_script() as server:
        yield server.url.removeprefix("http://")


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
    with pytest.raises(errors.InvalidArgumentError, match="needs the options org, repo") as caught:
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
        ("s3://KEYID/secret@bucket", "s3://***@bucket"),
        ("'s3:KEY:SECRET@bucket' and 'https:a:b@h'", "'s3:***@bucket' and 'https:***@h'"),
        ("s3%3A%2F%2FKEY%3ASECRET%40bucket%2Fd", "s3%3A%2F%2F***@bucket%2Fd"),
        ("scan.tif?X-Amz-Signature=ab/c&se=1", "scan.tif?X-Amz-Signature=***&se=1"),
        ("https://h/x?unheard-of=abcdef&se=1&y=", "https://h/x?unheard-of=***&se=1&y="),
        (
            "az://c/x?unheard-of=abcdef 's3://b/x?other=abcdef'",
            "az://c/x?unheard-of=*** 's3://b/x?other=***'",
        ),
        ("https://h/?url=https://g/x.zarr?jwt=a&dim=x", "https://h/?url=https://g/x.zarr?jwt=***&dim=x"),
        ("https://h/x?download=1", "https://h/x?download=1"),
        ("https%3A%2F%2Fh%2Fd%3Fsig%3Da%26x%3D1", "https%3A%2F%2Fh%2Fd%3Fsig%3D***%26x%3D1"),
    ],
)
def test_secrets_are_taken_out_of_texts(text: str, shown: str) -> None:
    assert redacted(text) == shown


MARK = "Hunter2"
KEYS = st.from_regex(r"A[KS]IA[A-Z0-9]{0,16}", fullmatch=True)
# Slashes and "@" in one password can't be told from a host with folders.
PASSWORDS = st.one_of(
    st.builds("{}{}{}".format, st.text(signs, max_size=9), st.just(MARK), st.text(signs, max_size=9))
    for signs in ("aZ9/+~.:", "aZ9@+~.:")
)
QUERIES = st.sampled_from(["X-Amz-Signature", "sig", "SIG", "token", "x-amz-security-token", "access_token"])
ORDINARY = st.sampled_from(
    [
        "me@home.org", "a@b.tif", "scan:a@b", "@scope/pkg", "key=5", "s3://bucket/dir/a@b.tif", "/data/x:y@z.tif",
        "file:///data/x:y@z.tif", "C:\\data\\a@b:c", "http://host:8080/a@b:c", "100%", "memory://a:b@c", "layer 's3'",
    ]
)  # fmt: skip


@st.composite
def _leaking(draw: st.DrawFn) -> str:
    scheme = draw(st.sampled_from(["s3", "S3", "gs", "https", "HTTPS", "sftp", "simplecache::s3"]))
    host = draw(st.sampled_from(["bucket", "bucket/d", "localhost:9000/bucket", "h.org:443", "[::1]:80/x"]))
    if draw(st.booleans()):
        url = f"{scheme}://{host}?x=1&{draw(QUERIES)}={draw(PASSWORDS).replace('&', '')}"
    else:
        # A slash in the place of the colon is told from a folder by the schemes that have ids of keys.
        between = draw(st.sampled_from(":/")) if scheme.lower().endswith(("s3", "gs")) else ":"
        password = draw(PASSWORDS)
        url = (
            f"{scheme}:{draw(st.sampled_from(['', '/', '//', '///']))}{draw(KEYS)}{between}x{password}@{host}"
        )
    return quote(url, safe="") if draw(st.booleans()) else url


@given(
    leaks=st.lists(_leaking(), max_size=3),
    others=st.lists(ORDINARY, max_size=3),
    quotes=st.sampled_from(["", "'"]),
)
@example(leaks=[f"s3://AKIA:9/{MARK}@bucket"], others=[], quotes="")
@example(leaks=[f"https:AKIA:x{MARK}:9/@bucket"], others=[], quotes="")
def test_every_spelling_of_a_secret_is_taken_out_and_nothing_else(
    leaks: list[str], others: list[str], quotes: str
) -> None:
    shown = redacted(" ".join(f"{quotes}{word}{quotes}" for word in [*others, *leaks, *others]))
    assert MARK not in shown
    plain = " ".join(f"{quotes}{word}{quotes}" for word in others)
    assert shown.startswith(plain)
    assert shown.endswith(plain)
    assert redacted(shown) == shown


# --- from end to end ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with a layer, and an image beside it."""
    folder = tmp_path_factory.mktemp("served")
    box = wk.BoundingBox((0, 0, 0), (32, 32, 32))
    layer = wk.Dataset(folder / "d", (1, 1, 1)).add_layer(
        "seg", "segmentation", dtype="uint8", bounding_box=box
    )
    layer.add_mag(1).write(np.ones((32, 32, 32), "uint8"))
    tifffile.imwrite(folder / "d/im.tif", np.ones((2, 16, 16), "uint8"))
    return folder


def _login(secret: str) -> str:
    return base64.b64encode(f"me:{secret}".encode()).decode()


def _opened(url: str, options: dict[str, Any]) -> Any:
    return UPath(url, **options) if options else url


def _uses(url: str, options: dict[str, Any], folder: Path) -> Iterator[str | bytes]:
    """Do what can be done with a dataset on a server, and give whatever is shown, written or handed on."""
    dataset = wk.Dataset.open(_opened(url, options))
    layer = dataset.get_layer("seg")
    mag = layer.get_mag(1)
    assert mag.read().all()
    for one in (dataset, layer, mag, mag.get_view(), dataset.location, mag.info):
        yield f"{one} {one!r}"
    for one in (dataset, layer, mag, dataset.location):
        yield pickle.dumps(one)
    wk.Dataset(folder / "referring", (1, 1, 1)).add_layer_as_ref(layer)
    dataset.shallow_copy_dataset(folder / "shallow")
    dataset.copy_dataset(folder / "copied")
    image = url.replace("/d", "/d/im.tif", 1)
    imported = wk.Dataset.from_images(_opened(image, options), folder / "imported", (1, 1, 1))
    yield f"{imported.import_report} {imported.import_report!r}"
    yield repr(wk.Dataset.explore(_opened(url, options)))
    place = storage.locate(_opened(url, options))
    for refused in (lambda: place.child("nothing").read(), lambda: place.write(b"")):
        with pytest.raises(errors.WkplugError) as caught:
            refused()
        yield "".join(traceback.format_exception(caught.value))
    if not options:
        for command in (
            ["info"],
            ["explain"],
            ["explore"],
            ["explore", "--json"],
            ["check-equality"],
            ["inspect"],
        ):
            given = [command[0], image if command[0] == "inspect" else url, *command[1:]]
            shown = io.StringIO()
            with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
                main([*given, str(folder / "copied")] if command == ["check-equality"] else given)
            yield shown.getvalue()
    for path in folder.rglob("*"):
        yield str(path.relative_to(folder))
        yield path.read_bytes() if path.is_file() else b""


@pytest.mark.parametrize("way", ["sig", "X-Amz-Signature", "token", "unheard-of", "@", "headers"])
@given(secret=st.text("abcdefghkmnpqrstuvwxyzABCDEFGHKLMNPQRSTUVWXYZ23456789", min_size=12, max_size=30))
@settings(examples(2), phases=[Phase.generate])  # searching for a shorter secret would take minutes
def test_a_secret_never_leaves_what_it_opens(secret: str, way: str, files: Path) -> None:
    def reply(request: Request) -> Reply:
        head = request.headers
        if not (
            secret in request.path
            or head.get("X-Auth-Token") == secret
            or head.get("Authorization") == f"Basic {_login(secret)}"
        ):
            return Reply(403)
        file = files / request.path.partition("?")[0].strip("/")
        return ranged(file.read_bytes())(request) if file.is_file() else Reply(404)

    sessions.forget()
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    logging.getLogger().addHandler(handler)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        with (
            serve_script() as server,
            TemporaryDirectory() as name,
            warnings.catch_warnings(record=True) as told,
        ):
            server.reply = reply
            url, options = f"{server.url}/d?sv=2024-01-01&{way}={secret}", dict[str, Any]()
            if way == "@":
                url = f"{server.url}/d".replace("://", f"://me:{secret}@")
            elif way == "headers":
                url, options = f"{server.url}/d", {"headers": {"X-Auth-Token": secret}}
            for shown in _uses(url, options, Path(name)):
                text = shown if isinstance(shown, str) else shown.decode("latin-1")
                assert secret not in text
                assert _login(secret) not in text
            for one in told:
                assert secret not in str(one.message)
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(level)
    assert secret not in logged.getvalue()
