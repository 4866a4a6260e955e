"""What datasets name outside of themselves: arrays of one's own as ever, nothing else without a yes."""

from __future__ import annotations

import json
import pickle
import uuid
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from wkplug import errors, storage
from wkplug.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.files import FileServer

FILE = "datasource-properties.json"
BOX = wk.BoundingBox((0, 0, 0), (32, 32, 32))
ELSEWHERE = "on this machine or on another host than the dataset"
NO_DATA = r"lies outside of its dataset, at .*, and is not evidently data"
HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(100)


@pytest.fixture
def private(tmp_path: Path) -> wk.Dataset:
    """A dataset of one's own, and a file beside it."""
    (tmp_path / "secret.txt").write_text("dear")
    return filled(tmp_path / "private")


def filled(path: Any) -> wk.Dataset:
    dataset = wk.Dataset(path, voxel_size=(1, 1, 1))
    layer = dataset.add_layer("seg", "segmentation", bounding_box=BOX, dtype="uint32")
    layer.add_mag(1).write(np.full((32, 32, 32), 7, "u4"))
    return dataset


def foreign(path: Any, mag: str | None = None, attachment: str | None = None) -> wk.Dataset:
    """A dataset as somebody else may have written it."""
    dataset = filled(path)
    place = dataset.location.child(FILE)
    document = json.loads(place.read())
    layer = document["dataLayers"][0]
    if mag is not None:
        layer["mags"][0]["path"] = mag
    if attachment is not None:
        layer["attachments"] = {"meshes": [{"name": "m", "path": attachment, "dataFormat": "hdf5"}]}
    place.write(json.dumps(document).encode())
    return wk.Dataset.open(path)


def memory() -> str:
    return f"memory://foreign-{uuid.uuid4().hex}/d"


# --- from elsewhere -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_remote_dataset_names_no_local_array(
    private: wk.Dataset, form: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    array = str(private.get_layer("seg").path / "1")
    dataset = foreign(memory(), mag=form.format(array))
    mag = dataset.get_layer("seg").get_mag(1)
    assert mag.read_only
    for use in (
        mag.read,
        lambda: mag.info,
        lambda: dataset.copy_dataset(tmp_path / "copy"),
        lambda: dataset.shallow_copy_dataset(tmp_path / "shallow"),
        lambda: wk.Dataset(tmp_path / "ref", voxel_size=(1, 1, 1)).add_layer_as_ref(dataset.get_layer("seg")),
        lambda: pickle.loads(pickle.dumps(mag)).read(),
    ):
        with pytest.raises(errors.UnsafePathError, match=ELSEWHERE) as caught:
            use()
        assert array in caught.value.message
        assert f"wkplug.settings(trusted_places=[{array!r}])" in (caught.value.hint or "")
    assert main(["info", dataset.location.url]) == 0
    told = capsys.readouterr().out
    assert "PROBLEM: The dataset " in told
    assert f"note: the mag 1 lies outside of this dataset, at {array}" in told


def test_a_setting_lets_a_remote_dataset_name_a_local_array(private: wk.Dataset) -> None:
    array = str(private.get_layer("seg").path / "1")
    url = foreign(memory(), mag=array).location.url
    for trusted in (array, str(private.path), "*"):
        with wk.settings(trusted_places=[trusted]):
            assert (wk.Dataset.open(url).get_layer("seg").get_mag(1).read() == 7).all()
    with wk.settings(trusted_places=[f"{array}0", str(private.path) + "-other"]):
        mag = wk.Dataset.open(url).get_layer("seg").get_mag(1)
        with pytest.raises(errors.UnsafePathError):
            mag.read()


@pytest.mark.parametrize("path", ["http://127.0.0.1:9/x", "s3://bucket/x"])
def test_a_remote_dataset_names_no_other_host(path: str) -> None:
    mag = foreign(memory(), mag=path).get_layer("seg").get_mag(1)
    with pytest.raises(errors.UnsafePathError, match="on another host"):
        mag.read()


