"""References and links: what is listed is there, is known as foreign, and leads to the target itself."""

from __future__ import annotations

import json
import shutil
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from tests.servers.emulators import moto as serve_s3
from tests.servers.files import serve_files
from wkplug.errors import MissingError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated", "ignore:.*DEPRECATION")


@pytest.fixture
def source(tmp_path: Path) -> wk.Layer:
    layer = wk.Dataset(tmp_path / "source", (1, 1, 1)).add_layer(
        "seg", "segmentation", dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32))
    )
    layer.add_mag(1).write(np.full((32, 32, 32), 3, "uint8"))
    layer.add_mag(2)
    return layer


def _like(path: Path, source: wk.Layer) -> Any:
    return wk.Dataset(path, (1, 1, 1)).add_layer_like(source, "seg")


def test_linked_and_referenced_mags_are_foreign(tmp_path: Path, source: wk.Layer) -> None:
    layer = _like(tmp_path / "d", source)
    own = layer.add_mag(4)
    linked = layer.add_symlink_mag(source.get_mag(1))
    referenced = layer.add_mag_as_ref(source.get_mag(2))
    assert [mag.is_foreign for mag in (own, linked, referenced)] == [False, True, True]
    again = wk.Dataset.open(tmp_path / "d").get_layer("seg")
    assert [again.is_mag_view_foreign(mag) for mag in again.mags.values()] == [True, True, False]
    shutil.rmtree(again.path / "4")
    (again.path / "4").symlink_to(source.get_mag(2).path)
    assert again.is_mag_view_foreign(wk.Dataset.open(tmp_path / "d").get_layer("seg").get_mag(4))


@pytest.mark.parametrize("mag", [2, "2", "2-2-2", (2, 2, 2), [2, 2, 2], np.array([2, 2, 2]), wk.Mag(2)])
def test_an_existing_mag_is_added_by_any_name_of_it(tmp_path: Path, source: wk.Layer, mag: Any) -> None:
    layer = _like(tmp_path / "d", source)
    with pytest.raises(wk.ArrayException, match="There is no array for the mag 2"):
        layer.add_existing_remote_mag_view(mag)
    shutil.copytree(source.get_mag(2).path, layer.path / "2")
    assert layer.add_existing_remote_mag_view(mag).mag == wk.Mag(2)
    assert layer.add_existing_remote_mag_view(source.get_mag(1)).is_foreign


def test_a_reference_to_what_is_gone_is_an_error_at_once(tmp_path: Path, source: wk.Layer) -> None:
    layer = _like(tmp_path / "d", source)
    with serve_files(tmp_path) as server:
        there = wk.Dataset.open(f"{server.url}/source").get_layer("seg")
        shutil.rmtree(source.path / "2")
        for mag in (there.get_mag(2), f"{server.url}/source/seg/2", source.path / "2"):
            with pytest.raises(MissingError, match="seg/2"):
                layer.add_mag_as_ref(mag)
        assert list(layer.mags) == []
        assert layer.add_mag_as_ref(there.get_mag(1)).is_foreign


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("gone/seg/1", "Cannot read dataset at .*gone"),
        ("source/gone/1", "The dataset 'source' has no layer 'gone'"),
        ("source/seg/8", "The layer 'seg' has no mag 8"),
    ],
)
def test_errors_begin_with_the_path_that_was_given(
    tmp_path: Path, source: wk.Layer, path: str, why: str
) -> None:
    layer = _like(tmp_path / "d", source)
    given = str(tmp_path / path)
    for call in (layer.add_mag_as_ref, layer.add_mag_as_copy, layer.add_existing_remote_mag_view):
        with pytest.raises((OSError, LookupError), match=f"^There is no mag at {given}: {why}") as caught:
            call(given)
        assert getattr(caught.value, "hint", None) == "Check the path: DATASET/LAYER/MAG."
    if not path.startswith("source/seg"):
        given = given.removesuffix("/1")
        with pytest.raises((OSError, LookupError), match=f"^There is no layer at {given}: {why}") as told:
            layer.dataset.add_layer_as_ref(given, "other")
        assert getattr(told.value, "hint", None) == "Check the path: DATASET/LAYER."


GONE = r"\[WARNING\] The layer 'seg' lists mags that are not there: 2 \(.*source/seg/2\). They"


@pytest.mark.parametrize("where", ["local", "http"])
def test_a_layer_with_a_mag_that_is_gone_is_told(tmp_path: Path, source: wk.Layer, where: str) -> None:
    with serve_files(tmp_path) as server:
        root = tmp_path if where == "local" else server.url
        shutil.rmtree(source.path / "2")
        there = wk.Dataset.open(f"{root}/source")
        made = wk.Dataset(tmp_path / "d", (1, 1, 1))
        with pytest.warns(UserWarning, match=GONE):
            made.add_layer_as_ref(there.get_layer("seg"), "by_layer")
        with pytest.warns(UserWarning, match=GONE):
            made.add_layer_as_ref(f"{root}/source/seg", "by_path")
        with pytest.warns(UserWarning, match=GONE):
            copy = there.shallow_copy_dataset(tmp_path / "copy")
        for layer in (*made.layers.values(), *copy.layers.values()):
            assert np.array_equal(np.unique(layer.get_mag(1).read()), [3])
            with pytest.raises(MissingError):
                layer.get_mag(2).read()
    if where == "local":
        with pytest.warns(UserWarning, match=GONE):
            made.add_symlink_layer(there.get_layer("seg"), new_layer_name="linked")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = wk.Dataset(tmp_path / "whole", (1, 1, 1))
        whole.add_layer_like(source, "seg").add_mag(1)
        made.add_layer_as_ref(whole.get_layer("seg"), "whole")


def test_linked_attachments_record_what_they_link_to(tmp_path: Path, source: wk.Layer) -> None:
    layer = _like(tmp_path / "d", source)
    for name, relative in (("a", False), ("b", True)):
        (tmp_path / f"{name}.hdf5").write_text("x")
        made = wk.MeshAttachment.from_path_and_name(tmp_path / f"{name}.hdf5", name, data_format="hdf5")
        layer.attachments.add_symlink_attachments(made, make_relative=relative)
    raw = json.loads((tmp_path / "d" / "datasource-properties.json").read_text())
    paths = [entry["path"] for entry in raw["dataLayers"][0]["attachments"]["meshes"]]
    assert paths == [str(tmp_path / "a.hdf5"), "../b.hdf5"]
    assert [item.path.read_text() for item in layer.attachments.meshes] == ["x", "x"]
    assert (layer.path / "meshes" / "a.hdf5").is_symlink()


def test_rewriting_in_place_on_a_bucket_is_refused_first(
    tmp_path: Path, source: wk.Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with serve_s3() as host:
        driver = fsspec.filesystem(
            "s3", client_kwargs={"endpoint_url": f"http://{host}"}, skip_instance_cache=True
        )
        driver.mkdir("box")
        with wk.settings(storage={"s3://box": {"endpoint_url": f"http://{host}"}}):
            dataset = wk.Dataset("s3://box/d", (1, 1, 1))
            mag = dataset.add_layer_like(source, "seg").add_mag(1, compress=False)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                for rewrite in (mag.compress, mag.rechunk):
                    with pytest.raises(ValueError, match="can't be rewritten in place"):
                        rewrite()
