"""A remote service."""

from __future__ import annotations

from typing import Any

from wkplug.abc import RemoteService


class Service(RemoteService):
    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def accepts(self, url: str) -> bool:
        return url.startswith("good://")

    def open(self, url: str, **options: Any) -> Any:
        return url
