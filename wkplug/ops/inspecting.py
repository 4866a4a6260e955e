"""What an image file or a container holds, who takes it and why, and what it would become: `wkplug inspect`.

Nothing is written, and no voxel is decoded: all comes from the file's headers. The work of importing is in
`wkplug.ops.importing`; here only its reading of the axes (`AxisRoles`) is shown.
"""

from __future__ import annotations

from typing import Any

import attrs

from wkplug import registry
from wkplug.abc import ImageInfo, Location
from wkplug.errors import (
    CorruptDataError,
    ImageConversionError,
    MissingError,
    PluginError,
    UnsupportedImageDataError,
    UnsupportedImageFormatError,
)
from wkplug.filesystems.answers import answers_kept
from wkplug.filesystems.zip import is_zip
from wkplug.ops.importing.containers import choose_container, describe_container, inside_archive, is_sure
from wkplug.ops.importing.grouping import find_name
from wkplug.ops.importing.readers import HEAD_BYTES
from wkplug.ops.importing.values import needed_dtype
from wkplug.ops.importing.volume import EVERYTHING, AxisRoles, has_alpha
from wkplug.registry import Choice
from wkplug.registry.explain import as_facts
from wkplug.storage import locate, nothing_at

__all__ = [
    "ContainerReport",
    "ImageReport",
    "LayerPreview",
    "StoredLayer",
    "inspect_container",
    "inspect_image",
]


@attrs.frozen(kw_only=True)
class LayerPreview:
    """What an image would become: axes and shape of the layer, and for each axis of the file where it goes.

    `becomes` has "x", "y", "z", "c", the name of an axis of its own, or "" for an axis of length 1 that is dropped.
    `problem` says why it can't become a layer, and is empty if it can; `needs` says what has to be asked for, such as
    another dtype.
    """

    axes: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    becomes: dict[str, str] = attrs.field(factory=dict)
    problem: str = ""
    needs: str = ""


@attrs.frozen(kw_only=True)
class ImageReport:
    """A file (`path`, `size` in bytes, None for folders), the choice of its reader, one scene, and its layer."""

    path: str
    size: int | None
    choice: Choice
    scene: int
    info: ImageInfo
    layer: LayerPreview

    def to_json(self) -> dict[str, Any]:
        """Give everything as JSON values; lengths in nanometres."""

        info = attrs.asdict(self.info)
        return {
            "path": self.path,
            "size": self.size,
            "reader": as_facts(self.choice),
            "scene": self.scene,
            "image": {**info, "unit": "nanometer"},
            "layer": attrs.asdict(self.layer),
        }


@attrs.frozen(kw_only=True)
class StoredLayer:
    """One layer of a container: its name and category ("" if unknown), where its first voxel lies, all of its mags."""

    name: str
    category: str
    topleft: tuple[int, int, int]
    mags: tuple[tuple[int, int, int], ...]
    info: ImageInfo
    layer: LayerPreview


@attrs.frozen(kw_only=True)
class ContainerReport:
    """A container (`path`), the choice of its importer, its layers, and notes about it as a whole."""

    path: str
    choice: Choice
    layers: tuple[StoredLayer, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give everything as JSON values; lengths in nanometres."""

        layers = []
        for layer in self.layers:
            facts = attrs.asdict(layer)
            image = {**facts.pop("info"), "unit": "nanometer"}
            layers.append({**facts, "image": image})
        return {
            "path": self.path,
            "importer": as_facts(self.choice),
            "layers": layers,
            "notes": list(self.notes),
        }


@answers_kept()
def inspect_container(path: str, *, importer: str | None = None) -> ContainerReport | None:
    """Look at a container of another tool; None if no importer knows what is there.

    importer: the one to take, whatever it says. CorruptDataError for a container that is damaged.
    """

    location = inside_archive(locate(path))
    choice = choose_container(location, importer)
    if choice is None:
        return None
    try:
        containers = describe_container(choice, location)
    except CorruptDataError:
        if importer is not None or is_sure(choice):
            raise
        return None
    layers = tuple(
        StoredLayer(
            name=container.layer.name,
            category=container.category,
            topleft=container.topleft,
            mags=tuple(mag.mag for mag in container.layer.mags),
            info=container.info,
            layer=_layer(container.info, container.path, container.category, exact=True),
        )
        for container in containers
    )
    notes = tuple(note for container in containers for note in container.layer.container_notes)
    return ContainerReport(path=location.url, choice=choice, layers=layers, notes=notes)


@answers_kept()
def inspect_image(path: str, *, reader: str | None = None, scene: int | str = 0) -> ImageReport:
    """Look at an image file (or a folder that some reader takes as one).

    scene: which image of the file, from 0, or its name. UnsupportedImageFormatError if no reader takes it (with the
    plugin to install where one is known), MissingError if it is not there, CorruptImageError if it is damaged.
    """

    location = locate(path)
    if isinstance(scene, str):
        first = inspect_image(path, reader=reader)
        scene = find_name(first.info.scenes, scene, location.url)
    size, head = _beginning(location)
    try:
        choice = registry.choose_reader(location, head, explicit=reader, folder=size is None, thorough=True)
    except UnsupportedImageFormatError as error:
        if size is None or is_zip(location):
            what = "a folder" if size is None else "a zip archive"
            raise UnsupportedImageFormatError(
                f"No reader or importer takes '{location.name}', {what}, as one image.",
                path=location.url,
                hint="For what the images in it would become: wkplug convert --dry-run. For a dataset: wkplug info.",
            ) from error
        raise
    try:
        image = choice.winner.open(location, scene=scene)
    except (ImageConversionError, PluginError) as error:
        if reader is not None:
            raise
        choice, image = registry.open_with_another_reader(
            location, head, choice.name, error, scene=scene, folder=size is None
        )
    with image:
        info = image.info
    return ImageReport(
        path=location.url, size=size, choice=choice, scene=scene, info=info, layer=_layer(info, location.url)
    )


def _beginning(location: Location) -> tuple[int | None, bytes]:
    """The size and the first bytes of a file; None and nothing for a folder."""
    local = location.local_path()
    if local is not None:
        from pathlib import Path

        if Path(local).is_dir():
            return None, b""
    elif next(iter(location.list()), None) is not None:
        return None, b""
    if not location.exists():
        raise (
            MissingError(f"There is no file {location.url}.") if location.lists_all else nothing_at(location)
        )
    return location.size(), location.read(0, HEAD_BYTES)


def _layer(info: ImageInfo, path: str, category: str = "", *, exact: bool = False) -> LayerPreview:
    try:
        roles = AxisRoles.of(info, path, EVERYTHING, exact=exact)
    except UnsupportedImageDataError as error:
        return LayerPreview(problem=error.message)
    becomes = {}
    for axis in info.axes:
        if axis == roles.z:
            becomes[axis] = "z"
        elif axis == roles.channels:
            becomes[axis] = "c"
        elif axis in ("x", "y") or axis in roles.others:
            becomes[axis] = axis
        else:
            becomes[axis] = ""
    lengths = dict(zip(info.axes, info.shape, strict=True))
    width, height = lengths["x"], lengths["y"]
    return LayerPreview(
        axes=(*roles.others, "c", "x", "y", "z"),
        shape=(
            *(lengths[axis] for axis in roles.others),
            roles.num_channels - has_alpha(info, roles.num_channels),
            width,
            height,
            lengths.get(roles.z or "", 1),
        ),
        becomes=becomes,
        needs=needed_dtype(category, info.dtype),
    )
