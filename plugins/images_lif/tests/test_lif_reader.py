"""LIF files written by hand, because none that a microscope wrote was to be had; readlif is the second reader."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
from sample_files import second_reader
from wkplug_lif.metadata import channel_colors, channel_names, voxel_size
from wkplug_lif.reader import LifReader

from wkplug.abc import ProbeScore
from wkplug.errors import CorruptImageError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ImageReaderSuite, ImageSample, bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def noise(shape: tuple[int, ...], dtype: str) -> Any:
    """Noise whose strides are those of its bytes in the file."""
    return np.ascontiguousarray(bench.noise(shape, dtype))


DIM_IDS = {"X": 1, "Y": 2, "Z": 3, "T": 4, "M": 10}
LENGTHS = {"X": 2.5e-7, "Y": 5e-7, "Z": 1.5e-6, "T": 1.0, "M": 1.0}


def element(name: str, data: Any, axes: str, *, dyes: tuple[str, ...] = (), unit: str = "m") -> str:
    """One image: `axes` in the order of storage, the slowest first; C are channels, S colours of a pixel."""
    size = data.dtype.itemsize
    strides = dict(zip(axes, data.strides, strict=True))
    shape = dict(zip(axes, data.shape, strict=True))
    channels = []
    for c in range(shape.get("C", shape.get("S", 1))):
        dye = f"<ChannelProperty><Key>DyeName</Key><Value>{dyes[c]}</Value></ChannelProperty>" if dyes else ""
        tag = c + 1 if "S" in axes else 0
        increase = c * strides.get("C", strides.get("S", 0))
        channels.append(
            f'<ChannelDescription DataType="0" ChannelTag="{tag}" Resolution="{size * 8}" NameOfMeasuredQuantity="" '
            f'Min="0" Max="255" Unit="" LUTName="{("Red", "Green", "Blue")[c]}" IsLUTInverted="0" '
            f'BytesInc="{increase}" BitInc="0">{dye}</ChannelDescription>'
        )
    dimensions = "".join(
        f'<DimensionDescription DimID="{DIM_IDS[axis]}" NumberOfElements="{shape[axis]}" Origin="0" '
        f'Length="{LENGTHS[axis] * (shape[axis] - 1)}" Unit="{"s" if axis == "T" else unit}" BitInc="0" '
        f'BytesInc="{strides[axis]}"/>'
        for axis in "XYZTM"
        if axis in axes
    )
    return (
        f'<Element Name="{name}" UniqueID="{name}"><Data><Image><ImageDescription><Channels>{"".join(channels)}'
        f"</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data>"
        f'<Memory Size="{data.nbytes}" MemoryBlockID="Mem_{name}"/></Element>'
    )


def write(path: Path, images: dict[str, tuple[Any, str]], **facts: Any) -> Path:
    elements = "".join(element(name, *image, **facts) for name, image in images.items())
    xml = f'<LMSDataContainerHeader Version="2"><Element Name="project"><Children>{elements}</Children></Element>'
    text = f"{xml}</LMSDataContainerHeader>".encode("utf-16-le")
    content = struct.pack("<IIBI", 0x70, len(text) + 5, 0x2A, len(text) // 2) + text
    for name, (data, _) in images.items():
        key = f"Mem_{name}".encode("utf-16-le")
        head = struct.pack("<IIBQBI", 0x70, len(key) + 14, 0x2A, data.nbytes, 0x2A, len(key) // 2)
        content += head + key + data.tobytes()
    path.write_bytes(content)
    return path


READLIF = """
import sys, numpy as np
from readlif.reader import LifFile
arrays = {}
for number, image in enumerate(LifFile(sys.argv[1]).get_iter_image()):
    planes = [[[np.array(image.get_frame(z=z, t=t, c=c)) for c in range(image.channels)]
               for z in range(image.dims.z)] for t in range(image.dims.t)]
    arrays[f"image{number}"] = np.array(planes)  # t, z, c, y, x
    arrays[f"scale{number}"] = np.array([np.nan if scale is None else scale for scale in image.scale[:3]], float)
