"""Who is chosen, and who decided."""

from __future__ import annotations

import importlib.util
import itertools
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wkplug import config, registry
from wkplug.abc import (
    ArrayBackend,
    ArrayCapabilities,
    ArraySpec,
    Filesystem,
    ImageReader,
    ProbeScore,
    Problem,
)
from wkplug.errors import (
    AmbiguousChoiceError,
    ConfigError,
    ForbiddenError,
    ImageConversionError,
    ImageReaderMissingError,
    InvalidArgumentError,
    LayoutError,
    MissingError,
    PluginBrokenError,
    PluginMissingError,
    UnableError,
    UnknownFormatError,
    UnknownNameError,
    UnknownSchemeError,
    UnsupportedDtypeError,
    UnsupportedImageFormatError,
)
from wkplug.filesystems import sessions
from wkplug.filesystems.local import LocalLocation
from wkplug.filesystems.stores import StoreLocation
from wkplug.registry import Manager, PluginWarning
from wkplug.registry.explain import as_facts, render
from wkplug.registry.selection import Candidate, Preference, select
from wkplug.storage import locate

if TYPE_CHECKING:
    from pathlib import Path

Plugged = Callable[..., Manager]
Place = Callable[..., LocalLocation]


def candidate(
    name: str, *, group: str = "g", score: int = 0, priority: int = 0, error: str = ""
) -> Candidate:
    problems = (Problem(code="x", text=error),) if error else ()
    return Candidate(
        name=name, group=group, plugin="p 1", score=score, priority=priority, assess=lambda: problems
    )


# --- the pure function ------------------------------------------------------------------------------------


def test_score_beats_priority_beats_name() -> None:
    some = [
        candidate("c", score=9),
        candidate("b", priority=5),
        candidate("a"),
        candidate("d", score=9, priority=1),
    ]
    choice = select("thing", some, what="testing")
    assert [line.name for line in choice.ranking] == ["d", "c", "b", "a"]
    assert choice.decided_by == "priority"
    assert select("thing", some[:3], what="testing").decided_by == "probe score"
    assert select("thing", [candidate("b"), candidate("a")], what="testing").decided_by == "name"
    assert select("thing", [candidate("b")], what="testing").decided_by == "it is the only one"


def test_a_wish_beats_everything_and_its_source_decides() -> None:
    some = [candidate("a", score=100, priority=9), candidate("b")]
    choice = select("thing", some, what="testing", preference=Preference(names=("b",), source="argument"))
    assert (choice.name, choice.decided_by) == ("b", "argument")


def test_the_best_is_asked_first_and_nobody_after_the_first_able_one() -> None:
    asked: list[str] = []

    def ask(name: str, *problems: Problem) -> Candidate:
        def assess() -> tuple[Problem, ...]:
            asked.append(name)
            return problems

        return Candidate(name=name, group="g", plugin="", priority=-ord(name), assess=assess)

    some = [ask("c"), ask("b"), ask("a", Problem(code="x", text="not today"))]
    assert select("thing", some, what="testing").name == "b"
    assert asked == ["a", "b"]
    asked.clear()
    assert select("thing", some, what="testing", thorough=True).name == "b"
    assert sorted(asked) == ["a", "b", "c"]


def test_a_default_that_is_unable_makes_room_with_its_reason() -> None:
    choice = select("thing", [candidate("a", priority=9, error="too big"), candidate("b")], what="testing")
    assert choice.name == "b"
    assert choice.decided_by == "the others are unable"
    assert [(line.name, line.able) for line in choice.ranking] == [("b", True), ("a", False)]
    assert choice.reasons == ("a is unable: too big", "b is chosen: the others are unable")


def test_a_wish_that_is_unable_is_an_error_even_if_others_could() -> None:
    some = [candidate("a", error="too big"), candidate("b")]
    with pytest.raises(UnableError) as caught:
        select(
            "thing", some, what="opening 'x'", preference=Preference(names=("a",), source="the variable V")
        )
    assert str(caught.value) == "Opening 'x': a can't do it (the variable V asks for it): too big"


