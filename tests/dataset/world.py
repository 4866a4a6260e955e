"""A few datasets to make every mistake with; the tables of errors are tests of what each mistake says."""

from __future__ import annotations

import itertools
import uuid
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk

if TYPE_CHECKING:
    from pathlib import Path


class World:
    """Datasets on disk (`ds`, `d2`), in memory, opened for reading (`ro`), their layers, mags and views."""

    def __init__(self, folder: Path) -> None:
        self.tmp = folder
        self._numbers = itertools.count()
        (folder / "full").mkdir()
        (folder / "full" / "x").write_text("x")
        (folder / "file").write_text("x")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._build()

    def _build(self) -> None:
        self.one = np.ones((64, 64, 64), "u1")
        self.ds = self.new()
        (self.ds.path / "empty").mkdir()
        self.l = self.layer(self.ds)
        self.m = self.l.add_mag(1, chunk_shape=32, shard_shape=32)
        self.m.write(self.one)
        self.m2 = self.l.add_mag(2, chunk_shape=32, shard_shape=32, compress=False)
        self.v = self.m.get_view(absolute_offset=(0, 0, 0), size=(32, 32, 32))
        self.rv = self.m.get_view(read_only=True)
        self.seg = self.ds.add_layer(
            "seg", "segmentation", dtype="uint32", bounding_box=self.box()
        ).as_segmentation_layer()
        self.sm = self.seg.add_mag(1, chunk_shape=32, shard_shape=32)
        self.s8 = self.ds.add_layer("s8", "segmentation", dtype="uint8").as_segmentation_layer()
        self.d2 = self.new()
        self.layer(self.d2).add_mag(1)
        self.l3 = self.layer(dtype="uint16")
        self.l4 = self.layer(data_format="wkw")
        self.lm = wk.Dataset(f"memory://{uuid.uuid4().hex}/ds", voxel_size=(1, 1, 1)).add_layer(
            "color", "color", bounding_box=self.box()
        )
        self.mm = self.lm.add_mag(1, compress=False)
        self.ro = wk.Dataset.open(self.ds.path, read_only=True)
        self.rl = self.ro.get_layer("color")
        self.rm = self.rl.get_mag(1)
        time = wk.NDBoundingBox((0, 0, 0, 0), (2, 8, 8, 8), ("t", "x", "y", "z"))
        self.mt = self.new().add_layer("t", "color", bounding_box=time).add_mag(1)
        self.r = self.new().add_layer_as_ref(self.l, "r")
        self.att = wk.MeshAttachment.from_path_and_name(self.tmp / "m", "m", data_format="hdf5")
        self.seg.attachments.add_attachment_as_ref(self.att)
        self.h5 = wk.AgglomerateAttachment.from_path_and_name(self.tmp / "h", "h", data_format="hdf5")
        self.g, self.g2 = wk.AgglomerateGraph(), wk.AgglomerateGraph()
        for segment in (1, 3):
            self.g.add_segment(segment, position=(1, 1, 1))
        self.g2.add_segment(1, position=(1, 1, 1))
        wk.AgglomerateAttachment.create_and_add_to(self.seg, "q", self.g2)

    @staticmethod
    def box(
        size: tuple[int, int, int] = (64, 64, 64), topleft: tuple[int, int, int] = (0, 0, 0)
    ) -> wk.BoundingBox:
        return wk.BoundingBox(topleft, size)

    @property
    def time_box(self) -> wk.NDBoundingBox:
        return wk.NDBoundingBox((0, 0, 0, 0), (1, 2, 3, 4), ("t", "x", "y", "z"))

    def new(self) -> wk.Dataset:
        return wk.Dataset(self.tmp / f"dataset{next(self._numbers)}", voxel_size=(1, 1, 1))

    def layer(self, dataset: wk.Dataset | None = None, **options: Any) -> wk.Layer:
        options.setdefault("bounding_box", self.box())
        return (dataset or self.new()).add_layer("color", "color", **options)

    def mag(self, mag: Any = 1, **options: Any) -> wk.MagView:
        return self.layer(**options).add_mag(mag, chunk_shape=32, shard_shape=32)

    def send(self, data: np.ndarray, times: int = 1) -> None:
        with self.m.get_buffered_slice_writer() as writer:
            for _ in range(times):
                writer.send(data)

    def views_beyond_the_box(self) -> list[wk.View]:
        mag = self.mag(bounding_box=self.box((40, 40, 40)))
        mag.write(np.ones((40, 40, 40), "u1"))
        return list(mag.get_views_on_disk())


def check(world: World, types: Any, text: str, mistake: Any) -> None:
    """Make a mistake: its error is of all these types, and says this."""
    kinds = types if isinstance(types, tuple) else (types,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what has an older name, and of small chunks
        with pytest.raises(kinds[0]) as caught:
            mistake(world)
    assert all(isinstance(caught.value, kind) for kind in kinds)
    assert text in str(caught.value)
    # Python's own TypeError is for arguments that no method takes; all else is said on purpose.
    assert isinstance(caught.value, wk.errors.WkplugError) or kinds == (TypeError,)
