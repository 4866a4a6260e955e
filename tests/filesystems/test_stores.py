"""The Location over any store, against a dict, with a store that fails and loses answers on a schedule."""

from __future__ import annotations

import json
import threading
import time
import warnings
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wkplug.config
from tests.filesystems.kept import CarelessStore, ForgetfulStore, KeptStore, PlainStore
from wkplug.abc import StoreFailure, StoreObject, located
from wkplug.errors import (
    BucketMissingError,
    ConflictError,
    ForbiddenError,
    LockTimeoutError,
    MissingError,
    StorageError,
    StorageFullError,
    UnlistableError,
    UnsafePathError,
    UnsupportedOperationError,
)
from wkplug.filesystems import leases, retries, stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BUSY = StoreFailure("busy", "try later", status=503)


@pytest.fixture
def clock() -> Iterator[SimpleNamespace]:
    """The clock of retries, which nobody waits for."""
    with fake_clock() as made:
        yield made


@contextmanager
def fake_clock() -> Iterator[SimpleNamespace]:
    """Property tests make their own, since fixtures are made once for all examples."""
    clock = SimpleNamespace(now=0.0, pauses=[])

    def sleep(seconds: float) -> None:
        clock.pauses.append(seconds)
        clock.now += seconds

    with patch.object(retries, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: clock.now)):
        yield clock


@pytest.fixture(autouse=True)
def no_servers_known() -> Iterator[None]:
    stores._asked.clear()
    stores._with_races.clear()
    yield
    stores._asked.clear()
    stores._with_races.clear()


def place_in(store: KeptStore, path: str = "data/x") -> stores.StoreLocation:
    stores._asked.add(store.server)
    found = located(store, path)
    assert isinstance(found, stores.StoreLocation)
    return found


# --- reading ------------------------------------------------------------------------------------------------


@given(
    length=st.integers(0, 60),
    ranges=st.lists(st.tuples(st.integers(-70, 70), st.none() | st.integers(-70, 70)), max_size=6),
    whole=st.lists(st.tuples(st.none() | st.integers(-70, 70), st.none() | st.integers(-70, 70)), max_size=3),
)
def test_ranges_are_those_of_slices(
    length: int, ranges: list[tuple[int, int | None]], whole: list[tuple[int | None, int | None]]
) -> None:
    store = KeptStore()
    place, data = place_in(store), bytes(range(length))
    place.write(data)
    assert place.read_ranges(ranges) == [data[start:stop] for start, stop in ranges]
    assert [place.read(*one) for one in whole] == [data[start:stop] for start, stop in whole]
    if ranges:
        assert place.read_consistent(ranges)[0] == [data[start:stop] for start, stop in ranges]


def test_near_ranges_are_one_request_and_far_ones_another() -> None:
    store = KeptStore()
    place = place_in(store)
    place.write(bytes(10**6))
    store.calls.clear()
    place.read_ranges([(0, 10), (50_000, 50_010), (500_000, 500_010)])
    assert [what for _, _, what in store.calls] == [(0, 50_010), (500_000, 500_010)]


def test_the_end_is_read_with_its_version_in_one_request() -> None:
    store = KeptStore()
    place = place_in(store)
    version = place.write(b"0123456789")
    store.calls.clear()
    assert place.read_consistent([(-3, None)]) == ([b"789"], version)
    assert place.read_end(3) == (b"789", 7, version)
    assert place.read_end(99) == (b"0123456789", 0, version)
    assert store.counted() == {"get": 3}


def test_an_end_is_read_in_two_requests_where_sizes_come_first() -> None:
    class WithoutEnds(KeptStore):
        reads_ends = False

    store = WithoutEnds()
    place = place_in(store)
    version = place.write(b"0123456789")
    store.calls.clear()
    assert place.read_end(3) == (b"789", 7, version)
    assert store.counted() == {"get": 2}
    place.write(b"")
    assert place.read_end(3)[:2] == (b"", 0)


def test_what_is_as_it_was_is_not_read_again() -> None:
    store = KeptStore()
    place = place_in(store)
    version = place.write(b"1")
    store.calls.clear()
    assert place.read_newer() == (b"1", version)
    assert place.read_newer(version) is None
    later = place.write(b"2", if_match=version)
    assert place.read_newer(version) == (b"2", later)
    assert store.counted() == {"get": 3, "put": 1}


