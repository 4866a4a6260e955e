"""Which images a TIFF holds, and what is told of the pages that are in none of them."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from wkplug_tiff.reader import TiffImage, TiffReader

import wkplug as wk
from wkplug.errors import CorruptImageError, TooLargeError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing.bench import noise

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def opened(path: Path, scene: int = 0) -> TiffImage:
    return TiffReader().open(LocalLocation(str(path)), scene=scene)


def write(path: Path, *pages: tuple[Any, dict[str, Any]], **options: Any) -> None:
    with tifffile.TiffWriter(path, **options) as file:
        for data, more in pages:
            file.write(data, **{"photometric": "minisblack", **more})


LARGE, SMALL = noise((40, 60), "uint8"), noise((10, 15), "uint8")
PLAIN: dict[str, Any] = {"metadata": None}


@pytest.mark.parametrize("metadata", [{"metadata": None}, {}])
@pytest.mark.parametrize("size", [(10, 15), (20, 30), (7, 7)])
def test_a_thumbnail_is_never_the_image(tmp_path: Path, metadata: Any, size: tuple[int, int]) -> None:
    small = noise(size, "uint8")
    write(tmp_path / "a.tif", (small, {"subfiletype": 1, **metadata}), (LARGE, metadata))
    with opened(tmp_path / "a.tif") as image:
        assert image.info.scenes == ()
        assert np.array_equal(image.read(), LARGE)
        assert image.info.notes == (
            f"its version of reduced resolution ({size[1]} x {size[0]}) is left out: "
            "it shows another of its images",
        )


def test_a_file_of_nothing_but_a_thumbnail_is_that(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", (SMALL, {"subfiletype": 1, **PLAIN}))
    with opened(tmp_path / "a.tif") as image:
        assert np.array_equal(image.read(), SMALL)
        assert image.info.notes == ()


def test_series_with_names_are_scenes_and_masks_come_last(tmp_path: Path) -> None:
    named = [
        (LARGE, {"metadata": {"axes": "YX", "Name": "left"}}),
        (SMALL, {"metadata": {"axes": "YX", "Name": "right"}}),
    ]
    write(tmp_path / "a.ome.tif", *named, ome=True)
    for number, data in enumerate((LARGE, SMALL)):
        with opened(tmp_path / "a.ome.tif", number) as image:
            assert image.info.scenes == ("left", "right")
            assert np.array_equal(image.read(), data)
    write(tmp_path / "b.tif", (SMALL > 99, {"subfiletype": 4, **PLAIN}), (LARGE, PLAIN))
    with opened(tmp_path / "b.tif") as image:
        assert len(image.info.scenes) == 2
        assert np.array_equal(image.read(), LARGE)


def test_pages_of_other_sizes_between_sections_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", (LARGE, PLAIN), (SMALL, PLAIN), (LARGE // 2, PLAIN), (LARGE // 3, PLAIN))
    with opened(tmp_path / "a.tif") as image:
        assert image.info.shape == (3, 40, 60)
        assert (
            "1 page lies between those of 60 x 40 (1, counted from 0) and of another size or type (15 x 10): "
            "no section stands for it, and what follows lies nearer" in image.info.notes
        )
    # Where the second, the eighth and the last are as the first, they seem to be all the same.
    write(tmp_path / "b.tif", *[(LARGE, PLAIN)] * 4, (SMALL, PLAIN), *[(LARGE, PLAIN)] * 6)
    with opened(tmp_path / "b.tif") as image:
        assert image.info.shape == (10, 40, 60)
        assert any("(4, counted from 0) and of another size" in note for note in image.info.notes)


def test_pages_that_are_turned_in_different_ways_are_told(tmp_path: Path) -> None:
    turned = {**PLAIN, "extratags": [(274, "H", 1, 6, True)]}
    write(tmp_path / "a.tif", (LARGE, PLAIN), (LARGE, turned), (LARGE, PLAIN))
    with opened(tmp_path / "a.tif") as image:
        assert image.info.shape == (3, 40, 60)
        said = "1 of its pages has another orientation tag than the first, which counts for all"
        assert said in image.info.notes


@pytest.mark.parametrize(("declared", "written"), [(6, 4), (4, 6), (5, 5)])
def test_planes_that_are_missing_or_left_over_are_counted(
    tmp_path: Path, declared: int, written: int
) -> None:
    data = noise((written, 20, 30), "uint8")
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="30" SizeY="20" '
        f'SizeZ="{declared}" SizeC="1" SizeT="1"><TiffData/></Pixels></Image></OME>'
    )
    options: dict[str, Any] = {"description": xml, "metadata": None, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.ome.tif", data, **options)
    with opened(tmp_path / "a.ome.tif") as image:
        assert image.info.shape == (declared, 20, 30)
        expected = np.zeros(image.info.shape, "uint8")
        there = min(declared, written)
        expected[:there] = data[:there]
        assert np.array_equal(image.read(), expected)
        missing = ("2 of its 6 planes are in no file, and read as zeros",)
        over = ("2 of the 6 pages of the file are in no image that its metadata describe, and left out",)
        assert image.info.notes == (missing if declared > written else over if declared < written else ())


def test_an_imagej_stack_of_more_pages_than_it_says_tells_it(tmp_path: Path) -> None:
    options: dict[str, Any] = {"metadata": None, "photometric": "minisblack", "compression": "zlib"}
    description = "ImageJ=1.53t\nimages=2\nslices=2\n"
    tifffile.imwrite(tmp_path / "a.tif", noise((5, 20, 30), "uint8"), description=description, **options)
    with opened(tmp_path / "a.tif") as image:
        assert image.info.shape == (2, 20, 30)
        assert "3 of the 5 pages of the file are in no image" in image.info.notes[0]


@pytest.mark.parametrize("declared", ["images=9\nslices=9", "images=1000000000\nslices=1000000000"])
def test_more_planes_than_pages_are_refused_when_the_file_is_opened(tmp_path: Path, declared: str) -> None:
    options: dict[str, Any] = {"metadata": None, "photometric": "minisblack", "compression": "zlib"}
    description = f"ImageJ=1.53t\n{declared}\n"
    tifffile.imwrite(tmp_path / "a.tif", noise((5, 20, 30), "uint8"), description=description, **options)
    with pytest.raises(CorruptImageError, match=r"its metadata declare \d+ planes, but it has 5 pages"):
        opened(tmp_path / "a.tif")


@pytest.mark.parametrize("codec", [None, "zlib", "lzma"])
def test_a_size_that_the_memory_does_not_have_is_refused(tmp_path: Path, codec: str | None) -> None:
    options: dict[str, Any] = {"metadata": None, "photometric": "minisblack", "compression": codec}
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((64, 64), "uint8"), **options)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages[0].tags[name].overwrite(60000)
    wanted = CorruptImageError if codec is None else TooLargeError
    said = "its pixels reach to byte 3600000" if codec is None else "The import takes at least 3.7GB"
    with pytest.raises(wanted, match=said):
        wk.Dataset.from_images(tmp_path / "a.tif", tmp_path / "out", (1, 1, 1), memory="500MB")


def chain(tags: list[tuple[int, int, int, int]], pages: int, back_to: int | None = None) -> bytes:
    """A file of pages with these tags; the last leads back to one of them, or nowhere."""
    size = 2 + 12 * len(tags) + 4
    result = bytearray(b"II*\0" + struct.pack("<I", 8))
    for number in range(pages):
        link = 8 + size * (number + 1)
        if number == pages - 1:
            link = 0 if back_to is None else 8 + size * back_to
        entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
        result += struct.pack("<H", len(tags)) + entries + struct.pack("<I", link)
    return bytes(result)


def calls_of(work: Callable[[], None]) -> int:
    """Count the calls, of Python and of C, that some work makes: what its time grows with."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def test_long_lists_of_pages_without_pixels_are_refused_soon(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(chain([(256, 3, 1, 7)], 50_000))

    def refused() -> None:
        with pytest.raises(CorruptImageError, match="more than 64 of its pages have no pixels"):
            opened(path)

    assert calls_of(refused) < 50 * 50_000  # more than a billion, if each is compared with all others


