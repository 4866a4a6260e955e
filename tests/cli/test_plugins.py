"""`wkplug plugins`, and the command line itself: always works, whatever is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FAKES = Path(__file__).parent.parent / "fakes"


def run(*arguments: str, fakes: tuple[str, ...] = (), **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, with fake distributions installed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("WKPLUG_", "WK_"))}
    environ |= {
        "PYTHONPATH": os.pathsep.join(str(FAKES / fake) for fake in fakes),
        "XDG_CONFIG_HOME": "/nonexistent",
    }
    command = [sys.executable, "-m", "wkplug.cli.main", *arguments]
    return subprocess.run(command, env=environ | variables, capture_output=True, text=True, timeout=60)


def rows(text: str) -> dict[str, str]:
    return {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines()[1:]}


def test_every_state_is_a_row_with_its_reason() -> None:
    fakes = ("good", "same_name", "other_api", "raises_on_import", "late_generator", "fast")
    done = run("plugins", fakes=fakes, WKPLUG_BLOCK="fast,nobody")
    assert done.returncode == 0
    table = rows(done.stdout)
    assert table["wkw"].startswith("wkplug-wkw 0.1.0 loaded 2 array backends")
    assert table["fast"] == "wkplug-fast 1.0 blocked blocked by the variable WKPLUG_BLOCK"
    assert table["future"] == "wkplug-other-api 0.9 incompatible made for plugin API 2, this wkplug has 1"
    assert table["raising"].startswith(
        "wkplug-raises-on-import 1.0 broken failed to import: OSError: libnothing"
    )
    assert table["late"].endswith("broken failed in wkplug_array_backends: ValueError: the second one failed")
    shadowed = next(line for line in done.stdout.splitlines() if "wkplug-same-name" in line)
    assert shadowed.split(maxsplit=3)[3].startswith("shadowed      wkplug-good 1.0 has the same name")
    assert done.stderr.strip() == "Note: 'nobody' is blocked, but no such plugin is installed."


def test_json_says_the_same_and_what_is_offered() -> None:
    done = run("plugins", "--json", fakes=("good", "raises_on_import"))
    facts = {plugin["name"]: plugin for plugin in json.loads(done.stdout)["plugins"]}
    assert facts["good"]["offers"]["array backend"] == ["npy+good"]
    assert facts["raising"]["state"] == "broken"
    assert facts["builtin"]["state"] == "loaded"


def test_all_lists_what_each_plugin_offers() -> None:
    done = run("plugins", "--all", fakes=("good",))
    assert "good, image readers:\n  good" in done.stdout
    assert "builtin, executors:\n  processes\n  sequential\n  threads" in done.stdout


def test_debug_shows_the_traceback_of_an_import_and_of_a_factory() -> None:
    raising = run("plugins", "--debug", "raising", fakes=("raises_on_import",))
    assert raising.returncode == 0
    assert "Traceback (most recent call last)" in raising.stdout
    assert "OSError: libnothing.so.1: cannot open shared object file" in raising.stdout
    needy = run("plugins", "--debug", "wkplug-missing-dependency", fakes=("missing_dependency",))
    assert "array backend 'npy+needy': fails" in needy.stdout
    assert "No module named 'a_library_that_nobody_has'" in needy.stdout
    good = run("plugins", "--debug", "good", fakes=("good",))
    assert "array backend 'npy+good': works, a GoodBackend" in good.stdout
    assert "settings class 'good': works, a GoodSettings" in good.stdout


def test_debug_as_json_says_what_was_tried() -> None:
    raising = json.loads(run("plugins", "--json", "--debug", "raising", fakes=("raises_on_import",)).stdout)
    assert raising["state"] == "broken"
    assert "OSError: libnothing.so.1" in raising["failure"]
    good = json.loads(run("plugins", "--json", "--debug", "good", fakes=("good",)).stdout)
    assert good["failure"] is None
    tried = {(each["kind"], each["name"]): each["result"] for each in good["offers"]}
    assert tried["array backend", "npy+good"].startswith("works, a GoodBackend")


def test_debug_of_an_unknown_plugin_suggests_one() -> None:
    done = run("plugins", "--debug", "wkv")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: No plugin 'wkv' is installed. Did you mean 'wkw'?\n  installed: ")


@pytest.mark.parametrize(
    ("variables", "note"),
    [
        ({"WKPLUG_STRICT": "1"}, "Note: everything else ends with this error: The plugin 'raising'"),
        ({"WKPLUG_PLUGINS__REQUIRED": "wkplug-scan"}, "asks for 'wkplug-scan', which is not installed."),
        ({"WKPLUG_CONFIG": "/nonexistent.toml"}, "Warning: the configuration is left out of account: "),
        ({"WKPLUG_BLOCK": "builtin"}, "The plugin 'builtin' can't be blocked"),
    ],
)
def test_it_works_where_everything_else_is_an_error(variables: dict[str, str], note: str) -> None:
    done = run("plugins", fakes=("raises_on_import",), **variables)
    assert done.returncode == 0
    assert rows(done.stdout)["raising"].startswith("wkplug-raises-on-import 1.0 broken")
    assert note in done.stderr


# --- the command line -------------------------------------------------------------------------------------


def test_no_command_gives_help_and_success() -> None:
    done = run()
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: wkplug")
    assert "List the plugins, their state and what they offer." in done.stdout
    assert run("--help").stdout == done.stdout


def test_the_version_is_printed() -> None:
    assert run("--version").stdout.startswith("wkplug 0.")


def test_commands_of_plugins_appear_and_run_and_broken_plugins_never_break_help() -> None:
    fakes = ("good", "raises_on_import", "raises_in_hook")
    done = run("--help", fakes=fakes)
    assert done.returncode == 0
    others = done.stdout.partition("Commands of plugins:\n")[2].splitlines()
    assert ["greet", "Say", "hello."] in [line.split() for line in others]
    assert run("greet", fakes=fakes).stdout == "hello\n"
    strict = run("--help", fakes=fakes, WKPLUG_STRICT="1")
    assert strict.returncode == 0
    assert strict.stdout.startswith("Usage: wkplug")


def test_a_wrong_command_is_wrong_usage_with_a_suggestion() -> None:
    done = run("plugin")
    assert done.returncode == 2
    assert "There is no command 'plugin'. Did you mean 'plugins'?" in done.stderr


def test_a_wrong_option_is_wrong_usage() -> None:
    assert run("plugins", "--jsn").returncode == 2


def test_help_of_one_command_imports_no_other_and_no_engine() -> None:
    code = (
        "import sys; from wkplug.cli.main import main; main(['plugins', '--help']); "
        "others = ('numpy', 'wkplug.cli.e', 'wkplug.cli.conv', 'rich', 'wkplug_'); "
        "print([m for m in sys.modules if m.startswith(others)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_table_of_commands_is_sorted_and_true() -> None:
    import click

    from wkplug.cli.main import COMMANDS, cli

    assert list(COMMANDS) == sorted(COMMANDS)
    for name in COMMANDS:
        assert isinstance(cli.get_command(click.Context(cli), name), click.Command)
