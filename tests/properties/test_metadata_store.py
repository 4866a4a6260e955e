"""The contract `wkplug.abc.MetadataStore`: as a server's plugin implements it, and as the file's store does."""

from __future__ import annotations

import copy
import json
import pickle
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from wkplug.abc import DatasetSource, MetadataStore
from wkplug.errors import LayerNotFoundError, WkplugError
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
from wkplug.properties.state import State

from .conftest import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wkplug.abc import Location

SERVER: dict[str, bytes] = {}


class ServerStore(MetadataStore[DatasetProperties, LayerProperties, op.Operation]):
    """Metadata that a server has under a key, without a file: what a plugin's author writes."""

    def __init__(self, key: str, root: Location) -> None:
        self._key, self._root = key, root
        self._state: State | None = None
        self._draft: State | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (ServerStore, (self._key, self._root))

    def _read(self) -> State:
        return State.read(SERVER[self._key], f"server://{self._key}", self._root, before=self._state)

    def _now(self) -> State:
        if self._draft is not None:
            return self._draft
        if self._state is None:
            self._state = self._read()
        return self._state

    @property
    def root(self) -> Location:
        return self._root

    @property
    def document(self) -> dict[str, Any]:
        return self._now().document

    @property
    def dataset(self) -> DatasetProperties:
        return self._now().dataset

    def layer_names(self) -> tuple[str, ...]:
        return tuple(self._now().entries)

    def layer(self, name: str) -> LayerProperties:
        return self._now().entry(name).properties

    def raw_layer(self, name: str) -> Any:
        return self._now().entry(name).raw

    def layer_problem(self, name: str) -> WkplugError | None:
        return self._now().entry(name).problem

    def refresh(self) -> bool:
        before, self._state = self._state, self._read()
        return before is None or before.document != self._state.document

    def apply(self, *operations: op.Operation) -> None:
        with self.update():
            state = self._now()
            for operation in operations:
                state = operation.replay(state)
            self._draft = state

    @contextmanager
    def update(self) -> Iterator[object]:
        if self._draft is not None:
            yield self
            return
        self._draft = self._read()
        try:
            yield self
            SERVER[self._key] = self._draft.to_bytes()
            self._state = self._draft
        finally:
            self._draft = None


Store = MetadataStore[DatasetProperties, LayerProperties, op.Operation]


@pytest.fixture(params=["file", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """The same document, in a file and on a server."""
    document = copy.deepcopy(DOCUMENT)
    document["dataLayers"].append({"name": "bad", "category": "color"})
    data = json.dumps(document).encode()
    if request.param == "server":
        SERVER["example"] = data
        return ServerStore("example", LocalLocation(tmp_path))
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
