"""N5 and precomputed: what other software wrote, with any axes, read and changed; and layers that are made here."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wkplug as wk
from wkplug.errors import CorruptDataError, UnalignedError, UnsupportedOperationError, WkplugError
from wkplug.storage import locate
from wkplug.testing.profiles import examples

from .samples import Sample, dataset_of

if TYPE_CHECKING:
    from pathlib import Path

tensorstore = pytest.importorskip("tensorstore")

AXES = {
    "n5": (("c", "x", "y", "z"),
           ("x", "y", "z"), ("t", "x", "y", "z"), ("t", "c", "x", "y", "z"), ("z", "c", "y", "x")),
    "neuroglancerPrecomputed": (("c", "x", "y", "z"),),
}  # fmt: skip


def written(folder: Path, sample: Sample, voxels: np.ndarray) -> wk.Dataset:
    """A dataset as another writer leaves it; the arrays start at voxel 0."""
    whole = np.zeros([a + n for a, n in zip(sample.starts, sample.shape, strict=True)], sample.dtype)
    whole[tuple(slice(a, None) for a in sample.starts)] = voxels
    name = wk.Mag(sample.mag).to_layer_name()
    path = folder / "layer" / name
    if sample.data_format == "n5":
        array = tensorstore.open(
            {
                "driver": "n5",
                "kvstore": {"driver": "file", "path": f"{path}/"},
                "metadata": {
                    "dimensions": whole.shape,
                    "blockSize": [min(n, 8) for n in whole.shape],
                    "dataType": sample.dtype,
                    "compression": {"type": "gzip"},
                },
                "create": True,
            }
        ).result()
    else:
        whole = np.moveaxis(whole, 0, -1)
        array = tensorstore.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": {"driver": "file", "path": f"{path.parent}/"},
                "multiscale_metadata": {
                    "type": "image",
                    "data_type": sample.dtype,
                    "num_channels": sample.channels,
                },
                "scale_metadata": {
                    "key": name,
                    "size": whole.shape[:3],
                    "resolution": [1, 1, 1],
                    "encoding": "raw",
                    "chunk_size": [8, 8, 8],
                },
                "create": True,
            }
        ).result()
    array[...].write(whole).result()
    box = sample.box.normalize_axes(sample.channels).to_wkw_dict()
    axes, order = box.pop("additionalAxes", None), box.pop("axisOrder")
    layer: dict[str, Any] = {
        "name": "layer",
        "category": "color",
        "dataFormat": sample.data_format,
        "numChannels": box.pop("numChannels", 1),
        "boundingBox": box,
        "elementClass": f"uint{16 * sample.channels}",
        "mags": [{"mag": list(sample.mag), "path": f"./layer/{name}", "axisOrder": order}],
        **({"additionalAxes": axes} if axes else {}),
    }
    document = {"id": {"name": "a"}, "scale": [10, 10, 20], "dataLayers": [layer], "version": 1}
    (folder / "datasource-properties.json").write_text(json.dumps(document))
    return wk.Dataset.open(folder)


@pytest.mark.parametrize("data_format", AXES)
def test_what_others_wrote_is_read_by_every_way_of_reading(data_format: str, tmp_path: Path) -> None:
    number = 0

    @examples(10)
    @given(
        axes=st.sampled_from(AXES[data_format]),
        mag=st.sampled_from(((1, 1, 1), (2, 2, 1))),
        topleft=st.tuples(*(st.integers(0, 10),) * 3),
        size=st.tuples(*(st.integers(1, 12),) * 3),
        channels=st.sampled_from((1, 3)),
        dimension=st.sampled_from("xyz"),
    )
    def check(axes: Any, mag: Any, topleft: Any, size: Any, channels: int, dimension: str) -> None:
        nonlocal number
        number += 1
        sample = Sample(
            data_format,
            axes,
            mag=mag,
            topleft=topleft,
            size=size,
            channels=channels if "c" in axes else 1,
            shard=8,
        )
        expected = sample.voxels()
        layer = written(tmp_path / str(number), sample, expected).get_layer("layer")
        view = layer.get_mag(mag)
        assert view.data_format == data_format
        np.testing.assert_array_equal(view.read(), expected)
        np.testing.assert_array_equal(np.asarray(view[..., ::2]), expected[..., ::2])
        np.testing.assert_array_equal(view.to_dask().compute(), expected)
        beyond = tuple(n + 30 * (axis in "xyz") for n, axis in zip(sample.shape, axes, strict=True))
        found = view.read(absolute_bounding_box=sample.box_of(sample.starts, beyond))
        np.testing.assert_array_equal(found[tuple(slice(n) for n in sample.shape)], expected)
        assert found.sum() == expected.sum()
        parts = view.get_view(read_only=True).map_chunk(lambda chunk: int(chunk.read().sum()))
        assert sum(parts) == expected.sum()
        with view.get_buffered_slice_reader(dimension=dimension) as reader:
            assert sum(int(one.sum()) for one in reader) == expected.sum()
        with dataset_of((attrs.evolve(sample, data_format="zarr3", topleft=(0, 0, 0)), expected)) as (copy,):
            assert view.content_is_equal(copy)

    check()


@pytest.mark.parametrize("data_format", AXES)
def test_what_others_wrote_is_changed_in_place(data_format: str, tmp_path: Path) -> None:
    sample = Sample(data_format, size=(20, 17, 9), topleft=(0, 0, 0))
    expected = sample.voxels()
    layer = written(tmp_path / "a", sample, expected).get_layer("layer")
    box, part = ((0, 3, 5, 1), (1, 12, 4, 8)), np.full((1, 12, 4, 8), 7, "uint16")
    layer.get_mag(1).write(part, absolute_bounding_box=sample.box_of(*box), allow_unaligned=True)
    expected[:, 3:15, 5:9, 1:9] = 7
    np.testing.assert_array_equal(read_by_the_engine(tmp_path / "a" / "layer", data_format, "1"), expected)


def read_by_the_engine(folder: Path, data_format: str, key: str) -> np.ndarray:
    """A mag as tensorstore opens it: of N5 the array, of precomputed the scale of that key in the layer's volume."""
    if data_format == "n5":
        store = {"driver": "file", "path": f"{folder / key}/"}
        return np.asarray(tensorstore.open({"driver": "n5", "kvstore": store}).result().read().result())
    keys = [scale["key"] for scale in json.loads((folder / "info").read_text())["scales"]]
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "scale_index": keys.index(key),
    }
    return np.moveaxis(np.asarray(tensorstore.open(spec).result().read().result()), -1, 0)


