"""What a command says at its end: text for people, or with --json one JSON object on stdout for programs.

Everything else (progress, warnings, errors) goes to stderr, so that stdout is that object and nothing more.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from wkplug.errors import redacted

__all__ = ["is_json", "json_option", "say", "tell"]


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    ctx.meta[__name__] = value


json_option = click.option(
    "--json",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_remember,
    help="Print one JSON object; all else goes to stderr.",
)
"""Put it on every command; `tell` and `is_json` ask for it."""


def is_json() -> bool:
    """Whether the command that runs was given --json."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(__name__))


def say(text: str) -> None:
    """Print a line of text for people, none with --json."""
    if not is_json():
        _print(text)


def tell(facts: Any, text: str = "") -> None:
    """Print what was done: `facts` as JSON if that was asked for, the text otherwise, if there is one."""
    shown = json.dumps(facts, indent=2, default=_plain) if is_json() else text
    if shown:
        _print(shown)


def _print(text: str) -> None:
    try:
        click.echo(redacted(text))
    except BrokenPipeError:
        raise  # the reader has seen enough
    except OSError as error:
        sys.stdout = None  # or Python would try once more when it ends
        raise click.ClickException(
            f"What the command says can't be written to its output ({error.strerror}); what it did is done."
        ) from error


def _plain(value: Any) -> Any:
    """What JSON has no type for: numbers of numpy are numbers; mags and formats are their texts."""
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)
