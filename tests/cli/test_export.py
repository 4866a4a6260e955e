"""`wkplug export` and `wkplug export-as-tiff`, run as commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result

import wkplug as wk
from wkplug.cli.main import cli, main

# Most layers here lie away from the dataset's corner, or are segmentations: that is told, see the round trips.
pytestmark = pytest.mark.filterwarnings(r"ignore:\[WARNING\] Whoever reads:UserWarning")


@pytest.fixture
def voxels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    monkeypatch.chdir(tmp_path)
    layer = wk.Dataset("ds", voxel_size=(4, 4, 40)).add_layer(
        "color", "color", bounding_box=wk.BoundingBox((10, 20, 30), (40, 30, 5))
    )
    voxels = np.random.default_rng(0).integers(0, 255, (40, 30, 5)).astype("uint8")
    layer.add_mag(1).write(voxels, absolute_offset=(10, 20, 30))
    return voxels


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_the_targets_suffix_or_the_option_names_the_exporter(voxels: np.ndarray) -> None:
    for arguments in (
        ("a.ozx",),
        ("a.n5",),
        ("a.ome.tif", "--no-downsample"),
        ("b", "--format", "precomputed"),
    ):
        result = run("export", "ds", *arguments)
        assert result.exit_code == 0, result.output
        assert f"Wrote {arguments[0]}" in result.stdout
    np.testing.assert_array_equal(tifffile.imread("a.ome.tif").T, voxels)
    assert "info" in names("b")


def test_sections_become_files_numbered_from_the_box_on(voxels: np.ndarray) -> None:
    assert run("export-as-tiff", "ds", "all").exit_code == 0
    assert names("all") == [f"{z:06d}.tiff" for z in range(5)]
    np.testing.assert_array_equal(tifffile.imread("all/000002.tiff").T, voxels[:, :, 2])
    result = run(
        "export-wkw-as-tiff", "ds", "part", "--bbox", "15,20,32,8,9,2", "--name", "em", "--batch-size", "1"
    )
    assert result.exit_code == 0, result.output
    assert names("part") == ["em_000000.tiff", "em_000001.tiff"]
    np.testing.assert_array_equal(tifffile.imread("part/em_000001.tiff").T, voxels[5:13, :9, 3])


def test_tiles_and_smaller_planes(voxels: np.ndarray) -> None:
    assert run("export-as-tiff", "ds", "tiles", "--tile-size", "16,20").exit_code == 0
    assert names("tiles") == ["0", "1", "2", "3", "4"]
    np.testing.assert_array_equal(tifffile.imread("tiles/3/2/1.tiff")[:10].T, voxels[:16, 20:, 3])
    assert run("export-as-tiff", "ds", "uneven", "--tile-size", "17,17").exit_code == 0
    assert names("uneven/0/1") == ["1.tiff", "2.tiff", "3.tiff"]
    assert run("export-as-tiff", "ds", "few", "--tiles-per-dimension", "2").exit_code == 0
    assert tifffile.imread("few/0/1/1.tiff").shape == (15, 20)
    assert run("export-as-tiff", "ds", "small", "--downsample", "2").exit_code == 0
    assert tifffile.imread("small/000000.tiff").shape == (15, 20)


@pytest.mark.filterwarnings("always:.*has no effect")
@pytest.mark.usefixtures("voxels")
def test_a_name_that_tiles_cannot_have_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for folder, tiles in (("a", ["--tile-size", "17"]), ("b", ["--tiles-per-dimension", "2,2"])):
        assert main(["export-as-tiff", "ds", folder, "--name", "N", *tiles]) == 0
        assert "Warning: --name has no effect: tiles are called z/y/x.tiff." in capsys.readouterr().err
        assert names(folder) == ["0", "1", "2", "3", "4"]
    layer = wk.Dataset.open("ds").get_layer("color")
    with pytest.raises(wk.errors.InvalidArgumentError) as caught:
        layer.export.as_tiff_stack(output_path="c", filename_prefix="N", tile_size=17)
    assert str(caught.value) == (
        "filename_prefix is 'N', but tiles have no names of their own: they are z/y/x.tiff.\n"
        "  Leave filename_prefix out, or put it into the path of the target."
    )
    assert not Path("c").exists()


@pytest.mark.usefixtures("voxels")
def test_what_is_there_is_not_overwritten_unasked() -> None:
    assert run("export", "ds", "a.ozx").exit_code == 0
    result = run("export", "ds", "a.ozx")
    assert result.exit_code == 1
    assert "There is already something at" in str(result.exception)
    assert run("export", "ds", "a.ozx", "--overwrite-existing", "--mag", "1").exit_code == 0


@pytest.mark.usefixtures("voxels")
def test_wrong_wishes_name_the_choices() -> None:
    assert "is not six numbers such as" in run("export", "ds", "a.n5", "--bbox", "1,2,3").output
    assert run("export", "ds", "a.n5", "--bbox", "1,2,3").exit_code == 2
    wk.Dataset.open("ds").add_layer("seg", "segmentation")
    result = run("export", "ds", "a.n5")
    assert result.exit_code == 2
    assert "the dataset has the layers color, seg" in result.output
    assert run("export", "ds", "a.n5", "--layer-name", "color").exit_code == 0
