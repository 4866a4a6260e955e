"""What plugins offer: finds the offer of a name, builds what its factory makes, chooses among several.

A factory is imported here, when its spec was chosen, and under a guard: a factory that fails is a
PluginBrokenError with its cause, never a bare ImportError from somewhere inside. Two plugins with one name
are a PluginConflictError when that name is used; everything else keeps working.

A process has one registry for each set of plugins that may run, which is made when it is first asked; tests bring a
manager of their own. Which offers come into question for a task is not known here, but in the modules beside.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from wkplug import abc
from wkplug.config import DEFAULT, Settings, Table, current
from wkplug.config.model import flag
from wkplug.errors import (
    ConfigError,
    PluginBrokenError,
    PluginConflictError,
    PluginError,
    PluginMissingError,
    UnknownNameError,
    WkplugError,
)
from wkplug.lazy import resolve
from wkplug.notices import did_you_mean, warn_user
from wkplug.registry.manager import Manager
from wkplug.registry.missing import unavailable
from wkplug.registry.plugins import BACKEND, SETTINGS, Kind, Plugin, PluginWarning, broken, cause_of
from wkplug.registry.selection import Candidate, Choice, Preference, select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from wkplug.abc import Problem
    from wkplug.registry.manager import Registered

    Ask: TypeAlias = Callable[[Registered], Iterable[Problem]]

__all__ = ["Registry", "current_registry", "get_manager", "once", "use_manager"]

_Made = TypeVar("_Made")


class Registry:
    """What a manager's plugins offer, by kind and name, and the objects built so far."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self.last_filesystems: dict[str, tuple[Settings, Any]] = {}
        self._built: dict[tuple[str, str, str], tuple[Table, Any]] = {}
        self._lock = threading.RLock()
        self._left_out: set[str] = set()
        self._axes: tuple[tuple[Registered, ...], dict[str, tuple[str, ...]]] = ((), {})

    @contextmanager
    def left_out(self, name: str) -> Iterator[None]:
        """Skip what fails inside: one warning per name and process, or the error itself if strict."""
        try:
            yield
        except (PluginBrokenError, PluginConflictError, PluginMissingError) as error:
            if self.manager.settings.strict:
                raise
            with self._lock:
                first = name not in self._left_out
                self._left_out.add(name)
            if first:
                warn_user(f"{error}\n  It is left out.", PluginWarning)

    def offers(self, kind: Kind[Any]) -> tuple[Registered, ...]:
        """All offers of a kind, sorted by the plugins' names."""
        return self.manager.collect(kind.hook)

    def axes_of_formats(self) -> dict[str, tuple[str, ...]]:
        """The order of axes of each data format that has just one; made once, since each opened layer asks."""
        offers = self.offers(BACKEND)
        if self._axes[0] is not offers:
            found = {offer.spec.format: offer.spec.axes for offer in reversed(offers) if offer.spec.axes}
            self._axes = offers, found
        return self._axes[1]

    def names(self, kind: Kind[Any]) -> tuple[str, ...]:
        """All names of a kind, sorted."""
        return tuple(sorted({offer.spec.name for offer in self.offers(kind)}))

    def values(self, kind: Kind[Any], field: str) -> frozenset[Any]:
        """All that the specs of a kind list in one of their fields: "suffixes", "markers", "schemes"."""
        return frozenset(value for offer in self.offers(kind) for value in getattr(offer.spec, field))

    def named(self, kind: Kind[Any], name: str) -> tuple[list[Registered], Preference]:
        """What `choose` needs where somebody asks for a name or alias: the only offer, and that it is preferred."""
        offer = self.find(kind, name)
        return [offer], Preference(names=(offer.spec.name,), source="argument")

    def find(self, kind: Kind[Any], name: str) -> Registered:
        """Find the offer of that name or alias; one of the errors for missing things if there is none."""
        found = [o for o in self.offers(kind) if name == o.spec.name] or [
            o for o in self.offers(kind) if name in getattr(o.spec, "aliases", ())
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise _conflict(kind, name, found)
        raise unavailable(
            self.manager,
            f"the {kind.words} '{name}'",
            kind.known,
            name,
            installed=self.names(kind),
            unknown=UnknownNameError,
        )

    def get(self, kind: Kind[_Made], name: str) -> _Made:
        """Give what is called `name`, the same object each time."""
        return self.build(kind, self.find(kind, name))

    def choose(
        self,
        kind: Kind[_Made],
        offers: Iterable[Registered],
        *,
        what: str,
        preference: Preference | None = None,
        ask: Ask | None = None,
        scores: Mapping[str, int] | None = None,
        advice: Callable[[Sequence[str]], str] | None = None,
        thorough: bool = False,
    ) -> Choice:
        """Choose among the offers of a kind, of which there is at least one; the choice's `winner` is the object.

        ask: the reasons against an offer; those that can't be built are out in any case. scores: of their probes, by
        name. advice: to name one, if no other is given. All else, and the errors, as of
        `wkplug.registry.selection.select`.
        """
        by_name = {offer.spec.name: offer for offer in offers}
        preferred = preference.names if preference is not None else ()
        candidates = [
            Candidate(
                name=name,
                group=getattr(offer.spec, "format", name),
                plugin=offer.plugin.described,
                priority=offer.spec.priority,
                score=(scores or {}).get(name, 0),
                assess=partial(self.problems, kind, offer, ask, preferred=name in preferred),
            )
            for name, offer in by_name.items()
        ]
        return select(
            kind.words,
            candidates,
            what=what,
            preference=preference,
            advice=advice or (lambda names: f'Name one: {kind.words}="{names[0]}"'),
            thorough=thorough,
            made=lambda name: self.build(kind, by_name[name]),
        )

    def problems(
        self, kind: Kind[_Made], offer: Registered, ask: Ask | None = None, *, preferred: bool = False
    ) -> tuple[Problem, ...]:
        """Ask what speaks against an offer, under a guard: a plugin that can't even say has a problem itself.

        So has a name that two plugins claim. Where it is `preferred`, somebody asked for it by name, and gets to see
        the error itself. wkplug's own errors pass where they are about the place or the data, because the next
        candidate would meet the same.
        """
        same = [other for other in self.offers(kind) if other.spec.name == offer.spec.name]
        if len(same) > 1:
            return (_problem("conflict", _conflict(kind, offer.spec.name, same)),)
        try:
            return tuple(ask(offer) if ask is not None else self._made(kind, offer))
        except (PluginBrokenError, PluginMissingError) as error:
            if preferred:
                raise
            failure: PluginError = error
        except (WkplugError, OSError):
            raise
        except Exception as error:
            failure = broken(
                offer.plugin,
                f"failed to say whether '{offer.spec.name}' can do it: {cause_of(error)}",
            )
            failure.__cause__ = error
            if preferred:
                raise failure from error
        if isinstance(failure, PluginBrokenError):
            with self.left_out(offer.spec.name):
                raise failure
        return (_problem("broken", failure),)

    def _made(self, kind: Kind[_Made], offer: Registered) -> tuple[Problem, ...]:
        """Nothing speaks against what can be built."""
        self.build(kind, offer)
        return ()

    def build(self, kind: Kind[_Made], offer: Registered) -> _Made:
        """Give what the factory makes: the same object each time, until the plugin's settings change."""
        table = current().plugin_table(offer.plugin.name)
        key = (kind.hook, offer.plugin.distribution, offer.spec.name)
        with self._lock:
            built = self._built.get(key)
            if built is None or built[0] != table:
                built = self._built[key] = (table, self.make(kind, offer))
            made: _Made = built[1]
            return made

    def make(self, kind: Kind[_Made], offer: Registered, options: Mapping[str, Any] | None = None) -> _Made:
        """Call the factory, with the plugin's settings and `options` laid over them.

        PluginBrokenError if it fails; wkplug's own errors pass.
        """
        plugin = offer.plugin
        settings = self.settings_of(plugin, options)
        stage = f"failed to make '{offer.spec.name}'"
        try:
            made: _Made = _resolved(offer.spec.factory)(settings)
        except WkplugError:
            raise
        except Exception as error:
            raise self._broken(plugin, stage, error) from error
        if kind.makes is not None and not isinstance(made, getattr(abc, kind.makes)):
            wrong = PluginError(f"its factory gave a {type(made).__name__}, which is no {kind.makes}")
            raise self._broken(plugin, stage, wrong) from wrong
        return made

    def settings_of(self, plugin: Plugin, options: Mapping[str, Any] | None = None) -> Any:
        """Give a plugin's settings: an instance of its class, or the mapping under `[plugin.NAME]`.

        ConfigError if the plugin's class refuses them.
        """
        table = Table({**current().plugin_table(plugin.name), **(options or {})})
        offered = [offer for offer in self.offers(SETTINGS) if offer.plugin is plugin]
        if not offered:
            return table
        stage = "failed to give its settings class"
        try:
            kind = _resolved(offered[0].spec.factory)
            fields = {field.alias: field for field in attrs.fields(kind)}
        except Exception as error:
            raise self._broken(plugin, stage, error) from error
        where = f"[plugin.{plugin.name}]"
        values = table.plain()
        for key in table:
            names = dict.fromkeys((plugin.name, plugin.name.lower().replace("-", "_")))
            found = [current().source_of(("plugin", name, key)) for name in names]
            source = next((each for each in found if each != DEFAULT), DEFAULT)
            if key not in fields:
                raise ConfigError(f"Unknown key '{key}' in {where} ({source}).{did_you_mean(key, fields)}")
            # Variables are texts; those of all plugins have the same words for truth values.
            variable = source.startswith("WKPLUG_") and key not in (options or {})
            if variable and fields[key].type in (bool, "bool"):
                try:
                    values[key] = flag(str(values[key]))
                except ValueError as error:
                    raise ConfigError(
                        f"'{key}' in {where} can't be {values[key]!r} ({source}): {error}."
                    ) from error
        try:
            return kind(**values)
        except (TypeError, ValueError) as error:
            source = current().source_of(f"plugin.{plugin.name}")
            raise ConfigError(f"{where} is wrong ({source}): {cause_of(error)}") from error

    def _broken(self, plugin: Plugin, stage: str, error: Exception) -> PluginBrokenError:
        """Build the error for a factory that fails. The plugin stays loaded: other offers may well work."""
        self.manager.trace(f"{plugin.name}: {stage}: {cause_of(error)}")
        failure = broken(plugin, f"is installed, but it {stage}: {cause_of(error)}")
        if isinstance(error, ModuleNotFoundError):
            install = f"pip install --force-reinstall {plugin.distribution}   (brings what it depends on)"
            failure.hint = f"{install}\n{failure.hint}"
        return failure


def once(ask: Ask) -> Ask:
    """Ask each offer only once, for a choice that needs the scores of all before it ranks them."""
    answers: dict[str, tuple[Problem, ...]] = {}

    def asked(offer: Registered) -> tuple[Problem, ...]:
        if offer.spec.name not in answers:
            answers[offer.spec.name] = tuple(ask(offer))
        return answers[offer.spec.name]

    return asked


def _conflict(kind: Kind[Any], name: str, offers: Iterable[Registered]) -> PluginConflictError:
    """Build the error for one name from several plugins; names their distributions with versions."""
    plugins = sorted({offer.plugin.described: offer.plugin for offer in offers}.items())
    both = " and ".join(described for described, _ in plugins)
    blocked = plugins[-1][1]
    return PluginConflictError(
        f"The {kind.words} '{name}' comes from two plugins: {both}.",
        hint=f'Uninstall one, or block it:\n[plugins]\nblocked = ["{blocked.name}"]',
    )


def _problem(code: str, error: PluginError) -> Problem:
    return abc.Problem(code=code, text=error.message, remedy=error.hint or "", error_type=type(error))


def _resolved(factory: Any) -> Any:
    return resolve(factory) if isinstance(factory, str) else factory


# --- those of this process --------------------------------------------------------------------------------


class _Default:
    """The managers of this process: one for each set of plugins that may run, and a test's own."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.replacement: Registry | None = None
        self.by_settings: dict[tuple[Any, ...], Registry] = {}

    def registry(self) -> Registry:
        if self.replacement is not None:
            return self.replacement
        key = _identity(current())
        found = self.by_settings.get(key)
        if found is None:
            with self.lock:
                found = self.by_settings.get(key)
                if found is None:
                    found = self.by_settings[key] = Registry(Manager())
        return found


def _identity(settings: Settings) -> tuple[Any, ...]:
    return (
        settings.plugins_enabled,
        settings.plugins_blocked,
        settings.plugins_required,
        settings.strict,
        settings.trace,
    )


_default = _Default()


def get_manager() -> Manager:
    """Give the manager that everything here uses."""
    return _default.registry().manager


@contextmanager
def use_manager(manager: Manager) -> Iterator[Manager]:
    """Let everything in this process use another manager inside a `with` block; for tests."""
    before = _default.replacement
    _default.replacement = Registry(manager)
    try:
        yield manager
    finally:
        _default.replacement = before


def current_registry() -> Registry:
    """Give what that manager offers, for the settings that hold here and now."""
    return _default.registry()
