"""Links, pipes and devices where files belong: nothing is written through them, and nobody waits for ever."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

import numpy as np
import pytest

import wkplug as wk
from wkplug import errors, storage
from wkplug.storage import arrays

if TYPE_CHECKING:
    from pathlib import Path

ENGINES = [("wkw", None), ("zarr", None), ("zarr3", None), ("zarr", "zarr+zarr"), ("zarr3", "zarr3+zarr")]
METADATA = ("zarr.json", ".zarray", ".zattrs", "header.wkw")


@pytest.fixture
def layer(dataset: wk.Dataset, data_format: str) -> wk.Layer:
    return filled(dataset, data_format)


def filled(dataset: wk.Dataset, data_format: str) -> wk.Layer:
    layer = dataset.add_layer(
        "color", "color", data_format=data_format, bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64))
    )
    layer.add_mag(1, chunk_shape=32, shard_shape=32).write(np.ones((64, 64, 64), "u1"))
    return layer


def shards(layer: wk.Layer) -> list[Path]:
    files = (layer.path / "1").rglob("*")
    return sorted(
        file for file in files if file.is_file() and file.name not in METADATA and ".wkplug" not in file.name
    )


def again(layer: wk.Layer, **options: object) -> wk.MagView:
    storage.forget(layer.path / "1")
    return wk.Dataset.open(layer.dataset.path, **options).get_layer("color").get_mag(1)


# --- links --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("place", [".", "color", "color/1"])
def test_locks_are_not_written_through_links(
    dataset: wk.Dataset, tmp_path: Path, place: str, there: bool
) -> None:
    filled(dataset, "zarr3")
    precious = tmp_path / "precious.txt"
    if there:
        precious.write_text("dear")
    lock = dataset.path / place / ".wkplug.lock"
    lock.unlink(missing_ok=True)
    lock.symlink_to(precious)
    storage.forget(dataset.path / "color" / "1")
    mag = wk.Dataset.open(dataset.path).get_layer("color").get_mag(1)
    changes = {
        ".": lambda: mag.layer.dataset.add_layer("other", "color"),
        "color": lambda: mag.layer.location.lock("x").__enter__(),
        "color/1": lambda: storage.locate(mag.path).lock("x").__enter__(),
    }
    with pytest.raises(errors.UnsafePathError, match="is a link: locks are not written through it") as caught:
        changes[place]()
    assert caught.value.hint == "wkplug didn't make it. Move it away; a lock file is made anew."
    assert precious.exists() is there
    assert not there or precious.read_text() == "dear"


@pytest.mark.parametrize("special", ["fifo", "folder"])
def test_locks_are_files(dataset: wk.Dataset, special: str) -> None:
    lock = dataset.path / ".wkplug.lock"
    lock.unlink(missing_ok=True)
    os.mkfifo(lock) if special == "fifo" else lock.mkdir()
    with pytest.raises(errors.UnsafePathError, match="is no file: locks are not written through it"):
        wk.Dataset.open(dataset.path).add_layer("color", "color")


def test_voxels_are_not_written_through_links(layer: wk.Layer, tmp_path: Path) -> None:
    entries = sorted((layer.path / "1").iterdir())  # the first holds the shard at the origin
    folder = next(entry for entry in entries if entry.is_dir() or entry in shards(layer))
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    kept = {file: file.read_bytes() for file in tmp_path.glob("elsewhere/**/*") if file.is_file()}
    mag = again(layer)
    assert mag.read().any()
    for write in (
        lambda: mag.write(np.zeros((64, 64, 64), "u1"), allow_resize=False),
        lambda: mag.write(np.zeros((5, 5, 5), "u1"), absolute_offset=(3, 3, 3), allow_unaligned=True),
    ):
        with pytest.raises(errors.UnsafePathError, match="is a link that leads out of it, to") as caught:
            write()
        assert str(tmp_path / "elsewhere") in str(caught.value)
        assert "copy the layer" in (caught.value.hint or "")
    assert {file: file.read_bytes() for file in tmp_path.glob("elsewhere/**/*") if file.is_file()} == kept


@pytest.mark.parametrize(("kind", "engine"), ENGINES)
def test_a_write_looks_at_its_own_files_alone(
    dataset: wk.Dataset, tmp_path: Path, kind: str, engine: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = filled(dataset, kind)
    precious = tmp_path / "precious"
    precious.write_bytes(b"dear")
    first, *_, last = shards(layer)
    last.unlink()
    last.symlink_to(precious)
    mag = again(layer, backends={kind: engine} if engine else None)
    with monkeypatch.context() as patched:
        patched.setattr(arrays, "_refuse_links_anywhere", pytest.fail)
        mag.write(np.full((32, 32, 32), 3, "u1"))
        with pytest.raises(errors.UnsafePathError, match="is a link that leads out of it, to"):
            mag.write(np.full((32, 32, 32), 3, "u1"), absolute_offset=(32, 32, 32))
    monkeypatch.setattr(arrays, "_MOST_CELLS", 7)
    with pytest.raises(errors.UnsafePathError, match="is a link that leads out of it, to"):
        mag.write(np.full((64, 64, 64), 4, "u1"))
    last.unlink()
    mag.write(np.full((64, 64, 64), 4, "u1"))
    assert (mag.read() == 4).all()
    assert first.is_file()
    assert precious.read_bytes() == b"dear"


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("kind", ["zarr", "zarr3"])
def test_locks_of_an_engine_are_not_written_through_links(
    dataset: wk.Dataset, tmp_path: Path, kind: str, there: bool
) -> None:
    layer = filled(dataset, kind)
    precious = tmp_path / "precious"
    if there:
        precious.write_bytes(b"dear")
    first = shards(layer)[0]
    first.with_name(f"{first.name}.__lock").symlink_to(precious)
    mag = again(layer)
    with pytest.raises(errors.UnsafePathError, match="__lock in it is a link that leads out of it, to"):
        mag.write(np.full((32, 32, 32), 3, "u1"))
    assert precious.exists() is there
    assert not there or precious.read_bytes() == b"dear"


def test_links_that_stay_in_the_array_are_no_hindrance(layer: wk.Layer) -> None:
    first, second = shards(layer)[:2]
    second.unlink()
    second.symlink_to(first)
    mag = again(layer)
    mag.write(np.full((64, 64, 64), 3, "u1"))
    assert (mag.read() == 3).all()


def test_properties_that_are_a_link_are_replaced_not_followed(dataset: wk.Dataset, tmp_path: Path) -> None:
    properties = dataset.path / "datasource-properties.json"
    properties.rename(tmp_path / "kept.json")
    properties.symlink_to(tmp_path / "kept.json")
    kept = (tmp_path / "kept.json").read_bytes()
    wk.Dataset.open(dataset.path).add_layer("color", "color")
    assert (tmp_path / "kept.json").read_bytes() == kept
    assert not properties.is_symlink()


# --- what is no file ----------------------------------------------------------------------------------------


def replace(file: Path, special: str) -> None:
    file.unlink()
    if special == "fifo":
        os.mkfifo(file)
    elif special == "device":
        file.symlink_to("/dev/zero")
    else:
        # The names of sockets are short.
        with socket.socket(socket.AF_UNIX) as bound, contextlib.chdir(file.parent):
            bound.bind(file.name)


@pytest.mark.parametrize("special", ["fifo", "device", "socket"])
@pytest.mark.parametrize(("kind", "engine"), ENGINES)
def test_what_is_no_file_is_refused_in_the_place_of_a_shard(
    dataset: wk.Dataset, kind: str, engine: str | None, special: str
) -> None:
    layer = filled(dataset, kind)
    shard = shards(layer)[0]
    replace(shard, special)
    mag = again(layer, backends={kind: engine} if engine else None)
    with pytest.raises((errors.CorruptDataError, errors.StorageError)) as caught:
        mag.read()
    assert str(shard) in str(caught.value)


@pytest.mark.parametrize("special", ["fifo", "device", "socket"])
def test_what_is_no_file_is_refused_in_the_place_of_metadata(layer: wk.Layer, special: str) -> None:
    metadata = next(file for file in (layer.path / "1").iterdir() if file.name in METADATA[:2] + METADATA[3:])
    replace(metadata, special)
    with pytest.raises(errors.StorageError, match=r"could not be (read|opened)"):
        again(layer).read()
    properties = layer.dataset.path / "datasource-properties.json"
    replace(properties, special)
    with pytest.raises(errors.StorageError, match=r"could not be (read|opened)"):
        wk.Dataset.open(layer.dataset.path)


def test_pipes_are_not_copied(layer: wk.Layer, tmp_path: Path) -> None:
    os.mkfifo(layer.path / "notes")
    with pytest.raises(
        errors.StorageError, match="notes could not be read: it is a named pipe, not a file"
    ) as caught:
        layer.dataset.copy_dataset(tmp_path / "copy")
    assert caught.value.hint == "Move it away; then it counts as missing."


@pytest.mark.parametrize("suffix", ["tif", "png", "czi"])
def test_a_pipe_is_no_image(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"image.{suffix}")
    with pytest.raises(errors.WkplugError, match="pipe"):
        wk.Dataset.from_images(tmp_path / f"image.{suffix}", tmp_path / "d", (1, 1, 1))
