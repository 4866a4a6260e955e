"""Folders of DICOM files, written by pydicom in any order and shape, compared with numpy and with nibabel's reader."""

from __future__ import annotations

import gzip
import pickle
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset as Header
from pydicom.dataset import FileDataset
from sample_files import second_reader
from wkplug_medical.dicom import DicomReader
from wkplug_medical.dicom_importer import DicomImporter

import wkplug as wk
from wkplug.abc import ForeignLayer, ProbeScore
from wkplug.cli.main import main
from wkplug.errors import CorruptImageError, UnsupportedImageDataError
from wkplug.filesystems.local import LocalLocation
from wkplug.ops import images

if TYPE_CHECKING:
    from collections.abc import Sequence

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it calls itself experimental
    from nibabel.nicom.dicomwrappers import wrapper_from_file

REAL = Path(pydicom.__file__).parent / "data" / "test_files"
NIBABEL = Path(nibabel.__file__).parent / "nicom" / "tests" / "data"
UID = "1.2.826.0.1.3680043.8.498."
CT, ENHANCED_MR, REPORT = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.88.11",
)
AXIAL = (1, 0, 0, 0, 1, 0)


def written(path: Path, pixels: Any, **values: Any) -> Path:
    """Write one file; `values` replace or (None) leave out those of an axial CT of 0.5 x 0.25 mm."""
    pixels = np.asarray(pixels)
    header = FileDataset(str(path), {}, preamble=b"\0" * 128)
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = values.get("SOPClassUID", CT)
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = pydicom.uid.generate_uid()
    said = {
        "SOPClassUID": CT, "Modality": "CT", "SeriesInstanceUID": f"{UID}1", "SeriesNumber": 1,
        "SeriesDescription": "Thorax", "InstanceNumber": None, "ImageOrientationPatient": AXIAL,
        "PixelSpacing": [0.5, 0.25],
        "Rows": pixels.shape[-2], "Columns": pixels.shape[-1], "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": pixels.itemsize * 8, "BitsStored": pixels.itemsize * 8, "HighBit": pixels.itemsize * 8 - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"), **values,
    }  # fmt: skip
    for name, value in said.items():
        if value is not None:
            setattr(header, name, list(value) if isinstance(value, tuple) else value)
    header.PixelData = pixels.tobytes()
    header.save_as(path, enforce_file_format=True)
    return path


def series(
    folder: Path, places: Sequence[float], order: Sequence[int] | None = None, **values: Any
) -> list[Any]:
    """Write a section at each place along z, named in another order; gives the pixels by place."""
    folder.mkdir(parents=True, exist_ok=True)
    planes = [np.full((3, 4), 10 * number + 1, "u2") for number in range(len(places))]
    for name, number in enumerate(order or range(len(places))):
        written(folder / f"{name:03}", planes[number], ImagePositionPatient=(0, 0, places[number]), **values)
    return planes


def described(folder: Path) -> tuple[ForeignLayer, ...]:
    return DicomImporter().describe(LocalLocation(folder))


def voxels(layer: ForeignLayer) -> Any:
    with DicomImporter().open(layer.mags[0]) as image:
        return image.read()


def image_of(layer: ForeignLayer) -> Any:
    return DicomImporter().open(layer.mags[0])


@settings(max_examples=15, deadline=None)
@given(
    order=st.permutations(range(6)), missing=st.sets(st.integers(1, 4), max_size=2), step=st.floats(0.5, 8)
)
def test_sections_lie_where_their_positions_say(
    tmp_path_factory: Any, order: list[int], missing: set[int], step: float
) -> None:
    folder = tmp_path_factory.mktemp("series")
    there = [number for number in range(6) if number not in missing]
    counted = [number for number in order if number in there]
    expected = np.zeros((6, 3, 4), "u2")
    for name, number in enumerate(counted):
        expected[number] = 7 * number + 1
        written(folder / f"{name}.dcm", expected[number], ImagePositionPatient=(0, 0, -20 + step * number))
    (layer,) = described(folder)
    if missing == {1, 3}:
        return  # 0 2 4 5: as well sections of double thickness and one between; tested by itself
    assert np.array_equal(voxels(layer), expected)
    assert layer.voxel_size == (pytest.approx(0.25e6), pytest.approx(0.5e6), pytest.approx(step * 1e6))
    told = [note for note in layer.notes if "missing" in note]
    assert len(told) == bool(missing)
    if missing:
        assert told[0].startswith(f"{len(missing)} section")


