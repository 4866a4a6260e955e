"""Containers of other tools come in like images: their layers, places, axes and names, voxel by voxel."""

from __future__ import annotations

import json
import shutil
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr

import wkplug as wk
from wkplug.errors import (
    AmbiguousChoiceError,
    CorruptDataError,
    CorruptImageError,
    InvalidArgumentError,
    LayerExistsError,
    MissingError,
    UnknownNameError,
    UnsupportedImageDataError,
    UnsupportedOperationError,
)
from wkplug.filesystems.local import LocalLocation
from wkplug.ops import images
from wkplug.ops.inspecting import inspect_container
from wkplug.storage.budget import resident

if TYPE_CHECKING:
    from pathlib import Path

SPACE = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
CHANNEL = {"name": "c", "type": "channel"}
TIME = {"name": "t", "type": "time"}


def noise(shape: tuple[int, ...], dtype: str = "uint16", seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(1, 250, shape).astype(dtype)


def write_image(
    place: Path, array: Any, axes: list[dict[str, str]], version: int = 3, *, shift: float = 0.0, **more: Any
) -> Path:
    """An OME-Zarr image of one resolution: 0.5 um along z, 0.25 um along y and x."""
    scale = [{"z": 0.5, "y": 0.25, "x": 0.25}.get(axis["name"], 1.0) for axis in axes]
    steps: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if shift:
        steps.append({"type": "translation", "translation": [shift * (axis["name"] == "x") for axis in axes]})
    multiscale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}
    group = zarr.open_group(place, mode="w", zarr_format=version)  # type: ignore[arg-type]
    if version == 3:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale], **more}
    else:
        group.attrs.update({"multiscales": [{"version": "0.4", **multiscale}], **more})
    group.create_array("0", data=array, chunks=tuple(min(16, length) for length in array.shape))
    return place


def planned(
    place: Path, *, importer: str | None = None, layer_category: str | None = None, **options: Any
) -> images.DatasetPlan:
    """Plan the import of a container; the voxel size is what it says."""
    return images.plan_import(
        place,
        place.parent / "out",
        images.DatasetOptions(layer_category=layer_category, voxel_size_from_files=True),
        input_options=images.InputOptions(importer=importer),
        options=images.ImportOptions(**options),
    )


def convert(place: Path, **options: Any) -> wk.Dataset:
    """Import a container."""
    return wk.Dataset.of(planned(place, **options).execute())


def voxels(dataset: wk.Dataset, name: str) -> Any:
    return dataset.get_layer(name).get_mag(1).read()


@pytest.mark.parametrize("version", [2, 3])
def test_an_image_with_labels_becomes_two_layers(tmp_path: Path, version: int) -> None:
    data = noise((10, 20, 30))
    labels = np.repeat(np.arange(1, 11, dtype="uint32"), 600).reshape(10, 20, 30)
    place = write_image(tmp_path / "a.ome.zarr", data, SPACE, version, shift=2.5)
    listed = zarr.open_group(place / "labels", mode="w", zarr_format=version)  # type: ignore[arg-type]
    listed.attrs.update({"labels": ["cells"]} if version == 2 else {"ome": {"labels": ["cells"]}})
    write_image(place / "labels" / "cells", labels, SPACE, version)
    dataset = convert(place)
    assert dataset.voxel_size == (250, 250, 500)
    assert {name: layer.category for name, layer in dataset.layers.items()} == {
        "a": "color",
        "cells": "segmentation",
    }
    assert dataset.get_layer("a").bounding_box == wk.BoundingBox((10, 0, 0), (30, 20, 10))
    assert np.array_equal(voxels(dataset, "a")[0], data.T)
    assert np.array_equal(voxels(dataset, "cells")[0], labels.T)
    assert dataset.get_segmentation_layer("cells").largest_segment_id == 10


def test_channels_become_layers_of_their_names_and_colours(tmp_path: Path) -> None:
    data = noise((2, 4, 20, 30))
    channels = [{"label": "DAPI 1", "color": "0000FF"}, {"label": "GFP", "color": "00FF00"}]
    place = write_image(tmp_path / "a.zarr", data, [CHANNEL, *SPACE], omero={"channels": channels})
    dataset = convert(place)
    assert list(dataset.layers) == ["a__DAPI1", "a__GFP"]
    for number, layer in enumerate(dataset.layers.values()):
        assert np.array_equal(layer.get_mag(1).read()[0], data[number].T)
        assert layer.default_view_configuration is not None
        assert layer.default_view_configuration.color == ((0, 0, 255), (0, 255, 0))[number]


@pytest.mark.parametrize(
    ("channels", "layers"),
    [
        ([], ["a"]),
        ([{"color": "FF0000"}, {"color": "00FF00"}, {"color": "0000FF"}], ["a"]),
        ([{"label": "x"}, {"label": "x"}, {"label": "y"}], ["a__channel0", "a__channel1", "a__y"]),
    ],
)
def test_three_channels_of_8_bits_are_colours_unless_they_have_names(
    tmp_path: Path, channels: list[dict[str, str]], layers: list[str]
) -> None:
    data = noise((3, 4, 20, 30), "uint8")
    more = {"omero": {"channels": channels}} if channels else {}
    dataset = convert(write_image(tmp_path / "a.zarr", data, [CHANNEL, *SPACE], **more))
    assert list(dataset.layers) == layers
    if len(layers) == 1:
        assert np.array_equal(voxels(dataset, "a"), data.transpose(0, 3, 2, 1))


