"""What commands that import print: with --dry-run axes, layers, mags, files, bytes and memory of an import to come; at
the end what came to be.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from wkplug.cli.hints import in_options
from wkplug.cli.info import size_text, summary
from wkplug.cli.output import tell
from wkplug.config.hints import counted, first_of, plain_number
from wkplug.ops.importing.report import ImportNote, ImportReport
from wkplug.ops.info import box_facts, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.model.states import DatasetState
    from wkplug.ops.importing.plans import LayerPlan, PlannedImport, VolumePlan


__all__ = ["converted", "import_facts", "note_lines", "plan_facts", "plan_text", "whose"]


def import_facts(plan: PlannedImport) -> dict[str, Any]:
    """What an import takes in, in numbers."""
    return {"sources": list(plan.paths), "voxel_bytes": plan.bytes}


def converted(dataset: DatasetState, target: str, plan: PlannedImport, took: float) -> None:
    """Print what came to be: the dataset, the notes, and how long it took."""
    report, notes = describe(dataset), dataset.import_report or ImportReport()
    what = f"{size_text(plan.source_bytes)} of images" if plan.files else f"{size_text(plan.bytes)} of voxels"
    # What else is in the dataset, such as leftovers of killed jobs, is told in the same words and place.
    all_notes = notes.joined(ImportNote(kind="found", text=text) for text in report.notes)
    lines = [
        summary(report, target),
        *note_lines(notes),
        f"Converted {what} to {size_text(report.size)} in {took:.1f} s. "
        f"Look at it: wkplug preview {shlex.quote(target)} -o preview.png",
    ]
    facts = {
        **report.to_json(),
        "notes": all_notes.to_json(),
        "converted": {**import_facts(plan), "seconds": round(took, 3)},
    }
    tell(facts, "\n".join(lines))


def plan_facts(plan: PlannedImport, target: str) -> dict[str, Any]:
    """Describe a plan in values, for --json."""
    layers = [
        {
            "name": layer.name,
            "category": layer.category,
            "dtype": layer.dtype,
            "data_format": str(layer.data_format),
            "bounding_box": box_facts(layer.bounding_box),
            "chunk_shape": volume.spec.chunk_shape[-3:],
            "shard_shape": volume.spec.shard_shape[-3:],
            "mags": list(map(str, [volume.mag, *volume.mags])),
        }
        for volume in plan.volumes
        for layer in volume.layers
    ]
    return {
        "path": target,
        "dry_run": True,
        "voxel_size": list(plan.voxel_size.to_nanometer()),
        "voxel_size_of_files": plan.voxel_size_of_files,
        "continues": getattr(plan, "continues", False),
        "layers": layers,
        "source_bytes": plan.source_bytes,
        "memory": plan.memory,
        "notes": plan.report.to_json(),
        **import_facts(plan),
    }


def plan_text(plan: PlannedImport, target: str) -> str:
    """Describe a plan in lines."""
    size = " x ".join(plain_number(value) for value in plan.voxel_size.to_nanometer())
    lines = [target, f"voxel size {size} nm{whose(plan)}"]
    if getattr(plan, "continues", False):
        lines.append("goes on with what was begun")
    for volume in plan.volumes:
        lines += ["", *_source(volume)]
        for layer in volume.layers:
            lines += _layer(volume, layer)
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


def whose(plan: PlannedImport) -> str:
    """Say which part of the voxel size the files say."""
    axes = plan.voxel_size_of_files
    if len(axes) == 3:
        return ", as the files say"
    return f", {' and '.join(axes)} as the files say" if axes else ""


def note_lines(report: ImportReport) -> list[str]:
    """Give the notes of an import as lines, with an empty one before them."""
    notes = report.notes
    context = click.get_current_context(silent=True)
    command = None if context is None else context.command
    return ["", *(f"note: {in_options(str(note), command)}" for note in notes)] if notes else []


def _source(planned: VolumePlan) -> Iterator[str]:
    """The files of a volume, and what becomes of their axes."""
    volume = planned.volume
    first = volume.files[0]
    info, meaning = first.info, volume.meaning(first)
    count = len(volume.files)
    others = f" with {first_of(info.companions, 3)}" if info.companions else ""
    yield first.path + (others if count == 1 else f" and {count - 1} more")
    axes = ", ".join(f"{axis} {length}" for axis, length in zip(info.axes, info.shape, strict=True))
    new = {"x": "y", "y": "x"} if volume.swap_xy else {}
    renamed = {
        **new,
        **{old: now for old, now in ((meaning.z, "z"), (meaning.channels, "c")) if old is not None},
    }
    kept = [axis for axis in info.axes if axis in (*renamed, *meaning.others)]
    told = ", ".join(f"{axis} -> {renamed[axis]}" for axis in kept if renamed.get(axis, axis) != axis)
    if count > 1:
        told = f"{told}, files -> z" if told else "files -> z"
    importer = getattr(first, "importer_name", None)
    by = f"importer {importer}" if importer else f"reader {getattr(first, 'reader_name', 'frames')}"
    yield f"  {info.dtype}, axes {axes}{f'; {told}' if told else ''}; {by}"
    cut = planned.cutting
    box = tuple(min(edge, length) for edge, length in zip(cut.box, volume.size, strict=True))
    again = f", decoded {cut.decodes:.1f} times" if cut.decodes > 1.05 else ""
    yield f"  in boxes of {box}, {cut.in_flight} at once{again}"


def _layer(planned: VolumePlan, layer: LayerPlan) -> Iterator[str]:
    box = layer.bounding_box
    yield f"  {layer.name}   {layer.category}, {layer.dtype}, {layer.data_format}"
    axes = ", ".join(box.axes) if len(box.axes) > 3 else "c, x, y, z"
    yield f"    bounding box {tuple(box.topleft)} + {tuple(box.size)}, axes {axes}"
    spec = planned.spec
    yield f"    chunks {spec.chunk_shape[-3:]}, shards {spec.shard_shape[-3:]}"
    yield f"    mags {', '.join(map(str, [planned.mag, *planned.mags]))}"
    if planned.fed is not None:
        fed = ", ".join(map(str, planned.mags[: planned.fed.count]))
        yield f"    in the same pass {fed}"
