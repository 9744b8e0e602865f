"""``clipctl verify``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from clipd.ctl.answer_wait import CHECK_SECONDS
from clipd.ctl.client import Client
from clipd.ctl.command_group import json_option
from clipd.ctl.output import emit_json, emit_lines, objects, path_bytes, say
from clipd.ctl.waiting import clock, number, progress_screen
from clipd.errors import NotRunningError
from clipd.json_types import JsonObject, JsonValue
from clipd.pathtext import one_line, shown


@click.command()
@click.option("--disk", is_flag=True, help="Also walk the watched folders.")
@click.option("--deep", is_flag=True, help="Also read every file; takes as long as that takes.")
@click.option("--repair", is_flag=True, help="Put right what is wrong.")
@json_option
def verify(disk: bool, deep: bool, repair: bool, as_json: bool) -> int:
    """Check that catalog and index agree, and the disk with them. Ends with 1 when they do not.

    \b
      clipctl verify             the catalog and the index
      clipctl verify --disk      also which files there are, and whether they have changed
      clipctl verify --deep      also every byte of them
      clipctl verify --disk --repair

    Searches and indexing go on meanwhile; Ctrl-C ends it.
    """
    asked: JsonObject = {"disk": disk, "deep": deep, "repair": repair, "progress": True}
    verdict = _follow(asked)
    if as_json:
        emit_json(verdict)
    else:
        emit_lines(_lines(verdict))
        for sentence in _remarks(verdict):
            say(sentence)
        say(_summary(verdict, repair=repair, disk=disk or deep))
    return 0 if verdict["ok"] else 1


def _follow(asked: JsonObject) -> JsonObject:
    """Show how far the check is, and return its verdict."""
    screen = progress_screen()
    try:
        for line in Client(seconds=CHECK_SECONDS).follow("/v1/verify", asked):
            if "ok" in line:
                return line
            screen.show(_progress(line), number(line, "done"), number(line, "total"))
    finally:
        screen.clear()
    raise NotRunningError("clipd went away before the check was done; see: clipctl status")


def _progress(line: JsonObject) -> str:
    words = f"checking {line.get('stage') or 'starts'}"
    done, total = number(line, "done"), number(line, "total")
    if not total:
        return words
    words = f"{words}: {100 * done // total} %"
    left = line.get("seconds_left")
    return f"{words}, {clock(left)} left" if isinstance(left, int | float) else words


def _lines(verdict: JsonObject) -> Iterator[str]:
    """Yield what is wrong, each kind with the first paths that are concerned."""
    for difference in objects(verdict["differences"]):
        yield one_line(str(difference["problem"]))
        paths = objects(difference["paths"])
        for path in paths:
            yield f"  {one_line(shown(path_bytes(path)))}"
        more = number(difference, "count") - len(paths)
        if paths and more > 0:
            yield f"  and {more:,} more"


def _remarks(verdict: JsonObject) -> Iterator[str]:
    for difference in objects(verdict["repaired"]):
        yield f"repaired: {difference['problem']}"
    for root in objects(verdict["passed_over"]):
        yield f"passed over {root['path']}: {root['reason']}"
    yield from map(str, _list(verdict["notes"]))


def _summary(verdict: JsonObject, *, repair: bool, disk: bool) -> str:
    if not verdict["ok"]:
        again = " --disk" if disk else ""
        following = "see: clipctl errors" if repair else f"clipctl verify{again} --repair"
        return f"not all is right; {following}"
    if not disk:
        return "catalog and index agree"
    return f"disk, catalog and index agree ({number(verdict, 'files'):,} files)"


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
