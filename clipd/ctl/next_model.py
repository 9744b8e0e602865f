"""``clipctl model switch``: from the model that answers to the one that is configured."""

from __future__ import annotations

import click

from clipd.ctl.client import Client
from clipd.ctl.command_group import CommandGroup, json_option
from clipd.ctl.output import emit_json, emit_lines, say
from clipd.ctl.waiting import clock, next_model, number
from clipd.json_types import JsonObject


class ModelGroup(CommandGroup):
    """A group whose name is a word that people search for, too."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; say how to search for words that are none."""
        if not ctx.resilient_parsing and args[0] not in self.list_commands(ctx):
            words = " ".join(args)
            ctx.fail(
                f"there is no command model {args[0]}, only: clipctl model switch. "
                f"To search for it: clipctl search model {words}"
            )
        return super().resolve_command(ctx, args)


@click.group(cls=ModelGroup)
def model() -> None:
    """Go over to another model; choose it with: clipd model use NAME.

    \b
      clipctl model switch          how far its vectors are
      clipctl model switch --now    use it though photos lack them
    """


@model.command()
@click.option("--now", is_flag=True, help="Use it though searches do not find all photos yet.")
@json_option
def switch(now: bool, as_json: bool) -> None:
    """Say how far the next model is, or use it now.

    After a change of the model searches go on with the former one until every photo has a vector
    of the new one; then clipd goes over by itself.

    \b
      clipctl model switch
      clipctl model switch --now
    """
    client = Client()
    if now:
        client.post("/v1/model/switch")
        if as_json:
            emit_json({"ok": True})
        else:
            say("switching; photos without vectors are found once they have one")
        return
    following = next_model(client.get("/v1/status"))
    if as_json:
        emit_json(following)
    elif following is None:
        say("the configured model is in use; choose another one with: clipd model use NAME")
    else:
        emit_lines([next_model_line(following)])


def next_model_line(following: JsonObject) -> str:
    """Say how far the vectors of a model are, and what that waits for."""
    left, reason = following.get("seconds_left"), following.get("reason")
    end = f", about {clock(left)} left" if isinstance(left, int) and left else ""
    why = f"; {reason}" if reason else ""
    return (
        f"next     {following.get('name')}: {number(following, 'photos'):,} of"
        f" {number(following, 'of'):,} photos have its vectors{end}{why}"
        " (use it now: clipctl model switch --now)"
    )
