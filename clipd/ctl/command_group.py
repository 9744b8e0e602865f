"""What the commands of both programs have in common: whole help, and an end without traceback."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from clipd.ctl.output import give_up_output

_NO_LIMIT = 1000  # characters: more than any first sentence has


class CommandGroup(click.Group):
    """A group of commands; click's own cuts their sentences off with dots.

    Args:
        later: commands whose modules are imported when they are needed, as ``module:name``: the
            start of a program that waits for all of them is what people wait for.
    """

    def __init__(self, *args: Any, later: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(*args, **extra)
        self._later = dict(later or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *self._later})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now where it was not yet."""
        if cmd_name in self._later:
            module, _, name = self._later[cmd_name].partition(":")
            command = getattr(import_module(module), name)
            assert isinstance(command, click.Command)
            return command
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of every command, over several lines where it takes that."""
        commands = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        rows = [
            (command.name or "", command.get_short_help_str(_NO_LIMIT))
            for command in commands
            if command is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the program; where its output cannot be written, end with a line and 4."""
        try:
            return super().main(*args, **extra)
        except OSError as error:
            give_up_output(error, extra.get("prog_name") or "clipd")
            raise  # the output is well: this is something else


CommandGroup.group_class = CommandGroup  # groups in it are of the same kind
