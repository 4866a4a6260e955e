"""Credentials given in code: recorded URLs of the same store take them, for the session and in no file."""

from __future__ import annotations

import os
import uuid
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from upath import UPath

import wkplug as wk
from tests.dataset.jobs_on_chunks import total
from tests.servers.emulators import moto as serve_s3
from wkplug import storage
from wkplug.errors import ForbiddenError
from wkplug.filesystems import sessions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = {"key": "AKIAKEY", "secret": "verysecret"}


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with serve_s3() as found:
        yield found


@pytest.fixture
def bucket(host: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket by a URL with keys, in a session that knows no other."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "S3_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    sessions.forget()
    place = UPath(f"s3://b{uuid.uuid4().hex}", endpoint_url=f"http://{host}", **KEYS)
    place.fs.mkdir(place.path)
    yield place
    sessions.forget()


def _source(bucket: Any) -> wk.SegmentationLayer:
    layer = wk.Dataset(bucket / "source", (1, 1, 1)).add_layer(
        "seg", "segmentation", dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32))
    )
    layer.add_mag(1).write(np.full((32, 32, 32), 7, "uint8"))
    return layer.as_segmentation_layer()


def _use(layer: wk.Layer) -> None:
    assert (layer.get_mag(1).read() == 7).all()
    layer.downsample(coarsest_mag=wk.Mag(2))
    segments = layer.as_segmentation_layer()
    segments.refresh_largest_segment_id()
    assert segments.largest_segment_id == 7


@pytest.mark.parametrize("where", ["local", "bucket"])
def test_references_take_the_keys_of_the_session(tmp_path: Path, bucket: Any, where: str) -> None:
    source = _source(bucket)
    target = tmp_path / "d" if where == "local" else bucket / "d"
    _use(wk.Dataset(target, (1, 1, 1)).add_layer_as_ref(source))
    copied = source.dataset.shallow_copy_dataset(tmp_path / "copy" if where == "local" else bucket / "copy")
    _use(copied.get_layer("seg"))
    text = (target / "datasource-properties.json").read_text()
    assert bucket.path.strip("/") in text
    assert "verysecret" not in text
    assert "AKIAKEY" not in text


def test_recorded_places_take_the_keys_of_the_dataset_that_refers_to_them(bucket: Any) -> None:
    wk.Dataset(bucket / "d", (1, 1, 1)).add_layer_as_ref(_source(bucket))
    sessions.forget()  # as in a new session
    _use(wk.Dataset.open(bucket / "d").get_layer("seg"))


def test_keys_are_for_their_own_endpoint_and_bucket(tmp_path: Path, bucket: Any, host: str) -> None:
    _source(bucket)
    bucket.fs.mkdir("another-bucket")
    bucket.fs.pipe_file("another-bucket/x", b"1")
    other = storage.locate(f"s3://{host}/another-bucket/x")
    with pytest.raises(ForbiddenError, match="no credentials were found"):
        other.read()
    elsewhere = storage.locate(f"s3://elsewhere:1{'/'}{bucket.path.strip('/')}/x").native("fsspec")
    assert "key" not in elsewhere["options"]


def test_keys_that_come_into_the_environment_later_are_taken(
    bucket: Any, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = storage.locate(bucket / "x")
    place.write(b"1")
    sessions.forget()
    again = storage.locate(f"s3://{host}/{bucket.path.strip('/')}/x")
    with pytest.raises(ForbiddenError, match="no credentials were found"):
        again.read()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert again.read() == b"1"
    assert again.child("y").write(b"2")
    assert storage.locate(again.url).read() == b"1"  # a place that is made only now


def test_other_processes_say_what_they_lack(tmp_path: Path, bucket: Any) -> None:
    source = _source(bucket)
    layer = wk.Dataset(tmp_path / "d", (1, 1, 1)).add_layer_as_ref(source)
    mag = layer.get_mag(1)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        work = pool.submit(total, mag)
        with pytest.raises(
            ForbiddenError, match="don't travel to other processes: put them into the setting"
        ):
            work.result()
