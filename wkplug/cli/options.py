"""Parameter types and options that several commands share, and what they stand for: open datasets, layers, executors.

Options that always come together are one decorator. Not here: options of one command or one file of commands.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.types import StringParamType

from wkplug.cli import late
from wkplug.errors import InvalidArgumentError, MagError, WkplugError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.shell_completion import CompletionItem

    from wkplug.abc import Executor
    from wkplug.dataset import Dataset, Layer, MagView
    from wkplug.geometry import Mag
    from wkplug.properties import LengthUnit

__all__ = [
    "BOX",
    "DOWNSAMPLE",
    "LAYER",
    "MAG",
    "PLACE",
    "PLANE_SHAPE",
    "POINT",
    "SHAPE",
    "UNIT",
    "VOXEL_SIZE",
    "Named",
    "Numbers",
    "Served",
    "box_option",
    "chunk_options",
    "combined",
    "compress_option",
    "downsample_options",
    "executor_options",
    "has_services",
    "layer_option",
    "layers_of",
    "mags_of",
    "mags_option",
    "make_executor",
    "open_dataset",
    "reading_server_options",
    "sampling_mode_option",
    "server_options",
    "source_and_target",
    "work_memory_option",
]

F = TypeVar("F", bound=Callable[..., Any])


# --- types of parameters --------------------------------------------------------------------------------------------


class Numbers(click.ParamType[tuple[Any, ...]]):
    """A parameter type: numbers with commas between them, as many as are in `example`.

    single: or one for all. gaps: some may be left out, as in ,,30, and are None. lengths: they are above 0.
    """

    def __init__(
        self,
        name: str,
        kind: type[int] | type[float],
        example: str,
        *,
        single: bool = False,
        gaps: bool = False,
        lengths: bool = False,
    ) -> None:
        self.name = name
        self._kind = kind
        self._example = example
        self._count = example.count(",") + 1
        self._single = single
        self._gaps = gaps
        self._lengths = lengths

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Give the numbers as a tuple; a usage error for anything else."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(self._number(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if all(number is None for number in numbers):
            numbers = ()
        if len(numbers) == 1 and self._single:
            numbers *= self._count
        if len(numbers) != self._count:
            words = {2: "two", 3: "three", 6: "six"}[self._count]
            one = "one number or " if self._single else ""
            self.fail(f"{value!r} is not {one}{words} numbers such as {self._example}.", param, ctx)
        if self._lengths and any(number is not None and number <= 0 for number in numbers):
            self.fail(f"every number of {value!r} must be above 0.", param, ctx)
        return numbers

    def _number(self, text: str) -> Any:
        if self._gaps and not text.strip():
            return None
        number = self._kind(text)
        if not math.isfinite(number):
            raise ValueError(text)
        return number


class _JobResources(click.ParamType[dict[str, Any]]):
    """KEY=VALUE,... with dashes in keys made underscores and numbers read as such, or a JSON object as it is."""

    name = "KEY=VALUE,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        text = str(value).strip()
        if text.startswith("{"):
            try:
                parsed = json.loads(text)
            except ValueError as error:
                self.fail(f"{text!r} is not a JSON object: {error}.", param, ctx)
            return dict(parsed)
        resources: dict[str, Any] = {}
        for part in text.split(","):
            key, equals, amount = part.partition("=")
            if not equals or not key.strip():
                self.fail(f"{part!r} is not KEY=VALUE.", param, ctx)
            resources[key.strip().replace("-", "_")] = _number_or_text(amount.strip())
        return resources


def _number_or_text(text: str) -> int | float | str:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


class _Proposing:
    """What shells propose for a type of parameter: the names of that kind which there are (`cli.completion`)."""

    kind: str

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Give the names that begin with what was typed."""
        from click.shell_completion import CompletionItem

        del param
        return [
            CompletionItem(name)
            for name in late.completion.candidates(self.kind, ctx)
            if name.startswith(incomplete)
        ]


class Named(_Proposing, StringParamType):
    """A name of which there is a list; any text is taken."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class _PlaceType(StringParamType):
    """A path or URL; shells propose files."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        del ctx, param
        return [CompletionItem(incomplete, type="file")]


class Served(click.Option):
    """An option that means something only where a plugin serves it: elsewhere it is understood, and not shown."""

    def __init__(self, *args: Any, served: Callable[[], bool], **kwargs: Any) -> None:
        self._served = served
        super().__init__(*args, **kwargs)

    @property
    def hidden(self) -> bool:
        """Whether help and completion leave it out."""
        try:
            return not self._served()
        except WkplugError:
            return True  # help must always come

    @hidden.setter
    def hidden(self, value: bool) -> None:
        """Click sets what was given; it is asked each time instead."""


class _MagType(_Proposing, click.ParamType["Mag"]):
    name = kind = "mag"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Mag:
        try:
            return late.geometry.Mag(value)
        except MagError as error:
            self.fail(str(error), param, ctx)


