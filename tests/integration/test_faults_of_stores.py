"""One list of what goes wrong with stores, and what is said of it by everything that a user does.

Real answers, spoilt on their way by a proxy. An error names the URL, what the server said, how often it was tried and
what to do; nothing else stands on the screen; and what could not be read is never fill value.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import warnings
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

import wkplug as wk
from tests.servers.counting import CountingServer
from tests.servers.proxies import Cut, Delay, Drop, FaultProxy, Refuse, Reset, Rewrite, Sever
from wkplug.cli.main import main
from wkplug.errors import (
    BucketMissingError,
    CorruptDataError,
    DatasetNotFoundError,
    ForbiddenError,
    MissingError,
    StorageError,
    UnsupportedOperationError,
    WebPageError,
    WkplugError,
)
from wkplug.filesystems import retries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers.fixtures import Bucket
    from tests.servers.messages import Message

# Buckets with WKW are there to be read.
pytestmark = pytest.mark.filterwarnings("ignore:.*WKW is not recommended")

SECRET = "verysecret"
SIZE = (32, 32, 32)
PART = wk.BoundingBox((5, 5, 5), (20, 20, 20))
VOXELS = np.random.default_rng(0).integers(1, 250, SIZE).astype("uint8")
SHAPES: dict[Any, dict[str, Any]] = {
    "wkw": {"chunk_shape": 8, "shard_shape": 16},
    "zarr": {"chunk_shape": 16},
    "zarr3": {"chunk_shape": 8, "shard_shape": 16},
    "n5": {"chunk_shape": 16},
    "neuroglancerPrecomputed": {"chunk_shape": 16},
}
ENGINES = [
    ("wkw", "numpy"), ("zarr", "tensorstore"), ("zarr", "zarr"), ("zarr3", "tensorstore"), ("zarr3", "zarr"),
    ("n5", "tensorstore"), ("neuroglancerPrecomputed", "tensorstore"),
]  # fmt: skip
FOREIGN = {"n5": "em.n5", "neuroglancerPrecomputed": "em.precomputed"}
WAYS = {
    "s3+obstore": ("s3", {}),
    "s3+fsspec": ("s3", {"filesystems": {"s3": "s3+fsspec"}}),
    "http": ("http", {}),
}
CHECK = "Check the "
LATER = "Try again"


# --- what goes wrong ------------------------------------------------------------------------------------------


class Said(NamedTuple):
    """An error: its class, what follows "... could not be read: " as a pattern, how its advice begins."""

    kind: type[WkplugError]
    text: str
    advice: str


class Case(NamedTuple):
    """A fault, and what is said of it: of a bucket, and of a web server where that differs."""

    fault: Any
    bucket: Said
    web: Said


TRIED = r" Tried 2 times in \d+\.\d s\."


def refused(status: int, code: str, text: str) -> Case:
    """A refusal as S3 writes it."""
    said = re.escape(f"the server refused access (HTTP {status}){text}.")
    web = Said(ForbiddenError, re.escape(f"the server refused access (HTTP {status})") + ".*", CHECK)
    if status == 400:
        web = Said(StorageError, re.escape("the server answered HTTP 400 (Bad Request)."), "")
    return Case(xml(status, code), Said(ForbiddenError, said, CHECK), web)


def xml(status: int, code: str, *headers: tuple[str, str]) -> Refuse:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{SECRET} internals</Message></Error>"
    return Refuse(status, body.encode(), (("Content-Type", "application/xml"), *headers))


def passing(fault: Any, text: str, reason: str = "", web: str = "") -> Case:
    """What may pass by itself; answers to HEAD tell no reason."""
    said = re.escape(text) + (rf"( \({re.escape(reason)}\))?\." if reason else "") + TRIED
    other = (re.escape(web) if web else said[: -len(TRIED)]) + TRIED
    return Case(fault, Said(StorageError, said, LATER), Said(StorageError, other, LATER))


BROKE_OFF = "the connection ended before the whole answer had come."
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>proxy</body></html>"
HTML = (("Content-Type", "text/html"),)
NO_BUCKET = Said(BucketMissingError, r"its bucket is not there\.", "The bucket doesn't exist: check its name")
FAULTS = {
    "a wrong secret": refused(403, "SignatureDoesNotMatch", ": the secret does not fit to the key"),
    "an expired token": refused(400, "ExpiredToken", ": the session token has expired"),
    "a missing bucket": Case(xml(404, "NoSuchBucket"), NO_BUCKET, NO_BUCKET),
    "an error for ever": passing(
        xml(500, "InternalError"),
        "the server answered HTTP 500",
        "InternalError",
        "the server answered HTTP 500 (Internal Server Error).",
    ),
    "a busy server": passing(
        xml(503, "SlowDown"),
        "the server answered HTTP 503",
        "the server asks to slow down",
        "the server answered HTTP 503 (Service Unavailable).",
    ),
    "cut bodies": passing(Cut(3), BROKE_OFF),
    "the page of a proxy": Case(
        Refuse(403, PAGE, HTML),
        Said(
            ForbiddenError,
            re.escape(
                "the server refused access (HTTP 403): a web page came in place of the store's answer."
            ),
            "A proxy, or another server, answers",
        ),
        Said(ForbiddenError, re.escape("the server refused access (HTTP 403)") + ".*", CHECK),
    ),
}
LOST: dict[str, Any] = {"answers that get lost": Drop(), "connections that break": Reset()}


# --- where it goes wrong ----------------------------------------------------------------------------------------


class World(NamedTuple):
    """A server with data in all formats, and a way to it through the proxy."""

    server: CountingServer
    proxy: FaultProxy
    scheme: str
    folder: Path

    @property
    def base(self) -> str:
        return f"{self.scheme}://{self.proxy.host}/bucket"

    @property
    def said(self) -> Callable[[Case], Said]:
        return lambda case: case.web if self.scheme == "http" else case.bucket

    def mags(self) -> dict[str, wk.MagView]:
        """A mag of each format, by each engine that reads it; nothing but metadata has been read."""
        found = {}
        for data_format, engine in ENGINES:
            dataset = wk.Dataset.open(f"{self.base}/{data_format}", backends={data_format: engine})
            found[f"{data_format} by {engine}"] = dataset.get_layer("em").get_mag(1)
        for data_format, name in FOREIGN.items():
            dataset = wk.Dataset(self.folder / f"of-{data_format}", voxel_size=(1, 1, 1), exist_ok=True)
            if "em" not in dataset.layers:
                dataset.add_layer_as_ref(f"{self.base}/{name}", "em")
            found[f"{data_format} of others"] = dataset.get_layer("em").get_mag(1)
        for mag in found.values():
            assert mag.info.chunk_shape
        return found

    def plan(self, fault: Any, when: Callable[[Message], bool] = lambda request: True) -> None:
        self.proxy.clear()
        self.proxy.plan(fault, when=when, times=None)

    def stored(self) -> dict[str, bytes]:
        return {key: kept.data for key, kept in self.server.buckets["bucket"].items()}


METADATA = re.compile(r"/(datasource-properties\.json|header\.wkw|\.z\w+|zarr\.json|attributes\.json|info)$")


def of_voxels(request: Message) -> bool:
    """Whether a request is for an object with voxels."""
    return request.path.count("/") > 3 and METADATA.search(request.path) is None


def put_of_voxels(request: Message) -> bool:
    return request.method == "PUT" and of_voxels(request)


@pytest.fixture(scope="module")
def filled() -> Iterator[CountingServer]:
    """A server with a bucket that has the same voxels in all formats."""
    with CountingServer() as server:
        keys = {"key": "AKIAKEY", "secret": SECRET}
        with wk.settings(storage={f"s3://{server.host}": keys}), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of shapes that are small
            base = f"s3://{server.host}/bucket"
            for data_format, shapes in SHAPES.items():
                dataset = wk.Dataset(f"{base}/{data_format}", voxel_size=(1, 1, 1))
                box = wk.BoundingBox((0, 0, 0), SIZE)
                layer = dataset.add_layer("em", "color", data_format=data_format, bounding_box=box)
                layer.add_mag(1, **shapes).write(VOXELS)
            for name in FOREIGN.values():
                assert main(["export", f"{base}/zarr3", f"{base}/{name}", "--layer-name", "em"]) == 0
        yield server


@pytest.fixture(params=list(WAYS))
def world(
    request: pytest.FixtureRequest,
    filled: CountingServer,
    no_credentials: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[World]:
    """The server by each way; requests are made twice at most, and nobody waits in between."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setattr(retries, "time", SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic))
    scheme, how = WAYS[request.param]
    before = dict(filled.buckets["bucket"])
    with FaultProxy(filled.url) as proxy, wk.settings(retries_attempts=2, **how):
        yield World(filled, proxy, scheme, tmp_path)
    filled.buckets["bucket"] = before


