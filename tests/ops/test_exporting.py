"""Boxes of layers in the formats of other tools, read back by other software."""

from __future__ import annotations

import json
import pickle
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorstore
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import wkplug as wk
from wkplug import errors
from wkplug.ops.exporting.levels import region_to_export, resolutions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TOPLEFT, SIZE = (10, 21, 30), (150, 111, 45)


# Most layers here lie away from the dataset's corner, or are segmentations: that is told, see the round trips.
pytestmark = pytest.mark.filterwarnings(r"ignore:\[WARNING\] Whoever reads:UserWarning")


def layer_of(
    path: Path, category: str = "color", dtype: str = "uint8", channels: int = 1, *, pyramid: bool = False
) -> tuple[wk.Layer, NDArray[Any]]:
    dataset = wk.Dataset(path, voxel_size=(4, 4, 40))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A layer with|.*can't be shown by every viewer")
        layer = dataset.add_layer(
            "em", category, dtype=dtype, num_channels=channels, bounding_box=wk.BoundingBox(TOPLEFT, SIZE)
        )
    voxels = np.random.default_rng(0).integers(0, 200, (channels, *SIZE)).astype(dtype)
    layer.add_mag(1, chunk_shape=32, shard_shape=64).write(
        voxels, absolute_offset=TOPLEFT, allow_unaligned=True
    )
    if pyramid:
        layer.downsample(sampling_mode="anisotropic", coarsest_mag="4-4-1")
    return layer, voxels


def cut(voxels: NDArray[Any], box: wk.BoundingBox) -> NDArray[Any]:
    low = [a - b for a, b in zip(box.topleft.to_tuple(), TOPLEFT, strict=True)]
    return voxels[(slice(None), *(slice(a, a + n) for a, n in zip(low, box.size.to_tuple(), strict=True)))]


def read_n5(path: Path, level: int = 0) -> NDArray[Any]:
    found = tensorstore.open({"driver": "n5", "kvstore": f"file://{path}/s{level}/"}).result().read().result()
    return found[None] if found.ndim == 3 else found.transpose(3, 0, 1, 2)


def read_precomputed(path: Path, level: int = 0) -> tuple[NDArray[Any], list[int]]:
    spec = {"driver": "neuroglancer_precomputed", "kvstore": f"file://{path}/", "scale_index": level}
    array = tensorstore.open(spec).result()
    return array.read().result().transpose(3, 0, 1, 2), list(array.domain.origin)


def read_ozx(path: Path) -> zarr.Group:
    return zarr.open_group(zarr.storage.ZipStore(path, mode="r"), mode="r")


BOXES = st.tuples(*(st.integers(0, n - 2) for n in SIZE)).flatmap(
    lambda low: st.tuples(
        st.just(low), st.tuples(*(st.integers(2, n - first) for n, first in zip(SIZE, low, strict=True)))
    )
)


@settings(max_examples=6, deadline=None)
@given(box=BOXES, channels=st.sampled_from([1, 2]), dtype=st.sampled_from(["uint8", "uint16", "float32"]))
def test_every_format_holds_the_voxels_of_the_box(
    tmp_path_factory: pytest.TempPathFactory, box: Any, channels: int, dtype: str
) -> None:
    folder = tmp_path_factory.mktemp("export")
    layer, voxels = layer_of(folder / "ds", dtype=dtype, channels=channels)
    wanted = wk.BoundingBox(tuple(a + b for a, b in zip(box[0], TOPLEFT, strict=True)), box[1])
    expected = cut(voxels, wanted)
    for name in ("a.ozx", "a.n5", "a.precomputed", "a.ome.tif"):
        layer.export(folder / name, bounding_box=wanted)
    layer.export.as_tiff_stack(output_path=folder / "stack", bounding_box=wanted)

    np.testing.assert_array_equal(read_ozx(folder / "a.ozx")["0"][:].transpose(0, 3, 2, 1), expected)
    np.testing.assert_array_equal(read_n5(folder / "a.n5"), expected)
    found, origin = read_precomputed(folder / "a.precomputed")
    np.testing.assert_array_equal(found, expected)
    assert origin == [*wanted.topleft.to_tuple(), 0]
    with tifffile.TiffFile(folder / "a.ome.tif") as file:
        planes = file.series[0].asarray(squeeze=False)
    np.testing.assert_array_equal(planes.reshape(channels, *reversed(box[1])).transpose(0, 3, 2, 1), expected)
    files = sorted((folder / "stack").iterdir(), key=lambda path: int(path.stem))
    assert [int(path.stem) for path in files] == list(range(wanted.topleft.z, wanted.bottomright.z))
    stack = np.stack([tifffile.imread(path).reshape(*reversed(box[1][:2]), channels) for path in files])
    np.testing.assert_array_equal(stack.transpose(3, 2, 1, 0), expected)


