"""Every command takes inputs in buckets and on web servers, and what it makes of them is what it makes of files."""

from __future__ import annotations

import json
import uuid
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

import wkplug as wk
from tests.ops.test_exploring import over_xyz
from tests.ops.test_import_containers import CHANNEL, SPACE, noise, write_image
from tests.servers.files import serve_files
from tests.servers.fixtures import new_az_bucket, new_gs_bucket, new_s3_bucket
from wkplug import storage
from wkplug.abc import side_by_side
from wkplug.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The inputs are small, and in every format.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*WKW is not recommended"),
    pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*Rewriting a mag on remote storage"),
]

SIZE = (64, 48, 16)
BUCKETS = {"s3": new_s3_bucket, "gs": new_gs_bucket, "az": new_az_bucket}


def voxels() -> Any:
    return np.random.default_rng(0).integers(1, 250, SIZE).astype("uint8")


class Place(NamedTuple):
    """Where the inputs are, where outputs go, and variables that open both."""

    inputs: str
    outputs: str
    environment: dict[str, str]
    writable: bool


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One input of each kind, on a disk."""
    folder = tmp_path_factory.mktemp("inputs")
    dataset = wk.Dataset(folder / "brain", voxel_size=(4, 4, 40))
    dataset.write_layer("em", "color", voxels(), data_format="wkw")
    dataset.write_layer("seg", "segmentation", voxels().astype("uint32"))
    for name in ("em.n5", "em.precomputed", "em.ozx", "em.ome.tif"):
        assert main(["export", str(folder / "brain"), str(folder / name), "--layer-name", "em"]) == 0
    assert (
        main(["export-as-tiff", str(folder / "brain"), str(folder / "sections"), "--layer-name", "em"]) == 0
    )
    omero = {"channels": [{"label": "A"}, {"label": "B"}]}
    write_image(folder / "cells.zarr", noise((2, *SIZE[::-1])), [CHANNEL, *SPACE], omero=omero)
    voxels().T.tofile(folder / "em.raw")
    cube = folder / "cubes" / "x0000" / "y0000" / "z0000" / "em_x0000_y0000_z0000.raw"
    cube.parent.mkdir(parents=True)
    in_cube().T.tofile(cube)
    (folder / "cubes" / "knossos.conf").write_text("scale x 4.0;\nscale y 4.0;\nscale z 40.0;\n")
    return folder


def in_cube() -> Any:
    """A cube of KNOSSOS with the voxels at its beginning."""
    return np.pad(voxels(), [(0, 128 - length) for length in SIZE])


@pytest.fixture(scope="module", params=[*BUCKETS, "http"])
def place(
    request: pytest.FixtureRequest, files: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    if request.param == "http":
        with serve_files(files) as server:
            yield Place(server.url, str(tmp_path_factory.mktemp("out")), {}, writable=False)
        return
    bucket = BUCKETS[request.param](request.getfixturevalue(f"{request.param}_server"))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        for name, value in bucket.environment.items():
            patch.setenv(name, value)
        root = storage.locate(f"{bucket.url}/in")
        paths = [path for path in files.rglob("*") if path.is_file() and path.name != ".wkplug.lock"]

        def upload(path: Path) -> None:
            root.child(*path.relative_to(files).parts).write(path.read_bytes())

        assert len(list(side_by_side(upload, paths, at_once=16))) == len(paths)
    yield Place(f"{bucket.url}/in", f"{bucket.url}/out", bucket.environment, writable=True)


@pytest.fixture
def run(
    place: Place, no_credentials: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> Any:
    """Run a command; IN, OUT and HERE in its words are the places of inputs, of outputs, and a folder on a disk."""
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    own = uuid.uuid4().hex[:8]

    def run(command: str, expected: int = 0) -> str:
        words = [
            word.replace("IN", place.inputs)
            .replace("OUT", f"{place.outputs}/{own}")
            .replace("HERE", str(tmp_path))
            for word in command.split()
        ]
        code = main(words)
        told = capsys.readouterr()
        assert code == expected, f"wkplug {' '.join(words)}\n{told.out}\n{told.err}"
        return str(told.err if expected else told.out)

    run.path = lambda name: storage.locate(f"{place.outputs}/{own}{name}")  # type: ignore[attr-defined]
    return run


def layer_at(run: Any, name: str, layer: str = "em") -> Any:
    return wk.Dataset.open(run.path(name)).get_layer(layer).get_mag(1).read()[0]


def test_commands_that_look(run: Any, place: Place) -> None:
    assert "em   color, uint8, wkw" in run("info IN/brain")
    assert "array backend: " in run("explain IN/brain")
    assert "importer: ome-zarr" in run("explain IN/cells.zarr")
    assert "image reader: tifffile" in run("explain IN/sections/000000.tiff")
    run("preview IN/brain -o OUT.png")
    assert run.path(".png").read(0, 8) == b"\x89PNG\r\n\x1a\n"
    assert json.loads(run("info IN/brain --json"))["layers"][0]["name"] == "em"


def test_commands_that_look_at_foreign_files(run: Any) -> None:
    assert "importer: ome-zarr" in run("inspect IN/cells.zarr")
    assert "importer: ome-zarr" in run("inspect IN/em.ozx")
    assert "importer: n5" in run("inspect IN/em.n5")
    assert "importer: precomputed" in run("inspect IN/em.precomputed")
    assert "reader: tifffile" in run("inspect IN/sections/000000.tiff")
    assert "reader: tifffile" in run("inspect IN/em.ome.tif")
    assert "16 files of" in run("convert IN/sections OUT --voxel-size 4,4,40 --dry-run")


def test_what_is_not_there_is_said(run: Any, place: Place) -> None:
    assert "datasource-properties.json file not found" in run("info IN/none", 1)
    for command in ("explain IN/none", "inspect IN/none", "explore IN/none", "convert IN/none OUT"):
        told = run(command, 1)
        assert "There is no" in told
        assert f"{place.inputs.rpartition('/')[2]}/none" in told


def test_a_folder_of_knossos_cubes_is_converted(run: Any, place: Place) -> None:
    if place.writable:
        assert "importer: knossos" in run("inspect IN/cubes")
        run("convert-knossos IN/cubes OUT --layer-name em")
        assert np.array_equal(layer_at(run, ""), in_cube())
    else:  # whose missing cubes would be taken for zeros
        assert "can't be listed: web servers don't tell for certain" in run("convert-knossos IN/cubes OUT", 1)


def test_a_folder_of_sections_is_converted(run: Any) -> None:
    run("convert IN/sections OUT --voxel-size 4,4,40 --layer-name em")
    assert np.array_equal(layer_at(run, ""), voxels())


def test_one_image_is_converted(run: Any) -> None:
    run("convert IN/sections/000003.tiff OUT --voxel-size 4,4,40 --layer-name em")
    assert np.array_equal(layer_at(run, ""), voxels()[:, :, 3:4])


@pytest.mark.parametrize("name", ["em.ozx", "em.n5", "em.precomputed", "em.ome.tif"])
def test_containers_are_converted(run: Any, name: str) -> None:
    run(f"convert IN/{name} OUT --layer-name em --no-downsample")
    assert np.array_equal(layer_at(run, ""), voxels())


def test_one_array_and_a_raw_file_are_converted(run: Any) -> None:
    run("convert-zarr IN/em.precomputed OUT-a --layer-name em --voxel-size 4,4,40 --no-downsample")
    run(f"convert-raw IN/em.raw OUT-b --layer-name em --shape {','.join(map(str, SIZE))} --voxel-size 4,4,40 "
        "--source-dtype uint8 --no-downsample")  # fmt: skip
    assert np.array_equal(layer_at(run, "-b"), voxels())


def test_a_dataset_is_copied_and_compared(run: Any) -> None:
    run("copy-dataset IN/brain OUT-a")
    assert "are equal" in run("check-equality IN/brain OUT-a")
    run("copy-dataset IN/brain HERE/b --layer em --bbox 0,0,0,32,32,16 --data-format zarr3")
    run("copy-dataset HERE/b OUT-b")
    assert np.array_equal(layer_at(run, "-b"), voxels()[:32, :32])
    run("rechunk IN/brain --target OUT-c --data-format zarr3 --layer-name em --shard-shape 32")
    assert wk.Dataset.open(run.path("-c")).get_layer("em").get_mag(1).info.shard_shape == (32, 32, 32)
    assert np.array_equal(layer_at(run, "-c"), voxels())
    assert "seg" in run("check-equality IN/brain OUT-c", 1)
    assert "are equal" in run("check-equality IN/brain OUT-c --layer-name em")


def test_mags_are_added_finer_and_coarser(run: Any) -> None:
    made = wk.Dataset(run.path(""), voxel_size=(4, 4, 40))
    layer = made.add_layer("em", "color", bounding_box=wk.BoundingBox((0, 0, 0), (128, 96, 16)))
    layer.add_mag("2-2-1", shard_shape=64).write(voxels())
    assert "em: added 1" in run("upsample OUT --from-mag 2-2-1")
    assert "em: added 4-4-1" in run("downsample OUT --max-mag 4")
    assert np.array_equal(layer_at(run, ""), voxels().repeat(2, 0).repeat(2, 1))


def test_what_is_only_done_on_disks_says_what_to_do(run: Any, place: Place) -> None:
    if not place.writable:
        for command in (
            "compress IN/brain",
            "rechunk IN/brain",
            "downsample IN/brain",
            "rename-layer IN/brain em x",
        ):
            assert f"wkplug copy-dataset {place.inputs}/brain TARGET" in run(command, 1)
        return
    run("convert IN/sections OUT --voxel-size 4,4,40 --layer-name em --no-compress --no-downsample")
    for command in ("compress OUT", "rechunk OUT --shard-shape 32"):
        assert "can't be rewritten in place" in (told := run(command, 1))
        assert "wkplug rechunk DATASET --target PLACE" in told
    run("rechunk OUT --target OUT-b")
    assert "not compressed" not in run("info OUT-b")
    assert np.array_equal(layer_at(run, "-b"), voxels())
    assert "Copy it under the new name" in run("rename-layer OUT em x", 1)


def test_a_layer_is_added_and_changed(run: Any, place: Place) -> None:
    run("copy-dataset IN/brain OUT --layer em")
    run("add-layer IN/cells.zarr OUT --layer-name cells")
    name = "em"
    if not place.writable:  # a layer in a bucket is renamed by copying it, as its error says
        run("rename-layer OUT em raw")
        name = "raw"
    run("delete-layer OUT cells__A --yes")
    run(f"downsample OUT --layer-name {name}")
    run("compress OUT")
    if not place.writable:
        run("rechunk OUT --layer-name raw --chunk-shape 32 --shard-shape 64")
    assert np.array_equal(layer_at(run, "", name), voxels())
    assert name in run("info OUT")


def test_layers_are_exported(run: Any, tmp_path: Path) -> None:
    for suffix in (".ozx", ".n5", ".precomputed", ".ome.tif"):
        run(f"export IN/brain OUT{suffix} --layer-name em")
        run(f"convert OUT{suffix} HERE/again{suffix} --layer-name em --no-downsample")
        again = wk.Dataset.open(tmp_path / f"again{suffix}")
        assert np.array_equal(again.get_layer("em").get_mag(1).read()[0], voxels())
    run("export-as-tiff IN/brain OUT-tiffs --layer-name em")
    assert len(list(run.path("-tiffs").list())) == SIZE[2]


def test_links_of_viewers_lead_into_stores(run: Any, place: Place) -> None:
    for form in (
        "precomputed://IN/em.precomputed",
        "IN/em.n5|n5:",
        "zarr://IN/em.ozx|zip:|zarr3:",
        "n5://IN/em.n5",
    ):
        assert "em   color, uint8" in run(f"explore {form}")
    layers = [{"type": "image", "name": "seen", "source": "precomputed://IN/em.precomputed"}]
    text = json.dumps({"layers": layers}, separators=(",", ":"))
    assert "seen   color, uint8" in run(f"explore {text}")
    if place.writable:
        run.path("/state.json").write(text.replace("IN", place.inputs).encode())
        assert "seen   color, uint8" in run("explore OUT/state.json")
        assert "seen   color, uint8" in run("explore https://neuroglancer-demo.appspot.com/#!OUT/state.json")


def test_everything_is_explored_and_referred_to(run: Any, tmp_path: Path) -> None:
    for name, layer in (
        ("em.n5", "em"),
        ("em.precomputed", "em"),
        ("brain", "em"),
        ("cells.zarr", "cells__A"),
        ("em.ozx", "em"),
        ("em.ozx|zip:|zarr3:", "em"),
    ):
        assert f"{layer}   color" in run(f"explore IN/{name}")
        run(f"explore IN/{name} --create HERE/{name}")
        made = wk.Dataset.open(tmp_path / name).get_layer(layer)
        expected = voxels() if layer == "em" else noise((2, *SIZE[::-1]))[0].T
        assert np.array_equal(over_xyz(made), expected)
