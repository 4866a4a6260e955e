"""Which files of a folder become which layers, and what the layers are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

import wkplug as wk
from wkplug.errors import InvalidArgumentError, LayerNameError
from wkplug.ops.importing.naming import NameSource, layer_name_from, stem_of, unique_names
from wkplug.ops.importing.series import natural_key
from wkplug.properties import check_layer_name

if TYPE_CHECKING:
    from pathlib import Path


def flat(path: Path, value: int = 7) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.full((9, 8), value, "uint8")).save(path)


def deep(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.zeros((4, 9, 8), "uint8"), photometric="minisblack")


@pytest.fixture
def sections(tmp_path: Path) -> Path:
    """Two sections directly in the input, three in b/sub, one in b."""
    root = tmp_path / "root"
    for name in ("a1.png", "a2.png", "b/sub/s1.png", "b/sub/s2.png", "b/sub/s10.png", "b/top.png"):
        flat(root / name)
    return root


def names(root: Path, mapping: Any, **options: Any) -> dict[str, int]:
    dataset = wk.Dataset.from_images(
        root, root.parent / "out", (1, 1, 1), map_filepath_to_layer_name=mapping, **options
    )
    return {name: layer.bounding_box.size_xyz.z for name, layer in dataset.layers.items()}


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (
            "enforce_layer_per_file",
            dict.fromkeys(
                ["a1.png", "a2.png", "b_sub_s1.png", "b_sub_s2.png", "b_sub_s10.png", "b_top.png"], 1
            ),
        ),
        ("enforce_single_layer", {"root": 6}),
        ("enforce_layer_per_folder", {"root": 2, "b_sub": 3, "b": 1}),
        ("enforce_layer_per_toplevel_folder", {"root": 2, "b": 4}),
        ("inspect_every_file", {"root": 2, "b_sub": 3, "b": 1}),
        ("inspect_single_file", {"root": 2, "sub": 3, "b": 1}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*named otherwise, and is a section all the same:UserWarning")
def test_sections_are_grouped_by_the_strategy(sections: Path, mapping: str, expected: dict[str, int]) -> None:
    assert names(sections, mapping) == expected


def test_strategies_may_be_given_as_members(sections: Path) -> None:
    assert names(sections, wk.ConversionLayerMapping.ENFORCE_SINGLE_LAYER) == {"root": 6}


def test_volumes_are_layers_each_by_default(tmp_path: Path) -> None:
    for name in ("v1.tif", "a/v1.tif", "a/v2.tif"):
        deep(tmp_path / "root" / name)
    assert names(tmp_path / "root", "inspect_single_file") == {"a_v1": 4, "a_v2": 4, "v1": 4}


def test_volumes_that_differ_in_their_suffix_keep_it(tmp_path: Path) -> None:
    for name in ("a/v.tif", "a/v.tiff", "a/w.tif"):
        deep(tmp_path / "root" / name)
    assert names(tmp_path / "root", "inspect_single_file") == {"a_v.tif": 4, "a_v.tiff": 4, "a_w": 4}


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.tif", "a"), ("A.OME.TIF", "A"), ("a.b.jp2", "a.b"), ("a.xyz", "a"), (".tif", ".tif"), ("a", "a")],
)
def test_the_whole_suffix_of_a_file_is_left_out(name: str, stem: str) -> None:
    assert stem_of(name) == stem


def test_a_function_gives_files_their_whole_names(tmp_path: Path) -> None:
    deep(tmp_path / "root" / "a" / "v.tif")
    assert names(tmp_path / "root", str) == {"av.tif": 4}


@pytest.mark.parametrize(
    ("files", "mapping", "expected"),
    [
        (["a/p/s1", "a/p/s2", "b/p/s1", "b/p/s2", "b/p/s3"], "inspect_single_file", {"a_p": 2, "b_p": 3}),
        (["a b/s1", "ab/s1", "ab/s2"], "inspect_single_file", {"a_b": 1, "ab": 2}),
        (["root/s1", "s1", "s2"], "inspect_single_file", {"root": 1, "root_2": 2}),
        (["größe/s1", "grosse/s1", "grosse/s2"], "inspect_single_file", {"grosse": 2, "grosse_2": 1}),
        (["细胞/s1", "核/s1", "核/s2"], "inspect_single_file", {"u6838": 2, "u7ec6u80de": 1}),
        (["a b/s1", "ab/s1", "ab/s2"], "enforce_layer_per_folder", {"a_b": 1, "ab": 2}),
        (["a/b/s1", "a_b/s1", "a_b/s2"], "enforce_layer_per_folder", {"a_b": 1, "a_b_2": 2}),
        (["a b/s1", "ab/x/s1", "ab/s2"], "enforce_layer_per_toplevel_folder", {"a_b": 1, "ab": 2}),
        (["a/b", "a_b"], "enforce_layer_per_file", {"a_b.png": 1, "a_b.png_2": 1}),
        (["s1", "s 1", "s2"], lambda path: f"n{path.stem}", {"ns1": 1, "ns_1": 1, "ns2": 1}),
    ],
)
def test_two_sources_never_become_one_layer(
    tmp_path: Path, files: list[str], mapping: Any, expected: dict[str, int]
) -> None:
    for file in files:
        flat(tmp_path / "root" / f"{file}.png")
    assert names(tmp_path / "root", mapping) == expected


@pytest.mark.parametrize("mapping", ["inspect_single_file", "inspect_every_file"])
def test_volumes_whose_paths_look_alike_are_two_layers(tmp_path: Path, mapping: str) -> None:
    for file in ("1/11.tif", "11/1.tif"):
        deep(tmp_path / "root" / file)
    suffix = ".tif" if mapping == "inspect_every_file" else ""
    assert names(tmp_path / "root", mapping) == {f"1_11{suffix}": 4, f"11_1{suffix}": 4}


def test_names_that_were_changed_are_told_with_their_sources(tmp_path: Path) -> None:
    for file in ("a b/s1", "ab/s1", "größe/s1"):
        flat(tmp_path / "root" / f"{file}.png")
    dataset = wk.Dataset.from_images(tmp_path / "root", tmp_path / "out", (1, 1, 1))
    told = [note.text for note in dataset.import_report.notes if note.kind == "named"]
    assert told == [
        "2 layers would be called 'ab', so a b/ is 'a_b', ab/ is 'ab'",
        "names of layers hold A to Z, digits and _ $ @ - . only, so 'größe' is 'grosse'",
    ]


def told(source: Path, mapping: Any = "inspect_single_file", **options: Any) -> str:
    """The one note about names of layers."""
    dataset = wk.Dataset.from_images(
        source, source.parent / "out", (1, 1, 1), map_filepath_to_layer_name=mapping, **options
    )
    assert dataset.import_report is not None
    (note,) = [note for note in dataset.import_report.notes if note.kind == "named"]
    assert not note.lost
    return note.text.removeprefix("names of layers hold A to Z, digits and _ $ @ - . only, so ")


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("enforce_layer_per_folder", "'a/b' is 'a_b'"),
        ("enforce_layer_per_file", "'a/b/s1.png' is 'a_b_s1.png', 'c/s1.png' is 'c_s1.png'"),
        (lambda path: f"x/{path.parent.name}", "'x/b' is 'xb', 'x/c' is 'xc'"),
    ],
)
def test_paths_of_files_that_become_names_are_told(tmp_path: Path, mapping: Any, said: str) -> None:
    for file in ("a/b/s1", "c/s1"):
        flat(tmp_path / "root" / f"{file}.png")
    assert told(tmp_path / "root", mapping) == said


def test_names_of_data_sets_and_arrays_that_were_changed_are_told(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["volumes/raw"] = file["right/ventricle"] = np.ones((2, 4, 5), "uint8")
    expected = "'right/ventricle' is 'right_ventricle', 'volumes/raw' is 'volumes_raw'"
    assert told(tmp_path / "v.h5", scene="all", layer_category="color") == expected
    root = zarr.open_group(tmp_path / "g.zarr", mode="w")
    for name in ("a/b", "c"):
        root.create_array(name, data=np.ones((2, 4, 5), "uint8"), dimension_names=["z", "y", "x"])
    dataset = wk.Dataset.from_images(tmp_path / "g.zarr", tmp_path / "zarr", (1, 1, 1))
    assert "so 'a/b' is 'a_b'." in str(dataset.import_report)
    dataset.add_layer_from_images(tmp_path / "g.zarr", "em", allow_multiple_layers=True)
    assert set(dataset.layers) == {"a_b", "c", "em", "em_c"}


def test_names_of_channels_that_were_changed_are_told(tmp_path: Path) -> None:
    data = np.ones((2, 2, 8, 9), "uint16")
    names_of = {"axes": "ZCYX", "Channel": {"Name": ["DAPI (405)", "GFP"]}}
    tifffile.imwrite(tmp_path / "c.ome.tif", data, ome=True, metadata=names_of)
    assert told(tmp_path / "c.ome.tif") == "'DAPI (405)' is 'DAPI405'"


def test_a_layer_and_the_channel_of_another_are_never_one(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    channels = np.zeros((2, 4, 9, 8), "uint8")
    tifffile.imwrite(tmp_path / "root" / "a.tif", channels, metadata={"axes": "CZYX"}, ome=True)
    deep(tmp_path / "root" / "a__channel0.tif")
    with pytest.raises(LayerNameError, match=r"Both .*a\.tif and .*a__channel0\.tif would become") as caught:
        names(tmp_path / "root", "inspect_single_file")
    assert "Rename one of the files, or import them one by one with layer_name." in str(caught.value)


def test_every_file_is_inspected_on_request(tmp_path: Path) -> None:
    deep(tmp_path / "root" / "a" / "v.tif")
    flat(tmp_path / "root" / "a" / "s1.png")
    flat(tmp_path / "root" / "a" / "s2.png")
    assert names(tmp_path / "root", "inspect_every_file") == {"a": 2, "av.tif": 4}


def test_a_function_names_layers_by_relative_path(sections: Path) -> None:
    seen: list[str] = []

    def name(path: Any) -> str:
        seen.append(str(path))
        return f"x {path.suffix}/{path.name[0]}"

    assert names(sections, name) == {"x.pnga": 2, "x.pngs": 3, "x.pngt": 1}
    assert "b/sub/s1.png" in seen


def test_a_given_name_is_taken_for_one_layer_and_put_before_several(sections: Path) -> None:
    assert names(sections, "enforce_single_layer", layer_name="em") == {"em": 6}
    out = wk.Dataset.from_images(sections, sections.parent / "two", (1, 1, 1), layer_name="em")
    assert set(out.layers) == {"em_root", "em_sub", "em_b"}


def test_an_unknown_strategy_is_refused_before_anything_is_written(sections: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="'by_colour' is no way") as caught:
        names(sections, "by_colour")
    assert "inspect_single_file" in str(caught.value)
    assert not (sections.parent / "out").exists()


def test_a_name_that_no_layer_may_have_is_refused_before_anything_is_written(sections: Path) -> None:
    for name in ("a/b", "..", "", "x\n"):
        with pytest.raises(LayerNameError):
            names(sections, "enforce_single_layer", layer_name=name)
    assert not (sections.parent / "out").exists()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a/b.tif", "ab.tif"),
        ("..x y", "xy"),
        ("größe", "grosse"),
        ("β-Клетка²", "beta-Kletka2"),
        ("细胞", "u7ec6u80de"),
        ("a$@-_.", "a$@-_"),
    ],
)
def test_names_lose_what_no_name_may_hold(text: str, name: str) -> None:
    assert layer_name_from(text) == name


def test_a_name_of_nothing_is_an_error() -> None:
    with pytest.raises(LayerNameError, match=r"No layer name can be made of '\./'"):
        layer_name_from("./")


def test_natural_order_goes_by_the_value_of_numbers() -> None:
    given = ["s10", "s2", "S1", "s", "2²", "10", "9", "a1b10", "a1b9"]
    ordered = ["a1b9", "a1b10", "s", "S1", "s2", "s10", "2²", "9", "10"]
    assert sorted(given, key=natural_key) == ordered


def test_links_in_a_circle_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    flat(tmp_path / "root" / "a" / "s1.png")
    flat(tmp_path / "root" / "a" / ".s2.png")
    flat(tmp_path / "root" / ".hidden" / "s3.png")
    (tmp_path / "root" / "a" / "up").symlink_to(tmp_path / "root")
    assert names(tmp_path / "root", "enforce_single_layer") == {"root": 1}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.text("ab _2ß细/", min_size=1, max_size=4).map(lambda text: f"x{text}"), min_size=1, max_size=8
    )
)
def test_names_of_layers_are_always_valid_and_different(texts: list[str]) -> None:
    given_names, notes = unique_names([NameSource(text, (text,)) for text in texts])
    assert len(set(given_names)) == len(texts)
    for name in given_names:
        check_layer_name(name)
    for text, name in zip(texts, given_names, strict=True):
        # Whatever is not called as it was is told.
        assert (
            name == text.replace("/", "") or any(repr(name) in note.text for note in notes) or len(texts) > 5
        )
