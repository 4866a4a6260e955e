"""KNOSSOS folders, written as KNOSSOS writes them."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from wkplug_knossos.importing import KnossosImage, KnossosImporter

import wkplug as wk
from wkplug import storage
from wkplug.abc import ProbeScore
from wkplug.errors import CorruptDataError, CorruptImageError, MissingError, UnlistableError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.servers.files import FileServer


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


def convert(folder: Path, **options: Any) -> wk.Dataset:
    return wk.Dataset.from_images(folder, folder.parent / "out", (11, 11, 25), **options)


def test_cubes_missing_at_the_edges_are_told_by_the_boundary(tmp_path: Path) -> None:
    write(tmp_path / "em", {(1, 0, 0): cube(0), (2, 0, 0): cube(1)})
    conf = tmp_path / "em" / "knossos.conf"
    told = (
        "2 of 4 cubes that the boundary 512 x 128 x 128 spans are missing before the first or behind the last that is "
        "there: the layer has no voxels in their place."
    )
    for boundary, expected in (("boundary y 128;\nboundary z 128;\n", [told]), ("", [])):
        conf.write_text("boundary x 512;\n" + boundary)
        assert list(KnossosImage(storage.locate(tmp_path / "em")).findings()) == expected


@pytest.mark.filterwarnings("ignore:.*1 of 3 cubes is shorter")
def test_short_and_missing_cubes_are_told_with_numbers(tmp_path: Path) -> None:
    write(tmp_path / "em", {(0, 0, 0): cube(0), (1, 0, 0): cube(1), (1, 1, 0): cube(2)})
    short = next((tmp_path / "em" / "x0001" / "y0001").rglob("*.raw"))
    short.write_bytes(short.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="1 of 4 cubes between the outermost is missing, and is zero"):
        dataset = convert(tmp_path / "em")
    told = (
        "1 of 3 cubes is shorter than 2,097,152 bytes (em_x0001_y0001_z0000.raw: 1,000): "
        "the 2,096,152 voxels that are missing are zero"
    )
    assert told in str(dataset.import_report)
    found = dataset.get_layer("color").get_mag(1).read()[0]
    np.testing.assert_array_equal(found[128:, :128], cube(1))


def test_cubes_that_are_too_long_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    write(tmp_path / "em", {(x, 0, 0): np.zeros((1, 1, 128**3), "uint8") for x in range(10)})
    longest = next((tmp_path / "em" / "x0009").rglob("*.raw"))
    longest.write_bytes(bytes(128**3 + 1))
    with pytest.raises(CorruptDataError, match="has 2097153 bytes; those of its neighbours have 2097152"):
        convert(tmp_path / "em")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", ["jpg", "seg.sz.zip", "raw.gz"])
def test_cubes_in_other_encodings_are_refused(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / "em", {(0, 0, 0): cube(0), (1, 0, 0): cube(1)})
    other = next((tmp_path / "em" / "x0001").rglob("*.raw"))
    other.rename(other.with_suffix(f".{suffix}"))
    with pytest.raises(
        CorruptDataError, match=rf"1 of the cubes in .*em are stored .* such as em_x0001_.*{suffix}:"
    ):
        convert(tmp_path / "em")


def test_the_boundary_cuts_the_volume(tmp_path: Path) -> None:
    write(tmp_path / "em_mag1", {(x, y, 0): cube(x + 2 * y) for x in range(2) for y in range(2)})
    write(tmp_path / "em_mag2", {(0, 0, 0): cube(9)})
    conf = tmp_path / "knossos.conf"
    conf.write_text(
        "boundary x 200;\nboundary y 130;\nboundary z 101;\nscale x 10;\nscale y 10;\nscale z 20;\n"
    )
    (layer,) = KnossosImporter().describe(storage.locate(tmp_path))
    first, second = (KnossosImporter().open(mag) for mag in layer.mags)
    assert (first.info.shape, second.info.shape) == ((200, 130, 101), (100, 65, 51))
    columns = [np.concatenate([cube(x + 2 * y) for y in range(2)], 1) for x in range(2)]
    whole = np.concatenate(columns, 0)
    np.testing.assert_array_equal(first.read(), whole[:200, :130, :101])
    np.testing.assert_array_equal(first.read(((190, 0, 0), (10, 130, 101))), whole[190:200, :130, :101])
    conf.write_text("boundary x 0.5;\n")
    with pytest.raises(CorruptDataError, match=r"knossos.conf of .* is damaged: boundary x is 0\.5"):
        KnossosImporter().describe(storage.locate(tmp_path))
    write(tmp_path / "far", {(3, 0, 0): cube(0)})
    (tmp_path / "far" / "knossos.conf").write_text("boundary x 200;\n")
    with pytest.raises(
        CorruptDataError, match=r"begin at voxel \(384, 0, 0\), beyond the boundary \(200, None, None\)"
    ):
        KnossosImporter().describe(storage.locate(tmp_path / "far"))


def test_a_coarser_magnification_alone_keeps_its_mag(tmp_path: Path) -> None:
    write(tmp_path / "em_mag2", {(0, 0, 0): cube(0)})
    (tmp_path / "em_mag2" / "knossos.conf").write_text(
        "scale x 20;\nscale y 20;\nscale z 50;\nmagnification 2;\nboundary x 100;\n"
    )
    for folder in (tmp_path, tmp_path / "em_mag2"):
        (layer,) = KnossosImporter().describe(storage.locate(folder))
        assert (layer.voxel_size, layer.mags[0].mag) == ((10.0, 10.0, 25.0), (2, 2, 2))
        assert KnossosImporter().open(layer.mags[0]).info.shape == (100, 128, 128)
    dataset = convert(tmp_path / "em_mag2")
    assert list(dataset.get_layer("color").mags) == [wk.Mag(2)]
    # The configuration says it, too, where the folder's name doesn't.
    (tmp_path / "em_mag2").rename(tmp_path / "em")
    (layer,) = KnossosImporter().describe(storage.locate(tmp_path / "em"))
    assert (layer.voxel_size, layer.mags[0].mag) == ((10.0, 10.0, 25.0), (2, 2, 2))


def test_cubes_may_have_another_edge(tmp_path: Path) -> None:
    voxels = np.random.default_rng(4).integers(0, 200, (64, 64, 64)).astype("uint16")
    write(tmp_path / "em", {(1, 0, 0): voxels})
    (tmp_path / "em" / "knossos.conf").write_text("cube_edge_length 64;\n")
    image = KnossosImage(storage.locate(tmp_path / "em"))
    assert (image.origin, image.info.dtype) == ((64, 0, 0), "uint16")
    np.testing.assert_array_equal(image.read(), voxels)


def test_cubes_that_a_web_server_leaves_out_are_no_gaps(tmp_path: Path, file_server: FileServer) -> None:
    write(file_server.folder, {(0, 0, 0): cube(0)})  # others may be there, which it doesn't name
    place = storage.locate(f"{file_server.url}/")
    assert KnossosImporter().probe(place) is ProbeScore.CERTAIN
    with pytest.raises(UnlistableError, match="web servers don't tell for certain what they have") as told:
        KnossosImporter().describe(place)
    assert "Copy it from an object store or a disk, where all files can be listed." in str(told.value)
    with pytest.raises(UnlistableError):
        wk.Dataset.from_images(place.url, tmp_path / "ds", (1, 1, 1))
