"""Copies to and from buckets: how few requests they take, side by side, and that one that is cut off goes on."""

from __future__ import annotations

import json
import re
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from tests.servers.counting import CountingServer, Request
from tests.servers.fixtures import serving_buckets
from wkplug import errors, storage
from wkplug.abc import locate
from wkplug.ops.copying import layer_copying
from wkplug.properties import document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers.messages import Answer, Message

pytestmark = pytest.mark.filterwarnings("ignore:.*WKW is not recommended")

SIZE = (64, 64, 64)
CHUNKS: Any = {"chunk_shape": 32, "shard_shape": 32}
FORMATS = pytest.mark.parametrize("data_format", ["wkw", "zarr3"])


class Refusing(CountingServer):
    """From a moment on it refuses all changes, as if who makes them were killed; `left` counts those before."""

    left: int | None = None
    refused = 0

    def handle(self, request: Message) -> Answer:
        if request.method in ("PUT", "POST", "DELETE") and self.left is not None:
            if self.left <= 0:
                self.refused += 1
                return _forbidden()
            self.left -= 1
        return super().handle(request)

    @contextmanager
    def taking(self, changes: int) -> Iterator[None]:
        """Take so many changes and refuse those after, as `refused` says."""
        self.left, self.refused = changes, 0
        try:
            yield
        finally:
            self.left = None


