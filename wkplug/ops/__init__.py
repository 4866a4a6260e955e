"""Verbs that span several objects: importing, downsampling, transforming, describing, drawing. Plans of whole shards.

`transform` and its classes are public here and not at the top level, as their names say little by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.lazy import names_of

if TYPE_CHECKING:
    from wkplug.ops.transforming.layers import transform
    from wkplug.ops.transforming.maps import AbstractTransform, AffineTransform
else:
    __getattr__ = names_of(
        __name__,
        {
            "transforming.layers": ("transform",),
            "transforming.maps": ("AbstractTransform", "AffineTransform"),
        },
    )

__all__ = ["AbstractTransform", "AffineTransform", "transform"]
