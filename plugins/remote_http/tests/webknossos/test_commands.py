"""`wkplug upload` and `wkplug download`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import wkplug as wk
from tests.servers.webknossos_hub import ADMIN
from wkplug.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.webknossos_hub import Hub


def test_a_dataset_goes_there_and_back(
    hub: Hub, brain: wk.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.folders["f" * 24] = {"id": "f" * 24, "name": "A", "parent": hub.root["id"]}
    command = ["upload", str(brain.path), "--webknossos-url", hub.url, "--token", ADMIN]
    assert main([*command, "--dataset-name", "my-brain", "--folder", "A", "--jobs", "2"]) == 0
    url = capsys.readouterr().out.strip()
    (made,) = hub.datasets.values()
    assert url == f"{hub.url}/datasets/{made['id']}"
    assert (made["name"], made["folderId"]) == ("my-brain", "f" * 24)
    target = tmp_path / "back"
    wanted = [
        "--layer",
        "color",
        "--mag",
        "1",
        "--mag",
        "2-2-1",
        "--bbox",
        "12,22,32,16,16,8",
    ]
    assert main(["download", str(target), "--url", f"{url}/view", "--token", ADMIN, *wanted]) == 0
    assert f"Wrote {target}" in capsys.readouterr().out
    back = wk.Dataset.open(target)
    assert {name: [str(mag) for mag in layer.mags] for name, layer in back.layers.items()} == {
        "color": ["1", "2-2-1"],
    }
    view = back.get_layer("color").get_mag(1)
    expected = brain.get_layer("color").get_mag(1).read(absolute_bounding_box=view.bounding_box)
    np.testing.assert_array_equal(view.read(), expected)
    assert main(["download", str(target), "--url", url, "--token", ADMIN]) == 1
    assert "There is already a dataset" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--bbox", "1,2,3"], "is not six numbers such as"),
        (["--mag", "3"], "--mag"),
        (["--access-mode", "fast"], "--access-mode"),
        ([], "Missing option '--url'"),
    ],
)
def test_slips_are_usage_errors(options: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    url = [] if not options else ["--url", "http://127.0.0.1:1/datasets/" + "5" * 24]
    assert main(["download", "target", *url, *options]) == 2
    assert text in capsys.readouterr().err


def test_a_wrong_token_shows_what_the_server_says(
    hub: Hub, brain: wk.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upload", str(brain.path), "--webknossos-url", hub.url, "--token", "sec-ret"]) == 1
    said = capsys.readouterr().err
    assert "You have to be logged in." in said
    assert "sec-ret" not in said


def test_pyramids_of_datasets_on_servers(
    hub: Hub, brain: wk.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    made = brain.upload(new_dataset_name="brain")
    address = f"{made.url}/view"
    for mag in ("2-2-1", "4-4-1"):
        made.get_layer("color").delete_mag(mag)
    coarser = ["downsample", address, "--layer-name", "color", "--max-mag", "2-2-1", "--token", ADMIN]
    assert main(coarser) == 0
    assert "color: added 2-2-1" in capsys.readouterr().out
    made = wk.RemoteDataset.open("brain")
    np.testing.assert_array_equal(
        made.get_layer("color").get_mag("2-2-1").read(), brain.get_layer("color").get_mag("2-2-1").read()
    )
    made.get_layer("color").delete_mag(1)
    finer = ["upsample", address, "--layer-name", "color", "--from-mag", "2-2-1", "--token", ADMIN]
    assert main([*finer, "--transfer-mode", "copy"]) == 0
    assert "color: added 1" in capsys.readouterr().out


def test_images_are_converted_and_uploaded(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = np.random.default_rng(3).integers(0, 255, (40, 50), np.uint8)
    tifffile.imwrite(tmp_path / "scan.tif", image)
    command = ["convert", str(tmp_path / "scan.tif"), "--voxel-size", "4,4,4", "--webknossos-url", hub.url]
    assert main([*command, "--token", ADMIN, "--upload", "--no-downsample"]) == 0
    (made,) = hub.datasets.values()
    assert f"Uploaded to {hub.url}/datasets/{made['id']}" in capsys.readouterr().out
    uploaded = wk.RemoteDataset.open("scan")
    (layer,) = uploaded.layers.values()
    np.testing.assert_array_equal(layer.get_mag(1).read()[0, :, :, 0], image.T)
    assert main([*command, "--upload", str(tmp_path / "target")]) == 2
    assert "in place of TARGET" in capsys.readouterr().err
    assert main(command) == 2
    assert "Missing argument 'TARGET'" in capsys.readouterr().err
