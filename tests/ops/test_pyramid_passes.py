"""Several mags at once give the same as one after the other, whatever the cutting; each shard is written once."""

from __future__ import annotations

import itertools
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wkplug as wk
from wkplug import registry
from wkplug.ops.pyramids import passes
from wkplug.testing.profiles import examples

from .test_pyramids import MODES, make, reduced

CHAINS = (
    ["2", "4", "8"],
    ["2-2-1", "4-4-2", "8-8-4"],
    ["2-1-1", "4-2-1", "4-4-2", "8-8-8"],
    ["4", "8", "16"],
    ["2", "16", "32"],  # a step that reduces eightfold begins a pass of its own
    ["1-1-2", "8-8-2"],
)


@st.composite
def chains(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, ...], list[str]]:
    topleft = draw(st.tuples(*(st.integers(0, 50),) * 3))
    size = draw(st.tuples(*(st.integers(1, 60),) * 3))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(("uint8", "int16", "uint32", "float32")))
    data = random.integers(-9 if dtype[0] != "u" else 0, 9, (draw(st.sampled_from((1, 2))), *size)).astype(
        dtype
    )
    if draw(st.booleans()):
        data[:, size[0] // 3 :] = 0
    return data, topleft, draw(st.sampled_from(CHAINS))


def level_by_level(
    data: np.ndarray, topleft: tuple[int, ...], mags: list[str], mode: str
) -> list[np.ndarray]:
    """What numpy makes of it, each mag from the one before."""
    found = []
    finer, low = wk.Mag(1), topleft
    for mag in map(wk.Mag, mags):
        factors = tuple(b // a for a, b in zip(finer, mag, strict=True))
        data = reduced(data, low, factors, mode)
        found.append(data)
        low = tuple(a // f for a, f in zip(low, factors, strict=True))
        finer = mag
    return found


@pytest.mark.parametrize("data_format", ["wkw", "zarr", "zarr3"])
def test_all_mags_at_once_are_those_of_one_after_the_other(data_format: str) -> None:
    @examples(12)
    @given(
        chains(), st.sampled_from(MODES), st.sampled_from((None, 8, (16, 1, 5))), st.sampled_from((None, 32))
    )
    def check(chain: Any, mode: str, buffer: Any, shard: int | None) -> None:
        data, topleft, mags = chain
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            layer = make(Path(folder) / "d", data, topleft, data_format=data_format)
            layer.downsample_mag_list(
                1, mags, interpolation_mode=mode, buffer_shape=buffer, shard_shape=shard, chunk_shape=32
            )
            for mag, expected in zip(mags, level_by_level(data, topleft, mags, mode), strict=True):
                np.testing.assert_array_equal(layer.get_mag(mag).read(), expected, err_msg=mag)

    check()


@pytest.mark.parametrize("axes", ["txyz", "ctxyz", "zyxt"])
def test_other_axes_are_carried_through_all_mags(tmp_path: Path, axes: str) -> None:
    sizes = {"t": 3, "c": 1, "x": 33, "y": 30, "z": 17}
    starts = {"x": 3, "y": 0, "z": 5}
    names = tuple(axes)
    box = wk.NormalizedBoundingBox(
        [starts.get(axis, 0) for axis in names], [sizes[axis] for axis in names], names
    )
    layer = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1)).add_layer(
        "a", "color", dtype="int16", bounding_box=box
    )
    layer.add_mag(1)
    order = layer.normalized_bounding_box.axes
    data = np.random.default_rng(3).integers(-99, 99, [sizes.get(axis, 1) for axis in order]).astype("i2")
    view = layer.get_mag(1)
    view.state.source.writing_handle.write(layer.state.region, data)
    layer.downsample_mag_list(1, [2, 4], executor="sequential")
    interpolation = registry.interpolation("median", category="color", dtype="int16")
    low = [starts.get(axis, 0) for axis in order]
    for mag in (2, 4):
        factors = tuple(2 if axis in "xyz" else 1 for axis in order)
        widths = [(a % f, -(a + n) % f) for a, n, f in zip(low, data.shape, factors, strict=True)]
        data = interpolation.reduce(np.pad(data, widths, mode="symmetric"), factors)
        low = [a // f for a, f in zip(low, factors, strict=True)]
        found = layer.get_mag(mag)
        np.testing.assert_array_equal(
            found.state.source.handle.read((tuple(low), data.shape)), data, err_msg=str(mag)
        )


class Counted:
    """Counts what the arrays of a process are asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, layer: wk.Layer) -> None:
        self.reads: list[tuple[str, Any]] = []
        self.writes: list[tuple[str, Any]] = []
        kind: Any = type(layer.get_mag(1).state.source.handle.array)
        read, write = kind.read, kind.write

        def reading(array: Any, box: Any, **options: Any) -> Any:
            self.reads.append((repr(array), box))
            return read(array, box, **options)

        def writing(array: Any, box: Any, data: Any) -> None:
            self.writes.append((repr(array), box))
            write(array, box, data)

        monkeypatch.setattr(kind, "read", reading)
        monkeypatch.setattr(kind, "write", writing)


@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
@pytest.mark.parametrize("executor", ["sequential", "threads"])
def test_each_voxel_is_read_once_and_each_shard_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_format: str, executor: str
) -> None:
    data = np.random.default_rng(5).integers(1, 255, (1, 200, 130, 256)).astype("u1")
    layer = make(tmp_path / "d", data, data_format=data_format)
    counted = Counted(monkeypatch, layer)
    layer.downsample_mag_list(1, [2, 4, 8], shard_shape=64, chunk_shape=32, executor=executor)
    assert {name for name, _ in counted.reads} == {counted.reads[0][0]}  # only mag 1 is read
    assert sum(int(np.prod(shape)) for _, (_, shape) in counted.reads) == data.size
    shards = []
    for name, (start, shape) in counted.writes:
        ranges = [range(a // 64, -(-(a + n) // 64)) for a, n in zip(start[1:], shape[1:], strict=True)]
        shards += [(name, cell) for cell in itertools.product(*ranges)]
    assert len(shards) == len(set(shards)) == 2 * 2 * 2 + 1 + 1


def test_an_interpolation_hears_beforehand_how_much_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wkplug.registry.modes import Implementations

    heard: list[Any] = []
    reduce = Implementations.reduce
    monkeypatch.setattr(Implementations, "prepare", lambda _, *told: heard.append(told))
    monkeypatch.setattr(Implementations, "reduce", lambda *args: heard.append("reduce") or reduce(*args))
    data = np.random.default_rng(5).integers(1, 255, (1, 200, 130, 70)).astype("u2")
    make(tmp_path / "d", data).downsample_mag_list(1, [2, 4], executor="sequential")
    assert heard[0] == ("uint16", data.nbytes)
    assert set(heard) == {heard[0], "reduce"}


def test_what_was_never_written_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = wk.BoundingBox((0, 0, 0), (4096, 4096, 4096))
    layer = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1)).add_layer("a", "color", bounding_box=box)
    layer.add_mag(1, chunk_shape=32, shard_shape=64).write(
        np.full((64, 64, 64), 9, "u1"), absolute_offset=(2048, 64, 4032)
    )
    counted = Counted(monkeypatch, layer)
    layer.downsample(coarsest_mag=64, shard_shape=32, chunk_shape=32)
    assert sum(int(np.prod(shape)) for _, (_, shape) in counted.reads) <= 2 * 256**3
    for mag in (2, 16, 64):
        view = layer.get_mag(mag)
        assert (view.read(absolute_offset=(2048, 64, 4032), size=(64, 64, 64)) == 9).all()
        assert len(list(view.get_bounding_boxes_on_disk())) == 1


def test_two_workers_share_a_layer_of_one_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import itertools
    import threading

    from wkplug.builtin.executors import ThreadsExecutor
    from wkplug.ops.pyramids.shards import ShardReduction

    layer = make(tmp_path / "d", np.random.default_rng(0).integers(1, 9, (1, 128, 128, 128)).astype("u1"))
    meeting = threading.Barrier(2, timeout=60)
    original = ShardReduction.__call__

    calls = itertools.count()

    def together(work: ShardReduction, region: Any) -> None:
        if next(calls) < 2:
            meeting.wait()  # breaks unless two workers are here at once
        original(work, region)

    monkeypatch.setattr(ShardReduction, "__call__", together)
    layer.downsample(coarsest_mag=4, executor=ThreadsExecutor(workers=2))
    assert layer.get_mag(2).info.shard_shape == (64, 64, 64)
    assert layer.get_mag(2).read().all()


def sizes(**options: Any) -> passes.Sizes:
    """A cube of 2048^3 uint8 whose mags 2 to 16 have shards of 1024^3."""
    extents = [2048 >> level for level in range(1, 5)]
    values: dict[str, Any] = {
        "chunk": (1, 32, 32, 32),
        "extent": (1, 2048, 2048, 2048),
        "itemsize": 1,
        "spatial": (1, 2, 3),
        "factors": ((1, 2, 2, 2),) * 4,
        "bounds": tuple(((0,) * 4, (1, extent, extent, extent)) for extent in extents),
        "shards": tuple((1, extent, extent, extent) for extent in extents),
        "chunks": ((1, 32, 32, 32),) * 4,
    }
    return passes.Sizes(**{**values, **options})


def test_less_memory_means_smaller_tiles_then_fewer_mags_at_once_then_parts_of_shards() -> None:
    found = []
    for memory in (2**34, 3 * 2**30, 200 * 2**20):
        planned, least = passes.plan_pass(sizes(), workers=2, shared=True, memory=memory)
        assert planned is not None
        assert planned.need <= memory
        assert least <= planned.need
        found.append(planned)
    rich, poor, poorest = found
    assert rich.count == 4
    assert rich.grids[0] == (1, 1024, 1024, 1024)
    assert 1 <= poor.count < 4 or poor.tile < rich.tile
    assert poorest.count == 1
    assert max(poorest.grids[0]) < 1024
    none, least = passes.plan_pass(sizes(), workers=2, shared=True, memory=2**18)
    assert none is None
    assert 2**18 < least < 8 * 2**20
    enough, _ = passes.plan_pass(sizes(), workers=2, shared=True, memory=least)
    assert enough is not None
    assert enough.at_once == 1


def test_workers_that_share_nothing_get_regions_of_whole_shards() -> None:
    wide = sizes(
        extent=(1, 8192, 8192, 8192),
        bounds=tuple(((0,) * 4, (1, 4096 >> level, 4096 >> level, 4096 >> level)) for level in range(4)),
        shards=((1, 256, 256, 256),) * 4,
    )
    found, _ = passes.plan_pass(wide, workers=4, shared=False, memory=16 * 2**30)
    assert found is not None
    assert found.count >= 2
    # A region is a shard of the coarsest of its mags, and there are enough of them.
    assert found.nested[0] == (1, *(256 << found.count - 1,) * 3)
    assert (4096 // found.nested[0][1]) ** 3 >= 8
