"""NIfTI files of scanners, compared with what nibabel finds in them, and written ones of all types."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
from wkplug_medical.nifti import NiftiReader

from wkplug.abc import ProbeScore
from wkplug.errors import CorruptImageError, MissingError, UnsupportedImageDataError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ImageReaderSuite, ImageSample

if TYPE_CHECKING:
    from collections.abc import Iterator

REAL = Path(nibabel.__file__).parent / "tests" / "data"


def opened(path: Path) -> Any:
    return NiftiReader().open(LocalLocation(path))


def theirs(path: Path) -> Any:
    """Voxels with the fastest axis last."""
    return np.asarray(nibabel.load(path, mmap=False).dataobj).T


def written(
    path: Path, data: Any, *, zooms: tuple[float, ...] = (), units: str = "", kind: Any = None
) -> Path:
    image = (kind or nibabel.Nifti1Image)(data, np.diag([2, 3, 4, 1]), dtype=data.dtype)
    if zooms:
        image.header.set_zooms(zooms)
    if units:
        image.header.set_xyzt_units(units)
    nibabel.save(image, path)
    return path


class TestNiftiReader(ImageReaderSuite):
    reader_factory = "wkplug_medical.nifti:NiftiReader"

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        two = (2e6, 2e6, 2199999.0)
        yield ImageSample(path=REAL / "example4d.nii.gz", axes="tzyx", expected=theirs(REAL / "example4d.nii.gz"),
                          voxel_size=two, scenes=1)  # fmt: skip
        scaled = nibabel.load(mmap=False, filename=REAL / "functional.nii")
        size = tuple(1e6 * float(zoom) for zoom in scaled.header.get_zooms()[:3])
        yield ImageSample(path=REAL / "functional.nii", axes="tzyx", voxel_size=size,
                          expected=scaled.get_fdata().T.astype("f4"))  # fmt: skip
        plain = nibabel.load(mmap=False, filename=REAL / "anatomical.nii")
        yield ImageSample(path=REAL / "anatomical.nii", axes="zyx", expected=plain.get_fdata().T.astype("f4")
                          if plain.dataobj.slope != 1 else theirs(REAL / "anatomical.nii"),
                          voxel_size=tuple(1e6 * float(zoom) for zoom in plain.header.get_zooms()[:3]))  # fmt: skip
        path = REAL / "example_nifti2.nii.gz"
        zooms = nibabel.load(path).header.get_zooms()
        yield ImageSample(path=path, axes="tzyx", expected=theirs(path),
                          voxel_size=tuple(1e6 * float(zoom) for zoom in zooms[:3]))  # fmt: skip
        random = np.random.default_rng(0)
        for name, dtype, shape in (
            ("a.nii", "i1", (7, 5, 3)), ("b.nii", ">f8", (7, 5, 3)), ("c.nii", "u8", (7, 5)),
            ("d.nii", ">u2", (5, 4, 3, 2, 3)), ("large.nii", "u2", (250, 200, 60)),
        ):  # fmt: skip
            data = random.integers(0, 100, shape).astype(dtype)
            path = written(folder / name, data, zooms=(2, 3, 4, 1, 1)[: len(shape)], units="micron")
            size = (2e3, 3e3, 4e3 if len(shape) > 2 else None)
            yield ImageSample(path=path, axes="xyztc"[: len(shape)][::-1], expected=data.T, voxel_size=size)


def test_a_unit_that_is_unknown_gives_no_voxel_size() -> None:
    with opened(REAL / "standard.nii.gz") as image:
        assert image.info.voxel_size == (None, None, None)
        assert np.array_equal(image.read(), theirs(REAL / "standard.nii.gz"))


def test_values_are_scaled_as_the_header_says() -> None:
    with opened(REAL / "functional.nii") as image:
        assert image.info.dtype == "float32"
        slope, intercept = image.info.details["scaling"]
        assert (slope, intercept) == (pytest.approx(0.0754, abs=1e-3), pytest.approx(3100.8, abs=1))
        assert image.read().mean() > 3000


def test_orientation_is_said_and_not_applied(tmp_path: Path) -> None:
    with opened(written(tmp_path / "a.nii", np.zeros((3, 4, 5), "u1"), units="mm")) as image:
        assert image.info.notes == (
            "The image runs with x towards the right, y towards the front, z towards the head of the patient; "
            "the affine map has it exactly.",
        )
        assert np.array_equal(np.array(image.info.affine) / 1e6, np.diag([2, 3, 4, 1])[:3])


@pytest.mark.parametrize(
    "name", ["anatomical.nii", "functional.nii", "example4d.nii.gz", "example_nifti2.nii.gz"]
)
def test_the_affine_map_is_the_one_that_nibabel_finds(name: str) -> None:
    with opened(REAL / name) as image:
        assert np.allclose(np.array(image.info.affine) / 1e6, nibabel.load(REAL / name).affine[:3], atol=1e-4)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_map_of_a_quaternion_is_the_one_that_nibabel_finds(tmp_path: Path, kind: Any, sign: int) -> None:
    turn = nibabel.eulerangles.euler2mat(0.3, -0.7, 1.1) @ np.diag([2, 3, 4 * sign])
    affine = np.eye(4)
    affine[:3] = np.concatenate([turn, [[5], [6], [-7]]], axis=1)
    made = kind(np.zeros((3, 4, 5), "u1"), affine)
    made.set_sform(None, 0)
    made.set_qform(affine, 1)
    made.header.set_xyzt_units("mm")
    nibabel.save(made, tmp_path / "a.nii")
    with opened(tmp_path / "a.nii") as image:
        assert np.allclose(
            np.array(image.info.affine) / 1e6, nibabel.load(tmp_path / "a.nii").affine[:3], atol=1e-4
        )
        assert ("It is mirrored there." in image.info.notes[0]) == (sign < 0)


def test_an_unknown_unit_is_told(tmp_path: Path) -> None:
    with opened(written(tmp_path / "a.nii", np.zeros((3, 4, 5), "u1"))) as image:
        assert image.info.notes[0] == (
            "The file doesn't say in which unit its voxels are 2, 3, 4 long (xyzt_units is 0); "
            "most programs mean millimetres."
        )
        assert image.info.affine is None


@pytest.mark.parametrize(
    "kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair, nibabel.AnalyzeImage, nibabel.Spm2AnalyzeImage]
)
@pytest.mark.parametrize("packed", [False, True])
def test_either_file_of_a_pair_opens_it(tmp_path: Path, kind: Any, packed: bool) -> None:
    data = np.random.default_rng(0).integers(0, 200, (7, 5, 3)).astype("i2")
    made = kind(data, np.diag([2, 3, 4, 1]))
    if hasattr(made.header, "set_xyzt_units"):
        made.header.set_xyzt_units("micron")
    end = ".gz" if packed else ""
    nibabel.save(made, tmp_path / f"a.img{end}")
    unit = 1e3 if hasattr(made.header, "set_xyzt_units") else 1e6  # Analyze means millimetres
    for name, other in ((f"a.hdr{end}", f"a.img{end}"), (f"a.img{end}", f"a.hdr{end}")):
        location = LocalLocation(tmp_path / name)
        assert NiftiReader().probe(location, location.read(0, 4096)) == ProbeScore.MAGIC
        with opened(tmp_path / name) as image:
            assert image.info.companions == (other,)
            assert np.array_equal(image.read(), data.T)
            assert image.info.voxel_size == pytest.approx((2 * unit, 3 * unit, 4 * unit))
            with pickle.loads(pickle.dumps(image)) as again:
                assert np.array_equal(again.read(), data.T)
    if kind is nibabel.AnalyzeImage:
        assert image.info.notes[-1] == (
            "Analyze files don't say which side of the patient is left; the image is as it is stored."
        )
    (tmp_path / f"a.img{end}").unlink()
    with pytest.raises(
        MissingError, match=r"is a header; the file with its voxels \(.img\) is not beside it"
    ):
        opened(tmp_path / f"a.hdr{end}")


def test_factors_of_spm_are_applied_and_told(tmp_path: Path) -> None:
    data = np.arange(60, dtype="i2").reshape(3, 4, 5)
    made = nibabel.Spm2AnalyzeImage(data.astype("f8") * 0.5, np.eye(4))
    made.set_data_dtype("i2")
    nibabel.save(made, tmp_path / "a.img")
    with opened(tmp_path / "a.hdr") as image:
        assert image.info.dtype == "float32"
        assert np.allclose(image.read(), data.T * 0.5, atol=1e-3)
        assert image.info.notes[0].startswith("Values are scaled as the file says (")


def test_headers_of_other_formats_are_not_claimed(tmp_path: Path) -> None:
    for name, content in (
        ("a.hdr", b"ENVI\nsamples = 5\n"),
        ("b.hdr", b"#?RADIANCE\n"),
        ("c.img", bytes(4096)),
    ):
        (tmp_path / name).write_bytes(content)
        assert NiftiReader().probe(LocalLocation(tmp_path / name), content) == ProbeScore.NO


def test_colours_are_samples(tmp_path: Path) -> None:
    values = np.arange(2 * 3 * 4 * 3, dtype="u1").reshape(2, 3, 4, 3)
    data = values.copy().view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    with opened(written(tmp_path / "a.nii", data)) as image:
        assert (image.info.axes, image.info.photometric) == (("z", "y", "x", "s"), "rgb")
        assert np.array_equal(image.read(), values.transpose(2, 1, 0, 3))


def test_complex_voxels_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.nii", np.zeros((3, 4, 5), "c8"))
    with pytest.raises(UnsupportedImageDataError, match="has complex voxels, which no layer can hold"):
        opened(path)


@pytest.mark.parametrize(
    ("place", "data", "text"),
    [
        (40, b"\x09\0", r"its dimensions are \(9, "),
        (42, b"\0\0", r"its dimensions are \(3, 0, "),
        (344, b"ni1\0", "it has no whole header with the mark n[+]1 or n[+]2"),
        (108, b"\0\0\xc0\x7f", "its voxels begin at byte nan"),
        (108, b"\0\0\x80\x44", "its voxels reach to byte 1084, but the file ends at 412"),
    ],
)
def test_a_damaged_header_is_refused_with_a_reason(
    tmp_path: Path, place: int, data: bytes, text: str
) -> None:
    path = written(tmp_path / "a.nii", np.zeros((3, 4, 5), "u1"))
    content = bytearray(path.read_bytes())
    content[place : place + len(data)] = data
    path.write_bytes(content)
    with pytest.raises(CorruptImageError, match=text):
        opened(path)


def test_a_type_that_is_unknown_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.nii", np.zeros((3, 4, 5), "u1"))
    content = bytearray(path.read_bytes())
    content[70:72] = b"\x4d\0"
    path.write_bytes(content)
    with pytest.raises(UnsupportedImageDataError, match="has voxels of the type 77, which no layer can hold"):
        opened(path)


def test_bytes_behind_the_last_voxel_are_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.nii", np.ones((7, 5, 3), "u2"))
    before = opened(path).info.notes
    path.write_bytes(path.read_bytes() + bytes(2))
    assert opened(path).info.notes == (*before, "2 bytes behind the last voxel are not read.")
