"""Which of the images that one file holds are imported: the first, one by name or number, or all of them.

Files call them scenes, series or data sets. Without a choice it is the first that is no thumbnail, and the others are
told with the words that choose them. Of all scenes, each becomes a layer; what can't be one is left out and told.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wkplug.config.hints import first_of
from wkplug.errors import InvalidArgumentError, UnsupportedImageDataError
from wkplug.ops.importing.axes import Meaning
from wkplug.ops.importing.naming import part_of_name
from wkplug.ops.importing.report import ImportNote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wkplug.ops.importing.order import Member
    from wkplug.ops.importing.readers import ImageFile

__all__ = ["ALL", "Scene", "by_scene", "find_name"]

Scene = int | str
"""A number from 0, a name, or ALL."""

ALL = "all"
_THUMBNAIL = re.compile(r"thumbnail|(label|macro|overview)[ _-]?image", re.IGNORECASE)
_MOST_LISTED = 10


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
            problem = _problem(chosen) if scene == ALL and len(numbers) > 1 else ""
            if problem:
                text = f"the scene {names[number]!r} can't be a layer ({problem})"
                notes.append(ImportNote(kind="left out", text=text, sources=(file.path,)))
                continue
            kept.append(number)
            label = "" if scene is None or len(names) < 2 else _label(names, number)
            parts.setdefault(label, []).append((relative, chosen))
        if scene is not None:
            notes += _told_twins(file, kept)
        if len(kept) < len(numbers):
            continue
        notes += _told(file, kept, asked=scene is not None)
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
    alike = [place for place, name in enumerate(names) if _plain(name) == _plain(str(scene))]
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


def _plain(name: str) -> str:
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
    label = f"{_plain(name) or 'scene'}_{number}"
    while label in names:
        label += f"_{number}"
    return label


def _told_twins(file: ImageFile, kept: Sequence[int]) -> list[ImportNote]:
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


def _problem(file: ImageFile) -> str:
    try:
        Meaning.of(file.info, file.path)
    except UnsupportedImageDataError as error:
        return error.message.rstrip(".")
    return ""


def _told(file: ImageFile, kept: Sequence[int], *, asked: bool) -> list[ImportNote]:
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
    return first_of([repr(name) for name in names], _MOST_LISTED)
