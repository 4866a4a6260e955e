"""MRC files of the EMDB and of microscopes, compared with what `mrcfile` finds in them, and files of all modes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import mrcfile
import numpy as np
import pytest
import sample_files
from wkplug_mrc.reader import MrcReader

from wkplug.abc import ProbeScore
from wkplug.errors import CorruptImageError, UnsupportedImageDataError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ImageReaderSuite, ImageSample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def folder() -> Path:
    return sample_files.python_package("mrcfile==1.5.4", source=True) / "mrcfile-1.5.4/tests/test_data"


def opened(path: Path) -> Any:
    return MrcReader().open(LocalLocation(path))


def theirs(path: Path) -> tuple[Any, tuple[float, ...]]:
    """The voxels as they lie in the file, and nanometres along x, y, z."""
    with mrcfile.open(path, permissive=True) as file:
        size = file.voxel_size
        return np.array(file.data), tuple(float(size[axis]) / 10 for axis in "xyz")


class TestMrcReader(ImageReaderSuite):
    reader_factory = "wkplug_mrc.reader:MrcReader"

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        real = globals()["folder"]()
        for name, axes in (
            ("EMD-3001.map", "yxz"), ("EMD-3001.map.bz2", "yxz"), ("emd_3001.map.gz", "yxz"),
            ("EMD-3197.map", "zyx"), ("EMD-3197.map.bz2", "zyx"), ("emd_3197.map.gz", "zyx"),
        ):  # fmt: skip
            data, size = theirs(real / name)
            yield ImageSample(path=real / name, axes=axes, expected=data, voxel_size=size, scenes=1)
        random = np.random.default_rng(0)
        for name, data in (
            ("bytes.mrc", random.integers(-100, 100, (3, 7, 9)).astype("i1")),
            ("shorts.mrc", random.integers(-100, 100, (3, 7, 9)).astype("i2")),
            ("words.mrc", random.integers(0, 60_000, (5, 7, 9)).astype("u2")),
            ("halves.mrc", random.random((5, 7, 9)).astype("f2")),
            ("large.mrc", random.integers(0, 60_000, (30, 300, 301)).astype("u2")),
        ):
            with mrcfile.new(folder / name, data) as file:
                file.set_volume()
            expected = data.astype("f4") if data.dtype == "f2" else data
            yield ImageSample(
                path=folder / name, axes="zyx", expected=expected, voxel_size=(None, None, None)
            )


@pytest.mark.parametrize(
    ("name", "expected"),
    [("fei-extended.mrc", "fei-extended.mrc"), ("epu2.9_example.mrc", "epu2.9_example.mrc")],
)
def test_images_of_a_microscope_with_extended_headers(name: str, expected: str) -> None:
    path = folder() / name
    data, size = theirs(path)
    with opened(path) as image:
        assert np.array_equal(image.read(), data.reshape(image.info.shape))
        assert image.info.shape[0] == 1
        assert image.info.voxel_size[:2] == (pytest.approx(size[0]), pytest.approx(size[1]))
        assert image.info.details["extended_header"].startswith("FEI")


def test_columns_are_the_axis_that_the_header_says() -> None:
    """EMD-3001 has MAPC, MAPR, MAPS = 3, 1, 2: its columns are z, its rows x, its sections y."""
    with opened(folder() / "EMD-3001.map") as image:
        assert (image.info.axes, image.info.shape) == (("y", "x", "z"), (25, 43, 73))
        with mrcfile.open(folder() / "EMD-3001.map") as file:
            order = (int(file.header.maps), int(file.header.mapr), int(file.header.mapc))
            cell = [float(file.header.cella[axis]) for axis in "xyz"]
            steps = (int(file.header.mx), int(file.header.my), int(file.header.mz))
        assert order == (2, 1, 3)
        assert image.info.voxel_size == pytest.approx([c / n / 10 for c, n in zip(cell, steps, strict=True)])


# --- headers of one's own ---------------------------------------------------------------------------------------


def made(
    shape: tuple[int, int, int],
    mode: int,
    data: bytes,
    *,
    order: str = "<",
    intervals: tuple[int, int, int] = (0, 0, 0),
    cell: tuple[float, float, float] = (0, 0, 0),
    mapped: tuple[int, int, int] = (1, 2, 3),
    group: int = 1,
    extended: int = 0,
    imod: int | None = None,
    stamp: bytes | None = None,
    name: bytes = b"MAP ",
) -> bytes:
    head = bytearray(1024)
    struct.pack_into(f"{order}10i3f", head, 0, *shape[::-1], mode, 0, 0, 0, *intervals, *cell)
    struct.pack_into(f"{order}3i", head, 64, *mapped)
    struct.pack_into(f"{order}2i", head, 88, group, extended)
    if imod is not None:
        struct.pack_into(f"{order}2i", head, 152, 1146047817, imod)
    head[208:212] = name
    head[212:214] = (b"DD" if order == "<" else b"\x11\x11") if stamp is None else stamp
    return bytes(head) + bytes(max(0, extended)) + data


def write(path: Path, *arguments: Any, **options: Any) -> Path:
    path.write_bytes(made(*arguments, **options))
    return path


VALUES = np.arange(2 * 3 * 4).reshape(2, 3, 4)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("stamp", [None, b"\0\0"])
def test_the_byte_order_is_that_of_the_stamp_or_the_one_that_makes_sense(
    tmp_path: Path, order: str, stamp: bytes | None
) -> None:
    data = VALUES.astype(f"{order}i2").tobytes()
    path = write(tmp_path / "a.mrc", (2, 3, 4), 1, data, order=order, stamp=stamp, extended=160)
    with opened(path) as image:
        assert image.info.dtype == "int16"
        assert np.array_equal(image.read(), VALUES)
        assert np.array_equal(image.read(((1, 1, 1), (1, 2, 3))), VALUES[1:, 1:, 1:])


@pytest.mark.parametrize(
    ("imod", "dtype"), [(None, "int8"), (0, "uint8"), (1, "int8"), (4, "uint8"), (5, "int8")]
)
def test_bytes_have_a_sign_unless_imod_says_otherwise(tmp_path: Path, imod: int | None, dtype: str) -> None:
    data = np.array([[[0, 1, 127, 128, 200, 255]]], "u1")
    with opened(write(tmp_path / "a.mrc", data.shape, 0, data.tobytes(), imod=imod)) as image:
        assert image.info.dtype == dtype
        assert np.array_equal(image.read(), data.view(dtype))


@pytest.mark.parametrize(
    ("mode", "low", "high", "imod", "dtype", "told"),
    [
        (
            0,
            0,
            254,
            None,
            "uint8",
            "because the header says values of 0 to 254; mode 0 itself means signed ones.",
        ),
        (0, 3, 128, None, "uint8", "because the header says values of 3 to 128"),
        (0, 0, 127, None, "int8", ""),
        (0, -128, 127, None, "int8", ""),
        (0, 0, 0, None, "int8", "Nothing tells whether bytes are signed"),
        (0, 0, 254, 0, "uint8", ""),
        (0, 0, 254, 1, "int8", "IMOD marked the file as signed, but its header says values of 0 to 254"),
        (0, -5, 100, 0, "uint8", "IMOD marked the file as unsigned, but its header says values of -5 to 100"),
        (
            1,
            0,
            40_000,
            None,
            "uint16",
            "because the header says values of 0 to 40000; mode 1 itself means signed",
        ),
        (1, -1, 32_767, None, "int16", ""),
        (1, 0, 0, None, "int16", ""),
        (6, 0, 40_000, None, "uint16", ""),
    ],
)
def test_the_range_of_values_tells_whether_integers_are_signed(
    tmp_path: Path, mode: int, low: float, high: float, imod: int | None, dtype: str, told: str
) -> None:
    data = bytearray(made((1, 2, 2), mode, bytes(range(250, 254)) * (2 if mode else 1), imod=imod))
    struct.pack_into("<2f", data, 76, low, high)
    (tmp_path / "a.mrc").write_bytes(data)
    with opened(tmp_path / "a.mrc") as image:
        assert image.info.dtype == dtype
        assert np.array_equal(image.read().ravel(), np.frombuffer(data[1024:], dtype)[:4])
        assert [told in note for note in image.info.notes] == [True] * bool(told)


def test_places_in_larger_volumes_and_origins_are_said(tmp_path: Path) -> None:
    data = bytearray(made((1, 2, 2), 6, bytes(8)))
    struct.pack_into("<3i", data, 16, 5, 0, -7)
    struct.pack_into("<3f", data, 196, 10, 20, -30)
    (tmp_path / "a.mrc").write_bytes(data)
    with opened(tmp_path / "a.mrc") as image:
        assert image.info.origin == pytest.approx((1, 2, -3))
        assert image.info.notes == (
            "The file is a part of a larger volume: it begins at (5, 0, -7) (columns, rows, sections) of that; "
            "it was not moved.",
        )


@pytest.mark.parametrize("width", [6, 7])
def test_four_bits_become_bytes(tmp_path: Path, width: int) -> None:
    values = np.random.default_rng(0).integers(0, 16, (2, 3, width)).astype("u1")
    rows = np.pad(values, ((0, 0), (0, 0), (0, width % 2)))
    path = write(tmp_path / "a.mrc", values.shape, 101, (rows[..., ::2] | rows[..., 1::2] << 4).tobytes())
    with opened(path) as image:
        assert image.info.dtype == "uint8"
        assert np.array_equal(image.read(), values)
        for start in range(width):
            for stop in range(start + 1, width + 1):
                found = image.read(((1, 1, start), (1, 2, stop - start)))
                assert np.array_equal(found, values[1:, 1:, start:stop])


def test_colours_are_samples(tmp_path: Path) -> None:
    values = np.arange(2 * 3 * 4 * 3).astype("u1").reshape(2, 3, 4, 3)
    with opened(write(tmp_path / "a.mrc", (2, 3, 4), 16, values.tobytes())) as image:
        assert (image.info.axes, image.info.photometric) == (("z", "y", "x", "s"), "rgb")
        assert np.array_equal(image.read(), values)


@pytest.mark.parametrize("mode", [3, 4])
def test_complex_voxels_are_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "a.mrc", (2, 3, 4), mode, bytes(200))
    with pytest.raises(
        UnsupportedImageDataError, match=rf"has complex voxels \(mode {mode}\), which no layer"
    ):
        opened(path)


def test_the_voxel_size_is_the_cell_by_its_intervals_or_unknown(tmp_path: Path) -> None:
    data = bytes(24)
    facts: Any = {"cell": (40, 60, 20), "intervals": (4, 3, 2)}
    with opened(write(tmp_path / "a.mrc", (2, 3, 4), 0, data, **facts)) as image:
        assert image.info.voxel_size == pytest.approx((1, 2, 1))
    facts["intervals"] = (4, 3, 1)
    with opened(write(tmp_path / "stack.st", (2, 3, 4), 0, data, group=0, **facts)) as image:
        assert image.info.voxel_size == (pytest.approx(1), pytest.approx(2), None)
    with opened(write(tmp_path / "none.mrc", (2, 3, 4), 0, data)) as image:
        assert image.info.voxel_size == (None, None, None)


def test_a_stack_of_volumes_has_an_axis_in_front(tmp_path: Path) -> None:
    data = np.arange(24).astype("i1")
    path = write(tmp_path / "a.mrc", (6, 2, 2), 0, data.tobytes(), group=401, intervals=(2, 2, 3))
    with opened(path) as image:
        assert (image.info.axes, image.info.shape) == (("q", "z", "y", "x"), (2, 3, 2, 2))
        assert np.array_equal(image.read().ravel(), data)


def test_axes_that_make_no_sense_are_taken_as_usual_and_said(tmp_path: Path) -> None:
    with opened(write(tmp_path / "a.mrc", (2, 3, 4), 0, bytes(24), mapped=(1, 1, 3))) as image:
        assert image.info.axes == ("z", "y", "x")
        assert "Its axes are said to be (1, 1, 3)" in image.info.notes[0]


def test_old_files_without_the_stamp_are_recognised_by_a_header_that_makes_sense(tmp_path: Path) -> None:
    head = made((2, 3, 4), 1, bytes(48), name=bytes(4), stamp=b"\0\0")
    assert MrcReader().probe(LocalLocation(tmp_path / "a.st"), head) == ProbeScore.SUFFIX
    assert MrcReader().probe(LocalLocation(tmp_path / "a.st"), bytes(2000)) == ProbeScore.NO


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (made((2, 3, 4), 1, bytes(47)), "its voxels reach to byte 1072, but the file ends at 1071"),
        (made((2, 3, 4), 1, b"")[:1000], "its header has 1000 of 1024 bytes"),
        (made((0, 3, 4), 1, b""), "its header gives no size and mode that make sense"),
        (made((2, 3, 4), 99, b""), "its header gives no size and mode that make sense"),
        (made((2, 3, 4), 1, bytes(48), extended=-5), "its extended header has -5 bytes"),
    ],
)
def test_a_damaged_file_is_refused_with_a_reason(tmp_path: Path, data: bytes, text: str) -> None:
    (tmp_path / "a.mrc").write_bytes(data)
    with pytest.raises(CorruptImageError, match=text):
        opened(tmp_path / "a.mrc")


@pytest.mark.parametrize(("more", "said"), [(1, "1 byte behind"), (1500, "1,500 bytes behind"), (0, "")])
def test_bytes_behind_the_last_voxel_are_told(tmp_path: Path, more: int, said: str) -> None:
    with mrcfile.new(tmp_path / "a.mrc", np.ones((3, 7, 9), "i2")) as file:
        file.set_volume()
    (tmp_path / "a.mrc").write_bytes((tmp_path / "a.mrc").read_bytes() + bytes(more))
    told = [note for note in opened(tmp_path / "a.mrc").info.notes if "behind the last voxel" in note]
    assert [note.partition(" the last")[0] for note in told] == ([said] if said else [])