@pytest.mark.parametrize("depth", [1, 3])
def test_time_stays_time_even_without_depth(tmp_path: Path, depth: int) -> None:
    data = noise((4, depth, 20, 30))
    dataset = convert(write_image(tmp_path / "a.zarr", data, [TIME, *SPACE]))
    layer = dataset.get_layer("a")
    assert layer.bounding_box.axes[0] == "t"
    for t in range(4):
        box = wk.NDBoundingBox((t, 0, 0, 0, 0), (1, 1, 30, 20, depth), ("t", "c", "x", "y", "z"))
        assert np.array_equal(
            layer.get_mag(1).read(absolute_bounding_box=box).reshape(30, 20, depth), data[t].T
        )


def test_what_images_are_asked_for_works_for_containers(tmp_path: Path) -> None:
    data = noise((10, 20, 30))
    place = write_image(tmp_path / "a.zarr", data, SPACE, shift=2.5)
    dataset = wk.Dataset.from_images(
        place, tmp_path / "out", (1, 1, 1), layer_name="x", layer_category="segmentation", swap_xy=True,
        flip_z=True, data_format="wkw",
    )  # fmt: skip
    layer = dataset.get_layer("x")
    assert (layer.category, str(layer.data_format)) == ("segmentation", "wkw")
    assert layer.bounding_box == wk.BoundingBox((0, 10, 0), (20, 30, 10))
    assert np.array_equal(voxels(dataset, "x")[0], data[::-1].transpose(1, 2, 0))


def test_a_container_becomes_a_layer_of_a_dataset_that_is_there(tmp_path: Path) -> None:
    data = noise((10, 20, 30))
    place = write_image(tmp_path / "a.zarr", data, SPACE, shift=2.5)
    dataset = wk.Dataset(tmp_path / "out", voxel_size=(125, 125, 250))
    layer = dataset.add_layer_from_images(place, "x", topleft=(2, 4, 6), mag=2, dtype="uint8")
    assert layer.bounding_box == wk.BoundingBox((22, 4, 6), (60, 40, 20))
    assert np.array_equal(layer.get_mag(2).read()[0], data.T.astype("uint8"))
    with pytest.raises(LayerExistsError):
        dataset.add_layer_from_images(place, "x")


def test_several_layers_are_only_added_where_that_is_allowed(tmp_path: Path) -> None:
    place = write_image(tmp_path / "a.zarr", noise((4, 20, 30)), SPACE)
    zarr.open_group(place / "labels", mode="w", zarr_format=3).attrs["ome"] = {"labels": ["cells"]}
    write_image(place / "labels" / "cells", noise((4, 20, 30), "uint32"), SPACE)
    dataset = wk.Dataset(tmp_path / "out", voxel_size=(250, 250, 500))
    with pytest.raises(UnsupportedImageDataError, match=r"a\.zarr holds 2 layers: a, cells\.") as caught:
        dataset.add_layer_from_images(place, "x")
    assert "allow_multiple_layers=True" in caught.value.hint
    assert not dataset.layers
    dataset.add_layer_from_images(place, "x", None, allow_multiple_layers=True)
    assert {name: layer.category for name, layer in dataset.layers.items()} == {
        "x": "color",
        "x_cells": "segmentation",
    }


def test_notes_of_the_importer_are_warnings(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a", data=noise((30, 20, 10)), chunks=(16, 16, 10), zarr_format=3)
    with pytest.warns(UserWarning, match="doesn't name its axes; they were taken as x, y, z"):
        dataset = wk.Dataset.from_images(tmp_path / "a", tmp_path / "out", (1, 1, 1))
    assert dataset.get_layer("a").bounding_box.size == (30, 20, 10)


def test_ids_of_64_bits_are_a_segmentation(tmp_path: Path) -> None:
    data = noise((4, 20, 30), "uint64") << np.uint64(40)
    place = tmp_path / "a"
    zarr.create_array(place, data=data, zarr_format=3, dimension_names=["z", "y", "x"])
    dataset = wk.Dataset.from_images(place, tmp_path / "out", (1, 1, 1))
    assert dataset.get_layer("a").category == "segmentation"
    assert np.array_equal(voxels(dataset, "a")[0], data.T)


# --- what is a container, and what isn't ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("attributes.json", "{}"),
        ("attributes.json", '{"dimensions": 7}'),
        ("attributes.json", "no json"),
        ("info", "about these images"),
        ("info", '{"scales": null}'),
        (".zgroup", '{"zarr_format": 2}'),
        ("zarr.json", '{"zarr_format": 3, "node_type": "group"}'),
        ("zarr.json", "{"),
    ],
)
def test_images_beside_a_file_of_a_containers_name_are_images(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "em").mkdir()
    for z in range(3):
        tifffile.imwrite(tmp_path / "em" / f"s{z}.tif", noise((20, 30), seed=z))
    (tmp_path / "em" / name).write_text(text)
    dataset = wk.Dataset.from_images(tmp_path / "em", tmp_path / "out", (1, 1, 1))
    assert dataset.get_layer("em").bounding_box.size == (30, 20, 3)


def test_a_damaged_container_without_images_says_what_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text("{")
    with pytest.raises(CorruptDataError, match=r"zarr\.json is damaged: it is no JSON"):
        wk.Dataset.from_images(tmp_path / "a.zarr", tmp_path / "out", (1, 1, 1))
    assert not (tmp_path / "out").exists()


def test_a_damaged_image_of_a_container_is_not_replaced_by_a_picture_beside_it(tmp_path: Path) -> None:
    place = write_image(tmp_path / "a.zarr", noise((4, 20, 30)), SPACE)
    document = json.loads((place / "zarr.json").read_text())
    document["attributes"]["ome"]["multiscales"][0]["datasets"] = []
    (place / "zarr.json").write_text(json.dumps(document))
    tifffile.imwrite(place / "thumbnail.tif", noise((20, 30)))
    with pytest.raises(CorruptDataError, match="its image has no datasets"):
        wk.Dataset.from_images(place, tmp_path / "out", (1, 1, 1))


