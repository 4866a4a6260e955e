"""Which image files belong together: the layers that files become, by their folders, names and contents.

`ConversionLayerMapping` says how; a function may say it, too. Groups get names of their own, whatever the mapping: two
sources never become one layer because their names look alike. What `order` knows of series, channels and places is
used here to make each group one `Stack`, or several.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.config.hints import counted, first_of
from wkplug.errors import UnsupportedImageDataError
from wkplug.ops.importing import order, unheeded
from wkplug.ops.importing.axes import Meaning
from wkplug.ops.importing.files import ConversionLayerMapping
from wkplug.ops.importing.naming import Nameable, stem_of, unique_names
from wkplug.ops.importing.report import ImportNote
from wkplug.ops.importing.scenes import by_scene
from wkplug.ops.importing.stacks import Stack, Stacks, missing_numbers
from wkplug.properties import check_layer_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wkplug.ops.importing.files import FoundImages
    from wkplug.ops.importing.order import Channel, Member
    from wkplug.ops.importing.readers import ImageFile
    from wkplug.ops.importing.scenes import Scene

__all__ = ["arrange", "name_stacks", "stacks_of"]


_INSPECTING = (ConversionLayerMapping.INSPECT_SINGLE_FILE, ConversionLayerMapping.INSPECT_EVERY_FILE)


@attrs.frozen
class Group:
    """Files of one layer, or of several; source, texts, said: as of `Nameable`."""

    source: str
    texts: tuple[str, ...]
    members: list[Member]
    said: str = ""


def stacks_of(
    found: FoundImages,
    mapping: ConversionLayerMapping | str | Callable[[Any], str],
    sort_key: Callable[[Any], Any] | None,
    missing_slices: str,
    layer_name: str | None = None,
    scene: Scene | None = None,
) -> Stacks:
    """Sort files into layers, which come in the order in which they were found; scene: see `scenes`.

    layer_name: of the only group, or what comes before the names of several.
    """
    mapping = unheeded.known_mapping(mapping)
    scenes, notes = by_scene(found.members, scene)
    groups = [group for name, members in scenes for group in _of_scene(name, members, found, mapping)]
    several = len(groups) > 1
    if layer_name is not None:
        check_layer_name(layer_name)  # what was given is not cleaned
    sources: list[Nameable] = []
    stacks: list[Stack] = []
    notes = [*found.notes, *notes]
    for group in groups:
        for label, stack in arrange(group.members, sort_key, missing_slices, split=mapping in _INSPECTING):
            base = group.texts if layer_name is None or several else (layer_name,)
            said = group.said and group.said + label if base is group.texts else ""
            sources.append(Nameable(group.source + label, tuple(text + label for text in base), said))
            stacks.append(stack)
    return name_stacks(sources, stacks, layer_name if several else None, notes)


def _of_scene(
    scene: str,
    members: list[Member],
    found: FoundImages,
    mapping: ConversionLayerMapping | Callable[[Any], str],
) -> list[Group]:
    """Group the files of one scene, whose name is a part of theirs, or all that a single file needs."""
    groups = _group(attrs.evolve(found, members=members), mapping)
    if not scene:
        return groups
    alone = (scene,) if len(found.members) == 1 else ()
    return [
        attrs.evolve(
            group,
            source=f"{group.source}, scene {scene}",
            texts=(*alone, *(f"{text}_{scene}" for text in group.texts)),
            said="" if alone or not group.said else f"{group.said}_{scene}",
        )
        for group in groups
    ]


def name_stacks(
    sources: Sequence[Nameable], stacks: Sequence[Stack], before: str | None, notes: Sequence[ImportNote] = ()
) -> Stacks:
    """Give each stack a name of its own. before: what all names begin with."""
    names, told = unique_names(sources)
    if before is not None:
        names = [f"{before}_{name}" for name in names]
    return Stacks(zip(names, stacks, strict=True), notes=(*notes, *told))


def _group(found: FoundImages, mapping: ConversionLayerMapping | Callable[[Any], str]) -> list[Group]:
    """Put files together that have the same source, never merely the same name."""
    source_of = _sources(found, mapping)
    groups: dict[tuple[str, ...], Group] = {}
    for relative, file in found.members:
        source, *texts = source_of(relative, file)
        # Where texts differ, so do sources: a folder and a file may be called the same.
        joined = not source.endswith("/") and texts[0] == source.replace("/", "")
        said = source if joined else ""
        group = groups.setdefault((source, *texts), Group(source, tuple(texts), [], said))
        group.members.append((relative, file))
    return list(groups.values())


def _sources(
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
    return Meaning.of(file.info, file.path).sections > 1


# --- files of one group -----------------------------------------------------------------------------------


def arrange(
    members: Sequence[Member], sort_key: Callable[[Any], Any] | None, missing_slices: str, *, split: bool
) -> list[tuple[str, Stack]]:
    """Make one stack of files in natural order, or one for each series and channel; each with a label for its name.

    sort_key: an order of the caller's, against which files and names say nothing. split: False keeps all in one stack
    and tells of series and channels. UnsupportedImageDataError for files that are no sections of one image.
    """
    given = unheeded.Given(missing_slices=missing_slices)
    if len(members) == 1:
        told = given.unheeded_by(unheeded.ONE_FILE)
        return [("", attrs.evolve(_stack(members, missing_slices), notes=tuple(told)))]
    if sort_key is not None:
        from upath import UPath

        ordered = sorted(members, key=lambda item: sort_key(UPath(item[0])))
        told = [*given.unheeded_by(unheeded.SORTED), *order.told_order(ordered)]
        return [("", attrs.evolve(_stack(ordered, "close"), notes=tuple(told)))]
    order.check_single(members)
    stacks: list[tuple[str, Stack]] = []
    for label, own in order.by_series(members):
        channels, notes = order.by_channel(own)
        notes += order.told_strangers(own)
        everywhere = sorted({number for channel in channels for number in channel.sections})
        for channel in channels:
            named = label if channel.number is None else f"{label}__channel{channel.number}"
            stacks.append((named, _ordered(channel, everywhere, missing_slices, notes)))
    if split or len(stacks) == 1:
        return stacks
    text = f"the files are {len(stacks)} series or channels, which follow each other along z in the order of names"
    told = [ImportNote(kind="guessed", text=text), *given.unheeded_by(unheeded.SERIES_IN_ONE)]
    return [("", attrs.evolve(_stack(members, "close"), notes=tuple(told)))]


def _stack(members: Sequence[Member], missing_slices: str) -> Stack:
    return Stack.of([relative for relative, _ in members], [file for _, file in members], missing_slices)


def _told_closed(absent: Sequence[int]) -> list[ImportNote]:
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
    channel: Channel, everywhere: Sequence[int], missing_slices: str, notes: Sequence[ImportNote]
) -> Stack:
    """Make a stack of one channel; everywhere: the numbers of the sections that some channel has."""
    members, told, moved = order.by_place(channel.members)
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
        told += unheeded.Given(missing_slices=missing_slices).unheeded_by(unheeded.PLACED)
    elif missing_slices == "close":
        told += _told_closed(lacking or missing_numbers([relative for relative, _ in members]))
    if lacking and missing_slices == "fill" and not moved:
        step = math.gcd(*(after - before for before, after in pairwise(everywhere)))
        stack = attrs.evolve(stack, places=tuple((n - everywhere[0]) // step for n in channel.sections))
    return attrs.evolve(stack, notes=(*notes, *told))
