"""One hook fails, the other one works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ArrayBackendSpec, InterpolationSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def wkplug_array_backends() -> list[ArrayBackendSpec]:
    raise ValueError("no backends today")


@hookimpl
def wkplug_interpolations() -> Iterator[InterpolationSpec]:
    yield InterpolationSpec(name="hooked", factory="wkplug_raises_in_hook.nothing:Nothing")
