"""The metadata of one dataset as a server keeps them: the core's `MetadataStore`, and what only servers have.

Opening asks once: the answer (the *record*) holds both. It stays as it is until something changes through this object,
or `refresh`. Changes are replayed on the record as the server has it at that moment, and sent in one request, whose
answer is the new record. Which paths lead to voxels depends on the mode; the server's own are never changed.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, cast

from wkplug.abc import locate
from wkplug.errors import MissingError, ServedDatasetNotFoundError, ServerError
from wkplug.properties import State, StateStore
from wkplug.properties.operations import RenameLayer
from wkplug_remote.webknossos.access_modes import RemoteAccessMode, from_server, shown, to_server
from wkplug_remote.webknossos.context import TOKEN_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Location
    from wkplug.dataset import Dataset
    from wkplug.properties import Operation
    from wkplug_remote.webknossos.client import Client

__all__ = ["ServerStore", "server_of"]


class ServerStore(StateStore):
    """The metadata of a dataset on a server. Thread-safe; pickled without tokens, and asks again then.

    sharing_token: of the link through which the dataset is seen, in place of the user's.
    """

    def __init__(
        self,
        client: Client,
        dataset_id: str,
        mode: RemoteAccessMode = RemoteAccessMode.ZARR_STREAMING,
        *,
        sharing_token: str | None = None,
        record: dict[str, Any] | None = None,
    ) -> None:
        self.client = client
        self.dataset_id = dataset_id
        self.mode = mode
        self.sharing_token = sharing_token
        self._mutex = threading.RLock()
        self._root: Location | None = None
        self._record: dict[str, Any] | None = None
        self._plain: State | None = None
        self._shown: tuple[State, State] | None = None
        self._draft: State | None = None
        self._owner: int | None = None
        self._renamed: dict[str, list[dict[str, str]]] = {}
        if record is not None:
            self._keep(record)

    def __reduce__(self) -> tuple[Any, ...]:
        return (ServerStore, (self.client, self.dataset_id, self.mode))

    def __repr__(self) -> str:
        return f"ServerStore({self.url!r})"

    @property
    def url(self) -> str:
        """The address of the dataset's page."""
        return f"{self.client.url}/datasets/{self.dataset_id}"

    # --- what the server says ------------------------------------------------------------------------------

    @property
    def record(self) -> dict[str, Any]:
        """What the server says of the dataset, for looking at."""
        record = self._record
        return self.fetch() if record is None else record

    def fetch(self) -> dict[str, Any]:
        """Ask the server; ServedDatasetNotFoundError if it has no such dataset, or doesn't show it."""
        query = {"sharingToken": self.sharing_token}
        try:
            found = self.client.api("GET", f"/datasets/{self.dataset_id}", query=query)
        except MissingError as error:
            whom = "the token that was given" if self.client.context.token else "nobody in particular"
            raise ServedDatasetNotFoundError(
                f"{self.client.url} has no dataset {self.dataset_id}, or doesn't show it to {whom}. {error.message}",
                hint="Check the address, and the token: webknossos_context(url=..., token=...), or WK_TOKEN.",
            ) from error
        return self._keep(found)

    def change(self, **values: Any) -> dict[str, Any]:
        """Set some of the server's own keys (name, tags, ...), and keep what it answers."""
        path = f"/datasets/{self.dataset_id}/updatePartial"
        answer = self.client.api("PATCH", path, body=to_server(values, self.client.version))
        complete = isinstance(answer, dict) and "dataSource" in answer
        return self._keep(answer) if complete else self.fetch()

    def other(self, mode: RemoteAccessMode) -> ServerStore:
        """The same dataset, reached in another way; asks nothing."""
        return ServerStore(
            self.client, self.dataset_id, mode, sharing_token=self.sharing_token, record=self.record
        )

    def _keep(self, record: Any) -> dict[str, Any]:
        if not isinstance(record, dict) or not isinstance(record.get("dataSource"), dict):
            raise ServerError(f"{self.url} could not be read: the server's answer is no dataset.")
        source = from_server(record["dataSource"])
        if "status" in source and "dataLayers" not in source:
            raise ServerError(
                f"The dataset {record.get('name')!r} ({self.url}) can't be used: the server says "
                f"{source['status']!r}.",
                hint="Wait until it is uploaded, or upload it again.",
            )
        with self._mutex:
            self._record = {**record, "dataSource": source}
            self._plain = State.read(
                json.dumps(source).encode(), self.url, self._root_of(record), before=self._plain
            )
            return self._record

    @property
    def store_url(self) -> str:
        """The address of the store that has the dataset's files."""
        url: str = self.record["dataStore"]["url"]
        return url.rstrip("/")

    # --- as the core knows it ------------------------------------------------------------------------------

    @property
    def root(self) -> Location:
        """Where the files are that the server hands on; paths are relative to it."""
        return self._root or self._root_of(self.record)

    def _root_of(self, record: dict[str, Any]) -> Location:
        if self._root is None:
            token = self.sharing_token or self.client.context.token
            options: dict[str, Any] = {"webknossos_server": self.client.url}
            if token:
                options["headers"] = {TOKEN_HEADER: token}
            url = self.client.data(record["dataStore"]["url"], f"/datasets/{self.dataset_id}/proxy")
            self._root = locate(url, options=options)
        return self._root

    @property
    def state(self) -> State:
        """The metadata with the paths of the mode."""
        draft = self._draft if self._owner == threading.get_ident() else None
        plain = draft or self._plain
        if plain is None:
            self.fetch()
            plain = cast("State", self._plain)
        known = self._shown
        if known is None or known[0] is not plain:
            before = None if known is None else known[1]
            known = self._shown = (plain, self._show(plain, before))
        return known[1]

    def _show(self, plain: State, before: State | None) -> State:
        root = self.root
        streams = f"../../../zarr/{self.dataset_id}"
        source = shown(plain.document, self.mode, root=root.url, streams=streams)
        source["id"] = {**source.get("id", {}), "name": self.record.get("name", "")}
        return State.read(json.dumps(source).encode(), self.url, root, before=before)

    def plain_layer(self, name: str) -> dict[str, Any]:
        """A layer as the server keeps it, with its own paths and format, for looking at."""
        self.state.entry(name)
        plain = self._draft or self._plain
        raw: dict[str, Any] = cast("State", plain).entry(name).raw
        return raw

    def announce(self, key: str, renaming: dict[str, str]) -> None:
        """Tell the server, with what is sent at the end of the block of `update`, that something was renamed."""
        self._renamed.setdefault(key, []).append(renaming)

    def refresh(self) -> bool:
        """Ask the server again; gives whether anything had changed."""
        before = self._record
        if self._draft is not None:
            return False
        return self.fetch() != before

    def apply(self, *operations: Operation) -> None:
        """Do all operations, or none of them if one fails; sent when this returns, or when `update` ends."""
        with self.update():
            draft = cast("State", self._draft)
            for operation in operations:
                draft = operation.replay(draft)
                if isinstance(operation, RenameLayer) and operation.old != operation.new:
                    self.announce("layerRenamings", {"oldName": operation.old, "newName": operation.new})
            self._draft = draft

    @contextmanager
    def update(self) -> Iterator[Self]:
        """Bundle: one look at the server and one request with all changes of the block, none if it raises."""
        with self._mutex:
            if self._draft is not None:
                yield self
                return
            self.fetch()
            before = self._plain
            self._draft, self._owner = before, threading.get_ident()
            try:
                yield self
                if self._draft is not None and self._draft is not before:
                    self._save(self._draft)
            finally:
                self._draft = self._owner = None
                self._renamed = {}

    def _save(self, draft: State) -> None:
        self.change(dataSource=draft.document, **self._renamed)


def server_of(dataset: Dataset) -> ServerStore:
    """Give the store of a dataset on a server."""
    return cast("ServerStore", dataset.state.store)
