"""A command of a plugin."""

from __future__ import annotations

from typing import Any

import click


def greet(settings: Any) -> click.Command:
    @click.command()
    def command() -> None:
        """Say hello."""
        click.echo("hello")

    return command
