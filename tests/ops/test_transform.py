"""Transformed layers against scipy and numpy: maps, boxes, mags, dtypes, masks, fill values, cutting."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wkplug as wk
from wkplug import errors, storage
from wkplug.ops import AbstractTransform, AffineTransform, transform
from wkplug.ops.transforming import warping
from wkplug.testing.profiles import examples

from .test_pyramids import make
from .test_transforms import moved, turned

ndimage = pytest.importorskip("scipy.ndimage")


def output(layer: wk.Layer, name: str = "out", **options: Any) -> wk.Layer:
    return layer.dataset.add_layer(
        name,
        options.pop("category", layer.category),
        dtype=options.pop("dtype", layer.dtype),
        num_channels=options.pop("num_channels", layer.num_channels),
        **options,
    )


def ramp(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return np.arange(1, 1 + int(np.prod(shape))).reshape(1, *shape).astype(dtype)


def along_x(layer: wk.Layer, mag: Any = 1) -> list[float]:
    """The first row of voxels, from 0 on."""
    view = layer.get_mag(mag)
    start = view.bounding_box.topleft.x // view.mag.x
    return [0] * start + view.read()[0, :, 0, 0].tolist()  # type: ignore[no-any-return]


def drawn(
    data: np.ndarray,
    low: tuple[int, ...],
    matrix: np.ndarray,
    box: tuple[Any, Any],
    mag: tuple[int, ...],
    order: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What scipy makes of it: voxels, which samples there are, and how far each is from a tie or a border."""
    factors = np.array(mag)
    index = np.indices(box[1]).reshape(3, -1) + np.array(box[0])[:, None]
    points = np.linalg.inv(matrix) @ np.vstack([index * factors[:, None], np.ones(index.shape[1])])
    where = points[:3] / factors[:, None] - np.array(low)[:, None]
    last = np.array(data.shape[1:])[:, None] - 1
    inside = ((where >= 0) & (where <= last)).all(axis=0)
    voxels = np.stack(
        [
            ndimage.map_coordinates(channel.astype(np.float64), where, order=order, mode="nearest")
            for channel in data
        ]
    )
    doubt = np.abs(where * 2 - np.rint(where * 2)).min(axis=0) < 1e-5
    shape = box[1]
    return voxels.reshape(-1, *shape), inside.reshape(shape), doubt.reshape(shape)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mag = draw(st.sampled_from(((1, 1, 1), (2, 2, 1), (4, 4, 4))))
    size = draw(st.tuples(*(st.integers(1, 40),) * 3))
    low = draw(st.tuples(*(st.integers(0, 20),) * 3))
    dtype = draw(st.sampled_from(("uint8", "int16", "uint32", "uint64", "float32")))
    data = random.integers(1, 120, (draw(st.sampled_from((1, 3))) if dtype == "uint8" else 1, *size)).astype(
        dtype
    )
    middle = np.eye(4)
    middle[:3, 3] = (np.array(low) + np.array(size) / 2) * np.array(mag)
    turn = np.eye(4)
    turn[:3, :3] = np.linalg.qr(random.normal(size=(3, 3)))[0] * random.uniform(0.5, 2, 3)
    place = np.eye(4)
    place[:3, 3] = middle[:3, 3] + random.uniform(-9, 9, 3)
    return {
        "mag": mag,
        "low": low,
        "category": "segmentation" if dtype == "uint64" else "color",
        "data": data,
        "matrix": place @ turn @ np.linalg.inv(middle),
        "box": (
            draw(st.tuples(*(st.integers(0, 30),) * 3)),
            draw(st.tuples(*(st.integers(1, 40),) * 3)),
        ),
        "fill": draw(st.sampled_from((None, 0, 7))),
        "kept": draw(st.sampled_from((None, 9))),
        "free": draw(st.booleans()),
        "buffer": draw(st.sampled_from((None, 8, (5, 16, 3)))),
        "executor": draw(st.sampled_from(("sequential", "threads"))),
        "linear": dtype != "uint64" and draw(st.booleans()),
    }


