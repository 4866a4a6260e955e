"""TIFF files of all sorts, written by tifffile and Pillow: what the reader says of them, and every voxel."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from wkplug_tiff.reader import TiffImage, TiffReader

from wkplug.abc import ProbeScore
from wkplug.errors import CorruptImageError, MissingError, UnsupportedImageDataError
from wkplug.filesystems.local import LocalLocation
from wkplug.storage import locate

if TYPE_CHECKING:
    from pathlib import Path


def noise(shape: tuple[int, ...], dtype: str = "uint16") -> Any:
    return np.random.default_rng(0).integers(0, 250, shape).astype(dtype)


def named(axes: str) -> dict[str, Any]:
    return {"metadata": {"axes": axes}}


def write(path: Path, data: Any, **options: Any) -> None:
    """Write with tifffile, which would take three pages for colours unless told otherwise."""
    tifffile.imwrite(path, data, **{"photometric": "minisblack", **options})


def opened(path: Path) -> TiffImage:
    return TiffReader().open(LocalLocation(str(path)))


KINDS: dict[str, tuple[tuple[int, ...], str, dict[str, Any], str]] = {
    # name: shape, dtype, options of imwrite, axes that the reader names
    "plain": ((20, 30), "uint8", {}, "yx"),
    "pages": ((5, 20, 30), "uint16", {"metadata": None}, "qyx"),
    "zyx": ((5, 20, 30), "uint16", {"metadata": {"axes": "ZYX"}}, "zyx"),
    "big endian": ((5, 20, 30), "uint16", {"metadata": {"axes": "ZYX"}, "byteorder": ">"}, "zyx"),
    "big endian deflate": ((5, 20, 30), "float32", {"byteorder": ">", "compression": "zlib"}, "qyx"),
    "bigtiff": ((5, 20, 30), "int32", {"bigtiff": True}, "qyx"),
    "lzw predictor": ((4, 20, 30), "uint16", {"compression": "lzw", "predictor": True}, "qyx"),
    "zstd": ((4, 20, 30), "uint32", {"compression": "zstd"}, "qyx"),
    "lzma": ((4, 20, 30), "uint8", {"compression": "lzma"}, "qyx"),
    "packbits": ((4, 20, 30), "uint8", {"compression": "packbits"}, "qyx"),
    "tiled": ((100, 90), "uint16", {"tile": (32, 48)}, "yx"),
    "tiled deflate": ((3, 100, 90), "uint16", {"tile": (32, 48), "compression": "zlib"}, "qyx"),
    "strips": ((100, 90), "uint16", {"rowsperstrip": 7, "compression": "zlib"}, "yx"),
    "volume tiles": ((40, 50, 60), "uint8", {"tile": (16, 16, 16), "volumetric": True}, "zyx"),
    "rgb": ((20, 30, 3), "uint8", {"photometric": "rgb"}, "yxs"),
    "rgba": ((20, 30, 4), "uint8", {"photometric": "rgb", "extrasamples": ["unassalpha"]}, "yxs"),
    "rgb pages": ((4, 20, 30, 3), "uint16", {"photometric": "rgb", "compression": "zlib"}, "qyxs"),
    "planar rgb": ((3, 20, 30), "uint8", {"photometric": "rgb", "planarconfig": "separate"}, "syx"),
    "ome": ((2, 3, 4, 20, 30), "uint16", {"ome": True, "metadata": {"axes": "TZCYX"}}, "tzcyx"),
    "ome deflate": ((3, 4, 20, 30), "uint8", {"ome": True, "compression": "zlib", **named("CZYX")}, "czyx"),
    "imagej": ((3, 2, 20, 30), "uint16", {"imagej": True, "metadata": {"axes": "ZCYX"}}, "zcyx"),
    "imagej time": ((2, 3, 2, 20, 30), "uint8", {"imagej": True, "metadata": {"axes": "TZCYX"}}, "tzcyx"),
    "imagej rgb": ((3, 20, 30, 3), "uint8", {"imagej": True, "photometric": "rgb", **named("ZYXS")}, "zyxs"),
    "zcyx": ((3, 2, 20, 30), "float32", {"metadata": {"axes": "ZCYX"}}, "zcyx"),
    "float64": ((20, 30), "float64", {}, "yx"),
    "int64": ((20, 30), "int64", {}, "yx"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_voxels_and_axes_are_those_of_the_file(tmp_path: Path, kind: str) -> None:
    shape, dtype, options, axes = KINDS[kind]
    data = noise(shape, dtype)
    write(tmp_path / "a.tif", data, **options)
    with opened(tmp_path / "a.tif") as image:
        assert "".join(image.info.axes) == axes
        assert image.info.shape == shape
        assert image.info.dtype == dtype
        found = image.read()
        assert found.dtype == np.dtype(dtype)
        assert np.array_equal(found, data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_region_equals_that_part_of_everything(tmp_path: Path, kind: str) -> None:
    shape, dtype, options, _ = KINDS[kind]
    data = noise(shape, dtype)
    write(tmp_path / "a.tif", data, **options)
    random = np.random.default_rng(1)
    with opened(tmp_path / "a.tif") as image:
        for _ in range(5):
            start = tuple(int(random.integers(0, length)) for length in shape)
            extent = tuple(
                int(random.integers(1, length - low + 1)) for low, length in zip(start, shape, strict=True)
            )
            part = tuple(slice(low, low + n) for low, n in zip(start, extent, strict=True))
            assert np.array_equal(image.read((start, extent)), data[part])


@pytest.mark.parametrize("kind", ["zyx", "imagej", "ome deflate", "tiled deflate", "rgb pages", "plain"])
def test_files_elsewhere_are_read_by_ranges(tmp_path: Path, kind: str) -> None:
    import fsspec

    shape, dtype, options, _ = KINDS[kind]
    data = noise(shape, dtype)
    write(tmp_path / "a.tif", data, **options)
    place = f"memory://tiff/{tmp_path.name}/a.tif"
    fsspec.filesystem("memory").pipe(place, (tmp_path / "a.tif").read_bytes())
    with TiffReader().open(locate(place)) as image:
        assert np.array_equal(image.read(), data)
        start, extent = (*(n - 1 for n in shape[:-2]), 3, 5), (*(1 for _ in shape[:-2]), *shape[-2:])
        extent = (*extent[:-2], shape[-2] - 3, shape[-1] - 5) if shape[-1] > 5 else extent
        start = start if shape[-1] > 5 else (0,) * len(shape)
        part = tuple(slice(low, low + n) for low, n in zip(start, extent, strict=True))
        assert np.array_equal(image.read((start, extent)), data[part])


def test_an_imagej_stack_with_one_page_directory_is_whole(tmp_path: Path) -> None:
    """ImageJ writes stacks of more than 4 GB with a single directory; its description says how many images."""
    data = noise((5, 20, 30), ">u2")
    description = "ImageJ=1.53t\nimages=5\nslices=5\nloop=false\n"
    tifffile.imwrite(
        tmp_path / "a.tif", data[0], description=description, metadata=None, byteorder=">", software=None
    )
    with (tmp_path / "a.tif").open("ab") as file:
        file.write(data[1:].tobytes())
    with opened(tmp_path / "a.tif") as image:
        assert (image.info.axes, image.info.shape) == (("z", "y", "x"), (5, 20, 30))
        assert np.array_equal(image.read(((3, 2, 1), (2, 4, 6))), data[3:5, 2:6, 1:7])
        assert np.array_equal(image.read(), data)


def test_pages_that_were_written_one_by_one_are_one_stack(tmp_path: Path) -> None:
    data = noise((5, 20, 30))
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in data:
            writer.write(page, compression="zlib", contiguous=False)
    with opened(tmp_path / "a.tif") as image:
        assert (image.info.axes, image.info.shape, image.info.scenes) == (("q", "y", "x"), (5, 20, 30), ())
        assert np.array_equal(image.read(), data)


def test_images_of_different_sizes_are_scenes(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(noise((20, 30)))
        writer.write(noise((9, 8), "uint8"))
    with TiffReader().open(LocalLocation(str(tmp_path / "a.tif")), scene=1) as image:
        assert len(image.info.scenes) == 2
        assert np.array_equal(image.read(), noise((9, 8), "uint8"))
    with pytest.raises(UnsupportedImageDataError, match="holds 2 images; number 2 was asked for"):
        TiffReader().open(LocalLocation(str(tmp_path / "a.tif")), scene=2)


def test_files_written_by_pillow_are_read(tmp_path: Path) -> None:
    data = noise((4, 20, 30), "uint8")
    first, *others = [Pillow.fromarray(page) for page in data]
    first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression="tiff_lzw")
    with opened(tmp_path / "a.tif") as image:
        assert image.info.axes == ("q", "y", "x")
        assert np.array_equal(image.read(), data)


def test_palettes_stay_indices_and_bits_become_numbers(tmp_path: Path) -> None:
    labels = noise((20, 30), "uint8") % 4
    picture = Pillow.fromarray(labels, mode=None).convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.save(tmp_path / "palette.tif")
    write(tmp_path / "bits.tif", labels > 1)
    with opened(tmp_path / "palette.tif") as image:
        assert image.info.photometric == "palette"
        assert np.array_equal(image.read(), np.asarray(picture))
    with opened(tmp_path / "bits.tif") as image:
        assert image.info.dtype == "uint8"
        assert np.array_equal(image.read(), (labels > 1).astype("uint8"))


def test_jpeg_compressed_colours_count_as_rgb(tmp_path: Path) -> None:
    data = np.broadcast_to(np.arange(64, dtype="uint8")[:, None, None] * 3, (64, 64, 3))
    write(tmp_path / "a.tif", data, photometric="rgb", compression="jpeg", tile=(32, 32))
    with opened(tmp_path / "a.tif") as image:
        assert image.info.photometric == "rgb"
        assert np.abs(image.read().astype(int) - data).max() < 12


def test_levels_are_the_pyramid_of_the_file(tmp_path: Path) -> None:
    data = noise((4, 64, 64))
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        writer.write(data, subifds=1, metadata={"axes": "ZYX"})
        writer.write(data[:, ::2, ::2], subfiletype=1)
    with opened(tmp_path / "a.ome.tif") as image:
        assert (image.info.levels, image.info.shape) == (2, (4, 64, 64))
        assert np.array_equal(image.read(level=1), data[:, ::2, ::2])


def test_voxel_sizes_and_channel_names_come_from_the_metadata_or_not_at_all(tmp_path: Path) -> None:
    ome = {
        "axes": "CYX",
        "PhysicalSizeX": 0.25,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 300,
        "PhysicalSizeYUnit": "nm",
        "Channel": {"Name": ["red", "blue"]},
    }
    write(tmp_path / "a.ome.tif", noise((2, 20, 30)), metadata=ome)
    with opened(tmp_path / "a.ome.tif") as image:
        assert image.info.voxel_size == (250.0, 300.0, None)
        assert image.info.channel_names == ("red", "blue")
    tifffile.imwrite(
        tmp_path / "ij.tif", noise((3, 20, 30)), imagej=True, resolution=(4, 2),
        metadata={"axes": "ZYX", "unit": "um", "spacing": 1.5},
    )  # fmt: skip
    with opened(tmp_path / "ij.tif") as image:
        assert image.info.voxel_size == (250.0, 500.0, 1500.0)
    write(tmp_path / "dpi.tif", noise((20, 30)), resolution=(300, 300), resolutionunit="inch")
    with opened(tmp_path / "dpi.tif") as image:
        assert image.info.voxel_size == (None, None, None)


@pytest.mark.parametrize("declaration", ['<!DOCTYPE a [<!ENTITY b "c">]>', "<not xml"])
def test_hostile_or_broken_metadata_are_no_metadata(declaration: str) -> None:
    from wkplug_tiff.sets import images_of, ome_root

    assert images_of(ome_root(declaration + "<OME><Image/></OME>")) == []


def test_images_pickle_and_open_again_after_closing(tmp_path: Path) -> None:
    data = noise((5, 20, 30))
    write(tmp_path / "a.tif", data, compression="zlib")
    image = opened(tmp_path / "a.tif")
    copy = pickle.loads(pickle.dumps(image))
    image.close()
    image.close()
    assert np.array_equal(copy.read(), data)
    assert np.array_equal(image.read(), data)
    image.close()
    copy.close()


@pytest.mark.parametrize("kind", ["zyx", "tiled deflate", "rgb pages", "big endian deflate"])
def test_threads_may_read_at_once(tmp_path: Path, kind: str) -> None:
    shape, dtype, options, _ = KINDS[kind]
    data = noise(shape, dtype)
    write(tmp_path / "a.tif", data, **options)
    with opened(tmp_path / "a.tif") as image, ThreadPoolExecutor(8) as pool:

        def read(index: int) -> bool:
            z = index % shape[0]
            found = image.read(((z, *(0 for _ in shape[1:])), (1, *shape[1:])))
            return np.array_equal(found, data[z : z + 1])

        assert all(pool.map(read, range(60)))


def test_only_the_pages_of_a_region_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.tif", noise((50, 20, 30)), compression="zlib", metadata=None)
    decoded = []
    original = tifffile.TiffPage.asarray

    def counted(page: Any, *arguments: Any, **options: Any) -> Any:
        decoded.append(page.index)
        return original(page, *arguments, **options)

    for kind in (tifffile.TiffPage, tifffile.TiffFrame):
        monkeypatch.setattr(kind, "asarray", counted)
    with opened(tmp_path / "a.tif") as image:
        image.read(((7, 0, 0), (2, 20, 30)))
    assert decoded == [7, 8]


@pytest.mark.parametrize(
    "kind", ["zyx", "pages", "lzw predictor", "imagej", "ome deflate", "tiled", "bigtiff"]
)
def test_a_truncated_file_is_corrupt_wherever_it_ends(tmp_path: Path, kind: str) -> None:
    shape, dtype, options, _ = KINDS[kind]
    path = tmp_path / "a.tif"
    write(path, noise(shape, dtype), **options)
    whole = path.read_bytes()
    expected = noise(shape, dtype)
    for keep in sorted({0, 3, 8, 20, *(len(whole) * tenth // 10 for tenth in range(1, 10)), len(whole) - 1}):
        path.write_bytes(whole[:keep])
        try:
            with opened(path) as image:
                found = image.read()
        except CorruptImageError as error:
            told = error
        else:
            assert np.array_equal(found, expected), keep  # some cuts lose nothing but padding
            continue
        assert told.path == str(path)
        assert "can't be read as a TIFF" in str(told)
        assert "not written to the end" in str(told)


def test_flipped_bytes_give_an_error_or_an_image_but_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path, noise((3, 20, 30)), compression="zlib")
    whole = bytearray(path.read_bytes())
    random = np.random.default_rng(3)
    for _ in range(150):
        damaged = bytearray(whole)
        for position in random.integers(0, min(len(whole), 600), 3):
            damaged[position] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        try:
            with opened(path) as image:
                if np.prod(image.info.shape, dtype=float) < 1e7:
                    image.read()
        except (CorruptImageError, UnsupportedImageDataError):
            continue


def test_samples_that_no_layer_can_hold_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", noise((20, 30)).astype("complex64"))
    with pytest.raises(UnsupportedImageDataError, match="complex64, which no layer can hold"):
        opened(tmp_path / "a.tif")


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="There is no file"):
        opened(tmp_path / "a.tif")


def test_the_first_bytes_decide(tmp_path: Path) -> None:
    reader, place = TiffReader(), LocalLocation(str(tmp_path / "x"))
    assert reader.probe(place, b"II*\x00....") == ProbeScore.MAGIC
    assert reader.probe(place, b"MM\x00+....") == ProbeScore.MAGIC
    assert reader.probe(place, b"\x89PNG") == ProbeScore.NO
