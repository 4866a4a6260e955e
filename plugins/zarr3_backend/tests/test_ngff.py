"""OME-NGFF documents: word for word, valid, and kind to what others wrote."""

from __future__ import annotations

import json
import warnings

import attrs
import pytest
from ome_zarr_models.v04.image import ImageAttrs as Image04
from ome_zarr_models.v05.image import ImageAttrs as Image05
from wkplug_zarr.ngff import Ngff04, Ngff05

from wkplug.abc import DatasetFacts, LayerFacts, MagFacts

MAGS = (
    MagFacts(mag=(1, 1, 1), folder="1"),
    MagFacts(mag=(2, 2, 1), folder="2-2-1"),
    MagFacts(mag=(4, 4, 2), folder="4-4-2"),
)
SPACE = {"type": "space", "unit": "nanometer"}


def facts(version="0.5", **changes):
    found = LayerFacts(
        name="color",
        category="color",
        data_format="zarr3" if version == "0.5" else "zarr",
        axes=("c", "x", "y", "z"),
        num_channels=1,
        dtype="uint8",
        voxel_size=(11.25, 11.25, 25.0),
        mags=MAGS,
    )
    return attrs.evolve(found, **changes)


def multiscale(files, version):
    """The one multiscale of the files, after the validator of that version has accepted it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if version == "0.5":
            ome = json.loads(files["zarr.json"])["attributes"]["ome"]
            assert ome["version"] == "0.5"
            Image05.model_validate(ome)
            (found,) = ome["multiscales"]
            assert "version" not in found
        else:
            attributes = json.loads(files[".zattrs"])
            Image04.model_validate(attributes)
            (found,) = attributes["multiscales"]
            assert found["version"] == "0.4"
    return found


@pytest.fixture(params=["0.5", "0.4"])
def version(request):
    return request.param


@pytest.fixture
def dialect(version):
    return Ngff05() if version == "0.5" else Ngff04()


def test_a_layer_is_one_multiscale_with_scales_and_half_voxel_shifts(dialect, version):
    found = multiscale(dialect.layer_files(facts(version)), version)
    assert found["name"] == "color"
    assert found["axes"] == [
        {"name": "c", "type": "channel"},
        {"name": "x", **SPACE},
        {"name": "y", **SPACE},
        {"name": "z", **SPACE},
    ]
    assert found["datasets"] == [
        {"path": "1", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 11.25, 11.25, 25.0]}]},
        {
            "path": "2-2-1",
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0, 22.5, 22.5, 25.0]},
                {"type": "translation", "translation": [0.0, 5.625, 5.625, 0.0]},
            ],
        },
        {
            "path": "4-4-2",
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0, 45.0, 45.0, 50.0]},
                {"type": "translation", "translation": [0.0, 16.875, 16.875, 12.5]},
            ],
        },
    ]
    assert dialect.problems(facts(version)) == []


def test_the_documents_around_it_are_groups():
    document = json.loads(Ngff05().layer_files(facts())["zarr.json"])
    assert list(document) == ["zarr_format", "node_type", "attributes"]
    assert (document["zarr_format"], document["node_type"]) == (3, "group")
    assert json.loads(Ngff04().layer_files(facts("0.4"))[".zgroup"]) == {"zarr_format": 2}


def test_mags_are_listed_from_fine_to_coarse(dialect, version):
    files = dialect.layer_files(facts(version, mags=MAGS[::-1]))
    assert [entry["path"] for entry in multiscale(files, version)["datasets"]] == ["1", "2-2-1", "4-4-2"]


def test_foreign_mags_are_left_out_and_named(dialect, version):
    layer = facts(
        version,
        mags=(
            MAGS[0],
            attrs.evolve(MAGS[1], inside=False),
            MagFacts(mag=(4, 4, 4), folder="4", inside=False),
        ),
    )
    assert [entry["path"] for entry in multiscale(dialect.layer_files(layer), version)["datasets"]] == ["1"]
    first, second = dialect.problems(layer)
    assert first.startswith("Mag 2-2-1 of layer 'color' lies outside")
    assert second.startswith("Mag 4 of layer 'color' lies outside")


@pytest.mark.parametrize(
    ("axes", "scale"),
    [
        (("x", "y"), [22.5, 22.5]),
        (("z", "y", "x"), [25.0, 22.5, 22.5]),
        (("t", "c", "z", "y", "x"), [1.0, 1.0, 25.0, 22.5, 22.5]),
        (("t", "x", "y", "z"), [1.0, 22.5, 22.5, 25.0]),
        (("q", "x", "y", "z"), [1.0, 22.5, 22.5, 25.0]),
        (("t", "q", "x", "y", "z"), [1.0, 1.0, 22.5, 22.5, 25.0]),
    ],
)
def test_axes_that_ngff_allows_are_described_in_storage_order(dialect, version, axes, scale):
    layer = facts(version, axes=axes, mags=(MAGS[0], MAGS[1]))
    found = multiscale(dialect.layer_files(layer), version)
    assert [axis["name"] for axis in found["axes"]] == list(axes)
    assert found["datasets"][1]["coordinateTransformations"][0]["scale"] == scale
    assert dialect.problems(layer) == []
    types = {axis["name"]: axis.get("type") for axis in found["axes"]}
    assert types.get("t", "time") == "time"
    assert types.get("q") is None


@pytest.mark.parametrize(
    ("axes", "text"),
    [
        (("x", "y", "z", "c"), "stored in the order x, y, z, c"),
        (("c", "t", "x", "y", "z"), "stored in the order c, t, x, y, z"),
        (("a", "t", "c", "x", "y", "z"), "it has 6 axes"),
        (("c", "x"), "it has 1 axes of space"),
        (("a", "b", "x", "y", "z"), "only one of the axes a, b"),
        (("a", "c", "x", "y", "z"), "axis a takes the place of the channel axis"),
        (("x",), "it has 1 axes, and 2 to 5"),
    ],
)
def test_axes_that_ngff_forbids_get_a_bare_group_and_a_reason(dialect, version, axes, text):
    layer = facts(version, axes=axes)
    files = dialect.layer_files(layer)
    assert not any(b"multiscales" in data for data in files.values())
    assert sorted(files) == (["zarr.json"] if version == "0.5" else [".zgroup"])
    problems = dialect.problems(layer)
    assert any(text in problem for problem in problems)
    assert all(problem.endswith(".") and "'color'" in problem for problem in problems)


def test_a_layer_without_mags_is_a_bare_group(dialect, version):
    files = dialect.layer_files(facts(version, mags=()))
    assert not any(b"multiscales" in data for data in files.values())
    assert dialect.problems(facts(version, mags=())) == []


def test_writing_again_changes_nothing(dialect, version):
    files = dialect.layer_files(facts(version))
    assert dialect.layer_files(facts(version), existing=files) == files


OMERO = {"channels": [{"color": "FF0000", "window": {"start": 0, "end": 255, "min": 0, "max": 255}}]}


def test_keys_of_other_tools_stay_in_v3():
    old = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {
            "lab": 1,
            "ome": {
                "version": "0.5",
                "omero": OMERO,
                "multiscales": [
                    {"name": "old", "type": "mean", "axes": [], "coordinateTransformations": [1]},
                    {"name": "b"},
                ],
            },
        },
        "consolidated_metadata": {"kind": "inline"},
        "extra": {"must_understand": False},
    }
    new = json.loads(
        Ngff05().layer_files(facts(), existing={"zarr.json": json.dumps(old).encode()})["zarr.json"]
    )
    assert new["attributes"]["lab"] == 1
    assert new["extra"] == {"must_understand": False}
    # A cached copy of the arrays' metadata, which resizing makes wrong.
    assert "consolidated_metadata" not in new
    ome = new["attributes"]["ome"]
    assert ome["omero"] == OMERO
    first, second = ome["multiscales"]
    assert (first["name"], first["type"], second) == ("color", "mean", {"name": "b"})
    assert len(first["axes"]) == 4
    # Ours say all about the image's place.
    assert "coordinateTransformations" not in first


def test_keys_of_other_tools_stay_in_v2():
    old = {"omero": OMERO, "multiscales": [{"version": "0.3", "metadata": {"method": "mode"}}], "lab": 1}
    files = Ngff04().layer_files(facts("0.4"), existing={".zattrs": json.dumps(old).encode()})
    new = json.loads(files[".zattrs"])
    assert (new["omero"], new["lab"]) == (OMERO, 1)
    (found,) = new["multiscales"]
    assert (found["version"], found["metadata"]) == ("0.4", {"method": "mode"})


def test_a_multiscale_that_is_true_no_longer_is_taken_away(dialect, version):
    old = dialect.layer_files(facts(version))
    new = dialect.layer_files(facts(version, axes=("x", "y", "z", "c")), existing=old)
    assert sorted(new) == sorted(old)
    assert not any(b"multiscales" in data for data in new.values())
    if version == "0.5":
        assert "attributes" not in json.loads(new["zarr.json"])
    else:
        assert json.loads(new[".zattrs"]) == {}


def test_damaged_files_are_written_anew(dialect, version):
    fresh = dialect.layer_files(facts(version))
    for damage in (b"", b"{", b"[1]", b"\xff", b'{"attributes": 3, "multiscales": "x"}'):
        found = dialect.layer_files(facts(version), existing=dict.fromkeys(fresh, damage))
        multiscale(found, version)


def test_an_array_in_the_layers_own_folder_is_not_written_over():
    existing = {"zarr.json": b'{"zarr_format": 3, "node_type": "array"}'}
    assert Ngff05().layer_files(facts(), existing=existing) == {}
    assert Ngff05().dataset_files(DatasetFacts(name="d", data_formats=("zarr3",)), existing=existing) == {}


def test_datasets_are_groups_where_they_have_such_layers():
    both = DatasetFacts(name="d", data_formats=("wkw", "zarr", "zarr3"))
    neither = DatasetFacts(name="d", data_formats=("wkw",))
    assert {name: json.loads(data) for name, data in Ngff05().dataset_files(both).items()} == {
        "zarr.json": {"zarr_format": 3, "node_type": "group"}
    }
    assert {name: json.loads(data) for name, data in Ngff04().dataset_files(both).items()} == {
        ".zgroup": {"zarr_format": 2}
    }
    assert Ngff05().dataset_files(neither) == Ngff04().dataset_files(neither) == {}
    # The text "2" is a slip of older writers.
    assert json.loads(
        Ngff04().dataset_files(both, existing={".zgroup": b'{"zarr_format": "2"}'})[".zgroup"]
    ) == {"zarr_format": 2}
    kept = Ngff05().dataset_files(both, existing={"zarr.json": b'{"attributes": {"lab": 1}}'})
    assert json.loads(kept["zarr.json"])["attributes"] == {"lab": 1}


def test_layers_of_other_formats_are_none_of_their_business(dialect, version):
    layer = facts(version, data_format="wkw", axes=("x",))
    assert dialect.layer_files(layer) == {}
    assert dialect.problems(layer) == []


def test_every_file_that_may_be_given_is_announced(dialect, version):
    everything = DatasetFacts(name="d", data_formats=("zarr", "zarr3"))
    assert set(dialect.layer_files(facts(version))) <= set(dialect.layer_file_names)
    assert set(dialect.dataset_files(everything)) <= set(dialect.dataset_file_names)
