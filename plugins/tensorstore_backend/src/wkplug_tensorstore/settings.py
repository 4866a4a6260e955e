"""The table `[plugin.tensorstore]`: how much memory and how many threads the engine may use.

Values are checked here, before the engine sees them, because its own errors name neither key nor table.
The file locking of the engine is no setting on purpose: switching it off loses voxels and saves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from wkplug.errors import ConfigError

__all__ = ["TensorstoreSettings"]

_MAX_THREADS = 1024


def _whole(minimum: int) -> Any:
    def check(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
        if value is None and field.default is None:
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ConfigError(
                f"[plugin.tensorstore] {field.name} is {value!r}, "
                f"but it must be a whole number of at least {minimum}."
            )
        if field.name.endswith("threads") and value > _MAX_THREADS:
            raise ConfigError(f"[plugin.tensorstore] {field.name} is {value!r}, more than {_MAX_THREADS}.")

    return check


def _flag(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"[plugin.tensorstore] {field.name} is {value!r}, but it must be true or false.")


@attrs.frozen(kw_only=True)
class TensorstoreSettings:
    """Settings of the engine, one set per process.

    cache_bytes: memory for shard indexes and decoded chunks: one for all local arrays, and one for the indexes of each
        array elsewhere. What is in it is checked against the file or object at each use, so other writers are seen;
        0 reads every index again.
    data_copy_threads: threads that encode, decode and copy; None for as many as this process has cores.
    io_threads: threads that read and write files; None for a few per core.
    sync: whether each written file is synced to the disk before a write returns. Off is faster for many small
        files, and still safe when the process dies, but not when the machine does.
    """

    cache_bytes: int = attrs.field(default=32 << 20, validator=_whole(0))
    data_copy_threads: int | None = attrs.field(default=None, validator=_whole(1))
    io_threads: int | None = attrs.field(default=None, validator=_whole(1))
    sync: bool = attrs.field(default=True, validator=_flag)

    @classmethod
    def of(cls, value: object) -> TensorstoreSettings:
        """Take what a factory was handed: an instance, the table itself, or nothing."""
        if isinstance(value, cls):
            return value
        if value is None:
            return cls()
        if not isinstance(value, Mapping):
            raise ConfigError(f"[plugin.tensorstore] must be a table, not {value!r}.")
        known = [field.name for field in attrs.fields(cls)]
        for key in value:
            if key not in known:
                raise ConfigError(
                    f"[plugin.tensorstore] has no setting {key!r}.", hint=f"There are: {', '.join(known)}."
                )
        return cls(**value)
