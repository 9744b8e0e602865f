"""The API: which request does what. ``docs/api.md`` tells it to people."""

from __future__ import annotations

import os
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

import clipd
from clipd.errors import ClipdError, RequestError
from clipd.json_types import JsonObject
from clipd.search.query import THUMBNAIL_SIDES, Answer, Query
from clipd.serve import answers, checks, fields, imports, searches
from clipd.serve.body import BodyReader
from clipd.serve.lanes import Lanes
from clipd.serve.limits import Limits
from clipd.serve.middleware import HeaderLimit, StopAnswer
from clipd.serve.protocol import Service
from clipd.suggest import nearest

MAX_PAGE = 10_000


def app(service: Service, limits: Limits, lanes: Lanes) -> Starlette:
    """Make the application that answers for a service; its work runs in ``lanes``."""
    routes = _Api(service, limits, lanes).routes()
    paths = [route.path for route in routes]

    async def no_such(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _unrouted(request, error, paths)

    made = Starlette(
        routes=routes,
        middleware=[Middleware(StopAnswer), Middleware(HeaderLimit)],
        exception_handlers={
            ClipdError: _on_purpose,
            HTTPException: no_such,
            ClientDisconnect: _gone,
            Exception: _bug,
        },
    )
    made.router.redirect_slashes = False  # it would build an address from the Host header
    return made


class _Api:
    """The endpoints; every one is called on the server's loop and works in one of the lanes."""

    def __init__(self, service: Service, limits: Limits, lanes: Lanes) -> None:
        self._service = service
        self._lanes = lanes
        self._bodies = BodyReader(limits)

    def routes(self) -> list[Route]:
        return [
            Route("/v1/ping", self.ping, methods=["GET"]),
            Route("/v1/search", self.search, methods=["GET", "POST"]),
            Route("/v1/complete", self.complete, methods=["GET"]),
            Route("/v1/dupes", self.dupes, methods=["GET"]),
            Route("/v1/photos/{photo:int}/thumbnail", self.thumbnail, methods=["GET"]),
            Route("/v1/status", self.status, methods=["GET"]),
            Route("/v1/errors", self.errors, methods=["GET"]),
            Route("/v1/photos/{photo:int}", self.photo, methods=["GET"]),
            Route("/v1/info", self.info, methods=["GET"]),
            Route("/v1/rescan", self.rescan, methods=["POST"]),
            Route("/v1/pause", self.pause, methods=["POST"]),
            Route("/v1/resume", self.resume, methods=["POST"]),
            Route("/v1/forget", self.forget, methods=["POST"]),
            Route("/v1/model/switch", self.switch_model, methods=["POST"]),
            Route("/v1/vectors", self.vectors, methods=["POST"]),
            Route("/v1/verify", self.verify, methods=["POST"]),
        ]

    async def ping(self, request: Request) -> Response:
        fields.parse_query_string(_address(request), ())
        return answers.answered({"pid": os.getpid(), "version": clipd.__version__})

    async def search(self, request: Request) -> Response:
        if request.method != "POST":
            return await self._found(lambda: searches.from_address(_address(request)))
        async with self._bodies.reading(request) as body:
            if _is_picture(request):
                return await self._found(lambda: searches.from_picture(body, _address(request)))
            fields.parse_query_string(_address(request), ())
            return await self._found(lambda: searches.from_json(body))

    async def thumbnail(self, request: Request) -> Response:
        values = fields.parse_query_string(_address(request), ("side", "fit"))
        photo = int(request.path_params["photo"])
        if "fit" in values:
            return await self._fitted(photo, fields.box_of(values))
        side = fields.integer_of(fields.read_word(values.get("side", "256")), "side", 1, 1 << 12)
        if side not in THUMBNAIL_SIDES:
            raise RequestError("bad_value", "'side' must be 256 or 1024")
        jpeg = await self._lanes.thumbnails.run(lambda: self._service.thumbnail(photo, side))
        return Response(jpeg, media_type="image/jpeg")

    async def _fitted(self, photo: int, box: tuple[int, int]) -> Response:
        fitted = await self._lanes.thumbnails.run(lambda: self._service.fit(photo, box))
        sizes = {"clipd-width": str(fitted.width), "clipd-height": str(fitted.height)}
        return Response(fitted.rgb, media_type="application/octet-stream", headers=sizes)

    async def complete(self, request: Request) -> Response:
        text, at, around = searches.unfinished(_address(request))
        return await self._lanes.quick.run(
            lambda: answers.answered(
                answers.completion_json(self._service.complete(text, at, around))
            )
        )

    async def dupes(self, request: Request) -> Response:
        sameness, limit = searches.sameness_of(_address(request))
        return await self._lanes.slow.run(
            lambda: answers.answered(
                answers.duplicates_json(self._service.duplicates(sameness, limit))
            )
        )

    async def status(self, request: Request) -> Response:
        fields.parse_query_string(_address(request), ())
        return await self._lanes.quick.run(lambda: answers.answered(self._service.status()))

    async def errors(self, request: Request) -> Response:
        values = fields.parse_query_string(_address(request), ("after", "limit", "skipped"))
        words = {
            key: fields.read_word(values[key]) for key in ("limit", "skipped") if key in values
        }
        after = fields.base64_of(values.get("after", ""), "after")
        limit = fields.integer_of(words.get("limit", 1000), "limit", 1, MAX_PAGE)
        skipped = fields.flag_of(words.get("skipped", False), "skipped")
        return await self._lanes.quick.run(lambda: self._page(after, limit, skipped))

    async def photo(self, request: Request) -> Response:
        fields.parse_query_string(_address(request), ())
        photo = int(request.path_params["photo"])
        return await self._lanes.quick.run(lambda: answers.answered(self._service.photo(photo)))

    async def info(self, request: Request) -> Response:
        values = fields.parse_query_string(_address(request), ("path", "path_b64"))
        path = fields.path_of(values, exact=True)
        if path is None:
            raise RequestError("bad_request", "say which file is meant: add ?path=/absolute/path")
        return await self._lanes.quick.run(lambda: answers.answered(self._service.info(path)))

    async def rescan(self, request: Request) -> Response:
        values = await self._asked(request, ("path", "path_b64"))
        path = fields.path_of(values, exact=False)
        return await self._done(lambda: self._service.rescan(path))

    async def pause(self, request: Request) -> Response:
        await self._asked(request, ())
        return await self._done(self._service.pause)

    async def resume(self, request: Request) -> Response:
        await self._asked(request, ())
        return await self._done(self._service.resume)

    async def forget(self, request: Request) -> Response:
        values = await self._asked(request, ("model", "others"))
        model = fields.model_of(values)
        return await self._lanes.slow.run(
            lambda: answers.answered(answers.forgotten_json(self._service.forget(model)))
        )

    async def switch_model(self, request: Request) -> Response:
        await self._asked(request, ())
        return await self._done(self._service.switch_model)

    async def vectors(self, request: Request) -> Response:
        fields.parse_query_string(_address(request), ())
        async with self._bodies.reading(request) as body:
            return await self._lanes.slow.run(lambda: self._taken_in(body))

    async def verify(self, request: Request) -> Response:
        values = await self._asked(request, checks.KEYS)
        check = self._service.verify(checks.scope_of(values))
        if values.get("progress"):
            return checks.answered_by_lines(check)
        return await checks.answered_at_end(check, request)

    async def _asked(self, request: Request, allowed: tuple[str, ...]) -> JsonObject:
        fields.parse_query_string(_address(request), ())
        async with self._bodies.reading(request) as body:
            return fields.parse_object(body, allowed)

    async def _found(self, read: Callable[[], Query]) -> Response:
        """Answer at once what needs no model; have the rest wait where it is in nobody's way."""

        def found_at_once() -> Response | Query:
            # Reading is work too: 64 MiB of base64 would hold up the loop.
            query = read()
            answer = self._service.search_known(query)
            return query if answer is None else _found_json(answer)

        first = await self._lanes.searches.run(found_at_once)
        if isinstance(first, Response):
            return first
        query = first
        return await self._lanes.model.run(lambda: _found_json(self._service.search(query)))

    async def _done(self, act: Callable[[], None]) -> Response:
        def acted() -> Response:
            act()
            return answers.answered({"ok": True})

        return await self._lanes.quick.run(acted)

    def _taken_in(self, body: bytes) -> Response:
        page = imports.read_page(body)
        imported = self._service.take_in(page.model, page.fingerprint, page.photos)
        return answers.answered(answers.imported_json(imported))

    def _page(self, after: bytes, limit: int, skipped: bool) -> Response:
        failures = self._service.errors(after, limit, skipped)
        return answers.answered(answers.failures_json(failures, len(failures) < limit))


def _found_json(answer: Answer) -> Response:
    return answers.answered(answers.answer_json(answer))


def _address(request: Request) -> bytes:
    raw: bytes = request.scope["query_string"]
    return raw


def _is_picture(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/octet-stream" or kind.startswith("image/")


def _unrouted(request: Request, error: HTTPException, paths: list[str]) -> Response:
    path = request.scope["path"]
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "")
        message = f"{path} does not take {request.method}; it takes {allow}"
        return answers.refused("method_not_allowed", message, 405, allow)
    near = nearest(path, paths)
    advice = f"did you mean {near[0]}?" if near else f"there are: {', '.join(paths)}"
    return answers.refused("not_found", f"there is no {path[:100]}; {advice}", 404)


async def _on_purpose(request: Request, error: Exception) -> Response:
    assert isinstance(error, ClipdError)
    return answers.refused_by(error)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _bug(request: Request, error: Exception) -> Response:
    # The traceback goes to the log: starlette raises the error again after this answer.
    return answers.refused("internal", answers.BUG, 500)