def test_resolutions_are_the_layers_own_or_computed_alike(tmp_path: Path) -> None:
    with_pyramid, _ = layer_of(tmp_path / "stored", pyramid=True)
    without, _ = layer_of(tmp_path / "bare")
    assert [str(mag) for mag in with_pyramid.mags] == ["1", "2-2-1", "4-4-1"]
    with_pyramid.export(tmp_path / "stored.n5")
    without.export(tmp_path / "bare.n5")
    # The box starts at odd voxels: the layer's mags lie on the dataset's grid, the computed ones on the box's own.
    box = wk.BoundingBox((12, 24, 30), (100, 80, 40))
    with_pyramid.export(tmp_path / "a.n5", bounding_box=box)
    without.export(tmp_path / "b.n5", bounding_box=box)
    for level in (1, 2):
        np.testing.assert_array_equal(read_n5(tmp_path / "a.n5", level), read_n5(tmp_path / "b.n5", level))
    stored = with_pyramid.get_mag("2-2-1").read(absolute_bounding_box=box)
    np.testing.assert_array_equal(read_n5(tmp_path / "a.n5", 1), stored)


def test_a_mag_with_an_unfinished_jobs_mark_is_not_exported(tmp_path: Path) -> None:
    from wkplug import storage

    layer, _ = layer_of(tmp_path / "ds", pyramid=True)
    expected, place = layer.get_mag("2-2-1").read(), layer.get_mag("2-2-1").location
    box = layer.bounding_box
    layer.get_mag("2-2-1").write(np.zeros_like(expected), absolute_offset=(10, 20, 30), allow_unaligned=True)
    storage.set_mark(place, storage.Mark(job="downsample", what="a test"))
    found = wk.Dataset.open(tmp_path / "ds").get_layer("em")
    view = found.get_mag(1)
    level = resolutions(
        found.state, view.state, region_to_export(found.state, view.state, box.align_with_mag("2-2-1")), "xyz"
    )[1]
    assert level.read(((0, 0, 0, 0), level.shape)).any()


def test_levels_pickle_and_work_runs_in_processes(tmp_path: Path) -> None:
    layer, voxels = layer_of(tmp_path / "ds")
    view = layer.get_mag(1)
    levels = resolutions(layer.state, view.state, region_to_export(layer.state, view.state, None), "xyz")
    again = pickle.loads(pickle.dumps(levels))
    whole = tuple((level, ((0,) * 4, level.shape)) for level in levels)
    for level, box in whole:
        np.testing.assert_array_equal(again[levels.index(level)].read(box), level.read(box))
    np.testing.assert_array_equal(levels[0].read(whole[0][1]), voxels)