def test_pieces_of_two_versions_are_a_conflict() -> None:
    store = KeptStore()
    place = place_in(store)
    old = place.write(bytes(200_000))
    place.write(bytes(200_000))
    with pytest.raises(ConflictError, match="was changed by someone else while it was read"):
        place.read_consistent([(0, 5), (150_000, 150_005)], version=old)


def test_an_answer_that_was_cut_is_asked_for_again(clock: SimpleNamespace) -> None:
    store = KeptStore()
    place = place_in(store)
    place.write(b"0123456789")
    whole = store.get
    answers = iter([b"0123", b"01234567"])
    store.get = lambda *args, **kwargs: (next(answers), whole(*args, **kwargs)[1])  # type: ignore[method-assign]
    with wkplug.config.settings(retries_attempts=2), pytest.raises(StorageError) as caught:
        place.read()
    assert caught.value.message.startswith(
        "kept://shelf/data/x could not be read: 8 bytes came of 10: the answer was cut, or is of another range. "
        "Tried 2 times in "
    )
    store.get = whole  # type: ignore[method-assign]
    assert place.read() == b"0123456789"


# --- names --------------------------------------------------------------------------------------------------

parts = st.text("ab%. ü", min_size=1, max_size=4).filter(lambda part: part.strip(".") != "")


@given(names=st.lists(parts, min_size=1, max_size=4), escapes=st.booleans())
def test_children_and_parents_are_inverse(names: list[str], escapes: bool) -> None:
    class Spelled(KeptStore):
        percent_escapes = escapes

    top = located(Spelled(), "")
    place = top.child(*names)
    assert place == top.child("/".join(names))
    assert place.name == names[-1]
    assert place.parent == top.child(*names[:-1])
    assert place.url.startswith("kept://shelf/")
    for _ in names:
        place = place.parent
    assert place == place.parent == top
    assert top.url == "kept://shelf"
    assert top.name == "shelf"


def test_children_never_lead_upwards() -> None:
    for part in ("..", "a/../../b", "/x"):
        with pytest.raises(UnsafePathError):
            located(KeptStore(), "a").child(part)


# --- a dict of objects --------------------------------------------------------------------------------------

paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


@given(
    objects=st.dictionaries(paths, st.binary(max_size=5), max_size=6),
    folder=paths,
    recursive=st.booleans(),
    losses=st.lists(st.sampled_from(["", "before", "after"]), max_size=4),
)
def test_objects_are_those_of_a_dict(
    objects: dict[str, bytes], folder: str, recursive: bool, losses: list[str]
) -> None:
    store, top = KeptStore(), place_in(KeptStore(), "")
    store = top.opened  # type: ignore[assignment]
    for path, data in objects.items():
        top.child(path).write(data)
    below = {path: data for path, data in objects.items() if path.startswith(f"{folder}/")}
    place = top.child(folder)
    with fake_clock():
        store.script = list(losses)
        assert place.exists() == (bool(below) or folder in objects)
        store.script = list(losses)
        assert dict(place.list_files()) == {p[len(folder) + 1 :]: len(data) for p, data in below.items()}
        names = {p[len(folder) + 1 :].partition("/")[:2] for p in below}
        assert list(place.list()) == sorted(first + slash for first, slash in names)
        if folder in objects:
            assert place.size() == len(objects[folder])
        elif below:
            assert place.size() == sum(map(len, below.values()))
        else:
            with pytest.raises(MissingError):
                place.size()
        store.script = list(losses)
        if below and folder not in objects and not recursive:
            with pytest.raises(StorageError, match="the folder is not empty"):
                place.delete()
            assert len(store.objects) == len(objects)
            return
        place.delete(recursive=recursive)
    gone = {folder, *(below if recursive else ())}
    assert {path: data for path, (data, _) in store.objects.items()} == {
        path: data for path, data in objects.items() if path not in gone
    }


def test_a_bucket_is_not_deleted_as_a_whole() -> None:
    with pytest.raises(StorageError, match=r"^kept://shelf could not be deleted: it is a whole bucket\.$"):
        located(KeptStore(), "").delete(recursive=True)
    with pytest.raises(StorageError, match=r"^kept://shelf could not be written: it is the top of its store"):
        located(KeptStore(), "").write(b"")


def test_locks_are_no_data_and_are_deleted_last() -> None:
    store = KeptStore()
    place = place_in(store, "data")
    with place.lock("k"):
        place.child("x").write(b"123")
        assert place.size() == 3
        lock = next(path for path in store.objects if "lock" in path)
    store.objects[lock] = store.objects["data/x"]
    place.delete(recursive=True)
    assert store.calls[-1][0] == "delete"
    assert store.calls[-1][2][-1] == lock
    assert store.objects == {}


