"""`FilesystemSuite`: all promises of `wkplug.abc.Location` as tests to inherit.

A plugin tests its filesystem on a real server or folder::

    from wkplug.abc import locate
    from wkplug.testing import FilesystemSuite


    class TestMine(FilesystemSuite):
        @pytest.fixture
        def place(self, tmp_path):
            return locate(f"mine://{start_a_server(tmp_path)}/{uuid4().hex}")

What can't be written to says so (`writes = False`), and overrides the fixture `fill`, which puts files there by other
means. What is skipped is by a declaration ("by capability: ...").
"""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, TypeAlias

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from wkplug.abc import Location
from wkplug.errors import (
    ConflictError,
    ForbiddenError,
    LockTimeoutError,
    MissingError,
    StorageError,
    UnlistableError,
    UnsafePathError,
    UnsupportedOperationError,
)
from wkplug.testing import children
from wkplug.testing.bench import Suite
from wkplug.testing.checks import breaks, holds, promised, refuses
from wkplug.testing.jobs import add_up
from wkplug.testing.profiles import steps

__all__ = ["FilesystemBench", "FilesystemSuite", "Fill", "PlaceStateMachine"]

Fill: TypeAlias = Callable[[Mapping[str, bytes]], None]

_TEN = b"0123456789"
_BOUNDS = (None, -12, -10, -3, -1, 0, 1, 5, 9, 10, 12)
_NAMES = (
    "a b", " lead", "trail ", "ü", "日本", "%41", "a%2Fb", "a+b", "a#b", "a?b", "a&b=c", "{x}", "[x]", "*", "~a", "a'b",
    'a"b', "a;b", "a,b", "a=b", "@a", "a:b", "$a", "!a", "(a)", ".hidden", "dot.", "a..b", "...", "-a", "_", "x" * 200,
)  # fmt: skip
_THREADS = 4
_PATIENCE = 3.0
_ROUNDS = 5
_SMALL_PICKLE = 4096
_OWN = ".wkplug"  # how the names of files begin that a filesystem keeps for itself: of locks, of leases
_ADD = "wkplug.testing.jobs:add_up"


@attrs.frozen(kw_only=True)
class FilesystemBench:
    """One place with all that tests need of it; what it can and can't is as the suite declares."""

    place: Location
    fill: Fill
    writes: bool = True
    lists: bool = True
    folders: bool = False
    conditional: bool = True
    atomic: bool = True
    locks: bool = True
    shared: bool = True
    names: tuple[str, ...] = _NAMES
    secrets: tuple[str, ...] = ()


