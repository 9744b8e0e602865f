"""What there is to complete besides commands and options: numbers, and words of a query."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from clipd.ctl.client import Client
from clipd.ctl.last_list import last_list
from clipd.errors import ClipdError, ConfigError
from clipd.json_types import JsonObject

if TYPE_CHECKING:  # what completes nothing does not wait for it
    from click.shell_completion import CompletionItem

_ANSWER_SECONDS = 0.1  # whoever presses a key waits for it
_MOST_NUMBERS = 50


class PhotoWord(click.Path):
    """A path, or a number of the last list."""

    name = "photo"

    def __init__(self) -> None:
        super().__init__(path_type=bytes, allow_dash=True)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer numbers behind an @, else files."""
        from click.shell_completion import CompletionItem

        if not incomplete.startswith("@"):
            return super().shell_complete(ctx, param, incomplete)
        numbers = [f"@{number + 1}" for number in range(min(len(last_list()), _MOST_NUMBERS))]
        return [CompletionItem(one) for one in numbers if one.startswith(incomplete)]


def complete_library(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a library, or the path of a socket."""
    from click.shell_completion import CompletionItem

    from clipd.config.peers import HERE, load_peers, peers_file

    if "/" in incomplete:
        return [CompletionItem(incomplete, type="file")]
    names = [HERE]
    with suppress(ConfigError):
        names += [peer.name for peer in load_peers(peers_file())]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def query_items(incomplete: str) -> list[CompletionItem]:
    """Ask clipd how a word of a query may go on; nothing where it does not answer at once."""
    from click.shell_completion import CompletionItem

    asked: JsonObject = {"q": incomplete, "at": len(incomplete), **where_we_are()}
    try:
        answer = Client(seconds=_ANSWER_SECONDS).get("/v1/complete", asked)
    except ClipdError:
        return []
    start, options = answer.get("from"), answer.get("options")
    if not isinstance(start, int) or not isinstance(options, list):
        return []
    return [CompletionItem(incomplete[:start] + str(option)) for option in options]


def where_we_are() -> JsonObject:
    """Return what ``.`` and ``~`` mean in a query that is asked from here."""
    found: JsonObject = {}
    with suppress(FileNotFoundError):  # the folder that we are in was deleted
        found["folder"] = os.getcwd()
    home = os.environ.get("HOME", "")
    if os.path.isabs(home):
        found["home"] = home
    return found


def complete_query(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a word of a query: as click calls it."""
    from click.shell_completion import CompletionItem

    if incomplete.startswith("-") and len(incomplete) > 1:
        return [CompletionItem("-" + item.value) for item in query_items(incomplete[1:])]
    return query_items(incomplete)


def complete_folder(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Have the shell complete the name of a folder, which need not be there."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]