def test_nobody_able_lists_everybodys_reason() -> None:
    with pytest.raises(UnableError) as caught:
        select(
            "thing", [candidate("a", error="too big"), candidate("b", error="too small")], what="opening 'x'"
        )
    assert str(caught.value) == "Opening 'x': no thing can do it:\n  a: too big\n  b: too small"


def test_only_different_groups_can_tie() -> None:
    same = [candidate("a"), candidate("b")]
    assert select("thing", same, what="testing").name == "a"
    with pytest.raises(AmbiguousChoiceError) as caught:
        select(
            "thing",
            [candidate("a"), candidate("b", group="other")],
            what="opening 'x'",
            advice=lambda names: f"write {names[0]}",
        )
    assert str(caught.value) == "Opening 'x': 2 things are equally sure: a, b.\n  write a"


def test_an_unable_rival_is_no_rival() -> None:
    assert (
        select("thing", [candidate("a"), candidate("b", group="o", error="no")], what="testing").name == "a"
    )


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(0, 2), st.integers(-1, 1), st.booleans()),
        min_size=1,
        max_size=5,
        unique_by=lambda item: item[0],
    )
)
def test_the_order_of_candidates_never_matters(items: list[tuple[str, int, int, bool]]) -> None:
    some = [candidate(n, score=s, priority=p, error="no" if broken else "") for n, s, p, broken in items]
    able = [(-s, -p, n) for n, s, p, broken in items if not broken]
    for order in itertools.islice(itertools.permutations(some), 24):
        if able:
            assert select("thing", order, what="testing").name == min(able)[2]
        else:
            with pytest.raises(UnableError):
                select("thing", order, what="testing")


# --- backends ---------------------------------------------------------------------------------------------


def test_the_recorded_format_is_kept_and_priority_picks_the_implementation(
    plugged: Plugged, place: Place
) -> None:
    plugged("good", "fast")
    choice = registry.choose_backend(place(), data_format="npy", mode="r+")
    assert (choice.name, choice.decided_by) == ("npy+fast", "priority")
    assert choice.winner is registry.backend("npy+fast") or choice.winner.name == "npy+fast"


def test_backends_that_only_read_are_left_out_of_writing(plugged: Plugged, place: Place) -> None:
    plugged("good", "fast")
    assert registry.choose_backend(place(), data_format="npy").name == "npy+reader"
    for mode in ("r+", "create"):
        choice = registry.choose_backend(place(), data_format="npy", mode=mode)
        assert choice.name == "npy+fast"
    with pytest.raises(UnableError, match=r"npy\+reader can't do it \(argument asks for it\): it only reads"):
        registry.choose_backend(place(), data_format="npy", mode="r+", explicit="reader")


@pytest.mark.parametrize("explicit", ["good", "npy+good"])
def test_an_argument_decides(plugged: Plugged, place: Place, explicit: str) -> None:
    plugged("good", "fast", backends={"npy": "fast"})
    choice = registry.choose_backend(place(), data_format="npy", explicit=explicit)
    assert (choice.name, choice.decided_by) == ("npy+good", "argument")


def test_an_argument_for_another_format_is_refused(plugged: Plugged, place: Place) -> None:
    plugged("good", "fast")
    with pytest.raises(
        InvalidArgumentError, match=r"The data format is npy, but the backend 'old\+fast' is for old"
    ):
        registry.choose_backend(place(), data_format="npy", explicit="old+fast")


def test_an_explicit_implementation_that_is_unable_raises_what_its_problem_names(
    plugged: Plugged, place: Place
) -> None:
    plugged("good", "fast")
    with pytest.raises(UnableError) as caught:
        registry.choose_backend(place("good-cannot"), data_format="npy", explicit="good")
    assert str(caught.value).endswith(
        "npy+good can't do it (argument asks for it): the name says so\n  Choose another name."
    )
    with pytest.raises(LayoutError, match="no such shard"):
        registry.choose_backend(place("good-legacy"), data_format="npy", explicit="good")


