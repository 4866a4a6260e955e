"""KNOSSOS folders, written as KNOSSOS writes them."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from wkplug_knossos.importing import KnossosImage, KnossosImporter

from wkplug import storage
from wkplug.abc import ProbeScore
from wkplug.errors import CorruptDataError, CorruptImageError, MissingError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def write(folder: Path, cubes: dict[tuple[int, int, int], NDArray[Any]], name: str = "em") -> None:
    for (x, y, z), cube in cubes.items():
        place = folder / f"x{x:04d}" / f"y{y:04d}" / f"z{z:04d}"
        place.mkdir(parents=True)
        (place / f"{name}_x{x:04d}_y{y:04d}_z{z:04d}.raw").write_bytes(cube.tobytes("F"))


def cube(seed: int, dtype: str = "uint8") -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, 200, (128, 128, 128)).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_cubes_lie_where_their_numbers_say(tmp_path: Path, dtype: str) -> None:
    first, second = cube(0, dtype), cube(1, dtype)
    write(tmp_path, {(2, 1, 0): first, (3, 1, 1): second})
    image = KnossosImage(storage.locate(tmp_path))
    assert (image.info.shape, image.info.dtype, image.origin) == ((256, 128, 256), dtype, (256, 128, 0))
    whole = np.zeros((256, 128, 256), dtype)
    whole[:128, :, :128], whole[128:, :, 128:] = first, second
    np.testing.assert_array_equal(image.read(), whole)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(image)).read(((100, 5, 120), (60, 20, 30))), whole[100:160, 5:25, 120:150]
    )


def test_short_cubes_are_filled_up_and_long_ones_are_errors(tmp_path: Path) -> None:
    voxels = cube(0)
    write(tmp_path, {(0, 0, 0): voxels, (1, 0, 0): voxels})
    short = next((tmp_path / "x0001").rglob("*.raw"))
    short.write_bytes(short.read_bytes()[:1000])
    image = KnossosImage(storage.locate(tmp_path))
    found = image.read(((128, 0, 0), (128, 128, 128))).ravel("F")
    np.testing.assert_array_equal(found[:1000], voxels.ravel("F")[:1000])
    assert not found[1000:].any()
    short.write_bytes(bytes(128**3 * 9))
    with pytest.raises(CorruptImageError, match=r"has 18874368 bytes; those of its neighbours have 2097152"):
        image.read()
    with pytest.raises(CorruptDataError, match="more than 128 x 128 x 128 voxels of 8 bytes"):
        KnossosImage(storage.locate(tmp_path))


def test_magnifications_and_the_configuration_are_described(tmp_path: Path) -> None:
    write(tmp_path / "em_mag1", {(1, 0, 0): cube(0)})
    write(tmp_path / "em_mag2", {(0, 0, 0): cube(1)})
    (tmp_path / "knossos.conf").write_text(
        'experiment name "cortex";\nboundary x 256;\nscale x 11.24;\nscale y 11.24;\nscale z 25.0;\nmagnification 1;\n'
    )
    importer, place = KnossosImporter(), storage.locate(tmp_path)
    assert importer.probe(place) == ProbeScore.CERTAIN
    (layer,) = importer.describe(place)
    assert (layer.name, layer.voxel_size, layer.offset) == ("cortex", (11.24, 11.24, 25.0), (128, 0, 0))
    assert [mag.mag for mag in layer.mags] == [(1, 1, 1), (2, 2, 2)]
    np.testing.assert_array_equal(importer.open(layer.mags[1]).read(), cube(1))


def test_other_folders_are_told_apart(tmp_path: Path) -> None:
    importer, place = KnossosImporter(), storage.locate(tmp_path)
    (tmp_path / "x0000" / "y0000").mkdir(parents=True)
    assert importer.probe(place) == ProbeScore.NO
    with pytest.raises(MissingError, match="no KNOSSOS cubes in"):
        importer.describe(place)
    write(tmp_path, {(1, 0, 0): cube(0)})
    folder = next(tmp_path.rglob("*.raw")).parent
    (folder / "second.raw").write_bytes(b"")
    with pytest.raises(CorruptDataError, match="has 2 cubes, but one belongs there"):
        importer.describe(place)
