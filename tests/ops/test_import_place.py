"""Where images lie in spaces of their own: told, or kept as a coordinate transformation that moves no voxel."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wkplug as wk
from wkplug.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (30, 20, 5)
AFFINE = np.array([[0, -0.002, 0, 1.5], [0.001, 0, 0, -2], [0, 0, 0.004, 7]])  # millimetres


def nifti(path: Path) -> Path:
    """A volume that is turned by a quarter and mirrored, of voxels of 1 x 2 x 4 micrometres."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *SIZE, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, 1, 0.001, 0.002, 0.004, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    struct.pack_into("<f", header, 112, 1)
    header[123] = 2
    struct.pack_into("<hh", header, 252, 0, 1)
    struct.pack_into("<12f", header, 280, *AFFINE.ravel())
    header[344:348] = b"n+1\0"
    voxels = np.random.default_rng(0).integers(1, 250, SIZE).astype("uint8")
    path.write_bytes(bytes(header) + voxels.tobytes(order="F"))
    return path


def mrc(path: Path) -> Path:
    """A map of 1 nm voxels whose origin is (100, -200, 30) nm."""
    header = bytearray(1024)
    struct.pack_into("<4i", header, 0, *SIZE, 2)
    struct.pack_into("<3i", header, 28, *SIZE)
    struct.pack_into("<6f", header, 40, *(10.0 * length for length in SIZE), 90, 90, 90)
    struct.pack_into("<3i", header, 64, 1, 2, 3)
    struct.pack_into("<3f", header, 76, 1, 200, 9)
    struct.pack_into("<3f", header, 196, 1000, -2000, 300)
    header[208:216] = b"MAP \x44\x44\0\0"
    voxels = np.random.default_rng(0).uniform(1, 200, SIZE[::-1]).astype("float32")
    path.write_bytes(bytes(header) + voxels.tobytes())
    return path


def test_a_map_that_is_not_applied_is_told_once(tmp_path: Path, capsys: Any) -> None:
    place = str(nifti(tmp_path / "a.nii"))
    assert main(["convert", place, str(tmp_path / "out"), "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert told.count("its map to its own space (turned, mirrored or sheared) is not applied") == 1
    assert "--keep-transformation keeps it as the layer's coordinate transformation" in told


def test_inspect_shows_the_map(tmp_path: Path, capsys: Any) -> None:
    assert main(["inspect", str(nifti(tmp_path / "a.nii"))]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("affine ")]
    assert line.count(";") == 2
    assert line.endswith(" (nm)")


def test_a_place_that_is_not_applied_is_told(tmp_path: Path) -> None:
    dataset = wk.Dataset.from_images(mrc(tmp_path / "a.mrc"), tmp_path / "out", (1, 1, 1))
    assert "its own place, (100, -200, 30) nm along x, y and z, is not applied" in str(dataset.import_report)
    assert next(iter(dataset.layers.values())).coordinate_transformations == ()


def test_the_place_is_kept_on_request(tmp_path: Path) -> None:
    place = mrc(tmp_path / "a.mrc")
    dataset = wk.Dataset.from_images(place, tmp_path / "out", (1, 1, 1), keep_transformation=True)
    assert "is not applied" not in str(dataset.import_report)
    (kept,) = next(iter(dataset.layers.values())).coordinate_transformations
    assert isinstance(kept, wk.AffineCoordinateTransformation)
    expected = np.eye(4)
    expected[:3, 3] = (100, -200, 30)
    assert np.allclose(kept.matrix, expected)


def test_the_command_line_keeps_the_map(tmp_path: Path) -> None:
    place = str(nifti(tmp_path / "a.nii"))
    assert main(["convert", place, str(tmp_path / "out"), "--keep-transformation", "--no-downsample"]) == 0
    layer = next(iter(wk.Dataset.open(tmp_path / "out").layers.values()))
    (kept,) = layer.coordinate_transformations
    assert isinstance(kept, wk.AffineCoordinateTransformation)
    assert np.linalg.det(kept.matrix[:3, :3]) == pytest.approx(1)
    centre = kept.matrix @ (0.5, 0.5, 0.5, 1)
    nanometres = (centre[:3] - 0.5) * tuple(layer.dataset.voxel_size)
    assert np.allclose(nanometres, AFFINE[:, 3] * 1e6, atol=0.5)


@settings(max_examples=20, deadline=None)
@given(
    flips=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    swap=st.booleans(),
    mag=st.sampled_from([1, 2, "2-2-1"]),
    steps=st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)),
    index=st.tuples(st.integers(0, 29), st.integers(0, 19), st.integers(0, 4)),
)
@pytest.mark.filterwarnings("ignore:.*(reverses the|its voxels are):UserWarning")
def test_each_voxel_keeps_its_place_however_it_is_imported(
    tmp_path_factory: pytest.TempPathFactory, flips: Any, swap: bool, mag: Any, steps: Any, index: Any
) -> None:
    """The voxel that holds a value in the layer lies where the file's map has the index of that value."""
    folder = tmp_path_factory.mktemp("place")
    place = nifti(folder / "a.nii")
    values = np.frombuffer(place.read_bytes()[352:], "uint8").reshape(SIZE, order="F")
    factors = np.array(tuple(wk.Mag(mag)))
    dataset = wk.Dataset(folder / "out", voxel_size=(500, 700, 900))
    layer = dataset.add_layer_from_images(
        place, "a", mag=mag, topleft=tuple(int(n) for n in factors * steps), swap_xy=swap,
        flip_x=flips[0], flip_y=flips[1], flip_z=flips[2], keep_transformation=True,
    )  # fmt: skip
    (kept,) = layer.coordinate_transformations
    assert isinstance(kept, wk.AffineCoordinateTransformation)
    own = np.array((index[1], index[0], index[2]) if swap else index)
    size = np.array((SIZE[1], SIZE[0], SIZE[2]) if swap else SIZE)
    seen = np.where(flips, size - 1 - own, own)
    assert layer.get_mag(mag).read()[0][tuple(seen)] == values[index]
    centre = np.array(layer.bounding_box.topleft.to_tuple()) + (seen + 0.5) * factors
    found = ((kept.matrix @ (*centre, 1))[:3] - 0.5) * (500, 700, 900)
    assert np.allclose(found, AFFINE @ (*index, 1) * 1e6, atol=1)