CASES = [("n5", "uint16", {}), ("n5", "int16", {"compress": False}), ("n5", "uint8", {"compress": {"compression": {
    "type": "lz4"}}}), ("neuroglancerPrecomputed", "uint8", {}),
    ("neuroglancerPrecomputed", "uint64", {}), ("neuroglancerPrecomputed", "uint16", {"compress": {"encoding": "png"}}),
    ("neuroglancerPrecomputed", "float32", {"chunk_shape": 32, "shard_shape": 64}),
    ("neuroglancerPrecomputed", "uint32", {"chunk_shape": 32, "shard_shape": 128}),
]  # fmt: skip


@pytest.mark.parametrize(("data_format", "dtype", "layout"), CASES)
@pytest.mark.filterwarnings("ignore:.*unusual")
def test_layers_of_both_formats_live_as_all_do(
    data_format: str, dtype: str, layout: dict[str, Any], tmp_path: Path
) -> None:
    voxels = np.random.default_rng(3).integers(1, 250, (1, 150, 90, 70)).astype(dtype)
    layer = wk.Dataset(tmp_path / "a", (4, 4, 40)).add_layer(
        "em",
        "segmentation" if dtype == "uint64" else "color",
        dtype=dtype,
        data_format=data_format,
        bounding_box=wk.BoundingBox((0, 0, 0), (150, 90, 70)),
    )
    mag = layer.add_mag(1, **layout)
    mag.write(voxels)
    layer.downsample(coarsest_mag=wk.Mag("4-4-1"))
    layer.dataset.add_layer_as_copy(layer, "copy")
    layer.name = "renamed"
    layer.delete_mag("2-2-1")
    again = wk.Dataset.open(tmp_path / "a")
    assert sorted(again.layers) == ["copy", "renamed"]
    assert list(again.get_layer("renamed").mags) == [wk.Mag(1), wk.Mag("4-4-1")]
    for name in again.layers:
        np.testing.assert_array_equal(again.get_layer(name).get_mag(1).read(), voxels)
        assert again.get_layer(name).get_mag(1).info.compression_mode is mag.info.compression_mode
        for folder in ("1", "4-4-1"):
            whole = again.get_layer(name).get_mag(folder).read()
            if "lz4" in str(layout):
                continue  # nobody else here reads it
            seen = read_by_the_engine(tmp_path / "a" / name, data_format, folder)
            np.testing.assert_array_equal(seen[tuple(slice(n) for n in whole.shape)], whole)
    again.delete_layer("copy")
    assert not (tmp_path / "a" / "copy").exists()
    assert not any(name.endswith("__lock") for name in map(str, tmp_path.rglob("*")))


