"""The older spellings of datasets and layers, and the names that scripts import."""

# Type checkers know today's spelling alone, and are right to refuse the ones tested here.
# mypy: disable-error-code="call-arg, arg-type, misc, comparison-overlap, attr-defined, func-returns-value"

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk

if TYPE_CHECKING:
    from pathlib import Path

MakeLayer = Callable[..., wk.Layer]


def test_datasets_are_made_by_their_older_names(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="voxel_size"):
        made = wk.Dataset.create(tmp_path / "a", scale=(1, 2, 3))
    with pytest.warns(DeprecationWarning, match=r"Dataset.scale"):
        assert made.scale == (1, 2, 3)
    with pytest.warns(DeprecationWarning, match="DEPRECATION"), pytest.raises(RuntimeError):
        wk.Dataset.create(tmp_path / "a", (1, 2, 3))
    with pytest.warns(DeprecationWarning, match="exist_ok=True"):
        assert wk.Dataset.get_or_create(tmp_path / "a", (1, 2, 3)) == made
    with pytest.warns(DeprecationWarning, match=r"voxel_size=\.\.\."):
        assert wk.Dataset(tmp_path / "b", scale=(1, 1, 1)).voxel_size == (1, 1, 1)
    with pytest.warns(DeprecationWarning, match=r"Dataset.open\(path\)"):
        assert wk.Dataset(tmp_path / "a") == made
    with pytest.raises(ValueError, match="voxel size"):
        wk.Dataset(tmp_path / "new")
    with pytest.raises(RuntimeError, match="already a dataset"):
        wk.Dataset(tmp_path / "a", (1, 2, 3))


@pytest.mark.parametrize(("dtype", "channels", "found"), [("uint24", 3, "uint8"), ("uint16", 1, "uint16")])
def test_dtypes_may_be_given_for_all_channels(
    dataset: wk.Dataset, dtype: str, channels: int, found: str
) -> None:
    with pytest.warns(DeprecationWarning, match="of one channel"):
        layer = dataset.add_layer("a", "color", dtype_per_layer=dtype, num_channels=channels)
    assert layer.dtype == found
    with pytest.warns(DeprecationWarning, match="DEPRECATION"):
        assert layer.dtype_per_layer == dtype
    with pytest.warns(DeprecationWarning, match="DEPRECATION"):
        assert layer.dtype_per_channel == found
    with pytest.warns(DeprecationWarning, match="DEPRECATION"), pytest.raises(AssertionError, match="dtype"):
        dataset.get_or_add_layer(
            "a", "color", dtype_per_layer="uint32", num_channels=1 if channels == 1 else None
        )


def test_a_dtype_that_channels_cant_share_is_refused(dataset: wk.Dataset) -> None:
    with pytest.raises(ValueError, match="can't share"):
        dataset.add_layer("a", "color", dtype_per_layer="uint8", num_channels=3)


def test_the_only_layer_of_a_category(dataset: wk.Dataset) -> None:
    for ask in (dataset.get_color_layer, dataset.get_segmentation_layer):
        with pytest.warns(DeprecationWarning, match="DEPRECATION"), pytest.raises(IndexError, match="has 0"):
            ask()
    color, cells = dataset.add_layer("c", "color"), dataset.add_layer("s", "segmentation")
    with pytest.warns(DeprecationWarning, match="DEPRECATION"):
        assert dataset.get_color_layer() == color
    with pytest.warns(DeprecationWarning, match="DEPRECATION"):
        assert dataset.get_segmentation_layer() == cells
    dataset.add_layer("d", "color")
    with (
        pytest.warns(DeprecationWarning, match="DEPRECATION"),
        pytest.raises(RuntimeError, match="2 color layers"),
    ):
        dataset.get_color_layer()