def test_random_maps_boxes_mags_and_dtypes_are_as_scipy_has_them() -> None:
    @examples(30)
    @given(cases())
    def check(case: dict[str, Any]) -> None:
        mag = wk.Mag(case["mag"])
        box = wk.BoundingBox(*case["box"]).from_mag_to_mag1(mag)
        with tempfile.TemporaryDirectory() as folder:
            layer = make(Path(folder) / "d", case["data"], case["low"], mag=mag, category=case["category"])
            result = output(layer)
            background = np.zeros((case["data"].shape[0], *case["box"][1]), case["data"].dtype)
            if case["kept"] is not None:
                result.bounding_box = box
                background[:] = case["kept"]
                result.add_mag(mag, chunk_shape=32, shard_shape=32).write(background)
            there = AffineTransform(case["matrix"])
            given = {"inverse_transform": there.inverse().apply} if case["free"] else {"transform": there}
            found = transform(
                layer,
                result,
                **given,
                output_bbox=box,
                fill_value=case["fill"],
                interpolation="linear" if case["linear"] else "nearest",
                buffer_shape=case["buffer"],
                executor=case["executor"],
            )
            assert found == box == result.bounding_box
            read = result.get_mag(mag).read()
        voxels, inside, doubt = drawn(
            case["data"], case["low"], case["matrix"], case["box"], case["mag"], int(case["linear"])
        )
        if case["fill"] is not None:
            background[:] = case["fill"]
        expected = np.where(inside, voxels, background)
        sure = np.broadcast_to(~doubt, read.shape)
        if case["linear"]:
            off = 0.501 if case["data"].dtype.kind != "f" else 1e-4
            np.testing.assert_allclose(read[sure].astype(float), expected[sure], atol=off)
        else:
            np.testing.assert_array_equal(read[sure], expected[sure])

    check()


