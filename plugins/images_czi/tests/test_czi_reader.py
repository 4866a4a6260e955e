"""CZI files written by hand, by the format's published structure: what libraries that write it don't do.

Pyramids, mosaic indices, mixed and odd pixel types, JPEG XR, several files, hostile metadata. Where it can read
them, Zeiss' library (in a process of its own) says what is right.
"""

from __future__ import annotations

import math
import platform
import struct
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from sample_files import second_reader
from wkplug_czi.metadata import Metadata
from wkplug_czi.reader import CziImage, CziReader

from wkplug.abc import ProbeScore
from wkplug.errors import CorruptImageError, UnsupportedImageDataError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing.bench import noise

if TYPE_CHECKING:
    from pathlib import Path

RED_FIRST = bytes.fromhex("24C3DD6F034EFE4BB1853D77768DC90D")
BLUE_FIRST = RED_FIRST[:-1] + b"\x0c"
XML = "<ImageDocument><Metadata/></ImageDocument>"
TYPES = {0: "uint8", 1: "uint16", 2: "float32", 3: "uint8", 9: "uint8", 10: "complex64", 12: "uint32"}


def segment(name: str, content: bytes) -> bytes:
    room = -(-len(content) // 32) * 32
    return struct.pack("<16sqq", name.encode(), room, len(content)) + content.ljust(room, b"\0")


def entry(tile: dict[str, Any], position: int) -> bytes:
    """A directory entry; `place` is {dimension: start}, `size` in the finest level's pixels, y first."""
    stored = tile["pixels"].shape[:2]
    size = tile.get("size", stored)
    dimensions = [
        ("X", tile["place"]["X"], size[1], stored[1]),
        ("Y", tile["place"]["Y"], size[0], stored[0]),
    ]
    dimensions += [(name, start, 1, 1) for name, start in tile["place"].items() if name not in "XY"]
    head = struct.pack(
        "<2siqiiBB4si", b"DV", tile.get("type", 0), position, tile.get("part", 0), tile.get("compression", 0),
        0, 0, b"", len(dimensions),
    )  # fmt: skip
    return head + b"".join(struct.pack("<4siifi", n.encode(), a, b, 0.0, c) for n, a, b, c in dimensions)


def write(path: Path, tiles: list[dict[str, Any]], xml: str = XML) -> Path:
    content = b"\0" * (32 + 512)
    entries = []
    for tile in tiles:
        data = tile.get("data", np.ascontiguousarray(tile["pixels"]).tobytes())
        described = entry(tile, len(content))
        entries.append(described)
        body = struct.pack("<iiq", 0, 0, len(data)) + described
        content += segment("ZISRAWSUBBLOCK", body.ljust(256, b"\0") + data)
    directory = len(content)
    content += segment("ZISRAWDIRECTORY", struct.pack("<i124x", len(entries)) + b"".join(entries))
    metadata = len(content)
    content += segment("ZISRAWMETADATA", struct.pack("<ii248x", len(xml), 0) + xml.encode())
    head = struct.pack("<iiii16s16siqqiq", 1, 0, 0, 0, b"a" * 16, b"a" * 16, 0, directory, metadata, 0, 0)
    head = struct.pack("<16sqq", b"ZISRAWFILE", 512, 512) + head.ljust(512, b"\0")
    path.write_bytes(head + content[len(head) :])
    return path


def opened(path: Path, scene: int = 0) -> CziImage:
    return CziReader().open(LocalLocation(str(path)), scene=scene)


def at(x: int, y: int, **place: int) -> dict[str, int]:
    return {"X": x, "Y": y, "C": 0, **place}


LIBCZI = """
import sys, numpy as np
from pylibCZIrw import czi
with czi.open_czi(sys.argv[1]) as file:
    np.savez(sys.argv[-1], pixels=file.read(roi=tuple(file.total_bounding_rectangle), plane={"C": 0}))
"""


def by_libczi(path: Path) -> Any:
    """What Zeiss' library reads, red first."""
    if platform.python_version_tuple()[:2] > ("3", "13"):
        pytest.skip("pylibCZIrw has no wheel for this Python")
    return second_reader(["czifile==2019.7.2.3", "pylibCZIrw==6.1.0"], LIBCZI, path)["pixels"][..., ::-1]


def test_tiles_lie_in_the_order_of_their_mosaic_index(tmp_path: Path) -> None:
    a, b = noise((20, 30), "uint8"), noise((20, 30), "uint8") // 2
    tiles = [{"place": at(10, 5, M=1), "pixels": a}, {"place": at(0, 0, M=0), "pixels": b}]
    path = write(tmp_path / "a.czi", tiles)
    expected = np.zeros((25, 40), "uint8")
    expected[:20, :30] = b
    expected[5:, 10:] = a
    with opened(path) as image:
        assert np.array_equal(image.read()[0], expected)
        assert image.info.block_shape == (1, 20, 30)
    assert np.array_equal(by_libczi(path)[..., 0], expected)


@pytest.mark.parametrize("kind", ["grey", "colours", "colours of 16 bits"])
def test_jpeg_xr_is_decoded_as_the_makers_do(tmp_path: Path, kind: str) -> None:
    shape, number = {
        "grey": ((33, 45), 0),
        "colours": ((33, 45, 3), 3),
        "colours of 16 bits": ((33, 45, 3), 4),
    }[kind]
    y, x = np.mgrid[: shape[0], : shape[1]]
    pixels = np.stack([y * 3, x * 2, x + y], axis=-1).astype("uint16" if number == 4 else "uint8")
    pixels = pixels[..., 0] if number == 0 else pixels
    # 8-bit colours are blue first in CZI; the last byte of the pixel format's GUID says which is which.
    data = imagecodecs.jpegxr_encode(pixels, level=1.0).replace(RED_FIRST, BLUE_FIRST)
    tile = {"place": at(0, 0), "pixels": pixels, "data": data, "type": number, "compression": 4}
    path = write(tmp_path / "a.czi", [tile])
    with opened(path) as image:
        found = image.read()[0]
        assert image.info.details["compression"] == "jpegxr"
    makers = by_libczi(path)
    assert np.array_equal(found, makers[..., 0] if number == 0 else makers)


def test_smaller_copies_are_levels_if_they_cover_the_image(tmp_path: Path) -> None:
    data = noise((64, 96), "uint16")
    half = data[::2, ::2]
    tiles = [{"place": at(x, 0), "pixels": data[:, x : x + 48], "type": 1} for x in (0, 48)]
    tiles += [
        {"place": at(x, 0), "pixels": half[:, x // 2 : x // 2 + 24], "size": (64, 48), "type": 1}
        for x in (0, 48)
    ]
    tiles += [{"place": at(0, 0), "pixels": data[::4, :48:4], "size": (64, 48), "type": 1}]
    with opened(write(tmp_path / "a.czi", tiles)) as image:
        assert image.info.level_shapes == ((1, 64, 96), (1, 32, 48))
        assert np.array_equal(image.read()[0], data)
        assert np.array_equal(image.read(level=1)[0], half)
        assert np.array_equal(image.read(((0, 3, 20), (1, 9, 11)), level=1)[0], half[3:12, 20:31])


def test_opacity_is_the_fourth_sample(tmp_path: Path) -> None:
    pixels = noise((5, 6, 4), "uint8")
    with opened(write(tmp_path / "a.czi", [{"place": at(0, 0), "pixels": pixels, "type": 9}])) as image:
        assert (image.info.axes, image.info.photometric) == (("c", "y", "x", "s"), "rgb")
        assert np.array_equal(image.read()[0], pixels[..., [2, 1, 0, 3]])
        assert np.array_equal(image.read(((0, 1, 2, 1), (1, 2, 3, 2)))[0], pixels[1:3, 2:5, [1, 0]])


def test_channels_of_different_depths_share_the_wider_one(tmp_path: Path) -> None:
    narrow, wide = noise((5, 6), "uint8"), noise((5, 6), "uint16")
    tiles = [{"place": at(0, 0), "pixels": narrow}, {"place": at(0, 0, C=1), "pixels": wide, "type": 1}]
    with opened(write(tmp_path / "a.czi", tiles)) as image:
        assert image.info.dtype == "uint16"
        assert np.array_equal(image.read(), [narrow, wide])


def test_lzw_tiles_are_decoded(tmp_path: Path) -> None:
    pixels = noise((15, 16), "uint8")
    tile = {
        "place": at(0, 0),
        "pixels": pixels,
        "data": imagecodecs.lzw_encode(pixels.tobytes()),
        "compression": 2,
    }
    with opened(write(tmp_path / "a.czi", [tile])) as image:
        assert np.array_equal(image.read()[0], pixels)


GREY = {"place": at(0, 0), "pixels": noise((5, 6), "uint8")}
COLOUR = {"place": at(0, 0, C=1), "pixels": noise((5, 6, 3), "uint8"), "type": 3}


@pytest.mark.parametrize(
    ("tiles", "text"),
    [
        ([GREY, COLOUR], "has grey channels beside colour images, which can't be one array"),
        ([{**GREY, "type": 10}], "has pixels of the type number 10, which no layer can hold"),
        ([{**GREY, "compression": 105}], "is compressed with number 105, which is not published"),
        ([{**GREY, "part": 1}], "is one of several files that make up one image"),
    ],
)
def test_what_a_layer_can_not_hold_is_refused(tmp_path: Path, tiles: list[Any], text: str) -> None:
    with pytest.raises(UnsupportedImageDataError, match=text):
        opened(write(tmp_path / "a.czi", tiles))


@pytest.mark.parametrize(
    ("tiles", "text"),
    [
        ([], "it holds no image"),
        ([{**GREY, "size": (10, 12)}], "it holds smaller copies of an image, but not the image"),
        ([{**GREY, "data": b"abc"}], "a tile has 3 bytes instead of 30"),
        ([{**GREY, "data": b"\7abc", "compression": 6}], "packed with a header of an unknown kind"),
        ([{**GREY, "data": b"nonsense", "compression": 5}], "can't be read as CZI"),
    ],
)
def test_damaged_files_are_corrupt(tmp_path: Path, tiles: list[Any], text: str) -> None:
    def read() -> None:
        with opened(write(tmp_path / "a.czi", tiles)) as image:
            image.read()

    with pytest.raises(CorruptImageError, match=text):
        read()


def test_a_file_that_was_never_finished_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.czi", [GREY])
    content = bytearray(path.read_bytes())
    content[32 + 52 : 32 + 60] = bytes(8)  # the place of the directory
    path.write_bytes(content)
    with pytest.raises(CorruptImageError, match="it was not written to the end"):
        opened(path)


def test_metadata_give_sizes_names_colours_and_scenes() -> None:
    metadata = Metadata(
        "<ImageDocument><Metadata><Scaling><Items><Distance Id='X'><Value>2.5E-07</Value></Distance>"
        "<Distance Id='Y'><Value>none</Value></Distance><Distance Id='Z'><Value>-1</Value></Distance></Items></Scaling>"
        "<Information><Image><Dimensions><S><Scenes><Scene Index='0' Name='left'/></Scenes></S><Channels>"
        "<Channel Name='DAPI'/><Channel/></Channels></Dimensions></Image></Information><DisplaySetting><Channels>"
        "<Channel><Color>#FF00A0FF</Color></Channel><Channel/></Channels></DisplaySetting></Metadata></ImageDocument>"
    )
    size = metadata.voxel_size()
    assert size[0] is not None
    assert math.isclose(size[0], 250)
    assert size[1:] == (None, None)
    assert metadata.channel_names(2) == ("DAPI", "")
    assert metadata.channel_names(3) == ()
    assert metadata.channel_colors(2) == ((0, 160, 255), None)
    assert metadata.scene_names([0, 2]) == ("left", "scene 2")


@pytest.mark.parametrize("text", ['<!DOCTYPE a [<!ENTITY b "c">]><a/>', "<not xml", ""])
def test_hostile_or_broken_metadata_are_no_metadata(text: str) -> None:
    metadata = Metadata(text)
    assert metadata.voxel_size() == (None, None, None)
    assert (metadata.channel_names(1), metadata.channel_colors(1)) == ((), ())


def test_the_first_bytes_decide(tmp_path: Path) -> None:
    place = LocalLocation(str(tmp_path / "a.czi"))
    assert CziReader().probe(place, b"ZISRAWFILE\0\0") == ProbeScore.MAGIC
    assert CziReader().probe(place, b"II*\0") == ProbeScore.NO


DISPLAY = """<ImageDocument><Metadata><Information><Image><Dimensions>
<Channels><Channel Id="Channel:0" Name="DAPI"/><Channel Id="Channel:1" Name="GFP"/></Channels>
<S><Scenes><Scene Index="0" Name="A1"><CenterPosition>1000.5,-20</CenterPosition></Scene>
<Scene Index="1" Name="A1"/></Scenes></S></Dimensions></Image></Information>
<DisplaySetting><Channels>
<Channel Id="Channel:1"><Low>0.25</Low><High>0.5</High><Color>#FF00FF00</Color><IsSelected>false</IsSelected></Channel>
<Channel Id="Channel:0"><High>0.1</High><Color>#FF0000FF</Color></Channel>
</Channels></DisplaySetting></Metadata></ImageDocument>"""


def test_channels_are_shown_as_the_file_says(tmp_path: Path) -> None:
    tiles = [
        {"place": at(0, 0, S=scene, C=channel), "pixels": noise((5, 6), "uint16"), "type": 1}
        for scene in (0, 1)
        for channel in (0, 1)
    ]
    with opened(write(tmp_path / "a.czi", tiles, DISPLAY)) as image:
        assert image.info.channel_names == ("DAPI", "GFP")
        assert image.info.channel_colors == ((0, 0, 255), (0, 255, 0))
        assert image.info.channel_ranges == ((0, pytest.approx(6553.5)), (16383.75, 32767.5))
        assert image.info.channel_visible == (None, False)
        assert image.info.scenes == ("A1 (0)", "A1 (1)")
        assert image.info.details["stage_micrometres"] == [1000.5, -20]


@pytest.mark.parametrize("text", ["<Low>2</Low>", "<Low>x</Low>", "<Low>0.5</Low><High>0.5</High>", ""])
def test_ranges_that_make_no_sense_are_not_told(tmp_path: Path, text: str) -> None:
    xml = f"<I><Metadata><DisplaySetting><Channels><Channel>{text}</Channel></Channels></DisplaySetting></Metadata></I>"
    tiles = [{"place": at(0, 0), "pixels": noise((5, 6), "uint8")}]
    with opened(write(tmp_path / "a.czi", tiles, xml)) as image:
        assert image.info.channel_ranges == ()


LIBCZI_WRITES = """
import sys, numpy as np
from pylibCZIrw import czi
with czi.create_czi(sys.argv[1]) as file:
    for c in (0, 1):
        file.write(np.full((8, 9, 1), 100 * c + 7, "uint16"), plane={"C": c})
    color, shown = czi.TintingMode.Color, {}
    for c in (0, 1):
        tint = czi.Rgb8Color(10, 20, 30 + c)
        shown[c] = czi.ChannelDisplaySettingsDataClass(True, color, tint, 0.1, 0.5 + c / 4)
    file.write_metadata(document_name="a", channel_names={0: "DAPI", 1: "GFP"}, display_settings=shown)
np.savez(sys.argv[-1], done=1)
"""


def test_display_settings_of_the_makers_library_are_understood(tmp_path: Path) -> None:
    if platform.python_version_tuple()[:2] > ("3", "13"):
        pytest.skip("pylibCZIrw has no wheel for this Python")
    path = tmp_path / "a.czi"
    second_reader(["czifile==2019.7.2.3", "pylibCZIrw==6.1.0"], LIBCZI_WRITES, path)
    with opened(path) as image:
        assert image.info.channel_names == ("DAPI", "GFP")
        assert image.info.channel_colors == ((10, 20, 30), (10, 20, 31))
        assert image.info.channel_ranges == (
            (pytest.approx(6553.5), pytest.approx(32767.5)),
            (pytest.approx(6553.5), pytest.approx(49151.25)),
        )
