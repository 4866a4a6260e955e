"""The contract `wkplug.abc.MetadataStore`: as a server's plugin implements it, and as the file's store does."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest

from wkplug.abc import DatasetSource, MetadataStore
from wkplug.errors import LayerNotFoundError
from wkplug.filesystems.local import LocalLocation
from wkplug.properties import (
    AttachmentsProperties,
    DatasetProperties,
    LayerProperties,
    PropertiesStore,
)
from wkplug.properties import (
    operations as op,
)

from .conftest import DOCUMENT

FAKES = Path(__file__).parents[1] / "fakes"
Store = MetadataStore[DatasetProperties, LayerProperties, op.Operation]


@pytest.fixture(params=["file", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same document, in a file and on a server, whose store is the one that the fake service has."""
    document = copy.deepcopy(DOCUMENT)
    document["dataLayers"].append({"name": "bad", "category": "color"})
    data = json.dumps(document).encode()
    if request.param == "server":
        monkeypatch.syspath_prepend(str(FAKES / "served"))
        from wkplug_served import service

        record = {"folder": str(tmp_path), "metadata": data.decode(), "asked": 0}
        monkeypatch.setitem(service.SERVER, "example", record)
        return service.LabStore("example")
    (tmp_path / "datasource-properties.json").write_bytes(data)
    return PropertiesStore.open(LocalLocation(tmp_path), dialects=lambda _: ())


def test_a_store_reads_the_dataset_and_its_layers(store: Store) -> None:
    assert store.layer_names() == ("color", "seg", "bad")
    assert store.dataset.id == DOCUMENT["id"]
    assert store.document["lastUnknown"] == "kept too"
    assert store.layer("color") is store.layer("color")
    assert store.raw_layer("color")["name"] == "color"
    assert store.layer_problem("color") is None
    assert isinstance(store.layer_problem("bad"), ValueError)
    with pytest.raises(LayerNotFoundError):
        store.layer("missing")


def change_and_fail(store: Store) -> None:
    with store.update():
        store.apply(op.SetLayerKey("seg", "largestSegmentId", 7), op.RemoveLayer("color"))
        store.apply(op.RemoveLayer("missing"))


def test_a_stores_update_is_saved_as_a_whole_or_not_at_all(store: Store) -> None:
    other = pickle.loads(pickle.dumps(store))
    with pytest.raises(LayerNotFoundError):
        change_and_fail(store)
    other.refresh()
    assert other.layer_names() == ("color", "seg", "bad")
    assert other.layer("seg").largest_segment_id != 7
    with store.update():
        store.apply(op.SetLayerKey("seg", "largestSegmentId", 9))
        store.apply(
            op.RenameLayer("color", "raw"), op.SetLayerKey("seg", "attachments", AttachmentsProperties())
        )
        assert store.layer_names() == ("raw", "seg", "bad")
    assert other.refresh()
    assert other.layer_names() == ("raw", "seg", "bad")
    assert other.layer("seg").largest_segment_id == 9


def test_a_store_pickles_as_a_token_that_reads_later(store: Store) -> None:
    source = pickle.loads(pickle.dumps(DatasetSource(store.root, store, {"read_only": True})))
    store.apply(op.SetDatasetKey("defaultViewConfiguration", {"zoom": 2}))
    assert source.options == {"read_only": True}
    assert source.location == store.root
    assert source.store.dataset.default_view_configuration.zoom == 2
