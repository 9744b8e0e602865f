"""The ``clipd`` command: run the daemon, set it up, look after its model and configuration.

What a command needs is imported by that command: ``clipd config check`` does not pay for faiss.
"""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from clipd import __version__
from clipd.cli.bulk_command import bulk
from clipd.cli.config_command import config
from clipd.cli.config_option import config_option
from clipd.cli.model_command import get_model, model, way_to_get
from clipd.cli.setup import SetupRequest, set_up, suggested_folder
from clipd.cli.steps import Steps, output_on_stderr
from clipd.cli.vectors_command import vectors
from clipd.config.folders import base_folder
from clipd.ctl.command_group import CommandGroup, json_option
from clipd.ctl.output import emit_json
from clipd.encode.presets import IN_THE_BOX
from clipd.logs import LEVEL_VARIABLE, LEVELS


@click.group("clipd", cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="clipd")
def main() -> None:
    """Keep a photo library searchable by meaning.

    \b
    Examples:
      clipd setup ~/Pictures       configure, fetch a model, start in the background
      clipd demo                   try it on pictures that it draws itself
      clipd config check           after editing the configuration
      clipctl search "sunset"      search: see clipctl --help
    """


@main.command()
@config_option
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    envvar=LEVEL_VARIABLE,
    default="info",
    show_default=True,
    show_envvar=True,
    help="The least that is worth a line.",
)
@json_option
def run(config_file: Path | None, log_level: str, as_json: bool) -> None:
    """Run the daemon in the foreground, as systemd does.

    It logs to standard error. Ends with 1 after a bug, with 2 when the configuration is wrong:
    systemd starts it again unless it was that.
    """
    gc.disable()
    from clipd.daemon.run import run as run_daemon

    # What is loaded stays: to look through it for garbage takes 30 ms each time.
    gc.freeze()
    gc.enable()
    os.environ[LEVEL_VARIABLE] = log_level  # its children log with it

    raise SystemExit(run_daemon(config_file))


@main.command()
@click.argument("folders", nargs=-1, metavar="[FOLDER]...", type=click.Path(path_type=Path))
@config_option
@click.option(
    "--model", "model_name", default="", metavar="NAME", help="Use this model (clipd model list)."
)
@click.option("--offline", is_flag=True, help=f"Use the model that comes with clipd, {IN_THE_BOX}.")
@click.option(
    "--encoder",
    "encoder_host",
    default="",
    metavar="HOST",
    help="Have that machine encode, over ssh (docs/far-encoder.md).",
)
@click.option("--no-fetch", is_flag=True, help="Leave the model for later.")
@click.option("--no-service", is_flag=True, help="Leave systemd alone.")
@json_option
def setup(
    folders: tuple[Path, ...],
    config_file: Path | None,
    model_name: str,
    offline: bool,
    encoder_host: str,
    no_fetch: bool,
    no_service: bool,
    as_json: bool,
) -> None:
    """Set clipd up for FOLDERs, or add them; run again, it changes only what differs.

    Writes the configuration, fetches the model, installs and starts the user service.

    \b
    Examples:
      clipd setup ~/Pictures
      clipd setup /media/me/archive
      clipd setup --offline ~/Pictures
      clipd setup --model clip-vit-large-patch14 --no-service ~/Pictures
      clipd setup --encoder me@desktop.local ~/Pictures
    """
    if offline and model_name:
        raise click.UsageError("--offline means the model that comes with clipd: no --model then")
    request = SetupRequest(
        folders=folders,
        config_file=config_file,
        model=IN_THE_BOX if offline else model_name,
        with_model=not no_fetch,
        with_service=not no_service,
    )
    can_ask = sys.stdin.isatty() and not as_json
    if not folders and not request.file.exists() and can_ask:
        request = _ask_for_folder(request)
    steps = Steps(as_json)
    confirm = _ask if can_ask else None
    if encoder_host:
        from clipd.cli.far_setup import set_up_far_encoder

        set_up_far_encoder(encoder_host, request, get_model, steps.say, confirm)
    else:
        set_up(request, way_to_get(request.file), steps.say, confirm)
    steps.print_json()


