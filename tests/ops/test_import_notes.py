"""What every bundled reader and importer says reaches whoever imports: in the plan, in Python, once."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest

import wkplug as wk
from wkplug import registry, storage
from wkplug.abc import Image, ImageReader
from wkplug.errors import PluginMissingError
from wkplug.ops import images
from wkplug.ops.images import ImportOptions, plan_layers
from wkplug.ops.importing.readers import ImageFile
from wkplug.ops.importing.series import Stack
from wkplug.testing import ImageReaderSuite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import ForeignLayer, Location
    from wkplug.ops.importing.report import ImportReport

ROOT = Path(__file__).parents[2]
NOTE = "this file is a sample"
OTHER = "this file is no more than a sample"


def suites() -> Iterator[Any]:
    """The conformance suite of each bundled reader, which knows how to get real files."""
    for path in sorted(ROOT.glob("plugins/images_*/tests/test_*.py")):
        if "ImageReaderSuite" not in path.read_text(encoding="utf-8"):
            continue
        plugin = path.parents[1].name
        yield pytest.param(path, id=f"{plugin}-{path.stem.removeprefix('test_')}")


def suites_of(path: Path) -> list[type[ImageReaderSuite]]:
    name = f"suite_of_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return [
        found
        for found in vars(module).values()
        if isinstance(found, type)
        and issubclass(found, ImageReaderSuite)
        and found.make_samples is not ImageReaderSuite.make_samples  # else it is a base of others
    ]


def reader_of(suite: type[ImageReaderSuite]) -> ImageReader:
    """What the fixture of the suite makes."""
    factory: Any = inspect.getattr_static(suite, "reader_factory")
    if isinstance(factory, str):
        module, _, attribute = factory.partition(":")
        factory = getattr(importlib.import_module(module), attribute)
    made: ImageReader = factory(dict(suite.settings))
    return made


class Noting(ImageReader):
    """A reader whose files say a sentence more, and the same twice."""

    def __init__(self, reader: ImageReader) -> None:
        self.reader = reader

    def open(self, location: Location, *, scene: int = 0) -> Image:
        image = self.reader.open(location, scene=scene)
        image.info = attrs.evolve(image.info, notes=(*image.info.notes, NOTE, OTHER, NOTE))
        return image


def check(report: ImportReport | None, expected: set[str]) -> None:
    """Each sentence is told, once."""
    assert report is not None
    said = [note.text for note in report.notes if note.kind == "said"]
    assert expected <= set(said)
    assert len(said) == len(set(said))
    lines = [str(note) for note in report.notes]
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("path", list(suites()))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_a_reader_says_is_told_once(path: Path, tmp_path: Path) -> None:
    for kind in suites_of(path):
        sample = next(iter(kind().make_samples(tmp_path)))
        file = ImageFile(storage.locate(sample.path), Noting(reader_of(kind)), "noting")
        try:
            own = set(file.info.notes)
        except PluginMissingError as error:
            pytest.skip(str(error))
        large = {"float64": "float32", "int64": "uint32", "uint64": "uint32"}
        plan = plan_layers(
            {"em": Stack((file,))},
            tmp_path / kind.__name__,
            (4, 4, 40),
            options=ImportOptions(dtype=large.get(file.info.dtype), allow_multiple_layers=True),
            category="color",
        )
        assert {NOTE, OTHER} <= own
        check(plan.report, own)
        names = [layer.name for volume in plan.volumes for layer in volume.layers]
        assert len(names) == len({name.lower() for name in names})


def containers(folder: Path) -> dict[str, Path]:
    """A real container of each kind, written by the tools that are here."""
    dataset = wk.Dataset(folder / "dataset", voxel_size=(4, 4, 40))
    data = np.random.default_rng(0).integers(1, 250, (32, 32, 32)).astype("uint8")
    layer = dataset.write_layer("em", "color", data, data_format="wkw", shard_shape=32, downsample=False)
    for suffix in ("n5", "precomputed", "ozx"):
        layer.export(folder / f"a.{suffix}")
    place = folder / "cubes" / "x0000" / "y0000" / "z0000"
    place.mkdir(parents=True)
    (place / "em_x0000_y0000_z0000.raw").write_bytes(bytes(range(256)) * (128**3 // 256))
    return {
        "ome-zarr": folder / "a.ozx",
        "n5": folder / "a.n5",
        "precomputed": folder / "a.precomputed",
        "wkw": folder / "dataset" / "em" / "1",
        "knossos": folder / "cubes",
    }


ELSEWHERE = {"dicom"}
"""Importers whose containers need a library that makes them: the notes of their readers are tested above."""


@pytest.mark.parametrize("name", ["ome-zarr", "n5", "precomputed", "wkw", "knossos"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_an_importer_says_is_told_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = containers(tmp_path)[name]
    importer = type(registry.importer(name))
    describe = importer.describe

    def noting(self: Any, location: Location) -> tuple[ForeignLayer, ...]:
        found = describe(self, location)
        return tuple(attrs.evolve(layer, notes=(*layer.notes, NOTE, OTHER, NOTE)) for layer in found)

    monkeypatch.setattr(importer, "describe", noting)
    plan = images.plan_import(
        place,
        tmp_path / "out",
        images.DatasetOptions(voxel_size=(4, 4, 40)),
        input_options=images.InputOptions(importer=name),
        options=images.ImportOptions(memory="2GB"),
    )
    check(plan.report, {NOTE, OTHER})
    if name != "knossos":  # 2 million voxels say no more
        check(plan.execute().import_report, {NOTE, OTHER})


def test_every_importer_and_reader_is_looked_at() -> None:
    manager = registry.get_manager()
    importers = {offer.spec.name for offer in manager.collect("wkplug_importers")}
    assert importers - ELSEWHERE == {"ome-zarr", "n5", "precomputed", "wkw", "knossos"}
    plugins = {path.parents[1].name for path in (parameter.values[0] for parameter in suites())}
    assert plugins == {path.name for path in ROOT.glob("plugins/images_*")}
