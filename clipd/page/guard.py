"""Who may ask the page anything, and what every answer says of itself."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipd.errors import NotRunningError, QueryError, RequestError
from clipd.json_types import JsonObject
from clipd.page.gate import Gate

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


async def refused(request: Request, error: Exception) -> Response:
    """Answer what a daemon, or this page, has refused."""
    status = error.status if isinstance(error, RequestError) else 503
    told: JsonObject = {"code": "failed", "message": str(error)}
    if isinstance(error, QueryError):
        told |= {"code": "query", "span": [*error.span]}
    elif isinstance(error, RequestError):
        told["code"] = error.code
    elif isinstance(error, NotRunningError):
        told["code"] = "not_running"
    return JSONResponse({"error": told}, status)


class Guard:
    """Checks every request before it is looked at, and has all answers say what is safe."""

    def __init__(self, following: ASGIApp, gate: Gate, used: Callable[[], None]) -> None:
        self._following = following
        self._gate = gate
        self._used = used

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, as ASGI has it."""
        if scope["type"] != "http":
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                added = [
                    (name.encode(), value.encode())
                    for name, value in _HEADERS.items()
                    if name.encode() not in present
                ]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        request = Request(scope, receive)
        try:
            if scope["path"] == "/enter":
                self._gate.check_address(request.headers)
            else:
                self._gate.check(request.method, request.headers, request.cookies)
        except RequestError as error:
            answer = await refused(request, error)
            await answer(scope, receive, send_safely)
            return
        if scope["path"] != "/api/status":  # the page asks that by itself
            self._used()
        await self._following(scope, receive, send_safely)
