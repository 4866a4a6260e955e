"""Copies that were stopped: they say that they are unfinished, the same call goes on, and others are refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest

import wkplug as wk
from tests.dataset import processes
from wkplug import errors, storage
from wkplug.cli.main import main
from wkplug.ops.copying import mag_copying

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MARK = ".wkplug-incomplete.json"


@pytest.fixture
def source(tmp_path: Path) -> wk.Dataset:
    """Two layers of two mags each, an attachment, and a folder that nobody lists."""
    dataset = wk.Dataset(tmp_path / "source", voxel_size=(4, 4, 30))
    data = np.random.default_rng(0).integers(1, 200, (64, 128, 64)).astype("u1")
    for name, category in (("color", "color"), ("cells", "segmentation")):
        layer = dataset.add_layer(
            name, category, bounding_box=wk.BoundingBox((0, 0, 0), data.shape), dtype="uint8"
        )
        for mag in (1, 2):
            view = layer.add_mag(mag, chunk_shape=32, shard_shape=32)
            view.write(data[::mag, ::mag, ::mag])
    mappings = dataset.path / "cells" / "mappings"
    mappings.mkdir()
    (mappings / "merged.json").write_text("{}")
    mesh = tmp_path / "big.hdf5"
    mesh.write_bytes(b"mesh")
    dataset.get_layer("cells").attachments.add_attachment_as_copy(wk.MeshAttachment("big", mesh, "hdf5"))
    return dataset


def is_same(copy: Path, source: wk.Dataset) -> bool:
    """Whether properties files and all files of arrays are those of the source."""
    found = wk.Dataset.open(copy)
    return (
        list(found.layers) == list(source.layers)
        and all(
            list(found.get_layer(name).mags) == list(layer.mags)
            and found.get_layer(name).bounding_box == layer.bounding_box
            and all(
                found.get_layer(name).get_mag(mag).content_is_equal(view) for mag, view in layer.mags.items()
            )
            for name, layer in source.layers.items()
        )
        and files(copy) == files(source.path)
    )


def files(folder: Path) -> set[str]:
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name for name in names if "/.wkplug" not in f"/{name}"}


# Dies at the file number `arguments["at"]` that appears under its name, before or after it does.
DYING = """
import signal
replace, count = os.replace, 0
def dying(*arguments_, **keywords):
    global count
    if count == arguments["at"]:
        os.kill(os.getpid(), signal.SIGKILL)
    count += 1
    return replace(*arguments_, **keywords)
os.replace = dying
"""
COPY = DYING + "wk.Dataset.open(arguments['source']).copy_dataset(arguments['target'], **arguments['more'])"
LAYER = (
    DYING
    + """
wk.Dataset.open(arguments['target']).add_layer_as_copy(
    wk.Dataset.open(arguments['source']).get_layer("cells"), **arguments['more'])
