"""Damage is CorruptDataError and names the file; only what is definitely not there reads as fill value."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import attrs
import numpy as np
import pytest
from wkplug_zarr import headers, stores
from wkplug_zarr.backend import Zarr2Backend, Zarr3Backend

from wkplug.abc import ArraySpec, ProbeScore
from wkplug.errors import (
    ArrayException,
    CorruptDataError,
    ForbiddenError,
    MissingError,
    StorageError,
    StorageFullError,
    TooLargeError,
    UnsupportedDtypeError,
    UnsupportedOperationError,
)
from wkplug.filesystems.local import LocalLocation

WHOLE = ((0, 0, 0, 0), (1, 32, 32, 32))
PART = ((0, 3, 3, 3), (1, 2, 2, 2))
SHARDED = ArraySpec(
    axes=("c", "x", "y", "z"),
    shape=(1, 32, 32, 32),
    dtype="uint16",
    chunk_shape=(1, 16, 16, 16),
    shard_shape=(1, 32, 32, 32),
)
PLAIN = attrs.evolve(SHARDED, chunk_shape=(1, 32, 32, 32))
KINDS = {
    "sharded": (Zarr3Backend(), SHARDED, "c/0/0/0/0"),
    "sharded uncompressed": (Zarr3Backend(), attrs.evolve(SHARDED, compressed=False), "c/0/0/0/0"),
    "plain": (Zarr3Backend(), PLAIN, "c/0/0/0/0"),
    "plain uncompressed": (Zarr3Backend(), attrs.evolve(PLAIN, compressed=False), "c/0/0/0/0"),
    "v2": (Zarr2Backend(), PLAIN, "0/0/0/0"),
    "v2 uncompressed": (Zarr2Backend(), attrs.evolve(PLAIN, compressed=False), "0/0/0/0"),
}


@pytest.fixture(params=KINDS)
def stored(request, tmp_path):
    """An opened array of one shard, the shard's path, and its voxels."""
    backend, spec, key = KINDS[request.param]
    place = LocalLocation(tmp_path / "array")
    data = np.random.default_rng(0).integers(1, 99, (1, 32, 32, 32)).astype("uint16")
    array = backend.create(place, spec)
    array.write(WHOLE, data)
    return array, Path(place.child(key).local_path()), data


def refuses(array, path, *, text="damage|file|folder", read=True):
    """Whole and partial reads, and partial writes, raise and name the file; the file stays as it is."""
    before = path.read_bytes() if path.is_file() else None
    for attempt in (
        lambda: array.read(WHOLE),
        lambda: array.read(PART),
        lambda: array.write(PART, np.ones(PART[1], "uint16")),
    )[0 if read else 2 :]:
        with pytest.raises(CorruptDataError, match=text) as caught:
            attempt()
        assert str(path) in str(caught.value)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_an_empty_file_is_damage(stored):
    array, path, _ = stored
    path.write_bytes(b"")
    refuses(array, path)


@pytest.mark.parametrize("keep", [1, 100, -1, -5, -200])
def test_a_truncated_file_is_damage(stored, keep):
    array, path, _ = stored
    path.write_bytes(path.read_bytes()[:keep])
    refuses(array, path)


def test_a_folder_in_place_of_a_chunk_is_damage_and_stays(stored):
    array, path, _ = stored
    path.unlink()
    path.mkdir()
    (path / "precious").write_text("x")
    refuses(array, path, text="folder")
    with pytest.raises(CorruptDataError, match="folder"):
        array.read(PART, missing="error")
    with pytest.raises(CorruptDataError, match="folder"):
        array.write(WHOLE, np.zeros(WHOLE[1], "uint16"))
    assert (path / "precious").exists()


def test_a_file_in_place_of_a_folder_is_damage(stored):
    array, path, _ = stored
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("x")
    refuses(array, path, text="a file lies where a folder was expected")


def test_a_missing_file_is_fill_value(stored):
    array, path, _ = stored
    path.unlink()
    assert not array.read(WHOLE).any()
    with pytest.raises(MissingError, match="never been written"):
        array.read(WHOLE, missing="error")


def test_a_link_that_leads_in_a_circle_is_not_fill_value(stored):
    array, path, _ = stored
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(StorageError, match=r"(?i)symbolic links"):
        array.read(WHOLE)


@pytest.mark.parametrize("kind", [name for name in KINDS if not name.startswith("v2")])
def test_every_flipped_bit_in_v3_data_is_detected_or_harmless(tmp_path, kind):
    backend, spec, key = KINDS[kind]
    place = LocalLocation(tmp_path / "array")
    data = np.random.default_rng(0).integers(1, 99, (1, 32, 32, 32)).astype("uint16")
    array = backend.create(place, spec)
    array.write(WHOLE, data)
    path = Path(place.child(key).local_path())
    good = path.read_bytes()
    chance = random.Random(1)
    for position in [0, 5, len(good) - 1, *(chance.randrange(len(good)) for _ in range(40))]:
        bad = bytearray(good)
        bad[position] ^= 1 << chance.randrange(8)
        path.write_bytes(bad)
        try:
            found = array.read(WHOLE)
        except CorruptDataError as error:
            text = str(error)
            assert str(path) in text
        else:
            # A flag of a zstd frame may change without changing what it holds.
            assert np.array_equal(found, data)