def test_ome_tiff_says_sizes_and_has_a_pyramid_of_planes(tmp_path: Path) -> None:
    layer, voxels = layer_of(tmp_path / "ds", channels=2)
    layer.export.as_ome_tiff(output_path=tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        series = file.series[0]
        assert file.is_bigtiff
        assert (series.axes, series.shape) == ("CZYX", (2, 45, 111, 150))
        assert [level.shape[-2:] for level in series.levels] == [
            (111, 150),
            (56, 75),
            (28, 38),
            (14, 19),
            (7, 10),
        ]
        text = file.ome_metadata
        np.testing.assert_array_equal(series.levels[0].asarray().transpose(0, 3, 2, 1), voxels)
        assert series.levels[1].asarray().mean() == pytest.approx(voxels.mean(), rel=0.02)
    for part in ('PhysicalSizeX="4.0"', 'PhysicalSizeZ="40.0"', 'PhysicalSizeXUnit="nm"', 'Name="em"'):
        assert part in text
    layer.export.as_ome_tiff(output_path=tmp_path / "b.tif", downsample=False)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert len(file.series[0].levels) == 1


def test_zipped_ome_zarr_has_its_metadata_first_and_is_valid(tmp_path: Path) -> None:
    from ome_zarr_models.v05.image import Image

    layer, voxels = layer_of(tmp_path / "ds", "segmentation", "uint32")
    layer.export.as_ozx(output_path=tmp_path / "a.ozx", shard_shape=64)
    with zipfile.ZipFile(tmp_path / "a.ozx") as archive:
        names = archive.namelist()
        levels = sum(name.endswith("/zarr.json") for name in names)
        assert names[0] == "zarr.json"
        assert all(name.endswith("zarr.json") for name in names[: levels + 1])
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert json.loads(archive.comment) == {"ome": {"version": "0.5"}, "jsonFirst": True}
        assert sum(name.startswith("0/c/") for name in names) == 3 * 2 * 1
    group = read_ozx(tmp_path / "a.ozx")
    image = Image.from_zarr(group)
    multiscale = image.ome_attributes.multiscales[0]
    assert [axis.name for axis in multiscale.axes] == ["c", "z", "y", "x"]
    assert multiscale.datasets[0].coordinateTransformations[0].scale == [1.0, 40.0, 4.0, 4.0]
    np.testing.assert_array_equal(group["0"][:].transpose(0, 3, 2, 1), voxels)
    assert not list(tmp_path.glob(".wkplug*"))


def test_n5_says_its_scales_in_both_ways(tmp_path: Path) -> None:
    layer, _ = layer_of(tmp_path / "ds")
    layer.export(tmp_path / "a.n5")
    group = json.loads((tmp_path / "a.n5" / "attributes.json").read_text())
    assert group["pixelResolution"] == {"unit": "nm", "dimensions": [4.0, 4.0, 40.0]}
    assert group["scales"][:2] == [[1, 1, 1], [2, 2, 1]]
    transform = group["multiscales"][0]["datasets"][1]["transform"]
    assert transform == {
        "axes": ["z", "y", "x"], "scale": [40.0, 8.0, 8.0], "translate": [1200.0, 86.0, 42.0], "units": ["nm"] * 3,
    }  # fmt: skip
    array = json.loads((tmp_path / "a.n5" / "s1" / "attributes.json").read_text())
    assert array["downsamplingFactors"] == [2, 2, 1]


@pytest.mark.parametrize("dtype", ["uint32", "uint64"])
def test_labels_become_a_compressed_sharded_segmentation(tmp_path: Path, dtype: str) -> None:
    layer, voxels = layer_of(tmp_path / "ds", "segmentation", dtype)
    layer.export(tmp_path / "seg", "precomputed")
    info = json.loads((tmp_path / "seg" / "info").read_text())
    assert (info["type"], info["data_type"], info["num_channels"]) == ("segmentation", dtype, 1)
    assert info["scales"][0]["encoding"] == "compressed_segmentation"
    assert info["scales"][0]["sharding"]["data_encoding"] == "gzip"
    np.testing.assert_array_equal(read_precomputed(tmp_path / "seg")[0], voxels)
    assert wk.Dataset(tmp_path / "other", voxel_size=(4, 4, 40))  # and opens here, as any precomputed volume
    assert len([path for path in (tmp_path / "seg").rglob("*") if path.is_file()]) < 10


@pytest.mark.parametrize(
    ("dtype", "encoding"),
    [("uint8", "raw"), ("uint16", "raw"), ("float32", "raw"), ("uint8", "png"), ("uint16", "png")],
)
def test_images_are_compressed_without_loss(tmp_path: Path, dtype: str, encoding: str) -> None:
    layer, voxels = layer_of(tmp_path / "ds", dtype=dtype)
    layer.export(tmp_path / "em.precomputed", **({} if encoding == "raw" else {"encoding": encoding}))
    scale = json.loads((tmp_path / "em.precomputed" / "info").read_text())["scales"][0]
    assert scale["encoding"] == encoding
    assert scale["sharding"].get("data_encoding", "raw") == ("raw" if encoding == "png" else "gzip")
    np.testing.assert_array_equal(read_precomputed(tmp_path / "em.precomputed")[0], voxels)


def test_encodings_that_cant_hold_the_layer_are_refused(tmp_path: Path) -> None:
    layer, _ = layer_of(tmp_path / "ds", dtype="float32")
    with pytest.raises(
        errors.InvalidArgumentError,
        match=r"The encoding 'png' can't hold float32, or that many channels \(1\)",
    ):
        layer.export(tmp_path / "em.precomputed", encoding="png")
    with pytest.raises(
        errors.InvalidArgumentError, match="Precomputed takes only encoding, but level was given"
    ):
        layer.export(tmp_path / "em.precomputed", level=3)


def test_tiff_tiles_lie_in_a_folder_per_section(tmp_path: Path) -> None:
    layer, voxels = layer_of(tmp_path / "ds")
    layer.export(tmp_path / "tiles", "tiff_stack", tile_size=(64, 50), digits=1)
    assert sorted(path.name for path in (tmp_path / "tiles" / "30").iterdir()) == ["1", "2", "3"]
    last = tifffile.imread(tmp_path / "tiles" / "30" / "3" / "3.tiff")
    assert last.shape == (50, 64)
    np.testing.assert_array_equal(last[:11, :22], voxels[0, 128:, 100:, 0].T)
    assert not last[11:].any()
    assert not last[:, 22:].any()
    layer.export(tmp_path / "few", "tiff_stack", tiles_per_dimension=(2, 1))
    assert sorted(path.name for path in (tmp_path / "few" / "30" / "1").iterdir()) == ["1.tiff", "2.tiff"]
    assert tifffile.imread(tmp_path / "few" / "30" / "1" / "1.tiff").shape == (111, 75)


def test_planes_are_made_smaller_linearly_but_labels_by_the_nearest(tmp_path: Path) -> None:
    color, voxels = layer_of(tmp_path / "ds")
    color.export(tmp_path / "small", "tiff_stack", scale_down=2)
    small = tifffile.imread(tmp_path / "small" / "30.tiff")
    assert small.shape == (56, 75)
    assert (small[0, 0], small[-1, -1]) == (voxels[0, 0, 0, 0], voxels[0, -1, -1, 0])
    labels, ids = layer_of(tmp_path / "seg", "segmentation", "uint32")
    labels.export(tmp_path / "ids", "tiff_stack", scale_down=3)
    assert set(np.unique(tifffile.imread(tmp_path / "ids" / "30.tiff"))) <= set(np.unique(ids))


def test_segments_take_the_ids_of_their_agglomerates(tmp_path: Path) -> None:
    layer, ids = layer_of(tmp_path / "ds", "segmentation", "uint32")
    assert isinstance(layer, wk.SegmentationLayer)
    graph = wk.AgglomerateGraph()
    for segment in range(1, 101):
        graph.add_segment(segment, position=(0, 0, 0))
    graph.add_affinity_edge(1, 100, affinity=0.5)
    wk.AgglomerateAttachment.create_and_add_to(layer, "merged", graph)
    layer.export(tmp_path / "seg", "precomputed", mapping="merged", downsample=False)
    found = read_precomputed(tmp_path / "seg")[0]
    assert not found[ids > 100].any()
    assert not found[ids == 0].any()
    assert len(set(found[(ids == 1) | (ids == 100)])) == 1
    assert len(set(np.unique(found))) == 100
    with pytest.raises(errors.AttachmentError, match=r"no agglomerate attachment 'other'; it has merged"):
        layer.export(tmp_path / "x.n5", mapping="other")
    color, _ = layer_of(tmp_path / "em")
    with pytest.raises(errors.CategoryError, match="'em' is no segmentation"):
        color.export(tmp_path / "x.n5", mapping="merged")


def test_what_is_there_is_kept_until_the_new_is_whole(tmp_path: Path) -> None:
    layer, _ = layer_of(tmp_path / "ds")
    layer.export(tmp_path / "a.n5")
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    with pytest.raises(errors.ExportError, match="already something at") as caught:
        layer.export(tmp_path / "a.n5")
    assert "overwrite=True" in str(caught.value)
    with pytest.raises(errors.InvalidArgumentError, match="N5 takes no options, but level was given"):
        layer.export(tmp_path / "a.n5", overwrite=True, level=3)
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before
    layer.export(tmp_path / "a.n5", overwrite=True, bounding_box=wk.BoundingBox(TOPLEFT, (8, 8, 8)))
    assert read_n5(tmp_path / "a.n5").shape == (1, 8, 8, 8)
    (tmp_path / "empty").mkdir()
    layer.export(tmp_path / "empty", "tiff_stack")
    assert len(list((tmp_path / "empty").iterdir())) == SIZE[2]


def test_exports_reach_other_places_than_the_disk(tmp_path: Path) -> None:
    import fsspec

    layer, voxels = layer_of(tmp_path / "ds")
    layer.export("memory://exports/a.n5", downsample=False)
    place = fsspec.filesystem("memory")
    place.get("/exports/a.n5", str(tmp_path / "a.n5"), recursive=True)
    np.testing.assert_array_equal(read_n5(tmp_path / "a.n5"), voxels)
    place.rm("/exports", recursive=True)


def test_what_a_format_can_not_hold_is_an_error(tmp_path: Path) -> None:
    labels, _ = layer_of(tmp_path / "seg", "segmentation", "uint64")
    with pytest.raises(errors.ExportError, match="OME-TIFF can't hold uint64") as caught:
        labels.export(tmp_path / "a.ome.tif")
    assert "tiff_stack or ozx" in str(caught.value)
    series = wk.Dataset(tmp_path / "series", voxel_size=(1, 1, 1)).add_layer(
        "t", "color", bounding_box=wk.NDBoundingBox((0, 0, 0, 0), (3, 8, 8, 8), ("q", "x", "y", "z"), (0, 1, 2, 3)),
    )  # fmt: skip
    series.add_mag(1)
    for path in ("a.ome.tif", "a.n5", "a.precomputed"):
        with pytest.raises(errors.ExportError, match=r"the layer 't' has q, too"):
            series.export(tmp_path / path)
    assert {path.name for path in tmp_path.iterdir()} == {"seg", "series"}


def test_bad_wishes_are_errors(tmp_path: Path) -> None:
    layer, _ = layer_of(tmp_path / "ds")
    with pytest.raises(errors.OutOfBoundsError, match=r"There is nothing to export"):
        layer.export(tmp_path / "a.n5", bounding_box=wk.BoundingBox((1000, 0, 0), (8, 8, 8)))
    with pytest.raises(AssertionError):
        layer.export.as_ozx(output_path=tmp_path / "a.ozx", bounding_box=wk.BoundingBox((0, 0, 0), (1, 1, 1)))
    with pytest.raises(errors.UnknownNameError, match=r"how to write a volume as '\.xyz'"):
        layer.export(tmp_path / "a.xyz")
    with pytest.raises(errors.UnknownNameError, match="'ome-tif'"):
        layer.export(tmp_path / "a", "ome_tif")
    with pytest.raises(errors.MagNotFoundError):
        layer.export(tmp_path / "a.n5", mag=8)
    with pytest.raises(ValueError, match="access_mode is for layers on servers"):
        layer.export.as_ome_tiff(output_path=tmp_path / "a.tif", access_mode="direct_path")
    with pytest.raises(errors.InvalidArgumentError, match="A TIFF stack has no option colour"):
        layer.export(tmp_path / "a", "tiff_stack", colour=1)
    with pytest.raises(errors.InvalidArgumentError, match="scale_down is 0: it must be at least 1"):
        layer.export(tmp_path / "a", "tiff_stack", scale_down=0)
    with pytest.raises(errors.InvalidArgumentError, match="no part of a file's name"):
        layer.export(tmp_path / "a", "tiff_stack", filename_prefix="../x")
    with pytest.raises(errors.InvalidArgumentError, match="OME-Zarr archives have no option level"):
        layer.export(tmp_path / "a.ozx", level=1)
    with pytest.raises(AttributeError):
        layer.export.to_png  # noqa: B018 - not a name of an exporter
    layer.export.as_n5(output_path=tmp_path / "by-name")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["by-name", "ds"]


def test_coarser_mags_can_be_the_finest_of_an_export(tmp_path: Path) -> None:
    layer, _ = layer_of(tmp_path / "ds", pyramid=True)
    layer.export.as_tiff_stack(output_path=tmp_path / "stack", mag="2-2-1", filename_prefix="em")
    names = sorted(path.name for path in (tmp_path / "stack").iterdir())
    assert names[0] == "em_30.tiff"
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "stack" / "em_30.tiff").T, layer.get_mag("2-2-1").read()[0, :, :, 0]
    )


