"""Choosing the backend and the format of an array: offers, settings and probes become candidates for `select`.

Formats and implementations are two questions. Which format an array has is recorded, configured by a rule, or
probed; who implements it is configured, or a matter of priority. Probing looks for the marker files that
specs name before it imports anything, and asks one implementation per format.

Errors of a probe: forbidden or broken storage is the caller's business and passes; anything else is a fault
of that plugin and only takes it out of the choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from wkplug.abc.arrays import ArrayBackend, ProbeScore
from wkplug.abc.problems import Problem
from wkplug.config import Rule, current
from wkplug.errors import (
    ConfigError,
    InvalidArgumentError,
    MissingError,
    UnknownFormatError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug.notices import listed
from wkplug.registry.missing import known, unavailable
from wkplug.registry.plugins import BACKEND, DIALECT
from wkplug.registry.registry import current_registry, get_manager
from wkplug.registry.selection import Candidate, Choice, Preference, select

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wkplug.abc import Array, ArraySpec, CreateArray, Location, MetadataDialect, OpenArray
    from wkplug.registry.manager import Registered

__all__ = [
    "array_markers",
    "axes_of_format",
    "backend",
    "check_backends",
    "check_format",
    "choose_backend",
    "choose_creator",
    "choose_format",
    "create_array",
    "dialects",
    "formats",
    "matching_rules",
    "metadata_files",
    "open_array",
]

Purpose: TypeAlias = Literal["r", "r+", "create"]


def formats() -> tuple[str, ...]:
    """Give the data formats that enabled plugins offer, sorted."""
    return tuple(sorted({offer.spec.format for offer in current_registry().offers(BACKEND)}))


def array_markers(data_format: str | None = None) -> frozenset[str]:
    """The names of the files that make a folder an array of a format, by default of any at hand."""
    return frozenset(
        marker
        for offer in current_registry().offers(BACKEND)
        if data_format in (None, offer.spec.format)
        for marker in offer.spec.markers
    )


def metadata_files() -> frozenset[str]:
    """The names of all files that may describe an array in its folder, of whatever format."""
    return array_markers() | current_registry().values(BACKEND, "sidecars")


def axes_of_format(name: str) -> tuple[str, ...] | None:
    """The one order of axes that arrays of a format have; None if it is free, or the format isn't known."""
    return current_registry().axes_of_formats().get(name)


def check_format(name: str) -> str:
    """Give `name` back if a plugin offers that data format.

    UnknownFormatError (a ValueError) with a suggestion if nobody knows it; PluginMissingError,
    PluginBrokenError, PluginBlockedError or PluginIncompatibleError if the plugin that would is not at hand.
    """
    if name not in formats():
        raise _no_such_format(name)
    return name


def _no_such_format(name: str) -> Exception:
    return unavailable(
        get_manager(),
        f"the data format '{name}'",
        "formats",
        name,
        installed=formats(),
        unknown=UnknownFormatError,
    )


def backend(name: str) -> ArrayBackend:
    """Give the array backend "format+implementation", the same object each time."""
    return current_registry().get(BACKEND, name)


def check_backends(backends: Mapping[str, str]) -> dict[str, str]:
    """Give a mapping from data formats to implementations ("zarr" or "zarr3+zarr"), each with its full name.

    The errors of `check_format` and `backend` for names that nobody has; InvalidArgumentError for another format's.
    """
    checked = {}
    for data_format, named in backends.items():
        check_format(str(data_format))
        name = named if "+" in named else f"{data_format}+{named}"
        if name.partition("+")[0] != data_format:
            raise InvalidArgumentError(
                f"The backend {named!r} was asked for {data_format}, but it is for {name.partition('+')[0]}.",
                hint=f"Name an implementation of {data_format}.",
            )
        checked[str(data_format)] = current_registry().find(BACKEND, name).spec.name
    return checked