"""
)


def killed(script: str, folder: Path, **arguments: Any) -> bool:
    """Run it; gives whether it died of what it was to die of, not ended before."""
    with processes.process(script, folder, arguments) as child:
        _, err = child.communicate(timeout=processes.PATIENCE)
        assert child.returncode in (-9, 0), err[-2000:]
        return bool(child.returncode)


@pytest.mark.faults
@pytest.mark.parametrize("more", [{}, {"data_format": "wkw"}], ids=["files", "voxels"])
def test_a_killed_copy_of_a_dataset_says_so_and_the_same_call_goes_on(
    source: wk.Dataset, tmp_path: Path, more: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    expected = tmp_path / "expected"
    source.copy_dataset(expected, **more)
    whole = wk.Dataset.open(expected)
    deaths = 0
    for at in (0, 1, 2, 4, 7, 12, 16, 22, 27, 32, 40):
        target = tmp_path / f"copy-{at}"
        if not killed(
            COPY, tmp_path / f"run-{at}", source=str(source.path), target=str(target), at=at, more=more
        ):
            assert is_same(target, whole)
            continue
        deaths += 1
        begun = (target / MARK).exists()
        assert begun  # the mark comes before anything else
        if (target / "datasource-properties.json").exists():
            assert main(["info", str(target), "--no-sizes"]) == 0
            told = capsys.readouterr().out
            assert f"INCOMPLETE: a copy of {source.path}, started " in told
            assert "has not finished; run it again to finish it" in told
        if begun:
            with pytest.raises(errors.DatasetExistsError, match="left unfinished"):
                source.copy_dataset(target, chunk_shape=64, shard_shape=64)
        source.copy_dataset(target, **more)
        assert is_same(target, whole)
        assert not list(target.rglob(MARK))
    assert deaths >= 6


@pytest.mark.faults
def test_a_killed_copy_of_a_layer_says_so_and_the_same_call_goes_on(
    source: wk.Dataset, tmp_path: Path
) -> None:
    deaths = 0
    for at in (0, 1, 2, 5, 8, 11, 14, 17):
        target = wk.Dataset(tmp_path / f"target-{at}", voxel_size=source.voxel_size)
        more = {"new_layer_name": "copy"}
        if not killed(
            LAYER, tmp_path / f"run-{at}", source=str(source.path), target=str(target.path), at=at, more=more
        ):
            continue
        deaths += 1
        found = wk.Dataset.open(target.path)
        if "copy" in found.layers:
            with pytest.raises(errors.LayerExistsError, match="left unfinished"):
                found.add_layer_as_copy(source.get_layer("color"), "copy")
        layer = found.add_layer_as_copy(source.get_layer("cells"), "copy")
        original = source.get_layer("cells")
        assert files(layer.path) == files(original.path)
        assert all(layer.get_mag(mag).content_is_equal(view) for mag, view in original.mags.items())
        assert len(layer.as_segmentation_layer().attachments.meshes) == 1
        assert not list(target.path.rglob(MARK))
        with pytest.raises(errors.LayerExistsError, match="already has a layer 'copy'"):
            found.add_layer_as_copy(original, "copy")
    assert deaths >= 4


class StoppedError(Exception):
    """Ends a copy in the middle, like an interrupt."""


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Let the mag of that number fail from now on; gives the mags that were begun."""
    original_add_mag, original_files_of = mag_copying.add_mag, mag_copying.files_of

    def stop(at: int) -> list[str]:
        begun: list[str] = []

        def note(layer: wk.Layer, view: Any) -> None:
            if len(begun) == at:
                raise StoppedError
            begun.append(f"{layer.name}/{view.name}")

        def add_mag(layer: wk.Layer, view: Any, *arguments: Any, **keywords: Any) -> Any:
            note(layer, view)
            return original_add_mag(layer, view, *arguments, **keywords)

        def files_of(layer: wk.Layer, view: Any, *arguments: Any, **keywords: Any) -> storage.Part:
            part = original_files_of(layer, view, *arguments, **keywords)

            def finish() -> None:
                note(layer, view)
                part.finish()

            return part._replace(finish=finish)

        monkeypatch.setattr(mag_copying, "add_mag", add_mag)
        monkeypatch.setattr(mag_copying, "files_of", files_of)
        return begun

    return stop


def stopped_after_three(source: wk.Dataset, target: Path, stopping: Callable[[int], list[str]]) -> list[str]:
    """A copy that has three of four mags; gives the list of those that are begun from now on."""
    stopping(3)
    with pytest.raises(StoppedError):
        source.copy_dataset(target)
    return stopping(9)


def test_what_is_complete_is_not_copied_again(
    source: wk.Dataset, tmp_path: Path, stopping: Callable[[int], list[str]]
) -> None:
    begun = stopped_after_three(source, tmp_path / "copy", stopping)
    source.copy_dataset(tmp_path / "copy")
    assert begun == ["cells/2"]
    assert is_same(tmp_path / "copy", source)