def test_bytes_cut_out_of_the_middle_of_a_shard_are_damage(tmp_path):
    backend, spec, key = KINDS["sharded uncompressed"]
    place = LocalLocation(tmp_path / "array")
    array = backend.create(place, spec)
    array.write(WHOLE, np.ones(WHOLE[1], "uint16"))
    path = Path(place.child(key).local_path())
    good = path.read_bytes()
    # Whole chunks are gone, the index with its checksum is intact: its last chunks lie beyond the end.
    path.write_bytes(good[: len(good) // 4] + good[-len(good) // 4 :])
    refuses(array, path, text="beyond its end|too early", read=False)
    with pytest.raises(CorruptDataError, match=r"too early|can't be decoded"):
        array.read(((0, 17, 17, 17), (1, 2, 2, 2)))
    with pytest.raises(CorruptDataError, match="beyond its end"):
        array.read(WHOLE)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_forbidden(stored):
    array, path, _ = stored
    path.chmod(0)
    with pytest.raises(ForbiddenError, match="access was refused"):
        array.read(WHOLE)


def test_errors_of_the_operating_system_are_sorted():
    cases = {
        errno.ENOENT: MissingError,
        errno.EISDIR: CorruptDataError,
        errno.ENOTDIR: CorruptDataError,
        errno.EACCES: ForbiddenError,
        errno.EROFS: ForbiddenError,
        errno.ENOSPC: StorageFullError,
        errno.EDQUOT: StorageFullError,
        errno.EMFILE: StorageError,
        errno.EIO: StorageError,
    }
    for number, kind in cases.items():
        found = stores._sorted(OSError(number, os.strerror(number)), "read", "/a/b")
        assert type(found) is kind
        assert "/a/b" in str(found)


def regular(*lengths):
    return {"name": "regular", "configuration": {"chunk_shape": list(lengths)}}


DAMAGED_V3 = [
    ({"shape": "x"}, CorruptDataError, "shape is 'x', not a list"),
    ({"shape": [1, 32, 32, -1]}, CorruptDataError, "shape has -1"),
    ({"shape": [1, 32, True, 1]}, CorruptDataError, "shape has True"),
    ({"shape": [1, 32]}, CorruptDataError, "for 2 axes"),
    ({"zarr_format": 4}, CorruptDataError, "zarr_format is 4"),
    ({"node_type": "tree"}, CorruptDataError, "node_type is 'tree'"),
    ({"node_type": "group"}, MissingError, "describes a group"),
    ({"data_type": None}, CorruptDataError, "data_type is missing"),
    ({"data_type": "complex64"}, UnsupportedDtypeError, "complex64"),
    ({"data_type": {"name": "struct"}}, UnsupportedDtypeError, "struct"),
    ({"chunk_grid": {"name": "rectilinear"}}, UnsupportedOperationError, "rectilinear"),
    ({"chunk_grid": 7}, CorruptDataError, "chunk_grid is 7"),
    ({"chunk_grid": regular(0, 1, 1, 1)}, CorruptDataError, "has 0"),
    ({"chunk_grid": {"name": "regular", "configuration": 3}}, CorruptDataError, "configuration 3"),
    ({"chunk_grid": regular(1, 2**20, 2**20, 32), "codecs": [{"name": "bytes"}]}, TooLargeError, "claims chunks of"),
    ({"chunk_grid": regular(1, 2**40, 2**40, 32)}, TooLargeError, "chunks per shard"),
    ({"chunk_grid": regular(1, 24, 32, 32)}, CorruptDataError, "does not divide"),
    ({"codecs": []}, CorruptDataError, "codecs is"),
    ({"codecs": [5]}, CorruptDataError, "codecs is 5"),
    ({"codecs": [{"name": "sharding_indexed", "configuration": {"chunk_shape": [1, 16, 16, 16]}}]},
     CorruptDataError, r"codecs\[0\].codecs is"),
    ({"storage_transformers": [{"name": "a"}]}, UnsupportedOperationError, "storage transformers"),
    ({"chunk_key_encoding": {"name": "own"}}, UnsupportedOperationError, "key encoding 'own'"),
    ({"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "-"}}}, CorruptDataError, "separator"),
    ({"dimension_names": ["c"]}, CorruptDataError, "dimension_names"),
    ({"dimension_names": ["a", "b", "c", "d"]}, ArrayException, "x and y must be among them"),
    ({"fill_value": None}, CorruptDataError, "fill_value is missing"),
    ({"fill_value": "red"}, CorruptDataError, "fill_value is 'red'"),
    ({"fill_value": 70000}, CorruptDataError, "fill_value is 70000, no uint16"),
    ({"fill_value": 0.5}, CorruptDataError, "fill_value is 0.5, no uint16"),
    ({"fill_value": [1]}, CorruptDataError, r"fill_value is \[1\]"),
    ({"data_type": "float32", "fill_value": "0xZZ"}, CorruptDataError, "0xZZ"),
    ({"data_type": "float32", "fill_value": 10**400}, CorruptDataError, "no float32"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "error", "text"), DAMAGED_V3)
def test_damaged_or_foreign_v3_metadata_are_told_apart_before_the_engine_sees_them(
    tmp_path, changes, error, text
):
    place = LocalLocation(tmp_path / "array")
    Zarr3Backend().create(place, SHARDED)
    path = Path(place.child("zarr.json").local_path())
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(error, match=text) as caught:
        Zarr3Backend().open(place)
    assert place.url in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"order": "K"}, CorruptDataError, "order is 'K'"),
        ({"dtype": "<c8"}, UnsupportedDtypeError, "<c8"),
        ({"dtype": [["a", "<u1"]]}, UnsupportedDtypeError, "dtype"),
        ({"dimension_separator": "-"}, CorruptDataError, "dimension_separator"),
        ({"compressor": "zstd"}, CorruptDataError, "compressor"),
        ({"filters": 3}, CorruptDataError, "filters is 3"),
        ({"chunks": [2**12, 2**12, 2**12, 1]}, TooLargeError, "claims chunks"),
    ],
)
def test_damaged_or_foreign_v2_metadata_are_told_apart(tmp_path, changes, error, text):
    place = LocalLocation(tmp_path / "array")
    Zarr2Backend().create(place, PLAIN)
    path = Path(place.child(".zarray").local_path())
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(error, match=text):
        Zarr2Backend().open(place)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"3"])
