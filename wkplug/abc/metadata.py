"""Where a dataset's metadata live: a `MetadataStore`, which reads them and changes them by operations.

A dataset is metadata (which layers and mags there are, their boxes, types and paths) beside arrays. The core's own
store, `wkplug.properties.PropertiesStore`, keeps the metadata in the dataset's datasource-properties.json; a plugin
for a server keeps them wherever the server does. Everything above asks for nothing but what is described here.

Operations are those of `wkplug.properties`: each is a value with `replay(state)`, and `State.read`, there too, makes a
state from a server's JSON. A store that keeps such a state derives from `wkplug.properties.StateStore`. Not here:
files, locks and requests, which are the store's own, and arrays, at the `Location` that a `DatasetSource` names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from wkplug.abc.locations import Location
    from wkplug.errors import WkplugError

__all__ = ["MetadataStore"]

DatasetT = TypeVar("DatasetT")
LayerT = TypeVar("LayerT")
OperationT = TypeVar("OperationT")


class MetadataStore(ABC, Generic[DatasetT, LayerT, OperationT]):
    """The metadata of one dataset.

    Its types are `MetadataStore[DatasetProperties, LayerProperties, Operation]`, all of `wkplug.properties`.

    What the reading names give stays the same, and costs no request, until something changes: through this store or,
    for changes by others, with `refresh`. It is shared, for looking at only; changes are made by operations.

    A store can be used from several threads. It pickles as a token (where the metadata are, and how to get at them;
    no password, no connection, no content) which reads again when it is first used, in whatever process that is.
    """

    # --- reading ------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def root(self) -> Location:
        """The dataset's folder, to which the paths of mags and attachments are relative."""

    @property
    def url(self) -> str:
        """The address under which the dataset is opened; that of its folder unless a server has another."""
        return self.root.url

    @property
    @abstractmethod
    def document(self) -> Mapping[str, Any]:
        """The metadata as the JSON object of a datasource-properties.json, keys included that nobody here knows."""

    @property
    @abstractmethod
    def dataset(self) -> DatasetT:
        """The facts of the dataset itself, typed: name, voxel size, view configuration."""

    @abstractmethod
    def layer_names(self) -> tuple[str, ...]:
        """The names of all layers in their order, also of those that are described wrongly."""

    @abstractmethod
    def layer(self, name: str) -> LayerT:
        """The typed form of a layer, the same object until it changes.

        LayerNotFoundError (an IndexError) if there is none of that name; the error of `layer_problem` if there is one.
        """

    @abstractmethod
    def raw_layer(self, name: str) -> Any:
        """The layer's JSON, an object unless the layer has a problem; LayerNotFoundError (an IndexError)."""

    @abstractmethod
    def layer_problem(self, name: str) -> WkplugError | None:
        """What is wrong with a layer's description, None if nothing is: one bad layer doesn't hide the others."""

    @abstractmethod
    def refresh(self) -> bool:
        """Look again at what others may have changed; gives whether anything had."""

    # --- changing -----------------------------------------------------------------------------------------

    @abstractmethod
    def apply(self, *operations: OperationT) -> None:
        """Do all operations, or none of them if one fails.

        They are replayed on the metadata as they are now, not as they were read once, so that two writers never undo
        each other's changes. Saved when this returns or, inside of `update`, when that ends. The errors are those of
        the operations (LayerExistsError, MagNotFoundError, ...), ForbiddenError where nothing may be changed, and
        ConflictError if others keep being faster.
        """

    @abstractmethod
    def update(self) -> AbstractContextManager[object]:
        """Bundle: everything applied inside of the block is saved at its end, in one step.

        The block sees its own changes; others see them when it ends. If it raises, none of them happened. A block
        inside of a block belongs to the outer one.
        """
