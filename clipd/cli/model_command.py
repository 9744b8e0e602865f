"""``clipd model``: which models there are, how to get one, to use it, and to let go of one.

The encoder's modules bring numpy along; they are imported by the commands that need them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clipd.cli.config_option import config_option
from clipd.cli.progress import showing_progress
from clipd.cli.steps import Steps
from clipd.config.folders import Paths
from clipd.config.load import load_config
from clipd.config.options import Config, EncoderConfig, ModelConfig
from clipd.ctl.command_group import CommandGroup, json_option
from clipd.ctl.output import emit_json
from clipd.errors import ModelMissingError, NotRunningError
from clipd.json_types import JsonObject, JsonValue

if TYPE_CHECKING:
    from clipd.encode.models import Info, Listed


@click.group(cls=CommandGroup)
def model() -> None:
    """List, fetch, use, describe and forget models.

    \b
    Examples:
      clipd model list
      clipd model use clip-vit-base-patch32
      clipd model fetch                    the one of your configuration
      clipd model fetch clip-vit-base-patch32
      clipd model fetch ViT-B-32 laion2b_s34b_b79k
      clipd model forget --others          drop what was made with former models
    """


@model.command("list")
@click.option("--all", "everything", is_flag=True, help="Also all that open_clip knows.")
@json_option
def list_models(everything: bool, as_json: bool) -> None:
    """List the models by name: what to write as model.name."""
    from clipd.encode import models

    paths = Paths.of()
    listed = models.listing(paths.models, paths.cache, everything=everything)
    if as_json:
        emit_json({"models": [asdict(row) for row in listed]})
        return
    rows = [_columns(row) for row in listed]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@model.command("fetch")
@click.argument("name", default="")
@click.argument("pretrained", default="")
@config_option
@json_option
def fetch_model(name: str, pretrained: str, config_file: Path | None, as_json: bool) -> None:
    """Fetch the weights of a model, by default of the configured one.

    It may be interrupted: run again, it goes on where it was. A running clipd that waits for the
    model takes it up.
    """
    from clipd.cli.model_change import take_over

    wanted = wanted_model(name, pretrained, config_file)
    steps = Steps(as_json)
    steps.say(f"model    {get_model(wanted)}")
    if not name:
        with suppress(NotRunningError):
            paths = Paths.of()
            config = _config(config_file)
            take_over(config, config_file or paths.config, paths, steps.say)
    steps.print_json()


@model.command("use")
@click.argument("name")
@click.argument("pretrained", default="")
@config_option
@json_option
def use_model(name: str, pretrained: str, config_file: Path | None, as_json: bool) -> None:
    """Change to another model: fetch it, write it into the configuration, have clipd use it.

    Where another machine encodes, it needs the weights, and not this one.

    Photos are then encoded again in the background. What the former model made is kept for as
    long as store.keep says, so that a change back costs nothing.

    \b
    Examples:
      clipd model use clip-vit-base-patch32
      clipd model use ViT-B-32 laion2b_s34b_b79k
    """
    from clipd.cli.model_change import change_model

    wanted = ModelConfig(name=name, pretrained=pretrained)
    file = config_file or Paths.of().config
    steps = Steps(as_json)
    change_model(wanted, file, way_to_get(file, anew=True), steps.say)
    steps.print_json()


@model.command("info")
@click.argument("name", default="")
@click.argument("pretrained", default="")
@config_option
@json_option
def describe_model(name: str, pretrained: str, config_file: Path | None, as_json: bool) -> None:
    """Describe a model that is here, by default the configured one."""
    from clipd.cli.measurements import measured_of, sentences
    from clipd.encode import models

    paths = Paths.of()
    wanted = wanted_model(name, pretrained, config_file)
    is_far = _config(config_file).encoder.socket is not None
    told = models.info(wanted, paths.models, paths.cache, is_far=is_far)
    measured = measured_of(told.spec, config_file, paths)
    if as_json:
        emit_json({**_info_json(told), "measured": measured})
        return
    spec = told.spec
    click.echo(f"name          {spec.name}")
    click.echo(f"architecture  {spec.architecture}")
    click.echo(f"pretrained    {spec.pretrained or '-'}")
    click.echo(f"dimensions    {spec.dim}")
    click.echo(f"picture side  {spec.preprocess.side} pixels")
    click.echo(f"weights       {_place_of_weights(told)}")
    click.echo(f"fingerprint   {spec.fingerprint}")
    for sentence in sentences(measured):
        click.echo(f"measured      {sentence}")
    for note in told.notes:
        click.echo(f"note          {note}")


@model.command("forget")
@click.argument("name", default="")
@click.option("--others", is_flag=True, help="All models but the one in use.")
@config_option
@json_option
def forget_model(name: str, others: bool, config_file: Path | None, as_json: bool) -> None:
    """Drop the vectors that were made with a model which is not in use any more.

    By itself clipd keeps them for as long as store.keep says. Go back to that model later, and
    your photos are encoded anew. Its weights stay where they are.

    \b
    Examples:
      clipd model forget --others
      clipd model forget clip-vit-base-patch32
    """
    from clipd.cli.forget import forget

    if bool(name) == others:
        raise click.UsageError("name a model, or use --others for all but the one in use")
    forgotten = forget(name or None, wanted_model("", "", config_file), Paths.of())
    if as_json:
        models: list[JsonValue] = [{"model": one.name, "photos": one.photos} for one in forgotten]
        emit_json({"ok": True, "forgotten": models})
        return
    for each in forgotten:
        click.echo(f"{each.name}: forgotten, with its vectors of {each.photos} photos")
    if not forgotten:
        click.echo("there are no vectors of another model")


def wanted_model(name: str, pretrained: str, config_file: Path | None) -> ModelConfig:
    """Return the model that is named, else the configured one, else the default.

    Raises:
        ConfigError: the configuration is there and wrong.
    """
    return ModelConfig(name=name, pretrained=pretrained) if name else _config(config_file).model


def way_to_get(file: Path, *, anew: bool = False) -> Callable[[ModelConfig], str]:
    """Return what gets a model for a configuration: its weights, or a description of them.

    Args:
        file: the configuration, which need not be there.
        anew: ask the machine that encodes, if there is one, also for what is known here.

    Raises:
        ConfigError: it is wrong.
    """
    encoder = load_config(file, needs_roots=False).encoder if file.exists() else EncoderConfig()
    address = encoder.socket
    if address is None:
        return get_model

    def get(wanted: ModelConfig) -> str:
        from clipd.cli.far_model import get_description, is_known

        if wanted.checkpoint is not None:
            return get_model(wanted)
        if not anew and is_known(wanted):
            return f"{wanted.name} is known here, and another machine encodes"
        return get_description(wanted, address)

    return get


def get_model(wanted: ModelConfig) -> str:
    """Fetch a model's weights unless they are here; return what was done.

    Raises:
        ModelError: there is no such model, or it cannot be fetched.
    """
    from clipd.encode import fetch, models

    paths = Paths.of()
    paths.make()
    try:
        spec = models.resolve(wanted, paths.models, paths.cache)
        return f"{spec.name} is here: {spec.checkpoint}"
    except ModelMissingError:
        if wanted.checkpoint is not None:
            raise  # a file of the user's: nobody can fetch it
    with showing_progress(f"fetching {wanted.name}", sys.stderr) as progress:
        spec = fetch.fetch(wanted, paths.models, paths.cache, progress)
    return f"{spec.name} fetched: {spec.checkpoint}"


def _place_of_weights(told: Info) -> str:
    if not told.size_bytes:
        return "not here: another machine encodes (encoder.socket)"
    return f"{told.spec.checkpoint} ({told.size_bytes / 1e6:.0f} MB)"


def _config(config_file: Path | None) -> Config:
    if config_file is None and not Paths.of().config.exists():
        return Config()
    return load_config(config_file, needs_roots=False)


def _info_json(told: Info) -> JsonObject:
    spec = told.spec
    return {
        "name": spec.name,
        "architecture": spec.architecture,
        "pretrained": spec.pretrained,
        "dim": spec.dim,
        "side": spec.preprocess.side,
        "weights": str(spec.checkpoint) if told.size_bytes else None,
        "bytes": told.size_bytes,
        "fingerprint": spec.fingerprint,
        "notes": [*told.notes],
    }


def _columns(row: Listed) -> tuple[str, ...]:
    return (
        f"{row.name} {row.pretrained}".strip(),
        f"{row.dim} dimensions" if row.dim else "",
        f"{row.megabytes} MB" if row.megabytes else "",
        "here" if row.is_here else "not here",
        row.about,
    )
