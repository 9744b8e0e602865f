"""``clipctl dupes``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import click

from clipd.ctl.answer_wait import MODEL_SECONDS
from clipd.ctl.client import Client
from clipd.ctl.command_group import json_option
from clipd.ctl.failures import DONE, NOTHING
from clipd.ctl.hit_list import keep_numbers, terminal_lines
from clipd.ctl.output import columns, emit, emit_json, emit_lines, objects, path_bytes, say
from clipd.ctl.text_width import terminal_columns
from clipd.json_types import JsonObject

_WHAT = {  # one, and several
    "copy": ("photo lies at several paths", "photos lie at several paths"),
    "burst": ("burst", "bursts"),
    "look": ("group of photos that look the same", "groups of photos that look the same"),
}


@click.command()
@click.option("--burst", "by", flag_value="burst", help="Photos taken in one go.")
@click.option("--look", "by", flag_value="look", help="Photos that look the same.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, 10_000),
    default=1000,
    show_default=True,
    metavar="N",
    help="At most N groups, the largest first.",
)
@click.option(
    "-0",
    "--null",
    "null",
    is_flag=True,
    help="Only the paths that another one stands for, exact, each ended by NUL: for xargs -0.",
)
@json_option
def dupes(by: str | None, limit: int, null: bool, as_json: bool) -> int:
    """List what is in the library more than once.

    \b
      clipctl dupes                 the same file at several paths
      clipctl dupes --burst         photos taken in one go
      clipctl dupes --look          photos that look the same
      clipctl dupes -0 | xargs -0 ls -l

    The first of a group is the one to keep: the sharpest, then the largest. Prints a number and
    a path a line, the number that of the group; on a terminal @3 stands for the third photo from
    then on. Nothing is deleted. Ends with 1 when there are none.
    """
    kind = by or "copy"
    client = Client(seconds=MODEL_SECONDS)
    answer = client.get("/v1/dupes", {"by": kind, "limit": limit})
    groups = [_ranked(group) for group in objects(answer["groups"])]
    if as_json:
        emit_json(answer)
    elif null:
        emit(b"".join(path_bytes(one) + b"\0" for group in groups for one in group[1:]))
    elif sys.stdout is not None and sys.stdout.isatty() and groups:
        _print_numbered(groups)
    else:
        rows = enumerate(groups, 1)
        emit_lines(columns(number, one["path"]) for number, group in rows for one in group)
    if not as_json:
        say(_summary(kind, len(groups), answer.get("total")))
    return DONE if groups else NOTHING


def _ranked(group: JsonObject) -> list[JsonObject]:
    """Return the files of a group, the one to keep first; a copy is a file of its own."""
    photos = sorted(objects(group["photos"]), key=lambda one: one["photo"] != group["best"])
    return [file for photo in photos for file in _files_of(photo)]


def _files_of(photo: JsonObject) -> Iterator[JsonObject]:
    plain: JsonObject = {**photo, "also": [], "stands_for": 1, "score": None}
    yield plain
    without_path = {key: plain[key] for key in plain if key not in ("path", "path_b64")}
    for other in objects(photo["also"]):
        yield {**without_path, **other}


def _print_numbered(groups: Sequence[Sequence[JsonObject]]) -> None:
    everything = [one for group in groups for one in group]
    keep_numbers(everything)
    lines = terminal_lines(everything, terminal_columns())
    for number, group in enumerate(groups):
        emit_lines(([""] if number else []) + [next(lines) for _ in group])


def _summary(kind: str, shown: int, total: object) -> str:
    if not shown:
        return "nothing is there more than once"
    words = f"{shown:,} {_WHAT[kind][shown > 1]}"
    if isinstance(total, int) and total > shown:
        words += f" of {total:,}; all of them with: --limit {min(total, 10_000)}"
    return words
