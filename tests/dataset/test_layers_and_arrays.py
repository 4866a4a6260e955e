"""Layers whose properties don't fit their arrays: said when the array is opened, before a voxel is misplaced."""

from __future__ import annotations

import json
import pickle
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorstore as ts

import wkplug as wk
from wkplug.errors import MagMismatchError, OutOfBoundsError, WkplugError
from wkplug.ops.info import describe

if TYPE_CHECKING:
    from pathlib import Path

VOXELS = np.random.default_rng(5).integers(1, 250, (2, 40, 30, 20), dtype="uint8")


def _write(path: Path, driver: str, data: np.ndarray[Any, Any]) -> None:
    """Write an array with the engine itself, as other software does."""
    metadata: dict[str, Any] = {
        "zarr": {"dtype": data.dtype.newbyteorder("<").str, "shape": list(data.shape), "chunks": [8] * data.ndim},
        "zarr3": {
            "data_type": data.dtype.name, "shape": list(data.shape),
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8] * data.ndim}},
        },
        "n5": {
            "dataType": data.dtype.name, "dimensions": list(data.shape), "blockSize": [8] * data.ndim,
            "compression": {"type": "gzip"},
        },
    }[driver]  # fmt: skip
    store = ts.open(
        {"driver": driver, "kvstore": {"driver": "file", "path": f"{path}/"}, "metadata": metadata},
        create=True,
    ).result()
    store.write(data).result()


def _precomputed(path: Path, data: np.ndarray[Any, Any]) -> None:
    """Write (c, x, y, z) data as a precomputed volume of one scale."""
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{path}/"},
        "multiscale_metadata": {"type": "image", "data_type": data.dtype.name, "num_channels": data.shape[0]},
        "scale_metadata": {
            "key": "1", "size": list(data.shape[1:]), "resolution": [1, 1, 1], "chunk_size": [16, 16, 16],
            "encoding": "raw",
        },
    }  # fmt: skip
    ts.open(spec, create=True).result().write(data.transpose(1, 2, 3, 0)).result()


def _dataset(path: Path, data_format: str, **layer: Any) -> wk.Dataset:
    entry = {
        "name": "em", "category": "color", "dataFormat": data_format, "elementClass": "uint8",
        "boundingBox": {"topLeft": [0, 0, 0], "width": 40, "height": 30, "depth": 20},
        "mags": [{"mag": [1, 1, 1], "path": "./em/1", **layer.pop("mag", {})}], **layer,
    }  # fmt: skip
    text = {"id": {"name": "d", "team": ""}, "scale": [1, 1, 1], "dataLayers": [entry]}
    (path / "datasource-properties.json").write_text(json.dumps(text))
    return wk.Dataset.open(path)


