"""Voxels that an HDF5 file takes from other files: virtual datasets, external storage, external links.

HDF5 opens whatever path a file names, and reads zeros where there is nothing. Here a path may only lead to the file's
own folder and below, unless the settings allow all; and what is named must be there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wkplug.abc.files import corrupt_image
from wkplug.errors import MissingError, UnsafePathError, UnsupportedImageDataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Location

__all__ = ["check_sources", "opened_dataset", "split_links"]

_DEEPEST = 8  # files that name files
_ALLOW = (
    "If you trust the file, allow it: follow_external = true under [plugin.hdf5] of the configuration, or "
    "WKPLUG_PLUGIN__HDF5__FOLLOW_EXTERNAL=true in the environment."
)


def opened_dataset(file: Any, name: str) -> Any:
    """Give a dataset whose external storage is looked for beside the file, not in the folder of the process."""
    import h5py

    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_efile_prefix(b"${ORIGIN}")
    item = file[name]
    if not isinstance(item, h5py.Dataset) or not item.external:
        return item
    owner, path = item.file, item.name
    del item  # HDF5 opens a dataset in one way at a time
    return h5py.Dataset(h5py.h5d.open(owner.id, path.encode(), access))


def check_sources(dataset: Any, location: Location, *, follow: bool) -> None:
    """Refuse a dataset whose voxels lie in other files, unless these are there and may be read.

    UnsafePathError, MissingError, CorruptImageError for storage that is too short.
    """
    _check_storage(dataset, location, follow=follow)
    _check_virtual(dataset, location, Path(dataset.file.filename), follow=follow, depth=0)


def _check_storage(dataset: Any, location: Location, *, follow: bool) -> None:
    import h5py

    there = 0
    for name, offset, length in dataset.external or ():
        path = _checked(name, dataset.name, location, Path(dataset.file.filename), follow=follow)
        size = path.stat().st_size - offset
        there += size if length == h5py.h5f.UNLIMITED else min(size, length)
    if dataset.external and there < dataset.size * dataset.dtype.itemsize:
        raise corrupt_image(location, "HDF5", f"the files of the dataset {dataset.name} are too short for it")


def _check_virtual(dataset: Any, location: Location, file: Path, *, follow: bool, depth: int) -> None:
    """The same for the sources of a virtual dataset, and for theirs."""
    import h5py

    if not dataset.is_virtual:
        return
    if depth > _DEEPEST:
        raise corrupt_image(location, "HDF5", f"the dataset {dataset.name} takes its voxels from itself")
    for source in {(each.file_name, each.dset_name) for each in dataset.virtual_sources()}:
        # Names may count blocks: "part%b.h5".
        name, inside = (re.sub("%b", "0", text) for text in source)
        path = file if name == "." else _checked(name, dataset.name, location, file, follow=follow)
        with h5py.File(path, "r", locking=False) as other:
            found = other.get(inside)
            if not isinstance(found, h5py.Dataset):
                raise MissingError(
                    f"The dataset {dataset.name} of {location.url} needs the dataset {inside} of {name}, "
                    "which is not there."
                )
            _check_storage(found, location, follow=follow)
            _check_virtual(found, location, path, follow=follow, depth=depth + 1)


def split_links(
    file: Any, location: Location, *, follow: bool
) -> tuple[list[str], list[UnsafePathError | MissingError]]:
    """The external links of a file that may be followed, and why others may not be."""
    import h5py

    sound: list[str] = []
    problems: list[UnsafePathError | MissingError] = []
    for name, link in _links(file):
        try:
            path = _checked(link.filename, name, location, Path(file.filename), follow=follow)
            _check_chain(path, location, follow=follow, depth=0)
        except (UnsafePathError, MissingError) as error:
            problems.append(error)
            continue
        try:
            there = file.get(name) is not None
        except (KeyError, OSError):
            there = False
        if there and isinstance(file.get(name), h5py.Group | h5py.Dataset):
            sound.append(name)
        else:
            problems.append(
                MissingError(
                    f"The link {name} of {location.url} needs {link.path} of {link.filename}, which is not there."
                )
            )
    return sound, problems


def _check_chain(path: Path, location: Location, *, follow: bool, depth: int) -> None:
    """A file that is linked to may have links itself."""
    import h5py

    if follow or depth > _DEEPEST:
        return
    with h5py.File(path, "r", locking=False) as other:
        for name, link in _links(other):
            _check_chain(
                _checked(link.filename, name, location, path, follow=follow),
                location,
                follow=follow,
                depth=depth + 1,
            )


def _links(file: Any) -> Iterator[tuple[str, Any]]:
    import h5py

    found: list[tuple[str, Any]] = []

    def visit(name: str, link: Any) -> None:
        if isinstance(link, h5py.ExternalLink):
            found.append((name, link))

    file.visititems_links(visit)
    yield from found


def _checked(name: str, dataset: str, location: Location, file: Path, *, follow: bool) -> Path:
    """The path of a file that another names, if it may be read and is there."""
    if location.local_path() is None:
        raise UnsupportedImageDataError(
            f"{dataset} of {location.url} lies in the file {name}; other files are only read on local disks.",
            location.url,
            hint="Download both first.",
        )
    upwards = ".." in re.split(r"[/\\]", name)
    if not follow and (upwards or Path(name).is_absolute() or re.match(r"[A-Za-z]:|\\", name)):
        raise UnsafePathError(
            f"{dataset} of {location.url} lies in the file {name}: only files in the same folder or below are read "
            "without being asked for.",
            hint=_ALLOW,
        )
    path = file.parent / name
    if not path.is_file():
        raise MissingError(
            f"{dataset} of {location.url} needs the file {name}, which is not there.",
            hint="Copy it to its place beside the file that names it.",
        )
    return path
