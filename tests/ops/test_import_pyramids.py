"""Pyramids that are made while images are imported: the same voxels as made afterwards, and nothing is read back."""

from __future__ import annotations

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

import wkplug as wk
from wkplug.errors import InvalidArgumentError, MagError, UnknownNameError
from wkplug.ops import images
from wkplug.ops.importing import options
from wkplug.ops.pyramids import downsampling
from wkplug.ops.pyramids.sampling import PyramidOptions
from wkplug.storage.arrays import ArrayHandle


def stack(folder: Path, data: Any) -> Path:
    """Sections (z, y, x) or (z, y, x, c) as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, section in enumerate(data):
        photometric = "rgb" if section.ndim == 3 else "minisblack"
        tifffile.imwrite(folder / f"{number:03}.tif", section, photometric=photometric)
    return folder


def noise(shape: tuple[int, ...], dtype: str = "uint8") -> Any:
    """Noise with an empty part, which is not stored."""
    data = np.random.default_rng(0).integers(1, 250, shape).astype(dtype)
    data[: shape[0] // 3] = 0
    return data


def same(layer: wk.Layer, other: wk.Layer) -> None:
    assert list(layer.mags) == list(other.mags)
    for mag, view in layer.mags.items():
        np.testing.assert_array_equal(view.read(), other.get_mag(mag).read(), err_msg=str(mag))
        assert view.info == other.get_mag(mag).info
        assert view.bounding_box == other.get_mag(mag).bounding_box


def streaming(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The list that gets the number of mags that each feed listed."""
    counts: list[int] = []
    finish = downsampling.StreamingPyramid.finish

    def counted(self: downsampling.StreamingPyramid) -> None:
        counts.append(len(self.mags))
        finish(self)

    monkeypatch.setattr(downsampling.StreamingPyramid, "finish", counted)
    return counts


