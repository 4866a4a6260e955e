"""Files that bioio readers open, compared with what was written; without bioio, in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import util
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from wkplug_bioio import reader as bridge
from wkplug_bioio.reader import BioioReader

from wkplug.abc import ProbeScore
from wkplug.errors import CorruptImageError, UnsupportedImageFormatError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ImageReaderSuite, ImageSample
from wkplug.testing.bench import noise

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = util.find_spec("bioio_tifffile") is not None
needs_bioio = pytest.mark.skipif(
    not HERE, reason="bioio-tifffile is not installed; a long test installs it apart"
)


@pytest.mark.long  # each process imports bioio's dependencies anew
@needs_bioio
@pytest.mark.filterwarnings("ignore")  # what bioio's many dependencies warn of
class TestBioio(ImageReaderSuite):
    reader_factory = "wkplug_bioio.reader:BioioReader"
    needs_local_path = True
    has_magic = False  # bioio goes by the suffix

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        data = noise((2, 3, 20, 30), "uint16")
        tifffile.imwrite(folder / "a.tif", data, photometric="minisblack", metadata={"axes": "CZYX"})
        # tifffile, which this reader uses, reads what is left of a TIFF that was cut.
        yield ImageSample(path=folder / "a.tif", axes="czyx", expected=data, damage=False)
        colours = noise((20, 30, 3), "uint8")
        tifffile.imwrite(folder / "b.tif", colours, photometric="rgb")
        yield ImageSample(path=folder / "b.tif", axes="yxs", expected=colours, damage=False)


@needs_bioio
@pytest.mark.filterwarnings("ignore")
def test_files_that_no_bioio_reader_opens_are_told_with_their_errors(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"no TIFF at all")
    place = LocalLocation(str(tmp_path / "a.tif"))
    assert BioioReader().probe(place, b"no TIFF at all") == ProbeScore.SUFFIX
    with pytest.raises(CorruptImageError, match="can't be read as a file of bioio: bioio-tifffile: "):
        BioioReader().open(place)
    (tmp_path / "a.unknown").write_bytes(b"x")
    with pytest.raises(UnsupportedImageFormatError, match=r"No installed bioio reader takes .*a\.unknown"):
        BioioReader().open(LocalLocation(str(tmp_path / "a.unknown")))


def test_without_bioio_readers_nothing_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0")
    code = (
        "from importlib import metadata; real = metadata.entry_points\n"
        "metadata.entry_points = lambda **k: () if k.get('group') == 'bioio.readers' else real(**k)\n"
        "from wkplug_bioio.reader import BioioReader; from wkplug.filesystems.local import LocalLocation\n"
        f"place = LocalLocation({str(tmp_path / 'a.tif')!r})\n"
        "print(int(BioioReader().probe(place, b'x')))\n"
        "BioioReader().open(place)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "0\n"
    assert "The reader 'bioio' needs a reader of bioio, but none is installed." in done.stderr


@pytest.mark.parametrize(
    ("size", "unit", "expected"),
    [(0.25, "micrometer", 250.0), (4, "nm", 4.0), (1.0, None, None), (None, "nm", None), (-1, "nm", None)],
)
def test_voxel_sizes_need_their_unit(size: Any, unit: Any, expected: Any) -> None:
    along = {axis: SimpleNamespace(unit=unit) for axis in "XYZ"}
    file = SimpleNamespace(
        physical_pixel_sizes=SimpleNamespace(X=size, Y=size, Z=None),
        dimension_properties=SimpleNamespace(**along),
    )
    assert bridge._voxel_size(file) == (expected, expected, None)


class Tiles:
    """A reader of a mosaic, with the attributes of bioio's own class."""

    scenes, resolution_levels, current_resolution_level = ("one", "two"), (0,), 0
    channel_names, physical_pixel_sizes, dimension_properties = None, None, None
    stitches = True

    def __init__(self, path: str) -> None:
        self.data = noise((2, 4, 6), "uint8")

    def set_scene(self, scene: int) -> None:
        self.scene = scene

    def array(self, data: Any, dims: str) -> Any:
        import dask.array
        import xarray

        return xarray.DataArray(dask.array.from_array(data + self.scene), dims=list(dims))

    @property
    def xarray_dask_data(self) -> Any:
        return self.array(self.data, "MYX")

    @property
    def mosaic_xarray_dask_data(self) -> Any:
        if not self.stitches:
            raise NotImplementedError
        return self.array(np.concatenate(list(self.data), axis=1), "YX")


@pytest.mark.parametrize("stitches", [True, False])
def test_mosaics_are_put_together_where_the_reader_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stitches: bool
) -> None:
    (tmp_path / "a.tiles").write_bytes(b"x")
    kind = type("Reader", (Tiles,), {"stitches": stitches})
    offer = SimpleNamespace(get_supported_extensions=lambda: ["tiles"], get_reader=lambda: kind)
    point = SimpleNamespace(name="tiles", load=lambda: SimpleNamespace(ReaderMetadata=offer))
    monkeypatch.setattr(bridge.metadata, "entry_points", lambda **_: (point,))
    with BioioReader().open(LocalLocation(str(tmp_path / "a.tiles")), scene=1) as image:
        data = noise((2, 4, 6), "uint8") + 1
        assert image.info.scenes == ("one", "two")
        assert image.info.axes == (("y", "x") if stitches else ("m", "y", "x"))
        assert bool(image.info.notes) != stitches
        assert np.array_equal(image.read(), np.concatenate(list(data), axis=1) if stitches else data)


@pytest.mark.long
@pytest.mark.skipif(HERE, reason="the tests above have run with bioio-tifffile")
def test_with_bioio_in_an_environment_of_its_own() -> None:
    from sample_files import second_reader

    script = "import sys, numpy; numpy.savez(sys.argv[-1], path=sys.path[1])"
    library = str(second_reader(["bioio-tifffile==1.3.1"], script)["path"])
    command = [sys.executable, "-m", "pytest", "-q", "-k", "TestBioio or opens", str(Path(__file__))]
    environment = {**os.environ, "PYTHONPATH": library}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "bioio-tifffile is not installed" not in done.stdout
