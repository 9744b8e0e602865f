"""The answer to a check: when it is over, or line by line while it goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from clipd.errors import ClipdError, code_of
from clipd.json_types import JsonValue
from clipd.serve import answers, fields
from clipd.serve.protocol import RunningCheck
from clipd.store.verify import CheckScope, Verdict

_log = logging.getLogger(__name__)
KEYS = ("repair", "disk", "deep", "progress")
_LINE_SECONDS = 0.25  # between two lines of progress


def scope_of(values: Mapping[str, JsonValue]) -> CheckScope:
    """Take what is to be checked out of a request."""
    flags = {key: fields.flag_of(values.get(key, False), key) for key in KEYS}
    return CheckScope(disk=flags["disk"], deep=flags["deep"], repair=flags["repair"])


async def answered_at_end(check: RunningCheck, request: Request) -> Response:
    """Answer with the verdict; a client that leaves ends the check."""
    verdict = _verdict_of(check)
    leaving = asyncio.ensure_future(_left(request))
    either: set[asyncio.Future[Any]] = {verdict, leaving}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if verdict.done():
            return answers.answered(answers.verdict_json(verdict.result()))
        return Response(status_code=400)  # nobody is there to read it
    finally:
        leaving.cancel()
        check.stop()


def answered_by_lines(check: RunningCheck) -> Response:
    """Answer with lines of progress, the last of which is the verdict or a refusal.

    A client that leaves ends the check.
    """
    return StreamingResponse(_lines(check), media_type="application/x-ndjson")


async def _lines(check: RunningCheck) -> AsyncIterator[bytes]:
    verdict = _verdict_of(check)
    try:
        while not verdict.done():
            yield answers.json_line(answers.progress_json(check.progress()))
            await asyncio.wait({verdict}, timeout=_LINE_SECONDS)
        yield answers.json_line(_last_word(verdict))
    finally:
        check.stop()


def _verdict_of(check: RunningCheck) -> asyncio.Future[Verdict]:
    verdict = asyncio.wrap_future(check.verdict)
    # Looked at, also where the client has left: asyncio logs what nobody has looked at.
    verdict.add_done_callback(lambda done: done.cancelled() or done.exception())
    return verdict


def _last_word(verdict: asyncio.Future[Verdict]) -> JsonValue:
    try:
        return answers.verdict_json(verdict.result())
    except ClipdError as error:
        return answers.error_json(code_of(error), str(error))
    except Exception:
        # Per request, as for any other bug (app.py). But the head of this answer is sent: all
        # that is left to tell is a last line.
        _log.exception("a check failed")
        return answers.error_json("internal", answers.BUG)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
