"""What the page asks, and what becomes of it: almost all of it goes on to the daemon."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from clipd.ctl import desktop
from clipd.ctl.client import Client
from clipd.ctl.destination import asked_socket, is_own
from clipd.ctl.last_list import ListedPhoto
from clipd.ctl.output import objects, path_bytes
from clipd.ctl.photo_copies import copy_photos
from clipd.ctl.whereabouts import file_here
from clipd.errors import ClipdError, RequestError
from clipd.json_types import JsonObject, JsonValue
from clipd.page.gate import Gate
from clipd.page.guard import Guard, refused
from clipd.page.originals import TYPES, Original
from clipd.page.placeholder import placeholder
from clipd.pathtext import shown

_STATIC = Path(__file__).with_name("static")
_FILES = {
    **dict.fromkeys(("page.js", "grid.js", "large.js", "daemon.js", "api.js"), "text/javascript"),
    "page.css": "text/css",
    "icon.svg": "image/svg+xml",
}
_MOST_BODY_BYTES = 1 << 20
_MOST_PHOTOS = 10_000
_FIRST_HITS, _NEXT_HITS = 100, 500
# A photo of one id never shows another content; ids are never given twice.
_KEPT = {"cache-control": "private, max-age=86400, immutable"}


class PageApi:
    """The endpoints. Those that wait run on threads of their own.

    Args:
        gate: who is let in.
        client: makes a client of the daemon.
        used: told of every request that a person made.
    """

    def __init__(self, gate: Gate, client: Callable[[], Client], used: Callable[[], None]) -> None:
        self._gate = gate
        self._client = client
        self._used = used

    def application(self) -> ASGIApp:
        """Make what a server serves."""
        made = Starlette(
            routes=[
                Route("/enter", self.enter),
                Route("/", self.index),
                Route("/static/{name}", self.static),
                Route("/api/search", self.search),
                Route("/api/complete", self.complete),
                Route("/api/photos/{photo:int}", self.photo),
                Route("/api/status", self.status),
                Route("/api/errors", self.errors),
                Route("/thumbnails/{photo:int}", self.thumbnail),
                Route("/originals/{photo:int}", self.original),
                Route("/api/open", self.open, methods=["POST"]),
                Route("/api/show", self.show, methods=["POST"]),
                Route("/api/copy", self.copy, methods=["POST"]),
            ],
            exception_handlers={ClipdError: refused},
        )
        made.router.redirect_slashes = False
        return Guard(made, self._gate, self._used)

    def enter(self, request: Request) -> Response:
        """Let a browser in, and send it on by its own hand: so its cookie goes along."""
        session = self._gate.enter(request.query_params.get("word", ""))
        target = "/?q=" + quote(request.query_params.get("q", ""))
        answer = HTMLResponse(
            f'<!doctype html><meta http-equiv="refresh" content="0;url={escape(target)}">'
            '<title>clipd</title><link rel="icon" href="/static/icon.svg">'
        )
        answer.set_cookie(self._gate.cookie, session, httponly=True, samesite="strict", path="/")
        return answer

    def index(self, request: Request) -> Response:
        """Give the page."""
        return HTMLResponse((_STATIC / "index.html").read_text())

    def static(self, request: Request) -> Response:
        """Give a file of the page."""
        name = request.path_params["name"]
        if name not in _FILES:
            raise RequestError("not_found", "there is no such file", 404)
        return Response((_STATIC / name).read_bytes(), media_type=_FILES[name])

    def search(self, request: Request) -> Response:
        """Search; ``like`` are ids of photos that ``@1``, ``@2`` in the query stand for."""
        asked = request.query_params
        values: JsonObject = {
            "q": asked.get("q", ""),
            "limit": _NEXT_HITS if asked.get("after") else _FIRST_HITS,
            "explain": True,
            "members": True,
            "typing": bool(asked.get("typing")),
            "home": os.path.expanduser("~"),
            "list": [_number(each) for each in asked.get("list", "").split(",") if each],
        }
        if asked.get("after"):
            values["after"] = asked["after"]
        if asked.get("anyway"):
            values["anyway"] = True
        return JSONResponse(self._client().post("/v1/search", values))

    def complete(self, request: Request) -> Response:
        """Give suggestions for what is being typed."""
        asked: JsonObject = {key: request.query_params.get(key, "") for key in ("q", "at")}
        try:
            return JSONResponse(self._client().get("/v1/complete", asked))
        except RequestError:
            return JSONResponse({"options": []})

    def photo(self, request: Request) -> Response:
        """Tell all that is known of a photo."""
        return JSONResponse(self._info(request.path_params["photo"]))

    def status(self, request: Request) -> Response:
        """Give the state of the daemon."""
        return JSONResponse(self._client().get("/v1/status"))

    def errors(self, request: Request) -> Response:
        """Give a page of files that could not be read."""
        after = request.query_params.get("after", "")
        asked: JsonObject = {"limit": 200, "skipped": "false", "after": after}
        return JSONResponse(self._client().get("/v1/errors", asked))

    def thumbnail(self, request: Request) -> Response:
        """Give a photo in small, or a drawn tile that says why there is none."""
        photo = request.path_params["photo"]
        side = "1024" if request.query_params.get("side") == "1024" else "256"
        try:
            jpeg = self._client().fetch(f"/v1/photos/{photo}/thumbnail", {"side": side})
        except ClipdError as error:
            return Response(placeholder(str(error)), media_type="image/svg+xml")
        return Response(jpeg, media_type="image/jpeg", headers=_KEPT)

    def original(self, request: Request) -> Response:
        """Give a photo as it is, where browsers can show it; else as large as a thumbnail goes."""
        info = self._info(request.path_params["photo"])
        kind = TYPES.get(str(info.get("format")))
        photo = _listed(info)
        if kind is None or photo.is_far:
            return self.thumbnail(request)
        original = Original(photo.path)
        length = {"content-length": str(original.size_bytes)}
        return StreamingResponse(original.pieces(), media_type=kind, headers=length)

    async def open(self, request: Request) -> Response:
        """Open photos in the program of the desktop."""
        return await self._acted(request, desktop.open_each)

    async def show(self, request: Request) -> Response:
        """Show photos in the file manager."""
        return await self._acted(request, desktop.show_each)

    async def copy(self, request: Request) -> Response:
        """Copy photos into a folder."""
        body = await _body(request)
        folder = os.path.expanduser(str(body.get("folder", "")))
        if not os.path.isabs(folder):
            message = "name a folder by its whole path, such as ~/Desktop/calendar"
            raise RequestError("no_folder", message)
        return JSONResponse(await run_in_threadpool(self._copied, body, folder))

    def _copied(self, body: JsonObject, folder: str) -> JsonObject:
        report = copy_photos(self._chosen(body), os.fsencode(folder), is_link=False)
        passed: list[JsonValue] = [
            f"{shown(photo.path)}: {reason}" for photo, reason in report.passed_over
        ]
        return {
            "copied": len(report.copied),
            "there_already": len(report.there_already),
            "passed_over": passed,
            "folder": folder,
        }

    async def _acted(
        self, request: Request, act: Callable[[list[ListedPhoto]], Sequence[ListedPhoto]]
    ) -> Response:
        body = await _body(request)
        done = await run_in_threadpool(lambda: act(self._chosen(body)))
        return JSONResponse({"done": len(done)})

    def _info(self, photo: object) -> JsonObject:
        return self._client().get(f"/v1/photos/{_number(str(photo))}")

    def _chosen(self, body: JsonObject) -> list[ListedPhoto]:
        numbers = body.get("photos")
        if not isinstance(numbers, list) or not 0 < len(numbers) <= _MOST_PHOTOS:
            raise RequestError("bad_value", "choose some photos first")
        return [_listed(self._info(number)) for number in numbers]


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise RequestError("bad_value", "that is no number of a photo")
    return int(text)


def _listed(info: JsonObject) -> ListedPhoto:
    """Return a photo where it lies: at a path that is there now, where one is.

    Of a daemon that is not the user's own (``clipctl --at nas browse``) that is a file of this
    machine only where the content of the file says so.
    """
    places = objects(info.get("paths"))
    if not places:
        raise RequestError("no_such_photo", "this photo is not there any more", 404)
    offline = all(place.get("offline") for place in places)
    path = path_bytes(min(places, key=lambda place: bool(place.get("offline"))))
    asked = asked_socket()
    if is_own(asked):
        return ListedPhoto(path, None, offline)
    here = file_here(info)
    return ListedPhoto(path, None, offline, str(asked)) if here is None else ListedPhoto(here)


async def _body(request: Request) -> JsonObject:
    raw = b""
    async for piece in request.stream():
        raw += piece
        if len(raw) > _MOST_BODY_BYTES:
            raise RequestError("too_large", "too many photos at once", 413)
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise RequestError("bad_json", "the body is not JSON") from error
    if not isinstance(value, dict):
        raise RequestError("bad_type", "the body must be an object")
    return value
