"""`wkplug upload` and `wkplug download`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from wkplug.dataset import Dataset
from wkplug.errors import GeometryError
from wkplug.geometry import BoundingBox, Mag
from wkplug_remote.webknossos.access_modes import RemoteAccessMode
from wkplug_remote.webknossos.context import current, webknossos_context
from wkplug_remote.webknossos.datasets import RemoteDataset
from wkplug_remote.webknossos.service import access_mode as as_mode
from wkplug_remote.webknossos.service import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["download_command", "upload_command"]

_TENTHS = 10


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many bytes are there: a bar on a terminal, else a line for each tenth."""
    if not sys.stderr.isatty():
        told = -1

        def tell(done: int, total: int) -> None:
            nonlocal told
            tenth = _TENTHS if not total else done * _TENTHS // total
            if tenth > told:
                told = tenth
                click.echo(f"{label}: {tenth * 100 // _TENTHS} % of {total / 2**20:,.1f} MiB", err=True)

        yield tell
        return
    with click.progressbar(length=0, label=label, file=sys.stderr) as bar:

        def advance(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield advance


def _box(_: click.Context, parameter: click.Parameter, value: str | None) -> BoundingBox | None:
    if value is None:
        return None
    try:
        x, y, z, width, height, depth = (int(part) for part in value.split(","))
        return BoundingBox((x, y, z), (width, height, depth))
    except (ValueError, GeometryError):
        raise click.BadParameter(
            f"{value!r} is not six numbers such as 0,0,0,64,64,32: x, y, z and the lengths.", param=parameter
        ) from None


def _mags(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> list[Mag]:
    try:
        return [Mag(value) for value in values]
    except GeometryError as error:
        raise click.BadParameter(error.message, param=parameter) from None


@click.command()
@click.argument("source")
@click.option("--webknossos-url", envvar="WK_URL", help="The server; https://webknossos.org if left out.")
@click.option(
    "--token", envvar="WK_TOKEN", help="The token of a user there; found in the account's settings."
)
@click.option("--dataset-name", help="The name there; by default the dataset's own.")
@click.option("--folder", help="The folder there, as Datasets/Folder_A.")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=5, show_default=True, help="Pieces sent at the same time."
)
@click.option(
    "--transfer-mode",
    type=click.Choice(["http", "copy", "symlink", "move+symlink"]),
    default="http",
    show_default=True,
    help="By HTTP, or by copies or links where the server sees the same disk.",
)
def upload(
    source: str,
    *,
    webknossos_url: str | None,
    token: str | None,
    dataset_name: str | None,
    folder: str | None,
    jobs: int,
    transfer_mode: str,
) -> None:
    """Bring the dataset SOURCE to a WEBKNOSSOS server.

    If it is broken off, the same call goes on with what is missing.
    """
    dataset = Dataset.open(source, read_only=True)
    here = current()
    with (
        webknossos_context(webknossos_url or here.url, token or here.token),
        _progress(f"upload {dataset.name}") as progress,
    ):
        made = RemoteDataset.upload_of(
            dataset,
            new_dataset_name=dataset_name,
            folder=folder,
            jobs=jobs,
            transfer_mode=transfer_mode,
            progress=progress,
        )
    click.echo(made.url)


@click.command()
@click.argument("target")
@click.option(
    "--url", required=True, help="The address of the dataset, as the browser shows it; with or without token."
)
@click.option("--token", envvar="WK_TOKEN", help="The token of a user there.")
@click.option("--bbox", callback=_box, help="Only this part: x,y,z,w,h,d in voxels of Mag 1.")
@click.option("--layer", "layers", multiple=True, help="Only this layer; may be given several times.")
@click.option(
    "--mag", "mags", multiple=True, callback=_mags, help="Only this mag; may be given several times."
)
@click.option("--data-format", help="The format of the copy; zarr3 if left out.")
@click.option("--exist-ok", is_flag=True, help="Add to the dataset that is at TARGET.")
@click.option(
    "--access-mode",
    type=click.Choice([mode.value for mode in RemoteAccessMode]),
    help="How voxels are reached; as they are stored, if left out.",
)
def download(
    target: str,
    *,
    url: str,
    token: str | None,
    bbox: BoundingBox | None,
    layers: tuple[str, ...],
    mags: list[Mag],
    data_format: str | None,
    exist_ok: bool,
    access_mode: str | None,
) -> None:
    """Copy a dataset of a WEBKNOSSOS server, or a part of it, to the folder TARGET.

    If it is broken off, the same call goes on with what is missing.
    """
    dataset = RemoteDataset.of_source(find(url, token=token, mode=as_mode(access_mode)))
    copied = dataset.download(
        path=target,
        bounding_box=bbox,
        layers=list(layers) or None,
        mags=mags or None,
        data_format=data_format,
        exist_ok=exist_ok,
    )
    click.echo(f"Wrote {copied.path}")


def upload_command(_: Any) -> click.Command:
    """Give the command `upload`."""
    return upload


def download_command(_: Any) -> click.Command:
    """Give the command `download`."""
    return download
