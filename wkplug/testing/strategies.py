"""Hypothesis strategies for boxes, dtypes, layouts and specs, for the kit and for plugins' own tests.

Boxes prefer faces on and one voxel beside the borders of chunks and shards, because that is where backends
go wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from wkplug.abc import ArrayCapabilities, ArraySpec, Box, Layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["SPATIAL", "boxes", "dtypes", "layouts", "shape_for", "specs"]

SPATIAL = ("x", "y", "z")


def _cuts(extent: int, grids: Iterable[int]) -> list[int]:
    """The places along an axis where faces are interesting."""
    cuts = {0, 1, extent - 1, extent}
    for grid in grids:
        for border in range(0, extent + 1, grid):
            cuts.update((border - 1, border, border + 1))
    return sorted(cut for cut in cuts if 0 <= cut <= extent)


@st.composite
def boxes(draw: st.DrawFn, shape: Sequence[int], *, grids: Sequence[Sequence[int]] = ()) -> Box:
    """Draw a non-empty box inside `shape`; `grids` are chunk and shard shapes whose borders it should meet."""
    start: list[int] = []
    lengths: list[int] = []
    for axis, extent in enumerate(shape):
        cuts = _cuts(extent, (grid[axis] for grid in grids))
        place = st.sampled_from(cuts) | st.integers(0, extent)
        low, high = sorted((draw(place), draw(place)))
        if low == high:
            low, high = (low - 1, high) if low == extent else (low, high + 1)
        start.append(low)
        lengths.append(high - low)
    return tuple(start), tuple(lengths)


def dtypes(capabilities: ArrayCapabilities) -> st.SearchStrategy[str]:
    """Draw the name of a dtype that these capabilities have."""
    return st.sampled_from(sorted(capabilities.dtypes))


def shape_for(axes: Sequence[str], *, spatial: Sequence[int], channels: int, other: int) -> tuple[int, ...]:
    """Lay out lengths in the order of `axes`: x, y, z (in this order), "c", and all other axes."""
    lengths = dict(zip(SPATIAL, spatial, strict=False)) | {"c": channels}
    return tuple(lengths.get(axis, other) for axis in axes)


@st.composite
def layouts(draw: st.DrawFn, axes: Sequence[str], *, sharded: bool = True, channels: int = 1) -> Layout:
    """Draw a layout of small powers of two: all channels in a chunk, other axes one by one."""
    chunk = tuple(2 ** draw(st.integers(1, 4)) for _ in SPATIAL)
    factors = tuple(2 ** draw(st.integers(0, 2)) if sharded else 1 for _ in SPATIAL)
    shard = tuple(length * factor for length, factor in zip(chunk, factors, strict=True))
    return Layout(
        chunk_shape=shape_for(axes, spatial=chunk, channels=channels, other=1),
        shard_shape=shape_for(axes, spatial=shard, channels=channels, other=1),
    )


@st.composite
def specs(draw: st.DrawFn, /, capabilities: ArrayCapabilities, **fixed: Any) -> ArraySpec:
    """Draw the spec of a small array that these capabilities allow; keyword arguments fix its fields.

    A backend may still have reasons against it that capabilities can't tell: ask its `problems()`.
    """
    if capabilities.axes is None:
        choices: Sequence[tuple[str, ...]] = (
            ("c", "x", "y", "z"),
            ("x", "y", "z"),
            ("t", "c", "z", "y", "x"),
        )
    else:
        choices = capabilities.axes
    axes = fixed.pop("axes", None) or draw(st.sampled_from(choices))
    channels = draw(st.integers(1, 3))
    layout = draw(layouts(axes, sharded=capabilities.sharded, channels=channels))
    spatial = tuple(draw(st.integers(1, 40)) for _ in SPATIAL)
    fields: dict[str, Any] = {
        "axes": axes,
        "shape": shape_for(axes, spatial=spatial, channels=channels, other=2),
        "dtype": draw(dtypes(capabilities)),
        "chunk_shape": layout.chunk_shape,
        "shard_shape": layout.shard_shape,
        "compressed": draw(st.booleans()),
    }
    return ArraySpec(**(fields | fixed))