def precomputed_layer(folder: Path, **fields: Any) -> wk.Layer:
    values = {"dtype": "uint8", "bounding_box": wk.BoundingBox((0, 0, 0), (64, 64, 64))} | fields
    return wk.Dataset(folder / "a", (4, 4, 40)).add_layer(
        "em", values.pop("category", "color"), data_format="neuroglancerPrecomputed", **values
    )


def test_the_info_of_a_layer_follows_its_mags(tmp_path: Path) -> None:
    layer = precomputed_layer(tmp_path, category="segmentation", dtype="uint32")
    info = tmp_path / "a" / "em" / "info"
    layer.add_mag(2)
    layer.add_mag(1)

    def scales() -> dict[str, Any]:
        return {scale["key"]: scale for scale in json.loads(info.read_text())["scales"]}

    assert json.loads(info.read_text())["type"] == "segmentation"
    assert list(scales()) == ["1", "2"]
    assert scales()["2"]["resolution"] == [8, 8, 80]
    layer.bounding_box = wk.BoundingBox((0, 0, 0), (100, 64, 64))
    assert scales()["1"]["size"] == [128, 64, 64]
    layer.delete_mag(2)
    assert list(scales()) == ["1"]
    assert json.loads((info.parent / "1" / "info").read_text())["scales"][0]["key"] == "../1"


@pytest.mark.parametrize("data_format", AXES)
def test_the_folder_of_a_layer_is_one_image_to_importers(data_format: str, tmp_path: Path) -> None:
    layer = wk.Dataset(tmp_path / "a", (4, 4, 40)).add_layer(
        "em",
        "color",
        num_channels=3,
        data_format=data_format,
        bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64)),
    )
    voxels = np.random.default_rng(3).integers(1, 250, (3, 64, 64, 64)).astype("uint8")
    layer.add_mag(1).write(voxels)
    layer.downsample(coarsest_mag=wk.Mag("2-2-1"))
    (tmp_path / "alone").mkdir()
    shutil.move(tmp_path / "a" / "em", tmp_path / "alone" / "em")  # away from the properties
    seen = wk.Dataset.from_images(tmp_path / "alone" / "em", tmp_path / "b", (None, None, None))
    assert seen.voxel_size == (4, 4, 40)
    (imported,) = seen.layers.values()
    assert (imported.name, imported.num_channels) == ("em", 3)
    referring = wk.Dataset(tmp_path / "d", (4, 4, 40)).add_layer_as_ref(tmp_path / "alone" / "em", "em")
    assert list(referring.mags) == [wk.Mag(1), wk.Mag("2-2-1")]
    np.testing.assert_array_equal(imported.get_mag(1).read(), voxels)
    one = wk.Dataset.from_images(tmp_path / "alone" / "em" / "1", tmp_path / "c", (4, 4, 40))
    np.testing.assert_array_equal(one.get_layer(next(iter(one.layers))).get_mag(1).read(), voxels)


