"""Killed jobs, full disks, crafted files: what is listed is complete or says that it isn't, and nothing old is lost."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from wkplug import errors, storage

from . import processes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.faults

MARK = ".wkplug-incomplete.json"


def filled(dataset: wk.Dataset, data_format: str = "zarr3") -> wk.Layer:
    """A layer of 128^3 voxels in shards of 32^3: its mag 2 has 8 shards."""
    layer = dataset.add_layer(
        "color", "color", data_format=data_format, bounding_box=wk.BoundingBox((0, 0, 0), (128, 128, 128))
    )
    data = np.random.default_rng(0).integers(1, 255, (128, 128, 128)).astype("u1")
    layer.add_mag(1, chunk_shape=32, shard_shape=32).write(data)
    return layer


# Dies, without a chance to tidy up, in the middle of shard number `arguments["at"]` or of the named function.
DYING = """
import itertools
import signal
from wkplug.ops.pyramids import downsampling, shards
from wkplug.model import changes
from wkplug import storage

def die(*unused, **also_unused):
    os.kill(os.getpid(), signal.SIGKILL)

at = arguments["at"]
if isinstance(at, int):
    whole = shards.ShardReduction.__call__
    calls = itertools.count()
    def counting(self, region):
        if next(calls) == at:
            die()
        whole(self, region)
    shards.ShardReduction.__call__ = counting
else:
    module, _, name = at.partition(".")
    setattr({"storage": storage, "changes": changes}[module], name, die)