def test_gaps_are_told_with_numbers(tmp_path: Path) -> None:
    series(tmp_path, [0, 2.5, 5, 12.5, 15])
    (layer,) = described(tmp_path)
    assert "2 sections are missing, and zero here: 2 between 5 and 12.5 mm along the normal." in layer.notes
    assert voxels(layer)[:, 0, 0].tolist() == [1, 11, 21, 0, 0, 31, 41]


def test_uneven_steps_are_told(tmp_path: Path) -> None:
    series(tmp_path, [0, 1, 2.4, 3.1])
    (layer,) = described(tmp_path)
    assert any(
        note.startswith("The sections are not evenly spaced (0.7 to 1.4 mm, at 0, 1, 2.4, 3.1 mm)")
        for note in layer.notes
    )
    assert voxels(layer).shape == (4, 3, 4)


def test_each_series_is_a_layer_with_its_own_name(tmp_path: Path) -> None:
    series(tmp_path / "a", [0, 1, 2], [2, 0, 1])
    series(tmp_path / "b" / "c", [0, 2], SeriesInstanceUID=f"{UID}2", SeriesNumber=2)
    series(tmp_path / "d", [0, 2], SeriesInstanceUID=f"{UID}3", SeriesNumber=3, SeriesDescription=None)
    layers = described(tmp_path)
    assert [layer.name for layer in layers] == ["Thorax 1", "Thorax 2", "series 3"]
    assert [voxels(layer)[:, 0, 0].tolist() for layer in layers] == [[1, 11, 21], [1, 11], [1, 11]]


def test_sizes_and_orientations_of_a_series_are_apart(tmp_path: Path) -> None:
    series(tmp_path / "axial", [0, 1])
    series(tmp_path / "coronal", [0, 1], ImageOrientationPatient=(1, 0, 0, 0, 0, -1))
    written(tmp_path / "large", np.ones((5, 6), "u2"), ImagePositionPatient=(0, 0, 9))
    names = [layer.name for layer in described(tmp_path)]
    assert names == ["Thorax axial 4x3", "Thorax axial 6x5", "Thorax coronal"]


def test_slopes_are_applied_section_by_section(tmp_path: Path) -> None:
    stored = np.arange(12, dtype="u2").reshape(3, 4)
    for number, slope in enumerate((0.5, 0.25, 2)):
        written(tmp_path / f"{9 - number}", stored, ImagePositionPatient=(0, 0, number), RescaleSlope=slope,
                RescaleIntercept=-1)  # fmt: skip
    (layer,) = described(tmp_path)
    assert np.array_equal(
        voxels(layer), np.stack([stored * float(s) - 1 for s in (0.5, 0.25, 2)]).astype("f4")
    )
    assert layer.notes[0] == (
        "Values are rescaled as the file says (each section by its own, from 0.25 x stored - 1 to 2 x stored - 1): "
        "uint16 as stored, float32 here."
    )


@pytest.mark.parametrize(
    ("bits", "signed", "slope", "intercept", "dtype"),
    [
        (12, False, 1, -1024, "int16"),
        (16, False, 1, -1024, "int32"),
        (12, True, 1, 0, "int16"),
        (8, False, 4, 0, "uint16"),
        (16, False, 0.1, 0, "float32"),
        (16, False, 1e-3, 1e9, "float64"),
    ],
)
def test_rescaled_values_have_a_dtype_that_holds_them(
    tmp_path: Path, bits: int, signed: bool, slope: float, intercept: float, dtype: str
) -> None:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    stored = np.array([[low, high]], "i2" if signed else "u2")
    written(tmp_path / "a", stored, BitsStored=bits, HighBit=bits - 1, RescaleSlope=slope, RescaleIntercept=intercept,
            ImagePositionPatient=(0, 0, 0))  # fmt: skip
    (layer,) = described(tmp_path)
    found = voxels(layer)
    assert found.dtype == dtype
    assert found.ravel() == pytest.approx(stored.ravel().astype("f8") * slope + intercept, rel=1e-6)
    with DicomReader().open(LocalLocation(tmp_path / "a")) as image:
        assert np.array_equal(image.read(), found[0])
        assert image.info.dtype == dtype


