"""PNG, JPEG, BMP and GIF files, written by Pillow and imagecodecs: what the reader says, and every pixel."""

from __future__ import annotations

import pickle
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps
from wkplug_images.reader import Picture, PictureReader

from wkplug.abc import ProbeScore
from wkplug.errors import CorruptImageError, UnsupportedImageDataError
from wkplug.filesystems.local import LocalLocation
from wkplug.storage import locate

if TYPE_CHECKING:
    from pathlib import Path


def noise(shape: tuple[int, ...], dtype: str = "uint8") -> Any:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)


def opened(path: Path) -> Picture:
    return PictureReader().open(LocalLocation(str(path)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_png_keeps_bits_and_samples(tmp_path: Path, dtype: str, samples: int) -> None:
    data = noise((20, 30, samples), dtype)
    data = data[..., 0] if samples == 1 else data
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    with opened(tmp_path / "a.png") as image:
        assert image.info.axes == (("y", "x") if samples == 1 else ("y", "x", "s"))
        assert (image.info.shape, image.info.dtype) == (data.shape, dtype)
        assert image.info.photometric == ("rgb" if samples >= 3 else "minisblack")
        assert image.info.channel_names[-1:] == (("alpha",) if samples in (2, 4) else ())
        assert np.array_equal(image.read(), data)
        region = (3, 4, 1)[: data.ndim], (5, 6, 1)[: data.ndim]
        if samples != 1:
            assert np.array_equal(image.read(region), data[3:8, 4:10, 1:2])


def png(path: Path, data: Any, bits: int, color: int, *chunks: tuple[bytes, bytes]) -> None:
    """Write a PNG of packed values by hand: Pillow doesn't write all kinds."""
    height, width = data.shape
    places = np.arange(bits - 1, -1, -1)
    rows = np.packbits((data[..., None] >> places & 1).reshape(height, width * bits), axis=1)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    every = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
            for kind, content in every
        )
    )


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_values_of_few_bits_are_what_is_stored(tmp_path: Path, bits: int) -> None:
    data = noise((21, 33)) >> 8 - bits
    png(tmp_path / "a.png", data, bits, 0)
    with opened(tmp_path / "a.png") as image:
        assert (image.info.dtype, image.info.bits, image.info.photometric) == ("uint8", bits, "minisblack")
        assert np.array_equal(image.read(), data)
        assert np.array_equal(image.read(((3, 4), (5, 6))), data[3:8, 4:10])
    Pillow.fromarray(data > 0).save(tmp_path / "a.bmp")
    with opened(tmp_path / "a.bmp") as image:
        assert image.info.bits == 1
        assert np.array_equal(image.read(), data > 0)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("clear", [False, True])
def test_palettes_of_png_are_told_and_values_stay_indices(tmp_path: Path, bits: int, clear: bool) -> None:
    data = noise((21, 33)) >> 8 - bits
    colors = noise((2**bits, 3)).astype("uint8")
    alpha = [(b"tRNS", b"\x07")] if clear else []
    png(tmp_path / "a.png", data, bits, 3, (b"PLTE", colors.tobytes()), *alpha)
    with opened(tmp_path / "a.png") as image, Pillow.open(tmp_path / "a.png") as other:
        assert image.info.photometric == "palette"
        assert image.info.notes == (f"its values are indices into a palette of {2**bits} colours",)
        assert np.array_equal(image.read(), data)
        expected = np.asarray(other.convert("RGBA" if clear else "RGB"))
        assert np.array_equal(np.array(image.info.palette, "uint8")[data], expected)


