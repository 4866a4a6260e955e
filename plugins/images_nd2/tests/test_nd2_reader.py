"""ND2 files written by hand, because none that a microscope wrote was to be had: what was written is what is read."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from wkplug_nd2.reader import Nd2Reader

from wkplug.abc import ProbeScore
from wkplug.errors import CorruptImageError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ImageReaderSuite, ImageSample
from wkplug.testing.bench import noise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAP, FILE_MAP = b"ND2 CHUNK MAP SIGNATURE 0000001!", b"ND2 FILEMAP SIGNATURE NAME 0001!"
LOOPS = {"T": 1, "P": 2, "Z": 4}


def variant(value: Any, name: str = "no_name") -> str:
    """Values as the format's own XML."""
    if isinstance(value, dict):
        inside = "".join(variant(each, key) for key, each in value.items())
        return f'<{name} runtype="CLxListVariant">{inside}</{name}>'
    if isinstance(value, list):
        return f'<{name} runtype="CLxListVariant">{"".join(variant(each) for each in value)}</{name}>'
    kinds = {bool: "bool", int: "lx_int32", float: "double", str: "CLxStringW"}
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f'<{name} runtype="{kinds[type(value)]}" value="{text}"/>'


def parameters(axis: str, count: int) -> dict[str, Any]:
    if axis == "T":
        return {"uiCount": count, "dStart": 0.0, "dPeriod": 100.0, "dDuration": 100.0}
    if axis == "Z":
        return {"uiCount": count, "dZStep": 1.5, "dZLow": 0.0, "dZHigh": 1.5 * (count - 1), "dZHome": 0.0}
    points = {
        f"i{number:010}": {"dPosX": 0.0, "dPosY": 0.0, "dPosZ": 0.0, "dPosName": f"well {number}"}
        for number in range(count)
    }
    return {"uiCount": count, "Points": points}


def experiment(loops: dict[str, int]) -> dict[str, Any]:
    (axis, count), *inner = loops.items()
    found: dict[str, Any] = {"eType": LOOPS[axis], "uLoopPars": parameters(axis, count)}
    if axis == "P":
        found["pItemValid"] = [1] * count
    if inner:
        found["ppNextLevelEx"] = {"i0000000000": experiment(dict(inner))}
    return found


