"""What other tools have written is told as layers, with reasons, and read where it lies, voxel by voxel."""

from __future__ import annotations

import json
import pickle
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest
import tensorstore
import zarr

import wkplug as wk
from tests.filesystems.servers import serve_files
from tests.ops.test_import_containers import CHANNEL, SPACE, TIME, noise, write_image
from wkplug.errors import (
    CorruptDataError,
    InvalidArgumentError,
    LayerExistsError,
    MissingError,
    ReadOnlyError,
    UnsafePathError,
    UnsupportedImageFormatError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from pathlib import Path


def precomputed(place: Path, data: Any, offset: tuple[int, int, int] = (0, 0, 0), **more: Any) -> Path:
    """A volume of the axes x, y, z and channels, of voxels of 8 x 8 x 40 nm."""
    channels = data.shape[3] if data.ndim == 4 else 1
    array = tensorstore.open(
        {
            "driver": "neuroglancer_precomputed", "kvstore": f"file://{place}/", "create": True,
            "multiscale_metadata": {"type": "image", "data_type": str(data.dtype), "num_channels": channels, **more},
            "scale_metadata": {
                "resolution": [8, 8, 40], "size": list(data.shape[:3]), "voxel_offset": list(offset),
                "chunk_size": [16, 16, 16], "encoding": "raw", "key": "8_8_40",
            },
        }
    ).result()  # fmt: skip
    array.write(data.reshape((*data.shape[:3], channels))).result()
    return place


def n5(place: Path, data: Any, **attributes: Any) -> Path:
    """Resolutions s0 and s1 of an array with the axes x, y, z."""
    for level in range(2):
        part = data[tuple(slice(None, None, 2**level) for _ in data.shape)]
        metadata = {
            "dimensions": part.shape, "blockSize": [16] * part.ndim, "dataType": str(part.dtype),
            "compression": {"type": "gzip"},
        }  # fmt: skip
        spec = {"driver": "n5", "kvstore": f"file://{place}/s{level}/", "create": True, "metadata": metadata}
        tensorstore.open(spec).result().write(part).result()
    (place / "attributes.json").write_text(json.dumps(attributes))
    return place


def new(tmp_path: Path, voxel_size: Any = (250, 250, 500)) -> wk.Dataset:
    return wk.Dataset(tmp_path / "own", voxel_size=voxel_size)


def images(tmp_path: Path) -> dict[str, tuple[Path, Any]]:
    """One container of each kind, and its voxels over x, y, z."""
    data = noise((10, 20, 30))
    group = zarr.create_array(tmp_path / "bare.zarr", data=data.T, chunks=(8, 8, 8), zarr_format=2)
    assert group.shape == (30, 20, 10)
    return {
        "0.5": (write_image(tmp_path / "a.zarr", data, SPACE), data.T),
        "0.4": (write_image(tmp_path / "b.zarr", data, SPACE, 2), data.T),
        "v2": (tmp_path / "bare.zarr", data.T),
        "n5": (
            n5(tmp_path / "c.n5", data.T, pixelResolution={"unit": "nm", "dimensions": [250, 250, 500]},
               scales=[[1, 1, 1], [2, 2, 2]]),
            data.T,
        ),
        "precomputed": (precomputed(tmp_path / "d", data.T), data.T),
    }  # fmt: skip


def over_xyz(layer: wk.Layer, mag: Any = 1) -> Any:
    """All voxels of a layer as an array over x, y, z."""
    voxels = layer.get_mag(mag).read()
    axes = list(layer.normalized_bounding_box.axes)
    voxels = voxels.reshape([n for axis, n in zip(axes, voxels.shape, strict=True) if axis in "xyz"])
    kept = [axis for axis in axes if axis in "xyz"]
    return voxels.transpose([kept.index(axis) for axis in "xyz" if axis in kept])


@pytest.mark.parametrize("kind", ["0.5", "0.4", "v2", "n5", "precomputed"])
def test_each_kind_is_read_where_it_lies(tmp_path: Path, kind: str) -> None:
    place, voxels = images(tmp_path)[kind]
    found = wk.Dataset.explore(place)
    (name,) = found.layers
    size = None if None not in found.voxel_size else (250, 250, 500)
    opened = found.open(voxel_size=size)
    assert opened.read_only
    assert np.array_equal(over_xyz(opened.get_layer(name)), voxels)
    again = pickle.loads(pickle.dumps(opened))
    assert np.array_equal(over_xyz(again.get_layer(name)), voxels)
    made = found.create_dataset(tmp_path / "made", voxel_size=size)
    files = {path.name for path in made.path.iterdir()}
    assert files <= {"datasource-properties.json", ".wkplug.lock", ".zgroup", "zarr.json"}
    layer = wk.Dataset.open(made.path).get_layer(name)
    assert np.array_equal(over_xyz(layer), voxels)
    assert layer.get_mag(1).read_only
    with pytest.raises(ReadOnlyError):
        opened.add_layer("more", "color")


@pytest.mark.parametrize("kind", ["0.5", "0.4", "v2", "n5", "precomputed"])
def test_a_layer_of_each_kind_is_added_as_a_reference(tmp_path: Path, kind: str) -> None:
    place, voxels = images(tmp_path)[kind]
    own = new(tmp_path, (8, 8, 40) if kind == "precomputed" else (250, 250, 500))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*nothing says how large", category=UserWarning)
        layer = own.add_layer_as_ref(place, "ref")
    assert np.array_equal(over_xyz(layer), voxels)
    assert np.array_equal(over_xyz(wk.Dataset.open(own.path).get_layer("ref")), voxels)
    assert not (own.path / "ref").exists()
    with pytest.raises(LayerExistsError, match="already has a layer 'ref'"):
        own.add_layer_as_ref(place, "ref")


def test_what_is_guessed_has_its_reason(tmp_path: Path) -> None:
    place = write_image(tmp_path / "a.zarr", noise((4, 20, 30)), SPACE)
    (layer,) = wk.Dataset.explore(place).layers.values()
    assert layer.category_reason == 'guessed: its path says neither "segmentation" nor "labels"'
    ids = write_image(tmp_path / "ids.zarr", noise((4, 20, 30), "uint64"), SPACE)
    (layer,) = wk.Dataset.explore(ids).layers.values()
    assert layer.entry.category == "segmentation"
    assert "because its voxels are uint64, which no image is" in layer.category_reason
    volume = precomputed(tmp_path / "d", noise((30, 20, 10)))
    (layer,) = wk.Dataset.explore(volume).layers.values()
    assert layer.category_reason == "as the container says"
    bare = zarr.create_array(tmp_path / "x.zarr", data=noise((3, 4, 5)), zarr_format=3)
    assert bare.shape == (3, 4, 5)
    (layer,) = wk.Dataset.explore(tmp_path / "x.zarr").layers.values()
    assert layer.notes == ("The array doesn't name its axes; they were taken as x, y, z.",)


def test_channels_and_labels_become_layers_that_refer(tmp_path: Path) -> None:
    data = noise((2, 4, 20, 30))
    labels = np.repeat(np.arange(1, 5, dtype="uint32"), 600).reshape(4, 20, 30)
    channels = [
        {"label": "DAPI", "color": "0000FF", "window": {"start": 5, "end": 99, "min": 0, "max": 255}},
        {"label": "GFP", "color": "00FF00", "active": False},
    ]
    place = write_image(tmp_path / "a.zarr", data, [CHANNEL, *SPACE], omero={"channels": channels})
    zarr.open_group(place / "labels", mode="w", zarr_format=3).attrs["ome"] = {"labels": ["cells"]}
    write_image(place / "labels" / "cells", labels, SPACE)
    made = wk.Dataset.explore(place).create_dataset(tmp_path / "made")
    assert {name: layer.category for name, layer in made.layers.items()} == {
        "a__DAPI": "color", "a__GFP": "color", "cells": "segmentation",
    }  # fmt: skip
    assert made.voxel_size == (250, 250, 500)
    for number, name in enumerate(["a__DAPI", "a__GFP"]):
        assert np.array_equal(over_xyz(made.get_layer(name)), data[number].T)
    assert np.array_equal(over_xyz(made.get_layer("cells")), labels.T)
    view = made.get_layer("a__DAPI").default_view_configuration
    assert view is not None
    assert (view.color, view.intensity_range) == ((0, 0, 255), (5.0, 99.0))
    hidden = made.get_layer("a__GFP").default_view_configuration
    assert hidden is not None
    assert hidden.is_disabled is True


def test_one_of_several_layers_is_chosen_by_scene(tmp_path: Path) -> None:
    data = noise((2, 4, 20, 30))
    channels = [{"label": "DAPI"}, {"label": "GFP"}]
    place = write_image(tmp_path / "a.zarr", data, [CHANNEL, *SPACE], omero={"channels": channels})
    own = new(tmp_path)
    with pytest.raises(InvalidArgumentError, match="holds 2 layers: a__DAPI, a__GFP") as caught:
        own.add_layer_as_ref(place)
    assert "Say which with scene=NAME" in str(caught.value)
    layer = own.add_layer_as_ref(place, "green", scene="a__GFP", category="segmentation")
    assert layer.category == "segmentation"
    assert np.array_equal(over_xyz(layer), data[1].T)
    with pytest.raises(InvalidArgumentError, match=r"scene is 'red', but .*a.zarr has 2"):
        own.add_layer_as_ref(place, scene="red")


@pytest.mark.parametrize("axes", ["tczyx", "tzyx", "yx", "tcyx", "zyx"])
def test_axes_stay_in_the_order_of_the_file(tmp_path: Path, axes: str) -> None:
    known = {"t": TIME, "c": CHANNEL, **{axis["name"]: axis for axis in SPACE}}
    lengths = {"t": 2, "c": 1, "z": 4, "y": 5, "x": 6}
    data = noise(tuple(lengths[axis] for axis in axes))
    place = write_image(tmp_path / "a.zarr", data, [known[axis] for axis in axes])
    size = (250, 250, 500)
    layer = wk.Dataset.explore(place).create_dataset(tmp_path / "made", voxel_size=size).get_layer("a")
    again = wk.Dataset.open(tmp_path / "made").get_layer("a")
    assert tuple(again.normalized_bounding_box.axes) == tuple(axes)
    assert np.array_equal(again.get_mag(1).read(), data)
    assert layer == again


def test_a_place_in_space_becomes_a_transformation(tmp_path: Path) -> None:
    data = noise((4, 20, 30))
    place = write_image(tmp_path / "a.zarr", data, SPACE, shift=2.5)
    found = wk.Dataset.explore(place)
    assert "It lies at voxel 10, 0, 0 by its own account" in str(found)
    layer = found.create_dataset(tmp_path / "made").get_layer("a")
    assert layer.bounding_box == wk.NDBoundingBox((0, 0, 0), (4, 20, 30), ("z", "y", "x"))
    assert np.array_equal(over_xyz(layer), data.T)
    (turn,) = layer.coordinate_transformations
    assert turn == wk.AffineCoordinateTransformation.from_translation((10, 0, 0))
    volume = precomputed(tmp_path / "d", data.T, (100, 40, 8))
    layer = wk.Dataset.explore(volume).create_dataset(tmp_path / "other").get_layer("d")
    assert layer.bounding_box == wk.BoundingBox((100, 40, 8), (30, 20, 4))
    assert not layer.coordinate_transformations
    assert np.array_equal(layer.get_mag(1).read(absolute_offset=(100, 40, 8), size=(30, 20, 4))[0], data.T)


def test_all_mags_are_listed_that_can_be(tmp_path: Path) -> None:
    data = noise((20, 30, 10))
    place = n5(
        tmp_path / "c.n5",
        data,
        pixelResolution={"unit": "nm", "dimensions": [4, 4, 8]},
        scales=[[1, 1, 1], [2, 2, 2]],
    )
    made = wk.Dataset.explore(place).create_dataset(tmp_path / "made")
    layer = made.get_layer("c")
    assert [str(mag) for mag in layer.mags] == ["1", "2"]
    assert np.array_equal(over_xyz(layer, 2), data[::2, ::2, ::2])
    (place / "attributes.json").write_text(json.dumps({"scales": [[1, 1, 1], [3, 3, 3]]}))
    (layer,) = wk.Dataset.explore(place).layers.values()  # type: ignore[assignment]
    assert "s1 is left out: its voxels are 3 x 3 x 3 of the finest, and a mag has powers of two" in str(
        layer.notes
    )


# --- other voxel sizes ---------------------------------------------------------------------------------------


def test_coarser_voxels_become_coarser_mags(tmp_path: Path) -> None:
    data = noise((30, 20, 10))
    place = precomputed(tmp_path / "d", data, (10, 0, 4))
    layer = new(tmp_path, (4, 4, 40)).add_layer_as_ref(place)
    assert list(layer.mags) == [wk.Mag("2-2-1")]
    assert layer.bounding_box == wk.BoundingBox((20, 0, 4), (60, 40, 10))
    assert np.array_equal(layer.get_mag("2-2-1").read()[0], data)


def test_voxels_that_are_no_mag_are_refused(tmp_path: Path) -> None:
    place = precomputed(tmp_path / "d", noise((30, 20, 10)))
    own = new(tmp_path, (16, 16, 40))
    with pytest.raises(
        InvalidArgumentError, match="8 x 8 x 40 nm, those of the dataset 16 x 16 x 40 nm"
    ) as caught:
        own.add_layer_as_ref(place)
    assert "wkplug explore URL --create PATH" in str(caught.value)
    assert not own.layers
    alike = wk.Dataset(tmp_path / "alike", voxel_size=(8.04, 8, 40))
    with pytest.warns(UserWarning, match="those of the dataset 8.04 x 8 x 40 nm: it is taken as it is"):
        alike.add_layer_as_ref(place)


def test_an_unknown_voxel_size_is_told_or_asked_for(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "x.zarr", data=noise((3, 4, 5)), zarr_format=3)
    with pytest.warns(UserWarning, match="x: nothing says how large its voxels are along x, y, z"):
        new(tmp_path).add_layer_as_ref(tmp_path / "x.zarr")
    found = wk.Dataset.explore(tmp_path / "x.zarr")
    with pytest.raises(
        InvalidArgumentError, match="doesn't say how large its voxels are along x and y and z"
    ) as caught:
        found.create_dataset(tmp_path / "made")
    assert "voxel_size=(x, y, z) in nanometres" in str(caught.value)
    assert not (tmp_path / "made").exists()
    assert found.create_dataset(tmp_path / "made", voxel_size=(4, 4, 40)).voxel_size == (4, 4, 40)


# --- what can't be referred to -------------------------------------------------------------------------------


def test_what_has_to_be_copied_is_said(tmp_path: Path) -> None:
    below = precomputed(tmp_path / "d", noise((30, 20, 10)), (-5, 0, 0))
    with pytest.raises(
        UnsupportedOperationError, match=r"can't be referred to, .*starts at the voxel"
    ) as caught:
        wk.Dataset.explore(below)
    assert "wkplug convert" in str(caught.value)
    mask = write_image(tmp_path / "m.zarr", noise((4, 5, 6)).astype(bool), SPACE)
    with pytest.raises(UnsupportedOperationError, match="can't be referred to, only imported"):
        new(tmp_path).add_layer_as_ref(mask)


def test_nothing_and_anything_else_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"There is nothing at .*gone"):
        wk.Dataset.explore(tmp_path / "gone")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("x")
    with pytest.raises(UnsupportedImageFormatError, match=r"Nobody here knows what .*notes is"):
        wk.Dataset.explore(tmp_path / "notes")
    (tmp_path / "notes" / "zarr.json").write_text("{")
    with pytest.raises(CorruptDataError, match=r"zarr.json is damaged"):
        wk.Dataset.explore(tmp_path / "notes", importer="ome-zarr")


