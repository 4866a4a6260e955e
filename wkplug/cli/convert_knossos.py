"""`wkplug convert-knossos`: KNOSSOS cubes to a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wkplug.cli.converting import (
    category_option,
    convert_layer,
    layer_options,
    memory_option,
    orientation_options,
)
from wkplug.cli.options import MAG, PLACE, executor_options, storage_options
from wkplug.cli.output import json_option

if TYPE_CHECKING:
    from wkplug.abc import Executor

__all__ = ["convert_knossos"]


@click.command()
@click.argument("source", type=PLACE)
@click.argument("target", type=PLACE)
@layer_options(voxel_size_needed=False)
@category_option("color")
@click.option(
    "--dtype", help="Type of the cubes' voxels; unsigned, of the size that the cubes tell, if left out."
)
@click.option(
    "--mag",
    type=MAG,
    default="1",
    show_default=True,
    help="The mag that the cubes are; 1 for what their folder or knossos.conf says.",
)
@orientation_options
@memory_option
@storage_options
@json_option
@executor_options
def convert_knossos(source: str, target: str, *, executor: Executor, **options: Any) -> None:
    """Convert the KNOSSOS cubes in the folder SOURCE to a layer of the dataset at TARGET.

    SOURCE holds x0000/y0000/z0000/*.raw, cubes of 128 voxels along each axis; those that are missing are zero. A
    dataset that is there gets one more layer. Coarser mags are not made: wkplug downsample makes them.
    """
    from wkplug.ops.importing.sources import container_input

    groups = container_input(source, options["layer_name"], "knossos")
    stored = groups[options["layer_name"]].files[0].info.dtype
    convert_layer(
        groups,
        target,
        executor,
        options,
        category=options["category"],
        mag=options["mag"],
        dtype=_checked(options["dtype"], stored, source),
    )


def _checked(wanted: str | None, stored: str, source: str) -> str | None:
    """Refuse to call the bytes of cubes something that they can't be."""
    import numpy

    from wkplug.errors import UnsupportedDtypeError
    from wkplug.model.dtypes import dtype_name

    if wanted is None:
        return None
    asked, found = numpy.dtype(dtype_name(wanted)), numpy.dtype(stored)
    if asked.kind not in "ui" or asked.itemsize != found.itemsize:
        raise UnsupportedDtypeError(
            f"The cubes in {source} have voxels of {found.itemsize} bytes: they aren't {asked}.",
            hint=f"Give {found}, int{8 * found.itemsize}, or nothing.",
        )
    return str(asked)
