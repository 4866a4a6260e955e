"""Files and sequences that pims opens, compared with what was written."""

from __future__ import annotations

import gc
import pickle
import struct
import subprocess
import sys
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from wkplug.abc import ProbeScore
from wkplug.errors import (
    CorruptImageError,
    UnsupportedImageDataError,
    UnsupportedImageFormatError,
    UnsupportedOperationError,
)
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ImageReaderSuite, ImageSample
from wkplug.testing.bench import noise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pims = pytest.importorskip("pims", reason="neither pims nor scm-pims is installed")

from wkplug_pims.frames import FramesImage  # noqa: E402  # after the skip
from wkplug_pims.reader import PimsReader  # noqa: E402


class TestPims(ImageReaderSuite):
    reader_factory = "wkplug_pims.reader:PimsReader"
    needs_local_path = True
    has_magic = False  # pims goes by the suffix

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        data = noise((5, 20, 30), "uint16")
        tifffile.imwrite(folder / "a.tif", data, photometric="minisblack", metadata=None)
        # tifffile, which pims uses, reads what is left of a TIFF that was cut.
        yield ImageSample(path=folder / "a.tif", axes="qyx", expected=data, damage=False)
        colours = noise((20, 30, 3), "uint8")
        Pillow.fromarray(colours).save(folder / "a.png")
        yield ImageSample(path=folder / "a.png", axes="qyxs", expected=colours[None])


class Named(pims.FramesSequenceND):
    """Frames with the axes t, z, c, y, x."""

    def __init__(self, data: Any) -> None:
        super().__init__()
        self.data = data
        for axis, length in zip("tzcyx", data.shape, strict=True):
            self._init_axis(axis, length)
        self._register_get_frame(self.get_plane, "yx")

    def get_plane(self, **index: int) -> Any:
        return self.data[index["t"], index["z"], index["c"]]

    @property
    def pixel_type(self) -> Any:
        return self.data.dtype

    @property
    def metadata(self) -> dict[str, Any]:
        return {"pixel_microns": 0.25}


class Plain(pims.FramesSequence):
    """Frames without named axes."""

    def __init__(self, frames: list[Any]) -> None:
        self.frames = frames

    def get_frame(self, i: int) -> Any:
        return self.frames[i]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def frame_shape(self) -> Any:
        return self.frames[0].shape

    @property
    def pixel_type(self) -> Any:
        return self.frames[0].dtype


def test_a_sequence_with_named_axes_keeps_them() -> None:
    data = noise((2, 3, 2, 8, 9), "uint16")
    sequence = Named(data)
    sequence.bundle_axes, sequence.iter_axes = "zyx", "t"
    image = FramesImage(sequence, "mine")
    assert image.info.axes == ("t", "z", "c", "y", "x")
    assert image.info.voxel_size == (250.0, 250.0, None)
    assert np.array_equal(image.read(), data)
    part = image.read(((1, 1, 0, 2, 3), (1, 2, 1, 4, 5)))
    assert np.array_equal(part, data[1:2, 1:3, :1, 2:6, 3:8])
    assert (list(sequence.bundle_axes), list(sequence.iter_axes)) == (["z", "y", "x"], ["t"])
    image.close()
    assert np.array_equal(sequence[1], data[1, :, 0])


@pytest.mark.parametrize(("shape", "axes"), [((8, 9), "qyx"), ((8, 9, 3), "qyxs"), ((5, 8, 9), "qzyx")])
def test_a_sequence_without_named_axes_is_pages(shape: tuple[int, ...], axes: str) -> None:
    data = noise((4, *shape), "uint8")
    image = FramesImage(Plain(list(data)))
    assert ("".join(image.info.axes), image.info.voxel_size) == (axes, (None, None, None))
    assert "taken for sections" in image.info.notes[0]
    assert np.array_equal(image.read(), data)


def test_frames_that_no_image_is_made_of_are_refused() -> None:
    with pytest.raises(
        UnsupportedImageDataError, match=r"have the shape \(2, 3, 4, 5\), of which nobody says"
    ):
        FramesImage(Plain([noise((2, 3, 4, 5), "uint8")]))
    with pytest.raises(
        UnsupportedImageDataError, match="has frames of the type complex64, which no layer can hold"
    ):
        FramesImage(Plain([noise((4, 5), "uint8").astype("complex64")]))
    mixed = FramesImage(Plain([noise((4, 5), "uint8"), noise((4, 6), "uint8")]))
    with pytest.raises(
        UnsupportedImageDataError, match=r"Frame 1 of Plain has the shape \(4, 6\), the first \(4, 5\)"
    ):
        mixed.read()


