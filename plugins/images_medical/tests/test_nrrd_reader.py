"""NRRD files written by pynrrd and by hand, compared with what pynrrd finds in them."""

from __future__ import annotations

import bz2
import gzip
from typing import TYPE_CHECKING, Any

import nrrd
import numpy as np
import pytest
from wkplug_medical.nrrd import NrrdReader

from wkplug.errors import CorruptImageError, MissingError, UnsafePathError, UnsupportedImageDataError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ImageReaderSuite, ImageSample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = np.random.default_rng(0).integers(0, 250, (4, 5, 6)).astype("u2")  # slowest axis first


def opened(path: Path) -> Any:
    return NrrdReader().open(LocalLocation(path))


def written(path: Path, data: Any = DATA, **header: Any) -> Path:
    """Write by means of pynrrd; underscores stand for spaces."""
    options = {key: header.pop(key) for key in ("detached_header", "relative_data_path") if key in header}
    fields = {key.replace("_", " "): value for key, value in header.items()}
    nrrd.write(str(path), data, fields, index_order="C", **options)
    return path


class TestNrrdReader(ImageReaderSuite):
    reader_factory = "wkplug_medical.nrrd:NrrdReader"

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        large = np.random.default_rng(1).integers(0, 60_000, (40, 230, 250)).astype("u2")
        sized: dict[str, Any] = {"spacings": [1.0, 2.0, 3.0], "units": ["nm", "nm", "um"]}
        for number, (data, axes, header, size) in enumerate([
            (DATA, "zyx", {"encoding": "raw", **sized}, (1.0, 2.0, 3000.0)),
            (DATA.astype(">i4"), "zyx", {"encoding": "raw"}, (None,) * 3),
            (DATA.astype("f4"), "zyx", {"encoding": "gzip", **sized}, (1.0, 2.0, 3000.0)),
            (DATA.astype("i1"), "zyx", {"encoding": "bzip2"}, (None,) * 3),
            (DATA, "qyx", {"encoding": "raw", "kinds": ["domain", "domain", "???"]}, (None,) * 3),
            (large, "zyx", {"encoding": "raw"}, (None,) * 3),
        ]):  # fmt: skip
            path = written(folder / f"{number}.nrrd", data, **header)
            assert np.array_equal(nrrd.read(str(path), index_order="C")[0], data)
            yield ImageSample(path=path, axes=axes, expected=data, voxel_size=size, scenes=1)
        path = written(folder / "beside.nhdr", encoding="raw", detached_header=True)
        yield ImageSample(
            path=path, axes="zyx", expected=DATA, companions=(folder / "beside.raw",), damage=False
        )


def by_hand(path: Path, data: bytes, *lines: str, **fields: Any) -> Path:
    header = {
        "type": "uint16",
        "dimension": "3",
        "sizes": "6 5 4",
        "encoding": "raw",
        "endian": "little",
        **fields,
    }
    text = [
        "NRRD0005",
        "# a comment",
        *lines,
        *(f"{name.replace('_', ' ')}: {value}" for name, value in header.items()),
    ]
    path.write_bytes("\n".join([*text, "key:=value", "", ""]).encode() + data)
    return path


def test_colours_and_channels_are_what_the_kinds_say(tmp_path: Path) -> None:
    colours = np.zeros((2, 3, 4, 3), "u1")
    path = written(tmp_path / "a.nrrd", colours, kinds=["RGB-color", "space", "space", "space"])
    with opened(path) as image:
        assert (image.info.axes, image.info.photometric) == (("z", "y", "x", "s"), "rgb")
    path = written(
        tmp_path / "b.nrrd", np.zeros((2, 3, 4, 7), "u1"), kinds=["vector", "space", "space", "time"]
    )
    with opened(path) as image:
        assert image.info.axes == ("t", "y", "x", "c")


