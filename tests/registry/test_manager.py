"""One broken plugin never breaks another, and what is blocked never runs."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from wkplug import config, registry
from wkplug.errors import (
    ConfigError,
    LayoutError,
    PluginBlockedError,
    PluginBrokenError,
    PluginConflictError,
    PluginError,
    PluginIncompatibleError,
    PluginMissingError,
    UnknownFormatError,
    UnknownNameError,
)
from wkplug.filesystems.local import LocalLocation
from wkplug.registry import Manager, PluginWarning, State

FAKES = Path(__file__).parent.parent / "fakes"
Plugged = Callable[..., Manager]
Place = Callable[..., LocalLocation]


def states(manager: Manager) -> dict[str, str]:
    return {plugin.name: str(plugin.state) for plugin in manager.plugins if plugin.name != "builtin"}


def test_plugins_are_enabled_until_somebody_needs_a_hook_and_then_loaded(plugged: Plugged) -> None:
    manager = plugged("good")
    assert states(manager) == {"good": "enabled"}
    assert "wkplug_good.plugin" not in sys.modules
    assert registry.formats() == ("memory", "npy")
    assert states(manager) == {"good": "loaded"}
    assert manager.plugin("good") is manager.plugin("wkplug-good")


def test_a_plugin_that_fails_to_import_warns_once_and_costs_only_itself(plugged: Plugged) -> None:
    manager = plugged("raises_on_import", "good")
    with pytest.warns(PluginWarning) as caught:
        assert registry.formats() == ("memory", "npy")
    (warning,) = caught
    assert str(warning.message) == (
        "The plugin 'raising' (wkplug-raises-on-import 1.0) is installed, but it failed to import: "
        "OSError: libnothing.so.1: cannot open shared object file. It is left out.\n"
        "  see: wkplug plugins --debug raising"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert registry.formats() == ("memory", "npy")
        registry.interpolations()
    assert states(manager) == {"good": "loaded", "raising": "broken"}
    broken = manager.plugin("raising")
    assert broken is not None
    assert isinstance(broken.error, OSError)


def test_a_warning_that_is_an_exception_leaves_the_others_loaded(plugged: Plugged) -> None:
    manager = plugged("raises_on_import", "wrapper", "good")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PluginWarning):
            registry.formats()
    assert states(manager) == {"good": "loaded", "raising": "broken", "wrapper": "loaded"}
    assert registry.formats() == ("memory", "npy")


def test_a_hook_that_raises_loses_only_its_own_results(plugged: Plugged) -> None:
    manager = plugged("raises_in_hook", "good")
    with pytest.warns(
        PluginWarning, match="it failed in wkplug_array_backends: ValueError: no backends today"
    ):
        assert registry.formats() == ("memory", "npy")
    assert "hooked" in registry.interpolations()
    assert states(manager)["hooked"] == "broken"


def test_a_generator_that_fails_late_gives_nothing_and_costs_nobody_else(plugged: Plugged) -> None:
    plugged("late_generator", "good")
    with pytest.warns(PluginWarning, match="ValueError: the second one failed"):
        assert registry.formats() == ("memory", "npy")


def test_what_is_no_spec_breaks_the_plugin_that_gave_it(plugged: Plugged) -> None:
    manager = plugged("wrong_spec", "good")
    with pytest.warns(
        PluginWarning, match="wkplug_array_backends gave 'zarr3\\+mine', which is no ArrayBackendSpec"
    ):
        registry.formats()
    assert states(manager) == {"good": "loaded", "wrong": "broken"}


def test_opening_can_only_be_wrapped(plugged: Plugged) -> None:
    manager = plugged("plain_opener", "good")
    with pytest.warns(PluginWarning, match="wkplug_open_array can only be wrapped"):
        registry.formats()
    assert states(manager) == {"good": "loaded", "opener": "broken"}


def test_wrappers_stand_around_opening_and_future_hooks_are_noted(plugged: Plugged, place: Place) -> None:
    from wkplug.abc import ArraySpec, CreateArray, OpenArray

    manager = plugged("wrapper", "good")
    backend = registry.backend("npy+good")
    request = OpenArray(location=place(), mode="r", axes=None, backend=backend)
    with pytest.raises(LayoutError, match="wrapped: opened array with good"):
        registry.open_array(request)
    spec = ArraySpec(axes=("x",), shape=(1,), dtype="uint8", chunk_shape=(1,), shard_shape=(1,))
    with pytest.raises(LayoutError, match=r"^created array with good"):
        registry.create_array(CreateArray(location=place(), spec=spec, backend=backend))
    wrapper = manager.plugin("wrapper")
    assert wrapper is not None
    assert wrapper.state == State.LOADED
    assert wrapper.unknown_hooks == ("wkplug_of_the_future",)


def test_strict_makes_a_broken_plugin_an_error_every_time(plugged: Plugged) -> None:
    plugged("raises_on_import", "good", strict=True)
    for _ in range(2):
        with pytest.raises(PluginBrokenError) as caught:
            registry.formats()
    assert str(caught.value) == (
        "The plugin 'raising' (wkplug-raises-on-import 1.0) is installed, but it failed to import: "
        "OSError: libnothing.so.1: cannot open shared object file.\n"
        "  see: wkplug plugins --debug raising"
    )
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("name", ["raising", "wkplug-raises-on-import"])
def test_a_blocked_plugin_never_runs(plugged: Plugged, name: str) -> None:
    manager = plugged("raises_on_import", "good", plugins_blocked=(name,))
    assert registry.formats() == ("memory", "npy")
    assert not [module for module in sys.modules if module.startswith("wkplug_raises_on_import")]
    plugin = manager.plugin("raising")
    assert plugin is not None
    assert plugin.state == State.BLOCKED
    assert plugin.reason == "blocked by [plugins] blocked (wkplug.settings(...))"


def test_only_the_enabled_ones_run(plugged: Plugged) -> None:
    manager = plugged("good", "fast", plugins_enabled=("fast",))
    assert registry.formats() == ("memory", "npy", "old")
    assert "wkplug_good" not in sys.modules
    plugin = manager.plugin("good")
    assert plugin is not None
    assert plugin.reason == "not among the enabled ones of [plugins] enabled (wkplug.settings(...))"


def test_an_empty_list_of_enabled_ones_leaves_the_built_in_plugin(plugged: Plugged) -> None:
    plugged("good", plugins_enabled=())
    assert registry.formats() == ("memory",)


def test_the_built_in_plugin_cannot_be_blocked(plugged: Plugged) -> None:
    plugged("good", plugins_blocked=("builtin",))
    with pytest.raises(ConfigError, match="The plugin 'builtin' can't be blocked"):
        registry.formats()


def test_another_api_is_seen_and_never_imported(plugged: Plugged) -> None:
    manager = plugged("other_api", "good")
    registry.formats()
    plugin = manager.plugin("future")
    assert plugin is not None
    assert plugin.state == State.INCOMPATIBLE
    assert plugin.reason == "made for plugin API 2, this wkplug has 1"
    assert "wkplug_other_api" not in sys.modules


def test_a_second_distribution_with_a_plugin_name_is_shadowed(plugged: Plugged) -> None:
    manager = plugged("same_name", "good")
    registry.formats()
    assert [(p.described, str(p.state), p.reason) for p in manager.plugins if p.name == "good"] == [
        ("wkplug-good 1.0", "loaded", ""),
        (
            "wkplug-same-name 3.1",
            "shadowed",
            "wkplug-good 1.0 has the same name; block one of them by its distribution's name",
        ),
    ]


def test_blocking_one_of_two_by_its_distribution_settles_it(plugged: Plugged) -> None:
    manager = plugged("same_name", "good", plugins_blocked=("wkplug-same-name",))
    registry.formats()
    assert [str(p.state) for p in manager.plugins if p.name == "good"] == ["loaded", "blocked"]


def test_two_plugins_with_one_name_conflict_when_it_is_used_and_not_before(plugged: Plugged) -> None:
    plugged("twin_a", "twin_b", "good")
    assert registry.formats() == ("memory", "npy", "owna", "ownb", "twin")
    assert registry.backend("npy+good").format == "npy"
    with pytest.raises(PluginConflictError) as caught:
        registry.backend("twin+same")
    assert str(caught.value) == (
        "The array backend 'twin+same' comes from two plugins: wkplug-twin-a 1.0 and wkplug-twin-b 2.0.\n"
        "  Uninstall one, or block it:\n"
        "  [plugins]\n"
        '  blocked = ["twinb"]'
    )


def test_a_choice_between_conflicting_names_is_a_conflict(plugged: Plugged, place: Place) -> None:
    plugged("twin_a", "twin_b")
    with pytest.raises(PluginConflictError, match=r"wkplug-twin-a 1\.0 and wkplug-twin-b 2\.0"):
        registry.choose_backend(place(), data_format="twin")


# --- required ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["wkplug-good", "wkplug-good>=1.0,<2", "good==1.*", "wkplug_good~=1.0"])
def test_requirements_that_hold_are_silent(plugged: Plugged, text: str) -> None:
    plugged("good", plugins_required=(text,))
    assert registry.formats() == ("memory", "npy")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("wkplug-zarr>=0.4", PluginMissingError, "asks for 'wkplug-zarr>=0.4', which is not installed."),
        (
            "wkplug-good>=1.1",
            PluginMissingError,
            "asks for 'wkplug-good>=1.1', but wkplug-good 1.0 is installed.",
        ),
        ("wkplug-other-api", PluginIncompatibleError, "but wkplug-other-api 0.9 was made for plugin API 2"),
        ("wkplug-fast", PluginBlockedError, "but wkplug-fast 1.0 is blocked by [plugins] blocked"),
        ("wkplug-good=>1", ConfigError, "'wkplug-good=>1' is not a requirement"),
        ("wkplug-raises-on-import", PluginBrokenError, "failed to import"),
    ],
)
def test_requirements_that_fail_stop_everything(
    plugged: Plugged, text: str, error: type[PluginError], words: str
) -> None:
    plugged(
        "good", "fast", "other_api", "raises_on_import", plugins_required=(text,), plugins_blocked=("fast",)
    )
    for _ in range(2):
        with pytest.raises(error) as caught:
            registry.formats()
        assert words in str(caught.value)
    if error is PluginMissingError:
        assert f"pip install '{text}'" in str(caught.value)


# --- factories --------------------------------------------------------------------------------------------


def test_engines_are_imported_when_they_are_chosen_and_not_before(plugged: Plugged) -> None:
    plugged("heavy")
    assert registry.formats() == ("heavy", "memory")
    assert "wkplug_heavy.engine" not in sys.modules
    assert registry.backend("heavy+engine") is registry.backend("heavy+engine")
    assert "wkplug_heavy.engine" in sys.modules


def test_a_missing_dependency_is_a_broken_plugin_with_its_cause(plugged: Plugged) -> None:
    plugged("missing_dependency")
    with pytest.raises(PluginBrokenError) as caught:
        registry.backend("npy+needy")
    assert str(caught.value) == (
        "The plugin 'needy' (wkplug-missing-dependency 1.0) is installed, but it failed to make 'npy+needy': "
        "ModuleNotFoundError: No module named 'a_library_that_nobody_has'\n"
        "  pip install --force-reinstall wkplug-missing-dependency   (brings what it depends on)\n"
        "  see: wkplug plugins --debug needy"
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_factory_that_gives_something_else_is_broken(plugged: Plugged) -> None:
    plugged("missing_dependency")
    with pytest.raises(PluginBrokenError, match="its factory gave a str, which is no ArrayBackend"):
        registry.backend("odd+needy")


def test_a_plugins_settings_class_gets_its_table(plugged: Plugged) -> None:
    plugged("good", plugin={"good": {"level": 7}})
    backend = registry.backend("npy+good")
    assert backend.settings.level == 7  # type: ignore[attr-defined]  # of the fake
    with config.settings(plugin={"good": {"level": 8}}):
        assert registry.backend("npy+good").settings.level == 8  # type: ignore[attr-defined]  # the same


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"levle": 7}, "Unknown key 'levle' in [plugin.good] (wkplug.settings(...)). Did you mean 'level'?"),
        ({"level": "high"}, "[plugin.good] is wrong (wkplug.settings(...)): TypeError: 'level' must be"),
    ],
)
def test_a_wrong_table_is_refused_by_name(plugged: Plugged, table: dict[str, object], words: str) -> None:
    plugged("good", plugin={"good": table})
    with pytest.raises(ConfigError) as caught:
        registry.backend("npy+good")
    assert words in str(caught.value)


@pytest.mark.parametrize(("word", "value"), [("1", True), ("On", True), ("no", False), ("0", False)])
def test_truth_values_of_plugins_come_from_variables(
    plugged: Plugged, monkeypatch: pytest.MonkeyPatch, word: str, *, value: bool
) -> None:
    monkeypatch.setenv("WKPLUG_PLUGIN__GOOD__CAREFUL", word)
    config.reload()
    plugged("good")
    assert registry.backend("npy+good").settings.careful is value  # type: ignore[attr-defined]  # of the fake


def test_a_plugins_truth_value_of_other_words_is_refused(
    plugged: Plugged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WKPLUG_PLUGIN__GOOD__CAREFUL", "maybe")
    config.reload()
    plugged("good")
    with pytest.raises(ConfigError) as caught:
        registry.backend("npy+good")
    assert str(caught.value) == (
        "'careful' in [plugin.good] can't be 'maybe' (WKPLUG_PLUGIN__GOOD__CAREFUL): true or false is needed "
        "(in a variable, one of 1, true, yes, on, 0, false, no, off)."
    )


def test_dialects_executors_remotes_and_commands_come_by_name(plugged: Plugged) -> None:
    plugged("good")
    assert [type(dialect).__name__ for dialect in registry.dialects("npy")] == ["Notes"]
    assert registry.dialects("memory") == ()
    assert registry.executors() == ("processes", "sequential", "threads")
    assert registry.remote_exports() == {"GoodDataset": "wkplug_good.remote:Service"}
    assert registry.remotes() == ("good",)
    assert registry.remote("good").accepts("good://x")
    assert registry.commands() == {"greet": "Say hello."}
    assert registry.command("greet").name == "command"


def test_executors_are_new_each_time() -> None:
    first = registry.executor("sequential")
    assert first is not registry.executor("sequential")


# --- names that nobody has --------------------------------------------------------------------------------


def test_unknown_names_are_answered_with_a_suggestion(plugged: Plugged) -> None:
    plugged("good", "fast")
    with pytest.raises(UnknownNameError) as caught:
        registry.backend("npy+fats")
    assert str(caught.value) == (
        "No plugin knows the array backend 'npy+fats'. Did you mean 'npy+fast'?\n"
        "  installed: memory+numpy, npy+fast, npy+good, npy+reader, old+fast"
    )
    with pytest.raises(UnknownFormatError) as format_caught:
        registry.check_format("nyp")
    assert str(format_caught.value).startswith("No plugin knows the data format 'nyp'. Did you mean 'npy'?")
    assert isinstance(format_caught.value, ValueError)
    with pytest.raises(UnknownNameError, match="No plugin knows the exporter 'nothing'"):
        registry.exporter("nothing")


def test_unknown_names_mention_plugins_that_are_broken(plugged: Plugged) -> None:
    plugged("raises_on_import")
    with (
        pytest.warns(PluginWarning),
        pytest.raises(UnknownFormatError, match="\n  raising: failed to import: OSError"),
    ):
        registry.check_format("something")


def test_a_known_format_that_is_not_installed_names_all_that_would_do(plugged: Plugged) -> None:
    plugged("good")
    with pytest.raises(PluginMissingError) as caught:
        registry.check_format("zarr3")
    assert str(caught.value) == (
        "The data format 'zarr3' needs wkplug-tensorstore, which is not installed.\n"
        "  pip install wkplug-tensorstore\n"
        "  or:  pip install wkplug-zarr"
    )
    with pytest.raises(PluginMissingError) as one:
        registry.backend("wkw+numpy")
    assert str(one.value) == (
        "The array backend 'wkw+numpy' needs wkplug-wkw, which is not installed.\n  pip install wkplug-wkw"
    )


def test_missing_broken_blocked_and_incompatible_are_different_errors(
    plugged: Plugged, tmp_path: Path
) -> None:
    (tmp_path / "cell.tif").write_bytes(b"II*\x00")
    image = LocalLocation(str(tmp_path / "cell.tif"))

    plugged()
    with pytest.raises(PluginMissingError) as missing:
        registry.choose_reader(image, b"II*\x00")
    assert str(missing.value) == (
        "No installed reader accepts 'cell.tif'. The suffix '.tif' needs wkplug-tiff, which is not installed.\n"
        "  pip install wkplug-tiff"
    )

    plugged("broken_tiff")
    with pytest.warns(PluginWarning), pytest.raises(PluginBrokenError) as broken:
        registry.choose_reader(image, b"II*\x00")
    assert str(broken.value) == (
        "No installed reader accepts 'cell.tif'. The suffix '.tif' needs wkplug-tiff 0.1.0; it is installed, but it "
        "failed to import: ImportError: libtiff.so.6: cannot open shared object file.\n"
        "  see: wkplug plugins --debug tiff"
    )
    assert isinstance(broken.value.__cause__, ImportError)

    plugged("broken_tiff", plugins_blocked=("tiff",))
    with pytest.raises(PluginBlockedError) as blocked:
        registry.choose_reader(image, b"II*\x00")
    assert str(blocked.value) == (
        "No installed reader accepts 'cell.tif'. The suffix '.tif' needs wkplug-tiff 0.1.0; it is installed, but "
        "blocked by [plugins] blocked (wkplug.settings(...)).\n"
        "  Change that setting; `wkplug config` shows it. Its name there is 'tiff'."
    )


def test_a_known_plugin_for_another_api_says_what_to_upgrade(plugged: Plugged, tmp_path: Path) -> None:
    info = tmp_path / "site" / "wkplug_wkw-7.0.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text("[wkplug.v7]\nwkw = nowhere\n")
    with (
        registry.use_manager(Manager(paths=[str(tmp_path / "site")])),
        pytest.raises(PluginIncompatibleError) as caught,
    ):
        registry.check_format("wkw")
    assert str(caught.value) == (
        "The data format 'wkw' needs wkplug-wkw 7.0; it is installed, but made for plugin API 7, this wkplug has 1.\n"
        "  pip install --upgrade wkplug"
    )


# --- order ------------------------------------------------------------------------------------------------

RANKING = """
import sys, warnings
warnings.simplefilter("ignore")
from wkplug import registry
from wkplug.filesystems.local import LocalLocation
from wkplug.registry import Manager
with registry.use_manager(Manager(paths=sys.argv[1:])) as manager:
    choice = registry.choose_backend(LocalLocation("/tmp"), data_format="npy", thorough=True)
    print([(p.name, p.described, str(p.state)) for p in manager.plugins])
    print([(line.name, line.priority, line.able) for line in choice.ranking], choice.decided_by)
    print(registry.formats(), registry.interpolations())
    print([offer.spec.name for offer in manager.collect("wkplug_array_backends")])