def test_mags_are_added_by_older_names(make_layer: MakeLayer) -> None:
    layer = make_layer()
    with pytest.warns(DeprecationWarning, match="DEPRECATION"):
        one = layer.add_mag(1, block_len=32, file_len=2)
    assert (one.info.chunk_shape, one.info.shard_shape) == ((32, 32, 32), (64, 64, 64))
    with pytest.warns(DeprecationWarning, match="chunk_shape"):
        assert layer.get_or_add_mag(1, chunk_size=(32, 32, 32)) == one
    with pytest.warns(DeprecationWarning, match="DEPRECATION"):
        assert not layer.add_mag(2, 32, 1, False).info.compression_mode
    with pytest.warns(DeprecationWarning, match="get_finest_mag"):
        assert layer.get_best_mag() == one
    with pytest.warns(DeprecationWarning, match="is_foreign"):
        assert not layer.is_remote_to_dataset
    with pytest.warns(DeprecationWarning, match="DEPRECATION"):
        layer.downsample(wk.Mag(2), max_mag=wk.Mag(4), args=None)
    assert "4-4-2" in layer.mags


def test_mags_come_from_the_factory(make_layer: MakeLayer, tmp_path: Path) -> None:
    layer = make_layer()
    with pytest.warns(DeprecationWarning, match="add_mag"):
        mag = wk.MagView.create(
            layer,
            1,
            path=layer.path / "1",
            chunk_shape=32,
            shard_shape=64,
            compression_mode=True,
            read_only=True,
        )
    assert mag.read_only
    with (
        pytest.warns(DeprecationWarning, match="DEPRECATION"),
        pytest.raises(ValueError, match="Exactly one"),
    ):
        wk.MagView.create(layer, 2, path=layer.path / "2", chunk_shape=32, compression_mode=True)
    with (
        pytest.warns(DeprecationWarning, match="DEPRECATION"),
        pytest.raises(ValueError, match="is not where"),
    ):
        wk.MagView.create(
            layer, 2, path=tmp_path / "elsewhere", chunk_shape=32, shard_shape=32, compression_mode=True
        )


def test_the_engines_own_array(make_layer: MakeLayer, data_format: str) -> None:
    mag = make_layer(data_format=data_format).add_mag(1, chunk_shape=32)
    if data_format == "wkw":
        with pytest.raises(ValueError, match="not as Zarr"):
            mag.get_zarr_array()
    else:
        assert next(iter(mag.get_zarr_array().shape)) == 1


def test_codecs_go_where_compress_takes_options(make_layer: MakeLayer) -> None:
    codecs = (
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "gzip", "configuration": {"level": 3}},
    )
    mag = make_layer(data_format="zarr3").add_mag(1, shard_shape=64, compress=wk.Zarr3Config(codecs))
    facts = wk.Zarr3ArrayInfo.from_array_info(mag.info)
    assert facts.zarr3_config.codecs == codecs
    plain = wk.Zarr3Config.with_defaults(config=False, ndim=4)
    assert [codec["name"] for codec in plain.codecs or ()] == ["transpose", "bytes"]
    assert wk.Zarr3Config.with_defaults(plain, 4) == plain


def test_arrays_without_a_dataset(tmp_path: Path, make_layer: MakeLayer, data_format: str) -> None:
    mag = make_layer(size=(64, 64, 64), data_format=data_format).add_mag(1, chunk_shape=32)
    voxels = np.arange(64**3, dtype=np.uint32).astype(np.uint8).reshape(1, 64, 64, 64)
    mag.write(voxels)
    array = wk.BaseArray.open(mag.path)
    assert array.data_format == array.info.data_format == data_format
    box = wk.BoundingBox((10, 10, 10), (20, 20, 20))
    assert np.array_equal(array.read(box), voxels[:, 10:30, 10:30, 10:30])
    other = wk.BaseArray.create(tmp_path / "array", array.info)
    other.write(box, voxels[:, 10:30, 10:30, 10:30])
    other.close()
    assert np.array_equal(wk.TensorStoreArray(tmp_path / "array").read(box), array.read(box))
    assert len(list(other.list_bounding_boxes())) >= 1
    other.resize(wk.BoundingBox((0, 0, 0), (128, 64, 64)))
    if data_format != "wkw":
        assert other.info.bounding_box.size_xyz.x == 128


