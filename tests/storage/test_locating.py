"""From texts to places and back, and copying between places."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from wkplug import storage
from wkplug.abc import locate
from wkplug.errors import (
    InvalidArgumentError,
    MissingError,
    StorageError,
    UnknownSchemeError,
    UnsafePathError,
)
from wkplug.filesystems.local import LocalLocation

if TYPE_CHECKING:
    from wkplug.abc import Location

# The core's own places are looked at, whatever is installed beside it.


def test_all_spellings_of_a_local_path_lead_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    expected = LocalLocation(tmp_path / "a b")
    for text in (
        "a b",
        "./a b",
        tmp_path / "a b",
        UPath(tmp_path / "a b"),
        expected,
        f"file://{tmp_path}/a%20b",
    ):
        assert storage.locate(text) == expected
    assert storage.locate(UPath(f"file://{tmp_path}/a b")) == expected
    assert storage.locate("C:/x").url.endswith("/C:/x")


def test_urls_and_universal_paths_bring_their_options() -> None:
    assert storage.locate("memory://a/b").url == "memory://a/b"
    place = storage.locate(UPath("s3://bucket/key", key="K", secret="S", endpoint_url="http://localhost:1"))
    assert place.url == "s3://localhost:1/bucket/key"
    options = (place.native("fsspec") or {})["options"]
    assert (options["key"], options["secret"]) == ("K", "S")
    assert storage.locate("s3://b/k", options={"anon": True}).native("fsspec")["options"]["anon"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (Path("s3://bucket/x"), "s3://bucket/x"),
        ("s3:/bucket/x", "s3://bucket/x"),
        (" s3://bucket/x\n", "s3://bucket/x"),
        (Path("memory://a/b"), "memory://a/b"),
        ("http:/host/x", "http://host/x"),
        (Path("HTTPS://host/x"), "https://host/x"),
    ],
)
def test_urls_that_pathlib_folded_are_understood(text: object, url: str) -> None:
    assert storage.locate(text).url == url


@pytest.mark.parametrize("text", ["s3:b/x", "http:host/x", "memory:x", Path("gs:b/x")])
def test_urls_without_slashes_are_an_error_with_the_form(text: object) -> None:
    scheme, _, rest = str(text).partition(":")
    with pytest.raises(InvalidArgumentError, match="the wrong number of slashes") as caught:
        storage.locate(text)
    assert f"write {scheme}://{rest}." in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["://x", "s_3://b/x", " ://x", "1s3://b"])
def test_urls_without_a_scheme_are_an_error(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="what stands before '://' is no scheme") as caught:
        storage.locate(text)
    assert "URLs look like s3://bucket/folder." in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["simplecache::s3://b/x", Path("filecache::s3://b/x")])
def test_chained_urls_are_an_error_with_the_inner_one(text: object) -> None:
    with pytest.raises(InvalidArgumentError, match="is no URL of a single place") as caught:
        storage.locate(text)
    assert caught.value.hint == "Chains with '::' aren't followed; write s3://b/x."


def test_a_local_folder_that_looks_like_a_url_must_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:" / "b").mkdir(parents=True)
    with pytest.raises(InvalidArgumentError, match="may be a local path or a URL") as caught:
        storage.locate(Path("s3:/b"))
    assert (
        caught.value.hint
        == f"For the URL, write s3://b. For the local path, give all of it: {tmp_path}/s3:/b"
    )
    assert storage.locate(tmp_path / "s3:" / "b") == LocalLocation(tmp_path / "s3:" / "b")


@pytest.mark.parametrize("text", ["C:/x", "a:b", "notes: today/x", "x::y", "color:1", "12:30", "a b:/c"])
def test_colons_in_local_names_mean_nothing(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage.locate(text) == LocalLocation(tmp_path / text)


def test_no_folder_is_made_for_a_url_that_pathlib_folded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wkplug as wk

    monkeypatch.chdir(tmp_path)
    dataset = wk.Dataset(Path("memory://folded/d"), voxel_size=(1, 1, 1))
    assert dataset.location.url == "memory://folded/d"
    with pytest.raises(InvalidArgumentError):
        wk.Dataset("memory:folded", voxel_size=(1, 1, 1))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_place_is_refused() -> None:
    for wrong in (3, None, b"bytes"):
        with pytest.raises(InvalidArgumentError, match="neither a path nor a URL"):
            storage.locate(wrong)
    with pytest.raises(UnknownSchemeError):
        storage.locate("nonsense://x/y")


@pytest.mark.parametrize(
    ("text", "path", "inside"),
    [
        ("./color/1", "/data/set/color/1", True),
        ("color/1", "/data/set/color/1", True),
        ("./color//./1/", "/data/set/color/1", True),
        (".", "/data/set", True),
        ("../other/color/1", "/data/other/color/1", False),
        ("../settled/1", "/data/settled/1", False),
        ("../set/color/1", "/data/set/color/1", True),
        ("color/../../x", "/data/x", False),
        ("../../../../etc", "/etc", False),
        ("/data/set/color/1", "/data/set/color/1", True),
        ("/data/sets/color", "/data/sets/color", False),
        ("file:///data/set/a%20b", "/data/set/a b", True),
    ],
)
def test_recorded_paths_are_resolved_against_the_root(text: str, path: str, inside: bool) -> None:
    assert storage.resolve_inside(LocalLocation("/data/set"), text) == (LocalLocation(path), inside)


def test_recorded_urls_are_resolved_part_by_part() -> None:
    root = storage.locate("s3://localhost:1/bucket/set")
    for text, url, inside in [
        ("./color/1", "s3://localhost:1/bucket/set/color/1", True),
        ("../set2/1", "s3://localhost:1/bucket/set2/1", False),
        ("s3://localhost:1/bucket/set/1", "s3://localhost:1/bucket/set/1", True),
        ("s3://localhost:2/bucket/set/1", "s3://localhost:2/bucket/set/1", False),
        ("s3://bucket/set/1", "s3://bucket/set/1", False),
        ("/data/x", "/data/x", False),
        ("https://host/x", "https://host/x", False),
    ]:
        place, found = storage.resolve_inside(root, text)
        assert (place.url, found) == (url, inside)
    with pytest.raises(UnsafePathError, match="leads out of its store"):
        storage.resolve_inside(root, "../../../../x")
    with pytest.raises(InvalidArgumentError):
        storage.resolve_inside(root, "a\0b")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/a/b", "/c", True),
        ("memory://a/b", "memory://c", True),
        ("s3://localhost:1/a/b", "s3://localhost:1/c/d", True),
        ("s3://localhost:1/a/b", "s3://localhost:2/a/b", False),
        ("s3://a/b", "s3://c/d", True),
        ("http://host/a", "https://host/b", True),
        ("http://host/a", "http://other/a", False),
        ("gs://a/b", "gs://a/c", True),
        ("gs://a/b", "gs://c/b", True),
        ("sftp://host/a", "sftp://other/a", False),
        ("zip://a::/x.zip", "zip://b::/x.zip", True),
        ("zip://a::/x.zip", "zip://a::/y.zip", False),
        ("/a", "memory://a", False),
        ("s3://localhost:1/a", "http://localhost:1/a", False),
    ],
)
def test_places_of_one_store_are_known(one: str, other: str, *, same: bool) -> None:
    assert (storage.locate(one).store == storage.locate(other).store) is same


ROOTS = [LocalLocation("/data/set"), locate("memory://m/set"), locate("http://host/set")]
names = st.text("ab .%#?~é", min_size=1, max_size=6).filter(lambda text: text.strip(".") != "")


@given(st.sampled_from(ROOTS), st.lists(names, max_size=3))
def test_places_inside_come_back_from_what_is_recorded(root: Location, parts: list[str]) -> None:
    place = root.child(*parts) if parts else root
    text = storage.relative_to(root, place)
    assert text == "./" + "/".join(parts)
    assert storage.resolve_inside(root, text) == (place, True)


def test_places_outside_are_recorded_as_urls() -> None:
    root = LocalLocation("/data/set")
    assert storage.relative_to(root, LocalLocation("/data/settled/1")) == "/data/settled/1"
    assert storage.relative_to(root, LocalLocation("/data")) == "/data"
    assert storage.relative_to(root, locate("memory://data/set/1")) == "memory://data/set/1"
    assert storage.relative_to(locate("memory://a"), locate("memory://ab/c")) == "memory://ab/c"


# --- copying ------------------------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path) -> LocalLocation:
    root = LocalLocation(tmp_path / "source")
    for name in ("a", "b/c", "b/d/e", "skipped/x", "b/skipped"):
        root.child(name).write(name.encode())
    root.child("empty").make_folder()
    with root.child("b").lock("k", timeout=1):
        pass
    return root


def content(place: Location, prefix: str = "") -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name in place.list():
        if name.endswith("/"):
            found |= content(place.child(name), prefix + name)
        else:
            found[prefix + name] = place.child(name).read()
    return found


def test_trees_are_copied_between_any_places_without_our_own_scrap(
    source: LocalLocation, tmp_path: Path
) -> None:
    expected = {name: name.encode() for name in ("a", "b/c", "b/d/e")}
    first, second, third = (
        LocalLocation(tmp_path / "t" / "1"),
        locate("memory://t2"),
        LocalLocation(tmp_path / "3"),
    )
    assert storage.copy_tree(source, first, skip=["skipped"]) == 3
    assert storage.copy_tree(first, second) == 3
    assert storage.copy_tree(second, third) == 3
    assert content(first) == content(second) == content(third) == expected
    assert Path(first.child("empty").url).is_dir()
    assert storage.copy_tree(source, third, skip=["b/skipped"]) == 4
    assert storage.copy_tree(source.child("a"), third.child("deep/a")) == 1
    assert storage.copy_tree(second.child("a"), third.child("deep/b")) == 1
    assert third.child("deep/b").read() == b"a"


def test_a_tree_that_is_not_there_or_lies_in_itself_is_not_copied(source: LocalLocation) -> None:
    with pytest.raises(MissingError, match="could not be copied"):
        storage.copy_tree(source.child("nothing"), source.parent.child("t"))
    file = source.parent.child("file")
    file.write(b"x")
    with pytest.raises(StorageError, match=f"copied to .*/below: {file.url} is a file, not a folder"):
        storage.copy_tree(source.child("a"), file.child("below"))
    for target in (source, source.child("b"), source.parent):
        with pytest.raises(StorageError, match="inside the other"):
            storage.copy_tree(source, target)


def test_links_are_never_followed_out_and_never_in_circles(source: LocalLocation, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (tmp_path / "source" / "out").symlink_to("../secret")
    (tmp_path / "source" / "out2").symlink_to("/etc")
    (tmp_path / "source" / "inside").symlink_to("b/c")
    (tmp_path / "source" / "b" / "round").symlink_to("..")
    (tmp_path / "source" / "dangling").symlink_to("nowhere")
    target = LocalLocation(tmp_path / "target")
    with pytest.warns(UserWarning, match="was not copied") as warned:
        storage.copy_tree(source, target, skip=["skipped"])
    texts = " ".join(str(one.message) for one in warned)
    assert all(word in texts for word in ("outside of", "in a circle", "link to nothing"))
    assert content(target) == {"a": b"a", "b/c": b"b/c", "b/d/e": b"b/d/e", "inside": b"b/c"}
    assert (tmp_path / "secret").read_text() == "s"
