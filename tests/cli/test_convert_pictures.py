"""What a user is told of TIFFs and pictures: by `wkplug convert --dry-run`, and the same by `wkplug inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from wkplug.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLANE = np.random.default_rng(0).integers(1, 255, (40, 60)).astype("uint8")
PLAIN: dict[str, Any] = {"photometric": "minisblack", "metadata": None}


def pages(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for data in (PLANE, PLANE[:10, :15].copy(), PLANE):
            file.write(data, **PLAIN)


def thumbnail(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(PLANE[:10, :15].copy(), subfiletype=1, **PLAIN)
        file.write(PLANE, **PLAIN)


def planes(path: Path) -> None:
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYZCT" Type="uint8" SizeX="60" SizeY="40" SizeZ="6" SizeC="1" SizeT="1"><TiffData/>'
        "</Pixels></Image></OME>"
    )
    tifffile.imwrite(path, np.stack([PLANE] * 4), description=xml, **PLAIN)


def turned(path: Path) -> None:
    exif = Pillow.Exif()
    exif[274] = 6
    Pillow.fromarray(PLANE).save(path, exif=exif)


def palette(path: Path) -> None:
    picture = Pillow.fromarray(PLANE % 4).convert("P")
    picture.putpalette(range(12))
    picture.save(path)


def inks(path: Path) -> None:
    data = np.stack([PLANE] * 4, 2)
    tifffile.imwrite(path, data, photometric="separated", planarconfig="contig", metadata=None)


@pytest.mark.parametrize(
    ("make", "name", "size", "told"),
    [
        (
            pages,
            "a.tif",
            "(60, 40, 2)",
            "1 page lies between those of 60 x 40 (1, counted from 0) and of another size",
        ),
        (thumbnail, "a.tif", "(60, 40, 1)", "its version of reduced resolution (15 x 10) is left out"),
        (planes, "a.ome.tif", "(60, 40, 6)", "2 of its 6 planes are in no file, and read as zeros"),
        (
            turned,
            "a.jpg",
            "(40, 60, 1)",
            "turned by 90 degrees clockwise, as its orientation tag (6) asks for",
        ),
        (palette, "a.png", "(60, 40, 1)", "its values are indices into a palette of 4 colours"),
        (inks, "a.tif", "(60, 40, 1)", "its inks (CMYK) are converted to red, green and blue"),
    ],
)
def test_what_is_not_as_it_is_in_the_file_is_told_before_anything_is_written(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[Path], None],
    name: str,
    size: str,
    told: str,
) -> None:
    make(tmp_path / name)
    source = str(tmp_path / name)
    arguments = [source, str(tmp_path / "out"), "--voxel-size", "1,1,1", "--category", "color", "--dry-run"]
    assert main(["convert", *arguments]) == 0
    output = capsys.readouterr().out
    assert f"bounding box (0, 0, 0) + {size}" in output
    assert told in output
    assert main(["inspect", source]) == 0
    assert told in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_an_exported_stack_is_converted_without_a_voxel_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import wkplug as wk

    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(11.24, 11.24, 25))
    dataset.write_layer("em", "color", np.random.default_rng(0).integers(0, 255, (50, 40, 5), "uint8"))
    assert main(["export-as-tiff", str(tmp_path / "ds"), str(tmp_path / "stack"), "--layer-name", "em"]) == 0
    capsys.readouterr()
    assert main(["convert", str(tmp_path / "stack"), str(tmp_path / "again"), "--no-downsample"]) == 0
    assert wk.Dataset.open(tmp_path / "again").voxel_size == pytest.approx((11.24, 11.24, 25))