def test_files_that_are_no_folder_lie_where_they_say_too(tmp_path: Path) -> None:
    series(tmp_path / "in", (9, 3, 6), (2, 0, 1))
    series(tmp_path / "in" / "b", (0, 3), SeriesInstanceUID=f"{UID}2", SeriesDescription="Knee")
    for path in (tmp_path / "in" / "b").iterdir():
        path.rename(tmp_path / "in" / f"1{path.name}")
    plan = images.plan_import(
        f"{tmp_path}/in/*",
        tmp_path / "out",
        images.DatasetOptions(voxel_size=(1, 1, 1), layer_category="color"),
    )
    dataset = wk.Dataset.of(plan.execute())
    assert {name: layer.get_mag(1).read()[0, 0, 0].tolist() for name, layer in dataset.layers.items()} == {
        "in_Thorax": [11, 21, 1],
        "in_Knee": [1, 11],
    }
    assert "3 of 3 sections lie otherwise than their names count" in str(plan.report)


def test_without_positions_instance_numbers_count(tmp_path: Path) -> None:
    for name, number in enumerate((4, 1, 3)):
        written(tmp_path / f"{name}", np.full((3, 4), number, "u1"), InstanceNumber=number,
                ImageOrientationPatient=None)  # fmt: skip
    (layer,) = described(tmp_path)
    assert voxels(layer)[:, 0, 0].tolist() == [1, 0, 3, 4]
    assert layer.notes == (
        "Nothing says where the sections lie; they are sorted by instance number.",
        "1 section is missing (instance number 2), and zero here.",
    )


def test_without_any_order_names_count_and_that_is_told(tmp_path: Path) -> None:
    for number in (2, 10, 1):
        written(tmp_path / f"i{number}", np.full((3, 4), number, "u1"))
    (layer,) = described(tmp_path)
    assert voxels(layer)[:, 0, 0].tolist() == [1, 2, 10]
    assert layer.notes == (
        "Neither positions nor instance numbers tell the order of the sections; it is that of the names.",
    )


def test_copies_of_an_instance_are_told(tmp_path: Path) -> None:
    series(tmp_path, [0, 1, 2])
    (tmp_path / "copy").write_bytes((tmp_path / "001").read_bytes())
    (layer,) = described(tmp_path)
    assert voxels(layer).shape == (3, 3, 4)
    assert "1 section came twice (the same instance) and was left out: copy." in layer.notes


def test_repetitions_of_places_are_times(tmp_path: Path) -> None:
    for name, (time, place) in enumerate([(1, 1), (0, 0), (1, 0), (0, 1)]):
        written(tmp_path / f"{name}", np.full((3, 4), 10 * time + place, "u1"), TemporalPositionIdentifier=time + 1,
                ImagePositionPatient=(0, 0, place))  # fmt: skip
    (layer,) = described(tmp_path)
    assert layer.mags[0].axes == ("t", "z", "y", "x")
    assert voxels(layer)[..., 0, 0].tolist() == [[0, 1], [10, 11]]
    assert (
        "There are 2 sections at each place; they became times, by TemporalPositionIdentifier." in layer.notes
    )
    (tmp_path / "3").unlink()
    (layer,) = described(tmp_path)
    assert voxels(layer)[..., 0, 0].tolist() == [[0, 0], [10, 11]]
    assert "1 section of single times is missing, and zero here." in layer.notes


def test_echoes_of_the_same_places_are_layers(tmp_path: Path) -> None:
    series(tmp_path / "1", [0, 1], EchoNumbers=1)
    series(tmp_path / "2", [0, 1], EchoNumbers=2)
    assert [layer.name for layer in described(tmp_path)] == ["Thorax 1", "Thorax 2"]