def test_constants_are_what_they_were() -> None:
    assert (wk.COLOR_CATEGORY, wk.SEGMENTATION_CATEGORY) == ("color", "segmentation")
    assert wk.DEFAULT_CHUNK_SHAPE == (32, 32, 32)
    assert wk.DEFAULT_SHARD_SHAPE == (1024, 1024, 1024)
    assert wk.DEFAULT_DATA_FORMAT == wk.DataFormat.Zarr3 == "zarr3"


def test_helpers_of_scripts(tmp_path: Path) -> None:
    from types import SimpleNamespace

    def double(value: int, *, by: int) -> int:
        return value * by

    bound = wk.utils.named_partial(double, by=3)
    assert (bound(2), bound.__name__) == (6, "double")
    with wk.utils.get_executor_for_args(SimpleNamespace(distribution_strategy="sequential")) as executor:
        futures = [executor.submit(bound, number) for number in range(3)]
        assert wk.utils.wait_and_ensure_success(futures, executor) == [0, 3, 6]
    (tmp_path / "tree" / "a").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "file").write_text("x")
    wk.utils.copytree(tmp_path / "tree", tmp_path / "copy")
    assert (tmp_path / "copy" / "a" / "file").read_text() == "x"
    wk.utils.rmtree(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert wk.utils.is_fs_path(tmp_path)
    assert not wk.utils.is_fs_path("memory://somewhere")


def test_copies_of_trees_take_threads_and_show_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import contextlib
    import threading

    from wkplug import progress
    from wkplug.storage import copying

    names, shown = set(), []
    copy = copying._copy_file

    def watched(*args: Any, **options: Any) -> None:
        names.add(threading.current_thread().name)
        copy(*args, **options)

    @contextlib.contextmanager
    def bar(description: str) -> Any:
        call = progress.Call(description)
        yield call
        shown.append((description, call.done, call.total))

    monkeypatch.setattr(copying, "_copy_file", watched)
    monkeypatch.setattr(progress, "showing", bar)
    for index in range(6):
        (tmp_path / "tree" / f"a{index}").mkdir(parents=True)
        (tmp_path / "tree" / f"a{index}" / "file").write_text(str(index))
    wk.utils.copytree(tmp_path / "tree", tmp_path / "one", threads=1, ignore=lambda name: name == "a0")
    assert names == {threading.current_thread().name}
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        f"a{index}" for index in range(1, 6)
    ]
    names.clear()
    wk.utils.copytree(tmp_path / "tree", tmp_path / "two", threads=3, progress_desc="Copying")
    assert names
    assert all(name.startswith("wkplug-requests") for name in names)
    assert shown == [("Copying", 6, 6)]
    assert (tmp_path / "two" / "a5" / "file").read_text() == "5"


def test_arrays_are_opened_for_writing_when_they_are_written_to(
    tmp_path: Path, make_layer: MakeLayer, data_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wkplug import storage

    mag = make_layer(size=(32, 32, 32), data_format=data_format).add_mag(1, chunk_shape=32, shard_shape=32)
    modes = []
    opened = storage.open_array

    def watched(*args: Any, mode: str, **options: Any) -> Any:
        modes.append(mode)
        return opened(*args, mode=mode, **options)

    monkeypatch.setattr(storage, "open_array", watched)
    array = wk.BaseArray.open(mag.path)
    box = wk.BoundingBox((0, 0, 0), (32, 32, 32))
    assert not array.read(box).any()
    assert list(array.list_bounding_boxes()) == []
    assert set(modes) == {"r"}
    array.write(box, np.ones((1, 32, 32, 32), "u1"))
    assert modes[-1] == "r+"
    assert array.read(box).all()
    array.close()
    assert mag.read().all()