def test_defaults_fall_through_to_the_next_able_one(plugged: Plugged, place: Place) -> None:
    plugged("good", "fast")
    choice = registry.choose_backend(place("fast-cannot"), data_format="npy", mode="r+")
    assert choice.name == "npy+good"


def test_warnings_of_the_winner_are_handed_over(plugged: Plugged, place: Place) -> None:
    plugged("good")
    choice = registry.choose_backend(place("good-warns"), data_format="npy")
    assert [problem.text for problem in choice.warnings] == ["this is slow"]


def test_capabilities_count_where_a_backend_has_no_objection(plugged: Plugged, place: Place) -> None:
    plugged("good")
    spec = ArraySpec(
        axes=("x", "y", "z"), shape=(1, 1, 1), dtype="uint8", chunk_shape=(1,) * 3, shard_shape=(1,) * 3
    )
    assert registry.choose_backend(place(), data_format="npy", spec=spec).name == "npy+good"
    import attrs

    with pytest.raises(UnableError, match="it can't store float32"):
        registry.choose_backend(place(), data_format="npy", spec=attrs.evolve(spec, dtype="float32"))
    with pytest.raises(UnableError, match="it takes the axes x,y,z, not z,y,x"):
        registry.choose_backend(place(), data_format="npy", spec=attrs.evolve(spec, axes=("z", "y", "x")))


