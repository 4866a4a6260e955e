"""Services behind dataset URLs: a `RemoteService` answers for what is not a plain store.

Who calls it: `wkplug.dataset`. Who implements it: remote plugins.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

__all__ = ["RemoteService"]


class RemoteService(ABC):
    """One kind of service."""

    @abstractmethod
    def accepts(self, url: str) -> bool:
        """Say, from the URL alone, whether it is one of this service's."""

    @abstractmethod
    def open(self, url: str, **options: Any) -> Any:
        """Open the dataset behind the URL."""