class _UnitType(_Proposing, click.ParamType["LengthUnit"]):
    """A unit of length, by its name or its usual abbreviation."""

    name = "nm|um|mm|..."
    kind = "unit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> LengthUnit:
        if isinstance(value, late.properties.LengthUnit):
            return value
        try:
            return late.properties.typed_unit(value)
        except InvalidArgumentError as error:
            self.fail(str(error), param, ctx)


VOXEL_SIZE = Numbers("x,y,z", float, "1,1,1", gaps=True, lengths=True)
SHAPE = Numbers("n or x,y,z", int, "1,1,1", single=True, lengths=True)
PLANE_SHAPE = Numbers("n or x,y", int, "512,512", single=True, lengths=True)
BOX = Numbers("x,y,z,w,h,d", int, "0,0,0,512,512,64")
POINT = Numbers("x,y,z", int, "0,0,64")
MAG = _MagType()
PLACE = _PlaceType()
LAYER = Named("layer")
UNIT = _UnitType()


# --- options, one by one --------------------------------------------------------------------------------------------

layer_option = click.option("--layer-name", type=LAYER, help="Only this layer.")
mags_option = click.option(
    "--mag", "mags", type=MAG, multiple=True, help="Only this mag; may be given several times."
)
box_option = click.option(
    "--bbox", type=BOX, help="Only this box, x,y,z,width,height,depth in voxels of Mag 1."
)
compress_option = click.option(
    "--compress/--no-compress", default=True, show_default=True, help="Compress the chunks."
)
sampling_mode_option = click.option(
    "--sampling-mode", type=click.Choice(["anisotropic", "isotropic", "constant_z"]), default="anisotropic",
    show_default=True, help="How the axes take turns.",
)  # fmt: skip
work_memory_option = click.option(
    "--memory", help="What the work may take, as in 2GB; half of what there is if left out."
)


# --- options that come together -------------------------------------------------------------------------------------


def combined(*decorators: Callable[[Any], Any]) -> Callable[[F], F]:
    """Make one decorator of several, whose options are listed in this order."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


chunk_options = combined(
    click.option("--chunk-shape", type=SHAPE, help="Voxels that are encoded as one, n or x,y,z."),
    click.option(
        "--shard-shape", type=SHAPE, help="Voxels of one file, n or x,y,z; a multiple of the chunk."
    ),
)


source_and_target = combined(click.argument("source", type=PLACE), click.argument("target", type=PLACE))

DOWNSAMPLE = ("coarsest_mag", "interpolation_mode", "sampling_mode")
downsample_options = combined(
    click.option(
        "--max-mag", "--coarsest-mag", "coarsest_mag", type=MAG,
        help="Coarsest mag, n or x-y-z; computed from the size if left out.",
    ),
    click.option(
        "--interpolation-mode", type=Named("mode"), default="default", show_default=True,
        help="median, mode, nearest, ...; default: median for images, mode for segmentations.",
    ),
    sampling_mode_option,
)  # fmt: skip


# --- datasets -------------------------------------------------------------------------------------------------------

_SERVER = ("token", "transfer_mode", "access_mode")


def has_services() -> bool:
    """Whether a plugin speaks for servers."""
    return bool(late.registry.remotes())


reading_server_options = combined(
    click.option(
        "--token", cls=Served, served=has_services, envvar="WK_TOKEN", help="For a dataset on a server.",
    ),
    click.option(
        "--access-mode", cls=Served, served=has_services,
        type=click.Choice(["zarr_streaming", "direct_path", "proxy_path"]),
        help="How voxels of a server's dataset are reached.",
    ),
)  # fmt: skip
"""Pass the command's options on to `open_dataset`."""

server_options = combined(
    reading_server_options,
    click.option(
        "--transfer-mode", cls=Served, served=has_services,
        type=click.Choice(["http", "move+symlink", "symlink", "copy"]),
        help="How new mags of a server's dataset get there.",
    ),
)  # fmt: skip
"""The same for commands that write."""


def open_dataset(
    place: str,
    *,
    read_only: bool = False,
    allow_incomplete: bool = False,
    server: Mapping[str, Any] | None = None,
) -> Dataset:
    """Open the dataset that a command works on: a path, a URL, or something behind a service that a plugin knows.

    server: options of which those of `server_options` go to the service. click.BadParameter for --transfer-mode and
    --access-mode where no service knows the URL; a token is often set for all commands (WK_TOKEN), and says nothing
    about a path.
    """
    given = {name: (server or {}).get(name) for name in _SERVER}
    given = {name: value for name, value in given.items() if value is not None}
    if given and late.registry.service_for(place) is not None:
        options = late.states.OpenOptions({}, read_only, allow_incomplete)
        return late.dataset.Dataset.of(late.states.DatasetState.open(place, options, **given))
    for name in _SERVER[1:]:
        if name in given:
            raise click.BadParameter(
                f"{place} is a plain path or URL; this is for datasets on servers that an installed plugin knows.",
                param_hint=f"--{name.replace('_', '-')}",
            )
    return late.dataset.Dataset.open(place, read_only=read_only, allow_incomplete=allow_incomplete)


