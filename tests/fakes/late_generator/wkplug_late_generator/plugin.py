"""Its generator fails after the first spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ArrayBackendSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def wkplug_array_backends() -> Iterator[ArrayBackendSpec]:
    yield ArrayBackendSpec(name="late+one", format="late", factory="nowhere:nothing")
    raise ValueError("the second one failed")
