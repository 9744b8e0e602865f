"""``clipctl rescan``, ``pause``, ``resume`` and ``completion``."""

from __future__ import annotations

import click

from clipd.ctl.client import Client
from clipd.ctl.command_group import json_option
from clipd.ctl.completing import PhotoWord
from clipd.ctl.last_list import chosen_photos
from clipd.ctl.output import emit, emit_json, path_value, say
from clipd.ctl.whereabouts import client_of


@click.command()
@click.argument("path", required=False, type=PhotoWord())
@json_option
def rescan(path: bytes | None, as_json: bool) -> None:
    """Compare the disk with the catalog now.

    \b
      clipctl rescan                    every watched folder
      clipctl rescan ~/Pictures/2024    one folder, or one photo
      clipctl rescan @3                 the third of the last list
    """
    if not path:
        Client().post("/v1/rescan")
    for photo in chosen_photos([path]) if path else []:
        client_of(photo).post("/v1/rescan", path_value(photo.path))
    _done(as_json, "scanning; follow it with: clipctl status --wait")


@click.command()
@json_option
def pause(as_json: bool) -> None:
    """Stop indexing; searches go on."""
    Client().post("/v1/pause")
    _done(as_json, "paused; go on with: clipctl resume")


@click.command()
@json_option
def resume(as_json: bool) -> None:
    """Go on indexing."""
    Client().post("/v1/resume")
    _done(as_json, "indexing goes on; follow it with: clipctl status --wait")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
@click.pass_context
def completion(context: click.Context, shell: str, as_json: bool) -> None:
    """Print a completion script: for commands, options, filters and their values.

    \b
      clipctl completion bash > ~/.local/share/bash-completion/completions/clipctl
      clipctl completion zsh  > ~/.zfunc/_clipctl
      clipctl completion fish > ~/.config/fish/completions/clipctl.fish

    For both programs at once: clipd completion --help
    """
    from clipd.ctl.shells import completion_script

    script = completion_script(shell, [("clipctl", context.find_root().command)])
    if as_json:
        emit_json({"shell": shell, "script": script})
    else:
        emit(script)


def _done(as_json: bool, sentence: str) -> None:
    if as_json:
        emit_json({"ok": True})
    else:
        say(sentence)
