"""``clipctl rescan``, ``pause``, ``resume`` and ``completion``."""

from __future__ import annotations

import click

from clipd.ctl.client import Client
from clipd.ctl.last_list import chosen_photos
from clipd.ctl.output import emit, path_value, say


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=bytes))
def rescan(path: bytes | None) -> None:
    """Compare the disk with the catalog now.

    \b
      clipctl rescan                    every watched folder
      clipctl rescan ~/Pictures/2024    one folder, or one photo
      clipctl rescan @3                 the third of the last list
    """
    client = Client()
    for photo in chosen_photos([path]) if path else [None]:
        client.post("/v1/rescan", path_value(photo.path) if photo else {})
    say("scanning; follow it with: clipctl status --wait")


@click.command()
def pause() -> None:
    """Stop indexing; searches go on."""
    Client().post("/v1/pause")
    say("paused; go on with: clipctl resume")


@click.command()
def resume() -> None:
    """Go on indexing."""
    Client().post("/v1/resume")
    say("indexing goes on; follow it with: clipctl status --wait")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a completion script.

    \b
      clipctl completion bash > ~/.local/share/bash-completion/completions/clipctl
      clipctl completion zsh  > ~/.zfunc/_clipctl
      clipctl completion fish > ~/.config/fish/completions/clipctl.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    group = context.find_root().command
    emit(kind(group, {}, "clipctl", "_CLIPCTL_COMPLETE").source() + "\n")
