"""`wkplug inspect`: what an image or a container holds, who takes it and why, and what layers it would become."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wkplug.cli.options import PLACE, Named
from wkplug.cli.output import json_option, tell
from wkplug.config.hints import first_of, plain_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wkplug.abc import ImageInfo
    from wkplug.ops.inspecting import ContainerReport, ImageReport, LayerPreview

__all__ = ["inspect", "told"]


@click.command()
@click.argument("file", type=PLACE)
@click.option("--reader", type=Named("reader"), metavar="NAME", help="Use this reader instead of the surest.")
@click.option(
    "--scene", default="0", show_default=True, help="Which image of the file: a name, or a number from 0."
)
@json_option
def inspect(*, file: str, reader: str | None, scene: str) -> None:
    """Print what the image FILE (or container of another tool) holds, who takes it, and what layer it would become.

    Only headers are read, nothing is written. A dash stands for what the file doesn't say.
    """
    from wkplug.ops.inspecting import inspect_container, inspect_image

    container = None if reader is not None or scene != "0" else inspect_container(file)
    if container is not None:
        tell(container.to_json(), _told_container(container))
        return
    report = inspect_image(file, reader=reader, scene=int(scene) if scene.isdecimal() else scene)
    tell(report.to_json(), told(report))


def told(report: ImageReport) -> str:
    """Give the report as text."""
    from wkplug.cli.info import size_text
    from wkplug.registry.explain import render

    info = report.info
    size = "folder" if report.size is None else size_text(report.size)
    lines = [f"{report.path}   ({size})", render(report.choice), ""]
    lines += [f"{name:<12}{value}" for name, value in _facts(info, _scenes(report)) if value]
    lines += [f"note: {note}" for note in info.notes]
    return "\n".join([*lines, "", *_layer(report.layer)])


def _told_container(report: ContainerReport) -> str:
    """Give the layers of a container as text."""
    from wkplug.geometry import Mag
    from wkplug.registry.explain import render

    lines = [report.path, render(report.choice), *(f"note: {note}" for note in report.notes)]
    for layer in report.layers:
        lines += ["", f"{layer.name}   {layer.category or '- (color or segmentation: will be guessed)'}"]
        facts = [
            *_facts(layer.info, ""),
            ("top left", ", ".join(map(str, layer.topleft)) if any(layer.topleft) else ""),
            ("mags", ", ".join(str(Mag(mag)) for mag in layer.mags)),
        ]
        lines += [f"{name:<12}{value}" for name, value in facts if value]
        lines += [f"note: {note}" for note in layer.info.notes]
        lines += _layer(layer.layer)
    return "\n".join(lines)


def _scenes(report: ImageReport) -> str:
    scenes = report.info.scenes
    if not scenes:
        return ""
    listed = first_of([f"{number} {name}" for number, name in enumerate(scenes)], 20)
    return f"{report.scene} of {len(scenes)} ({listed})"


def _facts(info: ImageInfo, scenes: str) -> list[tuple[str, str]]:
    levels = ", ".join(_times(shape) for shape in info.level_shapes) or str(info.levels)
    details = ", ".join(f"{key} {value}" for key, value in info.details.items() if value not in ("", None))
    return [
        ("scene", scenes),
        ("axes", ", ".join(f"{axis} {n}" for axis, n in zip(info.axes, info.shape, strict=True))),
        ("dtype", f"{info.dtype}{f', {info.photometric}' if info.photometric else ''}"),
        ("voxel size", _lengths(info.voxel_size)),
        ("origin", _lengths(info.origin) if any(value is not None for value in info.origin) else ""),
        ("affine", _affine(info)),
        ("channels", _channels(info)),
        ("levels", levels if info.levels > 1 else ""),
        ("blocks", _times(info.block_shape)),
        ("files", _companions(info)),
        ("details", details),
    ]


def _affine(info: ImageInfo) -> str:
    """The rows of the map from voxels to the file's own space."""
    rows = [" ".join(plain_number(value) for value in row) for row in info.affine or ()]
    return f"{'; '.join(rows)} (nm)" if rows else ""


def _companions(info: ImageInfo) -> str:
    """The other files of the image."""
    return f"this one, {first_of(info.companions, 5)}" if info.companions else ""


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _lengths(values: Sequence[float | None]) -> str:
    if all(value is None for value in values):
        return "- (the file doesn't say)"
    return ", ".join(
        f"{axis} {'-' if value is None else plain_number(value) + ' nm'}"
        for axis, value in zip("xyz", values, strict=True)
    )


def _channels(info: ImageInfo) -> str:
    count = max(len(info.channel_names), len(info.channel_colors))
    names = info.channel_names or ("",) * count
    colors = info.channel_colors or (None,) * count
    return ", ".join(
        f"{name or '-'}{'' if color is None else ' #{:02x}{:02x}{:02x}'.format(*color)}"
        for name, color in zip(names, colors, strict=True)
    )


def _layer(layer: LayerPreview) -> list[str]:
    from wkplug.cli.convert import convert
    from wkplug.cli.hints import in_options

    if layer.problem:
        return [f"can't become a layer: {layer.problem}"]
    moves = [
        f"{axis} is dropped" if not target else f"{axis} becomes {target}"
        for axis, target in layer.becomes.items()
        if target != axis
    ]
    shape = ", ".join(f"{axis} {n}" for axis, n in zip(layer.axes, layer.shape, strict=True))
    needs = [f"{'needs':<12}{in_options(layer.needs, convert)}"] if layer.needs else []
    return [f"{'as a layer':<12}{shape}{'   (' + ', '.join(moves) + ')' if moves else ''}", *needs]
