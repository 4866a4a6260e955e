"""The dtypes of images that come in: taken, widened, converted on request, or refused; never wrapped or clipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import wkplug as wk
from wkplug import storage
from wkplug.cli.main import main
from wkplug.errors import IncompleteMagError, LayerExistsError, UnsupportedImageDataError
from wkplug.ops import images
from wkplug.ops.importing.values import converted, path_hint

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, kind: str, data: Any) -> Path:
    if kind == "zarr":
        zarr.create_array(folder / "a.zarr", data=data, chunks=data.shape, dimension_names=("z", "y", "x"))
        return folder / "a.zarr"
    tifffile.imwrite(
        folder / "a.tif", data, imagej=data.dtype in ("uint8", "uint16", "float32"), photometric="minisblack"
    )
    return folder / "a.tif"


def ramp(dtype: str, shape: tuple[int, ...] = (3, 20, 30)) -> Any:
    return np.linspace(0, 200, int(np.prod(shape))).reshape(shape).astype(dtype)


def notes_of(dataset: wk.Dataset, kind: str) -> list[str]:
    assert dataset.import_report is not None
    return [str(note) for note in dataset.import_report.notes if note.kind == kind]


class Sequence:
    """Frames as those who pass an opened sequence have them."""

    def __init__(self, data: Any) -> None:
        self.data, self.frame_shape, self.pixel_type = data, data.shape[1:], data.dtype

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Any:
        return self.data[index]


@pytest.mark.parametrize(("stored", "becomes"), [("bool", "uint8"), ("float16", "float32")])
def test_types_that_another_holds_exactly_are_widened(tmp_path: Path, stored: str, becomes: str) -> None:
    data = ramp(stored)
    dataset = wk.Dataset(tmp_path / "out", voxel_size=(1, 1, 1))
    layer = dataset.add_layer_from_images(Sequence(data), "em")
    assert layer.dtype == becomes
    assert np.array_equal(layer.get_mag(1).read()[0], data.T.astype(becomes))
    text = f"em: {stored} becomes {becomes}: values are converted exactly"
    assert [note.split(" (")[0] for note in notes_of(dataset, "cast")] == [f"{text}."]


@pytest.mark.parametrize("stored", ["bool", "float16"])
def test_files_of_such_types_are_taken_by_the_same_rule(tmp_path: Path, stored: str) -> None:
    data = ramp(stored)
    place = write(tmp_path, "tif", data)
    # Single bits of a picture are shown as 0 and 255; as labels they stay what they are.
    category = "segmentation" if stored == "bool" else "color"
    dataset = wk.Dataset.from_images(place, tmp_path / "out", (1, 1, 1), layer_category=category)
    layer = next(iter(dataset.layers.values()))
    assert np.array_equal(layer.get_mag(1).read()[0], data.T.astype(layer.dtype))


@pytest.mark.parametrize("kind", ["tif", "zarr"])
def test_double_precision_needs_to_be_asked_for(tmp_path: Path, kind: str, capsys: Any) -> None:
    data = ramp("float64")
    place = write(tmp_path, kind, data)
    with pytest.raises(UnsupportedImageDataError) as caught:
        wk.Dataset.from_images(place, tmp_path / "out", (1, 1, 1))
    assert "is float64. A color layer can't have the dtype float64." in caught.value.message
    assert caught.value.hint == (
        'Pass dtype="float32" or another to convert the values, which are not scaled.'
    )
    assert not (tmp_path / "out").exists()
    assert main(["inspect", str(place)]) == 0
    told = capsys.readouterr().out
    assert "needs       A color layer can't have the dtype float64. Pass --dtype float32 or another" in told
    assert (
        main(["convert", str(place), str(tmp_path / "out"), "--voxel-size", "1,1,1", "--dtype", "float32"])
        == 0
    )
    layer = next(iter(wk.Dataset.open(tmp_path / "out").layers.values()))
    assert np.array_equal(layer.get_mag(1).read()[0], data.T.astype("float32"))
    assert (
        "float64 becomes float32: values are converted as they are, without scaling"
        in capsys.readouterr().out
    )


def test_large_integers_are_ids_or_need_another_type(tmp_path: Path) -> None:
    place = write(tmp_path, "zarr", ramp("uint64"))
    with pytest.raises(UnsupportedImageDataError, match="is uint64") as caught:
        wk.Dataset.from_images(place, tmp_path / "out", (1, 1, 1), layer_category="color")
    assert 'dtype="uint32"' in str(caught.value.hint)
    assert "or the category segmentation" in str(caught.value.hint)
    dataset = wk.Dataset.from_images(
        place, tmp_path / "out", (1, 1, 1), layer_category="color", dtype="uint8"
    )
    assert notes_of(dataset, "cast") == [
        "a: uint64 becomes uint8: values are converted as they are, without scaling."
    ]
    plan = images.plan_import(place, tmp_path / "b", images.DatasetOptions(voxel_size=(1, 1, 1)))
    assert plan.volumes[0].layers[0].category == "segmentation"
    assert "which no image is" in str(plan.report)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_fractions_are_cut_off_and_counted(tmp_path: Path, executor: Any) -> None:
    data = np.zeros((5, 20, 30), "float32")
    data[0, 0, :7] = 3.5
    data[1:] = 4
    place = write(tmp_path, "zarr", data)
    with pytest.warns(
        UserWarning, match="em: 7 values have fractions or digits that uint8 doesn't hold"
    ) as caught:
        dataset = wk.Dataset.from_images(
            place,
            tmp_path / "out",
            (1, 1, 1),
            layer_name="em",
            dtype="uint8",
            executor=executor,
            layer_category="color",
        )
    assert len(caught) == 1
    assert np.array_equal(dataset.get_layer("em").get_mag(1).read()[0], np.trunc(data).T.astype("uint8"))
    assert len(notes_of(dataset, "cast")) == 2


@pytest.mark.parametrize(
    ("value", "stored", "dtype", "text"),
    [
        (300, "uint16", "uint8", "has values from 0 to 300, which uint8 can't hold"),
        (-1, "int16", "uint16", "has values from -1 to 0, which uint16 can't hold"),
        (1e39, "float64", "float32", r"has values from 0 to 1e\+39, which float32 can't hold"),
        (
            np.nan,
            "float32",
            "uint8",
            r"has values that are no numbers \(NaN or infinite\), which uint8 can't hold",
        ),
        (256.5, "float32", "uint8", "has values from 0 to 256.5, which uint8 can't hold"),
    ],
)
def test_values_beyond_the_type_are_an_error(
    tmp_path: Path, value: Any, stored: str, dtype: str, text: str
) -> None:
    data = np.zeros((2, 20, 30), stored)
    data[1, 3, 4] = value
    place = write(tmp_path, "zarr", data)
    with pytest.raises(UnsupportedImageDataError, match=text) as caught:
        wk.Dataset.from_images(place, tmp_path / "out", (1, 1, 1), dtype=dtype)
    assert "nothing is wrapped around or clipped" in str(caught.value.hint)


@pytest.mark.parametrize("executor", ["sequential", "threads", "processes"])
def test_after_values_beyond_the_type_another_is_given(tmp_path: Path, executor: str) -> None:
    data = np.full((3, 20, 30), 300, "uint16")
    place = write(tmp_path, "zarr", data)
    with pytest.raises(UnsupportedImageDataError):
        wk.Dataset.from_images(
            place, tmp_path / "out", (1, 1, 1), dtype="uint8", executor=executor, layer_category="color"
        )
    assert not (tmp_path / "out").exists()
    dataset = wk.Dataset.from_images(
        place, tmp_path / "out", (1, 1, 1), layer_name="em", executor=executor, layer_category="color"
    )
    with pytest.raises(UnsupportedImageDataError):
        dataset.add_layer_from_images(place, "more", dtype="uint8", executor=executor)
    assert (list(dataset.layers), (tmp_path / "out/more").exists()) == (["em"], False)
    more = dataset.add_layer_from_images(place, "more", dtype="float32", executor=executor)
    assert np.array_equal(more.get_mag(1).read()[0], data.T)


STAYS = "What is stored stays, unfinished: with other parameters, it needs another name or place."


@pytest.mark.parametrize("link", [False, True])
def test_an_empty_folder_that_was_there_stays_when_values_do_not_fit(tmp_path: Path, *, link: bool) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((20, 30), 300, "uint16"))
    place = tmp_path / "out"
    (tmp_path / "disk" if link else place).mkdir(mode=0o750)
    if link:
        place.symlink_to(tmp_path / "disk")
    with pytest.raises(UnsupportedImageDataError, match="uint8 can't hold"):
        wk.Dataset.from_images(tmp_path / "a.tif", place, (1, 1, 1), dtype="uint8", layer_category="color")
    assert place.is_symlink() is link
    assert (place.stat().st_mode & 0o777, list(place.iterdir())) == (0o750, [])
    assert wk.Dataset.from_images(tmp_path / "a.tif", place, (1, 1, 1), layer_category="color").layers


def test_a_dataset_whose_values_did_not_fit_says_so_to_whoever_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for z in range(100):
        tifffile.imwrite(tmp_path / "in" / f"{z:02}.tif", np.full((40, 50), 1 if z < 70 else 300, "uint16"))
    command = ["convert", str(tmp_path / "in"), str(tmp_path / "out"), "--voxel-size", "1,1,1"]
    command += ["--batch-size", "32", "--shard-shape", "32", "--distribution-strategy", "sequential"]
    assert main([*command, "--dtype", "uint8"]) == 1
    assert STAYS in capsys.readouterr().err
    assert main(command) == 1
    told = capsys.readouterr().err
    assert "with other parameters, because it failed: " in told
    assert "Run that import again once that is mended, or choose another path." in told
    for z in range(70, 100):
        tifffile.imwrite(tmp_path / "in" / f"{z}.tif", np.full((40, 50), 2, "uint16"))
    assert main([*command, "--dtype", "uint8"]) == 0
    assert wk.Dataset.open(tmp_path / "out").get_layer("in").get_mag(1).read().max() == 2


def test_what_is_stored_already_stays_when_values_do_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for z in range(100):
        tifffile.imwrite(tmp_path / "in" / f"{z:02}.tif", np.full((40, 50), 1 if z < 70 else 300, "uint16"))
    dataset = wk.Dataset(tmp_path / "out", (1, 1, 1))
    options: dict[str, Any] = {
        "batch_size": 32,
        "shard_shape": 32,
        "executor": "sequential",
        "dtype": "uint8",
    }
    with pytest.raises(UnsupportedImageDataError, match="uint8 can't hold") as caught:
        dataset.add_layer_from_images(tmp_path / "in", "em", **options)
    assert str(caught.value).endswith(STAYS)
    assert (tmp_path / "out/em/1/.wkplug-import.json").is_file()
    # Whoever comes next is told why, and not to try the same again.
    with pytest.raises(LayerExistsError) as taken:
        dataset.add_layer_from_images(tmp_path / "in", "em", **{**options, "dtype": "uint16"})
    told = str(taken.value)
    assert "that another import has left unfinished, because it failed: " in told
    assert told.endswith(
        "uint8 can't hold.\n  Run that import again once that is mended, or give another layer_name."
    )
    with pytest.raises(IncompleteMagError, match=r"has failed: .* uint8 can't hold") as incomplete:
        storage.open_array(storage.locate(tmp_path / "out/em/1"), "zarr3")
    assert "Run the same command again once that is mended." in str(incomplete.value)
    assert main(["info", str(tmp_path / "out")]) == 0
    assert "has failed; run it again once that is mended: " in capsys.readouterr().out
    for z in range(70, 100):
        tifffile.imwrite(tmp_path / "in" / f"{z}.tif", np.full((40, 50), 2, "uint16"))
    layer = dataset.add_layer_from_images(tmp_path / "in", "em", **options)
    assert np.array_equal(np.unique(layer.get_mag(1).read()), [1, 2])


TYPES = ["bool", "uint8", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64"]


@given(
    values=st.sampled_from(TYPES).flatmap(lambda dtype: arrays.arrays(dtype, (2, 3))),
    dtype=st.sampled_from(["uint8", "int8", "uint16", "int32", "uint64", "float32"]),
)
def test_what_is_converted_is_the_same_but_for_what_is_counted(values: Any, dtype: str) -> None:
    try:
        result, cut = converted(values, dtype, "a")
    except UnsupportedImageDataError:
        with np.errstate(all="ignore"):
            whole = values if values.dtype.kind in "iub" else np.trunc(values)
            wrong = whole.astype(dtype).astype("float64") != whole.astype("float64")
        assert wrong.any() or not np.isfinite(values).all()
        return
    result = result.astype(dtype)
    kept = np.ones(values.shape, bool) if cut is None else ~cut
    rounds = values.dtype == "float64" and dtype == "float32"
    expected = values.astype("float32") if rounds else values
    assert np.array_equal(result[kept].astype("float64"), expected[kept].astype("float64"), equal_nan=True)
    if cut is not None and cut.any():
        assert (
            np.abs(result[cut].astype("float64") - values[cut].astype("float64")) > 0
        ).all() or dtype == "float32"


@pytest.mark.parametrize(
    ("value", "stored", "dtype"),
    [
        (2.0**32, "float32", "uint32"),
        (2.0**31, "float32", "int32"),
        (2.0**64, "float64", "uint64"),
        (np.inf, "float16", "uint16"),
    ],
)
def test_limits_that_a_float_rounds_are_kept_to(value: float, stored: str, dtype: str) -> None:
    with pytest.raises(UnsupportedImageDataError, match=f"which {dtype} can't hold"):
        converted(np.array([[value]], stored), dtype, "a")


# --- what a layer is ------------------------------------------------------------------------------------------


def cells(size: int, dtype: str = "uint32") -> Any:
    """Sections whose ids cover squares of a few voxels each."""
    ids = np.random.default_rng(0).integers(1, 100_000, (1, 120 // size, 120 // size)).astype(dtype)
    return np.kron(ids, np.ones((4, size, size), dtype)).astype(dtype)


NOISE = np.random.default_rng(0).integers(1, 250, (4, 120, 120)).astype("uint8")


@pytest.mark.parametrize(
    ("folder", "data", "category"),
    [
        ("segmentation", cells(3), "segmentation"),
        ("my_Labels", cells(12), "segmentation"),
        ("em", NOISE, "color"),
        ("labels", cells(3).astype("float32"), "color"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*although its path says:UserWarning")
def test_the_path_decides_what_a_layer_is(tmp_path: Path, folder: str, data: Any, category: str) -> None:
    (tmp_path / folder).mkdir()
    for z, section in enumerate(data):
        tifffile.imwrite(tmp_path / folder / f"s{z}.tif", section)
    dataset = wk.Dataset.from_images(tmp_path / folder, tmp_path / "out", (1, 1, 1), pyramid=True)
    layer = next(iter(dataset.layers.values()))
    assert layer.category == category
    if category == "segmentation":
        assert dataset.get_segmentation_layers()[0].largest_segment_id == data.max()


@pytest.mark.parametrize(
    ("name", "data", "category", "text"),
    [
        ("em", cells(20), "color", "its voxels look like segment ids: pass category="),
        ("labels", NOISE, "segmentation", "its voxels look like an image: pass category="),
        ("labels", NOISE.astype("float32"), "color", "although its path says segmentation or labels"),
    ],
)
def test_voxels_that_look_otherwise_are_only_told(
    tmp_path: Path, name: str, data: Any, category: str, text: str
) -> None:
    tifffile.imwrite(tmp_path / f"{name}.tif", data, photometric="minisblack")
    with pytest.warns(UserWarning, match=text) as caught:
        dataset = wk.Dataset.from_images(tmp_path / f"{name}.tif", tmp_path / "out", (1, 1, 1))
    assert len(caught) == 1
    assert [layer.category for layer in dataset.layers.values()] == [category]
    plan = images.plan_import(
        tmp_path / f"{name}.tif",
        tmp_path / "b",
        images.DatasetOptions(voxel_size=(1, 1, 1), layer_category="color"),
    )
    assert text not in str(plan.report)


def test_only_the_path_that_was_given_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "labels" / "em"
    folder.mkdir(parents=True)
    tifffile.imwrite(folder / "a.tif", NOISE[0])
    monkeypatch.chdir(tmp_path / "labels")
    plan = images.plan_import("em", tmp_path / "b", images.DatasetOptions(voxel_size=(1, 1, 1)))
    assert plan.volumes[0].layers[0].category == "color"
    dataset = wk.Dataset(tmp_path / "out", voxel_size=(1, 1, 1))
    assert dataset.add_layer_from_images("em/*.tif", "a", None).category == "color"
    assert dataset.add_layer_from_images(["em/a.tif"], "b", None).category == "color"


@pytest.mark.parametrize(
    ("path", "telling"),
    [
        ("/data/project_of_labels/em", "em"),
        ("/data/Labels/run1/", "Labels/run1"),
        ("segmentation", "segmentation"),
        ("/in/my_labels.tif", "my_labels.tif"),
    ],
)
def test_folders_above_count_only_if_called_just_that(path: str, telling: str) -> None:
    assert path_hint(path) == telling
