"""CloudVolume, Neuroglancer, ome-zarr and older Zarr read what is exported; what CloudVolume writes is imported."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wkplug as wk

PYTHON = Path(__file__).resolve().parents[2] / ".cache" / "peer-volumes" / "bin" / "python"
PICTURE = Path(__file__).parent / "peers" / "neuroglancer_picture.py"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

needs_volumes = pytest.mark.skipif(not PYTHON.exists(), reason="no environment: run `make peer-volumes`")
pytestmark = pytest.mark.peer

CORNER = (16, 8, 4)
SIZE = (100, 70, 40)


def run(script: str | Path, *arguments: object) -> list[str]:
    """Run a script, or a file with one; give the lines that it prints."""
    source = [str(script)] if isinstance(script, Path) else ["-c", script]
    done = subprocess.run(
        [PYTHON, "-W", "ignore", *source, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip().splitlines()


def layer_of(folder: Path, category: str, dtype: str, channels: int = 1) -> tuple[wk.Layer, Any]:
    """A layer of noise, or of blocks of ids, at CORNER; and its voxels."""
    dataset = wk.Dataset(folder / f"{category}_{dtype}_{channels}", (4, 4, 40))
    box = wk.BoundingBox(CORNER, SIZE)
    layer = dataset.add_layer("a", category, dtype=dtype, num_channels=channels, bounding_box=box)  # type: ignore[arg-type]
    if category == "segmentation":
        x, y, z = np.meshgrid(*(np.arange(length) // 10 for length in SIZE), indexing="ij")
        voxels = (1 + x + 20 * y + 200 * (z % 2)).astype(dtype)[None]
        if dtype == "uint64":
            voxels += np.uint64(2**40)
    else:
        high = 1000 if dtype == "float32" else np.iinfo(dtype).max
        voxels = np.random.default_rng(1).integers(1, high, (channels, *SIZE)).astype(dtype)
    layer.add_mag(1).write(voxels, absolute_offset=CORNER)
    layer.downsample()
    return layer, voxels


READ = """
import sys, numpy as np
from cloudvolume import CloudVolume
for url, target in zip(sys.argv[1::2], sys.argv[2::2]):
    volume = CloudVolume(url, progress=False)
    np.save(target, np.moveaxis(np.asarray(volume[:]), 3, 0))
    coarse = CloudVolume(url, mip=1, progress=False)
    print(volume.voxel_offset.tolist(), volume.resolution.tolist(), volume.layer_type, np.asarray(coarse[:]).shape[:3])
"""

CASES = [
    ("color", "uint8", 1), ("color", "uint8", 3), ("color", "uint16", 1), ("color", "uint32", 1), ("color", "int16", 1),
    ("color", "float32", 1), ("segmentation", "uint8", 1), ("segmentation", "uint16", 1), ("segmentation", "uint32", 1),
    ("segmentation", "uint64", 1),
]  # fmt: skip


@needs_volumes
@pytest.mark.filterwarnings("ignore:.*can't be shown by every viewer")
def test_cloudvolume_reads_all_dtypes_of_precomputed(tmp_path: Path) -> None:
    arguments: list[object] = []
    expected = []
    for number, case in enumerate(CASES):
        layer, voxels = layer_of(tmp_path, *case)
        layer.export(tmp_path / f"{number}.precomputed")
        arguments += [f"file://{tmp_path}/{number}.precomputed", tmp_path / f"{number}.npy"]
        expected.append(voxels)
    lines = run(READ, *arguments)
    for number, (line, (category, dtype, _)) in enumerate(zip(lines[-len(CASES) :], CASES, strict=True)):
        kind = "segmentation" if category == "segmentation" else "image"
        assert line == f"{list(CORNER)} [4.0, 4.0, 40.0] {kind} (50, 35, 40)", dtype
        assert np.array_equal(np.load(tmp_path / f"{number}.npy"), expected[number]), CASES[number]


WRITTEN = [
    ("color", "uint8", 3, {}), ("color", "float32", 1, {}), ("segmentation", "uint64", 1, {}),
    ("color", "uint16", 1, {"chunk_shape": 32, "shard_shape": 64}),
    ("segmentation", "uint32", 1, {"chunk_shape": 32, "shard_shape": 128}),
    ("color", "uint8", 1, {"chunk_shape": 32, "shard_shape": 64, "compress": False}),
]  # fmt: skip

READ_LAYERS = """
import sys, numpy as np
from cloudvolume import CloudVolume
for url, target in zip(sys.argv[1::2], sys.argv[2::2]):
    for mip in (0, 1):
        volume = CloudVolume(url, mip=mip, progress=False, fill_missing=True)
        np.save(f"{target}-{mip}.npy", np.moveaxis(np.asarray(volume[:]), 3, 0))
        print(volume.resolution.tolist(), volume.layer_type)
