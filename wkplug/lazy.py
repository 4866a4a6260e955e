"""Packages whose names are imported when they are first used (PEP 562).

A process that reads one array needs a small part of what packages export, and pays for each module that it loads. A
package that exports more than most of its users need names its modules in a table, and type checkers read plain
imports beside it:

    if TYPE_CHECKING:
        from wkplug.abc.arrays import Array
    else:
        __getattr__ = names_of(__name__, {"arrays": ("Array",)})

What a table or a spec names as "package.module:attribute" is imported by `resolve`.

Code that needs heavy modules only once it runs, such as the body of a command, finds them in a module that lends whole
modules in the same way, by `modules_of`.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["modules_of", "names_of", "resolve", "resolved"]


def names_of(
    package: str, table: Mapping[str, tuple[str, ...]], *, otherwise: Callable[[str], Any] | None = None
) -> Callable[[str], Any]:
    """Make the `__getattr__` of a package from a table: module of the package -> the names that it lends.

    otherwise: asked for names that the table doesn't have; raises AttributeError itself.
    """
    modules = {name: f"{package}.{module}" for module, names in table.items() for name in names}
    return _lending(package, modules, lambda name, module: getattr(module, name), otherwise)


def modules_of(lender: str, table: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a module that lends others from a table: name -> the module, in full."""
    return _lending(lender, table, lambda _, module: module)


def _lending(
    lender: str,
    modules: Mapping[str, str],
    taken: Callable[[str, Any], Any],
    otherwise: Callable[[str], Any] | None = None,
) -> Callable[[str], Any]:
    def get(name: str) -> Any:
        if name not in modules:
            if otherwise is not None:
                return otherwise(name)
            raise AttributeError(f"module {lender!r} has no attribute {name!r}")
        from importlib import import_module

        value = taken(name, import_module(modules[name]))
        # Found without this function from now on.
        setattr(sys.modules[lender], name, value)
        return value

    return get


def resolve(reference: str) -> Any:
    """Import what "package.module:attribute" names, or the module where no attribute is named."""
    from importlib import import_module

    module, _, attributes = reference.partition(":")
    found: Any = import_module(module)
    for name in filter(None, attributes.split(".")):
        found = getattr(found, name)
    return found


@cache
def resolved(reference: str) -> Any:
    """The same, once for all: for what is below and calls what stands above it often."""
    return resolve(reference)
