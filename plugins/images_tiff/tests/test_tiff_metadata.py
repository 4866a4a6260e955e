"""Voxel sizes, channels and colours of TIFFs: what OME, ImageJ and microscopes' tags say, and nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sample_files
import tifffile
from PIL import Image as Pillow
from wkplug_tiff.makers import maker_channels, maker_sizes
from wkplug_tiff.reader import TiffReader

from wkplug.filesystems.local import LocalLocation

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


def zeiss(tmp_path: Path, **tags: str) -> Any:
    """What is found in a file of 30 pixels across with these tags of Zeiss, without the notes about paper."""
    names = {"image_pixel": "Image Pixel Size", "pixel": "Pixel Size", "width": "Width"}
    keys = {"image_pixel": "AP_IMAGE_PIXEL_SIZE", "pixel": "AP_PIXEL_SIZE", "width": "AP_WIDTH"}
    lines = ["0", "0"]
    for name, value in tags.items():
        lines += [keys[name], f"{names[name]} = {value}"]
    text = "\r\n".join([*lines, ""])
    found = info(tmp_path / "zeiss.tif", metadata=None, extratags=[(34118, "s", 0, text, True)])
    return found.voxel_size, found.notes


def test_the_pixel_size_that_agrees_with_the_width_counts(tmp_path: Path) -> None:
    assert zeiss(tmp_path, image_pixel="10 nm", pixel="10.0 nm", width="300.1 nm") == ((10, 10, None), ())
    size, (note,) = zeiss(tmp_path, image_pixel="20 nm", pixel="10 nm", width="0.3 um")
    assert size == (10, 10, None)
    assert note == (
        "its tags disagree about the size of a pixel (ap_image_pixel_size is 20 nm, ap_pixel_size is 10 nm, "
        "ap_width / 30 is 10 nm); ap_pixel_size is taken"
    )
    size, (note,) = zeiss(tmp_path, pixel="5 nm", width="300 nm")
    assert size == pytest.approx((10, 10, None))
    assert note.endswith("ap_width / 30 is 10 nm); ap_width / 30 is taken")
    assert zeiss(tmp_path, width="300 nm") == ((10, 10, None), ())
    size, (note,) = zeiss(tmp_path, image_pixel="20 nm", pixel="10 nm")
    assert (size, "ap_image_pixel_size is taken" in note) == ((20, 20, None), True)


def test_the_field_of_view_of_other_makers_counts_as_well(tmp_path: Path) -> None:
    fei = "[Scan]\r\nPixelWidth=4e-09\r\nPixelHeight=5e-09\r\nHorFieldsize={}\r\n"
    for field, size, told in ((1.2e-7, (4.0, 5.0, None), 0), (2.4e-7, (8.0, 10.0, None), 1)):
        tags = [(34682, "s", 0, fei.format(field), True)]
        found = info(tmp_path / "fei.tif", metadata=None, extratags=tags)
        assert found.voxel_size == pytest.approx(size)
        assert sum("Scan.HorFieldsize / 30" in note for note in found.notes) == told


def test_channels_of_a_confocal_file_have_its_names_and_colours() -> None:
    told = {"ColorNames": ["Ch1", "ChD"], "Colors": [[255, 0, 0, 0], [0, 128, 255, 0]], "Mono": False}
    file = SimpleNamespace(lsm_metadata={"ChannelColors": told})
    assert maker_channels(file) == (("Ch1", "ChD"), ((255, 0, 0), (0, 128, 255)))
    assert maker_channels(SimpleNamespace(lsm_metadata=None)) == ((), ())


def test_uneven_distances_of_sections_are_told() -> None:
    stack = {"XCalibration": 0.5, "YCalibration": 0.5, "CalibrationUnits": "um"}
    file = SimpleNamespace(lsm_metadata=None, stk_metadata={**stack, "ZDistance": np.array([0.0, 0.3, 0.3])})
    assert maker_sizes(file) == (pytest.approx((500.0, 500.0, 300.0)), ())
    file.stk_metadata["ZDistance"] = np.array([0.3, 0.3, 0.6])
    sizes, (note,) = maker_sizes(file)
    assert sizes == pytest.approx((500.0, 500.0, 300.0))
    assert note == "its sections are 0.3 to 0.6 micrometres apart; the first distance, 0.3, is taken for all"


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


def imagej(path: Path, data: Any = DATA, **metadata: Any) -> ImageInfo:
    options = {"imagej": True, "resolution": (4.0, 125.0), "metadata": metadata}
    return info(path, data=data, **options)


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ({"unit": "um", "yunit": "nm", "zunit": "nm"}, (250.0, 0.008, 30.0)),
        ({"unit": "nm", "zunit": "um"}, (0.25, 0.008, 30000.0)),
        ({"unit": "um", "yunit": "parsec"}, (250.0, None, 30000.0)),
        ({"unit": "um"}, (250.0, 8.0, 30000.0)),
    ],
)
def test_each_axis_of_an_imagej_file_has_its_own_unit(tmp_path: Path, units: Any, expected: Any) -> None:
    found = imagej(tmp_path / "a.tif", np.stack([DATA] * 3), axes="ZYX", spacing=30.0, **units)
    assert found.voxel_size == pytest.approx(expected)


def test_units_of_an_ome_file_differ_by_axis(tmp_path: Path) -> None:
    sizes = {"PhysicalSizeX": 2, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 3, "PhysicalSizeYUnit": "mm"}
    found = info(tmp_path / "a.ome.tif", metadata={"axes": "YX", **sizes, "PhysicalSizeZ": 0.5})
    assert found.voxel_size == pytest.approx((2.0, 3e6, 500.0))


def test_a_negative_spacing_is_a_distance_and_told(tmp_path: Path) -> None:
    found = imagej(tmp_path / "a.tif", np.stack([DATA] * 3), axes="ZYX", spacing=-0.5, unit="um")
    assert found.voxel_size[2] == 500.0
    assert found.notes == (
        "its spacing along z is negative (-0.5 um): sections are taken in the order of the file, "
        "and that distance apart",
    )


def test_imagej_says_which_values_are_shown(tmp_path: Path) -> None:
    data = np.zeros((2, 20, 30), "uint16")
    found = imagej(tmp_path / "a.tif", data, axes="CYX", Ranges=(10.0, 200.0, 5.0, 5.0))
    assert found.channel_ranges == ((10.0, 200.0), None)
    assert imagej(tmp_path / "b.tif", data[0], axes="YX", min=3.0, max=90.0).channel_ranges == ((3.0, 90.0),)
    labels = [f"c:{c}/2 z:{z}/3 - {name}" for z in (1, 2, 3) for c, name in ((1, "GFP"), (2, "DAPI"))]
    found = imagej(tmp_path / "c.tif", np.stack([data] * 3), axes="ZCYX", Labels=labels)
    assert found.channel_names == ("GFP", "DAPI")
    found = imagej(tmp_path / "d.tif", np.stack([data] * 3), axes="ZCYX", Labels=[*labels[:-1], "other"])
    assert found.channel_names == ()


@pytest.mark.parametrize("number", [6, 3])
def test_an_orientation_is_applied_and_told(tmp_path: Path, number: int) -> None:
    options: dict[str, Any] = {"resolution": (1 / 4e-7, 1 / 8e-7), "resolutionunit": "CENTIMETER"}
    tags = [(274, "H", 1, number, True)]
    found = info(tmp_path / "a.tif", extratags=tags, metadata=None, tile=(16, 32), **options)
    exchanged = number == 6
    assert found.shape == ((30, 20) if exchanged else (20, 30))
    assert found.block_shape == ((30, 16) if exchanged else (16, 30))
    assert found.voxel_size == pytest.approx((8.0, 4.0, None) if exchanged else (4.0, 8.0, None))
    assert any(f"as its orientation tag ({number}) asks for" in note for note in found.notes)


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