def caught(call: Callable[[], object], said: Said, where: str, capfd: Any) -> WkplugError:
    """The error of a call, which says what it should about something below `where`, and prints nothing."""
    capfd.readouterr()
    with pytest.raises(WkplugError) as found:
        call()
    error = found.value
    assert type(error) is said.kind
    assert re.fullmatch(rf"{re.escape(where)}\S* could not be [a-z ]+: {said.text}", error.message)
    assert (error.hint or "").startswith(said.advice)
    assert SECRET not in str(error)
    assert capfd.readouterr() == ("", "")
    return error


def reading(mag: wk.MagView) -> list[Callable[[], Any]]:
    """Ways to read a mag, in part and whole; each gives the difference to what was written."""
    return [
        lambda: np.squeeze(mag.read(absolute_bounding_box=PART)) - VOXELS[PART.to_slices()],
        lambda: np.squeeze(mag.read()) - VOXELS,
    ]


# --- reading ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_by_all_that_reads_voxels(world: World, name: str, capfd: Any) -> None:
    said = world.said(FAULTS[name])
    mags = world.mags()
    world.plan(FAULTS[name].fault, of_voxels)
    for mag in mags.values():
        for call in reading(mag):
            caught(call, said, world.base, capfd)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_by_all_that_looks_at_metadata(world: World, name: str, capfd: Any) -> None:
    said = world.said(FAULTS[name])
    world.plan(FAULTS[name].fault)
    for data_format in SHAPES:
        caught(partial(wk.Dataset.open, f"{world.base}/{data_format}"), said, world.base, capfd)
    for found in FOREIGN.values():
        caught(partial(wk.Dataset.explore, f"{world.base}/{found}"), said, world.base, capfd)
    copy = lambda: wk.Dataset.open(f"{world.base}/zarr3").copy_dataset(world.folder / "copy")  # noqa: E731
    caught(copy, said, world.base, capfd)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_by_all_commands(world: World, name: str, capfd: Any) -> None:
    said = world.said(FAULTS[name])
    world.plan(FAULTS[name].fault)
    for arguments in (
        ["info", f"{world.base}/zarr3"],
        ["explore", f"{world.base}/em.n5"],
        ["convert", f"{world.base}/em.precomputed", str(world.folder / "converted")],
        ["copy-dataset", f"{world.base}/wkw", str(world.folder / "copied")],
    ):
        capfd.readouterr()
        assert main(arguments) == 1
        out, printed = capfd.readouterr()
        first, *rest = printed.splitlines()
        assert re.fullmatch(rf"Error: {re.escape(world.base)}\S* could not be [a-z ]+: {said.text}", first), (
            first
        )
        assert rest[0].strip().startswith(said.advice) if said.advice else not rest
        assert all(line.startswith("  ") for line in rest)
        assert out == ""
        assert SECRET not in printed
    assert not (world.folder / "copied").exists()


