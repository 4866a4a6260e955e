"""Reads, writes and views against a numpy array that has voxel 0 where the layer has it."""

from __future__ import annotations

import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wkplug as wk
from wkplug.testing.profiles import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTENT = 48
"""Voxels per spatial axis, in the mag, that a history touches."""

AXES = {
    "wkw": (("c", "x", "y", "z"),),
    "zarr": (("c", "x", "y", "z"), ("x", "y", "z"), ("t", "x", "y", "z"), ("t", "c", "x", "y", "z"), ("z", "y", "x")),
    "zarr3": (("c", "x", "y", "z"), ("x", "y", "z"),
              ("t", "x", "y", "z"), ("t", "c", "x", "y", "z"), ("z", "y", "c", "x")),
    "n5": (("c", "x", "y", "z"), ("x", "y", "z"), ("t", "c", "x", "y", "z")),
    "neuroglancerPrecomputed": (("c", "x", "y", "z"),),
}  # fmt: skip
ENGINES = {
    "wkw": ("wkw+numpy",),
    "zarr": ("zarr+tensorstore", "zarr+zarr"),
    "zarr3": ("zarr3+tensorstore", "zarr3+zarr"),
    "n5": ("n5+tensorstore",),
    "neuroglancerPrecomputed": ("neuroglancerPrecomputed+tensorstore",),
}
CASES = [(data_format, engine) for data_format, engines in ENGINES.items() for engine in engines]


@attrs.frozen
class Situation:
    """A layer with one mag."""

    axes: tuple[str, ...]
    dtype: str
    channels: int
    mag: tuple[int, int, int]
    topleft: tuple[int, int, int]
    size: tuple[int, int, int]
    shard: int
    chunk: int
    compress: bool


@st.composite
def situations(draw: st.DrawFn, data_format: str) -> Situation:
    axes = draw(st.sampled_from(AXES[data_format]))
    channels = draw(st.sampled_from((1, 3))) if "c" in axes else 1
    chunk = draw(st.sampled_from((4, 8)))
    return Situation(
        axes=axes,
        channels=channels,
        dtype=draw(st.sampled_from(("uint8", "uint16", "int32", "float32"))),
        mag=draw(st.sampled_from(((1, 1, 1), (2, 2, 1), (4, 4, 2)))),
        topleft=draw(st.tuples(*(st.integers(0, 40),) * 3)),
        size=draw(st.tuples(*(st.integers(1, 60),) * 3)),
        chunk=chunk,
        # Precomputed volumes in shards can't grow.
        shard=chunk if data_format in ("zarr", "n5", "neuroglancerPrecomputed") else 16,
        compress=draw(st.booleans()),
    )


