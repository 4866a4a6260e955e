"""DICOM files of scanners, compared with what pydicom (with its own decoders and Pillow's) finds in them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from wkplug_medical.dicom import DicomReader

from wkplug import registry
from wkplug.abc import ProbeScore
from wkplug.errors import CorruptImageError, UnsupportedImageDataError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ImageReaderSuite, ImageSample

if TYPE_CHECKING:
    from collections.abc import Iterator

REAL = Path(pydicom.__file__).parent / "data" / "test_files"
# What pydicom can only decode with libraries that are not here.
ALONE = {"JPEG-lossy", "JPGExtended", "JPEGLSNearLossless_08", "JPEGLSNearLossless_16", "MR_small_jpeg_ls_lossless",
         "SC_rgb_jls_lossy_line", "SC_rgb_jls_lossy_sample", "SC_rgb_jpeg_gdcm", "GDCMJ2K_TextGBR"}  # fmt: skip
DAMAGED = {"MR_truncated", "SC_rgb_jpeg", "JPEG2000-embedded-sequence-delimiter", "badVR"}


def images() -> list[Path]:
    """The files that have an image."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted(REAL.glob("*.dcm")):
            try:
                dataset = pydicom.dcmread(path, stop_before_pixels=True)
            except pydicom.errors.InvalidDicomError:
                continue
            if dataset.get("Rows"):
                found.append(path)
    return found


def theirs(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path)
        pixels = dataset.pixel_array
        kind = dataset.PhotometricInterpretation
    assert kind  # colours that were YBR have been converted, as far as pydicom does by itself
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind.startswith("YBR_FULL"):
            pixels = pydicom.pixels.pixel_array(path)
    if pixels.ndim == 2 or kind.startswith("MONO"):
        rescaled = pydicom.pixels.apply_rescale(pixels, dataset)
        if rescaled.dtype != pixels.dtype:  # all of these files' slopes and intercepts are whole numbers
            low, high = rescaled.min(), rescaled.max()
            assert np.array_equal(rescaled, rescaled.astype("i4")), (low, high)
            bits = dataset.BitsStored
            pixels = rescaled.astype("i4" if bits == 16 else "i2")
    return pixels.astype(pixels.dtype.newbyteorder("="))


def opened(path: Path) -> Any:
    return DicomReader().open(LocalLocation(path))


@pytest.mark.parametrize("path", [p for p in images() if p.stem not in ALONE | DAMAGED], ids=lambda p: p.stem)
def test_a_real_file_has_the_voxels_that_the_other_library_finds(path: Path) -> None:
    expected = theirs(path)
    with opened(path) as image:
        found = image.read()
        if "s" in image.info.axes:
            found = np.moveaxis(found, image.info.axes.index("s"), -1)
    assert np.array_equal(found, expected)


def test_a_lossless_copy_equals_its_original() -> None:
    with opened(REAL / "MR_small.dcm") as plain, opened(REAL / "MR_small_jpeg_ls_lossless.dcm") as packed:
        assert np.array_equal(plain.read(), packed.read())


@pytest.mark.parametrize("name", sorted(ALONE))
def test_what_only_this_reader_decodes_is_an_image_of_the_right_size(name: str) -> None:
    with opened(REAL / f"{name}.dcm") as image:
        found = image.read()
    assert found.shape == image.info.shape
    assert found.std() > 1


@pytest.mark.parametrize("name", sorted(DAMAGED - {"badVR"}))
def test_a_real_file_that_is_damaged_is_corrupt(name: str) -> None:
    with (
        pytest.raises(CorruptImageError, match="can't be read as DICOM"),
        opened(REAL / f"{name}.dcm") as image,
    ):
        image.read()