layer = wk.Dataset.open(arguments["path"]).get_layer("color")
"""
NEW = DYING + 'layer.downsample(coarsest_mag=4, chunk_shape=32, shard_shape=32, sampling_mode="isotropic")'


def killed(script: str, folder: Path, arguments: Any) -> None:
    with processes.process(script, folder, arguments) as child:
        _, err = child.communicate(timeout=processes.PATIENCE)
        assert child.returncode == -9, err[-2000:]


@pytest.mark.parametrize("at", [0, 3, 7, "storage.create_array", "changes.list_mag", "storage.clear_mark"])
@pytest.mark.parametrize("data_format", ["wkw", "zarr", "zarr3"])
def test_a_killed_downsample_leaves_no_mag_that_looks_complete(
    dataset: wk.Dataset, tmp_path: Path, at: Any, data_format: str
) -> None:
    layer = filled(dataset, data_format)
    expected = make_pyramid_elsewhere(layer, tmp_path)
    killed(NEW, tmp_path / "run", {"path": str(dataset.path), "at": at})

    found = wk.Dataset.open(dataset.path).get_layer("color")
    if at == "storage.clear_mark":  # complete and listed, and the mark says so
        for mag, voxels in expected.items():
            np.testing.assert_array_equal(found.get_mag(mag).read(), voxels)
    else:
        assert list(found.mags) == [wk.Mag(1)]
        document = json.loads((dataset.path / "datasource-properties.json").read_text())
        assert len(document["dataLayers"][0]["mags"]) == 1
    found.downsample(coarsest_mag=4, chunk_shape=32, shard_shape=32, sampling_mode="isotropic")
    assert list(found.mags) == [wk.Mag(1), wk.Mag(2), wk.Mag(4)]
    for mag, voxels in expected.items():
        np.testing.assert_array_equal(
            wk.Dataset.open(dataset.path).get_layer("color").get_mag(mag).read(), voxels
        )
    assert not list(dataset.path.rglob(MARK))


def make_pyramid_elsewhere(layer: wk.Layer, tmp_path: Path) -> dict[wk.Mag, np.ndarray]:
    other = wk.Dataset(tmp_path / "other", voxel_size=layer.dataset.voxel_size).add_layer(
        "color", "color", bounding_box=layer.bounding_box
    )
    other.add_mag(1).write(layer.get_mag(1).read())
    layer.downsample(coarsest_mag=4, only_setup_mags=True, sampling_mode="isotropic")
    mags = [mag for mag in layer.mags if mag != wk.Mag(1)]
    other.downsample_mag_list(1, mags)
    for mag in mags:
        layer.delete_mag(mag)
    return {mag: other.get_mag(mag).read() for mag in mags}


AGAIN = DYING + "layer.redownsample()"


def test_an_overwritten_mag_that_was_killed_stays_listed_and_marked(
    dataset: wk.Dataset, tmp_path: Path
) -> None:
    layer = filled(dataset)
    layer.downsample_mag_list(1, [2, 4], chunk_shape=32, shard_shape=32)
    layer.get_mag(1).write(np.full((128, 128, 128), 9, "u1"))
    killed(AGAIN, tmp_path / "run", {"path": str(dataset.path), "at": 3})

    again = wk.Dataset.open(dataset.path)
    found = again.get_layer("color")
    assert list(found.mags) == [wk.Mag(1), wk.Mag(2), wk.Mag(4)]
    for refused in (
        lambda: found.get_mag(2).read(),
        lambda: found.get_mag(2).get_view().read(),
        lambda: found.get_mag(2).write(np.ones((64, 64, 64), "u1")),
        lambda: found.downsample_mag(2, 8),
        lambda: found.downsample(from_mag=2, coarsest_mag=8, allow_overwrite=True),
    ):
        with pytest.raises(
            RuntimeError, match=r"is not complete: median from mag 1 \(downsample color 1 -> 2\)"
        ) as caught:
            refused()
        assert isinstance(caught.value, errors.IncompleteMagError)
        assert "run the same command again" in str(caught.value)
        assert "allow_incomplete=True" in str(caught.value)
    assert wk.Mag(8) not in found.mags
    with pytest.raises(errors.IncompleteMagError):
        found.get_mag(4).read()  # both are computed together
    partly = wk.Dataset.open(dataset.path, allow_incomplete=True).get_layer("color").get_mag(2).read()
    assert 0 < int((partly == 9).sum()) < partly.size
    with pytest.raises(errors.IncompleteMagError):
        wk.Dataset.open(dataset.path).get_layer("color").get_mag(2).read()  # the permission doesn't spread

    (found.get_mag(2).path / ".wkplug-tmp-1-ab").write_bytes(b"half")
    found.redownsample()
    for mag in (2, 4):
        assert (found.get_mag(mag).read() == 9).all()
    assert not list(dataset.path.rglob(MARK)) + list(dataset.path.rglob(".wkplug-tmp-*"))


def test_info_shows_what_is_unfinished(
    dataset: wk.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from wkplug.cli.main import main

    filled(dataset)
    killed(NEW, tmp_path / "run", {"path": str(dataset.path), "at": 2})
    assert main(["info", str(dataset.path)]) == 0
    assert "downsample color 1 -> " in capsys.readouterr().out.replace("\n", " ")


IMPORT = """
import signal
from wkplug.ops.importing import writing
from wkplug.storage import arrays
count = 0
write = arrays.ArrayHandle.write
def dying(self, box, data):
    global count
    if count == arguments["at"]:
        os.kill(os.getpid(), signal.SIGKILL)
    count += 1
    write(self, box, data)
arrays.ArrayHandle.write = dying
wk.Dataset.from_images(arguments["images"], arguments["path"], (1, 1, 1), data_format="zarr3",
                       layer_name="color", chunk_shape=32, shard_shape=32, batch_size=32)
"""


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_killed_import_leaves_a_dataset_that_opens(tmp_path: Path, at: int) -> None:
    import tifffile

    images = tmp_path / "images"
    images.mkdir()
    data = np.random.default_rng(0).integers(0, 255, (96, 40, 50)).astype("u1")
    for number, image in enumerate(data):
        tifffile.imwrite(images / f"{number:03}.tif", image)
    path = tmp_path / "imported"
    killed(IMPORT, tmp_path / "run", {"images": str(images), "path": str(path), "at": at})
    if (path / "datasource-properties.json").exists():
        for layer in wk.Dataset.open(path).layers.values():
            assert len(layer.mags) == 0
    dataset = wk.Dataset.open(path)
    dataset.delete_layer("color") if "color" in dataset.layers else None
    dataset.add_layer_from_images(str(images), "color", chunk_shape=32, shard_shape=32)
    np.testing.assert_array_equal(dataset.get_layer("color").get_mag(1).read()[0], data.transpose(2, 1, 0))
    assert [mark.parent for mark in path.rglob(MARK)] == [
        path
    ]  # that import has not ended, whatever came after


FED = """
import signal
from wkplug import storage
from wkplug.model import changes
from wkplug.storage import arrays
count = 0
def dying(function):
    def call(*given, **named):
        global count
        if count == arguments["at"]:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1
        return function(*given, **named)
    return call
