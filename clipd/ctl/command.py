"""``clipctl``: its commands. How they end is in ``ctl/failures.py``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import click

import clipd
from clipd.ctl.command_group import CommandGroup
from clipd.ctl.destination import asking_at
from clipd.ctl.query_words import is_slip

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# What to type next, by the code of a refusal whose sentence does not say it.
_NEXT = {
    "query_empty": 'clipctl search "sunset over water"',
    "busy": "clipctl status",
    "too_many_connections": "clipctl status",
    "storage_full": "df -h",
}


# Each is imported when it is asked for: `clipctl search` does not pay for the others.
_COMMANDS = {
    "search": "clipd.ctl.finding:search",
    "similar": "clipd.ctl.similar:similar",
    "open": "clipd.ctl.desktop:open_photos",
    "show": "clipd.ctl.desktop:show",
    "view": "clipd.ctl.viewing:view",
    "dupes": "clipd.ctl.dupes:dupes",
    "copy": "clipd.ctl.copying:copy",
    "browse": "clipd.ctl.browse:browse",
    "info": "clipd.ctl.info:info",
    "status": "clipd.ctl.state:status",
    "errors": "clipd.ctl.state:errors",
    "ping": "clipd.ctl.state:ping",
    "rescan": "clipd.ctl.acting:rescan",
    "pause": "clipd.ctl.acting:pause",
    "resume": "clipd.ctl.acting:resume",
    "model": "clipd.ctl.next_model:model",
    "completion": "clipd.ctl.acting:completion",
    "verify": "clipd.ctl.checking:verify",
}


class SearchingGroup(CommandGroup):
    """A group for which words that are no command are a search: ``clipctl sunset over water``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take options, and words with a minus, for a search; ``--at`` from wherever it stands."""
        asked, args = _without_at(args)
        if asked[-1:] == ["--at"] and not ctx.resilient_parsing:
            ctx.fail("Option '--at' requires an argument.")
        if args and args[0].startswith("-") and args[0] not in ("-h", "--help", "--version"):
            args = ["search", *args]
        return super().parse_args(ctx, [*asked, *args])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a word that is none begins a query, unless it looks like a slip.

        A slip (``stauts``) is refused, because its search would wake the model for an answer
        that nobody wants. One letter for another makes words, as ``snow`` for ``show``: that is
        searched for.
        """
        word = args[0]
        if word not in self.list_commands(ctx):
            if not ctx.resilient_parsing and is_slip(word, self.list_commands(ctx)):
                from clipd.suggest import nearest  # here, because difflib takes a while

                near = nearest(word, self.list_commands(ctx))[0]
                ctx.fail(
                    f"there is no command {word}; did you mean clipctl {near}? "
                    f"To search for it: clipctl search {word}"
                )
            args = ["search", *args]
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete commands, and where there is none the words of a query."""
        items = super().shell_complete(ctx, incomplete)
        if items or not incomplete:
            return items
        from clipd.ctl.completing import complete_query

        return [*complete_query(ctx, self.params[0], incomplete)]


def _without_at(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take ``--at X`` and ``--at=X`` out of words, up to ``--``: all commands have it.

    Returns:
        what was taken out, and the rest.
    """
    end = args.index("--") if "--" in args else len(args)
    asked: list[str] = []
    rest: list[str] = []
    left = list(args[:end])
    while left:
        word = left.pop(0)
        if word == "--at":
            asked += [word, *left[:1]]
            left = left[1:]
        else:
            (asked if word.startswith("--at=") else rest).append(word)
    return asked, [*rest, *args[end:]]


def _complete_library(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from clipd.ctl.completing import complete_library

    return complete_library(ctx, param, incomplete)


def _ask_at(ctx: click.Context, _parameter: click.Parameter, word: str | None) -> None:
    if word and not ctx.resilient_parsing:
        from clipd.ctl.libraries import socket_named  # here, because few commands have it

        ctx.with_resource(asking_at(socket_named(word)))


@click.group(
    cls=SearchingGroup,
    later=_COMMANDS,
    following=_NEXT,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--at",
    metavar="SOCKET|NAME",
    expose_value=False,
    callback=_ask_at,
    shell_complete=_complete_library,
    help="Ask another clipd: behind a socket, or a peer of clipctl.toml.",
)
@click.version_option(clipd.__version__, prog_name="clipctl")
def cli() -> None:
    """Search your photos by what they show.

    \b
      clipctl sunset over water              the same as: clipctl search ...
      clipctl search beach -people on:2019 in:~/Pictures
      clipctl open @3                        the third of the last list
      clipctl similar ~/Pictures/beach.jpg
      clipctl status --wait

    CLIPD_SOCKET points to the socket of another clipd, and so does --at with any command, in front
    or behind: clipctl --at /run/user/1000/nas.sock status
    """


def main() -> NoReturn:
    """Run clipctl as the process."""
    # A parent that ignores SIGINT (nohup, a background job of a script) hands that on, and
    # Python leaves it so: a signal sent to us on purpose would then end nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    code = cli.main(arguments, "clipctl", standalone_mode=False)
    assert isinstance(code, int)
    return code
