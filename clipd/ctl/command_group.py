"""What the commands of both programs have in common: whole help, and an end without traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from clipd.ctl import failures
from clipd.ctl.output import give_up_output
from clipd.errors import ClipdError

_NO_LIMIT = 1000  # characters: more than any first sentence has

json_option = click.option(
    "--json", "as_json", is_flag=True, help="JSON, for scripts; refusals, too."
)


class CommandGroup(click.Group):
    """A group of commands; click's own cuts their sentences off with dots.

    Args:
        later: commands whose modules are imported when they are needed, as ``module:name``: the
            start of a program that waits for all of them is what people wait for.
        following: what to type next, by the code of a refusal whose sentence does not say it.
    """

    def __init__(
        self,
        *args: Any,
        later: Mapping[str, str] | None = None,
        following: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(*args, **extra)
        self._later = dict(later or {})
        self._following = dict(following or {})

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

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the program.

        Returns:
            the exit code, unless ``standalone_mode`` ends the process with it.
        """
        words = list(sys.argv[1:] if args is None else args)
        program = prog_name or self.name or "clipd"
        code = self._run(words, program, complete_var, extra)
        if standalone_mode:
            sys.exit(code)
        return code

    def _run(
        self, words: list[str], program: str, complete_var: str | None, extra: Mapping[str, Any]
    ) -> int:
        if f"_{program.upper()}_COMPLETE" in os.environ:
            from clipd.ctl.shells import use_our_shells

            use_our_shells()
        as_json = "--json" in (words[: words.index("--")] if "--" in words else words)
        try:
            code = super().main(words, program, complete_var, standalone_mode=False, **extra)
        except click.Abort:
            return failures.INTERRUPTED
        except click.ClickException as error:
            error.show()
            if as_json:
                failures.tell_json("usage", error.format_message())
            return error.exit_code
        except ClipdError as error:
            return failures.tell(error, program, as_json=as_json, following=self._following)
        except OSError as error:
            give_up_output(error, program)
            raise  # the output is well: this is something else
        except RuntimeError as error:
            if not _hides_interrupt(error):
                raise
            return failures.INTERRUPTED
        return code if isinstance(code, int) else failures.DONE


def _hides_interrupt(error: BaseException | None) -> bool:
    """Whether an error came of a Ctrl-C: between the parts of a condition its lock is not held."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


CommandGroup.group_class = CommandGroup  # groups in it are of the same kind