def test_an_array_that_is_named_and_not_there_is_told(tmp_path: Path) -> None:
    place = write_image(tmp_path / "a.zarr", noise((4, 20, 30)), SPACE)
    shutil.rmtree(place / "0")
    with pytest.raises(CorruptDataError, match=r"'a' name the array .*a\.zarr/0, which is not there"):
        wk.Dataset.from_images(place, tmp_path / "out", (1, 1, 1))
    assert not (tmp_path / "out").exists()


def test_one_layer_of_a_container_is_chosen_by_name_or_number(tmp_path: Path) -> None:
    place = write_image(tmp_path / "a.zarr", noise((4, 20, 30)), SPACE)
    zarr.open_group(place / "labels", mode="w", zarr_format=3).attrs["ome"] = {"labels": ["cells"]}
    write_image(place / "labels" / "cells", noise((4, 20, 30), "uint32"), SPACE)
    out = wk.Dataset.from_images(place, tmp_path / "out", (1, 1, 1), scene="cells")
    assert list(out.layers) == ["cells"]
    dataset = wk.Dataset(tmp_path / "new", voxel_size=(250, 250, 500))
    with pytest.raises(UnsupportedImageDataError, match=r"holds 2 layers: a, cells") as caught:
        dataset.add_layer_from_images(place, "x")
    assert "Pass scene=... for one of them" in str(caught.value)
    assert dataset.add_layer_from_images(place, "x", None, scene=1).category == "segmentation"
    with pytest.raises(InvalidArgumentError, match=r"scene is 'nuclei', but .*a.zarr has 2: 'a', 'cells'"):
        dataset.add_layer_from_images(place, "y", scene="nuclei")


def test_a_dataset_is_no_container(tmp_path: Path) -> None:
    wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1)).write_layer("em", "color", noise((8, 8, 8), "uint8"))
    with pytest.raises(InvalidArgumentError, match=r"ds is a dataset already, not images") as caught:
        wk.Dataset.from_images(tmp_path / "ds", tmp_path / "out", (1, 1, 1))
    assert f"wkplug copy-dataset {tmp_path}/ds TARGET" in caught.value.hint


def test_an_importer_may_be_named(tmp_path: Path) -> None:
    place = write_image(tmp_path / "a.zarr", noise((4, 20, 30)), SPACE)
    (place / "attributes.json").write_text('{"dimensions": [8, 8, 8]}')
    with pytest.raises(AmbiguousChoiceError) as caught:
        convert(place)
    assert 'importer="' in caught.value.hint
    assert list(convert(place, importer="ome-zarr").layers) == ["a"]
    with pytest.raises(UnknownNameError, match="zebra"):
        images.plan_import(
            place,
            tmp_path / "out2",
            images.DatasetOptions(voxel_size=(1, 1, 1)),
            input_options=images.InputOptions(importer="zebra"),
        )
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingError):
        images.plan_import(
            tmp_path / "empty",
            tmp_path / "out2",
            images.DatasetOptions(voxel_size=(1, 1, 1)),
            input_options=images.InputOptions(importer="ome-zarr"),
        )


def test_a_reader_that_is_named_takes_files_of_a_container_folder(tmp_path: Path) -> None:
    place = write_image(tmp_path / "a.zarr", noise((4, 20, 30)), SPACE)
    with pytest.raises(CorruptImageError):
        images.plan_import(
            place / "0" / "c",
            tmp_path / "out",
            images.DatasetOptions(voxel_size=(1, 1, 1)),
            input_options=images.InputOptions(reader="tifffile"),
        )


def test_a_long_folder_of_images_is_not_listed_for_every_importer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "em").mkdir()
    for z in range(3):
        tifffile.imwrite(tmp_path / "em" / f"s{z}.tif", noise((20, 30), seed=z))
    listed = []
    original = LocalLocation.list

    def counting(self: LocalLocation) -> Any:
        listed.append(self.url)
        return original(self)

    monkeypatch.setattr(LocalLocation, "list", counting)
    images.plan_import(tmp_path / "em", tmp_path / "out", images.DatasetOptions(voxel_size=(1, 1, 1)))
    # Once for all importers; whether it is a folder; its files.
    assert listed.count(str(tmp_path / "em")) <= 3


# --- round trips -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".n5", ".ozx", ".precomputed"])
@pytest.mark.parametrize(("category", "dtype"), [("color", "uint8"), ("segmentation", "uint64")])
def test_what_was_exported_comes_back(tmp_path: Path, suffix: str, category: Any, dtype: str) -> None:
    data = noise((100, 40, 30), dtype)
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(4, 5, 6))
    layer = dataset.write_layer("em", category, data, absolute_offset=(10, 20, 30))
    layer.export(tmp_path / f"a{suffix}")
    again = convert(tmp_path / f"a{suffix}")
    (only,) = again.layers.values()
    assert (only.name, only.category, only.dtype) == ("a", category, dtype)
    assert again.voxel_size == (4, 5, 6)
    assert np.array_equal(only.get_mag(1).read()[0], data)
    if suffix == ".precomputed":
        assert only.bounding_box == layer.bounding_box


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_what_the_ome_zarr_package_writes_is_read(tmp_path: Path, version: str) -> None:
    formats = pytest.importorskip("ome_zarr.format")
    writer = pytest.importorskip("ome_zarr.writer")
    data = noise((2, 12, 40, 50))
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2 if version == "0.4" else 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writer.write_image(
            data, root, axes="czyx", fmt=formats.FormatV04() if version == "0.4" else formats.FormatV05()
        )
    dataset = wk.Dataset.from_images(tmp_path / "a.zarr", tmp_path / "out", (1, 1, 1))
    found = [layer.get_mag(1).read()[0] for layer in dataset.layers.values()]
    assert np.array_equal(found, data.transpose(0, 3, 2, 1))


