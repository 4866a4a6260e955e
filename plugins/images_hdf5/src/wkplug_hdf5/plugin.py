"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ImageReaderSpec, SettingsSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_image_readers", "wkplug_settings"]


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    """One reader for everything that is an HDF5 file."""
    yield ImageReaderSpec(
        name="hdf5",
        factory="wkplug_hdf5.reader:Hdf5Reader",
        suffixes=(".h5", ".hdf", ".hdf5", ".he5", ".ims"),
        # Files may begin with a block of the user's own, as those of MATLAB do.
        magic=((0, b"\x89HDF\r\n\x1a\n"), (512, b"\x89HDF\r\n\x1a\n"), (1024, b"\x89HDF\r\n\x1a\n")),
        summary="HDF5, Imaris (IMS), BigDataViewer",
    )


@hookimpl
def wkplug_settings() -> Iterator[SettingsSpec]:
    """The class of the table [plugin.hdf5]."""
    yield SettingsSpec(name="hdf5", factory="wkplug_hdf5.settings:Hdf5Settings")