np.savez(sys.argv[-1], **arrays)
"""


class TestLif(ImageReaderSuite):
    reader_factory = "wkplug_lif.reader:LifReader"

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        stack, series = noise((4, 2, 20, 30), "uint8"), noise((3, 4, 20, 30), "uint16")
        path = write(
            folder / "a.lif", {"stack": (stack, "ZCYX"), "series": (series, "TZYX")}, dyes=("DAPI", "GFP")
        )
        found = second_reader(["readlif==0.6.6"], READLIF, path)
        assert np.array_equal(found["image0"][0], stack)
        assert np.array_equal(found["image1"][:, :, 0], series)
        # It gives voxels per micrometre.
        assert 1000 / found["scale0"] == pytest.approx((250, 500, 1500), rel=0.01)
        facts: dict[str, Any] = {"voxel_size": (250.0, 500.0, 1500.0), "scenes": 2}
        yield ImageSample(path=path, axes="zcyx", expected=stack, channel_names=("DAPI", "GFP"), **facts)
        yield ImageSample(path=path, axes="tzyx", expected=series, scene=1, **facts)
        plane = noise((20, 31), "uint16")
        facts = {"voxel_size": (None, None, None)}
        yield ImageSample(
            path=write(folder / "b.lif", {"a": (plane, "YX")}, unit=""), axes="yx", expected=plane, **facts
        )
        colours = noise((20, 30, 3), "uint8")
        path = write(folder / "c.lif", {"a": (colours, "YXS")})
        yield ImageSample(path=path, axes="yxs", expected=colours, voxel_size=(250.0, 500.0, None))


def test_the_tiles_of_a_mosaic_are_an_axis_and_it_is_said(tmp_path: Path) -> None:
    data = noise((2, 5, 6), "uint8")
    with LifReader().open(LocalLocation(str(write(tmp_path / "a.lif", {"a": (data, "MYX")})))) as image:
        assert image.info.axes == ("m", "y", "x")
        assert image.info.notes == ("The tiles of this mosaic are an axis (m); they are not put together.",)
        assert np.array_equal(image.read(), data)


def test_colours_and_names_count_only_if_every_channel_may_have_one() -> None:
    root = ElementTree.fromstring(element("a", noise((2, 5, 6), "uint8"), "CYX"))
    assert channel_colors(root, 2) == ((255, 0, 0), (0, 255, 0))
    assert channel_colors(root, 3) == ()
    assert channel_names(root, 2) == ()
    assert voxel_size(root) == pytest.approx((250.0, 500.0, None))


def test_a_file_without_images_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptImageError, match="can't be read as LIF: it holds no image"):
        LifReader().open(LocalLocation(str(write(tmp_path / "a.lif", {}))))


def test_an_image_without_its_data_is_corrupt(tmp_path: Path) -> None:
    path = write(tmp_path / "a.lif", {"a": (noise((5, 6), "uint8"), "YX")})
    content = path.read_bytes()
    path.write_bytes(
        content.replace(
            'NumberOfElements="6"'.encode("utf-16-le"), 'NumberOfElements="9"'.encode("utf-16-le")
        )
    )
    with pytest.raises(CorruptImageError, match="can't be read as LIF: "):
        LifReader().open(LocalLocation(str(path)))


def test_the_first_bytes_decide(tmp_path: Path) -> None:
    place = LocalLocation(str(tmp_path / "a.lif"))
    head = write(tmp_path / "a.lif", {}).read_bytes()[:64]
    assert LifReader().probe(place, head) == ProbeScore.MAGIC
    assert LifReader().probe(place, head[:4] + bytes(60)) == ProbeScore.NO


def test_ranges_of_channels_are_parts_of_what_their_bits_hold(tmp_path: Path) -> None:
    path = write(tmp_path / "a.lif", {"a": (noise((2, 20, 30), "uint16"), "CYX")})
    scaling = (
        '<Attachment Name="ViewerScaling"><ChannelScalingInfo BlackValue="0.25" WhiteValue="0.5"/>'
        '<ChannelScalingInfo BlackValue="0.5" WhiteValue="0.5"/></Attachment></Image>'
    )
    content = path.read_bytes()
    start, (length,) = 13, struct.unpack_from("<I", content, 9)
    text = content[start : start + 2 * length].decode("utf-16-le").replace("</Image>", scaling, 1)
    head = struct.pack("<IIBI", 0x70, 2 * len(text) + 5, 0x2A, len(text))
    path.write_bytes(head + text.encode("utf-16-le") + content[start + 2 * length :])
    with LifReader().open(LocalLocation(path)) as image:
        assert image.info.channel_ranges == ((16383.75, 32767.5), None)
