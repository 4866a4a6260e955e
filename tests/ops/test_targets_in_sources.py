"""Nothing is written into what it is made of, or around it: copies, exports and imports refuse such targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import zarr

import wkplug as wk
from wkplug import storage
from wkplug.cli.main import main
from wkplug.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

VOXELS = np.random.default_rng(2).integers(1, 250, (16, 16, 16), dtype="uint8")
COPIED, EXPORTED, READ = (f"the dataset that is {what}" for what in ("copied", "exported", "read"))


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a dataset ds, a link to it, a dataset inside of it, an array and a folder of images."""
    monkeypatch.chdir(tmp_path)
    wk.Dataset("ds", (1, 1, 1)).write_layer("em", "color", VOXELS, downsample=False)
    Path("link").symlink_to("ds")
    wk.Dataset("ds/inner", (1, 1, 1)).write_layer("em", "color", VOXELS, downsample=False)
    zarr.create_array("a.zarr", data=VOXELS, zarr_format=3, dimension_names=["x", "y", "z"])
    tifffile.imwrite("b.tif", VOXELS)
    return tmp_path


def _files() -> list[str]:
    return sorted(map(str, Path().rglob("*")))


def _layer() -> wk.Layer:
    return wk.Dataset.open("ds").get_layer("em")


CALLS: dict[str, Callable[[str], object]] = {
    "copy_dataset": lambda target: wk.Dataset.open("ds").copy_dataset(target),
    "shallow_copy_dataset": lambda target: wk.Dataset.open("ds").shallow_copy_dataset(target),
    "through a link": lambda target: wk.Dataset.open("link").copy_dataset(target),
    "rechunk": lambda target: _layer().get_mag(1).rechunk(target_path=target),
    "export": lambda target: _layer().export(f"{target}/em.ozx"),
    "as_tiff_stack": lambda target: _layer().export.as_tiff_stack(output_path=target),
}


@pytest.mark.parametrize("target", ["ds/new", "link/new", "ds/em/new"])
@pytest.mark.parametrize("call", CALLS)
def test_no_verb_writes_into_its_source(call: str, target: str) -> None:
    before = _files()
    with pytest.raises(InvalidArgumentError, match="it would become part of what it is made of") as caught:
        CALLS[call](target)
    assert caught.value.hint == "Choose a path outside of it."
    assert _files() == before


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("copy-dataset ds ds/new", COPIED),
        ("copy-dataset link ds/new", COPIED),
        ("copy-dataset ds link/new --exists-ok", COPIED),
        ("export ds link/em.ozx", EXPORTED),
        ("export-as-tiff ds ds/em/tiff --layer-name em", EXPORTED),
        ("rechunk ds --target ds/new", READ),
        ("rechunk ds --target link/new --data-format wkw", READ),
        ("convert a.zarr a.zarr/new --voxel-size 1,1,1", "what is imported"),
        ("convert-zarr a.zarr a.zarr/new --voxel-size 1,1,1", "what is imported"),
        ("convert b.tif b.tif/new --voxel-size 1,1,1", "what is imported"),
    ],
)
def test_no_command_writes_into_its_source(
    place: Path, capsys: pytest.CaptureFixture[str], command: str, what: str
) -> None:
    before = _files()
    assert main(command.split()) == 1
    told = capsys.readouterr().err
    assert f"lies inside {what}, {place}/" in told
    assert "Choose a path outside of it." in told
    assert _files() == before


def test_no_copy_is_made_around_its_source(place: Path) -> None:
    inner = wk.Dataset.open("ds/inner")
    before = _files()
    for target in ("ds", "link"):
        with pytest.raises(InvalidArgumentError) as caught:
            inner.copy_dataset(target, exists_ok=True)
        assert str(caught.value) == (
            f"The dataset that is copied, {place}/ds/inner, lies inside {place}/{target}.\n"
            "  Choose a path that doesn't contain it."
        )
    with pytest.raises(InvalidArgumentError, match=f"link is itself the dataset that is copied, {place}/ds"):
        wk.Dataset.open("ds").copy_dataset("link", exists_ok=True)
    assert _files() == before


def test_an_import_into_the_dataset_it_comes_from_is_refused() -> None:
    zarr.create_array("c.zarr/0", data=VOXELS, zarr_format=3, dimension_names=["x", "y", "z"])
    dataset = wk.Dataset("c.zarr/0/ds", (1, 1, 1))
    with pytest.raises(InvalidArgumentError, match="lies inside what is imported"):
        dataset.add_layer_from_images("c.zarr/0", "em")
    assert list(dataset.layers) == []


def test_targets_beside_their_sources_stay_allowed(place: Path) -> None:
    copy = wk.Dataset.open("ds").copy_dataset("ds-copy")
    assert np.array_equal(copy.get_layer("em").get_mag(1).read()[0], VOXELS)
    _layer().export.as_tiff_stack(output_path="below/tiff")
    assert len(list(Path("below/tiff").iterdir())) == 16
    # The images of a folder are read one by one: the dataset may lie among them.
    Path("images").mkdir()
    tifffile.imwrite("images/c.tif", VOXELS.T)
    made = wk.Dataset.from_images("images", "images/ds", (1, 1, 1))
    assert np.array_equal(made.get_layer("c").get_mag(1).read()[0], VOXELS)
    storage.check_apart(storage.locate("images"), storage.locate("images-2"), "it")
    storage.check_apart(storage.locate("s3://bucket/ds"), storage.locate("s3://bucket/ds2"), "it")


@pytest.mark.parametrize("root", ["s3://bucket", "memory://places", "https://host"])
def test_places_elsewhere_are_compared_too(root: str) -> None:
    here, below = storage.locate(f"{root}/a"), storage.locate(f"{root}/a/b/c")
    for source, target in ((here, below), (below, here), (here, here)):
        with pytest.raises(InvalidArgumentError):
            storage.check_apart(source, target, "it")