def test_an_error_for_ever_ends_at_the_deadline(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "time", time)
    mags = world.mags()
    world.plan(xml(500, "InternalError"), of_voxels)
    calls: list[Callable[[], Any]] = [reading(mag)[1] for mag in list(mags.values())[::2]]
    if world.scheme == "s3":
        calls += [
            partial(mags[f"{data_format} by {engine}"].write, VOXELS) for data_format, engine in ENGINES[::2]
        ]
    with wk.settings(retries_attempts=1000, retries_deadline=0.4):
        assert_ends(calls)
        world.plan(xml(500, "InternalError"))
        assert_ends([partial(wk.Dataset.open, f"{world.base}/wkw")])
        if (
            world.scheme == "s3"
        ):  # of web servers, an error for a folder says nothing, and files in it are asked for
            assert_ends([partial(wk.Dataset.explore, f"{world.base}/em.n5")])


def assert_ends(calls: list[Callable[[], Any]]) -> None:
    for call in calls:
        with pytest.raises(StorageError, match=r"HTTP 500") as found:
            call()
        tried = re.search(r"Tried (\d+) times in (\d\.\d) s\.", str(found.value))
        assert tried is not None
        assert 1 < int(tried[1]) < 1000  # the deadline ends it, not the attempts


COMMAND = "import sys; from wkplug.cli.main import main; sys.exit(main(sys.argv[1:]))"


