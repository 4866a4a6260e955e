"""Containers that claim far more voxels than they store are imported by what they store."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import wkplug as wk
from wkplug.ops.importing import boxes as box_work
from wkplug.ops.importing import writing
from wkplug.testing.profiles import examples


def container(path: Path, shape: tuple[int, ...], chunk: int, filled: dict[tuple[int, ...], int]) -> None:
    """An OME-Zarr image (z, y, x) of which just some chunks are stored."""
    group = zarr.open_group(path, mode="w", zarr_format=3)
    array = group.create_array("0", shape=shape, chunks=(chunk,) * 3, dtype="uint8", fill_value=0)
    for cell, value in filled.items():
        start = [number * chunk for number in cell]
        array[tuple(slice(low, low + chunk) for low in start)] = value
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [4, 4, 4]}]
    multiscale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}


def imported(source: Path, target: Path, **options: Any) -> wk.Layer:
    dataset = wk.Dataset(target, voxel_size=(4, 4, 4))
    return dataset.add_layer_from_images(source, "em", chunk_shape=32, shard_shape=32, **options)


@pytest.fixture
def every_box_is_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "FEW_BOXES", 0)


@pytest.mark.usefixtures("every_box_is_too_many")
@examples(12)
@given(data=st.data())
def test_what_is_stored_is_imported_wherever_it_lies(data: st.DataObject) -> None:
    chunk = 16
    shape = tuple(data.draw(st.integers(1, 150)) for _ in range(3))
    cells = st.tuples(*(st.integers(0, (length - 1) // chunk) for length in shape))
    filled = data.draw(st.dictionaries(cells, st.integers(1, 255), min_size=1, max_size=4))
    options = {name: data.draw(st.booleans()) for name in ("flip_x", "flip_y", "flip_z", "swap_xy")}
    corner = data.draw(st.tuples(*(st.integers(0, 40) for _ in range(3))))
    expected = np.zeros(shape, "uint8")
    for cell, value in filled.items():
        expected[tuple(slice(n * chunk, (n + 1) * chunk) for n in cell)] = value
    expected = expected.T if not options["swap_xy"] else expected.transpose(1, 2, 0)
    steps = tuple(-1 if options[f"flip_{axis}"] else 1 for axis in "xyz")
    expected = expected[tuple(slice(None, None, step) for step in steps)]
    folder = Path(tempfile.mkdtemp())
    try:
        container(folder / "a.zarr", shape, chunk, filled)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*flip_")  # told once in a process
            layer = imported(folder / "a.zarr", folder / "ds", topleft=corner, batch_size=32, **options)
        assert layer.bounding_box == wk.BoundingBox(corner, expected.shape)
        np.testing.assert_array_equal(layer.get_mag(1).read()[0], expected)
        zeros = 100 * float((expected == 0).mean())
        said = [note.text for note in layer.dataset.import_report.notes if "are zero" in note.text]
        assert bool(said) == (zeros >= 1)
    finally:
        shutil.rmtree(folder)


def test_a_volume_that_is_nearly_all_claim_is_imported_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = {(10, 0, 2): 7, (15624, 1, 0): 9}
    container(tmp_path / "a.zarr", (10**6,) * 3, 64, filled)
    begun = []
    begin = box_work.BoxWork.new_array

    def counted(self: Any, box: Any) -> Any:
        begun.append(box)
        return begin(self, box)

    monkeypatch.setattr(box_work.BoxWork, "new_array", counted)
    layer = wk.Dataset(tmp_path / "ds", voxel_size=(4, 4, 4)).add_layer_from_images(tmp_path / "a.zarr", "em")
    assert 0 < len(begun) <= 16
    assert layer.bounding_box.size == (10**6,) * 3
    mag = layer.get_mag(1)
    for (z, y, x), value in filled.items():
        box = {"absolute_offset": (64 * x, 64 * y, 64 * z), "size": (64, 64, 64)}
        assert (mag.read(**box) == value).all()
    assert not mag.read(absolute_offset=(0, 0, 0), size=(64, 64, 64)).any()