def test_computed_resolutions_take_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wkplug.ops.exporting import levels as module

    layer, _ = layer_of(tmp_path / "ds")
    view = layer.get_mag(1)
    expected = resolutions(layer.state, view.state, region_to_export(layer.state, view.state, None), "xyz")[
        -1
    ]
    wanted = expected.read(((0,) * 4, expected.shape))
    sizes = []
    read = module.Stored.__call__

    def recorded(self: Any, box: Any) -> NDArray[Any]:
        sizes.append(int(np.prod(box[1])))
        return read(self, box)

    monkeypatch.setattr(module, "_PIECE_BYTES", 1 << 15)
    monkeypatch.setattr(module.Stored, "__call__", recorded)
    monkeypatch.setattr(module, "_STEP", 4)
    level = resolutions(layer.state, view.state, region_to_export(layer.state, view.state, None), "xyz")[-1]
    np.testing.assert_array_equal(level.read(((0,) * 4, level.shape)), wanted)
    assert len(sizes) > 20
    assert max(sizes) <= 1 << 15


def test_an_array_of_another_dtype_than_the_layer_says_is_not_exported(tmp_path: Path) -> None:
    layer, _ = layer_of(tmp_path / "ds", dtype="uint8")
    file = tmp_path / "ds" / "datasource-properties.json"
    file.write_text(file.read_text().replace('"uint8"', '"uint16"'))
    layer = wk.Dataset.open(tmp_path / "ds").get_layer("em")
    for name in ("a.n5", "a.ozx", "a.precomputed", "a.ome.tif"):
        with pytest.raises(errors.MagMismatchError, match=r"holds uint8, the layer .* uint16"):
            layer.export(tmp_path / name)
        assert not (tmp_path / name).exists()