arrays.ArrayHandle.write = dying(arrays.ArrayHandle.write)
storage.clear_mark = dying(storage.clear_mark)
changes.list_mag = dying(changes.list_mag)
wk.Dataset.from_images(arguments["images"], arguments["path"], (1, 1, 1), layer_name="color", chunk_shape=32,
                       shard_shape=32, batch_size=32, pyramid=True)
"""


@pytest.mark.parametrize("at", [1, 3, 4, 5, 6, 7, 8, 9, 10, 11])
def test_a_killed_import_with_its_pyramid_goes_on_and_is_whole_in_the_end(tmp_path: Path, at: int) -> None:
    import tifffile

    images, path = tmp_path / "images", tmp_path / "imported"
    images.mkdir()
    for number, image in enumerate(np.random.default_rng(0).integers(0, 255, (70, 210, 50)).astype("u1")):
        tifffile.imwrite(images / f"{number:03}.tif", image)
    killed(FED, tmp_path / "run", {"images": str(images), "path": str(path), "at": at})
    if at == 1:  # another thread may have been in the middle of a file
        (path / "color" / "1" / ".wkplug-tmp-1-ab").write_bytes(b"half")
    call = {"layer_name": "color", "chunk_shape": 32, "shard_shape": 32, "pyramid": True}
    whole = wk.Dataset.from_images(images, tmp_path / "whole", (1, 1, 1), **call).get_layer("color")
    # What is listed is complete, or says that it isn't.
    for layer in wk.Dataset.open(path).layers.values():
        for mag, view in layer.mags.items():
            if storage.read_mark(view.location) is None:
                np.testing.assert_array_equal(view.read(), whole.get_mag(mag).read())
    found = wk.Dataset.from_images(images, path, (1, 1, 1), batch_size=32, **call).get_layer("color")
    assert list(map(str, found.mags)) == list(map(str, whole.mags)) == ["1", "2", "4"]
    for mag, view in found.mags.items():
        np.testing.assert_array_equal(view.read(), whole.get_mag(mag).read())
    assert [file for file in path.rglob(".wkplug*") if "lock" not in file.name] == []


BEGINNING = """
import signal
from wkplug.model import changes
changes.check_place_is_free = lambda _: os.kill(os.getpid(), signal.SIGKILL)
wk.Dataset.from_images(arguments["images"], arguments["path"], (1, 1, 1), layer_name="color")
"""


def test_an_import_that_was_killed_before_its_dataset_was_there_goes_on(tmp_path: Path) -> None:
    import tifffile

    images, path = tmp_path / "images", tmp_path / "imported"
    images.mkdir()
    tifffile.imwrite(images / "0.tif", np.ones((9, 8), "u1"))
    killed(BEGINNING, tmp_path / "run", {"images": str(images), "path": str(path)})
    assert [file.name for file in path.iterdir()] == [MARK]
    dataset = wk.Dataset.from_images(images, path, (1, 1, 1), layer_name="color")
    assert dataset.get_layer("color").get_mag(1).read().sum() == 72
    assert not (path / MARK).exists()


# A file may have so many bytes at most, which fails with EFBIG as a full disk fails with ENOSPC.
LIMITED = """
import json, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
layer = wk.Dataset.open(arguments["path"]).get_layer("color")
mag = layer.get_mag(1)
before = mag.read()
properties = Path(arguments["path"], "datasource-properties.json").read_bytes()
noise = np.random.default_rng(1).integers(0, 255, (128, 128, 128)).astype("u1")
resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
texts = []
for name, change in (
    ("write", lambda: mag.write(noise)),
    ("new layer", lambda: layer.dataset.add_layer("other", "color")),
    ("bounding box", lambda: setattr(layer, "bounding_box", wk.BoundingBox((0, 0, 0), (96, 96, 96)))),
    ("downsample", lambda: layer.downsample(coarsest_mag=2)),
):
    try:
        change()
        texts.append(f"{name}: no error")
    except wk.errors.StorageError as error:
        texts.append(f"{name}: {type(error).__name__}")
    except BaseException as error:
        texts.append(f"{name}: {type(error).__name__}: {error}")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert Path(arguments["path"], "datasource-properties.json").read_bytes() == properties
