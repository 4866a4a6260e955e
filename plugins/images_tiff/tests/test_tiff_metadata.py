"""Voxel sizes, channels and colours of TIFFs: what OME, ImageJ and microscopes' tags say, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sample_files
import tifffile
from PIL import Image as Pillow
from wkplug_tiff.reader import TiffReader

from wkplug.builtin.local import LocalLocation

if TYPE_CHECKING:
    from pathlib import Path

    from wkplug.abc import ImageInfo

DATA = np.zeros((20, 30), "uint8")


def info(path: Path, **options: Any) -> ImageInfo:
    """Write a file with these options of tifffile, and give what the reader says of it."""
    if options:
        tifffile.imwrite(path, options.pop("data", DATA), **{"photometric": "minisblack", **options})
    with TiffReader().open(LocalLocation(str(path))) as image:
        return image.info


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        ((1 / 4e-7, 1 / 8e-7), "CENTIMETER", (4.0, 8.0, None)),
        ((25400, 25400), "INCH", (1000.0, 1000.0, None)),
        ((2540, 2540), "INCH", (None, None, None)),
        ((300, 300), "INCH", (None, None, None)),
        ((118, 118), "CENTIMETER", (None, None, None)),
        ((5, 5), "NONE", (None, None, None)),
    ],
)
def test_resolution_tags_count_where_they_are_finer_than_paper(
    tmp_path: Path, resolution: Any, unit: str, expected: Any
) -> None:
    found = info(tmp_path / "a.tif", resolution=resolution, resolutionunit=unit, metadata=None)
    assert found.voxel_size == pytest.approx(expected)
    paper = [note for note in found.notes if "dots per inch" in note]
    assert bool(paper) == (expected[0] is None and unit != "NONE")
    if expected[0] is not None:
        assert found.details["voxel size from"] == "the resolution tags"


def test_electron_microscopes_say_it_in_tags_of_their_own(tmp_path: Path) -> None:
    zeiss = "\r\n".join(["0", "0", "AP_IMAGE_PIXEL_SIZE", "Image Pixel Size = 16.45 nm", ""])
    found = info(tmp_path / "zeiss.tif", metadata=None, extratags=[(34118, "s", 0, zeiss, True)])
    assert found.voxel_size == (16.45, 16.45, None)
    fei = "[User]\r\nUser=x\r\n[Scan]\r\nPixelWidth=4e-09\r\nPixelHeight=5e-09\r\n"
    found = info(tmp_path / "fei.tif", metadata=None, extratags=[(34682, "s", 0, fei, True)])
    assert found.voxel_size == pytest.approx((4.0, 5.0, None))
    assert found.details["voxel size from"] == "the microscope's tags"


def test_slide_scanners_say_micrometres_per_pixel(tmp_path: Path) -> None:
    description = (
        "Aperio Image Library v11\n20x30 [0,0 20x30] (16x16) JPEG/RGB Q=30|AppMag = 20|MPP = 0.4990|Left = 25"
    )
    found = info(tmp_path / "a.svs", metadata=None, description=description, tile=(16, 16))
    assert found.voxel_size == pytest.approx((499.0, 499.0, None))


def test_every_image_of_an_ome_file_has_its_own_metadata(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        for size, names in ((0.5, ["a", "b"]), (2.0, ["c", "d"])):
            metadata = {
                "axes": "CYX",
                "PhysicalSizeX": size,
                "PhysicalSizeXUnit": "nm",
                "Channel": {"Name": names},
            }
            writer.write(np.stack([DATA, DATA]), metadata=metadata, photometric="minisblack")
    for scene, size, names in ((0, 0.5, ("a", "b")), (1, 2.0, ("c", "d"))):
        with TiffReader().open(LocalLocation(str(tmp_path / "a.ome.tif")), scene=scene) as image:
            assert image.info.voxel_size == (size, None, None)
            assert image.info.channel_names == names


def test_stage_positions_are_told_but_are_no_origin(tmp_path: Path) -> None:
    plane = {"PositionX": [1.5], "PositionXUnit": ["µm"], "PositionY": [-2.0], "PositionYUnit": ["mm"]}
    found = info(tmp_path / "a.ome.tif", metadata={"axes": "YX", "Plane": plane})
    assert found.details["stage_position_nm"] == [1500.0, -2e6, None]
    assert found.origin == (None, None, None)


def test_imagej_colours_and_labels_name_channels(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype="uint8")
    green = np.stack([ramp * 0, ramp, ramp * 0])
    metadata = {
        "axes": "CYX",
        "LUTs": [green, np.stack([ramp] * 3)],
        "Labels": ["GFP", "white"],
        "mode": "color",
    }
    found = info(tmp_path / "a.tif", data=np.stack([DATA, DATA]), imagej=True, metadata=metadata)
    assert found.channel_names == ("GFP", "white")
    assert found.channel_colors == ((0, 255, 0), (255, 255, 255))


def test_an_orientation_is_told_and_not_applied(tmp_path: Path) -> None:
    found = info(tmp_path / "a.tif", extratags=[(274, "H", 1, 6, True)])
    assert found.shape == (20, 30)
    assert "its orientation tag is 6, and is not applied: pixels are as they lie in the file" in found.notes


REAL: dict[str, Any] = {
    # name: axes, voxel size in nanometres
    "test_loading_image_saved_with_imageJ.tif": ("yx", (168.675, 168.675, None)),
    "test_loading_image_saved_with_imageJ_no_scale.tif": ("yx", (None, None, None)),
    "test_loading_image_saved_with_imageJ_stack.tif": ("zyx", (168.675, 168.675, 2500.0)),
    "test_loading_image_saved_with_DM.tif": ("yx", (168.675, 168.675, None)),
    "test_loading_image_saved_with_DM_stack.tif": ("qyx", (168.674, 1686.74, None)),
    "optical_Zeiss_AxioVision_BW.tif": ("yx", (None, None, None)),
    "optical_Zeiss_AxioVision_RGB.tif": ("yxs", (None, None, None)),
    "olympus_SIS.tif": ("yxs", (None, None, None)),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_what_pillow_reads_and_have_the_voxel_size_of_their_program(name: str) -> None:
    home = sample_files.debian_package("python3-hyperspy")
    path = home / "usr/lib/python3/dist-packages/hyperspy/tests/io/tiff_files" / name
    axes, voxel_size = REAL[name]
    with TiffReader().open(LocalLocation(str(path))) as image, Pillow.open(path) as other:
        assert "".join(image.info.axes) == axes
        assert [v and round(v, 3) for v in image.info.voxel_size] == [v and round(v, 3) for v in voxel_size]
        found = image.read()
        for number, page in enumerate(found if axes[0] in "qz" else [found]):
            other.seek(number)
            assert np.array_equal(page, np.asarray(other))
