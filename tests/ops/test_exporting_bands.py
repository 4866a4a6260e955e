"""Planes as TIFF files, made of pieces far smaller than they are."""

from __future__ import annotations

import multiprocessing
import warnings
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import wkplug_tiff.exporting as pieces
import wkplug_tiff.segments as segments
from hypothesis import given, settings
from hypothesis import strategies as st

import wkplug as wk
from wkplug.ops.exporting import levels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# Most layers here lie away from the dataset's corner, or are segmentations: that is told, see the round trips.
pytestmark = pytest.mark.filterwarnings(r"ignore:\[WARNING\] Whoever reads:UserWarning")

CHUNK = 16


def layer_of(
    path: Path, topleft: tuple[int, ...], size: tuple[int, ...], channels: int = 1, dtype: str = "uint8"
) -> tuple[wk.Layer, NDArray[Any]]:
    """A layer of noise; of segments where the dtype is uint32."""
    dataset = wk.Dataset(path, voxel_size=(4, 4, 40))
    category = "segmentation" if dtype == "uint32" else "color"
    box = wk.BoundingBox(topleft, size)
    voxels = np.random.default_rng(0).integers(0, 200, (channels, *size)).astype(dtype)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A layer with|.*can't be shown by every viewer|.*is unusual")
        layer = dataset.add_layer("em", category, dtype=dtype, num_channels=channels, bounding_box=box)
        view = layer.add_mag(1, chunk_shape=CHUNK, shard_shape=4 * CHUNK)
    view.write(voxels, absolute_offset=topleft, allow_unaligned=True)
    return layer, voxels


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces are no larger than they have to be, and everything goes through files."""
    monkeypatch.setattr(pieces, "_PIECE_BYTES", 1)
    monkeypatch.setattr(segments, "_SPOOL_BYTES", 1)
    monkeypatch.setattr("wkplug_tiff.ome._TILE", 32)
    monkeypatch.setattr("wkplug_tiff.stack._STRIP_BYTES", 1200)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The boxes that are read of stored arrays, in their own voxels."""
    boxes: list[Any] = []
    read = levels.Stored.__call__

    def recorded(self: Any, box: Any) -> NDArray[Any]:
        boxes.append((tuple(a + b for a, b in zip(self.start, box[0], strict=True)), box[1]))
        return read(self, box)

    monkeypatch.setattr(levels.Stored, "__call__", recorded)
    return boxes