def test_who_does_not_take_the_layout_makes_room(
    plugged: Plugged, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged("good", "fast")
    spec = ArraySpec(
        axes=("x", "y", "z"), shape=(1, 1, 1), dtype="uint8", chunk_shape=(1,) * 3, shard_shape=(1,) * 3
    )
    asked: list[str] = []

    def lay_out(backend: ArrayBackend) -> ArraySpec:
        asked.append(backend.name)
        return spec

    choice, made = registry.choose_creator(place(), lay_out, data_format="npy")
    assert (choice.name, asked, made) == ("npy+fast", ["npy+fast"], spec)
    only_others = ArrayCapabilities(dtypes=frozenset({"uint16"}))
    monkeypatch.setattr(type(choice.winner), "capabilities", only_others)
    choice, made = registry.choose_creator(place(), lay_out, data_format="npy")
    assert (choice.name, asked, made) == ("npy+good", ["npy+fast"] * 2, spec)
    with pytest.raises(UnableError, match=r"npy\+fast can't do it .*: it can't store uint8"):
        registry.choose_creator(place(), lay_out, data_format="npy", explicit="fast")


def test_a_broken_engine_makes_room_with_one_warning_unless_it_was_asked_for(
    plugged: Plugged, place: Place
) -> None:
    plugged("missing_dependency", "good")
    with pytest.warns(PluginWarning, match="a_library_that_nobody_has"):
        assert registry.choose_backend(place(), data_format="npy").name == "npy+good"
    assert registry.choose_backend(place(), data_format="npy").name == "npy+good"  # and no second warning
    with pytest.raises(PluginBrokenError):
        registry.choose_backend(place(), data_format="npy", explicit="needy")
    with config.settings(backends={"npy": "needy"}), pytest.raises(PluginBrokenError):
        registry.choose_backend(place(), data_format="npy")


def test_a_fault_while_asking_is_that_plugins_alone(plugged: Plugged, place: Place) -> None:
    plugged("good", "fast")
    with (
        pytest.warns(
            PluginWarning, match="failed to say whether 'npy\\+reader' can do it: RuntimeError: a fault"
        ),
        pytest.warns(PluginWarning, match="'npy\\+fast'"),
    ):
        assert registry.choose_backend(place("fast-raises"), data_format="npy").name == "npy+good"


def test_a_format_that_nobody_has_is_unknown_or_missing(plugged: Plugged, place: Place) -> None:
    plugged("good")
    with pytest.raises(
        UnknownFormatError, match=r"No plugin knows the data format 'npz'\. Did you mean 'npy'"
    ):
        registry.choose_backend(place(), data_format="npz")
    with pytest.raises(PluginMissingError, match="pip install wkplug-wkw"):
        registry.choose_backend(place(), data_format="wkw")


# --- configuration ----------------------------------------------------------------------------------------


def test_configuration_decides_between_implementations_and_rules_beat_lists(
    plugged: Plugged, place: Place
) -> None:
    plugged("good", "fast")
    with config.settings(backends={"npy": "good"}):
        choice = registry.choose_backend(place(), data_format="npy")
        assert (choice.name, choice.decided_by) == ("npy+good", "wkplug.settings(...)")
        rule = {"match": "**/archive/**", "backends": {"npy": "fast"}}
        with config.settings(rules=[rule]):
            assert registry.choose_backend(place("elsewhere"), data_format="npy").name == "npy+good"
            there = registry.choose_backend(place("archive"), data_format="npy")
            assert (there.name, there.decided_by) == ("npy+fast", "rule in wkplug.settings(...)")


def test_a_file_a_variable_and_an_argument_each_decide_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    file = tmp_path / "wkplug.toml"
    file.write_text('default_format = "zarr3"\n\n[backends]\nzarr3 = "zarr"\n')
    before = registry.choose_backend(place(), data_format="zarr3", mode="create")
    assert (before.name, before.decided_by) == ("zarr3+tensorstore", "priority")
    monkeypatch.setenv("WKPLUG_CONFIG", str(file))
    config.reload()
    by_file = registry.choose_backend(place(), data_format="zarr3", mode="create")
    assert (by_file.name, by_file.decided_by) == ("zarr3+zarr", f"{file}:4")
    monkeypatch.setenv("WKPLUG_BACKENDS__ZARR3", "tensorstore")
    config.reload()
    by_variable = registry.choose_backend(place(), data_format="zarr3", mode="create")
    assert (by_variable.name, by_variable.decided_by) == ("zarr3+tensorstore", "WKPLUG_BACKENDS__ZARR3")
    by_argument = registry.choose_backend(place(), data_format="zarr3", mode="create", explicit="zarr")
    assert (by_argument.name, by_argument.decided_by) == ("zarr3+zarr", "argument")


def test_a_configured_name_that_is_wrong_says_who_configured_it(plugged: Plugged, place: Place) -> None:
    plugged("good")
    with config.settings(backends={"npy": "god"}), pytest.raises(UnknownNameError) as caught:
        registry.choose_backend(place(), data_format="npy")
    assert "Did you mean 'npy+good'? It is configured: wkplug.settings(...)." in str(caught.value)
    with (
        config.settings(backends={"npy": "old+good"}),
        pytest.raises(ConfigError, match="is no implementation of npy"),
    ):
        registry.choose_backend(place(), data_format="npy")


# --- probing ----------------------------------------------------------------------------------------------


def test_without_a_recorded_format_marker_files_and_the_backends_decide(
    plugged: Plugged, place: Place
) -> None:
    plugged("good", "fast")
    choice = registry.choose_format(place("array", "npy.json"))
    assert (choice.winner, choice.decided_by) == ("npy", "it is the only one")
    assert choice.ranking[0].score == ProbeScore.CERTAIN
    assert registry.choose_backend(place("array", "npy.json"), mode="r+").name == "npy+fast"


def test_probing_imports_no_engine_whose_markers_are_missing(plugged: Plugged, place: Place) -> None:
    import sys

    plugged("good", "fast")
    with pytest.raises(UnknownFormatError) as caught:
        registry.choose_format(place("array", "other.json"))
    assert "is an array of no format that an installed plugin knows." in str(caught.value)
    assert "installed formats: memory, npy, old" in str(caught.value)
    assert "wkplug_good.arrays" not in sys.modules
    assert "wkplug_fast.arrays" not in sys.modules


def test_marker_files_of_a_missing_plugin_name_it(plugged: Plugged, place: Place) -> None:
    plugged("good")
    with pytest.raises(UnknownFormatError, match="it may be wkw:   pip install wkplug-wkw"):
        registry.choose_format(place("array", "header.wkw"))


def test_nothing_at_all_is_missing_and_not_unknown(plugged: Plugged, tmp_path: Path) -> None:
    plugged("good")
    with pytest.raises(MissingError, match="There is nothing at"):
        registry.choose_backend(LocalLocation(str(tmp_path / "nowhere")))


def test_two_formats_that_are_equally_sure_are_an_error_with_the_line_that_decides(
    plugged: Plugged, place: Place
) -> None:
    plugged("good", "fast")
    both = place("both", "npy.json", "old.json")
    with pytest.raises(AmbiguousChoiceError) as caught:
        registry.choose_backend(both)
    assert str(caught.value) == (
        f"Opening '{both.url}': 2 data formats are equally sure: npy, old.\n"
        "  Name the format, or add to the configuration:\n"
        f'  [[rules]]\n  match = "{both.url}"\n  format = "npy"'
    )
    with config.settings(rules=[{"match": both.url, "format": "old"}]):
        assert registry.choose_backend(both).name == "old+fast"


# --- filesystems ------------------------------------------------------------------------------------------


def opener(url: str, options: dict[str, str] | None = None) -> Filesystem:
    """Who opens the place at a URL; opening it comes to the same."""
    found = registry.choose_filesystem(url, options=options).winner
    assert isinstance(found, Filesystem)
    return found


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/data/x", "LocalFilesystem"),
        ("relative/x", "LocalFilesystem"),
        ("file:///data/x", "LocalFilesystem"),
        ("C:\\data\\x", "LocalFilesystem"),
        ("C://data/x", "LocalFilesystem"),
        ("S3://bucket/x", "S3ThroughObstore"),
        ("simplecache::s3://bucket/x", "FsspecFilesystem"),
        ("memory://x", "FsspecFilesystem"),
        ("a::b", "LocalFilesystem"),
    ],
)
def test_schemes_lead_to_filesystems(url: str, name: str) -> None:
    if url == "a::b":
        with pytest.raises(UnknownSchemeError):
            opener(url)
        return
    assert type(opener(url)).__name__ == name


