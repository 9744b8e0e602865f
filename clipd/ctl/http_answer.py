"""An answer of the daemon, taken apart."""

from __future__ import annotations

import json
from collections.abc import Iterator

from clipd.errors import NotRunningError, QueryError, RequestError
from clipd.json_types import JsonObject


def lines_of(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines of an answer as its pieces come."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest


def value_of(answer: bytes) -> JsonObject:
    """Take an answer apart: ``HTTP/1.1 200 OK``, headers, JSON."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = status_of(head)
    value = object_of(body)
    if status >= 400:
        raise refusal_of(value, status)
    return value


def line_value(line: bytes) -> JsonObject:
    """Take a line of an answer that comes in lines; its refusals come without a status."""
    value = object_of(line)
    if "error" in value:
        raise refusal_of(value, 503)
    return value


def status_of(head: bytes) -> int:
    """Return the status of an answer: the number in its first line."""
    try:
        word, status = head.split(maxsplit=2)[:2]
        number = int(status)
    except ValueError as error:
        raise _not_clipd() from error
    if not word.startswith(b"HTTP/"):
        raise _not_clipd()
    return number


def headers_of(head: bytes) -> dict[str, str]:
    """Return the headers of an answer; their names are in lower case."""
    rows = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in rows}


def object_of(body: bytes) -> JsonObject:
    """Read JSON that has to be an object."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _not_clipd() from error
    if not isinstance(value, dict):
        raise _not_clipd()
    return value


def refusal_of(value: JsonObject, status: int) -> Exception:
    """Return the error that a refusal tells of."""
    error = value.get("error")
    if not isinstance(error, dict):
        return _not_clipd()
    message = str(error.get("message"))
    span = error.get("span")
    if isinstance(span, list) and len(span) == 2:
        start, end = span
        if isinstance(start, int) and isinstance(end, int):
            return QueryError(message, (start, end))
    return RequestError(str(error.get("code")), message, status)


def _not_clipd() -> NotRunningError:
    return NotRunningError(
        "what answers at the socket is not clipd, or broke off", "check CLIPD_SOCKET, or --at"
    )
