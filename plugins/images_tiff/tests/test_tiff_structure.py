"""How TIFFs are taken apart: parsed once, decoded by tile, larger than 4 GB, cut into pieces."""

from __future__ import annotations

import contextlib
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from wkplug_tiff.reader import TiffImage, TiffReader

from wkplug.errors import CorruptImageError, MissingError, UnsupportedImageDataError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing.bench import noise
from wkplug.testing.places import PlainLocation

if TYPE_CHECKING:
    from collections.abc import Callable


def opened(path: Path, scene: int = 0) -> TiffImage:
    return TiffReader().open(LocalLocation(str(path)), scene=scene)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], list[Any]]:
    """Count the calls of a method of tifffile."""

    def count(owner: Any, name: str) -> list[Any]:
        calls: list[Any] = []
        original = getattr(owner, name)

        def wrapper(self: Any, *arguments: Any, **options: Any) -> Any:
            calls.append(arguments)
            return original(self, *arguments, **options)

        monkeypatch.setattr(owner, name, wrapper)
        return calls

    return count


@pytest.mark.parametrize("pages", [20, 2000])
def test_a_file_is_parsed_once_however_many_pages_are_read(
    tmp_path: Path, counted: Callable[[Any, str], list[Any]], pages: int
) -> None:
    """The cost of a page doesn't grow with the number of pages."""
    data = noise((pages, 8, 8), "uint8")
    options: dict[str, Any] = {"metadata": None, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", data, compression="zlib", **options)
    files = counted(tifffile.TiffFile, "__init__")
    full = counted(tifffile.TiffPage, "__init__")
    short = counted(tifffile.TiffFrame, "__init__")
    with opened(tmp_path / "a.tif") as image:
        for number in range(pages):
            assert np.array_equal(image.read(((number, 0, 0), (1, 8, 8)))[0], data[number])
    assert len(files) == 1
    assert len(full) + len(short) <= 2 * pages + 2


def open_files(path: Path) -> int:
    """How many descriptors of this process lead to a file."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += link.readlink() == path.resolve()
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs a list of open files")
def test_a_closed_image_reads_again_without_being_parsed_again(
    tmp_path: Path, counted: Callable[[Any, str], list[Any]]
) -> None:
    path = tmp_path / "a.tif"
    data = noise((30, 8, 8), "uint8")
    tifffile.imwrite(path, data, compression="zlib", photometric="minisblack")
    files = counted(tifffile.TiffFile, "__init__")
    image = opened(path)
    assert image.reopens
    assert open_files(path) == 1
    for _ in range(3):
        image.close()
        image.close()
        assert open_files(path) == 0
        assert np.array_equal(image.read(((2, 1, 0), (9, 4, 8))), data[2:11, 1:5])
        assert open_files(path) == 1
    assert len(files) == 1
    with pickle.loads(pickle.dumps(image)) as copy:
        assert np.array_equal(copy.read(), data)
    assert len(files) == 2
    image.close()
    tifffile.imwrite(path, data[:20] // 2, compression="zlib", photometric="minisblack")
    assert np.array_equal(image.read(), data[:20] // 2)
    assert len(files) == 3
    image.close()
    path.unlink()
    with pytest.raises(MissingError, match=r"There is no file .*a\.tif"):
        image.read()


def test_a_file_that_was_damaged_while_it_was_closed_is_not_read_as_it_was_parsed(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise((4, 8, 8), "uint8"), photometric="minisblack")
    image = opened(path)
    image.close()
    path.write_bytes(b"MM" + path.read_bytes()[2:])
    for _ in range(3):
        with pytest.raises(CorruptImageError, match=r"a\.tif can't be read as a TIFF"):
            image.read()


def test_images_of_other_places_are_parsed_again(tmp_path: Path) -> None:
    data = noise((4, 8, 8), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", data, compression="zlib", photometric="minisblack")
    with TiffReader().open(PlainLocation(LocalLocation(str(tmp_path / "a.tif")))) as image:
        assert not image.reopens
        image.close()
        assert np.array_equal(image.read(), data)


def test_only_the_tiles_of_a_region_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = noise((640, 640), "uint8")
    options: dict[str, Any] = {"tile": (64, 64), "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", data, compression="zlib", **options)
    decoded: list[int] = []
    original = tifffile.TIFF.DECOMPRESSORS[8]

    def decode(content: Any, *arguments: Any, **others: Any) -> Any:
        decoded.append(len(content))
        return original(content, *arguments, **others)

    monkeypatch.setitem(tifffile.TIFF.DECOMPRESSORS._codecs, 8, decode)
    with opened(tmp_path / "a.tif") as image:
        assert image.info.block_shape == (64, 64)
        assert np.array_equal(image.read(((100, 130), (20, 60))), data[100:120, 130:190])
    assert len(decoded) == 1


def test_a_sparse_tile_is_empty(tmp_path: Path) -> None:
    def tiles() -> Any:
        yield noise((32, 32), "uint8")
        yield None
        yield noise((32, 32), "uint8", seed=2)
        yield None

    options: dict[str, Any] = {"shape": (64, 64), "dtype": "uint8", "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", tiles(), tile=(32, 32), compression="zlib", **options)
    expected = tifffile.imread(tmp_path / "a.tif")
    with opened(tmp_path / "a.tif") as image:
        assert np.array_equal(image.read(), expected)
        assert np.array_equal(image.read(((20, 20), (30, 30))), expected[20:50, 20:50])
        assert not image.read(((0, 32), (32, 32))).any()


CODECS = (
    "zlib",
    "lzw",
    "zstd",
    "lzma",
    "packbits",
    "lerc",
    "png",
    "jpegxl",
    "webp",
    "jpeg2000",
    "deflate",
    "jpeg",
)


@pytest.mark.parametrize("codec", CODECS)
def test_every_compression_that_the_codecs_have_is_read_by_region(tmp_path: Path, codec: str) -> None:
    smooth = np.add.outer(np.arange(70), np.arange(90)).astype("uint8")
    data = np.stack([smooth, smooth // 2, 255 - smooth], 2) if codec in ("webp", "jpeg") else smooth
    options: dict[str, Any] = {"photometric": "rgb" if data.ndim == 3 else "minisblack", "tile": (32, 32)}
    try:
        tifffile.imwrite(tmp_path / "a.tif", data, compression=codec, **options)
    except (ImportError, imagecodecs.DelayedImportError) as error:
        pytest.skip(f"imagecodecs was built without {codec}: {error}")
    expected = tifffile.imread(tmp_path / "a.tif")
    lossy = codec in ("webp", "jpeg", "jpeg2000", "jpegxl")
    assert np.abs(expected.astype(int) - data).max() <= (40 if lossy else 0)
    with opened(tmp_path / "a.tif") as image:
        assert np.array_equal(image.read(), expected)
        box = ((20, 25, 0)[: data.ndim], (40, 50, 3)[: data.ndim])
        assert np.array_equal(image.read(box), expected[20:60, 25:75])


def test_an_imagej_stack_of_more_than_4_gb_is_read_in_pieces(tmp_path: Path) -> None:
    """Such stacks have one directory, and a description that says how many images follow."""
    path = tmp_path / "a.tif"
    shape = (700, 2500, 2500)
    description = f"ImageJ=1.53t\nimages={shape[0]}\nslices={shape[0]}\nloop=false\n"
    first = noise(shape[1:], "uint8").copy(order="C")
    tifffile.imwrite(path, first, description=description, metadata=None, byteorder=">", software=None)
    with tifffile.TiffFile(path) as file:
        start = file.pages[0].dataoffsets[0]
    plane = shape[1] * shape[2]
    last = noise((3, 5), "uint8", seed=9).copy(order="C")
    with path.open("r+b") as raw:
        raw.truncate(start + shape[0] * plane)  # sparse: what was not written takes no room
        for row in range(3):
            raw.seek(start + 699 * plane + (100 + row) * 2500 + 200)
            raw.write(last[row].tobytes())
    assert path.stat().st_size > 1 << 32
    with opened(path) as image:
        assert (image.info.axes, image.info.shape) == (("z", "y", "x"), shape)
        assert np.array_equal(image.read(((699, 100, 200), (1, 3, 5)))[0], last)
        assert np.array_equal(image.read(((0, 10, 20), (1, 30, 40)))[0], first[10:40, 20:60])
    place = PlainLocation(LocalLocation(str(path)))
    with TiffReader().open(place) as image:
        assert np.array_equal(image.read(((699, 100, 200), (1, 3, 5)))[0], last)


def test_a_compression_that_nobody_decodes_is_refused_with_its_name(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", noise((20, 30), "uint8"), photometric="minisblack", compression="zlib"
    )
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages[0].tags["Compression"].overwrite(32766)
    with pytest.raises(UnsupportedImageDataError, match=r"can't be decoded: .*NEXT"):
        opened(tmp_path / "a.tif")
