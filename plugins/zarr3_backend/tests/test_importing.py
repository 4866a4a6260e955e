"""What OME-Zarr images, their labels and collections, and bare arrays are described as."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from wkplug_zarr.importing import OmeZarrImporter

from wkplug import storage
from wkplug.abc import ForeignLayer, ProbeScore
from wkplug.errors import CorruptDataError, MissingError, UnsupportedOperationError

if TYPE_CHECKING:
    from pathlib import Path

SPACE = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
AXES = [{"name": "c", "type": "channel"}, *SPACE]


def multiscale(
    *, scale: float = 0.5, shift: float = 0.0, axes: Any = AXES, version: str = "0.4"
) -> dict[str, Any]:
    rank = len(axes)
    return {
        "version": version,
        "axes": axes,
        "datasets": [
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1.0] * (rank - 2) + [scale * 2**level] * 2},
                    {"type": "translation", "translation": [0.0] * (rank - 2) + [shift, 0.0]},
                ],
            }
            for level in range(2)
        ],
    }


def write(
    path: Path, version: int, attributes: dict[str, Any], shape: tuple[int, ...] = (2, 3, 40, 60)
) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=version)
    group.attrs.update({"ome": {"version": "0.5", **attributes}} if version == 3 else attributes)
    for level in range(2):
        group.create_array(str(level), shape=shape, chunks=shape, dtype="uint16")


def describe(path: Path) -> tuple[ForeignLayer, ...]:
    return OmeZarrImporter().describe(storage.locate(path))


@pytest.mark.parametrize("version", [2, 3])
def test_an_image_becomes_a_layer_with_its_channels_and_its_place(tmp_path: Path, version: int) -> None:
    channels = [{"label": "DAPI", "color": "0000FF"}, {"label": "GFP", "color": "00FF00"}]
    write(
        tmp_path / "a.ome.zarr",
        version,
        {"multiscales": [multiscale(shift=5.0)], "omero": {"channels": channels}},
    )
    assert OmeZarrImporter().probe(storage.locate(tmp_path / "a.ome.zarr")) == ProbeScore.CERTAIN
    (layer,) = describe(tmp_path / "a.ome.zarr")
    assert (layer.name, layer.category) == ("a", "color")
    assert layer.voxel_size == (500.0, 500.0, 1000.0)
    assert layer.offset == (0, 10, 0)
    assert (layer.channel_names, layer.channel_colors) == (("DAPI", "GFP"), ((0, 0, 255), (0, 255, 0)))
    assert [mag.mag for mag in layer.mags] == [(1, 1, 1), (2, 2, 1)]
    assert {(mag.data_format, mag.axes) for mag in layer.mags} == {
        ("zarr" if version == 2 else "zarr3", ("c", "z", "y", "x"))
    }
    assert storage.open_array(layer.mags[1].location, layer.mags[1].data_format).spec.shape == (2, 3, 40, 60)


@pytest.mark.parametrize("version", [2, 3])
def test_labels_become_segmentations(tmp_path: Path, version: int) -> None:
    write(tmp_path / "a.zarr", version, {"multiscales": [multiscale()]})
    labels = zarr.open_group(tmp_path / "a.zarr" / "labels", mode="w", zarr_format=version)
    labels.attrs.update({"ome": {"labels": ["cells"]}} if version == 3 else {"labels": ["cells"]})
    write(
        tmp_path / "a.zarr" / "labels" / "cells",
        version,
        {"multiscales": [multiscale(axes=SPACE)]},
        (3, 40, 60),
    )
    image, cells = describe(tmp_path / "a.zarr")
    assert (image.name, cells.name, cells.category) == ("a", "cells", "segmentation")
    assert cells.mags[0].axes == ("z", "y", "x")


def test_collections_become_a_layer_per_image(tmp_path: Path) -> None:
    root = zarr.open_group(tmp_path / "many.zarr", mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for name in ("0", "1", "10"):
        write(tmp_path / "many.zarr" / name, 2, {"multiscales": [multiscale()]})
    assert [layer.name for layer in describe(tmp_path / "many.zarr")] == ["many_0", "many_1", "many_10"]
    group = zarr.open_group(tmp_path / "many.zarr" / "OME", mode="w", zarr_format=2)
    group.attrs["series"] = ["10", "0"]
    assert [layer.name for layer in describe(tmp_path / "many.zarr")] == ["many_10", "many_0"]


@pytest.mark.parametrize("version", [2, 3])
def test_arrays_at_any_depth_are_found_or_told(tmp_path: Path, version: int) -> None:
    place = tmp_path / "plain.zarr"
    root = zarr.open_group(place, mode="w", zarr_format=version)
    root.create_array("top", shape=(3, 4, 5), dtype="u1")
    root.create_array("times", shape=(3,), dtype="u1")
    inner = root.create_group("a/b")
    inner.create_array("c", shape=(3, 4, 5), dtype="u1")
    for metadata in ("a/.zgroup", "a/b/.zgroup", "a/zarr.json", "a/b/zarr.json"):
        (place / metadata).unlink(missing_ok=True)  # as writers do that make arrays without their groups
    layers = describe(place)
    assert [layer.name for layer in layers] == ["a/b/c", "top"]
    assert layers[0].container_notes[-1] == "Left out: times (arrays of less than two axes are no images)."
    root.create_array("1/2/3/4/5/6/7/8/9", shape=(3, 4, 5), dtype="u1")
    assert (
        "Left out: 1/2/3/4/5/6/7/8 (groups are searched 8 levels deep)." in describe(place)[0].container_notes
    )


def test_arrays_beside_images_are_told(tmp_path: Path) -> None:
    root = zarr.open_group(tmp_path / "mixed.zarr", mode="w", zarr_format=3)
    write(tmp_path / "mixed.zarr" / "images" / "one", 3, {"multiscales": [multiscale()]})
    for number in range(7):
        root.create_array(f"tables/{number}", shape=(3, 4), dtype="u1")
    (layer,) = describe(tmp_path / "mixed.zarr")
    assert layer.name == "images/one"
    assert layer.container_notes == (
        "Left out: tables/0, tables/1, tables/2, tables/3, tables/4 and 2 more (beside images, arrays are no layers).",
    )


def test_what_is_not_said_is_not_invented(tmp_path: Path) -> None:
    plain = [{"name": axis, "type": "space"} for axis in "zyx"]
    write(tmp_path / "no-unit.zarr", 3, {"multiscales": [multiscale(axes=plain)]}, (3, 40, 60))
    assert describe(tmp_path / "no-unit.zarr")[0].voxel_size == (None, None, None)
    old = {"version": "0.1", "datasets": [{"path": "0"}, {"path": "1"}]}
    write(tmp_path / "old.zarr", 2, {"multiscales": [old]}, (1, 2, 3, 40, 60))
    (layer,) = describe(tmp_path / "old.zarr")
    assert (layer.mags[0].axes, layer.voxel_size) == (("t", "c", "z", "y", "x"), (None, None, None))


def test_places_between_voxels_are_rounded_and_told(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", 3, {"multiscales": [multiscale(shift=5.2)]})
    (layer,) = describe(tmp_path / "a.zarr")
    assert layer.offset == (0, 10, 0)
    assert layer.notes == ("The image lies 10.4 voxels along y; it was put at 10.",)
    write(tmp_path / "b.zarr", 3, {"multiscales": [multiscale(shift=-5.0)]})
    (layer,) = describe(tmp_path / "b.zarr")
    assert layer.offset == (0, 0, 0)
    assert layer.notes == (
        "It begins at voxel -10 along y, where a dataset has none; it was moved to begin at 0.",
    )


def test_bare_arrays_name_their_axes_or_are_taken_as_x_y_z(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "named", data=np.zeros((3, 4, 5), "u1"), dimension_names=["Z", "y", "x"])
    zarr.create_array(tmp_path / "plain", data=np.zeros((3, 4, 5), "u1"), zarr_format=2)
    zarr.create_array(tmp_path / "strange", data=np.zeros((1,) * 6, "u1"))
    (named,) = describe(tmp_path / "named")
    assert (named.mags[0].axes, named.notes) == (("z", "y", "x"), ())
    (plain,) = describe(tmp_path / "plain")
    assert plain.mags[0].axes == ("x", "y", "z")
    assert plain.notes == ("The array doesn't name its axes; they were taken as x, y, z.",)
    with pytest.raises(UnsupportedOperationError, match="has 6 axes without names"):
        describe(tmp_path / "strange")


def test_other_folders_and_damage_are_told_apart(tmp_path: Path) -> None:
    importer = OmeZarrImporter()
    assert importer.probe(storage.locate(tmp_path)) == ProbeScore.NO
    with pytest.raises(MissingError, match="no Zarr group or array"):
        describe(tmp_path)
    zarr.open_group(tmp_path / "group", mode="w")
    assert importer.probe(storage.locate(tmp_path / "group")) == ProbeScore.NO
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "zarr.json").write_text("{")
    assert importer.probe(storage.locate(tmp_path / "torn")) == ProbeScore.MARKER
    with pytest.raises(CorruptDataError, match="is no JSON"):
        describe(tmp_path / "torn")
    write(tmp_path / "empty", 3, {"multiscales": [{"axes": AXES, "datasets": []}]})
    with pytest.raises(CorruptDataError, match="its image has no datasets"):
        describe(tmp_path / "empty")
    write(tmp_path / "flat", 3, {"multiscales": [{"axes": [{"name": "x"}], "datasets": [{"path": "0"}]}]})
    with pytest.raises(UnsupportedOperationError, match="a layer needs x and y"):
        describe(tmp_path / "flat")
    document = json.loads((tmp_path / "flat" / "zarr.json").read_text())
    document["attributes"]["ome"]["multiscales"] = [3]
    (tmp_path / "flat" / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(CorruptDataError, match="has no multiscales"):
        describe(tmp_path / "flat")
