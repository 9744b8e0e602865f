"""Bodies of requests: read whole, within a size and a time, a few large ones at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.requests import Request

from clipd.config.options import ServeConfig
from clipd.errors import RequestError

SMALL_BYTES = 64 << 10
LARGE_AT_ONCE = 2


class BodyReader:
    """Reads bodies on the server's loop.

    Large bodies take turns until their requests are answered, so that the memory they take
    is bounded by ``LARGE_AT_ONCE * max_body`` and not by the number of connections.
    """

    def __init__(self, config: ServeConfig) -> None:
        self._max_bytes = config.max_body
        self._seconds = config.timeout
        self._turns = asyncio.Semaphore(LARGE_AT_ONCE)

    @asynccontextmanager
    async def reading(self, request: Request) -> AsyncIterator[bytes]:
        """Read the body of a request and hold its turn until the block ends.

        Raises:
            RequestError: the body is too large (413), too slow (408) or has no turn (503).
        """
        is_small = self._is_small(request)
        async with AsyncExitStack() as held:
            if not is_small:
                await self._take_turn(held)
            yield await self._read(request)

    async def _take_turn(self, held: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await held.enter_async_context(self._turns)
        except TimeoutError as error:
            message = "other large requests are in the way; try again in a moment"
            raise RequestError("busy", message, 503) from error

    async def _read(self, request: Request) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    body += chunk
                    self._check(len(body))
        except TimeoutError as error:
            message = f"the request took over {self._seconds:g} s to arrive"
            raise RequestError("too_slow", message, 408) from error
        return bytes(body)

    def _is_small(self, request: Request) -> bool:
        """Judge by the announced size; a body in chunks may become any size."""
        if "transfer-encoding" in request.headers:
            return False
        size_bytes = int(request.headers.get("content-length", 0))  # h11 has checked its form
        self._check(size_bytes)
        return size_bytes <= SMALL_BYTES

    def _check(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            message = f"the body is over {self._max_bytes:,} bytes; serve.max_body raises it"
            raise RequestError("too_large", message, 413)
