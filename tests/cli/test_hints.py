"""Texts that commands print name options, never Python's parameters; and none advises deleting."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

import wkplug as wk
from wkplug.cli.hints import PARAMETERS, advice_in_options, in_options, options_of
from wkplug.cli.main import COMMANDS, main

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("wkplug/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")])


def commands() -> dict[str, click.Command]:
    found = {}
    for name, place in COMMANDS.items():
        module, _, attribute = place.partition(":")
        found[name] = getattr(importlib.import_module(module), attribute)
    return found


def plain(text: ast.JoinedStr) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in text.values)


def hints_of(file: Path) -> Iterator[str]:
    """The texts that are passed as `hint=`, also those with a condition."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "hint":
            stack = [node.value]
            while stack:
                value = stack.pop()
                if isinstance(value, ast.IfExp):
                    stack += [value.body, value.orelse]
                elif isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value
                elif isinstance(value, ast.JoinedStr):
                    yield plain(value)


HINTS = sorted({hint for file in SOURCES for hint in hints_of(file)})


def test_there_are_hints_to_look_at() -> None:
    assert len(HINTS) > 200
    assert any("missing_slices=" in hint for hint in HINTS)


def test_no_command_prints_a_parameter_for_which_it_has_an_option() -> None:
    wrong = []
    for name, command in commands().items():
        parameters = "|".join(map(re.escape, options_of(command)))
        mention = re.compile(rf"(?<![\w./'\"-])({parameters})=")
        wrong += [f"{name}: {hint}" for hint in HINTS if mention.search(in_options(hint, command))]
    assert wrong == []


PYTHON = re.compile(
    r"\w\(|(?<![\w'-])[a-z]\w*=(?! )|\b[a-z]+_[a-z_]+\b|\ba function\b"
    r"|\b(?:[Dd]ataset|[Ll]ayer|Mag|View|MagView)\.[a-z]"
)
NO_PYTHON = re.compile(
    r"\b(?:setting|storage option) \w+|WKPLUG_\w+=|--[\w-]+ \w+|wkplug_\w+"  # settings, variables, options with a value
    r"|\b(?:tiff_stack|constant_z)\b|'block_type'|bioformats_package\.jar|\bdimension_names\b"  # names of formats
)


def test_no_advice_on_the_command_line_names_python() -> None:
    wrong = set()
    for command in commands().values():
        for hint in HINTS:
            told = advice_in_options(hint, command)
            if PYTHON.search(NO_PYTHON.sub("", told).replace("get_{}_layers", "")):
                wrong.add(told)
    assert wrong == set()


def test_the_test_for_python_would_find_it() -> None:
    with_python = [hint for hint in HINTS if PYTHON.search(NO_PYTHON.sub("", hint))]
    assert len(with_python) > 100
    assert not PYTHON.search(NO_PYTHON.sub("", "Raise the setting max_read_bytes, or choose a box: --bbox."))


def test_parameters_without_an_option_are_words() -> None:
    names = {name for command in commands().values() for name in options_of(command) if "_" in name}
    named = re.compile(rf"(?<!setting )\b({'|'.join(sorted({*names, *PARAMETERS} - {'max_mag'}))})\b(?!['=])")
    wrong = set()
    for command in commands().values():
        told = {advice_in_options(hint, command) for hint in HINTS}
        wrong |= {text for text in told if "_" in text and named.search(text) and "enforce_" not in text}
    assert wrong == set()


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("Write voxels first, or set layer.bounding_box.", "Write voxels first."),
        ("Use dataset.get_layer(name) to take it as it is, or choose another name.", "Choose another name."),
        ("If it is the layer's, list it with layer.add_it_now; otherwise move it away.", "Move it away."),
        ("Convert the data first, as in data.astype('uint8').", "Convert the data first."),
        ("Open it there. To have mags, add it with dataset.add_layer_as_ref.", "Open it there."),
        ("Dataset.open(path) opens it without one.", ""),
        ("First line.\nOpen it with allow_incomplete=True.\nLast line.", "First line.\nLast line."),
        (
            "Name it in the setting trusted_places, as in wkplug.settings(trusted_places=['/a b']); or move it.",
            "Name it in the setting trusted_places, as in WKPLUG_TRUSTED_PLACES='/a b'; or move it.",
        ),
        ("Leave channel=... out.", "Leave --channel out."),
        ("Give a target_path, or another bounding_box.", "Give a target path, or another bounding box."),
        (
            "They are in Mag(1) voxels, multiples of Mag(2, 2, 1).",
            "They are in mag 1 voxels, multiples of mag 2-2-1.",
        ),
        ("Move data.tif, layer.tif and a=b.tif away.", None),
        ("wkplug convert /data/get_it=(1).tif TARGET", None),
    ],
)
def test_clauses_for_python_are_left_out(hint: str, expected: str | None) -> None:
    assert advice_in_options(hint, commands()["convert"]) == (hint if expected is None else expected)
    assert advice_in_options(hint, None) == hint


