"""What tensorstore, zarr and wkplug read from the streams is what is stored."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import wkplug as wk

from .conftest import CORNER, SIZE, get, refused

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from wkplug_server.running import RunningServer

NAMES = ("em", "cells", "small_ids", "rgb", "heights", "signed")


@pytest.mark.parametrize("tree", ["data/zarr", "data/zarr3_experimental", "data/datasets/{}/proxy"])
def test_a_dataset_opens_as_what_it_is(
    server: RunningServer, dataset: wk.Dataset, dataset_id: str, tree: str
) -> None:
    path = tree.format(dataset_id) if "{}" in tree else f"{tree}/{dataset_id}"
    seen = wk.Dataset.open(f"{server.url}/{path}")
    assert list(seen.layers) == list(dataset.layers)
    assert seen.voxel_size == dataset.voxel_size
    for name, layer in dataset.layers.items():
        other = seen.get_layer(name)
        assert other.bounding_box == layer.bounding_box
        assert (other.category, other.dtype, other.num_channels) == (
            layer.category,
            layer.dtype,
            layer.num_channels,
        )
        assert list(other.mags) == list(layer.mags)
        for mag in layer.mags:
            assert np.array_equal(other.get_mag(mag).read(), layer.get_mag(mag).read())


@pytest.mark.parametrize("tree", ["zarr", "zarr3_experimental"])
def test_zarr_reads_arrays(server: RunningServer, dataset: wk.Dataset, dataset_id: str, tree: str) -> None:
    array: Any = zarr.open(f"{server.url}/data/{tree}/{dataset_id}/em/2-2-1", mode="r")
    mag = dataset.get_layer("em").get_mag("2-2-1")
    box = mag.bounding_box.in_mag(wk.Mag("2-2-1"))
    low, high = box.topleft, box.bottomright
    assert np.array_equal(array[:, low[0] : high[0], low[1] : high[1], low[2] : high[2]], mag.read())


def test_trees_answer_for_their_own_version_alone(server: RunningServer, dataset_id: str) -> None:
    for path in (f"zarr/{dataset_id}/em/1/zarr.json", f"zarr3_experimental/{dataset_id}/em/1/.zarray"):
        assert refused(f"{server.url}/data/{path}").code == 404


@cache
def _precomputed(url: str, key: str) -> Any:
    spec = {"driver": "neuroglancer_precomputed", "kvstore": url, "scale_metadata": {"key": key}}
    return tensorstore.open(spec, read=True).result()


@pytest.mark.parametrize("name", NAMES)
def test_precomputed_volumes_have_all_voxels(
    server: RunningServer, dataset: wk.Dataset, dataset_id: str, name: str
) -> None:
    volume = _precomputed(f"{server.url}/precomputed/{dataset_id}/{name}/", "1-1-1")
    layer = dataset.get_layer(name)
    assert tuple(volume.domain.origin[:3]) == CORNER
    assert tuple(volume.domain.shape) == (*SIZE, layer.num_channels)
    expected = np.moveaxis(layer.get_mag(1).read(), 0, -1)
    assert np.array_equal(volume.read().result(), expected)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_boxes_of_precomputed_volumes_are_exact(
    server: RunningServer, dataset: wk.Dataset, dataset_id: str, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(("em", "cells")))
    mag = data.draw(st.sampled_from(sorted(dataset.get_layer(name).mags)))
    volume = _precomputed(f"{server.url}/precomputed/{dataset_id}/{name}/", mag.to_long_layer_name())
    spans = []
    for low, length in zip(volume.domain.origin[:3], volume.domain.shape[:3], strict=True):
        start = data.draw(st.integers(low, low + length - 1))
        spans.append((start, data.draw(st.integers(start + 1, low + length))))
    found = volume[tuple(slice(*span) for span in spans)].read().result()
    factors = mag.to_tuple()
    expected = (
        dataset.get_layer(name)
        .get_mag(mag)
        .read(
            absolute_offset=[a * f for (a, _), f in zip(spans, factors, strict=True)],
            size=[(b - a) * f for (a, b), f in zip(spans, factors, strict=True)],
        )
    )
    assert np.array_equal(np.moveaxis(found, -1, 0), expected)


def test_raw_boxes_are_in_fortran_order(server: RunningServer, dataset: wk.Dataset, dataset_id: str) -> None:
    url = f"{server.url}/data/v9/datasets/{dataset_id}/layers/rgb/data?mag=1-1-1&x=12&y=24&z=6&width=5&height=7&depth=3"
    found = np.frombuffer(get(url), np.uint8).reshape((3, 5, 7, 3), order="F")
    expected = dataset.get_layer("rgb").get_mag(1).read(absolute_offset=(12, 24, 6), size=(5, 7, 3))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("mag=1-1-1&x=0&y=0&z=0&width=5&height=7", "needs whole numbers for x, y, z, width, height, depth"),
        ("mag=1-1-1&x=0&y=0&z=0&width=5&height=7&depth=a", "needs whole numbers"),
        ("mag=1-1-1&x=0&y=0&z=0&width=99999&height=9999&depth=999", "more than one answer may have"),
        ("mag=8-8-8&x=0&y=0&z=0&width=1&height=1&depth=1", "no mag 8"),
        ("mag=seven&x=0&y=0&z=0&width=1&height=1&depth=1", "seven"),
    ],
)
def test_boxes_that_make_no_sense_are_refused(
    server: RunningServer, dataset_id: str, query: str, text: str
) -> None:
    found = refused(f"{server.url}/data/datasets/{dataset_id}/layers/em/data?{query}")
    assert found.code in (400, 404)
    assert text in found.told


# --- levels that nobody has stored --------------------------------------------------------------------------


def _means(data: NDArray[Any], factors: tuple[int, int, int]) -> NDArray[Any]:
    """The rounded means of blocks, slowly."""
    shape = [-(-n // f) for n, f in zip(data.shape, factors, strict=True)]
    out = np.zeros(shape, data.dtype)
    for index in np.ndindex(*shape):
        block = data[tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))]
        out[index] = np.rint(block.mean(dtype=np.float64))
    return out


def test_coarser_levels_are_computed(tmp_path_factory: pytest.TempPathFactory) -> None:
    from wkplug_server.levels import Levels

    dataset = wk.Dataset(tmp_path_factory.mktemp("flat") / "flat", voxel_size=(4, 4, 40))
    shape = (1301, 40, 7)
    values = np.random.default_rng(0).integers(0, 200, shape).astype("uint8")
    for name, category in (("image", "color"), ("labels", "segmentation")):
        box = wk.BoundingBox((0, 0, 0), shape)
        layer = dataset.add_layer(name, category, dtype="uint8", bounding_box=box)  # type: ignore[arg-type]
        layer.add_mag(1).write(values[None])
    image, labels = (Levels(dataset.get_layer(name)) for name in ("image", "labels"))
    # Sections stay as they are, as long as they are thicker than the pixels are wide.
    assert [level.name for level in image.all] == ["1", "2-2-1", "4-4-1"]
    level = image.all[-1]
    assert level.size == (326, 10, 7)
    assert np.array_equal(image.read(level, (0, 0, 0), level.size)[0], _means(values, (4, 4, 1)))
    assert np.array_equal(labels.read(level, (0, 0, 0), level.size)[0], values[::4, ::4, :])
    part = image.read(level, (200, 3, 2), (126, 7, 1))[0]
    assert np.array_equal(part, _means(values, (4, 4, 1))[200:326, 3:10, 2:3])


def test_sections_of_computed_levels_are_served(tmp_path: Any) -> None:
    from wkplug_server.catalogue import Catalogue
    from wkplug_server.running import RunningServer

    dataset = wk.Dataset(tmp_path / "long", voxel_size=(8, 8, 8))
    values = np.random.default_rng(0).integers(0, 200, (600, 64, 32)).astype("uint8")
    layer = dataset.add_layer(
        "a", "color", dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), values.shape)
    )
    layer.add_mag(1).write(values[None])
    with RunningServer(Catalogue([(dataset, "long")])) as server:
        key = json.loads(get(f"{server.url}/api/datasets"))[0]["id"]
        base = f"{server.url}/precomputed/{key}/a"
        scale = json.loads(get(f"{base}/info"))["scales"][-1]
        assert (scale["key"], scale["size"]) == ("2-2-2", [300, 32, 16])
        section = np.frombuffer(get(f"{base}/2-2-2/0-300_0-32_5-6"), np.uint8).reshape((300, 32), order="F")
        assert np.array_equal(section, _means(values, (2, 2, 2))[:, :, 5])
        assert refused(f"{base}/2-2-2/1-300_0-32_5-6").code == 404
        # Other tools find stored levels alone: what is computed is for looking at.
        assert (
            json.loads(get(f"{server.url}/data/zarr/{key}/a/.zattrs"))["multiscales"][0]["datasets"][0][
                "path"
            ]
            == "1"
        )
        assert refused(f"{server.url}/data/zarr/{key}/a/2/.zarray").code == 404
