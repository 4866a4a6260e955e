"""Hooks of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import RemoteSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def wkplug_remotes() -> Iterator[RemoteSpec]:
    yield RemoteSpec(
        name="lab",
        factory="wkplug_served.service:Lab",
        schemes=("lab",),
        exports={"LabDataset": "wkplug_served.datasets:LabDataset"},
    )
