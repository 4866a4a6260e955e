"""`mag.info` of Zarr v3 mags: the codecs as what `compress=` takes, and shapes along x, y and z."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

import wkplug as wk

if TYPE_CHECKING:
    from pathlib import Path

GZIP = [
    {"name": "transpose", "configuration": {"order": [3, 2, 1, 0]}},
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "gzip", "configuration": {"level": 3}},
]


@pytest.mark.parametrize("engine", ["zarr", "tensorstore"])
@pytest.mark.parametrize("shard", [32, 64])
def test_codecs_of_one_mag_are_given_to_another(tmp_path: Path, engine: str, shard: int) -> None:
    layer = wk.Dataset(tmp_path / "d", (1, 1, 1), backends={"zarr3": engine}).add_layer(
        "em", "color", dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64))
    )
    first = layer.add_mag(1, compress=wk.Zarr3Config(codecs=GZIP), shard_shape=shard)
    info = first.info
    assert isinstance(info, wk.Zarr3ArrayInfo)
    assert isinstance(info, wk.ArrayInfo)
    assert [codec["name"] for codec in info.codecs] == ["transpose", "bytes", "gzip"]
    assert info.zarr3_config.codecs == info.codecs
    second = layer.add_mag(2, compress=info.zarr3_config, shard_shape=shard)
    second.write(np.arange(32**3, dtype="uint8").reshape((32,) * 3))
    assert second.info.codecs == info.codecs  # type: ignore[attr-defined]
    stored = [json.loads((mag.path / "zarr.json").read_text())["codecs"] for mag in (first, second)]
    assert stored[0] == stored[1]
    again = wk.Dataset.open(tmp_path / "d").get_layer("em").get_mag(2)
    assert again.info.codecs == info.codecs  # type: ignore[attr-defined]
    plain = layer.add_mag(4, compress=False)
    assert not {"zstd", "gzip"} & {codec["name"] for codec in plain.info.codecs}  # type: ignore[attr-defined]


def test_other_formats_have_plain_infos(tmp_path: Path) -> None:
    layer = wk.Dataset(tmp_path / "d", (1, 1, 1)).add_layer("em", "color", data_format="wkw")
    assert type(layer.add_mag(1).info) is wk.ArrayInfo


def test_shapes_along_x_y_and_z_of_layers_with_more_axes(tmp_path: Path) -> None:
    box = wk.NDBoundingBox((0, 0, 0, 0), (3, 40, 30, 20), axes=("t", "x", "y", "z"), index=(1, 2, 3, 4))
    layer = wk.Dataset(tmp_path / "d", (1, 1, 1)).add_layer("em", "color", bounding_box=box)
    info = layer.add_mag(1, chunk_shape=(32, 32, 32), shard_shape=(64, 128, 32)).info
    assert wk.Vec3Int(info.shard_shape) == wk.Vec3Int(64, 128, 32)
    assert wk.Vec3Int(info.chunk_shape) == wk.Vec3Int(32, 32, 32)
    with pytest.raises(ValueError, match="3"):
        wk.Vec3Int(wk.VecInt(1, 2, 3, 4, axes=("t", "c", "y", "z")))
