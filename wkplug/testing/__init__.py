"""The public conformance kit: what a plugin's author runs to know that the plugin keeps the contract.

`ArrayBackendSuite` tests a storage backend, `ArrayStateMachine` any history of calls on it, `ImageReaderSuite` a
reader of image files, `InterpolationSuite` a down-sampling mode; `strategies` draw boxes, layouts and specs for
tests of one's own, `plugin` is a pytest plugin that shows what was skipped.

Nothing else in wkplug imports the kit; it needs pytest, hypothesis and numpy. Names are imported when asked
for, so that a worker process that only needs one of them doesn't load pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wkplug.testing.arrays import ArrayBackendSuite
    from wkplug.testing.bench import Bench
    from wkplug.testing.checks import BrokenPromiseError
    from wkplug.testing.images import ImageReaderSuite, ImageSample
    from wkplug.testing.interpolations import InterpolationSuite
    from wkplug.testing.stateful import ArrayStateMachine

__all__ = [
    "ArrayBackendSuite",
    "ArrayStateMachine",
    "Bench",
    "BrokenPromiseError",
    "ImageReaderSuite",
    "ImageSample",
    "InterpolationSuite",
]

_HOMES = {
    "ArrayBackendSuite": "wkplug.testing.arrays",
    "ArrayStateMachine": "wkplug.testing.stateful",
    "Bench": "wkplug.testing.bench",
    "BrokenPromiseError": "wkplug.testing.checks",
    "ImageReaderSuite": "wkplug.testing.images",
    "ImageSample": "wkplug.testing.images",
    "InterpolationSuite": "wkplug.testing.interpolations",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
