"""Damage, deletion, forks, full disks: each a specific error, never zeros, never a hang."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorstore
from wkplug_tensorstore.backends import Zarr2Backend, Zarr3Backend
from wkplug_tensorstore.failures import sort_failure

from wkplug import storage
from wkplug.abc import Array, ArraySpec, Box
from wkplug.errors import (
    ConflictError,
    CorruptDataError,
    DtypeMismatchError,
    ForbiddenError,
    InvalidArgumentError,
    MissingError,
    OutOfBoundsError,
    ReadOnlyError,
    ShapeMismatchError,
    StorageError,
    StorageFullError,
    UnsupportedOperationError,
    WkplugError,
)

if TYPE_CHECKING:
    from wkplug.filesystems.local import LocalLocation

Make = Callable[..., ArraySpec]
SHARD: Box = ((0, 0, 0, 0), (1, 32, 32, 32))
VOXELS = np.random.default_rng(3).integers(1, 999, SHARD[1]).astype(np.uint16)


@pytest.fixture
def array(place: LocalLocation, make_spec: Make) -> Array:
    made = Zarr3Backend().create(place, make_spec())
    made.write(SHARD, VOXELS)
    return made


@pytest.fixture
def shard(place: LocalLocation, array: Array) -> Path:
    return Path(place.local_path()) / "c/0/0/0/0"


def fails(array: Array, kind: type[WkplugError] = CorruptDataError) -> WkplugError:
    with pytest.raises(kind) as caught:
        array.read(SHARD)
    return caught.value


# --- damage -------------------------------------------------------------------------------------------------


def test_a_damaged_shard_is_an_error_that_names_it(array: Array, shard: Path) -> None:
    whole = shard.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1], b"\0" * len(whole)):
        shard.write_bytes(damaged)
        assert str(shard) in str(fails(array))
    shard.write_bytes(whole)
    np.testing.assert_array_equal(array.read(SHARD), VOXELS)


@pytest.mark.parametrize("compressed", [True, False])
def test_every_flipped_bit_is_noticed(place: LocalLocation, make_spec: Make, compressed: bool) -> None:
    array = Zarr3Backend().create(place, make_spec(compressed=compressed))
    array.write(SHARD, VOXELS)
    shard = Path(place.local_path()) / "c/0/0/0/0"
    whole = shard.read_bytes()
    generator = np.random.default_rng(4)
    for place_in_file in generator.integers(0, len(whole), 40):
        damaged = bytearray(whole)
        damaged[place_in_file] ^= 1 << int(generator.integers(8))
        shard.write_bytes(damaged)
        fails(array)


def test_a_folder_in_place_of_a_shard_is_not_read_as_zeros(array: Array, shard: Path) -> None:
    shard.unlink()
    assert not array.read(SHARD).any()
    shard.mkdir()
    assert "is a folder" in str(fails(array))
    with pytest.raises(CorruptDataError, match="is a folder"):
        array.read(((0, 16, 16, 16), (1, 40, 40, 40)))
    with pytest.raises(CorruptDataError, match="Is a directory") as caught:
        array.write(SHARD, VOXELS)
    assert str(shard) in str(caught.value)


def test_a_folder_in_place_of_a_chunk_is_noticed_in_version_2(place: LocalLocation, make_spec: Make) -> None:
    array = Zarr2Backend().create(place, make_spec(shard_shape=(1, 16, 16, 16)))
    array.write(SHARD, VOXELS)
    chunk = Path(place.local_path()) / "0/1/0/1"
    chunk.unlink()
    chunk.mkdir()
    assert str(chunk) in str(fails(array))


def test_a_folder_in_place_of_the_metadata_is_an_error(place: LocalLocation) -> None:
    place.child("zarr.json").make_folder()
    with pytest.raises(StorageError):
        Zarr3Backend().open(place)


# --- gone, replaced, resized --------------------------------------------------------------------------------


def test_a_deleted_array_is_missing_and_is_not_written_to(array: Array, place: LocalLocation) -> None:
    place.delete(recursive=True)
    assert "was deleted while it was open" in str(fails(array, MissingError))
    with pytest.raises(MissingError, match="was deleted"):
        array.write(SHARD, VOXELS)
    assert not place.exists()


def test_an_array_that_took_anothers_place_is_not_read_through_the_old_handle(
    array: Array, place: LocalLocation, make_spec: Make
) -> None:
    token = pickle.dumps(array)
    place.delete(recursive=True)
    Zarr3Backend().create(place, make_spec(dtype="uint8"))
    fails(array, ConflictError)
    with pytest.raises(ConflictError, match="was replaced"):
        array.write(SHARD, VOXELS)
    fails(pickle.loads(token), ConflictError)


def test_an_equal_array_in_the_same_place_goes_on(
    array: Array, place: LocalLocation, make_spec: Make
) -> None:
    place.delete(recursive=True)
    Zarr3Backend().create(place, make_spec())
    assert not array.read(SHARD).any()
    array.write(SHARD, VOXELS)
    np.testing.assert_array_equal(Zarr3Backend().open(place).read(SHARD), VOXELS)


def test_shrinking_deletes_nothing_and_growing_shows_it_again(array: Array, place: LocalLocation) -> None:
    inside: Box = ((0, 0, 0, 0), (1, 20, 32, 32))
    array.resize((1, 20, 64, 64))
    assert array.spec.shape == (1, 20, 64, 64)
    np.testing.assert_array_equal(array.read(inside), VOXELS[:, :20])
    with pytest.raises(OutOfBoundsError, match="leaves the array"):
        array.read(SHARD)
    with pytest.raises(OutOfBoundsError, match="leaves the array"):
        array.write(SHARD, VOXELS)
    array.resize((1, 100, 64, 64))
    np.testing.assert_array_equal(array.read(SHARD), VOXELS)
    assert Zarr3Backend().open(place).spec.shape == (1, 100, 64, 64)
    for shape in ((1, 2, 3), (1, -2, 64, 64), (1, None, 64, 64)):
        with pytest.raises(InvalidArgumentError, match="is no shape"):
            array.resize(shape)


def test_resizing_keeps_the_rest_of_the_metadata(array: Array, place: LocalLocation) -> None:
    file = place.child("zarr.json")
    before = json.loads(file.read()) | {"attributes": {"mine": [1]}}
    file.write(json.dumps(before).encode())
    array.resize((1, 96, 64, 64))
    assert json.loads(file.read()) == before | {"shape": [1, 96, 64, 64]}


def test_another_handles_resize_leaves_this_one_as_it_was(array: Array, place: LocalLocation) -> None:
    Zarr3Backend().open(place, "r+").resize((1, 128, 128, 128))
    np.testing.assert_array_equal(array.read(SHARD), VOXELS)
    array.write(SHARD, VOXELS + 1)
    assert array.spec.shape == (1, 64, 64, 64)
    array.close()
    array.read(SHARD)
    assert array.spec.shape == (1, 128, 128, 128)


def test_another_process_writes_are_seen_despite_the_cache(array: Array, place: LocalLocation) -> None:
    script = f"""
        import numpy as np
        from wkplug.filesystems.local import LocalLocation
        from wkplug_tensorstore.backends import Zarr3Backend
        array = Zarr3Backend().open(LocalLocation({place.local_path()!r}), "r+")
        array.write({SHARD!r}, np.full({SHARD[1]!r}, 7, np.uint16))
    """
    array.read(SHARD)
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)
    assert (array.read(SHARD) == 7).all()


# --- wrong calls --------------------------------------------------------------------------------------------


def test_wrong_data_are_refused(array: Array) -> None:
    with pytest.raises(ShapeMismatchError, match="shape"):
        array.write(SHARD, VOXELS[:, :1])
    with pytest.raises(ShapeMismatchError, match="shape"):
        array.read(SHARD, out=np.zeros((1, 2, 3, 4), np.uint16))
    for data in (VOXELS.astype(np.uint8), VOXELS.astype(np.float32)):
        with pytest.raises(DtypeMismatchError, match="holds uint16"):
            array.write(SHARD, data)
        with pytest.raises(DtypeMismatchError, match="holds uint16"):
            array.read(SHARD, out=data)
    with pytest.raises(OutOfBoundsError):
        array.read(((0, -1, 0, 0), (1, 2, 2, 2)))


def test_reading_handles_do_not_write(array: Array, place: LocalLocation) -> None:
    reader = Zarr3Backend().open(place)
    with pytest.raises(ReadOnlyError, match="reading only"):
        reader.write(SHARD, VOXELS)
    with pytest.raises(ReadOnlyError, match="reading only"):
        reader.resize((1, 2, 2, 2))


def test_large_boxes_go_into_out_of_any_strides(place: LocalLocation, make_spec: Make) -> None:
    array = Zarr3Backend().create(place, make_spec(shape=(1, 96, 96, 96)))
    data = np.random.default_rng(5).integers(1, 99, (1, 96, 96, 96)).astype(np.uint16)
    box: Box = ((0, 0, 0, 0), data.shape)
    array.write(box, data[:, ::-1][:, ::-1])
    wide = np.zeros((1, 96, 192, 96), np.uint16)
    for out in (wide[:, :, ::2], np.zeros_like(data)[:, ::-1], np.zeros(data.shape, np.uint16, order="F")):
        assert array.read(box, out=out) is out
        np.testing.assert_array_equal(out, data)
    assert not wide[:, :, 1::2].any()


# --- processes ----------------------------------------------------------------------------------------------


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process of its own; test modules have no name that a spawned worker could import."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_handles_pickle_small_and_open_lazily_in_spawned_processes(
    array: Array, place: LocalLocation
) -> None:
    token = pickle.dumps(array)
    assert len(token) < 1024
    np.testing.assert_array_equal(pickle.loads(token).read(SHARD), VOXELS)
    again = pickle.loads(pickle.dumps(pickle.loads(token)))
    assert again.spec == array.spec
    script = """
        import pickle, sys
        print(int(pickle.loads(bytes.fromhex(sys.argv[1])).read(((0, 0, 0, 0), (1, 32, 32, 32))).sum()))
    """
    printed, _ = python(script, token.hex()).communicate(timeout=60)
    assert int(printed) == int(VOXELS.sum())
    place.delete(recursive=True)
    fails(pickle.loads(token), MissingError)


FORKED = """
    import os, pickle, sys
    from wkplug.filesystems.local import LocalLocation
    from wkplug.errors import ForkError
    from wkplug_tensorstore.backends import Zarr2Backend, Zarr3Backend
    place = LocalLocation(sys.argv[1])
    backend = Zarr3Backend()
    array = backend.open(place)
    box = ((0, 0, 0, 0), (1, 32, 32, 32))
    if sys.argv[2] == "used":
        array.read(box)
    token = pickle.dumps(array)
    uses = {
        "read": lambda: array.read(box),
        "resize": lambda: array.resize((1, 2, 2, 2)),
        "list": lambda: list(array.stored_boxes()),
        "open": lambda: backend.open(place),
        "other settings": lambda: Zarr3Backend({"cache_bytes": 0}).open(place),
        "native": lambda: array.native_handle(),
        "unpickled": lambda: pickle.loads(token).read(box),
    }
    pid = os.fork()
    if not pid:
        refused = 0
        for use in uses.values():
            try:
                use()
            except ForkError as error:
                refused += "spawn" in str(error)
        array.close()
        backend.probe(place)
        os._exit(refused)
    _, status = os.waitpid(pid, 0)
    array.read(box)
    print(os.waitstatus_to_exitcode(status), len(uses))