class Oracle:
    """What the layer must hold: voxels of the mag, absolute, with the layer's axes."""

    def __init__(self, mag_view: wk.MagView, situation: Situation) -> None:
        self.view, self.case = mag_view, situation
        self.spatial = [axis for axis in situation.axes if axis in "xyz"]
        shape = [{"c": situation.channels, "t": 2}.get(axis, EXTENT) for axis in situation.axes]
        self.voxels = np.zeros(shape, situation.dtype)
        self.low, self.high = self._in_mag(mag_view.layer.bounding_box)

    def _in_mag(self, box: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
        low = tuple(a // m for a, m in zip(box.topleft_xyz, self.case.mag, strict=True))
        high = tuple(-(-b // m) for b, m in zip(box.bottomright_xyz, self.case.mag, strict=True))
        return low, high

    def slices(self, low: tuple[int, ...], size: tuple[int, ...]) -> tuple[slice, ...]:
        by_axis = {axis: slice(a, a + n) for axis, a, n in zip("xyz", low, size, strict=True)}
        return tuple(by_axis.get(axis, slice(None)) for axis in self.case.axes)

    def expected(self, low: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
        shape = [{"c": self.case.channels, "t": 2}.get(a, 0) for a in self.case.axes]
        for axis, n in zip("xyz", size, strict=True):
            shape[self.case.axes.index(axis)] = n
        result = np.zeros(shape, self.case.dtype)
        part = self.voxels[self.slices(low, size)]
        result[tuple(slice(n) for n in part.shape)] = part
        return result

    def mag1(self, values: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(a * m for a, m in zip(values, self.case.mag, strict=True))

    def fits(self, low: tuple[int, ...], size: tuple[int, ...]) -> bool:
        return all(a >= b and a + n <= c for a, n, b, c in zip(low, size, self.low, self.high, strict=True))

    def aligned(self, low: tuple[int, ...], size: tuple[int, ...], *, grown: bool) -> bool:
        first, last = self.low, self.high
        if grown:
            first, last = self.grown(low, size)
        shard = self.case.shard
        return all(
            (a % shard == 0 or a == b) and ((a + n) % shard == 0 or a + n == c)
            for a, n, b, c in zip(low, size, first, last, strict=True)
        )

    def grown(self, low: tuple[int, ...], size: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (
            tuple(min(a, b) for a, b in zip(self.low, low, strict=True)),
            tuple(max(c, a + n) for c, a, n in zip(self.high, low, size, strict=True)),
        )


@contextmanager
def layer_of(data_format: str, engine: str, situation: Situation) -> Iterator[Oracle]:
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        wk.settings(backends={data_format: engine.partition("+")[2]}),
    ):
        warnings.simplefilter("ignore", UserWarning)  # of unusual chunks and channels
        dataset = wk.Dataset(Path(folder) / "dataset", voxel_size=(1, 1, 1))
        box: Any = wk.BoundingBox(situation.topleft, situation.size)
        if situation.axes != ("c", "x", "y", "z"):
            starts = dict(zip("xyz", situation.topleft, strict=True))
            sizes = {**dict(zip("xyz", situation.size, strict=True)), "t": 2, "c": situation.channels}
            box = wk.NDBoundingBox(
                [starts.get(axis, 0) for axis in situation.axes],
                [sizes[axis] for axis in situation.axes],
                situation.axes,
                range(len(situation.axes)),
            )
            if situation.axes[:3] == ("x", "y", "z"):
                box = wk.NormalizedBoundingBox(situation.topleft, situation.size, situation.axes)
        layer = dataset.add_layer(
            "a",
            "color",
            dtype=situation.dtype,
            num_channels=situation.channels,
            data_format=data_format,
            bounding_box=box,
        )
        mag = layer.add_mag(
            situation.mag,
            chunk_shape=situation.chunk,
            shard_shape=situation.shard,
            compress=situation.compress,
        )
        assert layer.state.frame.axes == situation.axes
        yield Oracle(mag, situation)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(".wkplug.lock")
    }


def draw_box(data: st.DataObject, oracle: Oracle, *, most: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    low, size = [], []
    for first, last in zip(oracle.low, oracle.high, strict=True):
        shard = oracle.case.shard
        corners = sorted({0, shard, 2 * shard, first, last, (first + last) // 2} & set(range(most)))
        a = data.draw(st.sampled_from(corners) | st.integers(0, most - 1), label="from")
        ends = sorted({b for b in (a + 1, shard, 2 * shard, last, most) if a < b <= most})
        b = data.draw(st.sampled_from(ends) | st.integers(a + 1, most), label="to")
        low.append(a)
        size.append(b - a)
    return tuple(low), tuple(size)


def write_once(data: st.DataObject, oracle: Oracle, number: int) -> None:
    case = oracle.case
    low, size = draw_box(data, oracle, most=EXTENT)
    allow_resize, allow_unaligned = (
        data.draw(st.booleans(), label="resize"),
        data.draw(st.booleans(), label="unaligned"),
    )
    shape = oracle.expected(low, size).shape
    values = np.random.default_rng(number).integers(1, 120, shape).astype(case.dtype)
    position: dict[str, Any] = {"absolute_offset": oracle.mag1(low)}
    if data.draw(st.booleans(), label="relative"):
        own = oracle.view.bounding_box.topleft_xyz
        position = {"relative_offset": tuple(a - b for a, b in zip(oracle.mag1(low), own, strict=True))}
    fits = oracle.fits(low, size)
    refused = (not fits and not allow_resize) or not (
        allow_unaligned or oracle.aligned(low, size, grown=not fits)
    )
    view, layer = oracle.view, oracle.view.layer
    if data.draw(st.booleans(), label="strided"):
        values = np.ascontiguousarray(values)
    if refused:
        before, box = files_of(Path(layer.dataset.path)), layer.bounding_box
        with pytest.raises(
            ValueError, match=r"does not fit in the layer's bounding box|not aligned with the shard shape"
        ):
            view.write(values, allow_resize=allow_resize, allow_unaligned=allow_unaligned, **position)
        assert files_of(Path(layer.dataset.path)) == before
        assert layer.bounding_box == box
        return
    view.write(values, allow_resize=allow_resize, allow_unaligned=allow_unaligned, **position)
    oracle.voxels[oracle.slices(low, size)] = values
    if not fits:
        box = layer.bounding_box
        oracle.low, oracle.high = oracle.grown(low, size)
        assert oracle._in_mag(box) == (oracle.low, oracle.high)


def read_once(data: st.DataObject, oracle: Oracle, view: wk.View) -> None:
    low, size = draw_box(data, oracle, most=EXTENT + 20)
    expected = oracle.expected(low, size)
    found = view.read(absolute_offset=oracle.mag1(low), size=oracle.mag1(size))
    assert found.flags.f_contiguous
    assert found.dtype == oracle.case.dtype
    np.testing.assert_array_equal(found, expected)
    part = view.get_view(absolute_offset=oracle.mag1(low), size=oracle.mag1(size), read_only=True)
    assert part.bounding_box.topleft_xyz == oracle.mag1(low)
    np.testing.assert_array_equal(part.read(), expected)


@pytest.mark.parametrize(("data_format", "engine"), CASES, ids=[engine for _, engine in CASES])
def test_histories_of_writes_read_as_numpy_says(data_format: str, engine: str) -> None:
    @examples(12)
    @given(st.data())
    def history(data: st.DataObject) -> None:
        situation = data.draw(situations(data_format), label="layer")
        with layer_of(data_format, engine, situation) as oracle:
            assert oracle.view.info.backend == engine
            for number in range(data.draw(st.integers(1, 4), label="writes")):
                write_once(data, oracle, number)
                read_once(data, oracle, oracle.view)
            again = wk.Dataset.open(oracle.view.layer.dataset.path).get_layer("a").get_mag(situation.mag)
            read_once(data, oracle, again)
            size = tuple(b - a for a, b in zip(oracle.low, oracle.high, strict=True))
            np.testing.assert_array_equal(again.read(), oracle.expected(oracle.low, size))

    history()


@pytest.mark.parametrize(("data_format", "engine"), CASES, ids=[engine for _, engine in CASES])
def test_writes_to_views_stay_inside_them(data_format: str, engine: str) -> None:
    @examples(8)
    @given(st.data())
    def history(data: st.DataObject) -> None:
        situation = data.draw(situations(data_format), label="layer")
        with layer_of(data_format, engine, situation) as oracle:
            low, size = draw_box(data, oracle, most=EXTENT)
            position: dict[str, Any] = {"absolute_offset": oracle.mag1(low), "size": oracle.mag1(size)}
            if not oracle.fits(low, size):
                with pytest.raises(AssertionError, match="leaves its parent"):
                    oracle.view.get_view(**position)
                return
            view = oracle.view.get_view(**position)
            part_low, part_size = draw_box(data, oracle, most=EXTENT)
            values = np.full(oracle.expected(part_low, part_size).shape, 7, situation.dtype)
            inside = all(
                a >= b and a + n <= b + m for a, n, b, m in zip(part_low, part_size, low, size, strict=True)
            )
            if inside:
                view.write(values, absolute_offset=oracle.mag1(part_low), allow_unaligned=True)
                oracle.voxels[oracle.slices(part_low, part_size)] = 7
            else:
                with pytest.raises(AssertionError, match="leaves the view"):
                    view.write(values, absolute_offset=oracle.mag1(part_low), allow_unaligned=True)
            np.testing.assert_array_equal(
                oracle.view.read(absolute_offset=(0, 0, 0), size=oracle.mag1((EXTENT,) * 3)), oracle.voxels
            )
            read_once(data, oracle, view)

    history()


@pytest.mark.parametrize(("data_format", "engine"), CASES, ids=[engine for _, engine in CASES])
def test_a_write_that_covers_many_shards_in_part(data_format: str, engine: str) -> None:
    """Such a write is cut in pieces, since not all of its locks are taken at once: 152 shards lie at its border."""
    situation = Situation(("c", "x", "y", "z"), "uint8", 1, (1, 1, 1), (0, 0, 0), (EXTENT,) * 3, 8, 8, True)
    with layer_of(data_format, engine, situation) as oracle:
        low, size = (1, 2, 3), (45, 44, 43)
        values = np.random.default_rng(1).integers(1, 255, oracle.expected(low, size).shape, "uint8")
        oracle.view.write(np.full_like(oracle.voxels, 9))
        oracle.view.write(values, absolute_offset=low, allow_unaligned=True)
        oracle.voxels[:] = 9
        oracle.voxels[oracle.slices(low, size)] = values
        np.testing.assert_array_equal(oracle.view.read(), oracle.voxels)
