"""The public conformance kit: what a plugin's author runs to know that the plugin keeps the contract.

`ArrayBackendSuite` tests a storage backend, `ArrayStateMachine` any history of calls on it, `ImageReaderSuite` a
reader of image files, `InterpolationSuite` a down-sampling mode, `FilesystemSuite` what opens places; `strategies` draw
boxes, layouts and specs for tests of one's own, `plugin` is a pytest plugin that shows what was skipped.

Nothing else in wkplug imports the kit; it needs pytest, hypothesis and numpy. Names are imported when asked
for, so that a worker process that only needs one of them doesn't load pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.lazy import names_of

if TYPE_CHECKING:
    from wkplug.testing.arrays import ArrayBackendSuite
    from wkplug.testing.bench import Bench
    from wkplug.testing.checks import BrokenPromiseError
    from wkplug.testing.filesystems import FilesystemSuite
    from wkplug.testing.images import ImageReaderSuite, ImageSample
    from wkplug.testing.interpolations import InterpolationSuite
    from wkplug.testing.stateful import ArrayStateMachine
else:
    __getattr__ = names_of(
        __name__,
        {
            "arrays": ("ArrayBackendSuite",),
            "bench": ("Bench",),
            "checks": ("BrokenPromiseError",),
            "filesystems": ("FilesystemSuite",),
            "images": (
                "ImageReaderSuite",
                "ImageSample",
            ),
            "interpolations": ("InterpolationSuite",),
            "stateful": ("ArrayStateMachine",),
        },
    )

__all__ = [
    "ArrayBackendSuite",
    "ArrayStateMachine",
    "Bench",
    "BrokenPromiseError",
    "FilesystemSuite",
    "ImageReaderSuite",
    "ImageSample",
    "InterpolationSuite",
]