def test_no_text_advises_deleting() -> None:
    advice = re.compile(
        r"\b(?:[Dd]elete|[Rr]emove) (?:it|them|that|the|what|this|first)\b|\bdelete_(?:mag|layer)\(|[Dd]eleting it"
    )
    told = {hint for hint in HINTS if advice.search(hint)}
    assert told == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Pass missing_slices="fill" for zeros.', "Pass --missing-slices fill for zeros."),
        ("Give voxel_size=(x, y, z) in nanometres.", "Give --voxel-size x,y,z in nanometres."),
        ("voxel_size=(None, None, z) in nanometres.", "--voxel-size ,,z in nanometres."),
        ("sampling_mode='isotropic' or 'constant_z'.", "--sampling-mode isotropic or constant_z."),
        ("Pass compress=False.", "Pass --no-compress."),
        ("Pass overwrite=True.", "Pass --overwrite-existing."),
        ("Pass dtype=... to convert.", "Pass --dtype ... to convert."),
        ('executor="processes"', "--distribution-strategy processes"),
        ("coarsest_mag=Mag(2, 2, 1)", "--coarsest-mag 2-2-1"),
        ("batch_size is 5, which", "--batch-size is 5, which"),
        ('Choose by scene="scene 1".', "Choose by --scene 'scene 1'."),
        # A command line has no functions.
        (
            "Move it, or give layer_name, or a function as map_filepath_to_layer_name.",
            "Move it, or give --layer-name.",
        ),
        (
            "Stitch them; or pass z_slices_sort_key, with which files are sections in that order.",
            "Stitch them.",
        ),
        (
            "Give one, make each a layer by a function as map_filepath_to_layer_name, or write it.",
            "Give one, or write it.",
        ),
        ("Pass a function as map_filepath_to_layer_name, or import one by one.", "Import one by one."),
        (
            "To add one: dataset.add_layer_from_images, or wkplug add-layer A B.",
            "To add one: wkplug add-layer A B.",
        ),
        ("Add it: layer.add_mag('8'), or wkplug downsample A.", "Add it: wkplug downsample A."),
        ("To copy it: wkplug copy-dataset, or Dataset.copy_dataset.", "To copy it: wkplug copy-dataset."),
        # Words that are no parameters, names of users and parameters without an option stay.
        ("the channel is 5; the name of a reader", "the channel is 5; the name of a reader"),
        ("the layer 'layer_name' of /a/layer_name/1 and layer.flip_x", None),
        ("exists_ok=True", None),
    ],
)
def test_parameters_become_options(text: str, expected: str | None) -> None:
    assert in_options(text, commands()["convert"]) == (text if expected is None else expected)


def test_texts_of_no_command_stay() -> None:
    assert in_options("missing_slices=...", None) == "missing_slices=..."


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    dataset = wk.Dataset("ds", voxel_size=(1, 1, 1))
    layer = dataset.write_layer("em", "color", np.ones((32, 32, 32), "uint8"), downsample=False)
    layer.downsample(coarsest_mag=4)
    return tmp_path


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 1
    return capsys.readouterr().err