def test_localizers_of_another_size_are_left_out_and_told(tmp_path: Path) -> None:
    series(tmp_path / "a", [0, 1, 2])
    written(tmp_path / "scout", np.ones((9, 9), "u2"), SeriesInstanceUID=f"{UID}2", PixelSpacing=[3, 3],
            ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], ImagePositionPatient=(0, 0, 0),
            SeriesDescription="Scout")  # fmt: skip
    (layer,) = described(tmp_path)
    assert layer.name == "Thorax"
    assert (
        "The localizer 'Scout' (scout) is left out, because its voxel size is another than that of the rest; "
        "import its files for themselves."
    ) in layer.container_notes
    (tmp_path / "alone").mkdir()
    (tmp_path / "scout").rename(tmp_path / "alone" / "scout")
    (layer,) = described(tmp_path / "alone")
    assert "These are localizers, images by which others were planned." in layer.notes


def test_a_tilted_gantry_is_told_and_in_the_affine_map(tmp_path: Path) -> None:
    for number in range(3):
        written(tmp_path / f"{number}", np.ones((3, 4), "u2"), ImagePositionPatient=(0, number, 2 * number))
    (layer,) = described(tmp_path)
    assert (
        "Each section lies 1 mm beside the one before (a tilted gantry); that was not corrected."
        in layer.notes
    )
    assert [row[2] for row in image_of(layer).info.affine] == [0, 1e6, 2e6]


def test_a_single_section_is_as_deep_as_its_thickness(tmp_path: Path) -> None:
    written(tmp_path / "a", np.ones((3, 4), "u2"), ImagePositionPatient=(0, 0, 0), SliceThickness=5)
    (layer,) = described(tmp_path)
    assert layer.voxel_size[2] == 5e6
    assert "It is a single section: its size along z is its thickness, 5 mm." in layer.notes


def test_series_of_unlike_voxels_are_imported_one_by_one(tmp_path: Path) -> None:
    series(tmp_path / "in" / "a", [0, 1, 2])
    series(
        tmp_path / "in" / "b", [0, 1.3], SeriesInstanceUID=f"{UID}2", SeriesNumber=2, SeriesDescription="Lung"
    )
    with pytest.raises(UnsupportedImageDataError, match="are no whole multiples of each other") as raised:
        wk.Dataset.from_images(tmp_path / "in", tmp_path / "out", (1, 1, 1))
    assert raised.value.hint == "Import each into a dataset of its own: scene='Thorax'; scene='Lung'."
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = wk.Dataset.from_images(
            tmp_path / "in", tmp_path / "out", (1, 1, 1), scene="Lung", compress=False
        )
    assert list(dataset.layers) == ["Lung"]