def test_what_is_read_and_other_datasets_are_never_replaced(tmp_path: Path) -> None:
    layer, voxels = layer_of(tmp_path / "ds")
    layer_of(tmp_path / "other")
    for place in ("ds", "ds/em", "ds/em/1", "ds/datasource-properties.json", "."):
        with pytest.raises(
            errors.ExportError, match="can't be replaced: the layer that is exported lies there"
        ):
            layer.export(tmp_path / place, "n5", overwrite=True)
    with pytest.raises(errors.ExportError, match="can't be replaced: it is a dataset") as caught:
        layer.export(tmp_path / "other", "n5", overwrite=True)
    assert "Choose another path" in str(caught.value)
    np.testing.assert_array_equal(wk.Dataset.open(tmp_path / "ds").get_layer("em").get_mag(1).read(), voxels)
    assert {path.name for path in tmp_path.iterdir()} == {"ds", "other"}


def test_links_lead_to_the_place_but_full_folders_behind_them_stay(tmp_path: Path) -> None:
    layer, _ = layer_of(tmp_path / "ds")
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}-link").symlink_to(name)
    (tmp_path / "full" / "kept").write_text("kept")
    (tmp_path / "later.ozx").symlink_to("made.ozx")
    layer.export(tmp_path / "empty-link", "n5")
    layer.export(tmp_path / "later.ozx")
    layer.export(tmp_path / "full-link", "n5", overwrite=True)
    assert (tmp_path / "empty" / "s0").is_dir()
    assert (tmp_path / "made.ozx").is_file()
    assert (tmp_path / "later.ozx").is_symlink()
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["kept"]
    assert (tmp_path / "full-link" / "s0").is_dir()
    assert not (tmp_path / "full-link").is_symlink()


