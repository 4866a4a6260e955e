"""A metadata dialect."""

from __future__ import annotations

from typing import Any

from wkplug.abc import MetadataDialect


class Notes(MetadataDialect):
    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def layer_files(self, facts: Any, *args: Any, **kwargs: Any) -> dict[str, bytes]:
        return {"notes.txt": b"hello"}
