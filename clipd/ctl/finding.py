"""``clipctl search`` and ``clipctl similar``."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

import click

from clipd.ctl.answer_wait import MODEL_SECONDS, PING_SECONDS
from clipd.ctl.client import Client
from clipd.ctl.hit_list import print_hits
from clipd.ctl.last_list import chosen_photos
from clipd.ctl.output import (
    draw_line,
    emit,
    emit_json,
    erase_line,
    is_lively,
    objects,
    path_bytes,
    path_value,
    say,
)
from clipd.errors import ClipdError, RequestError
from clipd.json_types import JsonObject, JsonValue
from clipd.pathtext import shown

# The daemon finds no such photo, or can make no picture of it: what it cannot see (its unit
# hides folders from it) or open, we may.
UPLOADABLE = (404, 422)


def _limits(command: click.Command) -> click.Command:
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
        click.Option(
            ["--json", "as_json"], is_flag=True, help="One JSON object, for scripts; refusals, too."
        ),
        click.Option(
            ["-0", "--null", "null"],
            is_flag=True,
            help="Only the paths, exact, each ended by NUL: for xargs -0.",
        ),
    )
    command.params.extend(options)
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


@_limits
@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option(
    "--plus", multiple=True, metavar="TEXT[:W]", help="More of this too, W times as much."
)
@click.option("--minus", multiple=True, metavar="TEXT[:W]", help="Less of this.")
def search(
    query: tuple[str, ...],
    plus: tuple[str, ...],
    minus: tuple[str, ...],
    limit: int | None,
    min_score: float | None,
    as_json: bool,
    null: bool,
) -> int:
    """Find photos by what they show.

    \b
      clipctl search "sunset over water"
      clipctl search beach --minus people --plus dog:0.5 -n 5
      clipctl search -0 cake | xargs -0 cp -t /tmp/cakes

    Prints a score and a path a line, best first, and a third column "offline"
    where the photo's drive is not there. Ends with 1 when nothing is found.
    """
    text = " ".join(query)
    asked: JsonObject = {"query": text}
    if plus or minus:
        more = [_weighted(one, 1) for one in plus]
        less = [_weighted(one, -1) for one in minus]
        asked = {"terms": [_term(text, 1), *more, *less]}
    with searching() as client:
        answer = client.post("/v1/search", asked | _limit_values(limit, min_score))
    return _print(answer, as_json, null)


@_limits
@click.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=bytes))
def similar(
    pictures: tuple[bytes, ...],
    limit: int | None,
    min_score: float | None,
    as_json: bool,
    null: bool,
) -> int:
    """Find photos that look like a picture, which may lie anywhere.

    \b
      clipctl similar @3                        the third of the last list
      clipctl similar ~/Pictures/beach.jpg
      clipctl similar /tmp/download.png -n 5 --json
    """
    chosen = chosen_photos(pictures)
    limits = _limit_values(limit, min_score)
    try:
        asked: JsonObject = {"terms": [path_value(photo.path) for photo in chosen]}
        with searching() as client:
            answer = client.post("/v1/search", asked | limits)
    except RequestError as error:
        if error.status not in UPLOADABLE:
            raise
        answer = _upload([photo.path for photo in chosen], limits)
    return _print(answer, as_json, null)


def _upload(paths: Sequence[bytes], limits: JsonObject) -> JsonObject:
    """Ask with the bytes of the pictures, which clipd cannot open by itself."""
    with ExitStack() as opened:
        files = [opened.enter_context(_picture(path)) for path in paths]
        with searching() as client:
            if len(files) == 1:
                return client.upload("/v1/search", files[0], limits)
            asked: JsonObject = {"terms": [_picture_term(file) for file in files]}
            return client.post("/v1/search", asked | limits)


def _picture(path: bytes) -> BinaryIO:
    try:
        file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115  the caller closes it
    except OSError as error:
        message = f"cannot read {shown(path)}: {error.strerror}"
        raise RequestError("unreadable", message, 422) from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise RequestError("unreadable", f"{shown(path)} is not a file", 422)
    return file


def _picture_term(file: BinaryIO) -> JsonObject:
    import base64  # here, because it is rare to look for several pictures of elsewhere

    return {"picture_b64": base64.b64encode(file.read()).decode("ascii")}


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # nobody may ever write to a pipe


def _weighted(text: str, sign: int) -> JsonValue:
    """Read ``TEXT[:W]``; a colon that no number follows belongs to the text."""
    start, colon, end = text.rpartition(":")
    try:
        return _term(start, sign * float(end)) if colon and start else _term(text, sign)
    except ValueError:
        return _term(text, sign)


def _term(text: str, weight: float) -> JsonValue:
    return {"text": text, "weight": weight}


def _limit_values(limit: int | None, min_score: float | None) -> JsonObject:
    values: JsonObject = {"limit": limit, "min_score": min_score}
    return {key: value for key, value in values.items() if value is not None}


def _print(answer: JsonObject, as_json: bool, null: bool) -> int:
    hits = objects(answer["hits"])
    if note := answer.get("note"):
        say(str(note))
    if as_json:
        emit_json(answer)
    elif null:
        emit(b"".join(path_bytes(hit) + b"\0" for hit in hits))
    elif hits:
        print_hits(hits)
    else:
        say(f"nothing found for {answer['query']}; what is indexed: clipctl status")
    return 0 if hits else 1