def test_a_folder_is_searched_for_containers(tmp_path: Path) -> None:
    data = noise((4, 5, 6))
    write_image(tmp_path / "all" / "one" / "a.zarr", data, SPACE)
    write_image(tmp_path / "all" / "two" / "a.zarr", data + 1, SPACE)
    found = wk.Dataset.explore(tmp_path / "all")
    assert list(found.layers) == ["one_a.zarr_a", "two_a.zarr_a"]
    opened = found.open()
    assert np.array_equal(over_xyz(opened.get_layer("two_a.zarr_a")), (data + 1).T)


def test_a_dataset_and_its_layer_are_explored(tmp_path: Path) -> None:
    source = wk.Dataset(tmp_path / "ds", voxel_size=(4, 4, 40))
    data = noise((30, 20, 10), "uint8")
    source.write_layer("em", "color", data)
    source.write_layer("seg", "segmentation", data)
    found = wk.Dataset.explore(tmp_path / "ds" / "datasource-properties.json")
    assert list(found.layers) == ["em", "seg"]
    assert found.voxel_size == (4, 4, 40)
    made = found.create_dataset(tmp_path / "made")
    assert np.array_equal(made.get_layer("seg").get_mag(1).read()[0], data)
    assert made.get_layer("em").mags.keys() == source.get_layer("em").mags.keys()
    assert list(wk.Dataset.explore(tmp_path / "ds" / "em").layers) == ["em"]


