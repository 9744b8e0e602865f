"""One search of several libraries, and one answer of the shape that a single daemon gives."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from clipd.config.socketpath import socket_path
from clipd.ctl.asking import Reply, Round
from clipd.ctl.destination import asked_socket
from clipd.ctl.libraries import Library, known_libraries
from clipd.ctl.merging import RANK, LibraryHits, folded, merge
from clipd.ctl.output import objects
from clipd.ctl.query_request import liked_numbers, pointed_at
from clipd.errors import ClipdError, NotRunningError, QueryError, RequestError
from clipd.json_types import JsonObject, JsonValue

LIMIT = 20  # hits, unless others are asked for
_MOST_HITS = 10_000  # that a daemon gives at once
# "page-2" is the "next" of a first page.
_PAGE = re.compile(r"page-([1-9]\d{0,3})")
_EACH_COPY = re.compile(r"(?:^|\s)unique:off(?:\s|$)")


def ask_everywhere(
    asked: JsonObject, page: int, after: str | None, seconds: float
) -> tuple[JsonObject, int]:
    """Ask all known libraries; return their answer, and which page of it that is.

    Args:
        asked: the body of a search.
        page: which page of hits.
        after: the "next" of an answer: its page is meant.
        seconds: how long to wait for those who do not answer.

    Raises:
        ClipdError: no peer is known, the query is wrong, or nobody has answered.
    """
    query = str(asked.get("q", ""))  # pictures are asked for in terms
    if asked_socket() != socket_path():
        raise RequestError("bad_request", "--everywhere asks all, and --at one: leave one out")
    if numbers := liked_numbers(query):
        raise RequestError(
            "far_photo",
            f"@{numbers[0]} is a photo of one library, which the others do not have; show it to "
            f"one of them: clipctl --at NAME similar @{numbers[0]}",
        )
    page = page if after is None else page_after(after)
    try:
        return search_everywhere(known_libraries(), asked, page=page, seconds=seconds), page
    except QueryError as error:
        raise pointed_at(query, error) from error


def page_after(word: str) -> int:
    """Return the page that the "next" of an answer stands for.

    Raises:
        RequestError: it is none of ours.
    """
    found = _PAGE.fullmatch(word)
    if found is None:
        message = 'this "next" is none of a search with --everywhere; leave --after out'
        raise RequestError("bad_value", message)
    return int(found[1])


def search_everywhere(
    libraries: Sequence[Library], asked: JsonObject, *, page: int, seconds: float
) -> JsonObject:
    """Ask all libraries, and make one answer of theirs.

    Args:
        libraries: whom to ask.
        asked: the body of a search.
        page: which page of hits.
        seconds: how long to wait for those who do not answer.

    Raises:
        ClipdError: none of them has answered, or there is no such page.
    """
    began = time.monotonic()
    given = asked.get("limit")
    limit = given if isinstance(given, int) else LIMIT
    if page * limit > _MOST_HITS:
        message = f"--everywhere shows the first {_MOST_HITS:,} hits; page {page} is behind them"
        raise RequestError("bad_value", message)
    # Each library gives all pages up to this one: what stands on it is only known of all together.
    replies = Round(libraries, asked | {"limit": page * limit}, seconds).replies()
    if not any(reply.answer for reply in replies):
        raise _refusal(replies)
    answer = _one_answer(replies, asked, page, limit)
    return answer | {"took_ms": round(1000 * (time.monotonic() - began), 3)}


def _one_answer(replies: Sequence[Reply], asked: JsonObject, page: int, limit: int) -> JsonObject:
    answers = [reply.answer for reply in replies if reply.answer]
    merged = merge([_library_hits(reply) for reply in replies])
    if merged.order == "random" and page > 1:
        message = "sort:random has one page with --everywhere; ask for more hits with -n"
        raise RequestError("bad_value", message)
    hits = merged.hits
    if not _EACH_COPY.search(str(asked.get("q"))):
        hits = folded(hits, str(socket_path()))
    shown = hits[(page - 1) * limit : page * limit]
    is_more = len(hits) > page * limit or any(answer.get("next") for answer in answers)
    nothing = "there are no more pages" if page > 1 else _each(replies, "nothing")
    models = {str(answer.get("model")) for answer in answers}
    turns = _turns(replies) if merged.order == RANK else ""
    return {
        "query": answers[0].get("query"),
        "model": models.pop() if len(models) == 1 else None,
        "hits": [*shown],
        "order": merged.order,
        "reading": _each(replies, "reading", is_named=asked.get("explain") is True),
        "tips": answers[0].get("tips"),
        "nothing": None if shown else nothing or None,
        "left_out": any(answer.get("left_out") is True for answer in answers),
        "next": f"page-{page + 1}" if is_more and merged.order != "random" else None,
        "matching": sum(_count(answer.get("matching")) for answer in answers),
        "note": "; ".join(filter(None, (_each(replies, "note"), turns))),
        "libraries": [_library_json(reply) for reply in replies],
    }


def _library_hits(reply: Reply) -> LibraryHits:
    answer = reply.answer or {}
    hits = [_marked(hit, reply.library) for hit in objects(answer.get("hits"))]
    order, fingerprint = answer.get("order"), answer.get("fingerprint")
    return LibraryHits(
        [hit for hit in hits if isinstance(hit.get("path"), str)],
        order if isinstance(order, str) else "",
        fingerprint if isinstance(fingerprint, str) else "",
    )


def _marked(hit: JsonObject, library: Library) -> JsonObject:
    marks: JsonObject = {"library": library.name, "socket": str(library.socket)}
    members = [_marked(member, library) for member in objects(hit.get("members"))]
    return hit | marks | ({"members": [*members]} if members else {})


def _each(replies: Sequence[Reply], key: str, *, is_named: bool = False) -> str:
    """Return what the libraries say; unless each is to be named, once where all say the same."""
    said = {
        reply.library.name: str(reply.answer[key])
        for reply in replies
        if reply.answer and reply.answer.get(key)
    }
    answered = sum(bool(reply.answer) for reply in replies)
    if not is_named and len(set(said.values())) == 1 and len(said) == answered:
        return next(iter(said.values()))
    return "; ".join(f"{name}: {words}" for name, words in said.items())


def _turns(replies: Sequence[Reply]) -> str:
    """Say why the libraries take turns."""
    found = {reply.library.name: reply.answer for reply in replies if reply.answer}
    untold = [name for name, answer in found.items() if "order" not in answer]
    if untold:
        reason = f"the clipd of {', '.join(untold)} is too old to say what hits are ordered by"
    else:
        models = ", ".join(f"{name} {answer.get('model')}" for name, answer in found.items())
        reason = f"scores of different models cannot be compared ({models})"
    return f"{reason}, so that the libraries take turns, each in its own order"


def _refusal(replies: Sequence[Reply]) -> ClipdError:
    """Return the error of a search that nobody has answered."""
    errors = {reply.library.name: reply.error for reply in replies if reply.error}
    for error in errors.values():
        if isinstance(error, QueryError):
            return error
    said = {name: _reason(error) for name, error in errors.items()}
    reasons = "; ".join(f"{name}: {reason}" for name, reason in said.items())
    for error in errors.values():
        if isinstance(error, RequestError):
            is_same = set(said.values()) == {str(error)} and len(said) == len(replies)
            return RequestError(error.code, str(error) if is_same else reasons, error.status)
    return NotRunningError(f"no library answers: {reasons}", "see: clipctl --at NAME ping")


def _reason(error: ClipdError) -> str:
    return error.reason if isinstance(error, NotRunningError) else str(error)


def _library_json(reply: Reply) -> JsonValue:
    answer = reply.answer or {}
    return {
        "name": reply.library.name,
        "socket": str(reply.library.socket),
        "answered": reply.answer is not None,
        "why": _reason(reply.error) if reply.error else None,
        "model": answer.get("model"),
        "fingerprint": answer.get("fingerprint"),
        "matching": answer.get("matching"),
        "took_ms": answer.get("took_ms"),
    }


def _count(value: JsonValue) -> int:
    return value if isinstance(value, int) else 0