def _forbidden() -> Answer:
    from tests.servers.messages import Answer

    return Answer(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"})


@pytest.fixture(scope="module")
def server() -> Iterator[Refusing]:
    with serving_buckets(Refusing()) as started:
        yield started


@pytest.fixture
def url(server: CountingServer) -> str:
    return f"s3://{server.host}/bucket/{uuid.uuid4().hex}"


def make(place: Any, data_format: str, layers: int = 1, mags: int = 1) -> wk.Dataset:
    """A dataset whose mags all have the same eight shards."""
    dataset = wk.Dataset(place, voxel_size=(4, 4, 4))
    for number in range(layers):
        layer = dataset.add_layer(
            f"layer-{number}", "segmentation", dtype="uint8", data_format=data_format,
            bounding_box=wk.BoundingBox((0, 0, 0), [edge << mags - 1 for edge in SIZE]),
        )  # fmt: skip
        for power in range(mags):
            view = layer.add_mag(1 << power, **CHUNKS)
            view.write(
                np.random.default_rng(number).integers(1, 255, SIZE).astype("uint8"),
                absolute_offset=(0, 0, 0),
            )
    return dataset


def counted(server: CountingServer, call: Callable[[], Any]) -> list[Request]:
    """The requests of a call that are about something else than voxels."""
    server.clear()
    server.latency = 0.05  # longer than a busy machine takes for the others
    try:
        call()
    finally:
        server.latency = 0
    assert server.figures.in_flight >= 8
    return [each for each in server.requests if not re.search(r"/(z\d+/y\d+/x\d+\.wkw|c/.*)$", each.path)]


def summed(requests: list[Request]) -> dict[str, int]:
    """How many there are of each kind, by method and what they are about."""
    kinds: dict[str, int] = {}
    for each in requests:
        name = each.path.rpartition("/")[2]
        what = "mark" if name == storage.MARK_NAME else "lock" if ".lock-" in name else name
        if "list-type" in each.query:
            what = "listing"
        elif each.method == "POST":
            what = "deletion"
        kinds[f"{each.method} {what}"] = kinds.get(f"{each.method} {what}", 0) + 1
    return kinds


def is_equal(copy: wk.Dataset, source: wk.Dataset) -> bool:
    return list(copy.layers) == list(source.layers) and all(
        list(copy.get_layer(name).mags) == list(layer.mags)
        and all(copy.get_layer(name).get_mag(mag).content_is_equal(view) for mag, view in layer.mags.items())
        for name, layer in source.layers.items()
    )


# --- counts -----------------------------------------------------------------------------------------------


@FORMATS
def test_a_copy_asks_for_each_thing_once(server: CountingServer, url: str, data_format: str) -> None:
    source = make(f"{url}-from", data_format)
    found = counted(server, lambda: source.copy_dataset(url))
    assert server.figures.round_trips <= 20  # 9 on a machine that has time, 11 with Zarr's groups
    header = {"wkw": {"GET header.wkw": 1, "PUT header.wkw": 1}}.get(
        data_format, {"GET zarr.json": 1, "PUT zarr.json": 3}
    )
    assert summed(found) == {
        "GET mark": 2,  # the source's and the target's
        "HEAD datasource-properties.json": 1,
        "GET listing": 3,  # the target, the layer, the mag
        "PUT mark": 2,
        "PUT lock": 1,
        "PUT datasource-properties.json": 2,  # the layer, then its mag
        "POST deletion": 3,  # both marks, the lock
        **header,
    }
    assert is_equal(wk.Dataset.open(url), source)


@FORMATS
def test_a_copy_from_disk_only_asks_for_the_target(
    server: CountingServer, url: str, tmp_path: Path, data_format: str
) -> None:
    source = make(tmp_path / "source", data_format)
    found = counted(server, lambda: source.copy_dataset(url))
    assert summed(found) == {
        "GET mark": 1,
        "HEAD datasource-properties.json": 1,
        "GET listing": 1,
        "PUT mark": 2,
        "PUT lock": 1,
        "PUT datasource-properties.json": 2,
        "POST deletion": 3,
        **({"PUT header.wkw": 1} if data_format == "wkw" else {"PUT zarr.json": 3}),
    }
    assert is_equal(wk.Dataset.open(url), source)


def test_mags_and_layers_are_copied_side_by_side(server: CountingServer, url: str) -> None:
    source = make(f"{url}-from", "wkw", layers=3, mags=2)
    found = counted(server, lambda: source.copy_dataset(url))
    assert server.figures.in_flight >= 16
    assert (
        server.figures.round_trips <= 30
    )  # 15 on a machine that has time; one mag after another took above 60
    kinds = summed(found)
    assert kinds["PUT datasource-properties.json"] <= 1 + 6  # mags that are there by then are listed together
    assert kinds["PUT lock"] == 6
    assert kinds["GET listing"] == 1 + 3 + 6
    assert "GET datasource-properties.json" not in kinds
    assert is_equal(wk.Dataset.open(url), source)


def test_a_mag_is_copied_after_one_look(server: CountingServer, url: str) -> None:
    source = make(f"{url}-from", "wkw").get_layer("layer-0").get_mag(1)
    layer = wk.Dataset(url, voxel_size=(4, 4, 4)).add_layer_like(source.layer, "copy")
    found = counted(server, lambda: layer.add_mag_as_copy(source))
    assert summed(found) == {
        "PUT lock": 1,
        "GET datasource-properties.json": 1,
        "GET listing": 2,
        "PUT mark": 1,
        "GET header.wkw": 1,
        "PUT header.wkw": 1,
        "PUT datasource-properties.json": 1,
        "POST deletion": 2,
    }
    assert layer.get_mag(1).content_is_equal(source)


def test_a_copied_mag_is_known_without_a_look(server: CountingServer, url: str) -> None:
    make(f"{url}-from", "zarr3").copy_dataset(url)
    raw = json.loads(locate(url).child(document.FILE_NAME).read())
    facts = raw["dataLayers"][0]["mags"][0]["wkplugArray"]
    file = locate(url).child("layer-0", "1", "zarr.json")
    assert facts["version"] == file.version()
    assert facts["text"].encode() == file.read()


# --- copies that are cut off ------------------------------------------------------------------------------


def _unlock(server: CountingServer) -> None:
    """Let the locks of a killed process run out."""
    bucket = server.buckets["bucket"]
    for key in [key for key in bucket if ".wkplug.lock-" in key]:
        del bucket[key]


@pytest.mark.faults
@pytest.mark.parametrize("more", [{}, {"data_format": "zarr3"}], ids=["files", "voxels"])
def test_a_copy_that_is_cut_off_at_any_change_goes_on(
    server: Refusing, url: str, tmp_path: Path, more: dict[str, Any]
) -> None:
    source = make(tmp_path / "source", "wkw", layers=2, mags=2)
    cells = source.get_layer("layer-1").as_segmentation_layer()
    folder = tmp_path / "mesh"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / name).write_text(name)
    cells.attachments.add_attachment_as_copy(wk.MeshAttachment("m", folder, data_format="zarr3"))
    # Mags that end at the same time are listed by one change: no two runs need have the same number of them.
    left, unfinished = 0, 0
    while True:
        target = f"{url}-{left}"
        with server.taking(left):
            try:
                source.copy_dataset(target, **more)
            except errors.WkplugError:
                assert server.refused
            else:
                assert not server.refused
                break
        left += 1
        _unlock(server)
        try:
            found = wk.Dataset.open(target)
        except errors.DatasetNotFoundError:
            pass
        else:
            if storage.is_complete(found.location):  # only shown as whole when it is
                assert is_equal(found, source)
                continue
            for layer in found.layers.values():
                for mag, view in layer.mags.items():  # what it lists is whole
                    assert view.content_is_equal(source.get_layer(layer.name).get_mag(mag))
        unfinished += 1
        copy = source.copy_dataset(target, **more)
        assert is_equal(copy, source)
        names = [name for name, _ in locate(target).list_files()]
        assert not [name for name in names if ".wkplug" in name], target
        assert len(copy.get_layer("layer-1").as_segmentation_layer().attachments.meshes) == 1
        assert {"layer-1/meshes/m/one", "layer-1/meshes/m/two"}.issubset(names)
    assert unfinished > 20


def test_of_two_copies_that_begin_at_once_one_is_told(
    server: CountingServer, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has looked before the first has marked its place; the first one's mark stays."""
    source = make(tmp_path / "source", "wkw")
    original = layer_copying.looked_at

    def meanwhile(*args: Any) -> list[Any]:
        found = original(*args)
        storage.set_mark(locate(url), storage.Mark(job="copy dataset", what="another"))
        return found

    monkeypatch.setattr(layer_copying, "looked_at", meanwhile)
    with pytest.raises(errors.ConflictError, match=storage.MARK_NAME):
        source.copy_dataset(url)
    mark = storage.read_mark(locate(url))
    assert mark is not None
    assert mark.what == "another"
    assert [name for name in locate(url).list() if "lock" not in name] == [storage.MARK_NAME]


def test_of_two_copies_to_one_place_one_is_told(server: CountingServer, url: str, tmp_path: Path) -> None:
    source = make(tmp_path / "source", "wkw")
    source.copy_dataset(url)
    before = dict(server.buckets["bucket"])
    with pytest.raises(errors.DatasetExistsError, match="already a dataset"):
        source.copy_dataset(url)
    assert server.buckets["bucket"] == before