# --- retries ------------------------------------------------------------------------------------------------


def test_a_busy_store_is_asked_again_with_longer_pauses(clock: SimpleNamespace) -> None:
    store = KeptStore()
    place = place_in(store)
    place.write(b"1")
    store.script = [BUSY, BUSY, BUSY]
    assert place.read() == b"1"
    assert len(clock.pauses) == 3
    for number, pause in enumerate(clock.pauses):
        assert 0.2 * 2**number <= pause <= 0.6 * 2**number


def test_a_store_that_fails_for_ever_ends_with_the_count(clock: SimpleNamespace) -> None:
    store = KeptStore()
    place = place_in(store)
    store.forever = StoreFailure("busy", "out of order", status=500)
    with pytest.raises(StorageError) as caught:
        place.read()
    assert caught.value.message == (
        f"kept://shelf/data/x could not be read: the server answered HTTP 500 (out of order). "
        f"Tried 6 times in {clock.now:.1f} s."
    )
    with wkplug.config.settings(retries_attempts=100, retries_deadline=20), pytest.raises(StorageError):
        place.read()
    assert 5 < sum(clock.pauses[5:]) <= 20
    assert isinstance(caught.value.__cause__, StoreFailure)


def test_the_store_says_how_long_to_wait(clock: SimpleNamespace) -> None:
    store = KeptStore()
    place = place_in(store)
    place.write(b"1")
    store.script = [StoreFailure("busy", status=429, wait=7)]
    assert place.read() == b"1"
    assert clock.pauses == [7]
    store.script = [StoreFailure("busy", "slow down", status=429, wait=600)]
    with pytest.raises(
        StorageError, match=r"HTTP 429 \(slow down\)\. It asks to wait 600 s\.\n  Try again later"
    ):
        place.read()
    assert clock.pauses == [7]


@pytest.mark.parametrize(
    ("failure", "kind", "text", "hint"),
    [
        (StoreFailure("missing"), MissingError, "it is not there", None),
        (
            StoreFailure("missing", "NoSuchBucket"),
            BucketMissingError,
            "its bucket is not there",
            "The bucket doesn't exist: check its name in the address, or create it first.",
        ),
        (
            StoreFailure("forbidden", "ExpiredToken", status=403),
            ForbiddenError,
            "the server refused access (HTTP 403): ExpiredToken",
            "Check the credentials and permissions for this address.",
        ),
        (StoreFailure("forbidden"), ForbiddenError, "no credentials were found for it", None),
        (
            StoreFailure("full", status=507),
            StorageFullError,
            "the server has no room for it (HTTP 507)",
            None,
        ),
        (StoreFailure("unsupported"), UnsupportedOperationError, "kept:// places can't do that", None),
        (
            StoreFailure("broken", "the lock is jammed", hint="Oil it."),
            StorageError,
            "the lock is jammed",
            "Oil it.",
        ),
        (NotImplementedError(), UnsupportedOperationError, "kept:// places can't do that", None),
        (FileNotFoundError(2, "No such file"), MissingError, "it is not there", None),
        (OSError(28, "No space left"), StorageFullError, "there is no space left (No space left)", None),
    ],
    ids=str,
)
def test_failures_become_errors_for_people(
    failure: Exception, kind: type[Exception], text: str, hint: str | None
) -> None:
    store = KeptStore()
    store.forever = failure
    with pytest.raises(kind) as caught:
        place_in(store).read()
    assert type(caught.value) is kind
    assert caught.value.message == f"kept://shelf/data/x could not be read: {text}."  # type: ignore[attr-defined]
    if hint is not None:
        assert caught.value.hint == hint  # type: ignore[attr-defined]
    assert len(store.calls) == 1


def test_renewed_credentials_are_everybodys() -> None:
    old, new = KeptStore(), KeptStore()
    old.forever = StoreFailure("forbidden", status=403)
    old.renewed = lambda: new  # type: ignore[method-assign]
    place = place_in(old)
    other = place.child("y")
    place.write(b"1")
    other.write(b"2")
    assert len(old.calls) == 1
    assert set(new.objects) == {"data/x", "data/x/y"}


# --- conditional puts ---------------------------------------------------------------------------------------


