"""Servers of files that one logs into, through drivers of fsspec: sftp, smb and ftp.

Each thread has a session of its own, which is begun anew when it broke. Files are written beside the old ones and moved
onto them when they are whole; a server that moves nothing onto another is named once.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any

from wkplug.abc import StoreFailure, StoreObject
from wkplug.errors import ForbiddenError
from wkplug.filesystems.drivers import FsspecStore, warn_of_halves
from wkplug.filesystems.failures import causes
from wkplug.filesystems.paths import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["FileServer", "FtpServer"]

_TRIES = 4
_FOLDERS = ("dir", "directory")
_BROKEN_SESSIONS = frozenset(
    {"SMBAuthenticationError", "SMBConnectionClosed", "SSHException", "error_proto", "error_reply"}
)
"""Errors by their names, because the libraries that define them are optional. SMB's driver connects again by itself,
without the password."""
_REFUSED_LOGINS = frozenset({"AuthenticationException", "LogonFailure", "SMBAuthenticationError"})


class FileServer(FsspecStore):
    """A server of files that one logs into."""

    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self._replaces = True

    def _make(self, driver: Any) -> Any:
        if self.scheme == "smb":  # whose driver keeps all others out of what it reads
            self.options = {"share_access": "rwd", **self.options}
        try:
            return super()._make(driver)
        except Exception as error:
            if type(error).__name__ in _REFUSED_LOGINS or _said_by_ftp(error)[:3] == "530":
                raise ForbiddenError(
                    f"{self.root} can't be reached: the server refused the login.",
                    hint="Give user name and password, or what else the server wants, as storage options: in code, or "
                    f'in the settings under [storage."{self.root.rstrip("/")}"].',
                ) from None  # its text may hold them
            raise

    def get(
        self, path: str, start: int | None = None, stop: int | None = None, *, unless: str = ""
    ) -> tuple[bytes, StoreObject]:
        """Read."""
        with self._session():
            return super().get(path, start, stop, unless=unless)

    def head(self, path: str) -> StoreObject:
        """Look."""
        with self._session():
            return super().head(path)

    def _entries(self, path: str) -> list[tuple[str, Mapping[str, Any]]]:
        with self._session():
            return super()._entries(path)

    def _write(self, target: str, data: bytes) -> None:
        """Write beside it, and move that onto it; where the server moves nothing onto another, write in place."""
        with self._session() as driver:
            if self._replaces:
                temporary = f"{target.rpartition('/')[0]}/{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
                try:
                    driver.pipe_file(temporary, data)
                    if self._replace(driver, temporary, target):
                        return
                except BaseException:
                    with contextlib.suppress(Exception):
                        driver.rm_file(temporary)
                    raise
                driver.rm_file(temporary)
                self._replaces = False
            warn_of_halves(self.root)
            driver.pipe_file(target, data)

    def _replace(self, driver: Any, temporary: str, target: str) -> bool:
        """Move a file onto another; False where this server doesn't."""
        try:
            if self.scheme == "smb":
                import smbclient  # type: ignore[import-not-found,import-untyped,unused-ignore]  # of the driver

                places = [f"\\\\{driver.host}{path}".replace("/", "\\") for path in (temporary, target)]
                smbclient.replace(*places, port=driver.port or 445)
            else:
                driver.mv(temporary, target)
        except Exception as error:
            if _said_by_ftp(error)[:1] == "5" or (isinstance(error, OSError) and driver.exists(temporary)):
                return False
            raise
        return True

    def delete(self, paths: Sequence[str]) -> None:
        """Delete one after the other."""
        with self._session():
            super().delete(paths)

    def delete_folder(self, path: str) -> None:
        """Delete a folder with all in it."""
        with self._session():
            super().delete_folder(path)

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""
        with self._session():
            super().make_folder(path)

    @contextlib.contextmanager
    def _session(self) -> Iterator[Any]:
        """Give the driver; when its session broke, that may pass, and the next request has a new one."""
        driver = self.driver()
        try:
            yield driver
        except StoreFailure:
            raise
        except Exception as error:
            lost, said = _lost(error), _said_by_ftp(error)
            if said[:3] in ("452", "552"):
                raise StoreFailure("full") from error
            if said[:3] in ("530", "532", "550", "553") and not isinstance(error, FileNotFoundError):
                raise StoreFailure("forbidden", f"the server answered {said}") from error
            if not lost:
                raise
            with contextlib.suppress(Exception):
                getattr(driver, "client", driver.ftp if hasattr(driver, "ftp") else driver).close()
            type(driver).clear_instance_cache()  # fsspec gives the same one again to whoever asks
            self._made.driver = (0, None)
            raise StoreFailure("busy", lost) from error


