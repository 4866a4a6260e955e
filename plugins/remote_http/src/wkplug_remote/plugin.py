"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import CommandSpec, FilesystemSpec, RemoteSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_commands", "wkplug_filesystems", "wkplug_remotes"]

_EXPORTS = {
    "access_modes": ("RemoteAccessMode",),
    "context": ("login", "webknossos_context"),
    "datasets": ("RemoteDataset", "StorageCredentials"),
    "layers": ("RemoteAttachments", "RemoteLayer", "RemoteMagView", "RemoteSegmentationLayer"),
    "uploads": ("LayerToLink",),
    "organization": ("Datastore", "RemoteFolder", "Team", "User"),
}  # fmt: skip


@hookimpl
def wkplug_filesystems() -> Iterator[FilesystemSpec]:
    """Places behind HTTP."""
    yield FilesystemSpec(
        name="https+httpx",
        schemes=("http", "https"),
        factory="wkplug_remote.filesystem:HttpFilesystem",
        priority=10,
        summary="files of web servers, read only, through httpx",
    )


@hookimpl
def wkplug_remotes() -> Iterator[RemoteSpec]:
    """WEBKNOSSOS servers."""
    yield RemoteSpec(
        name="webknossos",
        schemes=("http", "https"),
        factory="wkplug_remote.webknossos.service:Webknossos",
        exports={
            name: f"wkplug_remote.webknossos.{module}:{name}"
            for module, names in _EXPORTS.items()
            for name in names
        },
        summary="datasets on WEBKNOSSOS servers",
    )


@hookimpl
def wkplug_commands() -> Iterator[CommandSpec]:
    """To servers and back."""
    yield CommandSpec(
        name="upload",
        factory="wkplug_remote.webknossos.commands:upload_command",
        summary="Bring a dataset to a WEBKNOSSOS server.",
    )
    yield CommandSpec(
        name="download",
        factory="wkplug_remote.webknossos.commands:download_command",
        summary="Copy a dataset of a WEBKNOSSOS server, or a part of it, to a folder.",
    )
