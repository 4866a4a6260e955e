"""The wheels hold what they must, and work where nothing of this tree is around."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path

import pytest

from tests.system.conftest import BUNDLED, EXAMPLE, ROOT, Environment, names_in, run

pytestmark = pytest.mark.system

# Prints which folders of the repository can be imported. Somebody else's package may be called `tests`.
FIND = """
import importlib.util, json, os
found = {name: importlib.util.find_spec(name) for name in ("benchmarks", "examples", "plugins", "tests", "tools")}
places = {name: list(spec.submodule_search_locations or []) for name, spec in found.items() if spec}
print(json.dumps([name for name, folders in places.items() if os.path.join(ROOT, name) in folders]))
"""


def test_every_distribution_has_a_wheel(wheels: Path) -> None:
    assert set(names_in(wheels)) == {"wkplug", "wkplug-npy", *BUNDLED}


def test_wheels_hold_licence_types_and_one_package_each(wheels: Path) -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            packages = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
            assert packages == {wheel.name.partition("-")[0]}, wheel.name
            assert f"{next(iter(packages))}/py.typed" in names, wheel.name
            licences = [name for name in names if name.endswith("/LICENSE")]
            assert [archive.read(name).decode() for name in licences] == [licence], wheel.name
            assert not [name for name in names if "__pycache__" in name or "/tests/" in name], wheel.name


def test_metadata_names_no_distribution_of_this_tree(wheels: Path) -> None:
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            text = archive.read(metadata).decode()
        assert not re.findall(r"^Requires-Dist: wkplug.*", text, re.MULTILINE), wheel.name
        assert "License-Expression: MIT" in text, wheel.name
        assert "Requires-Python: >=3.11" in text, wheel.name


def test_the_core_alone_can_be_imported_and_says_what_is_missing(empty: Environment) -> None:
    empty.pip("install", "--no-deps", "wkplug")
    assert "NAME" in empty.wkplug("plugins")
    error = empty.fail("import wkplug as wk; wk.Dataset('d', (1, 1, 1)).add_layer('em', 'color')")
    assert "The data format 'zarr3' needs wkplug-" in error
    assert "pip install wkplug-tensorstore" in error
    assert "pip install wkplug-zarr" in error


def test_nothing_of_the_repository_can_be_imported_by_accident(installed: Environment) -> None:
    assert json.loads(installed.say(f"ROOT = {str(ROOT)!r}\n{FIND}")) == []
    where = installed.say("import wkplug, wkplug_zarr; print(wkplug.__file__, wkplug_zarr.__file__)")
    assert str(ROOT) not in where


def test_editable_installs_put_no_folder_of_the_repository_on_the_path(tmp_path: Path) -> None:
    done = run([sys.executable, "-c", f"ROOT = {str(ROOT)!r}\n{FIND}"], tmp_path)
    assert json.loads(done.stdout) == [], done.stderr


def test_all_plugins_are_listed_and_fine(installed: Environment) -> None:
    facts = json.loads(installed.wkplug("plugins", "--json"))["plugins"]
    states = {each["distribution"]: each["state"] for each in facts if each["distribution"] in BUNDLED}
    assert states == dict.fromkeys(BUNDLED, "loaded")


def test_the_command_says_its_version(installed: Environment) -> None:
    assert re.fullmatch(r"wkplug \d+\.\d+\.\d+", installed.wkplug("--version").strip())


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")))
def test_a_plugin_installs_alone_without_asking_for_names_of_this_tree(
    empty: Environment, folder: str
) -> None:
    """With its dependencies there, and no registry: whatever else it looked for would fail the install."""
    path = ROOT / "plugins" / folder
    empty.pip("install", "--no-build-isolation", path)
    empty.pip("install", "--no-build-isolation", "--editable", path)
    name = re.search(r'^name = "(.+)"', (path / "pyproject.toml").read_text(), re.MULTILINE)
    assert name is not None
    assert name[1] in empty.pip("list", "--format", "freeze")
    empty.pip("uninstall", "--yes", name[1])


def test_the_example_of_the_guide_works_as_a_third_partys(installed: Environment) -> None:
    source = Path(__file__).with_name("use_npy.py").read_text(encoding="utf-8")
    said = installed.fail("import wkplug as wk; wk.DataFormat('npy')")
    assert "No plugin knows the data format 'npy'" in said

    installed.pip("install", "--no-deps", "wkplug-npy")
    try:
        files = [f"0.{x}.{y}.0.npy.gz" for x in (0, 1) for y in (0, 1)]
        assert installed.say(source) == str(files)
        said = installed.wkplug("explain", "dataset")
        assert "npy+files (wkplug-npy 0.1.0)" in said
        assert "mag 4" in installed.wkplug("info", "dataset")
        assert "npy.json" in {path.name for path in (installed.folder / "dataset/em/1").iterdir()}
        assert "npy  " in installed.wkplug("plugins")
        code = (
            "import wkplug as wk; print(wk.Dataset.open('dataset').get_layer('em').get_mag(4).read().mean())"
        )
        assert installed.say(code) == "7.0"
    finally:
        installed.pip("uninstall", "--yes", "wkplug-npy")


def test_the_examples_readme_and_guide_name_its_files() -> None:
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:src|tests)/[\w/.]+)`", readme):
        assert (EXAMPLE / name).exists(), name
