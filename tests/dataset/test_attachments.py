"""Attachments of segmentation layers: listing, copying, renaming, and agglomerates as files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from wkplug import storage

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {
    "meshes": wk.MeshAttachment,
    "agglomerates": wk.AgglomerateAttachment,
    "connectomes": wk.ConnectomeAttachment,
    "segmentIndex": wk.SegmentIndexAttachment,
    "segmentStatistics": wk.SegmentStatisticsAttachment,
    "cumsum": wk.CumsumAttachment,
}


@pytest.fixture
def layer(tmp_path: Path) -> wk.SegmentationLayer:
    dataset = wk.Dataset(tmp_path / "dataset", voxel_size=(1, 1, 1))
    layer = dataset.add_layer(
        "seg", "segmentation", dtype="uint32", bounding_box=wk.BoundingBox((0, 0, 0), (8, 8, 8))
    )
    layer.add_mag(1)
    return layer.as_segmentation_layer()


def listed(layer: wk.Layer) -> Any:
    raw = json.loads((layer.dataset.path / "datasource-properties.json").read_text())
    return raw["dataLayers"][0].get("attachments")


@pytest.mark.parametrize("key", KINDS)
def test_every_kind_is_listed_copied_renamed_and_deleted(
    layer: wk.SegmentationLayer, tmp_path: Path, key: str
) -> None:
    kind = KINDS[key]
    stored = {"segmentStatistics": "zarr3", "cumsum": "json"}.get(key, "hdf5")
    name = "file" if stored == "zarr3" else f"file.{stored}"
    (tmp_path / name).write_text("data")
    made = kind.from_path_and_name(tmp_path / name, "one", data_format=stored)
    assert made == kind.from_path_and_name(
        f"../{name}", "one", data_format=stored, dataset_path=layer.dataset.path
    )
    assert made != kind.from_path_and_name(tmp_path / name, "two", data_format=stored)
    layer.attachments.add_attachment_as_ref(made)
    assert list(layer.attachments) == [made]
    entry = {"name": "one", "path": str(tmp_path / name), "dataFormat": stored}
    assert listed(layer) == {key: [entry] if kind.is_list else entry}
    assert made.data_format == wk.AttachmentDataFormat(stored)
    if kind.is_list:
        with pytest.raises(ValueError, match=r"already a .* attachment called 'one'"):
            layer.attachments.add_attachment_as_ref(made)
        assert getattr(layer.attachments, kind.container_name) == (made,)
    else:
        assert getattr(layer.attachments, kind.container_name) == made
    copied = layer.attachments.add_attachment_as_copy(made, new_name="two")
    assert copied.path == layer.path / key / f"two{name.removeprefix('file')}"
    assert copied.path.read_text() == "data"
    layer.attachments.rename_attachment(copied, new_name="three")
    renamed = list(layer.attachments)[-1]
    assert (renamed.name, renamed.path) == ("three", copied.path)
    with pytest.raises(ValueError, match="has no"):
        layer.attachments.delete_attachment(copied)
    for attachment in layer.attachments:
        layer.attachments.delete_attachment(attachment)
    assert layer.attachments.is_empty
    assert listed(layer) is None
    assert copied.path.exists()


def test_names_and_formats_that_can_not_be(layer: wk.SegmentationLayer, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="contains a slash"):
        wk.MeshAttachment.from_path_and_name(tmp_path, "a/b", data_format="hdf5")
    with pytest.raises(ValueError, match="no data format of attachments"):
        wk.MeshAttachment.from_path_and_name(tmp_path, "a", data_format="hdf6")
    allowed = {
        "meshes": {"zarr3", "hdf5", "neuroglancerPrecomputed"},
        "agglomerates": {"zarr3", "hdf5"},
        "connectomes": {"zarr3", "hdf5"},
        "segmentIndex": {"zarr3", "hdf5"},
        "segmentStatistics": {"zarr3"},
        "cumsum": {"zarr3", "json"},
    }
    for key, kind in KINDS.items():
        for stored in wk.AttachmentDataFormat:
            if stored in allowed[key]:
                assert kind.from_path_and_name(tmp_path, "a", data_format=stored).data_format == stored
                continue
            with pytest.raises(
                ValueError, match=f"A {kind.type_name} attachment can't be stored as '{stored}'"
            ):
                kind.from_path_and_name(tmp_path, "a", data_format=stored)
    read_only = wk.Dataset.open(layer.dataset.path, read_only=True).get_layer("seg").as_segmentation_layer()
    with pytest.raises(RuntimeError, match="read-only"):
        read_only.attachments.add_attachment_as_ref(
            wk.MeshAttachment.from_path_and_name(tmp_path, "a", data_format="hdf5")
        )


def test_keys_that_nobody_knows_stay(layer: wk.SegmentationLayer, tmp_path: Path) -> None:
    made = wk.MeshAttachment.from_path_and_name(tmp_path / "m", "one", data_format="hdf5")
    layer.attachments.add_attachment_as_ref(made)
    path = layer.dataset.path / "datasource-properties.json"
    raw = json.loads(path.read_text())
    raw["dataLayers"][0]["attachments"]["meshes"][0]["theirs"] = 1
    raw["dataLayers"][0]["attachments"]["else"] = {"name": "x"}
    path.write_text(json.dumps(raw))
    layer = wk.Dataset.open(layer.dataset.path).get_layer("seg").as_segmentation_layer()
    layer.attachments.rename_attachment(made, new_name="two")
    assert listed(layer)["meshes"][0]["theirs"] == 1
    assert listed(layer)["else"] == {"name": "x"}


def test_layers_take_their_attachments_along(layer: wk.SegmentationLayer, tmp_path: Path) -> None:
    inside = layer.path / "agglomerates" / "view.hdf5"
    inside.parent.mkdir()
    inside.write_text("data")
    (inside.parent / "unlisted.hdf5").write_text("more")
    layer.attachments.add_attachment_as_ref(
        wk.AgglomerateAttachment.from_path_and_name(inside, "view", data_format="hdf5")
    )
    assert listed(layer)["agglomerates"][0]["path"] == "./seg/agglomerates/view.hdf5"
    copy = layer.dataset.copy_dataset(tmp_path / "copy").get_layer("seg").as_segmentation_layer()
    assert listed(copy)["agglomerates"][0]["path"] == "./seg/agglomerates/view.hdf5"
    assert (copy.path / "agglomerates" / "view.hdf5").read_text() == "data"
    assert (copy.path / "agglomerates" / "unlisted.hdf5").read_text() == "more"
    shallow = (
        layer.dataset.shallow_copy_dataset(tmp_path / "shallow").get_layer("seg").as_segmentation_layer()
    )
    assert listed(shallow)["agglomerates"][0]["path"] == str(inside)
    assert not (shallow.path / "agglomerates").is_symlink()
    assert (shallow.path / "agglomerates" / "unlisted.hdf5").is_symlink()
    assert next(iter(shallow.attachments)).path.read_text() == "data"
    bare = wk.Dataset(tmp_path / "bare", voxel_size=(1, 1, 1))
    assert bare.add_layer_as_copy(layer, with_attachments=False).as_segmentation_layer().attachments.is_empty


def test_copies_are_never_written_through_a_link(layer: wk.SegmentationLayer, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (layer.path / "meshes").symlink_to(tmp_path / "theirs")
    (tmp_path / "m.hdf5").write_text("x")
    with pytest.raises(wk.UnsafePathError, match="is a link"):
        layer.attachments.add_attachment_as_copy(
            wk.MeshAttachment.from_path_and_name(tmp_path / "m.hdf5", "m", data_format="hdf5")
        )
    assert list((tmp_path / "theirs").iterdir()) == []


def test_older_names_warn_and_do_the_same(layer: wk.SegmentationLayer, tmp_path: Path) -> None:
    (tmp_path / "f.hdf5").write_text("x")
    attachments = layer.attachments
    for method in ("add_mesh", "add_agglomerate", "add_connectome", "set_segment_index", "set_cumsum"):
        stored = "json" if method == "set_cumsum" else "hdf5"
        with pytest.warns(DeprecationWarning, match=f"`{method}` is deprecated"):
            getattr(attachments, method)(tmp_path / "f.hdf5", name="a", data_format=stored)
    assert len(list(attachments)) == 5
    made = wk.MeshAttachment.from_path_and_name(tmp_path / "f.hdf5", "b", data_format="hdf5")
    with pytest.warns(DeprecationWarning, match="add_attachment_as_ref"):
        attachments.add_attachments(made)
    with pytest.warns(DeprecationWarning, match="add_attachment_as_copy"):
        attachments.add_copy_attachments(
            wk.MeshAttachment.from_path_and_name(tmp_path / "f.hdf5", "c", data_format="hdf5")
        )
    with pytest.warns(DeprecationWarning, match="add_symlink_attachments"):
        attachments.add_symlink_attachments(
            wk.MeshAttachment.from_path_and_name(tmp_path / "f.hdf5", "d", data_format="hdf5"),
            make_relative=True,
        )
    assert str((layer.path / "meshes" / "d.hdf5").readlink()) == "../../../f.hdf5"


def test_files_of_the_time_before_lists_are_found(layer: wk.SegmentationLayer) -> None:
    for name in (
        "meshes/a.hdf5",
        "agglomerates/b.hdf5",
        "connectomes/c.hdf5",
        "segmentIndex/s.hdf5",
        "agglomerates/cumsum.json",
    ):
        (layer.path / name).parent.mkdir(exist_ok=True)
        (layer.path / name).write_text("x")
    layer.attachments.detect_legacy_attachments()
    layer.attachments.detect_legacy_attachments()
    assert sorted(listed(layer)) == ["agglomerates", "connectomes", "cumsum", "meshes", "segmentIndex"]
    assert listed(layer)["cumsum"] == {
        "name": "cumsum",
        "path": "./seg/agglomerates/cumsum.json",
        "dataFormat": "json",
    }


def graph(edges: list[tuple[int, int, float]], count: int) -> Any:
    made = wk.AgglomerateGraph()
    for segment in range(1, count + 1):
        made.add_segment(segment, position=(segment, 2 * segment, 3))
    for a, b, affinity in edges:
        made.add_affinity_edge(a, b, affinity=affinity)
    return made


def test_agglomerates_are_written_as_arrays_and_read_back(layer: wk.SegmentationLayer) -> None:
    pytest.importorskip("networkx")
    made = graph([(5, 2, 0.5), (2, 3, 0.25), (1, 4, 0.75)], 6)
    attachment = wk.AgglomerateAttachment.create_and_add_to(layer, "view", made)
    assert layer.attachments.agglomerates == (attachment,)
    group = json.loads((attachment.path / "zarr.json").read_text())
    assert group["attributes"] == {
        "voxelytics": {"artifact_schema_version": 4, "artifact_class": "AgglomerateViewArtifact"}
    }

    def array(name: str, *shape: int) -> Any:
        handle = storage.open_array(attachment.path / name, "zarr3", axes=("x", "y")[: len(shape)])
        return handle.read(((0,) * len(shape), shape)).tolist()

    assert array("segment_to_agglomerate", 7) == [0, 1, 2, 2, 1, 2, 3]
    assert array("agglomerate_to_segments_offsets", 5) == [0, 0, 2, 5, 6]
    assert array("agglomerate_to_segments", 6) == [1, 4, 2, 3, 5, 6]
    assert array("agglomerate_to_edges_offsets", 5) == [0, 0, 1, 3, 3]
    assert array("agglomerate_to_edges", 3, 2) == [[0, 1], [0, 1], [0, 2]]
    assert array("agglomerate_to_affinities", 3) == [0.75, 0.25, 0.5]
    assert array("agglomerate_to_positions", 6, 3)[1] == [4, 8, 3]
    again = (
        wk.Dataset.open(layer.dataset.path)
        .get_layer("seg")
        .as_segmentation_layer()
        .attachments.agglomerates[0]
    )
    found = again.to_graph()
    assert dict(found.nodes(data=True)) == dict(made.nodes(data=True))
    assert {frozenset(edge) for edge in found.edges} == {frozenset(edge) for edge in made.edges}
    assert found.edges[5, 2]["affinity"] == 0.5
    with pytest.raises(FileExistsError, match="already something"):
        wk.AgglomerateAttachment.create_and_add_to(layer, "view", made)


@pytest.mark.parametrize("count", [0, 1])
def test_graphs_of_nothing_and_of_one_segment(tmp_path: Path, count: int) -> None:
    pytest.importorskip("networkx")
    made = graph([], count)
    data = made.to_agglomerate_graph_data("uint64")
    assert data.agglomerate_to_edges.shape == (0, 2)
    assert data.agglomerate_to_positions.shape == (count, 3)
    assert data.agglomerate_to_segments.dtype == np.uint64
    found = wk.AgglomerateAttachment.create(tmp_path / "view", made, segmentation_dtype="uint64").to_graph()
    assert list(found.nodes) == list(made.nodes)


def test_graphs_that_can_not_be(layer: wk.SegmentationLayer, tmp_path: Path) -> None:
    pytest.importorskip("networkx")
    made = wk.AgglomerateGraph()
    with pytest.raises(ValueError, match="positive integers"):
        made.add_segment(0, position=(0, 0, 0))
    made.add_segment(2, position=(0, 0, 0))
    with pytest.raises(ValueError, match="dense"):
        made.to_agglomerate_graph_data()
    with pytest.raises(ValueError, match="isn't in the graph"):
        made.add_affinity_edge(2, 3, affinity=1)
    small = layer.dataset.add_layer("small", "segmentation", dtype="uint8").as_segmentation_layer()
    with pytest.raises(AssertionError, match="uint32 or uint64"):
        wk.AgglomerateAttachment.create_and_add_to(small, "x", graph([], 1))
    other = wk.AgglomerateAttachment.from_path_and_name(tmp_path, "x", data_format="hdf5")
    with pytest.raises(NotImplementedError, match="hdf5"):
        other.to_graph()


def test_transfer_modes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "f").write_text("x")
    wk.TransferMode("copy").transfer(source, tmp_path / "deep" / "copy")
    assert (tmp_path / "deep" / "copy" / "f").read_text() == "x"
    wk.TransferMode.SYMLINK.transfer(source, tmp_path / "link")
    assert (tmp_path / "link").resolve() == source
    with pytest.raises(AssertionError, match="already something"):
        wk.TransferMode.SYMLINK.transfer(source, tmp_path / "link")
    wk.TransferMode.MOVE_AND_SYMLINK.transfer(source, tmp_path / "moved")
    assert source.is_symlink()
    assert not (tmp_path / "moved").is_symlink()
    wk.TransferMode.MOVE_AND_SYMLINK.transfer(source, tmp_path / "again")
    assert (tmp_path / "again").resolve() == tmp_path / "moved"
    assert source.is_symlink()
    with pytest.raises(NotImplementedError, match="HTTP"):
        wk.TransferMode.HTTP.transfer(source, tmp_path / "http")


def test_files_of_two_attachments_are_never_mixed(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "zarr.json").write_text("{}")
        (tmp_path / name / name).write_text(name)
    layer = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1)).add_layer("seg", "segmentation", dtype="uint8")
    attachments = layer.as_segmentation_layer().attachments
    copied = attachments.add_attachment_as_copy(
        wk.MeshAttachment("m", tmp_path / "first", data_format="zarr3")
    )
    attachments.delete_attachment(copied)  # its files stay
    second = wk.MeshAttachment("m", tmp_path / "second", data_format="zarr3")
    with pytest.raises(
        wk.errors.AttachmentError, match="that no attachment of the layer 'seg' lists"
    ) as caught:
        attachments.add_attachment_as_copy(second)
    assert caught.value.hint == "Move them away, or choose another name."
    other = attachments.add_attachment_as_copy(second, new_name="n")
    assert sorted(path.name for path in (layer.path / "meshes" / "n").iterdir()) == ["second", "zarr.json"]
    assert list(attachments) == [other]


def test_what_a_killed_write_has_left_does_not_stop_a_copy(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "zarr.json").write_text("{}")
    layer = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1)).add_layer("seg", "segmentation", dtype="uint8")
    place = layer.path / "meshes" / "m"
    place.mkdir(parents=True)
    (place / ".wkplug-tmp-1-abc").write_text("half")
    mesh = wk.MeshAttachment("m", tmp_path / "m", data_format="zarr3")
    copied = layer.as_segmentation_layer().attachments.add_attachment_as_copy(mesh)
    assert copied.location.child("zarr.json").read() == b"{}"