@pytest.mark.usefixtures("elsewhere")
def test_an_unknown_scheme_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UnknownSchemeError, match=r"the URL scheme 'htps://'\. Did you mean 'https'\?"):
        opener("htps://example.org")
    with pytest.raises(PluginMissingError, match="The URL scheme 'webknossos://' needs wkplug-remote"):
        opener("webknossos://x")


def test_a_plugins_filesystem_beats_the_catch_all_and_configuration_beats_both(plugged: Plugged) -> None:
    plugged("rival")
    assert type(opener("sftp://host")).__name__ == "LocalFilesystem"
    with config.settings(filesystems={"sftp": "fsspec"}):
        assert type(opener("sftp://host")).__name__ == "FsspecFilesystem"


@pytest.mark.parametrize("scheme", ["s3", "gs", "az", "abfs", "http", "https"])
def test_a_place_whose_distribution_is_missing_names_it(scheme: str, plugged: Plugged) -> None:
    plugged("good")
    needed = "wkplug-remote" if scheme.startswith("http") else "wkplug-cloud"
    with pytest.raises(PluginMissingError, match=f"The URL scheme '{scheme}://' needs {needed}") as caught:
        opener(f"{scheme}://x/y")
    assert caught.value.hint == f"pip install {needed}"


def test_the_next_filesystem_takes_over_from_one_that_is_unable(plugged: Plugged) -> None:
    plugged("ranked")
    url = "bottle://b/x"
    for _ in range(2):
        assert type(opener(url)).__name__ == "FastFilesystem"
        assert type(opener(url, options={"profile": "me"})).__name__ == "PatientFilesystem"
    with config.settings(storage={"bottle://b": {"profile": "me"}}):
        assert type(opener(url)).__name__ == "PatientFilesystem"
        assert type(opener("bottle://other/x")).__name__ == "FastFilesystem"


