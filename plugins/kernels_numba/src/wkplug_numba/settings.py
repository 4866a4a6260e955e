"""The table `[plugin.numba]`: when starting the compiler pays."""

from __future__ import annotations

from typing import Any

import attrs

from wkplug.errors import ConfigError

__all__ = ["NumbaSettings"]


def _seconds(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ConfigError(
            f"[plugin.numba] {field.name} is {value!r}, but it must be a number of seconds of at least 0."
        )


@attrs.frozen(kw_only=True)
class NumbaSettings:
    """Settings of the compiled modes.

    after: how many seconds the plain modes may have lost in this process, by estimate, before numba is
        loaded. The default is what loading it costs, so that a small job doesn't pay and a large one pays at
        most twice; 0 loads it at once, `inf` never.
    """

    after: float = attrs.field(default=0.8, validator=_seconds)

    @classmethod
    def of(cls, value: object) -> NumbaSettings:
        """Take what a factory was handed: an instance, or nothing."""
        return value if isinstance(value, cls) else cls()