# --- servers and links ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["0.5", "0.4", "v2", "n5", "precomputed"])
def test_what_a_web_server_has_is_read_from_there(tmp_path: Path, kind: str) -> None:
    place, voxels = images(tmp_path / "files")[kind]
    with serve_files(tmp_path / "files") as server:
        url = server.url
        found = wk.Dataset.explore(f"{url}/{place.name}/")
        made = found.create_dataset(
            tmp_path / "made", voxel_size=(250, 250, 500) if None in found.voxel_size else None
        )
        (layer,) = made.layers.values()
        assert np.array_equal(over_xyz(layer), voxels)
        assert layer.get_mag(1).path.protocol == "http"


@pytest.mark.parametrize(
    ("kind", "forms"),
    [
        ("0.5", ("zarr://{}", "zarr3://{}/", "{}/|zarr3:", "{}/zarr.json", "{}|ome-zarr:")),
        ("0.4", ("zarr2://{}", "{}|zarr2:", "{}/.zattrs", "{}/.zgroup")),
        ("n5", ("n5://{}", "{}/|n5:", "{}/attributes.json")),
        ("precomputed", ("precomputed://{}", "{}/|neuroglancer-precomputed:", "{}/info")),
    ],
)  # fmt: skip
def test_all_forms_of_an_address_are_understood(tmp_path: Path, kind: str, forms: tuple[str, ...]) -> None:
    place, voxels = images(tmp_path / "files")[kind]
    with serve_files(tmp_path / "files") as server:
        url = server.url
        for form in forms:
            found = wk.Dataset.explore(form.format(f"{url}/{place.name}"))
            (name,) = found.layers
            assert np.array_equal(over_xyz(found.open().get_layer(name)), voxels), form


