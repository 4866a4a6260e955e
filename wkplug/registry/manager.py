"""The plugin manager: which plugins there are, in what state, and what their hooks give.

Rules, each with a test: one broken plugin never breaks another (every entry point and every hook
implementation has a guard of its own); a blocked plugin is blocked before any of its code runs; the order is
by name, whatever the order on disk; nothing is skipped silently (one warning per process, or an error where
`strict` is set). pluggy's own call of a hook loses everybody's results when one implementation raises, so
hooks that collect are called implementation by implementation, and generators are used up inside the guard.

It knows specs, not what they make: that is `wkplug.registry.registry`.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from wkplug.abc.specs import API, PROJECT
from wkplug.config import Settings, current
from wkplug.errors import (
    ConfigError,
    PluginBlockedError,
    PluginBrokenError,
    PluginError,
    PluginIncompatibleError,
    PluginMissingError,
)
from wkplug.lazy import resolve
from wkplug.notices import warn_user
from wkplug.registry import discovery, hookspecs
from wkplug.registry.plugins import BUILTIN, HOOK_SPECS, Plugin, PluginWarning, State, broken, cause_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wkplug.abc.specs import Spec

__all__ = ["Manager", "Registered"]

_BUILTIN_MODULE = "wkplug.builtin"


class Registered(NamedTuple):
    """A spec, and the plugin that gave it."""

    plugin: Plugin
    spec: Any


class Manager:
    """Discovers plugins when it is made, imports their hook modules when hooks are first needed.

    settings: those that say what is blocked; the current ones by default. paths: where to look for
    distributions instead of `sys.path`. builtin: the module of the core's own plugin.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        paths: Iterable[str] | None = None,
        builtin: str | None = _BUILTIN_MODULE,
    ) -> None:
        self.settings = current() if settings is None else settings
        self._hooks = pluggy.PluginManager(PROJECT)
        self._hooks.add_hookspecs(hookspecs)
        self._lock = threading.RLock()
        self._loaded = False
        self._accepted = False  # by what the configuration requires
        self._collected: dict[str, tuple[Registered, ...]] = {}
        self._fatal: Plugin | None = None  # broken, and the configuration doesn't forgive that
        self._plugins: list[Plugin] = []
        if builtin is not None:
            self._plugins.append(
                Plugin(name=BUILTIN, module=builtin, distribution="wkplug", version="", api=API)
            )
        for point in discovery.find(paths):
            self._plugins.append(self._judged(point))
        self._plugins.sort(key=lambda plugin: (plugin.name, plugin.distribution, plugin.version))

    # --- states -------------------------------------------------------------------------------------------

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """All plugins, sorted by name; their states as far as they are known by now."""
        return tuple(self._plugins)

    def plugin(self, name: str) -> Plugin | None:
        """The plugin of that name, or of that distribution; one that is not shadowed where there are two."""
        found = [p for p in self._plugins if name in (p.name, p.distribution)]
        return min(found, key=lambda p: p.state == State.SHADOWED, default=None)

    def _judged(self, point: discovery.EntryPoint) -> Plugin:
        """Decide on a plugin before any of its code runs."""
        plugin = Plugin(
            name=point.name,
            module=point.value,
            distribution=point.distribution,
            version=point.version,
            api=point.api,
            folder=point.folder,
        )
        names = {point.name, point.distribution}
        settings = self.settings
        same = [p for p in self._plugins if p.name == point.name and p.state == State.ENABLED]
        if point.hidden_by is not None:
            plugin.state = State.SHADOWED
            plugin.reason = f"version {point.hidden_by} comes first on sys.path"
        elif point.name != BUILTIN and names & set(settings.plugins_blocked):
            plugin.state = State.BLOCKED
            plugin.reason = f"blocked by {_where(settings, 'plugins.blocked')}"
        elif "*" not in settings.plugins_enabled and not names & set(settings.plugins_enabled):
            plugin.state = State.BLOCKED
            plugin.reason = f"not among the enabled ones of {_where(settings, 'plugins.enabled')}"
        elif point.api != API:
            plugin.state = State.INCOMPATIBLE
            plugin.reason = f"made for plugin API {point.api}, this wkplug has {API}"
        elif same:
            plugin.state = State.SHADOWED
            plugin.reason = (
                f"{same[0].described} has the same name; block one of them by its distribution's name"
            )
        return plugin

    def _require(self) -> None:
        """Check `[plugins] required`, as far as that needs nobody's code."""
        for text in self.settings.plugins_required:
            requirement = discovery.parse_requirement(text)
            plugin = self.plugin(requirement.name) or self.plugin(discovery.canonical(requirement.name))
            demand = f"{_where(self.settings, 'plugins.required')} asks for '{text}'"
            install = f"pip install '{text}'"
            if plugin is None:
                raise PluginMissingError(f"{demand}, which is not installed.", hint=install)
            if plugin.state == State.BLOCKED:
                raise PluginBlockedError(f"{demand}, but {plugin.described} is {plugin.reason}.")
            if plugin.state == State.INCOMPATIBLE:
                raise PluginIncompatibleError(
                    f"{demand}, but {plugin.described} was {plugin.reason}.", hint=install
                )
            if not requirement.allows(plugin.version):
                raise PluginMissingError(f"{demand}, but {plugin.described} is installed.", hint=install)

    def required(self, plugin: Plugin) -> bool:
        """Whether the configuration insists on this plugin."""
        names = {
            discovery.canonical(discovery.parse_requirement(text).name)
            for text in self.settings.plugins_required
        }
        return bool(names & {plugin.name, plugin.distribution})

    def _mark_broken(self, plugin: Plugin, stage: str, error: Exception) -> bool:
        """Whether it is new: who fails twice is warned of once."""
        self.trace(f"{plugin.name}: {stage}: {cause_of(error)}")
        with self._lock:
            if plugin.state == State.BROKEN:
                return False
            plugin.state, plugin.stage, plugin.error = State.BROKEN, stage, error
            plugin.reason = f"{stage}: {cause_of(error)}"
            if self._fatal is None and (self.settings.strict or self.required(plugin)):
                self._fatal = plugin
            return True

    def _warn_of(self, newly_broken: list[Plugin]) -> None:
        """Warn of broken plugins; last of all, because under some filters a warning is an exception."""
        if self._fatal is not None:
            raise _broken(self._fatal)
        for plugin in newly_broken:
            error = _broken(plugin)
            warn_user(f"{error.message} It is left out.\n  {error.hint}", PluginWarning)

    def trace(self, line: str) -> None:
        """Write to stderr what happens, where `trace` is set."""
        if self.settings.trace:
            sys.stderr.write(f"wkplug: {line}\n")

    # --- hooks --------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Import the hook modules of all enabled plugins and register them, in the order of their names."""
        if self._accepted and self._loaded and self._fatal is None:
            return
        with self._lock:
            if not self._accepted:
                _check_blockable(self.settings)
                self._require()
                self._accepted = True
            newly_broken = self._load_all()
        self._warn_of(newly_broken)

    def survey(self) -> None:
        """Load all and call every collecting hook, so that all states are known. Never raises or warns."""
        with self._lock:
            self._load_all()
            for hook in sorted(HOOK_SPECS):
                if hook not in self._collected:
                    self._collected[hook], _ = self._collect(hook)

    def _load_all(self) -> list[Plugin]:
        """Load what isn't loaded yet; gives those that broke."""
        if self._loaded:
            return []
        self._loaded = True
        return [p for p in self._plugins if p.state == State.ENABLED and not self._load(p)]

    def _load(self, plugin: Plugin) -> bool:
        """Whether it worked."""
        stage = "failed to import"
        try:
            target = resolve(plugin.module)
            stage = "could not be registered"
            self.register(target, plugin)
        except Exception as error:  # noqa: BLE001 - the guard: whatever a plugin raises is that plugin's alone
            if self._hooks.has_plugin(plugin.name):
                self._hooks.unregister(name=plugin.name)
            self._mark_broken(plugin, stage, error)
            return False
        plugin.state = State.LOADED
        self.trace(f"{plugin.name}: loaded {plugin.module} ({plugin.described}): {', '.join(plugin.hooks)}")
        return True

    def register(self, target: Any, plugin: Plugin) -> None:
        """Register an object's hook implementations. PluginError if it implements what it must not."""
        self._hooks.register(target, name=plugin.name)
        callers = sorted(self._hooks.get_hookcallers(target) or [], key=lambda caller: caller.name)
        for caller in callers:
            implementation = next(i for i in caller.get_hookimpls() if i.plugin is target)
            wraps = bool(implementation.wrapper or implementation.hookwrapper)
            if caller.name in HOOK_SPECS and wraps:
                raise PluginError(f"{caller.name} collects, so it can't be wrapped.")
            if caller.has_spec() and caller.name not in HOOK_SPECS and not wraps and plugin.name != BUILTIN:
                raise PluginError(f"{caller.name} can only be wrapped: hookimpl(wrapper=True).")
        plugin.hooks = tuple(caller.name for caller in callers if caller.has_spec())
        plugin.unknown_hooks = tuple(caller.name for caller in callers if not caller.has_spec())

    def collected(self, hook: str) -> tuple[Registered, ...]:
        """What has been collected so far; nothing is called."""
        return self._collected.get(hook, ())

    def collect(self, hook: str) -> tuple[Registered, ...]:
        """Give what all plugins offer through a hook, in the order of the plugins' names."""
        offers = self._collected.get(hook)
        if offers is not None and self._fatal is None:
            return offers
        self.load()
        newly_broken: list[Plugin] = []
        with self._lock:
            if hook not in self._collected:
                self._collected[hook], newly_broken = self._collect(hook)
        self._warn_of(newly_broken)
        return self._collected[hook]

    def _collect(self, hook: str) -> tuple[tuple[Registered, ...], list[Plugin]]:
        by_name = {plugin.name: plugin for plugin in self._plugins if plugin.state != State.SHADOWED}
        offers: list[Registered] = []
        newly_broken: list[Plugin] = []
        implementations = getattr(self._hooks.hook, hook).get_hookimpls()
        for implementation in sorted(implementations, key=lambda each: str(each.plugin_name)):
            plugin = by_name[implementation.plugin_name]
            try:
                specs = _checked(implementation.function(), hook)
            except Exception as error:  # noqa: BLE001 - the guard: as in _load
                if self._mark_broken(plugin, f"failed in {hook}", error):
                    newly_broken.append(plugin)
                continue
            self.trace(f"{hook}: {plugin.name}: {', '.join(spec.name for spec in specs) or 'nothing'}")
            offers += (Registered(plugin, spec) for spec in specs)
        return tuple(offers), newly_broken

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a first-result hook: the core's implementation inside all wrappers. Nothing is guarded."""
        self.load()
        return getattr(self._hooks.hook, hook)(**arguments)


