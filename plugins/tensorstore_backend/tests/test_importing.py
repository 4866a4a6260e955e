"""What N5 groups and precomputed volumes are described as."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorstore
from wkplug_tensorstore.importing import N5Importer, PrecomputedImporter

from wkplug import storage
from wkplug.abc import ProbeScore
from wkplug.errors import CorruptDataError, MissingError

if TYPE_CHECKING:
    from pathlib import Path


def n5(path: Path, shape: tuple[int, ...] = (40, 30, 20), **attributes: Any) -> None:
    spec = {"driver": "n5", "kvstore": f"file://{path}/", "create": True, "delete_existing": True}
    metadata = {
        "dimensions": shape,
        "blockSize": [16] * len(shape),
        "dataType": "uint8",
        "compression": {"type": "gzip"},
    }
    tensorstore.open({**spec, "metadata": metadata}).result().write(np.ones(shape, "u1")).result()
    extend(path, attributes)


def extend(path: Path, attributes: dict[str, Any]) -> None:
    file = path / "attributes.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    path.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**known, **attributes}))


def test_cosem_transforms_say_sizes_and_place(tmp_path: Path) -> None:
    n5(tmp_path / "a.n5" / "s0")
    n5(tmp_path / "a.n5" / "s1", (20, 15, 20))
    datasets = [
        {
            "path": f"s{level}",
            "transform": {
                "axes": ["z", "y", "x"], "scale": [40.0, 4.0 * 2**level, 4.0 * 2**level],
                "translate": [400.0, 0.0, 80.0], "units": ["nm"] * 3,
            },
        }
        for level in range(2)
    ]  # fmt: skip
    extend(
        tmp_path / "a.n5",
        {"multiscales": [{"name": "a", "datasets": datasets}], "scales": [[1, 1, 1], [2, 2, 1]]},
    )
    place = storage.locate(tmp_path / "a.n5")
    assert N5Importer().probe(place) == ProbeScore.CERTAIN
    (layer,) = N5Importer().describe(place)
    assert (layer.name, layer.voxel_size, layer.offset) == ("a", (4.0, 4.0, 40.0), (20, 0, 10))
    assert [(mag.mag, mag.axes) for mag in layer.mags] == [
        ((1, 1, 1), ("x", "y", "z")),
        ((2, 2, 1), ("x", "y", "z")),
    ]


def test_sizes_and_factors_are_found_where_viewers_put_them(tmp_path: Path) -> None:
    n5(tmp_path / "viewer" / "s0", (40, 30, 20, 2))
    n5(tmp_path / "viewer" / "s1", (20, 15, 10, 2), downsamplingFactors=[2, 2, 2, 1])
    extend(tmp_path / "viewer", {"pixelResolution": {"unit": "um", "dimensions": [0.5, 0.5, 1.0]}})
    (layer,) = N5Importer().describe(storage.locate(tmp_path / "viewer"))
    assert layer.voxel_size == (500.0, 500.0, 1000.0)
    assert [mag.mag for mag in layer.mags] == [(1, 1, 1), (2, 2, 2)]
    assert layer.mags[0].axes == ("x", "y", "z", "c")
    n5(tmp_path / "plain" / "s0")
    n5(tmp_path / "plain" / "s1", (20, 15, 20))
    (tmp_path / "plain" / "attributes.json").write_text("{}")
    (layer,) = N5Importer().describe(storage.locate(tmp_path / "plain"))
    assert (layer.voxel_size, [mag.mag for mag in layer.mags]) == ((None, None, None), [(1, 1, 1), (2, 2, 1)])


def test_setups_and_bare_arrays_are_layers(tmp_path: Path) -> None:
    extend(tmp_path / "bdv.n5", {"n5": "2.5.0"})
    for setup in range(2):
        extend(
            tmp_path / "bdv.n5" / f"setup{setup}", {"downsamplingFactors": [[1, 1, 1]], "dataType": "uint8"}
        )
        n5(tmp_path / "bdv.n5" / f"setup{setup}" / "timepoint0" / "s0")
    layers = N5Importer().describe(storage.locate(tmp_path / "bdv.n5"))
    assert [layer.name for layer in layers] == ["setup0", "setup1"]
    n5(tmp_path / "bare", resolution=[4, 4, 40], units="nm")
    (layer,) = N5Importer().describe(storage.locate(tmp_path / "bare"))
    assert (layer.name, layer.voxel_size) == ("bare", (4.0, 4.0, 40.0))


def test_precomputed_scales_are_mags_and_keep_their_place(tmp_path: Path) -> None:
    for level in range(2):
        tensorstore.open(
            {
                "driver": "neuroglancer_precomputed", "kvstore": f"file://{tmp_path}/seg.precomputed/", "create": True,
                "multiscale_metadata": {"type": "segmentation", "data_type": "uint32", "num_channels": 1},
                "scale_metadata": {
                    "resolution": [4 * 2**level, 4 * 2**level, 40], "size": [64 >> level, 64 >> level, 8],
                    "voxel_offset": [10 >> level, 20 >> level, 30], "chunk_size": [32, 32, 8], "encoding": "raw",
                },
            }
        ).result()  # fmt: skip
    place = storage.locate(tmp_path / "seg.precomputed")
    assert PrecomputedImporter().probe(place) == ProbeScore.CERTAIN
    (layer,) = PrecomputedImporter().describe(place)
    assert (layer.name, layer.category, layer.voxel_size) == ("seg", "segmentation", (4.0, 4.0, 40.0))
    assert (layer.offset, layer.begin) == ((0, 0, 0), (10, 20, 30))
    assert [mag.mag for mag in layer.mags] == [(1, 1, 1), (2, 2, 1)]
    (tmp_path / "seg.precomputed" / "info").write_text('{"scales": [{"key": "a"}]}')
    with pytest.raises(CorruptDataError, match="its scales can't be read"):
        PrecomputedImporter().describe(place)


def test_other_folders_are_not_claimed(tmp_path: Path) -> None:
    place = storage.locate(tmp_path)
    for importer in (N5Importer(), PrecomputedImporter()):
        assert importer.probe(place) == ProbeScore.NO
        with pytest.raises(MissingError):
            importer.describe(place)
    (tmp_path / "attributes.json").write_text("{}")
    assert N5Importer().probe(place) == ProbeScore.NO
    (tmp_path / "attributes.json").write_text('{"dimensions": 3}')
    with pytest.raises(CorruptDataError, match="its dimensions are no list"):
        N5Importer().describe(place)
    (tmp_path / "attributes.json").write_text("{")
    assert N5Importer().probe(place) == ProbeScore.MARKER
