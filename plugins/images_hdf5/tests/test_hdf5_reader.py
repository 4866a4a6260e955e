"""What HDF5 files say of themselves, and how those are refused that can't be read rightly."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from sample_files import python_package, second_reader
from wkplug_hdf5.reader import Hdf5Image, Hdf5Reader

from wkplug.errors import (
    ConfigError,
    CorruptImageError,
    MissingError,
    UnsafePathError,
    UnsupportedImageDataError,
)
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ImageReaderSuite, ImageSample
from wkplug.testing.bench import noise

if TYPE_CHECKING:
    from pathlib import Path


def opened(path: Path, scene: int = 0) -> Hdf5Image:
    return Hdf5Reader().open(LocalLocation(str(path)), scene=scene)


def write(path: Path, data: Any, attributes: dict[str, Any], labels: str = "") -> Path:
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("data", data=data)
        dataset.attrs.update(attributes)
        for number, label in enumerate(labels):
            dataset.dims[number].label = label
    return path


TAGS = '{"axes": [{"key": "z"}, {"key": "y"}, {"key": "x"}, {"key": "c"}]}'
TRUE_COLOUR = {"CLASS": np.bytes_("IMAGE"), "IMAGE_SUBCLASS": np.bytes_("IMAGE_TRUECOLOR")}
NAMED: dict[str, tuple[tuple[int, ...], dict[str, Any], str, str, str]] = {
    # name: shape, attributes, labels, axes that the reader names, photometric
    "labels": ((4, 5, 6), {}, "tyx", "tyx", ""),
    "axistags": ((4, 5, 6, 2), {"axistags": TAGS}, "", "zyxc", ""),
    "letters": ((4, 5, 6), {"axes": "XYZ"}, "", "xyz", ""),
    "words": ((4, 5, 6), {"axes": "time, y, x"}, "", "tyx", ""),
    "list": ((2, 5, 6), {"dims": ["c", "y", "x"]}, "", "cyx", ""),
    "letters that don't fit": ((4, 5, 6), {"axes": "yx"}, "", "qyx", ""),
    "letters without x": ((4, 5), {"axes": "ab"}, "", "yx", ""),
    "true colour": ((5, 6, 3), TRUE_COLOUR, "", "yxs", "rgb"),
    "true colour planes": ((3, 5, 6), {**TRUE_COLOUR, "INTERLACE_MODE": "INTERLACE_PLANE"}, "", "syx", "rgb"),
    "palette": ((5, 6), {"IMAGE_SUBCLASS": "IMAGE_INDEXED"}, "", "yx", "palette"),
    "matlab": ((4, 6, 5), {"MATLAB_class": np.bytes_("uint8")}, "", "qxy", ""),
}


@pytest.mark.parametrize("kind", NAMED)
def test_axes_are_those_that_the_dataset_names(tmp_path: Path, kind: str) -> None:
    shape, attributes, labels, axes, photometric = NAMED[kind]
    data = noise(shape, "uint8")
    with opened(write(tmp_path / "a.h5", data, attributes, labels)) as image:
        assert ("".join(image.info.axes), image.info.photometric) == (axes, photometric)
        assert np.array_equal(image.read(), data)
        guessed = kind in ("letters that don't fit", "letters without x", "palette")
        assert any("doesn't name its axes" in note for note in image.info.notes) == guessed


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, (None, None, None)),
        ({"element_size_um": [0.3, 0.2, 0.1]}, (100, 200, 300)),
        ({"resolution": [40.0, 4.0, 4.0]}, (None, None, None)),
        ({"resolution": [40.0, 4.0, 4.0], "unit": "nm"}, (4, 4, 40)),
        ({"resolution": [40.0, 4.0, 4.0], "unit": "furlong"}, (None, None, None)),
        ({"voxel_size": [40.0, 4.0], "unit": "nm"}, (None, None, None)),
        ({"voxel_size": [0.0, -1.0, np.inf], "unit": "nm"}, (None, None, None)),
    ],
)
def test_voxel_sizes_need_their_unit(tmp_path: Path, attributes: Any, expected: Any) -> None:
    with opened(write(tmp_path / "a.h5", noise((4, 5, 6), "uint8"), attributes)) as image:
        assert image.info.voxel_size == pytest.approx(expected)


def test_an_imaris_file_without_a_unit_has_no_voxel_size(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.ims", "w") as file:
        image = file.create_group("DataSetInfo/Image").attrs
        image.update(
            {f"Ext{end}{axis}": b"%d" % n for axis in range(3) for end, n in (("Min", 0), ("Max", 9))}
        )
        file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data"] = noise((4, 5, 6), "uint8")
    with opened(tmp_path / "a.ims") as image:
        assert (image.info.voxel_size, image.info.origin) == ((None, None, None), (None, None, None))
        assert np.array_equal(image.read()[0, 0], noise((4, 5, 6), "uint8"))


def test_a_block_of_the_users_own_may_come_first(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["a"] = noise((4, 5), "uint8")
    head = (tmp_path / "a.mat").read_bytes()[:4096]
    assert Hdf5Reader().probe(LocalLocation(str(tmp_path / "a.mat")), head) > 0
    with opened(tmp_path / "a.mat") as image:
        assert np.array_equal(image.read(), noise((4, 5), "uint8"))


def test_a_file_without_images_says_so(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["curve"] = [1, 2, 3]
        file["text"] = "abc"
    with pytest.raises(
        UnsupportedImageDataError, match="holds no image: there is no dataset of numbers with two"
    ):
        opened(tmp_path / "a.h5")


def test_half_floats_and_truth_values_are_widened(tmp_path: Path) -> None:
    for data, dtype in ((noise((4, 5), "float16"), "float32"), (noise((4, 5), "uint8") > 128, "uint8")):
        with opened(write(tmp_path / f"{dtype}.h5", data, {})) as image:
            assert np.array_equal(image.read(), data)
            assert image.read().dtype == image.info.dtype == dtype
            assert (
                image.info.notes[-1] == f"Values of the type {data.dtype} are {dtype} here; nothing is lost."
            )


def test_values_that_no_layer_can_hold_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", np.zeros((4, 5), "longdouble"), {})
    with pytest.raises(
        UnsupportedImageDataError,
        match="has values in the dataset /data of the type float128, which no layer can hold",
    ):
        opened(tmp_path / "a.h5")


def test_colour_maps_and_scales_are_no_images(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["labels/ids"] = noise((4, 5), "uint32")
        file["raw"] = noise((4, 5), "uint8")
        file["Thumbnail/small"] = noise((2, 2), "uint8")
        file["map"] = noise((256, 3), "uint8")
        file["map"].attrs["CLASS"] = np.bytes_("PALETTE")
    with opened(tmp_path / "a.h5", scene=0) as image:
        assert image.info.scenes == ("raw", "labels/ids", "Thumbnail/small")
        assert np.array_equal(image.read(), noise((4, 5), "uint8"))


def test_volumes_come_before_planes_and_tables_are_no_images(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["annotations/locations"] = noise((50, 3), "float64")
        file["a_projection"] = noise((8, 9), "uint8")
        file["volumes/labels/ids"] = noise((3, 8, 9), "uint64")
        file["volumes/raw"] = noise((3, 8, 9), "uint8")
    with opened(tmp_path / "a.h5") as image:
        assert image.info.scenes == ("volumes/raw", "volumes/labels/ids", "a_projection")
        assert np.array_equal(image.read(), noise((3, 8, 9), "uint8"))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["narrow"] = noise((50, 3), "uint8")  # beside no volume, it may be one
    with opened(tmp_path / "b.h5") as image:
        assert image.info.shape == (50, 3)


def test_ranges_of_imaris_channels_are_said(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.ims", "w") as file:
        file.create_group("DataSetInfo/Image")
        info = file.create_group("DataSetInfo/Channel 0").attrs
        info.update({"Name": b"DAPI", "Color": b"0 0 1", "ColorRange": b"10.000 200.000"})
        file.create_group("DataSetInfo/Channel 1").attrs["ColorRange"] = b"7 7"
        for channel in (0, 1):
            file[f"DataSet/ResolutionLevel 0/TimePoint 0/Channel {channel}/Data"] = noise((4, 5, 6), "uint8")
    with opened(tmp_path / "a.ims") as image:
        assert image.info.channel_names == ("DAPI", "")
        assert image.info.channel_colors == ((0, 0, 255), None)
        assert image.info.channel_ranges == ((10, 200), None)


def test_a_missing_dataset_of_a_volume_is_damage(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["s00/resolutions"] = [[1.0, 1, 1]]
        for time in (0, 1):
            file[f"t{time:05}/s00/0/cells"] = noise((4, 5, 6), "int16")
        del file["t00001/s00/0/cells"]
    with opened(tmp_path / "a.h5") as image:
        assert image.info.voxel_size == (None, None, None)
        with pytest.raises(CorruptImageError, match="the dataset t00001/s00/0/cells is missing"):
            image.read()


# --- voxels in other files --------------------------------------------------------------------------------

VOXELS = noise((4, 5), "uint8")


def virtual(path: Path, source: str, name: str = "a") -> Path:
    layout = h5py.VirtualLayout((4, 5), "uint8")
    layout[:] = h5py.VirtualSource(source, name, (4, 5))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("v", layout)
    return path


def external(path: Path, source: str, length: int = 20) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("v", (4, 5), "uint8", external=[(source, 0, length)])
    return path


def linked(path: Path, source: str) -> Path:
    with h5py.File(path, "w") as file:
        file["v"] = h5py.ExternalLink(source, "a")
    return path


KINDS = {"virtual": virtual, "external": external, "link": linked}


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A folder with a file of the same voxels for each kind, one folder below, too."""
    folder = tmp_path / "in"
    for place in (folder, folder / "below", tmp_path):
        place.mkdir(exist_ok=True)
        with h5py.File(place / "part.h5", "w") as file:
            file["a"] = VOXELS
        (place / "part.raw").write_bytes(VOXELS.tobytes())
    return folder


