"""Hands explicit keys to engines that take none directly, but read them from a file.

On Linux the file is memory with a name, and is gone with the process, however that ends. Elsewhere it is a private
file: removed at exit, and, after a signal that lets nobody tidy up, by the next process that makes one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from pathlib import Path

__all__ = ["clear_files_of_the_dead", "key_file"]

_OPEN_FILES = "/proc/self/fd"
_KEYS = "wkplug-keys-"


class _Files:
    """The files of this process; a forked child makes its own."""

    def __init__(self) -> None:
        self.process = 0
        self.folder = ""
        self.files: dict[str, str] = {}

    def file(self, text: str) -> str:
        if self.process != os.getpid():
            self.process, self.files, self.folder = os.getpid(), {}, ""
        if text not in self.files:
            self.files[text] = self._written(text)
        return self.files[text]

    def _written(self, text: str) -> str:
        import tempfile  # late: it takes longer than opening a bucket, and few come here

        if sys.platform == "linux" and Path(_OPEN_FILES).is_dir():
            # Never closed: the engine may read it again at any time.
            descriptor = os.memfd_create("wkplug-keys")
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, text.encode())
            return f"{_OPEN_FILES}/{descriptor}"
        if not self.folder:
            clear_files_of_the_dead()
            self.folder = tempfile.mkdtemp(prefix=f"{_KEYS}{self.process}-")  # only this user may enter
            atexit.register(self.clear, self.folder, self.process)
        handle, found = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(handle, "w") as file:
            file.write(text)
        return found

    def clear(self, folder: str, process: int) -> None:
        if process == os.getpid():
            _remove(Path(folder))


_files = _Files()


def key_file(key: str, secret: str, token: str | None = None) -> str:
    """Give the path of a file in which Amazon's libraries find these keys as the profile "default"."""
    lines = ["[default]", f"aws_access_key_id = {key}", f"aws_secret_access_key = {secret}"]
    lines += [f"aws_session_token = {token}"] if token else []
    return _files.file("\n".join(lines) + "\n")


def clear_files_of_the_dead() -> None:
    """Remove the files with keys of this user's processes that ended without tidying up."""
    import tempfile

    for folder in Path(tempfile.gettempdir()).glob(f"{_KEYS}*-*"):
        process = folder.name.removeprefix(_KEYS).partition("-")[0]
        if process.isdigit() and not folder.is_symlink() and not _lives(int(process)):
            with contextlib.suppress(OSError):
                _remove(folder)


def _lives(process: int) -> bool:
    if sys.platform == "win32":
        return True  # signal 0 would end it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink(missing_ok=True)
    folder.rmdir()
