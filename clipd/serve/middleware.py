"""What stands before every request: a limit for headers, and an answer where the server stops."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipd.errors import StoppingError
from clipd.serve import answers

MAX_HEADER_BYTES = 64 << 10


class StopAnswer:
    """Tell the clients of requests that are given up, because the server stops, to ask again."""

    def __init__(self, following: ASGIApp) -> None:
        self._following = following

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, as ASGI has it."""
        is_begun = False

        async def send_noting(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        try:
            await self._following(scope, receive, send_noting)
        except asyncio.CancelledError:
            # Only a server that stops does this, after its grace; a thread that works on the
            # request ends by itself.
            if is_begun:
                raise
            await answers.refused_by(StoppingError())(scope, receive, send)


class HeaderLimit:
    """Refuse headers over the limit; h11 checks only those that come in several pieces."""

    def __init__(self, following: ASGIApp) -> None:
        self._following = following

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, as ASGI has it."""
        size_bytes = len(scope["raw_path"]) + len(scope["query_string"])
        size_bytes += sum(len(key) + len(value) for key, value in scope["headers"])
        if size_bytes > MAX_HEADER_BYTES:
            message = f"the header of the request is over {MAX_HEADER_BYTES:,} bytes"
            response = answers.refused("header_too_large", message, 431)
            await response(scope, receive, send)
        else:
            await self._following(scope, receive, send)
