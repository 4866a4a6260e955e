"""Pyramids against numpy: whatever the box, the factors, the mode and the cutting."""

from __future__ import annotations

import itertools
import tempfile
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wkplug as wk
from wkplug import errors, registry
from wkplug.builtin.executors import ProcessesExecutor, SequentialExecutor, ThreadsExecutor
from wkplug.testing.profiles import examples

MODES = ("median", "mode", "nearest", "min", "max", "mean")


def make(path: Path, data: np.ndarray, topleft: tuple[int, ...] = (0, 0, 0), **options: Any) -> wk.Layer:
    """A layer with these voxels (c, x, y, z) as mag 1."""
    dataset = wk.Dataset(path, voxel_size=options.pop("voxel_size", (1, 1, 1)))
    mag = wk.Mag(options.pop("mag", 1))
    layer = dataset.add_layer(
        "a",
        options.pop("category", "color"),
        dtype=data.dtype,
        num_channels=data.shape[0],
        data_format=options.pop("data_format", "zarr3"),
        bounding_box=wk.BoundingBox(topleft, data.shape[1:]).from_mag_to_mag1(mag),
    )
    layer.add_mag(mag, chunk_shape=32, shard_shape=32).write(data)
    return layer


def reduced(data: np.ndarray, low: tuple[int, ...], factors: tuple[int, ...], mode: str) -> np.ndarray:
    """Mirror `data` (c, x, y, z; at `low`, in voxels of the finer mag) to whole blocks, then reduce every block."""
    before = [a % f for a, f in zip(low, factors, strict=True)]
    after = [-(a + n) % f for a, n, f in zip(low, data.shape[1:], factors, strict=True)]
    padded = np.pad(data, [(0, 0), *zip(before, after, strict=True)], mode="symmetric")
    return registry.interpolation(mode, category="color", dtype=data.dtype.name).reduce(padded, (1, *factors))


