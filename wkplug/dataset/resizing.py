"""Changing the extent of arrays when a layer's bounding box changes.

Arrays grow before the properties say so and shrink after, so that at no moment a listed voxel has no place.
Growing takes the array's lock and looks at its shape as it is then: several processes may extend one layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.model.layout import array_shape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wkplug.dataset.mag_view import MagView
    from wkplug.model.regions import Region

__all__ = ["grow", "shrink"]


def grow(mags: Iterable[MagView], region: Region) -> None:
    """Make all own arrays large enough for `region`; none gets smaller."""
    for mag in mags:
        _resize(mag, region, only_grow=True)


def shrink(mags: Iterable[MagView], region: Region) -> None:
    """Cut all own arrays to `region`, rounded up to shards; voxels beyond are hidden, not deleted."""
    for mag in mags:
        _resize(mag, region, only_grow=False)


def _resize(mag: MagView, region: Region, *, only_grow: bool) -> None:
    if mag.read_only:
        return
    source = mag.array_source
    handle = source.writing_handle
    if not handle.backend.capabilities.bounded:
        return

    def target() -> tuple[int | None, ...]:
        spec = source.writing_handle.array.spec
        wanted = array_shape(mag.frame, region, mag.factors, spec.shard_shape, bounded=True)
        # Channels and other axes are as they were made; a layer's box never cuts them.
        return tuple(
            max(old or 0, new or 0) if only_grow or axis == "c" else new
            for axis, old, new in zip(spec.axes, spec.shape, wanted, strict=True)
        )

    if target() == handle.array.spec.shape and not only_grow:
        return
    with source.location.lock("shape"):
        source.forget()
        wanted = target()
        if wanted != source.writing_handle.array.spec.shape:
            source.writing_handle.resize(wanted)
