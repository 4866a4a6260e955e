"""Who writes an export, and where to: half-written files stay out of sight until they are whole.

Exporters write to a hidden place beside the target, or to a temporary folder if the target isn't local.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wkplug import registry, storage
from wkplug.builtin.parts import TEMPORARY_PREFIX
from wkplug.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Exporter, Location

__all__ = ["choose", "finished"]


def choose(target: str, name: str | None) -> Exporter:
    """Find the exporter of that name ("a-b" and "a_b" are one), or else by the target's longest known suffix.

    UnknownNameError if there is none.
    """
    explicit = None if name is None else name.lower().replace("_", "-")
    exporter: Exporter = registry.choose_exporter("volume", target.rstrip("/"), explicit=explicit).winner
    return exporter


@contextmanager
def finished(target: str, *, overwrite: bool) -> Iterator[Location]:
    """Give a local place to write to, which becomes `target` when all has gone well, and is deleted otherwise.

    ExportError if there is something at `target` already, unless `overwrite`; an empty folder is nothing.
    """
    place = storage.locate(target)
    path = place.local_path()
    if not overwrite and place.exists() and not (path is not None and _is_empty_folder(path)):
        raise ExportError(
            f"There is already something at {place.url}.",
            hint="Choose another path, or pass overwrite=True (--overwrite-existing).",
        )
    folder = None if path is None else os.path.dirname(path)  # noqa: PTH120 - plain text
    if folder is not None:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - the same
    scratch = tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=folder)
    try:
        written = storage.locate(os.path.join(scratch, place.name))  # noqa: PTH118 - the same
        yield written
        if overwrite:
            place.delete(recursive=True)
        if path is None:
            storage.copy_tree(written, place)
        else:
            if os.path.isdir(path):  # noqa: PTH112 - the same
                os.rmdir(path)  # noqa: PTH106 - the same; it is empty
            os.rename(str(written.local_path()), path)  # noqa: PTH104 - the same
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _is_empty_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.listdir(path)  # noqa: PTH112, PTH208 - plain text