@pytest.mark.parametrize(
    "order",
    [None, {"x": 0, "y": 1, "z": 2}, {"x": 0, "y": 1, "z": 2, "c": 3}, {"c": 0, "x": 1, "y": 2, "z": 3}],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_precomputed_has_an_order_of_its_own(
    tmp_path: Path, order: dict[str, int] | None, channels: int
) -> None:
    _precomputed(tmp_path / "em", VOXELS[:channels])
    mag = {} if order is None else {"axisOrder": order}
    word = "uint8" if channels == 1 else "uint16"
    dataset = _dataset(tmp_path, "neuroglancerPrecomputed", mag=mag, elementClass=word, numChannels=channels)
    layer = dataset.get_layer("em")
    assert layer.bounding_box == wk.BoundingBox((0, 0, 0), (40, 30, 20))
    assert np.array_equal(layer.get_mag(1).read(), VOXELS[:channels])
    part = layer.get_mag(1).read(absolute_offset=(3, 5, 7), size=(11, 10, 9))
    assert np.array_equal(part, VOXELS[:channels, 3:14, 5:15, 7:16])
    copied = dataset.copy_dataset(tmp_path.with_name(f"{tmp_path.name} copy"), data_format="wkw").get_layer(
        "em"
    )
    assert np.array_equal(copied.get_mag(1).read(), VOXELS[:channels])


@pytest.mark.parametrize("order", [{"x": 0, "y": 1, "z": 2}, {"z": 0, "y": 1, "x": 2, "c": 3}])
def test_the_order_that_a_file_records_is_kept(tmp_path: Path, order: dict[str, int]) -> None:
    made = wk.Dataset(tmp_path, (1, 1, 1)).add_layer(
        "em", "color", dtype="uint8", data_format="wkw", bounding_box=wk.BoundingBox((0, 0, 0), (40, 30, 20))
    )
    made.add_mag(1).write(VOXELS[0], allow_unaligned=True)
    layer = _dataset(tmp_path, "wkw", mag={"axisOrder": order}).get_layer("em")
    assert np.array_equal(layer.get_mag(1).read(), VOXELS[:1])
    layer.bounding_box = wk.BoundingBox((1, 2, 3), (20, 21, 10))
    raw = json.loads((tmp_path / "datasource-properties.json").read_text())["dataLayers"][0]
    assert raw["mags"][0]["axisOrder"] == order
    assert raw["boundingBox"]["topLeft"] == [1, 2, 3]
    assert (raw["boundingBox"]["width"], raw["boundingBox"]["height"], raw["boundingBox"]["depth"]) == (
        20,
        21,
        10,
    )
    assert np.array_equal(layer.get_mag(1).read(), VOXELS[:1, 1:21, 2:23, 3:13])


CXYZ = {"c": 0, "x": 1, "y": 2, "z": 3}
MISFITS: dict[str, tuple[str, Any, dict[str, Any], str]] = {
    "3-D Zarr as c,x,y,z": ("zarr3", VOXELS[0], {}, r"the array has the shape \(40, 30, 20\) along .*, the layer the "
                            r"shape \(1, 40, 30, 20\) along c, x, y, z"),
    "3-D Zarr v2 as c,x,y,z": ("zarr", VOXELS[0], {}, r"the array has the shape \(40, 30, 20\)"),
    "4-D as x,y,z": ("zarr3", VOXELS, {"mag": {"axisOrder": {"x": 0, "y": 1, "z": 2}}}, r"the layer the shape "
                     r"\(40, 30, 20\) along x, y, z"),
    "an axis beyond": ("zarr3", VOXELS, {"mag": {"axisOrder": {**CXYZ, "z": 7}}}, "axisOrder puts z at 7, but"),
    "3-D with an axis beyond": ("n5", VOXELS[0], {"mag": {"axisOrder": {"x": 0, "y": 1, "z": 3}}}, "puts z at 3, but"),
    "5-D without additionalAxes": ("zarr", VOXELS[None], {"mag": {"axisOrder": CXYZ}}, r"shape \(1, 2, 40, 30, 20\)"),
    "N5 without axisOrder": ("n5", VOXELS[0], {}, r"the array has the shape \(40, 30, 20\)"),
    "uint16 over uint8": ("zarr3", VOXELS[:1], {"elementClass": "uint16"}, r"holds uint8, the layer \(.*\) uint16"),
    "3 channels over 1": ("zarr3", VOXELS[:1], {"elementClass": "uint24", "numChannels": 3}, "is longer along c"),
    "a channel beyond": ("zarr3", VOXELS, {"mag": {"axisOrder": CXYZ, "channelIndex": 2}}, "is longer along c"),
    "a time beyond": (
        "zarr3", VOXELS, {"mag": {"axisOrder": {"x": 1, "y": 2, "z": 3}},
                          "additionalAxes": [{"name": "t", "index": 4, "bounds": [0, 2]}]},
        "axisOrder and additionalAxes put t at 4, but the array has 4 axes",
    ),
    "5-D with an axis and a time beyond": (
        "zarr", VOXELS[None], {"mag": {"axisOrder": {"c": 1, "x": 2, "y": 3, "z": 6}},
                               "additionalAxes": [{"name": "t", "index": 5, "bounds": [0, 1]}]},
        "axisOrder and additionalAxes put t at 5, z at 6, but",
    ),
    "more times": (
        "zarr3", VOXELS, {"mag": {"axisOrder": {"x": 1, "y": 2, "z": 3}},
                          "additionalAxes": [{"name": "t", "index": 0, "bounds": [0, 5]}]}, "is longer along t",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISFITS)
def test_a_layer_that_does_not_fit_its_array_is_refused(tmp_path: Path, kind: str) -> None:
    data_format, data, layer, text = MISFITS[kind]
    _write(tmp_path / "em" / "1", data_format, data)
    found = _dataset(tmp_path, data_format, **layer).get_layer("em")
    with pytest.raises(MagMismatchError, match=text) as told:
        found.get_mag(1).read()
    assert f"{tmp_path}/em/1 doesn't fit the layer 'em' that lists it" in told.value.message
    assert "of the layer in the properties file" in (told.value.hint or "")
    before = (tmp_path / "datasource-properties.json").read_bytes()
    with pytest.raises(MagMismatchError):
        found.downsample()
    assert sorted(path.name for path in (tmp_path / "em").iterdir()) == ["1"]
    assert (tmp_path / "datasource-properties.json").read_bytes() == before


def test_a_layer_may_show_one_of_several_channels(tmp_path: Path) -> None:
    _write(tmp_path / "em" / "1", "zarr3", VOXELS)
    for channel in (0, 1):
        mag = {"axisOrder": CXYZ, "channelIndex": channel}
        found = _dataset(tmp_path, "zarr3", mag=mag).get_layer("em")
        assert np.array_equal(found.get_mag(1).read(), VOXELS[channel : channel + 1])


def test_a_box_that_starts_below_zero_names_the_way_out(tmp_path: Path) -> None:
    _write(tmp_path / "em" / "1", "zarr3", VOXELS[:1])
    box = {"topLeft": [-5, 0, 0], "width": 45, "height": 30, "depth": 20}
    layer = _dataset(tmp_path, "zarr3", boundingBox=box).get_layer("em")
    for call in (layer.get_mag(1).read, layer.downsample):
        with pytest.raises(OutOfBoundsError, match="starts below zero") as told:
            call()
        assert "layer.bounding_box to one that starts at 0 or beyond" in (told.value.hint or "")
    assert list(layer.mags) == [wk.Mag(1)]
    layer.bounding_box = wk.BoundingBox((0, 0, 0), (40, 30, 20))
    assert np.array_equal(layer.get_mag(1).read(), VOXELS[:1])


def test_an_array_that_holds_more_than_its_layer_says_is_read_as_stored(tmp_path: Path) -> None:
    layer = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1)).add_layer(
        "em", "color", dtype="uint32", bounding_box=wk.BoundingBox((0, 0, 0), (8, 8, 8))
    )
    layer.add_mag(1).write(np.full((8, 8, 8), 300, "uint32"))
    file = tmp_path / "ds" / "datasource-properties.json"
    file.write_text(file.read_text().replace('"uint32"', '"uint8"'))
    with pytest.warns(UserWarning, match="stores uint32, though the layer 'em' is described as uint8"):
        found = wk.Dataset.open(tmp_path / "ds").get_layer("em").get_mag(1).read()
    assert found.dtype == np.uint32
    assert (found == 300).all()