"""


@pytest.mark.faults
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")
@pytest.mark.parametrize("how", ["used", "opened"])
def test_a_forked_child_gets_an_error_for_every_use(array: Array, place: LocalLocation, how: str) -> None:
    command = [sys.executable, "-c", textwrap.dedent(FORKED), place.local_path(), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    refused, uses = done.stdout.split()
    assert refused == uses, done.stderr


@pytest.mark.faults
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")
def test_a_child_forked_before_the_first_use_works(array: Array, place: LocalLocation) -> None:
    script = """
        import os, sys
        from wkplug.filesystems.local import LocalLocation
        from wkplug_tensorstore.backends import Zarr3Backend
        backend, place = Zarr3Backend(), LocalLocation(sys.argv[1])
        assert not backend.problems(None, place, "r") and "tensorstore" not in sys.modules
        pid = os.fork()
        total = int(backend.open(place).read(((0, 0, 0, 0), (1, 32, 32, 32))).sum())
        if not pid:
            os._exit(int(total != int(sys.argv[2])))
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), place.local_path(), str(int(VOXELS.sum()))]
    subprocess.run(command, check=True, timeout=60)


STRIPES = """
    import pickle, sys
    import numpy as np
    array = pickle.loads(bytes.fromhex(sys.argv[1]))
    for x in range(int(sys.argv[2]), 64, 4):
        array.write(((0, x, 3, 5), (1, 1, 57, 53)), np.full((1, 1, 57, 53), x + 1, np.uint16))
"""


