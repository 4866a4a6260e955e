"""Services behind dataset URLs: a `RemoteService` answers for what is not a plain store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wkplug.abc.metadata import DatasetSource

__all__ = ["RemoteService"]


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