@pytest.mark.parametrize(("dtype", "wide"), [("bool", "uint8"), ("float16", "float32")])
@pytest.mark.parametrize("data_format", ["zarr", "zarr3"])
def test_arrays_of_types_that_no_layer_has_are_read(
    tmp_path: Path, data_format: str, dtype: str, wide: str
) -> None:
    zarr = pytest.importorskip("zarr")
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    voxels = (VOXELS[:1] % 2).astype(dtype) if dtype == "bool" else VOXELS[:1].astype(dtype) / 3
    array = zarr.create_array(
        tmp_path / "ds" / "em" / "1",
        shape=voxels.shape,
        chunks=(1, 16, 16, 16),
        dtype=dtype,
        zarr_format=2 if data_format == "zarr" else 3,
    )
    array[...] = voxels
    with pytest.warns(UserWarning, match=f"stores {dtype}, which no layer has: it is read as {wide}"):
        layer = dataset.add_layer_for_existing_files("em", "color")
    mag = wk.Dataset.open(tmp_path / "ds").get_layer("em").get_mag(1)
    assert layer.bounding_box == wk.BoundingBox(
        (0, 0, 0), (40, 30, 20)
    )  # of the array, not of its last chunks
    assert layer.dtype == mag.get_dtype() == np.dtype(wide)
    for view in (mag, pickle.loads(pickle.dumps(mag))):
        np.testing.assert_array_equal(
            view.read(absolute_offset=(0, 0, 0), size=(40, 30, 20)), voxels.astype(wide)
        )
    with pytest.raises(WkplugError, match=f"It is read as {wide}, but never written") as caught:
        mag.write(np.zeros((40, 30, 20), wide), absolute_offset=(0, 0, 0))
    assert "Copy the layer" in str(caught.value)
    copy = dataset.add_layer_as_copy(layer, "copy")
    np.testing.assert_array_equal(
        copy.get_mag(1).read(absolute_offset=(0, 0, 0), size=(40, 30, 20)), voxels.astype(wide)
    )


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("kind", ["zarr", "zarr3", "n5", "neuroglancerPrecomputed"])
def test_an_array_that_ends_before_its_layer_is_told_once(tmp_path: Path, kind: str, axis: str) -> None:
    if kind == "neuroglancerPrecomputed":
        _precomputed(tmp_path / "em", VOXELS[:1])
    else:
        _write(tmp_path / "em" / "1", kind, VOXELS[:1])
    sizes = {"x": 40, "y": 30, "z": 20}
    sizes[axis] += 60
    box = {"topLeft": [0, 0, 0], "width": sizes["x"], "height": sizes["y"], "depth": sizes["z"]}
    mag = {"axisOrder": CXYZ} if kind == "n5" else {}
    dataset = _dataset(tmp_path, kind, boundingBox=box, mag=mag)
    view = dataset.get_layer("em").get_mag(1)
    ends = sizes[axis]
    told = f"along {axis} the array has {ends - 60} voxels and the box ends at {ends}. What lies beyond is read as 0"
    with pytest.warns(UserWarning, match=told) as caught:
        found = view.read()
    assert len(caught) == 1
    part = view.read(size=(40, 30, 20), relative_offset=(0, 0, 0))  # tells nothing again
    assert np.array_equal(part, VOXELS[:1])
    assert np.array_equal(found[:, :40, :30, :20], VOXELS[:1])
    assert found.sum() == VOXELS[:1].sum()
    assert pickle.loads(pickle.dumps(view)).read().shape == found.shape  # nor here
    problem = describe(dataset.state).layers[0].mags[0].problem
    assert problem is not None
    assert told in problem


