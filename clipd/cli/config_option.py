"""The option ``--config``, the same for every command that has it."""

from __future__ import annotations

from pathlib import Path

import click

config_option = click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Use this configuration instead of ~/.config/clipd/config.toml.",
)
