"""Its engine wants a library that isn't there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ArrayBackendSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def wkplug_array_backends() -> Iterator[ArrayBackendSpec]:
    yield ArrayBackendSpec(
        name="npy+needy", format="npy", factory="wkplug_missing_dependency.engine:Backend", priority=50
    )
    yield ArrayBackendSpec(name="odd+needy", format="odd", factory="builtins:repr")
