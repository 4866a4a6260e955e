"""What mags and layers leave of each other: the keys of entries, codecs, recorded paths, symbolic links."""

from __future__ import annotations

import copy
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wkplug import storage
from wkplug.errors import InvalidArgumentError, MagExistsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wkplug.abc import ArrayBackend, ArraySpec, Location
    from wkplug.model.layout import LayoutRequest
    from wkplug.model.states import DatasetState, MagState
    from wkplug.storage import ArrayHandle

__all__ = ["FolderExistsError", "all_keys", "foreign_keys", "make_link", "recorded_path", "with_codecs_of"]


class FolderExistsError(MagExistsError, FileExistsError):
    """Something nobody lists stands where a mag is to go."""


def all_keys(source: MagState) -> dict[str, Any]:
    """The keys of a mag's entry but mag and path, copied."""
    entry = source.layer.properties.get_mag(source.mag)
    return copy.deepcopy(entry.extra) if entry is not None else {}


def foreign_keys(source: MagState) -> dict[str, Any]:
    """The same without those that belong to the storage format, which may differ in the copy."""
    handle = source.source.handle
    own = handle.backend.mag_properties(handle.array)
    return {key: value for key, value in all_keys(source).items() if key not in own}


def with_codecs_of(
    source: ArrayHandle,
    request: LayoutRequest,
    compress: Any,
    *,
    backend: ArrayBackend,
    place: Location,
    spec_of: Callable[[LayoutRequest], ArraySpec],
) -> LayoutRequest:
    """Ask for the codecs of `source` (the same format) where nothing else is asked for, with their levels.

    compress: what was asked for; None and True keep what is compressed as it is. What the new array's backend doesn't
    take (codecs that only another engine knows, shards within shards) becomes the format's default.
    """
    spec = source.spec
    options = {key: value for key, value in spec.options.items() if value is not None}
    if not spec.compressed or not options or not (compress is None or compress is True):
        return request._replace(compress=spec.compressed if compress is None else compress)
    kept = request._replace(compress=options)
    problems = backend.problems(spec_of(kept), place, "create")
    refused = any(problem.severity == "error" for problem in problems)
    return request._replace(compress=True) if refused else kept


def recorded_path(dataset: DatasetState, location: Location, *, make_relative: bool = False) -> str:
    """Say where a foreign place is, as `dataset` records it: absolute, or "../other/color/1" if that is wanted."""
    root, local = dataset.location.local_path(), location.local_path()
    if make_relative and root is not None and local is not None:
        return os.path.relpath(local, root).replace(os.sep, "/")
    return storage.relative_to(dataset.location, location)


def make_link(link: Location, target: Location, *, make_relative: bool = False) -> Path:
    """Make a symbolic link; InvalidArgumentError (an AssertionError) unless both places are local."""
    where, to = link.local_path(), target.local_path()
    if where is None or to is None:
        remote = link if where is None else target
        raise InvalidArgumentError(
            f"{remote.url} is not on a local disk, where alone symbolic links can be.",
            hint="Use add_layer_as_ref or add_mag_as_ref, which work everywhere.",
        )
    path = Path(where)
    if os.path.lexists(path):
        if path.is_symlink() and not path.exists():
            raise FolderExistsError(
                f"{path} is a link to nothing.", hint="Choose another path, or let the link lead to a folder."
            )
        raise FolderExistsError(f"There is already something at {path}.", hint="Move it away first.")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = os.path.relpath(to, path.parent.resolve()) if make_relative else to
    with suppress(FileExistsError):
        path.symlink_to(text, target_is_directory=Path(to).is_dir())
        return path
    raise FolderExistsError(f"There is already something at {path}.", hint="Move it away first.")
