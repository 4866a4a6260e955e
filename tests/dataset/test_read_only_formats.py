"""Formats that are only read, through views, against numpy: what other software wrote, with any axes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wkplug as wk
from wkplug.testing.profiles import examples

from .samples import Sample, dataset_of

if TYPE_CHECKING:
    from pathlib import Path

tensorstore = pytest.importorskip("tensorstore")

AXES = {
    "n5": (("c", "x", "y", "z"),
           ("x", "y", "z"), ("t", "x", "y", "z"), ("t", "c", "x", "y", "z"), ("z", "c", "y", "x")),
    "neuroglancerPrecomputed": (("c", "x", "y", "z"),),
}  # fmt: skip


def written(folder: Path, sample: Sample, voxels: np.ndarray) -> wk.Dataset:
    """A dataset as another writer leaves it; the arrays start at voxel 0."""
    whole = np.zeros([a + n for a, n in zip(sample.starts, sample.shape, strict=True)], sample.dtype)
    whole[tuple(slice(a, None) for a in sample.starts)] = voxels
    name = wk.Mag(sample.mag).to_layer_name()
    path = folder / "layer" / name
    if sample.data_format == "n5":
        array = tensorstore.open(
            {
                "driver": "n5",
                "kvstore": {"driver": "file", "path": f"{path}/"},
                "metadata": {
                    "dimensions": whole.shape,
                    "blockSize": [min(n, 8) for n in whole.shape],
                    "dataType": sample.dtype,
                    "compression": {"type": "gzip"},
                },
                "create": True,
            }
        ).result()
    else:
        whole = np.moveaxis(whole, 0, -1)
        array = tensorstore.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": {"driver": "file", "path": f"{path.parent}/"},
                "multiscale_metadata": {
                    "type": "image",
                    "data_type": sample.dtype,
                    "num_channels": sample.channels,
                },
                "scale_metadata": {
                    "key": name,
                    "size": whole.shape[:3],
                    "resolution": [1, 1, 1],
                    "encoding": "raw",
                    "chunk_size": [8, 8, 8],
                },
                "create": True,
            }
        ).result()
    array[...].write(whole).result()
    box = sample.box.normalize_axes(sample.channels).to_wkw_dict()
    axes, order = box.pop("additionalAxes", None), box.pop("axisOrder")
    layer: dict[str, Any] = {
        "name": "layer",
        "category": "color",
        "dataFormat": sample.data_format,
        "numChannels": box.pop("numChannels", 1),
        "boundingBox": box,
        "elementClass": f"uint{16 * sample.channels}",
        "mags": [{"mag": list(sample.mag), "path": f"./layer/{name}", "axisOrder": order}],
        **({"additionalAxes": axes} if axes else {}),
    }
    document = {"id": {"name": "a"}, "scale": [10, 10, 20], "dataLayers": [layer], "version": 1}
    (folder / "datasource-properties.json").write_text(json.dumps(document))
    return wk.Dataset.open(folder)


@pytest.mark.parametrize("data_format", AXES)
def test_what_others_wrote_is_read_by_every_way_of_reading(data_format: str, tmp_path: Path) -> None:
    number = 0

    @examples(10)
    @given(
        axes=st.sampled_from(AXES[data_format]),
        mag=st.sampled_from(((1, 1, 1), (2, 2, 1))),
        topleft=st.tuples(*(st.integers(0, 10),) * 3),
        size=st.tuples(*(st.integers(1, 12),) * 3),
        channels=st.sampled_from((1, 3)),
        dimension=st.sampled_from("xyz"),
    )
    def check(axes: Any, mag: Any, topleft: Any, size: Any, channels: int, dimension: str) -> None:
        nonlocal number
        number += 1
        sample = Sample(
            data_format,
            axes,
            mag=mag,
            topleft=topleft,
            size=size,
            channels=channels if "c" in axes else 1,
            shard=8,
        )
        expected = sample.voxels()
        layer = written(tmp_path / str(number), sample, expected).get_layer("layer")
        view = layer.get_mag(mag)
        assert view.data_format == data_format
        np.testing.assert_array_equal(view.read(), expected)
        np.testing.assert_array_equal(np.asarray(view[..., ::2]), expected[..., ::2])
        np.testing.assert_array_equal(view.to_dask().compute(), expected)
        beyond = tuple(n + 30 * (axis in "xyz") for n, axis in zip(sample.shape, axes, strict=True))
        found = view.read(absolute_bounding_box=sample.box_of(sample.starts, beyond))
        np.testing.assert_array_equal(found[tuple(slice(n) for n in sample.shape)], expected)
        assert found.sum() == expected.sum()
        parts = view.get_view(read_only=True).map_chunk(lambda chunk: int(chunk.read().sum()))
        assert sum(parts) == expected.sum()
        with view.get_buffered_slice_reader(dimension=dimension) as reader:
            assert sum(int(one.sum()) for one in reader) == expected.sum()
        with dataset_of((attrs.evolve(sample, data_format="zarr3", topleft=(0, 0, 0)), expected)) as (copy,):
            assert view.content_is_equal(copy)

    check()


@pytest.mark.parametrize("data_format", AXES)
def test_formats_that_are_only_read_refuse_writing_and_say_so(data_format: str, tmp_path: Path) -> None:
    sample = Sample(data_format, size=(8, 8, 8))
    voxels = sample.voxels()
    layer = written(tmp_path / "a", sample, voxels).get_layer("layer")
    with pytest.raises(RuntimeError, match="cannot be written to"):
        layer.get_mag(1).write(voxels)
    with pytest.raises(RuntimeError, match="cannot be created"):
        layer.add_mag(2)
    assert list(layer.mags) == [wk.Mag(1)]
    np.testing.assert_array_equal(layer.get_mag(1).read(), voxels)
