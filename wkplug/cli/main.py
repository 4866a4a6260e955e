"""The command `wkplug`: finds subcommands, and turns errors into text and exit codes.

A subcommand's module is imported when it is called, or when its help is shown. Commands of plugins come
after the built-in ones, and a broken one costs only itself. Errors of wkplug are printed as text (exit code
1), wrong usage as click does (2), an interrupt is 130; anything else is a bug and keeps its traceback.

To add a command: a click command in a file of this package, and one line in `COMMANDS`.
"""

from __future__ import annotations

import io
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

import click

from wkplug.cli import late
from wkplug.cli.interrupts import INTERRUPTED, Interrupts
from wkplug.errors import WkplugError, redacted
from wkplug.lazy import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS: dict[str, str] = {
    "add-layer": "wkplug.cli.converting:add_layer",
    "check-equality": "wkplug.cli.reports:check_equality",
    "compress": "wkplug.cli.storing:compress",
    "config": "wkplug.cli.installation:config",
    "convert": "wkplug.cli.converting:convert",
    "convert-knossos": "wkplug.cli.converting:convert_knossos",
    "convert-raw": "wkplug.cli.converting:convert_raw",
    "convert-zarr": "wkplug.cli.converting:convert_zarr",
    "copy-dataset": "wkplug.cli.storing:copy_dataset",
    "delete-layer": "wkplug.cli.layers:delete_layer",
    "downsample": "wkplug.cli.pyramids:downsample",
    "explain": "wkplug.cli.reports:explain",
    "explore": "wkplug.cli.reports:explore",
    "export": "wkplug.cli.export:export",
    "export-as-tiff": "wkplug.cli.export:export_as_tiff",
    "export-wkw-as-tiff": "wkplug.cli.export:export_wkw_as_tiff",
    "info": "wkplug.cli.reports:info",
    "inspect": "wkplug.cli.reports:inspect",
    "plugins": "wkplug.cli.installation:plugins",
    "preview": "wkplug.cli.reports:preview",
    "rechunk": "wkplug.cli.storing:rechunk",
    "rename-layer": "wkplug.cli.layers:rename_layer",
    "upsample": "wkplug.cli.pyramids:upsample",
}
"""Names of the built-in commands -> "module:attribute", sorted."""


class _Run:
    """What of a call of the command line its errors and warnings have to know."""

    command: click.Command | None = None

    def text(self, text: str) -> str:
        """Write a text for this command: with the names of options where Python has parameters."""
        return late.hints.in_options(text, self.command)

    def error(self, error: WkplugError) -> str:
        """Write an error for this command, with the advice that can be followed there."""
        hint = late.hints.advice_in_options(error.hint or "", self.command)
        return "".join(["Error: ", self.text(error.message), *(f"\n  {line}" for line in hint.splitlines())])


class LazyGroup(click.Group):
    """A group whose commands are imported one by one, as they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names: the built-in ones, then those of plugins, each sorted."""
        del ctx
        return [*COMMANDS, *(name for name in _plugin_commands() if name not in COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name; None if nobody has it."""
        del ctx
        found: Any = None
        if cmd_name in COMMANDS:
            found = resolve(COMMANDS[cmd_name])
        elif cmd_name in _plugin_commands():
            found = late.registry.command(cmd_name)
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one line per command. Plugins' lines come from their specs: none of their code is run."""
        rows = []
        for name in COMMANDS:
            command = self.get_command(ctx, name)
            rows.append((name, command.get_short_help_str(limit=80) if command is not None else ""))
        with formatter.section("Commands"):
            formatter.write_dl(rows)
        others = [(name, text) for name, text in _plugin_commands().items() if name not in COMMANDS]
        if others:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(others)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name; suggests one where there is none."""
        known = not args or args[0].startswith("-") or args[0] in COMMANDS  # else plugins must be asked
        if not known and args[0] not in self.list_commands(ctx):
            guess = late.notices.did_you_mean(args[0], self.list_commands(ctx))
            ctx.fail(f"There is no command '{args[0]}'.{guess}")
        name, command, rest = super().resolve_command(ctx, args)
        if isinstance(ctx.obj, _Run):
            ctx.obj.command = command
        return name, command, rest


def _plugin_commands() -> dict[str, str]:
    """The commands of plugins; none where the registry can't say, because help must always come."""
    try:
        return late.registry.commands()
    except WkplugError as error:
        click.echo(f"Warning: {error}", err=True)
        return {}


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        from importlib.metadata import version

        click.echo(f"wkplug {version('wkplug')}")
        ctx.exit()


def _install_completion(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is None or ctx.resilient_parsing:
        return
    for path in late.completion.install(late.completion.shell_in_use(value), ctx.command):
        click.echo(f"Wrote {path}")
    click.echo("It works in shells that are started from now on.")
    ctx.exit()


def _show_completion(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is None or ctx.resilient_parsing:
        return
    click.echo(late.completion.script(late.completion.shell_in_use(value), ctx.command))
    ctx.exit()


_OF_A_SHELL: dict[str, Any] = {
    "is_flag": False, "flag_value": "", "metavar": "[SHELL]", "is_eager": True, "expose_value": False,
}  # fmt: skip


@click.group(
    cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version.",
)
@click.option(
    "--install-completion",
    callback=_install_completion,
    help="Install completion for bash, zsh or fish; for your shell if none is named.",
    **_OF_A_SHELL,
)
@click.option(
    "--show-completion",
    callback=_show_completion,
    help="Print the script of completion, to install it yourself.",
    **_OF_A_SHELL,
)
@click.option(
    "-v",
    "--verbose",
    count=True,
    help="Show what is logged, also by libraries: from INFO on; -vv from DEBUG on.",
)
@click.pass_context
def cli(ctx: click.Context, *, verbose: int) -> None:
    """One Dataset API over any storage, for volumetric images."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    else:
        # `--help` doesn't come here: logging costs as much as all else of it.
        ctx.with_resource(late.logs.logged(verbose) if verbose else late.logs.quiet())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    run = _Run()
    with warnings.catch_warnings(), Interrupts() as interrupts:
        warnings.showwarning = partial(_show_warning, run)
        try:
            code = cli.main(args=arguments, prog_name="wkplug", standalone_mode=False, obj=run)
        except (Exception, KeyboardInterrupt) as error:
            code = _exit_code(error, run, interrupted=interrupts.came)
            if code is None:
                raise
    return code if isinstance(code, int) else 0


def _exit_code(error: BaseException, run: _Run, *, interrupted: bool) -> int | None:
    """Print what ended a command, and give its exit code; None for what is a bug."""
    # Libraries turn an interrupt into errors of their own: an extension that was being loaded raises ImportError.
    if interrupted or isinstance(error, (click.Abort, KeyboardInterrupt)):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        shown = io.StringIO()
        error.show(file=shown)
        click.echo(redacted(shown.getvalue()), err=True, nl=False)
        return error.exit_code
    if isinstance(error, WkplugError):
        click.echo(run.error(error), err=True)
        return 1
    if isinstance(error, BrokenPipeError):
        # The reader (`head`) has gone; Python would complain once more when it flushes at exit.
        sys.stdout = None  # the documented way to silence that flush
        return 1
    return None


def _show_warning(
    run: _Run,
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as a sentence: where in the code it comes from is of no use on the command line."""
    del category, filename, lineno, file, line
    # How the API marks them among other warnings.
    text = str(message).removeprefix("[WARNING] ").removeprefix("[DEPRECATION] ")
    click.echo(f"Warning: {redacted(run.text(text))}", err=True)


if __name__ == "__main__":
    sys.exit(main())
