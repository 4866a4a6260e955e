"""Verbs that span several objects: importing, downsampling, transforming, describing, drawing. Plans of whole shards.

`transform` and its classes are public here and not at the top level, as their names say little by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wkplug.ops.transforming.layers import transform as transform
    from wkplug.ops.transforming.maps import AbstractTransform as AbstractTransform
    from wkplug.ops.transforming.maps import AffineTransform as AffineTransform

__all__ = ["AbstractTransform", "AffineTransform", "transform"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'wkplug.ops' has no attribute {name!r}")
    from importlib import import_module

    module = "layers" if name == "transform" else "maps"
    value = globals()[name] = getattr(import_module(f"wkplug.ops.transforming.{module}"), name)
    return value
