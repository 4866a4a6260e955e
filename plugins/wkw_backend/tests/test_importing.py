"""What bare WKW folders are described as."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from wkplug_wkw.importing import WkwImporter

import wkplug as wk
from wkplug import storage
from wkplug.abc import ArraySpec, ProbeScore
from wkplug.errors import CorruptDataError

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path) -> None:
    spec = ArraySpec(
        axes=("c", "x", "y", "z"), shape=(1, 64, 64, 64), dtype="uint8", chunk_shape=(1, 32, 32, 32),
        shard_shape=(1, 64, 64, 64),
    )  # fmt: skip
    handle = storage.create_array(storage.locate(path), "wkw", spec)
    handle.write(((0, 0, 0, 0), (1, 32, 32, 32)), np.ones((1, 32, 32, 32), "uint8"))
    handle.close()


def test_mags_layers_and_folders_of_layers_are_known(tmp_path: Path) -> None:
    importer = WkwImporter()
    for name in ("em/1", "em/2-2-1", "seg/1"):
        write(tmp_path / name)
    assert importer.probe(storage.locate(tmp_path / "em" / "1")) == ProbeScore.CERTAIN
    assert importer.probe(storage.locate(tmp_path / "em")) == ProbeScore.MARKER
    (layer,) = importer.describe(storage.locate(tmp_path / "em"))
    assert (layer.name, [mag.mag for mag in layer.mags]) == ("em", [(1, 1, 1), (2, 2, 1)])
    assert sorted(layer.name for layer in importer.describe(storage.locate(tmp_path))) == ["em", "seg"]
    (single,) = importer.describe(storage.locate(tmp_path / "em" / "1"))
    assert (single.name, single.mags[0].mag, single.mags[0].data_format) == ("em", (1, 1, 1), "wkw")
    (coarse,) = importer.describe(storage.locate(tmp_path / "em" / "2-2-1"))
    assert (coarse.name, coarse.mags[0].mag) == ("em", (2, 2, 1))


def test_datasets_and_other_folders_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").write_bytes(b"")
    assert WkwImporter().probe(storage.locate(tmp_path)) == ProbeScore.NO
    write(tmp_path / "ds" / "em" / "1")
    (tmp_path / "ds" / "datasource-properties.json").write_text("{}")
    assert WkwImporter().probe(storage.locate(tmp_path / "ds")) == ProbeScore.NO


def test_shards_under_other_names_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "em" / "1")
    shard = next((tmp_path / "em").rglob("x0.wkw"))
    shard.rename(shard.with_name("x0.wkw.gz"))
    with pytest.raises(
        CorruptDataError, match=r"has 1 file called like chunks \(z0/y0/x0\.wkw\.gz\) that its metadata"
    ):
        wk.Dataset.from_images(tmp_path / "em", tmp_path / "out", (4, 4, 40))
    assert not (tmp_path / "out").exists()