def test_metadata_that_are_no_json_object_are_damage_and_probed_as_a_marker(backend, place, content):
    name = "zarr.json" if backend.format == "zarr3" else ".zarray"
    place.child(name).write(content)
    with pytest.raises(CorruptDataError, match=name):
        backend.open(place)
    assert backend.probe(place) is ProbeScore.MARKER
    assert backend.problems(None, place, "r") == []


def test_metadata_beyond_all_reason_are_not_read(backend, place, monkeypatch):
    monkeypatch.setattr(headers, "MAX_DOCUMENT_BYTES", 100)
    place.child("zarr.json" if backend.format == "zarr3" else ".zarray").write(b"{" + b" " * 200)
    with pytest.raises(TooLargeError, match="of metadata"):
        backend.open(place)


def test_nothing_there_is_missing_and_no_candidate(backend, place):
    assert backend.probe(place) is ProbeScore.NO
    with pytest.raises(MissingError):
        backend.open(place)


def test_arrays_are_certain_and_groups_are_not_arrays(backend, place, spec):
    backend.create(place, spec)
    assert backend.probe(place) is ProbeScore.CERTAIN
    other = Zarr2Backend() if backend.format == "zarr3" else Zarr3Backend()
    assert other.probe(place) is ProbeScore.NO
    group = place.parent.child("group")
    group.child("zarr.json").write(b'{"zarr_format": 3, "node_type": "group"}')
    assert Zarr3Backend().probe(group) is ProbeScore.NO


@pytest.mark.faults
def test_a_killed_writer_leaves_every_shard_old_or_new(tmp_path):
    place = LocalLocation(tmp_path / "array")
    spec = attrs.evolve(SHARDED, shape=(1, 128, 128, 128))
    backend = Zarr3Backend()
    backend.create(place, spec).write(((0, 0, 0, 0), spec.shape), np.full(spec.shape, 1, "uint16"))
    script = (
        "import sys, numpy as np\n"
        "from wkplug.filesystems.local import LocalLocation\n"
        "from wkplug_zarr.backend import Zarr3Backend\n"
        "a = Zarr3Backend().open(LocalLocation(sys.argv[1]), 'r+')\n"
        "print('go', flush=True)\n"
        "for value in range(2, 1000):\n"
        "    a.write(((0, 0, 0, 0), a.spec.shape), np.full(a.spec.shape, value, 'uint16'))\n"
    )
    for wait in (0.02, 0.1, 0.25):
        with subprocess.Popen([sys.executable, "-c", script, place.url], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                process.kill()
        array = backend.open(place)
        boxes = list(array.stored_boxes())
        assert len(boxes) == 64
        for box in boxes:
            assert len(np.unique(array.read(box))) == 1


@pytest.mark.faults
def test_a_full_disk_says_so_and_leaves_no_half_written_shard(stored, monkeypatch):
    array, path, data = stored

    class FullFile:
        """Stands in for a file on a full disk: the real ones are slow to set up and need root."""

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            return None

        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    real = open

    def opened(file, mode="r", **options):
        if mode == "xb":
            real(file, mode, **options).close()
            return FullFile()
        return real(file, mode, **options)

    monkeypatch.setattr(stores, "open", opened, raising=False)
    with pytest.raises(StorageFullError, match="no space left"):
        array.write(PART, np.ones(PART[1], "uint16"))
    monkeypatch.undo()
    assert np.array_equal(array.read(WHOLE), data)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
