"""Options that code gave for a store, for URLs of the same store that come alone later in this process.

A dataset records URLs without secrets. Who has said once how to reach a store (keys, a token, an endpoint, an account,
or that nobody is to be asked for) needn't say it again for each of them:
options are remembered for the bucket, or for the first folder on a server, that they were given for. What the setting
`storage` has for a URL comes first. Nothing here is in any pickle, nor seen by another process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.abc import Store
from wkplug.config import storage_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import Location

__all__ = ["forget", "remember", "remembered"]

_given: dict[str, dict[str, Any]] = {}


def remember(place: Location, options: Mapping[str, Any]) -> None:
    """Remember the options that a place was opened with, and those that its URL held."""
    store = getattr(place, "opened", None)
    if not isinstance(store, Store):
        return
    options = {**options, **store.session}
    if not options:
        return
    if store.root.rstrip("/") != store.server.rstrip("/"):
        _given[store.root.rstrip("/")] = dict(options)
    first = place.url.removeprefix(store.root).partition("/")[0]
    if first:
        _given[store.root + first] = dict(options)


def remembered(url: str) -> dict[str, Any]:
    """Give the options of the longest prefix of a URL; none where the settings have some for it."""
    if not _given:
        return {}
    found = [prefix for prefix in _given if url == prefix or url.startswith((f"{prefix}/", f"{prefix}?"))]
    if not found or storage_options(url):
        return {}
    return dict(_given[max(found, key=len)])


def forget() -> None:
    """Forget everything."""
    _given.clear()