@pytest.mark.parametrize("suffix", ["gif", "bmp"])
def test_palettes_of_other_pictures_are_told_as_well(tmp_path: Path, suffix: str) -> None:
    data = noise((20, 30)) % 5
    picture = Pillow.fromarray(data).convert("P")
    picture.putpalette(noise((5, 3)).astype("uint8").tobytes())
    picture.save(tmp_path / f"a.{suffix}")
    with opened(tmp_path / f"a.{suffix}") as image, Pillow.open(tmp_path / f"a.{suffix}") as other:
        found = image.read()
        assert found.shape == data.shape
        colors = np.array(image.info.palette, "uint8")[found]
        assert np.array_equal(colors[..., :3], np.asarray(other.convert("RGB")))


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "jpg"])
def test_a_header_that_claims_more_than_the_file_holds_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Pillow.fromarray(noise((20, 30))).save(path)
    content = bytearray(path.read_bytes())
    claims = {"png": (16, ">II"), "bmp": (18, "<II"), "gif": (6, "<HH"), "jpg": (0, ">HH")}
    place, layout = claims[suffix]
    if suffix == "jpg":
        place = content.index(b"\xff\xc0") + 5
    struct.pack_into(layout, content, place, 60000, 60000)
    path.write_bytes(content)
    with pytest.raises(CorruptImageError, match=r"60000 x 60000, more than its \d+ bytes can hold"):
        opened(path)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_is_what_pillow_decodes_but_for_rounding(tmp_path: Path, mode: str) -> None:
    smooth = np.add.outer(np.arange(40), np.arange(60)).astype("uint8")
    Pillow.fromarray(np.stack([smooth] * 3, 2)).convert(mode).save(tmp_path / "a.jpg", quality=90)
    with opened(tmp_path / "a.jpg") as image, Pillow.open(tmp_path / "a.jpg") as other:
        expected = np.asarray(other if mode == "L" else other.convert("RGB"))
        assert image.info.shape == expected.shape
        assert np.abs(image.read().astype(int) - expected).max() <= 3


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_bmp_is_read(tmp_path: Path, mode: str) -> None:
    picture = Pillow.fromarray(noise((20, 30, 3))).convert(mode)
    picture.save(tmp_path / "a.bmp")
    with opened(tmp_path / "a.bmp") as image:
        assert np.array_equal(image.read(), np.asarray(picture))


