"""A layer in a bucket through a history of writes, changes of its box and re-openings, against numpy."""

from __future__ import annotations

import uuid
import warnings
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.request import Request, urlopen

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

import wkplug as wk
from tests.servers.emulators import moto as serve_s3
from wkplug.abc import locate
from wkplug.testing.profiles import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTENT = 40
KEYS = {"key": "AKIAKEY", "secret": "verysecret"}
boxes = st.tuples(*(st.tuples(st.integers(0, EXTENT - 1), st.integers(1, 20)),) * 3).map(
    lambda pairs: tuple((low, min(length, EXTENT - low)) for low, length in pairs)
)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URL of an empty bucket on a server of this module, whose keys are in the settings."""
    with (
        serve_s3() as host,
        wk.settings(storage={f"s3://{host}": {"endpoint_url": f"http://{host}", **KEYS}}),
    ):
        place = locate(f"s3://{host}/bucket-{uuid.uuid4().hex}", options=KEYS)
        urlopen(Request(place.url.replace("s3://", "http://"), method="PUT"), timeout=10).close()
        yield place.url


class History(RuleBasedStateMachine):
    bucket: ClassVar[str]
    data_format: ClassVar[str]
    backend: ClassVar[str]

    @initialize(mag=st.sampled_from(((1, 1, 1), (2, 2, 1))))
    def create(self, mag: tuple[int, int, int]) -> None:
        self.path = f"{self.bucket}/{uuid.uuid4().hex}"
        self.mag = mag
        self.voxels = np.zeros((1, EXTENT, EXTENT, EXTENT), "uint16")
        self.low, self.high = (0, 0, 0), (8, 8, 8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of WKW in buckets, and of small chunks
            dataset = wk.Dataset(self.path, voxel_size=(1, 1, 1), backends={self.data_format: self.backend})
            layer = dataset.add_layer(
                "a", "color", dtype="uint16", data_format=self.data_format, bounding_box=self._box()
            )
            self.view = layer.add_mag(mag, chunk_shape=8, shard_shape=8 if self.data_format == "zarr" else 16)

    def _mag1(self, values: Any) -> tuple[int, ...]:
        return tuple(a * m for a, m in zip(values, self.mag, strict=True))

    def _box(self) -> wk.BoundingBox:
        size = [b - a for a, b in zip(self.low, self.high, strict=True)]
        return wk.BoundingBox(self._mag1(self.low), self._mag1(size))

    def _slices(self, low: Any, size: Any) -> tuple[slice, ...]:
        return (slice(None), *(slice(a, a + n) for a, n in zip(low, size, strict=True)))

    @rule(box=boxes, seed=st.integers(0, 99))
    def write(self, box: Any, seed: int) -> None:
        low, size = zip(*box, strict=True)
        values = np.random.default_rng(seed).integers(0, 999, (1, *size)).astype("uint16")
        self.view.write(values, absolute_offset=self._mag1(low), allow_resize=True, allow_unaligned=True)
        self.voxels[self._slices(low, size)] = values
        self.low = tuple(min(pair) for pair in zip(self.low, low, strict=True))
        high = [a + n for a, n in zip(low, size, strict=True)]
        self.high = tuple(max(pair) for pair in zip(self.high, high, strict=True))
        assert self.view.layer.bounding_box == self._box()

    @rule(box=boxes)
    def write_outside_is_refused(self, box: Any) -> None:
        low, size = zip(*box, strict=True)
        if all(a <= b and b + n <= c for a, b, n, c in zip(self.low, low, size, self.high, strict=True)):
            return
        with pytest.raises(ValueError, match="does not fit in the layer's bounding box"):
            self.view.write(
                np.ones((1, *size), "uint16"), absolute_offset=self._mag1(low), allow_unaligned=True
            )

    @rule(box=boxes)
    def read(self, box: Any) -> None:
        low, size = zip(*box, strict=True)
        found = self.view.read(absolute_offset=self._mag1(low), size=self._mag1(size))
        np.testing.assert_array_equal(found, self.voxels[self._slices(low, size)])

    @rule()
    def open_again(self) -> None:
        self.view = (
            wk.Dataset.open(self.path, backends={self.data_format: self.backend})
            .get_layer("a")
            .get_mag(self.mag)
        )
        assert self.view.layer.bounding_box == self._box()

    @rule()
    def stored_boxes_hold_all_voxels(self) -> None:
        rest = self.voxels.copy()
        for box in self.view.get_bounding_boxes_on_disk():
            inside = box.in_mag(wk.Mag(self.mag))
            rest[self._slices(inside.topleft, inside.size)] = 0
        assert not rest.any()

    def teardown(self) -> None:
        if hasattr(self, "view"):
            size = [b - a for a, b in zip(self.low, self.high, strict=True)]
            np.testing.assert_array_equal(self.view.read(), self.voxels[self._slices(self.low, size)])
            dataset = self.view.layer.dataset
            dataset.delete_layer("a")
            assert wk.Dataset.open(self.path).layers == {}


@pytest.mark.parametrize(
    "backend", ["zarr3+tensorstore", "zarr3+zarr", "zarr+tensorstore", "zarr+zarr", "wkw+numpy"]
)
def test_histories_in_a_bucket_read_as_numpy_says(bucket: str, backend: str) -> None:
    data_format = backend.partition("+")[0]
    kind = type("OneHistory", (History,), {"bucket": bucket, "data_format": data_format, "backend": backend})
    run_state_machine_as_test(kind, settings=hypothesis.settings(examples(2), stateful_step_count=8))
