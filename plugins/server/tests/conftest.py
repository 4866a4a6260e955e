"""A dataset of all kinds of layers, and a server that shares it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from wkplug_server.catalogue import Catalogue
from wkplug_server.running import RunningServer

import wkplug as wk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

TOKEN = "a_token_of_24_characters"  # without dashes, with which links of the webknossos library fail
CORNER = (10, 20, 5)
SIZE = (130, 90, 40)


def noise(dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    random = np.random.default_rng(3)
    if np.dtype(dtype).kind == "f":
        return random.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def add(dataset: wk.Dataset, name: str, category: Any, data: NDArray[Any], data_format: str) -> wk.Layer:
    """A layer at CORNER with a mag 1 and, where it is an image, a pyramid."""
    box = wk.BoundingBox(CORNER, SIZE)
    layer = dataset.add_layer(
        name,
        category,
        dtype=data.dtype.name,
        num_channels=data.shape[0],
        data_format=data_format,
        bounding_box=box,
    )
    layer.add_mag(1).write(data, absolute_offset=CORNER)
    return layer


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> wk.Dataset:
    dataset = wk.Dataset(tmp_path_factory.mktemp("served") / "brain", voxel_size=(4, 4, 40))
    em = add(dataset, "em", "color", noise("uint8", (1, *SIZE)), "zarr3")
    em.downsample(coarsest_mag=4)
    x, y, z = np.meshgrid(*(np.arange(length) // 16 for length in SIZE), indexing="ij")
    ids = (1 + x + 20 * y + 400 * z).astype("uint64")[None] + np.uint64(2**40)
    add(dataset, "cells", "segmentation", ids, "wkw")
    add(dataset, "small_ids", "segmentation", (ids % 200).astype("uint8"), "zarr")
    add(dataset, "rgb", "color", noise("uint8", (3, *SIZE)), "wkw")
    add(dataset, "heights", "color", noise("float32", (1, *SIZE)), "zarr3")
    add(dataset, "signed", "color", noise("int16", (1, *SIZE)), "zarr3")
    box = wk.NDBoundingBox((0, 1, 0, 0, 0), (1, 3, 40, 50, 20), ("c", "t", "x", "y", "z"), (0, 1, 2, 3, 4))
    time = dataset.add_layer("time", "color", dtype="uint16", data_format="zarr3", bounding_box=box)
    time.add_mag(1).write(noise("uint16", (1, 3, 40, 50, 20)), absolute_bounding_box=box)
    return dataset


@pytest.fixture(scope="session")
def server(dataset: wk.Dataset) -> Iterator[RunningServer]:
    with RunningServer(Catalogue([(dataset, "brain")]), token=TOKEN) as running:
        yield running


@pytest.fixture(scope="session")
def dataset_id(server: RunningServer) -> str:
    return str(json.loads(get(f"{server.url}/api/datasets"))[0]["id"])


class Refusal(NamedTuple):
    """An answer that isn't one of success."""

    code: int
    headers: Any
    text: str

    @property
    def told(self) -> str:
        return str(json.loads(self.text)["messages"][0]["error"])


def refused(url: str, method: str = "GET", **headers: str) -> Refusal:
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(url, headers=named, method=method), timeout=30)
    with caught.value as answer:
        return Refusal(answer.code, answer.headers, answer.read().decode())


def get(url: str, **headers: str) -> bytes:
    """The body of an answer; HTTPError where it isn't one of success."""
    with urlopen(
        Request(url, headers={k.replace("_", "-"): v for k, v in headers.items()}), timeout=30
    ) as answer:
        return bytes(answer.read())
