"""A remote service."""

from __future__ import annotations

from typing import Any

from wkplug.abc import DatasetSource, RemoteService
from wkplug.errors import DatasetNotFoundError


class Service(RemoteService):
    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def accepts(self, url: str) -> bool:
        return url.startswith("good://")

    def open(self, url: str, **options: Any) -> DatasetSource:
        raise DatasetNotFoundError(f"There is no dataset at {url}.", hint="This service has none.")
