"""The table `[plugin.hdf5]` of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from wkplug.errors import ConfigError

__all__ = ["Hdf5Settings"]


def _flag(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"[plugin.hdf5] {field.name} is {value!r}, but it must be true or false.")


@attrs.frozen(kw_only=True)
class Hdf5Settings:
    """What HDF5 files may do.

    follow_external: whether a file may name voxels in other files anywhere on this machine (sources of virtual
        datasets, external storage, external links). Without, only those in its own folder and below are read.
    """

    follow_external: bool = attrs.field(default=False, validator=_flag)

    @classmethod
    def of(cls, settings: object) -> Hdf5Settings:
        """Take what the registry hands to factories: an instance, a mapping or nothing."""
        if isinstance(settings, cls):
            return settings
        known = {str(key): value for key, value in settings.items()} if isinstance(settings, Mapping) else {}
        return cls(**known)
