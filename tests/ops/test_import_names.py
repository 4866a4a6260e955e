"""Which files of a folder become which layers, and what the layers are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

import wkplug as wk
from wkplug.errors import InvalidArgumentError, LayerNameError
from wkplug.ops.importing.files import layer_name_from, natural_key

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
def test_sections_are_grouped_by_the_strategy(sections: Path, mapping: str, expected: dict[str, int]) -> None:
    assert names(sections, mapping) == expected


def test_strategies_may_be_given_as_members(sections: Path) -> None:
    assert names(sections, wk.ConversionLayerMapping.ENFORCE_SINGLE_LAYER) == {"root": 6}


def test_volumes_are_layers_each_by_default(tmp_path: Path) -> None:
    for name in ("v1.tif", "a/v1.tif", "a/v2.tif"):
        deep(tmp_path / "root" / name)
    assert names(tmp_path / "root", "inspect_single_file") == {"av1.tif": 4, "av2.tif": 4, "v1.tif": 4}


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
    ("text", "name"), [("a/b.tif", "ab.tif"), ("..x y", "xy"), ("größe", "gre"), ("a$@-_.", "a$@-_")]
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
