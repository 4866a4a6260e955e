"""Images of stored files: opened when needed, closed when they fail, read in turns, opened again elsewhere."""

from __future__ import annotations

import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wkplug.abc import ImageInfo, ImageReader, StoredImage
from wkplug.abc.files import check_scene, held_dtype, listed
from wkplug.abc.images import by_frames, distinct_names, region_of
from wkplug.errors import CorruptImageError, MissingError, UnsupportedImageDataError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing.places import PlainLocation

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

OPEN: list[LineFile] = []


class LineFile:
    """A library's file: bytes in lines, one position for all threads."""

    def __init__(self, file: Any) -> None:
        self.lines = file.read().splitlines()
        self.reading = 0
        OPEN.append(self)

    def close(self) -> None:
        OPEN.remove(self)
        raise OSError("it can't be closed")

    def line(self, number: int) -> NDArray[Any]:
        self.reading += 1
        assert self.reading == 1, "two threads at once"
        warnings.warn("a library's opinion", stacklevel=1)
        result = np.frombuffer(self.lines[number], "u1")
        self.reading -= 1
        return result


class LineReader(ImageReader):
    def open(self, location: Location, *, scene: int = 0) -> LineImage:
        return LineImage(self, location, scene)


class LineImage(StoredImage):
    """Lines of one length are an image (y, x)."""

    what = "lines"
    quiet = True

    def open_file(self) -> LineFile:
        source = self.source()
        with open(source, "rb") if isinstance(source, str) else source as file:  # noqa: PTH123
            lines = LineFile(file)
        self.closing.callback(lines.close)
        check_scene(self.location, self.scene, 1)
        return lines

    def describe(self, file: LineFile) -> ImageInfo:
        first = file.lines[0]
        return ImageInfo(axes=("y", "x"), shape=(len(file.lines), len(first)), dtype="uint8")

    def read_box(self, file: LineFile, box: Box, level: int) -> NDArray[Any]:
        return by_frames(box, 1, self.info.dtype, lambda place, region: file.line(place[0])[region])


@pytest.fixture
def place(tmp_path: Path) -> LocalLocation:
    (tmp_path / "a.lines").write_bytes(b"abc\ndef\nghi\njkl\n")
    return LocalLocation(str(tmp_path / "a.lines"))


def letters(image: StoredImage, box: Box | None = None) -> bytes:
    return image.read(box).tobytes()


def test_a_file_is_opened_once_and_closed_with_its_image(place: LocalLocation) -> None:
    with LineReader().open(place) as image:
        assert letters(image) == b"abcdefghijkl"
        assert letters(image, ((1, 1), (2, 2))) == b"efhi"
        assert [image.file] == OPEN
    assert OPEN == []


def test_a_closed_image_opens_its_file_again_when_read(place: LocalLocation) -> None:
    image = LineReader().open(place)
    image.close()
    image.close()
    assert OPEN == []
    assert letters(image, ((0, 0), (1, 3))) == b"abc"
    assert len(OPEN) == 1
    image.close()


@pytest.mark.parametrize(
    ("content", "scene", "error", "text"),
    [
        (None, 0, MissingError, "There is no file"),
        (b"", 0, CorruptImageError, "can't be read as lines: list index out of range"),
        (b"abc\n", 1, UnsupportedImageDataError, "holds one image; number 1 was asked for"),
    ],
)
def test_nothing_stays_open_if_opening_fails(
    tmp_path: Path, content: bytes | None, scene: int, error: type[Exception], text: str
) -> None:
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(error, match=text):
        LineReader().open(LocalLocation(str(tmp_path / "a")), scene=scene)
    assert OPEN == []


def test_an_interrupted_opening_leaves_nothing_open(place: LocalLocation) -> None:
    class Interrupted(LineImage):
        def describe(self, file: LineFile) -> ImageInfo:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Interrupted(LineReader(), place)
    assert OPEN == []


def test_a_file_that_is_gone_is_missing_when_read_again(place: LocalLocation, tmp_path: Path) -> None:
    image = LineReader().open(place)
    image.close()
    (tmp_path / "a.lines").unlink()
    with pytest.raises(MissingError, match="There is no file"):
        image.read()
    assert OPEN == []


def test_damage_found_while_reading_is_told_with_the_file(place: LocalLocation) -> None:
    with LineReader().open(place) as image, pytest.raises(CorruptImageError, match="as lines"):
        image.read(((3, 0), (2, 3)))


