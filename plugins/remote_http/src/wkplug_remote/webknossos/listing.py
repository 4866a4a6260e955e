"""The datasets that a server shows, lazily: one request for the list, one more for each that is taken out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from wkplug_remote.webknossos.access_modes import RemoteAccessMode
from wkplug_remote.webknossos.metadata import ServerStore
from wkplug_remote.webknossos.service import SHOWN_AS, list_datasets, source_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wkplug_remote.webknossos.client import Client

__all__ = ["RemoteDatasets"]


class RemoteDatasets(Mapping[str, Any]):
    """Datasets by their ids. A name is looked up too, where just one has it; `names` gives those of all."""

    def __init__(self, client: Client, listed: Sequence[dict[str, Any]]) -> None:
        self._client = client
        self._listed = {str(one["id"]): one for one in listed}
        self._opened: dict[str, Any] = {}

    @classmethod
    def of(
        cls,
        client: Client,
        *,
        organization_id: str | None = None,
        tags: str | Sequence[str] | None = None,
        name: str | None = None,
        folder_id: str | None = None,
    ) -> RemoteDatasets:
        """Ask for the list. tags: all of them, if several. name: exactly this one."""
        wanted = {tags} if isinstance(tags, str) else set(tags or ())
        listed = list_datasets(client, organization_id=organization_id, name=name, folder_id=folder_id)
        return cls(
            client,
            [
                one
                for one in listed
                if wanted <= set(one.get("tags") or ()) and (name is None or one.get("name") == name)
            ],
        )

    @property
    def names(self) -> list[str]:
        """The names, in the order of the list; several datasets may have the same."""
        return [str(one.get("name")) for one in self._listed.values()]

    def __getitem__(self, key: str) -> Any:
        found = self._id(key)
        if found is None:
            raise KeyError(key)
        if found not in self._opened:
            store = ServerStore(self._client, found, RemoteAccessMode.ZARR_STREAMING)
            store.fetch()
            self._opened[found] = resolve_name(SHOWN_AS).of_source(source_of(store))
        return self._opened[found]

    def _id(self, key: object) -> str | None:
        if key in self._listed:
            return str(key)
        called = [one for one, facts in self._listed.items() if facts.get("name") == key]
        return called[0] if len(called) == 1 else None

    def __contains__(self, key: object) -> bool:
        return self._id(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    def __repr__(self) -> str:
        shown = {one: facts.get("name") for one, facts in self._listed.items()}
        return f"RemoteDatasets({shown!r})"