def test_nothing_is_said_at_the_end_of_a_process(
    filled: CountingServer, no_credentials: None, tmp_path: Path
) -> None:
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": "AKIAKEY", "AWS_SECRET_ACCESS_KEY": SECRET,
        "WKPLUG_RETRIES__ATTEMPTS": "2", "WKPLUG_BACKENDS__ZARR3": "zarr",
    }  # fmt: skip
    with FaultProxy(filled.url) as proxy:
        proxy.plan(Cut(3), when=of_voxels, times=None)
        source = f"s3://{proxy.host}/bucket/zarr3"
        found = subprocess.run(
            [sys.executable, "-c", COMMAND, "export-as-tiff", source, str(tmp_path / "tiffs"), "--layer-name", "em"],
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (found.returncode, found.stdout) == (1, "")
    first, second = found.stderr.splitlines()
    assert re.fullmatch(rf"Error: {source}\S+ could not be read: {re.escape(BROKE_OFF)}{TRIED}", first)
    assert second.startswith("  Try again later")


@pytest.mark.parametrize("name", LOST)
def test_what_is_lost_once_is_asked_for_again(world: World, name: str) -> None:
    mags = world.mags()
    world.proxy.clear()
    for mag in mags.values():
        world.proxy.plan(LOST[name], when=of_voxels, times=1)
        for call in reading(mag):
            assert not call().any(), mag


# --- answers that lie -------------------------------------------------------------------------------------------


def headers(answer: Message, **changed: str) -> Message:
    names = {name.replace("_", "-"): value for name, value in changed.items()}
    kept = [pair for pair in answer.headers if pair[0].lower() not in {name.lower() for name in names}]
    answer.headers = [*kept, *names.items()]
    return answer


def another_range(request: Message, answer: Message) -> Message:
    if answer.status != 206:
        return answer
    length = len(answer.body)
    total = (answer.header("Content-Range") or "").rpartition("/")[2]
    return headers(answer, Content_Range=f"bytes 1-{length}/{int(total) + 1}")


def shorter(request: Message, answer: Message) -> Message:
    if answer.status != 206:
        return answer
    answer.body = answer.body[:-4]
    return headers(answer, Content_Length=str(len(answer.body)))


def compressed(request: Message, answer: Message) -> Message:
    import gzip

    if answer.status != 206:
        return answer
    answer.body = gzip.compress(answer.body)
    return headers(answer, Content_Length=str(len(answer.body)), Content_Encoding="gzip")


LIES = {"another range": another_range, "less than was asked for": shorter, "compressed ranges": compressed}


LIE = (
    r"(the server sent another range.*|[\d,]+ bytes came of [\d,]+: the answer was cut, or is of another range\. Tried "
    r".*|the server sends a range of it compressed.*)"
)


@pytest.mark.parametrize("name", LIES)
def test_lies_about_ranges_are_never_voxels(world: World, name: str, capfd: Any) -> None:
    mags = world.mags()
    world.plan(Rewrite(LIES[name]), of_voxels)
    errors = []
    for mag in mags.values():
        for call in reading(mag):
            try:
                assert not call().any(), mag
            except (StorageError, UnsupportedOperationError) as error:
                errors.append(error)
    for each in errors:
        assert re.fullmatch(rf"{re.escape(world.base)}\S* could not be read: {LIE}", each.message)
        assert each.hint
    assert len(errors) >= 4
    assert capfd.readouterr().err == ""


def test_a_server_without_ranges_is_read_all_the_same(world: World) -> None:
    def whole(request: Message, answer: Message) -> Message:
        if answer.status != 206:
            return answer
        answer.first = "HTTP/1.1 200 OK"
        answer.body = world.server.buckets["bucket"][request.path.removeprefix("/bucket/")].data
        answer.headers = [pair for pair in answer.headers if pair[0] != "Content-Range"]
        return headers(answer, Content_Length=str(len(answer.body)))

    mags = world.mags()
    world.plan(Rewrite(whole), of_voxels)
    for mag in mags.values():
        for call in reading(mag):
            assert not call().any(), mag


# --- what isn't there -------------------------------------------------------------------------------------------


def test_a_page_that_says_404_is_no_absent_chunk(world: World, capfd: Any) -> None:
    if world.scheme == "http":
        pytest.skip("web servers say with a page that a file isn't there")
    said = Said(
        StorageError,
        re.escape("the server answered HTTP 404 (a web page came in place of the store's answer)."),
        "A proxy, or another server, answers",
    )
    mags = world.mags()
    world.plan(Refuse(404, PAGE, HTML), of_voxels)
    for mag in mags.values():
        for call in reading(mag):
            caught(call, said, world.base, capfd)
    for data_format, engine in ENGINES:  # nor is it somebody else's change
        write = mags[f"{data_format} by {engine}"].write
        with pytest.raises(StorageError, match="a web page came"):
            write(VOXELS[:9, :9, :9], absolute_offset=(5, 5, 5), allow_unaligned=True)


def test_a_page_that_is_called_a_file_is_no_data(world: World) -> None:
    mags = world.mags()
    world.plan(Refuse(200, PAGE, HTML), of_voxels)
    kind, text = (StorageError, "a web page came in place|doesn't speak as such a store") if world.scheme == "s3" else (
        WebPageError, "answers with a web page")  # fmt: skip
    for mag in mags.values():
        for call in reading(mag):
            with pytest.raises(kind, match=text):
                call()


def test_an_array_that_is_gone_is_not_fill_value(world: World) -> None:
    mags = world.mags()
    for mag in mags.values():
        assert not (np.squeeze(mag.read()) - VOXELS).any(), mag
    mags = world.mags()
    world.server.buckets["bucket"].clear()
    for mag in mags.values():
        for call in reading(mag):
            # The counting server has a listing for whatever the top of an address could be a bucket of: "info", too.
            with pytest.raises(
                (MissingError, DatasetNotFoundError, CorruptDataError),
                match=r"deleted or moved|not there|not found|gone|/info is damaged: it is no JSON",
            ):
                call()


def test_chunks_that_nobody_wrote_are_fill_value(world: World) -> None:
    mags = world.mags()
    kept = world.server.buckets["bucket"]
    for key in list(kept):
        if METADATA.search(f"/{key}") is None:
            del kept[key]
    for mag in mags.values():
        assert not mag.read().any()


# --- writing ----------------------------------------------------------------------------------------------------


WRITES = {
    "a read-only store": Case(
        xml(403, "AccessDenied"),
        Said(ForbiddenError, re.escape("the server refused access (HTTP 403)."), CHECK),
        NO_BUCKET,
    ),
    **{
        name: FAULTS[name]
        for name in ("a wrong secret", "an expired token", "a missing bucket", "an error for ever")
    },
    "writes that are cut in the middle": passing(Sever(20), BROKE_OFF),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_fails_leaves_the_old_objects(world: World, name: str, capfd: Any) -> None:
    if world.scheme == "http":
        pytest.skip("places behind HTTP are only read")
    mags = world.mags()
    before = world.stored()
    world.plan(WRITES[name].fault, put_of_voxels)
    for data_format, engine in ENGINES:
        mag = mags[f"{data_format} by {engine}"]
        for write in (
            lambda: mag.write(255 - VOXELS),  # noqa: B023 - called at once
            lambda: mag.write(VOXELS[:9, :9, :9], absolute_offset=(5, 5, 5), allow_unaligned=True),  # noqa: B023
        ):
            said = WRITES[name].bucket
            said = said._replace(text=said.text + r"( None of the 8 objects of this write is written\.)?")
            caught(write, said, f"{world.base}/{data_format}", capfd)
        with pytest.raises(WkplugError):
            wk.Dataset.open(f"{world.base}/{data_format}").add_layer_as_copy(mag.layer, "copy")
    left = world.stored()
    assert {key: left[key] for key in before if of_data(key)} == {
        key: before[key] for key in before if of_data(key)
    }


def test_a_write_of_which_one_object_fails_says_which_are_written(world: World, capfd: Any) -> None:
    if world.scheme == "http":
        pytest.skip("places behind HTTP are only read")
    mags = world.mags()
    for data_format, engine in ENGINES:
        mag = mags[f"{data_format} by {engine}"]
        before = world.stored()
        fifth = sorted(key for key in before if key.startswith(f"{data_format}/em/") and of_voxels_of(key))[4]
        world.plan(
            xml(403, "AccessDenied"),
            lambda request, key=fifth: put_of_voxels(request) and key in request.path,
        )
        world.proxy.plan(Delay(0.05), when=put_of_voxels, times=None)
        with pytest.raises(ForbiddenError) as found:
            mag.write(255 - VOXELS)
        changed = {key for key, data in world.stored().items() if before.get(key) != data}
        said = re.fullmatch(
            rf"{re.escape(f'{world.base}/{fifth}')} could not be written: the server refused access \(HTTP 403\)\. "
            r"(None|\d+) of the 8 objects of this write (?:is|are) written(?:: (.*))?\.",
            found.value.message,
        )
        assert said, found.value.message
        names = (said[2] or "").split(", ") if said[2] else []
        root = "em" if data_format == "neuroglancerPrecomputed" else "em/1"
        assert {f"{data_format}/{root}/{name}" for name in names} == changed
        assert len(names) == (0 if said[1] == "None" else int(said[1])) < 8
        assert str(found.value.hint).endswith(
            "Then write the same box again: each object is the old or the new one."
        )
        world.proxy.clear()
        mag.write(255 - VOXELS)
        assert not (np.squeeze(mag.read()) - (255 - VOXELS)).any()
        mag.write(VOXELS)
    assert capfd.readouterr() == ("", "")


def of_voxels_of(key: str) -> bool:
    return METADATA.search(f"/{key}") is None


def of_data(key: str) -> bool:
    return not key.endswith("datasource-properties.json")


# --- other providers --------------------------------------------------------------------------------------------


def json_error(status: int, reason: str, text: str) -> Refuse:
    """An error as Google writes it."""
    told = {"error": {"code": status, "message": text, "errors": [{"reason": reason, "message": text}]}}
    return Refuse(status, json.dumps(told).encode(), (("Content-Type", "application/json"),))


def azure(status: int, code: str) -> Refuse:
    """An error as Azure writes it."""
    return xml(status, code, ("x-ms-error-code", code))


REFUSED = "the server refused access (HTTP {})"
CLOUDS: dict[str, dict[str, tuple[Any, Said]]] = {
    "gs": {
        "wrong credentials": (
            json_error(401, "authError", f"Invalid Credentials {SECRET}"),
            Said(ForbiddenError, re.escape(REFUSED.format(401) + "."), CHECK),
        ),
        "a missing bucket": (json_error(404, "notFound", "The specified bucket does not exist."), NO_BUCKET),
        "an error for ever": (
            json_error(500, "backendError", "Backend error"),
            Said(StorageError, r"the server answered HTTP 500( \(backendError\))?\." + TRIED, LATER),
        ),
    },
    "az": {
        "wrong credentials": (
            azure(403, "AuthenticationFailed"),
            Said(
                ForbiddenError,
                re.escape(REFUSED.format(403) + ": the credentials are not valid, or have expired."),
                CHECK,
            ),
        ),
        "a missing bucket": (azure(404, "ContainerNotFound"), NO_BUCKET),
        "an error for ever": (
            azure(500, "InternalError"),
            Said(StorageError, r"the server answered HTTP 500( \(InternalError\))?\." + TRIED, LATER),
        ),
    },
}
FOR_ALL = {
    "cut bodies": (Cut(3), Said(StorageError, re.escape(BROKE_OFF) + TRIED, LATER)),
    "the page of a proxy": (
        Refuse(404, PAGE, HTML),
        Said(
            StorageError,
            re.escape("the server answered HTTP 404 (a web page came in place of the store's answer)."),
            "A proxy, or another server, answers",
        ),
    ),
}
PUTS = {
    "writes that are cut in the middle": (Sever(20), Said(StorageError, re.escape(BROKE_OFF) + TRIED, LATER))
}


@pytest.fixture(params=["gs+fsspec", "az+obstore", "az+fsspec"])
def cloud(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, str, FaultProxy, dict[str, wk.MagView]]]:
    """A layer in a bucket of an emulator behind a proxy: the way, its URL, the proxy, and the mag by each engine."""
    provider, _, driver = request.param.partition("+")
    bucket: Bucket = request.getfixturevalue(f"{provider}_bucket")
    host = urlsplit(bucket.server).netloc
    monkeypatch.setattr(retries, "time", SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic))
    with FaultProxy(f"http://{host}") as proxy, ExitStack() as stack:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value.replace(host, proxy.host))
        stack.enter_context(wk.settings(retries_attempts=2, filesystems={provider: f"{provider}+{driver}"}))
        mags = {}
        for data_format in ("wkw", "zarr3"):
            dataset = wk.Dataset(f"{bucket.url}/{data_format}", voxel_size=(1, 1, 1))
            box = wk.BoundingBox((0, 0, 0), SIZE)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of shapes that are small
                layer = dataset.add_layer("em", "color", data_format=data_format, bounding_box=box)
                layer.add_mag(1, **SHAPES[data_format]).write(VOXELS)
            for engine in [each for name, each in ENGINES if name == data_format]:
                opened = wk.Dataset.open(dataset.path, backends={data_format: engine})
                mags[f"{data_format} by {engine}"] = opened.get_layer("em").get_mag(1)
                assert mags[f"{data_format} by {engine}"].info.chunk_shape
        yield request.param, bucket.url, proxy, mags


