"""``clipctl search`` and ``clipctl similar``."""

from __future__ import annotations

import os

import click

from clipd.ctl.client import Client, Object
from clipd.ctl.output import (
    columns,
    dimmed,
    emit,
    emit_json,
    emit_lines,
    objects,
    path_bytes,
    path_value,
    say,
)
from clipd.errors import RequestError

UNKNOWN_PATH = "unknown_path"  # the daemon's word for a path that is not in the catalog


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
        click.Option(["--json", "as_json"], is_flag=True, help="One JSON object, for scripts."),
        click.Option(
            ["-0", "--null", "null"],
            is_flag=True,
            help="Only the paths, exact, each ended by NUL: for xargs -0.",
        ),
    )
    command.params.extend(options)
    return command


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
    asked: Object = {"query": text}
    if plus or minus:
        terms = [_term(text, 1), *(_weighted(one, 1) for one in plus)]
        asked = {"terms": [*terms, *(_weighted(one, -1) for one in minus)]}
    return _print(
        Client().post("/v1/search", asked | _limit_values(limit, min_score)), as_json, null
    )


@_limits
@click.command()
@click.argument("picture", type=click.Path(path_type=bytes))
def similar(
    picture: bytes, limit: int | None, min_score: float | None, as_json: bool, null: bool
) -> int:
    """Find photos that look like a picture, which may lie anywhere.

    \b
      clipctl similar ~/Pictures/beach.jpg
      clipctl similar /tmp/download.png -n 5 --json
    """
    path = os.path.abspath(picture)
    limits = _limit_values(limit, min_score)
    try:
        answer = Client().post("/v1/search", {"terms": [path_value(path)]} | limits)
    except RequestError as error:
        if error.code != UNKNOWN_PATH:
            raise
        answer = _upload(path, limits)
    return _print(answer, as_json, null)


def _upload(path: bytes, limits: dict[str, int | float]) -> Object:
    try:
        with open(path, "rb") as file:
            return Client().upload("/v1/search", file, **limits)
    except OSError as error:
        message = f"cannot read {os.fsdecode(path)}: {error.strerror}"
        raise RequestError("unreadable", message) from error


def _weighted(text: str, sign: int) -> Object:
    """Read ``TEXT[:W]``; a colon that no number follows belongs to the text."""
    start, colon, end = text.rpartition(":")
    try:
        return _term(start, sign * float(end)) if colon and start else _term(text, sign)
    except ValueError:
        return _term(text, sign)


def _term(text: str, weight: float) -> Object:
    return {"text": text, "weight": weight}


def _limit_values(limit: int | None, min_score: float | None) -> dict[str, int | float]:
    values = {"limit": limit, "min_score": min_score}
    return {key: value for key, value in values.items() if value is not None}


def _print(answer: Object, as_json: bool, null: bool) -> int:
    hits = objects(answer["hits"])
    if note := answer.get("note"):
        say(str(note))
    if as_json:
        emit_json(answer)
    elif null:
        emit(b"".join(path_bytes(hit) + b"\0" for hit in hits))
    else:
        emit_lines(_line(hit) for hit in hits)
        if not hits:
            say(f"nothing found for {answer['query']}; what is indexed: clipctl status")
    return 0 if hits else 1


def _line(hit: Object) -> str:
    line = columns(f"{float(str(hit['score'])):.3f}", hit["path"])
    return dimmed(line + "\toffline") if hit["offline"] else line
