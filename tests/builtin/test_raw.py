"""Raw files, whose layout is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from wkplug.builtin.raw import RawLayout, RawReader
from wkplug.errors import CorruptImageError, InvalidArgumentError, UnsupportedDtypeError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ImageReaderSuite, ImageSample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = np.random.default_rng(0).integers(0, 60_000, (30, 200, 401)).astype(">u2")


def reader(settings: Any) -> RawReader:
    return RawReader(RawLayout(**settings))


class TestRawReader(ImageReaderSuite):
    reader_factory = reader
    has_magic = False
    settings: ClassVar[dict[str, Any]] = {
        "shape": DATA.shape, "dtype": ">u2", "offset": 77, "voxel_size": (4.0, 4.0, 40.0),
    }  # fmt: skip

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        (folder / "a.raw").write_bytes(bytes(77) + DATA.tobytes())
        yield ImageSample(path=folder / "a.raw", axes="zyx", expected=DATA, voxel_size=(4.0, 4.0, 40.0))


class TestRawReaderOfFortran(ImageReaderSuite):
    reader_factory = reader
    has_magic = False
    settings: ClassVar[dict[str, Any]] = {"shape": (6, 5, 4, 3), "dtype": "<f4", "order": "F"}

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        data = np.random.default_rng(1).random((6, 5, 4, 3)).astype("<f4")
        (folder / "a.raw").write_bytes(data.tobytes("F"))
        yield ImageSample(path=folder / "a.raw", axes="xyzc", expected=data)


def test_what_lies_behind_the_voxels_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(30))
    with reader({"shape": (5, 5), "dtype": "u1"}).open(LocalLocation(tmp_path / "a.raw")) as image:
        assert image.info.notes == ("5 bytes behind the last voxel are not read.",)
    with pytest.raises(CorruptImageError, match="its voxels reach to byte 50, but the file ends at 30"):
        reader({"shape": (5, 5), "dtype": "u2"}).open(LocalLocation(tmp_path / "a.raw"))


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ({"shape": ()}, r"The shape \(\) of a raw file has no voxels"),
        ({"shape": (3, 0)}, r"The shape \(3, 0\) of a raw file has no voxels"),
        ({"shape": (3, 2), "axes": "xx"}, r"The axes x, x don't fit a raw file of the shape \(3, 2\)"),
        ({"shape": (3, 2), "axes": "xyz"}, r"The axes x, y, z don't fit"),
        ({"shape": (3, 2), "order": "A"}, "'A' is no order of axes"),
        ({"shape": (3, 2), "offset": -1}, "Voxels can't begin at byte -1"),
    ],
)
def test_a_layout_that_can_not_be_is_refused(layout: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=text):
        RawLayout(dtype="u1", **{key: tuple(v) if key == "axes" else v for key, v in layout.items()})


@pytest.mark.parametrize(
    ("dtype", "text"), [("complex64", "No layer can hold voxels of the type complex64"), ("f2", "float16"),
                        ("rubbish", "'rubbish' is no type of numpy"), ("bool", "type bool")]
)  # fmt: skip
def test_types_that_no_layer_holds_are_refused(dtype: str, text: str) -> None:
    with pytest.raises(UnsupportedDtypeError, match=text):
        RawLayout(shape=(2, 2), dtype=dtype)