def test_a_write_with_the_wrong_version_is_a_conflict() -> None:
    place = place_in(KeptStore())
    first = place.write(b"1", if_match="")
    for wrong in ("", "v99"):
        with pytest.raises(ConflictError, match="was changed by someone else: it is no longer the version"):
            place.write(b"2", if_match=wrong)
    assert place.write(b"3", if_match=first) == place.version()
    assert place.read() == b"3"


@pytest.mark.parametrize("kind", [KeptStore, ForgetfulStore])
@given(
    losses=st.lists(st.sampled_from(["", "before", "after"]), max_size=5),
    writers=st.lists(st.sampled_from("ab"), min_size=1, max_size=6),
)
def test_lost_answers_neither_fail_nor_lose_a_write(
    kind: type[KeptStore], losses: list[str], writers: list[str]
) -> None:
    store = kind()
    place = place_in(store)
    versions = {"a": "", "b": ""}
    there = ""
    with fake_clock():
        for number, writer in enumerate(writers):
            store.script = list(losses)
            data = f"{writer}{number}".encode()
            if versions[writer] == there:
                there = versions[writer] = place.write(data, if_match=versions[writer])
                assert store.objects["data/x"][0] == data
                assert store.objects["data/x"][1].version == there
            else:
                before = store.objects["data/x"]
                with pytest.raises(ConflictError):
                    place.write(data, if_match=versions[writer])
                assert store.objects["data/x"] == before
                versions[writer] = there


@given(
    losses=st.lists(st.sampled_from(["", "before", "after"]), max_size=12),
    others=st.lists(st.booleans(), min_size=1, max_size=5),
)
def test_changes_are_neither_lost_nor_taken_for_others(losses: list[str], others: list[bool]) -> None:
    """Each change adds its name, and fails if it is there already, as the layers of a dataset do."""
    store = KeptStore()
    place = place_in(store)
    place.write(b"[]")

    def add(name: str) -> None:
        while True:
            data, version = place.read_newer() or (b"", "")
            names = json.loads(data)
            assert name not in names, "taken for somebody else's"
            try:
                place.write(json.dumps([*names, name]).encode(), if_match=version)
            except ConflictError:
                continue
            return

    with fake_clock(), wkplug.config.settings(retries_attempts=20, retries_deadline=3600):
        store.script = list(losses)
        for number, other in enumerate(others):
            store.between = (lambda number=number: add(f"other {number}")) if other else None
            add(f"own {number}")
    names = json.loads(store.objects["data/x"][0])
    assert len(names) == len(set(names))
    assert {f"own {number}" for number in range(len(others))} <= set(names)


def test_only_puts_in_doubt_are_looked_at(clock: SimpleNamespace) -> None:
    store = KeptStore()
    place = place_in(store)
    version = place.write(b"1", if_match="")
    assert store.counted() == {"put": 1}
    store.script = ["after"]
    version = place.write(b"2", if_match=version)
    assert store.counted() == {"put": 2, "head": 1}
    assert place.version() == version
    assert sum(clock.pauses) < 1


def test_a_put_whose_last_answer_is_lost_is_told_as_done(clock: SimpleNamespace) -> None:
    store = KeptStore()
    place = place_in(store)
    store.script = ["after"]
    with wkplug.config.settings(retries_attempts=1):
        assert place.write(b"1", if_match="") == place.version()
        store.script = ["before"]
        with pytest.raises(StorageError, match="the connection was lost"):
            place.write(b"2", if_match=place.version() or "")
    assert place.read() == b"1"


def test_somebody_elses_object_is_a_conflict_all_the_same(clock: SimpleNamespace) -> None:
    for kind in (KeptStore, ForgetfulStore):
        store = kind()
        place = place_in(store)
        store.script = ["before"]
        store.objects["data/x"] = (b"other", store_object(store))
        with pytest.raises(ConflictError):
            place.write(b"mine", if_match="")
        assert place.read() == b"other"


def store_object(store: KeptStore) -> StoreObject:
    return StoreObject("v0", 5, "somebody" if store.keeps_ids else "")


# --- stores with fewer promises -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [PlainStore, CarelessStore])
def test_stores_without_conditions_say_so_once(kind: type[KeptStore]) -> None:
    place = located(kind(), "data")
    told = pytest.warns(UserWarning, match=r"kept://shelf/ has no conditional writes here.*can be lost")
    with told, place.lock("properties"):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with place.child("below").lock("properties"):
            pass
        first = place.child("x").write(b"1", if_match="")
        with pytest.raises(ConflictError):
            place.child("x").write(b"2", if_match="")
        place.child("x").write(b"2", if_match=first)
    assert not place.conditional


