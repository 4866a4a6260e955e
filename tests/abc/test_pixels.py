"""The eight orientations and inks, with Pillow as the judge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageOps

from wkplug.abc.pixels import Orientation, rgb_of_inks


def seen_by_pillow(data: Any, number: int) -> Any:
    picture = Pillow.fromarray(data)
    picture.getexif()[274] = number
    return np.asarray(ImageOps.exif_transpose(picture))


@given(st.data())
def test_a_region_of_what_is_seen_is_read_from_where_it_lies(data: st.DataObject) -> None:
    number = data.draw(st.integers(1, 8))
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    stored = np.arange(height * width, dtype="uint8").reshape(height, width)
    seen = seen_by_pillow(stored, number)
    orientation = Orientation(number)
    assert orientation.seen_lengths(stored.shape, ("y", "x")) == seen.shape
    start = [data.draw(st.integers(0, length - 1)) for length in seen.shape]
    extent = [data.draw(st.integers(1, n - a)) for n, a in zip(seen.shape, start, strict=True)]
    expected = seen[tuple(slice(a, a + n) for a, n in zip(start, extent, strict=True))]
    axes = data.draw(st.permutations("yxsz"))
    here = tuple({"y": 0, "x": 1}.get(axis, 2) for axis in axes)

    def with_axes(y: int, x: int, other: int) -> tuple[int, ...]:
        return tuple((y, x, other)[place] for place in here)

    box = (with_axes(*start, 0), with_axes(*extent, 1))
    low, size = orientation.stored_box(box, with_axes(*seen.shape, 1), axes)
    order = [at for at, axis in enumerate(axes) if axis in "yx"]
    rows_first = axes.index("y") < axes.index("x")
    array = (stored if rows_first else stored.T).reshape(with_axes(*stored.shape, 1))
    part = array[tuple(slice(a, a + n) for a, n in zip(low, size, strict=True))]
    found = orientation.seen(part, axes).reshape([extent[here[at]] for at in order])
    assert np.array_equal(found if rows_first else found.T, expected)


@pytest.mark.parametrize("number", [0, 9, -1, 65535])
def test_what_is_no_orientation_is_the_first(number: int) -> None:
    assert Orientation(number) == Orientation()
    assert Orientation(number).note == ""


def test_inks_become_the_colours_that_pillow_makes_of_them() -> None:
    inks = np.random.default_rng(0).integers(0, 256, (20, 30, 4)).astype("uint8")
    expected = np.asarray(Pillow.fromarray(inks, mode="CMYK").convert("RGB"))
    assert np.array_equal(rgb_of_inks(inks, 2), expected)
    wide = rgb_of_inks(inks.astype("uint16") * 257, 2)
    assert wide.dtype == "uint16"
    assert np.abs(wide / 257 - expected).max() <= 0.5
    more = rgb_of_inks(np.concatenate([inks, inks[..., :1]], 2).transpose(2, 0, 1), 0)
    assert np.array_equal(more.transpose(1, 2, 0), np.concatenate([expected, inks[..., :1]], 2))
