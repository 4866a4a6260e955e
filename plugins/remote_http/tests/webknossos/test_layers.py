"""Layers, mags and attachments are added to datasets on servers, by sending them and by references."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from wkplug.errors import (
    AttachmentError,
    ForbiddenError,
    InvalidArgumentError,
    LayerExistsError,
    MagExistsError,
    ReadOnlyError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from tests.servers.webknossos_hub import Hub


@pytest.fixture
def remote(hub: Hub, brain: wk.Dataset) -> wk.RemoteDataset:
    uploaded: wk.RemoteDataset = brain.upload(new_dataset_name="target")
    hub.counted()
    return uploaded.with_access_mode("proxy_path")


@pytest.fixture
def meshes(brain: wk.Dataset, tmp_path: Path) -> wk.Dataset:
    """A dataset with segments that have attachments: a file and a folder."""
    dataset = brain.copy_dataset(tmp_path / "meshes", layers_to_ignore=["color", "rgb"])
    layer = dataset.get_segmentation_layer("segments")
    (tmp_path / "mesh.hdf5").write_bytes(b"a mesh")
    (tmp_path / "graph").mkdir()
    (tmp_path / "graph" / "zarr.json").write_text("{}")
    add = layer.attachments.add_attachment_as_ref
    add(wk.MeshAttachment.from_path_and_name(tmp_path / "mesh.hdf5", "mesh", data_format="hdf5"))
    add(wk.AgglomerateAttachment.from_path_and_name(tmp_path / "graph", "graph", data_format="zarr3"))
    return dataset


def voxels(layer: Any, mag: Any = 1) -> Any:
    return layer.get_mag(mag).read()


def test_a_layer_is_added_and_filled(hub: Hub, remote: wk.RemoteDataset, brain: wk.Dataset) -> None:
    layer = remote.add_layer("new", "color", dtype="uint8", data_format="zarr3")
    assert remote.get_or_add_layer("new", "color") is layer
    assert list(layer.mags) == []
    source = brain.get_layer("color")
    made = layer.add_mag_as_copy(source.get_mag(1))
    assert isinstance(made, wk.RemoteMagView)
    assert layer.bounding_box.contains_bbox(source.bounding_box)
    layer.add_mag_as_copy(str(source.get_mag("2-2-1").path), extend_layer_bounding_box=False)
    np.testing.assert_array_equal(made.read(absolute_bounding_box=source.bounding_box), voxels(source))
    again = wk.RemoteDataset.open("target", access_mode="proxy_path").get_layer("new")
    assert [str(mag) for mag in again.mags] == ["1", "2-2-1"]
    with pytest.raises(MagExistsError, match="The layer 'new' already has the mag 1"):
        layer.add_mag_as_copy(source.get_mag(1))


def test_mags_of_other_formats_and_servers_are_sent_in_the_layers(
    hub: Hub, remote: wk.RemoteDataset, brain: wk.Dataset
) -> None:
    layer = remote.add_layer("copy", "segmentation", dtype="uint64", largest_segment_id=2**40)
    made = layer.add_mag_as_copy(remote.get_layer("segments").get_mag(1))  # wkw, behind the server
    assert hub.datasets[remote.dataset_id]["dataSource"]["dataLayers"][-1]["dataFormat"] == "zarr3"
    np.testing.assert_array_equal(made.read(), voxels(brain.get_layer("segments")))


@pytest.mark.parametrize("mode", ["copy", "symlink"])
def test_mags_come_by_copies_and_links(
    hub: Hub, remote: wk.RemoteDataset, brain: wk.Dataset, mode: str
) -> None:
    layer = remote.get_layer("rgb")
    layer.delete_mag(1)
    made = layer.add_mag_as_copy(brain.get_layer("rgb").get_mag(1), transfer_mode=mode)
    np.testing.assert_array_equal(made.read(), voxels(brain.get_layer("rgb")))


def test_a_layer_is_sent_with_all_it_has(hub: Hub, remote: wk.RemoteDataset, meshes: wk.Dataset) -> None:
    layer = remote.add_layer_as_copy(meshes.get_layer("segments"), "cells")
    np.testing.assert_array_equal(voxels(layer), voxels(meshes.get_layer("segments")))
    attachments = layer.as_segmentation_layer().attachments
    assert [(one.type_name, one.name) for one in attachments] == [("mesh", "mesh"), ("agglomerate", "graph")]
    assert attachments.meshes[0].location.read() == b"a mesh"
    assert attachments.agglomerates[0].location.child("zarr.json").read() == b"{}"
    with pytest.raises(LayerExistsError):
        remote.add_layer_as_copy(meshes.get_layer("segments"), "cells")
    hub.counted()
    remote.add_layer_as_copy(str(Path(str(meshes.path), "segments")), "cells", exists_ok=True)
    assert not any(name.startswith("POST") for name in hub.counted())


def test_attachments_are_renamed_deleted_and_shared(
    hub: Hub, remote: wk.RemoteDataset, meshes: wk.Dataset
) -> None:
    source = meshes.upload(new_dataset_name="source").get_layer("segments")
    attachments = source.attachments
    assert attachments.access_mode is wk.RemoteAccessMode.ZARR_STREAMING
    renamed = attachments.rename_attachment(attachments.meshes[0], new_name="all")
    assert (renamed.name, renamed.location.read()) == ("all", b"a mesh")
    target = remote.get_layer("segments").attachments
    shared = target.add_attachment_as_ref(renamed, foreign_layer=source, new_name="theirs")
    assert [one.name for one in target] == ["theirs"]
    assert shared.location.read() == b"a mesh"
    attachments.delete_attachment(renamed)
    assert [one.name for one in attachments] == ["graph"]
    with pytest.raises(AttachmentError, match="has no mesh 'all'"):
        attachments.delete_attachment(renamed)
    with pytest.raises(AttachmentError, match="The layer 'segments' already has the agglomerate 'graph'"):
        attachments.add_attachment_as_copy(attachments.agglomerates[0])


def test_layers_and_mags_are_shared_within_a_server(
    hub: Hub, remote: wk.RemoteDataset, brain: wk.Dataset
) -> None:
    other = brain.upload(new_dataset_name="other")
    hub.counted()
    layer = remote.add_layer_as_ref(other.get_layer("color"), "theirs")
    layer.delete_mag("2-2-1")
    view = layer.add_mag_as_ref(other.get_layer("color").get_mag("2-2-1"))
    np.testing.assert_array_equal(view.read(), voxels(brain.get_layer("color"), "2-2-1"))
    np.testing.assert_array_equal(voxels(layer), voxels(brain.get_layer("color")))
    assert not any("upload" in name for name in hub.counted())
    for call in (
        lambda: remote.add_layer_as_ref(brain.get_layer("color"), "x"),
        lambda: layer.add_mag_as_ref(brain.get_layer("color").get_mag(1), mag=8),
    ):
        with pytest.raises(InvalidArgumentError, match="is not on the server"):
            call()


def test_pyramids_are_computed_here_and_sent(hub: Hub, remote: wk.RemoteDataset, brain: wk.Dataset) -> None:
    local = brain.get_layer("color")
    layer = remote.get_layer("color")
    for mag in list(layer.mags)[1:]:
        layer.delete_mag(mag)
    layer.downsample(coarsest_mag=local.get_mag("4-4-1").mag)
    assert [str(mag) for mag in layer.mags] == ["1", "2-2-1", "4-4-1"]
    for mag in layer.mags:
        np.testing.assert_array_equal(voxels(layer, mag), voxels(local, mag))
    layer.delete_mag(1)
    layer.upsample("2-2-1", finest_mag=1)
    assert voxels(layer).shape[1:] == tuple(layer.get_mag(1).bounding_box.size)


def test_meshes_are_saved(hub: Hub, remote: wk.RemoteDataset, tmp_path: Path) -> None:
    file = remote.download_mesh(7, tmp_path / "meshes", mesh_file_name="mf", lod=1)
    assert file.name == f"target-{remote.dataset_id}_segments_7.stl"
    assert file.read_bytes() == b'solid {"lod": 1, "segmentId": 7, "mappingName": null, "meshFileName": "mf"}'
    remote.download_mesh(7, tmp_path, mag="2-2-1", seed_position=(1, 2, 3), layer_name="segments")
    with pytest.raises(InvalidArgumentError, match="needs mag and seed_position"):
        remote.download_mesh(7, tmp_path)


def test_arrays_become_layers_on_servers(hub: Hub, remote: wk.RemoteDataset) -> None:
    data = np.random.default_rng(2).integers(0, 255, (40, 40, 20), np.uint8)
    layer = remote.write_layer("made", "color", data, absolute_offset=(4, 8, 12), downsample=False)
    assert layer.bounding_box == wk.BoundingBox((4, 8, 12), (40, 40, 20))
    np.testing.assert_array_equal(voxels(layer)[0], data)


def test_what_cannot_be_written_says_what_can_be_done(hub: Hub, remote: wk.RemoteDataset) -> None:
    layer = remote.get_layer("rgb")
    kept = dict(hub.datasets[remote.dataset_id])
    for call in (layer.add_mag, layer.get_or_add_mag):
        with pytest.raises(
            UnsupportedOperationError, match=r"The layer 'rgb' is on a server(.|\n)*add_mag_as_copy"
        ):
            call(2)
    with pytest.raises(ReadOnlyError, match=f"wkplug copy-dataset {remote.url} TARGET"):
        layer.get_mag(1).write(np.zeros((3, 1, 1, 1), np.uint8))
    for refused in (
        lambda: remote.add_layer_like(layer, "like"),
        lambda: remote.add_layer_for_existing_files("there", "color"),
    ):
        with pytest.raises(ForbiddenError, match="places behind HTTP can only be read"):
            refused()
    assert hub.datasets[remote.dataset_id] == kept
