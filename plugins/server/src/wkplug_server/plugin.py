"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import CommandSpec, ViewerSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_commands", "wkplug_viewers"]


@hookimpl
def wkplug_commands() -> Iterator[CommandSpec]:
    """The two ways to start a server."""
    yield CommandSpec(
        name="serve",
        factory="wkplug_server.commands:serve_command",
        summary="Share datasets over HTTP, as other tools read them.",
    )
    yield CommandSpec(
        name="view",
        factory="wkplug_server.commands:view_command",
        summary="Look at datasets in the browser.",
    )


@hookimpl
def wkplug_viewers() -> Iterator[ViewerSpec]:
    """A look at datasets in Neuroglancer."""
    yield ViewerSpec(
        name="neuroglancer",
        factory="wkplug_server.viewing:NeuroglancerViewer",
        summary="shows datasets in the browser or a notebook",
    )