assert list(layer.dataset.layers) == ["color"], layer.dataset.layers
assert layer.bounding_box == wk.BoundingBox((0, 0, 0), (128, 128, 128)), layer.bounding_box
assert list(layer.mags) == [wk.Mag(1)]
assert (wk.Dataset.open(arguments["path"]).get_layer("color").get_mag(1).read() == before).all()
print(json.dumps(texts))
"""


@pytest.mark.parametrize("data_format", ["wkw", "zarr", "zarr3"])
def test_files_that_can_not_grow_leave_everything_as_it_was(
    dataset: wk.Dataset, tmp_path: Path, data_format: str
) -> None:
    filled(dataset, data_format)
    with processes.process(LIMITED, tmp_path / "run", {"path": str(dataset.path)}) as child:
        texts = processes.result_of(child)
    assert all("StorageFullError" in text or "StorageError" in text for text in texts), texts


FULL = """
import json
dataset = wk.Dataset(arguments["path"], voxel_size=(1, 1, 1))
layer = dataset.add_layer("color", "color", data_format=arguments["format"],
                          bounding_box=wk.BoundingBox((0, 0, 0), (256, 256, 256)))
mag = layer.add_mag(1, chunk_shape=32, shard_shape=32)
data = np.random.default_rng(0).integers(0, 255, (32, 256, 256)).astype("u1")
mag.write(data)
texts = []
try:
    for x in range(32, 256, 32):
        mag.write(data, absolute_offset=(x, 0, 0))
    texts.append("no error")
except wk.errors.StorageFullError as error:
    texts.append("full: " + str(error))

