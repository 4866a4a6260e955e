"""How many requests datasets in buckets take, and that fewer of them lose nothing: on a server that counts."""

from __future__ import annotations

import json
import pickle
import threading
import uuid
import warnings
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest

import wkplug as wk
from tests.dataset.processes import process, result_of, wait_for
from tests.servers.counting import CountingServer
from tests.servers.fixtures import serving_buckets
from wkplug import storage
from wkplug.abc import locate
from wkplug.errors import (
    ConflictError,
    IncompleteMagError,
    LayerExistsError,
    LayerNotFoundError,
    MagExistsError,
    MissingError,
)
from wkplug.model import changes
from wkplug.ops import info
from wkplug.properties import document, operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wkplug.abc import Location

BOX = wk.BoundingBox((0, 0, 0), (128, 128, 128))
SMALL: Any = {"chunk_shape": 32, "shard_shape": 64}
FACTS = "wkplugArray"


@pytest.fixture(scope="module")
def server() -> Iterator[CountingServer]:
    with serving_buckets(CountingServer()) as started:
        yield started


@pytest.fixture
def url(server: CountingServer) -> str:
    return f"s3://{server.host}/bucket/{uuid.uuid4().hex}"


def _requests(server: CountingServer, call: Callable[[], Any]) -> int:
    server.clear()
    call()
    return server.figures.count


