"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import InterpolationSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_interpolations"]


@hookimpl
def wkplug_interpolations() -> Iterator[InterpolationSpec]:
    """One mode, for intensities only: the mean of two segment ids is a third one."""
    yield InterpolationSpec(
        name="trimmed_mean",
        factory="wkplug_trimmed.modes:TrimmedMean",
        aliases=("trimmed",),
        categories=("color",),
        summary="the mean of each block without its smallest and its largest voxel",
    )
