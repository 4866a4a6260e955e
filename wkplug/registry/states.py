"""What the manager knows about one plugin: `Plugin`, its `State`, and the reason for it.

Errors are data here. A plugin that fails is a row in `wkplug plugins`, not an exception in somebody's script;
it becomes one only where the user asked for what that plugin would give.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

__all__ = ["BUILTIN", "Plugin", "PluginWarning", "State", "cause_of"]

BUILTIN = "builtin"
"""The name of the core's own plugin; it can't be blocked."""


class PluginWarning(UserWarning):
    """A plugin is left out because it is broken, or in conflict with another one."""


class State(StrEnum):
    """Where a plugin stands. `enabled` becomes `loaded` or `broken` when its hooks are first needed."""

    ENABLED = "enabled"
    BLOCKED = "blocked"
    INCOMPATIBLE = "incompatible"
    SHADOWED = "shadowed"
    LOADED = "loaded"
    BROKEN = "broken"


class Plugin:
    """One plugin as installed. Only the manager changes it.

    `module` is what its entry point names, `api` the plugin API that it was made for. `reason` says in words
    why the state is what it is; `error` is what it raised, `stage` where. `hooks` are those it implements,
    `unknown_hooks` those that only a newer core calls.
    """

    state: State = State.ENABLED
    reason: str = ""
    stage: str = ""
    error: Exception | None = None
    hooks: tuple[str, ...] = ()
    unknown_hooks: tuple[str, ...] = ()

    def __init__(
        self, *, name: str, module: str, distribution: str, version: str, api: int, folder: str = ""
    ) -> None:
        self.name = name
        self.module = module
        self.distribution = distribution
        self.version = version
        self.api = api
        self.folder = folder

    def __repr__(self) -> str:
        return f"<Plugin {self.name} ({self.described}): {self.state}>"

    @property
    def described(self) -> str:
        """The distribution and its version, as people write them."""
        return f"{self.distribution} {self.version}".strip()

    def facts(self) -> dict[str, Any]:
        """What `wkplug plugins --json` prints."""
        return {
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
            "module": self.module,
            "api": self.api,
            "state": str(self.state),
            "reason": self.reason,
            "hooks": list(self.hooks),
        }


def cause_of(error: BaseException) -> str:
    """Write an error in one line: its type, and the first line of its text."""
    text = str(error)
    if isinstance(error, (TypeError, ValueError)) and len(error.args) > 1:
        text = str(error.args[0])  # validators add what they validated
    lines = text.splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}".rstrip(": ")
