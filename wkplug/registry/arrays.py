"""Choosing the backend and the format of an array: offers, settings and probes become candidates for `select`.

Formats and implementations are two questions. Which format an array has is recorded, configured by a rule, or
probed; who implements it is configured, or a matter of priority. Probing looks for the marker files that
specs name before it imports anything, and asks one implementation per format.

Errors of a probe: forbidden or broken storage is the caller's business and passes; anything else is a fault
of that plugin and only takes it out of the choice.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from wkplug.abc.arrays import ArrayBackend, ProbeScore, Problem
from wkplug.config import Rule, current
from wkplug.config.hints import listed
from wkplug.errors import (
    ConfigError,
    InvalidArgumentError,
    MissingError,
    PluginBrokenError,
    PluginMissingError,
    UnknownFormatError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug.registry.plugins import BACKEND, cause_of
from wkplug.registry.registry import Registry, conflict
from wkplug.registry.selection import Candidate, Choice, Preference, select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wkplug.abc.arrays import ArraySpec
    from wkplug.abc.locations import Location
    from wkplug.registry.manager import Registered
    from wkplug.registry.plugins import Kind

    Assess: TypeAlias = Callable[[Registered], Iterable[Problem]]

__all__ = [
    "assessed",
    "candidates_of",
    "choose_backend",
    "choose_format",
    "formats",
    "matching_rules",
    "no_such_format",
]

Purpose: TypeAlias = Literal["r", "r+", "create"]


def formats(registry: Registry) -> tuple[str, ...]:
    """All data formats that an enabled plugin offers, sorted."""
    return tuple(sorted({offer.spec.format for offer in registry.offers(BACKEND)}))


def no_such_format(registry: Registry, name: str) -> Exception:
    """Build the error for a data format that no working plugin offers."""
    from wkplug.registry.missing import unavailable

    return unavailable(
        registry.manager,
        f"the data format '{name}'",
        "formats",
        name,
        installed=formats(registry),
        unknown=UnknownFormatError,
    )


def choose_backend(
    registry: Registry,
    location: Location,
    *,
    data_format: str | None,
    mode: Purpose,
    explicit: str | None,
    spec: ArraySpec | None,
    thorough: bool = False,
) -> Choice:
    """Choose who opens (or with `spec`, creates) the array at `location`; see `wkplug.registry`."""
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
        data_format = choose_format(registry, location).name
    offers = [offer for offer in registry.offers(BACKEND) if offer.spec.format == data_format]
    if not offers:
        raise no_such_format(registry, data_format)
    if purpose != "r" and not thorough and not any(offer.spec.writes for offer in offers):
        done = "created" if purpose == "create" else "written to"
        raise UnsupportedOperationError(
            f"{data_format} arrays cannot be {done} ({location.url}): no installed plugin writes that format, "
            f"{', '.join(offer.spec.name for offer in offers)} only reads it.",
            hint="Copy the layer with another data_format, and write to the copy.",
        )
    preference = _backend_preference(registry, data_format, location.url, explicit)
    verb = {"r": "reading", "r+": "writing to", "create": "creating"}[purpose]
    made: dict[str, Any] = {}

    def assess(offer: Registered) -> tuple[Problem, ...]:
        if purpose != "r" and not offer.spec.writes:
            return (Problem(code="read-only", text="it only reads"),)
        return _problems(registry, offer, made, location, spec, purpose)

    choice = select(
        BACKEND.words,
        candidates_of(registry, BACKEND, offers, assess, preference),
        what=f"{verb} '{location.url}'",
        preference=preference,
        thorough=thorough,
    )
    return choice._replace(winner=made[choice.name])


def _problems(
    registry: Registry,
    offer: Registered,
    made: dict[str, Any],
    location: Location,
    spec: ArraySpec | None,
    purpose: Purpose,
) -> tuple[Problem, ...]:
    """Ask a backend, and check what its capabilities say where it has no objection of its own."""
    backend: ArrayBackend = registry.build(BACKEND, offer)
    made[offer.spec.name] = backend
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


def candidates_of(
    registry: Registry,
    kind: Kind,
    offers: list[Registered],
    assess: Assess,
    preference: Preference | None,
    scores: dict[str, int] | None = None,
) -> list[Candidate]:
    """Make candidates of offers, each name once; a name that two plugins claim is an unable candidate."""
    preferred = preference.names if preference is not None else ()
    candidates = {}
    check: Callable[[], tuple[Problem, ...]]
    for offer in offers:
        spec = offer.spec
        if clash := registry.conflicts(kind, offer):
            error = conflict(kind, spec.name, clash)
            problem = Problem(
                code="conflict", text=error.message, remedy=error.hint or "", error_type=type(error)
            )
            check = partial(_constant, problem)
        else:
            check = partial(assessed, registry, offer, assess, preferred=spec.name in preferred)
        candidates[spec.name] = Candidate(
            name=spec.name,
            group=getattr(spec, "format", spec.name),
            plugin=offer.plugin.described,
            priority=spec.priority,
            score=(scores or {}).get(spec.name, 0),
            assess=check,
        )
    return list(candidates.values())


def _constant(problem: Problem) -> tuple[Problem, ...]:
    return (problem,)


def assessed(
    registry: Registry, offer: Registered, assess: Assess, *, preferred: bool
) -> tuple[Problem, ...]:
    """Ask a candidate under a guard: what it can't even say is a problem of its plugin.

    Somebody who was asked for by name gets to see the error itself. wkplug's own errors pass where they are
    about the place or the data, because the next candidate would meet the same.
    """
    try:
        return tuple(assess(offer))
    except (PluginBrokenError, PluginMissingError) as error:
        if preferred:
            raise
        if isinstance(error, PluginBrokenError):
            _tell_once(registry, offer, error)
        return (Problem(code="broken", text=error.message, remedy=error.hint or "", error_type=type(error)),)
    except (WkplugError, OSError):
        raise
    except Exception as error:
        plugin = offer.plugin
        broken = PluginBrokenError(
            f"The plugin '{plugin.name}' ({plugin.described}) failed to say whether '{offer.spec.name}' "
            f"can do it: {cause_of(error)}",
            hint=f"see: wkplug plugins --debug {plugin.name}",
        )
        if preferred:
            raise broken from error
        _tell_once(registry, offer, broken)
        return (
            Problem(
                code="broken", text=broken.message, remedy=broken.hint or "", error_type=PluginBrokenError
            ),
        )


def _tell_once(registry: Registry, offer: Registered, error: PluginBrokenError) -> None:
    with registry.left_out(offer.spec.name):
        raise error


# --- wishes -----------------------------------------------------------------------------------------------


def matching_rules(url: str) -> tuple[Rule, ...]:
    """The configured rules for a place, the strongest first."""
    return tuple(rule for rule in current().rules if rule.matches(url))


def _backend_preference(
    registry: Registry, data_format: str, url: str, explicit: str | None
) -> Preference | None:
    settings = current()
    if explicit is not None:
        name = explicit if "+" in explicit else f"{data_format}+{explicit}"
        if explicit == data_format and name not in registry.names(BACKEND):
            return None  # no engine's name, but the format's: any of its engines
        registry.find(BACKEND, name)
        return Preference(names=(name,), source="argument")
    for rule in matching_rules(url):
        if data_format in rule.backends:
            return _configured(registry, data_format, rule.backends[data_format], f"rule in {rule.source}")
    # Variables can't say upper case, so a format's name is looked up in lower case, too.
    for key in (data_format, data_format.lower()):
        if key in settings.backends:
            source = settings.source_of(("backends", key))
            return _configured(registry, data_format, settings.backends[key], source)
    return None


def _configured(registry: Registry, data_format: str, value: str, source: str) -> Preference:
    name = value if "+" in value else f"{data_format}+{value}"
    if name.partition("+")[0] != data_format:
        raise ConfigError(f"'{value}' is no implementation of {data_format} ({source}).")
    try:
        registry.find(BACKEND, name)
    except WkplugError as error:
        error.message = f"{error.message} It is configured: {source}."
        raise
    return Preference(names=(name,), source=source)


# --- which format -----------------------------------------------------------------------------------------


def choose_format(registry: Registry, location: Location, *, thorough: bool = False) -> Choice:
    """Find out which format the array at `location` has: by a rule, or by probing.

    MissingError if there is nothing; UnknownFormatError if it is nothing that an installed plugin knows;
    AmbiguousChoiceError if it looks like two formats.
    """
    names = formats(registry)
    for rule in matching_rules(location.url):
        if rule.format is not None:
            if rule.format not in names:
                raise no_such_format(registry, rule.format)
            preference = Preference(names=(rule.format,), source=f"rule in {rule.source}")
            only = [Candidate(name=rule.format, group=rule.format, plugin="")]
            choice = select(
                "data format",
                only,
                what=f"opening '{location.url}'",
                preference=preference,
                thorough=thorough,
            )
            return choice._replace(winner=rule.format)
    candidates = []
    present: dict[str, bool] = {}
    for name in names:
        offers = sorted(
            (offer for offer in registry.offers(BACKEND) if offer.spec.format == name),
            key=lambda offer: (-offer.spec.priority, offer.spec.name),
        )
        score = _probe(registry, offers, location, present)
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
    choice = select(
        "data format",
        candidates,
        what=f"opening '{location.url}'",
        advice=lambda tied: (
            f"Name the format, or add to the configuration:\n{_format_rule(location.url, tied[0])}"
        ),
        thorough=thorough,
    )
    return choice._replace(winner=choice.name)


def _probe(registry: Registry, offers: list[Registered], location: Location, present: dict[str, bool]) -> int:
    """Score one format by its first implementation that works; imports none if no marker file is there."""
    markers = {marker for offer in offers for marker in offer.spec.markers}
    for marker in sorted(markers):
        if marker not in present:
            present[marker] = location.child(marker).exists()
    if markers and not any(present[marker] for marker in markers):
        return ProbeScore.NO
    for offer in offers:
        score = ProbeScore.NO

        def ask(offer: Registered) -> tuple[Problem, ...]:
            nonlocal score
            backend: ArrayBackend = registry.build(BACKEND, offer)
            # A backend that doesn't probe leaves it to its markers.
            own = type(backend).probe is not ArrayBackend.probe
            score = backend.probe(location) if own or not markers else ProbeScore.MARKER
            return ()

        if not registry.conflicts(BACKEND, offer) and not assessed(registry, offer, ask, preferred=False):
            return score
    return ProbeScore.NO


def _format_rule(url: str, name: str) -> str:
    return f'[[rules]]\nmatch = "{url}"\nformat = "{name}"'


def _no_array(location: Location, names: tuple[str, ...]) -> Exception:
    from wkplug.registry.missing import known

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
