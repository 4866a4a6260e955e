"""Gives something that is no spec."""

from __future__ import annotations

from wkplug.abc import hookimpl


@hookimpl
def wkplug_array_backends() -> list[str]:
    return ["zarr3+mine"]
