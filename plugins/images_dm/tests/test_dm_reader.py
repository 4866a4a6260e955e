"""DM3 and DM4 files of microscopes, compared with what another software finds in them, voxel by voxel."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sample_files
from wkplug_dm.reader import DmReader
from wkplug_dm.tags import read_tags

from wkplug.errors import CorruptImageError, UnsupportedImageDataError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ImageReaderSuite, ImageSample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Reads all files of a folder; structured pixels become samples, and axes a text.
SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from rsciio.digitalmicrograph import file_reader
found = {}
for path in sorted(Path(sys.argv[1]).rglob("*.dm[34]")):
    for scene, image in enumerate(file_reader(str(path))):
        data = image["data"]
        if data.dtype.names:
            data = np.stack([data[name] for name in "RGBA"], -1)
        key = f"{path.relative_to(sys.argv[1]).as_posix()}|{scene}"
        found[key] = data
        found[key + "|axes"] = np.array([[str(a["scale"]), a["units"] or ""] for a in image["axes"]])
np.savez(sys.argv[-1], **{key.replace("/", ":"): value for key, value in found.items()})
"""
NANOMETRES = {"nm": 1.0, "µm": 1000.0}


def folder() -> Path:
    root = sample_files.debian_package("python3-hyperspy")
    return root / "usr/lib/python3/dist-packages/hyperspy/tests/io"


@pytest.fixture(scope="module")
def others() -> dict[str, Any]:
    return second_opinion()


def second_opinion() -> dict[str, Any]:
    arrays = sample_files.second_reader(["rosettasciio==0.15.0"], SCRIPT, folder())
    return {key.replace(":", "/"): value for key, value in arrays.items()}


def opened(path: Path, scene: int = 0) -> Any:
    return DmReader().open(LocalLocation(path), scene=scene)


def test_all_real_files_have_the_voxels_and_pixel_sizes_that_another_software_finds(
    others: dict[str, Any],
) -> None:
    dtypes = set()
    for key in (key for key in others if not key.endswith("axes")):
        name, scene = key.split("|")
        expected = others[key]
        if expected.dtype.kind == "c":
            with pytest.raises(
                UnsupportedImageDataError, match="has complex pixels, which no layer can hold"
            ):
                opened(folder() / name, int(scene))
            continue
        if expected.dtype == bool:
            expected = expected.astype("uint8")
        dtypes.add(expected.dtype.name)
        with opened(folder() / name, int(scene)) as image:
            found = image.read()
            assert found.dtype == expected.dtype, key
            assert np.array_equal(found, expected), key
            assert image.info.shape == expected.shape, key
            sizes = dict(zip("xyz", image.info.voxel_size, strict=True))
            letters = [axis for axis in image.info.axes if axis != "s"]
            for letter, (scale, unit) in zip(letters, others[f"{key}|axes"], strict=True):
                spectrum = "spectrum" in name.lower() or letter == "q"
                if spectrum:
                    continue
                wanted = NANOMETRES[unit] * float(scale) if unit in NANOMETRES else None
                assert sizes[letter] == (pytest.approx(wanted) if wanted else None), key
    assert dtypes == {
        "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64",
    }  # fmt: skip


class TestDmReader(ImageReaderSuite):
    reader_factory = "wkplug_dm.reader:DmReader"

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        del folder
        root, found = globals()["folder"](), second_opinion()

        def sample(name: str, axes: str, **facts: Any) -> ImageSample:
            expected = found[f"{name}|{facts.get('scene', 0)}"]
            expected = expected.astype("uint8") if expected.dtype == bool else expected
            return ImageSample(path=root / name, axes=axes, expected=expected, **facts)

        size = 0.24853801727294922
        yield sample("dm3_2D_data/test_STEM_image.dm3", "yx", voxel_size=(size, size, None), scenes=1)
        size = 0.017751578241586685
        yield sample("dm3_2D_data/multi_signal.dm3", "yx", voxel_size=(size, size, None), scenes=2)
        yield sample("dm3_2D_data/multi_signal.dm3", "x", scenes=2, scene=1)
        size = 59.98290330171585
        stack = "dm_stackbuilder_plugin/test_stackbuilder_imagestack.dm3"
        yield sample(stack, "zyx", voxel_size=(size, size, None))
        yield sample("dm3_2D_data/test-23.dm3", "yxs")
        yield sample("dm4_3D_data/test-8.dm4", "zyxs")
        yield sample("dm4_3D_data/test-14.dm4", "zyx")
        yield sample("dm4_3D_data/test-10.dm4", "zyx")
        size = 1.9920736085623503
        yield sample("dm4_3D_data/EELS_SI.dm4", "qyx", voxel_size=(size, size, None))


def test_the_axis_of_a_spectrum_is_no_section_and_says_its_scale() -> None:
    with opened(folder() / "dm4_3D_data/EELS_SI.dm4") as image:
        assert image.info.axes == ("q", "y", "x")
        assert image.info.notes == ("The axis q has steps of 1.0 eV.",)


# --- files that are made to hurt ------------------------------------------------------------------------------


def group(*tags: bytes, count: int | None = None) -> bytes:
    return struct.pack(">BBI", 1, 0, len(tags) if count is None else count) + b"".join(tags)


def named(name: str, body: bytes) -> bytes:
    return struct.pack(">BH", 20, len(name)) + name.encode() + body


