"""How often the files of an import are opened and parsed, and how many are open at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from wkplug_tiff.reader import TiffReader

import wkplug as wk
from wkplug.filesystems.local import LocalLocation
from wkplug.ops.importing.readers import ImageCache, ImageFile, ReaderChoice

OPTIONS: dict[str, Any] = {"compression": "zlib", "photometric": "minisblack"}


def noise(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(0).integers(1, 250, shape).astype("uint8")


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that tifffile was given, as often as it was."""
    found: list[Path] = []
    original = tifffile.TiffFile.__init__

    def counted(self: Any, file: Any, *arguments: Any, **options: Any) -> None:
        found.append(Path(file))
        original(self, file, *arguments, **options)

    monkeypatch.setattr(tifffile.TiffFile, "__init__", counted)
    return found


@pytest.mark.parametrize("category", ["color", None])
@pytest.mark.parametrize("pages", [3, 200])
def test_a_single_file_is_parsed_once(
    tmp_path: Path, parsed: list[Path], pages: int, category: str | None
) -> None:
    """To be described, for its category to be guessed, and to be read."""
    data = noise((pages, 32, 32))
    tifffile.imwrite(tmp_path / "a.tif", data, metadata=None, **OPTIONS)
    parsed.clear()
    dataset = wk.Dataset.from_images(
        tmp_path / "a.tif", tmp_path / "out", voxel_size=(1, 1, 1), layer_category=category, layer_name="em"
    )
    assert np.array_equal(dataset.get_layer("em").get_mag(1).read()[0], data.T)
    assert parsed == [tmp_path / "a.tif"]


def test_a_file_that_changes_between_is_parsed_again(tmp_path: Path, parsed: list[Path]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise((3, 8, 8)), **OPTIONS)
    file = ImageFile.choose(LocalLocation(str(path)))
    assert file.info.shape == (3, 8, 8)
    data = noise((3, 8, 8)) // 2
    tifffile.imwrite(path, data, **OPTIONS)
    parsed.clear()
    with file.open() as image:
        assert np.array_equal(image.read(), data)
    assert parsed == [path]


def test_of_many_files_a_few_are_kept_and_none_is_open(tmp_path: Path, parsed: list[Path]) -> None:
    for number in range(20):
        tifffile.imwrite(tmp_path / f"s{number:03}.tif", noise((8, 8)), **OPTIONS)
    parsed.clear()
    wanted = ReaderChoice()
    files = [ImageFile.choose(LocalLocation(str(path)), wanted) for path in sorted(tmp_path.iterdir())]
    assert all(file.info.shape == (8, 8) for file in files)
    assert len(parsed) == 20
    if Path("/proc/self/fd").exists():
        opened = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        assert not any(name.endswith(".tif") for name in opened)
    kept = [file for file in files if wanted.closed.take(file.path) is not None]
    assert kept == files[-4:]


def test_an_image_is_never_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise((8, 8)), **OPTIONS)
    file = ImageFile.choose(LocalLocation(str(path)))
    assert file.info.shape == (8, 8)
    with file.open() as first, file.open() as second:
        assert first is not second
        assert np.array_equal(first.read(), second.read())


def test_images_that_would_be_parsed_again_are_not_kept(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise((8, 8)), **OPTIONS)
    closed = ImageCache()
    with TiffReader().open(LocalLocation(str(tmp_path / "a.tif"))) as image:
        pass
    image.reopens = False
    closed.put("a", image)
    assert closed.take("a") is None