@pytest.mark.faults
@pytest.mark.parametrize("backend", [Zarr3Backend, Zarr2Backend])
def test_processes_write_parts_of_one_chunk_and_lose_nothing(
    place: LocalLocation, make_spec: Make, backend: Any
) -> None:
    shard = (1, 64, 64, 64) if backend is Zarr3Backend else (1, 16, 16, 16)
    array = backend({"sync": False}).create(place, make_spec(shard_shape=shard))
    workers = [python(STRIPES, pickle.dumps(array).hex(), first) for first in range(4)]
    assert [worker.communicate(timeout=120) and worker.returncode for worker in workers] == [0] * 4
    expected = np.zeros((1, 64, 64, 64), np.uint16)
    expected[:, :, 3:60, 5:58] = np.arange(1, 65, dtype=np.uint16)[None, :, None, None]
    np.testing.assert_array_equal(array.read(((0, 0, 0, 0), expected.shape)), expected)


# --- places -------------------------------------------------------------------------------------------------

FULL = """
    import resource, signal, sys
    import numpy as np
    from wkplug.filesystems.local import LocalLocation
    from wkplug.errors import StorageFullError
    from wkplug_tensorstore.backends import Zarr3Backend
    array = Zarr3Backend().open(LocalLocation(sys.argv[1]), "r+")
    box = ((0, 0, 0, 0), (1, 32, 32, 32))
    old = array.read(box)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        array.write(box, np.random.default_rng(0).integers(0, 65535, box[1]).astype(np.uint16))
    except StorageFullError as error:
        assert "Free some space" in str(error)
        assert (array.read(box) == old).all()
        print("full")
"""


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files the way Linux does")
def test_no_space_is_said_and_the_old_shard_stays(array: Array, place: LocalLocation) -> None:
    command = [sys.executable, "-c", textwrap.dedent(FULL), place.local_path()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "full"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_forbidden(array: Array, shard: Path) -> None:
    shard.parent.chmod(0o500)
    try:
        with pytest.raises(ForbiddenError, match="could not be written"):
            array.write(SHARD, VOXELS)
    finally:
        shard.parent.chmod(0o700)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("NOT_FOUND: chunk {0} is missing", MissingError),
        ("PERMISSION_DENIED: no", ForbiddenError),
        ("UNAUTHENTICATED: who", ForbiddenError),
        ("RESOURCE_EXHAUSTED: quota", StorageFullError),
        ("DATA_LOSS: bad", CorruptDataError),
        ("FAILED_PRECONDITION: Error reading shard index", CorruptDataError),
        ("FAILED_PRECONDITION: Error reading http://h/0: Unknown [HTTP code 404]", StorageError),
        ("UNKNOWN: disk [os_error_code='28']", StorageFullError),
        ("INTERNAL: disk [os_error_code='13']", ForbiddenError),
        ("INTERNAL: disk [os_error_code='30']", ForbiddenError),
        ("INTERNAL: files [os_error_code='24']", StorageError),
        ("OUT_OF_RANGE: too far", OutOfBoundsError),
        ("UNIMPLEMENTED: no lists here", UnsupportedOperationError),
        ("ABORTED: All 2 retry attempts failed", StorageError),
        ("anything else", StorageError),
    ],
)
def test_the_engines_texts_are_sorted(text: str, kind: type[WkplugError]) -> None:
    error = sort_failure(ValueError(text), "read", "/some/place")
    assert type(error) is kind
    assert "/some/place could not be read" in str(error)


