"""What commands print of datasets, images, containers and imports to come, as text.

It is imported when there is something to print. Not here: the same facts as JSON, which what is described gives itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wkplug.cli.hints import in_options
from wkplug.cli.output import size_text
from wkplug.geometry import Mag
from wkplug.notices import counted, first_of, plain_number
from wkplug.registry.explain import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wkplug.abc import ImageInfo
    from wkplug.ops.importing.plans import LayerPlan, PlannedImport, VolumePlan
    from wkplug.ops.importing.report import ImportReport
    from wkplug.ops.info import LayerReport, MagReport, Report
    from wkplug.ops.inspecting import ContainerReport, ImageReport, LayerPreview

__all__ = ["container_text", "dataset_text", "image_text", "note_lines", "plan_text", "voxel_size_text"]


# --- datasets -------------------------------------------------------------------------------------------------------


def dataset_text(report: Report, path: str) -> str:
    """Give the report as text; `path` is the dataset's as the user typed it."""
    title = report.name if path == report.name else f"{report.name}   ({path})"
    lines = [title, f"voxel size {_size(report.voxel_size)} nm"]
    if report.mark is not None:
        lines.append(f"INCOMPLETE: {report.mark}")
    lines += [f"note: {note}" for note in report.notes]
    for layer in report.layers:
        lines += ["", *_layer_lines(layer)]
    if not report.layers:
        lines.append("no layers")
    return "\n".join(lines)


def _layer_lines(layer: LayerReport) -> list[str]:
    if layer.problem is not None:
        return [f"{layer.name}   PROBLEM: {layer.problem}"]
    channels = f", {layer.num_channels} channels" if layer.num_channels != 1 else ""
    lines = [
        f"{layer.name}   {layer.category}, {layer.dtype}{channels}, {layer.data_format}",
        f"  bounding box {layer.box_text}, axes {', '.join(layer.axes)}",
    ]
    if layer.mark is not None:
        lines.append(f"  INCOMPLETE: {layer.mark}")
    width = max((len(mag.mag) for mag in layer.mags), default=0)
    lines += [f"  mag {mag.mag:<{width}}   {_mag_text(mag)}" for mag in layer.mags]
    if not layer.mags:
        lines.append("  no mags")
    lines += [f"  note: {note}" for note in layer.notes]
    return lines


def _mag_text(mag: MagReport) -> str:
    if not mag.listed and mag.mark is None:
        return f"PROBLEM: {mag.problem}"
    if not mag.listed:
        return f"INCOMPLETE: {mag.mark}; not listed"
    if mag.shape is None or mag.chunk_shape is None or mag.shard_shape is None:
        return f"PROBLEM: {mag.problem}"
    shape = " x ".join("*" if length is None else str(length) for length in mag.shape)
    parts = [
        shape,
        f"chunks {'x'.join(map(str, mag.chunk_shape))}",
        f"shards {'x'.join(map(str, mag.shard_shape))}",
        "compressed" if mag.compressed else "not compressed",
    ]
    if mag.size is not None:
        parts.append(size_text(mag.size))
    elif mag.size_unknown is not None:
        parts.append("size unknown")
    if mag.mark is not None:
        parts.append(f"INCOMPLETE: {mag.mark}")
    if mag.problem is not None:
        parts.append(f"PROBLEM: {mag.problem}")
    return ", ".join(parts)


# --- images and containers of other tools ----------------------------------------------------------------------------


def image_text(report: ImageReport, convert: click.Command) -> str:
    """Give what an image holds as text; convert: the command whose options the text names."""
    info = report.info
    size = "folder" if report.size is None else size_text(report.size)
    lines = [f"{report.path}   ({size})", render(report.choice), ""]
    lines += [f"{name:<12}{value}" for name, value in _facts(info, _scenes(report)) if value]
    lines += [f"note: {note}" for note in info.notes]
    return "\n".join([*lines, "", *_preview_lines(report.layer, convert)])


def container_text(report: ContainerReport, convert: click.Command) -> str:
    """Give the layers of a container as text."""
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
        lines += _preview_lines(layer.layer, convert)
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


def _preview_lines(layer: LayerPreview, convert: click.Command) -> list[str]:
    if layer.problem:
        return [f"can't become a layer: {layer.problem}"]
    moves = [
        f"{axis} is dropped" if not target else f"{axis} becomes {target}"
        for axis, target in layer.becomes.items()
        if target != axis
    ]
    shape = ", ".join(f"{axis} {n}" for axis, n in zip(layer.axes, layer.shape, strict=True))
    lines = [f"{'as a layer':<12}{shape}{'   (' + ', '.join(moves) + ')' if moves else ''}"]
    if layer.needs:
        lines.append(f"{'needs':<12}{in_options(layer.needs, convert)}")
    return lines


