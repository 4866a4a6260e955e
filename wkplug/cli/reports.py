"""Commands that look: `wkplug info`, `preview`, `check-equality`, `inspect`, `explore` and `explain`.

Three look at datasets, `inspect` and `explore` at what other tools have written, `explain` at both. Nothing is written
but the picture of `preview`, and the dataset of references that `explore --create` makes. The texts are in
`summaries`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from wkplug.cli import late
from wkplug.cli.options import (
    LAYER,
    PLACE,
    VOXEL_SIZE,
    Named,
    executor_options,
    open_dataset,
    source_and_target,
)
from wkplug.cli.output import is_json, json_option, print_line, print_result, progress_bar
from wkplug.errors import (
    LayerMismatchError,
    MissingError,
    PropertiesError,
    StorageError,
    UnknownFormatError,
    UnknownNameError,
    UnlistableError,
    WebPageError,
)
from wkplug.notices import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Executor, Location
    from wkplug.registry import Choice

__all__ = ["check_equality", "explain", "explore", "info", "inspect", "preview"]

_HEAD_BYTES = 4096


@click.command()
@click.argument("dataset", type=PLACE)
@json_option
@click.option("--sizes/--no-sizes", default=True, show_default=True, help="Add up the files' sizes.")
def info(dataset: str, *, sizes: bool) -> None:
    """Print the layers and mags of DATASET: shapes, chunks, sizes on disk, and what is unfinished."""
    report = late.info.describe(open_dataset(dataset, read_only=True).state, sizes=sizes)
    print_result(report.to_json(), late.summaries.dataset_text(report, dataset))


@click.command()
@click.argument("dataset", type=PLACE)
@click.option("-o", "--output", type=PLACE, required=True, help="The picture to write, .png or .jpg.")
@click.option("--allow-incomplete", is_flag=True, help="Also show mags that an unfinished job has marked.")
@json_option
def preview(dataset: str, output: str, *, allow_incomplete: bool) -> None:
    """Write a contact sheet of DATASET: three orthogonal planes per layer, labels over their image, scale bars."""
    opened = open_dataset(dataset, read_only=True, allow_incomplete=allow_incomplete)
    late.preview.write_preview(opened.state, output)
    print_result({"dataset": dataset, "picture": output}, f"Wrote {output}")


@click.command("check-equality")
@source_and_target
@click.option("--layer-name", type=LAYER, help="Compare only this layer.")
@json_option
@executor_options
def check_equality(source: str, target: str, layer_name: str | None, *, executor: Executor) -> int:
    """Compare the datasets SOURCE and TARGET: layers, boxes, mags and voxels.

    Formats, chunks and compression may differ. The exit code is 0 if they are equal, 1 if not.
    """
    one, other = open_dataset(source, read_only=True), open_dataset(target, read_only=True)
    try:
        with progress_bar("compare") as advance:
            found = list(
                late.equality.differences(
                    one.state, other.state, layer_name=layer_name, executor=executor, progress=advance
                )
            )
    except LayerMismatchError as error:
        if not is_json():
            raise
        found = [error.message]
    text = f"The datasets {source} and {target} are equal."
    if found:
        text = f"The datasets are not equal: {'; '.join(found)}."
    print_result({"source": source, "target": target, "equal": not found, "differences": found}, text)
    return 1 if found else 0


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
    from wkplug.cli.converting import convert  # late: a long file, of whose options the text names some

    container = None if reader is not None or scene != "0" else late.inspecting.inspect_container(file)
    if container is not None:
        print_result(container.to_json(), late.summaries.container_text(container, convert))
        return
    report = late.inspecting.inspect_image(
        file, reader=reader, scene=int(scene) if scene.isdecimal() else scene
    )
    print_result(report.to_json(), late.summaries.image_text(report, convert))


@click.command()
@click.argument("url", type=PLACE)
@click.option(
    "--create", type=PLACE, metavar="PATH", help="Make a dataset at PATH that refers to what is there."
)
@click.option(
    "--voxel-size",
    type=VOXEL_SIZE,
    help="Nanometres along x,y,z, for --create; needed where URL doesn't say it.",
)
@click.option("--name", help="The name of the dataset of --create; that of its folder if left out.")
@click.option(
    "--importer", type=Named("importer"), metavar="NAME", help="Take this importer instead of the surest."
)
@json_option
def explore(*, url: str, create: str | None, voxel_size: Any, name: str | None, importer: str | None) -> None:
    """Print what layers URL has: OME-Zarr, N5, precomputed, a dataset, or a viewer's link to such data.

    Nothing is copied. Put links into single quotes.
    """
    if create is None:
        for option, value in (("--voxel-size", voxel_size), ("--name", name)):
            if value is not None:
                raise click.UsageError(f"{option} goes with --create.")
    found = late.exploring.explore(url, importer=importer)
    facts, text = found.to_json(), str(found)
    if create is not None:
        made = found.create(create, name=name, voxel_size=voxel_size)
        facts["created"] = made.location.url
        text += (
            f"\n\nWrote {create}, which refers to {counted(len(found.layers), 'layer')}: no voxel was copied."
        )
    print_result(facts, text)


@click.command(short_help="Explain which plugin opens a path, and why.")
@click.argument("path", type=PLACE)
@click.option(
    "--format",
    "data_format",
    type=Named("format"),
    metavar="FORMAT",
    help="Take this data format instead of looking.",
)
@click.option("--backend", metavar="NAME", help="As if this backend had been asked for by name.")
@click.option(
    "--reader",
    type=Named("reader"),
    metavar="NAME",
    help="As if this image reader had been asked for by name.",
)
@click.option("--write", is_flag=True, help="Explain opening for writing.")
@json_option
def explain(
    *,
    path: str,
    data_format: str | None,
    backend: str | None,
    reader: str | None,
    write: bool,
) -> None:
    """Print the ranking of all plugins that might open PATH, with reasons, and who decided.

    For a URL, first that of filesystems. The order: an argument, the recorded format, who is able, the configuration,
    the probe's score, priority, name.
    """
    served = _served(path)
    location = late.storage.locate(path) if served is None else served[0].location
    opener = (
        late.registry.choose_filesystem(path, thorough=True) if served is None and "://" in path else None
    )
    if opener is not None and not is_json():
        # First of all, since it is wanted most where nothing can be opened.
        print_line(f"{location.url}\n{late.explain.render(opener)}\n")
    sections: list[tuple[_Array, list[Choice]]] = []
    head = _head(location) if served is None else None
    if head is not None:
        choice = late.registry.choose_reader(location, head, explicit=reader, thorough=True)
        sections.append((_Array(location), [choice]))
    else:
        for found in _arrays(location, data_format) if served is None else served:
            array, recorded = found.location, found.data_format
            choices = []
            if recorded is None and backend is None:
                choice, is_array = _format_or_importer(array)
                choices.append(choice)
                if not is_array:
                    sections.append((found, choices))
                    continue
                recorded = choice.name
            choices.append(
                late.registry.choose_backend(
                    array,
                    data_format=recorded,
                    mode="r+" if write else "r",
                    explicit=backend,
                    thorough=True,
                )
            )
            sections.append((found, choices))
    if is_json():
        facts = [
            found.facts() | {"choices": list(map(late.explain.as_facts, choices))}
            for found, choices in sections
        ]
        told: dict[str, Any] = {"path": location.url if served is None else path, "arrays": facts}
        if opener is not None:
            told["filesystem"] = late.explain.as_facts(opener)
        print_result(told)
    else:
        texts = ("\n".join([found.title, *map(late.explain.render, choices)]) for found, choices in sections)
        print_line("\n\n".join(texts))


def _format_or_importer(location: Location) -> tuple[Choice, bool]:
    """Choose the format of an array, or the importer of a container of arrays; and whether it is an array."""
    try:
        return late.registry.choose_format(location, thorough=True), True
    except (UnknownFormatError, MissingError) as error:
        try:
            with late.answers.answers_kept():
                return late.registry.choose_importer(location), False
        except (UnknownNameError, UnlistableError):
            missing = isinstance(error, MissingError) and not location.lists_all
            raise (late.storage.nothing_at(location) if missing else error) from error


class _Array(NamedTuple):
    """A place to explain, with what the dataset records about it: layer None where there is no dataset."""

    location: Location
    data_format: str | None = None
    layer: str | None = None
    has_mags: bool = True

    @property
    def title(self) -> str:
        if self.layer is None:
            return self.location.url
        recorded = f"layer '{self.layer}', format {self.data_format} as {late.document.FILE_NAME} records it"
        return f"{self.location.url}: {recorded}{'' if self.has_mags else '; it has no mags'}"

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"path": self.location.url}
        if self.layer is not None:
            facts |= {
                "layer": self.layer, "recorded_format": self.data_format, "has_mags": self.has_mags,
            }  # fmt: skip
        return facts


def _served(url: str) -> list[_Array] | None:
    """Give the arrays of a dataset behind a service, one per layer; None for a plain place."""
    if late.registry.service_for(url) is None:
        return None
    dataset = open_dataset(url, read_only=True).state
    arrays = []
    for layer in dataset.layers.values():
        finest = next(iter(layer.mags.values()), None)
        place = layer.location if finest is None else finest.location
        arrays.append(_Array(place, layer.data_format, layer.name, finest is not None))
    return arrays or [_Array(dataset.location)]


def _head(location: Location) -> bytes | None:
    """The first bytes of a file or object; None for folders, which have no version, or are a page for people."""
    local = location.local_path()
    try:
        if not Path(local).is_file() if local is not None else location.version() is None:
            return None
    except StorageError:
        return None
    try:
        return location.read(0, _HEAD_BYTES)
    except WebPageError:
        return None


def _arrays(location: Location, data_format: str | None) -> Iterator[_Array]:
    """Iterate over the arrays to explain: one per layer of a dataset, or just the place itself."""
    if data_format is not None:
        yield _Array(location, data_format)
        return
    # A dataset, its layer, or a layer's mag: the properties lie here, one or two folders above.
    root = location
    for _ in range(3):
        document = _properties(root)
        if document is not None:
            yield from _recorded(root, document, location)
            return
        if root.parent == root:
            break
        root = root.parent
    yield _Array(location)


def _properties(root: Location) -> dict[str, Any] | None:
    try:
        text = root.child(late.document.FILE_NAME).read()
    except StorageError as error:
        if root.local_path() is None and not late.failures.may_be_hidden(error, root):
            raise
        return None
    try:
        document = json.loads(text)
    except ValueError as error:
        raise PropertiesError(f"{root.child(late.document.FILE_NAME).url} is not JSON: {error}") from error
    return document if isinstance(document, dict) else None


def _recorded(root: Location, document: dict[str, Any], wanted: Location) -> Iterator[_Array]:
    found = False
    for layer in document.get("dataLayers", []):
        name, data_format = layer.get("name", ""), layer.get("dataFormat", "")
        mags = [
            root.child(*_mag_path(name, mag)) for mag in layer.get("mags", layer.get("wkwResolutions", []))
        ]
        inside = [mag for mag in mags if f"{mag.url}/".startswith(f"{wanted.url}/")]
        if not inside and wanted != root:
            continue
        found = True
        yield _Array(inside[0] if inside else root.child(name), data_format, name, bool(inside))
    if not found:
        yield _Array(wanted)  # not listed: to be probed


def _mag_path(layer: str, mag: dict[str, Any]) -> list[str]:
    path = mag.get("path")
    if isinstance(path, str) and "://" not in path:
        return [part for part in path.split("/") if part not in ("", ".", "..")]
    factors = mag.get("mag", mag.get("resolution", 1))
    factors = [factors] * 3 if isinstance(factors, int) else factors
    return [layer, str(factors[0]) if len(set(factors)) == 1 else "-".join(map(str, factors))]