@st.composite
def volumes(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, ...], tuple[int, ...]]:
    factors = draw(st.sampled_from(((2, 2, 2), (2, 2, 1), (4, 4, 2), (4, 1, 4), (1, 1, 2))))
    topleft = draw(st.tuples(*(st.integers(0, 40),) * 3))
    size = draw(st.tuples(*(st.integers(1, 48),) * 3))
    channels = draw(st.sampled_from((1, 3)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(("uint8", "int16", "float32")))
    data = random.integers(-9 if dtype != "uint8" else 0, 9, (channels, *size)).astype(dtype)
    if draw(st.booleans()):  # empty tiles aren't computed
        data[:, : size[0] // 2] = 0
    return data, topleft, factors


@pytest.mark.parametrize("data_format", ["wkw", "zarr", "zarr3"])
def test_a_mag_is_what_numpy_makes_of_the_mirrored_source(data_format: str) -> None:
    @examples(10)
    @given(volumes(), st.sampled_from(MODES), st.sampled_from((None, 8)))
    def check(
        volume: tuple[np.ndarray, tuple[int, ...], tuple[int, ...]], mode: str, tile: int | None
    ) -> None:
        data, topleft, factors = volume
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            layer = make(Path(folder) / "d", data, topleft, data_format=data_format)
            layer.downsample_mag(1, factors, interpolation_mode=mode, shard_shape=32, buffer_shape=tile)
            found = layer.get_mag(factors)
            np.testing.assert_array_equal(found.read(), reduced(data, topleft, factors, mode))
            assert layer.bounding_box == wk.BoundingBox(topleft, data.shape[1:])

    check()


def test_the_border_is_mirrored_not_darkened(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.full((1, 5, 5, 5), 100, "u1"), (3, 3, 3))
    layer.downsample(coarsest_mag=4)
    for mag in ("2", "4"):
        assert (layer.get_mag(mag).read() == 100).all()


@pytest.mark.parametrize(("mode", "dtype"), [("mode", "uint64"), ("median", "float32"), ("max", "int16")])
def test_the_cutting_into_tiles_never_shows(tmp_path: Path, mode: str, dtype: str) -> None:
    data = np.random.default_rng(5).integers(0, 7, (1, 21, 13, 9)).astype(dtype)
    category = "segmentation" if dtype == "uint64" else "color"
    results = []
    for number, size in enumerate((None, (3, 2, 4), 1)):
        layer = make(tmp_path / str(number), data, (7, 9, 3), category=category)
        layer.downsample_mag(1, "4-4-2", interpolation_mode=mode, buffer_shape=size)
        results.append(layer.get_mag("4-4-2").read())
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


class Bare:
    """Somebody else's executor."""

    calls = 0

    def submit(self, function: Any, *args: Any) -> Future[Any]:
        self.calls += 1
        future: Future[Any] = Future()
        future.set_result(function(*args))
        return future


EXECUTORS: dict[str, Any] = {
    "none": lambda: None,
    "sequential": SequentialExecutor,
    "threads": lambda: ThreadsExecutor(workers=2),
    "a thread pool of the standard library": lambda: ThreadPoolExecutor(2),
    "anything that submits": Bare,
    "processes": lambda: ProcessesExecutor(workers=2),
}


@pytest.mark.parametrize("name", EXECUTORS)
def test_every_executor_makes_the_same_pyramid(tmp_path: Path, name: str) -> None:
    data = np.random.default_rng(1).integers(0, 255, (1, 96, 80, 64)).astype("u1")
    layer = make(tmp_path / "d", data)
    executor: Any = EXECUTORS[name]()
    layer.downsample(coarsest_mag=4, shard_shape=32, chunk_shape=32, executor=executor)
    expected = reduced(data, (0, 0, 0), (2, 2, 2), "median")
    np.testing.assert_array_equal(layer.get_mag(2).read(), expected)
    np.testing.assert_array_equal(layer.get_mag(4).read(), reduced(expected, (0, 0, 0), (2, 2, 2), "median"))
    if hasattr(executor, "shutdown"):
        executor.shutdown()
    if isinstance(executor, Bare):
        assert executor.calls == 2 * 2 * 1 + 1  # mag 2 has 48 x 40 x 32 voxels, mag 4 fits one shard


def test_default_modes_are_median_for_colours_and_mode_for_labels(tmp_path: Path) -> None:
    data = np.zeros((1, 4, 4, 4), "u1")
    data[0, :, :, 0] = 1
    data[0, :2, :, 1] = 9
    color, labels = make(tmp_path / "c", data), make(tmp_path / "s", data, category="segmentation")
    for layer in (color, labels):
        layer.downsample_mag(1, 2)
    assert color.get_mag(2).read()[0, 0, 0, 0] == 5
    assert labels.get_mag(2).read()[0, 0, 0, 0] == 1


def test_time_points_are_reduced_one_by_one(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1))
    box = wk.NDBoundingBox((0, 1, 2, 3), (3, 10, 11, 12), ("t", "x", "y", "z"))
    layer = dataset.add_layer("a", "color", dtype="int8", bounding_box=box)
    data = np.random.default_rng(1).integers(-100, 100, (3, 10, 11, 12)).astype("i1")
    layer.add_mag(1).write(data)
    layer.downsample(coarsest_mag=4)
    expected = reduced(data, (1, 2, 3), (2, 2, 2), "median")
    np.testing.assert_array_equal(layer.get_mag(2).read(), expected)
    assert layer.get_mag(4).bounding_box.size.to_tuple() == (3, 12, 16, 16)
    dataset.add_layer(
        "mtxyz", "color", bounding_box=wk.NDBoundingBox((0,) * 4, (8, 8, 8, 2), ("z", "y", "x", "t"))
    )
    other = dataset.get_layer("mtxyz")
    other.add_mag(1).write(np.arange(1024, dtype="u1").reshape(8, 8, 8, 2))
    other.downsample_mag(1, "2-2-4", interpolation_mode="max")
    blocks_max = np.arange(1024, dtype="u1").reshape(2, 4, 4, 2, 4, 2, 2).max(axis=(1, 3, 5))
    np.testing.assert_array_equal(other.get_mag("2-2-4").read(), blocks_max)


def test_fifteen_sections_are_halved_twice(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(0, 255, (3, 64, 64, 15)).astype("u1")
    layer = make(tmp_path / "d", data, voxel_size=(10.5, 10.5, 21))
    layer.downsample(coarsest_mag="4-4-2")
    assert list(layer.mags) == [wk.Mag(1), wk.Mag("2-2-1"), wk.Mag("4-4-2")]
    half = reduced(data, (0, 0, 0), (2, 2, 1), "median")
    np.testing.assert_array_equal(layer.get_mag("2-2-1").read(), half)
    np.testing.assert_array_equal(
        layer.get_mag("4-4-2").read(), reduced(half, (0, 0, 0), (2, 2, 2), "median")
    )
    assert layer.get_mag("4-4-2").bounding_box.size == (64, 64, 16)
    assert layer.bounding_box.size == (64, 64, 15)


def test_a_single_section_keeps_its_z(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.random.default_rng(1).integers(0, 255, (1, 300, 200, 1)).astype("u1"))
    with pytest.warns(UserWarning, match="single section"):
        layer.downsample()
    assert list(layer.mags) == [wk.Mag(1), wk.Mag("2-2-1"), wk.Mag("4-4-1")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer.downsample(coarsest_mag=8, sampling_mode="constant_z")
    assert wk.Mag("8-8-1") in layer.mags


@pytest.mark.parametrize("engine", ["tensorstore", "zarr"])
def test_coarser_mags_of_a_single_section_are_stored_flat(tmp_path: Path, engine: str) -> None:
    with wk.settings(backends={"zarr3": engine}):
        layer = make(tmp_path / "d", np.full((1, 300, 200, 1), 7, "u1"))
        layer.downsample(coarsest_mag=2, sampling_mode="constant_z")
        info = layer.get_mag("2-2-1").info
    assert info.backend == f"zarr3+{engine}"
    assert (info.chunk_shape, info.shard_shape) == ((32, 32, 1), (256, 128, 1))
    assert (layer.get_mag("2-2-1").read() == 7).all()


def test_each_sampling_mode_makes_its_own_mags(tmp_path: Path) -> None:
    data = np.ones((1, 32, 32, 32), "u1")
    for mode, mags in (
        ("anisotropic", ["1", "2-2-1", "4-4-1", "8-8-2"]),
        ("isotropic", ["1", "2", "4", "8"]),
        ("constant_z", ["1", "2-2-1", "4-4-1", "8-8-1"]),
    ):
        layer = make(tmp_path / mode, data, voxel_size=(1, 1, 3.5))
        layer.downsample(coarsest_mag=8, sampling_mode=mode)
        assert [mag.to_layer_name() for mag in layer.mags] == mags
    with pytest.raises(ValueError, match="'foo' is not a sampling mode"):
        layer.downsample(coarsest_mag=16, sampling_mode="foo")
    assert len(layer.mags) == 4


def test_other_layers_guide_the_choice_of_mags(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.ones((1, 32, 32, 32), "u1"))
    other = layer.dataset.add_layer("other", "color", bounding_box=layer.bounding_box)
    other.add_mag("2-2-1")
    layer.downsample(coarsest_mag=4)
    assert list(layer.mags) == [wk.Mag(1), wk.Mag("2-2-1"), wk.Mag(4)]
    for mag in ("4", "2-2-1"):
        layer.delete_mag(mag)
    layer.downsample(coarsest_mag=4, align_with_other_layers=False)
    assert list(layer.mags) == [wk.Mag(1), wk.Mag(2), wk.Mag(4)]
    guide = make(tmp_path / "guide", np.ones((1, 8, 8, 8), "u1"))
    guide.add_mag("8-8-4")
    layer.downsample(coarsest_mag=8, align_with_other_layers=guide.dataset)
    assert wk.Mag("8-8-4") in layer.mags
    with pytest.raises(AssertionError, match="can't align with all"):
        layer.downsample(from_mag=1, coarsest_mag=16)


def test_mags_may_be_set_up_empty_and_filled_later(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.full((1, 32, 32, 32), 3, "u1"))
    layer.downsample(coarsest_mag=4, only_setup_mags=True)
    assert list(layer.mags) == [wk.Mag(1), wk.Mag(2), wk.Mag(4)]
    assert not layer.get_mag(2).read().any()
    with pytest.raises(ValueError, match="already has the mag 2") as caught:
        layer.downsample(from_mag=1, coarsest_mag=4)
    assert "allow_overwrite=True" in str(caught.value)
    layer.downsample(from_mag=1, coarsest_mag=4, allow_overwrite=True)
    assert (layer.get_mag(2).read() == 3).all()
    assert (layer.get_mag(4).read() == 3).all()


def test_a_change_arrives_in_all_coarser_mags(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.full((1, 40, 40, 40), 3, "u1"))
    layer.redownsample()
    assert len(layer.mags) == 1
    layer.downsample(coarsest_mag=4, compress=False, shard_shape=32)
    layer.get_mag(1).write(np.zeros((40, 40, 40), "u1"))
    layer.redownsample(interpolation_mode="max")
    for mag in (2, 4):
        view = layer.get_mag(mag)
        assert not view.read().any()
        assert view.info.compression_mode is False
        assert view.info.shard_shape == (32, 32, 32)
    again = wk.Dataset.open(layer.dataset.path).get_layer("a")
    assert len(again.mags) == 3


def test_a_list_of_mags_must_be_a_chain(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.full((1, 32, 32, 32), 3, "u1"))
    for targets in (["2-2-1", "1-1-2"], ["4-4-1", "2-2-2"]):
        with pytest.raises(AssertionError, match="The mags are no chain"):
            layer.downsample_mag_list(1, targets)
    assert len(layer.mags) == 1
    layer.downsample_mag_list(1, [4, "2-2-1", 2])
    assert list(layer.mags) == [wk.Mag(1), wk.Mag("2-2-1"), wk.Mag(2), wk.Mag(4)]
    with pytest.raises(ValueError, match="already has the mag 4"):
        layer.downsample_mag_list(1, [4, 8])
    assert wk.Mag(8) not in layer.mags


def test_what_can_not_be_downsampled(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.full((1, 32, 32, 32), 3, "u1"), mag=2)
    for source in (1, 4):
        for kind in (KeyError, AssertionError, errors.MagNotFoundError):
            with pytest.raises(kind, match=f"has no mag {source} to downsample from; it has 2"):
                layer.downsample(from_mag=source, coarsest_mag=8)
            with pytest.raises(kind, match="has no mag"):
                layer.downsample_mag(source, 8)
    for wrong in (ValueError, AssertionError):
        with pytest.raises(wrong, match="can't be computed from 2, which is coarser"):
            layer.downsample_mag(2, 1)
        with pytest.raises(wrong, match="already has the mag 2"):
            layer.downsample_mag(2, 2)
    with pytest.raises(KeyError, match="foo"):
        layer.downsample_mag(2, 4, interpolation_mode="foo")
    with pytest.raises(ValueError, match="from_mag_view is of mag 2, but from_mag is 1"):
        layer.downsample_mag(1, 4, from_mag_view=layer.get_mag(2))
    with pytest.raises(AssertionError, match="is finer than the mag to start from"):
        layer.downsample(coarsest_mag=1)
    assert list(layer.mags) == [wk.Mag(2)]
    assert sorted(file.name for file in layer.path.iterdir() if file.is_dir()) == ["2"]
    empty = layer.dataset.add_layer("empty", "color")
    with pytest.raises(AssertionError, match="no mags to downsample"):
        empty.downsample()
    empty.add_mag(1)
    with pytest.raises(ValueError, match="An empty layer has no pyramid"):
        empty.downsample()


def test_smoothing_modes_are_refused_for_labels(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.full((1, 32, 32, 32), 3, "u4"), category="segmentation")
    for mode in ("bilinear", "bicubic", "mean"):
        with pytest.raises(ValueError, match="segmentation"):
            layer.downsample(coarsest_mag=2, interpolation_mode=mode)
    assert len(layer.mags) == 1
    layer.downsample(coarsest_mag=2, interpolation_mode="NEAREST")
    assert (layer.get_mag(2).read() == 3).all()


def test_two_mags_of_one_largest_factor_must_be_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wkplug.ops.pyramids import downsampling

    layer = make(tmp_path / "d", np.full((1, 32, 32, 32), 3, "u1"))
    # No scheme of our own makes such mags.
    monkeypatch.setattr(downsampling, "pyramid_mags", lambda *_: [wk.Mag("2-2-1"), wk.Mag(2)])
    with pytest.raises(RuntimeError, match="same largest factor"):
        layer.downsample(coarsest_mag=2)
    assert len(layer.mags) == 1
    with pytest.warns(UserWarning, match="same largest factor"):
        layer.downsample(coarsest_mag=2, force_sampling_scheme=True)
    assert list(layer.mags) == [wk.Mag(1), wk.Mag("2-2-1"), wk.Mag(2)]


def test_another_layers_mag_may_be_the_source(tmp_path: Path) -> None:
    source = make(tmp_path / "source", np.full((1, 32, 32, 32), 3, "u1"))
    target = wk.Dataset(tmp_path / "target", voxel_size=(1, 1, 1)).add_layer(
        "a", "color", bounding_box=source.bounding_box
    )
    target.downsample_mag(1, 2, from_mag_view=source.get_mag(1))
    assert list(target.mags) == [wk.Mag(2)]
    assert (target.get_mag(2).read() == 3).all()


def test_a_mag_of_another_dataset_is_never_overwritten(tmp_path: Path) -> None:
    import json

    owner = make(tmp_path / "owner", np.full((1, 32, 32, 32), 3, "u1"))
    owner.downsample(coarsest_mag=2)
    guest = make(tmp_path / "guest", np.full((1, 32, 32, 32), 5, "u1"))
    file = guest.dataset.path / "datasource-properties.json"
    document = json.loads(file.read_text())
    document["dataLayers"][0]["mags"].append(
        {
            "mag": [2, 2, 2],
            "path": str(tmp_path / "owner" / "a" / "2"),
            "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3},
        }
    )
    file.write_text(json.dumps(document))
    layer = wk.Dataset.open(guest.dataset.path).get_layer("a")
    assert layer.get_mag(2).read_only
    with pytest.raises(RuntimeError, match="belong elsewhere"):
        layer.redownsample()
    assert not list((tmp_path / "owner").rglob(".wkplug-incomplete*"))
    assert (owner.get_mag(2).read() == 3).all()


def test_a_whole_dataset_is_downsampled_layer_by_layer(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", np.full((1, 32, 32, 32), 3, "u1"))
    labels = layer.dataset.add_layer("labels", "segmentation", bounding_box=layer.bounding_box)
    labels.add_mag(1).write(np.full((32, 32, 32), 7, "u1"))
    layer.dataset.add_layer("without-mags", "color")
    layer.dataset.downsample(coarsest_mag=4)
    for one, value in ((layer, 3), (labels, 7)):
        assert [mag.to_layer_name() for mag in one.mags] == ["1", "2", "4"]
        assert (one.get_mag(4).read() == value).all()


def test_progress_counts_tiles(tmp_path: Path) -> None:
    from wkplug.ops.pyramids import downsampling
    from wkplug.ops.pyramids.sampling import PyramidOptions

    layer = make(tmp_path / "d", np.full((1, 96, 64, 64), 3, "u1"))
    seen: list[tuple[int, int]] = []
    downsampling.downsample_mag_list(
        layer.state, 1, [2], PyramidOptions(shard_shape=32), progress=lambda *done: seen.append(done)
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]  # the last step: all is on the disk


def test_only_shards_with_voxels_are_stored(tmp_path: Path) -> None:
    data = np.zeros((1, 128, 64, 64), "u1")
    data[0, 70:75] = 9
    layer = make(tmp_path / "d", data)
    layer.downsample_mag(1, 2, shard_shape=32, chunk_shape=32, interpolation_mode="max")
    boxes = list(layer.get_mag(2).get_bounding_boxes_on_disk())
    assert boxes == [wk.BoundingBox((64, 0, 0), (64, 64, 64))]


def test_every_pair_of_axes_may_be_reduced(tmp_path: Path) -> None:
    data = np.random.default_rng(2).integers(0, 255, (1, 9, 10, 11)).astype("u1")
    for factors in itertools.product((1, 2), repeat=3):
        if max(factors) == 1:
            continue
        layer = make(tmp_path / str(factors), data, (1, 0, 3))
        layer.downsample_mag(1, factors, interpolation_mode="min")
        np.testing.assert_array_equal(layer.get_mag(factors).read(), reduced(data, (1, 0, 3), factors, "min"))
