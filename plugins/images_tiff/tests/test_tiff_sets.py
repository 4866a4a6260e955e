"""OME images that lie in several files: whichever is opened, whatever they are called by now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from wkplug_tiff.reader import TiffImage, TiffReader

import wkplug as wk
from wkplug.abc import ProbeScore
from wkplug.cli.main import main
from wkplug.cli.output import size_text
from wkplug.errors import CorruptImageError, MissingError, TooLargeError, UnsupportedImageDataError
from wkplug.filesystems.local import LocalLocation
from wkplug.ops.inspecting import inspect_image
from wkplug.testing.bench import noise
from wkplug.testing.places import PlainLocation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAMES = ("first.ome.tif", "second.ome.tif")
UUIDS = tuple(f"urn:uuid:00000000-0000-0000-0000-00000000000{number}" for number in range(3))
NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def opened(path: Path) -> TiffImage:
    return TiffReader().open(LocalLocation(str(path)))


def ome(root: str | None, names: Sequence[str] = NAMES, sections: int = 4, shape: str = "") -> str:
    """The XML of a set whose sections lie in these files, as many in each."""
    each = sections // len(names)
    planes = "".join(
        f'<TiffData FirstZ="{z}" FirstC="0" FirstT="0" IFD="{z % each}" PlaneCount="1">'
        f'<UUID FileName="{names[z // each]}">{UUIDS[z // each]}</UUID></TiffData>'
        for z in range(sections)
    )
    uuid = f' UUID="{root}"' if root else ""
    shape = shape or f'SizeZ="{sections}" SizeC="1" SizeT="1"'
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<OME xmlns="{NAMESPACE}"{uuid}>'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="30" SizeY="20" '
        f'{shape} PhysicalSizeX="0.5">{planes}</Pixels></Image></OME>'
    )


def write(path: Path, data: Any, xml: str) -> None:
    options: dict[str, Any] = {"description": xml, "metadata": None, "photometric": "minisblack"}
    tifffile.imwrite(path, data, compression="zlib", **options)


def write_set(
    folder: Path, names: Sequence[str] = NAMES, xml: Callable[[int], str] = lambda number: ome(UUIDS[number])
) -> Any:
    """Two OME-TIFFs that are one image, each with half of its sections, which have these names by now."""
    data = noise((4, 20, 30), "uint16")
    for number, name in enumerate(names):
        write(folder / name, data[2 * number : 2 * number + 2], xml(number))
    return data


def test_plans_count_all_files_of_an_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    write_set(tmp_path / "in")
    size = sum(path.stat().st_size for path in (tmp_path / "in").iterdir())
    for source, other in ((tmp_path / "in", NAMES[1]), (tmp_path / "in" / NAMES[1], NAMES[0])):
        arguments = [str(source), str(tmp_path / "out"), "--voxel-size", "1,1,1", "--dry-run"]
        assert main(["convert", *arguments]) == 0
        told = capsys.readouterr().out
        assert f"2 files of {size_text(size)}, " in told
        assert f" with {other}\n" in told


@pytest.mark.parametrize("name", NAMES)
def test_an_image_of_several_files_is_whole_from_each_of_them(tmp_path: Path, name: str) -> None:
    data = write_set(tmp_path)
    with opened(tmp_path / name) as image:
        assert (image.info.axes, image.info.shape) == (("z", "y", "x"), (4, 20, 30))
        assert image.info.voxel_size == (500.0, None, None)
        assert image.info.companions == tuple(other for other in NAMES if other != name)
        assert np.array_equal(image.read(), data)
        assert np.array_equal(image.read(((1, 3, 4), (2, 9, 9))), data[1:3, 3:12, 4:13])
    descriptors = Path("/proc/self/fd")
    if descriptors.exists():
        held = [str(item.readlink()) for item in descriptors.iterdir() if item.exists()]
        assert not [target for target in held if target.startswith(str(tmp_path))]


@pytest.mark.parametrize(
    "names",
    [
        ("first.ome.tif", "other.ome.tif"),
        ("a.ome.tif", "b.ome.tif"),
        ("second.ome.tif", "first.ome.tif"),
        ("second.ome.tif", "third.ome.tif"),
    ],
)
@pytest.mark.parametrize("opens", [0, 1])
def test_the_uuid_of_a_file_decides_and_not_its_name(
    tmp_path: Path, names: tuple[str, str], opens: int
) -> None:
    data = write_set(tmp_path, names)
    with opened(tmp_path / names[opens]) as image:
        assert np.array_equal(image.read(), data)
        assert image.info.companions == (names[1 - opens],)


def test_files_that_were_exchanged_are_recognised_from_a_third(tmp_path: Path) -> None:
    listed = ("a.tif", "b.tif", "c.tif")
    data = noise((3, 20, 30), "uint16")
    for number, name in enumerate(("a.tif", "c.tif", "b.tif")):
        write(tmp_path / name, data[number : number + 1], ome(UUIDS[number], listed, 3))
    for name in listed:
        with opened(tmp_path / name) as image:
            assert np.array_equal(image.read(), data)


@pytest.mark.parametrize("root", [UUIDS[0], None])
def test_names_decide_where_all_files_say_that_they_are_the_same(tmp_path: Path, root: str | None) -> None:
    data = write_set(tmp_path, xml=lambda _: ome(root))
    for name in NAMES:
        with opened(tmp_path / name) as image:
            assert np.array_equal(image.read(), data)


def test_a_renamed_file_that_does_not_say_who_it_is_is_the_one_left(tmp_path: Path) -> None:
    data = write_set(tmp_path, (NAMES[0], "new.ome.tif"), lambda _: ome(None))
    with opened(tmp_path / "new.ome.tif") as image:
        assert np.array_equal(image.read(), data)


@pytest.mark.parametrize("root", [UUIDS[0], None])
def test_an_image_in_one_file_keeps_its_channels_when_renamed(tmp_path: Path, root: str | None) -> None:
    data = noise((2, 3, 20, 30), "uint16")
    xml = ome(root, ["old name.ome.tif"], 6, 'SizeZ="3" SizeC="2" SizeT="1"').replace(
        'FirstZ="3" FirstC="0"', 'FirstZ="0" FirstC="1"'
    )
    xml = xml.replace('FirstZ="4" FirstC="0"', 'FirstZ="1" FirstC="1"').replace(
        'FirstZ="5" FirstC="0"', 'FirstZ="2" FirstC="1"'
    )
    write(tmp_path / "new.ome.tif", data.reshape(6, 20, 30), xml)
    with opened(tmp_path / "new.ome.tif") as image:
        assert (image.info.axes, image.info.shape) == (("c", "z", "y", "x"), (2, 3, 20, 30))
        assert image.info.companions == ()
        assert np.array_equal(image.read(), data)
        image.close()
        assert np.array_equal(image.read(), data)
    dataset = wk.Dataset.from_images(tmp_path / "new.ome.tif", tmp_path / "out", (500, 500, 500))
    assert len(dataset.layers) == 2
    assert {layer.bounding_box.size.z for layer in dataset.layers.values()} == {3}


def test_a_companion_file_is_the_image_that_its_tiffs_make(tmp_path: Path) -> None:
    binary = (
        f'<OME xmlns="{NAMESPACE}" UUID="{{}}">'
        f'<BinaryOnly MetadataFile="a.companion.ome" UUID="{UUIDS[2]}"/></OME>'
    )
    data = write_set(tmp_path, xml=lambda number: binary.format(UUIDS[number]))
    companion = tmp_path / "a.companion.ome"
    companion.write_text(ome(UUIDS[2]))
    head = companion.read_bytes()[:4096]
    assert TiffReader().probe(LocalLocation(str(companion)), head) == ProbeScore.MAGIC
    assert TiffReader().probe(LocalLocation(str(companion)), b"# notes") == ProbeScore.NO
    every = {companion.name, *NAMES}
    for name in every:
        with opened(tmp_path / name) as image:
            assert set(image.info.companions) == every - {name}
            assert image.info.voxel_size == (500.0, None, None)
            assert np.array_equal(image.read(), data)
            image.close()
            assert np.array_equal(image.read(((2, 0, 0), (2, 5, 6))), data[2:, :5, :6])
    dataset = wk.Dataset.from_images(companion, tmp_path / "out", (500, 500, 500))
    (layer,) = dataset.layers.values()
    assert np.array_equal(layer.get_mag(1).read()[0], data.T)
    companion.unlink()
    with pytest.raises(MissingError, match=r"its metadata are in a\.companion\.ome, which is missing"):
        opened(tmp_path / NAMES[0])
    companion.write_text("<OME>")
    with pytest.raises(CorruptImageError, match=r"the OME-XML in a\.companion\.ome is damaged"):
        opened(tmp_path / NAMES[0])


def test_with_one_missing_import_and_inspect_say_the_same(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    write_set(source)
    (source / NAMES[1]).unlink()
    said = r"can't be read as a TIFF: it is one of 2 files of one image, and second\.ome\.tif is missing"
    for attempt in (
        lambda: opened(source / NAMES[0]),
        lambda: inspect_image(str(source / NAMES[0])),
        lambda: wk.Dataset.from_images(source, tmp_path / "out", (1, 1, 1)),
    ):
        with pytest.raises(MissingError, match=said) as caught:
            attempt()
        assert "Copy all files of the image into one folder." in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_files_of_a_set_elsewhere_are_refused(tmp_path: Path) -> None:
    write_set(tmp_path)
    place = PlainLocation(LocalLocation(str(tmp_path / NAMES[0])))
    with pytest.raises(
        UnsupportedImageDataError, match="one of 2 files of one image, but this is not on a local"
    ):
        TiffReader().open(place)
    write(tmp_path / "a.ome.tif", noise((2, 20, 30), "uint16"), ome(UUIDS[0], ("a.ome.tif", "../b.ome.tif")))
    with pytest.raises(
        UnsupportedImageDataError, match=r"of one image, but \.\./b\.ome\.tif is not beside it"
    ):
        opened(tmp_path / "a.ome.tif")


@pytest.mark.parametrize(
    "shape", ['SizeZ="1000000000" SizeC="1" SizeT="1"', 'SizeZ="65536" SizeC="65536" SizeT="1"']
)
def test_more_planes_than_a_file_can_hold_are_refused_at_once(tmp_path: Path, shape: str) -> None:
    write(tmp_path / "a.ome.tif", noise((2, 20, 30), "uint16"), ome(UUIDS[0], ["a.ome.tif"], 2, shape))
    with pytest.raises(TooLargeError, match=r"says that it has \d+ planes, more than a file of \d+ bytes"):
        opened(tmp_path / "a.ome.tif")
