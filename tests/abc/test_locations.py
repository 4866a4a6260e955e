"""Locations around others, and the way from a URL to a location."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

from wkplug import storage
from wkplug.abc import Location, LocationWrapper, locate
from wkplug.errors import ConflictError, InvalidArgumentError, MissingError, UnlistableError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing.places import CountingLocation, PlainLocation

PUBLIC = sorted(name for name in dir(Location) if not name.startswith("_"))
PROPERTIES = [name for name in PUBLIC if isinstance(inspect.getattr_static(Location, name), property)]
METHODS = [name for name in PUBLIC if name not in PROPERTIES]


class Recorder:
    """Takes down how it is asked, and answers with that."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in PROPERTIES:
            return (name,)

        def answer(*args: Any, **kwargs: Any) -> Any:
            self.asked.append((name, args, kwargs))
            return self.asked[-1]

        return answer


@pytest.mark.parametrize("name", METHODS)
def test_a_wrapper_passes_on_every_method(name: str) -> None:
    signature = inspect.signature(getattr(Location, name))
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    given = tuple(object() for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD)
    given += tuple(object() for one in parameters if one.kind is one.VAR_POSITIONAL)
    named = {one.name: object() for one in parameters if one.kind is one.KEYWORD_ONLY}
    recorder = Recorder()
    answer = getattr(LocationWrapper(recorder), name)(*given, **named)
    assert recorder.asked == [(name, given, named)]
    if signature.return_annotation != "None":
        assert (answer.inner if name == "child" else answer) == recorder.asked[0]


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_wrapper_passes_on_every_property(name: str) -> None:
    answer = getattr(LocationWrapper(Recorder()), name)
    assert (answer.inner if name == "parent" else answer) == (name,)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_wrapper_inherits_no_answer_of_its_own(name: str) -> None:
    assert name in vars(LocationWrapper)


def test_ranges_of_one_version_come_with_it(tmp_path) -> None:
    place = LocalLocation(tmp_path).child("a")
    with pytest.raises(MissingError, match="it is not there"):
        place.read_consistent([(0, 1)])
    first = place.write(b"abcdef")
    assert place.read_consistent([(4, 9), (0, 2)]) == ([b"ef", b"ab"], first)
    assert place.read_consistent([(0, 2)], version=first) == ([b"ab"], first)
    place.write(b"ABCDEFG")
    with pytest.raises(ConflictError, match="was changed by someone else while it was read"):
        place.read_consistent([(0, 2)], version=first)


def test_an_end_comes_with_its_place_and_its_version(tmp_path) -> None:
    place = LocalLocation(tmp_path).child("a")
    with pytest.raises(MissingError, match="it is not there"):
        place.read_end(3)
    version = place.write(b"abcdef")
    assert place.read_end(2) == (b"ef", 4, version)
    assert place.read_end(9) == (b"abcdef", 0, version)


def test_ranges_of_two_versions_are_never_mixed(tmp_path) -> None:
    class Changing(PlainLocation):
        def read_ranges(self, ranges):
            data = self.inner.read_ranges(ranges)
            self.inner.write(b"another, longer")
            return data

        def read_consistent(self, ranges, *, version=None):
            return Location.read_consistent(self, ranges, version=version)

    place = LocalLocation(tmp_path).child("a")
    place.write(b"one")
    with pytest.raises(ConflictError):
        Changing(place).read_consistent([(0, 2), (2, 3)])


def test_all_files_below_are_listed_by_their_paths(tmp_path) -> None:
    place = LocalLocation(tmp_path)
    for name in ("b", "z0/y1/x2", "z0/a"):
        place.child(name).write(b"12")
    place.child("empty").make_folder()
    assert {name for name, _ in place.list_files()} == {"b", "z0/y1/x2", "z0/a"}


def test_what_a_wrapper_keeps_goes_with_it(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    place = CountingLocation(LocalLocation(tmp_path))
    below = place.child("a")
    assert type(below) is CountingLocation
    assert below.read() == b"12345"
    assert below.parent.child("a").read_ranges([(0, 2)]) == [b"12"]
    assert place.counts == [5, 2]
    again = pickle.loads(pickle.dumps(place))
    assert again == place
    assert hash(again) == hash(place)
    assert again.counts == [5, 2]
    assert place != LocationWrapper(LocalLocation(tmp_path)) != LocationWrapper(LocalLocation("/"))


def test_a_plain_location_lists_what_can_be_listed_for_certain() -> None:
    web = storage.locate("http://localhost:9/x")
    with pytest.raises(UnlistableError):
        PlainLocation(web).list_all()


def test_a_plugin_opens_places_as_the_core_does(tmp_path) -> None:
    assert locate(tmp_path) == LocalLocation(tmp_path)
    assert locate("memory://a/b") == storage.locate("memory://a/b")
    assert locate(locate("memory://a/b")).url == "memory://a/b"
    with pytest.raises(InvalidArgumentError, match="neither a path nor a URL"):
        locate(3)
