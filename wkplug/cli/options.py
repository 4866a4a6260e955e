"""Parameter types and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from wkplug.geometry import Mag

__all__ = [
    "MAG",
    "SHAPE",
    "VOXEL_SIZE",
    "downsample_options",
    "executor_options",
    "make_executor",
    "storage_options",
]

F = TypeVar("F", bound=Callable[..., Any])


class _Numbers(click.ParamType[tuple[Any, ...]]):
    """One number for all axes, or x,y,z."""

    def __init__(self, name: str, kind: type[int] | type[float], *, single: bool) -> None:
        self.name = name
        self._kind = kind
        self._single = single

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(self._kind(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if len(numbers) == 1 and self._single:
            numbers *= 3
        if len(numbers) != 3:
            one = "one number or " if self._single else ""
            self.fail(f"{value!r} is not {one}three numbers such as 1,1,1.", param, ctx)
        return numbers


class _MagType(click.ParamType["Mag"]):
    name = "mag"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Mag:
        from wkplug.errors import MagError
        from wkplug.geometry import Mag

        try:
            return Mag(value)
        except MagError as error:
            self.fail(str(error), param, ctx)


VOXEL_SIZE = _Numbers("x,y,z", float, single=False)
SHAPE = _Numbers("n or x,y,z", int, single=True)
MAG = _MagType()


def _all(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def storage_options(function: F) -> F:
    """--data-format, --chunk-shape, --shard-shape (or --chunks-per-shard, as of old), --compress."""
    return _all(
        click.option(
            "--data-format", help="Storage format of the layers; the configured default if left out."
        ),
        click.option("--chunk-shape", type=SHAPE, help="Voxels that are encoded as one, n or x,y,z."),
        click.option(
            "--shard-shape", type=SHAPE, help="Voxels of one file, n or x,y,z; a multiple of the chunk."
        ),
        click.option(
            "--chunks-per-shard", type=SHAPE, help="Deprecated: chunks along an edge of a shard, n or x,y,z."
        ),
        click.option(
            "--compress/--no-compress", default=True, show_default=True, help="Compress the chunks."
        ),
    )(function)


def downsample_options(function: F) -> F:
    """--max-mag, --interpolation-mode, --sampling-mode."""
    return _all(
        click.option(
            "--max-mag", "--coarsest-mag", "coarsest_mag", type=MAG,
            help="Coarsest mag, n or x-y-z; computed from the size if left out.",
        ),
        click.option(
            "--interpolation-mode", default="default", show_default=True,
            help="median, mode, nearest, ...; default: median for images, mode for segmentations.",
        ),
        click.option(
            "--sampling-mode", type=click.Choice(["anisotropic", "isotropic", "constant_z"]), default="anisotropic",
            show_default=True, help="How the axes take turns.",
        ),
    )(function)  # fmt: skip


def executor_options(function: F) -> F:
    """--jobs and --distribution-strategy."""
    return _all(
        click.option("--jobs", type=click.IntRange(min=1), help="How many tasks run side by side."),
        click.option(
            "--distribution-strategy", "strategy", default="threads", show_default=True,
            help="Where work runs: threads, sequential, or an executor of a plugin.",
        ),
    )(function)  # fmt: skip


def make_executor(strategy: str, jobs: int | None) -> Any:
    """Make the executor of these options; a usage error for a contradiction."""
    from wkplug import registry

    if strategy == "sequential" and jobs is not None:
        raise click.BadParameter("--jobs has no meaning with --distribution-strategy sequential.")
    name = {"multiprocessing": "threads"}.get(strategy, strategy)
    executor = registry.executor(name)
    if jobs is not None:
        executor.workers = jobs
    return executor
