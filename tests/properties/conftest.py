"""What the tests of the properties share: documents, and datasets that are nothing but their file."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wkplug.filesystems.local import LocalLocation
from wkplug.properties import PropertiesStore

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_NAME = "datasource-properties.json"

DOCUMENT: dict[str, Any] = {
    "id": {"name": "example", "team": "", "owner": "somebody"},
    "scale": {"factor": [11.0, 11.0, 28.0], "unit": "nanometer", "measured": True},
    "firstUnknown": {"kept": [1, 2, {"deep": None}]},
    "dataLayers": [
        {
            "name": "color",
            "unknownInLayer": [1, 2.5, "x"],
            "category": "color",
            "boundingBox": {"topLeft": [1, 2, 3], "width": 10, "height": 20, "depth": 30, "unknownInBox": 7},
            "dataFormat": "somewhere",
            "mags": [
                {
                    "mag": [1, 1, 1],
                    "path": "./color/1",
                    "credentialId": "secret-1",
                    "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3},
                },
                {"mag": [2, 2, 1], "path": "./color/2-2-1", "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3}},
            ],
            "defaultViewConfiguration": {"alpha": 80, "unknownInView": True},
            "numChannels": 3,
            "elementClass": "uint24",
        },
        {
            "name": "seg",
            "category": "segmentation",
            "boundingBox": {"topLeft": [0, 0, 0], "width": 64, "height": 64, "depth": 64},
            "dataFormat": "somewhere",
            "mags": [{"mag": [1, 1, 1], "path": "./seg/1", "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3}}],
            "largestSegmentId": {"customJsonEncoding": "bigint", "value": "1152921504606846976"},
            "mappings": ["a", "b"],
            "attachments": {
                "meshes": [
                    {"name": "m", "path": "./seg/meshes/m", "dataFormat": "hdf5", "credentialId": "secret-2"}
                ],
                "cumsum": {"name": "c", "path": "/elsewhere/cumsum.json", "dataFormat": "json"},
                "unknownKind": [{"name": "u"}],
            },
            "numChannels": 1,
            "elementClass": "uint64",
        },
    ],
    "version": 1,
    "lastUnknown": "kept too",
}


@pytest.fixture
def document() -> dict[str, Any]:
    """A document of our own to change."""
    return copy.deepcopy(DOCUMENT)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], LocalLocation]:
    """Write a document (a dict, a text or bytes) as a dataset, and give the dataset's folder."""

    def write_document(value: Any) -> LocalLocation:
        folder = tmp_path / "dataset"
        folder.mkdir(exist_ok=True)
        data = value if isinstance(value, bytes) else None
        if data is None:
            data = (value if isinstance(value, str) else json.dumps(value)).encode()
        (folder / FILE_NAME).write_bytes(data)
        return LocalLocation(folder)

    return write_document


@pytest.fixture
def open_store(write: Callable[[Any], LocalLocation]) -> Callable[[Any], PropertiesStore]:
    """Write a document and open it, without metadata dialects."""

    def open_document(value: Any) -> PropertiesStore:
        return PropertiesStore.open(write(value), dialects=lambda _: ())

    return open_document


@pytest.fixture
def store(open_store: Callable[[Any], PropertiesStore]) -> PropertiesStore:
    """The example, opened."""
    return open_store(DOCUMENT)


@pytest.fixture
def on_disk() -> Callable[[PropertiesStore], Any]:
    """Read what a store's file holds now."""

    def read(store: PropertiesStore) -> Any:
        return json.loads((Path(store.root.url) / FILE_NAME).read_bytes())

    return read