def test_series_of_twice_the_step_are_mags_of_one_dataset(tmp_path: Path) -> None:
    series(tmp_path / "in" / "a", [0, 1, 2])
    series(
        tmp_path / "in" / "b", [0, 2], SeriesInstanceUID=f"{UID}2", SeriesNumber=2, SeriesDescription="Lung"
    )
    assert main(["convert", str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    dataset = wk.Dataset.open(tmp_path / "out")
    assert {name: [str(mag) for mag in layer.mags] for name, layer in dataset.layers.items()} == {
        "Thorax": ["1", "1-1-2", "4-2-2"],
        "Lung": ["1-1-2", "4-2-2"],
    }


# --- frames of one file -----------------------------------------------------------------------------------


def enhanced(path: Path, places: Sequence[float], *, slopes: Sequence[float] = ()) -> Path:
    """Write a file of frames in this order, the shared groups with what all have."""
    pixels = np.stack([np.full((3, 4), 10 * place + 1, "u2") for place in places])
    frames = []
    for number, place in enumerate(places):
        position, frame = Header(), Header()
        position.ImagePositionPatient = [0, 0, place]
        frame.PlanePositionSequence = [position]
        if slopes:
            values = Header()
            values.RescaleSlope, values.RescaleIntercept = slopes[number], 0
            frame.PixelValueTransformationSequence = [values]
        frames.append(frame)
    shared, measures, plane = Header(), Header(), Header()
    measures.PixelSpacing, plane.ImageOrientationPatient = [0.5, 0.25], list(AXIAL)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    return written(path, pixels, SOPClassUID=ENHANCED_MR, Modality="MR", NumberOfFrames=len(places), PixelSpacing=None,
                   ImageOrientationPatient=None, PerFrameFunctionalGroupsSequence=frames,
                   SharedFunctionalGroupsSequence=[shared])  # fmt: skip


def test_frames_lie_where_their_positions_say(tmp_path: Path) -> None:
    path = enhanced(tmp_path / "a.dcm", [4, 0, 1, 2], slopes=[1, 2, 1, 1])
    with DicomReader().open(LocalLocation(path)) as image:
        assert image.info.axes == ("z", "y", "x")
        assert image.read()[:, 0, 0].tolist() == [2, 11, 21, 0, 41]
        assert image.info.voxel_size == (0.25e6, 0.5e6, 1e6)
        assert any(note.startswith("1 section is missing") for note in image.info.notes)
        assert np.array_equal(image.read(((1, 1, 1), (2, 2, 2))), image.read()[1:3, 1:3, 1:3])
        assert np.array_equal(pickle.loads(pickle.dumps(image)).read(), image.read())
    (layer,) = described(tmp_path)
    assert voxels(layer)[:, 0, 0].tolist() == [2, 11, 21, 0, 41]


def test_stacks_of_one_file_are_scenes(tmp_path: Path) -> None:
    path = enhanced(tmp_path / "a.dcm", [0, 1, 2, 3])
    header = pydicom.dcmread(path)
    for number, frame in enumerate(header.PerFrameFunctionalGroupsSequence):
        content = Header()
        content.StackID = str(number % 2)
        frame.FrameContentSequence = [content]
    header.save_as(path)
    for scene in (0, 1):
        with DicomReader().open(LocalLocation(path), scene=scene) as image:
            assert image.info.scenes == ("Thorax 0", "Thorax 1")
            assert image.read()[:, 0, 0].tolist() == [10 * scene + 1, 10 * scene + 21]


def test_a_real_file_of_frames_is_as_nibabel_has_it(tmp_path: Path) -> None:
    path = tmp_path / "philips.dcm"
    path.write_bytes(gzip.decompress((NIBABEL / "philips_mprage.dcm.gz").read_bytes()))
    theirs = wrapper_from_file(path)
    with DicomReader().open(LocalLocation(path)) as image:
        affine = np.array(image.info.affine) / 1e6
        shape = image.info.shape
    assert shape == theirs.image_shape[::-1]
    # nibabel counts rows first, and from the other end.
    there = theirs.affine[:3]
    assert np.allclose(affine[:, 0], there[:, 1], atol=1e-4)
    assert np.allclose(affine[:, 1], there[:, 0], atol=1e-4)
    last = there[:, 3] + there[:, 2] * (theirs.image_shape[2] - 1)
    for_us = affine[:, 3] + affine[:, 2] * (shape[0] - 1)
    ends = [there[:, 3], last] if np.allclose(affine[:, 3], there[:, 3], atol=0.01) else [last, there[:, 3]]
    assert np.allclose(affine[:, 3], ends[0], atol=0.1)
    assert np.allclose(for_us, ends[1], atol=0.3)


# --- real folders, and what else is in them ---------------------------------------------------------------


def test_a_real_series_is_as_nibabel_sorts_and_scales_it() -> None:
    folder = REAL / "dicomdirtests" / "98892001" / "CT5N"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sorted(
            (wrapper_from_file(path) for path in folder.iterdir()), key=lambda each: -each.slice_indicator
        )
        # nibabel counts rows first, so its normal points the other way.
        expected = np.stack([each.get_data() for each in theirs])
    (layer,) = described(folder)
    assert np.array_equal(voxels(layer), expected)
    affine = np.array(image_of(layer).info.affine) / 1e6
    assert np.allclose(affine[:, 3], theirs[0].image_position)
    assert np.allclose(np.cross(affine[:, 0], affine[:, 1])[2] > 0, affine[2, 2] > 0)
    assert layer.voxel_size == (488281.0, 488281.0, pytest.approx(2.5e6))


def test_a_real_medium_with_its_index_is_read() -> None:
    layers = described(REAL / "dicomdirtests" / "98892001")
    assert [layer.name for layer in layers] == ["SmartScore - Gated 0.5 sec"]
    assert (
        sum("is left out, because its voxel size is another" in note for note in layers[0].container_notes)
        == 2
    )
    with pytest.raises(UnsupportedImageDataError, match="holds no image") as raised:
        DicomReader().open(LocalLocation(REAL / "dicomdirtests" / "DICOMDIR"))
    assert raised.value.hint == "It is the index of a medium; give its folder instead."


def test_other_files_are_left_out_and_told(tmp_path: Path) -> None:
    series(tmp_path, [0, 1])
    (tmp_path / "README.txt").write_text("About this disc.")
    report = written(tmp_path / "report", np.ones((1, 1), "u1"), SOPClassUID=REPORT, Modality="SR")
    header = pydicom.dcmread(report)
    del header.Rows, header.PixelData
    header.save_as(report)
    (layer,) = described(tmp_path)
    assert layer.container_notes[-2:] == (
        "1 file is no image but Basic Text SR Storage, and left out.",
        f"1 file in {tmp_path.name} is no DICOM, and left out: README.txt.",
    )
    for path in tmp_path.glob("0*"):
        path.unlink()
    with pytest.raises(UnsupportedImageDataError, match="none of them holds an image"):
        described(tmp_path)


@pytest.mark.parametrize(
    ("length", "text"), [(0, "has no mark of one at byte 128"), (400, "can't be read as DICOM")]
)
def test_a_file_that_is_cut_is_an_error(tmp_path: Path, length: int, text: str) -> None:
    series(tmp_path, [0, 1])
    path = tmp_path / "cut.dcm"
    path.write_bytes((tmp_path / "001").read_bytes()[:length])
    with pytest.raises(CorruptImageError, match=text) as raised:
        described(tmp_path)
    assert "cut.dcm" in str(raised.value)


def test_pixels_that_nobody_decodes_are_left_out_and_told(tmp_path: Path) -> None:
    series(tmp_path, [0, 1])
    path = written(
        tmp_path / "film", np.ones((3, 4), "u2"), SeriesInstanceUID=f"{UID}2", SeriesDescription="Film"
    )
    header = pydicom.dcmread(path)
    header.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    header["PixelData"].VR = "OB"
    header.PixelData = pydicom.encaps.encapsulate([header.PixelData])
    header.save_as(path)
    (layer,) = described(tmp_path)
    assert any(
        note.startswith("The series 'Film' is left out.") and "which is not supported" in note
        for note in layer.container_notes
    )


def test_folders_of_other_files_are_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"\x89PNG")
    (tmp_path / "data").write_bytes(b"\0" * 300)
    assert DicomImporter().probe(LocalLocation(tmp_path)) == ProbeScore.NO
    series(tmp_path / "b" / "c", [0])
    assert DicomImporter().probe(LocalLocation(tmp_path / "b")) == ProbeScore.CERTAIN
    # The images of the other folder would be left out: each file is one of its own there.
    assert DicomImporter().probe(LocalLocation(tmp_path)) == ProbeScore.NO
    series(tmp_path / "a", [0])  # a preview beside the files of a series
    assert DicomImporter().probe(LocalLocation(tmp_path)) == ProbeScore.CERTAIN


def test_frames_without_places_are_an_image_of_their_own(tmp_path: Path) -> None:
    for name in ("examples_ybr_color.dcm", "CT_small.dcm"):
        (tmp_path / name).write_bytes((REAL / name).read_bytes())
    axes = [layer.mags[0].axes for layer in described(tmp_path)]
    assert axes == [("z", "y", "x"), ("t", "y", "x", "s")]


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_folder_becomes_a_dataset(tmp_path: Path, executor: str) -> None:
    planes = series(tmp_path / "in", [9, 3, 6, 0], [1, 3, 0, 2])
    order = np.argsort([9, 3, 6, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the notes, of which other tests tell
        dataset = wk.Dataset.from_images(
            tmp_path / "in", tmp_path / "out", (0.25e6, 0.5e6, 3e6), compress=False, executor=executor
        )
    layer = dataset.get_layer("Thorax")
    assert layer.dtype == "uint16"
    assert np.array_equal(layer.get_mag(1).read()[0], np.stack([planes[n] for n in order]).T)


def test_damage_anywhere_is_an_error_of_the_contract(tmp_path: Path) -> None:
    """Bits are turned and files are cut; what can still be read has the shape that was described."""
    folder, random = tmp_path / "in", np.random.default_rng(0)
    series(folder, [0, 1, 2], RescaleSlope=0.5)
    enhanced(folder / "frames", [1, 0], slopes=[1, 2])
    names = sorted(path.name for path in folder.iterdir())
    sound = {name: (folder / name).read_bytes() for name in names}
    outcomes = set()
    for number in range(150):
        name = names[number % len(names)]
        data = bytearray(sound[name])
        if number % 3:
            for place in random.integers(132, len(data), 1 + number % 5):
                data[place] ^= 1 << int(random.integers(8))
        else:
            data = data[: int(random.integers(134, len(data)))]
        (folder / name).write_bytes(data)
        try:
            for layer in described(folder):
                with image_of(layer) as image:
                    assert image.read().shape == image.info.shape
            outcomes.add("read")
        except (CorruptImageError, UnsupportedImageDataError) as error:
            outcomes.add(type(error).__name__)
        (folder / name).write_bytes(sound[name])
    assert {"read", "CorruptImageError"} <= outcomes


SIMPLE_ITK = """
import sys, numpy as np, SimpleITK as sitk
reader = sitk.ImageSeriesReader()
reader.SetFileNames(reader.GetGDCMSeriesFileNames(sys.argv[1]))
image = reader.Execute()
turned = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
np.savez(sys.argv[-1], voxels=sitk.GetArrayFromImage(image), affine=np.c_[turned, image.GetOrigin()])
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "turn", [AXIAL, (-1, 0, 0, 0, 1, 0), (0.6, 0.8, 0, 0, 0, -1), (0.8, 0, 0.6, 0, 1, 0)]
)
def test_a_series_is_as_simple_itk_reads_it(tmp_path: Path, turn: tuple[float, ...]) -> None:
    """Order, rescaled voxels with their dtype, and the map into space, of a series in disorder."""
    random = np.random.default_rng(0)
    normal = np.cross(turn[:3], turn[3:])
    for name, place in enumerate(random.permutation(7)):
        written(tmp_path / f"{name}.dcm", random.integers(0, 4000, (9, 11)).astype("u2"), BitsStored=12, HighBit=11,
                ImageOrientationPatient=turn,
                ImagePositionPatient=tuple(np.round([10, 20, -30] + normal * 1.75 * place, 6)),
                InstanceNumber=int(random.integers(1000)), RescaleSlope=2, RescaleIntercept=-1024)  # fmt: skip
    theirs = second_reader(["SimpleITK==2.5.7", "numpy"], SIMPLE_ITK, tmp_path)
    (layer,) = described(tmp_path)
    assert voxels(layer).dtype == theirs["voxels"].dtype
    assert np.array_equal(voxels(layer), theirs["voxels"])
    assert np.allclose(np.array(image_of(layer).info.affine) / 1e6, theirs["affine"], atol=1e-5)


def test_files_beside_other_images_are_sorted_by_position_too(tmp_path: Path) -> None:
    """No container then: each file says its series and place, and the import of image files heeds them."""
    series(tmp_path / "in" / "scan", [4, 0, 2])
    series(tmp_path / "in" / "scan2", [6, 3], SeriesInstanceUID=f"{UID}2", SeriesDescription="Lung")
    for path in (tmp_path / "in" / "scan2").iterdir():
        path.rename(tmp_path / "in" / "scan" / f"b{path.name}")
    (tmp_path / "in" / "photo").mkdir()
    Image.fromarray(np.zeros((5, 6), "u1")).save(tmp_path / "in" / "photo" / "1.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = wk.Dataset.from_images(tmp_path / "in", tmp_path / "out", (1, 1, 1), compress=False)
    found = {name: layer.get_mag(1).read()[0, 0, 0].tolist() for name, layer in dataset.layers.items()}
    assert sorted(found.values()) == [[0], [11, 1], [11, 21, 1]], found