def test_an_info_of_others_keeps_their_scales(tmp_path: Path) -> None:
    sample = Sample("neuroglancerPrecomputed", size=(8, 8, 8), mag=(2, 2, 2))
    layer = written(tmp_path, sample, sample.voxels()).get_layer("layer")
    before = (tmp_path / "layer" / "info").read_bytes()
    layer.default_view_configuration = None
    assert (tmp_path / "layer" / "info").read_bytes() == before
    layer.add_mag(1)
    keys = [scale["key"] for scale in json.loads((tmp_path / "layer" / "info").read_text())["scales"]]
    assert sorted(keys) == ["1", "2"]
    layer.delete_mag(1)
    scales = json.loads((tmp_path / "layer" / "info").read_text())["scales"]
    assert scales == json.loads(before)["scales"]


def test_shards_are_made_for_the_whole_box(tmp_path: Path) -> None:
    layer = precomputed_layer(tmp_path, bounding_box=wk.BoundingBox((0, 0, 0), (100, 100, 100)))
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=64)
    mag.write(np.full((100, 100, 100), 5, "uint8"))
    shards = sorted(path.name for path in mag.path.iterdir() if path.suffix == ".shard")
    assert shards == [f"{number}.shard" for number in range(8)]
    before = {path: path.read_bytes() for path in mag.path.iterdir() if path.suffix == ".shard"}
    with pytest.raises(UnsupportedOperationError, match="describes shards, whose chunks are numbered"):
        mag.write(
            np.ones((9, 9, 9), "uint8"), absolute_offset=(200, 0, 0), allow_resize=True, allow_unaligned=True
        )
    assert layer.bounding_box.bottomright == (100, 100, 100)
    assert {path: path.read_bytes() for path in mag.path.iterdir() if path.suffix == ".shard"} == before
    # Up to the shards' ends there is room.
    mag.write(
        np.ones((9, 9, 9), "uint8"), absolute_offset=(110, 0, 0), allow_resize=True, allow_unaligned=True
    )
    assert mag.read(absolute_offset=(110, 0, 0), size=(9, 9, 9)).sum() == 9**3


def test_jpeg_is_never_compressed_twice(tmp_path: Path) -> None:
    layer = precomputed_layer(tmp_path, bounding_box=wk.BoundingBox((0, 0, 0), (150, 64, 64)))
    mag = layer.add_mag(1, compress={"encoding": "jpeg", "jpeg_quality": 95})
    smooth = np.broadcast_to(np.arange(150, dtype="uint8")[:, None, None], (150, 64, 64))
    mag.write(smooth)  # also the last chunk, whose other voxels nobody has written
    seen = mag.read()[0]
    assert np.abs(seen.astype(int) - smooth).max() <= 3
    files = {path: path.read_bytes() for path in mag.path.iterdir() if "_" in path.name}
    with pytest.raises(UnalignedError, match="compressed with loss: writing a part of the chunk"):
        mag.write(smooth[:100], allow_unaligned=True)
    assert {path: path.read_bytes() for path in mag.path.iterdir() if "_" in path.name} == files
    mag.write(smooth[64:128], absolute_offset=(64, 0, 0))
    np.testing.assert_array_equal(mag.read(absolute_offset=(0, 0, 0), size=(64, 64, 64))[0], seen[:64])


