"""Wraps opening, as a plugin that measures would, and has a hook of a future version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.abc import hookimpl
from wkplug.errors import LayoutError

if TYPE_CHECKING:
    from collections.abc import Generator


@hookimpl(wrapper=True)
def wkplug_open_array(request: Any) -> Generator[None, Any, Any]:
    try:
        return (yield)
    except LayoutError as error:
        raise LayoutError(f"wrapped: {error.message}") from error


@hookimpl
def wkplug_of_the_future() -> list[str]:
    return []
