"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import InterpolationSpec, SettingsSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_interpolations", "wkplug_settings"]

_COLOR = ("color",)
_LABELS = ("segmentation",)


@hookimpl
def wkplug_interpolations() -> Iterator[InterpolationSpec]:
    """The core's modes once more, faster."""
    for mode, attribute, categories in (
        ("bilinear", "Bilinear", _COLOR),
        ("max", "Max", (*_COLOR, *_LABELS)),
        ("mean", "Mean", _COLOR),
        ("median", "Median", (*_COLOR, *_LABELS)),
        ("median_unbiased", "MedianUnbiased", _COLOR),
        ("min", "Min", (*_COLOR, *_LABELS)),
        ("mode", "Mode", (*_COLOR, *_LABELS)),
        ("mode_sparse", "ModeSparse", _LABELS),
        ("nearest", "Nearest", (*_COLOR, *_LABELS)),
    ):
        yield InterpolationSpec(
            name=f"{mode}+numba",
            implements=mode,
            categories=categories,
            factory=f"wkplug_numba.modes:{attribute}",
            priority=10,
            summary=f"{mode}, compiled once there is enough to do",
        )


@hookimpl
def wkplug_settings() -> Iterator[SettingsSpec]:
    """Offer the class of the table [plugin.numba]."""
    yield SettingsSpec(name="numba", factory="wkplug_numba.settings:NumbaSettings")