@main.command()
@config_option
@json_option
def encoder(config_file: Path | None, as_json: bool) -> None:
    """Encode for a clipd on another machine, which starts this over ssh.

    It speaks on standard input and output, and listens to nothing. The model has to be here:
    clipd model fetch. On the other machine: clipd setup --encoder HOST

    \b
      ssh -T desktop clipd encoder
    """
    from clipd.encode.greeting import greeting_line

    if as_json or sys.stdin.isatty():
        raise click.UsageError(
            "clipd encoder speaks with another clipd, not with people; "
            "on the machine that has the photos, run: clipd setup --encoder HOST"
        )
    sys.stdout.buffer.write(greeting_line(__version__))
    sys.stdout.buffer.flush()
    from clipd.encode.far_server import serve  # which brings numpy along

    serve(config_file)


main.add_command(model)
main.add_command(vectors)
main.add_command(bulk)
main.add_command(config)


@main.command()
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False))
@click.option("--keep", is_flag=True, help="Leave the daemon and its folder for playing.")
@click.option(
    "--limit",
    default=500,
    show_default=True,
    type=click.IntRange(1),
    metavar="N",
    help="How many pictures of FOLDER at most.",
)
@click.option("--browse", is_flag=True, help="Look at them in the browser.")
@click.option("--milvus", is_flag=True, help="Of the drawn ones, keep the index in Milvus Lite.")
@json_option
def demo(
    folder: str | None, keep: bool, limit: int, browse: bool, milvus: bool, as_json: bool
) -> int:
    """Show clipd at work: on pictures that it draws, or on some of yours.

    \b
      clipd demo                   draws 200 pictures and checks every answer
      clipd demo ~/Pictures        looks at 500 of yours, then answers what you type
      clipd demo ~/Pictures --browse

    Yours are only read; what is written goes into a throw-away folder.
    """
    from clipd.cli import demo as show

    if folder and keep:
        raise click.UsageError("--keep is for the drawn pictures: leave it out, or run clipd setup")
    if folder and milvus:
        raise click.UsageError("--milvus is for the drawn pictures; yours: docs/milvus.md")
    pictures = Path(folder).absolute() if folder else None
    if not as_json:
        return show.main(keep, pictures, limit, browse=browse, milvus=milvus)
    with output_on_stderr():
        code = show.main(keep, pictures, limit, browse=browse, milvus=milvus)
    emit_json({"ok": code == 0})
    return code


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
def completion(shell: str, as_json: bool) -> None:
    """Print what a shell has to read to complete clipd and clipctl.

    \b
      eval "$(clipd completion bash)"         in ~/.bashrc
      eval "$(clipd completion zsh)"          in ~/.zshrc, behind compinit
      clipd completion fish | source          in ~/.config/fish/config.fish
    """
    from clipd.ctl.command import cli
    from clipd.ctl.shells import completion_script

    script = completion_script(shell, [("clipd", main), ("clipctl", cli)])
    if as_json:
        emit_json({"shell": shell, "script": script})
    else:
        click.echo(script, nl=False)


@main.command("man")
@click.option(
    "--to",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write them there; by default where man looks for those of this user.",
)
@json_option
def write_man_pages(folder: Path | None, as_json: bool) -> None:
    """Write the manual pages of clipd and clipctl, made from the commands themselves.

    \b
      clipd man && man clipctl
      clipd man --to /usr/local/share/man/man1
    """
    from clipd.cli.man_page import Manual, write_pages
    from clipd.ctl.command import cli

    programs = (Manual("clipd", main, "clipctl"), Manual("clipctl", cli, "clipd"))
    steps = Steps(as_json)
    for file in write_pages(programs, folder or base_folder("XDG_DATA_HOME") / "man/man1"):
        steps.say(str(file))
    steps.print_json()


def _ask(question: str) -> bool:
    return click.confirm(question, default=True)


def _ask_for_folder(request: SetupRequest) -> SetupRequest:
    folder = click.prompt("Which folder holds your photos?", default=str(suggested_folder()))
    return replace(request, folders=(Path(folder),))
