"""The name that local places had first; scripts hold it. They are in `wkplug.filesystems.local`."""

from wkplug.filesystems.local import LocalFilesystem, LocalLocation

__all__ = ["LocalFilesystem", "LocalLocation"]