def test_a_step_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperationError, match="has the step 'ocdbt', which nobody here knows"):
        wk.Dataset.explore("http://127.0.0.1:9/a|ocdbt:")


STATE = {
    "dimensions": {"x": [8e-9, "m"], "y": [8e-9, "m"], "z": [4e-8, "m"]},
    "layers": [
        {
            "type": "image", "source": "precomputed://{url}/d", "name": "em raw", "opacity": 0.4,
            "shader": "#uicontrol invlerp normalized\n#uicontrol vec3 color color(default=\"#ff8000\")\n"
            "void main() { emitRGB(color * normalized()); }",
            "shaderControls": {"normalized": {"range": [20, 120]}},
        },
        {
            "type": "segmentation", "name": "ids", "visible": False,
            "source": [
                {
                    "url": "{url}/s/|neuroglancer-precomputed:",
                    "transform": {
                        "matrix": [[1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, -2]],
                        "outputDimensions": {"x": [8e-9, "m"], "y": [8e-9, "m"], "z": [4e-8, "m"]},
                    },
                },
                "local://annotations",
            ],
        },
        {"type": "annotation", "source": "local://annotations", "name": "notes"},
    ],
}  # fmt: skip


def state(url: str) -> str:
    return json.dumps(STATE).replace("{url}", url)