def fill():  # not a byte is left, also of what an engine gives back a moment after its error
    file = os.open(Path(arguments["path"]).parent / "rest", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    quiet = 0
    while quiet < 20:
        try:
            os.write(file, b"x" * 4096)
            quiet = 0
        except OSError:
            quiet += 1
            time.sleep(0.01)
    os.close(file)

fill()
for change in (lambda: dataset.add_layer("x" * 200, "color"), lambda: layer.downsample(coarsest_mag=2)):
    try:
        change()
        texts.append("no error")
    except wk.errors.StorageFullError as error:
        texts.append("full: " + str(error))
        fill()
    except Exception as error:
        texts.append(f"{type(error).__name__}: {error}")
found = wk.Dataset.open(arguments["path"])
assert list(found.layers) == list(dataset.layers) == ["color"]
assert list(found.get_layer("color").mags) == [wk.Mag(1)]
first = found.get_layer("color").get_mag(1).read(absolute_offset=(0, 0, 0), size=(32, 256, 256))
assert (first[0] == data).all()
os.remove(Path(arguments["path"]).parent / "rest")
print(json.dumps(texts))
"""


@pytest.mark.parametrize("data_format", ["wkw", "zarr", "zarr3"])
def test_a_full_disk_is_told_and_the_dataset_still_opens(tmp_path: Path, data_format: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=8m none '{disk}' 2>/dev/null") != 0:
        pytest.skip("no file system can be mounted here")
    try:
        with processes.process(
            FULL, tmp_path / "run", {"path": str(disk / "d"), "format": data_format}
        ) as child:
            texts = processes.result_of(child)
    finally:
        os.system(f"umount '{disk}'")
    assert len(texts) == 3
    for text in texts:
        assert text.startswith("full: "), texts
        assert "space" in text, text


def with_path(dataset: wk.Dataset, path: str) -> None:
    file = dataset.path / "datasource-properties.json"
    document = json.loads(file.read_text())
    document["dataLayers"][0]["mags"][0]["path"] = path
    file.write_text(json.dumps(document))


@pytest.mark.parametrize(
    "path", ["../../etc", "./color/../../../etc", "../../../../../../etc/passwd", "color/../.."]
)
def test_a_mag_whose_path_leaves_the_dataset_is_not_written_to(dataset: wk.Dataset, path: str) -> None:
    filled(dataset)
    outside = dataset.path.parent.parent / "etc"
    outside.mkdir(exist_ok=True)
    (outside / "precious").write_text("here")
    with_path(dataset, path)
    layer = wk.Dataset.open(dataset.path).get_layer("color")
    view = layer.get_mag(1)
    assert view.read_only
    with pytest.raises(RuntimeError, match="read-only"):
        view.write(np.ones((32, 32, 32), "u1"))
    with pytest.raises(errors.WkplugError):
        view.read()
    layer.bounding_box = wk.BoundingBox((0, 0, 0), (64, 64, 64))
    layer.delete_mag(1)
    assert (outside / "precious").read_text() == "here"


def test_a_mag_that_is_a_link_is_read_only_and_outlives_its_layer(
    dataset: wk.Dataset, tmp_path: Path
) -> None:
    layer = filled(dataset)
    (layer.path / "1").rename(tmp_path / "elsewhere")
    (layer.path / "1").symlink_to(tmp_path / "elsewhere")
    found = wk.Dataset.open(dataset.path).get_layer("color")
    assert found.get_mag(1).read_only
    assert found.get_mag(1).read().any()
    with pytest.raises(RuntimeError, match="read-only"):
        found.get_mag(1).write(np.ones((32, 32, 32), "u1"))
    found.bounding_box = wk.BoundingBox((0, 0, 0), (512, 128, 128))
    found.delete_mag(1)
    assert any((tmp_path / "elsewhere").iterdir())
    assert not (layer.path / "1").exists()


def test_a_loop_of_links_is_an_error_not_a_hang(dataset: wk.Dataset) -> None:
    layer = filled(dataset)
    storage.forget(storage.locate(layer.path / "1"))
    (layer.path / "1").rename(layer.path / "kept")
    (layer.path / "1").symlink_to(layer.path / "2")
    (layer.path / "2").symlink_to(layer.path / "1")
    found = wk.Dataset.open(dataset.path).get_layer("color")
    with pytest.raises(errors.WkplugError):
        found.get_mag(1).read()


def test_headers_that_claim_too_much_take_no_memory(dataset: wk.Dataset) -> None:
    layer = filled(dataset, "zarr3")
    file = layer.path / "1" / "zarr.json"
    header = json.loads(file.read_text())
    header["shape"] = [1, 2**40, 2**40, 2**40]
    header["chunk_grid"]["configuration"]["chunk_shape"] = [1, 2**33, 2**33, 2**33]
    file.write_text(json.dumps(header))
    found = wk.Dataset.open(dataset.path).get_layer("color")
    with pytest.raises(errors.WkplugError):
        found.get_mag(1).read(absolute_offset=(0, 0, 0), size=(32, 32, 32))
    with pytest.raises(errors.WkplugError):
        found.downsample(coarsest_mag=2)
    assert list(found.mags) == [wk.Mag(1)]


def test_a_damaged_shard_is_told_and_never_read_as_zeros(dataset: wk.Dataset, data_format: str) -> None:
    layer = filled(dataset, data_format)
    names = (".wkplug", "zarr.json", ".zarray", "header.wkw", ".z")
    shard = next(f for f in (layer.path / "1").rglob("*") if f.is_file() and not f.name.startswith(names))
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    found = wk.Dataset.open(dataset.path).get_layer("color")
    with pytest.raises(ValueError, match=r".") as caught:
        found.get_mag(1).read()
    assert isinstance(caught.value, errors.CorruptDataError)
    with pytest.raises(errors.CorruptDataError):
        found.downsample(coarsest_mag=2)
    assert list(found.mags) == [wk.Mag(1)]