class FtpServer(FileServer):
    """FTP says the same of files that aren't there and of those that are refused, and its driver takes whatever is
    answered for "not there": what is there is told by listings alone."""

    def get(
        self, path: str, start: int | None = None, stop: int | None = None, *, unless: str = ""
    ) -> tuple[bytes, StoreObject]:
        """Read."""
        seen: StoreObject | None = None
        for _ in range(_TRIES):
            try:
                return super().get(path, start, stop, unless=unless)
            except FileNotFoundError as error:
                said, found = _said_by_ftp(error), self.head(path)  # unless it is missing
            if start is not None and found.size is not None and start >= found.size:
                return b"", found
            if found == seen:  # it didn't come only now
                raise StoreFailure("forbidden", f"the server answered {said}")
            seen = found
        raise StoreFailure("busy", f"the server answered {said}")

    def head(self, path: str) -> StoreObject:
        """Look."""
        with self._session() as driver:
            target = self._target(path)
            found = self._found(driver, target)
            if found["type"] in _FOLDERS:
                raise StoreFailure("missing")
            return self._object(target, {**found, "size": int(found["size"]) if "size" in found else None})

    def delete(self, paths: Sequence[str]) -> None:
        """Delete one after the other."""
        for path in paths:
            try:
                super().delete([path])
            except StoreFailure as failure:
                if failure.kind != "forbidden" or self._is_there(path):
                    raise

    def _is_there(self, path: str) -> bool:
        try:
            self.head(path)
        except StoreFailure as failure:
            return failure.kind != "missing"
        return True

    def _found(self, driver: Any, target: str) -> Mapping[str, Any]:
        folder, _, name = target.rstrip("/").rpartition("/")
        found = self._listed(driver, folder).get(name)
        if found is None:
            raise StoreFailure("missing")
        return found

    def _listed(self, driver: Any, folder: str) -> dict[str, Mapping[str, Any]]:
        try:
            return dict(driver.ftp.mlsd(folder or "/"))
        except Exception as error:
            said = _said_by_ftp(error)
            if said[:2] == "50":  # an old server, which doesn't know the request
                return {str(one["name"]).rpartition("/")[2]: one for one in driver.ls(folder or "/")}
            if said[:1] != "5" or not folder:
                raise
            if self._found(driver, folder)["type"] not in _FOLDERS:
                raise StoreFailure("missing") from error
            raise StoreFailure("forbidden", f"the server answered {said}") from error

    def _entries(self, path: str) -> list[tuple[str, Mapping[str, Any]]]:
        with self._session() as driver:
            target = self._target(path).rstrip("/")
            listed = self._listed(driver, target)
            if not listed and target:
                self._found(driver, target)  # some list nothing where there is nothing
        return [
            (name, {"type": "directory"} if entry["type"] in _FOLDERS else entry)
            for name, entry in listed.items()
            if entry["type"] not in ("cdir", "pdir")
        ]


def _lost(error: Exception) -> str:
    """Say how a session ended, "" if it didn't."""
    said = _said_by_ftp(error)
    if said[:1] == "4":
        return f"the server answered {said}"
    for one in causes(error):
        broke = isinstance(one, (ConnectionError, EOFError, TimeoutError))
        closed = isinstance(one, OSError) and one.errno is None and "closed" in str(one)  # paramiko's
        if type(one).__name__ == "EndOfFile" or "STATUS_DELETE_PENDING" in str(one):  # of SMB
            return "it is being replaced or deleted"
        if broke or closed or type(one).__name__ in _BROKEN_SESSIONS:
            return f"the connection was lost ({str(one) or type(one).__name__})"
    return ""


def _said_by_ftp(error: BaseException) -> str:
    """Give the answer of an FTP server, which begins with its number; "" if it is none."""
    return next((str(one) for one in causes(error) if type(one).__module__ == "ftplib"), "")
