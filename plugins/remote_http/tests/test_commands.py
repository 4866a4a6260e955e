"""Commands on data behind servers that list nothing: what metadata tell suffices, or the error says what is lacking."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

import wkplug as wk
from tests.servers.files import FileServer, serve_files
from wkplug.cli.main import main
from wkplug.errors import ReadOnlyError, UnlistableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.emulators import Nginx

VOXELS = np.random.default_rng(1).integers(1, 250, (64, 48, 32), dtype="uint8")
LACKS = (
    "its server doesn't show what is in it",
    "a page that is no index of a folder",
    "doesn't show the index",
)
SERVERS = ("404", "page", "application", "nginx with redirects")


def _dataset(folder: Path, data_format: str) -> None:
    dataset = wk.Dataset(folder, (11, 11, 25))
    box = wk.BoundingBox((0, 0, 0), VOXELS.shape)
    for name, category in (("color", "color"), ("seg", "segmentation")):
        layer = dataset.add_layer(name, category, dtype="uint8", data_format=data_format, bounding_box=box)
        layer.add_mag(1, chunk_shape=32, shard_shape=32 if data_format == "zarr" else 64).write(
            VOXELS, allow_unaligned=True
        )
    dataset.get_segmentation_layer("seg").largest_segment_id = 250


def _ome(folder: Path, version: str) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(folder), mode="w", zarr_format=2 if version == "0.4" else 3)
    array = group.create_array("0", shape=VOXELS.T.shape, chunks=(32, 32, 32), dtype="uint8")
    array[:] = VOXELS.T
    scale = [{"type": "scale", "scale": [25, 11, 11]}]
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    image = {
        "version": version,
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": scale}],
    }
    if version == "0.4":
        group.attrs["multiscales"] = [image]
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [image]}


def _n5(folder: Path) -> None:
    tensorstore = pytest.importorskip("tensorstore")
    metadata = {
        "dimensions": VOXELS.shape,
        "blockSize": [32] * 3,
        "dataType": "uint8",
        "compression": {"type": "gzip"},
    }
    for level in range(2):
        metadata["dimensions"] = [length >> level for length in VOXELS.shape]
        store = {"driver": "file", "path": str(folder / f"s{level}")}
        spec = {"driver": "n5", "kvstore": store, "metadata": metadata, "create": True}
        tensorstore.open(spec).result().write(VOXELS[:: 1 << level, :: 1 << level, :: 1 << level]).result()
    group = {"n5": "2.5.0", "pixelResolution": {"dimensions": [11, 11, 25], "unit": "nm"}}
    (folder / "attributes.json").write_text(json.dumps(group))


def _precomputed(folder: Path) -> None:
    tensorstore = pytest.importorskip("tensorstore")
    tensorstore.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": str(folder)},
            "multiscale_metadata": {"data_type": "uint8", "num_channels": 1, "type": "image"},
            "scale_metadata": {
                "size": VOXELS.shape, "encoding": "raw", "resolution": [11, 11, 25], "chunk_size": [32, 32, 32],
            },
            "create": True,
        }
    ).result().write(VOXELS[..., None]).result()  # fmt: skip


@pytest.fixture(scope="module")
def web(nginx: Nginx) -> Iterator[tuple[FileServer, str, Path]]:
    """The same data behind a server of our own and nginx."""
    folder = nginx.folder
    for data_format in ("wkw", "zarr3", "zarr"):
        _dataset(folder / f"ds_{data_format}", data_format)
    _ome(folder / "ome4.zarr", "0.4")
    _ome(folder / "ome5.zarr", "0.5")
    _n5(folder / "n5")
    _precomputed(folder / "pc")
    tifffile.imwrite(folder / "a.tif", VOXELS.T, photometric="minisblack")
    (folder / "stack").mkdir()
    tifffile.imwrite(folder / "stack" / "0.tif", VOXELS[:, :, 0].T)
    with serve_files(folder) as server:
        yield server, nginx.url, folder


@pytest.fixture(params=SERVERS)
def address(request: pytest.FixtureRequest, web: tuple[FileServer, str, Path]) -> str:
    """The address of the folder, behind each kind of server that lists nothing."""
    server, nginx, _ = web
    server.index = {"404": None, "page": "none", "application": "always"}.get(request.param)
    return f"{nginx}/moved" if request.param == "nginx with redirects" else server.url


def _run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return code, told.out + told.err


@pytest.mark.parametrize("name", ["ds_wkw", "ds_zarr3"])
def test_datasets_are_shown_compared_and_copied(
    address: str,
    name: str,
    web: tuple[FileServer, str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, own = f"{address}/{name}", web[2] / name
    code, told = _run(capsys, "info", url)
    assert code == 0, told
    assert "bounding box (0, 0, 0) + (64, 48, 32)" in told
    assert "size unknown" in told
    for pair in ((url, own), (own, url)):
        code, told = _run(capsys, "check-equality", *pair)
        assert (code, told[-11:]) == (0, "are equal.\n"), told
    code, told = _run(capsys, "explain", url, "--json")
    assert code == 0, told
    assert [array["layer"] for array in json.loads(told)["arrays"]] == ["color", "seg"]
    code, told = _run(capsys, "copy-dataset", url, tmp_path / "copy")
    assert code == 0, told
    copy = wk.Dataset.open(tmp_path / "copy")
    assert np.array_equal(copy.get_layer("seg").get_mag(1).read()[0, :64, :48, :32], VOXELS)


@pytest.mark.parametrize("name", ["ome4.zarr", "ome5.zarr", "n5", "n5/s0", "pc", "a.tif"])
def test_containers_and_images_are_seen_and_converted(
    address: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{address}/{name}"
    for command in ("inspect", "explain"):
        code, told = _run(capsys, command, url)
        assert code == 0, told
        assert "decided by" in told
    code, told = _run(capsys, "convert", url, tmp_path / "made", "--voxel-size", "11,11,25")
    assert code == 0, told
    (layer,) = wk.Dataset.open(tmp_path / "made").layers.values()
    assert np.array_equal(layer.get_mag(1).read()[0], VOXELS)


@pytest.mark.parametrize("name", ["stack", "nothing"])
def test_what_only_a_list_would_tell_is_an_error_that_says_so(
    address: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{address}/{name}"
    for command in (["inspect", url], ["convert", url, tmp_path / "made", "--voxel-size", "1,1,1"]):
        code, told = _run(capsys, *command)
        assert code == 1
        lacks = (
            "its server doesn't show what is in it",
            "a page that is no index of a folder",
            "doesn't show the index",
        )
        assert any(text in told for text in lacks), told
        assert not (tmp_path / "made").exists()
    code, told = _run(capsys, "info", url)
    assert code == 1
    assert any(
        t in told for t in ("datasource-properties.json file not found", "answers with a web page ('Data')")
    ), told


def test_listed_folders_are_imported(
    web: tuple[FileServer, str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = _run(capsys, "convert", f"{web[1]}/plain/stack", tmp_path / "made", "--voxel-size", "1,1,1")
    assert code == 0, told
    with pytest.raises(UnlistableError):
        list(wk.Dataset.open(f"{web[1]}/plain/ds_wkw").get_layer("seg").state.location.list_all())


def test_datasets_of_web_servers_are_read_only(
    address: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url = f"{address}/ds_zarr3"
    dataset = wk.Dataset.open(url)
    layer = dataset.get_layer("color")
    assert dataset.read_only is True
    assert layer.read_only is True
    assert layer.get_mag(1).read_only is True
    assert wk.Dataset(url, (11, 11, 25), exist_ok=True).read_only is True
    changes: list[Any] = [
        lambda: dataset.add_layer("x", "color", dtype="uint8"),
        lambda: dataset.delete_layer("seg"),
        lambda: setattr(dataset, "name", "y"),
        lambda: setattr(layer, "name", "z"),
        lambda: layer.add_mag(2),
        lambda: layer.get_mag(1).write(VOXELS),
        lambda: layer.downsample(),
    ]
    for change in changes:
        with pytest.raises(ReadOnlyError) as caught:
            change()
        assert "What lies there can only be read. Copy it to a folder or an object store first" in str(
            caught.value
        )
    for command in (["downsample", url], ["delete-layer", url, "seg", "--yes"]):
        code, told = _run(capsys, *command)
        assert code == 1
        assert f"wkplug copy-dataset {url} TARGET" in told
    assert dataset.copy_dataset(tmp_path / "copy").read_only is False


@pytest.mark.parametrize("way", ["norange", "gzip", "moved", "redirect"])
@pytest.mark.parametrize("kind", ["wkw", "zarr3+tensorstore", "zarr3+zarr", "zarr+tensorstore", "zarr+zarr"])
def test_servers_of_all_kinds_give_the_voxels(web: tuple[FileServer, str, Path], way: str, kind: str) -> None:
    data_format, engine, _ = (*kind.split("+"), "", "")[:3]
    dataset = wk.Dataset.open(
        f"{web[1]}/{way}/ds_{data_format}", backends={data_format: engine} if engine else None
    )
    mag = dataset.get_layer("color").get_mag(1)
    voxels = mag.read(absolute_offset=(3, 4, 5), size=(40, 30, 20))[0]
    assert np.array_equal(voxels, VOXELS[3:43, 4:34, 5:25])


def test_query_tokens_reach_every_file(web: tuple[FileServer, str, Path]) -> None:
    mag = wk.Dataset.open(f"{web[1]}/token/ds_zarr3?token=secret").get_layer("color").get_mag(1)
    assert np.array_equal(mag.read()[0, :64, :48, :32], VOXELS)
