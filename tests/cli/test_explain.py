"""`wkplug explain`: the ranking, the reasons, and who decided."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wkplug.abc import ArraySpec
from wkplug.cli.main import main
from wkplug.filesystems.local import LocalLocation
from wkplug.registry import backend
from wkplug.storage import locate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def plain_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    from wkplug import config

    for variable in [name for name in os.environ if name.startswith(("WKPLUG_", "WK_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    config.reload()


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset of one layer, as its properties describe it, with a real array."""
    root = tmp_path / "ds"
    spec = ArraySpec(
        axes=("c", "x", "y", "z"),
        shape=(1, 8, 8, 8),
        dtype="uint8",
        chunk_shape=(1, 8, 8, 8),
        shard_shape=(1, 8, 8, 8),
    )
    backend("zarr3+zarr").create(LocalLocation(str(root / "color" / "1")), spec).close()
    layer = {"name": "color", "dataFormat": "zarr3", "mags": [{"mag": [1, 1, 1], "path": "./color/1"}]}
    empty = {"name": "empty", "dataFormat": "wkw", "wkwResolutions": []}
    (root / "datasource-properties.json").write_text(json.dumps({"dataLayers": [layer, empty]}))
    return root


def explain(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    assert main(["explain", *map(str, arguments)]) == code
    return "".join(capsys.readouterr())


def test_a_dataset_is_explained_layer_by_layer(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = explain(capsys, dataset)
    assert f"{dataset}/color/1: layer 'color', format zarr3 as datasource-properties.json records it" in told
    assert (
        "array backend: zarr3+tensorstore (wkplug-tensorstore 0.1.0), decided by: its priority is the highest"
        in told
    )
    assert "  * 1. zarr3+tensorstore  priority 10, wkplug-tensorstore 0.1.0" in told
    assert "    2. zarr3+zarr         priority 0, wkplug-zarr 0.1.0" in told
    assert "layer 'empty', format wkw as datasource-properties.json records it; it has no mags" in told


def test_a_url_is_explained_by_its_filesystem_first(capsys: pytest.CaptureFixture[str]) -> None:
    url = "memory://nothing-there"
    told = explain(capsys, url, code=1)
    assert told.startswith(f"{url}\nfilesystem: fsspec (wkplug), decided by: it is the only one\n")
    assert "There is nothing at 'memory://nothing-there'" in told
    place = locate(url)
    place.child("zarr.json").write(b"{}")
    facts = json.loads(explain(capsys, url, "--json", "--format", "zarr3"))
    assert facts["filesystem"]["chosen"] == "fsspec"
    place.delete(recursive=True)


def test_json_has_paths_and_facts_apart(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(explain(capsys, dataset, "--json"))
    assert facts["path"] == str(dataset)
    color, empty = facts["arrays"]
    choices = color.pop("choices")
    assert color == {
        "path": f"{dataset}/color/1",
        "layer": "color",
        "recorded_format": "zarr3",
        "has_mags": True,
    }
    assert [choice["chosen"] for choice in choices] == ["zarr3+tensorstore"]
    assert empty["path"] == f"{dataset}/empty"
    assert not empty["has_mags"]


@pytest.mark.parametrize("part", ["color", "color/1"])
def test_layers_and_mags_find_their_recorded_format(
    dataset: Path, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    told = explain(capsys, dataset / part)
    assert "format zarr3 as datasource-properties.json records it" in told
    assert "empty" not in told


def test_a_bare_array_is_probed(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (dataset / "datasource-properties.json").unlink()
    told = explain(capsys, dataset / "color" / "1", "--write")
    assert "data format: zarr3" in told
    assert "probe score 100 (certain)" in told


def test_arguments_and_variables_are_named_as_deciders(
    dataset: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from wkplug import config

    told = explain(capsys, dataset / "color", "--backend", "zarr")
    assert "array backend: zarr3+zarr (wkplug-zarr 0.1.0), decided by: it was asked for by name" in told
    monkeypatch.setenv("WKPLUG_BACKENDS__ZARR3", "zarr")
    config.reload()
    assert "decided by: WKPLUG_BACKENDS__ZARR3" in explain(capsys, dataset / "color")


def test_an_image_is_explained_by_its_readers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "x.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 32)
    told = explain(capsys, picture, "--json")
    (section,) = json.loads(told)["arrays"]
    assert section["choices"][0]["chosen"] == "pillow"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "Error: There is nothing at"),
        ("cells.scan", "  pip install wkplug-scan\n"),
    ],
)
def test_what_nobody_opens_is_an_error_that_helps(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    words: str,
) -> None:
    from wkplug.registry.missing import known

    monkeypatch.setitem(known(), "wkplug-scan", {"plugin": "scan", "suffixes": [".scan"]})
    if "." in name:
        (tmp_path / name).write_bytes(b"SCANNERFILE")
    assert words in explain(capsys, tmp_path / name, code=1)


def test_properties_that_are_no_json_are_an_error(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (dataset / "datasource-properties.json").write_text("{")
    assert "datasource-properties.json is not JSON" in explain(capsys, dataset, code=1)


def test_a_layer_that_the_properties_do_not_list_is_probed(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    array = dataset / "other" / "1"
    array.parent.mkdir()
    (dataset / "color" / "1").rename(array)
    assert "data format: zarr3" in explain(capsys, array)