# --- imports --------------------------------------------------------------------------------------------------------


def plan_text(plan: PlannedImport, target: str) -> str:
    """Describe a plan in lines."""
    lines = [target, f"voxel size {voxel_size_text(plan)}"]
    if getattr(plan, "continues", False):
        lines.append("goes on with what was begun")
    for volume in plan.volumes:
        lines += ["", *_volume_lines(volume)]
        for layer in volume.layers:
            lines += _plan_lines(volume, layer)
    lines += note_lines(plan.report)
    mags = sorted({volume.mag for volume in plan.volumes})
    files = f"{counted(len(plan.files), 'file')} of {size_text(plan.source_bytes)}, " if plan.files else ""
    lines += [
        "",
        f"{files}{size_text(plan.bytes)} of voxels in mag "
        f"{', '.join(map(str, mags))}, {size_text(plan.memory)} of them in memory at once",
        "Nothing was written (--dry-run).",
    ]
    return "\n".join(lines)


def voxel_size_text(plan: PlannedImport) -> str:
    """Give the voxel size of an import, and say which part of it the files say."""
    axes = plan.voxel_size_of_files
    size = f"{_size(plan.voxel_size.to_nanometer())} nm"
    if len(axes) == 3:
        return f"{size}, as the files say"
    return f"{size}, {' and '.join(axes)} as the files say" if axes else size


def note_lines(report: ImportReport) -> list[str]:
    """Give the notes of an import as lines, with an empty one before them."""
    notes = report.notes
    context = click.get_current_context(silent=True)
    command = None if context is None else context.command
    return ["", *(f"note: {in_options(str(note), command)}" for note in notes)] if notes else []


def _volume_lines(planned: VolumePlan) -> Iterator[str]:
    """The files of a volume, and what becomes of their axes."""
    volume = planned.volume
    first = volume.files[0]
    info, roles = first.info, volume.roles(first)
    count = len(volume.files)
    others = f" with {first_of(info.companions, 3)}" if info.companions else ""
    yield first.path + (others if count == 1 else f" and {count - 1} more")
    axes = ", ".join(f"{axis} {length}" for axis, length in zip(info.axes, info.shape, strict=True))
    swapped = {"x": "y", "y": "x"} if volume.swap_xy else {}
    renamed = {
        **swapped,
        **{old: new for old, new in ((roles.z, "z"), (roles.channels, "c")) if old is not None},
    }
    taken = [axis for axis in info.axes if axis in (*renamed, *roles.others)]
    becomes = ", ".join(f"{axis} -> {renamed[axis]}" for axis in taken if renamed.get(axis, axis) != axis)
    if count > 1:
        becomes = f"{becomes}, files -> z" if becomes else "files -> z"
    importer = getattr(first, "importer_name", None)
    by = f"importer {importer}" if importer else f"reader {getattr(first, 'reader_name', 'frames')}"
    yield f"  {info.dtype}, axes {axes}{f'; {becomes}' if becomes else ''}; {by}"
    cut = planned.chunking
    box = tuple(min(edge, length) for edge, length in zip(cut.box, volume.size, strict=True))
    again = f", decoded {cut.decodes:.1f} times" if cut.decodes > 1.05 else ""
    yield f"  in boxes of {box}, {cut.in_flight} at once{again}"


def _plan_lines(planned: VolumePlan, layer: LayerPlan) -> Iterator[str]:
    box = layer.bounding_box
    yield f"  {layer.name}   {layer.category}, {layer.dtype}, {layer.data_format}"
    axes = ", ".join(box.axes) if len(box.axes) > 3 else "c, x, y, z"
    yield f"    bounding box {tuple(box.topleft)} + {tuple(box.size)}, axes {axes}"
    spec = planned.spec
    yield f"    chunks {spec.chunk_shape[-3:]}, shards {spec.shard_shape[-3:]}"
    yield f"    mags {', '.join(map(str, [planned.mag, *planned.mags]))}"
    if planned.streaming is not None:
        streaming = ", ".join(map(str, planned.mags[: planned.streaming.count]))
        yield f"    in the same pass {streaming}"


def _size(lengths: Sequence[float]) -> str:
    return " x ".join(map(plain_number, lengths))
