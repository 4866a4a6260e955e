"""The conformance kit: the four formats, precomputed volumes with and without shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
import tensorstore
from wkplug_tensorstore.backends import PrecomputedBackend

from wkplug.abc import Layout
from wkplug.testing import ArrayBackendSuite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import ArraySpec, Location
    from wkplug.testing.bench import ReadOtherwise, WriteOtherwise


class TestZarr3(ArrayBackendSuite):
    backend_factory = "wkplug_tensorstore.backends:Zarr3Backend"


class TestZarr2(ArrayBackendSuite):
    backend_factory = "wkplug_tensorstore.backends:Zarr2Backend"


class TestN5(ArrayBackendSuite):
    backend_factory = "wkplug_tensorstore.backends:N5Backend"
    default_chunk_length = 64

    @pytest.fixture
    def write_otherwise(self) -> WriteOtherwise | None:
        return write_n5


class TestPrecomputed(ArrayBackendSuite):
    backend_factory = "wkplug_tensorstore.backends:PrecomputedBackend"
    default_chunk_length = 64

    @pytest.fixture
    def layouts(self) -> tuple[Layout, ...]:
        chunks = ((2, 8, 8, 8), (2, 4, 8, 16))
        return tuple(Layout(chunk_shape=chunk, shard_shape=chunk) for chunk in chunks)

    @pytest.fixture
    def write_otherwise(self) -> WriteOtherwise | None:
        return write_precomputed

    @pytest.fixture
    def read_otherwise(self) -> ReadOtherwise | None:
        return read_precomputed


class InShards(PrecomputedBackend):
    """The same, as it is with shards, which don't let an array grow."""

    capabilities = attrs.evolve(PrecomputedBackend.capabilities, resizable=False)


class TestPrecomputedInShards(TestPrecomputed):
    backend_factory = InShards

    @pytest.fixture
    def layouts(self) -> tuple[Layout, ...]:
        return (
            Layout(chunk_shape=(2, 8, 8, 8), shard_shape=(2, 16, 16, 16)),
            Layout(chunk_shape=(2, 4, 8, 16), shard_shape=(2, 8, 16, 32)),
        )


def write_n5(location: Location, spec: ArraySpec, data: NDArray[Any]) -> None:
    """Write an N5 array with the engine itself."""
    metadata = {
        "dimensions": list(data.shape),
        "blockSize": list(spec.chunk_shape),
        "dataType": spec.dtype,
        "compression": {"type": "gzip" if spec.compressed else "raw"},
    }
    place = {"driver": "file", "path": f"{location.local_path()}/"}
    array = tensorstore.open(
        {"driver": "n5", "kvstore": place, "metadata": metadata, "create": True}
    ).result()
    array[...].write(data).result()


def write_precomputed(location: Location, spec: ArraySpec, data: NDArray[Any]) -> None:
    """Write a volume with one scale, the location's, with the engine itself; it stores x, y, z, c."""
    array = tensorstore.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{location.parent.local_path()}/"},
            "multiscale_metadata": {"type": "image", "data_type": spec.dtype, "num_channels": data.shape[0]},
            "scale_metadata": {
                "key": location.name,
                "size": list(data.shape[1:]),
                "resolution": [1, 1, 1],
                "encoding": "raw",
                "chunk_size": list(spec.chunk_shape[1:]),
            },
            "create": True,
        }
    ).result()
    array[...].write(np.moveaxis(data, 0, -1)).result()


def read_precomputed(location: Location, spec: ArraySpec) -> NDArray[Any]:
    """Read the volume of one scale that a mag is, with the engine itself."""
    place = {"driver": "file", "path": f"{location.local_path()}/"}
    array = tensorstore.open({"driver": "neuroglancer_precomputed", "kvstore": place}).result()
    voxels = np.moveaxis(array.read().result(), -1, 0)
    return voxels[tuple(slice(length) for length in spec.shape)]
