"""Bodies of requests: read whole, within a size and a time, in memory that is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from clipd.errors import RequestError
from clipd.serve.limits import Limits

SMALL_BYTES = 64 << 10
LARGE_AT_ONCE = 2


class _Body:
    """A body on its way in, or held until its request is answered."""

    def __init__(self) -> None:
        self.deadline = asyncio.timeout(None)  # replaced when it begins to arrive
        self.held_bytes = 0
        self.is_in_the_way = False


class BodyReader:
    """Reads bodies on the server's loop.

    All bodies together hold at most ``LARGE_AT_ONCE * max_body`` bytes. A client that has begun
    to send and does not go on holds only what it sent; where even that is in the way, the one
    that has been sending the longest gives way to the newest, which on a local socket is done in
    a moment. Small bodies are not counted: the number of connections bounds them.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._arriving: list[_Body] = []  # not whole yet, the oldest first
        self._held_bytes = 0  # by bodies that arrive or are being answered
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def reading(self, request: Request) -> AsyncIterator[bytes]:
        """Read the body of a request; it counts as held until the block ends.

        Raises:
            RequestError: the body is too large (413), too slow (408), or there is no room (503).
        """
        self._check(_announced_bytes(request))
        body = _Body()
        try:
            yield await self._arrived(request, body)
        finally:
            self._let_go(body)

    async def _arrived(self, request: Request, body: _Body) -> bytes:
        seconds = self._limits.config.timeout
        self._arriving.append(body)
        try:
            async with asyncio.timeout(seconds) as body.deadline:
                return await self._read(request, body)
        except TimeoutError as error:
            if body.is_in_the_way:
                message = "other large requests are in the way; try again in a moment"
                raise RequestError("busy", message, 503) from error
            message = f"the request took over {seconds:g} s to arrive"
            raise RequestError("too_slow", message, 408) from error
        finally:
            self._arriving.remove(body)

    async def _read(self, request: Request, body: _Body) -> bytes:
        data = bytearray()
        async for chunk in request.stream():
            self._check(len(data) + len(chunk))
            if len(data) + len(chunk) > SMALL_BYTES:
                await self._hold(body, len(data) + len(chunk))
            data += chunk
        return bytes(data)

    async def _hold(self, body: _Body, size_bytes: int) -> None:
        """Count a body as one of this size, as soon as there is room for it."""
        more_bytes = size_bytes - body.held_bytes
        while self._held_bytes + more_bytes > LARGE_AT_ONCE * self._limits.config.max_body:
            older = self._arriving[: self._arriving.index(body)]
            if holding := [one for one in older if one.held_bytes]:
                self._push_out(holding[0])
            else:  # what is held is newer, or whole and left when it is answered
                await self._wait_for_room(body)
        self._held_bytes += more_bytes
        body.held_bytes = size_bytes

    async def _wait_for_room(self, body: _Body) -> None:
        body.is_in_the_way = True  # should its time be over before there is room
        self._freed.clear()
        await self._freed.wait()
        body.is_in_the_way = False

    def _push_out(self, body: _Body) -> None:
        body.is_in_the_way = True
        body.deadline.reschedule(asyncio.get_running_loop().time())
        self._let_go(body)

    def _let_go(self, body: _Body) -> None:
        self._held_bytes -= body.held_bytes
        body.held_bytes = 0
        self._freed.set()

    def _check(self, size_bytes: int) -> None:
        most = self._limits.config.max_body
        if size_bytes > most:
            message = f"the body is over {most:,} bytes; serve.max_body raises it"
            raise RequestError("too_large", message, 413)


def _announced_bytes(request: Request) -> int:
    if "transfer-encoding" in request.headers:
        return 0  # a body in chunks may become any size
    return int(request.headers.get("content-length", 0))  # h11 has checked its form