def test_the_work_that_equal_pages_make_grows_with_their_number(tmp_path: Path) -> None:
    one = [(256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    every = [*one, (277, 3, 1, 1), (278, 3, 1, 2), (279, 4, 1, 4)]
    calls = []
    for pages in (400, 1600):
        content = chain(every, pages)
        # The last page is another one, so that they are no uniform stack.
        position = content.rindex(struct.pack("<HHII", *every[0]))
        content = content[:position] + struct.pack("<HHII", 256, 3, 1, 1) + content[position + 12 :]
        (tmp_path / "a.tif").write_bytes(content)

        def look(pages: int = pages) -> None:
            with opened(tmp_path / "a.tif") as image:
                assert image.info.shape == (pages - 1, 2, 2)

        calls.append(calls_of(look))
    assert calls[1] < 5 * calls[0]


@pytest.mark.parametrize(("pages", "back_to"), [(3, 0), (150, 120), (150, 149)])
def test_a_list_of_pages_that_never_ends_is_refused(tmp_path: Path, pages: int, back_to: int) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(chain([(256, 3, 1, 7)], pages, back_to))
    with pytest.raises(CorruptImageError, match=f"leads back to page {back_to}, and never ends"):
        opened(path)


OME = (
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
    'DimensionOrder="XYZCT" Type="uint8" SizeX="10" SizeY="8" SizeZ="2" SizeC="2" SizeT="1">'
    '<Channel ID="Channel:0:0"/><Channel ID="Channel:0:1"/><TiffData/></Pixels></Image></OME>'
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("text", "kept"),
    [(OME, True), (OME[:200], False), (OME.replace('SizeX="10"', 'SizeX="20"'), False)],
    ids=["whole", "cut", "of another size"],
)
def test_ome_metadata_that_can_not_be_used_are_told(tmp_path: Path, text: str, kept: bool) -> None:
    pages = np.arange(320, dtype="uint8").reshape(4, 8, 10)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        for page in pages:
            file.write(page, description=text, metadata=None, contiguous=False)
            text = ""
    with opened(tmp_path / "a.ome.tif") as image:
        info = image.info
    told = (
        "its OME metadata are damaged, or describe other pages than it has: what its planes are was not taken from "
        "them"
    )
    assert (info.axes == ("c", "z", "y", "x"), told in info.notes) == (kept, not kept)