@pytest.mark.parametrize("level", [1, -1])
def test_a_resolution_that_is_not_there_is_refused(place: LocalLocation, level: int) -> None:
    with (
        LineReader().open(place) as image,
        pytest.raises(UnsupportedImageDataError, match=f"one resolution; number {level} was asked for"),
    ):
        image.read(level=level)


def test_threads_take_turns_at_a_file_with_one_position(place: LocalLocation) -> None:
    start = threading.Barrier(4)

    def read(row: int) -> bytes:
        start.wait()
        return b"".join(letters(image, ((row, 0), (1, 3))) for _ in range(50))

    with LineReader().open(place) as image, ThreadPoolExecutor(4) as pool:
        image.close()
        assert list(pool.map(read, range(4))) == [row * 50 for row in (b"abc", b"def", b"ghi", b"jkl")]
        assert [image.file] == OPEN


def test_images_that_read_at_once_share_no_turn(place: LocalLocation) -> None:
    meeting = threading.Barrier(2, timeout=10)

    class AtOnce(LineImage):
        in_turns = False

        def read_box(self, file: LineFile, box: Box, level: int) -> NDArray[Any]:
            meeting.wait()
            return np.frombuffer(file.lines[box[0][0]], "u1")

    with AtOnce(LineReader(), place) as image, ThreadPoolExecutor(2) as pool:
        rows = pool.map(lambda row: letters(image, ((row, 0), (1, 3))), range(2))
        assert list(rows) == [b"abc", b"def"]


def test_an_image_is_pickled_by_its_place_and_opens_there(place: LocalLocation) -> None:
    with LineReader().open(place) as image, pickle.loads(pickle.dumps(image)) as other:
        assert [image.file, other.file] == OPEN
        assert letters(other) == letters(image)


def test_elsewhere_a_file_is_read_by_ranges_and_closed(place: LocalLocation) -> None:
    class Elsewhere(LineImage):
        def open_file(self) -> Any:
            source = self.source()
            assert not isinstance(source, str)
            self.closing.callback(lambda: closed.append(source.closed))
            return source

        def describe(self, file: Any) -> ImageInfo:
            return ImageInfo(axes=("x",), shape=(len(file.read()),), dtype="uint8")

    closed: list[bool] = []
    with Elsewhere(LineReader(), PlainLocation(place)) as image:
        file = image.file
        assert image.info.shape == (16,)
    assert closed == [False]
    assert file.closed


@pytest.mark.parametrize("dtype", ["complex64", "longdouble", "U3", "object", "M8[s]"])
def test_types_that_no_layer_holds_are_refused(place: LocalLocation, dtype: str) -> None:
    with pytest.raises(
        UnsupportedImageDataError, match=r"has samples of the type .+, which no layer can hold"
    ):
        held_dtype(place, np.dtype(dtype))


@given(st.data())
def test_a_box_by_frames_is_the_box(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple))
    lead = data.draw(st.integers(0, len(shape)))
    start = tuple(data.draw(st.integers(0, length - 1)) for length in shape)
    extent = tuple(data.draw(st.integers(1, n - first)) for n, first in zip(shape, start, strict=True))
    whole = np.arange(np.prod(shape), dtype="uint16").reshape(shape)
    found = by_frames((start, extent), lead, "uint16", lambda place, region: whole[place][region])
    assert np.array_equal(found, whole[region_of((start, extent))])


def test_the_box_of_a_level_is_all_of_it() -> None:
    alone = ImageInfo(axes=("y", "x"), shape=(6, 4), dtype="uint8")
    assert alone.box() == ((0, 0), (6, 4))
    both = ImageInfo(axes=("y", "x"), shape=(6, 4), dtype="uint8", levels=2, level_shapes=((6, 4), (3, 2)))
    assert both.box(1) == ((0, 0), (3, 2))


def test_names_that_two_scenes_have_get_numbers() -> None:
    assert distinct_names(["a", "b", "a"]) == ("a (0)", "b", "a (2)")
    assert distinct_names(["a", "a"], [3, 5]) == ("a (3)", "a (5)")


def test_long_lists_say_how_many_more_there_are() -> None:
    assert listed([1, 2, 3], 3) == "1, 2, 3"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"