def test_other_providers_say_what_goes_wrong_with_reads(cloud: Any, capfd: Any) -> None:
    way, url, proxy, mags = cloud
    faults = {**CLOUDS[url[:2]], **FOR_ALL}
    if way == "az+fsspec":
        del faults["cut bodies"]  # Azure's client asks for the rest three times by itself, a second apart
    for fault, said in faults.values():
        proxy.clear()
        proxy.plan(fault, when=holds_voxels, times=None)
        for mag in mags.values():
            for call in reading(mag):
                caught(call, said, url, capfd)
        proxy.clear()
        proxy.plan(fault, times=None)
        caught(partial(wk.Dataset.open, f"{url}/wkw"), said, url, capfd)
    proxy.clear()
    for mag in mags.values():
        for call in reading(mag):
            assert not call().any(), mag


def test_other_providers_keep_the_old_objects_when_writes_fail(cloud: Any, capfd: Any) -> None:
    _, url, proxy, mags = cloud
    for fault, said in (*CLOUDS[url[:2]].values(), *PUTS.values()):
        proxy.clear()
        proxy.plan(fault, when=lambda request: request.method in ("PUT", "POST"), times=None)
        for mag in mags.values():
            for part, how in ((VOXELS[:9, :9, :9], {"absolute_offset": (5, 5, 5)}), (255 - VOXELS, {})):
                with pytest.raises(said.kind) as found:
                    mag.write(part, allow_unaligned=True, **how)
                assert re.search(f"could not be written: {said.text}", found.value.message)
                assert SECRET not in str(found.value)
        proxy.clear()
        for mag in mags.values():
            assert not reading(mag)[1]().any(), mag
    assert capfd.readouterr() == ("", "")


def holds_voxels(request: Message) -> bool:
    """Whether a request is for voxels, however the provider spells its key."""
    key = unquote(request.path)
    return "/em/1/" in key and METADATA.search(key) is None