def test_with_exists_ok_everything_is_compared_again(
    source: wk.Dataset, tmp_path: Path, stopping: Callable[[int], list[str]]
) -> None:
    begun = stopped_after_three(source, tmp_path / "copy", stopping)
    source.copy_dataset(tmp_path / "copy", exists_ok=True)
    assert begun == ["color/1", "color/2", "cells/1", "cells/2"]
    assert is_same(tmp_path / "copy", source)
    assert not (tmp_path / "copy" / MARK).exists()


def test_a_copy_into_a_dataset_that_was_there_goes_on_as_it_was_begun(
    source: wk.Dataset, tmp_path: Path, stopping: Callable[[int], list[str]]
) -> None:
    target = tmp_path / "copy"
    wk.Dataset(target, voxel_size=source.voxel_size).add_layer("color", "color").add_mag(1).write(
        np.ones((5, 5, 5), "u1"), allow_resize=True
    )
    stopping(1)
    with pytest.raises(StoppedError):
        source.copy_dataset(target, exists_ok=True)
    with pytest.raises(errors.DatasetExistsError) as caught:
        source.copy_dataset(target)
    assert re.search(
        rf"At {target} a copy into the dataset that was there has not finished: a copy of {source.path}, started ",
        str(caught.value),
    )
    assert "Run it again with exists_ok=True, as it was begun." in str(caught.value)
    stopping(99)
    copy = source.copy_dataset(target, exists_ok=True)
    assert copy.get_layer("color").get_mag(1).content_is_equal(source.get_layer("color").get_mag(1))
    assert not list(target.rglob(MARK))


