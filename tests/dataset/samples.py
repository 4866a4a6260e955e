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

AXES = {
    "wkw": (("c", "x", "y", "z"),),
    "zarr3": (("c", "x", "y", "z"), ("x", "y", "z"), ("t", "x", "y", "z"),
              ("t", "c", "x", "y", "z"), ("c", "z", "y", "x")),
}  # fmt: skip


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
        starts = dict(zip("xyz", start, strict=True))
        sizes = {**dict(zip("xyz", size, strict=True)), "c": self.channels, "t": self.times}
        return wk.NDBoundingBox(
            [starts.get(axis, 0) for axis in self.axes],
            [sizes[axis] for axis in self.axes],
            self.axes,
            range(len(self.axes)),
        )

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
            mag = layer.add_mag(wk.Mag(self.mag), chunk_shape=self.chunk, shard_shape=self.shard)
        if voxels is not None:
            mag.write(voxels)
        return mag


@st.composite
def samples(draw: st.DrawFn, /, **fixed: Any) -> Sample:
    data_format = fixed.pop("data_format", None) or draw(st.sampled_from(tuple(AXES)))
    axes = draw(st.sampled_from(AXES[data_format]))
    values: dict[str, Any] = {
        "axes": axes,
        "mag": draw(st.sampled_from(((1, 1, 1), (2, 2, 1), (4, 4, 2)))),
        "topleft": draw(st.tuples(*(st.integers(0, 20),) * 3)),
        "size": draw(st.tuples(*(st.integers(1, 24),) * 3)),
        "channels": draw(st.sampled_from((1, 3))) if "c" in axes else 1,
        **fixed,
    }
    return Sample(data_format, **values)


@contextmanager
def dataset_of(*wanted: tuple[Sample, np.ndarray | None]) -> Iterator[list[wk.MagView]]:
    """A dataset with a layer for each sample, holding the voxels given with it."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = wk.Dataset(Path(folder) / "dataset", voxel_size=(10, 10, 20))
        yield [sample.add_to(dataset, f"layer{index}", data) for index, (sample, data) in enumerate(wanted)]
