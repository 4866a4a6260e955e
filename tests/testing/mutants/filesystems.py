"""Places that are wrong in one way each, around local ones."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from wkplug.abc import LocationWrapper
from wkplug.errors import ConflictError, MissingError, StorageError

__all__ = ["MUTANTS"]

_HELD: list[contextlib.AbstractContextManager[None]] = []


class RangeOffByOne(LocationWrapper):
    def read(self, start=None, stop=None):
        return self.inner.read(start, None if stop is None else stop - 1)


class PastTheEndFails(LocationWrapper):
    def read(self, start=None, stop=None):
        if stop is not None and stop > self.inner.size():
            raise StorageError(f"{self.url} could not be read: the range ends behind its end.")
        return self.inner.read(start, stop)


class SuffixIgnored(LocationWrapper):
    def read(self, start=None, stop=None):
        return self.inner.read(None if start is not None and start < 0 and stop is None else start, stop)


class RangesSorted(LocationWrapper):
    def read_ranges(self, ranges):
        return [self.inner.read(*each) for each in sorted(ranges, key=lambda one: one[0])]


class ConsistentWithoutChecking(LocationWrapper):
    def read_consistent(self, ranges, *, version=None):
        found = self.inner.read_ranges(ranges)
        return found, version or self.inner.version()


class EndsAreStarts(LocationWrapper):
    def read_end(self, length):
        data, _, version = self.inner.read_end(length)
        return data, 0, version


class MissingIsEmpty(LocationWrapper):
    def read(self, start=None, stop=None):
        try:
            return self.inner.read(start, stop)
        except MissingError:
            return b""


class MissingIsAnotherError(LocationWrapper):
    def size(self):
        try:
            return self.inner.size()
        except MissingError:
            raise StorageError(f"{self.url} could not be measured.") from None


class FolderIsEmptyFile(LocationWrapper):
    def read(self, start=None, stop=None):
        return b"" if Path(self.url).is_dir() else self.inner.read(start, stop)


class NewerIsAlwaysRead(LocationWrapper):
    def read_newer(self, known=None):
        return self.inner.read_newer(None)


class NewerIsNeverRead(LocationWrapper):
    def read_newer(self, known=None):
        return None if known not in (None, "other") else self.inner.read_newer(known)


class WritesKeepTheTail(LocationWrapper):
    def write(self, data, *, if_match=None):
        with contextlib.suppress(MissingError):
            data += self.inner.read()[len(data) :]
        return self.inner.write(data, if_match=if_match)


class WritesInHalves(LocationWrapper):
    def write(self, data, *, if_match=None):
        half = len(data) // 2
        if half > 1000:
            self.inner.write(data[:half], if_match=if_match)
            time.sleep(0.005)
            return self.inner.write(data)
        return self.inner.write(data, if_match=if_match)


class WritesLeaveFilesBehind(LocationWrapper):
    def write(self, data, *, if_match=None):
        self.inner.parent.child(self.name + ".bak").write(data)
        return self.inner.write(data, if_match=if_match)


class VersionIsTheSize(LocationWrapper):
    def version(self):
        return None if self.inner.version() is None else str(self.inner.size())

    def write(self, data, *, if_match=None):
        if if_match is not None and if_match != (self.version() or ""):
            raise ConflictError(f"{self.url} was changed by someone else.")
        self.inner.write(data)
        return str(len(data))


class WritesGiveAnotherVersion(LocationWrapper):
    def write(self, data, *, if_match=None):
        return self.inner.write(data, if_match=if_match) + "x"


class ConditionsIgnored(LocationWrapper):
    def write(self, data, *, if_match=None):
        return self.inner.write(data)


class AbsenceIgnored(LocationWrapper):
    def write(self, data, *, if_match=None):
        return self.inner.write(data, if_match=if_match or None)


class ConflictIsAnotherError(LocationWrapper):
    def write(self, data, *, if_match=None):
        try:
            return self.inner.write(data, if_match=if_match)
        except ConflictError as error:
            raise StorageError(str(error)) from None


class ConflictsAreWritten(LocationWrapper):
    def write(self, data, *, if_match=None):
        try:
            return self.inner.write(data, if_match=if_match)
        except ConflictError:
            self.inner.write(data)
            raise


class LooksBeforeItWrites(LocationWrapper):
    """Compares and writes, with nobody else excluded."""

    def write(self, data, *, if_match=None):
        if if_match is not None and if_match != (self.inner.version() or ""):
            raise ConflictError(f"{self.url} was changed by someone else.")
        time.sleep(0.002)
        return self.inner.write(data)


class ListsUnsorted(LocationWrapper):
    def list(self):
        return iter(sorted(self.inner.list(), reverse=True))


class FoldersWithoutSlash(LocationWrapper):
    def list(self):
        return (name.rstrip("/") for name in self.inner.list())


class HiddenFilesUnlisted(LocationWrapper):
    def list_all(self):
        return (name for name in self.inner.list_all() if not name.startswith("."))


class FilesOfSubfoldersForgotten(LocationWrapper):
    def list_files(self):
        return ((path, size) for path, size in self.inner.list_files() if path.count("/") < 2)


class SizeOfDirectFilesOnly(LocationWrapper):
    def size(self):
        if not Path(self.url).is_dir():
            return self.inner.size()
        return sum(path.stat().st_size for path in Path(self.url).iterdir() if path.is_file())


class DeletesByPrefix(LocationWrapper):
    def delete(self, *, recursive=False):
        for name in list(self.inner.parent.list()):
            if name.startswith(self.name):
                self.inner.parent.child(name).delete(recursive=True)


class DeletingNothingFails(LocationWrapper):
    def delete(self, *, recursive=False):
        if not self.inner.exists():
            raise MissingError(f"{self.url} could not be deleted: it is not there.")
        self.inner.delete(recursive=recursive)


class ChildrenLeadUp(LocationWrapper):
    def child(self, *parts):
        if ".." in "/".join(parts).split("/"):
            return self.wrap(type(self.inner)(Path(self.url, *parts)))
        return super().child(*parts)


class NamesAreUnquoted(LocationWrapper):
    def child(self, *parts):
        return super().child(*(part.replace("%2F", "/").replace("%41", "A") for part in parts))


class PatternsAreFollowed(LocationWrapper):
    def delete(self, *, recursive=False):
        for each in Path(self.url).parent.glob("*" if "*" in self.name else self.name + "*"):
            self.inner.parent.child(each.name).delete(recursive=True)


class UrlWithSlash(LocationWrapper):
    @property
    def url(self):
        return self.inner.url + "/"


class SecretsTravel(LocationWrapper):
    def __init__(self, inner, secret="verysecret"):
        super().__init__(inner)
        self.secret = secret


class LocksExcludeNobody(LocationWrapper):
    def lock(self, key="", *, timeout=None):
        return contextlib.nullcontext()


class LocksIgnoreTheKey(LocationWrapper):
    def lock(self, key="", *, timeout=None):
        return self.inner.lock("all", timeout=timeout)


class LocksStayAfterErrors(LocationWrapper):
    @contextlib.contextmanager
    def lock(self, key="", *, timeout=None):
        held = self.inner.lock(key, timeout=0.2)
        held.__enter__()
        _HELD.append(held)
        yield
        held.__exit__(None, None, None)


MUTANTS = {
    "a range is off by one": (RangeOffByOne, "ranges_are_those_of_slices"),
    "a range past the end fails": (PastTheEndFails, "ranges_are_those_of_slices"),
    "the last bytes are all bytes": (SuffixIgnored, "ranges_are_those_of_slices"),
    "ranges come sorted": (RangesSorted, "ranges_come_in_the_order"),
    "ranges of any version": (ConsistentWithoutChecking, "ranges_of_one_version"),
    "ends without their place": (EndsAreStarts, "ranges_of_one_version"),
    "missing is empty": (MissingIsEmpty, "what_is_not_there"),
    "missing is another error": (MissingIsAnotherError, "what_is_not_there"),
    "a folder is an empty file": (FolderIsEmptyFile, "a_folder_is_no_file"),
    "all is newer": (NewerIsAlwaysRead, "only_newer_files"),
    "nothing is newer": (NewerIsNeverRead, "only_newer_files"),
    "the tail stays": (WritesKeepTheTail, "a_write_replaces_all"),
    "written in halves": (WritesInHalves, "readers_see_whole_files"),
    "files left behind": (WritesLeaveFilesBehind, "a_write_replaces_all"),
    "the version is the size": (VersionIsTheSize, "versions_change"),
    "a write gives another version": (WritesGiveAnotherVersion, "versions_change"),
    "conditions ignored": (ConditionsIgnored, "wrong_version_is_a_conflict"),
    "absence ignored": (AbsenceIgnored, "wrong_version_is_a_conflict"),
    "a conflict is another error": (ConflictIsAnotherError, "wrong_version_is_a_conflict"),
    "conflicts are written": (ConflictsAreWritten, "wrong_version_is_a_conflict"),
    "looks before it writes": (LooksBeforeItWrites, "no_change_of_many_writers"),
    "many creators win": (LooksBeforeItWrites, "one_of_many_creators"),
    "lists unsorted": (ListsUnsorted, "lists_are_sorted"),
    "folders without a slash": (FoldersWithoutSlash, "lists_are_sorted"),
    "hidden files unlisted": (HiddenFilesUnlisted, "lists_are_sorted"),
    "subfolders forgotten": (FilesOfSubfoldersForgotten, "all_files_below"),
    "sizes of direct files only": (SizeOfDirectFilesOnly, "all_files_below"),
    "deletes by prefix": (DeletesByPrefix, "only_what_is_meant"),
    "deleting nothing fails": (DeletingNothingFails, "only_what_is_meant"),
    "missing is empty, in a history": (MissingIsEmpty, "any_history"),
    "children lead up": (ChildrenLeadUp, "children_lead_down"),
    "a URL ends with a slash": (UrlWithSlash, "children_lead_down"),
    "names are unquoted": (NamesAreUnquoted, "hostile_names"),
    "patterns are followed": (PatternsAreFollowed, "only_what_is_meant"),
    "secrets travel": (SecretsTravel, "pickle_without_secrets"),
    "locks exclude nobody": (LocksExcludeNobody, "locks_exclude_other_threads"),
    "locks ignore the key": (LocksIgnoreTheKey, "locks_of_other_keys"),
    "locks stay after errors": (LocksStayAfterErrors, "given_back_after_errors"),
}
"""What is wrong: the class, and the test of the suite that is there to catch it."""