def test_another_copy_is_refused_and_changes_nothing(
    source: wk.Dataset,
    tmp_path: Path,
    stopping: Callable[[int], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "copy"
    other = wk.Dataset(tmp_path / "other", voxel_size=source.voxel_size)
    other.add_layer("color", "color")
    stopping(1)
    with pytest.raises(StoppedError):
        source.copy_dataset(target)
    before = (target / MARK).read_bytes()
    stopping(99)
    for refused in (
        ["copy-dataset", str(other.path), str(target)],
        ["copy-dataset", str(source.path), str(target), "--data-format", "wkw"],
    ):
        assert main(refused) == 1
        told = capsys.readouterr().err
        assert f"Error: At {target} is what another job has left unfinished: a copy of {source.path}" in told
        assert (
            "Run that again, with the same parameters, to finish it; or choose another name or path" in told
        )
    assert (target / MARK).read_bytes() == before
    assert [len(layer.mags) for layer in wk.Dataset.open(target).layers.values()] == [1, 0]
    # Who insists may copy into it; it stays unfinished, and what is there counts no longer as its own.
    other.copy_dataset(target, exists_ok=True)
    assert (target / MARK).exists()
    with pytest.raises(errors.DatasetExistsError, match="Run it again with exists_ok=True"):
        source.copy_dataset(target)
    source.copy_dataset(target, exists_ok=True)
    assert is_same(target, source)


def test_the_same_command_goes_on_without_exists_ok(
    source: wk.Dataset,
    tmp_path: Path,
    stopping: Callable[[int], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["copy-dataset", str(source.path), str(tmp_path / "copy"), "--data-format", "wkw"]
    stopping(2)
    with pytest.raises(StoppedError):
        main(command)
    stopping(99)
    assert main(["info", str(tmp_path / "copy"), "--json"]) == 0
    assert f'"mark": "a copy of {source.path}, started ' in capsys.readouterr().out
    assert main(command) == 0
    assert capsys.readouterr().out == f"Copied 2 layers to {tmp_path / 'copy'}.\n"
    assert main(["check-equality", str(source.path), str(tmp_path / "copy")]) == 0
    capsys.readouterr()
    assert main(["info", str(tmp_path / "copy")]) == 0
    assert "INCOMPLETE" not in capsys.readouterr().out
    assert main(command) == 1
    assert "already a dataset" in capsys.readouterr().err


def test_unfinished_copies_are_no_sources(
    source: wk.Dataset, tmp_path: Path, stopping: Callable[[int], list[str]]
) -> None:
    stopping(1)
    with pytest.raises(StoppedError):
        source.copy_dataset(tmp_path / "copy")
    stopping(99)
    copy = wk.Dataset.open(tmp_path / "copy")
    fresh = wk.Dataset(tmp_path / "fresh", voxel_size=source.voxel_size)
    for refused in (
        lambda: copy.copy_dataset(tmp_path / "again"),
        lambda: fresh.add_layer_as_copy(copy.get_layer("color")),
    ):
        with pytest.raises(
            errors.IncompleteMagError, match=r"is not complete: a copy of .* \(copy (dataset|layer)\)"
        ):
            refused()
    assert not (tmp_path / "again").exists()
    allowed = wk.Dataset.open(tmp_path / "copy", allow_incomplete=True).copy_dataset(tmp_path / "again")
    assert list(allowed.get_layer("color").mags) == [wk.Mag(1)]


def test_what_can_not_be_made_leaves_nothing(source: wk.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Both voxel_size and voxel_size_with_unit"):
        source.copy_dataset(
            tmp_path / "copy", voxel_size=(1, 1, 1), voxel_size_with_unit=source.voxel_size_with_unit
        )
    assert not (tmp_path / "copy").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(errors.DatasetExistsError, match="is not empty, and no dataset"):
        source.copy_dataset(tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["file"]
    target = wk.Dataset(tmp_path / "target", voxel_size=source.voxel_size)
    with pytest.raises(errors.WkplugError, match="nonsense"):
        target.add_layer_as_copy(source.get_layer("color"), data_format="nonsense")
    assert not (target.path / "color").exists()
    with pytest.raises(errors.WkplugError, match="nonsense"):
        source.copy_dataset(tmp_path / "copy", data_format="nonsense")
    assert not (tmp_path / "copy").exists()
    source.copy_dataset(tmp_path / "copy")


def test_a_copy_does_not_hide_that_an_import_has_not_ended(source: wk.Dataset, tmp_path: Path) -> None:
    target = wk.Dataset(tmp_path / "target", voxel_size=source.voxel_size)
    storage.set_mark(target.location, storage.Mark(job="import of images", fingerprint="f"))
    with pytest.raises(errors.DatasetExistsError, match="left unfinished: import of images, started"):
        source.copy_dataset(target.path)
    source.copy_dataset(target.path, exists_ok=True)
    mark = storage.read_mark(target.location)
    assert mark is not None
    assert mark.job == "import of images"


def test_copies_on_places_that_are_not_local_go_on_too(
    source: wk.Dataset, stopping: Callable[[int], list[str]]
) -> None:
    stopping(3)
    with pytest.raises(StoppedError):
        source.copy_dataset("memory://unfinished/copy")
    begun = stopping(9)
    copy = source.copy_dataset("memory://unfinished/copy")
    assert begun == ["cells/2"]
    assert storage.read_mark(copy.location) is None
    assert copy.get_layer("cells").get_mag(2).content_is_equal(source.get_layer("cells").get_mag(2))


def test_what_was_killed_before_it_was_listed_leaves_no_mark_on_another_copy(
    source: wk.Dataset, tmp_path: Path
) -> None:
    target = wk.Dataset(tmp_path / "target", voxel_size=source.voxel_size)
    left = storage.Mark(job="copy layer", what="a copy of something else", fingerprint="1")
    storage.set_mark(storage.locate(target.path / "color"), left)
    target.add_layer_as_copy(source.get_layer("color"))
    assert not list(target.path.rglob(MARK))
    copy = tmp_path / "copy"
    storage.set_mark(storage.locate(copy), attrs.evolve(left, job="copy dataset"))
    source.copy_dataset(copy, exists_ok=True)
    assert not list(copy.rglob(MARK))
    assert is_same(copy, source)