def test_a_scratch_copy_of_an_array_is_one(array: Array, place: LocalLocation) -> None:
    copy = place.parent.child("copy")
    shutil.copytree(place.local_path(), copy.local_path())
    np.testing.assert_array_equal(Zarr3Backend().open(copy).read(SHARD), VOXELS)


@pytest.mark.parametrize(
    "metadata",
    [
        {"driver": "n5", "metadata": {"compression": {"type": "raw"}, "blockSize": [10, 10, 10]}},
        {"driver": "n5", "metadata": {"compression": {"type": "gzip"}, "blockSize": [10, 10, 10]}},
        {"driver": "zarr", "metadata": {"compressor": None, "chunks": [10, 10, 10]}},
    ],
)
def test_chunks_that_are_gzipped_as_files_are_called_that(tmp_path: Path, metadata: dict[str, Any]) -> None:
    place = tmp_path / "a"
    size = (
        {"dimensions": [20] * 3, "dataType": "uint16"} if metadata["driver"] == "n5" else {"shape": [20] * 3}
    )
    spec = {**metadata, "kvstore": f"file://{place}/", "create": True, "dtype": "uint16"}
    spec["metadata"] = {**metadata["metadata"], **size}
    tensorstore.open(spec).result()[...] = 7
    array = storage.open_array(storage.locate(place), metadata["driver"], axes=("x", "y", "z"))
    assert array.read(((0, 0, 0), (20, 20, 20))).min() == 7
    (chunk,) = [file for file in (place / "0" / "0" / "0", place / "0.0.0") if file.exists()]
    whole = chunk.read_bytes()
    chunk.write_bytes(gzip.compress(whole))
    with pytest.raises(CorruptDataError, match="Its file was compressed by gzip as a whole") as caught:
        array.read(((0, 0, 0), (20, 20, 20)))
    assert "Decompress the chunks (gunzip), or copy them anew with a tool that does it" in str(caught.value)
    chunk.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptDataError, match="could not be read") as damaged:
        array.read(((0, 0, 0), (20, 20, 20)))
    assert "gunzip" not in str(damaged.value)