def choose_backend(
    location: Location,
    *,
    data_format: str | None = None,
    mode: Literal["r", "r+", "create"] = "r",
    explicit: str | None = None,
    spec: ArraySpec | None = None,
    thorough: bool = False,
) -> Choice:
    """Choose who opens or creates the array at `location`; the choice's `winner` is the ArrayBackend.

    data_format: what the data record, or the user wants; None leaves it to rules and probing. mode: "create"
    also where `spec` says what is to be created. explicit: a backend's name, or an implementation's alone.
    thorough: ask even those that can't win any more, to explain the choice. Warnings of the winner are in
    `Choice.warnings`, for the caller to tell or not.

    UnableError (or what a backend's Problem names) if the one asked for, or all, can't do it here;
    AmbiguousChoiceError if the place looks like two formats; MissingError if there is nothing to open.
    """
    registry = current_registry()
    purpose: Purpose = mode if spec is None else "create"
    if explicit is not None and "+" in explicit:
        named = explicit.partition("+")[0]
        if data_format is not None and named != data_format:
            raise InvalidArgumentError(
                f"The data format is {data_format}, but the backend '{explicit}' is for {named}.",
                hint=f"Name an implementation of {data_format}, or none.",
            )
        data_format = named
        registry.find(BACKEND, explicit)
    if data_format is None:
        data_format = choose_format(location).name
    offers = [offer for offer in registry.offers(BACKEND) if offer.spec.format == data_format]
    if not offers:
        raise _no_such_format(data_format)
    if purpose != "r" and not thorough and not any(offer.spec.writes for offer in offers):
        done = "created" if purpose == "create" else "written to"
        raise UnsupportedOperationError(
            f"{data_format} arrays cannot be {done} ({location.url}): no installed plugin writes that format, "
            f"{', '.join(offer.spec.name for offer in offers)} only reads it.",
            hint="Copy the layer with another data_format, and write to the copy.",
        )
    preference = _backend_preference(data_format, location.url, explicit)
    verb = {"r": "reading", "r+": "writing to", "create": "creating"}[purpose]

    def ask(offer: Registered) -> tuple[Problem, ...]:
        if purpose != "r" and not offer.spec.writes:
            return (Problem(code="read-only", text="it only reads"),)
        return _problems(registry.build(BACKEND, offer), location, spec, purpose)

    return registry.choose(
        BACKEND,
        offers,
        what=f"{verb} '{location.url}'",
        preference=preference,
        ask=ask,
        thorough=thorough,
    )


def choose_creator(
    location: Location,
    lay_out: Callable[[ArrayBackend], ArraySpec],
    *,
    data_format: str,
    explicit: str | None = None,
) -> tuple[Choice, ArraySpec]:
    """Choose who creates an array that is laid out for its backend; gives the choice and the array's spec.

    A backend that is able at this place may not take the layout: then the first that takes it is chosen.
    """
    choice = choose_backend(location, data_format=data_format, mode="create", explicit=explicit)
    spec = lay_out(choice.winner)
    registry = current_registry()
    problems = registry.problems(
        BACKEND,
        registry.find(BACKEND, choice.name),
        lambda offer: _problems(registry.build(BACKEND, offer), location, spec, "create"),
    )
    if any(problem.severity == "error" for problem in problems):
        choice = choose_backend(location, data_format=data_format, explicit=explicit, spec=spec)
    return choice, spec


def _problems(
    backend: ArrayBackend, location: Location, spec: ArraySpec | None, purpose: Purpose
) -> tuple[Problem, ...]:
    """Ask a backend, and check what its capabilities say where it has no objection of its own."""
    found = tuple(backend.problems(spec, location, purpose))
    if any(problem.severity == "error" for problem in found):
        return found
    able = backend.capabilities
    if able.places is not None and all(location.native(kind) is None for kind in sorted(able.places)):
        text = f"it can't work at this place (it needs one of: {listed(able.places)})"
        return (*found, Problem(code="place", text=text))
    if spec is not None and able.axes is not None and spec.axes not in able.axes:
        orders = " or ".join(",".join(each) for each in able.axes)
        text = f"it takes the axes {orders}, not {','.join(spec.axes)}"
        return (*found, Problem(code="axes", text=text))
    if spec is not None and spec.dtype not in able.dtypes:
        return (*found, Problem(code="dtype", text=f"it can't store {spec.dtype}"))
    return found


def open_array(request: OpenArray) -> Array:
    """Open an array with the backend that was chosen, inside all wrappers that plugins put around it."""
    array: Array = get_manager().call("wkplug_open_array", request=request)
    return array


def create_array(request: CreateArray) -> Array:
    """Create an array, likewise."""
    array: Array = get_manager().call("wkplug_create_array", request=request)
    return array


def dialects(data_format: str) -> tuple[MetadataDialect, ...]:
    """Give the metadata dialects for layers of a format, in the order of their names."""
    registry = current_registry()
    offers = [offer for offer in registry.offers(DIALECT) if data_format in offer.spec.formats]
    made: list[MetadataDialect] = []
    for name in sorted({offer.spec.name for offer in offers}):
        # Metadata for others must not keep anybody from writing voxels: a dialect that fails is left out.
        with registry.left_out(name):
            made.append(registry.get(DIALECT, name))
    return tuple(made)


# --- what is configured -------------------------------------------------------------------------------------


def matching_rules(url: str) -> tuple[Rule, ...]:
    """The configured rules for a place, the strongest first."""
    return tuple(rule for rule in current().rules if rule.matches(url))