class FilesystemSuite(Suite):
    """The promises of `Location`; give the fixture `place` a folder in which nothing is yet."""

    writes: ClassVar[bool] = True
    """Whether anything can be written; if not, override `fill`."""
    lists: ClassVar[bool] = True
    """Whether listings name all that is there (`list_all`, `list_files`)."""
    folders: ClassVar[bool] = False
    """Whether folders are there by themselves, as on disks; in buckets they are what names have in common."""
    conditional: ClassVar[bool] = True
    """Whether of two writers of one file one is surely told."""
    atomic: ClassVar[bool] = True
    """Whether readers never see half a file; to be denied only where a server or driver can't do better."""
    locks: ClassVar[bool] = True
    """Whether places can be locked."""
    shared: ClassVar[bool] = True
    """Whether other processes see what is there, and find what opens it (options with secrets don't travel)."""
    hostile_names: ClassVar[tuple[str, ...]] = _NAMES
    """Names that files may have there."""
    secrets: ClassVar[tuple[str, ...]] = ()
    """Texts that were given to open the place, and must not leave it."""

    @pytest.fixture
    def place(self) -> Location:
        """A folder in which nothing is; must be overridden."""
        pytest.fail(f"{type(self).__name__} must say which filesystem it tests: override the fixture `place`")

    @pytest.fixture
    def fill(self, place: Location) -> Fill:
        """A function that puts files below the place, given by their paths; override it where places are read-only."""

        def write(files: Mapping[str, bytes]) -> None:
            for path, data in files.items():
                place.child(path).write(data)

        return write

    @pytest.fixture
    def bench(self, place: Location, fill: Fill) -> FilesystemBench:
        """All of the above."""
        return FilesystemBench(
            place=place,
            fill=fill,
            writes=self.writes,
            lists=self.lists,
            folders=self.folders,
            conditional=self.conditional,
            atomic=self.atomic,
            locks=self.locks,
            shared=self.shared,
            names=tuple(self.hostile_names),
            secrets=self.secrets,
        )

    # --- reading --------------------------------------------------------------------------------------------

    def test_files_are_read_as_they_are(self, bench: FilesystemBench) -> None:
        files = {"empty": b"", "one": b"\0", "sub/ten": _TEN, "large": bytes(range(256)) * 4096}
        bench.fill(files)
        for path, data in files.items():
            place = bench.place.child(path)
            with promised("files are read as they are", path=path):
                holds(place.read() == data, "files are read as they are", path=path)
                holds(place.size() == len(data), "a file's size is its length", path=path, size=place.size())
                holds(place.exists(), "what was written is there", path=path)

    def test_ranges_are_those_of_slices(self, bench: FilesystemBench) -> None:
        bench.fill({"ten": _TEN})
        place = bench.place.child("ten")
        for start in _BOUNDS:
            for stop in _BOUNDS:
                with promised("ranges are those of slices", start=start, stop=stop):
                    found = place.read(start, stop)
                holds(
                    found == _TEN[start:stop], "ranges are those of slices", start=start, stop=stop, got=found
                )

    def test_ranges_come_in_the_order_asked(self, bench: FilesystemBench) -> None:
        data = bytes(range(256)) * 512
        bench.fill({"data": data})
        place = bench.place.child("data")
        asked: list[tuple[int, int | None]] = [
            (131_000, 131_100), (5, 9), (0, 3), (7, 12), (60_000, 60_001), (131_072, 131_080), (131_070, 200_000),
            (4, 4),
        ]  # fmt: skip
        expected = [data[start:stop] for start, stop in asked]
        with promised("ranges come in the order in which they are asked for"):
            found = place.read_ranges(asked)
        holds(found == expected, "ranges come in the order in which they are asked for", asked=asked)
        holds(place.read_ranges([]) == [], "no ranges are no bytes")
        with promised("the last bytes can be asked for"):
            found = place.read_ranges([(-5, None)])
        holds(found == [data[-5:]], "the last bytes can be asked for", got=found)

    def test_ranges_of_one_version_come_with_it(self, bench: FilesystemBench) -> None:
        bench.fill({"ten": _TEN})
        place = bench.place.child("ten")
        with promised("ranges come with the version that they are of"):
            found, version = place.read_consistent([(2, 4), (8, 20)])
            holds(found == [b"23", b"89"], "ranges are those of slices", got=found)
            again, same = place.read_consistent([(0, 1)], version=version)
            holds(
                (again, same) == ([b"0"], version), "a file that stays has one version", got=(version, same)
            )
        for length, expected in ((3, (b"789", 7, version)), (20, (_TEN, 0, version))):
            with promised("the last bytes come with their place and their version", length=length):
                end = place.read_end(length)
            holds(end == expected, "the last bytes come with their place and their version", got=end)
        if bench.writes:
            place.write(b"another")
            with refuses(ConflictError, promise="ranges of a version that is gone are refused"):
                place.read_consistent([(0, 1)], version=version)

    def test_what_is_not_there_is_missing(self, bench: FilesystemBench) -> None:
        bench.fill({"there": b"1"})
        for path in ("nothing", "no/where", "ther"):
            place = bench.place.child(path)
            for read in (place.read, place.size, place.read_newer, lambda at=place: at.read(0, 1)):
                with refuses(
                    MissingError, promise="what is not there is a MissingError", path=path
                ) as caught:
                    read()
                holds(place.name in str(caught[0]), "errors name the place", error=caught[0])
            with promised("what is not there has no version, no names, and isn't there", path=path):
                holds(place.version() is None, "what is missing has no version", path=path)
                holds(not place.exists(), "what is missing isn't there", path=path)
                if bench.lists:
                    holds(list(place.list()) == [], "what is missing holds nothing", path=path)

    def test_a_folder_is_no_file(self, bench: FilesystemBench) -> None:
        bench.fill({"folder/file": b"1"})
        folder = bench.place.child("folder")
        kinds = (StorageError,) if bench.folders else (StorageError, MissingError)
        with refuses(*kinds, promise="a folder can't be read") as caught:
            folder.read()
        wrong = bench.folders and isinstance(caught[0], MissingError)
        holds(not wrong, "a folder that is there isn't missing", error=caught[0])
        if bench.lists:
            holds(folder.exists(), "a folder of files is there")
            holds(folder.size() == 1, "a folder's size is that of all below", size=folder.size())

    def test_only_newer_files_are_read_again(self, bench: FilesystemBench) -> None:
        bench.fill({"file": b"old"})
        place = bench.place.child("file")
        with promised("a file and its version are read together"):
            first = place.read_newer()
            if first is None:
                breaks("a file of no known version is read")
            holds(first[0] == b"old", "the file is read", got=first)
            holds(place.read_newer(first[1]) is None, "what is as it was isn't read again")
            holds(place.read_newer("other") == first, "a file of another version is read")
            if bench.writes:
                place.write(b"new one")
                second = place.read_newer(first[1])
                holds(second is not None and second[0] == b"new one", "what has changed is read", got=second)
                holds(second == (b"new one", place.version()), "its version is that of the file", got=second)

    # --- writing --------------------------------------------------------------------------------------------

    def test_a_write_replaces_all(self, bench: FilesystemBench) -> None:
        self.need(bench.writes, "writes")
        place = bench.place.child("deep/er/file")
        with promised("writing makes folders and replaces the whole file"):
            place.write(b"a long text")
            place.write(b"short")
            holds(place.read() == b"short", "writing replaces the whole file", got=place.read())
            place.write(b"")
            holds((place.read(), place.size()) == (b"", 0), "a file may be empty", got=place.read())
            if bench.lists:
                names = list(place.parent.list())
                holds(names == ["file"], "writing leaves nothing else behind", names=names)

    def test_versions_change_with_the_file(self, bench: FilesystemBench) -> None:
        self.need(bench.writes, "writes")
        place = bench.place.child("file")
        versions = []
        for number in range(6):
            with promised("a write gives the version that the file has then"):
                versions.append(place.write(b"%d" % number))
                found = place.version()
            holds(found == versions[-1], "a write gives the file's version", got=found, written=versions[-1])
        holds(len(set(versions)) == 6, "versions change whenever the file does", versions=versions)
        holds(place.version() == versions[-1], "versions stay while the file does")

    def test_the_wrong_version_is_a_conflict(self, bench: FilesystemBench) -> None:
        self.need(bench.writes, "writes")
        place = bench.place.child("file")
        with promised("a file is written where the version is the one expected"):
            first = place.write(b"1", if_match="")
            second = place.write(b"2", if_match=first)
        for wrong in (first, "", "other"):
            with refuses(
                ConflictError, promise="the wrong version is a ConflictError", if_match=wrong
            ) as caught:
                place.write(b"3", if_match=wrong)
            holds(type(caught[0]) is ConflictError, "a conflict is exactly that", error=repr(caught[0]))
            holds(place.read() == b"2", "a conflict changes nothing", if_match=wrong, got=place.read())
        holds(place.version() == second, "a conflict changes no version")
        place.delete()
        with refuses(ConflictError, promise="a deleted file has no version"):
            place.write(b"3", if_match=second)
        holds(not place.exists(), "a conflict makes no file")

    def test_one_of_many_creators_wins(self, bench: FilesystemBench) -> None:
        self.need(bench.writes, "writes")
        self.need(bench.conditional, "conditional")
        place = bench.place.child("file")
        start = threading.Barrier(_THREADS)

        def create(number: int) -> bytes | None:
            start.wait()
            try:
                place.write(b"%d" % number, if_match="")
            except ConflictError:
                return None
            return b"%d" % number

        with ThreadPoolExecutor(_THREADS) as pool, promised("of many creators one wins, the others are told"):
            made = [data for data in pool.map(create, range(_THREADS)) if data is not None]
        holds(len(made) == 1, "of many creators one wins", winners=made)
        holds(place.read() == made[0], "the file is the winner's", got=place.read(), winner=made)

    def test_no_change_of_many_writers_is_lost(self, bench: FilesystemBench) -> None:
        self.need(bench.writes, "writes")
        self.need(bench.conditional, "conditional")
        place = bench.place.child("sum")
        place.write(b"0")
        with ThreadPoolExecutor(_THREADS) as pool, promised("changes by version are never lost"):
            list(pool.map(lambda _: add_up(place, _ROUNDS), range(_THREADS)))
        holds(int(place.read()) == _THREADS * _ROUNDS, "changes by version are never lost", got=place.read())

    def test_no_change_of_other_processes_is_lost(self, bench: FilesystemBench) -> None:
        self.need(bench.writes, "writes")
        self.need(bench.conditional, "conditional")
        self.need(bench.shared, "shared")
        place = bench.place.child("sum")
        place.write(b"0")
        with promised("changes by version are never lost, by other processes neither"):
            children.together([(_ADD, (place, _ROUNDS)) for _ in range(2)])
        holds(int(place.read()) == 2 * _ROUNDS, "no process loses another's change", got=place.read())

    def test_readers_see_whole_files(self, bench: FilesystemBench) -> None:
        self.need(bench.writes, "writes")
        self.need(bench.atomic, "atomic")
        place = bench.place.child("file")
        texts = (b"a" * 100_000, b"b" * 70_000)
        place.write(texts[0])
        ended = threading.Event()
        seen: set[tuple[int, bytes]] = set()

        def read() -> None:
            while not ended.is_set():
                data = place.read()
                seen.add((len(data), bytes(sorted(set(data)))))

        with ThreadPoolExecutor(1) as pool, promised("readers see the old file or the new one, whole"):
            reader = pool.submit(read)
            try:
                for number in range(8):
                    place.write(texts[number % 2])
            finally:
                ended.set()
            reader.result()
        wrong = seen - {(len(text), text[:1]) for text in texts}
        holds(not wrong, "readers see the old file or the new one, whole", seen=sorted(wrong)[:3])

    def test_places_that_can_only_be_read_say_so(self, bench: FilesystemBench) -> None:
        self.need(not bench.writes, "read-only")
        bench.fill({"file": b"1"})
        place = bench.place.child("file")
        holds(not place.writable(), "a place that can't be written to says so")
        for change in (
            lambda: place.write(b"2"), lambda: place.write(b"2", if_match=""), place.delete,
            lambda: bench.place.child("new").write(b"2"), lambda: bench.place.delete(recursive=True),
        ):  # fmt: skip
            with refuses(
                ForbiddenError, UnsupportedOperationError, promise="what can't be changed refuses changes"
            ):
                change()
        holds(place.read() == b"1", "what can't be changed stays")

    # --- listing --------------------------------------------------------------------------------------------

    def test_lists_are_sorted_and_folders_have_a_slash(self, bench: FilesystemBench) -> None:
        self.need(bench.lists, "lists")
        bench.fill(dict.fromkeys(("b", "a/x", "a/y/z", "c", ".hidden", "ab", "B"), b"1"))
        expected = sorted([".hidden", "B", "a/", "ab", "b", "c"])
        for which in ("list", "list_all"):
            with promised("lists hold the names directly below, sorted, folders with a slash"):
                found = list(getattr(bench.place, which)())
            same = found == sorted(found) and sorted(found) == expected
            holds(same, "lists hold the names directly below, sorted, folders with a slash", got=found)
        holds(list(bench.place.child("a").list()) == ["x", "y/"], "folders are listed alike")

    def test_all_files_below_are_told(self, bench: FilesystemBench) -> None:
        self.need(bench.lists, "lists")
        files = {"b": b"12", "a/x": b"", "a/y/z": b"123", "a b/ü": b"1"}
        bench.fill(files)
        with promised("list_files tells all files below, with sizes where they are known"):
            found = _files(bench.place)
        holds(sorted(found) == sorted(files), "list_files tells all files below", got=sorted(found))
        wrong = {path: size for path, size in found.items() if size not in (None, len(files[path]))}
        holds(not wrong, "sizes that are told are true", wrong=wrong)
        holds(bench.place.size() == 6, "a folder's size is that of all below", size=bench.place.size())
        nearly = bench.place.child("a")
        holds(nearly.size() == 3, "what only begins with the name isn't below", size=nearly.size())

    def test_places_without_listings_conclude_nothing(self, bench: FilesystemBench) -> None:
        self.need(not bench.lists, "no listings")
        bench.fill({"file": b"1"})
        with refuses(
            UnlistableError, UnsupportedOperationError, promise="what can't be listed isn't said to be empty"
        ):
            list(bench.place.list_all())

    # --- deleting -------------------------------------------------------------------------------------------

    def test_only_what_is_meant_is_deleted(self, bench: FilesystemBench) -> None:
        self.need(bench.writes and bench.lists, "writes")
        files = dict.fromkeys(("a", "ab", "a.b", "d/x", "d/y/z", "de", "e/1"), b"1")
        bench.fill(files)
        with promised("deleting takes what is meant, and nothing that is named like it"):
            bench.place.child("a").delete()
            bench.place.child("a").delete()
            bench.place.child("nothing").delete(recursive=True)
            left = set(_files(bench.place))
            holds(left == set(files) - {"a"}, "a file is deleted alone", left=sorted(left))
            bench.place.child("d").delete(recursive=True)
            left = set(_files(bench.place))
        holds(left == {"ab", "a.b", "de", "e/1"}, "a folder is deleted with all below", left=sorted(left))
        holds(not bench.place.child("d").exists(), "a deleted folder isn't there")

    # --- names ----------------------------------------------------------------------------------------------

    def test_children_lead_down_only(self, bench: FilesystemBench) -> None:
        place = bench.place
        for part in ("..", "../x", "a/../../x", "a/..", "/etc"):
            with refuses(UnsafePathError, promise="children never lead upwards", part=part):
                place.child(part)
        holds(place.child("a", "b/c") == place.child("a/b", "c"), "parts may hold slashes")
        holds(place.child("./a//b/") == place.child("a/b"), "spare slashes and dots don't count")
        holds(place.child() == place.child("") == place, "no part is the place itself")
        child = place.child("a/b")
        holds((child.name, child.parent.name) == ("b", "a"), "places have names", name=child.name)
        holds(child.parent.parent == place, "the parent of a child is the place")
        holds(hash(child.parent.parent) == hash(place), "equal places have one hash")
        holds(not child.url.endswith("/"), "URLs end without a slash", url=child.url)
        holds(child.store == place.store, "what lies below has the same store", store=child.store)

    def test_hostile_names_are_kept(self, bench: FilesystemBench) -> None:
        files = {f"names/{name}": name.encode() for name in bench.names}
        bench.fill(files)
        folder = bench.place.child("names")
        for name in bench.names:
            place = folder.child(name)
            with promised("names are kept as they are", name=name):
                holds(place.name == name, "names are kept as they are", name=name, got=place.name)
                holds(place.parent == folder, "the parent of a child is the place", name=name)
                holds(place.read() == name.encode(), "each name is a file of its own", name=name)
        if bench.lists:
            found = list(folder.list())
            holds(sorted(found) == sorted(bench.names), "listings spell names as they are", got=found)
        if bench.writes:
            bench.place.child(f"names/{bench.names[0]}").delete()
            for name in bench.names[1:]:
                holds(folder.child(name).exists(), "no name is taken for a pattern", name=name)

    # --- handing on -----------------------------------------------------------------------------------------

    def test_places_pickle_without_secrets(self, bench: FilesystemBench) -> None:
        place = bench.place.child("a b/file")
        with promised("places pickle, small"):
            data = pickle.dumps(place)
            again = pickle.loads(data)  # noqa: S301 - our own
        holds(len(data) < _SMALL_PICKLE, "places pickle small", bytes=len(data))
        holds(again == place and hash(again) == hash(place), "a place is equal to its pickle", again=again)
        holds(again.url == place.url, "a place's pickle has its URL", url=again.url)
        texts = {
            "pickle": repr(data),
            "repr": repr(place),
            "str": str(place),
            "url": place.url,
            "store": place.store,
        }
        for secret in bench.secrets:
            told = [name for name, text in texts.items() if secret in text]
            holds(not told, "secrets stay behind", told=told)

    def test_errors_tell_no_secrets(self, bench: FilesystemBench) -> None:
        self.need(bench.secrets, "secrets")
        with refuses(MissingError, promise="what is not there is missing") as caught:
            bench.place.child("nothing").read()
        error: BaseException | None = caught[0]
        while error is not None:
            holds(not any(secret in str(error) for secret in bench.secrets), "errors tell no secrets")
            error = None if error.__suppress_context__ else error.__context__

    # --- locks ----------------------------------------------------------------------------------------------

    def test_locks_exclude_other_threads(self, bench: FilesystemBench) -> None:
        self.need(bench.writes and bench.locks, "locks")
        place = bench.place.child("folder/sum")
        place.write(b"0")
        with ThreadPoolExecutor(_THREADS) as pool, promised("locks exclude other threads"):
            list(pool.map(lambda _: add_up(place, 2, locked=True), range(_THREADS)))
        holds(int(place.read()) == _THREADS * 2, "locks exclude other threads", got=place.read())

    def test_locks_exclude_other_processes(self, bench: FilesystemBench) -> None:
        self.need(bench.writes and bench.locks, "locks")
        self.need(bench.shared, "shared")
        place = bench.place.child("folder/sum")
        place.write(b"0")
        with promised("locks exclude other processes"):
            children.together([(_ADD, (place, 2, True)) for _ in range(2)])
        holds(int(place.read()) == 4, "locks exclude other processes", got=place.read())

    def test_locks_of_other_keys_and_places_dont_wait(self, bench: FilesystemBench) -> None:
        self.need(bench.writes and bench.locks, "locks")
        bench.fill({"folder/file": b"", "other/file": b""})
        place, other = bench.place.child("folder"), bench.place.child("other")
        with (
            promised("locks with other keys, and of other places, don't wait"),
            place.lock("one", timeout=5),
            ThreadPoolExecutor(1) as pool,
        ):
            pool.submit(_lock, place, "two", _PATIENCE).result()
            pool.submit(_lock, other, "one", _PATIENCE).result()
            with refuses(LockTimeoutError, promise="who waits too long is told"):
                pool.submit(_lock, place, "one", 0.2).result()
        with promised("a lock that was given back is free"):
            _lock(place, "one", _PATIENCE)

    def test_locks_are_given_back_after_errors(self, bench: FilesystemBench) -> None:
        self.need(bench.writes and bench.locks, "locks")
        bench.fill({"folder/file": b""})
        place = bench.place.child("folder")

        def fail() -> None:
            with place.lock("key", timeout=5):
                raise KeyError("inside")

        with pytest.raises(KeyError):
            fail()
        with promised("a lock is given back after an error inside"):
            _lock(place, "key", _PATIENCE)

    # --- histories ------------------------------------------------------------------------------------------

    def test_any_history_is_that_of_a_dictionary(self, bench: FilesystemBench) -> None:
        self.need(bench.writes and bench.lists, "writes")
        machine = type("Machine", (PlaceStateMachine,), {"bench": bench})
        run_state_machine_as_test(machine, settings=steps(20))


