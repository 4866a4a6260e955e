"""Layers whose box is declared far larger than anything that is stored: work and memory go by what is stored."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from wkplug.cli.main import main
from wkplug.errors import ExportError, TooLargeError
from wkplug.ops.exporting import levels
from wkplug.ops.exporting.levels import all_cells

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from wkplug.abc import Box

EDGE = 10**9


@pytest.mark.parametrize("data_format", ["wkw", "zarr3", "zarr"])
def test_pyramids_of_nearly_empty_layers_take_no_longer(tmp_path: Path, data_format: str) -> None:
    dataset = wk.Dataset(tmp_path / "d", (1, 1, 1))
    layer = dataset.add_layer(
        "em",
        "color",
        dtype="uint8",
        data_format=data_format,
        bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64)),
    )
    shards = 32 if data_format == "zarr" else 64
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=shards)
    layer.bounding_box = wk.BoundingBox((0, 0, 0), (EDGE, EDGE, EDGE))
    layer.downsample(coarsest_mag=wk.Mag(4), interpolation_mode="bilinear", shard_shape=shards)
    voxels = np.random.default_rng(4).integers(0, 255, (64, 64, 64), dtype="uint8")
    places = [(0, 0, 0), (10**6, 64, 2**20), (64, 2**26, 0)]
    for place in places:
        mag.write(voxels, absolute_offset=place, allow_unaligned=True)
    for coarse in (2, 4):
        layer.delete_mag(coarse)
    layer.downsample(coarsest_mag=wk.Mag(4), interpolation_mode="bilinear", shard_shape=shards)
    expected = voxels.reshape(32, 2, 32, 2, 32, 2).mean((1, 3, 5))
    for place in places:
        found = layer.get_mag(2).read(absolute_offset=place, size=(64, 64, 64))[0]
        assert np.abs(found - expected).max() <= 0.5
        assert layer.get_mag(4).read(absolute_offset=place, size=(64, 64, 64)).any()
    copied = dataset.copy_dataset(tmp_path / "copy", data_format="zarr3", chunk_shape=32, shard_shape=64)
    assert copied.get_layer("em").get_mag(1).content_is_equal(mag)


VOXELS = np.random.default_rng(4).integers(1, 255, (64, 64, 64), dtype="uint8")
PLACES = [(0, 0, 0), (10**6, 64, 2**20), (64, 2**26, 128)]


def declared(path: Path, places: list[tuple[int, int, int]]) -> wk.Layer:
    """A layer of 10^9 cubed voxels, of which 64 cubed are stored at each place."""
    layer = wk.Dataset(path, (1, 1, 1)).add_layer(
        "em", "color", dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), (EDGE, EDGE, EDGE))
    )
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=64)
    for place in places:
        mag.write(VOXELS, absolute_offset=place, allow_unaligned=True)
    return layer


def stored_voxels(layer: wk.Layer, target: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Export, and count the voxels that are asked of the stored array."""
    count = 0
    read = levels.Stored.__call__

    def counted(self: levels.Stored, box: Box) -> NDArray[Any]:
        nonlocal count
        count += int(np.prod(box[1], dtype=object))
        return read(self, box)

    monkeypatch.setattr(levels.Stored, "__call__", counted)
    layer.export(target, executor="sequential")
    return count


def exported(target: Path, number: int) -> Any:
    """Open a resolution of an export; axes x, y, z."""
    tensorstore = pytest.importorskip("tensorstore")
    spec: dict[str, Any] = {"driver": target.suffix[1:], "kvstore": f"file://{target}/s{number}/"}
    if target.suffix == ".precomputed":
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": f"file://{target}/",
            "scale_index": number,
        }
    elif target.suffix == ".ozx":
        folder = target.with_suffix(".zarr")
        zipfile.ZipFile(target).extractall(folder)
        spec = {"driver": "zarr3", "kvstore": f"file://{folder}/{number}/"}
    array = tensorstore.open(spec).result()
    if target.suffix == ".precomputed":
        return array[..., 0]
    return array.T[..., 0] if target.suffix == ".ozx" else array


@pytest.mark.parametrize("suffix", ["n5", "ozx", "precomputed"])
def test_sparse_exports_take_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    places = PLACES[1:2]
    layer = declared(tmp_path / "d", places)
    target = tmp_path / f"out.{suffix}"
    # Pieces of 256 cubed around each place, once for themselves and once for the next resolution.
    assert stored_voxels(layer, target, monkeypatch) <= 2 * len(places) * 256**3
    size = sum(path.stat().st_size for path in [target, *target.rglob("*")] if path.is_file())
    assert size < 20 * VOXELS.size
    half = np.median(
        VOXELS.reshape(32, 2, 32, 2, 32, 2).transpose(0, 2, 4, 1, 3, 5).reshape(32, 32, 32, 8), -1
    )
    finest, coarser = exported(target, 0), exported(target, 1)
    for place in places:
        found = finest[tuple(slice(low, low + 64) for low in place)].read().result()
        np.testing.assert_array_equal(found, VOXELS)
        found = coarser[tuple(slice(low // 2, low // 2 + 32) for low in place)].read().result()
        assert np.abs(found - half).max() <= 1


@pytest.mark.parametrize("suffix", ["n5", "ozx", "precomputed"])
def test_exports_of_what_was_never_written_read_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    layer = declared(tmp_path / "d", [])
    assert stored_voxels(layer, tmp_path / f"out.{suffix}", monkeypatch) == 0
    assert not exported(tmp_path / f"out.{suffix}", 0)[:8, EDGE - 8 :, :8].read().result().any()


@pytest.mark.parametrize("target", ["out.ome.tif", "out"])
def test_dense_exports_beyond_the_disk_name_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    layer = declared(tmp_path / "d", PLACES[:2])
    monkeypatch.chdir(tmp_path)
    arguments = ["export", "d", target, *(["--format", "tiff-stack"] if target == "out" else [])]
    assert main(arguments) == 1
    told = capsys.readouterr().err
    files = "1 file" if target != "out" else "1,000,000,000 files"
    for part in (
        f"The export of 'em' would be {files} with",
        "because the format stores also what was never written;",
        "What is stored lies within (0, 0, 0) + (1000064, 128, 1048640).",
        "Export only a part, --bbox 0,0,0,1000064,128,1048640, or choose a format that leaves out what was never "
        "written (wkplug plugins lists all).",
    ):
        assert part in told
    with pytest.raises(ExportError, match=r"Export only a part, bounding_box=\(0, 0, 0, 1000064,"):
        layer.export(target, "tiff-stack")
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    layer.export(target, "tiff-stack", bounding_box=wk.BoundingBox(PLACES[1], (64, 64, 64)))
    assert len(list((tmp_path / target).iterdir())) == 64


def test_dense_exports_of_nothing_point_to_sparse_formats(tmp_path: Path) -> None:
    layer = declared(tmp_path / "d", [])
    with pytest.raises(
        ExportError, match=r"Nothing is stored in the mag 1\.\n.*Choose a format that leaves out"
    ):
        layer.export(tmp_path / "out.ome.tif")


def test_unlistable_boxes_beyond_reason_are_refused() -> None:
    text = (
        r"would go through 1,000,000,000 pieces, because it isn't known which of them are stored\.\n.*"
        r"Export a smaller box \(bounding_box=\.\.\.\), or copy the layer to a place that can be listed first\."
    )
    with pytest.raises(TooLargeError, match=text):
        all_cells((0, 0, 0), (EDGE, EDGE, 1), (EDGE // 10**5, EDGE // 10**4, 1))
