"""Two writers on any store lose nothing, and answers that are lost are no errors: real servers, real processes.

The short versions run in the quick suite; those with as many rounds as were promised are `long`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
import warnings
from contextlib import ExitStack
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest

import wkplug
from tests.servers.counting import CountingServer
from tests.servers.proxies import Drop, FaultProxy
from wkplug.errors import DatasetNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.fixtures import Bucket
    from tests.servers.messages import Message

_PATIENCE = 240
_QUICK = [("s3", "wkw+numpy"), ("gs", "zarr3+zarr"), ("az", "zarr3+tensorstore")]
"""What writes side by side on which store in the quick suite."""

ADDING = """
import sys
import wkplug
place, first, count, rounds = sys.argv[1], *map(int, sys.argv[2:])
box = wkplug.BoundingBox((0, 0, 0), (8, 8, 8))
datasets = [wkplug.Dataset.open(f"{place}/{number}") for number in range(rounds)]
print("ready", flush=True)
sys.stdin.readline()
for dataset in datasets:
    for layer in range(first, first + count):
        dataset.add_layer(f"layer{layer}", "color", data_format="zarr3", bounding_box=box)
print("done")
"""


@pytest.fixture(params=["s3", "gs", "az"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    found: Bucket = request.getfixturevalue(f"{request.param}_bucket")
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


WRITING = """
import sys
import numpy as np
import wkplug
place, data_format, backend, first = *sys.argv[1:4], int(sys.argv[4])
with wkplug.settings(backends={data_format: backend}):
    mag = wkplug.Dataset.open(place).get_layer("made").get_mag(1)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(first, 8, 2):
        mag.write(
            np.full((20, 20, 4), number + 1, "uint8"), absolute_offset=(0, 0, 4 * number), allow_unaligned=True
        )
