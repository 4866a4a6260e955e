"""Damaged files: each kind has its own text, with the file and the key."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wkplug.errors import (
    DatasetNotFoundError,
    MissingPropertyError,
    PropertiesError,
    UnsupportedVersionError,
)
from wkplug.filesystems.local import LocalLocation
from wkplug.geometry import BoundingBox
from wkplug.properties import PropertiesStore, operations

Write = Callable[[Any], LocalLocation]


def test_a_missing_file_is_a_missing_dataset(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DatasetNotFoundError) as caught:
            PropertiesStore.open(LocalLocation(folder))
        assert isinstance(caught.value, FileNotFoundError)
        assert f"Cannot read dataset at {folder}. datasource-properties.json file not found." in str(
            caught.value
        )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "it is empty"),
        (b"  \n", "it is empty"),
        (b'{"id": {"name": "x', "cut short"),
        (b'{"id": {}, "scale": [1, 1, 1]', "cut short"),
        (b'{"id": {}, "sc', "cut short"),
        (b'{"id": }', r"it is not JSON \(expecting value, line 1, column 8\)"),
        (b'{"id": 1,}', "it is not JSON"),
        (b"[1, 2]", "must hold a JSON object, not list"),
        (b'{"id": "\xff"}', r"it is not UTF-8 text \(byte 8"),
        ("{}".encode("utf-16"), "it is not UTF-8 text"),
        (b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"id": ' + b"9" * 5000 + b"}", "a number that can't be"),
    ],
)
def test_what_is_no_json_object_is_damaged(write: Write, data: bytes, text: str) -> None:
    root = write(data)
    with pytest.raises(PropertiesError, match=text) as caught:
        PropertiesStore.open(root)
    assert isinstance(caught.value, ValueError)
    assert str(Path(root.url) / "datasource-properties.json") in str(caught.value)


def test_a_file_beyond_64_mebibytes_is_not_parsed(write: Write) -> None:
    root = write(b"{}")
    with (Path(root.url) / "datasource-properties.json").open("r+b") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    with pytest.raises(PropertiesError, match="is too large: 67,108,865 bytes"):
        PropertiesStore.open(root)


def test_a_byte_order_mark_does_not_matter(write: Write, document: dict[str, Any]) -> None:
    root = write(b"\xef\xbb\xbf" + json.dumps(document).encode())
    assert PropertiesStore.open(root).layer_names() == ("color", "seg")


DELETE = object()
LAYER = ("dataLayers", 0)
SEG = ("dataLayers", 1)
BOX = (*LAYER, "boundingBox")
MAG = (*LAYER, "mags", 0)

WRONG: list[tuple[tuple[str | int, ...], Any, str, str]] = [
    (("id",), "x", "id", "must be an object"),
    (("id", "name"), 5, "id.name", "must be a text, not 5"),
    (("scale",), [1, 2], "scale", "must be a list of three numbers"),
    (("scale",), 5, "scale", "must be a list of three numbers, not 5"),
    (("scale",), [1, 0, 1], "scale[1]", "must be a positive number, not 0"),
    (("scale", "factor", 2), float("nan"), "scale.factor[2]", "must be a positive number, not nan"),
    (("scale", "factor", 0), -1, "scale.factor[0]", "must be a positive number, not -1"),
    (("scale", "factor", 0), float("inf"), "scale.factor[0]", "must be a positive number"),
    (("scale", "factor", 0), "1", "scale.factor[0]", "must be a positive number, not '1'"),
    (("scale", "factor", 0), 10**400, "scale.factor[0]", "must be a positive number, not 1000"),
    (("scale", "factor", 0), True, "scale.factor[0]", "must be a positive number, not true"),
    (("scale", "unit"), "um", "scale.unit", "'um' is not a unit of length"),
    (("version",), "1", "version", "must be a whole number, not '1'"),
    (("version",), None, "version", "must be a whole number, not null"),
    (("version",), True, "version", "must be a whole number, not true"),
    (("dataLayers",), {}, "dataLayers", "must be a list, not an object"),
    (("defaultViewConfiguration",), [], "defaultViewConfiguration", "must be an object"),
    (LAYER, None, "dataLayers[0]", "must be an object, not null"),
    ((*LAYER, "name"), 5, "dataLayers[0].name", "it is not a text"),
    ((*LAYER, "name"), "../x", "dataLayers[0].name", "can't be the name of a layer"),
    ((*LAYER, "name"), "a/b", "dataLayers[0].name", "it contains a slash"),
    ((*LAYER, "name"), "a\nb", "dataLayers[0].name", "it contains a control character"),
    ((*LAYER, "name"), "seg", "dataLayers[1].name", "is 'seg', which dataLayers[0] is called already"),
    (
        (*LAYER, "category"),
        "mask",
        "dataLayers[0].category",
        'must be "color" or "segmentation", not \'mask\'',
    ),
    ((*LAYER, "dataFormat"), 3, "dataLayers[0].dataFormat", "must be a text"),
    ((*LAYER, "elementClass"), 3, "dataLayers[0].elementClass", "must be a text"),
    ((*LAYER, "elementClass"), "float", "dataLayers[0].elementClass", "'float' with 3 channels is no dtype"),
    ((*LAYER, "numChannels"), 0, "dataLayers[0].numChannels", "must be a positive whole number, not 0"),
    ((*LAYER, "numChannels"), None, "dataLayers[0].numChannels", "must be a positive whole number, not null"),
    (BOX, [], "dataLayers[0].boundingBox", "must be an object"),
    ((*BOX, "topLeft"), [1, 2], "dataLayers[0].boundingBox.topLeft", "must be a list of three whole numbers"),
    ((*BOX, "topLeft", 1), "0", "dataLayers[0].boundingBox.topLeft[1]", "must be a whole number, not '0'"),
    ((*BOX, "width"), 1e308, "dataLayers[0].boundingBox.width", "which no array reaches"),
    ((*BOX, "depth"), 10**300, "dataLayers[0].boundingBox.depth", "which no array reaches"),
    ((*BOX, "topLeft", 1), -(2**60), "dataLayers[0].boundingBox.topLeft[1]", "which no array reaches"),
    ((*BOX, "width"), "10", "dataLayers[0].boundingBox.width", "must be a whole number, not '10'"),
    ((*BOX, "height"), 1.5, "dataLayers[0].boundingBox.height", "must be a whole number, not 1.5"),
    ((*BOX, "depth"), None, "dataLayers[0].boundingBox.depth", "must be a whole number, not null"),
    ((*LAYER, "mags"), {}, "dataLayers[0].mags", "must be a list"),
    (MAG, 1, "dataLayers[0].mags[0]", "must be an object, not 1"),
    ((*MAG, "mag"), [1, 1], "dataLayers[0].mags[0].mag", "must be a magnification"),
    ((*MAG, "mag"), [3, 1, 1], "dataLayers[0].mags[0].mag", "made of powers of two"),
    ((*MAG, "mag"), 0, "dataLayers[0].mags[0].mag", "must be a magnification"),
    ((*MAG, "mag"), "a", "dataLayers[0].mags[0].mag", "must be a magnification"),
    ((*MAG, "mag"), None, "dataLayers[0].mags[0].mag", "must be a magnification"),
    ((*MAG, "mag"), "2-2-1", "dataLayers[0].mags[1]", "a second time"),
    ((*MAG, "path"), 5, "dataLayers[0].mags[0].path", "must be a path or URL"),
    ((*MAG, "path"), "", "dataLayers[0].mags[0].path", "must be a path or URL"),
    ((*MAG, "axisOrder"), [], "dataLayers[0].mags[0].axisOrder", "must be an object"),
    ((*MAG, "axisOrder", "x"), "1", "dataLayers[0].mags[0].axisOrder.x", "must be a whole number"),
    ((*MAG, "axisOrder", "x"), 2, "dataLayers[0].mags[0].axisOrder", "gives two axes the same position"),
    ((*MAG, "axisOrder", "t"), 5, "dataLayers[0].mags[0].axisOrder", "may name c, x, y and z, not 't'"),
    ((*LAYER, "mags", 1, "axisOrder", "c"), 7, "dataLayers[0].mags[1].axisOrder", "differs from that of"),
    ((*MAG, "channelIndex"), -1, "dataLayers[0].mags[0].channelIndex", "must be a whole number"),
    ((*LAYER, "mags", 1, "channelIndex"), 1, "dataLayers[0].mags[1].channelIndex", "differs from that of"),
    ((*LAYER, "additionalAxes"), {"a": 1}, "dataLayers[0].additionalAxes", "must be a list"),
    ((*LAYER, "additionalAxes"), [3], "dataLayers[0].additionalAxes[0]", "must be an object"),
    (
        (*LAYER, "additionalAxes"),
        [{"name": "x", "bounds": [0, 1], "index": 4}],
        "dataLayers[0].additionalAxes[0].name",
        "must be a text that no other axis has",
    ),
    (
        (*LAYER, "additionalAxes"),
        [{"name": "t", "bounds": [0], "index": 4}],
        "dataLayers[0].additionalAxes[0].bounds",
        "must be a list of two whole numbers",
    ),
    (
        (*LAYER, "additionalAxes"),
        [{"name": "t", "bounds": [0, 1], "index": 3}],
        "dataLayers[0].additionalAxes[0].index",
        "must be a whole number that no other axis has",
    ),
    ((*LAYER, "defaultViewConfiguration"), 3, "dataLayers[0].defaultViewConfiguration", "must be an object"),
    ((*LAYER, "coordinateTransformations"), {}, "dataLayers[0].coordinateTransformations", "must be a list"),
    (
        (*LAYER, "coordinateTransformations"),
        [{"type": "rotate"}],
        "dataLayers[0].coordinateTransformations[0].type",
        "must be `affine` or `thin_plate_spline`, not 'rotate'",
    ),
    (
        (*LAYER, "coordinateTransformations"),
        [{"type": "affine", "matrix": [[1, 2, 3]]}],
        "dataLayers[0].coordinateTransformations[0].matrix",
        "must be a list of four lists of four numbers",
    ),
    (
        (*LAYER, "coordinateTransformations"),
        [{"type": "affine", "matrix": [[10**400, 0, 0, 0]] * 4}],
        "dataLayers[0].coordinateTransformations[0].matrix",
        "must be a list of four lists of four numbers",
    ),
    (
        (*LAYER, "coordinateTransformations"),
        [{"type": "thin_plate_spline", "correspondences": {"source": [[1, 2, -(10**400)]], "target": []}}],
        "dataLayers[0].coordinateTransformations[0].correspondences.source",
        "must be a list of points of three numbers",
    ),
    (
        (*LAYER, "coordinateTransformations"),
        [{"type": "thin_plate_spline", "correspondences": {"source": [[1, 2, 3]], "target": []}}],
        "dataLayers[0].coordinateTransformations[0].correspondences.target",
        "must be a list of points",
    ),
    (
        (*SEG, "largestSegmentId"),
        1.5,
        "dataLayers[1].largestSegmentId",
        "must be a whole number or null, not 1.5",
    ),
    ((*SEG, "largestSegmentId"), {"value": "5"}, "dataLayers[1].largestSegmentId", "must be a whole number"),
    ((*SEG, "mappings"), [1], "dataLayers[1].mappings", "must be a list of texts"),
    ((*SEG, "attachments"), [], "dataLayers[1].attachments", "must be an object"),
    ((*SEG, "attachments", "meshes"), {}, "dataLayers[1].attachments.meshes", "must be a list"),
    ((*SEG, "attachments", "cumsum"), [], "dataLayers[1].attachments.cumsum", "must be an object"),
    ((*SEG, "attachments", "cumsum", "path"), 1, "dataLayers[1].attachments.cumsum.path", "must be a text"),
]
MISSING: list[tuple[tuple[str | int, ...], str]] = [
    (("id",), "id"),
    (("scale",), "scale"),
    (("scale", "factor"), "scale.factor"),
    (("dataLayers",), "dataLayers"),
    *(
        ((*LAYER, key), f"dataLayers[0].{key}")
        for key in ("name", "category", "boundingBox", "dataFormat", "elementClass", "mags")
    ),
    *(((*BOX, key), f"dataLayers[0].boundingBox.{key}") for key in ("topLeft", "width", "height", "depth")),
    ((*MAG, "mag"), "dataLayers[0].mags[0].mag"),
    ((*SEG, "attachments", "meshes", 0, "path"), "dataLayers[1].attachments.meshes[0].path"),
]


def place(document: Any, keys: tuple[str | int, ...], value: Any) -> None:
    for key in keys[:-1]:
        document = document[key]
    if value is DELETE:
        del document[keys[-1]]
    else:
        document[keys[-1]] = value


def opened(root: LocalLocation) -> PropertiesStore:
    """Open a document and ask for all its layers."""
    store = PropertiesStore.open(root)
    for name in store.layer_names():
        store.layer(name)
    return store


@pytest.mark.parametrize(("keys", "value", "key", "text"), WRONG)
def test_a_wrong_value_is_named_with_file_and_key(
    write: Write, document: dict[str, Any], keys: tuple[str | int, ...], value: Any, key: str, text: str
) -> None:
    place(document, keys, value)
    with pytest.raises(PropertiesError) as caught:
        opened(write(document))
    message = caught.value.message
    assert "datasource-properties.json: " in message
    assert f": {key}" in message
    assert text in message
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(("keys", "key"), MISSING)
def test_a_missing_key_is_named(
    write: Write, document: dict[str, Any], keys: tuple[str | int, ...], key: str
) -> None:
    place(document, keys, DELETE)
    with pytest.raises(MissingPropertyError, match=r"is missing\.") as caught:
        opened(write(document))
    assert f"datasource-properties.json: {key} is missing." in str(caught.value)
    assert isinstance(caught.value, KeyError)


def test_another_version_can_not_be_read(write: Write, document: dict[str, Any]) -> None:
    document["version"] = 2
    with pytest.raises(UnsupportedVersionError, match="Unsupported dataset version 2") as caught:
        PropertiesStore.open(write(document))
    assert isinstance(caught.value, AssertionError)


@pytest.mark.parametrize(
    "keys", [("unknown",), (*LAYER, "unknown"), (*BOX, "unknown"), (*MAG, "unknown"), ("id", "u")]
)
def test_nesting_is_limited_in_unknown_keys_too(
    write: Write, document: dict[str, Any], keys: tuple[str | int, ...]
) -> None:
    deep: Any = 0
    for _ in range(50):
        deep = [deep]
    place(document, keys, deep)
    PropertiesStore.open(write(document))
    for _ in range(20):
        deep = {"a": deep}
    place(document, keys, deep)
    with pytest.raises(PropertiesError, match="nested too deeply, more than 64 levels"):
        opened(write(document))


def test_optional_keys_may_be_null(write: Write, document: dict[str, Any]) -> None:
    document["defaultViewConfiguration"] = None
    for key in ("largestSegmentId", "mappings", "attachments", "coordinateTransformations"):
        document["dataLayers"][1][key] = None
    layer: Any = PropertiesStore.open(write(document)).layer("seg")
    assert layer.largest_segment_id is None
    assert layer.mappings == []
    assert not layer.attachments
    assert layer.coordinate_transformations is None


def test_unknown_formats_and_old_names_can_be_opened(write: Write, document: dict[str, Any]) -> None:
    document["dataLayers"][0]["name"] = "a layer with blanks"
    store = PropertiesStore.open(write(document))
    assert store.layer_names() == ("a layer with blanks", "seg")
    assert store.layer("seg").data_format == "somewhere"


def test_channels_that_nobody_counted_are_guessed(write: Write, document: dict[str, Any]) -> None:
    place(document, (*LAYER, "numChannels"), DELETE)
    for word, channels in (("uint8", 1), ("uint24", 3), ("float", 1)):
        document["dataLayers"][0]["elementClass"] = word
        store = PropertiesStore.open(write(document))
        assert store.layer(store.layer_names()[0]).num_channels == channels


BAD: list[Any] = [
    {"name": "bad"},
    {"name": "bad", "category": "color"},
    5,
    {"name": "../up"},
    None,
]


@pytest.mark.parametrize("bad", [*BAD, "transformation", "mag"])
def test_one_bad_layer_leaves_the_others_as_they_are(
    write: Write, document: dict[str, Any], bad: Any
) -> None:
    good = copy.deepcopy(document["dataLayers"][0])
    if bad == "transformation":
        bad = {
            **copy.deepcopy(good),
            "name": "bad",
            "coordinateTransformations": [{"type": "rigid", "angle": 3}],
        }
    elif bad == "mag":
        bad = {**copy.deepcopy(good), "name": "bad"}
        bad["mags"][0]["mag"] = [3, 3, 1]
    document["dataLayers"].insert(0, bad)
    root = write(document)
    store = PropertiesStore.open(root)
    name = store.layer_names()[0]
    assert name in ("bad", "dataLayers[0]")
    assert store.layer_names()[1:] == (good["name"], "seg")
    for _ in range(2):
        with pytest.raises(PropertiesError, match=r"datasource-properties.json: dataLayers\[0\]"):
            store.layer(name)
    assert store.layer_problem(name) is not None
    assert store.layer_problem("seg") is None
    store.apply(operations.SetBox("seg", BoundingBox((1, 2, 3), (4, 5, 6))))
    store.apply(operations.RenameLayer(good["name"], "renamed"))
    raw = json.loads((Path(root.url) / "datasource-properties.json").read_text())
    assert raw["dataLayers"][0] == bad
    assert [layer["name"] for layer in raw["dataLayers"][1:]] == ["renamed", "seg"]
    assert raw["dataLayers"][2]["boundingBox"]["topLeft"] == [1, 2, 3]


def test_a_name_that_is_taken_is_the_second_layers_problem(write: Write, document: dict[str, Any]) -> None:
    document["dataLayers"].append(copy.deepcopy(document["dataLayers"][0]))
    store = PropertiesStore.open(write(document))
    assert store.layer_problem(store.layer_names()[0]) is None
    assert "which dataLayers[0] is called already" in str(store.layer_problem("dataLayers[2]"))