def test_an_opened_sequence_stays_in_its_process() -> None:
    with pytest.raises(UnsupportedOperationError, match="can't be sent to another process"):
        pickle.dumps(FramesImage(Plain([noise((4, 5), "uint8")])))


def test_sizes_that_are_no_sizes_are_unknown() -> None:
    frames = SimpleNamespace(metadata={"mpp": -1}, __len__=lambda: 1)
    from wkplug_pims.frames import _pixel_size

    assert _pixel_size(frames) is None


def test_a_file_that_no_reader_of_pims_opens_is_told_with_their_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"no picture at all")
    with pytest.raises(CorruptImageError, match="can't be read as a file of pims: ImageReader: "):
        PimsReader().open(LocalLocation(str(path)))
    gc.collect()
    (tmp_path / "a.unknown").write_bytes(b"x")
    with pytest.raises(UnsupportedImageFormatError, match=r"No installed reader of pims takes .*a\.unknown"):
        PimsReader().open(LocalLocation(str(tmp_path / "a.unknown")))


def test_files_that_failing_readers_of_pims_leave_open_are_closed_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((20, 30), "uint8"), photometric="minisblack", compression="zlib")
    path.write_bytes(path.read_bytes()[:20])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(CorruptImageError, match="can't be read as a file of pims"):
            PimsReader().open(LocalLocation(str(path)))
        gc.collect()
    assert [str(each.message) for each in told if each.category is ResourceWarning] == []


def test_voxels_without_a_header_are_no_damaged_photograph(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(10_000))
    place = LocalLocation(str(tmp_path / "a.raw"))
    assert PimsReader().probe(place, bytes(4096)) == ProbeScore.NO
    assert PimsReader().probe(LocalLocation(str(tmp_path / "a.mp4")), bytes(4096)) != ProbeScore.MAGIC
    (tmp_path / "a.png").write_text("<!DOCTYPE html>")
    with pytest.raises(CorruptImageError) as caught:
        PimsReader().open(LocalLocation(str(tmp_path / "a.png")))
    assert "pip install" not in str(caught.value)


def test_without_pims_nothing_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    code = (
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'pims' else find(name, *a)\n"
        "from wkplug_pims.reader import PimsReader; from wkplug.filesystems.local import LocalLocation\n"
        f"place = LocalLocation({str(tmp_path / 'a.png')!r})\n"
        "print(int(PimsReader().probe(place, b'x')))\n"
        "PimsReader().open(place)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "0\n"
    assert "The reader 'pims' needs pims, which is not installed." in done.stderr


def test_files_that_another_reader_is_sure_of_load_no_pims(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise((4, 5), "uint8"))
    code = (
        "import sys; from wkplug import registry; from wkplug.filesystems.local import LocalLocation\n"
        f"choice = registry.choose_reader(LocalLocation({str(tmp_path / 'a.tif')!r}), b'II*\\0')\n"
        "print(choice.name, 'pims' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "tifffile False\n"


def page(tags: tuple[int, ...], following: int) -> bytes:
    return (
        struct.pack("<H", len(tags))
        + b"".join(struct.pack("<HHII", tag, 3, 1, 1) for tag in tags)
        + struct.pack("<I", following)
    )


@pytest.mark.parametrize(
    ("count", "last", "said"),
    [
        (1, 8, "its pages lead back to one another in a circle"),
        (50, 8, "its pages lead back to one another in a circle"),
        (50, 26, "its pages lead back to one another in a circle"),
        (70, 0, "more than 64 of its pages have no pixels"),
        (200_000, 8, "more than 64 of its pages have no pixels"),
        (3, 5000, "its list of pages breaks off after 3"),
    ],
)
def test_chains_of_pages_without_an_end_are_refused(tmp_path: Path, count: int, last: int, said: str) -> None:
    pages = [page((0x9999,), 8 + 18 * (index + 1)) for index in range(count - 1)]
    (tmp_path / "a.tif").write_bytes(
        b"II*\0" + struct.pack("<I", 8) + b"".join([*pages, page((0x9999,), last)])
    )
    with pytest.raises(CorruptImageError, match=said):
        PimsReader().open(LocalLocation(str(tmp_path / "a.tif")))


def test_pages_of_big_tiffs_are_followed(tmp_path: Path) -> None:
    entry = struct.pack("<QHHQQQ", 1, 273, 3, 1, 1, 16)
    (tmp_path / "a.tif").write_bytes(b"II+\0" + struct.pack("<HHQ", 8, 0, 16) + entry)
    with pytest.raises(CorruptImageError, match="in a circle"):
        PimsReader().open(LocalLocation(str(tmp_path / "a.tif")))
