"""`wkplug info`: what a dataset holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wkplug.cli.options import PLACE
from wkplug.cli.output import json_option, tell
from wkplug.config.hints import plain_number

if TYPE_CHECKING:
    from wkplug.ops.info import LayerReport, MagReport, Report

__all__ = ["info", "summary"]


@click.command()
@click.argument("dataset", type=PLACE)
@json_option
@click.option("--sizes/--no-sizes", default=True, show_default=True, help="Add up the files' sizes.")
def info(dataset: str, *, sizes: bool) -> None:
    """Print the layers and mags of DATASET: shapes, chunks, sizes on disk, and what is unfinished."""
    from wkplug.dataset import Dataset
    from wkplug.ops.info import describe

    report = describe(Dataset.open(dataset, read_only=True).state, sizes=sizes)
    tell(report.to_json(), summary(report, dataset))


def summary(report: Report, path: str) -> str:
    """Give the report as text; `path` is the dataset's as the user typed it."""
    x, y, z = report.voxel_size
    title = report.name if path == report.name else f"{report.name}   ({path})"
    lines = [title, f"voxel size {plain_number(x)} x {plain_number(y)} x {plain_number(z)} nm"]
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


def size_text(size: float) -> str:
    """Give bytes in the unit that people read."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return ""