def test_a_configured_filesystem_that_is_unable_is_an_error(plugged: Plugged) -> None:
    plugged("ranked")
    for name in ("fast", "bottle+fast"):
        with config.settings(filesystems={"bottle": name}):
            assert type(opener("bottle://b")).__name__ == "FastFilesystem"
            with pytest.raises(
                ForbiddenError,
                match=r"Opening 'bottle://b': bottle\+fast can't do it \(.*asks for it\): it knows no profiles",
            ):
                opener("bottle://b", options={"profile": "me"})
    with config.settings(filesystems={"bottle": "patient"}):
        assert type(opener("bottle://b")).__name__ == "PatientFilesystem"
    with (
        config.settings(filesystems={"bottle": "fats"}),
        pytest.raises(ConfigError, match=r"None of the configured fats is installed"),
    ):
        opener("bottle://b")


def test_options_given_in_code_are_found_by_recorded_urls(plugged: Plugged) -> None:
    plugged("ranked")
    sessions.forget()

    def secret_of(url: str, options: dict[str, str] | None = None) -> str | None:
        place = locate(url, options=options)
        assert isinstance(place, StoreLocation)
        again = pickle.loads(pickle.dumps(place))
        assert again == place
        assert isinstance(again, StoreLocation)
        assert not again.opened.has_secrets
        assert b"s3cret" not in pickle.dumps(place)
        found: dict[str, str] = place.opened.options  # type: ignore[attr-defined]
        return found.get("secret")

    assert secret_of("bottle://b/x/y") is None
    assert secret_of("bottle://b/x/y", {"secret": "s3cret"}) == "s3cret"
    assert secret_of("bottle://b/x/z") == "s3cret"
    assert secret_of("bottle://b") is None
    assert secret_of("bottle://b/xy") is None
    assert secret_of("bottle://other/x") is None
    assert secret_of("bottle://b/x/y", {"colour": "green"}) is None
    with config.settings(storage={"bottle://b/x": {"colour": "green"}}):
        assert secret_of("bottle://b/x/z") is None
    sessions.forget()


def test_every_scheme_of_fsspec_that_is_a_place_is_listed() -> None:
    import fsspec.registry

    from wkplug import builtin

    # A copy of its own: the other one also has what installed packages add to fsspec, whichever there are.
    spec = importlib.util.find_spec("fsspec.registry")
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    assert fresh is not fsspec.registry

    (*_, catch_all) = builtin.wkplug_filesystems()
    wrappers = {"async_wrapper", "asyncwrapper", "cached", "file", "generic", "local", "pyscript"}
    # These have distributions of their own.
    wrappers |= {"abfs", "abfss", "az", "gcs", "gs", "http", "https", "s3", "s3a"}
    assert set(fresh.known_implementations) - wrappers <= set(catch_all.schemes)


# --- readers ----------------------------------------------------------------------------------------------


def image(tmp_path: Path, name: str) -> LocalLocation:
    return LocalLocation(str(tmp_path / name))


def test_magic_bytes_beat_suffixes_and_a_probe_can_refuse(plugged: Plugged, tmp_path: Path) -> None:
    plugged("good")
    assert registry.choose_reader(image(tmp_path, "x.dat"), b"PIC!").ranking[0].score == ProbeScore.MAGIC
    assert registry.choose_reader(image(tmp_path, "X.PIC"), b"").name == "good"
    with pytest.raises(UnsupportedImageFormatError) as caught:
        registry.choose_reader(image(tmp_path, "x.pic"), b"NO\0")
    assert str(caught.value) == (
        "No installed reader accepts 'x.pic'. Its suffix is claimed by good, but its first bytes (4e 4f 00) are not "
        "theirs.\n  The file is damaged, or called otherwise than what it is. Export or download the image again, "
        "or move the file away."
    )