"""


@needs_volumes
@pytest.mark.filterwarnings("ignore:.*unusual")
def test_cloudvolume_reads_precomputed_layers(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "a", (4, 4, 40))
    arguments: list[object] = []
    for number, (category, dtype, channels, layout) in enumerate(WRITTEN):
        layer = dataset.add_layer(
            str(number),
            category,  # type: ignore[arg-type]
            dtype=dtype,
            num_channels=channels,
            data_format="neuroglancerPrecomputed",
            bounding_box=wk.BoundingBox((0, 0, 0), (100, 70, 40)),
        )
        voxels = np.random.default_rng(number).integers(1, 250, (channels, 100, 70, 40)).astype(dtype)
        layer.add_mag(1, **layout).write(voxels)
        layer.downsample(coarsest_mag=wk.Mag("2-2-1"))
        arguments += [f"file://{layer.path}", tmp_path / str(number)]
    lines = run(READ_LAYERS, *arguments)
    for number, (category, *_) in enumerate(WRITTEN):
        kind = "segmentation" if category == "segmentation" else "image"
        assert lines[2 * number : 2 * number + 2] == [f"[4.0, 4.0, 40.0] {kind}", f"[8.0, 8.0, 40.0] {kind}"]
        for mip, mag in enumerate(("1", "2-2-1")):
            expected = dataset.get_layer(str(number)).get_mag(mag).read()
            seen = np.load(tmp_path / f"{number}-{mip}.npy")
            assert np.array_equal(seen[tuple(slice(n) for n in expected.shape)], expected), (number, mag)


WRITE = """
import sys, numpy as np
from cloudvolume import CloudVolume
folder, data = sys.argv[1], np.load(sys.argv[2])[..., None]
cases = {
    "gzip": (True, [0, 0, 0], "raw", "image"), "plain": (None, [3, 0, 50], "raw", "image"),
    "moved": (True, [-10, 5, 0], "raw", "image"),
    "labels": (True, [0, 0, 0], "compressed_segmentation", "segmentation"),
}
for name, (compress, offset, encoding, kind) in cases.items():
    dtype = "uint32" if kind == "segmentation" else "uint16"
    made = CloudVolume.create_new_info
    info = made(1, kind, dtype, encoding, [4, 4, 40], offset, data.shape[:3], chunk_size=[16] * 3)
    volume = CloudVolume(f"file://{folder}/{name}", info=info, compress=compress, progress=False)
    volume.commit_info()
    volume[:, :, :] = data.astype(dtype)
