"""``clipd bulk``: encoding on a Ray cluster, into a folder that ``clipd vectors import`` takes.

What a command needs is imported by that command.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from clipd.cli.config_option import config_option
from clipd.cli.model_command import wanted_model
from clipd.cli.steps import output_on_stderr
from clipd.config.folders import Paths
from clipd.config.load import load_config
from clipd.config.options import Config
from clipd.ctl import failures
from clipd.ctl.command_group import CommandGroup, json_option
from clipd.ctl.output import emit_json

if TYPE_CHECKING:
    from clipd.bulk.bulk_run import BulkProgress

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOOK_SECONDS = 0.05


@click.group(cls=CommandGroup)
def bulk() -> None:
    """Encode more photos than one machine likes to, on a Ray cluster.

    \b
    Examples:
      clipd bulk encode ray://head.lan /srv/photos --out vectors
      clipd bulk encode local ~/Pictures --out vectors
      clipd vectors import vectors
    """


@bulk.command()
@click.argument("where", metavar="ray://HEAD|local")
@click.argument(
    "folders", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path)
)
@click.option(
    "--out",
    required=True,
    metavar="VECTORS",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that is filled, and goes on where it was.",
)
@click.option(
    "--model", "model_name", default="", metavar="NAME", help="Not the configured model, but this."
)
@click.option(
    "--actors",
    default=None,
    metavar="N",
    type=click.IntRange(1),
    help="How many encode at once; by default one for each GPU, or else for each machine.",
)
@click.option(
    "--part-photos",
    default=32_768,
    show_default=True,
    metavar="N",
    type=click.IntRange(1, 1_000_000),
    help="Write a part after so many photos, and after a minute.",
)
@click.option(
    "--trust-network",
    is_flag=True,
    help="Do without a token and TLS: all who can reach it are ours.",
)
@config_option
@json_option
def encode(
    where: str,
    folders: tuple[Path, ...],
    out: Path,
    model_name: str,
    actors: int | None,
    part_photos: int,
    trust_network: bool,
    config_file: Path | None,
    as_json: bool,
) -> int:
    """Encode the photos below every DIR on a Ray cluster, or on this machine alone.

    What is left out, and all limits, are those of the configuration. DIR has to be there on every
    node, at the same place, and so have clipd and the model. VECTORS is written here, in parts;
    nothing is written anywhere else. docs/bulk.md tells how to start a cluster that lets only you
    in.

    Killed, interrupted or out of room, run it again: what is in a part is not done again. Files
    that cannot be encoded are listed in VECTORS/refused.jsonl. Ends with 0 when all was looked at,
    with 1 when there are no pictures, with 4 when it could not go on.

    \b
    Examples:
      clipd bulk encode ray://head.lan /srv/photos --out vectors
      clipd bulk encode local ~/Pictures --out vectors --model pocket
    """
    from clipd.bulk.bulk_run import BulkRequest, encode_in_bulk
    from clipd.cli.bulk_progress import showing_bulk_progress

    config = _config(config_file)
    model = wanted_model(model_name, "", config_file)
    request = BulkRequest(where, folders, out, actors or 0, trust_network, part_photos)
    with showing_bulk_progress(sys.stderr) as shown:
        try:
            with output_on_stderr():  # Ray prints what its workers die of
                done = _stoppable(
                    lambda stop: encode_in_bulk(request, config, model, shown.show, shown.say, stop)
                )
        except KeyboardInterrupt:
            shown.say("interrupted; what was encoded is kept, and the same command goes on there")
            return failures.INTERRUPTED
    _tell(done, out, as_json=as_json)
    return failures.DONE if done.encoded or done.refused or done.known else failures.NOTHING


def _tell(done: BulkProgress, out: Path, *, as_json: bool) -> None:
    if as_json:
        emit_json(
            {
                "ok": True,
                "encoded": done.encoded,
                "refused": done.refused,
                "known": done.known,
                "parts": done.parts,
                "seconds": round(done.seconds, 3),
                "actors_lost": done.lost,
                "devices": [*done.devices],
            }
        )
        return
    click.echo(f"{done.encoded:,} encoded, {done.refused:,} refused, {done.known:,} done before")
    if not (done.encoded or done.refused or done.known):
        click.echo("clipd: no DIR has a file that is a picture by its name", err=True)
    if done.refused:
        click.echo(f"clipd: which were refused, and why: {out / 'refused.jsonl'}", err=True)
    if done.encoded or done.known:
        click.echo(f"clipd: take them in: clipd vectors import {out}", err=True)


def _config(config_file: Path | None) -> Config:
    if config_file is None and not Paths.of().config.exists():
        return Config()
    return load_config(config_file)


def _stoppable(run: Callable[[threading.Event], BulkProgress]) -> BulkProgress:
    """Run something on a thread beside this one; a signal asks it to stop, a second one ends it.

    SIGTERM is taken for a Ctrl-C, and SIGINT also where our parent ignores it.
    """
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(failures.INTERRUPTED)
        stop.set()

    before = {each: signal.signal(each, ask) for each in _SIGNALS}
    try:
        with ThreadPoolExecutor(1, "clipd-bulk") as thread:
            running = thread.submit(run, stop)
            while wait([running], _LOOK_SECONDS).not_done:
                # Ray puts in a handler of SIGTERM, once it runs, that would have us dumped.
                for each in _SIGNALS:
                    signal.signal(each, ask)
            return running.result()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