def test_places_that_can_not_be_written_are_errors_that_say_why(tmp_path: Path) -> None:
    layer, _ = layer_of(tmp_path / "ds")
    (tmp_path / "file").write_text("text")
    with pytest.raises(errors.StorageError, match=r"could not be written: .*file is a file"):
        layer.export(tmp_path / "file" / "a.n5")
    with pytest.raises(errors.StorageError, match=r"a\.n5 could not be written"):
        layer.export("/proc/a.n5")
    with pytest.raises(errors.StorageError, match="the name is too long"):
        layer.export(tmp_path / "stack", "tiff_stack", digits=300)
    assert {path.name for path in tmp_path.iterdir()} == {"ds", "file"}
    layer.export(tmp_path / "arrays", "ozx")
    assert (tmp_path / "arrays").is_file()


def test_what_still_runs_when_an_export_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    import time
    from concurrent.futures import ThreadPoolExecutor

    from wkplug.execution import results_in_order

    ended = []

    def work(item: int) -> None:
        if item == 0:
            raise ValueError("the first fails")
        time.sleep(0.05)
        ended.append(item)

    with ThreadPoolExecutor(2) as executor:
        with pytest.raises(ValueError, match="the first fails"):
            for _ in results_in_order(work, (0, 1, 2, 3), executor=executor):
                pass
        before = list(ended)
        time.sleep(0.2)
        assert ended == before


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tile_size": "x"}, "'x' is no size of a plane"),
        ({"batch_size": 2.5}, "batch_size is 2.5: it must be a whole number"),
        ({"filename_prefix": 3}, "The filename_prefix 3 is no part of a file's name"),
    ],
)
def test_options_of_the_wrong_kind_are_errors(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    layer, _ = layer_of(tmp_path / "ds")
    with pytest.raises(errors.InvalidArgumentError, match=text):
        layer.export(tmp_path / "a", "tiff_stack", **options)
    with pytest.raises(errors.InvalidArgumentError, match="'abc' is no shard_shape"):
        layer.export(tmp_path / "a.ozx", shard_shape="abc")


def test_one_number_is_the_size_of_square_tiles(tmp_path: Path) -> None:
    layer, _ = layer_of(tmp_path / "ds")
    layer.export(tmp_path / "tiles", "tiff_stack", tile_size=64)
    assert tifffile.imread(tmp_path / "tiles" / "30" / "1" / "1.tiff").shape == (64, 64)


def test_the_hidden_folder_goes_even_if_something_is_still_written_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from wkplug.ops.exporting import targets

    calls = []
    rmtree = shutil.rmtree

    def late(path: str, **options: Any) -> None:
        calls.append(path)
        rmtree(path, **options)
        if len(calls) == 1:
            (tmp_path / "out" / path.rsplit("/", 1)[1] / "late").mkdir(parents=True)

    monkeypatch.setattr(shutil, "rmtree", late)
    with (
        pytest.raises(errors.StorageFullError, match=r"x\.n5 could not be written: there is no space left"),
        targets.finished(str(tmp_path / "out" / "x.n5"), overwrite=False),
    ):
        raise OSError(28, "No space left on device")
    assert len(calls) == 2
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    from wkplug.ops.exporting import levels

    monkeypatch.setattr(levels, "_TILE_BYTES", 1 << 15)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("name", ["a.n5", "a.precomputed", "a.ozx", "a.ome.tif"])
def test_each_resolution_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from wkplug.ops.exporting import levels as module

    layer, _ = layer_of(tmp_path / "ds", channels=2)
    box = wk.BoundingBox((13, 22, 31), (140, 109, 43))
    reads = np.zeros((2, *SIZE), int)
    computed: dict[int, int] = {}
    read, reduced = module.Stored.__call__, module.Computed._reduced

    def counted_read(self: Any, wanted: Any) -> NDArray[Any]:
        low = (0, *TOPLEFT)
        start = [a + b - c for a, b, c in zip(self.start, wanted[0], low, strict=True)]
        reads[tuple(slice(a, a + n) for a, n in zip(start, wanted[1], strict=True))] += 1
        return read(self, wanted)

    def counted(self: Any, start: Any, shape: Any) -> NDArray[Any]:
        computed[self.finer.mag] = computed.get(self.finer.mag, 0) + int(np.prod(shape))
        return reduced(self, start, shape)

    monkeypatch.setattr(module.Stored, "__call__", counted_read)
    monkeypatch.setattr(module.Computed, "_reduced", counted)
    layer.export(tmp_path / name, bounding_box=box, executor="sequential")
    inside = np.zeros(reads.shape, bool)
    cut(inside, box)[:] = True
    assert set(np.unique(reads[inside])) == {2}
    assert not reads[~inside].any()
    view = layer.get_mag(1)
    pyramid = "xy" if name.endswith("tif") else "xyz"
    levels = resolutions(layer.state, view.state, region_to_export(layer.state, view.state, box), pyramid)
    assert len(levels) > 2
    assert list(computed.values()) == [int(np.prod(level.shape)) for level in levels[1:]]
    assert {path.name for path in tmp_path.iterdir()} == {"ds", name}


@settings(max_examples=6, deadline=None)
@given(
    box=BOXES,
    tile_bytes=st.sampled_from([1, 1 << 12, 1 << 15, 1 << 24]),
    category=st.sampled_from(["color", "segmentation"]),
    pyramid=st.sampled_from(["xy", "xyz"]),
    pieces=st.tuples(*(st.integers(15, 60),) * 3),
)
def test_what_is_kept_is_what_is_computed_on_the_way(
    tmp_path_factory: pytest.TempPathFactory,
    box: Any,
    tile_bytes: int,
    category: str,
    pyramid: str,
    pieces: tuple[int, ...],
) -> None:
    from wkplug.geometry import grids
    from wkplug.ops.exporting import levels as module

    folder = tmp_path_factory.mktemp("scratch")
    layer, _ = layer_of(folder / "ds", category, "uint16")
    layer.get_mag(1).write(
        np.zeros((64, 47, 43), "uint16"), absolute_offset=(64, 64, 32), allow_unaligned=True
    )
    wanted = wk.BoundingBox(tuple(a + b for a, b in zip(box[0], TOPLEFT, strict=True)), box[1])
    levels = resolutions(
        layer.state,
        layer.get_mag(1).state,
        region_to_export(layer.state, layer.get_mag(1).state, wanted),
        pyramid,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TILE_BYTES", tile_bytes)
        scratch = module.Scratch(levels, str(folder / "kept"), layer.state.frame.axes)
        calls: list[tuple[int, int]] = []
        count = scratch.fill(None, lambda done, total: calls.append((done, total)), 7)
    assert calls == [(number, count + 7) for number in range(1, count + 1)]
    assert scratch.fill(None) == 0
    for level, kept in zip(levels, pickle.loads(pickle.dumps(scratch.levels)), strict=True):
        whole = level.read(((0,) * 4, level.shape))
        np.testing.assert_array_equal(kept.read(((0,) * 4, level.shape)), whole)
        for start, shape in grids.cells((0,) * 4, level.shape, (1, *pieces)):
            here = tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))
            np.testing.assert_array_equal(kept.read((start, shape)), whole[here])


