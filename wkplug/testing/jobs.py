"""What the kit's child processes do: small functions on arrays that arrive pickled.

Kept apart from the tests, so that a child loads numpy and the backend under test, and neither pytest nor
hypothesis.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from wkplug.abc import Array, Box

__all__ = ["imports_of", "open_and_read", "pickle_again", "read", "write", "write_rounds"]


def read(array: Array, box: Box) -> Any:
    """Read a box."""
    return array.read(box)


def open_and_read(backend: Any, location: Any, box: Box) -> Any:
    """Open an array and read a box."""
    with_array: Array = backend.open(location)
    return with_array.read(box)


def write(array: Array, box: Box, data: Any) -> None:
    """Write a box."""
    array.write(box, data)
    array.flush()
    array.close()


def pickle_again(array: Array) -> Array:
    """Send a handle back that this process used."""
    array.read(((0,) * len(array.spec.axes), (1,) * len(array.spec.axes)))
    return array


def write_rounds(array: Array, boxes: list[Box], value: int, rounds: int) -> None:
    """Write `value` to all boxes, again and again; other values are written in between."""
    for number in reversed(range(rounds)):
        for box in boxes:
            array.write(box, np.full(box[1], value + number, array.dtype))
    array.flush()
    array.close()


def imports_of(module: str) -> list[str]:
    """Import a module and name the top-level modules outside the standard library that this loaded."""
    before = set(sys.modules)
    import_module(module)
    fresh = {name.partition(".")[0] for name in set(sys.modules) - before}
    return sorted(name for name in fresh if name not in sys.stdlib_module_names)
