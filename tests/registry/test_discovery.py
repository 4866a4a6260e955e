"""What is installed is found without importing any of it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from wkplug.registry import discovery

FAKES = Path(__file__).parent.parent / "fakes"


def install(folder: Path, name: str, version: str, text: str, ending: str = "dist-info") -> None:
    info = folder / f"{name}-{version}.{ending}"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(text)


def test_entry_points_of_all_apis_are_found_and_sorted_by_name() -> None:
    found = discovery.find([str(FAKES / "other_api"), str(FAKES / "good")])
    assert [(p.name, p.api, p.distribution, p.version) for p in found] == [
        ("future", 2, "wkplug-other-api", "0.9"),
        ("good", 1, "wkplug-good", "1.0"),
    ]


def test_the_finder_agrees_with_importlib_metadata() -> None:
    from importlib.metadata import entry_points

    expected = {(point.name, point.value) for point in entry_points(group="wkplug.v1")}
    assert {(point.name, point.value) for point in discovery.find() if point.api == 1} == expected
    assert len(expected) >= 5, "the bundled plugins are installed in the environment of the tests"


def test_other_groups_comments_and_extras_are_no_plugins(tmp_path: Path) -> None:
    text = "[console_scripts]\na = b:c\n[wkplug.v1]\n# no = thing\nreal = pkg.mod:attr [extra]\n[wkplug.vx]\ne = f\n"
    install(tmp_path, "wkplug_thing", "1.2.post1", text)
    (point,) = discovery.find([str(tmp_path)])
    assert (point.name, point.value, point.distribution) == ("real", "pkg.mod:attr", "wkplug-thing")


def test_the_first_copy_on_the_path_wins_and_hides_other_versions(tmp_path: Path) -> None:
    for folder, version in (("first", "1.0"), ("second", "2.0"), ("third", "1.0")):
        install(tmp_path / folder, "Wkplug_Thing", version, "[wkplug.v1]\nthing = thing\n")
    found = discovery.find([str(tmp_path / name) for name in ("first", "second", "third")])
    assert [(p.version, p.hidden_by) for p in found] == [("1.0", None), ("2.0", "1.0")]


def test_missing_folders_leftovers_and_files_on_the_path_do_no_harm(tmp_path: Path) -> None:
    install(tmp_path, "~kplug_thing", "1.0", "[wkplug.v1]\nthing = thing\n")
    plain = tmp_path / "file.pth"
    plain.write_text("no zip")
    assert discovery.find([str(tmp_path), str(tmp_path / "nowhere"), str(plain)]) == ()


def test_egg_infos_and_zip_files_are_found(tmp_path: Path) -> None:
    info = tmp_path / "source" / "wkplug_egg.egg-info"
    info.mkdir(parents=True)
    (info / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: wkplug-egg\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text("[wkplug.v1]\negg = egg\n")
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(
            "wkplug_zip-0.4.dist-info/METADATA", "Metadata-Version: 2.1\nName: wkplug-zip\nVersion: 0.4\n"
        )
        file.writestr("wkplug_zip-0.4.dist-info/entry_points.txt", "[wkplug.v1]\nzip = zip\n")
    found = discovery.find([str(info.parent), str(archive)])
    assert [(p.name, p.distribution, p.version) for p in found] == [
        ("egg", "wkplug-egg", "0.3"),
        ("zip", "wkplug-zip", "0.4"),
    ]


def test_finders_of_somebody_else_are_asked(tmp_path: Path) -> None:
    install(tmp_path, "wkplug_frozen", "1.0", "[wkplug.v1]\nfrozen = frozen\n")
    code = f"""
import importlib.metadata, pathlib, sys
class Finder:
    @staticmethod
    def find_spec(*arguments): return None
    @staticmethod
    def find_distributions(context):
        yield importlib.metadata.PathDistribution(pathlib.Path({str(tmp_path)!r}, "wkplug_frozen-1.0.dist-info"))
sys.meta_path.append(Finder)
from wkplug.registry import discovery
print([point.name for point in discovery.find() if point.distribution == "wkplug-frozen"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['frozen']"


def test_discovery_imports_no_importlib_metadata_no_numpy_and_no_plugin() -> None:
    code = """
import sys
import wkplug.registry
names = [plugin.name for plugin in wkplug.registry.get_manager().plugins]
assert "wkw" in names, names
print([m for m in sys.modules if m.startswith(("wkplug_", "numpy", "importlib.metadata", "tomllib", "logging"))])
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