def allow(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let imports have so many bytes for voxels."""
    of = options.Budget.of

    def small(memory: Any, executor: Any = None) -> options.Budget:
        return options.Budget(count, 2, shared=of(memory, executor).shared)

    monkeypatch.setattr(options.Budget, "of", small)


LENGTH = st.integers(1, 90)


@pytest.mark.filterwarnings("ignore:.*chunk shape")
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_a_pyramid_of_the_import_is_the_one_that_downsample_makes(data: st.DataObject) -> None:
    shape = tuple(data.draw(LENGTH) for _ in range(3))
    if data.draw(st.booleans()):
        shape = (*shape, 3)
    voxels = noise(
        shape, data.draw(st.sampled_from(["uint8", "uint16", "float32"] if len(shape) == 3 else ["uint8"]))
    )
    chunk = tuple(2 ** data.draw(st.integers(3, 5)) for _ in range(3))
    parameters = {
        "data_format": "zarr3",
        "chunk_shape": chunk,
        "shard_shape": tuple(length * 2 ** data.draw(st.integers(0, 2)) for length in chunk),
        "topleft": tuple(data.draw(st.integers(0, 40)) for _ in range(3)),
        "flip_z": data.draw(st.booleans()),
        "batch_size": data.draw(st.sampled_from([None, chunk[2]])),
    }
    pyramid = PyramidOptions(
        coarsest_mag=data.draw(st.sampled_from([None, 2, 8])),
        interpolation_mode=data.draw(st.sampled_from(["default", "mode", "nearest"])),
        sampling_mode=data.draw(st.sampled_from(["anisotropic", "isotropic", "constant_z"])),
    )
    voxel_size = data.draw(st.sampled_from([(1, 1, 1), (4, 4, 40), (40, 4, 4)]))
    budget = data.draw(st.sampled_from([1_000_000, 4_000_000, 100_000_000]))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        allow(patch, budget)
        source = stack(Path(folder, "em"), voxels)
        dataset = wk.Dataset(Path(folder, "out"), voxel_size)
        add = {"images": source, **parameters}
        afterwards = dataset.add_layer_from_images(layer_name="afterwards", **add)
        afterwards.downsample(
            coarsest_mag=pyramid.coarsest_mag,
            interpolation_mode=pyramid.interpolation_mode,
            sampling_mode="constant_z" if shape[0] == 1 else pyramid.sampling_mode,
        )
        same(dataset.add_layer_from_images(layer_name="together", pyramid=pyramid, **add), afterwards)


@pytest.mark.parametrize("data_format", ["zarr3", "zarr", "wkw"])
def test_nothing_that_is_fed_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_format: str
) -> None:
    source = stack(tmp_path / "em", noise((200, 300, 260)))
    counts = streaming(monkeypatch)
    read: list[str] = []
    original = ArrayHandle.read

    def noted(self: ArrayHandle, *arguments: Any, **named: Any) -> Any:
        read.append(self.location.name)
        return original(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(ArrayHandle, "read", noted)
        together = wk.Dataset.from_images(
            source, tmp_path / "together", (1, 1, 1), layer_name="em", data_format=data_format, pyramid=True
        )
    assert counts == [2]
    assert read == []
    afterwards = wk.Dataset.from_images(
        source, tmp_path / "afterwards", (1, 1, 1), layer_name="em", data_format=data_format
    )
    afterwards.downsample()
    same(together.get_layer("em"), afterwards.get_layer("em"))


def test_channels_that_become_layers_have_pyramids_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = streaming(monkeypatch)
    data = noise((40, 3, 130, 150), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata={"axes": "ZCYX"})
    dataset = wk.Dataset.from_images(tmp_path / "a.tif", tmp_path / "out", (1, 1, 1), pyramid=True)
    assert counts == [2, 2, 2]
    for number, layer in enumerate(dataset.layers.values()):
        np.testing.assert_array_equal(layer.get_mag(1).read()[0], data[:, number].transpose(2, 1, 0))
        made = {mag: view.read() for mag, view in layer.mags.items()}
        assert list(map(str, made)) == ["1", "2", "4"]
        layer.redownsample()
        for mag, view in layer.mags.items():
            np.testing.assert_array_equal(view.read(), made[mag])


def test_several_layers_get_the_same_mags(tmp_path: Path) -> None:
    stack(tmp_path / "in" / "large", noise((30, 900, 60)))
    stack(tmp_path / "in" / "small", noise((9, 200, 200)))
    dataset = wk.Dataset.from_images(tmp_path / "in", tmp_path / "out", (4, 4, 30), pyramid=True)
    mags = {name: [str(mag) for mag in layer.mags] for name, layer in dataset.layers.items()}
    assert mags == {"large": ["1", "2-2-1", "4-4-1", "8-8-1", "16-16-2"], "small": ["1", "2-2-1", "4-4-1"]}


def test_what_does_not_fit_into_memory_is_computed_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = streaming(monkeypatch)
    source = stack(tmp_path / "em", noise((64, 256, 256)))
    allow(monkeypatch, 600_000)
    plan = images.plan_import(
        source,
        tmp_path / "out",
        images.DatasetOptions(voxel_size=(1, 1, 1)),
        options=images.ImportOptions(pyramid=PyramidOptions()),
    )
    assert plan.volumes[0].streaming is None
    assert plan.volumes[0].chunking.bytes <= 600_000
    assert list(map(str, plan.execute().layer("em").mags)) == ["1", "2", "4"]
    assert counts == []
    allow(monkeypatch, 100_000_000)
    plan = images.plan_import(
        source,
        tmp_path / "more",
        images.DatasetOptions(voxel_size=(1, 1, 1)),
        options=images.ImportOptions(pyramid=PyramidOptions()),
    )
    assert plan.volumes[0].streaming is not None
    assert plan.volumes[0].chunking.bytes < plan.memory <= 100_000_000
    same(wk.Dataset.of(plan.execute()).get_layer("em"), wk.Dataset.open(tmp_path / "out").get_layer("em"))
    assert counts == [2]


def test_with_processes_the_pyramid_is_computed_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = streaming(monkeypatch)
    source = stack(tmp_path / "em", noise((40, 130, 110)))
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        dataset = wk.Dataset.from_images(source, tmp_path / "out", (1, 1, 1), pyramid=True, executor=executor)
    assert list(map(str, dataset.get_layer("em").mags)) == ["1", "2", "4"]
    assert counts == []


def test_an_import_that_goes_on_computes_its_pyramid_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = streaming(monkeypatch)
    data = noise((96, 130, 110))
    source = stack(tmp_path / "em", data)
    damaged = source / "070.tif"
    sound = damaged.read_bytes()
    damaged.write_bytes(sound[:300])
    call: dict[str, Any] = {"chunk_shape": 32, "shard_shape": 32, "batch_size": 32, "pyramid": True}
    with pytest.raises(wk.errors.WkplugError):
        wk.Dataset.from_images(source, tmp_path / "out", (1, 1, 1), **call)
    assert list(wk.Dataset.open(tmp_path / "out").get_layer("em").mags) == []
    damaged.write_bytes(sound)
    together = wk.Dataset.from_images(source, tmp_path / "out", (1, 1, 1), **call)
    assert counts == []
    afterwards = wk.Dataset.from_images(source, tmp_path / "other", (1, 1, 1), **{**call, "pyramid": False})
    afterwards.downsample()
    same(together.get_layer("em"), afterwards.get_layer("em"))


@pytest.mark.parametrize(
    ("wanted", "error", "text"),
    [
        (PyramidOptions(interpolation_mode="modde"), UnknownNameError, "modde"),
        (PyramidOptions(sampling_mode="upwards"), InvalidArgumentError, "'upwards' is not a sampling mode"),
        (PyramidOptions(coarsest_mag="x"), MagError, "x"),
    ],
)
def test_a_pyramid_that_can_not_be_is_refused_before_anything_is_written(
    tmp_path: Path, wanted: PyramidOptions, error: type[Exception], text: str
) -> None:
    source = stack(tmp_path / "em", noise((8, 30, 30)))
    with pytest.raises(error, match=text):
        images.from_images(
            source,
            tmp_path / "out",
            images.DatasetOptions(voxel_size=(1, 1, 1)),
            options=images.ImportOptions(pyramid=wanted),
        )
    assert not (tmp_path / "out").exists()
