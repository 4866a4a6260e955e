"""The table `[plugin.wkw]` of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["WkwSettings"]


@attrs.frozen(kw_only=True)
class WkwSettings:
    """How shards are written.

    fsync: when shards on local disks are forced out to the disk: "flush" (when an array is flushed: after a
        bulk job, once), "always" (before each shard takes its place) or "never". Whatever it says, a killed
        process leaves old or new shards; this is about power loss.
    """

    fsync: str = attrs.field(default="flush", validator=attrs.validators.in_(("flush", "always", "never")))

    @classmethod
    def of(cls, settings: object) -> WkwSettings:
        """Take what the registry hands to factories: an instance, a mapping or nothing."""
        if isinstance(settings, cls):
            return settings
        known: dict[str, Any] = {}
        if isinstance(settings, Mapping):
            known = {str(key): value for key, value in settings.items()}
        return cls(**known)