def _files(place: Location) -> dict[str, int | None]:
    """All files below with their sizes, without those that locks leave behind."""
    found = place.list_files()
    return {path: size for path, size in found if not path.rpartition("/")[2].startswith(_OWN)}


def _lock(place: Location, key: str, timeout: float) -> None:
    with place.lock(key, timeout=timeout):
        pass


class PlaceStateMachine(RuleBasedStateMachine):
    """Writes, reads, deletes and lists files in any order, against a dictionary; subclass it and set `bench`."""

    bench: ClassVar[FilesystemBench]
    _paths = st.sampled_from(["a", "b", "ab", "d/a", "d/b", "d/e/a", "f/a"])
    _texts = st.binary(max_size=12)
    _count: ClassVar[list[int]] = [0]

    def __init__(self) -> None:
        super().__init__()
        self._count[0] += 1
        self.root = self.bench.place.child(f"history-{self._count[0]}")
        self.model: dict[str, bytes] = {}
        self.versions: dict[str, str] = {}
        self.history: list[str] = []

    def _facts(self) -> dict[str, Any]:
        return {"history": "; ".join(self.history), "files": self.model}

    @rule(path=_paths, data=_texts)
    def write(self, path: str, data: bytes) -> None:
        """Write unconditionally."""
        self.history.append(f"write {path}")
        self.versions[path] = self.root.child(path).write(data)
        self.model[path] = data

    @rule(path=_paths, data=_texts, which=st.sampled_from(["right", "absent", "wrong"]))
    def write_if(self, path: str, data: bytes, which: str) -> None:
        """Write where the version is the right one, none, or one that never was."""
        self.history.append(f"write {path} if {which}")
        expected = {"right": self.versions.get(path, ""), "absent": "", "wrong": "never"}[which]
        fits = expected == self.versions.get(path, "")
        try:
            version = self.root.child(path).write(data, if_match=expected)
        except ConflictError:
            holds(not fits, "a write with the right version is made", **self._facts())
            return
        holds(fits, "a write with the wrong version is a conflict", **self._facts())
        self.model[path], self.versions[path] = data, version

    @rule(path=_paths)
    def delete(self, path: str) -> None:
        """Delete a file, or nothing."""
        self.history.append(f"delete {path}")
        self.root.child(path).delete()
        self.model.pop(path, None)
        self.versions.pop(path, None)

    @rule(folder=st.sampled_from(["d", "d/e", "f", "nothing"]))
    def delete_folder(self, folder: str) -> None:
        """Delete a folder with all below."""
        self.history.append(f"delete {folder}/")
        self.root.child(folder).delete(recursive=True)
        for path in [path for path in self.model if path.startswith(f"{folder}/")]:
            del self.model[path], self.versions[path]

    @rule(path=_paths, start=st.sampled_from(_BOUNDS), stop=st.sampled_from(_BOUNDS))
    def read(self, path: str, start: int | None, stop: int | None) -> None:
        """Read a range."""
        place = self.root.child(path)
        if path not in self.model:
            with refuses(MissingError, promise="what is not there is missing", **self._facts()):
                place.read(start, stop)
            return
        found = place.read(start, stop)
        holds(found == self.model[path][start:stop], "files are read as they are", got=found, **self._facts())

    @rule(path=_paths)
    def look(self, path: str) -> None:
        """Compare version and size."""
        place = self.root.child(path)
        there = path in self.model
        holds(
            place.version() == self.versions.get(path),
            "versions are those of the last write",
            **self._facts(),
        )
        if there:
            holds(place.size() == len(self.model[path]), "sizes are those of the last write", **self._facts())
        holds(place.exists() == there, "what is there is there", path=path, **self._facts())

    @invariant()
    def lists(self) -> None:
        """Compare the files below."""
        found = set(_files(self.root))
        holds(
            found == set(self.model),
            "listings hold all files and no others",
            got=sorted(found),
            **self._facts(),
        )
