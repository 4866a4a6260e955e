"""`DataFormat`: the name of a storage format, open to whatever plugins are installed.

A `str` and nothing more on disk. Calling it accepts every registered format and refuses others with a
suggestion; iterating over it lists them. The members that users' code holds (`DataFormat.WKW` and the like)
come from `wkplug.dataset.legacy`, because nothing here knows a format's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeAlias

from wkplug import registry
from wkplug.dataset.legacy.formats import MEMBERS, Names

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DataFormat", "FormatName"]


class _DataFormatType(type):
    """What makes the class itself iterable, and gives it the members of old."""

    def __iter__(cls) -> Iterator[DataFormat]:
        return (DataFormat.recorded(name) for name in registry.formats())

    def __getitem__(cls, name: str) -> DataFormat:
        return DataFormat.recorded(MEMBERS[name])

    def __getattr__(cls, name: str) -> DataFormat:
        if name in MEMBERS:
            return DataFormat.recorded(MEMBERS[name])
        raise AttributeError(f"DataFormat has no member {name!r}.")


class DataFormat(str, metaclass=_DataFormatType):
    """A storage format by the name that the properties file records.

    `DataFormat(name)` raises UnknownFormatError (a ValueError) for names that no installed plugin has.
    """

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        """See the class."""
        return cls.recorded(registry.check_format(str(name)))

    @classmethod
    def recorded(cls, name: str) -> Self:
        """A name that a properties file records: taken as it is, whether a plugin for it is installed or not."""
        return str.__new__(cls, name)

    @property
    def value(self) -> str:
        """The plain text, as of an enum's member."""
        return str.__str__(self)

    @property
    def name(self) -> str:
        """The member's name where there is one, otherwise the text."""
        return next((name for name, value in MEMBERS.items() if value == self), self.value)

    def __str__(self) -> str:
        return str.__str__(self)

    def __repr__(self) -> str:
        return f"DataFormat({str.__str__(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (DataFormat.recorded, (str.__str__(self),))


FormatName: TypeAlias = "Names | DataFormat"
"""What `data_format=` may be for a type checker; `DataFormat(name)` for formats of other plugins."""