@pytest.mark.parametrize(("mag", "length", "end", "short"), [
    (1, 40, 40, False), (1, 40, 41, True), (2, 40, 81, False), (2, 40, 82, True), (4, 10, 43, False),
    (4, 10, 44, True), (2, 41, 81, False), (8, 64, 100, False),
])  # fmt: skip
def test_less_than_a_voxel_of_a_coarse_mag_may_be_missing(
    tmp_path: Path, mag: int, length: int, end: int, short: bool
) -> None:
    voxels = np.ones((1, length, 8, 8), "uint8")
    _write(tmp_path / "em" / "1", "zarr3", voxels)
    box = {"topLeft": [0, 0, 0], "width": end, "height": 8 * mag, "depth": 8 * mag}
    dataset = _dataset(tmp_path, "zarr3", boundingBox=box, mag={"mag": [mag] * 3})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert dataset.get_layer("em").get_mag(mag).read().any()
    assert len(caught) == short
    assert (describe(dataset.state).layers[0].mags[0].problem is not None) == short


def test_info_tells_of_arrays_that_do_not_fit(tmp_path: Path) -> None:
    _write(tmp_path / "em" / "1", "zarr3", VOXELS[:1])
    report = describe(_dataset(tmp_path, "zarr3", elementClass="uint16").state)
    assert "doesn't fit the layer 'em' that lists it" in str(report.layers[0].mags[0].problem)
