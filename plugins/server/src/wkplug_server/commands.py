"""`wkplug serve` and `wkplug view`."""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["serve_command", "view_command"]


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End in good order, and as a success, on Ctrl-C and where a service manager asks for it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(text: str) -> None:
    click.echo(text, err=True)


@click.command()
@click.argument("places", nargs=-1, metavar="[PLACE...]")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9080, show_default=True, help="0 for any that is free."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 for all."
)
@click.option("--token", help="What whoever asks has to know; made up if left out.")
@click.option("--public", is_flag=True, help="Let anybody read who reaches the port.")
@click.option(
    "--hub", metavar="FOLDER", help="Keep datasets of a team there: with users, uploads and sharing."
)
@click.option(
    "--add-user", metavar="EMAIL", multiple=True, help="Add a user to the hub, and print the token."
)
def serve(
    places: tuple[str, ...],
    *,
    port: int,
    host: str,
    token: str | None,
    public: bool,
    hub: str | None,
    add_user: tuple[str, ...],
) -> None:
    """Share datasets over HTTP: with Neuroglancer, napari, zarr, and WEBKNOSSOS' Python library.

    Each PLACE is anything that can be opened: a dataset on a disk or in a bucket, an OME-Zarr, N5 or precomputed
    volume. Nothing can be changed by those who read.
    """
    if public and token:
        raise click.UsageError("--public lets anybody in, --token only those who know it: give one of them.")
    if hub is not None:
        if places or public or token:
            raise click.UsageError(
                "A hub has its own datasets and tokens: give --hub without PLACE, --public or --token."
            )
        _serve_hub(hub, add_user, host=host, port=port)
        return
    if not places or add_user:
        raise click.UsageError("Give PLACE... to share, or --hub FOLDER.")
    from wkplug_server.opening import Opened
    from wkplug_server.running import RunningServer, new_token

    chosen = None if public else token or new_token()
    with _ended_by_signals(), Opened(places, _say) as catalogue:
        server = RunningServer(catalogue, token=chosen, host=host, port=port)
        click.echo(f"{server.url}/")
        for shared in catalogue:
            _say(f"  {shared.name}: {server.view_url(shared.id)}")
        _say("Stop with Ctrl-C.")
        server.run()


def _serve_hub(folder: str, added: tuple[str, ...], *, host: str, port: int) -> None:
    from wkplug_server.hub.hub import Hub
    from wkplug_server.hub.routes import HubRoutes
    from wkplug_server.running import RunningServer

    with _ended_by_signals(), Hub(Path(folder)) as hub:
        known = {user["email"] for user in hub.users()}
        for email in added:
            if email not in known:
                hub.database.add_user(email)
        server = RunningServer(HubRoutes(hub), host=host, port=port)
        click.echo(f"{server.url}/")
        for user in hub.users():
            _say(f"  {user['email']}{' (admin)' if user['is_admin'] else ''}: token {user['token']}")
        _say("Stop with Ctrl-C.")
        server.run()


@click.command()
@click.argument("places", nargs=-1, required=True, metavar="PLACE...")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Any that is free, if left out.")
@click.option("--no-browser", is_flag=True, help="Only print the link.")
def view(places: tuple[str, ...], *, port: int, no_browser: bool) -> None:
    """Look at datasets in the browser, in Neuroglancer, which works without a connection to the internet.

    Each PLACE is anything that can be opened; the link works on this machine only, as long as the command runs.
    """
    from wkplug_server.opening import Opened
    from wkplug_server.running import RunningServer, new_token
    from wkplug_server.viewing import open_browser

    with (
        _ended_by_signals(),
        Opened(places, _say) as catalogue,
        RunningServer(catalogue, token=new_token(), port=port) as server,
    ):
        links = [server.view_url(shared.id) for shared in catalogue]
        for link in links:
            click.echo(link)
        if not no_browser:
            for link in links:
                open_browser(link)
        _say("Stop with Ctrl-C.")
        server.wait()


def serve_command(_: object) -> click.Command:
    """Give the command `serve`."""
    return serve


def view_command(_: object) -> click.Command:
    """Give the command `view`."""
    return view