@pytest.mark.usefixtures("small_tiles")
def test_where_nothing_is_stored_nothing_is_computed_or_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wkplug.ops.exporting import levels as module
    from wkplug.ops.exporting.levels import Scratch

    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(4, 4, 4))
    layer = dataset.add_layer("em", "color", bounding_box=wk.BoundingBox((0, 0, 0), (1024, 1024, 256)))
    view = layer.add_mag(1, chunk_shape=32, shard_shape=32)
    view.write(np.full((32, 32, 32), 7, "uint8"), absolute_offset=(512, 256, 64))
    levels = resolutions(layer.state, view.state, region_to_export(layer.state, view.state, None), "xyz")
    scratch = Scratch(levels, str(tmp_path / "kept"), layer.state.frame.axes)
    volumes = []
    read = module.Stored.__call__

    def counted(self: Any, box: Any) -> NDArray[Any]:
        volumes.append(int(np.prod(box[1])))
        return read(self, box)

    monkeypatch.setattr(module.Stored, "__call__", counted)
    assert scratch.fill(None) == len(levels) - 1
    assert volumes == [32**3]
    kept = list((tmp_path / "kept").iterdir())
    assert len(kept) == len(levels) - 1
    assert [len(list(folder.iterdir())) for folder in kept] == [1] * len(kept)
    coarser = scratch.levels[1]
    assert coarser.read(((0,) * 4, coarser.shape)).sum() == 7 * 16**3


