"""The conformance kit: the two formats that are written here, and the two that are only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorstore

from wkplug.testing import ArrayBackendSuite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import ArraySpec, Location
    from wkplug.testing.bench import WriteOtherwise


class TestZarr3(ArrayBackendSuite):
    backend_factory = "wkplug_tensorstore.backends:Zarr3Backend"


class TestZarr2(ArrayBackendSuite):
    backend_factory = "wkplug_tensorstore.backends:Zarr2Backend"


class TestN5(ArrayBackendSuite):
    backend_factory = "wkplug_tensorstore.backends:N5Backend"

    @pytest.fixture
    def write_otherwise(self) -> WriteOtherwise | None:
        return write_n5


class TestPrecomputed(ArrayBackendSuite):
    backend_factory = "wkplug_tensorstore.backends:PrecomputedBackend"

    @pytest.fixture
    def write_otherwise(self) -> WriteOtherwise | None:
        return write_precomputed


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
    # The suite puts arrays side by side; here these would be scales of one volume, and need one dtype.
    location.parent.child("info").delete()
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