def test_a_remote_dataset_names_what_is_on_its_own_host() -> None:
    other = filled(memory())
    dataset = foreign(memory(), mag=other.get_layer("seg").location.child("1").url)
    assert (dataset.get_layer("seg").get_mag(1).read() == 7).all()


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_files_of_this_machine_are_not_copied_for_a_web_server(
    private: wk.Dataset, file_server: FileServer, tmp_path: Path, form: str
) -> None:
    del private
    secret = tmp_path / "secret.txt"
    foreign(file_server.folder / "d", attachment=form.format(secret))
    dataset = wk.Dataset.open(f"{file_server.url}/d")
    for use in (
        lambda: dataset.copy_dataset(tmp_path / "copy"),
        lambda: list(dataset.get_layer("seg").attachments),
    ):
        with pytest.raises(errors.UnsafePathError, match=ELSEWHERE):
            use()
    assert not [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and path != secret and path.read_bytes() == b"dear"
    ]


def test_a_path_above_a_store_is_refused(file_server: FileServer) -> None:
    foreign(file_server.folder / "d", mag="../../../../etc/passwd")
    with pytest.raises(errors.UnsafePathError, match="leads out of its store"):
        wk.Dataset.open(f"{file_server.url}/d").get_layer("seg").get_mag(1).read()


# --- on this machine ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ["add_layer_as_ref", "add_symlink_layer", "shallow"])
def test_arrays_of_ones_own_are_read_and_copied_as_ever(
    private: wk.Dataset, tmp_path: Path, make: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pointing"
    if make == "shallow":
        private.shallow_copy_dataset(path)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            getattr(wk.Dataset(path, voxel_size=(1, 1, 1)), make)(private.get_layer("seg"))
    dataset = wk.Dataset.open(path)
    assert (dataset.get_layer("seg").get_mag(1).read() == 7).all()
    copied = dataset.copy_dataset(tmp_path / "copied")
    assert (copied.get_layer("seg").get_mag(1).read() == 7).all()
    assert main(["info", str(path)]) == 0
    assert f"the mag 1 lies outside of this dataset, at {private.path}/seg/1" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["{}", "file://{}", "../secret.txt", "link"])
def test_a_copy_takes_along_no_file_that_is_no_data(private: wk.Dataset, tmp_path: Path, form: str) -> None:
    del private
    secret = tmp_path / "secret.txt"
    dataset = foreign(tmp_path / "d", attachment=form.format(secret) if form != "link" else "./seg/link.hdf5")
    if form == "link":
        (tmp_path / "d" / "seg" / "link.hdf5").symlink_to(secret)
    target = wk.Dataset(tmp_path / "other", voxel_size=(1, 1, 1))
    for use in (
        lambda: dataset.copy_dataset(tmp_path / "copy"),
        lambda: target.add_layer_as_copy(dataset.get_layer("seg")),
    ):
        with pytest.raises(errors.UnsafePathError, match=NO_DATA) as caught:
            use()
        assert "trusted_places" in (caught.value.hint or "")
        assert "or pass with_attachments=False to leave it out" in (caught.value.hint or "")
    assert not (tmp_path / "copy").exists()
    assert not target.layers
    with wk.settings(trusted_places=[str(tmp_path)]):
        copied = dataset.copy_dataset(tmp_path / "copy")
    assert copied.get_segmentation_layer("seg").attachments.meshes[0].location.read() == b"dear"


def test_attachments_that_are_data_are_copied_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "meshes.hdf5").write_bytes(HDF5)
    dataset = foreign(tmp_path / "d", attachment=str(tmp_path / "meshes.hdf5"))
    copied = dataset.copy_dataset(tmp_path / "copy")
    assert copied.get_segmentation_layer("seg").attachments.meshes[0].location.read() == HDF5


def test_a_refused_place_does_nothing() -> None:
    place, inside = storage.resolve_inside(storage.locate(memory()), "/etc/passwd")
    assert not inside
    assert place.url == "/etc/passwd"
    assert place.child("x").url == "/etc/passwd/x"
    assert place.parent.url == "/etc"
    assert place.local_path() is None
    assert not place.writable()
    assert {place, pickle.loads(pickle.dumps(place))} == {place}
    for use in (
        place.read, place.version, place.exists, place.list, place.delete, place.make_folder, place.size, place.lock,
        lambda: place.write(b""), lambda: place.native("path"), lambda: place.read_ranges([(0, 1)]),
    ):  # fmt: skip
        with pytest.raises(errors.UnsafePathError):
            use()