def test_space_directions_give_sizes_in_their_unit_and_are_said(tmp_path: Path) -> None:
    content = DATA.tobytes()
    turned = {"space_dimension": 3, "space_directions": "(0,2,0) (3,0,0) (0,0,-4)"}
    with opened(by_hand(tmp_path / "a.nrrd", content, space_units='"mm" "mm" "mm"', **turned)) as image:
        assert image.info.voxel_size == (2e6, 3e6, 4e6)
        assert image.info.notes == ()  # what becomes of the map is told by the import
        assert image.info.affine == ((0, 3e6, 0, 0), (2e6, 0, 0, 0), (0, 0, -4e6, 0))
        assert np.array_equal(image.read(), DATA)
    with opened(by_hand(tmp_path / "b.nrrd", content, **turned)) as image:
        assert image.info.voxel_size == (None, None, None)
    plain = {"space_directions": "none (3,0) (0,4)", "space_units": '"nm" "nm"', "space_dimension": 2}
    with opened(by_hand(tmp_path / "c.nrrd", content, **plain)) as image:
        assert image.info.axes == ("y", "x", "q")
        assert image.info.voxel_size == (3.0, 4.0, None)
        assert image.info.notes == ()


@pytest.mark.parametrize(
    ("space", "told"),
    [
        (
            "left-posterior-superior",
            "x towards the left, y towards the back, z towards the head of the patient",
        ),
        ("LPS", "x towards the left, y towards the back, z towards the head of the patient"),
        ("RAS", "x towards the right, y towards the front, z towards the head of the patient"),
        (
            "left-anterior-superior",
            "x towards the left, y towards the front, z towards the head of the patient",
        ),
    ],
)
def test_spaces_of_patients_are_in_millimetres(tmp_path: Path, space: str, told: str) -> None:
    lies = {"space": space, "space_directions": "(0.5,0,0) (0,0.5,0) (0,0,2)", "space_origin": "(1,2,3)"}
    with opened(by_hand(tmp_path / "a.nrrd", DATA.tobytes(), **lies)) as image:
        assert image.info.voxel_size == (0.5e6, 0.5e6, 2e6)
        assert image.info.affine == ((0.5e6, 0, 0, 1e6), (0, 0.5e6, 0, 2e6), (0, 0, 2e6, 3e6))
        assert image.info.notes[0] == (
            f"The header gives no units; in the space {space.lower()} its lengths are taken for millimetres."
        )
        assert told in image.info.notes[1]
    with opened(by_hand(tmp_path / "b.nrrd", DATA.tobytes(), space=space, spacings="0.5 0.5 2")) as image:
        assert image.info.voxel_size == (0.5e6, 0.5e6, 2e6)


def test_other_spaces_need_their_units(tmp_path: Path) -> None:
    lies = {"space": "scanner-xyz", "space_directions": "(0.5,0,0) (0,0.5,0) (0,0,2)"}
    with opened(by_hand(tmp_path / "a.nrrd", DATA.tobytes(), **lies)) as image:
        assert image.info.voxel_size == (None, None, None)
        assert image.info.affine is None
        assert image.info.notes[0] == (
            "The header doesn't say in which unit its space directions are (space units)."
        )
        assert image.info.notes[1] == "The file says how the image lies in space. That is not applied."
    with opened(by_hand(tmp_path / "b.nrrd", DATA.tobytes(), space_units='"um" "um" "mm"', **lies)) as image:
        assert image.info.voxel_size == (500, 500, 2e6)


def test_oblique_and_mirrored_directions_are_told(tmp_path: Path) -> None:
    lies = {
        "space": "LPS",
        "space_directions": "(0.6,0.8,0) (0.8,-0.6,0) (0,0,2)",
        "space_units": '"mm" "mm" "mm"',
    }
    with opened(by_hand(tmp_path / "a.nrrd", DATA.tobytes(), **lies)) as image:
        assert image.info.voxel_size == pytest.approx((1e6, 1e6, 2e6))
        assert image.info.notes[0].endswith("It is mirrored there.")


def test_thicknesses_are_no_distances(tmp_path: Path) -> None:
    with opened(by_hand(tmp_path / "a.nrrd", DATA.tobytes(), thicknesses="nan nan 2")) as image:
        assert image.info.voxel_size == (None, None, None)
        assert image.info.notes == ("Sections are nan nan 2 thick; that is not how far they lie apart.",)