def _dataset(url: str, data_format: str = "zarr3", mags: int = 1, layers: int = 1) -> wk.Dataset:
    dataset = wk.Dataset(url, voxel_size=(1, 1, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of WKW in buckets
        for name in "abcdefgh"[:layers]:
            layer = dataset.add_layer(name, "color", data_format=data_format, bounding_box=BOX)
            for power in range(mags):
                layer.add_mag(2**power, **_shape_of(data_format))
    return dataset


def _shape_of(data_format: str) -> dict[str, Any]:
    return {"chunk_shape": 32} if data_format == "zarr" else SMALL


def _properties(url: str) -> Location:
    return locate(url).child(document.FILE_NAME)


def _rewrite_as_others_do(url: str) -> None:
    """Save the properties without the keys that other software doesn't know."""
    file = _properties(url)
    raw = json.loads(file.read())
    for layer in raw["dataLayers"]:
        for mag in layer["mags"]:
            mag.pop(FACTS, None)
    file.write(json.dumps(raw).encode())


def _look_at_all(url: str) -> None:
    for layer in wk.Dataset.open(url).layers.values():
        for mag in layer.mags.values():
            assert mag.info.chunk_shape == (32, 32, 32)


# --- counts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data_format", ["zarr3", "zarr", "wkw"])
def test_opening_40_mags_takes_one_request(server: CountingServer, url: str, data_format: str) -> None:
    _dataset(url, data_format, mags=8, layers=5)
    assert _requests(server, lambda: _look_at_all(url)) == 1


def test_mags_of_others_are_opened_side_by_side(server: CountingServer, url: str) -> None:
    _dataset(url, mags=8, layers=5)
    _rewrite_as_others_do(url)
    server.latency = 0.05  # longer than a busy machine takes for the others
    try:
        assert _requests(server, lambda: _look_at_all(url)) == 41
        assert server.figures.in_flight >= 8
        assert server.figures.round_trips <= 8  # 3 on a machine that has time
    finally:
        server.latency = 0


def test_info_lists_each_folder_once(server: CountingServer, url: str) -> None:
    _dataset(url, mags=8, layers=5)
    reports = []
    count = _requests(server, lambda: reports.append(info.describe(wk.Dataset.open(url).state, sizes=False)))
    assert count == 1 + 1 + 5
    assert [mag.shard_shape for mag in reports[0].layers[0].mags] == [(1, 64, 64, 64)] * 8


def test_creating_a_dataset_is_one_put(server: CountingServer, url: str) -> None:
    assert _requests(server, lambda: wk.Dataset(url, voxel_size=(1, 1, 1))) == 1
    with pytest.raises(RuntimeError, match="There is already a dataset"):
        wk.Dataset(url, voxel_size=(1, 1, 1))


@pytest.mark.parametrize(("data_format", "first"), [("zarr3", 3), ("wkw", 2)])
@pytest.mark.filterwarnings("ignore:.*WKW is not recommended")
def test_adding_a_layer_changes_one_object(
    server: CountingServer, url: str, data_format: str, first: int
) -> None:
    dataset = wk.Dataset(url, voxel_size=(1, 1, 1))
    # The first one also lists the dataset's folder, and makes it a Zarr group.
    for name, count in {"a": first, "b": 1, "c": 1}.items():
        found = _requests(server, lambda: dataset.add_layer(name, "color", data_format=data_format))  # noqa: B023 - called at once
        assert found == count


@pytest.mark.parametrize(("data_format", "count"), [("zarr3", 3), ("wkw", 2)])
@pytest.mark.filterwarnings("ignore:.*WKW is not recommended")
def test_adding_a_mag_is_one_put_per_object(
    server: CountingServer, url: str, data_format: str, count: int
) -> None:
    layer = wk.Dataset(url, voxel_size=(1, 1, 1)).add_layer(
        "a", "color", data_format=data_format, bounding_box=BOX
    )
    for mag in (1, 2, 4):  # its own metadata, the properties, and for Zarr what the layer's group says
        assert _requests(server, lambda: layer.add_mag(mag, **SMALL)) == count  # noqa: B023 - called at once
    group = locate(url).child("a", "zarr.json")
    if data_format == "zarr3":
        multiscale = json.loads(group.read())["attributes"]["ome"]["multiscales"][0]
        assert [each["path"] for each in multiscale["datasets"]] == ["1", "2", "4"]
    again = wk.Dataset.open(url).get_layer("a")
    # Opened anew, the folder is listed, and what the group says is read.
    assert _requests(server, lambda: again.add_mag(8, **SMALL)) == count + (
        2 if data_format == "zarr3" else 1
    )


def test_a_change_of_a_key_is_one_put(server: CountingServer, url: str) -> None:
    _dataset(url, mags=2)
    layer = wk.Dataset.open(url).get_layer("a")

    def change() -> None:
        layer.default_view_configuration = wk.LayerViewConfiguration(alpha=50.0)

    assert _requests(server, change) == 1
    assert _requests(server, change) == 1  # nothing changes, and whether that is so is looked at


def test_the_first_read_looks_while_voxels_come(server: CountingServer, url: str) -> None:
    _dataset(url).get_layer("a").get_mag(1).write(np.full((1, 128, 128, 128), 7, "uint8"))
    mag = wk.Dataset.open(url, backends={"zarr3": "tensorstore"}).get_layer("a").get_mag(1)

    def read() -> None:
        assert (mag.read(absolute_offset=(0, 0, 0), size=(32, 32, 32)) == 7).all()

    server.clear()
    read()
    looks = [each for each in server.requests if each.path.endswith("/zarr.json")]
    assert [each.status for each in looks] == [304]
    assert _requests(server, read) <= 1


def test_a_first_box_over_eight_shards_is_sixteen(server: CountingServer, url: str) -> None:
    dataset = wk.Dataset(url, voxel_size=(1, 1, 1))
    box = wk.BoundingBox((0, 0, 0), (256, 256, 256))
    layer = dataset.add_layer("a", "color", data_format="zarr3", bounding_box=box)
    values = np.tile(np.random.default_rng(3).integers(1, 9, (1, 64, 64, 64), dtype="uint8"), (1, 4, 4, 4))
    layer.add_mag(1, chunk_shape=32, shard_shape=128, compress=True).write(values)
    view = wk.Dataset.open(url).get_layer("a").get_mag(1)
    found = []

    def read() -> Any:
        return view.read(absolute_offset=(64, 64, 64), size=(128, 128, 128))

    # An index of each shard, the one of a shard that begins or ends there brings its voxels along; and the metadata.
    assert _requests(server, lambda: found.append(read())) == 16
    np.testing.assert_array_equal(found[0], values[:, 64:192, 64:192, 64:192])
    assert _requests(server, read) == 8


def test_a_first_write_looks_once(server: CountingServer, url: str) -> None:
    _dataset(url)
    mag = wk.Dataset.open(url).get_layer("a").get_mag(1)
    server.clear()
    mag.write(np.full((1, 64, 64, 64), 7, "uint8"), absolute_offset=(0, 0, 0))
    looks = [each for each in server.requests if each.path.endswith((".json", "/zarr.json"))]
    assert [each.status for each in looks] == [304]


def test_a_pyramid_is_looked_for_once(server: CountingServer, url: str) -> None:
    layer = _dataset(url).get_layer("a")
    layer.get_mag(1).write(np.full((1, 128, 128, 128), 7, "uint8"))
    server.clear()
    layer.downsample(from_mag=1, coarsest_mag=8)
    asked = [(each.method, each.path.rpartition("/")[2]) for each in server.requests]
    assert asked.count(("GET", document.FILE_NAME)) == 1
    assert asked.count(("PUT", document.FILE_NAME)) == 1
    assert asked.count(("PUT", storage.MARK_NAME)) == 3
    assert asked.count(("GET", storage.MARK_NAME)) <= 1  # of the source
    assert len([name for method, name in asked if method == "PUT" and ".lock-" in name]) == 3
    assert (wk.Dataset.open(url).get_layer("a").get_mag(8).read() == 7).all()


# --- what is recorded -------------------------------------------------------------------------------------


def test_local_datasets_keep_no_facts(tmp_path: Any) -> None:
    _dataset(str(tmp_path / "data"), mags=2)
    assert FACTS not in (tmp_path / "data" / document.FILE_NAME).read_text()


def test_facts_are_a_copy_of_the_metadata_file(url: str) -> None:
    _dataset(url)
    recorded = json.loads(_properties(url).read())["dataLayers"][0]["mags"][0][FACTS]
    file = locate(url).child("a", "1", "zarr.json")
    assert recorded["file"] == "zarr.json"
    assert recorded["text"].encode() == file.read()
    assert recorded["version"] == file.version()


def test_copies_on_disk_have_no_facts(url: str, tmp_path: Any) -> None:
    dataset = _dataset(url)
    dataset.get_layer("a").get_mag(1).write(np.full((1, 128, 128, 128), 7, "uint8"))
    dataset.copy_dataset(tmp_path / "copy")
    assert FACTS not in (tmp_path / "copy" / document.FILE_NAME).read_text()


def test_resizing_records_the_new_shape(server: CountingServer, url: str) -> None:
    layer = _dataset(url).get_layer("a")
    layer.get_mag(1).write(
        np.full((1, 64, 64, 64), 9, "uint8"), absolute_offset=(128, 0, 0), allow_resize=True
    )
    again = wk.Dataset.open(url).get_layer("a").get_mag(1)
    assert _requests(server, lambda: again.info) == 0
    assert again.info.bounding_box.size_xyz == (192, 128, 128)
    layer.bounding_box = BOX
    assert wk.Dataset.open(url).get_layer("a").get_mag(1).info.bounding_box.size_xyz == (128, 128, 128)


def test_two_who_resize_leave_no_stale_facts(url: str) -> None:
    first = _dataset(url).get_layer("a").get_mag(1)
    second = wk.Dataset.open(url).get_layer("a").get_mag(1)
    before = first.state.layer.properties.get_mag(first.mag).facts  # type: ignore[union-attr]  # it is listed
    first.write(np.ones((1, 64, 64, 64), "uint8"), absolute_offset=(128, 0, 0), allow_resize=True)
    second.write(np.ones((1, 64, 64, 64), "uint8"), absolute_offset=(0, 192, 0), allow_resize=True)
    recorded = json.loads(_properties(url).read())["dataLayers"][0]["mags"][0].get(FACTS)
    assert recorded != before
    assert recorded is None or recorded["version"] == locate(url).child("a", "1", "zarr.json").version()


# --- facts that are out of date ---------------------------------------------------------------------------


def test_voxels_beyond_a_known_shape_are_read(url: str) -> None:
    writer = _dataset(url).get_layer("a").get_mag(1)
    reader = wk.Dataset.open(url).get_layer("a").get_mag(1)
    assert reader.info.bounding_box.size_xyz == (128, 128, 128)
    writer.write(np.full((1, 64, 64, 64), 9, "uint8"), absolute_offset=(128, 0, 0), allow_resize=True)
    assert (reader.read(absolute_offset=(128, 0, 0), size=(64, 64, 64)) == 9).all()


@pytest.mark.parametrize("data_format", ["zarr3", "zarr", "wkw"])
def test_an_array_with_another_dtype_is_read_as_it_is(url: str, data_format: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        _dataset(url, data_format)
        reader = wk.Dataset.open(url).get_layer("a").get_mag(1)
        assert reader.get_dtype() == "uint8"
        place = locate(url).child("a", "1")
        spec = storage.open_array(place, data_format).spec
        place.delete(recursive=True)
        options = {key: value for key, value in spec.options.items() if key != "block_type"}
        other = attrs.evolve(spec, dtype="uint16", options=options if data_format == "wkw" else spec.options)
        handle = storage.create_array(place, data_format, other)
        shape = (1, 64, 64, 64)
        voxels = np.arange(64**3, dtype="uint16").reshape(shape)
        handle.write(((0, 0, 0, 0), shape), voxels)
        found = reader.read(absolute_offset=(0, 0, 0), size=(64, 64, 64))
    assert found.dtype == "uint16"
    assert (found == voxels).all()


@pytest.mark.filterwarnings("ignore:.*is unusual")
def test_an_array_with_other_chunks_is_read_right(url: str) -> None:
    dataset = _dataset(url)
    dataset.get_layer("a").get_mag(1).write(np.full((1, 128, 128, 128), 7, "uint8"))
    reader, writer = (wk.Dataset.open(url).get_layer("a").get_mag(1) for _ in range(2))
    assert writer.info.chunk_shape == reader.info.chunk_shape == (32, 32, 32)
    others = wk.Dataset.open(url).get_layer("a")
    others.delete_mag(1)
    others.add_mag(1, chunk_shape=16, shard_shape=32).write(np.full((1, 128, 128, 128), 3, "uint8"))
    assert (reader.read(absolute_offset=(0, 0, 0), size=(128, 128, 128)) == 3).all()
    assert reader.info.chunk_shape == (16, 16, 16)
    writer.write(np.full((1, 32, 32, 32), 5, "uint8"), absolute_offset=(32, 0, 0))
    assert (reader.read(absolute_offset=(32, 0, 0), size=(32, 32, 32)) == 5).all()
    assert (reader.read(absolute_offset=(0, 0, 0), size=(32, 32, 32)) == 3).all()


def test_an_array_that_is_gone_is_missing(url: str) -> None:
    _dataset(url)
    reader, writer = (wk.Dataset.open(url).get_layer("a").get_mag(1) for _ in range(2))
    assert reader.info.chunk_shape == (32, 32, 32)
    locate(url).child("a", "1").delete(recursive=True)
    with pytest.raises(MissingError):
        reader.read(absolute_offset=(0, 0, 0), size=(32, 32, 32))
    with pytest.raises(MissingError):
        writer.write(np.ones((1, 64, 64, 64), "uint8"), absolute_offset=(0, 0, 0))


@pytest.mark.parametrize("text", ['{"node_type": "group"}', "no JSON", ""])
def test_facts_that_cant_be_right_are_passed_over(url: str, text: str) -> None:
    _dataset(url).get_layer("a").get_mag(1).write(np.full((1, 128, 128, 128), 7, "uint8"))
    file = _properties(url)
    raw = json.loads(file.read())
    raw["dataLayers"][0]["mags"][0][FACTS]["text"] = text
    file.write(json.dumps(raw).encode())
    mag = wk.Dataset.open(url).get_layer("a").get_mag(1)
    assert mag.info.chunk_shape == (32, 32, 32)
    assert (mag.read(absolute_offset=(0, 0, 0), size=(32, 32, 32)) == 7).all()


@pytest.mark.parametrize("value", [3, None, [], {}, {"file": "../x", "version": "1", "text": ""}])
def test_facts_in_another_form_are_no_facts(value: Any) -> None:
    assert storage.ArrayFacts.of(value) is None


def test_bytes_and_texts_are_recorded() -> None:
    for data in (b"WKW\x01\xff", '{"a": "é"}'.encode()):
        facts = storage.ArrayFacts("header", "1", data)
        assert storage.ArrayFacts.of(json.loads(json.dumps(facts.to_json()))) == facts


def test_properties_rewritten_by_others_still_open(url: str) -> None:
    _dataset(url).get_layer("a").get_mag(1).write(np.full((1, 128, 128, 128), 7, "uint8"))
    _rewrite_as_others_do(url)
    dataset = wk.Dataset.open(url)
    assert (dataset.get_layer("a").get_mag(1).read(absolute_offset=(0, 0, 0), size=(32, 32, 32)) == 7).all()
    dataset.get_layer("a").add_mag(2, **SMALL)
    mags = json.loads(_properties(url).read())["dataLayers"][0]["mags"]
    assert [FACTS in mag for mag in mags] == [False, True]


def test_views_pickle_without_facts(url: str) -> None:
    _dataset(url).get_layer("a").get_mag(1).write(np.full((1, 128, 128, 128), 7, "uint8"))
    mag = wk.Dataset.open(url).get_layer("a").get_mag(1)
    assert mag.info.chunk_shape == (32, 32, 32)
    for view in (mag, mag.get_view(absolute_offset=(0, 0, 0), size=(64, 64, 64))):
        data = pickle.dumps(view)
        assert len(data) < 4000
        assert (pickle.loads(data).read() == 7).all()


# --- marks ------------------------------------------------------------------------------------------------


def test_jobs_take_facts_away_while_they_work(url: str) -> None:
    _dataset(url)
    layer = wk.Dataset.open(url).get_layer("a")
    mark = storage.Mark(job="test")
    with changes.overwritten_mag(layer.state, wk.Mag(1), mark):
        other = wk.Dataset.open(url).get_layer("a").get_mag(1)
        assert other.info.chunk_shape == (32, 32, 32)
        with pytest.raises(IncompleteMagError):
            other.read(absolute_offset=(0, 0, 0), size=(32, 32, 32))
    raw = json.loads(_properties(url).read())["dataLayers"][0]["mags"][0]
    assert raw[FACTS]["version"] == locate(url).child("a", "1", "zarr.json").version()
    other = wk.Dataset.open(url).get_layer("a").get_mag(1)
    assert (other.read(absolute_offset=(0, 0, 0), size=(32, 32, 32)) == 0).all()


def test_marks_of_mags_without_facts_are_seen(url: str) -> None:
    _dataset(url)
    _rewrite_as_others_do(url)
    storage.set_mark(locate(url).child("a", "1"), storage.Mark(job="test"))
    mag = wk.Dataset.open(url).get_layer("a").get_mag(1)
    with pytest.raises(IncompleteMagError):
        mag.read(absolute_offset=(0, 0, 0), size=(32, 32, 32))
    report = info.describe(wk.Dataset.open(url).state).layers[0].mags[0]
    assert report.mark is not None


# --- several writers --------------------------------------------------------------------------------------


def _all_at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Call each in a thread of its own; gives results or errors."""
    results: list[Any] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = calls[index]()
        except Exception as error:  # noqa: BLE001 - that is what is looked at
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_writers_of_one_mag_one_adds_it(url: str) -> None:
    _dataset(url, mags=0)
    for mag in (1, 2, 4):
        layers = [wk.Dataset.open(url).get_layer("a") for _ in range(4)]
        results = _all_at_once([lambda layer=layer: layer.add_mag(mag, **SMALL) for layer in layers])  # type: ignore[misc]  # noqa: B023 - called at once
        errors = [each for each in results if isinstance(each, Exception)]
        assert len(errors) == 3
        assert all(isinstance(error, MagExistsError) for error in errors), errors
        found = wk.Dataset.open(url).get_layer("a").get_mag(mag)
        found.write(np.ones((1, 128 // mag, 128 // mag, 128 // mag), "uint8"), allow_unaligned=True)
        assert found.read().all()


def test_writers_of_many_mags_lose_none(url: str) -> None:
    _dataset(url, mags=0)
    mags = [2**power for power in range(6)]
    layers = [wk.Dataset.open(url).get_layer("a") for _ in mags]
    results = _all_at_once(
        [
            lambda layer=layer, mag=mag: layer.add_mag(mag, **SMALL)  # type: ignore[misc]
            for layer, mag in zip(layers, mags, strict=True)
        ]
    )
    assert not [each for each in results if isinstance(each, Exception)]
    layer = wk.Dataset.open(url).get_layer("a")
    assert [mag.to_layer_name() for mag in layer.mags] == [str(mag) for mag in mags]
    # What other tools read is that of the last change, whoever wrote last.
    group = json.loads(locate(url).child("a", "zarr.json").read())
    paths = [each["path"] for each in group["attributes"]["ome"]["multiscales"][0]["datasets"]]
    assert sorted(map(int, paths)) == mags
    for raw in json.loads(_properties(url).read())["dataLayers"][0]["mags"]:
        assert raw[FACTS]["version"] == locate(url).child(raw["path"], "zarr.json").version()


def test_of_writers_of_one_layer_one_adds_it(url: str) -> None:
    wk.Dataset(url, voxel_size=(1, 1, 1))
    datasets = [wk.Dataset.open(url) for _ in range(4)]
    results = _all_at_once([lambda each=each: each.add_layer("a", "color") for each in datasets])  # type: ignore[misc]
    errors = [each for each in results if isinstance(each, Exception)]
    assert len(errors) == 3
    assert all(isinstance(error, LayerExistsError) for error in errors)


def test_adding_while_others_delete_loses_nothing(url: str) -> None:
    dataset = _dataset(url, mags=2)
    dataset.get_layer("a").get_mag(1).write(np.full((1, 128, 128, 128), 7, "uint8"))
    deleting, adding = (wk.Dataset.open(url).get_layer("a") for _ in range(2))
    for _ in range(5):
        results = _all_at_once([lambda: deleting.delete_mag(1), lambda: _add_when_gone(adding)])
        assert results[0] is None, results
        mag = wk.Dataset.open(url).get_layer("a").get_mag(1)
        assert (mag.read() == 0).all()  # a new one, without voxels of the old
        mag.write(np.full((1, 128, 128, 128), 7, "uint8"))
        deleting.state.dataset.store.refresh()


def _add_when_gone(layer: wk.Layer) -> Any:
    for _ in range(1000):
        try:
            return layer.add_mag(1, **SMALL)
        except MagExistsError:
            layer.state.dataset.store.refresh()
    raise AssertionError("the mag is never gone")


def test_a_mag_of_a_deleted_layer_isnt_left(url: str) -> None:
    _dataset(url)
    layer = wk.Dataset.open(url).get_layer("a")
    wk.Dataset.open(url).delete_layer("a")
    with pytest.raises(LayerNotFoundError):
        layer.add_mag(2, **SMALL)
    assert not locate(url).child("a").exists()


@pytest.mark.parametrize("name", ["c/0/0/0/0", "something.txt"])
def test_what_nobody_lists_is_not_taken_for_voxels(url: str, name: str) -> None:
    _dataset(url, mags=0)
    locate(url).child("a", "1", name).write(b"of somebody")
    layer = wk.Dataset.open(url).get_layer("a")
    with pytest.raises(MagExistsError, match="is not empty"):
        layer.add_mag(1, **SMALL)
    assert locate(url).child("a", "1", name).read() == b"of somebody"


def test_what_comes_in_between_is_seen(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer adds and half deletes the mag after the folder was listed here."""
    layer = _dataset(url, mags=0).get_layer("a")
    other = wk.Dataset.open(url).get_layer("a")
    other.add_mag(1, **SMALL).write(np.full((1, 128, 128, 128), 7, "uint8"))

    def killed(place: Location) -> None:
        if place.name == "1":
            place.child("zarr.json").delete()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("wkplug.storage.removing.finish_deletion", killed)
        with pytest.raises(KeyboardInterrupt):
            other.delete_mag(1)
    mag = layer.add_mag(1, **SMALL)  # what is left of the old one goes first
    assert (mag.read() == 0).all()
    assert list(locate(url).child("a").list()) == ["1/", "zarr.json"]


def test_a_layer_being_deleted_is_settled_first(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = _dataset(url)
    other = wk.Dataset.open(url)
    with monkeypatch.context() as patch:
        patch.setattr("wkplug.storage.removing.finish_deletion", lambda _: None)
        other.delete_layer("a")
    dataset.state.store.refresh()
    layer = dataset.add_layer("a", "color", bounding_box=BOX)
    assert not layer.mags
    assert not locate(url).child("a", "1").exists()
    layer.add_mag(1, **SMALL)


# --- what is known may be old -----------------------------------------------------------------------------


def test_what_is_known_refuses_nothing(url: str) -> None:
    _dataset(url)
    old = wk.Dataset.open(url)
    wk.Dataset.open(url).get_layer("a").add_mag(2, **SMALL)
    old.state.store.apply(operations.RemoveMag("a", 2))
    assert list(wk.Dataset.open(url).get_layer("a").mags) == [wk.Mag(1)]


def test_a_change_that_others_have_undone_is_made(url: str) -> None:
    first = _dataset(url).get_layer("a")
    first.default_view_configuration = wk.LayerViewConfiguration(alpha=10.0)
    second = wk.Dataset.open(url).get_layer("a")
    second.default_view_configuration = wk.LayerViewConfiguration(alpha=20.0)
    first.default_view_configuration = wk.LayerViewConfiguration(
        alpha=10.0
    )  # as far as it knows, nothing changes
    found = wk.Dataset.open(url).get_layer("a").default_view_configuration
    assert found is not None
    assert found.alpha == 10.0


def test_blocks_are_replayed_on_what_others_wrote(server: CountingServer, url: str) -> None:
    first, second = _dataset(url), wk.Dataset.open(url)
    with first.state.update():
        first.add_layer("b", "color")
        second.add_layer("c", "color")
        first.name = "renamed"
    found = wk.Dataset.open(url)
    assert sorted(found.layers) == ["a", "b", "c"]
    assert found.name == "renamed"


def test_other_keys_of_groups_are_kept(url: str) -> None:
    layer = _dataset(url).get_layer("a")
    group = locate(url).child("a", "zarr.json")
    raw = json.loads(group.read())
    raw["attributes"]["ome"]["omero"] = {"channels": []}
    group.write(json.dumps(raw).encode())
    layer.add_mag(2, **SMALL)
    ome = json.loads(group.read())["attributes"]["ome"]
    assert ome["omero"] == {"channels": []}
    assert [each["path"] for each in ome["multiscales"][0]["datasets"]] == ["1", "2"]


def test_a_missing_object_is_told_once(server: CountingServer, url: str) -> None:
    """Objects that vanish behind a dataset's back are an error that names them."""
    dataset = _dataset(url)
    bucket = server.buckets["bucket"]
    for key in [key for key in bucket if key.startswith(url.rpartition("/")[2])]:
        del bucket[key]
    with pytest.raises(FileNotFoundError, match="Cannot read dataset"):
        dataset.add_layer("b", "color")


def test_objects_keep_their_bytes(server: CountingServer, url: str) -> None:
    """A conditional put that is refused leaves the old object."""
    _dataset(url)
    file = _properties(url)
    before = file.read()
    key = next(key for key in server.buckets["bucket"] if file.url.endswith(key))
    kept = server.buckets["bucket"][key]
    server.buckets["bucket"][key] = replace(kept, data=before + b"\n")
    dataset = wk.Dataset.open(url)
    dataset.add_layer("b", "color")
    assert sorted(wk.Dataset.open(url).layers) == ["a", "b"]


_ADD = """
dataset = wk.Dataset.open(arguments["url"])
ready()
for index in range(3):
    layer = dataset.add_layer(f"own-{number}-{index}", "color", bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64)))
    layer.add_mag(1, chunk_shape=32, shard_shape=64)
shared = dataset.get_layer("a")
shared.add_mag(2 ** (number + 1), chunk_shape=32, shard_shape=64)
try:
    shared.add_mag(1, chunk_shape=32, shard_shape=64)
    print("true")
except wk.errors.MagExistsError:
    print("false")
"""


def test_processes_lose_nothing(
    server: CountingServer, url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three at once add layers of their own, mags to one layer, and all the same mag."""
    _dataset(url, mags=0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "verysecret")
    with ExitStack() as stack:
        children = [
            stack.enter_context(process(_ADD, tmp_path / "run", {"url": url}, number)) for number in range(3)
        ]
        wait_for(children, tmp_path / "run")
        added = [result_of(child) for child in children]
    assert sorted(added) == [False, False, True]
    dataset = wk.Dataset.open(url)
    assert sorted(dataset.layers) == ["a", *(f"own-{i}-{j}" for i in range(3) for j in range(3))]
    assert [mag.to_layer_name() for mag in dataset.get_layer("a").mags] == ["1", "2", "4", "8"]
    _look_at_all(url)


def test_old_files_without_paths_list_each_layer_once(server: CountingServer, url: str) -> None:
    _dataset(url, mags=4, layers=2)
    file = _properties(url)
    raw = json.loads(file.read())
    for layer in raw["dataLayers"]:
        for mag in layer["mags"]:
            del mag["path"]
    file.write(json.dumps(raw).encode())
    assert _requests(server, lambda: wk.Dataset.open(url)) == 1 + 2
    assert wk.Dataset.open(url).get_layer("b").get_mag(8).location == locate(url).child("b", "8")


# --- resizing ---------------------------------------------------------------------------------------------


def test_extending_a_layer_takes_no_lock(server: CountingServer, url: str) -> None:
    _dataset(url, mags=2)
    mag = wk.Dataset.open(url).get_layer("a").get_mag(1)
    voxels = np.full((1, 64, 64, 64), 9, "uint8")
    server.clear()
    mag.write(voxels, absolute_offset=(128, 0, 0), allow_resize=True)
    assert not [each for each in server.requests if ".wkplug.lock" in each.path]
    # Each mag is looked at and put; then the properties and the voxels.
    assert server.figures.count <= 2 * 2 + 3
    assert (mag.read(absolute_offset=(128, 0, 0), size=(64, 64, 64)) == 9).all()


@pytest.mark.parametrize("backend", ["tensorstore", "zarr"])
def test_writers_that_extend_one_layer_lose_nothing(url: str, backend: str) -> None:
    _dataset(url)
    corners = [(128, 0, 0), (0, 192, 0), (0, 0, 256), (192, 64, 128)]
    mags = [wk.Dataset.open(url, backends={"zarr3": backend}).get_layer("a").get_mag(1) for _ in corners]

    def write(number: int) -> None:
        voxels = np.full((1, 64, 64, 64), number + 1, "uint8")
        mags[number].write(voxels, absolute_offset=corners[number], allow_resize=True)

    results = _all_at_once([lambda number=number: write(number) for number in range(4)])  # type: ignore[misc]
    assert results == [None] * 4
    found = wk.Dataset.open(url).get_layer("a")
    assert found.bounding_box == wk.BoundingBox((0, 0, 0), (256, 256, 320))
    for number, corner in enumerate(corners):
        read = found.get_mag(1).read(absolute_offset=corner, size=(64, 64, 64))
        assert (read == number + 1).all()
    assert found.get_mag(1).info.bounding_box.size_xyz == (256, 256, 320)


def test_metadata_are_written_only_over_those_that_are_known(url: str, server: CountingServer) -> None:
    _dataset(url)
    place = locate(url).child("a", "1")
    handle = storage.open_array(place, "zarr3", mode="r+")
    handle.resize((1, 192, 128, 128), unchanged=True)
    file = place.child("zarr.json")
    file.write(file.read() + b"\n")  # as another process would
    server.clear()
    with pytest.raises(ConflictError):
        handle.resize((1, 64, 64, 64), unchanged=True)
    assert server.figures.count == 1  # backends that try again don't ask again
    assert storage.open_array(place, "zarr3").spec.shape == (1, 192, 128, 128)
    handle.resize((1, 256, 128, 128))  # under the lock, from what is there
    assert storage.open_array(place, "zarr3").spec.shape == (1, 256, 128, 128)