class TestDicomReader(ImageReaderSuite):
    reader_factory = "wkplug_medical.dicom:DicomReader"

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        del folder

        def sample(
            name: str, axes: str, size: tuple[float | None, ...] = (None,) * 3, place: float | None = None
        ) -> ImageSample:
            expected = theirs(REAL / name)
            if axes == "syx":
                expected = np.ascontiguousarray(np.moveaxis(expected, -1, 0))
            return ImageSample(path=REAL / name, axes=axes, expected=expected, voxel_size=size, scenes=1,
                               origin=(None, None, place))  # fmt: skip

        yield sample("CT_small.dcm", "yx", (661468.0, 661468.0, 5e6), -75.699997e6)
        yield sample("MR_small_bigendian.dcm", "yx", (312500.0, 312500.0, None), 6.6406e6)
        yield sample("MR_small_jp2klossless.dcm", "yx", (312500.0, 312500.0, None), 6.6406e6)
        yield sample("rtdose.dcm", "zyx", (1e7, 1e7, 5e6))
        yield sample("rtdose_rle.dcm", "zyx", (1e7, 1e7, 5e6))
        yield sample("SC_rgb_rle_2frame.dcm", "qyxs", (1e6, 1e6, None))
        yield sample("SC_rgb_jpeg_dcmtk.dcm", "yxs", (1e6, 1e6, None))
        yield sample("examples_rgb_color.dcm", "yxs")


def test_a_series_can_be_sorted_by_what_is_said() -> None:
    with opened(REAL / "CT_small.dcm") as image:
        assert image.info.details["InstanceNumber"] == 1
        assert len(image.info.details["ImagePositionPatient"]) == 3
        assert image.info.notes == (
            "Values are rescaled as the file says (1 x stored - 1024): int16 as stored, int32 here.",
            "The image runs with x towards the left, y towards the back, z towards the head of the patient; "
            "the affine map has it exactly.",
            "It is one section of a series; a folder of nothing but DICOM files is imported with its sections sorted "
            "by position.",
        )


def test_frames_with_times_are_time() -> None:
    with opened(REAL / "examples_ybr_color.dcm") as image:
        assert image.info.axes == ("t", "y", "x", "s")


def test_files_without_an_image_are_refused() -> None:
    with pytest.raises(UnsupportedImageDataError, match="holds no image"):
        opened(REAL / "reportsi.dcm")


def test_files_without_a_preamble_are_not_claimed() -> None:
    head = (REAL / "no_meta.dcm").read_bytes()[:4096]
    assert DicomReader().probe(LocalLocation(REAL / "no_meta.dcm"), head) == ProbeScore.NO


def test_a_file_that_begins_like_a_tiff_is_dicom_all_the_same() -> None:
    location = LocalLocation(REAL / "CT_small.dcm")
    head = location.read(0, 4096)
    assert head.startswith(b"II*\0")
    assert registry.choose_reader(location, head).name == "dicom"


def test_bits_that_are_no_part_of_a_value_are_cleared(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(REAL / "MR_small.dcm")
    values = np.frombuffer(dataset.PixelData, "<i2") & 0x0FFF
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
    dataset.PixelData = (values | 0x7000).astype("<u2").tobytes()
    dataset.save_as(tmp_path / "a.dcm")
    with opened(tmp_path / "a.dcm") as image:
        assert np.array_equal(image.read().ravel(), values)


def test_forms_that_nobody_decodes_and_odd_sizes_are_refused(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(REAL / "MR_small_jp2klossless.dcm")
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    dataset.save_as(tmp_path / "a.dcm")
    with pytest.raises(
        UnsupportedImageDataError, match=r"has pixels in the form MPEG2 .*, which is not supported"
    ):
        opened(tmp_path / "a.dcm")
    dataset = pydicom.dcmread(REAL / "MR_small.dcm")
    dataset.BitsAllocated = 24
    dataset.save_as(tmp_path / "b.dcm")
    with pytest.raises(UnsupportedImageDataError, match="has pixels of 24 bits, which are not supported"):
        opened(tmp_path / "b.dcm")


@pytest.mark.parametrize(("more", "said"), [(0, 0), (1, 0), (51, 51)])
def test_more_pixels_than_the_frames_have_are_told(tmp_path: Path, more: int, said: int) -> None:
    dataset = pydicom.dcmread(REAL / "MR_small.dcm")
    dataset.Rows, dataset.Columns = 33, 31
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    # An odd number of bytes, which writers pad.
    dataset["PixelData"].VR = "OB"
    dataset.PixelData = bytes(33 * 31 + more)
    dataset.save_as(tmp_path / "a.dcm")
    with opened(tmp_path / "a.dcm") as image:
        told = [note for note in image.info.notes if "behind the last voxel" in note]
        assert told == ([f"{said} bytes behind the last voxel are not read."] if said else [])
        assert image.read().shape == (33, 31)