def test_frames_of_an_animation_are_an_axis_of_their_own(tmp_path: Path) -> None:
    frames = [Pillow.fromarray(noise((20, 30)) // 2 + step) for step in (0, 40, 90)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with opened(tmp_path / "a.gif") as image:
        assert image.info.axes[0] == "t"
        assert image.info.shape[:3] == (3, 20, 30)
        found = image.read()
        found = found[..., 0] if found.ndim == 4 else found
        assert np.array_equal(found, np.stack([np.asarray(frame) for frame in frames]))


def test_more_than_179_megapixels_are_no_attack(tmp_path: Path) -> None:
    Pillow.new("L", (14000, 13000), 7).save(tmp_path / "a.jpg")
    with opened(tmp_path / "a.jpg") as image:
        assert image.info.shape == (13000, 14000)


def test_pictures_elsewhere_are_read(tmp_path: Path) -> None:
    import fsspec

    data = noise((20, 30, 3))
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    place = f"memory://pictures/{tmp_path.name}/a.png"
    fsspec.filesystem("memory").pipe(place, (tmp_path / "a.png").read_bytes())
    with PictureReader().open(locate(place)) as image:
        assert np.array_equal(image.read(), data)


def test_pictures_pickle_and_threads_may_read_at_once(tmp_path: Path) -> None:
    data = noise((50, 60))
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    image = pickle.loads(pickle.dumps(opened(tmp_path / "a.png")))
    with image, ThreadPoolExecutor(8) as pool:
        rows = pool.map(lambda y: np.array_equal(image.read(((y, 0), (1, 60))), data[y : y + 1]), range(50))
        assert all(rows)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp"])
def test_a_truncated_picture_is_corrupt(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Pillow.fromarray(noise((60, 70))).save(path)
    whole = path.read_bytes()
    for keep in (4, 20, 40, len(whole) // 2, len(whole) * 9 // 10):
        path.write_bytes(whole[:keep])
        with (
            pytest.raises(CorruptImageError, match="can't be read as a picture") as caught,
            opened(path) as image,
        ):
            image.read()
        assert caught.value.path == str(path)
        assert "not written to the end" in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp"])
def test_flipped_bytes_give_an_error_or_a_picture_but_no_crash(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Pillow.fromarray(noise((40, 50))).save(path)
    whole = path.read_bytes()
    random = np.random.default_rng(5)
    for _ in range(60):
        damaged = bytearray(whole)
        for position in random.integers(8, min(len(whole), 400), 3):
            damaged[position] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        try:
            with opened(path) as image:
                if np.prod(image.info.shape, dtype=float) < 1e7:
                    image.read()
        except CorruptImageError:
            continue


def test_there_is_one_scene_and_the_first_bytes_decide(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(noise((4, 4))))
    place = LocalLocation(str(tmp_path / "a.png"))
    with pytest.raises(UnsupportedImageDataError, match="holds one image; number 1 was asked for"):
        PictureReader().open(place, scene=1)
    assert PictureReader().probe(place, b"\xff\xd8\xff\xe0") == ProbeScore.MAGIC
    assert PictureReader().probe(place, b"II*\x00") == ProbeScore.NO


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("orientation", range(10))
def test_pictures_are_given_as_they_are_seen(tmp_path: Path, suffix: str, orientation: int) -> None:
    picture = Pillow.fromarray(np.add.outer(np.arange(20), np.arange(30)).astype("uint8") * 3)
    exif = Pillow.Exif()
    exif[274] = orientation
    picture.save(tmp_path / f"a.{suffix}", exif=exif)
    with opened(tmp_path / f"a.{suffix}") as image, Pillow.open(tmp_path / f"a.{suffix}") as other:
        expected = np.asarray(ImageOps.exif_transpose(other) if 0 < orientation < 9 else other)
        assert image.info.shape == expected.shape
        assert np.array_equal(image.read(), expected)
        assert np.array_equal(image.read(((1, 2), (9, 5))), expected[1:10, 2:7])
        told = [note for note in image.info.notes if f"its orientation tag ({orientation}) asks for" in note]
        assert len(told) == (1 < orientation < 9)


def test_conversions_are_told(tmp_path: Path) -> None:
    Pillow.fromarray(noise((20, 30, 3))).convert("CMYK").save(tmp_path / "a.jpg")
    with opened(tmp_path / "a.jpg") as image:
        assert image.info.photometric == "rgb"
        assert image.info.notes == (
            "its inks (CMYK) are converted to red, green and blue, without a colour profile",
        )


def test_sixteen_bit_colours_are_not_cut(tmp_path: Path) -> None:
    data = noise((20, 30, 3), "uint16")
    for name, content in (
        ("a.png", imagecodecs.png_encode(data)),
        ("a.jp2", imagecodecs.jpeg2k_encode(data, level=0, reversible=True)),
    ):
        (tmp_path / name).write_bytes(content)
        with opened(tmp_path / name) as image:
            assert image.info.dtype == "uint16"
            assert np.array_equal(image.read(), data)


def test_jpeg_2000_that_would_not_be_read_right_is_refused(tmp_path: Path) -> None:
    content = bytearray(imagecodecs.jpeg2k_encode(noise((20, 30, 3)), codecformat="j2k"))
    coarser = content.copy()
    for component in range(3):
        coarser[42 + 3 * component + 1] = 2
    unequal = content.copy()
    unequal[42] = 11
    for changed, why in (
        (coarser, "its components are coarser than the image"),
        (unequal, "its components are of different kinds"),
    ):
        (tmp_path / "a.j2k").write_bytes(changed)
        with pytest.raises(UnsupportedImageDataError, match=f"a JPEG 2000 that can't be read: {why}"):
            opened(tmp_path / "a.j2k")


def test_two_letters_do_not_make_a_bmp(tmp_path: Path) -> None:
    place = LocalLocation(str(tmp_path / "a.bmp"))
    assert PictureReader().probe(place, b"BM is how this text begins, by chance") == ProbeScore.NO
