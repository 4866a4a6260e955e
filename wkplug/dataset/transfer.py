"""`TransferMode`: how the files of a layer, mag or attachment come to a place that a server reads."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Any

from wkplug import storage
from wkplug.errors import InvalidArgumentError, MissingError, UploadOnlyError

__all__ = ["TransferMode"]


class TransferMode(StrEnum):
    """By upload (HTTP), by copying, by a link, or by moving and leaving a link at the old place."""

    HTTP = "http"
    MOVE_AND_SYMLINK = "move+symlink"
    SYMLINK = "symlink"
    COPY = "copy"

    def transfer(self, src_path: Any, dst_path: Any, progress_desc_label: str | None = None) -> None:
        """Bring `src_path` to `dst_path`, making parent folders.

        Links and moves want local places, and nothing at `dst_path` (InvalidArgumentError, an AssertionError). HTTP is
        for uploads only (a NotImplementedError).
        """
        if self is TransferMode.COPY:
            self.copy(src_path, dst_path, progress_desc_label)
        elif self is TransferMode.SYMLINK:
            self.symlink(src_path, dst_path)
        elif self is TransferMode.MOVE_AND_SYMLINK:
            self.move_and_symlink(src_path, dst_path)
        else:
            raise UploadOnlyError(
                "Files can't be transferred by HTTP from place to place.",
                hint="Use Dataset.upload, or another mode.",
            )

    @staticmethod
    def copy(src_path: Any, dst_path: Any, progress_desc_label: str | None = None) -> None:
        """Copy a file or folder, from any place to any other."""
        del progress_desc_label  # one call, of which there is nothing to show
        storage.copy_tree(storage.locate(src_path), storage.locate(dst_path))

    @staticmethod
    def symlink(src_path: Any, dst_path: Any) -> None:
        """Make `dst_path` a link to `src_path`."""
        source, target = _existing(src_path), _free(dst_path)
        target.symlink_to(source, target_is_directory=source.is_dir())

    @staticmethod
    def move_and_symlink(src_path: Any, dst_path: Any) -> None:
        """Move `src_path` to `dst_path` and leave a link; of a link, `dst_path` becomes another to the same place."""
        source, target = _existing(src_path), _free(dst_path)
        if source.is_symlink():
            to = source.resolve()
            target.symlink_to(to, target_is_directory=to.is_dir())
            return
        source.rename(target)
        source.symlink_to(target, target_is_directory=target.is_dir())


def _local(place: Any) -> Path:
    location = storage.locate(place)
    path = location.local_path()
    if path is None:
        raise InvalidArgumentError(
            f"{location.url} is not on a local disk, where alone links can be.", hint="Use TransferMode.COPY."
        )
    return Path(path)


def _existing(place: Any) -> Path:
    path = _local(place)
    if not os.path.lexists(path):
        raise MissingError(f"{path} could not be transferred: it is not there.")
    return path


def _free(place: Any) -> Path:
    path = _local(place)
    if os.path.lexists(path):
        raise InvalidArgumentError(f"There is already something at {path}.", hint="Move it away first.")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