def source_of(kind: str) -> str:
    return "part.raw" if kind == "external" else "part.h5"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("below", ["", "below/"])
def test_files_in_the_same_folder_are_read(parts: Path, kind: str, below: str) -> None:
    path = KINDS[kind](parts / "whole.h5", below + source_of(kind))
    with opened(path) as image:
        assert np.array_equal(image.read(), VOXELS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "upwards"])
def test_files_elsewhere_need_an_explicit_yes(parts: Path, kind: str, absolute: bool) -> None:
    name = source_of(kind)
    path = KINDS[kind](parts / "whole.h5", str(parts.parent / name) if absolute else f"../{name}")
    with pytest.raises(UnsafePathError, match="only files in the same folder or below are read") as raised:
        opened(path)
    assert raised.value.hint is not None
    assert "follow_external = true under [plugin.hdf5]" in raised.value.hint
    assert "WKPLUG_PLUGIN__HDF5__FOLLOW_EXTERNAL=true" in raised.value.hint
    with Hdf5Reader({"follow_external": True}).open(LocalLocation(path)) as image:
        assert np.array_equal(image.read(), VOXELS)


def test_the_yes_of_the_environment_is_heeded(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = virtual(parts / "whole.h5", str(parts.parent / "part.h5"))
    code = (
        "from wkplug import registry; from wkplug.filesystems.local import LocalLocation\n"
        f"place = LocalLocation({str(path)!r})\n"
        "print(registry.choose_reader(place, place.read(0, 4096)).winner.open(place).read().sum())"
    )
    monkeypatch.setenv("WKPLUG_PLUGIN__HDF5__FOLLOW_EXTERNAL", "1")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == VOXELS.sum(dtype=int)
    with pytest.raises(ConfigError, match="follow_external is 'maybe', but it must be true or false"):
        Hdf5Reader({"follow_external": "maybe"})


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_not_there_are_missing_never_zeros(parts: Path, kind: str) -> None:
    with pytest.raises(MissingError, match=r"needs the file gone\.h5, which is not there"):
        opened(KINDS[kind](parts / "whole.h5", "gone.h5"))


def test_sources_that_lack_voxels_are_never_zeros(parts: Path) -> None:
    with pytest.raises(MissingError, match=r"needs the dataset other of part\.h5, which is not there"):
        opened(virtual(parts / "a.h5", "part.h5", "other"))
    (parts / "part.raw").write_bytes(b"123")
    with pytest.raises(CorruptImageError, match="the files of the dataset /v are too short for it"):
        opened(external(parts / "b.h5", "part.raw"))


def test_a_source_that_leads_elsewhere_is_refused_too(parts: Path) -> None:
    virtual(parts / "middle.h5", str(parts.parent / "part.h5"))
    with pytest.raises(UnsafePathError):
        opened(virtual(parts / "whole.h5", "middle.h5", "v"))
    linked(parts / "middle2.h5", str(parts.parent / "part.h5"))
    with pytest.raises(UnsafePathError):
        opened(linked(parts / "whole2.h5", "middle2.h5"))


def test_links_that_are_left_out_beside_images_are_told(parts: Path) -> None:
    path = linked(parts / "whole.h5", "/etc/part.h5")
    with h5py.File(path, "a") as file:
        file["own"] = VOXELS
    with opened(path) as image:
        assert image.info.scenes == ()
        assert image.info.notes[-1] == (
            f"v of {path} lies in the file /etc/part.h5: only files in the same folder or below are read without being "
            "asked for. The link is left out."
        )


def test_a_compression_that_is_not_installed_is_named(tmp_path: Path) -> None:
    """Filter 32015 is Zstandard; the chunk is written as it is, which nobody decodes here."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((4, 5))
        properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((4, 5))
        h5py.h5d.create(file.id, b"a", h5py.h5t.NATIVE_UINT8, space, properties)
    code = (
        "import sys; sys.modules['hdf5plugin'] = None\n"
        "from wkplug_hdf5.reader import Hdf5Reader; from wkplug.filesystems.local import LocalLocation\n"
        f"Hdf5Reader().open(LocalLocation({str(tmp_path / 'a.h5')!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "is compressed in a way that can't be decoded here" in done.stderr
    assert "(filter 32015)" in done.stderr
    assert 'pip install "wkplug-hdf5[filters]"' in done.stderr


# --- a real file ------------------------------------------------------------------------------------------

SCRIPT = """
import sys, numpy
from imaris_ims_file_reader.ims import ims
levels = {}
for level in range(4):
    levels[f"level{level}"] = ims(sys.argv[1], ResolutionLevelLock=level, squeeze_output=False)[:]
numpy.savez(sys.argv[-1], resolution=ims(sys.argv[1]).resolution, **levels)
"""


@pytest.mark.long
class TestRealImaris(ImageReaderSuite):
    """A crop of a brain, with padded datasets and four levels; the second reader is imaris-ims-file-reader."""

    reader_factory = "wkplug_hdf5.reader:Hdf5Reader"
    foreign = ("hdf5",)

    def make_samples(self, folder: Path) -> Any:
        source = python_package("imaris-ims-file-reader==0.1.8", source=True)
        (path,) = source.rglob("brain_crop3.ims")
        found = second_reader(["imaris-ims-file-reader==0.1.8"], SCRIPT, path)
        levels = [
            found[f"level{level}"].reshape(1, 2, *found[f"level{level}"].shape[-3:]) for level in range(4)
        ]
        # As the extents say; the second reader rounds to nanometres.
        size = ((906.559 - 571.516) / 673 * 1000, (6397.18 - 6081.06) / 635 * 1000, 5330.0)
        assert found["resolution"][::-1] * 1000 == pytest.approx(size, abs=0.5)
        yield ImageSample(
            path=path,
            axes="tczyx",
            expected=levels[0],
            levels=tuple(levels),
            voxel_size=size,
            origin=(571516.0, 6081060.0, 3523130.0),
            damage=False,
        )
