"""How a deprecated spelling makes itself known: one warning, one wording, on the user's own line.

`deprecated` names the spelling and what to write instead. The warning points at the first line outside of this
package (see `wkplug.errors.warn_user`): Python shows deprecations by default only if that line is in `__main__`.

Who calls it: the adapters of this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.errors import warn_user

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["deprecated", "names_from_the_package"]


def deprecated(spelling: str, instead: str) -> None:
    """Warn that `spelling` is deprecated and that `instead` is today's; "" if it just can be left out."""
    advice = f"please use `{instead}` instead" if instead else "please leave it out: it has no effect"
    warn_user(f"[DEPRECATION] `{spelling}` is deprecated, {advice}.", DeprecationWarning)


def names_from_the_package(module: str, *names: str) -> Callable[[str], Any]:
    """Make the `__getattr__` of a module under which names of the package were once imported.

    names: the only ones that it lends, all public ones if none are given. Each comes with a DeprecationWarning.
    """

    def get(name: str) -> Any:
        import wkplug

        if name.startswith("_") or (names and name not in names) or name not in dir(wkplug):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        deprecated(f"from {module} import {name}", f"from wkplug import {name}")
        return getattr(wkplug, name)

    return get
