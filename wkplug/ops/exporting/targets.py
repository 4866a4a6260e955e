"""Who writes an export, and where to: half-written files stay out of sight until they are whole.

Exporters write to a hidden place beside the target, or to a temporary folder if the target isn't local.

A layer may be declared far larger than what is stored of it. What the disk can't hold, in a format that stores every
voxel, is refused before anything is written, with the box of what is stored. What may fit is not held up: nobody
knows how small it becomes where it is compressed.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from wkplug import registry, storage
from wkplug.abc import Box, Exporter, Least, Location
from wkplug.errors import ExportError, StorageError
from wkplug.filesystems.failures import sort_failure
from wkplug.filesystems.paths import TEMPORARY_PREFIX
from wkplug.geometry import BoundingBox, Vec3Int, grids
from wkplug.model.states import LayerState, MagState
from wkplug.properties.document import FILE_NAME
from wkplug.storage.replacing import errors_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["check_disk_space", "choose", "finished"]


def choose(target: str, name: str | None) -> Exporter:
    """Find the exporter of that name ("a-b" and "a_b" are one), or else by the target's longest known suffix.

    UnknownNameError if there is none.
    """
    explicit = None if name is None else name.lower().replace("_", "-")
    exporter: Exporter = registry.choose_exporter("volume", target.rstrip("/"), explicit=explicit).winner
    return exporter


@contextmanager
def finished(target: str, *, overwrite: bool, keep: Sequence[Location] = ()) -> Iterator[Location]:
    """Give a local place to write to, which becomes `target` when all has gone well, and is deleted otherwise.

    keep: what is read; it is never replaced nor written into, and neither is a folder around it replaced. A link is
    followed to where it leads, but a folder with something in it is never replaced through one: then the link is.

    ExportError if there is something at `target` already, unless `overwrite`; an empty folder is nothing. If it is
    what is read, or a dataset, also then. StorageError where the system doesn't let us write.
    """
    place = storage.locate(target)
    path = place.local_path()
    if path is not None:
        path = _followed(path)
        place = storage.locate(path)
    if place.exists() and not (path is not None and _is_empty_folder(path)):
        if not overwrite:
            raise ExportError(
                f"There is already something at {place.url}.",
                hint="Choose another path, or pass overwrite=True.",
            )
        _check_replaceable(place, keep)
    for source in keep:
        if storage.is_inside(source, place):
            storage.check_apart(source, place, "the dataset that is exported")
    scratch = _scratch(path, place)
    written = storage.locate(os.path.join(scratch, place.name))  # noqa: PTH118 - plain text
    try:
        try:
            with errors_named(written, place):
                yield written
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            raise sort_failure(error, "written", place.url) from error
        if path is None:
            _upload(written, place, overwrite=overwrite)
        else:
            _move(str(written.local_path()), path)
    finally:
        _remove(scratch)


def _remove(scratch: str) -> None:
    """Delete the hidden folder; after a failure, an engine may still be writing what it had begun."""
    for pause in (0.0, 0.1, 0.4, 1.0):
        time.sleep(pause)
        shutil.rmtree(scratch, ignore_errors=True)
        if not os.path.lexists(scratch):
            return


def _followed(path: str) -> str:
    real = os.path.realpath(path)
    through_link = os.path.islink(path) and os.path.isdir(real) and not _is_empty_folder(real)  # noqa: PTH112, PTH114
    return path if through_link else real


def _check_replaceable(place: Location, keep: Sequence[Location]) -> None:
    """ExportError for what is read, folders around it, and other datasets."""
    path = place.local_path()
    for source in keep:
        here, there = source.local_path() or source.url, path or place.url
        if path is not None and source.local_path() is not None:
            here, there = os.path.realpath(here), os.path.realpath(there)
        if f"{here.rstrip('/')}/".startswith(f"{there.rstrip('/')}/"):
            raise ExportError(
                f"{place.url} can't be replaced: the layer that is exported lies there.",
                hint="Choose another path.",
            )
    if path is not None and os.path.islink(path):  # noqa: PTH114 - plain text
        return
    if place.child(FILE_NAME).exists():
        raise ExportError(
            f"{place.url} can't be replaced: it is a dataset.",
            hint="Choose another path.",
        )


def _scratch(path: str | None, place: Location) -> str:
    """Make the hidden folder; beside the target, so that it can be moved there."""
    folder = None if path is None else os.path.dirname(path)  # noqa: PTH120 - plain text
    try:
        if folder is not None:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - the same
        return tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=folder)
    except FileExistsError as error:
        raise StorageError(
            f"{place.url} could not be written: {folder} is a file.", hint="Choose another path."
        ) from error
    except OSError as error:
        raise sort_failure(error, "written", place.url) from error


def _move(new: str, path: str) -> None:
    """Put `new` into the place of what is at `path`, which comes back if that fails."""
    old = f"{new}.replaced"
    try:
        there = os.path.lexists(path)
        if there:
            os.rename(path, old)  # noqa: PTH104 - plain text
        try:
            os.rename(new, path)  # noqa: PTH104 - the same
        except BaseException:
            if there:
                os.rename(old, path)  # noqa: PTH104 - the same
            raise
    except OSError as error:
        raise sort_failure(error, "written", path) from error


def _upload(written: Location, place: Location, *, overwrite: bool) -> None:
    if overwrite:
        place.delete(recursive=True)
    try:
        storage.copy_tree(written, place)
    except BaseException:
        with suppress(StorageError):
            place.delete(recursive=True)
        raise


def _is_empty_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.listdir(path)  # noqa: PTH112, PTH208 - plain text


def check_disk_space(
    layer: LayerState, view: MagState, stored: Sequence[Box] | None, least: Least, folder: Location
) -> None:
    """ExportError if the disk of `folder` has no room for an export.

    stored: boxes of the mag beside which nothing is stored, in its voxels; None where that isn't known.
    """
    path = str(folder.local_path())
    free = shutil.disk_usage(path).free
    files = _free_files(path)
    if least.disk_bytes <= free and (files is None or least.files <= files):
        return
    there = (
        f"{_in_words(free)} are free there"
        if least.disk_bytes > free
        else f"there is room for {files:,} there"
    )
    text = (
        f"The export of {layer.name!r} would be {least.files:,} file{'s' * (least.files > 1)} with "
        f"{_in_words(least.voxel_bytes)} of voxels, because the format stores also what was never written; {there}."
    )
    box = None if stored is None else _hull(layer, view, stored)
    sparse = "a format that leaves out what was never written (wkplug plugins lists all)"
    if stored is not None and box is None:
        raise ExportError(f"{text} Nothing is stored in the mag {view.mag}.", hint=f"Choose {sparse}.")
    where = "" if box is None else f" What is stored lies within {box}."
    inner = "..." if box is None else f"({', '.join(map(str, (*box.topleft, *box.size)))})"
    raise ExportError(text + where, hint=f"Export only a part, bounding_box={inner}, or choose {sparse}.")


def _hull(layer: LayerState, view: MagState, stored: Sequence[Box]) -> BoundingBox | None:
    """Give the box of what is stored of the layer, in voxels of Mag(1)."""
    boxes = [grids.refined(box, view.factors) for box in stored]
    inside = [box for box in (grids.intersect(box, layer.region) for box in boxes) if box is not None]
    if not inside:
        return None
    start, shape = functools.reduce(grids.hull, inside)
    corner = (0 if position is None else start[position] for position in layer.frame.xyz)
    extent = (1 if position is None else shape[position] for position in layer.frame.xyz)
    return BoundingBox(Vec3Int(*corner), Vec3Int(*extent))


def _free_files(path: str) -> int | None:
    """How many more files the disk takes; None where it doesn't tell."""
    if not hasattr(os, "statvfs"):
        return None
    found = os.statvfs(path)
    return found.f_favail if found.f_files else None


def _in_words(count: int) -> str:
    number = float(count)
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB", "EB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.0f} ZB"
