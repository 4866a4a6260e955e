"""Copies, references and links of mags, layers and datasets."""

from __future__ import annotations

import json
import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wkplug as wk
from wkplug import storage

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = ("wkw", "zarr", "zarr3")


def voxels(shape: tuple[int, ...], dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(7).integers(0, 200, shape).astype(dtype)


def make(path: Path, data_format: str = "zarr3", **options: Any) -> wk.Dataset:
    dataset = wk.Dataset(path, voxel_size=(11, 11, 25))
    dataset.write_layer(
        "color", "color", voxels((70, 50, 40)), data_format=data_format, absolute_offset=(4, 6, 8), **options
    )
    return dataset


def document(dataset: wk.Dataset) -> Any:
    return json.loads((dataset.path / "datasource-properties.json").read_text())


def change_file(dataset: wk.Dataset, change: Any) -> wk.Dataset:
    raw = document(dataset)
    change(raw)
    (dataset.path / "datasource-properties.json").write_text(json.dumps(raw))
    return wk.Dataset.open(dataset.path)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    formats=st.tuples(st.sampled_from(FORMATS), st.sampled_from(FORMATS)),
    offset=st.tuples(*[st.integers(0, 70)] * 3),
    size=st.tuples(*[st.integers(1, 60)] * 3),
    chunk=st.sampled_from([16, 32]),
    shard=st.sampled_from([32, 64]),
)
def test_a_copy_reads_like_its_source_whatever_the_formats(
    tmp_path_factory: pytest.TempPathFactory,
    formats: tuple[str, str],
    offset: tuple[int, ...],
    size: tuple[int, ...],
    chunk: int,
    shard: int,
) -> None:
    folder = tmp_path_factory.mktemp("copy")
    data = voxels(size)
    first = wk.Dataset(folder / "a", voxel_size=(1, 1, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # unusual chunk shapes
        first.write_layer(
            "x", "color", data, data_format=formats[0], absolute_offset=offset, downsample=False
        )
        shape = chunk if formats[1] == "zarr" else shard
        second = first.copy_dataset(
            folder / "b", data_format=formats[1], chunk_shape=chunk, shard_shape=shape
        )
    copy = wk.Dataset.open(second.path).get_layer("x")
    assert copy.data_format == formats[1]
    assert copy.bounding_box == first.get_layer("x").bounding_box
    assert np.array_equal(copy.get_mag(1).read()[0], data)
    assert copy.get_mag(1).info.chunk_shape == (chunk,) * 3


def test_formats_in_a_row_give_back_the_same_voxels(tmp_path: Path) -> None:
    dataset = first = make(tmp_path / "wkw", "wkw")
    for data_format in ("zarr3", "zarr", "wkw"):
        dataset = dataset.copy_dataset(tmp_path / f"as-{data_format}", data_format=data_format)
        assert list(dataset.get_layer("color").mags) == list(first.get_layer("color").mags)
    for mag, view in first.get_layer("color").mags.items():
        assert dataset.get_layer("color").get_mag(mag).content_is_equal(view)


@pytest.mark.parametrize("data_format", ["zarr", "zarr3"])
def test_layers_with_time_are_copied_and_rewritten(tmp_path: Path, data_format: str) -> None:
    first = wk.Dataset(tmp_path / "a", voxel_size=(1, 1, 1))
    data = voxels((3, 1, 20, 30, 10))
    first.write_layer(
        "t", "color", data, axes=("t", "c", "x", "y", "z"), data_format=data_format, downsample=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an unusual chunk shape
        second = first.copy_dataset(tmp_path / "b", data_format="zarr3", chunk_shape=16, shard_shape=32)
    assert np.array_equal(second.get_layer("t").get_mag(1).read(), data)


def test_what_is_known_of_a_layer_goes_with_it_also_unknown_keys(tmp_path: Path) -> None:
    first = make(tmp_path / "a", "wkw")
    layer = first.get_layer("color")
    layer.default_view_configuration = wk.LayerViewConfiguration(color=(1, 2, 3), alpha=50)

    def change(raw: dict[str, Any]) -> None:
        raw["theirs"] = {"of": ["the dataset"]}
        raw["dataLayers"][0]["theirs"] = {"of": "the layer"}
        raw["dataLayers"][0]["defaultViewConfiguration"]["theirs"] = 1
        raw["dataLayers"][0]["mags"][0]["theirs"] = {"of": "the mag"}

    first = change_file(first, change)
    other = wk.Dataset(tmp_path / "other", voxel_size=(1, 1, 1))
    copies = {
        "files": first.copy_dataset(tmp_path / "files"),
        "data": first.copy_dataset(tmp_path / "data", data_format="zarr3"),
        "shallow": first.shallow_copy_dataset(tmp_path / "shallow"),
    }
    for name, copy in copies.items():
        raw = document(copy)
        entry = raw["dataLayers"][0]
        assert raw["theirs"] == {"of": ["the dataset"]}, name
        assert entry["theirs"] == {"of": "the layer"}, name
        assert entry["defaultViewConfiguration"]["theirs"] == 1, name
        assert entry["defaultViewConfiguration"]["color"] == [1, 2, 3], name
        assert entry["mags"][0]["theirs"] == {"of": "the mag"}, name
        assert ("cubeLength" in entry["mags"][0]) == (name != "data"), name
        assert raw["id"]["name"] == ("a" if name == "shallow" else name)
    like = other.add_layer_like(first.get_layer("color"), "like")
    assert like.mags == {}
    assert like.bounding_box == first.get_layer("color").bounding_box
    assert like.default_view_configuration == first.get_layer("color").default_view_configuration


def test_a_reference_is_read_only_and_leaves_no_folder(tmp_path: Path) -> None:
    first = make(tmp_path / "ds")
    second = wk.Dataset(tmp_path / "ds2", voxel_size=(11, 11, 25))  # a name that begins like the other's
    layer = second.add_layer_as_ref(first.path / "color", "ref")
    assert not layer.path.exists()
    mag = wk.Dataset.open(second.path).get_layer("ref").get_mag(1)
    assert np.array_equal(mag.read(), first.get_layer("color").get_mag(1).read())
    assert document(second)["dataLayers"][0]["mags"][0]["path"] == str(first.path / "color" / "1")
    assert mag.read_only
    with pytest.raises(RuntimeError, match="read-only"):
        mag.write(voxels((8, 8, 8)), absolute_offset=(8, 8, 8), allow_unaligned=True)
    own = layer.add_mag(16)
    assert not own.read_only
    assert own.path == layer.path / "16"
    layer.delete_mag(1)
    second.delete_layer("ref")
    assert (first.path / "color" / "1").is_dir()
    with pytest.raises(AssertionError, match="belongs to the dataset"):
        first.add_layer_as_ref(first.get_layer("color"), "again")
    second.add_layer("x", "color")
    with pytest.raises(IndexError, match="already has a layer"):
        second.add_layer_as_ref(first.get_layer("color"), "x")


def test_mags_as_references_and_copies_extend_the_box(tmp_path: Path) -> None:
    first = make(tmp_path / "a")
    source = first.get_layer("color").get_mag(1)
    second = wk.Dataset(tmp_path / "b", voxel_size=(11, 11, 25))
    layer = second.add_layer("color", "color", bounding_box=wk.BoundingBox((0, 0, 0), (8, 8, 8)))
    copied = layer.add_mag_as_copy(source.path)
    assert layer.bounding_box == wk.BoundingBox((0, 0, 0), (74, 56, 48))
    assert np.array_equal(copied.read(absolute_bounding_box=source.bounding_box), source.read())
    copied.write(np.zeros((1, 8, 8, 8), "uint8"), absolute_offset=(8, 8, 8), allow_unaligned=True)
    assert source.read(absolute_bounding_box=wk.BoundingBox((8, 8, 8), (8, 8, 8))).any()
    relabelled = layer.add_mag_as_ref(source, mag=2)
    assert relabelled.read_only
    assert layer.bounding_box.size == (148, 112, 96)
    with pytest.raises(IndexError, match="already has the mag"):
        layer.add_mag_as_copy(source)
    floats = second.add_layer("floats", "color", dtype="float32")
    with pytest.raises(AssertionError, match="dtype"):
        floats.add_mag_as_ref(source)
    other = second.add_layer("other", "color", data_format="wkw")
    with pytest.raises(AssertionError, match="data format"):
        other.add_mag_as_ref(source)
    small = second.add_layer("small", "color", bounding_box=wk.BoundingBox((8, 8, 8), (16, 16, 16)))
    part = small.add_mag_as_copy(source, extend_layer_bounding_box=False, compress=False)
    assert small.bounding_box == wk.BoundingBox((8, 8, 8), (16, 16, 16))
    assert np.array_equal(part.read(), source.read(absolute_bounding_box=small.bounding_box))


def test_with_exists_ok_voxels_are_written_over_those_that_are_there(tmp_path: Path) -> None:
    first = make(tmp_path / "a")
    second = first.copy_dataset(tmp_path / "b", data_format="wkw")
    mag = second.get_layer("color").get_mag(1)
    mag.write(np.full((1, 70, 50, 40), 9, "uint8"))
    with pytest.raises(RuntimeError, match="already a dataset"):
        first.copy_dataset(tmp_path / "b")
    with pytest.raises(IndexError, match="already has a layer"):
        second.add_layer_as_copy(first.get_layer("color"))
    first.copy_dataset(tmp_path / "b", exists_ok=True)
    assert np.array_equal(mag.read(), first.get_layer("color").get_mag(1).read())
    with pytest.raises(ValueError, match="onto itself"):
        first.copy_dataset(first.path, exists_ok=True)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("target_format", FORMATS)
def test_copying_again_writes_only_what_differs(tmp_path: Path, data_format: str, target_format: str) -> None:
    shard = None if data_format == "zarr" else 32
    first = make(tmp_path / "a", data_format, chunk_shape=32, shard_shape=shard, downsample=False)
    shard = None if target_format == "zarr" else 32
    options: dict[str, Any] = {"data_format": target_format, "chunk_shape": 32, "shard_shape": shard}
    second = first.copy_dataset(tmp_path / "b", **options)

    def files() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.stat().st_ino)
            for path in (tmp_path / "b" / "color" / "1").rglob("*")
            if path.is_file() and not path.name.startswith(".wkplug")
        }

    before = files()
    assert len(before) > 4
    first.copy_dataset(tmp_path / "b", exists_ok=True)
    assert files() == before
    source, copy = first.get_layer("color").get_mag(1), second.get_layer("color").get_mag(1)
    source.write(np.zeros((1, 4, 4, 4), "uint8"), absolute_offset=(40, 10, 10), allow_unaligned=True)
    copy.write(np.full((1, 4, 4, 4), 250, "uint8"), absolute_offset=(4, 6, 8), allow_unaligned=True)
    before = files()
    first.copy_dataset(tmp_path / "b", exists_ok=True)
    after = files()
    assert before.keys() == after.keys()
    assert sum(before[name] != after[name] for name in before) == 2
    assert copy.content_is_equal(source)


def test_a_second_call_finishes_what_a_first_one_began(tmp_path: Path) -> None:
    first = make(tmp_path / "a", "wkw", downsample=False)
    first.get_layer("color").add_mag(2).write(voxels((35, 25, 20)))
    second = first.copy_dataset(tmp_path / "b", data_format="zarr3")
    coarser = second.get_layer("color").get_mag(2)
    # As if the first call had been killed in the middle of mag 2: its folder is marked, and nobody lists it.
    storage.set_mark(coarser.location, storage.Mark(job="copy"))
    second.state.store.apply(wk.properties.operations.RemoveMag("color", wk.Mag(2)))
    finer = (tmp_path / "b" / "color" / "1" / "zarr.json").stat().st_mtime_ns
    again = first.copy_dataset(tmp_path / "b", exists_ok=True)
    assert list(again.get_layer("color").mags) == list(first.get_layer("color").mags)
    for mag, view in first.get_layer("color").mags.items():
        assert again.get_layer("color").get_mag(mag).content_is_equal(view)
    assert (tmp_path / "b" / "color" / "1" / "zarr.json").stat().st_mtime_ns == finer


def test_copying_again_leaves_the_attachments_that_are_there(tmp_path: Path) -> None:
    first = wk.Dataset(tmp_path / "a", voxel_size=(11, 11, 25))
    layer = first.write_layer(
        "ids", "segmentation", voxels((30, 30, 30)), data_format="wkw", downsample=False
    )
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text(name)
        layer.attachments.add_attachment_as_copy(
            wk.MeshAttachment(name, tmp_path / name, wk.AttachmentDataFormat.Zarr3)
        )
    second = first.copy_dataset(tmp_path / "b")
    copies = second.get_layer("ids").as_segmentation_layer().attachments
    copies.delete_attachment(next(item for item in copies if item.name == "two"))
    again = first.copy_dataset(tmp_path / "b", exists_ok=True)
    found = list(again.get_layer("ids").as_segmentation_layer().attachments)
    assert sorted(item.name for item in found) == ["one", "two"]


def options_of(view: wk.MagView) -> dict[str, Any]:
    return dict(view.state.source.handle.spec.options)


@pytest.mark.parametrize(
    ("data_format", "compress", "find"),
    [
        ("wkw", {"block_type": "lz4"}, lambda options: options["block_type"] == "lz4"),
        ("zarr", {"level": 1}, lambda options: options["compressor"] == {"id": "zstd", "level": 1}),
        (
            "zarr",
            {"compressor": {"id": "blosc", "cname": "lz4", "clevel": 3, "shuffle": 1}},
            lambda options: options["compressor"]["cname"] == "lz4",
        ),
        (
            "zarr3",
            {"level": 1},
            lambda options: options["codecs"][-1]["configuration"] == {"level": 1, "checksum": True},
        ),
    ],
)
@pytest.mark.parametrize("how", ["copy", "rechunk"])
def test_codecs_and_levels_are_kept_when_voxels_are_encoded_anew(
    tmp_path: Path, data_format: str, compress: Any, find: Any, how: str
) -> None:
    dataset = wk.Dataset(tmp_path / "a", voxel_size=(11, 11, 25))
    layer = dataset.add_layer(
        "color", "color", data_format=data_format, bounding_box=wk.BoundingBox((0, 0, 0), (70, 50, 40))
    )
    mag = layer.add_mag(1, chunk_shape=32, compress=compress)
    mag.write(voxels((70, 50, 40)))
    assert find(options_of(mag))
    if how == "rechunk":
        mag.rechunk(chunk_shape=64)
        view = mag
    else:
        view = dataset.copy_dataset(tmp_path / "b", chunk_shape=64).get_layer("color").get_mag(1)
    assert view.info.chunk_shape == (64, 64, 64)
    assert find(options_of(view))
    assert np.array_equal(view.read()[0], voxels((70, 50, 40)))
    plain = dataset.copy_dataset(tmp_path / "c", chunk_shape=64, compress=False).get_layer("color").get_mag(1)
    assert not plain.info.compression_mode
    assert np.array_equal(plain.read()[0], voxels((70, 50, 40)))


def test_codecs_that_the_new_backend_lacks_become_the_default(tmp_path: Path) -> None:
    with wk.settings(backends={"zarr": "zarr+zarr"}):
        dataset = wk.Dataset(tmp_path / "a", voxel_size=(11, 11, 25))
        layer = dataset.add_layer(
            "color", "color", data_format="zarr", bounding_box=wk.BoundingBox((0, 0, 0), (70, 50, 40))
        )
        options = {"compressor": {"id": "zlib", "level": 1}, "filters": [{"id": "delta", "dtype": "|u1"}]}
        layer.add_mag(1, chunk_shape=32, compress=options).write(voxels((70, 50, 40)))
    source = wk.Dataset.open(tmp_path / "a")
    copy = source.copy_dataset(tmp_path / "b", chunk_shape=64).get_layer("color").get_mag(1)
    assert options_of(copy)["compressor"] == {"id": "zstd", "level": 5}
    assert np.array_equal(copy.read()[0], voxels((70, 50, 40)))


def test_links_lead_to_the_source_and_are_never_followed_when_deleting(tmp_path: Path) -> None:
    first = make(tmp_path / "a")
    second = wk.Dataset(tmp_path / "b", voxel_size=(11, 11, 25))
    with pytest.warns(DeprecationWarning, match="`Dataset.add_symlink_layer` is deprecated"):
        layer = second.add_symlink_layer(first.get_layer("color"), make_relative=True)
    assert str((second.path / "color").readlink()) == "../a/color"
    assert document(second)["dataLayers"][0]["mags"][0]["path"] == "../a/color/1"
    assert layer.read_only
    assert layer.is_foreign
    with pytest.raises(RuntimeError, match="read-only"):
        layer.add_mag(32)
    own = second.add_layer("own", "color")
    with pytest.warns(DeprecationWarning, match="please use `Layer.add_mag_as_ref`"):
        mag = own.add_symlink_mag(first.get_layer("color").get_mag(1))
    assert mag.read_only
    assert np.array_equal(mag.read(), first.get_layer("color").get_mag(1).read())
    assert (own.path / "1").is_symlink()
    own.delete_mag(1)
    assert not os.path.lexists(own.path / "1")
    second.delete_layer("color")
    assert not os.path.lexists(second.path / "color")
    assert sorted(path.name for path in (first.path / "color").iterdir() if path.is_dir()) == [
        "1",
        "2-2-1",
        "4-4-2",
    ]
    remote = wk.Dataset("memory://links/ds", voxel_size=(1, 1, 1)).add_layer("color", "color")
    with (
        pytest.warns(DeprecationWarning, match="add_mag_as_ref"),
        pytest.raises(AssertionError, match="not on a local disk"),
    ):
        remote.add_symlink_mag(first.get_layer("color").get_mag(1))


def test_a_shallow_copy_links_mappings_and_says_what_it_can_not(tmp_path: Path) -> None:
    first = make(tmp_path / "a")
    (first.path / "color" / "mappings").mkdir()
    (first.path / "color" / "mappings" / "m.json").write_text("{}")
    shallow = first.shallow_copy_dataset(tmp_path / "b", make_relative=True)
    assert (shallow.path / "color" / "mappings" / "m.json").read_text() == "{}"
    assert (shallow.path / "color" / "mappings").is_symlink()
    assert shallow.name == "a"
    deep = first.copy_dataset(tmp_path / "c")
    assert not (deep.path / "color" / "mappings").is_symlink()
    assert (deep.path / "color" / "mappings" / "m.json").read_text() == "{}"
    with pytest.warns(UserWarning, match="could not be linked: mappings"):
        first.shallow_copy_dataset("memory://shallow/ds")
    assert list(first.copy_dataset(tmp_path / "d", layers_to_ignore=["color"]).layers) == []
    with pytest.raises(IndexError, match="no layer 'colour'"):
        first.copy_dataset(tmp_path / "e", layers_to_ignore=["colour"])


def test_copies_carry_neither_marks_nor_locks_and_refuse_unfinished_sources(tmp_path: Path) -> None:
    first = make(tmp_path / "a", "wkw")
    first.copy_dataset(tmp_path / "b")
    left = [path.name for path in (tmp_path / "b" / "color").rglob(".wkplug*")]
    assert all(name == ".wkplug.lock" for name in left)
    location = first.get_layer("color").get_mag(1).location
    storage.set_mark(location, storage.Mark(job="some job"))
    target = wk.Dataset(tmp_path / "c", voxel_size=(11, 11, 25))
    with pytest.raises(wk.IncompleteMagError, match="some job"):
        target.add_layer_as_copy(wk.Dataset.open(first.path).get_layer("color"))


def test_what_a_killed_copy_has_left_is_replaced_and_other_files_are_not(tmp_path: Path) -> None:
    first = make(tmp_path / "a", "wkw")
    second = wk.Dataset(tmp_path / "b", voxel_size=(11, 11, 25))
    layer = second.add_layer_like(first.get_layer("color"), "color")
    storage.set_mark(layer.location.child("1"), storage.Mark(job="copy"))
    layer.location.child("1", "z0", "y0", "x0.wkw").write(b"half")
    layer.add_mag_as_copy(first.get_layer("color").get_mag(1))
    assert layer.get_mag(1).content_is_equal(first.get_layer("color").get_mag(1))
    second.state.store.apply(wk.properties.operations.RemoveMag("color", wk.Mag(1)))
    with pytest.raises(FileExistsError, match="don't list"):
        layer.add_mag_as_copy(first.get_layer("color").get_mag(1))


def test_relative_target_paths_are_right_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    wk.Dataset.open("a").copy_dataset("b")
    monkeypatch.chdir(tmp_path / "a")
    copy = wk.Dataset.open("../b")
    assert document(copy)["dataLayers"][0]["mags"][0]["path"] == "./color/1"
    assert copy.get_layer("color").get_mag(1).read().any()


def test_older_names_warn_and_copy(tmp_path: Path) -> None:
    first = make(tmp_path / "a")
    second = wk.Dataset(tmp_path / "b", voxel_size=(11, 11, 25))
    with pytest.warns(
        DeprecationWarning, match=r"\[DEPRECATION\] `Dataset.add_copy_layer` is deprecated, please use"
    ):
        second.add_copy_layer(first.get_layer("color"), "copy")
    with pytest.warns(DeprecationWarning, match="add_layer_as_ref"):
        second.add_remote_layer(first.get_layer("color"), "ref")
    with pytest.warns(DeprecationWarning, match="add_layer_as_copy"):
        files = second.add_fs_copy_layer(first.get_layer("color"), "files")
    assert files.get_mag(1).content_is_equal(first.get_layer("color").get_mag(1))
    layer = second.add_layer("mags", "color")
    with pytest.warns(DeprecationWarning, match="add_mag_as_copy"):
        layer.add_copy_mag(first.get_layer("color").get_mag(1))
    with pytest.warns(DeprecationWarning, match="add_mag_as_ref"):
        layer.add_remote_mag(first.get_layer("color").get_mag("2-2-1"))
    with pytest.warns(DeprecationWarning, match="add_mag_as_copy"):
        layer.add_fs_copy_mag(first.get_layer("color").get_mag("4-4-2"))
    with pytest.warns(DeprecationWarning, match="copy_dataset"):
        first.fs_copy_dataset(tmp_path / "c")


def test_copies_go_to_places_that_are_not_local(tmp_path: Path) -> None:
    first = make(tmp_path / "a")
    remote = first.copy_dataset("memory://copies/ds")
    back = remote.copy_dataset(tmp_path / "b")
    assert back.get_layer("color").get_mag(1).content_is_equal(first.get_layer("color").get_mag(1))


def test_files_with_holes_are_copied_with_their_holes(tmp_path: Path) -> None:
    first = wk.Dataset(tmp_path / "a", voxel_size=(1, 1, 1))
    layer = first.add_layer(
        "x", "color", data_format="wkw", bounding_box=wk.BoundingBox((0, 0, 0), (512, 512, 512))
    )
    mag = layer.add_mag(1, shard_shape=512, compress=False)
    for offset in ((0, 0, 0), (480, 480, 480), (64, 256, 128)):
        mag.write(voxels((32, 32, 32)) + 1, absolute_offset=offset, allow_unaligned=True)
    copy = first.copy_dataset(tmp_path / "b").get_layer("x").get_mag(1)
    for path in mag.path.rglob("x0.wkw"):
        twin = copy.path / path.relative_to(mag.path)
        assert twin.stat().st_size == path.stat().st_size
        assert twin.stat().st_blocks <= 2 * path.stat().st_blocks
    assert copy.content_is_equal(mag)


def test_some_mags_of_a_dataset_are_copied(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "source", (1, 1, 1))
    data = np.random.default_rng(0).integers(0, 255, (64, 64, 64), np.uint8)
    dataset.write_layer("deep", "color", data)
    dataset.write_layer("flat", "color", data, downsample=False)
    copy = dataset.copy_dataset(tmp_path / "copy", mags=[1, "2"])
    assert {name: [str(mag) for mag in layer.mags] for name, layer in copy.layers.items()} == {
        "deep": ["1", "2"],
        "flat": ["1"],
    }
    for name, layer in copy.layers.items():
        for mag, view in layer.mags.items():
            np.testing.assert_array_equal(view.read(), dataset.get_layer(name).get_mag(mag).read())