"""


@needs_volumes
@pytest.mark.filterwarnings("ignore:.*it was moved to begin at 0")
def test_volumes_that_cloudvolume_writes_are_imported(tmp_path: Path) -> None:
    data = np.random.default_rng(2).integers(1, 60000, (40, 30, 20)).astype("uint16")
    np.save(tmp_path / "data.npy", data)
    run(WRITE, tmp_path, tmp_path / "data.npy")
    assert (tmp_path / "gzip" / "4_4_40" / "0-16_0-16_0-16.gz").exists()
    corners = {"gzip": (0, 0, 0), "plain": (3, 0, 50), "moved": (0, 5, 0), "labels": (0, 0, 0)}
    for name, corner in corners.items():
        dataset = wk.Dataset.from_images(tmp_path / name, tmp_path / f"{name}-imported", (4, 4, 40))
        layer = dataset.get_layer(name)
        assert layer.bounding_box == wk.BoundingBox(corner, (40, 30, 20))
        assert np.array_equal(layer.get_mag(1).read()[0], data)
        assert layer.category == ("segmentation" if name == "labels" else "color")


@needs_volumes
def test_older_zarr_and_cloudvolume_read_exported_n5(tmp_path: Path) -> None:
    layer, voxels = layer_of(tmp_path, "color", "uint16")
    layer.export(tmp_path / "a.n5")
    script = """
import sys, numpy as np, zarr
group = zarr.open_group(zarr.N5Store(sys.argv[1]), mode="r")
np.save(sys.argv[2], group["s0"][:].T)
print(group["s1"].shape, dict(group.attrs)["pixelResolution"])
"""
    (line,) = run(script, tmp_path / "a.n5", tmp_path / "a.npy")
    assert line == "(40, 35, 50) {'dimensions': [4.0, 4.0, 40.0], 'unit': 'nm'}"
    assert np.array_equal(np.load(tmp_path / "a.npy"), voxels[0])
    # CloudVolume takes the bytes of N5 for little endian ones: of one byte they are the same.
    layer, voxels = layer_of(tmp_path, "color", "uint8")
    layer.export(tmp_path / "b.n5")
    run(READ, f"n5://file://{tmp_path}/b.n5", tmp_path / "b.npy")
    assert np.array_equal(np.load(tmp_path / "b.npy"), voxels)


def test_ome_zarr_reads_an_exported_archive(tmp_path: Path) -> None:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    layer, voxels = layer_of(tmp_path, "color", "uint16")
    layer.export(tmp_path / "a.ozx")
    with zipfile.ZipFile(tmp_path / "a.ozx") as archive:
        archive.extractall(tmp_path / "a.zarr")
    place = parse_url(tmp_path / "a.zarr", mode="r")
    assert place is not None
    (node,) = Reader(place)()
    assert np.array_equal(np.asarray(node.data[0]).T, voxels[0]) or np.array_equal(
        np.asarray(node.data[0]).T, voxels.transpose(1, 2, 3, 0)
    )
    assert [array.shape[-3:] for array in node.data][:2] == [(40, 70, 100), (40, 35, 50)]


@needs_volumes
@pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium")
@pytest.mark.parametrize(
    ("category", "dtype"), [("color", "uint8"), ("color", "uint16"), ("segmentation", "uint64")]
)
def test_neuroglancer_draws_what_is_exported(tmp_path: Path, category: str, dtype: str) -> None:
    layer, voxels = layer_of(tmp_path, category, dtype)
    layer.export(tmp_path / "a.precomputed")
    kind = "image" if category == "color" else "segmentation"
    z = CORNER[2] + 15
    corner = ",".join(map(str, CORNER))
    run(PICTURE, tmp_path, "a.precomputed", kind, z, SIZE[0], SIZE[1], corner, tmp_path / "a.npy")
    picture = np.load(tmp_path / "a.npy").astype(int)
    plane = voxels[0, :, :, 15].T
    assert picture.shape[:2] == plane.shape
    if kind == "image":
        assert np.abs(picture[..., 0] - np.round(plane / np.iinfo(dtype).max * 255)).max() <= 1
        return
    colors = {number: {tuple(pixel[:3]) for pixel in picture[plane == number]} for number in np.unique(plane)}
    assert all(len(seen) == 1 for seen in colors.values()), json.dumps(
        {str(n): len(c) for n, c in colors.items()}
    )
    assert len(set().union(*colors.values())) == len(colors)