def test_computed_resolutions_reach_worker_processes_and_mappings(tmp_path: Path) -> None:
    layer, ids = layer_of(tmp_path / "ds", "segmentation", "uint32")
    assert isinstance(layer, wk.SegmentationLayer)
    graph = wk.AgglomerateGraph()
    for segment in range(1, int(ids.max()) + 1):
        graph.add_segment(segment, position=(0, 0, 0))
        graph.add_affinity_edge(1, segment, affinity=0.5) if segment > 1 else None
    wk.AgglomerateAttachment.create_and_add_to(layer, "one", graph)
    layer.export(tmp_path / "threads.n5", mapping="one")
    layer.export(tmp_path / "processes.n5", mapping="one", executor="processes")
    found = read_n5(tmp_path / "threads.n5", 1)
    assert len(np.unique(found[found > 0])) == 1
    np.testing.assert_array_equal(read_n5(tmp_path / "processes.n5", 1), found)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_pyramid_that_stops_halfway_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    from wkplug.ops.exporting import levels as module

    layer, _ = layer_of(tmp_path / "ds")
    there = []
    reduced = module.Computed._reduced

    def failing(self: Any, start: Any, shape: Any) -> NDArray[Any]:
        if self.finer.mag != (1, 1, 1):
            there.extend(path.name for path in tmp_path.rglob("1") if "resolutions" in str(path))
            raise failure
        return reduced(self, start, shape)

    monkeypatch.setattr(module.Computed, "_reduced", failing)
    wanted = errors.StorageFullError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(wanted) as caught:
        layer.export(tmp_path / "a.n5")
    if isinstance(failure, OSError):
        assert "a.n5 could not be written: there is no space left" in str(caught.value)
    assert there
    assert [path.name for path in tmp_path.iterdir()] == ["ds"]


def test_what_an_exporter_refuses_is_known_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wkplug.ops.exporting import levels as module

    layer, _ = layer_of(tmp_path / "ds")
    monkeypatch.delattr(module.Computed, "_reduced")
    with pytest.raises(errors.InvalidArgumentError, match="N5 takes no options"):
        layer.export(tmp_path / "a.n5", level=1)
