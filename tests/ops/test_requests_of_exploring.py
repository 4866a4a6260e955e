"""What `explore` asks a store for: each question once, and side by side what can be; of all kinds of containers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

import wkplug as wk
from tests.ops.test_exploring import n5, over_xyz, precomputed
from tests.ops.test_import_containers import CHANNEL, SPACE, list_labels, noise, write_image, write_plate
from wkplug.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers.counting import CountingServer

DATA = noise((16, 24, 32), "uint8")
SIZES = {"pixelResolution": {"unit": "nm", "dimensions": [250, 250, 500]}, "scales": [[1, 1, 1], [2, 2, 2]]}


def _group(place: Path, **ome: Any) -> None:
    place.mkdir(parents=True, exist_ok=True)
    attributes = {"ome": {"version": "0.5", **ome}}
    (place / "zarr.json").write_text(
        json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes})
    )


def _channels(place: Path) -> None:
    omero = {"channels": [{"label": "A"}, {"label": "B"}]}
    write_image(place, np.stack([DATA, DATA]), [CHANNEL, *SPACE], omero=omero)


def _labels(place: Path) -> None:
    write_image(place, DATA, SPACE)
    write_image(place / "labels" / "cells", DATA.astype("uint32"), SPACE)
    list_labels(place, "cells")


def _series(place: Path) -> None:
    for number in range(3):
        write_image(place / str(number), DATA, SPACE)
    _group(place, **{"bioformats2raw.layout": 3})
    _group(place / "OME", series=["0", "1", "2"])


def _setups(place: Path) -> None:
    """What BigDataViewer writes."""
    for setup in range(2):
        n5(place / f"setup{setup}" / "timepoint0", DATA.T)
        factors = {"downsamplingFactors": [[1, 1, 1], [2, 2, 2]], "dataType": "uint8"}
        (place / f"setup{setup}" / "attributes.json").write_text(json.dumps(factors))
    (place / "attributes.json").write_text(json.dumps({"n5": "2.5.0"}))


def _dataset(place: Path) -> None:
    wk.Dataset(place, voxel_size=(250, 250, 500)).write_layer("em", "color", DATA.T)


def _archive(place: Path) -> None:
    _dataset(place.parent / "own")
    assert main(["export", str(place.parent / "own"), str(place), "--layer-name", "em"]) == 0


def _folder(place: Path) -> None:
    n5(place / "a.n5", DATA.T, **SIZES)
    precomputed(place / "b", DATA.T)
    write_image(place / "c.zarr", DATA, SPACE)


class Kind(NamedTuple):
    """A container: how it is made, its layers, and the most requests, and one after another, in a bucket and behind a
    web server that shows no folders (0 for one that can't be known there)."""

    name: str
    make: Callable[[Path], object]
    layers: list[str]
    bucket: tuple[int, int]
    server: tuple[int, int]


KINDS = [
    Kind("a.zarr", lambda place: write_image(place, DATA, SPACE), ["a"], (16, 11), (19, 8)),
    Kind("b.zarr", lambda place: write_image(place, DATA, SPACE, 2), ["b"], (13, 9), (20, 9)),
    Kind("channels.zarr", _channels, ["channels__A", "channels__B"], (13, 10), (15, 7)),
    Kind("labels.zarr", _labels, ["labels", "cells"], (26, 19), (20, 11)),
    Kind("series.zarr", _series, ["series_0", "series_1", "series_2"], (55, 30), (44, 17)),
    Kind("plate.zarr", lambda place: write_plate(place, {"A/1": 2, "B/2": 1}), ["A_1_0", "A_1_1", "B_2_0"],
         (62, 28), (53, 21)),
    Kind("c.n5", lambda place: n5(place, DATA.T, **SIZES), ["c"], (20, 11), (17, 8)),
    Kind("setups.n5", _setups, ["setup0", "setup1"], (42, 25), (40, 29)),
    Kind("d", lambda place: precomputed(place, DATA.T), ["d"], (6, 5), (11, 5)),
    Kind("e.ozx", _archive, ["e"], (2, 2), (3, 3)),
    Kind("dataset", _dataset, ["em"], (3, 1), (3, 1)),
    Kind("folder", _folder, ["a", "b", "c"], (50, 43), (0, 0)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*its coordinate transformation scales it")
@pytest.mark.parametrize("scheme", ["s3", "http"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_question_is_asked_twice(
    tmp_path: Path,
    counting_server: CountingServer,
    no_credentials: None,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    scheme: str,
) -> None:
    most = kind.bucket if scheme == "s3" else kind.server
    if not most[0]:
        pytest.skip("a server that shows no folders doesn't say what is in one")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    kind.make(tmp_path / kind.name)
    paths = [tmp_path / kind.name, *(tmp_path / kind.name).rglob("*")]
    for path in paths:
        if path.is_file() and path.name != ".wkplug.lock":
            counting_server.keep("bucket", str(path.relative_to(tmp_path)), path.read_bytes())
    counting_server.latency = 0.003
    counting_server.clear()
    found = wk.Dataset.explore(f"{scheme}://{counting_server.host}/bucket/{kind.name}")
    figures, requests = counting_server.figures, counting_server.requests
    assert sorted(found.layers) == sorted(kind.layers)
    asked = [(each.method, each.path, each.query, each.range) for each in requests]
    assert len(set(asked)) == len(asked)
    assert figures.count <= most[0], "\n".join(map(str, requests))
    assert figures.round_trips <= most[1] * 1.5 + 2  # a busy machine tears apart what is asked side by side
    if kind.name != "plate.zarr":  # whose images are noise of their own
        size = None if None not in found.voxel_size else (250, 250, 500)
        opened = found.open(voxel_size=size)
        for name in kind.layers:
            assert np.array_equal(over_xyz(opened.get_layer(name)), DATA.T)