def value(name: str, *words: int, data: bytes = b"") -> bytes:
    head = struct.pack(">BH", 21, len(name)) + name.encode() + b"%%%%"
    return head + struct.pack(f">I{len(words)}I", len(words), *words) + data


def dm3(root: bytes) -> bytes:
    return struct.pack(">III", 3, len(root), 1) + root + bytes(8)


def image_of(dimensions: tuple[int, ...], kind: int, *words: int, data: bytes = b"") -> bytes:
    sizes = group(*(value("", 5, data=struct.pack("<I", n)) for n in dimensions))
    content = group(
        value("Data", *words, data=data), value("DataType", 5, data=struct.pack("<I", kind)),
        named("Dimensions", sizes),
    )  # fmt: skip
    return dm3(group(named("ImageList", group(named("", group(named("ImageData", content)))))))


def deep(levels: int) -> bytes:
    body = group()
    for _ in range(levels):
        body = group(named("a", body))
    return dm3(body)


HURTING: dict[str, tuple[bytes, str]] = {
    "nested without end": (deep(5000), "its tags are nested more than 64 deep"),
    "more tags than bytes": (dm3(group(count=2**31)), "a group claims 2147483648 tags, the file has"),
    "an array without end": (
        image_of((2, 2), 6, 20, 8, 2**32 - 1, data=bytes(4)), "its tags reach to byte",
    ),
    "a structure without fields": (dm3(group(value("a", 15, 0, 9))), "a structure has 9 fields of unknown types"),
    "an array of what is unknown": (dm3(group(value("a", 20, 77, 1))), "an array has elements of the unknown type"),
    "an unknown type": (dm3(group(value("a", 99))), "a tag has the unknown type"),
    "a type of many words": (dm3(group(value("a", *([20] * 5000)))), "a tag's type has 5000 words"),
    "arrays of arrays without end": (dm3(group(value("a", *([20] * 3000), 8, 9))), "an array has elements|depth"),
    "fewer pixels than the shape": (
        image_of((2, 3), 6, 20, 8, 4, data=bytes(4)), r"it has 4 bytes of pixels for the shape \(3, 2\) of uint8",
    ),
    "no length": (image_of((0, 3), 6, 20, 8, 4, data=bytes(4)), r"its image has the shape \[0, 3\]"),
    "no pixels": (image_of((1, 3), 6, 5, data=bytes(4)), "its image has no pixels"),
    "no image": (dm3(group()), "it holds no image"),
    "another file": (b"II*\0" + bytes(100), "it does not begin as one"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HURTING)
def test_a_hostile_file_is_refused_with_a_reason(tmp_path: Path, kind: str) -> None:
    data, text = HURTING[kind]
    (tmp_path / "a.dm3").write_bytes(data)
    with pytest.raises(CorruptImageError, match=text):
        opened(tmp_path / "a.dm3")


def test_pixels_of_an_unknown_type_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dm3").write_bytes(image_of((2, 2), 77, 20, 8, 4, data=bytes(4)))
    with pytest.raises(
        UnsupportedImageDataError, match="has pixels of the type 77, which is none that is known"
    ):
        opened(tmp_path / "a.dm3")


def test_four_axes_keep_the_slowest_as_steps(tmp_path: Path) -> None:
    data = np.arange(2 * 3 * 4 * 5, dtype="uint8")
    (tmp_path / "a.dm3").write_bytes(image_of((5, 4, 3, 2), 6, 20, 8, 120, data=data.tobytes()))
    with opened(tmp_path / "a.dm3") as image:
        assert image.info.axes == ("q", "z", "y", "x")
        assert np.array_equal(
            image.read(((1, 1, 0, 2), (1, 2, 4, 3))), data.reshape(2, 3, 4, 5)[1:, 1:, :, 2:]
        )


def test_texts_and_structures_of_tags_are_values(tmp_path: Path) -> None:
    text = "µm".encode("utf-16-le")
    root = group(
        value("unit", 20, 4, 2, data=text),
        value("pair", 15, 0, 2, 0, 2, 0, 3, data=struct.pack("<hi", -1, 7)),
    )
    path = tmp_path / "a.dm3"
    path.write_bytes(dm3(root))
    with path.open("rb") as file:
        assert read_tags(file, path.stat().st_size) == ({"unit": "µm", "pair": (-1, 7)}, "<")


def test_the_range_that_is_shown_is_said() -> None:
    with opened(folder() / "dm3_2D_data/test_diffraction_pattern.dm3") as image:
        assert image.info.channel_ranges == ((-5, 4760),)
    with opened(folder() / "dm3_2D_data/test-1.dm3") as image:
        assert image.info.channel_ranges == ((image.read().min(), image.read().max()),) == ((1, 4),)
    with opened(folder() / "dm3_2D_data/test-8.dm3") as image:  # colours are shown as they are
        assert image.info.channel_ranges == ()


def test_truth_values_are_widened_and_told() -> None:
    with opened(folder() / "dm3_2D_data/test-14.dm3") as image:
        assert image.info.dtype == "uint8"
        assert image.info.notes == ("Values of the type bool are uint8 here; nothing is lost.",)


def test_more_pixels_than_the_shape_has_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.dm3").write_bytes(image_of((2, 3), 6, 20, 8, 8, data=bytes(range(8))))
    with opened(tmp_path / "a.dm3") as image:
        assert image.info.notes == ("2 bytes behind the last voxel are not read.",)
        assert image.read().tolist() == [[0, 1], [2, 3], [4, 5]]
