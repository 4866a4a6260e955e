"""Locks: between threads, processes and forks, in both ways of taking them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from wkplug.errors import LockTimeoutError, MissingError, StorageError
from wkplug.filesystems.local import LocalLocation
from wkplug.filesystems.locks import HAS_RANGE_LOCKS, lock_folder

if TYPE_CHECKING:
    from pathlib import Path

WAYS = [
    pytest.param(
        True, id="ranges", marks=pytest.mark.skipif(not HAS_RANGE_LOCKS, reason="not on this platform")
    ),
    pytest.param(False, id="files"),
]


@pytest.fixture(params=WAYS)
def ranges(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def free(folder: object, key: str, ranges: bool) -> bool:
    try:
        with lock_folder(str(folder), key, timeout=0, ranges=ranges):
            return True
    except LockTimeoutError:
        return False


def test_the_same_key_excludes_and_others_do_not(tmp_path: Path, ranges: bool) -> None:
    with lock_folder(str(tmp_path), "a", timeout=1, ranges=ranges):
        assert not free(tmp_path, "a", ranges)
        assert free(tmp_path, "b", ranges)
    assert free(tmp_path, "a", ranges)


def test_a_timeout_names_the_holder_and_says_what_to_do(tmp_path: Path, ranges: bool) -> None:
    with (
        lock_folder(str(tmp_path), "a", timeout=1, ranges=ranges),
        pytest.raises(LockTimeoutError) as caught,
        lock_folder(str(tmp_path), "a", timeout=0.2, ranges=ranges),
    ):
        pass
    text = str(caught.value)
    assert f"process {os.getpid()} on " in text
    assert "was not free within 0.2 s" in text
    assert "lock_timeout" in text
    assert isinstance(caught.value, TimeoutError)


def test_the_configured_timeout_is_used(tmp_path: Path) -> None:
    import wkplug.config

    place = LocalLocation(tmp_path)
    with (
        wkplug.config.settings(lock_timeout=0.05),
        place.lock("k"),
        pytest.raises(LockTimeoutError, match=r"within 0\.05 s"),
        place.lock("k"),
    ):
        pass


def test_locks_need_a_folder(tmp_path: Path, ranges: bool) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(MissingError, match="no such folder"),
        lock_folder(str(tmp_path / "no"), ranges=ranges, timeout=1),
    ):
        pass
    with (
        pytest.raises(StorageError, match="is no folder"),
        lock_folder(str(tmp_path / "file"), ranges=ranges, timeout=1),
    ):
        pass


def test_threads_exclude_each_other(tmp_path: Path, ranges: bool) -> None:
    total = [0]

    def work() -> None:
        for _ in range(25):
            with lock_folder(str(tmp_path), "count", timeout=30, ranges=ranges):
                seen = total[0]
                time.sleep(0.0005)
                total[0] = seen + 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total[0] == 100


COUNTER = """
import sys
from pathlib import Path
from wkplug.filesystems.locks import lock_folder
folder, ranges = sys.argv[1], sys.argv[2] == "True"
file = Path(folder, "count")
for _ in range(50):
    with lock_folder(folder, "count", timeout=60, ranges=ranges):
        file.write_text(str(int(file.read_text()) + 1))
"""


def test_processes_exclude_each_other(tmp_path: Path, ranges: bool) -> None:
    (tmp_path / "count").write_text("0")
    processes = [
        subprocess.Popen([sys.executable, "-c", COUNTER, str(tmp_path), str(ranges)]) for _ in range(4)
    ]
    assert [process.wait() for process in processes] == [0] * 4
    assert (tmp_path / "count").read_text() == "200"


def test_the_files_way_leaves_no_file_behind(tmp_path: Path) -> None:
    with lock_folder(str(tmp_path), "a", timeout=1, ranges=False):
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_was_deleted_meanwhile_does_not_split_the_lock(tmp_path: Path, ranges: bool) -> None:
    with lock_folder(str(tmp_path), "a", timeout=1, ranges=ranges):
        entered = threading.Event()

        def wait() -> None:
            with lock_folder(str(tmp_path), "a", timeout=10, ranges=ranges):
                entered.set()
                time.sleep(0.1)

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.1)
        for path in tmp_path.iterdir():
            path.unlink()
    assert entered.wait(5)
    assert not free(tmp_path, "a", ranges)
    waiting.join()


def test_group_members_may_lock_what_they_may_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    before = os.umask(0o077)
    try:
        with lock_folder(str(tmp_path), "a", timeout=1):
            mode = (tmp_path / ".wkplug.lock").stat().st_mode & 0o777
    finally:
        os.umask(before)
    assert mode == 0o664


HOLDER = """
import os, sys, time
from wkplug.filesystems.locks import lock_folder
with lock_folder(sys.argv[1], "a", timeout=5, ranges=sys.argv[2] == "True"):
    child = os.fork() if sys.argv[3] == "fork" else 1
    if child == 0:
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)
    time.sleep(60)
"""


@pytest.mark.faults
@pytest.mark.parametrize("fork", ["fork", "alone"])
def test_a_killed_holder_releases_even_if_it_left_a_forked_child(
    tmp_path: Path, ranges: bool, fork: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), str(ranges), fork], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        try:
            assert not free(tmp_path, "a", ranges)
            holder.kill()
            holder.wait()
            with lock_folder(str(tmp_path), "a", timeout=10, ranges=ranges):
                assert not free(tmp_path, "a", ranges)
        finally:
            if child > 1:
                os.kill(child, signal.SIGKILL)


def _in_child(folder: str, ranges: bool, results: object) -> None:
    results.put(free(folder, "a", ranges))  # type: ignore[attr-defined]  # a multiprocessing queue


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_neither_holds_nor_releases_its_parents_lock(tmp_path: Path, ranges: bool) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    with lock_folder(str(tmp_path), "a", timeout=1, ranges=ranges):
        child = context.Process(target=_in_child, args=(str(tmp_path), ranges, results))
        child.start()
        assert results.get(timeout=20) is False
        child.join()
        assert not free(tmp_path, "a", ranges)
    assert free(tmp_path, "a", ranges)


def test_an_error_inside_releases(tmp_path: Path, ranges: bool) -> None:
    with pytest.raises(KeyError), lock_folder(str(tmp_path), "a", timeout=1, ranges=ranges):
        raise KeyError
    assert free(tmp_path, "a", ranges)