def test_an_import_of_a_container_that_was_stopped_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = noise((64, 20, 30))
    place = write_image(tmp_path / "a.zarr", data, SPACE)
    chunk = next(path for path in sorted(place.glob("0/c/3/**/*")) if path.is_file())
    kept = shutil.copy(chunk, tmp_path / "kept")
    chunk.write_bytes(b"damaged")
    options = {"batch_size": 32, "shard_shape": 32, "layer_category": "color"}
    with pytest.raises(CorruptDataError):
        convert(place, **options)
    shutil.copy(kept, chunk)
    assert np.array_equal(voxels(convert(place, **options), "a")[0], data.T)


@pytest.mark.usefixtures("tmp_path")
def test_containers_behind_urls_are_found(tmp_path: Path) -> None:
    import fsspec

    data = noise((4, 20, 30))
    place = write_image(tmp_path / "a.zarr", data, SPACE)
    memory = fsspec.filesystem("memory")
    memory.put(str(place), "/containers/a.zarr", recursive=True)
    try:
        dataset = wk.Dataset.from_images("memory://containers/a.zarr", tmp_path / "out", (1, 1, 1))
        assert np.array_equal(voxels(dataset, "a")[0], data.T)
    finally:
        memory.rm("/containers", recursive=True)


def test_the_plan_of_a_large_container_keeps_to_the_memory(tmp_path: Path) -> None:
    place = tmp_path / "a"
    zarr.create_array(
        place, shape=(1024, 4096, 4096), chunks=(64, 64, 64), dtype="uint16", zarr_format=3,
        dimension_names=["z", "y", "x"],
    )  # fmt: skip
    memory = resident() + 10**9  # other tests have left something in this process
    plan = images.plan_import(
        place,
        tmp_path / "out",
        images.DatasetOptions(voxel_size=(1, 1, 1), layer_category="color"),
        options=images.ImportOptions(memory=memory),
    )
    (volume,) = plan.volumes
    assert volume.chunking.bytes < 1 << 30
    # A shard of 1 GB that is written in parts is held by one call at a time.
    assert volume.chunking.writers == 1
    assert plan.memory < 2 << 30
    assert volume.volume.block == (64, 64, 64)
    assert volume.chunking.decodes == 1
    assert all(edge % 64 == 0 for edge in volume.chunking.box)


def write_levels(place: Path, levels: dict[str, float], data: Any, unit: str = "micrometer") -> Path:
    """An OME-Zarr image with one array per level, of the given factor along y and x; in this order."""
    axes = [{**axis, "unit": unit} for axis in SPACE] if unit else [{"name": axis} for axis in "zyx"]
    group = zarr.open_group(place, mode="w", zarr_format=3)
    datasets = []
    for path, factor in levels.items():
        step = max(1, int(factor / min(levels.values())))
        own = data[:, ::step, ::step]
        group.create_array(path, data=own, chunks=tuple(min(16, length) for length in own.shape))
        scale = {"type": "scale", "scale": [0.5, 0.25 * factor, 0.25 * factor]}
        datasets.append({"path": path, "coordinateTransformations": [scale]})
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    return place


def list_labels(place: Path, *names: str) -> None:
    zarr.open_group(place / "labels", mode="a", zarr_format=3).attrs["ome"] = {"labels": list(names)}


@pytest.mark.parametrize(
    ("given", "unit"),
    [(None, "micrometer"), ((250.0, 250.0, 500.0), "micrometer"), ((250.0, 250.0, 500.0), "")],
)
def test_labels_of_another_resolution_are_another_mag(
    tmp_path: Path, given: tuple[float, float, float] | None, unit: str
) -> None:
    data = noise((10, 40, 60))
    labels = np.arange(10 * 20 * 30, dtype="uint32").reshape(10, 20, 30) + 1
    fine = np.arange(10 * 80 * 120, dtype="uint32").reshape(10, 80, 120) + 1
    place = write_levels(tmp_path / "a.zarr", {"0": 1}, data, unit)
    list_labels(place, "coarse")
    write_levels(place / "labels" / "coarse", {"0": 2}, labels, unit)
    dataset = wk.Dataset.of(
        images.plan_import(
            place, tmp_path / "coarser", images.DatasetOptions(voxel_size=given, voxel_size_from_files=True)
        ).execute()
    )
    assert dataset.voxel_size == (250, 250, 500)
    assert dataset.get_layer("coarse").bounding_box == dataset.get_layer("a").bounding_box
    assert list(dataset.get_layer("coarse").mags) == [wk.Mag("2-2-1")]
    assert np.array_equal(dataset.get_layer("coarse").get_mag("2-2-1").read()[0], labels.T)
    assert np.array_equal(voxels(dataset, "a")[0], data.T)
    # Finer ones are mag 1, and the image isn't.
    list_labels(place, "fine")
    write_levels(place / "labels" / "fine", {"0": 0.5}, fine, unit)
    size = None if given is None else (125.0, 125.0, 500.0)
    dataset = wk.Dataset.of(
        images.plan_import(
            place, tmp_path / "finer", images.DatasetOptions(voxel_size=size, voxel_size_from_files=True)
        ).execute()
    )
    assert dataset.voxel_size == (125, 125, 500)
    assert np.array_equal(voxels(dataset, "fine")[0], fine.T)
    assert np.array_equal(dataset.get_layer("a").get_mag("2-2-1").read()[0], data.T)
    assert dataset.get_layer("a").bounding_box == dataset.get_layer("fine").bounding_box


