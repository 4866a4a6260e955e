"""What an input is, and which layers it becomes: those of a container, or image files grouped by layer.

A place is looked at as a container first, unless a reader was asked for by name. What only looks like one (a file has
its marker's name) and holds images is a folder of images.

Files belong together by their folders, names and contents; `ConversionLayerMapping` says how, or a function. Groups
get names of their own, whatever the mapping: two sources never become one layer because their names look alike. One
file may hold several images, which it calls scenes, series or data sets: without a choice the first that is no
thumbnail is imported, and a note says how to choose the others; of all scenes, each becomes a layer.
"""

from __future__ import annotations

import math
import re
import shlex
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import storage
from wkplug.errors import (
    CorruptDataError,
    InvalidArgumentError,
    UnsupportedImageDataError,
    UnsupportedImageFormatError,
)
from wkplug.filesystems.answers import answers_kept
from wkplug.notices import counted, first_of
from wkplug.ops.importing import files as image_files
from wkplug.ops.importing import options, series
from wkplug.ops.importing.containers import (
    Container,
    choose_container,
    describe_container,
    inside_archive,
    is_sure,
    notes_of,
)
from wkplug.ops.importing.files import ConversionLayerMapping, FoundImages
from wkplug.ops.importing.naming import NameSource, part_of_name, stem_of, unique_names
from wkplug.ops.importing.options import InputOptions
from wkplug.ops.importing.readers import Frames, ImageFile, ReaderChoice, is_frames
from wkplug.ops.importing.report import ImportNote
from wkplug.ops.importing.series import Channel, Member, Stack, Stacks, missing_numbers
from wkplug.ops.importing.volume import AxisRoles
from wkplug.properties import check_layer_name
from wkplug.properties.document import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "ALL",
    "Scene",
    "arrange",
    "by_scene",
    "container_input",
    "find_name",
    "group_input",
    "name_stacks",
    "resolve_input",
    "stacks_of",
]


_MOST_LISTED = 10


@answers_kept()
def group_input(images: Any, input_options: InputOptions, layer_name: str | None = None) -> Stacks:
    """Find the layers of an input: a container's, or the files of each, in the order of their sections.

    layer_name: the name of the only layer, or what comes before the names of several.
    """
    reader = input_options.reader_choice()
    ignored = input_options.ignored_by(options.CONTAINER)
    containers, damaged = _containers(images, reader, input_options.importer)
    more = ignored + notes_of(containers)
    if containers:
        return _name_containers(_chosen_scene(containers, reader, images), layer_name, more)
    try:
        found = image_files.find_images(images, reader)
    except UnsupportedImageFormatError as error:
        raise damaged or error from None
    if found.containers:
        sources, stacks, notes = _containers_in_folder(found, reader, str(images))
        more += notes
        if layer_name is not None and len(stacks) == 1:
            return Stacks([(layer_name, stacks[0])], notes=more)
        return name_stacks(sources, stacks, layer_name, more)
    return stacks_of(found, input_options, layer_name)


