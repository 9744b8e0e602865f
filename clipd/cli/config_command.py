"""``clipd config``: what is in effect, what could be, and whether it can be used."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click

from clipd.cli.config_option import config_option
from clipd.config.folders import Paths
from clipd.config.load import load_config
from clipd.config.render import effective_text, example_text
from clipd.ctl.command_group import CommandGroup, json_option
from clipd.ctl.output import emit_json
from clipd.json_types import JsonValue


@click.group(cls=CommandGroup)
def config() -> None:
    """Show, check or explain the configuration.

    \b
    Examples:
      clipd config check           after editing it
      clipd config show            what is in effect
      clipd config example         every key, and what it is for
    """


@config.command("show")
@config_option
@json_option
def show_config(config_file: Path | None, as_json: bool) -> None:
    """Print the configuration in effect as TOML: what is set, and the defaults."""
    text = effective_text(load_config(config_file))
    if as_json:
        emit_json(tomllib.loads(text))
    else:
        click.echo(text, nl=False)


@config.command("example")
@json_option
def show_example(as_json: bool) -> None:
    """Print every key with its default and what it is for."""
    if as_json:
        emit_json({"example": example_text()})
    else:
        click.echo(example_text(), nl=False)


@config.command("check")
@config_option
@json_option
def check_config(config_file: Path | None, as_json: bool) -> None:
    """Say whether the configuration can be used, and what is wrong if not.

    Looks for the model and the folders, too: clipd starts without them, and waits for them.
    """
    from clipd.cli.start_check import start_hindrances

    file = config_file or Paths.of().config
    checked = load_config(file)
    hindrances = list(start_hindrances(checked, Paths.of()))
    if as_json:
        waits: list[JsonValue] = [*hindrances]
        emit_json({"ok": True, "file": str(file), "roots": len(checked.roots), "waits_for": waits})
        return
    click.echo(f"{file}: in order, {len(checked.roots)} root{'s' * (len(checked.roots) != 1)}")
    for sentence in hindrances:
        click.echo(f"clipd: {sentence}", err=True)