def test_labels_between_two_mags_are_refused(tmp_path: Path) -> None:
    place = write_levels(tmp_path / "a.zarr", {"0": 1}, noise((4, 20, 30)))
    list_labels(place, "odd")
    write_levels(place / "labels" / "odd", {"0": 1.5}, noise((4, 14, 20), "uint32"))
    with pytest.raises(
        UnsupportedOperationError, match=r"'odd' are 1\.5 x 1\.5 x 1 of the finest in .*a\.zarr, so"
    ) as error:
        convert(place)
    assert str(place / "labels" / "odd" / "0") in str(error.value)
    write_levels(place / "labels" / "odd", {"0": 3}, noise((4, 7, 10), "uint32"))
    with pytest.raises(UnsupportedImageDataError, match="'odd' are 3 x 3 x 1 of the finest, which is no mag"):
        convert(place)
    # One by one, each has the size that it says.
    dataset = convert(place / "labels" / "odd" / "0")
    assert (dataset.voxel_size, list(dataset.layers)) == ((750, 750, 500), ["odd"])


def test_images_of_other_sizes_in_one_container_are_mags_or_refused(tmp_path: Path) -> None:
    write_levels(tmp_path / "all.zarr" / "a", {"0": 1}, noise((4, 20, 30)))
    write_levels(tmp_path / "all.zarr" / "b", {"0": 4}, noise((4, 5, 8)))
    zarr.open_group(tmp_path / "all.zarr", mode="a", zarr_format=3)
    dataset = convert(tmp_path / "all.zarr")
    assert {name: next(iter(layer.mags)) for name, layer in dataset.layers.items()} == {
        "a": wk.Mag(1), "b": wk.Mag("4-4-1"),
    }  # fmt: skip
    shutil.rmtree(tmp_path / "out")
    write_levels(tmp_path / "all.zarr" / "b", {"0": 1.7}, noise((4, 5, 8)))
    told = r"are no whole multiples of each other \(a: 250 x 250 x 500 nm; b: 425 x 425 x 500 nm\)"
    with pytest.raises(UnsupportedImageDataError, match=told) as error:
        convert(tmp_path / "all.zarr")
    assert f"wkplug convert {tmp_path}/all.zarr/b/0" in str(error.value)


def test_resolutions_may_be_listed_coarsest_first(tmp_path: Path) -> None:
    data = noise((4, 40, 60))
    place = write_levels(tmp_path / "a.zarr", {"small": 4, "half": 2, "whole": 1}, data)
    dataset = convert(place)
    assert dataset.voxel_size == (250, 250, 500)
    assert np.array_equal(voxels(dataset, "a")[0], data.T)


@pytest.mark.parametrize("version", [2, 3])
def test_a_level_of_an_image_has_the_axes_that_the_image_says(tmp_path: Path, version: int) -> None:
    data = noise((10, 20, 30))
    place = write_image(tmp_path / "a.zarr", data, SPACE, version, shift=2.5)
    dataset = convert(place / "0")
    assert (list(dataset.layers), dataset.voxel_size) == (["a"], (250, 250, 500))
    assert dataset.get_layer("a").bounding_box == wk.BoundingBox((10, 0, 0), (30, 20, 10))
    assert np.array_equal(voxels(dataset, "a")[0], data.T)


def test_a_coarser_level_alone_keeps_its_mag(tmp_path: Path) -> None:
    data = noise((10, 40, 60))
    place = write_levels(tmp_path / "a.zarr", {"0": 1, "1": 2}, data)
    dataset = convert(place / "1")
    assert dataset.voxel_size == (250, 250, 500)
    assert list(dataset.get_layer("a").mags) == [wk.Mag("2-2-1")]
    assert np.array_equal(dataset.get_layer("a").get_mag("2-2-1").read()[0], data[:, ::2, ::2].T)
    # What is asked for counts more than what the container says.
    dataset = wk.Dataset.of(
        images.plan_import(
            place / "1",
            tmp_path / "asked",
            images.DatasetOptions(voxel_size=(1, 1, 1)),
            options=images.ImportOptions(mag=4),
        ).execute()
    )
    assert list(dataset.get_layer("a").mags) == [wk.Mag(4)]
    # A layer of a dataset that is there is put at the same mag.
    whole = wk.Dataset(tmp_path / "whole", (250, 250, 500))
    layer = whole.add_layer_from_images(place / "1", "half")
    assert list(layer.mags) == [wk.Mag("2-2-1")]
    assert layer.bounding_box == wk.BoundingBox((0, 0, 0), (60, 40, 10))


