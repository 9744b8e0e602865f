"""A query, asked of one daemon: with what it depends on here, and what may be wrong in it."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from clipd.ctl.client import Client
from clipd.ctl.completing import where_we_are
from clipd.ctl.destination import asked_socket
from clipd.ctl.last_list import ListedPhoto, last_list
from clipd.ctl.libraries import library_name
from clipd.errors import QueryError, RequestError
from clipd.json_types import JsonObject

_COMPARED = ("rating", "mp", "size", "width", "height", "score", "raw")  # with > and <
_LIKE_NUMBERS = re.compile(r"\b(?:un)?like:(\S*@\S*)")
_NUMBER = re.compile(r"@([1-9]\d{0,8})")


def read_query() -> str:
    """Read a query from standard input; its lines are one query."""
    if sys.stdin is None:
        return ""
    text = sys.stdin.buffer.read(1 << 20).decode("utf-8", "surrogateescape")
    return " ".join(text.split("\n")).strip()


def with_surroundings(query: str) -> JsonObject:
    """Return a query with what it depends on: where we are, and the last list."""
    asked: JsonObject = {"q": query, **where_we_are()}
    if "@" in query:
        listed = last_list()
        _refuse_far(query, listed)
        ids = [photo.photo for photo in listed]
        if None not in ids:
            asked["list"] = [*ids]
    return asked


def liked_numbers(query: str) -> list[int]:
    """Return the numbers of the last list that a query names with ``like:@3``."""
    named = (part for found in _LIKE_NUMBERS.findall(query) for part in _NUMBER.findall(found))
    return [int(number) for number in named]


def _refuse_far(query: str, listed: Sequence[ListedPhoto]) -> None:
    """Refuse ``like:@3`` where the photo is one of another daemon: its id means nothing here."""
    for number in liked_numbers(query):
        socket = listed[number - 1].socket if number <= len(listed) else None
        if socket is not None and Path(socket) != asked_socket():
            raise RequestError(
                "far_photo",
                f"@{number} is a photo of {library_name(Path(socket))}, and like: knows only those "
                f"of the clipd that is asked; show it to this one: clipctl similar @{number}",
            )


def ask_for_page(client: Client, asked: JsonObject, page: int) -> JsonObject:
    """Ask for a page by way of those before it."""
    answer = _ask(client, asked)
    for _ in range(page - 1):
        following = answer.get("next")
        if not following:
            return answer | {"hits": [], "nothing": "there are no more pages", "next": None}
        answer = _ask(client, asked | {"after": following})
    return answer


def _ask(client: Client, asked: JsonObject) -> JsonObject:
    try:
        return client.post("/v1/search", asked)
    except QueryError as error:
        raise pointed_at(str(asked["q"]), error) from error


def pointed_at(query: str, error: QueryError) -> QueryError:
    """Show on stderr what in a query is wrong; return the error, with a hint where we have one."""
    _point_at(query, error.span)
    return _with_hint(error)


def _point_at(query: str, span: tuple[int, int]) -> None:
    from clipd.ctl.text_width import terminal_columns
    from clipd.ctl.underline import underlined

    if sys.stderr is not None and span[1] > span[0]:
        for line in underlined(query, span, terminal_columns() - 2):
            print(f"  {line}", file=sys.stderr)


def _with_hint(error: QueryError) -> QueryError:
    """Say what may have happened to a comparison on its way through the shell."""
    key = str(error).partition(":")[0]
    if key not in _COMPARED or "has no value" not in str(error):
        return error
    hint = f"a shell takes > and < for itself: write {key}:4.. or '{key}:>=4'"
    return QueryError(f"{error}; {hint}", error.span)
