"""Mags whose folders other software has renamed or moved: found where they are, by what the properties say now."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from tests.servers.files import serve_files
from wkplug.errors import LayerExistsError, MissingError

if TYPE_CHECKING:
    from pathlib import Path

VOXELS = np.full((32, 32, 32), 9, "uint8")
KINDS = [
    ("wkw", None),
    ("zarr3", "zarr"),
    ("zarr3", "tensorstore"),
    ("zarr", "zarr"),
    ("zarr", "tensorstore"),
]


def _made(path: Path, kind: tuple[str, str | None] = ("zarr3", None)) -> wk.Dataset:
    data_format, engine = kind
    backends = {data_format: engine} if engine else None
    dataset = wk.Dataset(path, (1, 1, 1), backends=backends)
    layer = dataset.add_layer(
        "em",
        "color",
        dtype="uint8",
        data_format=data_format,
        bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32)),
    )
    layer.add_mag(1).write(VOXELS)
    return dataset


def _edit(path: Path, **changes: Any) -> None:
    file = path / "datasource-properties.json"
    raw = json.loads(file.read_text())
    mag = changes.pop("mag", {})
    raw["dataLayers"][0].update(changes)
    raw["dataLayers"][0]["mags"][0].update(mag)
    if mag.get("path", "") is None:
        del raw["dataLayers"][0]["mags"][0]["path"]
    file.write_text(json.dumps(raw))


MOVES: dict[str, tuple[str, dict[str, Any], str]] = {
    "the long name": ("em/1-1-1", {}, "em"),
    "the layer renamed": ("em2/1", {"name": "em2"}, "em2"),
    "renamed and long": ("em2/1-1-1", {"name": "em2"}, "em2"),
    "relative to the layer": ("em/1", {"mag": {"path": "1"}}, "em"),
    "below the layer": ("em/old/1", {"mag": {"path": "./old/1"}}, "em"),
    "no path": ("em/1-1-1", {"mag": {"path": None}}, "em"),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("web", [False, True])
def test_a_mag_is_found_under_the_names_of_older_software(tmp_path: Path, move: str, *, web: bool) -> None:
    place, changes, name = MOVES[move]
    path = tmp_path / "d"
    _made(path)
    (path / place).parent.mkdir(parents=True, exist_ok=True)
    if place != "em/1":
        shutil.move(path / "em" / "1", path / place)
    _edit(path, **changes)
    if web:
        with serve_files(tmp_path) as server:
            server.index = None
            assert (wk.Dataset.open(f"{server.url}/d").get_layer(name).get_mag(1).read() == 9).all()
        return
    layer = wk.Dataset.open(path).get_layer(name)
    assert (layer.get_mag(1).read() == 9).all()
    assert layer.get_mag(1).path == path / place
    assert layer.get_mag(1).read_only == (place == "em/old/1")
    layer.downsample()
    assert (wk.Dataset.open(path).get_layer(name).get_mag(2).read() == 9).all()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "+".join(filter(None, kind)))
def test_an_open_mag_is_followed_to_its_new_place(tmp_path: Path, kind: tuple[str, str | None]) -> None:
    dataset = _made(tmp_path / "d", kind)
    mag = (
        wk.Dataset.open(tmp_path / "d", backends=dict([kind]) if kind[1] else None).get_layer("em").get_mag(1)
    )
    writer = dataset.get_layer("em").get_mag(1)
    assert (mag.read() == 9).all()
    (tmp_path / "d" / "em" / "moved").mkdir()
    shutil.move(tmp_path / "d" / "em" / "1", tmp_path / "d" / "em" / "moved" / "1")
    with pytest.raises(MissingError):
        mag.read()
    _edit(tmp_path / "d", mag={"path": "./em/moved/1"})
    assert (mag.read() == 9).all()
    assert mag.path == tmp_path / "d" / "em" / "moved" / "1"
    writer.write(VOXELS + 1)
    assert (wk.Dataset.open(tmp_path / "d").get_layer("em").get_mag(1).read() == 10).all()
    assert not (tmp_path / "d" / "em" / "1").exists()


def test_a_mag_elsewhere_is_never_guessed(tmp_path: Path) -> None:
    _made(tmp_path / "d")
    _edit(tmp_path / "d", mag={"path": str(tmp_path / "gone" / "1")})
    with pytest.raises(MissingError, match="gone/1"):
        wk.Dataset.open(tmp_path / "d").get_layer("em").get_mag(1).read()


@pytest.mark.parametrize("path", ["./em/1", "em/1"])
def test_a_name_that_another_layers_record_leads_to_is_taken(tmp_path: Path, path: str) -> None:
    _made(tmp_path / "d")
    shutil.move(tmp_path / "d" / "em", tmp_path / "d" / "em2")
    _edit(tmp_path / "d", name="em2", mag={"path": path})
    dataset = wk.Dataset.open(tmp_path / "d")
    other = dataset.add_layer("other", "color", dtype="uint8", data_format="wkw")
    with pytest.raises(
        LayerExistsError, match=r"records a mag of 'em2' at .*em/1, and would take the new"
    ) as e:
        dataset.add_layer("em", "color", dtype="uint8", data_format="zarr3")
    assert "correct the path of that mag of 'em2' in the properties file" in str(e.value)
    with pytest.raises(LayerExistsError, match="can't be called 'em'"):
        other.name = "em"
    assert np.array_equal(dataset.get_layer("em2").get_mag(1).read()[0], VOXELS)
    dataset.get_layer("em2").get_mag(1).write(VOXELS + 1)
    assert not (tmp_path / "d" / "em").exists()