@pytest.mark.parametrize("version", [2, 3])
def test_chunks_beyond_the_shape_are_told(tmp_path: Path, version: int) -> None:
    place = write_image(tmp_path / "a.zarr", noise((10, 20, 30)), SPACE, version)
    header = place / "0" / (".zarray" if version == 2 else "zarr.json")
    text = json.loads(header.read_text())
    chunk = text["chunks"] if version == 2 else text["chunk_grid"]["configuration"]["chunk_shape"]
    header.write_text(json.dumps({**text, "shape": [10, 20, chunk[2]]}))
    stored = -(-10 // chunk[0]) * -(-20 // chunk[1])
    beyond = stored * (-(-30 // chunk[2]) - 1)
    assert beyond > 0
    report = images.plan_import(place, tmp_path / "out", images.DatasetOptions(voxel_size=(1, 1, 1))).report
    told = f"{beyond} chunk files beyond the shape 10 x 20 x {chunk[2]} that the metadata say: left out"
    assert told in str(report)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("kind", ["suffix", "separator"])
def test_chunks_under_other_names_are_refused(tmp_path: Path, version: int, kind: str) -> None:
    place = write_image(tmp_path / "a.zarr", noise((10, 20, 30)), SPACE, version)
    chunk = next(path for path in (place / "0").rglob("*") if path.is_file() and path.name[-1].isdigit())
    if kind == "suffix":
        chunk.rename(chunk.with_name(chunk.name + ".gz"))
    else:
        parts = chunk.relative_to(place / "0").as_posix()
        other = parts.replace(".", "/") if "." in parts else parts.replace("/", ".")
        (place / "0" / other).parent.mkdir(parents=True, exist_ok=True)
        chunk.rename(place / "0" / other)
    with pytest.raises(
        CorruptDataError, match=r"has 1 file called like chunks \(.*\) that its metadata don't"
    ) as error:
        convert(place)
    assert "beside 3 that they do: their voxels would be read as fill value" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_files_that_are_no_chunks_may_lie_beside_them(tmp_path: Path) -> None:
    data = noise((10, 20, 30))
    place = write_image(tmp_path / "a.zarr", data, SPACE)
    for name in (
        "README.md",
        ".DS_Store",
        "c/0/0/0.__lock",
        "c/0/0/0.f00d.partial",
        "c/0/0/.nfs0001",
        "notes.2026",
    ):
        (place / "0" / name).write_text("no voxels")
    assert np.array_equal(voxels(convert(place), "a")[0], data.T)


def test_an_array_without_any_chunk_is_told(tmp_path: Path) -> None:
    place = write_image(tmp_path / "a.zarr", noise((10, 20, 30)), SPACE)
    shutil.rmtree(place / "0" / "c")
    (place / "0" / "README.txt").write_text("nothing to see")
    plan = images.plan_import(place, tmp_path / "out", images.DatasetOptions(voxel_size_from_files=True))
    text = "No chunk is stored: all voxels are the fill value 0"
    assert [note.text for note in plan.report.notes] == [f"{text}."]
    # Once: that all voxels are zero is no news then.
    with pytest.warns(UserWarning, match=text):
        report = wk.Dataset.from_images(place, tmp_path / "out", (250, 250, 500)).import_report
    assert report is not None
    assert len([note for note in report.notes if note.kind != "differs"]) == 1


def test_an_image_without_scales_says_nothing_about_its_size(tmp_path: Path) -> None:
    place = write_image(tmp_path / "a.zarr", noise((10, 20, 30)), SPACE, 2)
    attributes = json.loads((place / ".zattrs").read_text())
    del attributes["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    (place / ".zattrs").write_text(json.dumps(attributes))
    with pytest.raises(InvalidArgumentError, match="doesn't say how large its voxels are"):
        convert(place)
    assert images.plan_import(
        place, tmp_path / "out", images.DatasetOptions(voxel_size=(4, 4, 40))
    ).execute().voxel_size == (4, 4, 40)
    # Units of no length say as little, and neither does a size of 0.
    for unit, scale in (("pixel", 1.0), ("micrometer", 0.0)):
        axes = [{**axis, "unit": unit} for axis in SPACE]
        steps = [{"type": "scale", "scale": [scale] * 3}]
        attributes["multiscales"][0]["axes"] = axes
        attributes["multiscales"][0]["datasets"][0]["coordinateTransformations"] = steps
        (place / ".zattrs").write_text(json.dumps(attributes))
        with pytest.raises(InvalidArgumentError, match="doesn't say how large its voxels are"):
            images.plan_import(place, tmp_path / "again", images.DatasetOptions(voxel_size_from_files=True))


def write_plate(place: Path, wells: dict[str, int], seed: int = 0) -> dict[str, Any]:
    """An HCS plate of OME-Zarr 0.4: so many fields per well; gives the voxels by layer."""
    group = zarr.open_group(place, mode="w", zarr_format=2)
    group.attrs["plate"] = {"version": "0.4", "wells": [{"path": well} for well in wells]}
    voxels = {}
    for well, fields in wells.items():
        zarr.open_group(place / well.split("/")[0], mode="a", zarr_format=2)
        made = zarr.open_group(place / well, mode="w", zarr_format=2)
        made.attrs["well"] = {"version": "0.4", "images": [{"path": str(field)} for field in range(fields)]}
        for field in range(fields):
            data = noise((2, 16, 16), seed=seed + len(voxels))
            write_image(place / well / str(field), data, SPACE, 2)
            voxels[f"{well.replace('/', '_')}_{field}"] = data
    return voxels


def test_a_plate_becomes_a_layer_per_field(tmp_path: Path) -> None:
    place = tmp_path / "screen.zarr"
    expected = write_plate(place, {"A/1": 2, "B/12": 1})
    dataset = convert(place)
    assert list(dataset.layers) == ["A_1_0", "A_1_1", "B_12_0"]
    for name, data in expected.items():
        assert np.array_equal(voxels(dataset, name)[0], data.T)
    shutil.rmtree(tmp_path / "out")
    assert not (place / "out").exists()
    well = wk.Dataset.of(
        images.plan_import(
            place / "B" / "12", tmp_path / "well", images.DatasetOptions(voxel_size_from_files=True)
        ).execute()
    )
    assert list(well.layers) == ["B_12_0"]


def test_fields_and_wells_that_are_missing_or_too_many_are_told(tmp_path: Path) -> None:
    place = tmp_path / "screen.zarr"
    write_plate(place, {"A/1": 2, "A/2": 1, "B/1": 3})
    shutil.rmtree(place / "A" / "2")
    shutil.rmtree(place / "A" / "1" / "1")
    plan = images.plan_import(
        place,
        tmp_path / "out",
        images.DatasetOptions(voxel_size_from_files=True),
        options=images.ImportOptions(max_layers=3),
    )
    report = str(plan.report)
    assert report.count("more layers than 3") == 1
    assert f"{place}/A/2 is listed, but not there: it is left out" in report
    assert f"{place}/A/1/1 is listed, but not there: it is left out" in report
    assert "The images would make more layers than 3: the rest, from 'B_1_2' on, is not imported" in report
    assert [layer.name for volume in plan.volumes for layer in volume.layers] == ["A_1_0", "B_1_0", "B_1_1"]
    for well in ("A/1", "B/1"):
        shutil.rmtree(place / well)
    with pytest.raises(CorruptDataError, match="lists images, but none of them is there"):
        convert(place)


def notes_of(place: Path, **options: Any) -> list[str]:
    return [note.text for note in planned(place, **options).report.notes if "Left out" in note.text]


def test_what_plates_and_wells_do_not_list_is_told(tmp_path: Path) -> None:
    place = tmp_path / "screen.zarr"
    write_plate(place, {"A/1": 2, "A/2": 1, "B/1": 1})
    assert notes_of(place) == []
    plate = zarr.open_group(place, mode="a")
    plate.attrs["plate"] = {"version": "0.4", "wells": [{"path": "A/1"}, {"path": "B/1"}]}
    well = zarr.open_group(place / "A" / "1", mode="a")
    well.attrs["well"] = {"version": "0.4", "images": [{"path": "0"}]}
    zarr.create_array(place / "C", data=noise((4, 5)), zarr_format=2)
    assert notes_of(place) == [
        "Left out: A/1/1 (not listed by its well).",
        "Left out: A/2/0, C (not listed by the plate).",
    ]
    assert notes_of(place / "A" / "1") == ["Left out: 1 (not listed by its well)."]
    plan = images.plan_import(
        place,
        tmp_path / "out",
        images.DatasetOptions(voxel_size=(1, 1, 1)),
        input_options=images.InputOptions(scene="B_1_0"),
    )
    # It is about the plate, whichever of its layers are taken.
    told = [note for note in plan.report.notes if note.text.startswith("Left out")]
    assert [(note.layers, note.sources) for note in told] == [((), (str(place),))] * 2
    report = inspect_container(str(place))
    assert report is not None
    assert list(report.notes) == notes_of(place)


@pytest.mark.parametrize("version", [2, 3])
def test_what_series_and_labels_do_not_list_is_told(tmp_path: Path, version: int) -> None:
    place = tmp_path / "slide.zarr"
    root = zarr.open_group(place, mode="w", zarr_format=version)  # type: ignore[arg-type]
    layout: dict[str, Any] = {"bioformats2raw.layout": 3}
    root.attrs.update(layout if version == 2 else {"ome": layout})
    for number in range(9):
        write_image(place / str(number), noise((2, 8, 8)), SPACE, version)
    series: dict[str, Any] = {"series": ["0", "1"]}
    zarr.open_group(place / "OME", mode="w", zarr_format=version).attrs.update(  # type: ignore[arg-type]
        series if version == 2 else {"ome": series}
    )
    for name in ("cells", "old"):
        labels = noise((2, 8, 8)).astype("uint32")
        write_image(place / "1" / "labels" / name, labels, SPACE, version)
    list_labels(place / "1", "cells")
    assert sorted(notes_of(place)) == [
        "Left out: 2, 3, 4, 5, 6 and 2 more (not listed among the series).",
        "Left out: labels/old (not listed among the labels).",
    ]
    shutil.rmtree(place / "OME")  # then all that are numbered are taken
    assert notes_of(place, max_layers=3)[-1] == "Left out: labels/old (not listed among the labels)."


@pytest.mark.parametrize("described", ["names", "twice", "none"])
def test_series_have_the_names_that_their_xml_gives(tmp_path: Path, described: str) -> None:
    place = tmp_path / "slide.zarr"
    zarr.open_group(place, mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    for number in range(2):
        write_image(place / str(number), noise((2, 16, 16), seed=number), SPACE, 2)
    if described != "none":
        zarr.open_group(place / "OME", mode="w", zarr_format=2).attrs["series"] = ["0", "1"]
        names = ["section one", "label"] if described == "names" else ["same", "same"]
        xml = "".join(f'<Image ID="Image:{n}" Name="{name}"/>' for n, name in enumerate(names))
        (place / "OME" / "METADATA.ome.xml").write_text(
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{xml}</OME>'
        )
    plan = images.plan_import(place, tmp_path / "out", images.DatasetOptions(voxel_size_from_files=True))
    found = [layer.name for volume in plan.volumes for layer in volume.layers]
    assert found == (["slide_sectionone", "slide_label"] if described == "names" else ["slide_0", "slide_1"])


@pytest.mark.parametrize("version", [2, 3])
def test_a_plain_group_of_images_or_arrays_is_a_container(tmp_path: Path, version: int) -> None:
    place = tmp_path / "all.zarr"
    group = zarr.open_group(place, mode="w", zarr_format=version)  # type: ignore[arg-type]
    data = noise((10, 20, 30))
    group.create_array("b", data=data, chunks=data.shape)
    group.create_array("index", data=np.arange(5), chunks=(5,))
    inner = group.create_group("inner")
    dataset = wk.Dataset.of(
        images.plan_import(place, tmp_path / "arrays", images.DatasetOptions(voxel_size=(4, 4, 4))).execute()
    )
    assert list(dataset.layers) == ["b"]
    assert np.array_equal(voxels(dataset, "b")[0], data)
    # Images say more than arrays: where there are some, the rest are tables.
    del inner
    write_image(place / "inner" / "em", data, SPACE, version)
    dataset = convert(place)
    assert (list(dataset.layers), dataset.voxel_size) == (["inner_em"], (250, 250, 500))
    assert np.array_equal(voxels(dataset, "inner_em")[0], data.T)


def test_labels_that_are_listed_but_missing_are_left_out_and_told(tmp_path: Path) -> None:
    place = write_image(tmp_path / "a.zarr", noise((4, 20, 30)), SPACE)
    list_labels(place, "gone", "there")
    write_image(place / "labels" / "there", noise((4, 20, 30), "uint32"), SPACE)
    plan = images.plan_import(place, tmp_path / "out", images.DatasetOptions(voxel_size_from_files=True))
    assert "The labels 'gone' are listed, but not there: they are left out" in str(plan.report)
    assert list(plan.execute().layers) == ["a", "there"]
    labels = wk.Dataset.of(
        images.plan_import(
            place / "labels", tmp_path / "labels", images.DatasetOptions(voxel_size_from_files=True)
        ).execute()
    )
    assert {name: layer.category for name, layer in labels.layers.items()} == {"there": "segmentation"}


def test_omero_windows_and_visibility_are_said(tmp_path: Path) -> None:
    channels = [
        {"label": "DAPI", "color": "0000FF", "active": True, "window": {"start": 100, "end": 900}},
        {"label": "GFP", "color": "00FF00", "active": False, "window": {"start": 5, "end": 5}},
    ]  # fmt: skip
    place = write_image(
        tmp_path / "a.zarr", noise((2, 4, 20, 30)), [CHANNEL, *SPACE], omero={"channels": channels}
    )
    (planned, *_) = images.plan_import(
        place, tmp_path / "out", images.DatasetOptions(voxel_size_from_files=True)
    ).volumes
    info = planned.volume.files[0].info
    assert info.channel_names == ("DAPI", "GFP")
    assert info.channel_ranges == ((100.0, 900.0), None)
    assert info.channel_visible == (True, False)


@pytest.mark.parametrize("version", [2, 3])
def test_omero_channels_that_are_inverted_are_shown_so(tmp_path: Path, version: int) -> None:
    channels = [{"label": "DAPI", "inverted": True}, {"label": "GFP", "inverted": False}, {"label": "RFP"}]
    place = write_image(
        tmp_path / "a.zarr", noise((3, 4, 20, 30)), [CHANNEL, *SPACE], version, omero={"channels": channels}
    )
    dataset = convert(place)
    views = [layer.default_view_configuration for layer in dataset.layers.values()]
    assert [view is not None and view.is_inverted for view in views] == [True, None, None]
    written = json.loads((tmp_path / "out" / "datasource-properties.json").read_text())
    assert written["dataLayers"][0]["defaultViewConfiguration"]["isInverted"] is True
    assert "isInverted" not in written["dataLayers"][1]["defaultViewConfiguration"]


def test_a_coloured_image_is_inverted_where_all_of_its_channels_are(tmp_path: Path) -> None:
    channels = [{"color": color, "inverted": True} for color in ("FF0000", "00FF00", "0000FF")]
    data = noise((3, 4, 20, 30), "uint8")
    place = write_image(tmp_path / "a.zarr", data, [CHANNEL, *SPACE], omero={"channels": channels})
    (layer,) = convert(place).layers.values()
    assert layer.num_channels == 3
    assert layer.default_view_configuration is not None
    assert layer.default_view_configuration.is_inverted is True


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("shards", [False, True])
def test_bool_voxels_become_0_and_1(tmp_path: Path, version: int, shards: bool) -> None:
    if version == 2 and shards:
        pytest.skip("Zarr v2 has no shards")
    data = noise((10, 20, 30)) > 120
    place = write_image(tmp_path / "mask.zarr", noise((1, 1, 1)), SPACE, version)
    more: dict[str, Any] = {"shards": (8, 16, 16)} if shards else {}
    group = zarr.open_group(place, mode="r+")
    group.create_array("0", data=data, chunks=(8, 8, 8), overwrite=True, **more)
    plan = images.plan_import(place, tmp_path / "out", images.DatasetOptions(voxel_size=(4, 4, 40)))
    assert "bool" in str(plan.report)
    dataset = wk.Dataset.of(plan.execute())
    assert dataset.get_layer("mask").dtype == np.dtype("uint8")
    assert np.array_equal(voxels(dataset, "mask")[0], data.T.astype("uint8"))


@pytest.mark.parametrize("version", [2, 3])
def test_float16_voxels_become_float32(tmp_path: Path, version: int) -> None:
    data = (noise((10, 20, 30)) / 7).astype("float16")
    place = write_image(tmp_path / "a.zarr", data, SPACE, version)
    plan = images.plan_import(place, tmp_path / "out", images.DatasetOptions(voxel_size_from_files=True))
    assert "float16" in str(plan.report)
    dataset = wk.Dataset.of(plan.execute())
    assert dataset.get_layer("a").dtype == np.dtype("float32")
    assert np.array_equal(voxels(dataset, "a")[0], data.T.astype("float32"))