def test_converting_onto_a_dataset_names_add_layer(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite("seg.tif", np.ones((8, 8), "uint8"))
    command = ("convert", "seg.tif", "ds", "--voxel-size", "1,1,1", "--layer-name", "seg")
    told = failed(capsys, *command, "--category", "segmentation")
    assert "ds: a dataset.\n" in told
    assert "wkplug add-layer SOURCE DATASET" in told
    assert "delete" not in told
    Path("other").mkdir()
    Path("other/file").write_text("mine")
    told = failed(capsys, "convert", "seg.tif", "other", "--voxel-size", "1,1,1")
    assert "There is already something at" in told
    assert "Choose another path.\n" in told


@pytest.mark.filterwarnings("always")
def test_errors_and_warnings_of_a_real_command_name_options(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("series").mkdir()
    for z in (1, 2, 4):
        tifffile.imwrite(f"series/s{z}.tif", np.full((8, 8), z, "uint8"))
    command = ("convert", "series", "out", "--voxel-size", "1,1,1")
    told = failed(capsys, *command)
    assert "The section number 3 is missing between s1.tif and s4.tif." in told
    assert "pass --missing-slices fill for zeros" in told
    assert "missing_slices" not in told
    assert main([*command, "--missing-slices", "fill", "--chunks-per-shard", "1"]) == 0
    both = capsys.readouterr()
    assert "note: series: 1 section of 4 is missing, and is zero there (z = 2)." in both.out
    assert "Warning: " in both.err
    assert "--chunks-per-shard" in both.err
    assert "chunks_per_shard" not in both.err
    assert "[" not in both.err


def test_what_is_not_there_is_told_with_commands(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = failed(capsys, "delete-layer", "ds", "en", "--yes")
    assert "has no layer 'en'; it has 'em'." in told
    assert "Check the spelling, or add it: wkplug add-layer SOURCE DATASET." in told
    told = failed(capsys, "rechunk", "ds", "--mag", "8")
    assert "has no mag 8; it has 1, 2, 4." in told
    assert "Take one of those, or add it: wkplug downsample DATASET." in told
    told = failed(capsys, "copy-dataset", "ds", "ds")
    assert "Dataset." not in told
    target = ("--data-format", "wkw", "--target", "out")
    assert main(["rechunk", "ds", *target]) == 0
    told = failed(capsys, "rechunk", "ds", *target)
    assert "Copy it into another dataset" in told
    assert "--layer" not in told  # that one says which layer is taken


def test_options_and_values_of_real_errors_are_not_pythons(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.raw").write_bytes(bytes(512))
    tifffile.imwrite("a.tif", np.ones((8, 8), "uint8"))
    raw = ("convert-raw", "a.raw", "ds", "--shape", "8", "--layer-name", "r")
    told = failed(capsys, *raw, "--voxel-size", "1,1,2")
    assert "has the voxel size (1.0,1.0,1.0) nm, but (1.0,1.0,2.0) nm was asked for.\n" in told
    assert "\n  Leave --voxel-size out to take it as it is.\n" in told
    told = failed(capsys, "convert", "a.tif", "out", "--voxel-size", "1,1,1", "--channel", "5")
    assert "Error: --channel is 5, but" in told
    assert "\n  Leave --channel out.\n" in told
    assert "Error: --topleft is (-1, 0, 0).\n" in failed(
        capsys, "add-layer", "a.tif", "ds", "--topleft=-1,0,0"
    )
    told = failed(capsys, "export-as-tiff", "ds", "t", "--layer-name", "em", "--bbox", "90,0,0,1,1,1")
    assert (
        "(90, 0, 0) + (1, 1, 1) and the layer 'em', (0, 0, 0) + (32, 32, 32), share no whole voxel of mag 1.\n"
        in told
    )
    assert main(["rechunk", "ds", "--target", "other"]) == 0
    told = failed(capsys, "rechunk", "ds", "--target", "other")
    assert told == "Error: The layer 'em' already has the mag 1.\n  Choose another mag.\n"


def test_upsampling_says_how_to_go_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layer = wk.Dataset.open("ds").get_layer("em")
    told = failed(capsys, "upsample", "ds", "--from-mag", "4")
    assert "The layer 'em' already has the mag 2." in told
    assert "To go on from it: --from-mag 2." in told
    told = failed(capsys, "upsample", "ds", "--from-mag", "2")
    assert "There is nothing to add, then: use that mag." in told
    layer.delete_mag(2)
    told = failed(capsys, "upsample", "ds", "--from-mag", "4")
    assert "already has the mag 1" in told
    assert "To stop before it: --finest-mag 2." in told
    with pytest.raises(wk.errors.MagExistsError, match="To stop before it: finest_mag='2'"):
        layer.upsample(from_mag=4)
    assert main(["upsample", "ds", "--from-mag", "4", "--finest-mag", "2"]) == 0


def test_downsampling_onto_a_mag_says_how_to_compute_it_anew(place: Path) -> None:
    layer: Any = wk.Dataset.open("ds").get_layer("em")
    with pytest.raises(wk.errors.MagExistsError, match="Pass allow_overwrite=True to compute it anew"):
        layer.downsample_mag(1, 2)
    layer.downsample_mag(1, 2, allow_overwrite=True)
