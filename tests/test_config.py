"""What is configured, by whom, and what is refused."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wkplug import config
from wkplug.config import Rule, Settings, Table
from wkplug.config.sources import config_files
from wkplug.errors import ConfigError

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def plain_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for variable in [name for name in os.environ if name.startswith(("WKPLUG_", "WK_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    config.reload()
    yield
    monkeypatch.undo()
    config.reload()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str, name: str = "config.toml") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return make


# --- where values come from -------------------------------------------------------------------------------


def test_without_files_and_variables_there_are_defaults() -> None:
    settings = config.load({}, files=[])
    assert settings == Settings()
    assert (settings.default_format, settings.lock_timeout, settings.max_read_bytes) == ("zarr3", 60.0, None)
    assert settings.source_of("default_format") == "default"


def test_each_source_beats_the_ones_before_it_and_is_remembered(write: Write) -> None:
    system = write('default_format = "a"\nlock_timeout = 1\nstrict = true\n', "system.toml")
    user = write('# mine\ndefault_format = "b"\nlock_timeout = 2\n', "user.toml")
    environ = {
        "WK_DEFAULT_DATA_FORMAT": "older",
        "WK_DEFAULT_CHUNKS_PER_SHARD": "16",
        "WKPLUG_DEFAULT_FORMAT": "c",
    }
    settings = config.load(environ, files=[system, user])
    assert (settings.default_format, settings.lock_timeout, settings.strict) == ("c", 2.0, True)
    assert settings.chunks_per_shard == (16, 16, 16)
    assert settings.source_of("default_format") == "WKPLUG_DEFAULT_FORMAT"
    assert settings.source_of("lock_timeout") == f"{user}:3"
    assert settings.source_of("strict") == f"{system}:3"
    assert settings.source_of("chunks_per_shard") == "WK_DEFAULT_CHUNKS_PER_SHARD"
    assert config.load({"WK_DEFAULT_DATA_FORMAT": "older"}, files=[system]).default_format == "a"


def test_the_files_are_those_of_system_user_and_variable_on_each_platform() -> None:
    linux = {"HOME": "/home/me"}
    assert [str(p) for p in config_files(linux, "linux")] == [
        "/etc/wkplug/config.toml",
        "/home/me/.config/wkplug/config.toml",
    ]
    assert str([*config_files({**linux, "XDG_CONFIG_HOME": "/x"}, "linux")][1]) == "/x/wkplug/config.toml"
    assert str([*config_files({**linux, "WKPLUG_CONFIG": "/c.toml"}, "linux")][2]) == "/c.toml"
    assert (
        str([*config_files(linux, "darwin")][1]) == "/home/me/Library/Application Support/wkplug/config.toml"
    )
    assert len([*config_files({"PROGRAMDATA": "p", "APPDATA": "a"}, "win32")]) == 2


def test_the_working_directory_has_no_say(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write('default_format = "here"\n', "wkplug.toml")
    monkeypatch.chdir(file.parent)
    assert config.reload().default_format == "zarr3"


def test_the_users_file_and_the_named_file_are_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write('default_format = "user"\nlock_timeout = 5\n', "user/wkplug/config.toml")
    named = write('default_format = "named"\n', "named.toml")
    monkeypatch.setenv("WKPLUG_CONFIG", str(named))
    assert (config.reload().default_format, config.current().lock_timeout) == ("named", 5.0)


def test_tables_of_several_sources_are_merged_entry_by_entry(write: Write) -> None:
    system = write(
        '[backends]\nzarr = "a"\nzarr3 = "a"\n[storage."s3://b"]\nanon = true\nkey = 1\n', "system.toml"
    )
    user = write('[backends]\nzarr3 = "b"\n[storage."s3://b"]\nkey = 2\n', "user.toml")
    settings = config.load({"WKPLUG_BACKENDS__N5": "c"}, files=[system, user])
    assert settings.backends == {"zarr": "a", "zarr3": "b", "n5": "c"}
    assert settings.storage == {"s3://b": {"anon": True, "key": 2}}
    assert settings.source_of("backends.zarr3") == f"{user}:2"
    assert settings.source_of(("storage", "s3://b", "key")) == f"{user}:4"
    assert settings.source_of("backends") == f"{system}:2, {user}:2, WKPLUG_BACKENDS__N5"


def test_rules_of_stronger_sources_come_first(write: Write) -> None:
    system = write(
        '[[rules]]\nmatch = "/a/**"\nbackends.zarr3 = "x"\n\n[[rules]]\nmatch = "/b"\n', "system.toml"
    )
    user = write('[[rules]]\nmatch = "/c"\nformat = "n5"\nreaders.".tif" = ["r"]\n', "user.toml")
    rules = config.load({}, files=[system, user]).rules
    assert [(rule.match, rule.source) for rule in rules] == [
        ("/c", f"{user}:1"),
        ("/a/**", f"{system}:1"),
        ("/b", f"{system}:5"),
    ]
    assert rules[0].readers == {".tif": ("r",)}
    assert rules[1].backends == {"zarr3": "x"}


@pytest.mark.parametrize(
    ("pattern", "url", "matches"),
    [
        ("s3://archive/**", "s3://archive/a/b", True),
        ("s3://archive/**", "s3://archive", True),
        ("s3://archive/**", "s3://archive2/a", False),
        ("/data/*/color", "/data/x/color/", True),
        ("/data/*/color", "/data/x/y/color", False),
        ("/data/**/color", "/data/x/y/color", True),
        ("/data/v?", "file:///data/v1", True),
        ("file:///data/v.", "/data/v1", False),
    ],
)
def test_globs_match_whole_urls(pattern: str, url: str, matches: bool) -> None:
    assert Rule(match=pattern).matches(url) is matches


def test_variables_reach_every_scalar_and_into_tables() -> None:
    environ = {
        "WKPLUG_BLOCK": "a, b",
        "WKPLUG_PLUGINS": "",
        "WKPLUG_PLUGINS__REQUIRED": "wkplug-zarr>=0.1",
        "WKPLUG_STRICT": "1",
        "WKPLUG_TRACE": "off",
        "WKPLUG_MAX_READ_BYTES": "1_000",
        "WKPLUG_CHUNKS_PER_SHARD": "32,32,1",
        "WKPLUG_READERS__OME__TIF": "tifffile,other",
        "WKPLUG_FILESYSTEMS__S3": "cloud",
        "WKPLUG_PLUGIN__TENSORSTORE__CACHE_BYTES": "1_000_000",
        "WKPLUG_PLUGIN__TENSORSTORE__NAME": "plain text",
        "WKPLUG_TEST_DATA": "reserved",
        "WKPLUG_CONFIG": "",
    }
    settings = config.load(environ, files=[])
    assert (settings.plugins_blocked, settings.plugins_enabled) == (("a", "b"), ())
    assert settings.plugins_required == ("wkplug-zarr>=0.1",)
    assert (settings.strict, settings.trace, settings.max_read_bytes) == (True, False, 1000)
    assert settings.chunks_per_shard == (32, 32, 1)
    assert settings.readers == {".ome.tif": ("tifffile", "other")}
    assert settings.filesystems == {"s3": "cloud"}
    assert settings.plugin_table("tensorstore") == {"cache_bytes": 1_000_000, "name": "plain text"}
    assert settings.source_of("plugins_blocked") == "WKPLUG_BLOCK"


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('defualt_format = "x"', "Unknown key 'defualt_format' ({file}:1). Did you mean 'default_format'?"),
        ("[plugins]\nblokced = []", "Unknown key 'plugins.blokced' ({file}:2). Did you mean 'blocked'?"),
        ("[plugins]\nblocked = 3", "'plugins.blocked' can't be 3 ({file}:2): a list of texts is needed."),
        ("lock_timeout = -1", "'lock_timeout' can't be -1 ({file}:1): it must not be negative or infinite."),
        ('lock_timeout = "soon"', "a number of seconds is needed."),
        ("max_read_bytes = 0", "a whole number above 0 is needed."),
        ("chunks_per_shard = [3, 1, 1]", "one power of two, or three for x, y and z, is needed"),
        ("chunks_per_shard = [2, 2]", "one power of two, or three for x, y and z, is needed"),
        ('strict = "maybe"', "'strict' can't be 'maybe' ({file}:1): true or false is needed ("),
        ("trace = 1", "'trace' can't be 1 ({file}:1): true or false is needed ("),
        ("backends = 3", "'backends' is not a table."),
        ('plugin.zarr = "x"', "'plugin.zarr' is not a table."),
        ("[backends]\nzarr3 = 3", "'backends.zarr3' can't be 3 ({file}:2): a text is needed."),
        ("[[rules]]\nbackends.zarr3 = 'x'", "A rule needs a text 'match' ({file}:1)."),
        (
            "[[rules]]\nmatch = 'x'\nbackend = 1",
            "Unknown key 'backend' in a rule ({file}:1). Did you mean 'backends'?",
        ),
        ("[[rules]]\nmatch = 'x'\nbackends = 1", "The rule for 'x' is wrong ({file}:1): a table is needed."),
        ("no toml", "{file} is not a valid configuration file: "),
    ],
)
def test_files_that_are_wrong_are_refused_with_line_and_reason(write: Write, text: str, words: str) -> None:
    file = write(text + "\n")
    with pytest.raises(ConfigError) as caught:
        config.load({}, files=[file])
    assert words.format(file=file) in str(caught.value)


def test_a_named_file_must_exist_and_be_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WKPLUG_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError) as caught:
        config.reload()
    assert str(caught.value) == (
        f"The configuration file {tmp_path / 'none.toml'} does not exist.\n"
        "  It is named by the variable WKPLUG_CONFIG."
    )
    monkeypatch.setenv("WKPLUG_CONFIG", str(tmp_path))
    with pytest.raises(ConfigError, match="can't be read"):
        config.reload()
    with pytest.raises(ConfigError):
        config.current()


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        (
            "WKPLUG_BLOK",
            "The variable WKPLUG_BLOK is ignored: wkplug has no such setting. Did you mean 'WKPLUG_BLOCK'?",
        ),
        ("WKPLUG_STORAGE__X", "WKPLUG_STORAGE sets 'storage' as a whole, or a configuration file."),
        ("WKPLUG_BACKENDS", "The variable WKPLUG_BACKENDS is ignored"),
        ("WKPLUG_PLUGIN__ZARR", "The variable WKPLUG_PLUGIN__ZARR is ignored"),
    ],
)
def test_unknown_variables_are_warned_about_and_ignored(variable: str, words: str) -> None:
    with pytest.warns(UserWarning, match=re.escape(words)):
        settings = config.load({variable: "x"}, files=[])
    assert settings == Settings()


@pytest.mark.parametrize(
    "text",
    [
        '{"s3://b": {"key": "k", "port": 1}}',
        '["s3://b"]\nkey = "k"\nport = 1',
        '[storage."s3://b"]\nkey = "k"\nport = 1\n',
        '"s3://b" = {key = "k", port = 1}',
    ],
)
def test_a_variable_or_the_file_it_names_sets_storage(text: str, tmp_path: Path) -> None:
    file = tmp_path / "storage.toml"
    file.write_text(text)
    for value in (text, str(file), f" {file}\n"):
        settings = config.load({"WKPLUG_STORAGE": value}, files=[])
        assert settings.storage_options("s3://b/x") == {"key": "k", "port": 1}
        assert settings.source_of(("storage", "s3://b", "key")) == "WKPLUG_STORAGE"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"s3://b": {"secret": "hidden"', "'storage' is neither TOML nor JSON (WKPLUG_STORAGE)."),
        ("secret = hidden", "'storage' is neither TOML nor JSON (WKPLUG_STORAGE)."),
        ('secret = "hidden"', "'storage' needs a table of options for each URL (WKPLUG_STORAGE)."),
        (
            "/no/hidden.toml",
            "'storage' can't be read (WKPLUG_STORAGE, the file /no/hidden.toml): No such file or directory.",
        ),
    ],
)
def test_a_wrong_storage_variable_is_told_without_secrets(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load({"WKPLUG_STORAGE": text}, files=[])
    assert caught.value.message == reason
    assert "or the path of a file" in (caught.value.hint or "")
    assert "hidden" not in str(caught.value).replace("/no/hidden.toml", "")


WORDS = "in a variable, one of 1, true, yes, on, 0, false, no, off"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("WKPLUG_STRICT", f"'strict' can't be 'perhaps' (WKPLUG_STRICT): true or false is needed ({WORDS})."),
        (
            "WKPLUG_PROGRESS",
            f"'progress' can't be 'perhaps' (WKPLUG_PROGRESS): true, false or auto is needed ({WORDS}, auto).",
        ),
    ],
)
def test_a_variable_with_a_wrong_value_is_an_error(variable: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load({variable: "perhaps"}, files=[])
    assert str(caught.value) == text


@pytest.mark.parametrize("setting", ["strict", "trace", "progress"])
@pytest.mark.parametrize(("words", "value"), [("1 true yes ON True", True), ("0 false No off FALSE", False)])
def test_truth_values_have_several_words_in_variables(setting: str, words: str, *, value: bool) -> None:
    for word in words.split():
        loaded = config.load({f"WKPLUG_{setting.upper()}": word}, files=[])
        assert getattr(loaded, setting) is value


# --- changing settings ------------------------------------------------------------------------------------


def test_the_context_manager_changes_merges_and_restores() -> None:
    before = config.current()
    with config.settings(default_format="n5", backends={"zarr3": "a"}, plugins_blocked=["x"]) as outer:
        assert config.current() is outer
        with config.settings(backends={"zarr": "b"}, chunks_per_shard=None):
            assert config.current().backends == {"zarr3": "a", "zarr": "b"}
            assert config.current().default_format == "n5"
        assert config.current() is outer
        assert outer.plugins_blocked == ("x",)
        assert outer.source_of("plugins.blocked") == "wkplug.settings(...)"
    assert config.current() is before


@pytest.mark.parametrize(
    "overrides", [{"defaultformat": "x"}, {"plugins_blocke": []}, {"lock_timeout": None}]
)
def test_the_context_manager_refuses_what_files_refuse(overrides: dict[str, object]) -> None:
    with pytest.raises(ConfigError), config.settings(**overrides):
        pytest.fail("never reached")


def test_settings_cannot_be_changed_in_place() -> None:
    with config.settings(storage={"s3://b": {"list": [1]}}) as settings:
        with pytest.raises(AttributeError):
            settings.strict = True  # type: ignore[misc]  # the point of the test
        with pytest.raises(TypeError):
            settings.storage["s3://b"]["x"] = 1  # the same
        options = settings.storage_options("s3://b/deep")
        options["list"].append(2)
        assert settings.storage_options("s3://b/deep") == {"list": [1]}


def test_settings_pickle_and_a_worker_adopts_them() -> None:
    with config.settings(
        default_format="n5", plugin={"p": {"a": [1, {"b": 2}]}}, rules=[{"match": "/x"}]
    ) as settings:
        snapshot = pickle.loads(pickle.dumps(settings))
        assert snapshot == settings
        assert snapshot.source_of("default_format") == "wkplug.settings(...)"
    config.adopt(snapshot)
    assert config.current().default_format == "n5"
    with config.settings(Settings(), strict=True) as replaced:
        assert (replaced.default_format, replaced.strict) == ("zarr3", True)


def test_other_threads_see_the_settings_of_the_process() -> None:
    with config.settings(default_format="n5"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(config.current).result().default_format == "zarr3"


def test_options_of_longer_prefixes_lie_on_top() -> None:
    storage = {
        "s3://b": {"anon": True, "region": "x"},
        "s3://b/deep": {"region": "y"},
        "s3://bucket": {"no": 1},
    }
    with config.settings(storage=storage) as settings:
        assert settings.storage_options("s3://b/deep/er") == {"anon": True, "region": "y"}
        assert settings.storage_options("s3://b/deeper") == {"anon": True, "region": "x"}
        assert settings.storage_options("s3://c") == {}


def test_tables_are_mappings_that_compare_like_dicts() -> None:
    table = Table({"a": [1], "b": {"c": 2}})
    assert table == {"a": (1,), "b": {"c": 2}}
    assert table.plain() == {"a": [1], "b": {"c": 2}}
    assert hash(table) == hash(Table({"b": 0, "a": 0}))
    assert repr(Table({"a": 1})) == "Table({'a': 1})"


def test_importing_the_configuration_reads_nothing_and_imports_no_toml() -> None:
    code = (
        "import sys, wkplug.config; wkplug.config.current(); "
        "print([m for m in ('numpy', 'tomllib') if m in sys.modules])"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
