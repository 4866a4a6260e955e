"""A reader for the same files as that of `good`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import FilesystemSpec, ImageReaderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    yield ImageReaderSpec(name="rival", factory="wkplug_good.images:GoodReader", suffixes=(".pic",))


@hookimpl
def wkplug_filesystems() -> Iterator[FilesystemSpec]:
    yield FilesystemSpec(
        name="rival", schemes=("s3", "sftp"), factory="wkplug.filesystems.local:LocalFilesystem"
    )
