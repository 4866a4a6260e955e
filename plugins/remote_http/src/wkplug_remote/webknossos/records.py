"""Keys and values that users attach to datasets and folders on a server, as a mapping that saves itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from wkplug.errors import InvalidArgumentError

__all__ = ["Metadata", "metadata_to_json"]


class Metadata(MutableMapping[str, Any]):
    """Texts, numbers and lists of texts by their keys. Each change is made to what is there now, and saved.

    load: asks the server for the entries. save: sends all of them. known: the entries as of the last answer.
    """

    def __init__(
        self,
        known: Callable[[], list[dict[str, Any]]],
        load: Callable[[], list[dict[str, Any]]],
        save: Callable[[list[dict[str, Any]]], object],
    ) -> None:
        self._known, self._load, self._save = known, load, save

    def __getitem__(self, key: str) -> Any:
        for entry in self._known():
            if entry.get("key") == key:
                return _value(entry)
        raise KeyError(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def update(self, other: Any = (), /, **further: Any) -> None:
        """Set several at once, in one request."""
        new = metadata_to_json({**dict(other), **further})
        names = {entry["key"] for entry in new}
        by_key = {entry["key"]: entry for entry in new}
        entries = [by_key.pop(entry.get("key"), entry) for entry in self._load()]
        self._save([*entries, *(by_key[name] for name in names if name in by_key)])

    def __delitem__(self, key: str) -> None:
        entries = self._load()
        kept = [entry for entry in entries if entry.get("key") != key]
        if len(kept) == len(entries):
            raise KeyError(key)
        self._save(kept)

    def __iter__(self) -> Iterator[str]:
        return (str(entry.get("key")) for entry in self._known())

    def __len__(self) -> int:
        return len(self._known())

    def __repr__(self) -> str:
        return f"Metadata({dict(self)!r})"


def metadata_to_json(values: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Give the entries that a server keeps; InvalidArgumentError (a ValueError) for what is no text, number or list."""
    return [{"key": key, **_entry(key, value)} for key, value in (values or {}).items()]


def _entry(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"type": "string", "value": value}
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"type": "number", "value": value}
    if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        return {"type": "string[]", "value": list(value)}
    raise InvalidArgumentError(
        f"The metadata {key!r} can't be {value!r}: servers keep texts, numbers and lists of texts.",
        hint="Give one of these.",
    )


def _value(entry: dict[str, Any]) -> Any:
    value = entry.get("value")
    if entry.get("type") == "number" and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
