"""Where a command's dataset is: a path or URL, or something behind a server that a plugin knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wkplug.cli.options import Served

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.dataset import Dataset

__all__ = ["open_target", "server_options"]

F = TypeVar("F", bound=Callable[..., Any])

_SERVER = ("token", "transfer_mode", "access_mode")


def _has_services() -> bool:
    from wkplug import registry

    return bool(registry.remotes())


def server_options(function: F) -> F:
    """--token, --transfer-mode, --access-mode; pass the command's options on to `open_target`."""
    for option in (
        click.option(
            "--access-mode", cls=Served, served=_has_services,
            type=click.Choice(["zarr_streaming", "direct_path", "proxy_path"]),
            help="How voxels of a server's dataset are reached.",
        ),
        click.option(
            "--transfer-mode", cls=Served, served=_has_services,
            type=click.Choice(["http", "move+symlink", "symlink", "copy"]),
            help="How new mags of a server's dataset get there.",
        ),
        click.option(
            "--token", cls=Served, served=_has_services, envvar="WK_TOKEN", help="For a dataset on a server.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def open_target(target: str, options: Mapping[str, Any]) -> Dataset:
    """Open the dataset that a command works on; what `server_options` gave goes to the service that knows the URL.

    click.BadParameter for --transfer-mode and --access-mode where no service does. A token is often set for all
    commands (WK_TOKEN), and says nothing about a path.
    """
    from wkplug import registry
    from wkplug.dataset import Dataset
    from wkplug.model.states import AS_USUAL, DatasetState

    given = {name: options[name] for name in _SERVER if options.get(name) is not None}
    if registry.service_for(target) is not None:
        return Dataset.of(DatasetState.open(target, AS_USUAL, **given))
    for name in _SERVER[1:]:
        if name in given:
            raise click.BadParameter(
                f"{target} is a plain path or URL; this is for datasets on servers that an installed plugin knows.",
                param_hint=f"--{name.replace('_', '-')}",
            )
    return Dataset.open(target)
