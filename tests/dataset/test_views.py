"""Views and mags: which arguments mean what, and what is refused, with which error and without any trace."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wkplug as wk
from wkplug import errors

MakeLayer = Callable[..., wk.Layer]
Box = wk.BoundingBox


def snapshot(layer: wk.Layer) -> dict[str, bytes]:
    root = Path(layer.dataset.path)
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file() and file.name != ".wkplug.lock"
    }


@pytest.fixture
def mag(make_layer: MakeLayer, data_format: str) -> wk.MagView:
    """Mag 1 of a layer at (32, 32, 32) of 64^3 voxels; shards of 32^3, filled with 1, 2, ... 255, 1, ..."""
    layer = make_layer(bounding_box=Box((32, 32, 32), (64, 64, 64)), data_format=data_format)
    view = layer.add_mag(1, chunk_shape=32, shard_shape=32)
    view.write((np.arange(64**3) % 255 + 1).astype("u1").reshape((64,) * 3, order="F"))
    return view


@pytest.fixture
def coarse(make_layer: MakeLayer, data_format: str) -> wk.MagView:
    layer = make_layer("anisotropic", bounding_box=Box((0, 0, 0), (64, 64, 32)), data_format=data_format)
    view = layer.add_mag("2-2-1", chunk_shape=32, shard_shape=32)
    view.write(np.full((32, 32, 32), 9, "u1"))
    return view


@pytest.fixture
def unchanged() -> Iterator[Callable[[wk.MagView], None]]:
    """Mags given to this must be the same afterwards, on disk and in memory."""
    before: list[tuple[wk.MagView, dict[str, bytes], Any]] = []

    def watch(view: wk.MagView) -> None:
        before.append((view, snapshot(view.layer), view.layer.bounding_box))

    yield watch
    for view, files, box in before:
        assert snapshot(view.layer) == files
        assert view.layer.bounding_box == box
        assert wk.Dataset.open(view.layer.dataset.path).get_layer(view.layer.name).bounding_box == box


POSITIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"relative_offset": (0, 0, 0), "absolute_offset": (32, 32, 32), "size": (1, 1, 1)},
        AssertionError,
        "More than one position was given: relative_offset and absolute_offset",
    ),
    (
        {"relative_bounding_box": Box((0, 0, 0), (1, 1, 1)), "absolute_bounding_box": Box((32, 32, 32), (1, 1, 1))},
        AssertionError,
        "More than one position",
    ),
    ({"relative_offset": (0, 0, 0)}, AssertionError, "relative_offset was given without a size"),
    ({"absolute_offset": (32, 32, 32)}, AssertionError, "absolute_offset was given without a size"),
    (
        {"absolute_bounding_box": Box((32, 32, 32), (1, 1, 1)), "size": (1, 1, 1)},
        AssertionError,
        "Both a size and absolute_bounding_box were given",
    ),
    ({"absolute_offset": (32, 32, 32), "size": (1, 0, 1)}, AssertionError, "is empty: every axis needs at"),
    ({"absolute_bounding_box": Box((32, 32, 32), (0, 1, 1))}, AssertionError, "is empty"),
    ({"absolute_offset": (-1, 32, 32), "size": (1, 1, 1)}, AssertionError, "starts below zero"),
    ({"relative_offset": (-33, 0, 0), "size": (1, 1, 1)}, AssertionError, "starts below zero"),
    ({"absolute_offset": 3, "size": (1, 1, 1)}, AssertionError, "absolute_offset is 3, not a vector"),
    ({"absolute_offset": (1, 2), "size": (1, 1, 1)}, AssertionError, "2 numbers, but the axes are c, x, y, z"),
    ({"absolute_offset": "123", "size": (1, 1, 1)}, AssertionError, "not a vector"),
]  # fmt: skip


@pytest.mark.parametrize(("position", "error", "text"), POSITIONS)
def test_positions_that_mean_nothing_are_refused_by_read_and_get_view(
    mag: wk.MagView, position: dict[str, Any], error: type[Exception], text: str
) -> None:
    for method in (mag.read, mag.read_cxyz, mag.get_view, mag.get_view().read):
        with pytest.raises(error, match=text) as caught:
            method(**position)
        assert isinstance(caught.value, errors.WkplugError)


def test_regions_that_are_not_multiples_of_the_mag_are_refused(coarse: wk.MagView) -> None:
    for position in (
        {"absolute_offset": (1, 0, 0), "size": (2, 2, 1)},
        {"absolute_offset": (0, 0, 0), "size": (2, 3, 1)},
        {"relative_bounding_box": Box((0, 1, 0), (2, 2, 1))},
    ):
        for method in (coarse.read, coarse.get_view, coarse.read_cxyz):
            with pytest.raises(AssertionError, match="is not aligned with the mag 2-2-1"):
                method(**position)
    with pytest.raises(AssertionError, match="is not aligned with the mag 2-2-1"):
        coarse.write(np.ones((1, 1, 1), "u1"), absolute_offset=(1, 0, 0), allow_unaligned=True)
    assert coarse.read(absolute_offset=(0, 0, 3), size=(2, 2, 1)).shape == (1, 1, 1, 1)


def test_a_size_alone_counts_in_voxels_of_the_mag_and_is_deprecated(coarse: wk.MagView) -> None:
    with pytest.warns(DeprecationWarning, match=r"`read\(size=...\)` without an offset"):
        assert coarse.read((8, 8, 8)).shape == (1, 8, 8, 8)
    with pytest.warns(DeprecationWarning, match=r"`get_view\(size=...\)` without an offset"):
        assert coarse.get_view((32, 32, 32)).bounding_box == Box((0, 0, 0), (64, 64, 32))


def test_a_box_reads_what_its_offset_and_size_read(mag: wk.MagView) -> None:
    expected = mag.read()[:, 8:40, 4:8, 60:]
    box = Box((40, 36, 92), (32, 4, 4))
    for position in (
        {"absolute_bounding_box": box},
        {"absolute_offset": box.topleft, "size": box.size},
        {"relative_offset": np.array((8, 4, 60)), "size": [32, 4, 4]},
        {"relative_bounding_box": Box((8, 4, 60), (32, 4, 4))},
        {"absolute_bounding_box": box.normalize_axes(1)},
    ):
        np.testing.assert_array_equal(mag.read(**position), expected)
        np.testing.assert_array_equal(mag.read_cxyz(**position), expected)
    assert not mag.read(absolute_offset=(5000, 0, 0), size=(2, 2, 2)).any()


WRITES: list[tuple[dict[str, Any], tuple[int, ...], type[Exception], str]] = [
    ({}, (65, 64, 64), ValueError, "does not fit in the layer's bounding box"),
    ({"absolute_offset": (0, 32, 32)}, (32, 32, 32), ValueError, "does not fit in the layer's bounding box"),
    ({"absolute_offset": (-1, 32, 32), "allow_resize": True}, (1, 1, 1), AssertionError, "starts below zero"),
    ({"absolute_offset": (33, 32, 32)}, (32, 32, 32), ValueError, "not aligned with the shard shape"),
    ({"absolute_offset": (95, 32, 32), "allow_resize": True}, (32, 32, 32), ValueError, "not aligned with the shard"),
    ({"relative_offset": (0, 0, 0)}, (31, 32, 32), ValueError, "not aligned with the shard shape"),
    ({}, (2, 32, 32, 32), AssertionError, "have 2 channels"),
    ({"absolute_offset": (320, 32, 32), "allow_resize": True}, (2, 32, 32, 32), AssertionError, "have 2 channels"),
    ({}, (32, 32), ValueError, "have 2 dimensions"),
    ({}, (1, 1, 32, 32, 32), ValueError, "have 5 dimensions"),
    ({}, (0, 32, 32), ValueError, "The data are empty"),
    ({"absolute_bounding_box": Box((32, 32, 32), (33, 32, 32))}, (32, 32, 32), ValueError, "but the bounding box is"),
    (
        {"relative_offset": (0, 0, 0), "absolute_bounding_box": Box((32, 32, 32), (32, 32, 32))},
        (32, 32, 32),
        AssertionError,
        "More than one position",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("position", "shape", "error", "text"), WRITES)
def test_refused_writes_change_nothing(
    mag: wk.MagView,
    unchanged: Callable[[wk.MagView], None],
    position: dict[str, Any],
    shape: tuple[int, ...],
    error: type[Exception],
    text: str,
) -> None:
    unchanged(mag)
    with pytest.raises(error, match=text) as caught:
        mag.write(np.ones(shape, "u1"), **position)
    assert isinstance(caught.value, errors.WkplugError)


@pytest.mark.parametrize("resize", [False, True])
def test_voxels_are_never_rounded_or_clipped(
    mag: wk.MagView, unchanged: Callable[[wk.MagView], None], resize: bool
) -> None:
    unchanged(mag)
    offset = (320, 32, 32) if resize else (32, 32, 32)
    for dtype, one in (("float32", 1.5), ("uint16", 256), ("int8", -1), ("int64", 1000)):
        data = np.ones((32, 32, 32), dtype)
        data[3, 4, 5] = one
        with pytest.raises(TypeError, match=f"The data are {dtype}, but the array stores uint8"):
            mag.write(data, absolute_offset=offset, allow_resize=resize)
    with pytest.raises(TypeError, match=r"as in data.astype\('uint8'\)"):
        mag.write([[[[1.5]]]], absolute_offset=offset, allow_resize=resize, allow_unaligned=True)


def test_voxels_of_a_narrower_dtype_and_of_another_byte_order_are_converted(
    make_layer: MakeLayer, data_format: str
) -> None:
    view = make_layer(size=(4, 4, 4), dtype="int32", data_format=data_format).add_mag(1)
    view.write(np.full((4, 4, 4), -3, "int8"))
    assert (view.read() == -3).all()
    view.write(np.full((4, 4, 4), 70000, ">i4"))
    assert (view.read() == 70000).all()
    assert view.read().dtype == np.dtype("int32")
    view.write(np.full((4, 4, 4), True))
    assert (view.read() == 1).all()


def test_a_huge_box_is_refused_before_memory_is_taken(mag: wk.MagView) -> None:
    with pytest.raises(MemoryError, match="allowed are") as caught:
        mag.read(absolute_offset=(0, 0, 0), size=(2**31 - 1,) * 3)
    assert isinstance(caught.value, errors.TooLargeError)
    with (
        wk.settings(max_read_bytes=2**22),
        pytest.raises(errors.TooLargeError, match="the setting max_read_bytes"),
    ):
        mag.read(absolute_offset=(0, 0, 0), size=(2**10, 2**10, 2**5))


def test_a_read_only_dataset_refuses_every_change(
    mag: wk.MagView, unchanged: Callable[[wk.MagView], None]
) -> None:
    unchanged(mag)
    dataset = wk.Dataset.open(mag.layer.dataset.path, read_only=True)
    layer = dataset.get_layer("color")
    view = layer.get_mag(1)
    assert view.read_only
    assert view.get_view().read_only
    for change in (
        lambda: view.write(np.ones((32, 32, 32), "u1")),
        lambda: view.write(np.ones((32, 32, 32), "u1"), absolute_offset=(320, 0, 0), allow_resize=True),
        lambda: view.get_view(absolute_offset=(32, 32, 32), size=(32, 32, 32)).write(
            np.ones((32, 32, 32), "u1")
        ),
        lambda: setattr(layer, "bounding_box", Box((0, 0, 0), (640, 64, 64))),
        lambda: setattr(layer, "name", "other"),
        lambda: setattr(layer, "coordinate_transformations", None),
        lambda: layer.add_mag(2),
        lambda: layer.delete_mag(1),
        layer.downsample,
        layer.redownsample,
        lambda: layer.downsample_mag(1, 2),
        lambda: dataset.add_layer("other", "color"),
        lambda: dataset.delete_layer("color"),
    ):
        with pytest.raises(RuntimeError, match="read-only"):
            change()
    with pytest.raises(AssertionError, match="read-only view can't have a writable part"):
        view.get_view(read_only=False)
    assert view.read().any()


def test_a_writable_view_stays_inside_its_parent_and_a_read_only_one_may_not(mag: wk.MagView) -> None:
    outside: dict[str, Any] = {"absolute_offset": (64, 64, 64), "size": (64, 64, 64)}
    with pytest.raises(AssertionError, match="leaves its parent"):
        mag.get_view(**outside)
    view = mag.get_view(**outside, read_only=True)
    assert view.read()[:, :32, :32, :32].all()
    assert not view.read()[:, 32:].any()
    part = mag.get_view(relative_offset=(0, 0, 0), size=(32, 32, 32))
    assert part.read(relative_offset=(0, 0, 0), size=(64, 64, 64)).all()  # other voxels of the mag
    with pytest.raises(AssertionError, match="leaves its parent"):
        part.get_view(relative_offset=(0, 0, 0), size=(64, 32, 32))
    with pytest.raises(AssertionError, match="leaves the view"):
        part.write(np.ones((64, 32, 32), "u1"))


def test_a_view_never_resizes(mag: wk.MagView, unchanged: Callable[[wk.MagView], None]) -> None:
    unchanged(mag)
    view = mag.get_view()
    with pytest.raises(AssertionError, match="leaves the view"):
        view.write(np.ones((96, 64, 64), "u1"))
    with pytest.raises(TypeError, match="allow_resize"):
        view.write(np.ones((96, 64, 64), "u1"), allow_resize=True)  # type: ignore[call-arg]


def test_a_writable_view_across_shards_warns(mag: wk.MagView) -> None:
    with pytest.warns(UserWarning, match="not aligned with the shard shape"):
        view = mag.get_view(absolute_offset=(33, 32, 32), size=(8, 8, 8))
    view.write(np.zeros((8, 8, 8), "u1"))  # its own faces count as aligned
    assert not view.read().any()
    assert int((mag.read() == 0).sum()) == 512
    with pytest.raises(ValueError, match="not aligned with the shard shape"):
        view.write(np.ones((7, 8, 8), "u1"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mag.get_view(absolute_offset=(33, 32, 32), size=(8, 8, 8), read_only=True)
        mag.get_view(absolute_offset=(32, 32, 32), size=(32, 64, 64))
        mag.get_view()


def test_the_view_keeps_its_box_when_the_layer_grows(mag: wk.MagView) -> None:
    view = mag.get_view()
    mag.write(np.ones((32, 64, 64), "u1"), absolute_offset=(96, 32, 32), allow_resize=True)
    assert mag.bounding_box == mag.layer.bounding_box == Box((32, 32, 32), (96, 64, 64))
    assert view.bounding_box == Box((32, 32, 32), (64, 64, 64))
    assert view.read(absolute_offset=(96, 32, 32), size=(32, 64, 64)).all()


def test_an_anisotropic_write_extends_the_box_in_full_resolution(
    make_layer: MakeLayer, data_format: str
) -> None:
    layer = make_layer(size=(24, 24, 24), data_format=data_format)
    mag = layer.add_mag("2-2-1", chunk_shape=32, shard_shape=32)
    data = np.random.default_rng(0).integers(1, 255, (50, 1, 48)).astype("u1")
    mag.write(data, absolute_offset=(20, 20, 10), allow_resize=True, allow_unaligned=True)
    assert layer.bounding_box == Box((0, 0, 0), (120, 24, 58))
    np.testing.assert_array_equal(mag.read(absolute_offset=(20, 20, 10), size=(100, 2, 48))[0], data)
    assert int((mag.read() != 0).sum()) == data.size
    again = wk.Dataset.open(layer.dataset.path).get_layer("color")
    assert again.bounding_box == Box((0, 0, 0), (120, 24, 58))


def test_the_first_write_to_an_empty_layer_gives_it_its_box(dataset: wk.Dataset, data_format: str) -> None:
    layer = dataset.add_layer("color", "color", data_format=data_format)
    mag = layer.add_mag(1)
    assert mag.get_view().bounding_box.is_empty()
    with pytest.raises(AssertionError, match="is empty"):
        mag.read()
    with pytest.raises(ValueError, match="does not fit"):
        mag.write(np.ones((4, 5, 6), "u1"), absolute_offset=(7, 8, 9))
    mag.write(np.ones((4, 5, 6), "u1"), absolute_offset=(7, 8, 9), allow_resize=True)
    assert layer.bounding_box == Box((7, 8, 9), (4, 5, 6))
    assert mag.read().all()


def test_a_write_within_the_rounded_box_needs_no_resize(make_layer: MakeLayer, data_format: str) -> None:
    layer = make_layer(size=(65, 65, 65), data_format=data_format)
    mag = layer.add_mag(2)
    mag.write(np.ones((33, 33, 33), "u1"))
    assert layer.bounding_box == Box((0, 0, 0), (65, 65, 65))
    assert mag.bounding_box == Box((0, 0, 0), (66, 66, 66))
    assert mag.read().all()


def test_data_of_any_memory_layout_are_written(mag: wk.MagView) -> None:
    mag.write(np.array([[[[5]]]], "u1"), allow_unaligned=True)
    assert mag.read()[0, 0, 0, 0] == 5
    source = np.arange(64 * 64 * 64 * 2, dtype="u1").reshape(64, 64, 64, 2)[::-1, :, ::-1, 1]
    mag.write(source)
    np.testing.assert_array_equal(mag.read()[0], source)
    frozen = np.zeros((64, 64, 64), "u1")
    frozen.flags.writeable = False
    mag.write(frozen)
    assert not mag.read().any()


def test_what_is_read_belongs_to_the_reader(mag: wk.MagView) -> None:
    first = mag.read()
    before = first.copy()
    first[...] = 0
    np.testing.assert_array_equal(mag.read(), before)
    part = mag.read(absolute_offset=(90, 90, 90), size=(32, 32, 32))
    part[...] = 0
    np.testing.assert_array_equal(mag.read(), before)


def test_views_and_mags_pickle(mag: wk.MagView) -> None:
    expected = mag.read()
    again = pickle.loads(pickle.dumps(mag))
    assert again == mag
    assert hash(again) == hash(mag)
    assert again.layer == mag.layer
    np.testing.assert_array_equal(again.read(), expected)
    view = mag.get_view(absolute_offset=(32, 32, 32), size=(32, 32, 32))
    token = pickle.dumps(view)
    assert len(token) < 1000
    again = pickle.loads(token)
    assert (again.mag, again.bounding_box, again.read_only) == (view.mag, view.bounding_box, False)
    np.testing.assert_array_equal(again.read(), view.read())
    again.write(np.zeros((32, 32, 32), "u1"))
    assert not view.read().any()


def test_a_single_channel_comes_with_or_without_its_axis_and_several_only_with(
    dataset: wk.Dataset, data_format: str
) -> None:
    box = Box((0, 0, 0), (8, 8, 8))
    rgb = dataset.add_layer(
        "rgb", "color", num_channels=3, bounding_box=box, data_format=data_format
    ).add_mag(1)
    data = np.random.default_rng(1).integers(0, 255, (3, 8, 8, 8)).astype("u1")
    rgb.write(data)
    np.testing.assert_array_equal(rgb.read(), data)
    assert rgb.num_channels == 3
    with pytest.raises(AssertionError, match="so no channel axis, but the layer has 3 channels"):
        rgb.write(data[0])
    with pytest.raises(AssertionError, match=r"have 1 channels .* the layer has 3"):
        rgb.write(data[:1])
    np.testing.assert_array_equal(rgb.read(), data)


def test_the_first_channel_of_a_layer_may_be_other_than_zero(make_layer: MakeLayer, data_format: str) -> None:
    import json

    if data_format == "wkw":
        pytest.skip("WKW has no channel offset")
    layer = make_layer("rgb", size=(8, 8, 8), num_channels=3, data_format=data_format)
    data = np.random.default_rng(1).integers(0, 255, (3, 8, 8, 8)).astype("u1")
    layer.add_mag(1).write(data)
    file = layer.dataset.path / "datasource-properties.json"
    document = json.loads(file.read_text())
    document["dataLayers"][0]["mags"][0]["channelIndex"] = 1
    document["dataLayers"][0] |= {"numChannels": 2, "elementClass": "uint16"}
    file.write_text(json.dumps(document))
    view = wk.Dataset.open(layer.dataset.path).get_layer("rgb").get_mag(1)
    assert view.normalized_bounding_box.topleft.to_tuple() == (1, 0, 0, 0)
    np.testing.assert_array_equal(view.read(), data[1:])
    view.write(np.zeros((2, 8, 8, 8), "u1"))
    np.testing.assert_array_equal(layer.get_mag(1).read()[0], data[0])
    assert not layer.get_mag(1).read()[1:].any()


def test_time_series_read_by_offset_by_box_and_whole(dataset: wk.Dataset) -> None:
    box = wk.NDBoundingBox((0, 4, 5, 6), (3, 10, 11, 12), ("t", "x", "y", "z"))
    layer = dataset.add_layer("series", "color", bounding_box=box)
    mag = layer.add_mag(1)
    data = np.random.default_rng(1).integers(0, 255, (3, 10, 11, 12)).astype("u1")
    mag.write(data)
    assert mag.bounding_box == box
    np.testing.assert_array_equal(mag.read(), data)
    np.testing.assert_array_equal(mag.get_view().read(), data)
    np.testing.assert_array_equal(mag.read(absolute_offset=(5, 6, 7), size=(2, 2, 2)), data[:, 1:3, 1:3, 1:3])
    moment = wk.NDBoundingBox((1, 4, 5, 6), (1, 10, 11, 12), ("t", "x", "y", "z"))
    np.testing.assert_array_equal(mag.read(absolute_bounding_box=moment), data[1:2])
    np.testing.assert_array_equal(mag.read_cxyz(absolute_bounding_box=moment), data[1:2])
    np.testing.assert_array_equal(
        mag.read(absolute_bounding_box=Box((4, 5, 6), (1, 1, 1))), data[:, :1, :1, :1]
    )
    with pytest.raises(ValueError, match="3 voxels along the axis 't'"):
        mag.read_cxyz()
    mag.write_cxyz(np.full((1, 10, 11, 12), 7, "u1"), absolute_bounding_box=moment, allow_unaligned=True)
    assert (mag.read()[1] == 7).all()
    np.testing.assert_array_equal(mag.read()[2], data[2])
    later = wk.NDBoundingBox((3, 4, 5, 6), (1, 10, 11, 12), ("t", "x", "y", "z"))
    mag.write(np.full((1, 10, 11, 12), 8, "u1"), absolute_bounding_box=later, allow_resize=True)
    assert layer.bounding_box.size.to_tuple() == (4, 10, 11, 12)
    assert (mag.read()[3] == 8).all()
    np.testing.assert_array_equal(mag.read()[0], data[0])


def test_offsets_with_axes_of_their_own_are_taken_by_name(dataset: wk.Dataset) -> None:
    box = wk.NDBoundingBox((0, 0, 0), (12, 11, 10), ("z", "y", "x"))
    mag = dataset.add_layer("zyx", "color", bounding_box=box).add_mag(1)
    data = np.random.default_rng(1).integers(0, 255, (12, 11, 10)).astype("u1")
    mag.write(data)
    by_name = mag.read(
        absolute_offset=wk.VecInt(3, 2, 1, axes=("z", "y", "x")),
        size=wk.VecInt(6, 5, 4, axes=("z", "y", "x")),
    )
    np.testing.assert_array_equal(by_name, data[3:9, 2:7, 1:5])
    np.testing.assert_array_equal(mag.read(absolute_offset=(1, 2, 3), size=(4, 5, 6)), by_name)
    assert mag.read_cxyz().shape == (1, 10, 11, 12)
    np.testing.assert_array_equal(mag.read_cxyz()[0], data.transpose())


def test_a_plane_has_no_z(dataset: wk.Dataset) -> None:
    box = wk.NDBoundingBox((2, 3), (10, 11), ("x", "y"))
    mag = dataset.add_layer("plane", "color", bounding_box=box).add_mag(1)
    data = np.random.default_rng(1).integers(0, 255, (10, 11)).astype("u1")
    mag.write(data)
    np.testing.assert_array_equal(mag.read(), data)
    np.testing.assert_array_equal(mag.read_cxyz(), data[None, :, :, None])
    np.testing.assert_array_equal(mag.read(absolute_offset=(3, 4, 0), size=(2, 2, 1)), data[1:3, 1:3])
    with pytest.raises(KeyError, match="has no z axis"):
        mag.read(absolute_offset=(3, 4, 5), size=(2, 2, 1))


def test_chunks_cover_the_view_once(mag: wk.MagView) -> None:
    views = list(mag.get_view().chunk((32, 32, 32)))
    assert len(views) == 8
    assert [tuple(view.bounding_box.topleft) for view in views[:3]] == [
        (32, 32, 32),
        (32, 32, 64),
        (32, 64, 32),
    ]
    joined = np.zeros((64, 64, 64), "u1")
    for view in views:
        corner = tuple(a - 32 for a in view.bounding_box.topleft)
        joined[tuple(slice(a, a + 32) for a in corner)] = view.read()[0]
    np.testing.assert_array_equal(joined, mag.read()[0])


def test_only_stored_shards_are_listed(make_layer: MakeLayer, data_format: str) -> None:
    mag = make_layer(size=(128, 64, 64), data_format=data_format).add_mag(2, chunk_shape=32, shard_shape=32)
    assert list(mag.get_bounding_boxes_on_disk()) == []
    mag.write(np.ones((32, 32, 32), "u1"), absolute_offset=(64, 0, 0))
    assert list(mag.get_bounding_boxes_on_disk()) == [Box((64, 0, 0), (64, 64, 64))]


EXACT = [
    (np.arange(256), "uint8"),
    (np.zeros(8), "uint8"),
    (np.array([-128, 127]), "int8"),
    (np.array([0.0, 255.0], "float32"), "uint8"),
    (np.array([2**63, 0], "uint64"), "uint64"),
    (np.array([2.0**63, 1.0]), "uint64"),
    (np.array([1, 2**24]), "float32"),
    (np.array([0.5, np.nan, np.inf]), "float32"),
    (np.array([2**31 - 1]), "uint32"),
    (np.array([True, False]), "uint8"),
]
INEXACT = [
    (np.array([0, 256]), "uint8", "from 0 to 256"),
    (np.array([-1, 0]), "uint8", "from -1 to 0"),
    (np.array([0.0, 0.5]), "uint8", "from 0.0 to 0.5"),
    (np.array([0.0, np.nan]), "uint8", "from nan to nan"),
    (np.array([0.0, np.inf]), "uint8", "from 0.0 to inf"),
    (np.array([2.0**64, 1.0]), "uint64", "from 1.0 to"),
    (np.array([-1]), "uint64", "from -1 to -1"),
    (np.array([1, 2**24 + 1]), "float32", "from 1 to 16777217"),
    (np.array([0.1]), "float32", "from 0.1 to 0.1"),
    (np.array([1e300]), "float32", r"from 1e\+300"),
    (np.array([1j]), "float32", "these values"),
    (np.array(["1"]), "uint8", "these values"),
]


def written(tmp_path, data: np.ndarray, dtype: str) -> wk.MagView:
    kind = "segmentation" if dtype == "uint64" else "color"
    layer = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1)).add_layer("a", kind, dtype=dtype)
    mag = layer.add_mag(1)
    mag.write(data.reshape(-1, 1, 1), allow_resize=True, absolute_offset=(0, 0, 0))
    return mag


@pytest.mark.parametrize(("data", "dtype"), EXACT)
def test_values_that_fit_exactly_are_written(tmp_path, data: np.ndarray, dtype: str) -> None:
    found = written(tmp_path, data, dtype).read()[0, :, 0, 0]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, data.astype(dtype))


@pytest.mark.parametrize(("data", "dtype", "text"), INEXACT)
def test_values_that_would_change_are_refused(tmp_path, data: np.ndarray, dtype: str, text: str) -> None:
    with pytest.raises(TypeError, match=f"but the array stores {dtype}, which can't hold .*{text}") as caught:
        written(tmp_path, data, dtype)
    assert f"data.astype({dtype!r})" in str(caught.value)
    layer = wk.Dataset.open(tmp_path / "ds").get_layer("a")
    assert layer.bounding_box.is_empty()
