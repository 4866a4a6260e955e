"""How imports are cut into boxes, and that nothing of it shows in the voxels, the memory or the files."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import struct
import subprocess
import sys
import threading
import tracemalloc
import zlib
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wkplug as wk
from wkplug.errors import CorruptImageError, LayerExistsError, TooLargeError, UnsupportedOperationError
from wkplug.ops import images
from wkplug.ops.importing import boxes, chunking_plan, options
from wkplug.ops.importing.volume import Reading

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = st.integers(1, 300)
POWER = st.integers(0, 5).map(lambda number: 2**number)


def noise(shape: tuple[int, ...], dtype: str = "uint8") -> Any:
    return np.random.default_rng(0).integers(1, 250, shape).astype(dtype)


def tiled(path: Path, data: Any, tile: int = 64) -> Path:
    tifffile.imwrite(path, data, photometric="minisblack", tile=(tile, tile), compression="zlib")
    return path


def allow(monkeypatch: pytest.MonkeyPatch, count: int, workers: int = 2) -> None:
    """Let imports have so many bytes for voxels."""
    of = options.Budget.of

    def small(memory: Any, executor: Any = None) -> options.Budget:
        return options.Budget(count, workers, shared=of(memory, executor).shared)

    monkeypatch.setattr(options.Budget, "of", small)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_boxes_tile_the_images_and_never_cut_a_chunk(data: st.DataObject) -> None:
    chunk = tuple(data.draw(POWER) for _ in range(3))
    extent = chunking_plan.Extent(
        start=data.draw(st.tuples(LENGTH, LENGTH, LENGTH)),
        size=data.draw(st.tuples(LENGTH, LENGTH, LENGTH)),
        chunk=chunk,
        shard=tuple(length * data.draw(POWER) for length in chunk),
        block=data.draw(st.tuples(LENGTH, LENGTH, st.integers(1, 9))),
        voxel_bytes=data.draw(st.integers(1, 8)),
        source_bytes=data.draw(st.integers(1, 8)),
    )
    budget = data.draw(st.integers(10_000, 10**8))
    try:
        cut = chunking_plan.choose(extent, budget, data.draw(st.integers(1, 8)))
    except TooLargeError:
        return
    assert cut.bytes <= budget
    assert cut.decodes >= 1
    assert min(cut.in_flight, cut.readers) >= 1
    boxes = list(cut.boxes(extent))
    assert sum(math.prod(shape) for _, shape in boxes) == math.prod(extent.size)
    assert len({box[0] for box in boxes}) == len(boxes)
    every = [cut.steps(start[2] - extent.start[2], shape[2]) for start, shape in boxes]
    assert cut.num_steps(extent) == sum(map(len, every))
    for start, shape in boxes:
        for axis in range(3):
            low, stop = start[axis], start[axis] + shape[axis]
            assert low % chunk[axis] == 0 or low == extent.start[axis]
            assert stop % chunk[axis] == 0 or stop == extent.start[axis] + extent.size[axis]
        first = start[2] - extent.start[2]
        steps = cut.steps(first, shape[2])
        assert [part for step in steps for part in range(*step)] == list(range(first, first + shape[2]))


def test_what_a_shard_holds_already_is_counted_where_it_is_written_in_parts() -> None:
    extent = chunking_plan.Extent(
        start=(0, 0, 0), size=(20480, 20480, 48), chunk=(32, 32, 32), shard=(4096, 4096, 32),
        block=(512, 512, 1), voxel_bytes=1, source_bytes=1,
    )  # fmt: skip
    cut = chunking_plan.choose(extent, 815_000_000, 2)
    assert cut.bytes + cut.rewritten <= 815_000_000
    part, shard = math.prod(cut.box), math.prod(extent.shard)
    assert part < shard
    assert cut.rewritten == shard - part
    assert cut.bytes >= 3 * part
    assert cut.writers == 2  # they write to the same shard
    # No import is refused for the size of its shards, which fewer write at once.
    small = chunking_plan.choose(extent, 20_000_000, 2)
    assert small.bytes <= 20_000_000 < small.rewritten
    assert small.writers == 1
    whole = chunking_plan.choose(extent, 10**10, 2)
    assert whole.rewritten == 0


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.tuples(st.integers(1, 40), st.integers(60, 200), st.integers(60, 200)),
    topleft=st.tuples(st.integers(0, 70), st.integers(0, 70), st.integers(0, 40)),
    swap=st.booleans(),
    flips=st.tuples(st.booleans(), st.booleans()),
    data_format=st.sampled_from(["wkw", "zarr", "zarr3"]),
)
def test_cutting_never_shows_in_the_voxels(
    tmp_path_factory: pytest.TempPathFactory,
    size: tuple[int, int, int],
    topleft: tuple[int, int, int],
    swap: bool,
    flips: tuple[bool, bool],
    data_format: str,
) -> None:
    place = tmp_path_factory.mktemp("boxes")
    data = noise(size)
    path = tiled(place / "a.tif", data)
    shape: dict[str, Any] = {} if data_format == "zarr" else {"shard_shape": 64}
    with pytest.MonkeyPatch.context() as patch:
        allow(patch, 32 * 64 * 64 * 4)
        layer = wk.Dataset(place / "out", (1, 1, 1)).add_layer_from_images(
            path, "a", topleft=topleft, swap_xy=swap, flip_x=flips[0], flip_y=flips[0], flip_z=flips[1],
            data_format=data_format, **shape,
        )  # fmt: skip
    expected = data.transpose(1, 2, 0) if swap else data.transpose(2, 1, 0)
    axes = (*((0, 1) if flips[0] else ()), *((2,) if flips[1] else ()))
    assert np.array_equal(layer.get_mag(1).read()[0], np.flip(expected, axes))


def test_files_of_tiles_are_read_by_region_and_every_tile_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = noise((3, 512, 512))
    path = tiled(tmp_path / "a.tif", data)
    allow(monkeypatch, 300_000)
    read: list[int] = []
    original = Reading.region

    def counted(self: Reading, *args: Any) -> Any:
        region = original(self, *args)
        read.append(region.size)
        return region

    monkeypatch.setattr(Reading, "region", counted)
    layer = wk.Dataset(tmp_path / "out", (1, 1, 1)).add_layer_from_images(path, "a", shard_shape=128)
    assert np.array_equal(layer.get_mag(1).read()[0], data.T)
    assert sum(read) == data.size
    assert max(read) <= 300_000 // 2


def test_a_section_that_does_not_fit_is_decoded_for_every_box(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = noise((40, 256, 256))
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", compression="zlib", rowsperstrip=256)
    allow(monkeypatch, 4 * 256 * 256, workers=1)
    layer = wk.Dataset(tmp_path / "out", (1, 1, 1)).add_layer_from_images(tmp_path / "a.tif", "a")
    assert np.array_equal(layer.get_mag(1).read()[0], data.T)


@pytest.mark.parametrize("data_format", ["wkw", "zarr", "zarr3"])
def test_shards_of_zeros_are_not_stored(tmp_path: Path, data_format: str) -> None:
    data = np.zeros((40, 300, 300), "uint8")
    data[35, 150, 10] = 7
    shape: dict[str, Any] = {} if data_format == "zarr" else {"shard_shape": 32}
    layer = wk.Dataset(tmp_path / "out", (1, 1, 1)).add_layer_from_images(
        tiled(tmp_path / "a.tif", data), "a", "segmentation", data_format=data_format, **shape
    )
    stored = list(layer.get_mag(1).state.source.handle.stored_boxes())
    assert stored == [((0, 0, 128, 32), (1, 32, 32, 32))]
    assert np.array_equal(layer.get_mag(1).read()[0], data.T)
    assert layer.as_segmentation_layer().largest_segment_id == 7


def spawned() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


@pytest.mark.parametrize("make", [spawned, lambda: ThreadPoolExecutor(3)])
@pytest.mark.parametrize("shard", [32, 128])
def test_executors_of_the_standard_library_write_boxes_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, shard: int
) -> None:
    data = noise((70, 90, 100))
    path = tiled(tmp_path / "a.tif", data)
    allow(monkeypatch, 2_000_000)
    told: list[int] = []
    from wkplug.ops import images

    with make() as executor:
        dataset = wk.Dataset(tmp_path / "out", (1, 1, 1))
        images.add_layer_from_images(
            dataset.state,
            path,
            "a",
            options=images.ImportOptions(shard_shape=shard),
            executor=executor,
            progress=lambda done, total: told.append(total - done),
        )
    assert np.array_equal(dataset.get_layer("a").get_mag(1).read()[0], data.T)
    assert told[-1] == 0


def test_readers_that_threads_can_not_share_are_opened_for_each_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wkplug_tiff.reader import TiffImage

    opened: list[Any] = []
    used: dict[int, set[int]] = {}
    read, close = TiffImage.read, TiffImage.close
    closed: set[int] = set()

    def noted(self: Any, *args: Any, **options: Any) -> Any:
        used.setdefault(id(self), set()).add(threading.get_ident())
        opened.append(self)
        return read(self, *args, **options)

    def noted_close(self: Any) -> None:
        closed.add(id(self))
        close(self)

    monkeypatch.setattr(TiffImage, "thread_safe", False)
    monkeypatch.setattr(TiffImage, "read", noted)
    monkeypatch.setattr(TiffImage, "close", noted_close)
    data = noise((60, 90, 100))
    layer = wk.Dataset(tmp_path / "out", (1, 1, 1)).add_layer_from_images(
        tiled(tmp_path / "a.tif", data), "a", executor="threads"
    )
    assert np.array_equal(layer.get_mag(1).read()[0], data.T)
    assert all(len(threads) == 1 for threads in used.values())
    assert set(used) <= closed


def test_after_a_failure_the_same_call_goes_on_and_reads_mended_files_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = noise((100, 40, 50))
    folder = tmp_path / "in"
    folder.mkdir()
    for z, plane in enumerate(data):
        tifffile.imwrite(folder / f"s{z}.tif", plane, compression="zlib")
    whole = (folder / "s70.tif").read_bytes()
    (folder / "s70.tif").write_bytes(whole[:-500] + b"\xff" * 500)
    dataset = wk.Dataset(tmp_path / "out", (1, 1, 1))
    options: dict[str, Any] = {"batch_size": 32, "shard_shape": 32, "executor": "sequential"}
    with pytest.raises(CorruptImageError, match=r"s70\.tif"):
        dataset.add_layer_from_images(folder, "a", **options)
    # Something else under that name is refused, and this import isn't touched by it.
    with pytest.raises(LayerExistsError, match="another import has left unfinished"):
        dataset.add_layer_from_images(folder, "a", flip_z=True, **options)
    (folder / "s70.tif").write_bytes(whole)
    tifffile.imwrite(folder / "s3.tif", data[3] + 1, compression="zlib")
    begun: list[int] = []
    original = boxes.BoxWork.new_array

    def counted(self: Any, box: Any) -> Any:
        begun.append(box[0][-1])
        return original(self, box)

    monkeypatch.setattr(boxes.BoxWork, "new_array", counted)
    layer = wk.Dataset.open(tmp_path / "out").add_layer_from_images(folder, "a", **options)
    assert begun == [0, 64, 96]  # the first box because a file of it has changed since
    data[3] += 1
    assert np.array_equal(layer.get_mag(1).read()[0], data.transpose(2, 1, 0))
    with pytest.raises(LayerExistsError, match="already has a layer 'a'"):
        wk.Dataset.open(tmp_path / "out").add_layer_from_images(folder, "a", **options)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells the peak of a process's memory"
)
@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
def test_the_memory_of_the_process_stays_below_what_is_allowed(tmp_path: Path, data_format: str) -> None:
    path = tmp_path / "a.tif"
    shape = (40, 3072, 4096)  # 503 MB, almost all of it a hole in the file
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        writer.write(None, shape=shape, dtype="uint8", photometric="minisblack")
    pixels = tifffile.memmap(path)
    rng = np.random.default_rng(0)
    for z in range(0, 40, 5):
        pixels[z, :1000, :1000] = rng.integers(1, 250, (1000, 1000), "uint8")
    pixels.flush()
    code = (
        "import sys, wkplug\n"
        "layer = wkplug.Dataset.from_images(sys.argv[1], sys.argv[2], (1, 1, 1), data_format=sys.argv[3],\n"
        "    memory='400MB', layer_category='color', layer_name='a').get_layer('a')\n"
        "status = open('/proc/self/status').read()\n"
        "print(status.partition('VmHWM:')[2].split()[0])\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(path), str(tmp_path / "out"), data_format],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert int(told.stdout) * 1024 < 400_000_000
    layer = wk.Dataset.open(tmp_path / "out").get_layer("a")
    part = layer.get_mag(1).read(absolute_offset=(0, 0, 0), size=(4096, 3072, 6))[0]
    assert np.array_equal(part, pixels[:6].T)


def test_frames_do_not_go_to_other_processes(tmp_path: Path) -> None:
    from wkplug.ops.importing.readers import Frames

    with pytest.raises(UnsupportedOperationError, match="can't be sent to another process"):
        Frames(object()).__reduce__()


class Refusing(ThreadPoolExecutor):
    """Takes a few calls, the first of which waits for the others to be refused; then no more."""

    def __init__(self, calls: int) -> None:
        super().__init__(1)
        self.left = calls
        self.refused = threading.Event()
        self.ended = False

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not self.left:
            self.refused.set()
            raise RuntimeError("no more calls")
        self.left -= 1
        return super().submit(self._slowly, function, *args, **kwargs)

    def _slowly(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        self.refused.wait(60)
        result = function(*args, **kwargs)
        self.ended = True
        return result


def test_calls_that_run_are_waited_for_when_another_can_not_be_begun(tmp_path: Path) -> None:
    for index in range(4):
        tifffile.imwrite(tmp_path / f"s{index}.tif", noise((20, 30)))
    dataset = wk.Dataset(tmp_path / "out", (1, 1, 1))
    executor = Refusing(2)
    with pytest.raises(RuntimeError, match="no more calls"):
        dataset.add_layer_from_images(sorted(tmp_path.glob("*.tif")), "a", executor=executor)
    ended = executor.ended
    executor.shutdown()
    assert ended


def test_waiting_for_many_parts_asks_no_part_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Future[Any]] = []
    done = Future.done
    monkeypatch.setattr(Future, "done", lambda future: asked.append(future) or done(future))
    parts = 500

    class Many:
        """Work of boxes with many parts."""

        def new_array(self, box: Any) -> list[Any]:
            return []

        def parts_to_read(self, box: Any) -> list[Any]:
            return list(range(parts))

        def read(self, box: Any, array: Any, part: Any) -> None:
            array.append(part)

        parts_to_write = parts_to_read

        def write(self, box: Any, array: Any, part: Any) -> Any:
            assert sorted(array) == list(range(parts))
            return [(part, part)]

        def whole(self, box: Any) -> Any:
            raise AssertionError

    advanced: list[int] = []
    ended: list[Any] = []
    with ThreadPoolExecutor(2) as executor:
        boxes.Boxes(
            work=Many(), executor=executor, in_flight=2, in_order=True, advance=advanced.append,
            finished=lambda box, ranges: ended.append((box, len(ranges))),
        ).run([((0,), (1,)), ((1,), (1,)), ((2,), (1,))])  # fmt: skip
    assert ended == [(((start,), (1,)), parts) for start in range(3)]
    assert sum(advanced) == 3 * parts
    assert len(asked) <= 6 * parts


def test_what_a_header_claims_takes_no_memory(tmp_path: Path) -> None:
    """An array of a million sections of a million squared pixels, of which nothing is stored."""
    side = 10**6
    place = tmp_path / "a.zarr"
    zarr.create_array(
        place, shape=(side,) * 3, chunks=(64,) * 3, dtype="uint8", dimension_names=("z", "y", "x")
    )
    tracemalloc.start()
    try:
        plan = images.plan_import(
            place,
            tmp_path / "out",
            images.DatasetOptions(voxel_size=(1, 1, 1), layer_category="color"),
            options=images.ImportOptions(pyramid=True),
        )
        (volume,) = plan.volumes
        assert volume.num_steps >= (side // 4096) ** 2
        assert plan.bytes == side**3
        assert len(list(itertools.islice(volume.chunking.boxes(volume.extent), 1000))) == 1000
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_picture_that_is_too_large_is_refused_by_its_header(tmp_path: Path) -> None:
    """30,000 x 30,000 pixels of 16 bits, in as many bytes as they might be compressed to."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 16, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    pixels = b"IDAT" + bytes(2_000_000)
    ending = struct.pack(">I", len(pixels) - 4) + pixels + struct.pack(">I", zlib.crc32(pixels))
    (tmp_path / "a.png").write_bytes(start + ending)
    for category in (None, "color", "segmentation"):
        with pytest.raises(TooLargeError, match=r"at least 1\.9GB for the voxels alone") as caught:
            images.plan_import(
                tmp_path / "a.png",
                tmp_path / "out",
                images.DatasetOptions(voxel_size=(1, 1, 1), layer_category=category),
                options=images.ImportOptions(memory="1GB"),
            )
        assert 'memory="2.6GB"' in str(caught.value.hint)
    assert not (tmp_path / "out").exists()