"""


def test_the_ranking_is_the_same_whatever_the_order_on_the_path_and_the_hash_seed() -> None:
    names = ["good", "fast", "raises_in_hook", "twin_b", "twin_a", "same_name", "late_generator"]
    folders = [str(FAKES / name) for name in names]
    seen = set()
    for seed, paths in [(0, folders), (1, folders[::-1]), (2, folders[3:] + folders[:3]), (77, folders)]:
        environment = os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": os.pathsep.join(paths)}
        done = subprocess.run(
            [sys.executable, "-c", RANKING, *paths],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(done.stdout)
    assert len(seen) == 1
    assert "[('npy+reader', 9, True), ('npy+fast', 5, True), ('npy+good', 0, True)] priority" in seen.pop()


# --- trace and the default manager ------------------------------------------------------------------------


def test_trace_tells_who_gave_what(plugged: Plugged, capsys: pytest.CaptureFixture[str]) -> None:
    plugged("good", trace=True)
    registry.formats()
    told = capsys.readouterr().err
    assert "wkplug: good: loaded wkplug_good.plugin (wkplug-good 1.0): wkplug_array_backends," in told
    assert "wkplug: wkplug_array_backends: good: npy+good" in told


def test_settings_in_a_context_have_a_default_manager_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    # Nothing else that is installed on this machine, or is just being installed, has a say.
    facts = tmp_path / "wkplug_wkw-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: wkplug-wkw\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[wkplug.v1]\nwkw = wkplug_wkw.plugin\n")
    bare = [path for path in sys.path if not any(Path(path or ".").glob("*.dist-info"))]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *bare])
    with config.settings():
        assert "wkw" in registry.formats()
        with config.settings(plugins_blocked=("wkw",)):
            assert "wkw" not in registry.formats()
            with pytest.raises(PluginBlockedError, match="The data format 'wkw' needs wkplug-wkw"):
                registry.check_format("wkw")
        assert "wkw" in registry.formats()


@pytest.mark.parametrize(
    ("variable", "value"), [("WKPLUG_BLOCK", "wkw"), ("WKPLUG_PLUGINS", "zarr,tiff"), ("WKPLUG_PLUGINS", "")]
)
def test_variables_block_plugins_before_they_run(variable: str, value: str) -> None:
    code = "import sys; from wkplug import registry; print(registry.formats(), 'wkplug_wkw' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {variable: value},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'wkw'" not in done.stdout
    assert done.stdout.strip().endswith("False")