def touched(boxes: list[Any]) -> dict[tuple[int, ...], int]:
    """How often each chunk was read."""
    found: dict[tuple[int, ...], int] = {}
    for start, shape in boxes:
        spans = [
            range(a // CHUNK, (a + n - 1) // CHUNK + 1) for a, n in zip(start[1:], shape[1:], strict=True)
        ]
        for x in spans[0]:
            for y in spans[1]:
                for z in spans[2]:
                    found[x, y, z] = found.get((x, y, z), 0) + 1
    return found


SHAPES = st.tuples(st.integers(1, 90), st.integers(1, 90), st.integers(1, 20))
PLACES = st.tuples(*(st.integers(0, 40),) * 3)


@pytest.mark.usefixtures("narrow")
@settings(max_examples=12, deadline=None)
@given(
    topleft=PLACES,
    size=SHAPES,
    channels=st.sampled_from([1, 2, 3]),
    dtype=st.sampled_from(["uint8", "uint16", "float32", "uint32"]),
)
def test_pieces_make_the_planes_that_numpy_has(
    tmp_path_factory: pytest.TempPathFactory,
    topleft: tuple[int, ...],
    size: tuple[int, ...],
    channels: int,
    dtype: str,
) -> None:
    folder = tmp_path_factory.mktemp("bands")
    layer, voxels = layer_of(folder / "ds", topleft, size, channels, dtype)
    layer.export(folder / "a.ome.tif")
    with tifffile.TiffFile(folder / "a.ome.tif") as file:
        levels = [level.asarray(squeeze=False) for level in file.series[0].levels]
    colors = channels == 3 and dtype == "uint8"  # samples of one channel
    expected = voxels.transpose(3, 2, 1, 0) if colors else voxels.transpose(0, 3, 2, 1)
    np.testing.assert_array_equal(levels[0].reshape(expected.shape), expected)

    layer.export(folder / "stack", "tiff_stack")
    files = sorted((folder / "stack").iterdir(), key=lambda path: int(path.stem))
    assert [int(path.stem) for path in files] == list(range(topleft[2], topleft[2] + size[2]))
    stack = [tifffile.imread(path).reshape(size[1], size[0], channels) for path in files]
    np.testing.assert_array_equal(np.stack(stack).transpose(3, 2, 1, 0), voxels)

    layer.export(folder / "tiles", "tiff_stack", tile_size=(20, 33))
    for z, y, x in ((0, 0, 0), (size[2] - 1, (size[1] - 1) // 33, (size[0] - 1) // 20)):
        found = tifffile.imread(folder / "tiles" / files[z].stem / str(y + 1) / f"{x + 1}.tiff")
        part = voxels[:, x * 20 : x * 20 + 20, y * 33 : y * 33 + 33, z].transpose(2, 1, 0)
        padded = np.pad(part, [(0, 33 - part.shape[0]), (0, 20 - part.shape[1]), (0, 0)])
        np.testing.assert_array_equal(found.reshape(33, 20, channels), padded)


@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 1), ("uint8", 3), ("uint16", 2), ("uint32", 1)])
@pytest.mark.parametrize("options", [{}, {"scale_down": 3}, {"tile_size": 25, "scale_down": 2}])
def test_files_are_the_same_whether_planes_are_made_whole_or_of_pieces(
    tmp_path: Path, request: pytest.FixtureRequest, dtype: str, channels: int, options: dict[str, int]
) -> None:
    layer, _ = layer_of(tmp_path / "ds", (5, 7, 9), (95, 83, 18), channels, dtype)
    layer.export(tmp_path / "whole", "tiff_stack", **options)
    layer.export(tmp_path / "whole.tif", downsample=not options)
    request.getfixturevalue("narrow")
    boxes = request.getfixturevalue("reads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wkplug_tiff.ome._TILE", 512)
        layer.export(tmp_path / "pieces.tif", downsample=not options)
        patch.setattr("wkplug_tiff.stack._STRIP_BYTES", 1 << 18)
        if dtype == "uint32":
            patch.setattr("wkplug_tiff.stack._STRIP_BYTES", 1 << 11)
        boxes.clear()
        layer.export(tmp_path / "pieces", "tiff_stack", **options)
    assert max(shape[2] for _, shape in boxes) < 83
    names = [path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*.tiff")]
    assert len(names) >= 18
    for name in names:
        with (
            tifffile.TiffFile(tmp_path / "whole" / name) as whole,
            tifffile.TiffFile(tmp_path / "pieces" / name) as parts,
        ):
            np.testing.assert_array_equal(parts.asarray(), whole.asarray())
            for code in (256, 257, 258, 259, 262, 277, 282, 283, 284, 296, 338, 339):
                assert parts.pages[0].tags.valueof(code) == whole.pages[0].tags.valueof(code)
    with (
        tifffile.TiffFile(tmp_path / "whole.tif") as whole,
        tifffile.TiffFile(tmp_path / "pieces.tif") as parts,
    ):
        assert parts.ome_metadata.split("UUID")[0] == whole.ome_metadata.split("UUID")[0]
        for a, b in zip(parts.series[0].levels, whole.series[0].levels, strict=True):
            np.testing.assert_array_equal(a.asarray(), b.asarray())


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("topleft", [(0, 0, 0), (3, 5, 7), (16, 32, 8)])
@pytest.mark.parametrize(("name", "dtype"), [("a.ome.tif", "uint8"), ("stack", "uint8"), ("stack", "uint32")])
def test_the_most_that_is_read_at_once_is_a_row_of_chunks_or_tiles_and_chunks_are_read_once(
    tmp_path: Path, reads: list[Any], topleft: tuple[int, ...], name: str, dtype: str
) -> None:
    size = (150, 190, 40)
    layer, _ = layer_of(tmp_path / "ds", topleft, size, dtype=dtype)
    layer.export(tmp_path / name, "ome_tiff" if "." in name else "tiff_stack", downsample=False)
    largest = max(int(np.prod(shape)) for _, shape in reads)
    assert largest <= (32 * 32 * CHUNK if "." in name else size[0] * CHUNK * CHUNK)
    counts = touched(reads)
    if name == "stack" and dtype == "uint8":
        assert set(counts.values()) == {1}  # rows are cut where chunks are
    aligned = all(place % 32 == 0 for place in topleft[:2])
    if name == "a.ome.tif" and aligned:
        assert set(counts.values()) == {1}
    # Tiles and strips are counted from the box's corner: they share the chunks at their borders with their neighbours.
    assert max(counts.values()) <= 4
    assert sum(int(np.prod(shape)) for _, shape in reads) == int(np.prod(size))


def test_deep_rows_of_chunks_that_take_too_much_are_cut_along_z(
    tmp_path: Path, reads: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, voxels = layer_of(tmp_path / "ds", (0, 0, 0), (150, 40, 32))
    monkeypatch.setattr(pieces, "_PIECE_BYTES", 1)
    monkeypatch.setattr(pieces, "_MOST_BYTES", 150 * CHUNK * 4)
    layer.export(tmp_path / "stack", "tiff_stack")
    assert max(shape[3] for _, shape in reads) == 4
    assert max(int(np.prod(shape)) for _, shape in reads) <= 150 * CHUNK * 4
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "stack" / "07.tiff").T, voxels[0, :, :, 7])


@pytest.mark.usefixtures("narrow")
def test_pieces_are_made_in_processes_too_and_leave_no_files(tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        for dtype in ("uint8", "uint32"):
            folder = tmp_path / dtype
            layer, voxels = layer_of(tmp_path / f"{dtype}-ds", (0, 0, 0), (70, 90, 3), dtype=dtype)
            layer.export(folder / "a.tif", executor=executor, downsample=False)
            layer.export(folder / "stack", "tiff_stack", executor=executor)
            np.testing.assert_array_equal(tifffile.imread(folder / "a.tif").transpose(2, 1, 0), voxels[0])
            last = tifffile.imread(folder / "stack" / "2.tiff")
            np.testing.assert_array_equal(last.T, voxels[0, :, :, 2])
            assert {path.name for path in folder.iterdir()} == {"a.tif", "stack"}
            assert {path.name for path in (folder / "stack").iterdir()} == {"0.tiff", "1.tiff", "2.tiff"}


@settings(max_examples=200, deadline=None)
@given(
    start=st.integers(0, 200),
    length=st.integers(1, 500),
    unit=st.integers(1, 70),
    chunk=st.integers(1, 70),
    most=st.integers(1, 200),
)
def test_cuts_tile_the_length_at_multiples_of_the_unit_and_never_grow(
    start: int, length: int, unit: int, chunk: int, most: int
) -> None:
    found = pieces.cuts(start, length, unit=unit, chunk=chunk, most=most)
    assert [first for first, _ in found] == [0, *(stop for _, stop in found[:-1])]
    assert found[-1][1] == length
    assert all(first % unit == 0 for first, _ in found)
    assert max(stop - first for first, stop in found) <= max(most, chunk + unit - 1) + unit
    if unit == 1:
        assert all((start + first) % chunk == 0 for first, _ in found[1:])
