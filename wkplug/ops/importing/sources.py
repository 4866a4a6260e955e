"""What an input is: the layers of a container, or image files, grouped by layer.

A place is looked at as a container first, unless a reader was asked for by name. What only looks like one (a file has
its marker's name) and holds images is a folder of images.
"""

from __future__ import annotations

import shlex
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
from wkplug.ops.importing import grouping, order, unheeded
from wkplug.ops.importing.containers import choose_container, describe_container, inside, is_sure, notes_of
from wkplug.ops.importing.frames import Frames, is_frames
from wkplug.ops.importing.naming import Nameable, stem_of
from wkplug.ops.importing.readers import ImageFile, Wanted
from wkplug.ops.importing.scenes import ALL, by_scene, find_name
from wkplug.ops.importing.stacks import Stack, Stacks
from wkplug.properties.document import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wkplug.ops.importing.containers import Container
    from wkplug.ops.importing.files import ConversionLayerMapping, FoundImages
    from wkplug.ops.importing.report import ImportNote

__all__ = ["container_input", "group_input", "resolve_input"]

_MOST_LISTED = 10


def group_input(
    images: Any,
    mapping: ConversionLayerMapping | str | Callable[[Any], str],
    sort_key: Callable[[Any], Any] | None,
    missing_slices: str,
    reader: Wanted,
    importer: str | None = None,
    layer_name: str | None = None,
) -> Stacks:
    """Find the layers of an input: a container's, or the files of each, in the order of their sections.

    layer_name: the name of the only layer, or what comes before the names of several.
    """
    given = unheeded.Given(
        map_filepath_to_layer_name=mapping,
        z_slices_sort_key=sort_key,
        missing_slices=missing_slices,
        reader=reader.name,
        importer=importer,
    )
    told = given.unheeded_by(unheeded.CONTAINER)
    containers, damaged = _containers(images, reader, importer)
    told += notes_of(containers)
    if containers:
        return _named(_chosen(containers, reader, images), layer_name, told)
    try:
        found = image_files.find(images, reader)
    except UnsupportedImageFormatError as error:
        raise damaged or error from None
    if found.containers:
        sources, stacks, notes = _below(found, reader, str(images))
        told += notes
        if layer_name is not None and len(stacks) == 1:
            return Stacks([(layer_name, stacks[0])], notes=told)
        return grouping.name_stacks(sources, stacks, layer_name, told)
    return grouping.stacks_of(found, mapping, sort_key, missing_slices, layer_name, reader.scene)


def resolve_input(
    images: Any,
    layer_name: str,
    reader: Wanted,
    missing_slices: str,
    importer: str | None = None,
    *,
    several: bool = False,
) -> Stacks:
    """The same for one layer, from what `images` may be: also a list of files in their order, or a `FramesSequence`.

    several: a container, or the series and channels of a folder, may make more of them; the first has `layer_name`.
    """
    given = unheeded.Given(
        missing_slices=missing_slices, reader=reader.name, importer=importer, scene=reader.scene
    )
    if is_frames(images):
        return Stacks([(layer_name, Stack((Frames(images),)))], notes=given.unheeded_by(unheeded.FRAMES))
    if isinstance(images, (list, tuple)):
        if not images:
            raise UnsupportedImageFormatError("The list of images is empty.", hint="Give at least one file.")
        files = [ImageFile.choose(storage.locate(item), reader) for item in images]
        parts, notes = by_scene([(file.location.name, file) for file in files], reader.scene)
        notes += given.unheeded_by(unheeded.LIST)
        stacks = [
            (name, Stack(tuple(file for _, file in members), notes=tuple(order.told_order(members))))
            for name, members in parts
        ]
        return _one_layer(stacks, layer_name, notes, "The list of images", several=several)
    told = given.unheeded_by(unheeded.CONTAINER)
    containers, damaged = _containers(images, reader, importer)
    told += notes_of(containers)
    containers = _chosen(containers, reader, images)
    if len(containers) > 1 and not several:
        hint = "Pass scene=... for one of them, or allow_multiple_layers=True for all."
        raise _several(str(images), containers, hint)
    if containers:
        first, *rest = containers
        others = _named(rest, layer_name, told, several=True)
        return Stacks([(layer_name, Stack((first,))), *others.items()], notes=others.notes)
    try:
        found = image_files.find(images, reader)
    except UnsupportedImageFormatError as error:
        raise damaged or error from None
    if found.containers:
        sources, below, notes = _below(found, reader, str(images))
        named = [(source.texts[1], stack) for source, stack in zip(sources, below, strict=True)]
        return _one_layer(named, layer_name, [*told, *notes], str(images), several=several)
    parts, notes = by_scene(found.members, reader.scene)
    stacks = [
        (name + label, stack)
        for name, members in parts
        for label, stack in grouping.arrange(members, None, missing_slices, split=True)
    ]
    return _one_layer(stacks, layer_name, [*found.notes, *notes], str(images), several=several)


