"""`lab://NAME` is a dataset whose metadata are in `SERVER`, and whose arrays are where the server says."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wkplug.abc import DatasetSource, RemoteService, locate
from wkplug.errors import DatasetNotFoundError
from wkplug.properties import State, StateStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Location
    from wkplug.properties import Operation

SERVER: dict[str, dict[str, Any]] = {}
"""What the server keeps: name -> {"folder": where the arrays are, "metadata": JSON as text, "asked": how often}."""


class LabStore(StateStore):
    """The metadata of one dataset on the server."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._state: State | None = None
        self._draft: State | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (LabStore, (self._name,))

    @property
    def state(self) -> State:
        if self._draft is not None:
            return self._draft
        if self._state is None:
            self._state = self._ask()
        return self._state

    def _ask(self) -> State:
        record = SERVER[self._name]
        record["asked"] += 1
        text = record["metadata"].encode()
        return State.read(text, f"lab://{self._name}", self.root, before=self._state)

    @property
    def root(self) -> Location:
        return locate(SERVER[self._name]["folder"])

    def refresh(self) -> bool:
        before, self._state = self._state, self._ask()
        return before is None or before.to_bytes() != self._state.to_bytes()

    def apply(self, *operations: Operation) -> None:
        with self.update():
            state = self.state
            for operation in operations:
                state = operation.replay(state)
            self._draft = state

    @contextmanager
    def update(self) -> Iterator[LabStore]:
        if self._draft is not None:
            yield self
            return
        self._draft = self._ask()
        try:
            yield self
            SERVER[self._name]["metadata"] = json.dumps(self._draft.document)
            self._state = self._draft
        finally:
            self._draft = None


class Lab(RemoteService):
    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def accepts(self, url: str) -> bool:
        return url.startswith("lab://")

    def open(self, url: str, **options: Any) -> DatasetSource:
        name = url.removeprefix("lab://")
        if name not in SERVER:
            raise DatasetNotFoundError(f"The lab has no dataset {name!r}.", hint="Ask the lab.")
        store = LabStore(name)
        return DatasetSource(store.root, store, options, shown_as="wkplug_served.datasets:LabDataset")