def test_stores_with_conditions_are_asked_once_in_silence(clock: SimpleNamespace) -> None:
    store = KeptStore()
    place = located(store, "data")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.script = ["", "before"]  # the question gets lost
        for name in "abc":
            place.child(name).write(b"1", if_match="")
    assert store.counted()["put"] == 3 + 2
    assert place.conditional


def test_a_write_stands_whatever_becomes_of_the_question() -> None:
    for failure in (
        StoreFailure("unsupported"),
        StoreFailure("broken", "no more"),
        PermissionError(13, "no"),
    ):
        store = KeptStore()
        store.script = ["", failure]
        place = located(store, "x")
        assert place.write(b"1", if_match="") == place.version()


def test_stores_that_can_only_be_read_refuse_the_rest() -> None:
    class Shown(KeptStore):
        writes = False
        lists_all = False

    store = Shown()
    store.objects["x"] = (b"1", store_object(store))
    place = located(store, "x")
    refused: list[tuple[str, Callable[[], object]]] = [
        ("written", lambda: place.write(b"")),
        ("deleted", place.delete),
        ("locked", place.lock),
    ]
    for action, call in refused:
        with pytest.raises(
            ForbiddenError, match=f"could not be {action}: places behind kept:// can only be read"
        ):
            call()
    assert not place.writable()
    for listing in (place.list_all, place.list_files):
        with pytest.raises(UnlistableError, match="web servers don't tell for certain what they have"):
            listing()
    assert place.exists()
    assert not place.parent.exists()
    with pytest.raises(MissingError):
        place.parent.size()
    store.objects["x"] = (b"1", StoreObject("v0"))
    with pytest.raises(StorageError, match="could not be measured: the server doesn't tell its size"):
        place.size()


# --- leases -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [KeptStore, ForgetfulStore])
def test_a_lease_whose_answer_was_lost_is_ones_own(
    kind: type[KeptStore], clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(leases, "time", SimpleNamespace(sleep=waits.append, monotonic=time.monotonic))
    for losses in (["after"], ["", "after"], ["", "", "after"], ["before", "after", "after"]):
        store = kind()
        place = place_in(store, "data")
        store.script = list(losses)
        with place.lock("k", timeout=5):
            assert len(store.objects) == 1
        assert sum(waits) + sum(clock.pauses) < 1
        waits.clear()
        clock.pauses.clear()
        assert store.objects == {}


def test_a_lease_that_could_not_be_taken_is_not_left_behind(clock: SimpleNamespace) -> None:
    store = KeptStore()
    place = place_in(store, "data")
    store.script = ["after", "before"]
    with (
        wkplug.config.settings(retries_attempts=1),
        pytest.raises(StorageError, match="connection was lost"),
        place.lock("k", timeout=5),
    ):
        pass
    with place.lock("k", timeout=1):
        pass


def test_a_free_lease_takes_two_requests() -> None:
    store = KeptStore()
    with place_in(store, "data").lock("k"):
        assert store.counted() == {"put": 1}
        facts = json.loads(next(iter(store.objects.values()))[0])
        assert {"host", "process", "seconds", "token"} <= set(facts)
    assert store.counted() == {"put": 1, "delete": 1}


def test_a_deletion_whose_answer_was_lost_takes_nobody_elses_lease() -> None:
    class Slow(KeptStore):
        """The answer to the first deletion is lost, and somebody else takes the lease at once."""

        others: Any = None

        def delete(self, paths: Sequence[str]) -> None:
            super().delete(paths)
            if self.others is None:
                self.others = place.lock("k", timeout=1)
                self.others.__enter__()
                raise StoreFailure("busy", "the connection was lost")

    store = Slow()
    place = place_in(store, "data")
    with place.lock("k"):
        pass
    assert len(store.objects) == 1
    with pytest.raises(LockTimeoutError), place.lock("k", timeout=0.05):
        pass
    store.others.__exit__(None, None, None)
    assert store.objects == {}


def test_threads_take_turns() -> None:
    place, held, most = place_in(KeptStore(), "data"), [0], [0]

    def work() -> None:
        for _ in range(3):
            with place.lock("count", timeout=20):
                held[0] += 1
                most[0] = max(most[0], held[0])
                held[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    with place.lock("k", timeout=1), pytest.raises(LockTimeoutError), place.lock("k", timeout=0.05):
        pass