def _backend_preference(data_format: str, url: str, explicit: str | None) -> Preference | None:
    registry, settings = current_registry(), current()
    if explicit is not None:
        name = explicit if "+" in explicit else f"{data_format}+{explicit}"
        if explicit == data_format and name not in registry.names(BACKEND):
            return None  # no engine's name, but the format's: any of its engines
        registry.find(BACKEND, name)
        return Preference(names=(name,), source="argument")
    for rule in matching_rules(url):
        if data_format in rule.backends:
            return _configured(data_format, rule.backends[data_format], f"rule in {rule.source}")
    # Variables can't say upper case, so a format's name is looked up in lower case, too.
    for key in (data_format, data_format.lower()):
        if key in settings.backends:
            source = settings.source_of(("backends", key))
            return _configured(data_format, settings.backends[key], source)
    return None


def _configured(data_format: str, value: str, source: str) -> Preference:
    name = value if "+" in value else f"{data_format}+{value}"
    if name.partition("+")[0] != data_format:
        raise ConfigError(f"'{value}' is no implementation of {data_format} ({source}).")
    try:
        current_registry().find(BACKEND, name)
    except WkplugError as error:
        error.message = f"{error.message} It is configured: {source}."
        raise
    return Preference(names=(name,), source=source)


# --- which format -----------------------------------------------------------------------------------------


def choose_format(location: Location, *, thorough: bool = False) -> Choice:
    """Find out which data format the array at `location` has, by a rule or by probing; `winner` is its name.

    MissingError if there is nothing; UnknownFormatError if it is nothing that an installed plugin knows;
    AmbiguousChoiceError if it looks like two formats.
    """
    registry, names = current_registry(), formats()
    for rule in matching_rules(location.url):
        if rule.format is not None:
            if rule.format not in names:
                raise _no_such_format(rule.format)
            preference = Preference(names=(rule.format,), source=f"rule in {rule.source}")
            only = [Candidate(name=rule.format, group=rule.format, plugin="")]
            return select(
                "data format",
                only,
                what=f"opening '{location.url}'",
                preference=preference,
                thorough=thorough,
            )
    candidates = []
    present: dict[str, bool] = {}
    for name in names:
        offers = sorted(
            (offer for offer in registry.offers(BACKEND) if offer.spec.format == name),
            key=lambda offer: (-offer.spec.priority, offer.spec.name),
        )
        score = _probe(offers, location, present)
        if score > ProbeScore.NO:
            best = offers[0]
            priority = best.spec.priority
            candidates.append(
                Candidate(
                    name=name,
                    group=name,
                    plugin=best.plugin.described,
                    score=score,
                    priority=min(priority, 0),
                )
            )
    if not candidates:
        raise _no_array(location, names)
    return select(
        "data format",
        candidates,
        what=f"opening '{location.url}'",
        advice=lambda tied: (
            f"Name the format, or add to the configuration:\n{_format_rule(location.url, tied[0])}"
        ),
        thorough=thorough,
    )


def _probe(offers: list[Registered], location: Location, present: dict[str, bool]) -> int:
    """Score one format by its first implementation that works; imports none if no marker file is there."""
    markers = {marker for offer in offers for marker in offer.spec.markers}
    for marker in sorted(markers):
        if marker not in present:
            present[marker] = location.child(marker).exists()
    if markers and not any(present[marker] for marker in markers):
        return ProbeScore.NO
    registry = current_registry()
    for offer in offers:
        score = ProbeScore.NO

        def ask(offer: Registered) -> tuple[Problem, ...]:
            nonlocal score
            backend = registry.build(BACKEND, offer)
            # A backend that doesn't probe leaves it to its markers.
            own = type(backend).probe is not ArrayBackend.probe
            score = backend.probe(location) if own or not markers else ProbeScore.MARKER
            return ()

        if not registry.problems(BACKEND, offer, ask):
            return score
    return ProbeScore.NO


def _format_rule(url: str, name: str) -> str:
    return f'[[rules]]\nmatch = "{url}"\nformat = "{name}"'


def _no_array(location: Location, names: tuple[str, ...]) -> Exception:
    if not location.exists():
        return MissingError(f"There is nothing at '{location.url}'.")
    hints = [f"installed formats: {listed(names)}"]
    for distribution, entry in known().items():
        missing = [name for name in entry.get("formats", ()) if name not in names]
        if missing and any(location.child(marker).exists() for marker in entry.get("markers", ())):
            hints.append(f"it may be {' or '.join(missing)}:   pip install {distribution}")
    return UnknownFormatError(
        f"'{location.url}' is an array of no format that an installed plugin knows.", hint="\n".join(hints)
    )
