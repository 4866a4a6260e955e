"""Layers with known voxels for the tests of views: over formats, axes, offsets and mags."""

from __future__ import annotations

import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from hypothesis import strategies as st

import wkplug as wk

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANY_AXES = (
    ("c", "x", "y", "z"), ("x", "y", "z"), ("t", "x", "y", "z"), ("t", "c", "x", "y", "z"), ("x", "y"),
    ("c", "z", "y", "x"), ("x", "y", "z", "c"), ("z", "c", "y", "x"), ("x", "t", "c", "y"),
)  # fmt: skip
_CXYZ = (("c", "x", "y", "z"),)
AXES = {
    "wkw": _CXYZ,
    "zarr": _ANY_AXES,
    "zarr3": _ANY_AXES,
    "n5": _ANY_AXES,
    "neuroglancerPrecomputed": _CXYZ,
}
ENGINES = {
    "wkw": ("wkw+numpy", "wkw+wkw"),
    "zarr": ("zarr+tensorstore", "zarr+zarr"),
    "zarr3": ("zarr3+tensorstore", "zarr3+zarr"),
    "n5": ("n5+tensorstore",),
    "neuroglancerPrecomputed": ("neuroglancerPrecomputed+tensorstore",),
}
UNSHARDED = ("zarr", "n5")
PLACES = {
    "wkw+numpy": ("local", "memory"),
    "zarr+zarr": ("local", "memory"),
    "zarr3+zarr": ("local", "memory"),
    "n5+tensorstore": ("local", "memory"),
    "neuroglancerPrecomputed+tensorstore": ("local", "memory"),
}
"""Where an engine's arrays may lie, if not on local disks alone."""


@attrs.frozen
class Sample:
    """What a layer is made of; topleft and size are voxels of the mag, x, y, z."""

    data_format: str
    axes: tuple[str, ...] = ("c", "x", "y", "z")
    mag: tuple[int, int, int] = (1, 1, 1)
    topleft: tuple[int, int, int] = (0, 0, 0)
    size: tuple[int, int, int] = (32, 32, 32)
    channels: int = 1
    times: int = 2
    chunk: int = 4
    shard: int = 8
    dtype: str = "uint16"
    first_time: int = 0
    compress: bool = True
    engine: str | None = None
    place: str = "local"

    @property
    def shape(self) -> tuple[int, ...]:
        lengths = {**dict(zip("xyz", self.size, strict=True)), "c": self.channels, "t": self.times}
        return tuple(lengths[axis] for axis in self.axes)

    @property
    def box(self) -> Any:
        start = tuple(a * m for a, m in zip(self.topleft, self.mag, strict=True))
        size = tuple(a * m for a, m in zip(self.size, self.mag, strict=True))
        if self.axes == ("c", "x", "y", "z"):
            return wk.BoundingBox(start, size)
        starts = {**dict(zip("xyz", start, strict=True)), "t": self.first_time}
        sizes = {**dict(zip("xyz", size, strict=True)), "c": self.channels, "t": self.times}
        return wk.NDBoundingBox(
            [starts.get(axis, 0) for axis in self.axes],
            [sizes[axis] for axis in self.axes],
            self.axes,
            range(len(self.axes)),
        ).normalize_axes(self.channels)

    @property
    def factors(self) -> tuple[int, ...]:
        """The mag per axis of the array."""
        return tuple(dict(zip("xyz", self.mag, strict=True)).get(axis, 1) for axis in self.axes)

    @property
    def starts(self) -> tuple[int, ...]:
        """Where the layer's box starts, in voxels of the mag, per axis of the array."""
        by_axis = {**dict(zip("xyz", self.topleft, strict=True)), "t": self.first_time}
        return tuple(by_axis.get(axis, 0) for axis in self.axes)

    @property
    def shards(self) -> tuple[int, ...]:
        """The shard's voxels per axis of the array."""
        return tuple({"c": self.channels, "t": 1}.get(axis, self.shard) for axis in self.axes)

    def box_of(self, start: tuple[int, ...], shape: tuple[int, ...]) -> wk.NDBoundingBox:
        """A Mag(1) box from voxels of the mag, over all axes of the array."""
        return wk.NormalizedBoundingBox(
            [a * m for a, m in zip(start, self.factors, strict=True)],
            [n * m for n, m in zip(shape, self.factors, strict=True)],
            self.axes,
        ).denormalize()

    def voxels(self, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).integers(1, 250, self.shape).astype(self.dtype)

    def add_to(self, dataset: wk.Dataset, name: str, voxels: np.ndarray | None = None) -> wk.MagView:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of unusual chunks and channels
            layer = dataset.add_layer(
                name,
                "color",
                dtype=self.dtype,
                num_channels=self.channels,
                bounding_box=self.box,
                data_format=self.data_format,
            )
            mag = layer.add_mag(
                wk.Mag(self.mag), chunk_shape=self.chunk, shard_shape=self.shard, compress=self.compress
            )
        if voxels is not None:
            mag.write(voxels)
        return mag


@st.composite
def samples(draw: st.DrawFn, /, **fixed: Any) -> Sample:
    data_format = fixed.pop("data_format", None) or draw(st.sampled_from(tuple(AXES)))
    axes = draw(st.sampled_from(AXES[data_format]))
    engine = fixed.pop("engine", None) or draw(st.sampled_from(ENGINES[data_format]))
    values: dict[str, Any] = {
        "axes": axes,
        "mag": draw(st.sampled_from(((1, 1, 1), (2, 2, 1), (4, 4, 2)))),
        "topleft": draw(st.tuples(*(st.integers(0, 20),) * 3)),
        "size": draw(st.tuples(*(st.integers(1, 24),) * 3)),
        "channels": draw(st.sampled_from((1, 3))) if "c" in axes else 1,
        "first_time": draw(st.integers(0, 2)) if "t" in axes else 0,
        "chunk": 8 if data_format in UNSHARDED else 4,
        "compress": draw(st.booleans()),
        "place": draw(st.sampled_from(PLACES.get(engine, ("local",)))),
        **fixed,
    }
    return Sample(data_format, engine=engine, **values)


@contextmanager
def dataset_of(*wanted: tuple[Sample, np.ndarray | None]) -> Iterator[list[wk.MagView]]:
    """A dataset for each sample, with a layer that holds the voxels given with it."""
    with tempfile.TemporaryDirectory() as folder:
        mags = []
        for index, (sample, data) in enumerate(wanted):
            # Names of folders are new ones, and so are places in memory that are called after them.
            place = Path(folder) if sample.place == "local" else f"memory://{Path(folder).name}"
            dataset = wk.Dataset(
                f"{place}/dataset{index}",
                voxel_size=(10, 10, 20),
                backends={} if sample.engine is None else {sample.data_format: sample.engine},
            )
            mags.append(sample.add_to(dataset, "layer", data))
        yield mags