def _one_layer(
    stacks: list[tuple[str, Stack]],
    layer_name: str,
    notes: Sequence[ImportNote],
    where: str,
    *,
    several: bool,
) -> Stacks:
    """Name the one stack; or, if several are allowed, each by what it is of its files."""
    if len(stacks) == 1:
        return Stacks([(layer_name, stacks[0][1])], notes=notes)
    if not several:
        labels = ", ".join(repr(label.lstrip("_")) for label, _ in stacks)
        raise UnsupportedImageDataError(
            f"{where} holds {len(stacks)} scenes, series or channels: {labels}.",
            where,
            hint="Pass scene=... or a pattern for one of them, or allow_multiple_layers=True for all.",
        )
    texts = [f"{layer_name}_{label}" if label[:1] != "_" else layer_name + label for label, _ in stacks]
    sources = [Nameable(text, (text,)) for text in texts]
    return grouping.name_stacks(sources, [stack for _, stack in stacks], None, notes)


def _below(
    found: FoundImages, reader: Wanted, where: str
) -> tuple[list[Nameable], list[Stack], list[ImportNote]]:
    """Give the layers of the containers in a folder: of the only one, of the one that was chosen, or of all.

    Gives also notes about these containers.
    """
    names = [relative for relative, _ in found.containers]
    if reader.scene is None and len(names) > 1:
        commands = "".join(
            f"\n  wkplug convert {shlex.quote(place.url)} TARGET"
            for _, place in found.containers[:_MOST_LISTED]
        )
        more = f"\n  and so on for {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
        listed = ", ".join(names[:_MOST_LISTED]) + (", ..." if more else "")
        raise UnsupportedImageFormatError(
            f"No image files were found in {where}, but {len(names)} containers of layers: {listed}.",
            where,
            hint=f'Import one of them, or all as layers of one dataset with scene="{ALL}":{commands}{more}',
        )
    chosen = found.containers
    if reader.scene is not None and reader.scene != ALL:
        chosen = [chosen[find_name(names, reader.scene, where)]]
    sources, stacks, notes = [], [], []
    for relative, place in chosen:
        choice = choose_container(inside(place))
        containers = () if choice is None else describe_container(choice, inside(place))
        notes += notes_of(containers)
        for container in containers:
            own = container.layer.name
            longer = relative if stem_of(relative.rpartition("/")[2]) == own else f"{relative}/{own}"
            sources.append(Nameable(longer, (own, longer)))
            stacks.append(Stack((container,)))
    return sources, stacks, notes


def container_input(path: Any, layer_name: str, importer: str | None = None) -> Stacks:
    """Give the one layer of a container; UnsupportedImageFormatError if it is none, MissingError if it isn't there."""
    _check_no_pattern(path, "wkplug convert")
    root = storage.locate(path)
    found, damaged = _containers(path, Wanted(), importer)
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
    return Stacks([(layer_name, Stack(found))], notes=notes_of(found))


def _chosen(containers: tuple[Container, ...], reader: Wanted, images: Any) -> tuple[Container, ...]:
    """Those layers of a container that are wanted, of which a scene is one."""
    if reader.scene is None or reader.scene == ALL or not containers:
        return containers
    return (containers[find_name([each.layer.name for each in containers], reader.scene, str(images))],)


def _several(where: str, containers: Sequence[Container], hint: str) -> UnsupportedImageDataError:
    named = ", ".join(_named(containers))
    return UnsupportedImageDataError(f"{where} holds {len(containers)} layers: {named}.", where, hint=hint)


def _containers(
    images: Any, reader: Wanted, importer: str | None
) -> tuple[tuple[Container, ...], CorruptDataError | None]:
    """The container, or the reason why it is none although it looks like one."""
    if importer is None and (reader.name is not None or image_files.is_pattern(images)):
        return (), None
    _check_no_pattern(images, "leave out importer=")
    root = inside(storage.locate(images))
    if importer is None and root.child(FILE_NAME).exists():
        raise InvalidArgumentError(
            f"{root.url} is a dataset already, not images or a container of another tool.",
            hint="To copy it, or to store it in another format: "
            f"wkplug copy-dataset {shlex.quote(root.url)} TARGET, or Dataset.copy_dataset.",
        )
    choice = choose_container(root, importer)
    if choice is None:
        return (), None
    try:
        return describe_container(choice, root), None
    except CorruptDataError as error:
        if importer is not None or is_sure(choice):
            raise
        return (), error


def _check_no_pattern(path: Any, otherwise: str) -> None:
    """Refuse a pattern where one container is wanted; otherwise: what takes image files."""
    if image_files.is_pattern(path):
        raise InvalidArgumentError(
            f"{path} is a pattern of image files, and an importer reads one container.",
            hint=f"Give the path of the container; for image files, {otherwise}.",
        )


def _named(
    containers: Sequence[Container],
    layer_name: str | None = None,
    notes: Sequence[ImportNote] = (),
    *,
    several: bool = False,
) -> Stacks:
    """Name the layers of a container as it does, or by one name if there is one; or put this before all.

    several: there are others beside, so that one has a name of its own, too.
    """
    stacks = [Stack((container,)) for container in containers]
    if layer_name is not None and len(stacks) == 1 and not several:
        return Stacks([(layer_name, stacks[0])], notes=notes)
    sources = [Nameable(container.layer.name, (container.layer.name,)) for container in containers]
    return grouping.name_stacks(sources, stacks, layer_name, notes)