def _checked(given: Any, hook: str) -> list[Spec]:
    specs = list(given if given is not None else ())
    wanted = HOOK_SPECS[hook]
    names: set[str] = set()
    for spec in specs:
        if not isinstance(spec, wanted):
            raise PluginError(f"{hook} gave {spec!r}, which is no {wanted.__name__}.")
        spec_format = getattr(spec, "format", None)
        if spec_format is not None and not spec.name.startswith(f"{spec_format}+"):
            raise PluginError(
                f"The name '{spec.name}' must be '{spec_format}+' and the implementation's name."
            )
        if spec.name in names:
            raise PluginError(f"{hook} gave the name '{spec.name}' twice.")
        names.add(spec.name)
    return specs


def _where(settings: Settings, key: str) -> str:
    """Name a list of the configuration and what set it."""
    table, _, name = key.partition(".")
    source = settings.source_of(key)
    if source.startswith("WKPLUG_"):
        return f"the variable {source}"
    return f"[{table}] {name} ({source})"


def _broken(plugin: Plugin) -> PluginBrokenError:
    error = broken(plugin, f"is installed, but it {plugin.reason}.")
    error.__cause__ = plugin.error
    return error


def _check_blockable(settings: Settings) -> None:
    """ConfigError if the configuration blocks what everything stands on."""
    if BUILTIN in settings.plugins_blocked:
        raise ConfigError(
            f"The plugin '{BUILTIN}' can't be blocked ({settings.source_of('plugins.blocked')}).",
            hint="It holds local files, memory arrays and the basic interpolations.",
        )
