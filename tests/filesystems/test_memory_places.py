"""memory://, a file system that the threads of a process share."""

from __future__ import annotations

import sys
from contextlib import suppress
from threading import Thread

from wkplug.abc import locate
from wkplug.errors import MissingError


def test_threads_look_while_others_write() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    root, failed = locate("memory://looked-at"), []

    def write(own: str) -> None:
        for number in range(150):
            root.child(own, str(number % 20)).write(b"x")
            if number % 20 == 19:
                root.child(own).delete(recursive=True)

    def look() -> None:
        try:
            for _ in range(150):
                with suppress(MissingError):
                    list(root.list())
                    root.child("a").exists()
                    root.size()
        except Exception as error:  # noqa: BLE001 - told by the main thread
            failed.append(error)

    try:
        threads = [Thread(target=write, args=(own,)) for own in "abc"] + [
            Thread(target=look) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
        root.delete(recursive=True)
    assert failed == []
