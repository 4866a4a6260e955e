"""Object stores: no folders, buckets that are never deleted as a whole; and Google's, whose bucket is part of the path.

S3, which can do more, has a module of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.errors import StorageError
from wkplug.filesystems.drivers import FsspecLocation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["GoogleLocation", "ObjectStoreLocation"]


class ObjectStoreLocation(FsspecLocation):
    """An object, or all objects whose names begin alike."""

    __slots__ = ()

    has_folders = False

    def make_folder(self) -> None:
        """Do nothing: there are none."""

    def delete(self, *, recursive: bool = False) -> None:
        """Delete the object or (recursively) everything below. StorageError for a bucket as a whole."""
        if "/" not in self._path if self.path_has_host else not self._path:
            raise StorageError(f"{self.url} could not be deleted: it is a whole bucket.")
        super().delete(recursive=recursive)


class GoogleLocation(ObjectStoreLocation):
    """A place in Google Cloud Storage: gs://bucket/key."""

    __slots__ = ()

    attempts = 1
    path_has_host = True

    def native(self, kind: str) -> Mapping[str, Any] | None:
        """Answer "fsspec" and "tensorstore.kvstore"."""
        if kind != "tensorstore.kvstore" or not self._path:
            return super().native(kind)
        bucket, _, key = self._path.partition("/")
        return {"driver": "gcs", "bucket": bucket, "path": f"{key}/" if key else ""}

    @property
    def _target(self) -> str:
        return self._path