print("done")
"""


def run_side_by_side(script: str, calls: list[list[str]]) -> None:
    """Run a script in a process per call, with its arguments; all begin their work at the same moment."""
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
        )
        for arguments in calls
    ]  # fmt: skip
    try:
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        ended = [process.communicate(timeout=_PATIENCE) for process in started]
    finally:
        for process in started:
            process.kill()
    assert [errors[-2000:] for out, errors in ended if out.strip() != "done"] == []


def add_side_by_side(place: str, *, processes: int, layers: int, rounds: int) -> list[set[str]]:
    """Let processes add layers to the same datasets; the names that each dataset has then."""
    for number in range(rounds):
        wkplug.Dataset(f"{place}/{number}", voxel_size=(1, 1, 1))
    firsts = range(0, processes * layers, layers)
    run_side_by_side(ADDING, [[place, str(first), str(layers), str(rounds)] for first in firsts])
    return [set(wkplug.Dataset.open(f"{place}/{number}").layers) for number in range(rounds)]


def test_no_layer_of_other_processes_is_lost(bucket: Bucket) -> None:
    found = add_side_by_side(f"{bucket.url}/short", processes=2, layers=3, rounds=1)
    assert found == [{f"layer{number}" for number in range(6)}]


@pytest.mark.long
def test_no_layer_of_24_is_lost_in_10_rounds(bucket: Bucket) -> None:
    found = add_side_by_side(f"{bucket.url}/long", processes=3, layers=8, rounds=10)
    assert found == [{f"layer{number}" for number in range(24)}] * 10


@pytest.mark.filterwarnings("ignore:.*not recommended")
@pytest.mark.parametrize(
    ("bucket", "backend"),
    [
        pytest.param(store, backend, marks=[] if pair in _QUICK else [pytest.mark.long])
        for pair in product(("s3", "gs", "az"), ("wkw+numpy", "zarr3+tensorstore", "zarr3+zarr"))
        for store, backend in [pair]
    ],
    indirect=["bucket"],
)
def test_no_part_of_a_shard_is_lost_between_processes(bucket: Bucket, backend: str) -> None:
    place, data_format = f"{bucket.url}/{backend.replace('+', '-')}", backend.partition("+")[0]
    with wkplug.settings(backends={data_format: backend}):
        dataset = wkplug.Dataset(place, voxel_size=(1, 1, 1))
        box = wkplug.BoundingBox((0, 0, 0), (32, 32, 32))
        layer = dataset.add_layer("made", "color", dtype="uint8", data_format=data_format, bounding_box=box)
        mag = layer.add_mag(1, chunk_shape=32, shard_shape=32)
        run_side_by_side(WRITING, [[place, data_format, backend, first] for first in "01"])
        found = mag.read()[0]
    assert [int(found[:20, :20, 4 * number : 4 * number + 4].min()) for number in range(8)] == [*range(1, 9)]
    assert not found[20:].any()


# --- lost answers -------------------------------------------------------------------------------------------


def is_conditional_put(request: Message) -> bool:
    conditions = ("If-Match", "If-None-Match", "x-goog-if-generation-match")
    return request.method in ("PUT", "POST") and (
        any(request.header(name) for name in conditions) or "ifGenerationMatch" in request.target
    )


class Lossy(NamedTuple):
    """A bucket, and the proxy on the way to it."""

    proxy: FaultProxy
    url: str


@pytest.fixture(params=["s3", "gs", "az"])
def lossy(
    request: pytest.FixtureRequest, no_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lossy]:
    """Ways to servers of three providers, on which answers can be lost."""
    with ExitStack() as stack:
        if request.param == "s3":
            server = stack.enter_context(CountingServer()).url
            environment = {"AWS_ACCESS_KEY_ID": "AKIAKEY", "AWS_SECRET_ACCESS_KEY": "verysecret"}
            url = "s3://PROXY/bucket"
        else:
            bucket: Bucket = request.getfixturevalue(f"{request.param}_bucket")
            server, environment, url = bucket.server, bucket.environment, bucket.url
        host = urlsplit(server).netloc
        proxy = stack.enter_context(FaultProxy(f"http://{host}"))
        for name, value in environment.items():
            monkeypatch.setenv(name, value.replace(host, proxy.host))
        yield Lossy(proxy, url.replace("PROXY", proxy.host))


def lose_answers(lossy: Lossy, times: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """Change a dataset until so many answers were lost; the longest that one call waited, for each of them."""
    proxy, place = lossy.proxy, f"{lossy.url}/{uuid.uuid4().hex}"
    with pytest.raises(DatasetNotFoundError):  # which loads the driver
        wkplug.Dataset.open(place)
    longest = waited = 0.0

    def sleep(seconds: float, really: Callable[[float], None] = time.sleep) -> None:
        nonlocal waited
        waited += seconds
        really(seconds)

    monkeypatch.setattr(time, "sleep", sleep)

    def timed(call: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal longest, waited
        lost, waited = proxy.met, 0.0
        result = call(*args, **kwargs)
        longest = max(longest, waited / max(1, proxy.met - lost))
        return result

    box = wkplug.BoundingBox((0, 0, 0), (8, 8, 8))
    state = [False]

    def every_second(request: Message) -> bool:
        if not is_conditional_put(request):
            return False
        state[0] = not state[0]
        return state[0]

    proxy.plan(Drop(), when=every_second, times=None)
    dataset, number = None, 0
    while proxy.met < times:
        if number % 20 == 0:
            dataset = timed(wkplug.Dataset, f"{place}/{number}", voxel_size=(1, 1, 1))
        assert dataset is not None
        layer = timed(dataset.add_layer, f"layer{number}", "color", data_format="zarr3", bounding_box=box)
        timed(layer.add_mag, 1)
        layer.bounding_box = wkplug.BoundingBox((0, 0, 0), (9, 9, 9 + number))
        number += 1
    layers = wkplug.Dataset.open(dataset.path).layers.values()
    assert [list(layer.mags) for layer in layers] == [[wkplug.Mag(1)]] * (number - (number - 1) // 20 * 20)
    return longest


def test_lost_answers_of_conditional_puts_are_no_errors(
    lossy: Lossy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lose_answers(lossy, 20, monkeypatch) < 1.0


@pytest.mark.faults
def test_a_thousand_lost_answers_are_no_errors(lossy: Lossy, monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        longest = lose_answers(lossy, 1000, monkeypatch)
    assert lossy.proxy.met >= 1000
    assert longest < 1.0
