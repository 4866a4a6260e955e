"""What an input is: the layers of a container, or image files, grouped by layer.

A place is looked at as a container first, unless a reader was asked for by name. What only looks like one (a file has
its marker's name) and holds images is a folder of images.

Who calls it: `wkplug.ops.images`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug import storage
from wkplug.errors import (
    CorruptDataError,
    InvalidArgumentError,
    MissingError,
    UnsupportedImageDataError,
    UnsupportedImageFormatError,
)
from wkplug.ops.importing import files as image_files
from wkplug.ops.importing.containers import choose_container, describe_container, inside, is_sure
from wkplug.ops.importing.files import ConversionLayerMapping, layer_name_from
from wkplug.ops.importing.frames import is_frames
from wkplug.ops.importing.readers import ImageFile, Wanted
from wkplug.ops.importing.stacks import Stack
from wkplug.properties.document import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wkplug.abc import Location
    from wkplug.ops.importing.containers import Container

__all__ = ["container_input", "group_input", "resolve_input"]


def group_input(
    root: Location,
    mapping: ConversionLayerMapping | str | Callable[[Any], str],
    sort_key: Callable[[Any], Any] | None,
    missing_slices: str,
    reader: Wanted,
    importer: str | None = None,
) -> dict[str, Stack]:
    """Find the layers of an input: a container's, or the files of each, in the order of their sections."""
    containers, damaged = _containers(root, reader, importer)
    if containers:
        return _named(containers)
    try:
        return _group_files(root, mapping, sort_key, missing_slices, reader)
    except UnsupportedImageFormatError as error:
        raise damaged or error from None


def resolve_input(
    images: Any,
    layer_name: str,
    reader: Wanted,
    missing_slices: str,
    importer: str | None = None,
    *,
    several: bool = False,
) -> dict[str, Stack]:
    """The same for one layer, from what `images` may be; several: a container may make more of them."""
    damaged: CorruptDataError | None = None
    if _may_be_place(images) or importer is not None:
        containers, damaged = _containers(storage.locate(images), reader, importer)
        if len(containers) > 1 and not several:
            hint = "Pass the path of one of them, or allow_multiple_layers=True for all."
            raise _several(str(images), containers, hint)
        if containers:
            (first, stack), *rest = _named(containers).items()
            del first
            return {layer_name: stack, **{f"{layer_name}_{name}": other for name, other in rest}}
    try:
        return {layer_name: image_files.resolve_images(images, reader, missing_slices)}
    except UnsupportedImageFormatError as error:
        raise damaged or error from None


def container_input(path: Any, layer_name: str, importer: str | None = None) -> dict[str, Stack]:
    """Give the one layer of a container; UnsupportedImageFormatError if it is none, MissingError if it isn't there."""
    root = storage.locate(path)
    found, damaged = _containers(root, Wanted(), importer)
    if damaged is not None:
        raise damaged
    if len(found) > 1:
        raise _several(root.url, found, "Name the folder of one of them, or use wkplug convert for all.")
    if not found and not root.exists():
        raise MissingError(f"There is nothing at {root.url}.", hint="Check the path.")
    if not found:
        raise UnsupportedImageFormatError(
            f"{root.url} is no array or image that an importer knows.",
            root.url,
            hint="For image files: wkplug convert. For a file of plain voxels: wkplug convert-raw.",
        )
    return {layer_name: Stack(found)}


def _several(where: str, containers: Sequence[Container], hint: str) -> UnsupportedImageDataError:
    named = ", ".join(_named(containers))
    return UnsupportedImageDataError(f"{where} holds {len(containers)} layers: {named}.", where, hint=hint)


def _may_be_place(images: Any) -> bool:
    return not isinstance(images, (list, tuple)) and not is_frames(images)


def _containers(
    root: Location, reader: Wanted, importer: str | None
) -> tuple[tuple[Container, ...], CorruptDataError | None]:
    """The container, or the reason why it is none although it looks like one."""
    if reader.name is not None and importer is None:
        return (), None
    if importer is None and root.child(FILE_NAME).exists():
        raise InvalidArgumentError(
            f"{root.url} is a dataset already, not images or a container of another tool.",
            hint="To copy it, or to store it in another format: wkplug copy-dataset, or Dataset.copy_dataset.",
        )
    root = inside(root)
    choice = choose_container(root, importer)
    if choice is None:
        return (), None
    try:
        return describe_container(choice, root), None
    except CorruptDataError as error:
        if importer is not None or is_sure(choice):
            raise
        return (), error


def _unique(containers: Sequence[Container]) -> list[str]:
    names: list[str] = []
    for container in containers:
        name = own = layer_name_from(container.layer.name)
        number = 1
        while name in names:
            number += 1
            name = f"{own}_{number}"
        names.append(name)
    return names


def _named(containers: Sequence[Container]) -> dict[str, Stack]:
    return {
        name: Stack((container,)) for name, container in zip(_unique(containers), containers, strict=True)
    }


def _group_files(
    root: Location,
    mapping: ConversionLayerMapping | str | Callable[[Any], str],
    sort_key: Callable[[Any], Any] | None,
    missing_slices: str,
    reader: Wanted,
) -> dict[str, Stack]:
    """Find the files of each layer, in the order of their sections."""
    found = image_files.collect(root)
    if found == [(root.name, root)]:
        files = [(root.name, ImageFile.choose(root, reader))]
        root_name = root.name.rpartition(".")[0] or root.name
    else:
        files = image_files.find_images(found, root.url, reader)
        root_name = root.name
    stacks = {}
    for name, members in image_files.group(files, root_name, mapping).items():
        if sort_key is not None:
            from upath import UPath

            members.sort(key=lambda item: sort_key(UPath(item[0])))
        # Where the order was given, numbers say nothing.
        policy = missing_slices if sort_key is None else "close"
        stacks[name] = Stack.of([path for path, _ in members], [file for _, file in members], policy)
    return stacks
