"""Implements what it may only wrap."""

from __future__ import annotations

from typing import Any

from wkplug.abc import hookimpl


@hookimpl
def wkplug_open_array(request: Any) -> Any:
    return None