def test_identity_and_whole_steps_are_exact_whatever_the_interpolation(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(0, 2**16, (1, 37, 20, 45)).astype("uint16")
    layer = make(tmp_path / "d", data, (3, 4, 5))
    for number, (step, how) in enumerate(
        (((0, 0, 0), "nearest"), ((7, 33, -5), "nearest"), ((7, -4, 2), "linear"))
    ):
        result = output(layer, f"out{number}")
        found = transform(layer, result, moved(*step), interpolation=how)  # type: ignore[arg-type]
        assert found == wk.BoundingBox((3, 4, 5), data.shape[1:]).offset(step)
        assert result.bounding_box == found
        np.testing.assert_array_equal(result.get_mag(1).read(), data)


def test_samples_beyond_the_outermost_centres_stay_empty_and_ties_go_up(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", ramp(5, 1, 1))
    cases = {
        "half": (moved(0.5), [0, 2, 3, 4, 5, 0]),
        "larger": (AffineTransform(np.diag([2, 1, 1, 1])), [1, 2, 2, 3, 3, 4, 4, 5, 5, 0]),
        "smaller": (AffineTransform(np.diag([0.5, 1, 1, 1])), [1, 3, 5]),
    }
    for name, (there, expected) in cases.items():
        result = output(layer, name)
        transform(layer, result, there)
        assert along_x(result) == expected


def test_a_quarter_turn_loses_no_border_to_the_noise_of_floats(tmp_path: Path) -> None:
    data = ramp(5, 4, 3)
    layer = make(tmp_path / "d", data)
    result = output(layer)
    there = AffineTransform(moved(3).matrix @ turned(90).matrix)
    transform(layer, result, there, output_bbox=wk.BoundingBox((0, 0, 0), (4, 5, 3)))
    np.testing.assert_array_equal(
        result.get_mag(1).read()[0], np.rot90(data[0], 1, (0, 1))[::-1, ::-1][::-1, ::-1]
    )


def test_boxes_below_zero_are_shifted_if_that_is_wanted(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", ramp(5, 1, 1))
    result = output(layer)
    with pytest.raises(ValueError, match=r"starts below zero, where no voxels can be") as caught:
        transform(layer, result, moved(-2))
    assert "translate_to_positive=True" in str(caught.value)
    assert not result.mags
    assert transform(layer, result, moved(-2), translate_to_positive=True) == layer.bounding_box
    assert along_x(result) == [1, 2, 3, 4, 5]
    box = wk.BoundingBox((-2, 0, 0), (9, 1, 1))
    shifted = transform(layer, output(layer, "b"), moved(4), output_bbox=box, translate_to_positive=True)
    assert shifted == wk.BoundingBox((0, 0, 0), (9, 1, 1))
    assert along_x(layer.dataset.get_layer("b")) == [0, 0, 0, 0, 0, 0, 1, 2, 3]
    flipped = output(layer, "c")
    transform(layer, flipped, AffineTransform(np.diag([-1, 1, 1, 1])), translate_to_positive=True)
    assert along_x(flipped) == [0, 5, 4, 3, 2]
    assert transform(layer, output(layer, "e"), moved(3), translate_to_positive=True).topleft.x == 3


def test_coarser_mags_are_moved_by_mag_1_voxels(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", ramp(5, 1, 1), mag=2)
    for step, start, expected in (
        (4, 4, [0, 0, 1, 2, 3, 4, 5]),
        (1, 0, [0, 2, 3, 4, 5, 0]),
        (-3, 0, [1, 2, 3, 4, 5]),
    ):
        result = output(layer, f"by {step}".replace(" ", "_").replace("-", "m"))
        box = transform(layer, result, moved(step), translate_to_positive=True)
        assert box.topleft.x == start
        assert along_x(result, 2) == expected
    part = transform(layer, output(layer, "part"), moved(4), output_bbox=wk.BoundingBox((5, 0, 0), (4, 2, 2)))
    assert part == wk.BoundingBox((4, 0, 0), (6, 2, 2))


def test_the_finest_mag_is_taken_and_another_one_by_name(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", ramp(16, 16, 16))
    layer.downsample(coarsest_mag=4)
    first, second = output(layer, "b"), output(layer, "c")
    transform(layer, first, moved(0))
    transform(layer, second, moved(0), mag=2)
    assert list(first.mags) == [wk.Mag(1)]
    assert list(second.mags) == [wk.Mag(2)]
    np.testing.assert_array_equal(second.get_mag(2).read(), layer.get_mag(2).read())
    assert first.get_mag(1).info.shard_shape == layer.get_mag(1).info.shard_shape


def test_what_was_there_stays_or_is_filled(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", ramp(5, 1, 1))
    box = wk.BoundingBox((2, 0, 0), (5, 1, 1))
    for name, fill, expected in (
        ("kept", None, [9, 9, 9, 9, 1, 2, 3, 9]),
        ("filled", 7, [9, 9, 7, 7, 1, 2, 3, 9]),
    ):
        result = output(layer, name, bounding_box=wk.BoundingBox((0, 0, 0), (8, 1, 1)))
        result.add_mag(1).write(np.full((1, 8, 1, 1), 9, "uint8"))
        transform(layer, result, moved(4), output_bbox=box, fill_value=fill)
        assert along_x(result) == expected
        assert result.bounding_box == wk.BoundingBox((0, 0, 0), (8, 1, 1))
    far = output(layer, "far")
    transform(layer, far, moved(400), output_bbox=wk.BoundingBox((0, 0, 0), (8, 1, 1)), fill_value=5)
    assert along_x(far) == [5] * 8


def test_masked_voxels_come_from_nowhere(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", ramp(5, 1, 1))
    mask = output(layer, "mask", category="segmentation", bounding_box=wk.BoundingBox((0, 0, 0), (4, 1, 1)))
    mask.add_mag(1).write(np.array([0, 1, 3, 0], "uint8").reshape(1, 4, 1, 1))
    for name, options, expected in (
        ("a1", {}, [0, 0, 2, 3]),
        ("a2", {"fill_value": 7}, [0, 7, 2, 3, 7, 7]),
    ):
        result = output(layer, name)
        transform(layer, result, moved(1), input_mask_layer=mask, **options)
        assert along_x(result)[: len(expected)] == expected


@pytest.mark.parametrize("executor", ["sequential", "threads", "processes"])
def test_maps_of_ones_own_run_everywhere_and_nan_is_nowhere(tmp_path: Path, executor: str) -> None:
    from waves import Wave

    data = np.random.default_rng(1).integers(1, 255, (1, 40, 33, 4)).astype("uint8")
    layer = make(tmp_path / "d", data)
    result = output(layer)
    box = transform(layer, result, Wave(), executor=executor, progress_desc="waves")
    assert box == wk.BoundingBox((0, 0, 0), (42, 33, 4))
    expected = np.zeros((1, 42, 33, 4), "uint8")
    for y in range(33):
        expected[:, y % 3 : y % 3 + 40, y] = data[:, :, y]
    expected[..., 2] = 0
    np.testing.assert_array_equal(result.get_mag(1).read(), expected)


def test_an_inverse_alone_fills_the_output_layers_box(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", ramp(5, 1, 1))
    result = output(layer)
    with pytest.raises(ValueError, match="The output bounding box is empty") as caught:
        transform(layer, result, inverse_transform=moved(-4))
    assert "Give an output_bbox, or set the bounding box of the output layer" in str(caught.value)
    result.bounding_box = wk.BoundingBox((1, 0, 0), (7, 1, 1))
    assert (
        transform(layer, result, inverse_transform=lambda points: points - (4, 0, 0)) == result.bounding_box
    )
    assert along_x(result) == [0, 0, 0, 0, 1, 2, 3, 4]


def test_axes_in_another_order_and_without_channels(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(1, 255, (5, 6, 7)).astype("uint8")
    dataset = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1))
    box = wk.NormalizedBoundingBox((0, 0, 0, 0), (7, 6, 5, 1), ("z", "y", "x", "c"))
    layer = dataset.add_layer("a", "color", bounding_box=box)
    layer.add_mag(1).write(data.T[..., None])
    result = output(layer)
    transform(layer, result, moved(1, 2, 3))
    np.testing.assert_array_equal(result.get_mag(1).read()[0], data)


def test_little_memory_takes_smaller_parts_and_shrinking_reads_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wkplug.model import voxels
    from wkplug.ops.transforming import layers as transforming

    data = np.random.default_rng(1).integers(1, 255, (1, 96, 96, 96)).astype("uint8")
    layer = make(tmp_path / "d", data)
    monkeypatch.setattr(transforming, "_READ", 4096)
    sizes: list[int] = []
    plain = voxels.read

    def read(handle: Any, box: Any, **options: Any) -> np.ndarray:
        sizes.append(int(np.prod(box[1])))
        return plain(handle, box, **options)

    monkeypatch.setattr(voxels, "read", read)
    result = output(layer)
    transform(layer, result, AffineTransform(np.diag([1 / 8, 1 / 8, 1 / 8, 1])))
    np.testing.assert_array_equal(result.get_mag(1).read(), data[:, ::8, ::8, ::8])
    assert max(sizes[:-1]) <= 4096


def test_parts_of_the_source_that_nothing_comes_from_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wkplug.model import voxels

    layer = make(tmp_path / "d", np.ones((1, 128, 128, 32), "uint8"))
    reads: list[Any] = []
    plain = voxels.read

    def read(handle: Any, box: Any, **options: Any) -> np.ndarray:
        reads.append(box)
        return plain(handle, box, **options)

    monkeypatch.setattr(voxels, "read", read)
    transform(layer, output(layer), moved(64, 64), output_bbox=wk.BoundingBox((0, 0, 0), (96, 96, 32)))
    assert sum(int(np.prod(box[1])) for box in reads) == 32 * 32 * 32


def test_too_little_memory_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", ramp(5, 1, 1))
    result = output(layer)
    for _ in range(2):
        with pytest.raises(
            errors.TooLargeError, match=r"Transforming into 'out' takes at least \d+ MB"
        ) as caught:
            transform(layer, result, moved(0), memory="1MB")
        assert 'Pass memory="' in str(caught.value)
        assert not (result.path / "1").exists()
    transform(layer, result, moved(0))
    with pytest.raises(errors.TooLargeError):
        transform(layer, result, moved(0), memory="1MB")
    assert along_x(result) == [1, 2, 3, 4, 5]


def test_a_transform_that_fails_leaves_no_complete_mag_and_may_be_run_again(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", ramp(5, 1, 1))
    result = output(layer, bounding_box=wk.BoundingBox((0, 0, 0), (5, 1, 1)))

    def broken(points: np.ndarray) -> np.ndarray:
        raise ZeroDivisionError("in the user's map")

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            transform(layer, result, inverse_transform=broken)
        assert not result.mags
        mark = storage.read_mark(result.location.child("1"))
        assert mark is not None
        assert mark.job == "transform out 1"
        assert mark.what == "a transformed a"
    transform(layer, result, moved(0))
    assert along_x(result) == [1, 2, 3, 4, 5]
    with pytest.raises(ZeroDivisionError):
        transform(layer, result, inverse_transform=broken)
    with pytest.raises(errors.IncompleteMagError):
        result.get_mag(1).read()
    broken_before = broken

    def mended(points: np.ndarray) -> np.ndarray:
        return points

    mended.__qualname__ = broken_before.__qualname__
    transform(layer, result, inverse_transform=mended)
    assert along_x(result) == [1, 2, 3, 4, 5]
    with pytest.raises(
        errors.ShapeMismatchError, match=r"array of shape \(5,\) from points of shape \(5, 3\)"
    ):
        transform(
            layer, output(layer, "b"), inverse_transform=lambda p: p[:, 0], output_bbox=layer.bounding_box
        )


class Shifted(AbstractTransform):
    """A map of one's own, with a state."""

    def __init__(self, by: int) -> None:
        self.by = by

    def apply(self, points: np.ndarray) -> np.ndarray:
        return points + self.by

    def inverse(self) -> Shifted:
        return Shifted(-self.by)


def test_another_transform_does_not_make_an_unfinished_one_look_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = make(tmp_path / "d", ramp(40, 1, 1))
    result = output(layer, bounding_box=layer.bounding_box)
    transform(layer, result, moved(0))
    place = result.get_mag(1).location

    def dying(self: Any, task: Any) -> None:
        raise KeyboardInterrupt

    def interrupted(map_of_space: Any, **more: Any) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(warping.Warp, "has_work", dying)
            patched.setattr(warping.Warp, "__call__", dying)
            with pytest.raises(KeyboardInterrupt):
                transform(layer, result, map_of_space, **more)

    interrupted(moved(10))
    mark, shown = storage.read_mark(place), result.bounding_box
    box = wk.BoundingBox((0, 0, 0), (20, 1, 1))
    for other in (
        {"transform": moved(5)},
        {"transform": moved(10), "fill_value": 3},
        {"transform": moved(10), "output_bbox": box},
        {"transform": moved(10), "interpolation": "linear"},
        {"inverse_transform": moved(10)},
    ):
        with pytest.raises(errors.IncompleteMagError) as caught:
            transform(layer, result, **other)
        assert (
            "The mag 1 of the layer 'out' is not complete: another transform into it, a transformed a, "
            in str(caught.value)
        )
        assert "with the same parameters to finish it, or transform into another layer" in str(caught.value)
        assert (storage.read_mark(place), result.bounding_box) == (mark, shown)
    transform(layer, result, moved(10))
    assert storage.read_mark(place) is None
    interrupted(Shifted(3))
    with pytest.raises(errors.IncompleteMagError):
        transform(layer, result, Shifted(4))
    transform(layer, result, Shifted(3))
    interrupted(moved(10))
    result.delete_mag(1)
    transform(layer, result, moved(0))
    assert along_x(result)[:40] == list(range(1, 41))


def test_a_mag_that_another_job_has_left_is_not_made_to_look_complete(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", ramp(5, 1, 1))
    result = output(layer, bounding_box=layer.bounding_box)
    result.add_mag(1)
    storage.set_mark(result.get_mag(1).location, storage.Mark(job="downsample out 1 -> 2"))
    with pytest.raises(errors.IncompleteMagError, match="is not complete: downsample out 1 -> 2"):
        transform(layer, result, moved(0))
    assert storage.read_mark(result.get_mag(1).location) is not None


def test_contradictions_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    layer = make(tmp_path / "d", ramp(5, 1, 1))
    dataset, result, there = layer.dataset, output(layer), moved(4)
    empty = output(layer, "empty")
    wide = output(layer, "wide", num_channels=3)
    box = wk.NDBoundingBox((0, 0, 0, 0), (2, 5, 4, 3), ("t", "x", "y", "z"))
    times = dataset.add_layer("times", "color", bounding_box=box)
    segments = output(layer, "segments", category="segmentation")
    long = dataset.add_layer("long", "color", dtype="int16", bounding_box=layer.bounding_box)
    wide.bounding_box = layer.bounding_box
    wide.add_mag(1)

    def refused(error: type[Exception], text: str, *arguments: Any, hint: str = "", **options: Any) -> None:
        with pytest.raises(error, match=text) as caught:
            transform(*arguments, **options)
        assert hint in str(caught.value)

    for options in ({}, {"transform": there, "inverse_transform": there.apply}):
        refused(
            ValueError, "Exactly one of `transform` or `inverse_transform` must be", layer, result, **options
        )
    refused(ValueError, "which is no transform", layer, result, np.eye(4), hint="Give an AffineTransform")
    refused(
        ValueError, "which can't be called", layer, result, inverse_transform=3, hint="points of shape (N, 3)"
    )
    refused(
        ValueError,
        r"The dtype of the output layer \(int16\) does not match",
        layer,
        long,
        there,
        hint="same dtype",
    )
    refused(
        ValueError,
        r"number of channels of the output layer \(3\) does not",
        layer,
        wide,
        there,
        hint="as many",
    )
    for pair in ((times, result), (layer, times)):
        refused(
            ValueError,
            "'times' has the axes .*t.*; only layers with x, y, z",
            *pair,
            there,
            hint="one time point",
        )
    refused(
        ValueError, "'empty' has an empty bounding box", empty, result, there, hint="Write voxels to it first"
    )
    refused(
        KeyError,
        "The layer 'a' has no mag 2 to transform; it has 1",
        layer,
        result,
        there,
        mag=2,
        hint="one of these",
    )
    refused(KeyError, "The layer 'long' has no mags", long, output(long, "other"), there)
    refused(
        KeyError,
        "The mask layer 'empty' has no mag 1 .* it has none",
        layer,
        result,
        there,
        input_mask_layer=empty,
    )
    refused(ValueError, "The mask layer 'wide' has 3 channels", layer, result, there, input_mask_layer=wide)
    refused(
        ValueError, "interpolation is 'cubic'", layer, result, there, interpolation="cubic", hint='"linear"'
    )
    refused(
        ValueError, "would mix the ids", layer, segments, there, interpolation="linear", hint='Use "nearest"'
    )
    for fill in (300, -1, 1.5, "x"):
        refused(
            ValueError, "dtype uint8 can't hold", layer, result, there, fill_value=fill, hint="None to leave"
        )
    refused(ValueError, "would be written while it is read", layer, layer, there, hint="into another layer")
    refused(
        ValueError, "output_bbox is NDBoundingBox", layer, result, there, output_bbox=box, hint="with x, y, z"
    )
    refused(
        ValueError, "chunk_shape is 0", layer, result, there, chunk_shape=0, hint="one number, or x, y, z"
    )
    refused(
        ValueError,
        "buffer_shape is",
        layer,
        result,
        there,
        buffer_shape=(1, 2),
        hint="one number, or x, y, z",
    )
    refused(
        ValueError,
        "output bounding box is empty",
        layer,
        result,
        there,
        output_bbox=wk.BoundingBox((0, 0, 0), (0, 1, 1)),
    )
    assert not result.mags
    assert result.bounding_box.is_empty()
    closed = wk.Dataset.open(dataset.path, read_only=True).get_layer("out")
    refused(RuntimeError, "read-only and can't be transformed into", layer, closed, there)


def test_voxels_without_numbers_do_not_spread_to_where_they_have_no_weight(tmp_path: Path) -> None:
    data = np.array([1, np.nan, 3, 5], "float32").reshape(1, 4, 1, 1)
    layer = make(tmp_path / "d", data)
    result = output(layer)
    transform(layer, result, moved(1), interpolation="linear", fill_value=np.nan)
    np.testing.assert_array_equal(result.get_mag(1).read(), data)
    result = output(layer, "b")
    transform(layer, result, moved(0.5), interpolation="linear", fill_value=-1)
    np.testing.assert_array_equal(result.get_mag(1).read()[0, :, 0, 0], [-1, np.nan, np.nan, 4, -1])


def test_the_names_are_in_the_room_of_the_verbs_and_nowhere_else() -> None:
    from wkplug import ops

    assert ops.transform is transform
    assert not hasattr(wk, "AffineTransform")
    with pytest.raises(AttributeError, match=r"module 'wkplug\.ops' has no attribute 'nothing'"):
        ops.nothing  # noqa: B018 - the look-up is what is tested