def layers_of(dataset: Dataset, name: str | None) -> list[Layer]:
    """The layers that `layer_option` chooses."""
    return list(dataset.layers.values()) if name is None else [dataset.get_layer(name)]


def mags_of(layers: list[Layer], mags: tuple[Mag, ...]) -> list[MagView]:
    """The mags of layers that `mags_option` chooses."""
    return [
        view for layer in layers for view in ([layer.get_mag(mag) for mag in mags] or layer.mags.values())
    ]


# --- executors ------------------------------------------------------------------------------------------------------

_LOCAL = ("processes", "sequential", "threads")
_CLUSTERS = ("kubernetes", "slurm")


def _further_executors() -> list[str]:
    """The executors that plugins bring."""
    return [name for name in late.registry.executors() if name not in _LOCAL]


def _has_clusters() -> bool:
    return bool(_further_executors())


class _Strategy(click.Option):
    """Names in its help the executors that there are."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        if record is None:
            return None
        try:
            further = _further_executors()
        except WkplugError:
            further = []
        batching = ["slurm+batching"] if "slurm" in further else []
        names = ["threads", "processes", "sequential", *further, *batching]
        return record[0], record[1].replace("{names}", f"{', '.join(names[:-1])} or {names[-1]}")


def executor_options(function: F) -> F:
    """--jobs, --distribution-strategy, --job-resources; the command gets `executor`, an open `wkplug.abc.Executor`.

    Put it below the other options, and give the command a parameter `executor`:

        @click.command()
        @click.argument("target", type=PLACE)
        @executor_options
        def upsample(target: str, *, executor: Executor) -> None:
            ...
            pyramids.upsample(layer, executor=executor)

    Contradictions among the three are usage errors (exit code 2) and an executor whose plugin is missing ends with an
    error that names it (1), both before the command's first line. The executor starts its workers with the first
    call and ends them when the command is left, so the command neither makes nor closes it.
    """

    @wraps(function)
    def command(
        *args: Any, jobs: int | None, strategy: str, job_resources: dict[str, Any] | None, **kwargs: Any
    ) -> Any:
        with make_executor(strategy, jobs, job_resources) as executor:
            return function(*args, executor=executor, **kwargs)

    return combined(
        click.option(
            "--jobs", type=click.IntRange(min=1),
            help="How many tasks run side by side; as many as there are processors if left out.",
        ),
        click.option(
            "--distribution-strategy", "strategy", type=Named("executor"), default="threads", show_default=True,
            cls=_Strategy, help="Where work runs: {names}. multiprocessing, as of old, is threads.",
        ),
        click.option(
            "--job-resources", type=_JobResources(), cls=Served, served=_has_clusters,
            help="What a cluster gives to each job: KEY=VALUE,..., or a JSON object.",
        ),
    )(cast("F", command))  # fmt: skip


def make_executor(
    strategy: str, jobs: int | None = None, job_resources: Mapping[str, Any] | None = None
) -> Executor:
    """Make the executor of these options; click.BadParameter for a contradiction, UnknownNameError if nobody has it.

    Plugins get `workers` (from --jobs) and `job_resources` as settings; for `slurm+batching` the executor `slurm` gets
    `batch_size` (taken out of the resources), or `target_job_count` (from --jobs) instead.
    """
    name, batching, rest = strategy.partition("+batching")
    name = {"multiprocessing": "threads"}.get(name, name)
    resources = dict(job_resources or {})
    if rest or (batching and name != "slurm"):
        raise click.BadParameter(
            f"batching is known as slurm+batching only, not as {strategy}.",
            param_hint="--distribution-strategy",
        )
    if name in _LOCAL and resources:
        raise click.BadParameter(
            f"--job-resources has no meaning with --distribution-strategy {strategy}.",
            param_hint="--job-resources",
        )
    if name == "sequential" and jobs is not None:
        raise click.BadParameter(
            "--jobs has no meaning with --distribution-strategy sequential.", param_hint="--jobs"
        )
    if name in _CLUSTERS and not resources:
        raise click.BadParameter(
            f"--distribution-strategy {strategy} needs --job-resources.", param_hint="--job-resources"
        )
    options: dict[str, Any] = {}
    if batching:
        sizes = [resources.pop(key) for key in ("batch_size", "batch-size") if key in resources]
        if len(sizes) + (jobs is not None) != 1:
            raise click.BadParameter(
                "slurm+batching needs either --jobs, the number of jobs to make, or batch_size in "
                f"--job-resources; {'there are both' if sizes else 'there is neither'}.",
                param_hint="--jobs",
            )
        options = {"batch_size": sizes[0]} if sizes else {"target_job_count": jobs}
    elif jobs is not None:
        options["workers"] = jobs
    if resources:
        options["job_resources"] = resources
    return late.registry.executor(name, options)