@pytest.fixture
def served(tmp_path: Path) -> Any:
    data = noise((30, 20, 10), "uint8")
    precomputed(tmp_path / "files" / "d", data)
    precomputed(tmp_path / "files" / "s", data.astype("uint32"), type="segmentation")
    with serve_files(tmp_path / "files") as server:
        url = server.url
        (tmp_path / "files" / "state.json").write_text(state(url))
        yield url, data


@pytest.mark.parametrize(
    "form", ["encoded", "twice", "plain", "url-safe", "json", "file", "fragment-url", "query"]
)
def test_a_link_is_read_in_all_its_forms(tmp_path: Path, served: Any, form: str) -> None:
    url, data = served
    text = state(url)
    host = "https://neuroglancer-demo.appspot.com"
    link = {
        "encoded": f"{host}/#!{quote(text)}",
        "twice": f"{host}/#!{quote(quote(text))}",
        "plain": f"{host}/#!{text}",
        "url-safe": f"{host}/#!{url_safe(json.loads(text))}",
        "json": text,
        "file": f"{url}/state.json",
        "fragment-url": f"{host}/#!{url}/state.json",
        "query": f"{host}/?json_url={quote(url, safe='')}/state.json",
    }[form]
    found = wk.Dataset.explore(link)
    assert list(found.layers) == ["emraw", "ids"]
    assert {layer.category_reason for layer in found.layers.values()} == {"as the link says"}
    made = found.create_dataset(tmp_path / "made")
    assert made.voxel_size == (8, 8, 40)
    for layer in made.layers.values():
        assert np.array_equal(layer.get_mag(1).read()[0], data)


def url_safe(value: Any) -> str:
    """The form without signs that addresses encode, as Neuroglancer's Python package makes it."""
    if isinstance(value, dict):
        return "{" + "_".join(f"{url_safe(key)}:{url_safe(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + "_".join(map(url_safe, value)) + "]"
    if isinstance(value, str):
        quoted = json.dumps(value)[1:-1].replace("'", "\\'").replace('\\"', '"')
        return f"'{quoted}'"
    return json.dumps(value)


