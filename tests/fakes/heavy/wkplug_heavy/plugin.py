"""Light itself; its engine is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ArrayBackendSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def wkplug_array_backends() -> Iterator[ArrayBackendSpec]:
    yield ArrayBackendSpec(name="heavy+engine", format="heavy", factory="wkplug_heavy.engine:HeavyBackend")
