"""What a server shares: datasets, each under an id that stays the same as long as its place does."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import DatasetNotFoundError, LayerNotFoundError, MissingError
from wkplug_server.levels import Levels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wkplug.abc import Location
    from wkplug.dataset import Dataset, Layer

__all__ = ["Catalogue", "Shared"]


@attrs.define(eq=False)
class Shared:
    """One dataset that is shared. shown_as: where it came from, for people."""

    dataset: Dataset
    id: str
    shown_as: str
    _levels: dict[str, Levels] = attrs.field(factory=dict, init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.dataset.name

    @property
    def layers(self) -> Iterable[Layer]:
        """Its layers that have voxels."""
        return [layer for layer in self.dataset.layers.values() if layer.mags]

    def levels(self, layer: str) -> Levels:
        """The voxels of a layer; LayerNotFoundError."""
        with self._lock:
            found = self._levels.get(layer)
            if found is None:
                known = self.dataset.layers
                if layer not in known:
                    raise LayerNotFoundError(
                        f"The dataset {self.name!r} has no layer {layer!r}; it has {', '.join(known) or 'none'}.",
                        hint="Take one of those.",
                    )
                found = self._levels[layer] = Levels(known[layer])
            return found

    def place(self, layer: str, mag: Any) -> Location:
        """Where the files of a mag are."""
        return self.dataset.get_layer(layer).get_mag(mag).location

    def attachment(self, layer: str, kind: str, name: str) -> Location:
        """Where an attachment is. kind: as the properties or the API call it, meshes or mesh; MissingError."""
        chosen = self.dataset.get_layer(layer)
        for attachment in getattr(chosen, "attachments", ()):
            if attachment.name == name and kind in (attachment.json_key, attachment.type_name):
                place: Location = attachment.location
                return place
        raise MissingError(f"The layer {layer!r} has no attachment {name!r} of the kind {kind!r}.")


class Catalogue:
    """The shared datasets by their ids, in the order in which they were given."""

    def __init__(self, datasets: Iterable[tuple[Dataset, str]] = ()) -> None:
        self._shared: dict[str, Shared] = {}
        for dataset, shown_as in datasets:
            self.add(dataset, shown_as)

    def add(self, dataset: Dataset, shown_as: str) -> Shared:
        """Share one more; the same place twice is one."""
        key = hashlib.sha256(dataset.location.url.encode()).hexdigest()[:24]
        if key not in self._shared:
            self._shared[key] = Shared(dataset, key, shown_as)
        return self._shared[key]

    def __iter__(self) -> Iterator[Shared]:
        return iter(list(self._shared.values()))

    def __len__(self) -> int:
        return len(self._shared)

    def __getitem__(self, key: str) -> Shared:
        """The dataset with this id; DatasetNotFoundError (a FileNotFoundError)."""
        found = self._shared.get(key)
        if found is None:
            raise DatasetNotFoundError(
                f"There is no dataset {key!r} here.", hint="The server's start page lists those that are."
            )
        return found

    def named(self, name: str) -> list[Shared]:
        """Those with this name; names need not differ."""
        return [shared for shared in self if shared.name == name]