def test_how_a_link_shows_layers_is_kept(tmp_path: Path, served: Any) -> None:
    url, _ = served
    found = wk.Dataset.explore(f"https://any.host/#!{quote(state(url))}")
    made = found.create_dataset(tmp_path / "made")
    view = made.get_layer("emraw").default_view_configuration
    assert view is not None
    assert (view.color, view.intensity_range, view.alpha) == ((255, 128, 0), (20.0, 120.0), 40.0)
    hidden = made.get_layer("ids").default_view_configuration
    assert hidden is not None
    assert hidden.is_disabled is True
    assert not made.get_layer("emraw").coordinate_transformations
    (turn,) = made.get_layer("ids").coordinate_transformations
    assert turn == wk.AffineCoordinateTransformation.from_translation((5, 0, -2))
    assert "shows also what holds no voxels, which is left out: notes (annotation)" in str(found)


def test_layers_of_other_sizes_are_scaled(tmp_path: Path, served: Any) -> None:
    url, data = served
    source = {
        "url": f"precomputed://{url}/d",
        "transform": {
            "matrix": [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]],
            "inputDimensions": {"x": [1.2e-8, "m"], "y": [1.2e-8, "m"], "z": [4e-8, "m"]},
            "outputDimensions": {"x": [8e-9, "m"], "y": [8e-9, "m"], "z": [4e-8, "m"]},
        },
    }
    layers = [
        {"name": "a", "type": "image", "source": f"precomputed://{url}/d"},
        {"name": "b", "type": "image", "source": source},
    ]
    found = wk.Dataset.explore(json.dumps({"layers": layers}))
    with pytest.warns(
        UserWarning, match="b: its voxels are 12 x 12 x 40 nm, those of the dataset 8 x 8 x 40 nm"
    ):
        made = found.create_dataset(tmp_path / "made")
    (turn,) = made.get_layer("b").coordinate_transformations
    assert np.allclose(turn.matrix, [[0, 1.5, 0, 0], [1.5, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert np.array_equal(made.get_layer("b").get_mag(1).read()[0], data)


def test_a_link_leads_to_nothing_on_this_machine(tmp_path: Path) -> None:
    place = precomputed(tmp_path / "d", noise((30, 20, 10)))
    text = json.dumps({"layers": [{"type": "image", "name": "a", "source": f"precomputed://{place}"}]})
    with pytest.raises(UnsafePathError, match=r"names .*/d, which is on this machine") as caught:
        wk.Dataset.explore(f"https://any.host/#!{text}")
    assert "trusted_places" in str(caught.value)
    with wk.settings(trusted_places=[str(tmp_path)]):
        assert list(wk.Dataset.explore(f"https://any.host/#!{text}").layers) == ["a"]
    (tmp_path / "mine.json").write_text(text)
    assert list(wk.Dataset.explore(tmp_path / "mine.json").layers) == ["a"]


def test_damaged_links_are_errors(served: Any) -> None:
    url, _ = served
    with pytest.raises(CorruptDataError, match="what stands behind '#!' is no JSON") as caught:
        wk.Dataset.explore("https://any.host/#!{'layers'")
    assert "single quotes" in str(caught.value)
    with pytest.raises(InvalidArgumentError, match="shows no layers of voxels"):
        wk.Dataset.explore(
            '{"layers": [{"type": "annotation", "name": "a", "source": "local://annotations"}]}'
        )
    gone = json.dumps({"layers": [{"type": "image", "source": f"precomputed://{url}/gone"}]})
    with pytest.raises(MissingError, match="gone/info could not be read: it is not there"):
        wk.Dataset.explore(gone)


def test_a_dataset_in_a_bucket_names_no_other_hosts(served: Any) -> None:
    url, _ = served
    found = wk.Dataset.explore(f"precomputed://{url}/d")
    with pytest.raises(UnsafePathError, match="A dataset at memory://made may not name http") as caught:
        found.create_dataset("memory://made")
    assert "trusted_places" in str(caught.value)
    own = wk.Dataset("memory://own", voxel_size=(8, 8, 40))
    with pytest.raises(UnsafePathError, match="may not name"):
        own.add_layer_as_ref(f"{url}/d")
    with wk.settings(trusted_places=[url]):
        assert own.add_layer_as_ref(f"{url}/d").get_mag(1).read().any()
