"""``clipctl rescan``, ``pause``, ``resume``, ``verify`` and ``completion``."""

from __future__ import annotations

import os

import click

from clipd.ctl.answer_wait import CHECK_SECONDS
from clipd.ctl.client import Client
from clipd.ctl.output import emit, emit_json, emit_lines, path_value, say
from clipd.pathtext import one_line


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=bytes))
def rescan(path: bytes | None) -> None:
    """Compare the disk with the catalog now.

    \b
      clipctl rescan                    every watched folder
      clipctl rescan ~/Pictures/2024    one folder, or one photo
    """
    Client().post("/v1/rescan", path_value(os.path.abspath(path)) if path else {})
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
@click.option("--repair", is_flag=True, help="Put right what is wrong, from the catalog.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
def verify(repair: bool, as_json: bool) -> int:
    """Check that catalog and index agree. Ends with 1 when they do not.

    \b
      clipctl verify
      clipctl verify --repair
    """
    verdict = Client(seconds=CHECK_SECONDS).post("/v1/verify", {"repair": repair})
    problems = verdict["problems"] if isinstance(verdict["problems"], list) else []
    if as_json:
        emit_json(verdict)
    else:
        emit_lines(one_line(str(problem)) for problem in problems)
        if verdict["ok"]:
            say("catalog and index agree")
        else:
            say(
                "not all is right; "
                + ("see: clipctl errors" if repair else "clipctl verify --repair")
            )
    return 0 if verdict["ok"] else 1


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
