"""Processes forked from one that has used a store, as workers are by default on Linux: they work, or say what to do."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.dataset.processes import process, result_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.files import FileServer
    from tests.servers.fixtures import Bucket

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes can't be forked here")

HEAD = """
import faulthandler, multiprocessing
from concurrent.futures import ProcessPoolExecutor
faulthandler.dump_traceback_later(60, exit=True)
for name in arguments["absent"]:
    sys.modules[name] = None  # as if it weren't installed
os.environ.update(arguments["environment"])
forked = multiprocessing.get_context("fork")
warnings.simplefilter("error", UserWarning)

def told(call):
    try:
        return call()
    except wk.ForkError as error:
        return f"{type(error).__name__}: {error}"

def in_child(call):
    with forked.Pool(1) as pool:
        return pool.apply_async(told, [call]).get(50)
"""

USES = """
url, data = arguments["url"], np.arange(64**3, dtype="uint32").reshape(64, 64, 64)
with warnings.catch_warnings(action="ignore"):
    mag = wk.Dataset(url, (1, 1, 1)).add_layer(
        "a", "color", dtype="uint32", bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64)),
        data_format=arguments["format"],
    ).add_mag(1, chunk_shape=32, shard_shape=32)
mag.write(data)

def item(index):  # as data sets for training have
    return int(mag.read(absolute_offset=(index % 2 * 32, 0, 0), size=(32, 32, 32)).sum())

def inherited():
    return bool((mag.read()[0] == data).all())

def opened():
    return bool((wk.Dataset.open(url).get_layer("a").get_mag(1).read()[0] == data).all())

def changed():
    mag.write(data[:32, :32, :8] + 1, absolute_offset=(0, 0, 0), allow_unaligned=True)
    wk.Dataset.open(url).add_layer(
        "b", "color", dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32)), data_format="zarr3"
    )
    return True

def pool():
    with ProcessPoolExecutor(2, mp_context=forked) as pool:
        return list(pool.map(item, range(4)))

def looped(task):
    assert task[0].read().any()

def loop():
    with ProcessPoolExecutor(2, mp_context=forked) as pool:
        mag.for_each_chunk(looped, executor=pool)
    return True

expected = [int(data[at : at + 32, :32, :32].sum()) for at in (0, 32, 0, 32)]
found = [in_child(inherited), in_child(opened), told(pool), told(loop), in_child(changed)]
assert item(1) == expected[1]  # the parent goes on
print(json.dumps([expected, found]))
"""


def _told(script: str, folder: Path, url: str, environment: dict[str, str], **more: Any) -> Any:
    arguments = {"url": url, "environment": environment, "absent": [], "format": "wkw", **more}
    with process(HEAD + script, folder, arguments) as parent:
        return result_of(parent)


@pytest.fixture
def environment(s3_bucket: Bucket) -> dict[str, str]:
    return {**s3_bucket.environment, "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.mark.parametrize(
    ("data_format", "engine"), [("wkw", {}), ("zarr3", {"WKPLUG_BACKENDS__ZARR3": "zarr"})]
)
def test_forked_workers_read_and_write_buckets(
    data_format: str, engine: dict[str, str], tmp_path: Path, s3_bucket: Bucket, environment: dict[str, str]
) -> None:
    expected, found = _told(
        USES, tmp_path, s3_bucket.url + "/d", {**environment, **engine}, format=data_format
    )
    assert found == [True, True, expected, True, True]


@pytest.mark.parametrize(
    ("data_format", "absent", "what", "remedy"),
    [
        ("wkw", ["s3fs"], "had used obstore", re.escape("or pip install 'wkplug-cloud[s3fs]'.")),
        ("zarr3", [], "had used tensorstore", "or fork before the first array is opened."),
    ],
)
def test_forked_workers_are_told_what_to_do_instead(
    data_format: str,
    absent: list[str],
    what: str,
    remedy: str,
    tmp_path: Path,
    s3_bucket: Bucket,
    environment: dict[str, str],
) -> None:
    _, found = _told(USES, tmp_path, s3_bucket.url + "/d", environment, format=data_format, absent=absent)
    for told in (found[0], found[1], found[2], found[4]):
        assert re.search(
            f"ForkError: This process was forked from one that {what}.*{remedy}", told, re.DOTALL
        )
    assert 'Start workers with "spawn"' in found[0]
    assert "ForkError: " in found[3]
    assert 'get_context("spawn")' in found[3]


WRITES = """
from wkplug import storage
place = storage.locate(arguments["url"])
assert not place.exists()

def write():
    first = place.write(b"1", if_match="")  # would warn of a store that passes over conditions
    return place.write(b"2", if_match=first) != first

print(json.dumps([in_child(write), place.read().decode()]))
"""


def test_conditions_are_kept_by_forked_processes_too(
    tmp_path: Path, s3_bucket: Bucket, environment: dict[str, str]
) -> None:
    assert _told(WRITES, tmp_path, s3_bucket.url + "/x", environment) == [True, "2"]


READS = """
mag = wk.Dataset.open(arguments["url"]).get_layer("a").get_mag(1)

def total():
    return int(mag.read().sum())

with ProcessPoolExecutor(4, mp_context=forked) as pool:
    print(json.dumps([total(), *(one.result() for one in [pool.submit(total) for _ in range(8)]), total()]))
"""


def test_forked_workers_read_from_web_servers(tmp_path: Path, file_server: FileServer) -> None:
    import wkplug as wk

    box = wk.BoundingBox((0, 0, 0), (32, 32, 32))
    layer = wk.Dataset(file_server.folder / "d", (1, 1, 1)).add_layer(
        "a", "color", dtype="uint8", bounding_box=box, data_format="wkw"
    )
    layer.add_mag(1).write(allow_unaligned=True, data=_full())
    assert _told(READS, tmp_path, file_server.url + "/d", {}) == [32**3] * 10


def _full() -> Any:
    import numpy as np

    return np.ones((32, 32, 32), "uint8")