def write(
    path: Path, data: Any, loops: str, *, colours: bool = False, calibrated: bool = True, left_out: int = -1
) -> Path:
    """`data` has the axes of the loops, then (c, y, x), or (y, x, s) for colours."""
    lead = len(loops)
    frames = data.reshape(-1, *data.shape[lead:])
    frames = frames if colours else frames.transpose(0, 2, 3, 1)  # channels lie together in a pixel
    count, height, width, components = frames.shape
    bits = data.dtype.itemsize * 8
    attributes = {
        "uiWidth": width, "uiHeight": height, "uiComp": components, "uiBpcInMemory": bits, "uiBpcSignificant": bits,
        "uiWidthBytes": width * components * data.dtype.itemsize, "uiSequenceCount": count, "eCompression": 2,
    }  # fmt: skip
    channels = 1 if colours else components
    planes = {
        f"a{number}": {"uiCompCount": 3 if colours else 1, "sDescription": ("DAPI", "GFP", "RFP")[number],
                       "uiColor": 0x0000FF << 8 * number, "uiSampleIndex": number,
                       "pFluorescentProbe": {"m_sName": "none"}, "pFilterPath": {}}
        for number in range(channels)
    }  # fmt: skip
    metadata = {
        "bCalibrated": calibrated, "dCalibration": 0.25,
        "sPicturePlanes": {"uiCount": channels, "sPlaneNew": planes},
    }  # fmt: skip
    chunks = {
        b"ImageAttributesLV!": {"SLxImageAttributes": attributes},
        b"ImageMetadataSeqLV|0!": {"SLxPictureMetadata": metadata},
    }
    if loops:
        lengths = dict(zip(loops, data.shape, strict=False))
        chunks[b"ImageMetadataLV!"] = {"SLxExperiment": experiment(lengths)}
    head = struct.pack("<IIQ32s64s", 0x0ABECEDA, 32, 64, b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0")
    content = head.ljust(4096, b"\0")
    places = []

    def add(name: bytes, body: bytes) -> None:
        nonlocal content
        places.append(name + struct.pack("<QQ", len(content), len(body)))
        content += struct.pack("<IIQ", 0x0ABECEDA, 4072, len(body)) + name.ljust(4072, b"\0") + body

    for name, value in chunks.items():
        add(name, f'<variant version="1.0">{variant(value)}</variant>'.encode())
    for number, frame in enumerate(frames):
        if number != left_out:
            # The time of the frame comes first.
            add(
                f"ImageDataSeq|{number}!".encode(),
                struct.pack("<d", 0.0) + np.ascontiguousarray(frame).tobytes(),
            )
    start = len(content)
    body = b"".join(places) + MAP + struct.pack("<Q", start)
    content += struct.pack("<IIQ", 0x0ABECEDA, 32, len(body)) + FILE_MAP + body
    path.write_bytes(content)
    return path


class TestNd2(ImageReaderSuite):
    reader_factory = "wkplug_nd2.reader:Nd2Reader"

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        data = noise((2, 3, 2, 20, 30), "uint16")
        path = write(folder / "series.nd2", data, "TZ")
        size: Any = (250.0, 250.0, 1500.0)
        names = ("DAPI", "GFP")
        yield ImageSample(
            path=path, axes="tzcyx", expected=data, voxel_size=size, channel_names=names, damage=False
        )
        positions = noise((3, 4, 1, 20, 30), "uint8")
        path = write(folder / "positions.nd2", positions, "PZ")
        for scene in range(3):
            expected = positions[scene, :, 0]
            facts: dict[str, Any] = {"scene": scene, "scenes": 3, "voxel_size": size, "damage": False}
            yield ImageSample(path=path, axes="zyx", expected=expected, **facts)
        colours = noise((20, 30, 3), "uint8")
        path = write(folder / "colours.nd2", colours, "", colours=True, calibrated=False)
        yield ImageSample(path=path, axes="yxs", expected=colours)


def test_positions_have_their_names_and_channels_their_colours(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nd2", noise((2, 2, 5, 6), "uint8"), "P")
    with Nd2Reader().open(LocalLocation(str(path))) as image:
        assert image.info.scenes == ("well 0", "well 1")
        assert image.info.channel_names == ("DAPI", "GFP")
        assert image.info.channel_colors == ((255, 0, 0), (0, 255, 0))


def test_a_frame_that_is_missing_is_damage_and_not_zeros(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nd2", noise((4, 1, 5, 6), "uint8"), "Z", left_out=2)
    with Nd2Reader().open(LocalLocation(str(path))) as image:
        assert np.array_equal(image.read(((0, 0, 0), (2, 5, 6))), noise((4, 1, 5, 6), "uint8")[:2, 0])
        with pytest.raises(CorruptImageError, match="can't be read as ND2: frame 2 is missing"):
            image.read()


def test_a_file_that_was_cut_is_corrupt(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nd2", noise((4, 1, 5, 6), "uint8"), "Z")
    content = path.read_bytes()
    for length in (len(content) - 1, len(content) // 2, 5000, 100, 5):
        path.write_bytes(content[:length])
        with pytest.raises(CorruptImageError, match="can't be read as ND2: "):
            Nd2Reader().open(LocalLocation(str(path))).read()


def test_the_first_bytes_decide_and_for_the_first_version_the_suffix(tmp_path: Path) -> None:
    named, other = LocalLocation(str(tmp_path / "a.nd2")), LocalLocation(str(tmp_path / "a.jp2"))
    jpeg2000 = b"\x00\x00\x00\x0cjP  \r\n\x87\x0a"
    assert Nd2Reader().probe(other, b"\xda\xce\xbe\x0a....") == ProbeScore.MAGIC
    assert Nd2Reader().probe(named, jpeg2000) == ProbeScore.SUFFIX
    assert Nd2Reader().probe(other, jpeg2000) == ProbeScore.NO
