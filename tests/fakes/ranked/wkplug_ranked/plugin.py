"""Two filesystems for one scheme, of which the first doesn't know all options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import FilesystemSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def wkplug_filesystems() -> Iterator[FilesystemSpec]:
    for name, priority in (("fast", 10), ("patient", 0)):
        yield FilesystemSpec(
            name=f"bottle+{name}",
            schemes=("bottle",),
            factory=f"wkplug_ranked.places:{name.capitalize()}Filesystem",
            priority=priority,
        )