@answers_kept()
def resolve_input(
    images: Any, layer_name: str, input_options: InputOptions, *, several: bool = False
) -> Stacks:
    """The same for one layer, from what `images` may be: also a list of files in their order, or a `FramesSequence`.

    several: a container, or the series and channels of a folder, may make more of them; the first has `layer_name`.
    """
    reader = input_options.reader_choice()
    if is_frames(images):
        return Stacks(
            [(layer_name, Stack((Frames(images),)))], notes=input_options.ignored_by(options.FRAMES)
        )
    if isinstance(images, (list, tuple)):
        if not images:
            raise UnsupportedImageFormatError("The list of images is empty.", hint="Give at least one file.")
        files = [ImageFile.choose(storage.locate(item), reader) for item in images]
        parts, notes = by_scene([(file.location.name, file) for file in files], reader.scene)
        notes += input_options.ignored_by(options.LIST)
        stacks = [
            (name, Stack(tuple(file for _, file in members), notes=tuple(series.order_notes(members))))
            for name, members in parts
        ]
        return _one_layer(stacks, layer_name, notes, "The list of images", several=several)
    containers, damaged = _containers(images, reader, input_options.importer)
    more = input_options.ignored_by(options.CONTAINER) + notes_of(containers)
    containers = _chosen_scene(containers, reader, images)
    if len(containers) > 1 and not several:
        hint = "Pass scene=... for one of them, or allow_multiple_layers=True for all."
        raise _several_layers_error(str(images), containers, hint)
    if containers:
        first, *rest = containers
        others = _name_containers(rest, layer_name, more, several=True)
        return Stacks([(layer_name, Stack((first,))), *others.items()], notes=others.notes)
    try:
        found = image_files.find_images(images, reader)
    except UnsupportedImageFormatError as error:
        raise damaged or error from None
    if found.containers:
        sources, below, notes = _containers_in_folder(found, reader, str(images))
        named = [(source.texts[1], stack) for source, stack in zip(sources, below, strict=True)]
        return _one_layer(named, layer_name, [*more, *notes], str(images), several=several)
    parts, notes = by_scene(found.members, reader.scene)
    stacks = [
        (name + label, stack)
        for name, members in parts
        for label, stack in arrange(members, input_options, split=True)
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
    sources = [NameSource(text, (text,)) for text in texts]
    return name_stacks(sources, [stack for _, stack in stacks], None, notes)


def _containers_in_folder(
    found: FoundImages, reader: ReaderChoice, where: str
) -> tuple[list[NameSource], list[Stack], list[ImportNote]]:
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
        choice = choose_container(inside_archive(place))
        containers = () if choice is None else describe_container(choice, inside_archive(place))
        notes += notes_of(containers)
        for container in containers:
            own = container.layer.name
            longer = relative if stem_of(relative.rpartition("/")[2]) == own else f"{relative}/{own}"
            sources.append(NameSource(longer, (own, longer)))
            stacks.append(Stack((container,)))
    return sources, stacks, notes


@answers_kept()
def container_input(path: Any, layer_name: str, importer: str | None = None) -> Stacks:
    """Give the one layer of a container; UnsupportedImageFormatError if it is none, MissingError if it isn't there."""
    _check_no_pattern(path, "wkplug convert")
    root = storage.locate(path)
    found, damaged = _containers(path, ReaderChoice(), importer)
    if damaged is not None:
        raise damaged
    if len(found) > 1:
        raise _several_layers_error(
            root.url, found, "Name the folder of one of them, or use wkplug convert for all."
        )
    if not found and not root.exists():
        raise storage.nothing_at(root)
    if not found:
        raise UnsupportedImageFormatError(
            f"{root.url} is no array or image that an importer knows.",
            root.url,
            hint="For image files: wkplug convert. For a file of plain voxels: wkplug convert-raw.",
        )
    return Stacks([(layer_name, Stack(found))], notes=notes_of(found))


def _chosen_scene(
    containers: tuple[Container, ...], reader: ReaderChoice, images: Any
) -> tuple[Container, ...]:
    """Those layers of a container that are wanted, of which a scene is one."""
    if reader.scene is None or reader.scene == ALL or not containers:
        return containers
    return (containers[find_name([each.layer.name for each in containers], reader.scene, str(images))],)


def _several_layers_error(
    where: str, containers: Sequence[Container], hint: str
) -> UnsupportedImageDataError:
    named = ", ".join(_name_containers(containers))
    return UnsupportedImageDataError(f"{where} holds {len(containers)} layers: {named}.", where, hint=hint)


def _containers(
    images: Any, reader: ReaderChoice, importer: str | None
) -> tuple[tuple[Container, ...], CorruptDataError | None]:
    """The container, or the reason why it is none although it looks like one."""
    if importer is None and (reader.name is not None or image_files.is_pattern(images)):
        return (), None
    _check_no_pattern(images, "leave out importer=")
    root = inside_archive(storage.locate(images))
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


def _name_containers(
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
    sources = [NameSource(container.layer.name, (container.layer.name,)) for container in containers]
    return name_stacks(sources, stacks, layer_name, notes)


# --- files to layers --------------------------------------------------------------------------------------


_INSPECTING = (ConversionLayerMapping.INSPECT_SINGLE_FILE, ConversionLayerMapping.INSPECT_EVERY_FILE)


@attrs.frozen
class _Group:
    """Files of one layer, or of several; source, texts, own_name: as of `NameSource`."""

    source: str
    texts: tuple[str, ...]
    members: list[Member]
    own_name: str = ""


def stacks_of(found: FoundImages, input_options: InputOptions, layer_name: str | None = None) -> Stacks:
    """Sort files into layers, which come in the order in which they were found.

    layer_name: of the only group, or what comes before the names of several.
    """
    mapping = input_options.mapping
    scenes, notes = by_scene(found.members, input_options.scene)
    groups = [group for name, members in scenes for group in _scene_groups(name, members, found, mapping)]
    several = len(groups) > 1
    if layer_name is not None:
        check_layer_name(layer_name)  # what was given is not cleaned
    sources: list[NameSource] = []
    stacks: list[Stack] = []
    notes = [*found.notes, *notes]
    for group in groups:
        for label, stack in arrange(group.members, input_options, split=mapping in _INSPECTING):
            base = group.texts if layer_name is None or several else (layer_name,)
            own_name = group.own_name and group.own_name + label if base is group.texts else ""
            sources.append(NameSource(group.source + label, tuple(text + label for text in base), own_name))
            stacks.append(stack)
    return name_stacks(sources, stacks, layer_name if several else None, notes)


def _scene_groups(
    scene: str,
    members: list[Member],
    found: FoundImages,
    mapping: ConversionLayerMapping | Callable[[Any], str],
) -> list[_Group]:
    """Group the files of one scene, whose name is a part of theirs, or all that a single file needs."""
    groups = _group_files(attrs.evolve(found, members=members), mapping)
    if not scene:
        return groups
    alone = (scene,) if len(found.members) == 1 else ()
    return [
        attrs.evolve(
            group,
            source=f"{group.source}, scene {scene}",
            texts=(*alone, *(f"{text}_{scene}" for text in group.texts)),
            own_name="" if alone or not group.own_name else f"{group.own_name}_{scene}",
        )
        for group in groups
    ]


def name_stacks(
    sources: Sequence[NameSource],
    stacks: Sequence[Stack],
    before: str | None,
    notes: Sequence[ImportNote] = (),
) -> Stacks:
    """Give each stack a name of its own. before: what all names begin with."""
    names, more = unique_names(sources)
    if before is not None:
        names = [f"{before}_{name}" for name in names]
    return Stacks(zip(names, stacks, strict=True), notes=(*notes, *more))


def _group_files(found: FoundImages, mapping: ConversionLayerMapping | Callable[[Any], str]) -> list[_Group]:
    """Put files together that have the same source, never merely the same name."""
    source_of = _source_of(found, mapping)
    groups: dict[tuple[str, ...], _Group] = {}
    for relative, file in found.members:
        source, *texts = source_of(relative, file)
        # Where texts differ, so do sources: a folder and a file may be called the same.
        joined = not source.endswith("/") and texts[0] == source.replace("/", "")
        own_name = source if joined else ""
        group = groups.setdefault((source, *texts), _Group(source, tuple(texts), [], own_name))
        group.members.append((relative, file))
    return list(groups.values())


def _source_of(
    found: FoundImages, mapping: ConversionLayerMapping | Callable[[Any], str]
) -> Callable[[str, ImageFile], tuple[str, ...]]:
    """Give the function from a file to its source (as messages call it) and the texts for its name."""
    if not isinstance(mapping, ConversionLayerMapping):
        from upath import UPath

        chosen = mapping

        def by_function(relative: str, _: ImageFile) -> tuple[str, ...]:
            text = str(chosen(UPath(relative)))
            return text, text.replace("/", ""), text

        return by_function

    def whole(_relative: str, _: ImageFile) -> tuple[str, ...]:
        return "./", found.name

    def by_file(relative: str, _: ImageFile) -> tuple[str, ...]:
        return relative, relative

    def by_folder(relative: str, _: ImageFile) -> tuple[str, ...]:
        folder = relative.rpartition("/")[0]
        return (f"{folder}/", folder) if folder else ("./", found.name)

    def by_toplevel(relative: str, _file: ImageFile) -> tuple[str, ...]:
        folder, inner, _ = relative.partition("/")
        return (f"{folder}/", folder) if inner else ("./", found.name)

    def by_last_folder(relative: str, file: ImageFile) -> tuple[str, ...]:
        source, text = by_folder(relative, file)
        return source, relative.split("/")[-2] if source != "./" else text, text

    def by_stem(relative: str, _: ImageFile) -> tuple[str, ...]:
        folder, line, name = relative.rpartition("/")
        return relative, folder + line + stem_of(name), relative

    def by_either(relative: str, file: ImageFile) -> tuple[str, ...]:
        if _is_volume(file):
            return relative, relative.replace("/", ""), relative
        return by_folder(relative, file)

    if mapping is ConversionLayerMapping.INSPECT_SINGLE_FILE:
        return by_stem if _is_volume(found.members[0][1]) else by_last_folder
    return {
        ConversionLayerMapping.ENFORCE_SINGLE_LAYER: whole,
        ConversionLayerMapping.ENFORCE_LAYER_PER_FILE: by_file,
        ConversionLayerMapping.ENFORCE_LAYER_PER_FOLDER: by_folder,
        ConversionLayerMapping.ENFORCE_LAYER_PER_TOPLEVEL_FOLDER: by_toplevel,
        ConversionLayerMapping.INSPECT_EVERY_FILE: by_either,
    }[mapping]


def _is_volume(file: ImageFile) -> bool:
    return AxisRoles.of(file.info, file.path).sections > 1


# --- files of one layer -----------------------------------------------------------------------------------


def arrange(
    members: Sequence[Member], input_options: InputOptions, *, split: bool
) -> list[tuple[str, Stack]]:
    """Make one stack of files in natural order, or one for each series and channel; each with a label for its name.

    Against an order of the caller's (z_slices_sort_key) files and names say nothing. split: False keeps all in one
    stack, with notes about series and channels. UnsupportedImageDataError for files that are no sections of one image.
    """
    if len(members) == 1:
        more = input_options.ignored_by(options.ONE_FILE)
        return [("", attrs.evolve(_stack(members, input_options.missing_slices), notes=tuple(more)))]
    sort_key = input_options.z_slices_sort_key
    if sort_key is not None:
        from upath import UPath

        ordered = sorted(members, key=lambda item: sort_key(UPath(item[0])))
        more = [*input_options.ignored_by(options.SORTED), *series.order_notes(ordered)]
        return [("", attrs.evolve(_stack(ordered, "close"), notes=tuple(more)))]
    series.check_single(members)
    stacks: list[tuple[str, Stack]] = []
    for label, own in series.by_series(members):
        channels, notes = series.by_channel(own)
        notes += series.stranger_notes(own)
        everywhere = sorted({number for channel in channels for number in channel.sections})
        for channel in channels:
            named = label if channel.number is None else f"{label}__channel{channel.number}"
            stacks.append((named, _ordered(channel, everywhere, input_options, notes)))
    if split or len(stacks) == 1:
        return stacks
    text = f"the files are {len(stacks)} series or channels, which follow each other along z in the order of names"
    more = [ImportNote(kind="guessed", text=text), *input_options.ignored_by(options.SERIES_IN_ONE)]
    return [("", attrs.evolve(_stack(members, "close"), notes=tuple(more)))]


def _stack(members: Sequence[Member], missing_slices: str) -> Stack:
    return Stack.of([relative for relative, _ in members], [file for _, file in members], missing_slices)


def _closed_notes(absent: Sequence[int]) -> list[ImportNote]:
    """Say which gaps in a series are closed."""
    if not absent:
        return []
    are, it = ("is", "the gap is") if len(absent) == 1 else ("are", "the gaps are")
    listed = first_of([str(number) for number in absent], 5)
    text = (
        f"{counted(len(absent), 'section')} {are} missing ({listed}), and {it} closed, as asked for: what follows lies "
        "nearer than it was"
    )
    return [ImportNote(kind="moved", text=text, lost=False)]


def _ordered(
    channel: Channel, everywhere: Sequence[int], input_options: InputOptions, notes: Sequence[ImportNote]
) -> Stack:
    """Make a stack of one channel; everywhere: the numbers of the sections that some channel has."""
    missing_slices = input_options.missing_slices
    members, more, moved = series.by_place(channel.members)
    lacking = sorted(set(everywhere) - set(channel.sections))
    if lacking and missing_slices == "error":
        raise UnsupportedImageDataError(
            f"Channel {channel.number} ({members[0][0]} to {members[-1][0]}) lacks the sections number "
            f"{', '.join(map(str, lacking[:5]))}{' ...' if len(lacking) > 5 else ''} that other channels have.",
            members[0][1].path,
            hint='Add the files; or pass missing_slices="fill" for zeros in their place, missing_slices='
            '"close" for a layer without them.',
        )
    stack = _stack(members, "close" if moved or lacking else missing_slices)
    if moved:
        more += input_options.ignored_by(options.PLACED)
    elif missing_slices == "close":
        more += _closed_notes(lacking or missing_numbers([relative for relative, _ in members]))
    if lacking and missing_slices == "fill" and not moved:
        step = math.gcd(*(after - before for before, after in pairwise(everywhere)))
        stack = attrs.evolve(stack, places=tuple((n - everywhere[0]) // step for n in channel.sections))
    return attrs.evolve(stack, notes=(*notes, *more))


# --- scenes of one file -----------------------------------------------------------------------------------


Scene = int | str
"""A number from 0, a name, or ALL."""

ALL = "all"

_THUMBNAIL = re.compile(r"thumbnail|(label|macro|overview)[ _-]?image", re.IGNORECASE)

_MOST_SCENES_LISTED = 10


def by_scene(
    members: Sequence[Member], scene: Scene | None
) -> tuple[list[tuple[str, list[Member]]], list[ImportNote]]:
    """Give the files of each scene with its name ("" where nothing was chosen), and notes about those left out."""
    parts: dict[str, list[Member]] = {}
    notes: list[ImportNote] = []
    for relative, file in members:
        names = file.info.scenes
        numbers = _numbers(file, scene)
        kept = []
        for number in numbers:
            chosen = file if number == 0 and (scene is None or len(names) < 2) else file.of_scene(number)
            problem = _why_no_layer(chosen) if scene == ALL and len(numbers) > 1 else ""
            if problem:
                text = f"the scene {names[number]!r} can't be a layer ({problem})"
                notes.append(ImportNote(kind="left out", text=text, sources=(file.path,)))
                continue
            kept.append(number)
            label = "" if scene is None or len(names) < 2 else _label(names, number)
            parts.setdefault(label, []).append((relative, chosen))
        if scene is not None:
            notes += _same_name_notes(file, kept)
        if len(kept) < len(numbers):
            continue
        notes += _scene_notes(file, kept, asked=scene is not None)
    if not parts:
        path = members[0][1].path
        raise UnsupportedImageDataError(
            f"No scene of {path} can be a layer.", path, hint="Look what it holds: wkplug inspect."
        )
    return list(parts.items()), notes


def find_name(names: Sequence[str], scene: Scene, path: str) -> int:
    """The place of a name or number among names; InvalidArgumentError if there is none.

    A name may also be spelled as in that of a layer or in a path: A/1/0 for A_1_0.
    """
    if isinstance(scene, str) and scene in names:
        return names.index(scene)
    count = max(1, len(names))
    if (isinstance(scene, int) or scene.isdecimal()) and 0 <= int(scene) < count:
        return int(scene)
    alike = [place for place, name in enumerate(names) if _spelled(name) == _spelled(str(scene))]
    if len(alike) == 1:
        return alike[0]
    if count == 1:
        raise InvalidArgumentError(
            f"scene is {scene!r}, but {path} has one image.", hint="Leave out which scene is wanted."
        )
    raise InvalidArgumentError(
        f"scene is {scene!r}, but {path} has {len(names)}: {_listed(names)}.",
        hint=f"Give a name, a number from 0 to {count - 1}, or {ALL!r}.",
    )


def _spelled(name: str) -> str:
    return part_of_name(name.replace("/", "_"))


def _numbers(file: ImageFile, scene: Scene | None) -> list[int]:
    names = file.info.scenes
    if scene is None:
        # Thumbnails are never what was meant, but where there is nothing else.
        return [next((n for n, name in enumerate(names) if not _THUMBNAIL.search(name)), 0)]
    if scene == ALL and ALL not in names:
        return [n for n, name in enumerate(names) if not _THUMBNAIL.search(name)] or [0]
    return [find_name(names, scene, file.path)]


def _label(names: Sequence[str], number: int) -> str:
    """What a scene is called in names of layers: with its number where its name is that of others, too."""
    name = names[number]
    if name and names.count(name) == 1:
        return name
    label = f"{_spelled(name) or 'scene'}_{number}"
    while label in names:
        label += f"_{number}"
    return label


def _same_name_notes(file: ImageFile, kept: Sequence[int]) -> list[ImportNote]:
    """Say which scenes are told apart by their numbers."""
    names = file.info.scenes
    notes = []
    for name in dict.fromkeys(names[number] for number in kept if names):
        count, own = names.count(name), [_label(names, n) for n in kept if names[n] == name]
        if name and count > 1:
            text = (
                f"{count} of its scenes are called {name!r}, so that numbers tell them apart: {_listed(own)}"
            )
            notes.append(ImportNote(kind="named", text=text, sources=(file.path,)))
    return notes


def _why_no_layer(file: ImageFile) -> str:
    try:
        AxisRoles.of(file.info, file.path)
    except UnsupportedImageDataError as error:
        return error.message.rstrip(".")
    return ""


def _scene_notes(file: ImageFile, kept: Sequence[int], *, asked: bool) -> list[ImportNote]:
    """Say which scenes are not imported, and how they could be."""
    names = file.info.scenes
    left = [name for number, name in enumerate(names) if number not in kept]
    if len(names) < 2 or not left:
        return []
    if asked:
        are = "is" if len(left) == 1 else "are"
        text = f"{len(left)} of {len(names)} scenes {are} not imported, as asked for: {_listed(left)}"
        return [ImportNote(kind="left out", text=text, sources=(file.path,), lost=False)]
    text = (
        f"it holds {len(names)} images ({_listed(names)}), and only {names[kept[0]]!r} is imported: "
        f'choose another one by scene="{left[0]}", or all by scene="{ALL}"'
    )
    return [ImportNote(kind="left out", text=text, sources=(file.path,))]


def _listed(names: Sequence[str]) -> str:
    return first_of([repr(name) for name in names], _MOST_SCENES_LISTED)
