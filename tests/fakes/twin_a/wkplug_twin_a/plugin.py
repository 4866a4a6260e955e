"""Claims the same name as its twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ArrayBackendSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def wkplug_array_backends() -> Iterator[ArrayBackendSpec]:
    yield ArrayBackendSpec(name="twin+same", format="twin", factory="nowhere:nothing")
    yield ArrayBackendSpec(name="owna+same", format="owna", factory="nowhere:nothing")