def test_lines_and_bytes_are_skipped(tmp_path: Path) -> None:
    content = DATA.tobytes()
    for name, data, fields in (
        ("bytes", b"12345" + content, {"byte_skip": 5}),
        ("lines", b"one\ntwo\n" + content, {"line_skip": 2}),
        ("both", b"one\n12345" + content, {"line_skip": 1, "byte_skip": 5}),
        ("from the end", b"whatever" + content, {"byte_skip": -1}),
        ("packed", gzip.compress(b"12345" + content), {"byte_skip": 5, "encoding": "gz"}),
        ("packed lines", b"one\n" + bz2.compress(content), {"line_skip": 1, "encoding": "bz2"}),
    ):
        with opened(by_hand(tmp_path / f"{name}.nrrd", data, **fields)) as image:
            assert np.array_equal(image.read(((1, 0, 2), (3, 5, 4))), DATA[1:, :, 2:]), name
            assert np.array_equal(image.read(), DATA), name


def test_a_file_beside_must_be_there_and_beside(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"nowhere\.raw"):
        opened(by_hand(tmp_path / "a.nhdr", b"", data_file="nowhere.raw"))
    for name in ("../a.raw", "/etc/passwd"):
        with pytest.raises(UnsafePathError):
            opened(by_hand(tmp_path / "a.nhdr", b"", data_file=name))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"encoding": "ascii"}, "has the encoding 'ascii', which is not supported"),
        ({"type": "block"}, "has voxels of the type 'block', which is not supported"),
        ({"data_file": "LIST"}, "has its voxels in several files, which is not supported"),
        ({"data_file": "a%03d.raw 1 4 1"}, "has its voxels in several files, which is not supported"),
    ],
)
def test_what_is_sound_but_not_done_is_said(tmp_path: Path, fields: dict[str, str], text: str) -> None:
    with pytest.raises(UnsupportedImageDataError, match=text):
        opened(by_hand(tmp_path / "a.nrrd", DATA.tobytes(), **fields))


@pytest.mark.parametrize(
    ("lines", "fields", "text"),
    [
        ((), {"sizes": "6 5"}, "its sizes are '6 5' for 3 dimensions"),
        ((), {"sizes": "6 5 0"}, "its sizes are '6 5 0' for 3 dimensions"),
        ((), {"sizes": "6 5 9"}, "its voxels reach to byte"),
        ((), {"line_skip": "999"}, "it skips 999 lines, which are not there"),
        ((), {"byte_skip": "-7"}, "it skips -7 bytes"),
        (("a line of its own",), {}, "its header has the line 'a line of its own'"),
    ],
)
def test_a_damaged_header_is_refused_with_a_reason(
    tmp_path: Path, lines: tuple[str, ...], fields: dict[str, str], text: str
) -> None:
    with pytest.raises(CorruptImageError, match=text):
        opened(by_hand(tmp_path / "a.nrrd", DATA.tobytes(), *lines, **fields))


def test_a_header_that_lacks_a_field_or_an_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    path.write_bytes(b"NRRD0005\ntype: uint8\n\n")
    with pytest.raises(CorruptImageError, match="its header doesn't say 'dimension'"):
        opened(path)
    path.write_bytes(b"NRRD0005\n" + b"#" * (1 << 20))
    with pytest.raises(CorruptImageError, match="its header has no end within 1048576 bytes"):
        opened(path)


def test_bytes_behind_the_last_voxel_are_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.nrrd", encoding="raw")
    assert opened(path).info.notes == ()
    path.write_bytes(path.read_bytes() + b"more")
    assert opened(path).info.notes == ("4 bytes behind the last voxel are not read.",)
    beside = written(tmp_path / "b.nhdr", encoding="raw", detached_header=True)
    (tmp_path / "b.raw").write_bytes((tmp_path / "b.raw").read_bytes() + b"\n")
    assert opened(beside).info.notes == ("1 byte behind the last voxel is not read.",)
    beside.write_text(
        beside.read_text().replace("data file", "byte skip: -1\ndata file")
    )  # then they are in front
    assert opened(beside).info.notes == ()
