"""What ``search`` and ``similar`` have in common: options, and a wait that says what it is for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from clipd.ctl.answer_wait import MODEL_SECONDS, PING_SECONDS
from clipd.ctl.client import Client
from clipd.ctl.output import draw_line, erase_line, is_lively
from clipd.errors import ClipdError
from clipd.json_types import JsonObject


def limits(command: click.Command) -> click.Command:
    """Give a command the options of how many hits there are to be, and how they are shown."""
    options = (
        click.Option(
            ["-n", "--limit"],
            type=click.IntRange(1, 10_000),
            metavar="N",
            help="At most N hits (20 unless configured).",
        ),
        click.Option(
            ["--min-score"],
            type=click.FloatRange(-1, 1),
            metavar="S",
            help="Only hits of at least this score, -1 to 1.",
        ),
        click.Option(["--json", "as_json"], is_flag=True, help="JSON, for scripts; refusals, too."),
        click.Option(
            ["-0", "--null", "null"],
            is_flag=True,
            help="Only the paths, exact, each ended by NUL: for xargs -0.",
        ),
        click.Option(
            ["--preview"],
            type=click.Choice(["auto", "on", "off"]),
            default="auto",
            envvar="CLIPD_PREVIEW",
            show_envvar=True,
            show_default=True,
            help="Show pictures: auto if the terminal draws pixels, on else in half blocks.",
        ),
    )
    command.params.extend(options)
    return command


def libraries(command: click.Command) -> click.Command:
    """Give a command the options by which all libraries are asked."""
    everywhere = click.Option(
        ["--everywhere"], is_flag=True, help="Ask the peers of clipctl.toml, too."
    )
    within = click.Option(
        ["--within"],
        type=click.FloatRange(0.1, 3600),
        default=20.0,
        show_default=True,
        metavar="SECONDS",
        help="With --everywhere: how long to wait for those who do not answer.",
    )
    command.params.extend([everywhere, within])
    return command


@contextmanager
def searching() -> Iterator[Client]:
    """Make a client that waits for as long as a model may take, and says so on a terminal."""
    line = WaitingLine()
    try:
        yield Client(seconds=MODEL_SECONDS, on_silence=line.draw)
    finally:
        line.erase()


class WaitingLine:
    """Says on a terminal what a search waits for."""

    def __init__(self) -> None:
        self._is_drawn = False

    def draw(self) -> None:
        """Ask clipd what it does, and say it."""
        if not is_lively(sys.stderr):
            return
        try:
            encoder = Client(seconds=PING_SECONDS).get("/v1/status").get("encoder")
        except ClipdError:
            return  # whoever waits for the answer will find out
        if not isinstance(encoder, dict):
            return
        waking = f"{encoder.get('doing') or 'waking the model'}..."
        self._is_drawn = True
        draw_line("searching..." if encoder.get("state") == "ready" else waking)

    def erase(self) -> None:
        """Take the line back before the hits are printed."""
        if self._is_drawn:
            erase_line()


def limit_values(limit: int | None, min_score: float | None) -> JsonObject:
    """Return the limits that were given, as a request has them."""
    values: JsonObject = {"limit": limit, "min_score": min_score}
    return {key: value for key, value in values.items() if value is not None}
