"""Places that don't tell what is stored in them: everything is read there, nothing is taken for empty."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest

import wkplug as wk
from tests.servers.files import FileServer, serve_files
from wkplug import storage
from wkplug.errors import UnlistableError, UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VOXELS = np.random.default_rng(3).integers(1, 250, (64, 64, 40), dtype="uint8")
KINDS = [("wkw", None), ("zarr3", "zarr3+zarr"), ("zarr3", "zarr3+tensorstore"), ("zarr", "zarr+zarr"),
         ("zarr", "zarr+tensorstore")]  # fmt: skip


@pytest.fixture(params=[None, "none"], ids=["404", "page"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FileServer]:
    (tmp_path / "web").mkdir()
    with serve_files(tmp_path / "web") as found:
        found.index = request.param
        yield found


def _served(
    tmp_path: Path, server: FileServer, kind: tuple[str, str | None]
) -> tuple[wk.Dataset, wk.Dataset]:
    """A dataset on disk, and the same behind the server."""
    data_format, engine = kind
    own = wk.Dataset(tmp_path / "web" / "d", (1, 1, 1))
    layer = own.add_layer(
        "seg",
        "segmentation",
        dtype="uint8",
        data_format=data_format,
        bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64)),
        largest_segment_id=3,
    )
    shards = {} if data_format == "zarr" else {"shard_shape": (64, 64, 64)}
    layer.add_mag(1, chunk_shape=(32, 32, 32), **shards).write(VOXELS, allow_unaligned=True)
    backends = {data_format: engine} if engine else None
    return own, wk.Dataset.open(f"{server.url}/d", backends=backends)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[1] or kind[0])
def test_what_web_servers_hold_is_read_without_a_list(
    tmp_path: Path, server: FileServer, kind: tuple[str, str | None]
) -> None:
    own, there = _served(tmp_path, server, kind)
    mag = there.get_layer("seg").get_mag(1)
    copied = there.copy_dataset(tmp_path / "copy", chunk_shape=32)
    assert np.array_equal(copied.get_layer("seg").get_mag(1).read()[0, :, :, :40], VOXELS)
    assert mag.content_is_equal(own.get_layer("seg").get_mag(1))
    other = wk.Dataset(tmp_path / "zeros", (1, 1, 1))
    zeros = other.add_layer_like(own.get_layer("seg"), "seg").add_mag(1)
    assert not mag.content_is_equal(zeros)
    reference = other.add_layer_as_ref(there.get_layer("seg"), "ref")
    reference.downsample(coarsest_mag=wk.Mag(2))
    assert reference.get_mag(2).read().any()
    assert reference.refresh_largest_segment_id() is None
    assert reference.largest_segment_id == VOXELS.max()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        views = list(mag.get_views_on_disk())
    assert views
    assert sum(int(view.read().astype(int).sum()) for view in views) == VOXELS.astype(int).sum()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[1] or kind[0])
def test_an_unlistable_place_says_so(
    tmp_path: Path, server: FileServer, kind: tuple[str, str | None]
) -> None:
    _, there = _served(tmp_path, server, kind)
    with pytest.raises(UnsupportedOperationError, match=r"can't be listed|could not be listed|can't list"):
        list(there.get_layer("seg").get_mag(1).state.source.handle.stored_boxes())


def test_folders_of_web_servers_are_not_copied_in_part(tmp_path: Path, server: FileServer) -> None:
    (tmp_path / "web" / "folder").mkdir()
    (tmp_path / "web" / "folder" / "file").write_bytes(b"1")
    for index in ("all", server.index):
        server.index = index
        told = "there is no such file" if index is None else "the server answers with a web page"
        with pytest.raises(UnlistableError, match=f"could not be copied: {told}"):
            storage.copy_tree(storage.locate(f"{server.url}/folder"), storage.locate(tmp_path / "copy"))
    storage.copy_tree(storage.locate(f"{server.url}/folder/file"), storage.locate(tmp_path / "copied"))
    assert (tmp_path / "copied").read_bytes() == b"1"
    assert not storage.locate(f"{server.url}/folder").lists_all
    assert storage.locate(tmp_path).lists_all


def test_chunks_of_a_web_server_are_laid_over_a_layer(tmp_path: Path, server: FileServer) -> None:
    _, there = _served(tmp_path, server, ("zarr", "zarr+zarr"))
    own = wk.Dataset(tmp_path / "own", (1, 1, 1)).add_layer_like(there.get_layer("seg"), "seg")
    target = own.add_mag(1, chunk_shape=(32, 32, 32), shard_shape=(32, 32, 32))
    target.write(np.full((64, 64, 64), 251, "uint8"))
    target.merge_with_view(there.get_layer("seg").get_mag(1))
    merged = target.read()[0]
    assert np.array_equal(merged[:, :, :40], VOXELS)
    assert (merged[:, :, 64:] == 251).all()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[1] or kind[0])
def test_an_address_that_leads_to_another_is_followed(
    tmp_path: Path, server: FileServer, kind: tuple[str, str | None]
) -> None:
    _served(tmp_path, server, kind)
    data_format, engine = kind
    moved = wk.Dataset.open(f"{server.url}/moved/d", backends={data_format: engine} if engine else None)
    mag = moved.get_layer("seg").get_mag(1)
    assert np.array_equal(mag.read(relative_offset=(0, 0, 0), size=(64, 64, 40))[0], VOXELS)


def test_chunks_that_lead_to_another_address_are_read(tmp_path: Path, server: FileServer) -> None:
    _served(tmp_path, server, ("zarr3", None))
    (tmp_path / "web" / "scattered").symlink_to(".")
    for engine in ("zarr3+zarr", "zarr3+tensorstore"):
        scattered = wk.Dataset.open(f"{server.url}/scattered/d", backends={"zarr3": engine})
        mag = scattered.get_layer("seg").get_mag(1)
        assert np.array_equal(mag.read(relative_offset=(0, 0, 0), size=(64, 64, 40))[0], VOXELS)


def test_an_error_for_unknown_names_is_no_mark(tmp_path: Path, server: FileServer) -> None:
    own, there = _served(tmp_path, server, ("wkw", None))
    server.index = "500"
    mag = there.get_layer("seg").get_mag(1)
    assert np.array_equal(mag.read(relative_offset=(0, 0, 0), size=(64, 64, 40))[0], VOXELS)
    storage.set_mark(own.get_layer("seg").get_mag(1).location, storage.Mark(job="a copy"))
    assert storage.read_mark(mag.location) is not None


def test_a_page_for_unknown_names_is_no_mark(tmp_path: Path, server: FileServer) -> None:
    own, there = _served(tmp_path, server, ("wkw", None))
    server.index = "always"
    mag = there.get_layer("seg").get_mag(1)
    assert np.array_equal(mag.read(relative_offset=(0, 0, 0), size=(64, 64, 40))[0], VOXELS)
    place = own.get_layer("seg").get_mag(1).location
    place.child(storage.MARK_NAME).write(b"<!doctype html>")
    assert storage.read_mark(place) is not None
    storage.set_mark(place, storage.Mark(job="a copy"))
    mark = storage.read_mark(mag.location)
    assert mark is not None
    assert mark.job == "a copy"
