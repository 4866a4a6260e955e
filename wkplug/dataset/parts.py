"""What the parts share of which the classes that users know are put together.

`Dataset`, `Layer` and `View` have more methods than fit one file. Each group has a file and a class of its own, a base
of the class that users know. `part_of` lets all its methods bear the name of that class, which is what errors and
warnings say; `LayerPart` and `DatasetPart` know that `self` is the whole.

Who calls it: the parts in `wkplug.dataset` and `wkplug.dataset.legacy`.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from wkplug.dataset.dataset import Dataset
    from wkplug.dataset.layer import Layer

__all__ = ["DatasetPart", "LayerPart", "UsersNames", "part_of"]

C = TypeVar("C", bound=type)


_INTERNAL = frozenset(
    {
        "array_source", "backend_for", "check_metadata_writable", "check_writable", "extend_bounding_box", "factors",
        "frame", "layer_was_renamed", "location", "properties", "region", "store", "watch",
    }
)  # fmt: skip
"""What objects that users hold lend to the rest of the library."""


class UsersNames:
    """What completion proposes of an object: the names of users. Internal ones are found, and not proposed."""

    __slots__ = ()

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in _INTERNAL]


class LayerPart(UsersNames):
    """A base of `Layer`."""

    def _as_layer(self) -> Layer:
        return cast("Layer", self)


class DatasetPart(UsersNames):
    """A base of `Dataset`."""

    def _as_dataset(self) -> Dataset:
        return cast("Dataset", self)


def part_of(module: str, name: str) -> Callable[[C], C]:
    """Decorate a base of the class `name` in `module`: its methods are called, and pickle, as that class's own."""

    def decorate(part: C) -> C:
        for member in vars(part).values():
            function: Any = getattr(member, "__func__", member)
            while isinstance(function, FunctionType):
                function.__qualname__ = f"{name}.{function.__name__}"
                function.__module__ = module
                function = vars(function).get("__wrapped__")
        return part

    return decorate
