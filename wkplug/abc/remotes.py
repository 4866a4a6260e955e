"""Services behind dataset URLs: a `RemoteService` answers for what is not a plain store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc.locations import Location
    from wkplug.abc.metadata import MetadataStore

__all__ = ["DatasetSource", "RemoteService"]


@attrs.frozen
class DatasetSource:
    """What a service answers for a URL: where the dataset's arrays lie, and what keeps its metadata.

    options: how it was opened, as `RemoteService.open` was told. Those of every dataset (`read_only`,
        `allow_incomplete`, `backends`) are kept, and pickled with it; the others are the service's own.
    shown_as: the subclass of `Dataset` that shows it, as "package.module:Class"; `Dataset` itself by default.
    """

    location: Location
    store: MetadataStore[Any, Any, Any]
    options: Mapping[str, Any] = attrs.field(factory=dict)
    shown_as: str = ""


class RemoteService(ABC):
    """One kind of service."""

    @abstractmethod
    def accepts(self, url: str) -> bool:
        """Say, from the URL alone, whether it is one of this service's."""

    @abstractmethod
    def open(self, url: str, **options: Any) -> DatasetSource:
        """Find the dataset behind the URL: the place of its arrays, and a store of its metadata.

        options: those of `Dataset.open`, handed on in the answer, and what else the service itself understands.
        DatasetNotFoundError (a FileNotFoundError) if there is none, ForbiddenError where the token isn't enough.
        """
