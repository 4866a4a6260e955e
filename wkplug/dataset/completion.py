"""What completion proposes of the public classes: the names of users.

The rest of the library, and plugins that extend a class, find what the classes lend them all the same.
"""

from __future__ import annotations

__all__ = ["UsersNames"]

_INTERNAL = frozenset(
    {"extend_bounding_box", "layer_class", "location", "mag_class", "of", "offsets_are_absolute", "state"}
)


class UsersNames:
    """A base of the public classes."""

    __slots__ = ()

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in _INTERNAL]
