"""`default_layout`: what is wished is kept, the rest is chosen so that an array can be made of it."""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

from typing import Any, Literal

import hypothesis.strategies as st
from hypothesis import given

from wkplug.abc import Layout, LayoutWish
from wkplug.errors import LayoutError
from wkplug.testing.bench import BackendFixtures, Bench
from wkplug.testing.checks import breaks, holds, refuses
from wkplug.testing.profiles import examples
from wkplug.testing.strategies import SPATIAL, shape_for

__all__ = ["LayoutsPart"]

_PURPOSES: tuple[Literal["new", "images", "pyramid"], ...] = ("new", "images", "pyramid")


class LayoutsPart(BackendFixtures):
    """Layouts."""

    def wish(self, bench: Bench, shape: tuple[int, int, int], **fields: Any) -> LayoutWish:
        """A wish for an array of these lengths along x, y, z."""
        full = shape_for(bench.axes, spatial=shape, channels=bench.channels, other=2)
        values = {"purpose": "new", "axes": bench.axes, "shape": full, "dtype": bench.dtype}
        return LayoutWish(**(values | fields))

    def cube(self, bench: Bench, length: int) -> tuple[int, ...]:
        """A cube over all axes: all channels, and one of other axes."""
        return shape_for(bench.axes, spatial=(length,) * 3, channels=bench.channels, other=1)

    def sound(self, bench: Bench, layout: Layout, wish: LayoutWish) -> None:
        """Fail unless an array can have this layout."""
        chunk, shard = layout.chunk_shape, layout.shard_shape
        axes = len(bench.axes)
        holds(len(chunk) == axes == len(shard), "a layout has all axes", got=layout, wish=wish)
        holds(all(a > 0 for a in chunk), "a chunk is not empty", got=layout, wish=wish)
        multiple = all(b % a == 0 for a, b in zip(chunk, shard, strict=True))
        holds(multiple, "a default shard is a multiple of its chunk", got=layout, wish=wish)
        holds(
            bench.can.sharded or chunk == shard, "shards without `sharded` are chunks", got=layout, wish=wish
        )
        shape = tuple(max(1, length) for length in wish.shape)
        spec = bench.spec(layout=layout, shape=shape)
        if problems := bench.errors(spec):
            breaks("an array can have the default layout", got=layout, wish=wish, problems=problems)

    @examples(40)
    @given(data=st.data())
    def test_default_layouts_are_sound_for_any_extent(self, bench: Bench, data: st.DataObject) -> None:
        lengths = st.sampled_from((0, 1, 2, 31, 32, 33, 100, 1024, 5000)) | st.integers(0, 10**6)
        shape = (data.draw(lengths), data.draw(lengths), data.draw(lengths))
        wish = self.wish(bench, shape, purpose=data.draw(st.sampled_from(_PURPOSES)))
        self.sound(bench, bench.backend.default_layout(wish), wish)

    def test_default_layouts_make_arrays(self, bench: Bench) -> None:
        for purpose in _PURPOSES:
            for shape in ((1, 1, 1), (70, 50, 1), (40, 40, 40)):
                layout = bench.backend.default_layout(self.wish(bench, shape, purpose=purpose))
                array = bench.create(bench.spec(shape, layout=layout))
                holds(
                    array.spec.chunk_shape == layout.chunk_shape,
                    "an array has its default layout",
                    got=layout,
                )

    def test_new_arrays_have_the_default_chunk(self, bench: Bench) -> None:
        layout = bench.backend.default_layout(self.wish(bench, (0, 0, 0)))
        expected = self.cube(bench, self.default_chunk_length)
        got = layout.chunk_shape
        holds(got == expected, "a default chunk is a cube with all channels", got=got, expected=expected)

    def test_a_wished_chunk_is_kept(self, bench: Bench) -> None:
        for purpose in _PURPOSES:
            for length in (16, 64):
                chunk = self.cube(bench, length)
                wish = self.wish(bench, (300, 300, 300), purpose=purpose, chunk_shape=chunk)
                layout = bench.backend.default_layout(wish)
                holds(layout.chunk_shape == chunk, "a wished chunk is kept", got=layout, wish=wish)
                self.sound(bench, layout, wish)

    def test_a_wished_shard_is_kept(self, bench: Bench) -> None:
        for purpose in _PURPOSES:
            for length in (32, 256):
                shard = self.cube(bench, length)
                wish = self.wish(bench, (300, 300, 300), purpose=purpose, shard_shape=shard)
                try:
                    layout = bench.backend.default_layout(wish)
                except LayoutError:
                    # Without shards, a shard that isn't the default chunk may be taken as a contradiction.
                    if bench.can.sharded:
                        raise
                    continue
                holds(layout.shard_shape == shard, "a wished shard is kept", got=layout, wish=wish)
                self.sound(bench, layout, wish)

    def test_a_wished_chunk_and_shard_are_kept(self, bench: Bench) -> None:
        chunk, shard = self.cube(bench, 16), self.cube(bench, 64 if bench.can.sharded else 16)
        for purpose in _PURPOSES:
            wish = self.wish(bench, (300, 300, 300), purpose=purpose, chunk_shape=chunk, shard_shape=shard)
            layout = bench.backend.default_layout(wish)
            kept = (layout.chunk_shape, layout.shard_shape) == (chunk, shard)
            holds(kept, "a wished layout is kept", got=layout, wish=wish)

    def test_a_shard_that_is_no_multiple_is_refused(self, bench: Bench) -> None:
        for chunk, shard in ((32, 16), (64, 32)):
            wish = self.wish(
                bench,
                (300, 300, 300),
                chunk_shape=self.cube(bench, chunk),
                shard_shape=self.cube(bench, shard),
            )
            with refuses(LayoutError, promise="a shard must be a multiple of the chunk", wish=wish) as errors:
                bench.backend.default_layout(wish)
            said = "must be a multiple" in str(errors[0]) or not bench.can.sharded
            holds(said, "the error says that the shard must be a multiple", error=errors[0])

    def test_lengths_that_are_no_powers_of_two_are_refused(self, bench: Bench) -> None:
        for wished in ({"chunk_shape": 24}, {"chunk_shape": 24, "shard_shape": 48}):
            shapes = {name: self.cube(bench, length) for name, length in wished.items()}
            wish = self.wish(bench, (300, 300, 300), **shapes)
            with refuses(LayoutError, promise="chunk and shard are powers of two", wish=wish) as errors:
                bench.backend.default_layout(wish)
            said = "must be a power of two" in str(errors[0]) or not bench.can.sharded
            holds(said, "the error says that lengths must be a power of two", error=errors[0])

    def test_a_layout_has_the_order_of_its_axes(self, bench: Bench) -> None:
        orders = bench.can.axes or (("c", "x", "y", "z"), ("z", "y", "x"), ("t", "c", "x", "y", "z"))
        for axes in orders:
            spatial = dict(zip(SPATIAL, (1, 2, 3), strict=True))
            shape = tuple(100 * spatial.get(axis, 0) or 3 for axis in axes)
            wish = LayoutWish(purpose="new", axes=axes, shape=shape, dtype=bench.dtype)
            layout = bench.backend.default_layout(wish)
            for axis, length in zip(axes, layout.chunk_shape, strict=True):
                expected = self.default_chunk_length if axis in SPATIAL else 3 if axis == "c" else 1
                promise = "default chunks: cubes in x, y, z, all channels, one by one along other axes"
                holds(length == expected, promise, axes=axes, got=layout)
