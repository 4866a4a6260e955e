"""Every bundled plugin can be uninstalled alone: the rest works, and who needs it is told what to install."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.conftest import BUNDLED

if TYPE_CHECKING:
    from tests.system.conftest import Environment

pytestmark = pytest.mark.system

MAKE = """
import numpy as np, tifffile, wkplug as wk
from PIL import Image
dataset = wk.Dataset("all", (10, 10, 10))
for name in ("wkw", "zarr", "zarr3"):
    layer = dataset.add_layer(name, "color", data_format=name, bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64)))
    layer.add_mag(1).write(np.full((64, 64, 64), 7, "uint8"), allow_unaligned=True)
    layer.downsample(coarsest_mag=2)
tifffile.imwrite("image.tif", np.full((64, 64), 9, "uint8"))
Image.fromarray(np.full((64, 64), 9, "uint8")).save("image.png")
print(sorted(dataset.layers))
"""
READ = """
import wkplug as wk
print({name: wk.Dataset.open("all").get_layer(name).get_mag(2).read().mean().item() for name in %r})
"""
WRITE = """
import numpy as np, wkplug as wk
dataset = wk.Dataset("new-%(name)s-%(job)s", (10, 10, 10))
layer = dataset.add_layer("em", "color", data_format=%(name)r, bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64)))
layer.add_mag(1).write(np.full((64, 64, 64), 7, "uint8"))
print(layer.get_mag(1).read().sum().item())
"""
ALL = ("wkw", "zarr", "zarr3")


@pytest.fixture(scope="module")
def user(installed: Environment) -> Environment:
    """An environment in whose folder there are datasets and images."""
    assert installed.say(MAKE) == "['wkw', 'zarr', 'zarr3']"
    return installed


def reads(user: Environment, *names: str) -> None:
    assert user.say(READ % (names,)) == str(dict.fromkeys(names, 7.0))


def writes(user: Environment, name: str, job: str) -> None:
    assert user.say(WRITE % {"name": name, "job": job}) == str(7 * 64**3)


def preview(user: Environment) -> None:
    assert "Wrote p.png" in user.wkplug("preview", "all", "-o", "p.png")
    assert (user.folder / "p.png").read_bytes().startswith(b"\x89PNG")


def convert(user: Environment, image: str, target: str) -> None:
    assert "Converted" in user.wkplug("convert", image, target, "--voxel-size", "1,1,1")


def test_without_tensorstore_zarr_goes_through_the_other_engine(user: Environment) -> None:
    with user.without("wkplug-tensorstore"):
        reads(user, *ALL)
        writes(user, "zarr3", "no-tensorstore")
        preview(user)
        convert(user, "image.tif", "converted-no-tensorstore")
        assert "array backend: zarr3+zarr" in user.wkplug("explain", "all/zarr3")
        assert "PROBLEM" not in user.wkplug("info", "all")
        (user.folder / "n5").mkdir(exist_ok=True)
        (user.folder / "n5" / "attributes.json").write_text('{"dimensions": [1]}')
        error = user.wkplug("explain", "--format", "n5", "n5", code=1)
        assert "The data format 'n5' needs wkplug-tensorstore, which is not installed." in error
        assert "pip install wkplug-tensorstore" in error
        error = user.wkplug("explain", "all/zarr3", "--backend", "tensorstore", code=1)
        assert "needs wkplug-tensorstore, which is not installed." in error


def test_without_zarr_python_zarr_goes_through_the_other_engine(user: Environment) -> None:
    with user.without("wkplug-zarr"):
        reads(user, *ALL)
        writes(user, "zarr3", "no-zarr")
        preview(user)
        convert(user, "image.png", "converted-no-zarr")
        assert "array backend: zarr3+tensorstore" in user.wkplug("explain", "all/zarr3")
        opened = "import wkplug as wk\ndataset = wk.Dataset.open('all', backends={'zarr3': 'zarr'})\n"
        error = user.fail(f"{opened}dataset.get_layer('zarr3').get_mag(1).read()")
        assert "needs wkplug-zarr, which is not installed." in error
        assert "pip install wkplug-zarr" in error
        error = user.wkplug("info", "all", variables={"WKPLUG_BACKENDS__ZARR3": "zarr"})
        assert "It is configured: WKPLUG_BACKENDS__ZARR3." in error


def test_without_both_engines_the_error_names_both(user: Environment) -> None:
    with user.without("wkplug-tensorstore", "wkplug-zarr"):
        reads(user, "wkw")
        writes(user, "wkw", "no-engines")
        for name in ("zarr", "zarr3"):
            error = user.fail(READ % ((name,),))
            assert f"The data format '{name}' needs wkplug-" in error
            assert "pip install wkplug-tensorstore" in error
            assert "pip install wkplug-zarr" in error
        said = user.wkplug("info", "all")
        assert said.count("PROBLEM: The data format 'zarr") == 4
    reads(user, *ALL)


def test_without_wkw_the_other_formats_work(user: Environment) -> None:
    with user.without("wkplug-wkw"):
        reads(user, "zarr", "zarr3")
        writes(user, "zarr3", "no-wkw")
        convert(user, "image.tif", "converted-no-wkw")
        for code in (READ % (("wkw",),), WRITE % {"name": "wkw", "job": "no-wkw"}):
            error = user.fail(code)
            assert "The data format 'wkw' needs wkplug-wkw, which is not installed." in error
            assert "pip install wkplug-wkw" in error
        said = user.wkplug("info", "all")
        assert said.count("PROBLEM: The data format 'wkw' needs wkplug-wkw") == 2
    reads(user, "wkw")


BRIDGES = ("wkplug-bioformats", "wkplug-bioio", "wkplug-pims")  # they read what other plugins would


def test_without_tiff_other_images_come_in(user: Environment) -> None:
    with user.without("wkplug-tiff", *BRIDGES):
        reads(user, *ALL)
        preview(user)
        convert(user, "image.png", "converted-no-tiff")
        error = user.wkplug("convert", "image.tif", "never-tiff", "--voxel-size", "1,1,1", code=1)
        assert "needs wkplug-tiff, which is not installed" in error
        assert "pip install wkplug-tiff" in error
        assert not list(Path(user.folder).glob("never-tiff/*/*")), "nothing half-made is left"


def test_without_images_tiff_comes_in_and_the_preview_says_what_it_needs(user: Environment) -> None:
    with user.without("wkplug-images", *BRIDGES):
        reads(user, *ALL)
        convert(user, "image.tif", "converted-no-images")
        error = user.wkplug("convert", "image.png", "never-png", "--voxel-size", "1,1,1", code=1)
        assert "pip install wkplug-images" in error
        error = user.wkplug("preview", "all", "-o", "never.png", code=1)
        assert "needs wkplug-images, which is not installed" in error
        assert "pip install wkplug-images" in error
        assert not (user.folder / "never.png").exists()


def test_without_any_plugin_the_core_works_in_memory(user: Environment) -> None:
    with user.without(*BUNDLED):
        writes(user, "memory", "alone")
        assert user.wkplug("plugins").split() == ["NAME", "DISTRIBUTION", "STATE", "OFFERS,", "OR", "REASON"]
        assert user.wkplug("info", "all").count("PROBLEM") == 6
    reads(user, *ALL)