@pytest.mark.parametrize("bucket", ["s3_bucket", "gs_bucket", "az_bucket"])
@pytest.mark.parametrize("data_format", AXES)
@pytest.mark.filterwarnings("ignore:.*unusual")
def test_layers_live_in_buckets(
    data_format: str, bucket: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = request.getfixturevalue(bucket)
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    voxels = np.random.default_rng(3).integers(1, 250, (1, 100, 50, 20)).astype("uint16")
    dataset = wk.Dataset(f"{found.url}/a", (4, 4, 40))
    layer = dataset.add_layer(
        "em",
        "color",
        dtype="uint16",
        data_format=data_format,
        bounding_box=wk.BoundingBox((0, 0, 0), (50, 50, 20)),
    )
    mag = layer.add_mag(1, chunk_shape=32)
    mag.write(voxels[:, :50])
    mag.write(voxels[:, 50:], absolute_offset=(50, 0, 0), allow_resize=True, allow_unaligned=True)
    layer.downsample(coarsest_mag=wk.Mag("4-4-1"))
    dataset.add_layer_as_copy(layer, "copy")
    layer.delete_mag("2-2-1")
    again = wk.Dataset.open(f"{found.url}/a")
    for name in ("em", "copy"):
        np.testing.assert_array_equal(again.get_layer(name).get_mag(1).read(), voxels)
    assert list(again.get_layer("em").mags) == [wk.Mag(1), wk.Mag("4-4-1")]
    if data_format == "neuroglancerPrecomputed":
        info = json.loads(locate(f"{found.url}/a/em/info").read())
        assert [(scale["key"], scale["size"][0]) for scale in info["scales"]] == [("1", 128), ("4-4-1", 64)]
    again.delete_layer("copy")
    assert list(wk.Dataset.open(f"{found.url}/a").layers) == ["em"]


def test_what_has_no_compression_is_left_as_it_is(tmp_path: Path) -> None:
    layer = precomputed_layer(tmp_path)
    mag = layer.add_mag(1)
    mag.write(np.full((64, 64, 64), 3, "uint8"))
    with pytest.warns(
        UserWarning, match="mag 1 of em stays as it is: neuroglancerPrecomputed doesn't compress uint8"
    ):
        mag.compress()
    assert not mag.info.compression_mode
    mag.rechunk(chunk_shape=64, compress={"encoding": "png"})
    assert mag.info.compression_mode
    assert (mag.read() == 3).all()


REFUSED = {
    "dtype": ({"category": "segmentation", "dtype": "int64"}, {}, "can't hold int64"),
    "encoding": ({"dtype": "uint16"}, {"compress": {"encoding": "jpeg"}}, "'jpeg' can't hold 1 channels of uint16"),
    "labels": ({}, {"compress": {"encoding": "compressed_segmentation"}}, "can't hold 1 channels of uint8"),
    "unknown option": ({}, {"compress": {"level": 3}}, "has no option 'level'"),
    "flat shards": ({}, {"chunk_shape": 32, "shard_shape": (64, 32, 64)}, "in the format's order"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore:.*unusual")
def test_what_precomputed_cannot_hold_is_refused_before_anything_is_written(
    case: str, tmp_path: Path
) -> None:
    fields, layout, text = REFUSED[case]
    layer = precomputed_layer(tmp_path, **fields)
    with pytest.raises(WkplugError, match=text) as caught:
        layer.add_mag(1, **layout)
    assert not isinstance(caught.value, CorruptDataError)
    assert not (tmp_path / "a" / "em" / "1").exists()
    assert not layer.mags


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_volumes_of_others_are_copied_with_what_describes_them(tmp_path: Path) -> None:
    sample = Sample("neuroglancerPrecomputed", size=(20, 17, 9))
    dataset = written(tmp_path / "a", sample, sample.voxels())
    copy = dataset.copy_dataset(tmp_path / "b").get_layer("layer")
    np.testing.assert_array_equal(copy.get_mag(1).read(), sample.voxels())
    assert (tmp_path / "b" / "layer" / "1" / "info").exists()
    again = copy.dataset.copy_dataset(tmp_path / "c").get_layer("layer")
    np.testing.assert_array_equal(again.get_mag(1).read(), sample.voxels())
    with pytest.raises(UnsupportedOperationError, match="what describes them lies outside of"):
        copy.dataset.add_fs_copy_layer(dataset.get_layer("layer"), "other")