def test_a_reader_looks_into_a_file_once(
    plugged: Plugged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged("good")
    reader = type(registry.choose_reader(image(tmp_path, "x.pic"), b"PIC!").winner)
    heads: list[bytes] = []

    def probe(self: ImageReader, location: LocalLocation, head: bytes) -> ProbeScore:
        heads.append(head)
        return ProbeScore.CERTAIN

    monkeypatch.setattr(reader, "probe", probe)
    choice = registry.choose_reader(image(tmp_path, "x.pic"), b"PIC?", thorough=True)
    assert (choice.ranking[0].score, heads) == (ProbeScore.CERTAIN, [b"PIC?"])


def test_two_readers_that_are_equally_sure_are_an_error_with_the_line_that_decides(
    plugged: Plugged, tmp_path: Path
) -> None:
    plugged("good", "rival")
    with pytest.raises(AmbiguousChoiceError) as caught:
        registry.choose_reader(image(tmp_path, "x.pic"), b"")
    assert str(caught.value) == (
        "Reading 'x.pic': 2 image readers are equally sure: good, rival.\n"
        '  choose once:    reader="good"\n'
        '  choose always:  [readers] ".pic" = ["good", "rival"]   in the configuration'
    )
    by_argument = registry.choose_reader(image(tmp_path, "x.pic"), b"", explicit="rival")
    assert (by_argument.name, by_argument.decided_by) == ("rival", "argument")
    with config.settings(readers={".pic": ["nobody", "rival", "good"]}):
        choice = registry.choose_reader(image(tmp_path, "x.pic"), b"")
        assert (choice.name, choice.decided_by) == ("rival", "wkplug.settings(...)")
    assert registry.choose_reader(image(tmp_path, "x.big.pic"), b"").name == "good", (
        "the longer suffix says more"
    )


def test_a_configured_reader_that_refuses_is_an_error_and_no_cascade(
    plugged: Plugged, tmp_path: Path
) -> None:
    plugged("good", "rival")
    with (
        config.settings(readers={".pic": "rival"}),
        pytest.raises(UnableError, match="it is not such a file"),
    ):
        registry.choose_reader(image(tmp_path, "x.pic"), b"NO\0")
    with config.settings(readers={".pic": "rivle"}), pytest.raises(ConfigError, match="Did you mean 'rival'"):
        registry.choose_reader(image(tmp_path, "x.pic"), b"")


@pytest.mark.usefixtures("elsewhere")
def test_a_suffix_whose_plugin_is_not_installed_names_it(plugged: Plugged, tmp_path: Path) -> None:
    plugged("good")
    with pytest.raises(ImageReaderMissingError) as caught:
        registry.choose_reader(image(tmp_path, "scan.czi"), b"ZISRAWFILE")
    assert str(caught.value) == (
        "No installed reader accepts 'scan.czi'. The suffix '.czi' needs wkplug-czi, which is not installed.\n"
        "  pip install wkplug-czi"
    )
    assert isinstance(caught.value, PluginMissingError)
    assert isinstance(caught.value, ImageConversionError)


def test_a_file_of_a_plugin_that_is_not_installed_is_known_by_its_first_bytes(
    plugged: Plugged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wkplug.registry.missing import known

    magic = {"plugin": "czi", "suffixes": [".czi"], "magic": ["0:5a4953524157", "128:ff00ff"]}
    monkeypatch.setitem(known(), "wkplug-czi", magic)
    plugged("good")
    with pytest.raises(ImageReaderMissingError) as caught:
        registry.choose_reader(image(tmp_path, "scan.dat"), b"ZISRAWFILE")
    assert str(caught.value) == (
        "No installed reader accepts 'scan.dat'. A file that starts like this one ('ZISRAW') needs wkplug-czi, which "
        "is not installed.\n  pip install wkplug-czi"
    )
    with pytest.raises(ImageReaderMissingError, match=r"like this one \(b'.xff.x00.xff'\) needs wkplug-czi"):
        registry.choose_reader(image(tmp_path, "scan"), bytes(128) + b"\xff\0\xff")


def test_readers_of_files_are_not_asked_about_folders(plugged: Plugged, tmp_path: Path) -> None:
    plugged("good")
    with pytest.raises(UnsupportedImageFormatError):
        registry.choose_reader(image(tmp_path, "x.pic"), b"", folder=True)


# --- the rest ---------------------------------------------------------------------------------------------


def test_interpolations_are_honest_about_categories_and_names() -> None:
    assert registry.interpolations("segmentation") == (
        "max", "median", "min", "mode", "mode_sparse", "nearest",
    )  # fmt: skip
    assert set(registry.interpolations()) - set(registry.interpolations("segmentation")) == {
        "bicubic", "bilinear", "mean", "median_unbiased",
    }  # fmt: skip
    assert registry.interpolation("mode", category="segmentation", dtype="uint32").name == "mode"
    with pytest.raises(UnableError) as caught:
        registry.interpolation("mean", category="segmentation", dtype="uint32")
    assert str(caught.value) == (
        "The interpolation mode 'mean' is not for segmentation layers.\n"
        "  For segmentation layers there are: max, median, min, mode, mode_sparse, nearest."
    )
    with pytest.raises(UnknownNameError, match="Did you mean 'median'"):
        registry.interpolation("medium", category="color", dtype="uint8")


def test_a_mode_that_is_not_made_for_a_dtype_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    mode = type(registry.interpolation("bicubic", category="color", dtype="uint8"))
    monkeypatch.setattr(mode, "dtypes", frozenset({"uint8"}))
    with pytest.raises(UnsupportedDtypeError, match="'bicubic' is not made for float32, only for uint8"):
        registry.interpolation("bicubic", category="color", dtype="float32")


def test_exporters_are_chosen_by_what_they_take_and_the_suffix() -> None:
    assert registry.choose_exporter("sheet", ".PNG").name == "contact-sheet"
    assert registry.choose_exporter("sheet", ".xyz", "contact-sheet").decided_by == "argument"
    with pytest.raises(UnknownNameError, match=r"No plugin knows how to write a sheet as '\.xyz'"):
        registry.choose_exporter("sheet", ".xyz")
    with pytest.raises(UnknownNameError, match="writes a sheet, not a view"):
        registry.choose_exporter("view", ".png", "contact-sheet")


def test_a_missing_exporter_names_its_plugin(plugged: Plugged) -> None:
    plugged("good")
    with pytest.raises(PluginMissingError, match="pip install wkplug-images"):
        registry.choose_exporter("sheet", ".png")


def test_a_container_that_nobody_knows_is_unknown(place: Place) -> None:
    with pytest.raises(UnknownNameError, match="No installed importer knows what"):
        registry.choose_importer(place())


# --- explaining -------------------------------------------------------------------------------------------


def test_explanations_show_the_ranking_the_reasons_and_who_decided(plugged: Plugged, place: Place) -> None:
    plugged("good", "fast")
    choice = registry.choose_backend(place("fast-cannot"), data_format="npy", mode="r+", thorough=True)
    assert render(choice) == (
        "array backend: npy+good (wkplug-good 1.0), decided by: the others are unable\n"
        "  * 1. npy+good    priority 0, wkplug-good 1.0\n"
        "    -  npy+reader  priority 9, unable, wkplug-fast 1.0\n"
        "         error: it only reads\n"
        "    -  npy+fast    priority 5, unable, wkplug-fast 1.0\n"
        "         error: the name says so - Choose another name."
    )
    facts = as_facts(choice)
    assert facts["chosen"] == "npy+good"
    assert facts["decided_by"] == "the others are unable"
