"""A server that runs: on a port, on a thread of its own, until it is told to stop."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import uvicorn

from wkplug.errors import StorageError
from wkplug_server.app import Routes, SharingRoutes, application

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wkplug_server.catalogue import Catalogue

__all__ = ["RunningServer", "new_token"]

_PATIENCE = 20.0


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(16)


class RunningServer:
    """Serves some routes; a context manager.

    routes: what it answers; a catalogue is shared. token: what whoever asks has to know; None lets anybody read who
    reaches the port, or leaves that to the routes. port: 0 for any that is free.
    """

    def __init__(
        self, routes: Routes | Catalogue, *, token: str | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._token, self._host = token, host
        self._socket = _bound(host, port)
        config = uvicorn.Config(
            application(routes if isinstance(routes, Routes) else SharingRoutes(routes), token=token),
            log_level="warning",
            access_log=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=2,
            limit_concurrency=1000,
        )
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """The server's URL, with the token if there is one."""
        host = "127.0.0.1" if self._host in ("0.0.0.0", "") else self._host  # noqa: S104 - compared, not bound
        base = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        return base if self._token is None else f"{base}/t/{self._token}"

    def view_url(self, dataset_id: str, layers: Sequence[str] = ()) -> str:
        """Where the viewer shows a dataset. layers: those that are shown, all by default."""
        # Quoted once more, so that what a name has in it is told from what lies between names.
        chosen = quote(",".join(quote(name, safe="") for name in layers), safe=",")
        return f"{self.url}/v/{dataset_id}{f'+{chosen}' if chosen else ''}/"

    def start(self) -> Self:
        """Serve from a thread of its own; returns when it answers."""
        self._thread = threading.Thread(target=self.run, name="wkplug-server", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _PATIENCE
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise StorageError("The server did not start.", hint="Try another port.")
            time.sleep(0.005)
        return self

    def run(self) -> None:
        """Serve from this thread, until `stop` or a signal."""
        self._server.run(sockets=[self._socket])

    def wait(self) -> None:
        """Wait until someone stops it: the keyboard, or a signal."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.5)

    def stop(self) -> None:
        """End it, and wait until the port is free again."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # Whoever reads the link at once may connect at once, and is answered in a moment.
        listening.listen(256)
    except (OSError, OverflowError) as error:
        listening.close()
        raise StorageError(
            f"No server can listen on port {port} of {host}: {error}.",
            hint="Choose another port, or none for any that is free.",
        ) from error
    return listening
